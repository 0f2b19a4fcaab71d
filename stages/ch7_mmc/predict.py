"""Embeddings and class scores of a data set's test pairs by every trained network, in the form of `stages.ch7_mmc.stored`.

python -m stages.ch7_mmc.predict mscoco
"""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from stages.ch7_mmc import embed, stored
from stages.ch7_mmc.labels import labels_of
from stages.ch7_mmc.model import MMCNet
from stages.ch7_mmc.records import GIVEN
from stages.ch7_mmc.trained import networks
from stages.ch7_mmc.training_settings import Encoders, Labels, Network, Variant
from stages.core import inference, json_files, metrics, provenance, stage
from stages.core.errors import UserError
from stages.datasets.captioned import Described
from stages.matching import features, store
from stages.matching.features import Pairs
from stages.matching.finite import check_finite


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def predicted(name: str, seed: int, model: MMCNet, variant: Variant, pairs: Pairs, about: dict[str, Any]) -> stored.Predicted:
    """What a network makes of the pairs, as far as its losses have trained it to."""
    made = embed.embed(model, pairs, scores="classification" in variant.losses)
    matched = {"images": made.images, "texts": made.texts} if "matching" in variant.losses else {}
    return stored.Predicted(name, seed, about, **matched, scores=made.scores)


def check_sizes(file: Path, model: MMCNet, pairs: Pairs, described: Described) -> None:
    """A UserError where a network was trained on features or classes that are not the set's."""
    state = model.state_dict()
    there = {"images": pairs.images.shape[1], "texts": pairs.texts.shape[1], "head": len(described.classes)}
    weights = {"images": ("images.layers.fc1.fc.weight", 1), "texts": ("texts.layers.fc1.fc.weight", 1), "head": ("head.linear.weight", 0)}
    for what, (name, axis) in weights.items():
        if name in state and (trained_on := state[name].shape[axis]) != there[what]:
            kind = "classes" if what == "head" else f"values a feature of {what}"
            raise UserError(
                f"{file} was trained on {trained_on} {kind}, and there are {there[what]} now: "
                "`python -m workflow.repro ch7_mmc` trains it on these"
            )


def main(args: argparse.Namespace, job: stage.Job) -> None:
    precision, device = inference.start(job)
    network, encoders = job.settings(Network, "ch7_mmc.network"), job.settings(Encoders, "ch7_mmc.encoders")
    out = job.out(job.data(f"predictions/ch7_mmc/{args.dataset}"))
    out.mkdir(parents=True)
    made_in = job.data(f"features/matching/{args.dataset}")
    at_hand: tuple = ()  # networks of the same encoders mostly follow each other
    there = list(networks(job, args.dataset))
    variants = {name: job.settings(Variant, f"ch7_mmc.variants.{block}.{name}") for name, block, _, _ in there}
    for name, _, seed, folder in there:
        variant = variants[name]
        seen = [job.dep(f"{made_in}/images/{getattr(encoders, variant.images)}"), job.dep(f"{made_in}/texts/{encoders.texts}")]
        if not at_hand or at_hand[0] != seen:
            read = features.read(*seen)
            check_finite(read, *seen)
            described, source = read.described, GIVEN
            if described.labels is not None or any("classification" in variant.losses for variant in variants.values()):
                labelled = labels_of(described, job.settings(Labels, f"ch7_mmc.labels.{args.dataset}"), args.dataset)
                source = labelled.source
                described = dataclasses.replace(described, classes=labelled.classes, labels=labelled.labels, single=labelled.single)
            abouts = [json_files.read(one / "about.json", "determinism", stage=job.name) for one in seen]
            at_hand = seen, read.pairs("test", device), abouts
            store.write_part(out, described)
            provenance.hand_on(seen[0], out)
        _, pairs, (of_images, of_texts) = at_hand
        model = embed.load(folder, variant, network, device)
        check_sizes(folder / "model.pt", model, pairs, described)
        about = metrics.made_by(json_files.read(folder / "about.json", "determinism", stage=job.name), precision.describe(device))
        about |= {"losses": list(variant.losses), "sees": variant.sees, "labels": source}
        by = {"images": of_images} if variant.sees == "vision" else {"images": of_images, "texts": of_texts}
        about |= by | {"determinism": metrics.least(about["determinism"], *(one["determinism"] for one in by.values()))}
        stored.save(out, predicted(name, seed, model, variant, pairs, about))


if __name__ == "__main__":
    stage.execute(parser(), main)
