"""What the published network says of the validation images, with which those trained here are compared (Table 2.4).

    python -m stages.ch2_imagenet.predict_encoder imagenet

Its weights are fetched or, of a miniature, generated.
"""

import argparse
from functools import partial

import torch
from torch import Tensor, nn

from stages.ch2_imagenet import validation
from stages.ch2_imagenet.data import Crops, Pictures
from stages.ch2_imagenet.networks import count_parameters
from stages.core import inference, provenance, stage
from stages.encoders import vision


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def scores_by(model: nn.Module, encoder: vision.Encoder, crops: Crops, device: torch.device) -> Tensor:
    """The encoder's prediction, (N, C), of RGB as its weights take them."""
    return model(vision.normalise(crops.pixels.permute(0, 3, 1, 2).to(device), encoder))


def main(args: argparse.Namespace, job: stage.Job) -> None:
    precision, device = inference.start(job)
    name = job.param("ch2_imagenet.encoder.name")
    pictures = Pictures(job.dep(job.data(f"packed/{args.dataset}")), "val")
    facts, source = (job.dep(job.data(path)) for path in (f"packed/{args.dataset}_facts", f"sources/{name}"))
    model = precision.place(vision.load(name, source), device)
    about = {"parameters": count_parameters(model), "weights": provenance.kind_of(source), **precision.describe(device)}
    scores = partial(scores_by, model, vision.encoder(name), device=device)
    out = job.out(job.data(f"predictions/ch2_imagenet/{args.dataset}/{name}"))
    crop, batch_size = (job.param(f"ch2_imagenet.{key}") for key in ("crop", "batch_size"))
    validation.write(out, pictures, facts, scores, about, crop=crop, batch_size=batch_size)


if __name__ == "__main__":
    stage.execute(parser(), main)
