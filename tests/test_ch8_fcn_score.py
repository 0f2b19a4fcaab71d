"""The FCN-score of anyone's folders: the Oracle's of real photos, both kinds of label maps, and what cannot be scored."""

import sys
from pathlib import Path

import numpy as np
import pytest
import scorer_world as world
import stage_runs
import torch
from numpy.typing import NDArray
from PIL import Image

from stages.ch8_translation import fcn_score, score, scorer
from stages.ch8_translation.evaluate import SCORES, scores
from stages.core.errors import UserError
from stages.core.runtime import Runtime
from stages.datasets.translated import coloured

torch.set_num_threads(1)
PHOTOS, MAPS = Path("photos"), Path("maps")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def train() -> None:
        stage_runs.run_main(scorer, world.DATASET, world.params(iterations=40))

    return stage_runs.make_world(tmp_path_factory.mktemp("fcn"), world.write_prepared, world.write_weights, train)


@pytest.fixture
def loaded(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> score.Loaded:
    """The scorer, in an empty folder with `photos` and `maps` of the test part, 32 x 32 PNG, the maps as indices."""
    monkeypatch.chdir(trained)
    real = world.test_part()
    monkeypatch.chdir(tmp_path)
    world.write_pictures(PHOTOS, real["photos"])
    world.write_pictures(MAPS, real["labels"])
    return score.load(trained / world.SCORER, Runtime("cpu", 1, "fp32"), torch.device("cpu"), "")


def found(loaded: score.Loaded) -> dict[str, float]:
    return fcn_score.scored(loaded, fcn_score.pairs(PHOTOS, MAPS))


def indices() -> NDArray[np.uint8]:
    return np.stack([np.asarray(Image.open(file)) for file in sorted(MAPS.iterdir())])


def test_real_photos_have_the_oracle_s_score(loaded: score.Loaded) -> None:
    photos = np.stack([np.asarray(Image.open(file)) for file in sorted(PHOTOS.iterdir())])
    assert found(loaded) == dict(zip(SCORES, scores(indices(), loaded.label_maps(photos), 3), strict=True))
    assert min(found(loaded).values()) > 0.5


def test_colours_and_indices_of_a_palette_are_the_same_labels(loaded: score.Loaded) -> None:
    expected, labels = found(loaded), indices()
    world.write_pictures(MAPS, coloured(labels, world.PALETTE))  # black where there is no class
    assert found(loaded) == expected
    rng = np.random.default_rng(0)
    noisy = coloured(labels, world.PALETTE).astype(int) + rng.integers(-9, 10, (*labels.shape, 3)) * (labels != 255)[..., None]
    world.write_pictures(MAPS, noisy.clip(0, 255).astype(np.uint8))
    assert found(loaded) == expected
    for number, one in enumerate(labels):
        picture = Image.fromarray(one).convert("P")
        picture.putdata(one.ravel().tolist())
        picture.save(MAPS / f"{number}.png")
    assert found(loaded) == expected


def test_other_sizes_and_suffixes(loaded: score.Loaded) -> None:
    """Twice the scorer's size, each pixel four times, in folders below: shrunk to what they were."""
    expected, labels = found(loaded), indices()
    photos = [np.asarray(Image.open(file)) for file in sorted(PHOTOS.iterdir())]
    for folder in (PHOTOS, MAPS):
        for file in folder.iterdir():
            file.unlink()
    double = [np.repeat(np.repeat(one, 2, axis=0), 2, axis=1) for one in (*photos, *labels)]
    world.write_pictures(PHOTOS / "a", np.stack(double[:4]), "bmp")
    world.write_pictures(MAPS / "a", np.stack(double[4:]))
    # Pillow's filter is wider than two pixels, so that a few pixels at edges may change.
    assert list(found(loaded).values()) == pytest.approx(list(expected.values()), abs=0.1)
    small = [one[::2, ::2] for one in (*photos, *labels)]
    for folder in (PHOTOS, MAPS):
        for file in (folder / "a").iterdir():
            file.unlink()
    world.write_pictures(PHOTOS / "a", np.stack(small[:4]), "jpg")
    world.write_pictures(MAPS / "a", np.stack(small[4:]))
    assert found(loaded)["pixel_accuracy"] > 0.5


def test_the_command(loaded: score.Loaded, trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(sys, "argv", ["fcn_score", str(trained / world.SCORER), "photos", "maps", "--device", "cpu", "--threads", "1"])
    fcn_score.main()
    lines = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert lines == {name: f"{value:.4f}" for name, value in found(loaded).items()} | {"photos": "4"}
    monkeypatch.setattr(sys, "argv", ["fcn_score", "maps", "photos", "maps", "--device", "cpu"])
    with pytest.raises(SystemExit, match=r"^error: maps/about\.json is not there: `python -m workflow\.repro ch8_scorer`"):
        fcn_score.main()


def replaced(file: Path, pixels: NDArray[np.uint8]) -> None:
    Image.fromarray(pixels).save(file)


def far(file: Path) -> None:
    pixels = coloured(np.asarray(Image.open(file)), world.PALETTE)
    pixels[5, 7] = (255, 255, 255)
    replaced(file, pixels)


def no_class(folder: Path) -> None:
    for file in folder.iterdir():
        replaced(file, np.full((32, 32), 255, np.uint8))


WRONG = {
    "no photo": (lambda: (PHOTOS / "2.png").unlink(), r"maps/2\.png has no photo: photos has no picture of the name 2"),
    "no map": (lambda: (MAPS / "1.png").unlink(), r"photos/1\.png has no label map: maps has no picture of the name 1"),
    "twins": (lambda: (PHOTOS / "1.jpg").write_bytes(b""), r"photos/1\.jpg and photos/1\.png have the same name"),
    "size": (
        lambda: replaced(PHOTOS / "3.png", np.zeros((30, 20, 3), np.uint8)),
        r"photos/3\.png has 20 x 30 pixels and maps/3\.png 32 x 32: the two must be of the same proportions",
    ),
    "colour": (
        lambda: far(MAPS / "0.png"),
        r"maps/0\.png has at row 5, column 7 the colour \(255, 255, 255\), which is far from those of all 3 classes",
    ),
    "value": (
        lambda: replaced(MAPS / "0.png", np.full((32, 32), 3, np.uint8)),
        r"maps/0\.png has the value 3: the classes are 0 to 2, and 255 is none",
    ),
    "mode": (lambda: replaced(MAPS / "0.png", np.zeros((32, 32), bool)), r"maps/0\.png is of Pillow's mode 1: a label map has"),
    "damaged": (lambda: (PHOTOS / "1.png").write_bytes(b"no"), r"photos/1\.png cannot be read: it is no picture of a known format"),
    "nothing": (lambda: no_class(MAPS), "no pixel of maps has a class: there is nothing to score"),
    "empty": (lambda: [file.unlink() for file in PHOTOS.iterdir()], "photos has no pictures"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_scored_is_one_sentence(case: str, loaded: score.Loaded) -> None:
    spoil, sentence = WRONG[case]
    spoil()
    with pytest.raises(UserError, match=sentence):
        found(loaded)
