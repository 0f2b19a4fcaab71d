"""Keep results that cannot be remade everywhere, with what made them: `python -m workflow.release real_cpu-2026-11-23`.

reports/releases/NAME/ holds release.json (scale, date, commit, protocol, machines, packages), params.yaml, dvc.lock,
requirements.lock, code/ (the fingerprints), metrics/, tables/, figures/ and the run records in runs/. Figures that show a
data set's own pictures are left out.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from stages.core.files import write_json
from workflow import scale

RELEASES = Path("reports/releases")
RUNS = Path("data/runs")
# What differs from the commit because another scale is in force; the release holds its own copy.
MADE = ("params.yaml", "dvc.lock", "reports/")


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.rstrip("\n")


def changed_code() -> list[str]:
    """Files that differ from the commit and are not results."""
    names = [line[3:] for line in git("status", "--porcelain").splitlines()]
    return [name for name in names if not name.startswith(MADE)]


def stale() -> list[str]:
    """Stages whose outputs are not those of the code, data and parameters in force."""
    from dvc.repo import Repo

    return sorted(Repo().status())


def run_records() -> list[dict[str, Any]]:
    """The run records of the stages in the lock file."""
    stages = yaml.safe_load(Path("dvc.lock").read_text())["stages"]
    files = [RUNS / f"{stage}.json" for stage in stages]
    return [json.loads(file.read_text()) for file in files if file.exists()]


def write(name: str, folder: Path) -> None:
    """Write the release `name` to `folder`."""
    params = yaml.safe_load(scale.PARAMS.read_text())
    records = run_records()
    trained = [record for record in records if "train_seconds" in record]
    about = {
        "name": name,
        "scale": params["scale"],
        "protocol": params["protocol"],
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": git("rev-parse", "HEAD"),
        "machines": _unique(record["machine"] for record in records),
        "packages": _unique(record["packages"] for record in records),
        "devices": _unique({key: record[key] for key in ("device", "gpu", "threads", "precision", "determinism")} for record in trained),
        "training_hours": round(sum(record["train_seconds"] for record in trained) / 3600, 2),
    }
    write_json(folder / "release.json", about)
    for file in (scale.PARAMS, Path("dvc.lock"), Path("requirements.lock")):
        shutil.copy(file, folder / file.name)
    for part in ("code", "metrics", "tables"):
        shutil.copytree(Path("reports") / part, folder / part)
    for file in sorted(Path("reports/figures").rglob("*")):
        if file.is_file() and file.suffix != ".png" and not file.with_suffix(".png").exists():
            target = folder / "figures" / file.relative_to("reports/figures")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    for record in records:
        write_json(folder / "runs" / f"{record['stage']}.json", record)


def _unique(values: Any) -> list[Any]:
    return [json.loads(text) for text in sorted({json.dumps(value, sort_keys=True) for value in values})]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="e.g. real_cpu-2026-11-23")
    name = parser.parse_args().name
    folder = RELEASES / name
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", name):
        sys.exit(f"error: {name!r} is no name for a release: use small letters, digits, '-', '_' and '.'")
    if folder.exists():
        sys.exit(f"error: {folder} exists: releases are not changed; choose another name")
    scale.check()
    if dirty := changed_code():
        sys.exit(f"error: {', '.join(dirty)} differ from the commit: commit or undo them, so that the release can name what made it")
    if not Path("dvc.lock").exists():
        sys.exit("error: nothing has run yet, there is no dvc.lock: run `dvc repro` first")
    if behind := stale():
        sys.exit(f"error: not up to date: {', '.join(behind)}: run `dvc repro` first")
    aside = RELEASES / f".{name}.partial"
    try:
        write(name, aside)
        aside.replace(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    print(f"{folder}: {sum(file.is_file() for file in folder.rglob('*'))} files; add it to git")


if __name__ == "__main__":
    main()
