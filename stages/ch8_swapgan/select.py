"""Which photos of a data set are fit for swapping clothes, and which of them are pairs (Section 8.2.3, Figure 8.13).

    python -m stages.ch8_swapgan.select figures

"We selected front-view person images where the clothing items are shown clearly", without saying how: here a photo is fit of which the set
says that it is frontal, on which OpenPose sees one person with a nose and an eye, a neck, hips and knees, and a parser upper and lower
clothes on `least_share` of the pixels each. So dresses, which are upper clothes alone (`stages.ch8_swapgan.people`), are not.

Leaves `data/<scale>/prepared/ch8_swap_selection/<set>`, each list in a stated order:

    selection.csv   every photo by name: its `part`, whether it is `chosen`, and else the `reason`
    pairs.csv       of the training part, `first` and `second`: a person in the same clothes and another pose, at most `pairs`
    test.csv        `name` of at most `test` photos
    swaps.csv       `reference` and `condition` of the test part, at most `conditions` of each: the true swaps where the set has such, else
                    others drawn by `seed`, never of the same person
    about.json      how many photos there are by part and reason, and of `pairs` and `swaps`

Who has a selection of one's own puts its lists in the place of these: `prepare` refuses pairs of two persons, and persons in both parts.
"""

import argparse
import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, groupby
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from stages.ch8_swapgan import people
from stages.ch8_swapgan.selection_settings import Selection
from stages.core import provenance, stage
from stages.core.errors import UserError
from stages.core.files import read_csv, write_csv, write_json
from stages.core.seeds import seed_for
from stages.datasets import inshop, lip, openpose, reader
from stages.datasets.inshop import Photo

CHOSEN = "chosen"
UNFIT = ("not frontal", "no person", "several people", "no face", "no torso", "no knees", "no upper clothes", "no lower clothes")
UNUSED = ("no second photo", "not drawn")  # of those that are fit

LISTS = {"pairs.csv": ("first", "second"), "test.csv": ("name",), "swaps.csv": ("reference", "condition")}

Names = tuple[str, str]
T = TypeVar("T")


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def main(args: argparse.Namespace, job: stage.Job) -> None:
    dataset, settings = reader(args.dataset), job.settings(Selection, "ch8_swapgan.selection")
    source = job.dep(job.data(f"sources/{args.dataset}"))
    photos = dataset.photos(source)
    one_part_each(photos)
    reasons = {photo.name: unfit(photo, settings.least_share) for photo in tqdm(photos, unit="photo", disable=None)}
    fit = [photo for photo in photos if reasons[photo.name] is None]
    pairs = training_pairs([photo for photo in fit if photo.part == "train"], settings.pairs, settings.seed)
    test = drawn([photo for photo in fit if photo.part == "test"], settings.test, "test", settings.seed)
    swaps = test_pairs(test, dataset.true_swaps(source), settings)
    if not pairs or not swaps:
        kind = "pair of a person to train on" if not pairs else "pair of persons to test"
        raise UserError(f"{source} has no {kind} that is fit ({_said(Counter(reasons.values()))}): lower ch8_swapgan.selection.least_share")
    used, persons = {name for pair in pairs for name in pair} | {photo.name for photo in test}, Counter(photo.person for photo in fit)
    final = {photo.name: reasons[photo.name] or unused(photo, used, persons) for photo in photos}
    out = job.out(job.data(f"prepared/ch8_swap_selection/{args.dataset}"))
    write(out, photos, final, pairs, test, swaps)
    provenance.hand_on(source, out)


def write(
    out: Path,
    photos: Sequence[Photo],
    reasons: Mapping[str, str],
    pairs: Sequence[Names],
    test: Sequence[Photo],
    swaps: Sequence[Names],
) -> None:
    """The five files; `reasons` has CHOSEN of those that are used."""
    out.mkdir(parents=True)
    rows = [
        {"name": photo.name, "part": photo.part, "chosen": int(reason == CHOSEN), "reason": "" if reason == CHOSEN else reason}
        for photo in photos
        for reason in [reasons[photo.name]]
    ]
    write_csv(out / "selection.csv", rows)
    write_csv(out / "pairs.csv", ({"first": first, "second": second} for first, second in pairs))
    write_csv(out / "test.csv", ({"name": photo.name} for photo in test))
    write_csv(out / "swaps.csv", ({"reference": reference, "condition": condition} for reference, condition in swaps))
    counts = {part: Counter(reasons[photo.name] for photo in photos if photo.part == part) for part in ("train", "test")}
    write_json(out / "about.json", {"counts": counts, "pairs": len(pairs), "swaps": len(swaps)})


