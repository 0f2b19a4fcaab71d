"""Train one variant of SwapGAN on pairs of pictures of one person (Eq. 8.18 and 8.19): generators and discriminator take turns.

    python -m stages.ch8_swapgan.train figures full --seed 0

Leaves the generators' last weights, the losses' curve, and in about.json what the networks are.
"""

import argparse
import dataclasses

import torch
from torch import Tensor

from stages.ch8_swapgan import data, loss, people
from stages.ch8_swapgan.loss import Made
from stages.ch8_swapgan.model import build, count_parameters, discriminator
from stages.ch8_swapgan.training_settings import Length, Network, Training, Variant
from stages.core import capture, loop, optimisers, stage
from stages.core.errors import UserError
from stages.core.runtime import Runtime, to_device
from stages.core.seeds import generator
from stages.gan.images import to_unit
from stages.gan.optimisers import adam, linear

NAME = "ch8_swapgan.train"
UNTRIED = "its generators feed each other, which has not been tried compiled"


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset", "model", seed=True)


@dataclasses.dataclass(frozen=True)
class Pictures:
    """The training pictures on the device. images, poses : uint8 (n, S, S, 3). parts : uint8 (n, S, S), 0 background, 1..5 segments.
    pairs : int64 (p, 2), rows of two pictures of one person."""

    images: Tensor
    poses: Tensor
    parts: Tensor
    pairs: Tensor


@dataclasses.dataclass(frozen=True)
class Batch:
    """Reference and condition of each pair. image_r, image_c, pose_r : X_r, X_c and P_r, (N, 3, S, S) in -1..1. segments_c : S_c,
    (N, 5, S, S). mask_r, mask_c : M_r and M_c, (N, 1, S, S); of 0 and 1 like S_c."""

    image_r: Tensor
    image_c: Tensor
    pose_r: Tensor
    segments_c: Tensor
    mask_r: Tensor
    mask_c: Tensor


def batch_of(pictures: Pictures, references: Tensor, conditions: Tensor) -> Batch:
    """references, conditions : rows of the pictures, int64 (N,)."""
    image_r, image_c, pose_r = (
        to_unit(pixels[rows])
        for pixels, rows in ((pictures.images, references), (pictures.images, conditions), (pictures.poses, references))
    )
    parts_r, parts_c = (pictures.parts[rows] for rows in (references, conditions))
    mask_r, mask_c = (people.mask(parts)[:, None].float() for parts in (parts_r, parts_c))
    return Batch(image_r, image_c, pose_r, people.one_hot(parts_c), mask_r, mask_c)


class Trainer:
    """The networks of one training, their optimisers, and the step that trains them.

    seed : of words and a number; networks of the same name start alike in all variants of a seed, and all see the same pairs in the same
    order, with the same one of a pair as the reference.
    """

    def __init__(
        self, variant: Variant, network: Network, training: Training, length: Length, pictures: Pictures, seed: tuple, precision: Runtime,
        device: torch.device,
    ):  # fmt: skip
        self.training, self.length, self.precision, self.device, self.seed = training, length, precision, device, seed
        self.weights, self.pictures = loss.Weights(training.mask, training.reconstruction), pictures

        def draws(name: str) -> torch.Generator:
            return generator(*seed, "weights", name)

        self.generators = precision.place(build(variant, network, draws).to(device), device, unfused_because=UNTRIED)
        self.discriminator = precision.place(discriminator(network, draws).to(device), device, unfused_because=UNTRIED)
        betas = training.beta_1, training.beta_2
        self.adams = {
            name: adam([module], learning_rate=training.learning_rate, betas=betas)
            for name, module in (("generators", self.generators), ("discriminator", self.discriminator))
        }
        self.rows = loop.batches(len(pictures.pairs), training.batch_size, seed, device)
        self.step = capture.Step(self.batch, self.work, list(self.adams.values()), device)

    def rate(self, iteration: int) -> float:
        """The learning rate of all networks in the step after `iteration` steps."""
        return self.training.learning_rate * linear(iteration, self.length.constant, self.length.iterations)

    def batch(self, iteration: int) -> capture.Batch:
        """Rows of the references and of the conditions (N,): which of a pair is which is drawn anew in each step."""
        for one in self.adams.values():
            optimisers.set_rate(one, self.rate(iteration))
        pairs = self.pictures.pairs[self.rows(iteration)]
        drawn = torch.randint(2, (len(pairs), 1), generator=generator(*self.seed, "reference", iteration))
        reference = to_device(drawn, self.device)
        return pairs.gather(1, reference)[:, 0], pairs.gather(1, 1 - reference)[:, 0]

    def work(self, references: Tensor, conditions: Tensor) -> loop.Losses:
        """A step of the generators, then one of the discriminator on what the generators made before theirs."""
        batch = batch_of(self.pictures, references, conditions)
        losses, made = self.train_generators(batch)
        return losses | self.train_discriminator(batch, made)

    def train_generators(self, batch: Batch) -> tuple[loss.Losses, Made]:
        """A step of all generators by Eq. 8.18; the losses, and what they had made."""
        self.discriminator.requires_grad_(False)  # what it would learn by this is never used
        with self.precision.autocast(self.device):
            made = self.generators(batch.image_c, batch.pose_r, batch.segments_c)
            scores = self.judge(made.swapped, batch.image_c)
            again = None if made.returned is None else self.judge(batch.image_r, made.returned)
        made = made.float()
        losses = loss.generator_losses(made, (scores, again), batch.image_r, (batch.mask_r, batch.mask_c), self.weights)
        optimisers.update(losses["total"], self.adams["generators"])
        return losses, made

    def train_discriminator(self, batch: Batch, made: Made) -> loss.Losses:
        """A step of D by Eq. 8.19 on what the generators made, without its history."""
        self.discriminator.requires_grad_(True)
        with self.precision.autocast(self.device):
            real = self.judge(batch.image_r, batch.image_c)
            fakes = [self.judge(made.swapped.detach(), batch.image_c)]
            if made.returned is not None:
                fakes.append(self.judge(batch.image_r, made.returned.detach()))
        whole = loss.discriminator_loss(real, fakes)
        optimisers.update(whole, self.adams["discriminator"])
        return {"discriminator": whole}

    def judge(self, reference: Tensor, condition: Tensor) -> Tensor:
        """D's scores of pairs (reference, condition)."""
        return self.discriminator(torch.cat([reference, condition], 1)).float()

    def stateful(self) -> dict[str, loop.Stateful]:
        """All that a checkpoint holds."""
        return {"generators": self.generators, "discriminator": self.discriminator} | {
            f"adam_{name}": one for name, one in self.adams.items()
        }


