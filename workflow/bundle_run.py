"""Run the stages that were packed here, and pack their results: `python run.py --jobs 2`.

What was packed is checked first. Each stage's words go to logs/. A run that was killed continues when it is called again: stages
that have finished are not run twice, trainings go on from their checkpoint. At the end, also one that comes early (a stage that
fails, a signal to end), what has finished is packed: results.tar is to be taken back and given to `python -m workflow.bundle unpack`.

This file is the run.py of every bundle (see workflow/bundle.py): it needs Python 3.10 and nothing else; the stages need more.
"""

import argparse
import contextlib
import ctypes
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import io
import json
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

FORMAT = 1
CHUNK = 1 << 20
PROJECT = Path("project")
RESULTS = "results"  # the archive's name, and its one top folder
PART = re.compile(r"\.(\d{2,})-of-(\d{2,})$")
LOG_LINES = 10


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


# What is checked before anything runs


def read_bundle() -> dict[str, Any]:
    try:
        bundle = json.loads(Path("bundle.json").read_text(encoding="utf-8"))
        form, known = bundle["format"], bundle["id"]
    except (OSError, ValueError, KeyError, TypeError):
        form = known = bundle = None
    if form is not None and form != FORMAT:
        raise BundleError(f"bundle.json is of format {form}, and this run.py knows {FORMAT}: unpack the bundle again, into an empty folder")
    if bundle is None or identify(bundle) != known:
        raise BundleError("bundle.json is missing or damaged: transfer the bundle again and unpack it into an empty folder")
    return bundle


def identify(bundle: dict[str, Any]) -> str:
    """The id of a bundle, or of results: a hash of all that their JSON says, and thereby of every file's checksum."""
    content = {key: value for key, value in bundle.items() if key != "id"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def check(bundle: dict[str, Any]) -> None:
    """Raise BundleError unless the stages can run here, on what was packed."""
    if sys.version_info < tuple(map(int, bundle["python"].split("."))):
        raise BundleError(
            f"the stages need Python {bundle['python']}, and this is {platform.python_version()}: call run.py with a newer one"
        )
    if missing := [name for name in bundle["packages"] if importlib.util.find_spec(name) is None]:
        raise BundleError(
            f"{sys.executable} has no {_some(missing)}, which the stages import: install it, or call run.py with a Python that has it"
        )
    if wrong := _differences(bundle):
        raise BundleError(f"this is not what was packed: {_some(wrong)}; transfer the bundle again and unpack it into an empty folder")
    mark = Path(".bundle")
    if mark.exists() and mark.read_text() != bundle["id"]:
        raise BundleError("another bundle has run in this folder, and its results are here: unpack this one into an empty folder")
    mark.write_text(bundle["id"])


def _differences(bundle: dict[str, Any]) -> list[str]:
    wrong = []
    for name, expected in sorted(bundle["files"].items()):
        file = Path(name)
        if not file.is_file():
            wrong.append(f"{name} is missing")
        elif md5(file) != expected:
            wrong.append(f"{name} differs")
    made = [out for stage in bundle["stages"] for out in stage["outs"]]
    for dep in sorted({dep for stage in bundle["stages"] for dep in stage["deps"]}):
        for file in files_of(PROJECT / dep):
            path = file.relative_to(PROJECT).as_posix()
            ignored = any(covers(out, path) for out in made) or any(part.endswith(".partial") for part in file.parts)
            if file.is_file() and not ignored and file.as_posix() not in bundle["files"]:
                wrong.append(f"{file} was not packed")
    return wrong


def _some(words: list[str]) -> str:
    more = len(words) - 3
    return ", ".join(words[:3]) + (f" and {more} more" if more > 0 else "")


# Running


def upstream(stages: list[dict[str, Any]]) -> dict[str, set[str]]:
    """For each packed stage, the packed stages whose outputs it reads."""
    return {
        stage["name"]: {
            other["name"]
            for other in stages
            if other is not stage and any(overlap(dep, out) for dep in stage["deps"] for out in other["outs"])
        }
        for stage in stages
    }


def record_of(stage: dict[str, Any]) -> Path:
    """The record of the stage's last run here; its folder, if it has not run."""
    folder = PROJECT / "data/runs" / stage["name"]
    return max(folder.glob("*.json"), key=lambda file: file.stat().st_mtime, default=folder)


def is_finished(stage: dict[str, Any]) -> bool:
    """Whether the stage has left its run record and the very outputs that this names."""
    try:
        record = json.loads(record_of(stage).read_text(encoding="utf-8"))
        made = record["made"]
    except (OSError, ValueError, KeyError):
        return False
    if record.get("cmd") != stage["cmd"] or sorted(made) != sorted(stage["outs"]):
        return False
    places = {out: PROJECT / out for out in made}
    if not all(place.exists() for place in places.values()):
        return False
    files = {file.relative_to(PROJECT).as_posix(): md5(file) for place in places.values() for file in files_of(place)}
    return all(md5_of(out, files) == made[out] for out in made)


def finished(stages: list[dict[str, Any]]) -> set[str]:
    """The stages that earlier calls have finished, by name, none of them before one that has to run."""
    needs = upstream(stages)
    done: set[str] = set()
    for stage in stages:
        if needs[stage["name"]] <= done and is_finished(stage):
            done.add(stage["name"])
    return done


def run(stages: list[dict[str, Any]], jobs: int, lock: int) -> bool:
    """Run what has not finished, at most `jobs` stages at a time; whether all have finished."""
    done, needs = finished(stages), upstream(stages)
    failed: set[str] = set()
    waiting = [stage for stage in stages if stage["name"] not in done]
    if done:
        _say(f"{len(done)} of {len(stages)} finished earlier")
    for stage in waiting:  # else one that is to be made again would count as finished if this call is killed
        shutil.rmtree(PROJECT / "data/runs" / stage["name"], ignore_errors=True)
    if waiting:
        for old in earlier(results_file()):
            old.unlink()
    running: dict[subprocess.Popen, tuple[str, float]] = {}
    try:
        while waiting or running:
            for stage in list(waiting):
                name = stage["name"]
                if broken := needs[name] & failed:
                    _say(f"{name} cannot run: it needs {_some(sorted(broken))}")
                    failed.add(name)
                    waiting.remove(stage)
                elif needs[name] <= done and len(running) < jobs:
                    _say(f"{name} starts")
                    running[_start(stage, lock)] = name, time.monotonic()
                    waiting.remove(stage)
            for process in [process for process in running if process.poll() is not None]:
                name, began = running.pop(process)
                if process.returncode == 0:
                    done.add(name)
                    _say(f"{name} finished in {timedelta(seconds=round(time.monotonic() - began))} ({len(done)} of {len(stages)})")
                else:
                    failed.add(name)
                    _say(f"{name} failed ({_status(process.returncode)}); the end of {_log(name)}:")
                    print("".join(f"    {line}\n" for line in _tail(_log(name))), end="", flush=True)
            if running:
                time.sleep(0.05)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()
    return not failed


def _start(stage: dict[str, Any], lock: int) -> subprocess.Popen:
    log = _log(stage["name"])
    log.parent.mkdir(exist_ok=True)
    command = [sys.executable, *shlex.split(stage["cmd"])[1:]]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}  # the project is imported from its folder
    with log.open("ab") as words:
        return subprocess.Popen(
            command,
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            pass_fds=[lock],  # held for as long as any stage runs
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )


