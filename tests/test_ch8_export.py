"""Facades as folders of pictures: scored by `fcn_score` and translated by `translate` they are Table 8.1's rows."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scorer_world as world
import stage_runs
import torch
from PIL import Image

from stages.ch8_translation import evaluate, export, fcn_score, prepare, score, scorer
from stages.core import metrics
from stages.core.errors import UserError
from stages.core.runtime import Runtime
from stages.datasets import facades as reader
from stages.datasets.translated import IGNORE
from stages.miniatures import facades

torch.set_num_threads(1)
NETWORKS, SCORERS, PICTURES = 16, 24, 48  # pixels a side
SOURCE = Path("data/mini/sources/facades")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with facades, their scorer and its scores."""

    def run() -> None:
        facades.write(SOURCE, train=6, val=1, test=2, size=PICTURES, seed=0)
        world.provenance(SOURCE, "facades")
        world.write_weights()
        params: dict[str, Any] = world.params(iterations=30, size=SCORERS)
        params["ch8_translation"]["size"] = NETWORKS
        for module in (prepare, scorer, score, evaluate):
            stage_runs.run_main(module, "facades", params)

    return stage_runs.make_world(tmp_path_factory.mktemp("export"), run)


@pytest.fixture
def bounds(here: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, float]]:
    """What `evaluate` has of what bounds the networks, by name."""
    monkeypatch.chdir(here)
    rows: dict[str, dict[str, float]] = {}
    for record in metrics.read(Path("reports/metrics/ch8_translation/facades.json")).records:
        rows.setdefault(record.model, {})[record.metric] = record.value
    return rows


def scored(photos: Path, labels: Path) -> dict[str, float]:
    loaded = score.load(Path("data/mini/models/ch8_scorer/facades"), Runtime("cpu", 1, "fp32"), torch.device("cpu"), "")
    return fcn_score.scored(loaded, fcn_score.pairs(photos, labels))


def test_what_bounds_the_networks_is_scored_as_in_the_table(bounds: dict[str, dict[str, float]], tmp_path: Path) -> None:
    """Real photos as the Oracle; smaller ones, as networks make them, as the smaller Oracle; label maps' colours as the copy."""
    for size in (NETWORKS, SCORERS):
        assert export.export("facades", SOURCE, tmp_path / str(size), "test", size) == 3
    labels = tmp_path / f"{SCORERS}/labels"
    assert scored(tmp_path / f"{SCORERS}/photos", labels) == bounds["oracle"]
    assert scored(tmp_path / f"{NETWORKS}/photos", labels) == bounds["oracle-small"]
    assert scored(tmp_path / f"{NETWORKS}/colours", labels) == bounds["copy"]
    assert len({json.dumps(bounds[name]) for name in ("oracle", "oracle-small", "copy")}) == 3


def test_larger_pictures_as_they_are_score_the_same(bounds: dict[str, dict[str, float]], tmp_path: Path) -> None:
    export.export("facades", SOURCE, tmp_path, "test", None)
    assert scored(tmp_path / "photos", tmp_path / "labels") == bounds["oracle"]
    pairs = reader.pairs(SOURCE, "test")
    for pair in pairs:
        labels = np.asarray(Image.open(tmp_path / f"labels/{pair.name}.png"))
        assert np.array_equal(labels, reader.read_labels(pair)) and (labels == IGNORE).any()
        for kind, picture in zip(("colours", "photos"), reader.read(pair), strict=True):
            assert np.array_equal(np.asarray(Image.open(tmp_path / f"{kind}/{pair.name}.png")), picture)
    assert {file.relative_to(tmp_path / "photos").as_posix() for file in (tmp_path / "photos").rglob("*.png")} == {
        f"{pair.name}.png" for pair in pairs
    }


def test_the_command_and_what_it_refuses(
    bounds: dict[str, dict[str, float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    words = ["export", "facades", str(SOURCE), "-o", str(tmp_path), "--part", "train", "--size", "8"]
    monkeypatch.setattr(sys, "argv", words)
    export.main()
    assert capsys.readouterr().out == f"6 pairs of facades in {tmp_path}: colours, photos, labels\n"
    assert {Image.open(file).size for file in tmp_path.rglob("*.png")} == {(8, 8)}
    with pytest.raises(UserError, match=r"^--size is 0: it must be 1 pixel or more$"):
        export.export("facades", SOURCE, tmp_path, "test", 0)
    monkeypatch.setattr(sys, "argv", ["export", "facades", "nowhere", "-o", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"^error: nowhere/facades has no pictures, so the data set is not in its official layout"):
        export.main()
