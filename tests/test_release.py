"""Releases: what is copied, what is left out, and when there is none."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from workflow import release

ROOT = Path(__file__).parents[1]
RECORD = {
    "stage": "train@a-0", "train_seconds": 5400, "machine": {"processor": "X"}, "packages": {"torch": "1"},
    "device": "cpu", "gpu": None, "threads": 1, "precision": "fp32", "determinism": "bitwise",
}  # fmt: skip


def git(*arguments: str) -> None:
    subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e", *arguments], check=True, capture_output=True)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A committed project with one training's results, all up to date."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    files = {
        "requirements.lock": "torch==1\n",
        "model.py": "x = 1\n",
        "dvc.lock": yaml.safe_dump({"stages": {"train@a-0": {}, "tables": {}}}),
        "reports/code/train.json": "{}",
        "reports/metrics/c/m.json": "{}",
        "reports/tables/c/t.md": "t",
        "reports/figures/c/curve.svg": "<svg/>",
        "reports/figures/c/curve.csv": "1",
        "reports/figures/c/photos.png": "p",
        "reports/figures/c/photos.csv": "p",
        "reports/releases/README.md": "",
    }
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "all")
    for record in (RECORD, RECORD | {"stage": "train@of-another-scale-0"}):
        Path("data/runs").mkdir(parents=True, exist_ok=True)
        Path(f"data/runs/{record['stage']}.json").write_text(json.dumps(record))
    Path(".git/info/exclude").write_text("data/\n")
    monkeypatch.setattr(release, "stale", list)
    return tmp_path


def make(monkeypatch, name: str) -> None:
    monkeypatch.setattr(sys, "argv", ["release", name])
    release.main()


def test_a_release_holds_results_and_what_made_them_but_no_pictures(project, monkeypatch):
    make(monkeypatch, "mini-1")
    folder = project / "reports/releases/mini-1"
    assert sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()) == [
        "code/train.json", "dvc.lock", "figures/c/curve.csv", "figures/c/curve.svg", "metrics/c/m.json", "params.yaml", "release.json",
        "requirements.lock", "runs/train@a-0.json", "tables/c/t.md",
    ]  # fmt: skip
    about = json.loads((folder / "release.json").read_text())
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert (about["commit"], about["scale"], about["protocol"], about["training_hours"]) == (commit, "mini", "miniature", 1.5)
    assert about["machines"] == [{"processor": "X"}] and len(about["devices"]) == 1


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda: Path("model.py").write_text("x = 2\n"), "model.py differ from the commit: commit or undo them"),
        (lambda: Path("new.py").write_text(""), "new.py differ from the commit"),
        (lambda: Path("dvc.lock").unlink(), "nothing has run yet, there is no dvc.lock"),
        (lambda: Path("reports/releases/mini-1").mkdir(), "releases are not changed; choose another name"),
        (lambda: Path("params.yaml").write_text("scale: 3\n"), "params.yaml"),
    ],
)
def test_no_release_of_what_could_not_be_named(project, monkeypatch, spoil, message):
    spoil()
    with pytest.raises(SystemExit, match=message):
        make(monkeypatch, "mini-1")
    assert not list(project.glob("reports/releases/mini-1/*")) and not list(project.glob("reports/releases/.*"))


def test_stale_results_are_not_released(project, monkeypatch):
    monkeypatch.setattr(release, "stale", lambda: ["train@a-0"])
    with pytest.raises(SystemExit, match=r"not up to date: train@a-0: run `dvc repro` first"):
        make(monkeypatch, "mini-1")


@pytest.mark.parametrize("name", ["../x", "A b", "", ".hidden"])
def test_a_bad_name_is_refused(project, monkeypatch, name):
    with pytest.raises(SystemExit, match="is no name for a release"):
        make(monkeypatch, name)


def test_parameters_and_results_of_another_scale_do_not_count_as_changed_code(project, monkeypatch):
    Path("params.yaml").write_text(Path("params.yaml").read_text() + "# changed\n")
    Path("reports/tables/c/t.md").write_text("another")
    make(monkeypatch, "mini-1")
    assert (project / "reports/releases/mini-1/tables/c/t.md").read_text() == "another"
