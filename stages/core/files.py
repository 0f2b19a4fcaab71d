"""Small files of results: canonical JSON, CSV, checksums; and how a file is written to a place that a user has named."""

import contextlib
import csv
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from stages.core.errors import UserError

IGNORED = re.compile(r"\..*\.partial|__pycache__")


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around the writing of a file that a user has named: what is in the way is one sentence, a UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; mend that, or give another place") from error


def destination(path: Path) -> Path | None:
    """The file that is replaced where `path` is written: what a link leads to, for the link stays. None: a device, which is sent bytes.

    Makes the folder that the file is to be in. A UserError says where nothing can be put: in a folder's place, below a file, on a disk.
    """
    with writing(path):
        try:
            found = path.stat()  # where links lead, also those of /proc, which are no names
        except FileNotFoundError:
            found = None
        if found and (stat.S_ISCHR(found.st_mode) or stat.S_ISFIFO(found.st_mode) or _descriptor(found)):
            return None
        if found and not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EISDIR, "it is a folder" if stat.S_ISDIR(found.st_mode) else "it is no file")
        target = Path(os.path.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write, which becomes `path` whole or not at all: when the block has ended, unless by an exception.

    As `destination` has it, a link stays, and a device (a terminal, a pipe, /dev/null) is never replaced: it is sent what was written.
    A UserError says what is in the way.
    """
    target = destination(path)
    if target is None:
        with writing(path), tempfile.TemporaryDirectory() as folder:
            aside = Path(folder, path.name)
            yield aside
            _send(aside, path)
        return
    # In a folder beside it: the same file system, and the same name, by which some writers judge the format.
    aside = target.parent / f".{target.name}.{os.getpid()}.partial" / target.name
    with writing(path):
        try:
            aside.parent.mkdir(exist_ok=True)
            yield aside
            aside.replace(target)
        finally:
            shutil.rmtree(aside.parent, ignore_errors=True)


def _send(file: Path, device: Path) -> None:
    number = _descriptor(device.stat())
    # Our own output by its descriptor: opened by name, a file that it was led to would be written from its beginning again.
    with file.open("rb") as source, device.open("wb") if number is None else os.fdopen(os.dup(number), "wb") as sink:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        shutil.copyfileobj(source, sink)


def _descriptor(found: os.stat_result) -> int | None:
    """Which of our standard output and error this is."""
    for number in (1, 2):
        with contextlib.suppress(OSError):
            if os.path.samestat(found, os.fstat(number)):
                return number
    return None


def write_json(path: Path, value: object) -> None:
    """Write `value` as canonical JSON, as `replacing` does."""
    with replacing(path) as aside:
        aside.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")


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


def files_of(path: Path) -> list[Path]:
    """The files that a path stands for, itself or all below it, without those that .dvcignore names: what a killed stage had begun."""
    found = [file for file in path.rglob("*") if not file.is_dir()] if path.is_dir() else [path]
    return sorted(file for file in found if not any(IGNORED.fullmatch(part) for part in file.relative_to(path).parts))


def md5(path: Path) -> str:
    """Checksum of a file or a folder as dvc.lock has it; a folder's is that of its files' names and checksums, and ends in ".dir"."""
    if not path.is_dir():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return md5_of_folder({file.relative_to(path).as_posix(): md5(file) for file in files_of(path)})


def md5_of_folder(files: Mapping[str, str]) -> str:
    """The checksum of a folder that holds these files: name below the folder -> checksum."""
    entries = [{"md5": files[name], "relpath": name} for name in sorted(files)]
    return hashlib.md5(json.dumps(entries).encode(), usedforsecurity=False).hexdigest() + ".dir"