def check(network: Network, training: Training, side: int, pairs: int, dataset: str) -> None:
    """A UserError where there are fewer pairs than a batch has, or pictures of `side` pixels do not suit the networks."""
    if pairs < training.batch_size:
        size = f"ch8_swapgan.training.batch_size is {training.batch_size}"
        raise UserError(f"{size}, and {dataset} has {pairs} training pairs: lower it")
    multiple = 2**network.downsamplings
    if side % multiple or side < 2 * multiple:
        raise UserError(
            f"ch8_swapgan.network.downsamplings is {network.downsamplings}, for which sides have to be multiples of {multiple} from "
            f"{2 * multiple}, and pictures have {side} pixels: lower it, or change ch8_swapgan.size"
        )
    if side < 3 * 2**network.strided:
        raise UserError(
            f"ch8_swapgan.network.strided is {network.strided}, for which pictures need {3 * 2**network.strided} pixels a side, and they "
            f"have {side}: {(side // 3).bit_length() - 1} at most"
        )


def main(args: argparse.Namespace, job: stage.Job) -> None:
    variant = job.settings(Variant, f"ch8_swapgan.variants.{args.model}")
    network, training = job.settings(Network, "ch8_swapgan.network"), job.settings(Training, "ch8_swapgan.training")
    length = job.settings(Length, f"ch8_swapgan.lengths.{args.dataset}")
    precision = job.settings(Runtime, "runtime")
    device = precision.start()
    photos = data.load(job.dep(job.data(f"prepared/ch8_swapgan/{args.dataset}")), "train")
    check(network, training, photos.images.shape[1], len(photos.pairs), args.dataset)
    pictures = Pictures(*(torch.from_numpy(one).to(device) for one in (photos.images, photos.poses, photos.parts, photos.pairs)))
    trainer = Trainer(variant, network, training, length, pictures, (NAME, args.dataset, args.seed), precision, device)
    trained = loop.train(
        trainer.step,
        lambda done: {"lr": trainer.rate(done - 1)},
        trainer.stateful(),
        length,
        job.checkpoint,
        f"{args.model} seed {args.seed}",
    )
    about = {
        "iterations": length.iterations,
        "parameters": count_parameters(trainer.generators),
        "parameters_discriminator": count_parameters(trainer.discriminator),
        "size": photos.images.shape[1],
        "variant": dataclasses.asdict(variant),
        "network": dataclasses.asdict(network),
    }
    out = job.data(f"models/ch8_swapgan/{args.dataset}/{args.model}-seed{args.seed}")
    loop.finish(job, out, trainer.generators, trained, about, precision, device, **trainer.step.notes())


if __name__ == "__main__":
    stage.execute(parser(), main)
