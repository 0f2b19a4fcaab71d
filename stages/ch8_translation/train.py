"""Train one model on one data set as Sections 8.1.1 to 8.1.3 have it: generators and discriminators take turns in every step.

    python -m stages.ch8_translation.train facades vanilla --seed 0

Leaves the generators' last weights, the losses' curve, and in about.json what the networks are.
"""

import argparse
import dataclasses
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from stages.ch8_translation import data, loss
from stages.ch8_translation.model import build, count_parameters, discriminators
from stages.ch8_translation.training_settings import Length, Network, Training, Variant
from stages.core import capture, loop, optimisers, stage
from stages.core.errors import UserError
from stages.core.runtime import Runtime
from stages.core.seeds import generator
from stages.gan.images import to_unit
from stages.gan.optimisers import adam, linear
from stages.gan.pool import ImagePool

NAME = "ch8_translation.train"
UNTRIED = "its generators run in chains, which have not been tried compiled"


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset", "model", seed=True)


class Trainer:
    """The networks of one training, their optimisers and pools, and the step that trains them.

    a, b : the domains' images, uint8 (n, S, S, 3) and (m, S, S, 3), kept on the device. seed : of words and a number; generators and
    discriminators of the same name start alike in all models of a seed, and all see the same images in the same order.
    """

    def __init__(
        self, variant: Variant, network: Network, training: Training, length: Length, a: Tensor, b: Tensor, seed: tuple,
        precision: Runtime, device: torch.device,
    ):  # fmt: skip
        self.training, self.length, self.precision, self.device = training, length, precision, device
        self.weights = loss.Weights(training.cycle if variant.cycle is None else variant.cycle, variant.similarity, training.identity)
        self.inner = variant.inner

        def draws(name: str) -> torch.Generator:
            return generator(*seed, "weights", name)

        self.translator = precision.place(build(variant, network, draws).to(device), device, unfused_because=UNTRIED)
        self.discriminators = precision.place(discriminators(variant, network, draws).to(device), device, unfused_because=UNTRIED)
        size = 3, *a.shape[1:3]
        self.pools = {domain: ImagePool(training.pool, size, *seed, "pool", domain).to(device) for domain in self.discriminators}
        betas = training.beta_1, training.beta_2
        self.adams = {
            name: adam([module], learning_rate=training.learning_rate, betas=betas, weight_decay=training.weight_decay)
            for name, module in (("generators", self.translator), ("discriminators", self.discriminators))
        }
        self.images = a.to(device), b.to(device)
        # Orders of their own: the images of one domain are visited as often as any of that domain, however many the other has.
        self.rows_of = [
            loop.batches(len(images), training.batch_size, (*seed, domain), device)
            for domain, images in zip("ab", self.images, strict=True)
        ]
        self.step = capture.Step(self.batch, self.work, list(self.adams.values()), device)

    def rate(self, iteration: int) -> float:
        """The learning rate of all networks in the step after `iteration` steps."""
        return self.training.learning_rate * linear(iteration, self.length.constant, self.length.iterations)

    def batch(self, iteration: int) -> capture.Batch:
        """Rows of A and of B (N,), and the pools' plans."""
        for one in self.adams.values():
            optimisers.set_rate(one, self.rate(iteration))
        plans = [plan for pool in self.pools.values() for plan in pool.plan(iteration, self.training.batch_size)]
        return (*(rows(iteration) for rows in self.rows_of), *plans)

    def work(self, rows_a: Tensor, rows_b: Tensor, *plans: Tensor) -> loop.Losses:
        """A step of the generators, then one of the discriminators on what the generators made before theirs, as CycleGAN does."""
        a, b = (to_unit(images[rows]) for images, rows in zip(self.images, (rows_a, rows_b), strict=True))
        losses, fakes = self.train_generators(a, b)
        by_pool = zip(self.pools.items(), fakes, plans[::2], plans[1::2], strict=True)
        pooled = {name: pool(fake, slots, taken) for (name, pool), fake, slots, taken in by_pool}
        return losses | self.train_discriminators({"b": b, "a": a}, pooled)

    def train_generators(self, a: Tensor, b: Tensor) -> tuple[loss.Losses, Sequence[Tensor]]:
        """A step of all generators; the losses, and what the chains' last made of a and of b."""
        self.discriminators.requires_grad_(False)  # what they would learn by this is never used
        with self.precision.autocast(self.device):
            asked = {"cycle": bool(self.weights.cycle), "inner": self.inner, "identity": bool(self.weights.identity)}
            passed = self.translator.passes(a, b, **asked)
            fakes = [one.steps[-1] for one in passed]
            scores = [judge(fake) for judge, fake in zip(self.discriminators.values(), fakes, strict=True)]
        losses = loss.generator_losses(passed, [one.float() for one in scores], self.weights)
        optimisers.update(losses["total"], self.adams["generators"])
        return losses, fakes

    def train_discriminators(self, real: Mapping[str, Tensor], fake: Mapping[str, Tensor]) -> loss.Losses:
        """A step of all discriminators; the losses of Eq. 8.1 by domain. real, fake : by domain, (N, 3, S, S), without history."""
        self.discriminators.requires_grad_(True)
        losses = {}
        for domain, judge in self.discriminators.items():
            with self.precision.autocast(self.device):
                scores = judge(real[domain]), judge(fake[domain])
            losses[f"discriminator_{domain}"] = loss.discriminator_loss(*(one.float() for one in scores))
        optimisers.update(self.training.discriminator_weight * loss.total(losses.values()), self.adams["discriminators"])
        return losses

    def stateful(self) -> dict[str, loop.Stateful]:
        """All that a checkpoint holds."""
        return {"generators": self.translator, "discriminators": self.discriminators, "pools": torch.nn.ModuleDict(self.pools)} | {
            f"adam_{name}": one for name, one in self.adams.items()
        }


