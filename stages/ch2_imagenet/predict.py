"""What a network trained here says of the validation images: the five best classes of each.

    python -m stages.ch2_imagenet.predict imagenet cfn-11 --seed 0

Of one that fuses its branches also their maps of some images, for Figure 2.12.
"""

import argparse
import json
from functools import partial

import numpy as np
import torch
from torch import Tensor

from stages.ch2_imagenet import validation
from stages.ch2_imagenet.data import Crops, Pictures, central_crops, class_names, load_mean
from stages.ch2_imagenet.networks import ImageNetwork, load
from stages.ch2_imagenet.training_settings import Network, Variant
from stages.core import inference, metrics, stage
from stages.core.branches import top_maps


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset", "model", seed=True)


def scores_by(model: ImageNetwork, crops: Crops, mean: Tensor, device: torch.device) -> Tensor:
    """The network's own prediction, (N, C), in single precision: in half, a tenth of the places among the best would be ties."""
    return model(crops.normalised(mean, device)[0])[:, -1]


def main(args: argparse.Namespace, job: stage.Job) -> None:
    precision, device = inference.start(job)
    network = f"{args.dataset}/{args.model}-seed{args.seed}"
    pictures = Pictures(job.dep(job.data(f"packed/{args.dataset}")), "val")
    facts = job.dep(job.data(f"packed/{args.dataset}_facts"))
    trained = job.dep(job.data(f"models/ch2_imagenet/{network}"))
    mean, crop = load_mean(facts, job.param("ch2_imagenet.mean"), device), job.param("ch2_imagenet.crop")
    variant = job.settings(Variant, f"ch2_imagenet.variants.{args.model}")
    model = load(trained, variant, len(class_names(facts)), job.settings(Network, "ch2_imagenet.network"), device)
    precision.place(model, device)
    out = job.out(job.data(f"predictions/ch2_imagenet/{network}"))
    scores = partial(scores_by, model, mean=mean, device=device)
    about = metrics.made_by(json.loads((trained / "about.json").read_text()), precision.describe(device))
    validation.write(out, pictures, facts, scores, about, crop=crop, batch_size=job.param("ch2_imagenet.batch_size"))
    if variant.sides == "fused":
        shown = central_crops(pictures, torch.arange(min(len(pictures), job.param("ch2_imagenet.figures.shown"))), crop)
        with torch.no_grad():
            maps = top_maps(model.branch_maps(shown.normalised(mean, device)[0]))
        np.savez(out / "activations.npz", images=shown.pixels.numpy(), **maps)  # type: ignore[arg-type]


if __name__ == "__main__":
    stage.execute(parser(), main)
