"""Train the networks of one block on one data set by Algorithm 3: SGD as Section 7.4.1 has it.

    python -m stages.ch7_mmc.train pascal_sentence compared --seed 0

Leaves of each network its last weights and its curve, with what it comes to on the validation part, and, for Figure 7.12, which classes
it gives the test part. Nothing is chosen by the latter.
"""

import argparse
import bisect
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stages.ch7_mmc import embed, loss
from stages.ch7_mmc.labels import Labelled, labels_of
from stages.ch7_mmc.model import MMCNet, build, count_parameters
from stages.ch7_mmc.phases import Phase, phases
from stages.ch7_mmc.training_settings import Labels, Length, Network, PerSet, Training, Variant
from stages.core import capture, loop, stage
from stages.core.errors import UserError
from stages.core.optimisers import set_rate, sgd, stepped, update
from stages.core.runtime import Runtime, gpu_name
from stages.core.seeds import generator, seed_for
from stages.datasets.captioned import PARTS, Parts
from stages.matching import features
from stages.matching.blocks import train_block
from stages.matching.branch import caffe_rates
from stages.matching.finite import check_finite
from stages.matching.ranking import check_negatives

NAME = "ch7_mmc.train"


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset", "block", seed=True)


@dataclass(frozen=True)
class Data:
    """What is trained on and looked at: the pairs of each part.

    labels : of each part's images, int64 (n,) where each is of one class, else float32 (n, C), 1 where it has the class; None where no
    network classifies. classes : C.
    """

    pairs: Mapping[str, features.Pairs]
    labels: Mapping[str, Tensor] | None = None
    classes: int = 0


