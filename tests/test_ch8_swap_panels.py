"""Figures of Section 8.2: which pairs and photos are shown by the rules, in what pictures, with which scores."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import structural_similarity
from stage_runs import run_main

from stages.ch8_swapgan import data, drawings, examples, model, panels
from stages.ch8_swapgan.deformation import deformations, thirds
from stages.ch8_swapgan.training_settings import Network, Variant
from stages.core.errors import UserError
from stages.core.files import read_csv, write_csv

SIDE = 16
DATASET = "figures"
MODELS = ("full", "full-deconv", "i-iii", "i-ii")
FIGURES = {
    "model": "full", "upsamplings": ["full-deconv", "full"], "ablations": ["i-iii", "i-ii", "full"],
    "compared": ["poisson", "tps", "viton", "full"], "titles": {"full": "SwapGAN"}, "images": 2, "side": 2,
}  # fmt: skip
NETWORK = {
    "width": 2, "blocks": 1, "downsamplings": 1, "kernel": 3, "upsampling": "nearest", "depth": 2, "strided": 1, "norm": False, "std": 0.1,
}  # fmt: skip


def points(reach: float) -> NDArray[np.float64]:
    """Key points of a neck, hips 5 below it, and a wrist so far to its side."""
    made = np.zeros((18, 3))
    for point, place in ((1, (8, 4)), (8, (7, 9)), (11, (9, 9)), (4, (8 + reach, 4))):
        made[point] = (*place, 1)
    return made


def people(*reaches: float, **changes: Any) -> data.People:
    """A person a wrist, on whom each pixel is one grey; all pairs of two."""
    count = len(reaches)
    parts = np.zeros((count, SIDE, SIDE), np.uint8)
    parts[:, :4], parts[:, 4:8, :8], parts[:, 4:8, 8:] = 1, 4, 2  # a head, and as much upper clothes as arms
    pairs = np.array([(r, c) for r in range(count) for c in range(count) if r != c])
    facts: dict[str, Any] = {
        "names": [f"p{number}" for number in range(count)], "persons": [f"p{number}" for number in range(count)], "categories": ["Tees"],
        "category": np.zeros(count, np.int64), "generated": True, "images": greys(*(10 * number for number in range(count))),
        "poses": greys(*[200] * count), "parts": parts, "heads": (parts == 1).astype(np.uint8), "points": np.stack([*map(points, reaches)]),
        "pairs": pairs, "truth": greys(*[100] * len(pairs)), "patterned": np.ones(count, np.uint8), "sleeves": np.ones(count, np.uint8),
        "flat": greys(*[255] * count),
    }  # fmt: skip
    return data.People(**facts | changes)


def greys(*colours: float) -> NDArray[np.uint8]:
    return np.stack([np.full((SIDE, SIDE, 3), colour, np.uint8) for colour in colours])


def first_shown(rows: list[dict[str, object]]) -> list[int]:
    return [number for number, row in enumerate(rows) if row["shown"]]


# --- the rules ------------------------------------------------------------------------------------------------------------


def test_deformations_are_of_the_four_points_in_torso_lengths() -> None:
    assert deformations(people(0, 2, 5)) == pytest.approx(np.array([2, 5, 2, 3, 5, 3]) / 5 / 4)


def test_thirds_are_as_large_as_they_can_be_and_of_equals_the_first_is_smaller() -> None:
    assert thirds(np.array([5.0, 1, 3, 2, 4, 6])).tolist() == [2, 0, 1, 0, 1, 2]
    assert thirds(np.array([1.0, 1, 1, 1])).tolist() == [0, 0, 1, 2]


@pytest.mark.parametrize(
    ("pairs", "values", "rows"),
    [
        # of medians 2, 5 and 8 reference 0 is 3 away, 1 + 1 + 1, and reference 1 is 1 away
        ([0, 1, 2, 0, 1, 2, 0, 1, 2], [1, 2, 3, 4, 5, 6, 7, 7.5, 9], [1, 4, 7]),
        # both are 3 away: the first
        ([0, 1, 5, 0, 6, 1, 0, 7, 1], [1, 3, 2, 4, 5, 6, 7, 8, 9], [0, 3, 6]),
        # no reference has conditions of all thirds: of each the nearest to its median
        ([0, 0, 0, 1, 1, 1, 2, 2, 2], [3, 1, 2, 4, 6, 5, 8, 7, 9], [2, 5, 6]),
        ([0, 1], [1, 2], [0, 1]),  # of two pairs one third is empty
    ],
)
def test_the_reference_of_figure_8_15_is_the_one_nearest_to_all_medians(pairs: list[int], values: list[float], rows: list[int]) -> None:
    of = np.array([(reference, 9) for reference in pairs])
    assert examples.of_each_third(of, np.array(values, float)) == rows


def test_the_lowest_are_among_those_that_count() -> None:
    values = np.array([0.1, 0.5, 0.3, 0.3])
    assert examples.lowest(values, 2, np.array([False, True, True, True])) == [2, 3]
    assert examples.lowest(values, 9, values < 0.2) == [0]


def test_references_and_conditions_of_figure_8_14_take_turns_at_equal_distances() -> None:
    assert examples.apart(16, 4) == ([1, 5, 9, 13], [3, 7, 11, 15])
    assert examples.apart(5, 4) == ([0, 3], [1, 4])  # two of each, as five photos have


# --- the figures, one by one ----------------------------------------------------------------------------------------------


def test_figure_8_8_has_the_four_maps_of_the_middle_pair() -> None:
    train = people(0, 1, 2, pairs=np.array([(0, 1), (1, 2), (2, 0)]), truth=None)
    rows, table = drawings.maps(train)
    assert [title for title, _ in rows[0]] == ["reference", "pose", "segments", "mask", "head"]
    assert [row[0][1][0, 0, 0] for row in rows] == [10, 20]
    _, pose, segments, mask, head = [picture for _, picture in rows[1]]
    assert (pose == 200).all() and (mask[:8] == 255).all() and not mask[8:].any()
    assert [tuple(segments[place]) for place in ((0, 0), (4, 0), (4, 8), (9, 0))] == [
        tuple(drawings.PALETTE[part]) for part in (1, 4, 2, 0)
    ]
    assert (head[:4] == 20).all() and not head[4:].any()
    assert table[1] == {"first": "p1", "second": "p2", "deformation": "0.0500", "shown": 1} and first_shown(table) == [1]


def test_figure_8_9_has_generated_masks_beside_those_of_both_photos() -> None:
    test = people(0, 1)
    half = np.zeros((2, SIDE, SIDE), np.uint8)
    half[:, :4] = 128  # of the eight rows that a person has
    made = {"swapped": greys(50, 51), "returned": greys(60, 61), "mask_swapped": half, "mask_returned": np.full_like(half, 127)}
    rows, table = drawings.masks(test, made, 1)
    assert [int(picture[0, 0, 0]) for _, picture in rows[0]] == [10, 0, 51, 128, 255, 61, 127, 255]
    assert [row["iou_reference"] for row in table] == ["0.5000"] * 2 and [row["iou_condition"] for row in table] == ["0.0000"] * 2
    assert first_shown(table) == [1]


def test_figure_8_13_is_at_equal_distances_among_the_unfit_by_reason_and_among_the_chosen(tmp_path: Path) -> None:
    reasons = ["", "not frontal", "no face", "not drawn", "", "no face", ""]
    selection = [
        {"name": f"n{number}", "part": "train", "chosen": str(int(not reason)), "reason": reason} for number, reason in enumerate(reasons)
    ]
    files = {row["name"]: tmp_path / f"{row['name']}.png" for row in selection}
    for number, file in enumerate(files.values()):
        Image.fromarray(greys(number)[0]).save(file)
    rows, table = drawings.suitable(selection, files, ("not frontal", "no face"), 2)
    assert [[(title, int(picture[0, 0, 0])) for title, picture in row] for row in rows] == [
        [("no face", 2), ("not frontal", 1)],
        [("appropriate", 0), ("appropriate", 6)],
    ]
    assert first_shown(table) == [0, 1, 2, 6]


def test_figure_8_14_wears_each_condition_in_a_row_with_the_reference_s_head() -> None:
    test = people(0, 1, 2, 3)
    rows, table = drawings.crossed(test, [0, 2], [1, 3], greys(101, 102, 103, 104))
    assert [[int(picture[9, 0, 0]) for _, picture in row] for row in rows] == [[255, 0, 20], [10, 101, 102], [30, 103, 104]]
    assert [[int(picture[0, 0, 0]) for _, picture in row[1:]] for row in rows[1:]] == [[0, 20], [0, 20]]
    assert [(row["reference"], row["condition"]) for row in table] == [("p0", "p1"), ("p2", "p1"), ("p0", "p3"), ("p2", "p3")]


def test_figure_8_16_shows_the_worst_of_each_ablation() -> None:
    test = people(0, 1, pairs=np.array([(0, 1), (1, 0), (0, 1)]), truth=greys(100, 100, 100))
    own = test.parts[[0, 1, 0]]
    sleeveless, bodiless = own.copy(), own.copy()
    sleeveless[1][own[1] == 4] = 2  # the arms are bare: their share of clothes is 0, and not a half
    bodiless[2][own[2] == 2] = 0  # a quarter of the body is missing
    made = {name: {"swapped": greys(*(value + number for number in range(3)))} for value, name in ((10, "a"), (20, "b"), (30, "c"))}
    rows, table = drawings.ablations(test, made, {"a": sleeveless, "b": bodiless, "c": own}, ["a", "b", "c"], {"c": "all"})
    assert [[int(picture[0, 0, 0]) for _, picture in row[2:]] for row in rows] == [[11, 21, 31, 100], [12, 22, 32, 100]]
    assert [title for title, _ in rows[0]] == ["reference", "condition", "a", "b", "all", "true swap"]
    assert [row["a sleeve error"] for row in table] == ["0.0000", "0.5000", "0.0000"]
    assert [row["b mask IoU"] for row in table] == ["1.0000", "1.0000", "0.7500"]
    assert first_shown(table) == [1, 2]


def test_figure_8_18_has_the_worst_of_patterned_conditions_only() -> None:
    test = people(0, 1, 2, patterned=np.array([1, 0, 1], np.uint8))  # pairs 01 02 10 12 20 21
    swapped = greys(0, 90, 60, 100, 80, 0)
    rows, table = drawings.failures(test, {"full": {"swapped": swapped}}, "full", 2, {})
    assert [int(row[2][1][0, 0, 0]) for row in rows] == [60, 80]
    assert first_shown(table) == [2, 4]
    blank = structural_similarity(*greys(60, 100), data_range=255, channel_axis=-1, gaussian_weights=True, use_sample_covariance=False)
    assert table[2]["ssim"] == f"{blank:.4f}"
    assert [row["patterned"] for row in table] == ["0", "1", "1", "1", "1", "0"]


# --- all of them, of what is stored ----------------------------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> data.People:
    """Four test figures as prepared, what models of seeds 0 and 1 make of them, and photos of which one is no front view."""
    monkeypatch.chdir(tmp_path)
    test = people(0, 1, 3, 6)
    prepared, made = Path(f"data/mini/prepared/ch8_swapgan/{DATASET}"), Path(f"data/mini/predictions/ch8_swapgan/{DATASET}")
    others, scores, chosen = (Path(f"data/mini/{name}/{DATASET}") for name in (
        "predictions/ch8_swap_baselines", "predictions/ch8_swap_scores", "prepared/ch8_swap_selection"
    ))  # fmt: skip
    for folder in (prepared, made, others, scores, chosen, Path(f"data/mini/sources/{DATASET}")):
        folder.mkdir(parents=True)
    of_photos = {name: getattr(test, name) for name in ("images", "poses", "parts", "heads", "points", "flat", "patterned", "sleeves")}
    np.savez(prepared / "train.npz", **of_photos, pairs=test.pairs[:3])
    np.savez(prepared / "test.npz", **of_photos, pairs=test.pairs, truth=test.truth)
    both = {"names": test.names, "persons": test.persons, "category": [0] * 4}
    (prepared / "set.json").write_text(
        json.dumps({**{key: dict.fromkeys(data.PARTS, of) for key, of in both.items()}, "categories": ["Tees"], "generated": True})
    )
    count = len(test.pairs)
    noise = np.random.default_rng(0).integers(0, 255, (count, SIDE, SIDE, 3)).astype(np.uint8)
    for name in MODELS:
        for seed in (0, 1):
            mask = np.full((count, SIDE, SIDE), 255, np.uint8)
            np.savez(made / f"{name}-seed{seed}.npz", swapped=noise // (2 - seed), returned=noise, mask_swapped=mask, mask_returned=mask)
            np.savez(scores / f"{name}-seed{seed}.npz", parts_swapped=test.parts[test.pairs[:, 1]])
    for name in ("poisson", "tps", "viton-seed0", "viton-seed1"):
        np.savez(others / f"{name}.npz", swapped=noise)
    rows = [{"name": name, "part": "test", "chosen": int(name != "p3"), "reason": "not frontal" * (name == "p3")} for name in test.names]
    write_csv(chosen / "selection.csv", rows)
    photos = []
    for name, image in zip(test.names, test.images, strict=True):
        Image.fromarray(image).save(f"{name}.png")
        photos.append(SimpleNamespace(name=name, image=Path(f"{name}.png")))
    monkeypatch.setattr(panels, "reader", lambda name: SimpleNamespace(photos=lambda folder: photos))
    folder = Path(f"data/mini/models/ch8_swapgan/{DATASET}/full-seed1")
    for seed in (0, 1):
        folder = Path(f"data/mini/models/ch8_swapgan/{DATASET}/full-seed{seed}")
        folder.mkdir(parents=True)
        built = model.build(Variant(), Network(**NETWORK), lambda _: torch.Generator().manual_seed(0))
        torch.save(built.state_dict(), folder / "model.pt")
    return test


def run(**changes: Any) -> None:
    chapter = {"figures": FIGURES | changes, "network": NETWORK, "variants": {"full": {}}, "seeds": [0, 1]}
    run_main(panels, DATASET, {"ch8_swapgan": chapter})


NUMBERS = ["8_12", "8_13", "8_14", "8_15", "8_16", "8_18", "8_8", "8_9"]


def test_every_figure_stands_beside_its_table(stored: data.People) -> None:
    run()
    place = Path("reports/figures/ch8_swapgan")
    assert sorted(file.stem.removeprefix("figure_") for file in place.glob("*.png")) == NUMBERS
    tables = {number: read_csv(place / f"figure_{number}.csv") for number in NUMBERS}
    assert {number: len(rows) for number, rows in tables.items()} == {
        "8_12": 12, "8_13": 4, "8_14": 4, "8_15": 12, "8_16": 12, "8_18": 12, "8_8": 3, "8_9": 12,
    }  # fmt: skip
    assert list(tables["8_15"][0]) == ["reference", "condition", "deformation", "third", "poisson", "tps", "viton", "full", "shown"]
    shown = [row for row in tables["8_15"] if row["shown"] == "1"]
    assert {row["third"] for row in shown} == {"small", "moderate", "large"} and len({row["reference"] for row in shown}) == 1
    assert {row["full"] for row in tables["8_15"]} != {row["viton"] for row in tables["8_15"]}  # seed 0's is half of the noise


def test_the_first_seed_with_all_models_is_shown(stored: data.People) -> None:
    Path(f"data/mini/predictions/ch8_swapgan/{DATASET}/i-iii-seed0.npz").unlink()
    run()
    rows = read_csv(Path("reports/figures/ch8_swapgan/figure_8_15.csv"))
    assert [row["full"] for row in rows] == [row["viton"] for row in rows]  # seed 1's is the noise itself, as VITON's
    Path(f"data/mini/predictions/ch8_swap_baselines/{DATASET}/tps.npz").unlink()
    with pytest.raises(UserError, match=r"have no seed with all of full, full-deconv, i-ii, i-iii, poisson, tps, viton: train them"):
        run()


def test_photographs_of_people_are_not_drawn(stored: data.People) -> None:
    file = Path(f"data/mini/prepared/ch8_swapgan/{DATASET}/set.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"generated": False}))
    with pytest.raises(UserError, match=r"is of people, and figures are drawn of generated ones alone"):
        run()


def test_a_figure_of_pairs_that_no_test_has_is_made_by_the_model(stored: data.People) -> None:
    run()
    with_head = np.asarray(Image.open("reports/figures/ch8_swapgan/figure_8_14.png").convert("RGB"))
    assert len(np.unique(with_head.reshape(-1, 3), axis=0)) > 50  # random weights make no greys