def _end_with_parent() -> None:
    # A killed run.py leaves no stage behind, which would keep the GPU.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _log(name: str) -> Path:
    return Path("logs") / f"{name}.log"


def _tail(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]


def _status(code: int) -> str:
    return f"exit status {code}" if code > 0 else f"ended by signal {-code}" + (", out of memory?" if code == -signal.SIGKILL else "")


def _say(words: str) -> None:
    print(f"{datetime.now():%H:%M:%S} {words}", flush=True)


# Results


def results_file() -> Path:
    """Where results are packed: results.tar here or, where that is a link, what it leads to. Raises BundleError if that is no file."""
    file = Path(f"{RESULTS}.tar")
    target = Path(os.path.realpath(file)) if file.is_symlink() else file
    if target.exists() and not target.is_file():
        raise BundleError(f"{file} is no file, and the results are to be written there: move it away, and call run.py again")
    return target


def pack(bundle: dict[str, Any], done: set[str], size: int | None) -> list[Path]:
    """Write the results of the stages `done`, and return the files that hold them.

    Raises BundleError if an output is not what its run record says.
    """
    chosen = [stage for stage in bundle["stages"] if stage["name"] in done]
    records = [json.loads(record_of(stage).read_text(encoding="utf-8")) for stage in chosen]
    left: dict[str, dict[str, Any]] = {}
    with Archive(results_file(), RESULTS, size) as archive:
        for stage in chosen:
            for out in stage["outs"]:
                if not stage["returned"]:
                    left |= _facts_of(PROJECT / out)
                    continue
                if (PROJECT / out).is_dir():
                    archive.add_folder(f"outs/{out}")
                for file in files_of(PROJECT / out):
                    archive.add(f"outs/{file.relative_to(PROJECT).as_posix()}", file)
            archive.add(f"runs/{stage['name']}.json", record_of(stage))
            if _log(stage["name"]).exists():
                archive.add(f"logs/{stage['name']}.log", _log(stage["name"]))
        files = {name.partition("/")[2]: found for name, found in bundle["files"].items() if name.startswith("project/")}
        files |= {name.partition("/")[2]: found for name, found in archive.files.items() if name.startswith("outs/")}
        files |= {name: about["md5"] for name, about in left.items()}
        begun = [datetime.fromisoformat(record["started"]) for record in records]
        ended = [start + timedelta(seconds=record["duration_s"]) for start, record in zip(begun, records)]  # noqa: B905 - Python 3.10
        results = {
            "format": FORMAT,
            **{key: bundle[key] for key in ("commit", "code_differs", "scale")},
            "bundle": bundle["id"],
            "machine": {"platform": platform.platform(), "processor": records[0]["machine"]["processor"], "cores": os.cpu_count()},
            "python": platform.python_version(),
            "packages": versions(bundle["packages"]),
            "started": min(begun).isoformat(timespec="seconds"),
            "ended": max(ended).isoformat(timespec="seconds"),
            "stages": [_as_run(stage, record, files) for stage, record in zip(chosen, records)],  # noqa: B905
            "files": dict(archive.files),
            "left": left,
        }
        archive.add_text(
            f"{RESULTS}.json", json.dumps({**results, "id": identify(results)}, indent=1)
        )  # last: a truncated archive has none
    return archive.written


