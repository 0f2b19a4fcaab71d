"""Small files of results: canonical JSON, CSV, checksums."""

import csv
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def write_json(path: Path, value: object) -> None:
    """Write `value` as canonical JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        aside.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def sha256(file: Path) -> str:
    """Hex digest of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write `rows` as CSV; columns in the order of their first appearance, empty where a row has none."""
    rows = list(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file with a header."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def md5(path: Path) -> str:
    """Checksum of a file or a folder as dvc.lock has it; a folder's is that of its files' names and checksums, and ends in ".dir"."""
    if not path.is_dir():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return md5_of_folder({file.relative_to(path).as_posix(): md5(file) for file in path.rglob("*") if not file.is_dir()})


def md5_of_folder(files: Mapping[str, str]) -> str:
    """The checksum of a folder that holds these files: name below the folder -> checksum."""
    entries = [{"md5": files[name], "relpath": name} for name in sorted(files)]
    return hashlib.md5(json.dumps(entries).encode(), usedforsecurity=False).hexdigest() + ".dir"