def check_batches(training: Training, images: data.Images, dataset: str) -> None:
    """A UserError where a domain has fewer images than a batch."""
    for domain, count in (("A", len(images.a)), ("B", len(images.b))):
        if count < training.batch_size:
            size = f"ch8_translation.training.batch_size is {training.batch_size}"
            raise UserError(f"{size}, and domain {domain} of {dataset} has {count} training images: lower it")


def check_depth(network: Network, side: int) -> None:
    """A UserError where images are too small for the discriminator."""
    if side < 3 * 2**network.strided:
        raise UserError(
            f"ch8_translation.network.strided is {network.strided}, for which images need {3 * 2**network.strided} pixels a side, and they "
            f"have {side}: {(side // 3).bit_length() - 1} at most"
        )


def main(args: argparse.Namespace, job: stage.Job) -> None:
    variant = job.settings(Variant, f"ch8_translation.variants.{args.model}")
    network, training = job.settings(Network, "ch8_translation.network"), job.settings(Training, "ch8_translation.training")
    length = job.settings(Length, f"ch8_translation.lengths.{args.dataset}")
    precision = job.settings(Runtime, "runtime")
    device = precision.start()
    images = data.load(job.dep(job.data(f"prepared/ch8_translation/{args.dataset}")), "train")
    check_batches(training, images, args.dataset)
    check_depth(network, images.a.shape[1])
    a, b = torch.from_numpy(images.a), torch.from_numpy(images.b)
    trainer = Trainer(variant, network, training, length, a, b, (NAME, args.dataset, args.seed), precision, device)
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
        "parameters": count_parameters(trainer.translator),
        "parameters_discriminators": count_parameters(trainer.discriminators),
        "size": images.a.shape[1],
        "variant": dataclasses.asdict(variant),
        "network": dataclasses.asdict(network),
    }
    out = job.data(f"models/ch8_translation/{args.dataset}/{args.model}-seed{args.seed}")
    loop.finish(job, out, trainer.translator, trained, about, precision, device, **trainer.step.notes())


if __name__ == "__main__":
    stage.execute(parser(), main)
