"""Section 8.2's metrics of predictions and readings made by hand: each value by hand, what is absent, what refers to what, wrong inputs.

Test pairs are (0, 1), (0, 2), (0, 3), (1, 0), ..., (3, 2). Wrists of row i are i^2 pixels down, so that of these pairs of rows a third each
is near, {0, 1} and {1, 2}, farther, {0, 2} and {2, 3}, and far, {0, 3} and {1, 3}. Rows 1 and 3 have long sleeves, 2 and 3 a pattern.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import stage_runs
import swap_scores_world as world
from numpy.typing import NDArray

from stages.ch8_swapgan import data, evaluate
from stages.ch8_swapgan.deformation import deformations, thirds
from stages.core import metrics
from stages.core.errors import UserError
from stages.metrics.perception import checkerboard, shuffled, similarity

Arrays = dict[str, NDArray]
THIRD = [0, 1, 2, 0, 0, 2, 1, 0, 1, 2, 2, 1]
ALONE = {
    "checkerboard",
    "is_categories_reference",
    "is_categories_reference_deviation",
    "mask_iou_reference",
    "sleeve_error",
    "category_accuracy",
}
OF_TRUTH = {
    "ssim_swap", "ssim_swap_pasted", "l1_head", "l1_patterned", "l1_plain",
    *(f"ssim_{worn}{third}" for worn in ("clothes", "upper") for third in ("", "_small", "_moderate", "_large")),
}  # fmt: skip


def one_hot(*classes: int) -> NDArray[np.float32]:
    return np.eye(2, dtype=np.float32)[list(classes)]


def write_scores(name: str, **arrays: NDArray) -> None:
    world.SCORES.mkdir(parents=True, exist_ok=True)
    np.savez(world.SCORES / f"{name}.npz", **arrays)
    about = {"encoder": None, "determinism": "numeric", "precision": "fp32", "parameters": 10}
    (world.SCORES / f"{name}.json").write_text(json.dumps(about))


def swapped_by_thirds(real: Arrays) -> NDArray[np.uint8]:
    """True swaps where poses are near, white pictures where they are farther, black ones where they are far."""
    third = np.array(THIRD)[:, None, None, None]
    return np.where(third == 0, real["truth"], np.where(third == 1, 255, 0)).astype(np.uint8)


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Arrays:
    """A world with `copy`, `real` and `truth` as read, and no networks; its test part."""
    monkeypatch.chdir(tmp_path)
    world.write_prepared()
    part = world.part()
    upper = np.zeros_like(part["parts"])
    for row in range(4):  # two rows of the trunk
        upper[row, 6:8] = np.where(part["parts"][row, 6:8] == 4, 4, 0)
        upper[row, 6:8, : part["heads"][row].any(axis=0).argmax()] = 0
        upper[row, 6:8, 5 + part["heads"][row].any(axis=0).argmax() :] = 0
        upper[row, 10] = np.where(part["parts"][row, 10] == 5, 5, 0)  # and one of what is worn below
    references, conditions = part["pairs"].T
    labels = np.array([0, 1, 0, 1])
    write_scores("truth", posteriors_swapped=one_hot(*labels[conditions]), parts_swapped=upper[references])
    for name, rows in (("reference", part["pairs"][:, 0]), ("copy", conditions)):
        write_scores(name, posteriors_swapped=one_hot(*labels[rows]), parts_swapped=part["parts"][rows])
    seen = part["parts"].copy()
    seen[3] = 0
    write_scores("real", posteriors_swapped=one_hot(0, 1, 0, 0), parts_swapped=seen)
    return part


def records(*models: str, seeds: tuple[int, ...] = (0,), **params: Any) -> list[metrics.Record]:
    world.write_made("tps", swapped=world.part()["pairs"].repeat(3 * 16 * 8, 1).astype(np.uint8).reshape(12, 16, 16, 3))
    write_scores("tps", posteriors_swapped=one_hot(*[0] * 12), parts_swapped=np.zeros((12, 16, 16), np.uint8))
    stage_runs.run_main(evaluate, world.DATASET, world.params(models, seeds, **params))
    return list(metrics.read(world.METRICS).records)


def values(model: str, of: list[metrics.Record]) -> dict[str, float]:
    return {record.metric: record.value for record in of if record.model == model}


@pytest.fixture
def full(real: Arrays) -> dict[str, float]:
    """The values of a network with all of it."""
    references, conditions = real["pairs"].T
    masks = np.where(real["parts"] > 0, 255, 127).astype(np.uint8)[references]
    masks[5] = np.maximum(masks[5], 128)  # all of this one is called figure
    swapped, returned = swapped_by_thirds(real), real["images"][conditions]
    world.write_made("full-seed0", swapped=swapped, returned=returned, mask_swapped=masks, mask_returned=np.zeros_like(masks))
    parts = real["parts"][references]
    parts[6:] = 0
    write_scores(
        "full-seed0",
        posteriors_swapped=one_hot(*[0] * 6, 0, 0, 0, 1, 1, 1),
        posteriors_returned=np.full((12, 2), 0.5, np.float32),
        parts_swapped=parts,
        parts_returned=real["parts"][conditions],
    )
    return values("full", records("full"))


def test_the_poses_thirds(real: Arrays) -> None:
    people = data.load(world.PREPARED, "test")
    found = deformations(people)
    assert found[:3] == pytest.approx([1 / 24, 4 / 24, 9 / 24])  # of four key points one is apart, in torsos of 6 pixels
    assert thirds(found).tolist() == THIRD
    assert thirds(np.array([3.0, 1, 1, 2])).tolist() == [2, 0, 0, 1]


def test_inception_scores_by_hand(full: dict[str, float]) -> None:
    """Nine of one class and three of another, in two splits of six: as they stand the first six are alike, shuffled both splits have both
    classes. Uncertain of all that is returned."""
    classes = np.array([0] * 9 + [1] * 3)[shuffled(12)].reshape(2, 6)
    shares = classes.mean(axis=1)
    assert (shares > 0).all()
    scores = np.exp(-shares * np.log(shares) - (1 - shares) * np.log(1 - shares))  # of certain answers the entropy of their classes
    assert full["is_categories_reference"] == pytest.approx(scores.mean())
    assert full["is_categories_reference_deviation"] == pytest.approx(abs(scores[0] - scores[1]) / 2)
    assert full["is_categories_condition"] == pytest.approx(1) and full["is_categories_condition_deviation"] == pytest.approx(0)
    assert full["category_accuracy"] == pytest.approx(5 / 12)


def test_similarities_by_hand(full: dict[str, float], real: Arrays) -> None:
    assert full["ssim"] == pytest.approx(1) and full["ssim_clothes_small"] == pytest.approx(1)
    flat = {1: np.full((16, 16, 3), 255, np.uint8), 2: np.zeros((16, 16, 3), np.uint8)}
    seen = np.load(world.SCORES / "truth.npz")["parts_swapped"]
    clothes, upper = np.isin(seen, (4, 5)), seen == 4
    whole = [1.0] * THIRD.count(0)
    for third, name in ((1, "moderate"), (2, "large")):
        rows = [row for row in range(12) if THIRD[row] == third]
        own = [similarity(flat[third], real["truth"][row], clothes[row]) for row in rows]
        assert full[f"ssim_clothes_{name}"] == pytest.approx(np.mean(own)) and max(own) < 0.9
        tops = [similarity(flat[third], real["truth"][row], upper[row]) for row in rows]
        assert full[f"ssim_upper_{name}"] == pytest.approx(np.mean(tops)) != pytest.approx(np.mean(own))
        whole += [similarity(flat[third], real["truth"][row]) for row in rows]
    assert full["ssim_swap"] == pytest.approx(np.mean(whole))
    assert full["ssim_clothes"] == pytest.approx(np.mean([full[f"ssim_clothes_{name}"] for name in evaluate.THIRDS]))
    pasted = swapped_by_thirds(real)
    for row, reference in enumerate(real["pairs"][:, 0]):
        head = real["heads"][reference] == 1
        pasted[row][head] = real["images"][reference][head]
    expected = np.mean([similarity(one, true) for one, true in zip(pasted, real["truth"], strict=True)])
    assert full["ssim_swap_pasted"] == pytest.approx(expected) and expected > full["ssim_swap"]
    assert full["checkerboard"] == pytest.approx(checkerboard(swapped_by_thirds(real)))


def test_masks_by_hand(full: dict[str, float]) -> None:
    """A figure has 81 of 256 pixels; of the last six pairs the parser sees none, and G_III of what is returned."""
    assert full["mask_iou_reference"] == pytest.approx(0.5) and full["mask_iou_condition"] == 1
    assert full["own_mask_iou_reference"] == pytest.approx((11 + 81 / 256) / 12) and full["own_mask_iou_condition"] == 0


def test_sleeves_by_hand(full: dict[str, float]) -> None:
    """Clothes are 25 of 41 pixels where sleeves are short, and all where they are long. The first six have the reference's sleeves in the
    place of the condition's, four of them other ones; the last six none, of conditions of which three have short sleeves."""
    assert full["sleeve_error"] == pytest.approx((4 * 16 / 41 + 3 * 25 / 41 + 3) / 12)


