"""Metrics of Section 8.2 from what is stored of the test pairs: those of Tables 8.2 and 8.3, and ours; and the training curves.

    python -m stages.ch8_swapgan.evaluate figures

X_GI, "reference", is the reference in the condition's clothes, and X_GII, "condition", the condition made of it again.

    is_<encoder>_reference, is_<encoder>_condition  Inception Scores (Eq. 8.20 and 8.21) of X_GI and X_GII, means over splits of the test
                                                    pairs, shuffled alike for all; as `..._deviation` the splits' population deviation
    ssim                                            SSIM of X_GII to X_c (`stages.metrics.perception.similarity`), mean over pairs
    mask_iou_reference, mask_iou_condition          IoU of the figure that the parser sees in X_GI with M_r, in X_GII with M_c
    own_mask_iou_reference, own_mask_iou_condition  the same of G_III's masks, cut at a half
    sleeve_error                                    of upper clothes and arms how much is clothes, as parsed in X_GI, and in X_c as given:
                                                    the mean absolute difference
    category_accuracy                               how often X_GI is classified as of X_c's category
    checkerboard                                    of X_GI, the energy with a period of 2 pixels

and where true swaps are known, of X_GI to these

    ssim_swap, ssim_swap_pasted                   SSIM, without and with the reference's head pasted
    ssim_clothes                                  SSIM around the clothes that the parser sees in the true swap: what is pasted onto the
                                                  reference has its backdrop, which X_GI never sees
    ssim_upper                                    the same around the upper clothes alone, which are all that VITON changes
    ssim_clothes_small, ..._moderate, ..._large   either of thirds of the pairs by how far their poses differ (`deformation`)
    l1_head, l1_patterned, l1_plain               L1 where the reference's head is; in the upper clothes that the parser sees in the true
                                                  swap, of conditions with and without a pattern

Beside models and baselines there are `copy`, the condition's photo in the place of X_GI, `reference`, the reference's there, in clothes
of its own, `truth`, the true swap, and `real`, the test photos themselves, with `parser_iou`, mean IoU of the six segments, and
`parser_accuracy`: all that is read is read by the one scorer, so these say how far it can be trusted.
"""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.ch8_swapgan import data, stored
from stages.ch8_swapgan.deformation import THIRDS, deformations, thirds
from stages.ch8_swapgan.people import SEGMENTS, mask, paste_head
from stages.ch8_swapgan.score_settings import Score
from stages.core import json_files, metrics, stage, trainings
from stages.metrics.perception import checkerboard, distance, inception_score, mask_iou, shuffled, similarity, sleeve_share
from stages.metrics.segmentation import confusion_matrix, mean_iou, pixel_accuracy

UPPER, LOWER, ARMS = (1 + SEGMENTS.index(name) for name in ("upper", "lower", "arms"))
SCORES = {"swapped": "reference", "returned": "condition"}  # what they are called in the chapter

Value = tuple[str, float, str, str]  # metric, value, unit, which is better
Arrays = Mapping[str, NDArray]


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def similarities(images: NDArray[np.uint8], others: NDArray[np.uint8], *where: NDArray[np.bool_]) -> NDArray[np.float64]:
    """SSIM of each picture of (n, H, W, 3) to the other's, around the pixels of `where` (n, H, W) if it is given: (n,)."""
    return np.array([similarity(*pair) for pair in zip(images, others, *where, strict=True)])


def seen(made: Arrays, people: data.People) -> Iterator[Value]:
    """What needs the pictures and masks that a model or baseline has made, and no scorer."""
    references, conditions = people.pairs.T
    yield "checkerboard", checkerboard(made["swapped"]), "share", "lower"
    if "returned" in made:
        yield "ssim", float(similarities(made["returned"], people.images[conditions]).mean()), "SSIM", "higher"
    for name, rows in (("swapped", references), ("returned", conditions)):
        if (own := f"mask_{name}") in made:
            yield f"own_mask_iou_{SCORES[name]}", mask_iou(made[own] > 127, mask(people.parts[rows])), "share", "higher"
    if people.truth is not None:
        swapped, heads = made["swapped"], people.heads[references]
        pasted = paste_head(swapped, people.images[references], heads)
        yield "ssim_swap", float(similarities(swapped, people.truth).mean()), "SSIM", "higher"
        yield "ssim_swap_pasted", float(similarities(pasted, people.truth).mean()), "SSIM", "higher"
        if heads.any():
            yield "l1_head", distance(swapped, people.truth, heads > 0), "L1", "lower"


