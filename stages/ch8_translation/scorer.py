"""Train the scorer: FCN-8s on the real training photos of a set and their label maps (Section 8.1.4).

    python -m stages.ch8_translation.scorer facades

It sees no generated photo and none of the test part, and is the same for all models and seeds.
"""

import argparse
from collections.abc import Mapping

import torch
from torch import Tensor

from stages.ch8_translation import scored
from stages.ch8_translation.scorer_settings import Scorer
from stages.core import capture, loop, optimisers, provenance, runtime, stage
from stages.core.errors import UserError
from stages.core.runtime import Runtime
from stages.core.seeds import generator, seed_for
from stages.encoders import fcn8s, vgg16
from stages.encoders.fcn8s import FCN8s
from stages.encoders.vgg16 import Weights, normalise
from stages.gan.optimisers import adam

NAME = "ch8_translation.scorer"


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def initial(scorer: Scorer, state: Mapping[str, Tensor], weights: Weights, classes: int) -> FCN8s:
    """The network before its first step, from this state of torchvision's VGG-16; scores start at 0, as FCN-8s's authors' do."""
    model = FCN8s(classes, vgg16.widths_of(state), fcn8s.fc_of(state, weights, scorer.fc), scorer.skip_scales)
    fcn8s.fill_from_vgg16(model, state, weights, generator(NAME, scorer.seed, "weights"))
    return model


def optimiser_for(model: FCN8s, scorer: Scorer) -> torch.optim.Optimizer:
    """Of all that is not fixed, at one rate and decay."""
    if scorer.optimiser == "adam":
        return adam([model], scorer.learning_rate, (scorer.momentum, 0.999), scorer.weight_decay)
    return optimisers.sgd(model, lambda _: (1, scorer.weight_decay), learning_rate=scorer.learning_rate, momentum=scorer.momentum)


def main(args: argparse.Namespace, job: stage.Job) -> None:
    scorer = job.settings(Scorer, "ch8_translation.scorer")
    weights = fcn8s.weights_called(scorer.weights, "ch8_translation.scorer.weights")
    source = job.dep(job.data(f"sources/{scorer.weights}"))
    real = scored.load(job.dep(job.data(f"prepared/ch8_scored/{args.dataset}")), "train")
    if len(real.photos) < scorer.batch_size:
        raise UserError(
            f"ch8_translation.scorer.batch_size is {scorer.batch_size}, and {args.dataset} has {len(real.photos)} training photos: lower it"
        )
    precision = job.settings(Runtime, "runtime")
    device = precision.start()
    model = initial(scorer, runtime.load(source / weights.file), weights, len(real.classes)).to(device)
    precision.place(model, device)
    optimiser = optimiser_for(model, scorer)
    torch.manual_seed(seed_for(NAME, scorer.seed, "dropout"))
    photos, labels = (torch.from_numpy(array).to(device) for array in (real.photos, real.labels))
    rows_of = loop.batches(len(photos), scorer.batch_size, (NAME, scorer.seed), device)

    def work(pixels: Tensor, truth: Tensor) -> Tensor:
        with precision.autocast(device):
            logits = model(normalise(pixels.movedim(-1, 1), weights))
        loss = fcn8s.segmentation_loss(logits, truth)
        optimisers.update(loss, optimiser)
        return loss

    def batch(iteration: int) -> capture.Batch:
        rows = rows_of(iteration)
        return photos[rows], labels[rows]

    step = capture.Step(batch, work, [optimiser], device)
    stateful: dict[str, loop.Stateful] = {"model": model, "optimizer": optimiser}
    trained = loop.train(step, lambda done: {}, stateful, scorer, job.checkpoint, f"scorer of {args.dataset}")
    about = {
        "iterations": scorer.iterations,
        "parameters": fcn8s.count_parameters(model),
        "encoder": f"FCN-8s from VGG-16 ({scorer.weights}), {provenance.kind_of(source)} weights",
        # What labels pictures by it needs to know.
        "weights": scorer.weights,
        "size": scorer.size,
        "skip_scales": list(scorer.skip_scales),
        "classes": real.classes,
        "palette": real.palette.tolist(),
    }
    loop.finish(job, job.data(f"models/ch8_scorer/{args.dataset}"), model, trained, about, precision, device, **step.notes())


if __name__ == "__main__":
    stage.execute(parser(), main)
