"""Train the networks of one block on one data set: the bi-rank loss, SGD as Section 5.4 has it, with the author's settings.

    python -m stages.ch5_rrf.train flickr30k rrf-3 --seed 0

Leaves of each network its last weights and its curve, with the mean recall on the validation part.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stages.ch5_rrf import embed
from stages.ch5_rrf.loss import objective
from stages.ch5_rrf.model import MatchingNetwork, build, count_parameters
from stages.ch5_rrf.training_settings import Length, Loss, Network, Training, Variant
from stages.core import capture, loop, stage
from stages.core.errors import UserError
from stages.core.optimisers import set_rate, sgd, stepped, update
from stages.core.runtime import Runtime, gpu_name
from stages.core.seeds import generator, seed_for
from stages.matching import features
from stages.matching.blocks import train_block
from stages.matching.branch import caffe_rates
from stages.matching.ranking import check_negatives
from stages.metrics import recall

NAME = "ch5_rrf.train"


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset", "block", seed=True)


@dataclass(frozen=True)
class Trainer:
    """Trains variants on one data set; all that they share. seed : of words and a number; the order of pairs is of these alone."""

    network: Network
    losses: dict[str, Loss]
    training: Training
    length: Length
    precision: Runtime
    device: torch.device
    seed: tuple

    def optimizer(self, model: MatchingNetwork, loss: Loss) -> torch.optim.SGD:
        rates = caffe_rates(self.training.weight_decay, self.training.bias_rate)
        return sgd(model, rates, learning_rate=loss.learning_rate, momentum=self.training.momentum)

    def train(
        self, name: str, variant: Variant, train: features.Pairs, val: features.Pairs, checkpoint: Path
    ) -> tuple[MatchingNetwork, loop.Trained, dict[str, Any]]:
        """The network of this name, trained on the pairs; its curve; what a run record says of its steps."""
        seed, training, length, by = (*self.seed, name), self.training, self.length, self.losses[variant.loss]
        if (pairs := len(train.image_of)) < training.batch_size:
            raise UserError(
                f"ch5_rrf.training.batch_size is {training.batch_size}, and {self.seed[1]} has {pairs} training captions: lower it"
            )
        check_negatives(training.negatives, training.batch_size, train.image_of.cpu().numpy(), "ch5_rrf.training.negatives")
        inputs = train.images.shape[1], train.texts.shape[1]
        model = build(variant, *inputs, self.network, by.start, generator(*seed, "weights")).to(self.device)
        optimizer = self.optimizer(model, by)
        torch.manual_seed(seed_for(*seed, "dropout"))
        # The order of the pairs is the same for all networks of a seed, so that their results pair.
        rows_of = loop.batches(len(train.image_of), training.batch_size, self.seed, self.device)

        def rate(iteration: int) -> float:
            return stepped(by.learning_rate, length.learning_rate_steps, iteration)

        def batch(iteration: int) -> capture.Batch:
            set_rate(optimizer, rate(iteration))
            return (rows_of(iteration),)

        def work(rows: torch.Tensor) -> torch.Tensor:
            ids = train.image_of[rows]
            with self.precision.autocast(self.device):
                images, texts = model(train.images[ids].float(), train.texts[rows].float())
            loss = objective(images, texts, ids, by, training)
            update(loss, optimizer)
            return loss

        def observe(done: int) -> loop.Row:
            row: loop.Row = {"lr": rate(done - 1)}
            if len(val.image_of) and (done % length.validate_every == 0 or done == length.iterations):
                row["validation_recall"] = validation_recall(model, val)
            return row

        step = capture.Step(batch, work, [optimizer], self.device)
        stateful: dict[str, loop.Stateful] = {"model": model, "optimizer": optimizer}
        label = " ".join(map(str, seed[1:]))
        trained = loop.train(step, observe, stateful, length, checkpoint, label)
        return model, trained, step.notes()


def validation_recall(model: MatchingNetwork, pairs: features.Pairs) -> float:
    """The mean of the six recalls in percent on these pairs. The network is left in training mode."""
    images, texts = embed.embed(model.images, pairs.images), embed.embed(model.texts, pairs.texts)
    model.train()
    return recall.evaluate(recall.cosines((images, texts)), np.arange(len(images)), pairs.image_of.cpu().numpy())["mean_recall"]


def main(args: argparse.Namespace, job: stage.Job) -> None:
    names = job.param(f"ch5_rrf.variants.{args.block}")
    variants = {name: job.settings(Variant, f"ch5_rrf.variants.{args.block}.{name}") for name in names}
    precision = job.settings(Runtime, "runtime")
    device = precision.start()
    job.note(gpu=gpu_name(device))
    trainer = Trainer(
        job.settings(Network, "ch5_rrf.network"),
        {name: job.settings(Loss, f"ch5_rrf.losses.{name}") for name in job.param("ch5_rrf.losses")},
        job.settings(Training, "ch5_rrf.training"),
        job.settings(Length, f"ch5_rrf.lengths.{args.dataset}"),
        precision,
        device,
        (NAME, args.dataset, args.seed),
    )
    at_hand: dict[str, tuple[features.Pairs, features.Pairs]] = {}  # a block's networks see by one encoder, mostly

    def pairs_of(variant: Variant) -> tuple[features.Pairs, features.Pairs]:
        images, texts = job.param(f"ch5_rrf.encoders.{variant.images}"), job.param("ch5_rrf.encoders.texts")
        if images not in at_hand:
            at_hand.clear()
            folder = job.data(f"features/matching/{args.dataset}")
            read = features.read(job.dep(f"{folder}/images/{images}"), job.dep(f"{folder}/texts/{texts}"))
            at_hand[images] = read.pairs("train", device), read.pairs("val", device)
        return at_hand[images]

    def train(name: str, checkpoint: Path, out: Path) -> dict[str, Any]:
        variant = variants[name]
        model, trained, notes = trainer.train(name, variant, *pairs_of(variant), checkpoint)
        about = {"iterations": trainer.length.iterations, "parameters": count_parameters(model)["parameters"], **precision.describe(device)}
        loop.leave(out, model, trained, about)
        return {**trained.notes(), **about, **notes}

    train_block(job, job.data(f"models/ch5_rrf/{args.dataset}/{args.block}-seed{args.seed}"), variants, train)


if __name__ == "__main__":
    stage.execute(parser(), main)