def clothed(
    swapped: NDArray[np.uint8], people: data.People, truth: NDArray[np.uint8], third: NDArray[np.int64], truth_parts: NDArray[np.uint8]
) -> Iterator[Value]:
    """How near X_GI (q, S, S, 3) is to the true swaps where the parser sees clothes in these; without what there are no pairs of."""
    for worn, segments in (("clothes", (UPPER, LOWER)), ("upper", (UPPER,))):
        around = similarities(swapped, truth, np.isin(truth_parts, segments))
        shares = {"": np.isfinite(around)} | {f"_{name}": np.isfinite(around) & (third == number) for number, name in enumerate(THIRDS)}
        for name, own in shares.items():
            if own.any():
                yield f"ssim_{worn}{name}", float(around[own].mean()), "SSIM", "higher"
    if people.patterned is not None:
        patterned, upper = people.patterned[people.pairs[:, 1], None, None] > 0, truth_parts == UPPER
        for name, where in (("l1_patterned", upper & patterned), ("l1_plain", upper & ~patterned)):
            if where.any():
                yield name, distance(swapped, truth, where), "L1", "lower"


def scored(read: Arrays, score: Score, parts: Arrays, category: NDArray[np.int64], sleeves: NDArray[np.uint8]) -> Iterator[Value]:
    """What the scorer has read of pictures.

    parts : true segments of `swapped` and `returned`, (n, S, S). category : that `swapped` should have, (n,). sleeves : segments of whom
    its clothes are, (n, S, S).
    """
    for name, called in SCORES.items():
        if f"posteriors_{name}" in read:
            answers = read[f"posteriors_{name}"]
            mean, deviation = inception_score(answers[shuffled(len(answers))], score.splits)
            yield f"is_{score.encoder}_{called}", mean, "score", "higher"
            yield f"is_{score.encoder}_{called}_deviation", deviation, "score", "none"
            yield f"mask_iou_{called}", mask_iou(mask(read[f"parts_{name}"]), mask(parts[name])), "share", "higher"
    apart = sleeve_share(read["parts_swapped"], UPPER, ARMS) - sleeve_share(sleeves, UPPER, ARMS)
    yield "sleeve_error", float(np.abs(apart).mean()), "share", "lower"
    if score.encoder == "categories":
        yield "category_accuracy", float((read["posteriors_swapped"].argmax(axis=1) == category).mean()), "share", "higher"


def parsed(found: NDArray[np.uint8], parts: NDArray[np.uint8]) -> Iterator[Value]:
    """How well the parser reads photos whose segments are known."""
    confusion = confusion_matrix(parts, found, 1 + len(SEGMENTS))
    yield "parser_iou", mean_iou(confusion), "share", "higher"
    yield "parser_accuracy", pixel_accuracy(confusion), "share", "higher"


def records_of(model: str, values: Iterable[Value], about: Mapping[str, Any], **facts: Any) -> list[metrics.Record]:
    """about : what was said of the pictures, or of what was read in them. An encoder is an Inception Score's alone."""
    made: dict[str, Any] = {key: about.get(key) for key in ("determinism", "precision", "parameters")}
    return [
        metrics.Record(
            model, metric, value, unit, better, encoder=about.get("encoder") if metric.startswith("is_") else None, **made, **facts
        )
        for metric, value, unit, better in values
    ]