def test_distances_by_hand(full: dict[str, float]) -> None:
    """A head of (90, 60, 30) is 195 levels from white and 60 from black, a plain top 155 and 100, a patterned one 515 / 3 and 250 / 3."""
    assert full["l1_head"] == pytest.approx((4 * 195 + 4 * 60) / 12 / 127.5)
    assert full["l1_plain"] == pytest.approx((155 + 2 * 100) / 6 / 127.5)
    assert full["l1_patterned"] == pytest.approx((3 * 515 / 3 + 2 * 250 / 3) / 6 / 127.5)


def test_what_stands_beside_the_networks(full: dict[str, float], real: Arrays) -> None:
    found = list(metrics.read(world.METRICS).records)
    copy, reference, truth, photos, tps = (values(name, found) for name in ("copy", "reference", "truth", "real", "tps"))
    assert (reference["mask_iou_reference"], reference["l1_head"]) == (1, 0) and reference["ssim_swap"] < 1
    assert copy.keys() == reference.keys() == truth.keys() == tps.keys() == ALONE | OF_TRUTH
    assert (truth["ssim_swap"], truth["l1_head"], truth["category_accuracy"], copy["sleeve_error"]) == (pytest.approx(1), 0, 1, 0)
    assert copy["ssim_swap"] == pytest.approx(
        np.mean([similarity(real["images"][c], true) for (_, c), true in zip(real["pairs"], real["truth"], strict=True)])
    )
    assert photos.keys() == ALONE | {"parser_iou", "parser_accuracy"}
    assert photos["category_accuracy"] == 0.75 and photos["mask_iou_reference"] == 0.75
    background = 4 * 256 - 4 * 81
    assert photos["parser_accuracy"] == pytest.approx(1 - 81 / 1024)
    short, long = 25, 41  # pixels of upper clothes
    upper, arms = (2 * short + long) / (2 * short + 2 * long), 1  # the last has long sleeves
    assert photos["parser_iou"] == pytest.approx((background / (background + 81) + 3 * 0.75 + upper + arms) / 6)
    assert photos["sleeve_error"] == pytest.approx(1 / 4)


