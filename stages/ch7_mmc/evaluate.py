"""Recalls, accuracies and average precisions of stored predictions, and CCA's recalls on the same features: Tables 7.2 to 7.9.

    python -m stages.ch7_mmc.evaluate mscoco

Recalls are of instances, where an image and a text belong together if one describes the other, and, in a set of one label an image, of
classes, where they do if their class is the same; accuracies and average precisions over pairs of image and text, and over images, of
whose pairs the mean probability counts. What `ch7_mmc.evaluation` names stands under the plain name too: it is what tables have.
"""

import argparse
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stages.ch7_mmc import stored
from stages.ch7_mmc.records import GIVEN, Source, protocol, record
from stages.ch7_mmc.settings import Evaluation, Sets
from stages.ch7_mmc.trained import networks
from stages.ch7_mmc.training_settings import Encoders
from stages.core import metrics, stage, trainings
from stages.core.errors import UserError
from stages.datasets.captioned import Described, load_described
from stages.matching import store
from stages.metrics import labels as measures
from stages.metrics import recall

CCA = "cca"


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def recalls(model: str, blocks: recall.Blocks, described: Described, judged: str, source: Source) -> Iterator[metrics.Record]:
    """All metrics of `recall.evaluate`, by instance and, where an image has one label, by class; of `judged` under both names."""
    images, texts = len(described.names), len(described.captions)
    numbers = {"instance": np.arange(images)}
    if described.single and described.labels is not None:
        numbers["class"] = described.labels.argmax(axis=1)
    if judged not in numbers:
        raise UserError(
            f"ch7_mmc.evaluation.relevance is class for a set whose images have not one label each, by which {model}'s answers would be "
            "right: make it instance"
        )
    for kind, of_images in numbers.items():
        for metric, value in recall.evaluate(blocks, of_images, of_images[described.image_of], name=model).items():
            facts, labelled = recall.facts_of(metric, images, texts), kind == "class"
            for name in (f"{metric}_{kind}", *([metric] if kind == judged else [])):
                yield record(model, name, value, source, facts, labelled=labelled)


def classified(predicted: stored.Predicted, described: Described, judged: str, source: Source) -> Iterator[metrics.Record]:
    """accuracy of one label, ap of several with what decisions by p > .5 come to; over pairs, over images and, plain, over `judged`."""
    if described.labels is None or not described.labels.any():
        raise UserError(f"no test image has a label, and {predicted.model} is to classify them: give labels, or take the network out")
    logits = predicted.scores_of_pairs(described)
    of_pairs = measures.probabilities(logits, described.single)
    of_images = measures.mean_by_image(of_pairs, described.image_of, len(described.names))
    over: list[tuple[str, NDArray, NDArray, NDArray]] = [
        ("pairs", logits, of_pairs, described.labels[described.image_of]),
        ("images", of_images, of_images, described.labels),
    ]
    for kind, scores, probabilities, labels in over:
        values = {}
        if described.single:
            values["accuracy"] = measures.accuracy_percent(scores, labels.argmax(axis=1))
        else:
            values["ap"] = measures.mean_average_precision(scores, labels)
            values |= measures.decisions(labels, probabilities > 0.5)
        facts = {"unit": "%", "better": "higher", "n": len(labels)}
        for metric, value in values.items():
            for name in (f"{metric}_{kind}", *([metric] if kind == judged else [])):
                yield record(predicted.model, name, value, source, facts, labelled=True)


def main(args: argparse.Namespace, job: stage.Job) -> None:
    predictions = job.dep(job.data(f"predictions/ch7_mmc/{args.dataset}"))
    described = load_described(predictions)
    evaluation, encoders = job.settings(Evaluation, "ch7_mmc.evaluation"), job.settings(Encoders, "ch7_mmc.encoders")
    judged = evaluation.relevance[args.dataset]
    records: list[metrics.Record] = []
    labels = GIVEN  # as networks were given them
    there = list(networks(job, args.dataset))
    for name, _, seed, folder in there:
        predicted = stored.load(predictions, name, seed, described, job.name)
        labels = predicted.about["labels"]
        source = Source(predicted.about, seed, predictions / f"{store.file_name(name, seed)}.npz", folder, labels)
        if predicted.images is not None and predicted.texts is not None:
            records += recalls(name, recall.cosines((predicted.images, predicted.texts)), described, judged, source)
        if predicted.scores is not None:
            records += classified(predicted, described, evaluation.accuracy, source)
    if args.dataset in job.settings(Sets, "ch7_mmc.sets").described:
        folder, model = job.dep(job.data(f"predictions/matching/{args.dataset}/{CCA}-{encoders.images}")), f"{CCA}-{encoders.texts}"
        cca = store.load(folder, model, None, described, job.name)
        source = Source(cca.about, None, folder / f"{model}.npz", labels=labels)
        records += recalls(CCA, store.blocks([cca]), described, judged, source)
    metrics.publish(job, "ch7_mmc", args.dataset, metrics.dataset_of(predictions, args.dataset), records, protocol(job))
    trainings.publish_curves(job, "ch7_mmc", args.dataset, [(name, seed, folder) for name, _, seed, folder in there])


if __name__ == "__main__":
    stage.execute(parser(), main)