class Evaluation:
    """The test part of a set, and what its scorer has made of it."""

    def __init__(self, name: str, people: data.People, score: Score, scores: Path, scorer: str):
        self.name, self.people, self.score, self.folder, self.scorer = name, people, score, scores, scorer
        self.third = thirds(deformations(people))
        self.truth_parts = None if people.truth is None else self.read("truth")["parts_swapped"]

    def read(self, stem: str, count: int | None = None) -> dict[str, NDArray]:
        count = len(self.people.pairs) if count is None else count
        return stored.scores(self.folder / f"{stem}.npz", count, self.people.images.shape[1], f"ch8_swap_score@{self.name}")

    def about(self, stem: str) -> dict[str, Any]:
        return json_files.read(self.folder / f"{stem}.json", "determinism", "encoder", stage=f"ch8_swap_score@{self.name}")

    def made(self, model: str, file: Path, stage_name: str, **facts: Any) -> list[metrics.Record]:
        """All of what a model or baseline has made. facts : its seed, if it has one, and where it was trained."""
        made = stored.read(file, stored.shapes(len(self.people.pairs), self.people.images.shape[1]), stage_name)
        about = json_files.read(file.with_suffix(".json"), "determinism", stage=stage_name)
        return self._pairs(model, file.stem, made, about, predictions=file.as_posix(), **facts)

    def bounds(self) -> Iterator[metrics.Record]:
        """All of what stands beside models and baselines."""
        people = self.people
        alone = {"determinism": "bitwise"}
        for row, name in enumerate(("reference", "copy")):
            yield from self._pairs(name, name, {"swapped": people.images[people.pairs[:, row]]}, alone)
        if people.truth is not None:
            yield from self._pairs("truth", "truth", {"swapped": people.truth}, alone)
        read = self.read("real", len(people.images))
        values = [
            *scored(read, self.score, {"swapped": people.parts}, people.category, people.parts),
            *parsed(read["parts_swapped"], people.parts),
        ]
        yield from records_of("real", values, self.about("real"), n=len(people.images), scored_by=self.scorer)
        yield from records_of("real", [("checkerboard", checkerboard(people.images), "share", "lower")], alone, n=len(people.images))

    def _pairs(self, model: str, stem: str, made: Arrays, about: Mapping[str, Any], **facts: Any) -> list[metrics.Record]:
        people, facts = self.people, {"n": len(self.people.pairs), **facts}
        references, conditions = people.pairs.T
        parts = {"swapped": people.parts[references], "returned": people.parts[conditions]}
        values = list(scored(self.read(stem), self.score, parts, people.category[conditions], people.parts[conditions]))
        if people.truth is not None and self.truth_parts is not None:
            values += clothed(made["swapped"], people, people.truth, self.third, self.truth_parts)
        return [
            *records_of(model, seen(made, people), about, **facts),
            *records_of(model, values, self.about(stem), scored_by=self.scorer, **facts),
        ]


def main(args: argparse.Namespace, job: stage.Job) -> None:
    name = args.dataset
    prepared, scores = (job.dep(job.data(f"{kind}/{name}")) for kind in ("prepared/ch8_swapgan", "predictions/ch8_swap_scores"))
    scorer = job.data(f"models/ch8_swap_scorer/{name}")
    evaluation = Evaluation(name, data.load(prepared, "test"), job.settings(Score, "ch8_swapgan.score"), scores, scorer)
    records, curves = list(evaluation.bounds()), []
    for model, seed, file in stored.predictions(job, name):
        trained = job.data(f"models/ch8_swapgan/{name}/{model}-seed{seed}")
        records += evaluation.made(model, file, f"ch8_swap_predict@{name}", seed=seed, trained=trained)
        curves.append((model, seed, job.dep(trained)))
    for model, number, file in stored.baselines(job, name):
        facts = {} if number is None else {"seed": number, "trained": job.data(f"models/ch8_swap_viton/{name}/{model}-seed{number}")}
        records += evaluation.made(model, file, f"ch8_swap_baselines@{name}", **facts)
    metrics.publish(job, "ch8_swapgan", name, metrics.dataset_of(prepared, name), records)
    trainings.publish_curves(job, "ch8_swapgan", name, curves)


if __name__ == "__main__":
    stage.execute(parser(), main)