def read_list(folder: Path, name: str) -> list[tuple[str, ...]]:
    """The rows of one of LISTS in a folder. A UserError of a list that is missing, damaged or empty, or has a row twice."""
    file, columns = folder / name, LISTS[name]
    try:
        rows = [tuple(row[column] for column in columns) for row in read_csv(file)]
    except (FileNotFoundError, KeyError, UnicodeDecodeError, csv.Error):
        rows = []
    if not rows or None in {value for row in rows for value in row}:
        raise UserError(f"{file} has no rows of {', '.join(columns)}: run `python -m workflow.repro ch8_swap_select@{folder.name}`")
    if twice := [row for row, times in Counter(rows).items() if times > 1]:
        raise UserError(f"{file} has {' and '.join(twice[0])} twice: take one of these rows away")
    return rows


def one_part_each(photos: Iterable[Photo]) -> None:
    """A UserError where a person is in train and in test."""
    parts: dict[str, Photo] = {}
    for photo in photos:
        other = parts.setdefault(photo.person, photo)
        if other.part != photo.part:
            raise UserError(
                f"{photo.person} is in both parts, by {other.name} in {other.part} and {photo.name} in {photo.part}: choose one"
            )


def unfit(photo: Photo, least_share: float) -> str | None:
    """Why a photo is not fit, the first of UNFIT that holds; None if it is. What comes of photos that are not frontal is not read."""
    if photo.pose_type != inshop.FRONTAL:
        return "not frontal"
    everyone = openpose.people(photo.key_points)
    if len(everyone) != 1:
        return "several people" if len(everyone) else "no person"
    points, shown = everyone[0], everyone[0][:, 2] > 0
    if not (shown[people.NOSE] and (shown[people.RIGHT_EYE] or shown[people.LEFT_EYE])):
        return "no face"
    if not people.torso(points):
        return "no torso"
    if not (shown[people.RIGHT_KNEE] and shown[people.LEFT_KNEE]):
        return "no knees"
    parts = people.regroup(lip.read(photo.parsing))
    for name in ("upper", "lower"):
        if np.mean(parts == 1 + people.SEGMENTS.index(name)) < least_share:
            return f"no {name} clothes"
    return None


def training_pairs(photos: Sequence[Photo], most: int, seed: int) -> list[Names]:
    """Two photos of a person each, in the photos' order: at most so many, drawn by seed.

    None is in two pairs as long as there are others, as the thesis has 6,000 photos in 3,000 pairs.
    """
    alone: list[Names] = []
    further: list[Names] = []
    for _, own in groupby(sorted(photos, key=lambda photo: photo.person), key=lambda photo: photo.person):
        names = [photo.name for photo in own]
        first = list(zip(names[::2], names[1::2], strict=False))
        alone += first
        further += [pair for pair in combinations(names, 2) if pair not in first]
    chosen = drawn(alone, most, "pairs", seed)
    return sorted(chosen + drawn(further, most - len(chosen), "further pairs", seed))


def test_pairs(test: Sequence[Photo], true_swaps: Sequence[tuple[str, str, Path]] | None, settings: Selection) -> list[Names]:
    """Names of reference and condition by reference, of at most `conditions` for each; the set's own where it has true swaps."""
    names = {photo.name for photo in test}
    made: list[Names] = []
    for reference in test:
        if true_swaps is None:
            others = [photo.name for photo in test if photo.person != reference.person]
            own = drawn(others, settings.conditions, reference.name, settings.seed)
        else:
            own = [c for r, c, _ in true_swaps if r == reference.name and c in names][: settings.conditions]
        made += [(reference.name, condition) for condition in own]
    return made


def drawn(of: Sequence[T], most: int, what: str, seed: int) -> list[T]:
    """At most so many, drawn by seed for this purpose, in their order."""
    rng = np.random.Generator(np.random.PCG64(seed_for("ch8_swapgan.select", what, seed)))
    return [of[i] for i in sorted(rng.permutation(len(of))[:most])]


def unused(photo: Photo, used: set[str], persons: Mapping[str, int]) -> str:
    """CHOSEN, or which of UNUSED a photo that is fit is; `persons` counts the fit photos of each."""
    if photo.name in used:
        return CHOSEN
    return "no second photo" if photo.part == "train" and persons[photo.person] == 1 else "not drawn"


def _said(counts: Mapping[str | None, int]) -> str:
    return ", ".join(f"{count} {reason or 'fit'}" for reason, count in sorted(counts.items(), key=str))


if __name__ == "__main__":
    stage.execute(parser(), main)
