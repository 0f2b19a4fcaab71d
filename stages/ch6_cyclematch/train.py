"""Train the networks of one block on one data set: the sum of each one's loss terms, SGD as Section 6.4.1 has it.

    python -m stages.ch6_cyclematch.train flickr30k embeddings --seed 0

Leaves of each network its last weights and its curve, with the mean recall on the validation part.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stages.ch6_cyclematch import embed
from stages.ch6_cyclematch.loss import objective
from stages.ch6_cyclematch.model import CycleMatch, build, count_parameters
from stages.ch6_cyclematch.training_settings import Length, Network, Training, Variant
from stages.core import capture, loop, stage
from stages.core.errors import UserError
from stages.core.optimisers import set_rate, sgd, stepped, update
from stages.core.runtime import Runtime, gpu_name
from stages.core.seeds import generator, seed_for
from stages.matching import features
from stages.matching.blocks import train_block
from stages.matching.branch import caffe_rates
from stages.matching.finite import check_finite
from stages.matching.ranking import check_negatives
from stages.metrics import recall

NAME = "ch6_cyclematch.train"


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset", "block", seed=True)


@dataclass(frozen=True)
class Trainer:
    """Trains variants on one data set; all that they share. seed : of words and a number; the order of pairs is of these alone."""

    network: Network
    training: Training
    length: Length
    precision: Runtime
    device: torch.device
    seed: tuple

    def train(
        self, name: str, variant: Variant, train: features.Pairs, val: features.Pairs, checkpoint: Path
    ) -> tuple[CycleMatch, loop.Trained, dict[str, Any]]:
        """The network of this name, trained on the pairs; its curve; what a run record says of its steps."""
        seed, training, length = (*self.seed, name), self.training, self.length
        if (pairs := len(train.image_of)) < training.batch_size:
            raise UserError(
                f"ch6_cyclematch.training.batch_size is {training.batch_size}, and {self.seed[1]} has {pairs} training captions: lower it"
            )
        check_negatives(training.negatives, training.batch_size, train.image_of.cpu().numpy(), "ch6_cyclematch.training.negatives")
        inputs = train.images.shape[1], train.texts.shape[1]
        model = build(variant, *inputs, self.network, training.start, generator(*seed, "weights")).to(self.device)
        rates = caffe_rates(training.weight_decay, training.bias_rate)
        optimizer = sgd(model, rates, learning_rate=training.learning_rate, momentum=training.momentum)
        torch.manual_seed(seed_for(*seed, "dropout"))
        # The order of the pairs is the same for all networks of a seed, so that their results pair.
        rows_of = loop.batches(len(train.image_of), training.batch_size, self.seed, self.device)

        def rate(iteration: int) -> float:
            return stepped(training.learning_rate, length.learning_rate_steps, iteration)

        def batch(iteration: int) -> capture.Batch:
            set_rate(optimizer, rate(iteration))
            return (rows_of(iteration),)

        def work(rows: torch.Tensor) -> torch.Tensor:
            ids = train.image_of[rows]
            images, texts = train.images[ids].float(), train.texts[rows].float()
            with self.precision.autocast(self.device):
                passes = model(images, texts)
            loss = objective(variant.terms, images, texts, passes, ids, training)
            update(loss, optimizer)
            return loss

        def observe(done: int) -> loop.Row:
            row: loop.Row = {"lr": rate(done - 1)}
            if len(val.image_of) and (done % length.validate_every == 0 or done == length.iterations):
                row["validation_recall"] = validation_recall(model, variant, val)
            return row

        step = capture.Step(batch, work, [optimizer], self.device)
        stateful: dict[str, loop.Stateful] = {"model": model, "optimizer": optimizer}
        label = " ".join(map(str, seed[1:]))
        trained = loop.train(step, observe, stateful, length, checkpoint, label)
        return model, trained, step.notes()


def validation_recall(model: CycleMatch, variant: Variant, pairs: features.Pairs) -> float:
    """The mean of the six recalls in percent on these pairs: by the average of the visual and the textual score, as Table 6.2 has it, or by
    the latent one of a network that has no other. The network is left in training mode."""
    made = embed.embed(model, variant.terms, pairs)
    model.train()
    compared = made.compared(pairs.images.cpu().numpy(), pairs.texts.cpu().numpy())
    ranked = [compared[score] for score in ("visual", "textual") if score in compared] or [compared["latent"]]
    return recall.evaluate(recall.cosines(*ranked), np.arange(len(pairs.images)), pairs.image_of.cpu().numpy())["mean_recall"]


def main(args: argparse.Namespace, job: stage.Job) -> None:
    names = job.param(f"ch6_cyclematch.variants.{args.block}")
    variants = {name: job.settings(Variant, f"ch6_cyclematch.variants.{args.block}.{name}") for name in names}
    precision = job.settings(Runtime, "runtime")
    device = precision.start()
    job.note(gpu=gpu_name(device))
    trainer = Trainer(
        job.settings(Network, "ch6_cyclematch.network"),
        job.settings(Training, "ch6_cyclematch.training"),
        job.settings(Length, f"ch6_cyclematch.lengths.{args.dataset}"),
        precision,
        device,
        (NAME, args.dataset, args.seed),
    )
    at_hand: dict[tuple[str, str], tuple[features.Pairs, features.Pairs]] = {}  # a block's networks see by the same encoders, mostly

    def pairs_of(variant: Variant) -> tuple[features.Pairs, features.Pairs]:
        images, texts = (job.param(f"ch6_cyclematch.encoders.{role}") for role in (variant.images, variant.texts))
        if (images, texts) not in at_hand:
            at_hand.clear()
            folder = job.data(f"features/matching/{args.dataset}")
            places = job.dep(f"{folder}/images/{images}"), job.dep(f"{folder}/texts/{texts}")
            read = features.read(*places)
            check_finite(read, *places)
            at_hand[images, texts] = read.pairs("train", device), read.pairs("val", device)
        return at_hand[images, texts]

    def train(name: str, checkpoint: Path, out: Path) -> dict[str, Any]:
        variant = variants[name]
        model, trained, notes = trainer.train(name, variant, *pairs_of(variant), checkpoint)
        about = {"iterations": trainer.length.iterations, "parameters": count_parameters(model)["parameters"], **precision.describe(device)}
        loop.leave(out, model, trained, about)
        return {**trained.notes(), **about, **notes}

    train_block(job, job.data(f"models/ch6_cyclematch/{args.dataset}/{args.block}-seed{args.seed}"), variants, train)


if __name__ == "__main__":
    stage.execute(parser(), main)
