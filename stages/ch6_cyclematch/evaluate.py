"""Recalls of stored embeddings by each way of fusing their scores: Tables 6.2 to 6.6, and CCA on the same features beside them.

    python -m stages.ch6_cyclematch.evaluate flickr30k

A record's model is `<model>:<inference>`, as `cycle:adaptive`.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from stages.ch6_cyclematch import fusion, measures, stored
from stages.ch6_cyclematch.fusion_settings import Bootstrap, Fusion, Inference, Score
from stages.ch6_cyclematch.records import Source, record
from stages.ch6_cyclematch.trained import networks
from stages.ch6_cyclematch.training_settings import Encoders
from stages.core import metrics, stage, trainings
from stages.core.errors import UserError
from stages.datasets.captioned import Described, load_described
from stages.matching import store
from stages.metrics import recall

# CCA by the encoders of images and of texts, by their roles: beside Tables 6.2 to 6.5, and the rows of Table 6.6.
BASELINES = {
    "cca": ("images", "texts"),
    "cca-vgg19": ("other", "texts"),
    "cca-word2vec": ("images", "mean"),
    "cca-hglmm": ("images", "fisher"),
    "cca-rnn": ("images", "rnn"),
}
HELD = 1 << 25  # scores that are kept, 134 MB: seven inferences would else multiply the same features fourteen times


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def held(blocks: recall.Blocks, images: int, texts: int) -> recall.Blocks:
    """The same scores, kept where there is room for them."""
    return recall.of_matrix(blocks[0](slice(0, images))) if images * texts <= HELD else blocks


def recalls(model: str, blocks: recall.Blocks, described: Described, source: Source) -> Iterator[metrics.Record]:
    """All metrics of `recall.evaluate`."""
    images, texts = len(described.names), len(described.captions)
    for metric, value in recall.evaluate(blocks, np.arange(images), described.image_of, name=model).items():
        yield record(model, metric, value, source, recall.facts_of(metric, images, texts))


def of_weights(
    model: str, scores: Mapping[Score, recall.Blocks], described: Described, source: Source, rule: Fusion
) -> Iterator[metrics.Record]:
    """What Figures 6.5 and 6.7 are to show, of the visual and the textual score."""
    images, image_of = np.arange(len(described.names)), described.image_of
    for number, (way, queries, items) in enumerate((("i2t", images, image_of), ("t2i", image_of, images))):
        blocks = [scores[score][number] for score in ("visual", "textual")]
        areas = fusion.query_areas(blocks, len(queries), len(items))
        share = measures.weights_between(fusion.weights(areas, rule.no_area)[0])
        yield record(model, f"{way}_weights_between", share, source, {"unit": "%", "better": "higher", "n": len(queries)})
        ranks = np.stack([recall.first_hits(block, queries, items, name=model).ranks() for block in blocks])
        share, counted = measures.smaller_area_better(areas, ranks)
        if counted:
            yield record(model, f"{way}_smaller_area_better", share, source, {"unit": "%", "better": "higher", "n": counted})


def main(args: argparse.Namespace, job: stage.Job) -> None:
    predictions = job.dep(job.data(f"predictions/ch6_cyclematch/{args.dataset}"))
    described = load_described(predictions)
    images, texts = len(described.names), len(described.captions)
    rule, bootstrap = job.settings(Fusion, "ch6_cyclematch.fusion"), job.settings(Bootstrap, "ch6_cyclematch.bootstrap")
    inferences = {name: job.settings(Inference, f"ch6_cyclematch.inferences.{name}") for name in job.param("ch6_cyclematch.inferences")}
    draws = measures.resampled(images, bootstrap.resamplings)
    records: list[metrics.Record] = []
    there = list(networks(job, args.dataset))
    for name, _, seed, folder in there:
        embeddings = stored.load(predictions, name, seed, described, job.name)
        source = Source(embeddings.about, seed, predictions / f"{store.file_name(name, seed)}.npz", folder)
        scores = {score: held(embeddings.scores(score), images, texts) for score in embeddings.compared()}
        names = [name, *(other for other, network in job.param("ch6_cyclematch.also") if network == name)]
        for inference, how in inferences.items():
            model = f"{name}:{inference}"
            if lacking := set(how.scores) - scores.keys():
                if model in bootstrap.models:
                    raise UserError(f"ch6_cyclematch.bootstrap.models has {model}, and {name} has no {min(lacking)} score: take it out")
                continue
            fuse = partial(fusion.fused, how=how, no_area=rule.no_area)
            unfused = [scores[score] for score in how.scores]
            blocks = fuse(unfused)
            own = list(recalls(model, blocks, described, source))
            if how.fusion == "adaptive" and set(how.scores) == {"visual", "textual"}:
                own += of_weights(model, scores, described, source, rule)
            if model in bootstrap.models:
                for metric, value in measures.bootstrapped(blocks, described.image_of, draws, model).items():
                    own.append(record(model, metric, value, source, recall.facts_of(metric, images, texts) | {"better": "lower"}))
                sets = {"unit": "%", "better": "lower", "n": images // bootstrap.split}
                over_splits = measures.over_splits(unfused, fuse, described.image_of, images, bootstrap.split, model)
                own += [record(model, metric, value, source, sets) for metric, value in over_splits.items()]
            records += [replace(one, model=f"{other}:{inference}") for other in names for one in own]
    encoders = job.settings(Encoders, "ch6_cyclematch.encoders")
    for name, (of_images, of_texts) in BASELINES.items():
        folder = job.dep(job.data(f"predictions/matching/{args.dataset}/cca-{getattr(encoders, of_images)}"))
        cca = store.load(folder, f"cca-{getattr(encoders, of_texts)}", None, described, job.name)
        records += recalls(name, store.blocks([cca]), described, Source(cca.about, None, folder / f"{cca.model}.npz"))
    metrics.publish(job, "ch6_cyclematch", args.dataset, metrics.dataset_of(predictions, args.dataset), records)
    trainings.publish_curves(job, "ch6_cyclematch", args.dataset, [(name, seed, folder) for name, _, seed, folder in there])


if __name__ == "__main__":
    stage.execute(parser(), main)
