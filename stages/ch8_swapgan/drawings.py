"""The figures of Section 8.2, each as rows of pictures with titles, and the table that stands beside it: what could be shown, with scores.

Which of them are shown, and by what rule: `stages.ch8_swapgan.examples`, and each function. `made` has by model what it makes of the test
pairs, the arrays of predict.py and baselines.py; `read` the segments that the parser reads in each model's X_GI, uint8 (q, S, S).
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.ch8_swapgan import examples, people
from stages.ch8_swapgan.data import People
from stages.ch8_swapgan.deformation import THIRDS, deformations, thirds
from stages.ch8_swapgan.evaluate import ARMS, UPPER, similarities
from stages.core.figures import Panel, spread_out
from stages.datasets.pictures import read_image
from stages.metrics import perception

Made = Mapping[str, Mapping[str, NDArray[np.uint8]]]
Titles = Mapping[str, str]
Rows = list[list[Panel]]
Table = list[dict[str, object]]
Drawn = tuple[Rows, Table]

# Of segments, in the order of `people.SEGMENTS` behind the background.
PALETTE = np.array([(0, 0, 0), (250, 190, 150), (240, 120, 40), (120, 80, 200), (220, 40, 60), (40, 110, 200)], np.uint8)


def grey(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A map (S, S) of 0 to 255 as a picture."""
    return np.repeat(mask[..., None], 3, axis=-1)


def table(photos: People, shown: Collection[int], **scores: Sequence[float] | Sequence[str] | NDArray) -> Table:
    """A row of each pair: its photos, its scores, whether it is shown."""
    names = ("first", "second") if photos.truth is None else ("reference", "condition")
    return [
        {
            names[0]: photos.names[a], names[1]: photos.names[b],
            **{name: one if isinstance(one := values[number], str) else f"{one:.4f}" for name, values in scores.items()},
            "shown": int(number in shown),
        }
        for number, (a, b) in enumerate(photos.pairs)
    ]  # fmt: skip


