"""The stage `download`: where the bytes are from, by the origin in force."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY
from fetch_site import FILES, HAND, SOURCE, TINY, files_below, md5, mirror, project, site  # noqa: F401 - fixtures

from stages import download
from stages.core.errors import UserError

# ruff: noqa: F811 - fixtures are asked for by name


def test_the_stage_says_where_the_bytes_are_from(mirror: Path, project: Path) -> None:
    shutil.copytree(REPOSITORY / "stages", project / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(REPOSITORY / "workflow", project / "workflow", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-m", "workflow.code"], check=True)
    shutil.move(mirror / "tiny", mirror / "cifar10")
    (mirror / "SHA256SUMS").write_text((mirror / "SHA256SUMS").read_text().replace("tiny/", "cifar10/"))
    declared = {
        "name": "download@cifar10",
        "deps": ["reports/code/download.json", "reports/code/official.cifar10.json"],
        "outs": ["data/real/sources/cifar10"],
        "params": {"scale": "real", "data": {"origin": "official"}, "sources": {"cifar10": asdict(SOURCE) | {"stands_in_for": "cifar100"}}},
    }
    Path("data").mkdir()
    Path("data/graph.json").write_text(json.dumps({"made_from": {}, "stages": {"python -m stages.download cifar10": declared}}))
    command = [sys.executable, "-m", "stages.download", "cifar10"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"THESIS_MIRROR": str(mirror)})
    assert (done.returncode, done.stderr) == (0, "")
    provenance = Path("data/real/sources/cifar10/provenance.json")
    about = {"dataset": "cifar10", "kind": "official", "note": "Tiny, official files"}
    assert json.loads(provenance.read_text()) == about | {"stands_in_for": "cifar100"}
    assert files_below(provenance.parent) == FILES | {"provenance.json": provenance.read_bytes()}
    # The official way, with neither a site nor an archive:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if not line.startswith("Downloading data from ")]
    assert errors == [f"error: Tiny could not be downloaded (ConnectionError): get {TINY.url} (3 MB, md5 {TINY.md5}) {HAND}"]
    assert not list(Path().rglob("*.partial*"))


def declare(project: Path, entry: dict[str, Any], protocol: str) -> list[str]:
    """Copy our code, and declare the miniature of an entry as a stage; its command."""
    for folder in ("stages", "workflow"):
        shutil.copytree(REPOSITORY / folder, project / folder, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-m", "workflow.code"], check=True)
    declared = {
        "name": "download@holidays",
        "deps": ["reports/code/download.json", "reports/code/generated.holidays.json"],
        "outs": ["data/mini/sources/holidays"],
        "params": {"scale": "mini", "protocol": protocol, "data": {"origin": "generated"}, "sources": {"holidays": entry}},
    }
    Path("data").mkdir()
    Path("data/graph.json").write_text(json.dumps({"made_from": {}, "stages": {"python -m stages.download holidays": declared}}))
    return [sys.executable, "-m", "stages.download", "holidays"]


@pytest.mark.parametrize("protocol", ["miniature", "generated"])
def test_what_is_generated_is_drawn_by_the_writer_of_the_entry_and_called_after_the_protocol(project: Path, protocol: str) -> None:
    size = {"width": 64, "height": 48, "seed": 0}
    command = declare(project, {"miniature": {"writer": "holidays.write", "groups": 1, **size}}, protocol)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    folder = Path("data/mini/sources/holidays")
    assert {file.name for file in folder.rglob("*.jpg")} == {"100000.jpg", "100001.jpg"}
    assert json.loads((folder / "provenance.json").read_text())["kind"] == protocol
    # A writer that the set's fingerprint does not list is not its own.
    Path("reports/code/generated.holidays.json").write_bytes(Path("reports/code/generated.cifar10.json").read_bytes())
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "which its code fingerprint does not list: run `dvc repro code`" in done.stderr


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({}, " has no miniature, so data.origin cannot be generated: give it a writer, or take holidays from data.sets"),
        (
            {"miniature": {"writer": "mine.write"}},
            ".miniature: there is no writer of miniatures mine: it would be ",
        ),
        (
            {"miniature": {"writer": "holidays.write", "groups": 0, "width": 64, "height": 48, "seed": 0}},
            ".miniature: a miniature Holidays of 0 groups and 64 x 48 pixels cannot be: each count has to",
        ),
        ({"miniature": {"writer": "holidays.write", "groups": 1}}, ".miniature: write() missing 3 required keyword-only arguments"),
    ],
)
def test_what_cannot_be_drawn_names_the_entry(tmp_path: Path, entry: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError) as caught:
        download.draw("holidays", entry, tmp_path)
    assert str(caught.value).startswith(f"workflow/sources.yaml: holidays{says}")
