"""Train VITON [106] anew, small: its weights and its data are not public (Section 8.2.4).

    python -m stages.ch8_swapgan.viton figures --seed 0

It learns from photos of the training part, each with its own top lying flat, as VITON does: a person without arms and top, and that flat
top, are to give the photo. Ours: networks of this size; L1 without the perceptual loss of VGG-19, whose weights are none of this section's
sources; clothes bent to the true mask while training, and to the predicted one after that; weights of the refinement without a penalty;
and what is worn below given to the network, as VITON changes the top only.
"""

import argparse

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.ch8_swapgan import data, tps
from stages.ch8_swapgan.viton_model import FLAT_WHITE, UPPER, Network, build, person
from stages.ch8_swapgan.viton_settings import Baselines, Viton
from stages.core import capture, loop, optimisers, stage
from stages.core.errors import UserError
from stages.core.runtime import Runtime
from stages.core.seeds import generator
from stages.gan.images import to_bytes, to_unit
from stages.gan.loss import l1
from stages.gan.optimisers import adam, linear

NAME = "ch8_swapgan.viton"
PREDICTED = 8  # pictures at a time


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset", seed=True)


def flat_of(people: data.People, dataset: str) -> NDArray[np.uint8]:
    """The flat tops; a UserError of a set that has none."""
    if people.flat is None:
        raise UserError(f"{dataset} has no pictures of flat clothes, which VITON dresses people in: leave VITON out, or take another set")
    return people.flat


def bent(flat: NDArray[np.uint8], masks: NDArray[np.bool_], settings: Baselines) -> tuple[Tensor, Tensor, int]:
    """Flat clothes uint8 (n, S, S, 3) bent to masks (n, S, S): uint8 (n, S, S, 3), 255 outside; where they then are, bool (n, S, S); and
    how many could not be matched, and were put box on box."""
    pictures, there, unmatched = np.full_like(flat, 255), np.empty_like(masks), 0
    for i, (one, mask) in enumerate(zip(flat, masks, strict=True)):
        pictures[i], there[i], matched = tps.put(pictures[i], mask, one, one.min(-1) < FLAT_WHITE, settings)
        unmatched += not matched
    return torch.from_numpy(pictures), torch.from_numpy(there), unmatched


def check(settings: Viton, dataset: str, photos: int, size: int) -> None:
    """A UserError where there are fewer photos than a batch has, or their side cannot be halved as often as `blur` says."""
    if photos < settings.batch_size:
        raise UserError(f"ch8_swapgan.viton.batch_size is {settings.batch_size}, and {dataset} has {photos} training photos: lower it")
    if size % 2**settings.blur:
        raise UserError(
            f"ch8_swapgan.viton.blur is {settings.blur}, and the photos' side, {size} pixels, is no multiple of 2^blur: lower it"
        )


class Trainer:
    """The networks, their optimiser, and the step that trains both. seed : of words and a number, of weights and order."""

    def __init__(
        self, people: data.People, flat: NDArray[np.uint8], settings: Viton, baselines: Baselines, seed: tuple, precision: Runtime,
        device: torch.device,
    ):  # fmt: skip
        self.settings, self.precision, self.device = settings, precision, device
        self.network = precision.place(build(settings, generator(*seed, "weights")).to(device), device)
        self.adam = adam([self.network], settings.learning_rate, (settings.beta_1, settings.beta_2))
        *laid, self.unmatched = bent(flat, people.parts == UPPER, baselines)
        arrays = [torch.from_numpy(one) for one in (people.images, people.parts, people.points, flat)]
        self.arrays = [one.to(device) for one in (*arrays, *laid)]
        self.rows_of = loop.batches(len(flat), settings.batch_size, seed, device)
        self.step = capture.Step(self.batch, self.work, [self.adam], device)

    def rate(self, iteration: int) -> float:
        """The learning rate of the step after `iteration` steps."""
        return self.settings.learning_rate * linear(iteration, self.settings.constant, self.settings.iterations)

    def batch(self, iteration: int) -> capture.Batch:
        optimisers.set_rate(self.adam, self.rate(iteration))
        rows = self.rows_of(iteration)
        return tuple(one[rows] for one in self.arrays)

    def work(self, images: Tensor, parts: Tensor, points: Tensor, flat: Tensor, laid: Tensor, there: Tensor) -> loop.Losses:
        """L1 of the coarse picture, of its mask and of the refined picture, whose gradient stays in the second network."""
        real = to_unit(images)
        with self.precision.autocast(self.device):
            coarse, mask = self.network.coarse(*person(images, parts, points, self.settings), to_unit(flat))
            refined = self.network.refined(coarse.detach(), to_unit(laid), there[:, None].float())
        upper = (parts == UPPER)[:, None].float()
        losses = {"coarse": l1(coarse.float(), real), "mask": l1(mask.float(), upper), "refined": l1(refined.float(), real)}
        optimisers.update(losses["coarse"] + losses["mask"] + losses["refined"], self.adam)
        return losses


@torch.no_grad()
def predicted(
    network: Network, people: data.People, flat: NDArray[np.uint8], settings: Viton, baselines: Baselines, precision: Runtime,
    device: torch.device,
) -> tuple[NDArray[np.uint8], int]:  # fmt: skip
    """Each pair's reference in the flat top of its condition, uint8 (q, S, S, 3), and of how many it could not be matched."""
    made, unmatched = [], 0
    for pairs in torch.from_numpy(people.pairs).split(PREDICTED):
        worn, clothes = pairs.T.numpy()
        images, parts, points = (torch.from_numpy(array[worn]).to(device) for array in (people.images, people.parts, people.points))
        with precision.autocast(device):
            coarse, mask = network.coarse(*person(images, parts, points, settings), to_unit(torch.from_numpy(flat[clothes]).to(device)))
            laid, there, missed = bent(flat[clothes], mask[:, 0].float().cpu().numpy() >= 0.5, baselines)
            refined = network.refined(coarse, to_unit(laid.to(device)), there[:, None].float().to(device))
        made.append(to_bytes(refined).cpu().numpy())
        unmatched += missed
    return np.concatenate(made), unmatched


def main(args: argparse.Namespace, job: stage.Job) -> None:
    settings, baselines = job.settings(Viton, "ch8_swapgan.viton"), job.settings(Baselines, "ch8_swapgan.baselines")
    precision = job.settings(Runtime, "runtime")
    device = precision.start()
    people = data.load(job.dep(job.data(f"prepared/ch8_swapgan/{args.dataset}")), "train")
    flat = flat_of(people, args.dataset)
    check(settings, args.dataset, *flat.shape[:2])
    trainer = Trainer(people, flat, settings, baselines, (NAME, args.dataset, args.seed), precision, device)
    stateful: dict[str, loop.Stateful] = {"network": trainer.network, "adam": trainer.adam}
    trained = loop.train(
        trainer.step, lambda done: {"lr": trainer.rate(done - 1)}, stateful, settings, job.checkpoint, f"VITON seed {args.seed}"
    )
    about = {
        "iterations": settings.iterations,
        "parameters": sum(one.numel() for one in trainer.network.parameters()),
        "size": people.images.shape[1],
        "note": "VITON trained anew, small, by L1 alone: its weights and data are not public; it changes the top only",
        "unmatched": trainer.unmatched,
    }
    out = job.data(f"models/ch8_swap_viton/{args.dataset}/viton-seed{args.seed}")
    loop.finish(job, out, trainer.network, trained, about, precision, device, **trainer.step.notes())


if __name__ == "__main__":
    stage.execute(parser(), main)