def _facts_of(path: Path) -> dict[str, dict[str, Any]]:
    """What dvc.lock is to say of the files of an output that stays here."""
    return {file.relative_to(PROJECT).as_posix(): {"md5": md5(file), "size": file.stat().st_size} for file in files_of(path)}


def _as_run(stage: dict[str, Any], record: dict[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
    """A stage with the checksums of what it read and made."""
    outs = {out: md5_of(out, files) for out in stage["outs"]}
    if outs != record["made"]:
        raise BundleError(f"the outputs of {stage['name']} have changed since it made them: run again")
    return {**stage, "deps": {dep: md5_of(dep, files) for dep in stage["deps"]}, "outs": outs}


def versions(modules: Iterable[str]) -> dict[str, str]:
    """The versions of the packages that hold these modules."""
    holders = importlib.metadata.packages_distributions()
    return {module: importlib.metadata.version(holders[module][0]) for module in modules if module in holders}


# Command line


@contextlib.contextmanager
def _alone() -> Iterator[int]:
    """Hold this folder's lock, and give its file descriptor. Raises BundleError if another call has it."""
    with Path(".lock").open("w") as lock:
        for attempt in range(20):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if attempt == 19:
                    raise BundleError(
                        "another run.py, or a stage that it started, is at work in this folder: wait for it, or end it"
                    ) from None
                time.sleep(0.1)  # the stages of a killed call take a moment to end
        yield lock.fileno()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="how many stages may run at a time (default 1)")
    parser.add_argument("--part-size", type=byte_count, metavar="SIZE", help="largest part of the results, as in 60M (60,000,000 bytes)")
    args = parser.parse_args()
    if args.jobs < 1:
        parser.error("--jobs must be at least 1")
    os.chdir(Path(__file__).resolve().parent)
    for sign in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, signal.default_int_handler)
    try:
        with _alone() as lock:
            bundle = read_bundle()
            check(bundle)
            try:
                trouble = "" if run(bundle["stages"], args.jobs, lock) else "not all stages have finished, see above"
            except KeyboardInterrupt:
                trouble = "ended by a signal"
            done = finished(bundle["stages"])
            parts = pack(bundle, done, args.part_size) if done else []
    except BundleError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename or 'this folder'}: {error.strerror or error}; mend that and call run.py again")
    except KeyboardInterrupt:
        sys.exit("error: interrupted: call run.py again to continue")
    for part in parts:
        print(f"{part}: {part.stat().st_size / 1e6:.1f} MB")
    if parts:
        print(f"take back and unpack: python -m workflow.bundle unpack {shlex.join(part.name for part in parts)}")
    if trouble:
        packed = f"{len(done)} of {len(bundle['stages'])} are packed" if parts else "there are no results to take back"
        sys.exit(f"error: {trouble}; {packed}; call run.py again to continue")


if __name__ == "__main__":
    main()
