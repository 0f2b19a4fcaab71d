"""The boundary benchmark on files: formats, the command, what interrupts it, what is refused; gPb's published scores."""

import csv
import json
import math
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PATIENCE, wait_for
from PIL import Image
from scipy.io import savemat
from scipy.ndimage import gaussian_filter

from stages.core.errors import UserError
from stages.metrics import boundary
from stages.metrics.boundary import evaluate, evaluate_folders, even_thresholds, summarize
from stages.metrics.edge_maps import read_map


def write_truth(file: Path, *boundaries: np.ndarray, key: str = "groundTruth") -> None:
    cell = np.empty((1, len(boundaries)), dtype=object)
    for index, values in enumerate(boundaries):
        cell[0, index] = {"Segmentation": np.ones(values.shape, np.uint16), "Boundaries": (values > 0).astype(np.uint8)}
    file.parent.mkdir(parents=True, exist_ok=True)
    savemat(file, {key: cell})


def write_png(file: Path, values: np.ndarray, bits: int = 8) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(values * (2**bits - 1)).astype(f"uint{bits}")).save(file)


def noise(seed: int) -> np.ndarray:
    """A map of 8 bits with thin and thick structures."""
    values = gaussian_filter(np.random.default_rng(seed).random((40, 50)), 1)
    return np.rint(255 * (values - values.min()) / np.ptp(values)) / 255


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Four images with two annotators."""
    for seed in range(4):
        write_png(tmp_path / f"pb/{seed}.png", noise(seed))
        write_truth(tmp_path / f"gt/{seed}.mat", noise(seed) > 0.7, noise(seed + 9) > 0.7)
    return tmp_path / "pb", tmp_path / "gt"


def test_formats(tmp_path: Path) -> None:
    values = noise(0)
    write_png(tmp_path / "8.png", values)
    write_png(tmp_path / "16.png", values, bits=16)
    np.save(tmp_path / "a.npy", values.astype(np.float32))
    double = np.zeros((81, 101))
    double[2::2, 2::2] = values
    savemat(tmp_path / "u.mat", {"ucm2": double})
    for name, step in (("8.png", 1 / 255), ("16.png", 1 / 65535), ("a.npy", 1e-6), ("u.mat", 1e-12)):
        found = read_map(tmp_path / name)
        assert (found.dtype, found.shape) == (np.float64, (40, 50))
        assert np.abs(found - values).max() <= step / 2
    Image.fromarray(values > 0.5).save(tmp_path / "1.png")
    assert np.array_equal(read_map(tmp_path / "1.png"), values > 0.5)


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stages.metrics.boundary", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_command(folders: tuple[Path, Path], tmp_path: Path) -> None:
    done = command(
        *folders, "--json", tmp_path / "out/s.json", "--counts", tmp_path / "c.csv", "--thresholds", 9, "--max-dist", 0.02, "--jobs", 2
    )
    assert (done.returncode, done.stderr) == (0, "")
    with (tmp_path / "c.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["image", "threshold", "count_r", "sum_r", "count_p", "sum_p"]
    assert [(row["image"], row["threshold"]) for row in rows] == [(str(k), f"0.{t}") for k in range(4) for t in range(1, 10)]
    counts = np.array([[int(row[key]) for key in boundary.COUNTS] for row in rows]).reshape(4, 9, 4)
    for seed in range(4):
        truths = np.stack([noise(seed) > 0.7, noise(seed + 9) > 0.7])
        assert np.array_equal(counts[seed], evaluate(noise(seed), truths, even_thresholds(9), 0.02))
    found = json.loads((tmp_path / "out/s.json").read_text())
    assert found == summarize(even_thresholds(9), counts) | {"max_dist": 0.02, "thin": True}
    assert done.stdout.startswith(f"ODS {found['ods']['f']:.4f} at {found['ods']['threshold']:.4f}, OIS {found['ois']['f']:.4f}")
    thick = command(*folders, "--json", tmp_path / "thick.json", "--thresholds", 9, "--no-thin")
    assert thick.returncode == 0
    assert json.loads((tmp_path / "thick.json").read_text())["curve"][4]["precision"] < found["curve"][4]["precision"]


def test_an_interrupted_evaluation_goes_on(folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts_file, thresholds = tmp_path / "c.csv", even_thresholds(9)
    evaluated: list[str] = []
    real = boundary._evaluate_pair
    interrupted_at, interrupted = "2", threading.Event()

    class Pool(ThreadPoolExecutor):
        def shutdown(self, *arguments: Any, **options: Any) -> None:
            interrupted.set()
            super().shutdown(*arguments, **options)

    def evaluate_pair(prediction: Path, *arguments: object) -> np.ndarray:
        if prediction.stem == interrupted_at:
            wait_for(lambda: counts_file.read_text().count("\n") == 1 + 2 * len(thresholds))  # those before have been written
            raise KeyboardInterrupt
        if interrupted_at:  # the next one is not done before all has come to an end
            assert prediction.stem < interrupted_at or interrupted.wait(PATIENCE)
        evaluated.append(prediction.stem)
        return real(prediction, *arguments)

    def run(*, max_dist: float = 0.02) -> list[str]:
        evaluated.clear()
        evaluate_folders(*folders, thresholds, max_dist, counts_file=counts_file)
        return sorted(evaluated)

    monkeypatch.setattr(boundary, "_evaluate_pair", evaluate_pair)
    monkeypatch.setattr(boundary, "ThreadPoolExecutor", Pool)
    with pytest.raises(KeyboardInterrupt):
        run()
    interrupted_at = ""
    assert evaluated[:2] == ["0", "1"]
    with counts_file.open("a") as file:
        file.write("3,0.1,5,")  # a row that was being written
    assert run() == ["2", "3"]
    whole = counts_file.read_bytes()
    assert run() == [] and counts_file.read_bytes() == whole
    monkeypatch.setattr(boundary, "_evaluate_pair", real)
    evaluate_folders(*folders, thresholds, 0.02, counts_file=tmp_path / "fresh.csv", jobs=2)
    assert (tmp_path / "fresh.csv").read_bytes() == whole
    monkeypatch.setattr(boundary, "_evaluate_pair", evaluate_pair)
    # Another prediction, another truth, other settings, and rows that are gone.
    write_png(folders[0] / "1.png", noise(5))
    assert run() == ["1"]
    write_truth(folders[1] / "2.mat", noise(2) > 0.6)
    assert run() == ["2"]
    assert run(max_dist=0.03) == ["0", "1", "2", "3"]
    text = counts_file.read_text()
    counts_file.write_text(text.replace(next(row for row in text.splitlines(keepends=True) if row.startswith("3,")), ""))
    assert run(max_dist=0.03) == ["3"]
    counts_file.with_name("c.csv.inputs").unlink()
    assert run(max_dist=0.03) == ["0", "1", "2", "3"]


def test_predictions_of_other_images_are_not_looked_at(folders: tuple[Path, Path]) -> None:
    (folders[0] / "other.png").write_text("no PNG")
    names, counts = evaluate_folders(*folders, even_thresholds(3))
    assert (names, counts.shape) == (["0", "1", "2", "3"], (4, 3, 4))


def test_a_constant_prediction_is_told_of(folders: tuple[Path, Path], capsys: pytest.CaptureFixture) -> None:
    write_png(folders[0] / "2.png", np.ones((40, 50)))
    _, counts = evaluate_folders(*folders, even_thresholds(3))
    assert counts[2, :, [0, 2, 3]].sum() == 0 < counts[2, :, 1].min()
    assert "2.png is constant: it scores 0" in capsys.readouterr().err


def test_bad_input(folders: tuple[Path, Path], tmp_path: Path) -> None:
    predictions, truths = folders

    def refused(match: str, thresholds: int = 3, **options: float | int | Path) -> None:
        with pytest.raises(UserError, match=match):
            evaluate_folders(predictions, truths, even_thresholds(thresholds), **options)

    def bad(name: str, write: object, match: str, file: Path | None = None) -> None:
        """With one bad file; then all is as before."""
        file = file or predictions / name
        kept = file.read_bytes() if file.exists() else None
        write(file)
        refused(match)
        file.unlink(missing_ok=True)
        if kept is not None:
            file.write_bytes(kept)

    write_png_ = lambda values: lambda file: write_png(file, values)  # noqa: E731
    bad("1.png", write_png_(noise(1)[1:]), r"pb/1\.png is 39 x 50 and .*gt/1\.mat 40 x 50")
    bad("1.png", Path.unlink, r"pb has no 1\.png, \.npy or \.mat for .*gt/1\.mat$")
    bad("1.png", lambda file: file.write_bytes(b"no image"), r"pb/1\.png cannot be read: it is no picture of a known format")
    bad("1.png", lambda file: Image.new("RGB", (50, 40)).save(file), r"pb/1\.png is a PNG of mode RGB")
    truth = truths / "1.mat"
    bad("", lambda file: savemat(file, {"other": 1}), r"gt/1\.mat has no variable groundTruth", truth)
    bad("", lambda file: write_truth(file), r"gt/1\.mat: groundTruth is empty", truth)
    bad("", lambda file: write_truth(file, np.zeros((300, 400))), r"gt/1\.mat 300 x 400", truth)
    bad("", lambda file: write_truth(file, np.zeros((40, 50))), r"gt/1\.mat has no boundary pixel", truth)
    np.save(predictions / "1.npy", noise(1))
    refused(r"pb/1\.png and 1\.npy are both predictions")
    (predictions / "1.png").unlink()
    for values, found in (
        (2 * noise(1), "it goes from 0 to 2"),
        (-noise(1), "it goes from -1 to -?0"),
        (np.where(noise(1) > 0.9, np.nan, noise(1)), "nan"),
        (np.stack([noise(1)]), r"float64 of shape \(1, 40, 50\)"),
        (np.zeros((0, 5)), "it is empty"),
    ):
        np.save(predictions / "1.npy", values)
        refused(rf"pb/1\.npy: .*{found}")
    (predictions / "1.npy").write_bytes(b"nothing")
    refused(r"pb/1\.npy cannot be read as \.npy")
    np.save(predictions / "1.npy", noise(1))
    refused("number of thresholds is 0", thresholds=0)
    refused("max_dist 0 is 0.0 pixels", max_dist=0)
    refused("max_dist nan", max_dist=math.nan)
    refused("number of jobs is 0", jobs=0)
    (tmp_path / "mine.csv").write_text("a,b\n")
    refused(r"mine\.csv exists and is no table of counts", counts_file=tmp_path / "mine.csv")
    assert (tmp_path / "mine.csv").read_text() == "a,b\n"
    with pytest.raises(UserError, match="nowhere is not a folder"):
        evaluate_folders(tmp_path / "nowhere", truths, even_thresholds(3))
    with pytest.raises(UserError, match=r"pb has no \.mat file"):
        evaluate_folders(predictions, predictions, even_thresholds(3))


def test_the_command_says_it_in_one_sentence(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (folders[0] / "3.png").unlink()
    done = command(*folders, "--json", tmp_path / "s.json")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: {folders[0]} has no 3.png, .npy or .mat for {folders[1]}/3.mat\n"
    assert not (tmp_path / "s.json").exists()


def test_an_edge_map_is_not_handed_to_other_programs(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (folders[0] / "3.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 40\n%%EndComments\nshowpage\n%%EOF\n")
    done = command(*folders, "--json", tmp_path / "s.json", "--thresholds", 3)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: {folders[0]}/3.png cannot be read: it is no picture of a known format\n"


def test_where_scores_and_counts_are_written(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Links stay, what is no file is refused or sent the bytes, and what is in the way is one sentence before the work."""
    for name in ("s.json", "c.csv"):
        (tmp_path / name).symlink_to(f"there/{name}")
    few = ("--thresholds", 3, "--max-dist", 0.02)
    done = command(*folders, "--json", tmp_path / "s.json", "--counts", tmp_path / "c.csv", *few)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "s.json").is_symlink() and (tmp_path / "c.csv").is_symlink()
    assert sorted(file.name for file in (tmp_path / "there").iterdir()) == ["c.csv", "c.csv.inputs", "s.json"]
    scores = json.loads((tmp_path / "there/s.json").read_text())
    sent = command(*folders, "--json", "/proc/self/fd/1", *few).stdout.splitlines()  # what /dev/stdout leads to
    assert json.loads("\n".join(sent[:-1])) == scores and sent[-1].startswith("ODS ")
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.rglob("*"))
    says = {
        ("--json", tmp_path / "there"): f"cannot write {tmp_path}/there: it is a folder; mend that, or give another place",
        ("--json", tmp_path / "s.json/x"): f"cannot write {tmp_path}/s.json/x: Not a directory; mend that, or give another place",
        ("--json", tmp_path / "x", "--counts", tmp_path / "there"): f"cannot write {tmp_path}/there: it is a folder; mend that, or give "
        "another place",
        ("--json", tmp_path / "x", "--counts", tmp_path / "pipe"): f"{tmp_path}/pipe is no file, and --counts is read again to go on from "
        "it: name a file",
    }
    for words, sentence in says.items():
        done = command(*folders, *words, *few)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {sentence}\n")
    assert sorted(tmp_path.rglob("*")) == before


