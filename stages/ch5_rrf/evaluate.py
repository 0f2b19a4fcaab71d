"""Recalls of stored embeddings: Tables 5.1 to 5.5, the ensembles of Eq. 5.11, and CCA on the same features beside them.

python -m stages.ch5_rrf.evaluate flickr30k
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from stages.ch5_rrf.trained import networks
from stages.ch5_rrf.training_settings import Encoders
from stages.core import metrics, stage, trainings
from stages.datasets.captioned import Described, load_described
from stages.matching import store
from stages.metrics import recall

CCA, CCA_OTHER = "cca", "cca-other"  # by the encoder of images that all networks see by, and by the text's other


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def members_of(ensembles: Mapping[str, Sequence[str]], seeds: Mapping[str, Sequence[int]]) -> Iterator[tuple[str, int, Sequence[str]]]:
    """Each ensemble, with each seed that all of its models have been trained with. seeds : by model."""
    for name, models in ensembles.items():
        for seed in seeds.get(models[0], ()):
            if all(seed in seeds.get(model, ()) for model in models):
                yield name, seed, models


def records_of(
    name: str, members: Sequence[store.Embedded], described: Described, predictions: Path, trained: Path | None
) -> list[metrics.Record]:
    """All metrics of a model, or of several together, which are as reproducible as the least of them."""
    images, texts = len(described.names), len(described.captions)
    first = members[0]
    values = recall.evaluate(store.blocks(members), np.arange(images), described.image_of, name=name)
    about = [one.about for one in members]
    parameters = [one["parameters"] for one in about if one.get("parameters")]
    return [
        metrics.Record(
            model=name, metric=metric, value=value, seed=first.seed, encoder=store.encoder_of(first.about),
            determinism=metrics.least(*(one["determinism"] for one in about)), precision=first.about.get("precision"),
            parameters=sum(parameters) or None, predictions=predictions.as_posix(), trained=trained.as_posix() if trained else None,
            **recall.facts_of(metric, images, texts),
        )
        for metric, value in values.items()
    ]  # fmt: skip


def main(args: argparse.Namespace, job: stage.Job) -> None:
    predictions = job.dep(job.data(f"predictions/ch5_rrf/{args.dataset}"))
    described = load_described(predictions)
    records: list[metrics.Record] = []
    seeds: dict[str, list[int]] = {}
    there = list(networks(job, args.dataset))
    for name, _, seed, folder in there:
        embedded = store.load(predictions, name, seed, described, job.name)
        records += records_of(name, [embedded], described, predictions / f"{store.file_name(name, seed)}.npz", folder)
        seeds.setdefault(name, []).append(seed)
    for name, seed, models in members_of(job.param("ch5_rrf.ensembles"), seeds):
        members = [store.load(predictions, model, seed, described, job.name) for model in models]
        records += records_of(name, members, described, predictions, None)
    encoders = job.settings(Encoders, "ch5_rrf.encoders")
    baselines = (
        {CCA: encoders.images, CCA_OTHER: encoders.other} if args.dataset in job.param("ch5_rrf.sets.ablated") else {CCA: encoders.images}
    )
    for name, images in baselines.items():
        folder = job.dep(job.data(f"predictions/matching/{args.dataset}/{CCA}-{images}"))
        stored = f"{CCA}-{encoders.texts}"
        baseline = store.load(folder, stored, None, described, job.name)
        records += records_of(name, [baseline], described, folder / f"{stored}.npz", None)
    metrics.publish(job, "ch5_rrf", args.dataset, metrics.dataset_of(predictions, args.dataset), records)
    trainings.publish_curves(job, "ch5_rrf", args.dataset, [(name, seed, folder) for name, _, seed, folder in there])


if __name__ == "__main__":
    stage.execute(parser(), main)
