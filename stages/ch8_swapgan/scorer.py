"""Train what generated people are read by: a parser and a classifier of categories, on the real training photos of a set.

    python -m stages.ch8_swapgan.scorer deepfashion_inshop

They see no generated photo and none of the test part, and are the same for all models and seeds. The parser reads masks and sleeves of all
variants alike, of those too that have no G_III; the classifier's answers are those of the Inception Score where no Inception is had.
"""

import argparse

import torch
from torch import Tensor
from torch.nn import functional as F

from stages.ch8_swapgan import data
from stages.ch8_swapgan.scorer_model import OUTPUTS, Scorer, initialise
from stages.ch8_swapgan.scorer_settings import Scorer as Settings
from stages.core import capture, loop, optimisers, stage
from stages.core.errors import UserError
from stages.core.runtime import Runtime
from stages.gan.images import to_unit
from stages.gan.optimisers import adam

NAME = "ch8_swapgan.scorer"
SIZES = ("width", "depth", "filters", "layers")


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def segment_weights(parts: Tensor) -> Tensor:
    """Of each segment 1 by the root of how many pixels of (n, S, S) have it, float32 (6,).

    Bare arms are one pixel in a hundred: by pixels that all count alike the parser would see none for long, and sleeves in all pictures.
    """
    counts = torch.bincount(parts.flatten(), minlength=OUTPUTS).clamp(min=1)
    return 1 / counts.float().sqrt()


def losses_of(model: Scorer, images: Tensor, parts: Tensor, categories: Tensor, weights: Tensor, precision: Runtime) -> dict[str, Tensor]:
    """The cross entropies of segments, over all pixels, weighted by what they show, and of categories.

    images : uint8 (N, S, S, 3). parts : uint8 (N, S, S), 0 to 5. categories : int64 (N,). weights : of segments, (6,).
    """
    with precision.autocast(images.device):
        segments, named = model(to_unit(images))
    parser = F.cross_entropy(segments.float(), parts.long(), weight=weights)
    return {"parser": parser, "classifier": F.cross_entropy(named.float(), categories)}


def mirror(maps: Tensor, which: Tensor) -> Tensor:
    """Pictures (N, S, S, 3) or maps (N, S, S), those of `which`, bool (N,), with left and right exchanged."""
    return torch.where(which.view(-1, *[1] * (maps.ndim - 1)), maps.flip(2), maps)


def main(args: argparse.Namespace, job: stage.Job) -> None:
    settings = job.settings(Settings, "ch8_swapgan.scorer")
    people = data.load(job.dep(job.data(f"prepared/ch8_swapgan/{args.dataset}")), "train")
    if len(people.images) < settings.batch_size:
        raise UserError(
            f"ch8_swapgan.scorer.batch_size is {settings.batch_size}, and {args.dataset} has {len(people.images)} training photos: lower it"
        )
    precision = job.settings(Runtime, "runtime")
    device = precision.start()
    weights = segment_weights(torch.from_numpy(people.parts)).to(device)
    sizes = {name: getattr(settings, name) for name in SIZES}
    model = Scorer(len(people.categories), **sizes)
    initialise(model, NAME, settings.seed)
    model.to(device)
    precision.place(model, device)
    # Of one optimiser each learns as by one of its own, for Adam looks at every weight alone and they share none.
    optimiser = adam([model], settings.learning_rate, (0.9, 0.999))
    images, parts, category = (torch.from_numpy(array).to(device) for array in (people.images, people.parts, people.category))
    # Each photo and its mirror image: of a few hundred photos alone the classifier learns by heart which is which.
    rows_of = loop.batches(2 * len(images), settings.batch_size, (NAME, settings.seed), device)

    def batch(iteration: int) -> capture.Batch:
        rows = rows_of(iteration)
        mirrored, rows = rows >= len(images), rows % len(images)
        return mirror(images[rows], mirrored), mirror(parts[rows], mirrored), category[rows]

    def work(images: Tensor, parts: Tensor, categories: Tensor) -> dict[str, Tensor]:
        losses = losses_of(model, images, parts, categories, weights, precision)
        optimisers.update(losses["parser"] + losses["classifier"], optimiser)
        return losses

    step = capture.Step(batch, work, [optimiser], device)
    stateful: dict[str, loop.Stateful] = {"model": model, "optimizer": optimiser}
    trained = loop.train(step, lambda done: {}, stateful, settings, job.checkpoint, f"scorer of {args.dataset}")
    about = {
        "iterations": settings.iterations,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        # What reads pictures by it needs to know.
        **sizes,
        "size": images.shape[1],
        "categories": people.categories,
    }
    loop.finish(job, job.data(f"models/ch8_swap_scorer/{args.dataset}"), model, trained, about, precision, device, **step.notes())


if __name__ == "__main__":
    stage.execute(parser(), main)