def overlaps(masks: NDArray[np.bool_], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """IoU of each mask: (q,)."""
    return np.array([perception.mask_iou(a[None], b[None]) for a, b in zip(masks, truth, strict=True)])


def maps(train: People) -> Drawn:
    """Figure 8.8: of the training pairs the one in the middle, with pose, segments, mask and head of both photos."""
    shown = spread_out(1, len(train.pairs))
    rows = []
    for title, photo in zip(("reference", "condition"), train.pairs[shown[0]], strict=True):
        image, parts, head = train.images[photo], train.parts[photo], train.heads[photo]
        rows.append([
            (title, image), ("pose", train.poses[photo]), ("segments", PALETTE[parts]),
            ("mask", grey(people.mask(parts).astype(np.uint8) * 255)), ("head", image * (head[..., None] > 0)),
        ])  # fmt: skip
    return rows, table(train, shown, deformation=deformations(train))


def masks(photos: People, made: Mapping[str, NDArray[np.uint8]], count: int) -> Drawn:
    """Figure 8.9: both images of a model with three generators and their generated masks, beside those of reference and condition."""
    shown = spread_out(count, len(photos.pairs))
    own = [people.mask(photos.parts[photos.pairs[:, side]]) for side in (0, 1)]
    generated = [made["mask_swapped"], made["mask_returned"]]
    rows = [
        [
            ("reference", photos.images[r]), ("condition", photos.images[c]),
            ("by Generator I", made["swapped"][number]), ("its mask", grey(generated[0][number])),
            ("the reference's", grey(own[0][number].astype(np.uint8) * 255)),
            ("by Generator II", made["returned"][number]), ("its mask", grey(generated[1][number])),
            ("the condition's", grey(own[1][number].astype(np.uint8) * 255)),
        ]
        for number in shown for r, c in [photos.pairs[number]]
    ]  # fmt: skip
    first, second = (overlaps(mask > 127, truth) for mask, truth in zip(generated, own, strict=True))
    return rows, table(photos, shown, iou_reference=first, iou_condition=second)


def beside(photos: People, made: Made, models: Sequence[str], shown: Sequence[int], titles: Titles) -> Rows:
    """Of each pair reference, condition, what the models make of them, and the true swap."""
    assert photos.truth is not None
    return [
        [
            ("reference", photos.images[photos.pairs[number, 0]]), ("condition", photos.images[photos.pairs[number, 1]]),
            *((titles.get(model, model), made[model]["swapped"][number]) for model in models), ("true swap", photos.truth[number]),
        ]
        for number in shown
    ]  # fmt: skip


def upsamplings(photos: People, made: Made, models: Sequence[str], count: int, titles: Titles) -> Drawn:
    """Figure 8.12: pairs at equal distances, by models of both upsamplings, with each picture's checkerboards."""
    shown = spread_out(count, len(photos.pairs))
    energy = {model: [perception.checkerboard(image[None]) for image in made[model]["swapped"]] for model in models}
    return beside(photos, made, models, shown, titles), table(photos, shown, **energy)


def suitable(selection: Sequence[Mapping[str, str]], files: Mapping[str, Path], unfit: Collection[str], count: int) -> Drawn:
    """Figure 8.13: photos at equal distances among those that are left out as unfit, by reason and name, and among the chosen ones.

    selection : the rows of select.py's table. unfit : its reasons, of which others concern photos that are fit and not needed.
    """
    out = sorted((row for row in selection if row["reason"] in unfit), key=lambda row: (row["reason"], row["name"]))
    chosen = sorted((row for row in selection if row["chosen"] == "1"), key=lambda row: row["name"])
    count = min(count, len(out), len(chosen))
    rows_of = [[group[number] for number in spread_out(count, len(group))] for group in (out, chosen)] if count else []
    rows = [[(row["reason"] or "appropriate", read_image(files[row["name"]])) for row in group] for group in rows_of]
    shown = {row["name"] for group in rows_of for row in group}
    return rows, [{**row, "shown": int(row["name"] in shown)} for row in selection]


def crossed(photos: People, references: Sequence[int], conditions: Sequence[int], swapped: NDArray[np.uint8]) -> Drawn:
    """Figure 8.14: every reference in the first row in the clothes of every condition in the first column, the head pasted.

    swapped : X_GI, uint8 (conditions x references, S, S, 3), row by row.
    """
    empty = np.full_like(photos.images[0], 255)
    rows: Rows = [[("", empty), *(("reference", photos.images[r]) for r in references)]]
    pairs = [(r, c) for c in conditions for r in references]
    both = [r for r, _ in pairs]
    pasted = people.paste_head(swapped, photos.images[both], photos.heads[both]).reshape(-1, len(references), *empty.shape)
    rows += [[("condition", photos.images[c]), *(("", one) for one in line)] for c, line in zip(conditions, pasted, strict=True)]
    return rows, [{"reference": photos.names[r], "condition": photos.names[c], "shown": 1} for r, c in pairs]


def by_deformation(photos: People, made: Made, models: Sequence[str], titles: Titles) -> Drawn:
    """Figure 8.15: pairs of small, moderate and large deformation (`examples.of_each_third`), by SwapGAN and by what it is compared to."""
    assert photos.truth is not None
    values = deformations(photos)
    shown = examples.of_each_third(photos.pairs, values)
    scores = {model: similarities(made[model]["swapped"], photos.truth) for model in models}
    third = [THIRDS[number] for number in thirds(values)]
    rows = beside(photos, made, models, shown, titles)
    for number, row in zip(shown, rows, strict=True):
        row[1] = (f"condition, {third[number]}", row[1][1])
    return rows, table(photos, shown, deformation=values, third=third, **scores)


def ablations(photos: People, made: Made, read: Mapping[str, NDArray[np.uint8]], models: Sequence[str], titles: Titles) -> Drawn:
    """Figure 8.16: the pair whose sleeves models[0] mistakes most, and that whose body models[1] overlaps with least; all others beside."""
    own = perception.sleeve_share(photos.parts[photos.pairs[:, 1]], UPPER, ARMS)
    bodies = people.mask(photos.parts[photos.pairs[:, 0]])
    errors = {model: np.abs(perception.sleeve_share(read[model], UPPER, ARMS) - own) for model in models}
    ious = {model: overlaps(people.mask(read[model]), bodies) for model in models}
    everywhere = np.ones(len(own), bool)
    shown = [*examples.lowest(-errors[models[0]], 1, everywhere), *examples.lowest(ious[models[1]], 1, everywhere)]
    scores = {f"{model} {what}": of[model] for model in models for what, of in (("sleeve error", errors), ("mask IoU", ious))}
    return beside(photos, made, models, shown, titles), table(photos, shown, **scores)


def failures(photos: People, made: Made, model: str, count: int, titles: Titles) -> Drawn:
    """Figure 8.18: of the pairs whose condition has patterned clothes those of the lowest SSIM to the true swap, the lowest first."""
    assert photos.truth is not None and photos.patterned is not None
    patterned = photos.patterned[photos.pairs[:, 1]] > 0
    scores = similarities(made[model]["swapped"], photos.truth)
    shown = examples.lowest(scores, count, patterned)
    return beside(photos, made, [model], shown, titles), table(photos, shown, patterned=patterned.astype(int).astype(str), ssim=scores)