def test_a_network_without_generators_ii_and_iii_has_nothing_of_them(real: Arrays) -> None:
    world.write_made("i-seed0", swapped=real["truth"])
    write_scores("i-seed0", posteriors_swapped=one_hot(*[0, 1] * 6), parts_swapped=np.zeros((12, 16, 16), np.uint8))
    assert values("i", records("i")).keys() == ALONE | OF_TRUTH


def test_without_true_swaps_and_by_inception(real: Arrays) -> None:
    kept = {name: array for name, array in real.items() if name not in ("truth", "flat", "patterned", "sleeves")}
    np.savez(world.PREPARED / "test.npz", **kept)
    (world.SCORES / "truth.npz").unlink()
    world.write_made("i-seed0", swapped=real["truth"])
    write_scores("i-seed0", posteriors_swapped=one_hot(*[0, 1] * 6), parts_swapped=np.zeros((12, 16, 16), np.uint8))
    (world.SCORES / "i-seed0.json").write_text(json.dumps({"encoder": "inception_v3, official weights", "determinism": "bitwise"}))
    params = world.params(("i",))
    params["ch8_swapgan"]["score"]["encoder"] = "inception_v3"
    records("i")
    stage_runs.run_main(evaluate, world.DATASET, params)
    found = [record for record in metrics.read(world.METRICS).records if record.model == "i"]
    assert {record.metric: record.encoder for record in found} == {
        "checkerboard": None,
        "is_inception_v3_reference": "inception_v3, official weights",
        "is_inception_v3_reference_deviation": "inception_v3, official weights",
        "mask_iou_reference": None,
        "sleeve_error": None,
    }
    assert {record.model for record in metrics.read(world.METRICS).records} == {"i", "tps", "copy", "reference", "real"}


