"""Section 8.1's data as prepared: sizes, filters, what is in which file; and files that are damaged."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from stage_runs import run_main

from stages.ch8_translation import data, prepare, scored
from stages.core.errors import UserError
from stages.core.files import write_json
from stages.datasets import facades as facades_reader
from stages.miniatures import facades, own_domains, sbir_shoes

PREPARED, SCORED = Path("data/mini/prepared/ch8_translation"), Path("data/mini/prepared/ch8_scored")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two houses to train on and three to test on, sketches, and domains of one's own, all prepared."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        sources = Path("data/mini/sources")
        facades.write(sources / "facades", train=2, val=1, test=2, size=48, seed=0)
        sbir_shoes.write(sources / "sbir_shoes", train=3, test=1, size=48, seed=0)
        own_domains.write(sources / "own_domains", train_a=2, train_b=3, test_a=2, test_b=2, size=48, seed=0)
        for name in ("facades", "sbir_shoes", "own_domains"):
            write_json(sources / name / "provenance.json", {"dataset": name, "kind": "miniature", "note": ""})
            run(name, {"size": 16, "scorer": {"size": 24}})
    return folder


@pytest.fixture
def here(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it that a test may spoil."""
    monkeypatch.chdir(shutil.copytree(world, tmp_path / "here"))
    return Path()


def run(name: str, parameters: dict[str, Any]) -> None:
    run_main(prepare, name, {"ch8_translation": parameters})


def test_label_maps_and_photos_are_pairs_in_the_readers_order(here: Path) -> None:
    test = data.load(PREPARED / "facades", "test")
    assert test.names["a"] == test.names["b"] == ["val/1", "test/1", "test/2"]
    assert (test.paired, test.a.shape, test.b.shape) == (True, (3, 16, 16, 3), (3, 16, 16, 3))
    assert test.classes == list(facades_reader.CLASSES)
    assert np.array_equal(test.palette, facades_reader.PALETTE)
    assert len(data.load(PREPARED / "facades", "train").a) == 2
    # A label map's colours are of one of its pixels; a photo's are means of several.
    colours, photo = facades_reader.read(facades_reader.pairs(Path("data/mini/sources/facades"), "test")[1])
    assert np.array_equal(test.a[1], colours[1::3, 1::3])
    assert np.abs(test.b[1, 4, 7].astype(int) - photo[11:16, 20:25].reshape(-1, 3).mean(0)).max() < 16
    assert json.loads((PREPARED / "facades/provenance.json").read_text())["kind"] == "miniature"


def test_what_is_scored_by_is_apart_and_of_another_size(here: Path) -> None:
    test, real = data.load(PREPARED / "facades", "test"), scored.load(SCORED / "facades", "test")
    assert (real.photos.shape, real.labels.shape) == ((3, 24, 24, 3), (3, 24, 24))
    labels = facades_reader.read_labels(facades_reader.pairs(Path("data/mini/sources/facades"), "test")[2])
    assert test.labels is not None and np.array_equal(test.labels[2], labels[1::3, 1::3])
    assert np.array_equal(real.labels[2], labels[1::2, 1::2])
    assert real.classes == test.classes and np.array_equal(real.palette, test.palette)
    assert sorted(file.name for file in (PREPARED / "facades").iterdir()) == ["provenance.json", "set.json", "test.npz", "train.npz"]
    assert not (SCORED / "sbir_shoes").exists()


def test_the_size_of_the_scorer_changes_nothing_that_generators_see(here: Path) -> None:
    before = {file.name: file.read_bytes() for file in (PREPARED / "facades").iterdir()}
    run("facades", {"size": 16, "scorer": {"size": 32}})
    assert {file.name: file.read_bytes() for file in (PREPARED / "facades").iterdir()} == before


def test_the_size_of_the_networks_changes_nothing_that_the_scorer_sees(here: Path) -> None:
    before = {file.name: file.read_bytes() for file in (SCORED / "facades").iterdir()}
    run("facades", {"size": 32, "scorer": {"size": 24}})
    assert {file.name: file.read_bytes() for file in (SCORED / "facades").iterdir()} == before


def test_sketches_have_no_classes_and_unpaired_domains_their_own_lengths(here: Path) -> None:
    shoes, own = data.load(PREPARED / "sbir_shoes", "train"), data.load(PREPARED / "own_domains", "train")
    assert (shoes.paired, shoes.names["a"], shoes.classes, shoes.palette.shape) == (True, ["1", "2", "3"], [], (0, 3))
    assert len(np.unique(shoes.a)) > 2  # lines are shrunk without aliasing
    assert (own.paired, len(own.a), len(own.b)) == (False, 2, 3)
    assert own.names == {"a": ["0001.jpg", "0002.jpg"], "b": ["0001.jpg", "0002.jpg", "0003.jpg"]}


def test_pictures_of_any_proportions_become_squares() -> None:
    steps = np.repeat(np.array([[0, 200]], np.uint8), 4, axis=1)[..., None].repeat(3, -1)  # 1 x 8
    assert prepare.resize_labels(steps, 2)[..., 0].tolist() == [[0, 200]] * 2
    stripes = np.tile(np.array([[0, 100]], np.uint8), (8, 4))[..., None].repeat(3, -1)
    assert np.abs(prepare.resize_photo(stripes, 2).astype(int) - 50).max() < 5  # of one pixel in four it would be 0 or 100
    assert set(np.unique(prepare.resize_labels(np.array([[3, 255]], np.uint8), 33))) == {3, 255}
    expected = np.asarray(Image.fromarray(steps).resize((3, 3), Image.Resampling.BILINEAR))
    assert np.array_equal(prepare.resize_photo(steps, 3), expected)


def message(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        data.load(folder, "train")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_damaged_is_one_sentence(here: Path) -> None:
    folder = PREPARED / "facades"
    about, arrays = (folder / "set.json").read_text(), (folder / "train.npz").read_bytes()
    (folder / "set.json").write_text(about[:40])
    assert message(folder).startswith(f"{folder}/set.json cannot be read (")
    (folder / "set.json").write_text(json.dumps(json.loads(about) | {"names": {"train": {"a": []}}}))
    assert message(folder).startswith(f"{folder}/set.json is damaged ('b'): run `python -m workflow.repro ch8_prepare@facades`")
    (folder / "set.json").write_text(json.dumps(json.loads(about) | {"palette": [[1, 2]]}))
    assert message(folder).startswith(f"{folder}/set.json is damaged (cannot reshape")
    (folder / "set.json").write_text("{}")
    assert message(folder).startswith(f"{folder}/set.json lacks names")
    (folder / "set.json").write_text(about)
    (folder / "train.npz").write_bytes(arrays[: len(arrays) // 2])
    assert message(folder).startswith(f"{folder}/train.npz cannot be read (")
    np.savez(folder / "train.npz", a=np.zeros((1, 16, 16, 3), np.uint8), b=np.zeros((2, 16, 16, 3), np.uint8), labels=0)
    assert message(folder).startswith(f"{folder}/train.npz: a is uint8 (1, 16, 16, 3), and set.json beside it names 2 pictures: run")
    (folder / "train.npz").unlink()
    assert message(folder).startswith(f"{folder}/train.npz is not there: `python -m workflow.repro ch8_prepare@facades`")
    (PREPARED / "sbir_shoes/train.npz").unlink()
    assert "ch8_prepare_drawn@sbir_shoes" in message(PREPARED / "sbir_shoes")