def test_counts_by_a_link_and_by_name_are_the_same_counts(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Else rows written under one name, of other settings, would be taken for those whose hashes stand beside the other."""
    (tmp_path / "link.csv").symlink_to("c.csv")
    wanted = {}
    for max_dist in (0.01, 0.05):
        _, wanted[max_dist] = evaluate_folders(*folders, even_thresholds(3), max_dist)
    assert not np.array_equal(*wanted.values())
    for name, max_dist in (("link.csv", 0.01), ("c.csv", 0.05), ("link.csv", 0.01), ("c.csv", 0.01)):
        _, counts = evaluate_folders(*folders, even_thresholds(3), max_dist, counts_file=tmp_path / name)
        assert np.array_equal(counts, wanted[max_dist])
    assert sorted(file.name for file in tmp_path.glob("*.csv*")) == ["c.csv", "c.csv.inputs", "link.csv"]


# Real data


@pytest.mark.slow
def test_gpb_owt_ucm_scores_as_published(tmp_path: Path) -> None:
    mirror = os.environ.get("THESIS_MIRROR")
    if not mirror or not (Path(mirror) / "bsds500").is_dir():
        pytest.skip("THESIS_MIRROR names no mirror with bsds500")
    base = Path(mirror) / "bsds500"
    thresholds = even_thresholds(99)
    _, counts = evaluate_folders(base / "gPb-owt-ucm/test", base / "BSR/BSDS500/data/groundTruth/test", thresholds, jobs=2)
    found = summarize(thresholds, counts)
    assert found["images"] == 200
    assert found["ods"]["f"] == pytest.approx(0.726, abs=0.001)
    assert (round(found["ois"]["f"], 2), round(found["ap"], 2)) == (0.76, 0.73)
