"""Checksums as DVC has them, and archives in parts: what packs a bundle here, and its results elsewhere.

In every bundle, beside run.py (see workflow/bundle.py): it needs Python 3.10 and nothing else.
"""

import argparse
import hashlib
import io
import json
import os
import re
import shlex
import tarfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

CHUNK = 1 << 20
PART = re.compile(r"\.(\d{2,})-of-(\d{2,})$")


class BundleError(Exception):
    """One sentence that says what is wrong and what to do."""


# Checksums: DVC's own, so that a folder's follows from those of its files


def md5(file: Path) -> str:
    """Checksum of a file."""
    digest = hashlib.md5(usedforsecurity=False)
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def md5_of(path: str, files: Mapping[str, str]) -> str:
    """Checksum of a file or a folder as dvc.lock has it, from the checksums of all files by path."""
    if path in files:
        return files[path]
    below = {name[len(path) + 1 :]: found for name, found in files.items() if name.startswith(f"{path}/")}
    entries = [{"md5": below[name], "relpath": name} for name in sorted(below)]
    return hashlib.md5(json.dumps(entries).encode(), usedforsecurity=False).hexdigest() + ".dir"


def files_of(path: Path) -> list[Path]:
    """The files that a path stands for: itself, or all below it."""
    return sorted(file for file in path.rglob("*") if not file.is_dir()) if path.is_dir() else [path]


def covers(path: str, other: str) -> bool:
    """Whether `other` is `path` or lies below it."""
    return other == path or other.startswith(f"{path}/")


def overlap(path: str, other: str) -> bool:
    return covers(path, other) or covers(other, path)


# Archives


class Archive:
    """A tar file with one top folder, in parts of at most `size` bytes if that is given.

    It appears under its name once all of it is written; each file is read once, and `files` has the checksum of each by name.
    """

    def __init__(self, path: Path, top: str, size: int | None):
        self.files: dict[str, str] = {}
        self.top = top
        self.parts = _Parts(path, size)
        self.written: list[Path] = []

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self.parts.write(bytes(2 * tarfile.BLOCKSIZE))
                self.parts.write(bytes(-self.parts.position % tarfile.RECORDSIZE))
                self.written = self.parts.finish()
        finally:
            self.parts.discard()

    def add(self, name: str, file: Path) -> None:
        with file.open("rb", buffering=0) as stream:
            found = os.fstat(stream.fileno())
            self._add(name, stream, found.st_size, found.st_mtime)
            if len(stream.read(1)):
                raise BundleError(f"{file} grew while it was being packed: wait until nothing writes to it")

    def add_text(self, name: str, text: str) -> None:
        content = text.encode()
        self._add(name, io.BytesIO(content), len(content), time.time())

    def add_folder(self, name: str) -> None:
        """Say that there is a folder, for it may be empty."""
        info = tarfile.TarInfo(f"{self.top}/{name}/")
        info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o755, int(time.time())
        self.parts.write(info.tobuf(tarfile.PAX_FORMAT))

    def _add(self, name: str, stream: Any, size: int, changed: float) -> None:
        # Not by TarFile, which would copy every byte several times over.
        info = tarfile.TarInfo(f"{self.top}/{name}")
        info.size, info.mtime = size, int(changed)
        self.parts.write(info.tobuf(tarfile.PAX_FORMAT))
        try:
            self.files[name] = pour(stream, self.parts.write, size)
        except EOFError:
            raise BundleError(f"{name} shrank while it was being packed: wait until nothing writes to it") from None
        self.parts.write(bytes(-size % tarfile.BLOCKSIZE))


def pour(stream: Any, write: Callable[[memoryview], object], size: int) -> str:
    """Copy `size` bytes, and return their checksum. Raises EOFError if there are fewer.

    Another thread hashes, for that takes longer than reading and writing.
    """
    digest = hashlib.md5(usedforsecurity=False)
    buffers = [memoryview(bytearray(min(size, CHUNK))) for _ in range(2)]
    with ThreadPoolExecutor(1) as other:
        hashed: Future | None = None
        while size:
            chunk = buffers[0][: min(size, CHUNK)]
            read = stream.readinto(chunk)
            if not read:
                raise EOFError
            chunk = chunk[:read]
            if hashed:
                hashed.result()  # the other buffer is free again
            hashed = other.submit(digest.update, chunk)
            write(chunk)
            size -= read
            buffers.reverse()
    return digest.hexdigest()


class _Parts:
    """What an archive is written to."""

    def __init__(self, path: Path, size: int | None):
        self.path, self.size = path, size
        self.asides: list[Path] = []
        self.stream: BinaryIO | None = None
        self.position = 0

    def write(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            room = len(rest) if self.size is None else self.size * len(self.asides) - self.position
            if self.stream is None or room == 0:
                self._next()
                continue
            self.position += self.stream.write(rest[:room])
            rest = rest[room:]

    def _next(self) -> None:
        if self.stream:
            self.stream.close()
        self.asides.append(self.path.with_name(f".{self.path.name}.{os.getpid()}.partial-{len(self.asides)}"))
        self.stream = self.asides[-1].open("wb", buffering=CHUNK)

    def finish(self) -> list[Path]:
        if self.stream:
            self.stream.close()
        names = part_names(self.path, len(self.asides))
        for old in earlier(self.path):
            old.unlink()
        for aside, name in zip(self.asides, names):  # noqa: B905 - Python 3.10
            aside.replace(name)
        return names

    def discard(self) -> None:
        if self.stream:
            self.stream.close()
        for aside in self.asides:
            aside.unlink(missing_ok=True)


def part_names(path: Path, count: int) -> list[Path]:
    """The names of an archive's parts, which sort in their order; its own if there is one only."""
    width = max(2, len(str(count)))
    return [path] if count == 1 else [path.with_name(f"{path.name}.{i:0{width}}-of-{count:0{width}}") for i in range(1, count + 1)]


def earlier(path: Path) -> list[Path]:
    """The archive `path` and the parts of it that are there."""
    found = [other for other in path.parent.glob("*") if other.name.startswith(path.name)]
    return sorted(other for other in found if other == path or PART.fullmatch(other.name[len(path.name) :]))


def byte_count(text: str) -> int:
    """60M -> 60,000,000: no part is larger, whichever way the limit counts."""
    match = re.fullmatch(r"(\d+)([KMG]?)", text)
    size = int(match[1]) * {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}[match[2]] if match else 0
    if size < 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no size of a part: give bytes, or K, M or G, at least 10K, as in 60M")
    return size


def restoring(parts: list[Path]) -> str:
    """The command that unpacks an archive's parts."""
    return f"tar xf {shlex.quote(parts[0].name)}" if len(parts) == 1 else f"cat {shlex.quote(PART.sub('', parts[0].name))}.* | tar x"
