"""Where two versions of a result differ first, in the terms of its format: a record, a cell, an array, a line, a byte."""

import csv
import json
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any


def differences(expected: Path, found: Path) -> list[str]:
    """One sentence for each file that differs between two results (files or folders), with where it differs first."""
    if not expected.is_dir() and not found.is_dir():
        return [] if expected.read_bytes() == found.read_bytes() else [first_difference(expected, found)]
    names = {file.relative_to(top).as_posix() for top in (expected, found) for file in top.rglob("*") if file.is_file()}
    sentences = []
    for name in sorted(names):
        ours, theirs = expected / name, found / name
        if not (ours.exists() and theirs.exists()):
            sentences.append(f"{name}: {'missing now' if ours.exists() else 'not there before'}")
        elif ours.read_bytes() != theirs.read_bytes():
            sentences.append(f"{name}: {first_difference(ours, theirs)}")
    return sentences


def first_difference(expected: Path, found: Path) -> str:
    """Where two files that differ do so first."""
    try:
        if expected.suffix in ARRAYS:
            return _arrays_differ(expected, found) or _bytes(expected, found)
        reader = TEXTS.get(expected.suffix, _lines)
        ours, theirs = reader(expected), reader(found)
    except Exception:  # whatever a damaged file makes its reader raise
        return _bytes(expected, found)
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        one, other = ours.get(key, "nothing"), theirs.get(key, "nothing")
        if one != other:
            return f"{key} was {one}, is {other}"
    return _bytes(expected, found)


def _bytes(expected: Path, found: Path) -> str:
    ours, theirs = expected.read_bytes(), found.read_bytes()
    place = next((i for i, (a, b) in enumerate(zip_longest(ours, theirs)) if a != b), 0)
    return f"byte {place} differs ({len(ours)} bytes, now {len(theirs)})"


def _lines(file: Path) -> dict[str, str]:
    return {f"line {number}": repr(line) for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)}


def _csv(file: Path) -> dict[str, str]:
    with file.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        rows = list(reader)
    # A table's own cells are known by row and column, other rows by their number.
    names = [f"{row['row']}, {row['column']}" if {"table", "row", "column"} <= row.keys() else f"row {i}" for i, row in enumerate(rows, 1)]
    return {f"{name}: {key}": repr(value) for name, row in zip(names, rows, strict=True) for key, value in row.items()}


def _json(file: Path) -> dict[str, str]:
    content = json.loads(file.read_text(encoding="utf-8"))
    found: dict[str, str] = {}
    if isinstance(content, dict) and isinstance(content.get("records"), list):
        for record in content.pop("records"):
            who = [record.get(key) for key in ("model", "dataset", "encoder", "metric")]
            name = " ".join(str(word) for word in who if word) + (f", seed {record['seed']}" if record.get("seed") is not None else "")
            found |= {f"{name}: {key}": json.dumps(value) for key, value in sorted(record.items(), key=lambda item: item[0] != "value")}
    return found | _flat(content, "")


def _flat(value: Any, name: str) -> dict[str, str]:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {key: text for part, inner in items for key, text in _flat(inner, f"{name}.{part}".strip(".")).items()}
    return {name: json.dumps(value)}


def _load_numpy(file: Path) -> dict[str, Any]:
    import numpy as np

    loaded = np.load(file)
    return {name: loaded[name] for name in loaded.files} if hasattr(loaded, "files") else {"array": loaded}


def _load_tensors(file: Path) -> dict[str, Any]:
    from stages.core import runtime

    return {name: value.numpy() for name, value in runtime.load(file).items()}


def _arrays_differ(expected: Path, found: Path) -> str | None:
    import numpy as np

    load = _load_tensors if expected.suffix == ".pt" else _load_numpy
    ours, theirs = load(expected), load(found)
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        one, other = ours.get(name), theirs.get(name)
        if one is None or other is None or (one.shape, one.dtype) != (other.shape, other.dtype):
            shapes = [f"{array.dtype}{list(array.shape)}" if array is not None else "nothing" for array in (one, other)]
            return f"{name} was {shapes[0]}, is {shapes[1]}"
        unlike = np.argwhere((one != other) & ~((one != one) & (other != other)))  # two NaN are alike
        if len(unlike):
            place = tuple(map(int, unlike[0]))
            return f"{name}{list(place)} was {one[place].item()!r}, is {other[place].item()!r} ({len(unlike)} of {one.size} values differ)"
    return None


TEXTS: dict[str, Callable[[Path], dict[str, str]]] = {".json": _json, ".csv": _csv}
ARRAYS = (".npz", ".npy", ".pt")
