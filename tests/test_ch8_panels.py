"""Figures 8.3 to 8.6: which test pictures are shown, in what columns, with which scores."""

import json
from pathlib import Path
from typing import Any

import composed
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from stage_runs import run_main

from stages.ch8_translation import data, panels
from stages.core import figures
from stages.core.errors import UserError
from stages.core.files import read_csv

PREPARED = Path("data/mini/prepared/ch8_translation/facades")
SCORED = Path("data/mini/prepared/ch8_scored/facades")
MADE = Path("data/mini/predictions/ch8_translation/facades")
LABELS = Path("data/mini/predictions/ch8_labels/facades")
MODELS = ["gan", "vanilla", "long", "nest"]
PALETTE = np.array([[0, 0, 255], [255, 0, 0], [0, 255, 0]], np.uint8)


@pytest.mark.parametrize(
    ("count", "images", "shown"), [(3, 40, [6, 20, 33]), (1, 5, [2]), (3, 3, [0, 1, 2]), (4, 2, [0, 1]), (2, 206, [51, 154])]
)
def test_what_is_shown_lies_at_equal_distances(count: int, images: int, shown: list[int]) -> None:
    assert figures.spread_out(count, images) == shown


def pictures(*colours: int, side: int = 2) -> NDArray[np.uint8]:
    """A picture of one grey for each."""
    return np.stack([np.full((side, side, 3), colour, np.uint8) for colour in colours])


def images(**changes: Any) -> data.Images:
    facts = {"names": {"a": ["s", "t"], "b": ["s", "t"]}, "paired": True, "a": pictures(0, 255), "b": pictures(100, 200)}
    return data.Images(**facts | {"classes": [], "palette": np.empty((0, 3), np.uint8)} | changes)


def test_scores_of_pictures_without_labels_are_distances_to_the_truth() -> None:
    made = {"forward": pictures(100, 149), "backward": pictures(255, 255)}
    assert panels.scores(images(), None, made, "forward") == [0, 51 / 127.5]
    assert panels.scores(images(), None, made, "backward") == [2, 0]


def test_scores_of_a_set_with_labels_are_shares_of_right_pixels() -> None:
    truth = np.array([[[0, 1], [255, 2]], [[255, 255], [255, 255]]], np.uint8)
    scored = images(classes=["x", "y", "z"], palette=PALETTE, labels=truth)
    painted = PALETTE[np.array([[[0, 1], [1, 1]], [[0, 0], [0, 0]]])] ^ 3  # a little off the colours
    made = {"labels": np.zeros((2, 2, 2), np.uint8), "backward": painted}
    for direction, value in (("forward", 1 / 3), ("backward", 2 / 3)):
        first, none = panels.scores(scored, truth, made, direction)
        assert first == value and np.isnan(none)


def test_an_unpaired_set_has_neither_truth_nor_scores() -> None:
    unpaired = images(paired=False, names={"a": ["s", "t"], "b": ["u"]}, b=pictures(7))
    made = {"gan": {"forward": pictures(1, 2), "backward": pictures(3)}}
    assert panels.table(unpaired, None, made, "backward", [0]) == [{"image": "u", "shown": 1}]
    (row,) = panels.rows_of(unpaired, made, "forward", [1], {"gan": "GAN"})
    assert [(title, int(picture[0, 0, 0])) for title, picture in row] == [("input", 255), ("GAN", 2)]


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NDArray[np.uint8]:
    """A scored set of four test pictures of one class each, and what the networks of seeds 0 and 1 make of them; the labels."""
    monkeypatch.chdir(tmp_path)
    labels = np.stack([np.full((16, 16), number % 3, np.uint8) for number in range(4)])
    names = [f"{number}" for number in range(4)]
    for folder in (PREPARED, SCORED, MADE, LABELS):
        folder.mkdir(parents=True)
    about = {"names": {"test": {"a": names, "b": names}}, "paired": True, "classes": ["x", "y", "z"], "palette": PALETTE.tolist()}
    (PREPARED / "set.json").write_text(json.dumps(about))
    np.savez(PREPARED / "test.npz", a=PALETTE[labels], b=PALETTE[labels] // 2, labels=labels)
    np.savez(SCORED / "test.npz", photos=PALETTE[labels] // 2, labels=labels)
    for number, model in enumerate(MODELS):
        for seed in (0, 1):
            np.savez(MADE / f"{model}-seed{seed}.npz", forward=pictures(*[50 * number] * 4, side=16), backward=PALETTE[labels])
            np.savez(LABELS / f"{model}-seed{seed}.npz", labels=np.where(np.arange(16) < 4 * (number + 1), labels, 1 + labels))
    return labels


def run(**changes: Any) -> None:
    chapter = composed.params("mini")["ch8_translation"] | {"seeds": [0, 1]}
    run_main(panels, "8_3 facades", {"ch8_translation": chapter | changes})


def test_a_figure_stands_beside_the_scores_of_all_test_pictures(stored: NDArray[np.uint8]) -> None:
    run()
    place = "reports/figures/ch8_translation/figure_8_3"
    rows = read_csv(Path(f"{place}a.csv"))
    assert rows[1] == {"image": "1", "gan": "0.2500", "vanilla": "0.5000", "long": "0.7500", "nest": "1.0000", "shown": "0"}
    assert [row["shown"] for row in rows] == ["1", "0", "1", "1"]
    assert {row[model] for row in read_csv(Path(f"{place}b.csv")) for model in MODELS} == {"1.0000"}
    colours = set(map(tuple, np.asarray(Image.open(f"{place}a.png").convert("RGB")).reshape(-1, 3)[::7].tolist()))
    assert {(0, 0, 255), (0, 255, 0), (150, 150, 150), (0, 0, 127), (0, 127, 0)} <= colours  # inputs, Nest's picture, truths
    assert not {(255, 0, 0), (127, 0, 0)} & colours  # of the second picture, which is not shown


def test_the_first_seed_with_all_networks_is_shown(stored: NDArray[np.uint8]) -> None:
    (MADE / "long-seed0.npz").unlink()
    assert panels.first_whole(MADE, MODELS, [0, 1]) == 1
    run()
    (MADE / "gan-seed1.npz").unlink()
    with pytest.raises(
        UserError, match=r"facades has no seed with all of gan, vanilla, long, nest: train them, or shorten ch8_translation"
    ):
        run()