@dataclass(frozen=True)
class Trainer:
    """Trains variants on one data set; all that they share. seed : of words and a number; the order of pairs is of these alone."""

    network: Network
    training: Training
    per_set: PerSet
    length: Length
    precision: Runtime
    device: torch.device
    seed: tuple

    def train(self, name: str, variant: Variant, data: Data, checkpoint: Path, key: str) -> tuple[MMCNet, loop.Trained, dict[str, Any]]:
        """The network of this name; its curve; what a run record says of it. key : of the variant among the parameters."""
        seed, train = (*self.seed, name), data.pairs["train"]
        batch_size = self._batch_size(variant, train, key)
        inputs = train.images.shape[1], train.texts.shape[1]
        dimension = variant.dimension or self.per_set.dimension

        def draws(part: str) -> torch.Generator:
            # Branches start alike in all networks of a seed, layer by layer where their shapes agree, so that their results pair.
            return generator(*(seed if part == "head" else self.seed), "weights", part)

        model = build(variant, *inputs, data.classes, dimension, self.network, self.training.start, draws).to(self.device)
        torch.manual_seed(seed_for(*seed, "dropout"))
        # The order of the pairs is the same for all networks of a seed whose batches are as large, so that their results pair.
        rows_of = loop.batches(len(train.image_of), batch_size, self.seed, self.device)
        planned = phases(variant, self.length)
        ends = list(itertools.accumulate(phase.iterations for phase in planned))
        optimizers = [self._optimizer(model, phase) for phase in planned]

        def at(iteration: int) -> tuple[int, float]:
            """Which phase this iteration is in, and its rate."""
            index = bisect.bisect_right(ends, iteration)
            phase = planned[index]
            return index, stepped(phase.learning_rate, phase.learning_rate_steps, iteration - ends[index] + phase.iterations)

        def batch(iteration: int) -> capture.Batch:
            index, rate = at(iteration)
            set_rate(optimizers[index], rate)
            return (rows_of(iteration),)

        def step_of(index: int) -> capture.Step:
            phase, optimizer = planned[index], optimizers[index]

            def work(rows: Tensor) -> loop.Losses:
                losses = self._losses(model, phase, data, rows)
                update(self._objective(variant, losses), optimizer)
                return losses

            return capture.Step(batch, work, [optimizer], self.device)

        def observe(done: int) -> loop.Row:
            index, rate = at(done - 1)
            row: loop.Row = {"lr": rate, "phase": planned[index].number}
            if done % self.length.validate_every == 0 or done == ends[-1]:
                row |= looked_at(model, planned[index], variant, data)
            return row

        steps = [step_of(index) for index in range(len(planned))]
        stateful: dict[str, loop.Stateful] = {"model": model}
        stateful |= {f"optimizer{phase.number}": optimizer for phase, optimizer in zip(planned, optimizers, strict=True)}
        trained = loop.train(
            lambda iteration: steps[at(iteration)[0]](iteration),
            observe,
            stateful,
            self.length.schedule(ends[-1]),
            checkpoint,
            " ".join(map(str, seed[1:])),
        )
        return model, trained, {"iterations": ends[-1], **steps[-1].notes()}

    def _batch_size(self, variant: Variant, train: features.Pairs, key: str) -> int:
        """Of this variant's batches, checked against the pairs there are."""
        per_set = f"ch7_mmc.per_set.{self.seed[1]}"
        batch_size = variant.batch_size or self.per_set.batch_size
        if (pairs := len(train.image_of)) < batch_size:
            named = f"{key if variant.batch_size else per_set}.batch_size"
            raise UserError(f"{named} is {batch_size}, and {self.seed[1]} has {pairs} training captions: lower it")
        if "matching" in variant.losses:
            check_negatives(self.per_set.negatives, batch_size, train.image_of.cpu().numpy(), f"{per_set}.negatives")
        return batch_size

    def _optimizer(self, model: MMCNet, phase: Phase) -> torch.optim.SGD:
        """Of what the phase trains, with momentum of its own."""
        trained: torch.nn.Module = model
        if phase.trains == "head":
            assert model.head is not None
            trained = model.head
        elif phase.trains == "branches":
            trained = torch.nn.ModuleList(branches(model))
        rates = caffe_rates(self.training.weight_decay, self.training.bias_rate)
        return sgd(trained, rates, learning_rate=phase.learning_rate, momentum=self.training.momentum)

    def _losses(self, model: MMCNet, phase: Phase, data: Data, rows: Tensor) -> dict[str, Tensor]:
        """The phase's losses on these pairs, by name. What it does not train is as at inference: neither dropout nor batch norms move."""
        train = data.pairs["train"]
        ids = train.image_of[rows]
        model.train()  # which looking at it has ended
        frozen = phase.trains == "head"
        if frozen:
            for branch in branches(model):
                branch.eval()
        losses = {}
        with self.precision.autocast(self.device):
            with torch.set_grad_enabled(not frozen):
                images = model.images(train.images[ids])
                texts = None if model.texts is None else model.texts(train.texts[rows])
            if "classification" in phase.losses:
                logits = model.classify(images, texts)
        if "matching" in phase.losses:
            assert texts is not None
            losses["matching"] = loss.matching(images, texts, ids, self.training, self.per_set.negatives)
        if "classification" in phase.losses:
            assert data.labels is not None
            labels = data.labels["train"]
            losses["classification"] = loss.classification(logits.float(), labels[ids], labels.dim() == 1, self.training.classes)
        return losses

    def _objective(self, variant: Variant, losses: Mapping[str, Tensor]) -> Tensor:
        """Eq. 7.13 of both; a loss alone is itself."""
        if len(losses) == 1:
            return next(iter(losses.values()))
        beta = self.per_set.beta if variant.beta is None else variant.beta
        return loss.total(losses["matching"], losses["classification"], beta)


def branches(model: MMCNet) -> list[torch.nn.Module]:
    return [branch for branch in (model.images, model.texts) if branch is not None]