def test_what_a_number_refers_to(real: Arrays) -> None:
    """Seeds, folders, how reproducible what it is of was; and the curves."""
    for name in ("full-seed0", "full-seed3", "viton-seed3"):
        world.write_made(name, swapped=real["truth"])
        write_scores(name, posteriors_swapped=one_hot(*[0] * 12), parts_swapped=np.zeros((12, 16, 16), np.uint8))
    found = {(record.model, record.seed, record.metric): record for record in records("full", seeds=(0, 3))}
    read, seen = found["full", 3, "mask_iou_reference"], found["full", 3, "ssim_swap"]
    assert read.scored_by == str(world.SCORER) and seen.scored_by is None
    assert read.trained == seen.trained == f"{world.NETWORKS}/full-seed3" and read.n == seen.n == 12
    assert (read.determinism, seen.determinism) == ("numeric", "bitwise")
    assert seen.predictions == f"{world.PREDICTIONS}/full-seed3.npz" and seen.parameters == 10 and seen.precision == "fp32"
    viton = found["viton", 3, "ssim_swap"]
    assert (
        viton.trained == f"data/mini/models/ch8_swap_viton/{world.DATASET}/viton-seed3"
        and viton.predictions == f"{world.BASELINES}/viton-seed3.npz"
    )
    assert found["tps", None, "ssim_swap"].trained is None and found["real", None, "parser_iou"].scored_by == str(world.SCORER)
    curves = pd.read_csv(world.METRICS.with_suffix(".training.csv"))
    assert curves[["model", "seed", "generators"]].to_numpy().tolist() == [["full", 0, 2.5], ["full", 3, 2.5]]


def test_wrong_inputs_are_one_sentence(real: Arrays) -> None:
    read = {"posteriors_swapped": one_hot(*[0] * 12), "parts_swapped": np.zeros((12, 16, 16), np.uint8)}

    def refused(match: str, **arrays: NDArray) -> None:
        world.write_made("i-seed0", swapped=real["truth"])
        write_scores("i-seed0", **arrays)
        with pytest.raises(UserError, match=match):
            records("i")

    refused(
        r"i-seed0\.npz: posteriors_swapped is float32 \(11, 2\), and there are 12 images: run `python -m workflow\.repro ch8_swap_score",
        **read | {"posteriors_swapped": one_hot(*[0] * 11)},
    )
    refused(r"parts_swapped is float64 \(0,\), and there are 12 images", posteriors_swapped=read["posteriors_swapped"])
    refused(r"parts_swapped is uint8 \(12, 8, 16\)", **read | {"parts_swapped": read["parts_swapped"][:, :8]})
    refused("are no probabilities", **read | {"posteriors_swapped": 2 * read["posteriors_swapped"]})
    write_scores("i-seed0", **read)
    with pytest.raises(UserError, match="there are 12 images and 13 splits of them"):
        records("i", splits=13)
    (world.SCORES / "i-seed0.npz").unlink()
    with pytest.raises(UserError, match=r"i-seed0\.npz is not there: `python -m workflow\.repro ch8_swap_score@boxes`"):
        records("i")
