"""Run records: data/runs/<stage>/<key>.json, one for each time that something else was run or came out; a release has one a stage.

The key follows from an entry of dvc.lock, so the record of what is in force is found whatever was tried since.
"""

import json
from pathlib import Path
from typing import Any

from stages.core.errors import UserError
from stages.core.stage import RUNS, run_key
from workflow.lock import nested_params

# What a record holds, of what type, where it has it.
KINDS: dict[str, type] = {"stage": str, "started": str, "machine": dict, "packages": dict, "made": dict, "absent": list, "unopened": list}


def key_of(entry: dict[str, Any]) -> str:
    """The key of the run that an entry of dvc.lock is of."""
    deps, outs = ({item["path"]: item.get("md5") for item in entry.get(kind, [])} for kind in ("deps", "outs"))
    return run_key(entry["cmd"], nested_params(entry), deps, outs)


def record_path(stage: str, entry: dict[str, Any], runs: Path = RUNS) -> Path:
    """Where the record of the run that made `entry` lies, if there is one. `runs` is data/runs of a working tree, or a release's."""
    return runs / f"{stage}.json" if "releases" in runs.parts else runs / stage / f"{key_of(entry)}.json"


def others(stage: str) -> bool:
    """Whether there are records at hand of any run of the stage."""
    return any((RUNS / stage).glob("*.json"))


def read(stage: str, entry: dict[str, Any], runs: Path = RUNS) -> dict[str, Any] | None:
    """The record of the run that made `entry`; None if there is none."""
    file = record_path(stage, entry, runs)
    if not file.exists():
        return None
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        record = None
    if not isinstance(record, dict) or not all(isinstance(record.get(key, kind()), kind) for key, kind in KINDS.items()):
        raise UserError(f"{file} is not a run record: {'restore it from git' if 'releases' in file.parts else 'delete it'}")
    return record