def looked_at(model: MMCNet, phase: Phase, variant: Variant, data: Data) -> loop.Row:
    """What the curve has of the validation and the test part; of classes only once some step has trained the head. The network is left in
    evaluation mode: each step says which it needs."""
    row: loop.Row = {}
    classifies = "classification" in phase.losses
    for part in ("val", "test") if classifies else ("val",):
        pairs = data.pairs[part]
        if not len(pairs.image_of):
            continue
        made = embed.embed(model, pairs, scores=classifies)
        if part == "val" and "matching" in variant.losses:
            row["validation_recall"] = embed.mean_recall(made, pairs)
        if classifies:
            assert data.labels is not None
            row[{"val": "validation_accuracy", "test": "test_accuracy"}[part]] = embed.accuracy(made, pairs, data.labels[part])
    return row


def by_part(labelled: Labelled, parts: Parts, device: torch.device) -> dict[str, Tensor]:
    """`Data.labels`."""
    labels = torch.from_numpy(labelled.labels)
    labels = labels.long().argmax(dim=1) if labelled.single else labels.float()
    return {part: labels[torch.from_numpy(parts[part])].to(device) for part in PARTS}


def main(args: argparse.Namespace, job: stage.Job) -> None:
    key = f"ch7_mmc.variants.{args.block}"
    variants = {name: job.settings(Variant, f"{key}.{name}") for name in job.param(key)}
    precision = job.settings(Runtime, "runtime")
    device = precision.start()
    job.note(gpu=gpu_name(device))
    trainer = Trainer(
        job.settings(Network, "ch7_mmc.network"),
        job.settings(Training, "ch7_mmc.training"),
        job.settings(PerSet, f"ch7_mmc.per_set.{args.dataset}"),
        job.settings(Length, f"ch7_mmc.lengths.{args.dataset}"),
        precision,
        device,
        (NAME, args.dataset, args.seed),
    )
    classify = any("classification" in variant.losses for variant in variants.values())
    # Only the trainings for Figure 7.11 have this among their parameters: they are refused here, and not when it is drawn.
    classes_swept = job.params["ch7_mmc"].get("sets", {}).get("swept_classes", [])
    at_hand: dict[str, tuple[Data, Labelled | None]] = {}  # a block's networks see by one encoder, mostly

    def data_of(variant: Variant) -> tuple[Data, Labelled | None]:
        images, texts = job.param(f"ch7_mmc.encoders.{variant.images}"), job.param("ch7_mmc.encoders.texts")
        if images not in at_hand:
            at_hand.clear()
            folder = job.data(f"features/matching/{args.dataset}")
            folders = job.dep(f"{folder}/images/{images}"), job.dep(f"{folder}/texts/{texts}")
            read = features.read(*folders)
            check_finite(read, *folders)
            pairs = {part: read.pairs(part, device) for part in PARTS}
            if classify:
                labelled = labels_of(read.described, job.settings(Labels, f"ch7_mmc.labels.{args.dataset}"), args.dataset)
                if args.dataset in classes_swept and not labelled.single:
                    raise UserError(
                        f"ch7_mmc.sets.swept_classes has {args.dataset}, whose images have not one label each, and Figure 7.11c is of sets "
                        "that give one: take it out"
                    )
                labels = by_part(labelled, read.described.parts, device)
                at_hand[images] = Data(pairs, labels, len(labelled.classes)), labelled
            else:
                at_hand[images] = Data(pairs), None
        return at_hand[images]

    def train(name: str, checkpoint: Path, out: Path) -> dict[str, Any]:
        data, labelled = data_of(variants[name])
        model, trained, notes = trainer.train(name, variants[name], data, checkpoint, f"{key}.{name}")
        about = {"iterations": notes["iterations"], **count_parameters(model), **precision.describe(device)}
        of_scores: dict[str, Any] = {}  # which a network says itself: its set's labels may have changed when pictures are labelled by it
        if model.head is not None and labelled is not None:
            about["labels"] = labelled.source
            of_scores = {"classes": labelled.classes, "single": labelled.single}
        loop.leave(out, model, trained, about | of_scores)
        return {**trained.notes(), **about, **notes}

    train_block(job, job.data(f"models/ch7_mmc/{args.dataset}/{args.block}-seed{args.seed}"), variants, train)


if __name__ == "__main__":
    stage.execute(parser(), main)
