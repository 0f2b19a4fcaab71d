"""Run the stages that were packed here, and pack their results: `python run.py --jobs 2`.

What was packed is checked first. Each stage's words go to logs/. A run that was killed continues when it is called again: stages
that have finished are not run twice, trainings go on from their checkpoint. What has finished is packed after each stage, and at the
end, also one that comes early (a stage that fails, a signal to end, the last of `--minutes`): results.tar is to be taken back and given
to `python -m workflow.bundle unpack`, and so is checkpoints.tar, of trainings that were in work, which go on from there in the next
bundle. With several jobs and a GPU NVIDIA's MPS daemon is started, and ended.

This file is the run.py of every bundle, with the two modules that it imports (see workflow/bundle.py): they need Python 3.10 and
nothing else; the stages need more.
"""

import argparse
import contextlib
import ctypes
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # PYTHONSAFEPATH would leave this folder out
    sys.path.insert(0, str(Path(__file__).resolve().parent))

from workflow import bundle_gpu
from workflow.bundle_archive import Archive, BundleError, byte_count, covers, earlier, files_of, md5, md5_of, overlap

FORMAT = 1
PROJECT = Path("project")
CHECKPOINTS = "checkpoints"  # the folder of those that were packed, and the archive of those that are to go on elsewhere
RESULTS = "results"  # the archive's name, and its one top folder
LOG_LINES = 10
RESERVE = 40  # of --minutes, seconds that are kept for ending trainings and packing
GRACE = 25  # of these, seconds in which a training finishes its step and writes its checkpoint
QUICK = 10  # results that take longer than this many seconds to pack are packed at the end only


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


class TimeIsUpError(Exception):
    """The last of --minutes has come."""


def run(
    stages: list[dict[str, Any]],
    jobs: int,
    lock: int,
    variables: Mapping[str, str],
    deadline: float,
    packed: Callable[[set[str]], object],
) -> bool:
    """Run what has not finished, at most `jobs` stages at a time; whether all have finished.

    variables : of the stages' environment. deadline : by time.monotonic(), after which stages are ended. packed : packs the results of
    the stages that have finished, which it is given after each.

    Raises TimeIsUpError.
    """
    done, needs = finished(stages), upstream(stages)
    failed: set[str] = set()
    waiting = [stage for stage in stages if stage["name"] not in done]
    if done:
        _say(f"{len(done)} of {len(stages)} finished earlier")
    for stage in waiting:  # else one that is to be made again would count as finished if this call is killed
        shutil.rmtree(PROJECT / "data/runs" / stage["name"], ignore_errors=True)
    if waiting:
        for old in [*earlier(results_file()), *earlier(results_file(CHECKPOINTS))]:
            old.unlink()
        _bring_checkpoints(waiting)
    unpacked, cost = bool(waiting and done), 0.0
    running: dict[subprocess.Popen, tuple[str, float]] = {}
    try:
        while waiting or running:
            if time.monotonic() >= deadline:
                raise TimeIsUpError
            for stage in list(waiting):
                name = stage["name"]
                if broken := needs[name] & failed:
                    _say(f"{name} cannot run: it needs {_some(sorted(broken))}")
                    failed.add(name)
                    waiting.remove(stage)
                elif needs[name] <= done and len(running) < jobs:
                    _say(f"{name} starts")
                    running[_start(stage, lock, variables)] = name, time.monotonic()
                    waiting.remove(stage)
            if unpacked and cost < QUICK and running:  # else the end packs them, and is near
                began = time.monotonic()
                packed(done)
                unpacked, cost = False, time.monotonic() - began
            for process in [process for process in running if process.poll() is not None]:
                name, began = running.pop(process)
                if process.returncode == 0:
                    done.add(name)
                    unpacked = True
                    _say(f"{name} finished in {timedelta(seconds=round(time.monotonic() - began))} ({len(done)} of {len(stages)})")
                else:
                    failed.add(name)
                    _say(f"{name} failed ({_status(process.returncode)}); the end of {_log(name)}:")
                    print("".join(f"    {line}\n" for line in _tail(_log(name))), end="", flush=True)
            if running:
                time.sleep(0.05)
    finally:
        _end(list(running))
    return not failed


def _end(processes: list[subprocess.Popen]) -> None:
    """End stages: a training finishes its step, and keeps it in a checkpoint, the others stop at once."""
    for process in processes:
        process.terminate()
    latest = time.monotonic() + GRACE
    for process in processes:
        try:
            process.wait(max(0.0, latest - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _bring_checkpoints(stages: list[dict[str, Any]]) -> None:
    """Put the checkpoints that were packed to where these stages look for them; those that are there are newer."""
    for name in (stage["name"] for stage in stages):
        packed, place = Path(CHECKPOINTS, name), _checkpoints(name)
        if packed.is_dir() and not place.exists():
            aside = place.with_name(f".{name}.partial")
            shutil.rmtree(aside, ignore_errors=True)
            shutil.copytree(packed, aside)
            aside.replace(place)


def _checkpoints(name: str) -> Path:
    return PROJECT / "data/checkpoints" / name


def _start(stage: dict[str, Any], lock: int, variables: Mapping[str, str]) -> subprocess.Popen:
    log = _log(stage["name"])
    log.parent.mkdir(exist_ok=True)
    command = [sys.executable, *shlex.split(stage["cmd"])[1:]]
    # The project is imported from its folder.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"} | dict(variables)
    with log.open("ab") as words:
        return subprocess.Popen(
            command,
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            pass_fds=[lock],  # held for as long as any stage runs
            start_new_session=True,  # Ctrl-C is for run.py, which ends stages by the signal that has trainings keep their last steps
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


def results_file(name: str = RESULTS) -> Path:
    """Where results are packed: results.tar here or, where that is a link, what it leads to; checkpoints.tar lies beside it.

    Raises BundleError if that is no file.
    """
    file = Path(f"{RESULTS}.tar")
    target = Path(os.path.realpath(file)) if file.is_symlink() else file
    if name != RESULTS:
        file = target = target.with_name(f"{name}.tar")
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
        about = {
            "processor": records[0]["machine"]["processor"],
            "started": min(begun).isoformat(timespec="seconds"),
            "ended": max(ended).isoformat(timespec="seconds"),
            "stages": [_as_run(stage, record, files) for stage, record in zip(chosen, records)],  # noqa: B905
            "left": left,
        }
        _close(archive, bundle, about)
    return archive.written


def pack_checkpoints(bundle: dict[str, Any], done: set[str], size: int | None) -> list[Path]:
    """Write the checkpoints of the stages that are not `done`, and return the files that hold them; none if there are none."""
    names = [stage["name"] for stage in bundle["stages"] if stage["name"] not in done]
    found = [(name, file) for name in names for file in sorted(_checkpoints(name).glob("*.pt"))]
    if not found:
        return []
    with Archive(results_file(CHECKPOINTS), RESULTS, size) as archive:
        for name, file in found:
            archive.add(f"{CHECKPOINTS}/{name}/{file.name}", file)
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        _close(
            archive,
            bundle,
            {"processor": platform.processor() or platform.machine(), "started": now, "ended": now, "stages": [], "left": {}},
        )
    return archive.written


def _close(archive: Archive, bundle: dict[str, Any], about: dict[str, Any]) -> None:
    """Write what the archive is, last: one that is cut off has none."""
    processor = about.pop("processor")
    results = {
        "format": FORMAT,
        **{key: bundle[key] for key in ("commit", "code_differs", "scale")},
        "bundle": bundle["id"],
        "machine": {"platform": platform.platform(), "processor": processor, "cores": os.cpu_count()},
        "python": platform.python_version(),
        "packages": versions(bundle["packages"]),
        **about,
        "files": dict(archive.files),
    }
    archive.add_text(f"{RESULTS}.json", json.dumps({**results, "id": identify(results)}, indent=1))


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
    parser.add_argument("--minutes", type=float, metavar="M", help="end after so long, what has been packed by then included")
    args = parser.parse_args()
    if args.jobs < 1:
        parser.error("--jobs must be at least 1")
    if args.minutes is not None and not args.minutes > 0:
        parser.error("--minutes must be above 0")
    # Of a time that is short half is for the stages.
    deadline = time.monotonic() + max(60 * args.minutes - RESERVE, 30 * args.minutes) if args.minutes else float("inf")
    os.chdir(Path(__file__).resolve().parent)
    for sign in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, signal.default_int_handler)
    try:
        with _alone() as lock:
            bundle = read_bundle()
            check(bundle)
            results_file(), results_file(CHECKPOINTS)
            if there := bundle_gpu.others():
                _say(f"note: others compute on this GPU ({there}): all take longer, and its memory may not be enough")
            try:
                with bundle_gpu.shared(args.jobs, _say) as variables:
                    each = partial(pack, bundle, size=args.part_size)
                    whole = run(bundle["stages"], args.jobs, lock, variables, deadline, each)
                trouble = "" if whole else "not all stages have finished, see above"
            except KeyboardInterrupt:
                trouble = "ended by a signal"
            except TimeIsUpError:
                trouble = f"{args.minutes:g} minutes are over"
            done = finished(bundle["stages"])
            if len(done) == len(bundle["stages"]):  # the last ones finished while they were being ended
                trouble = ""
            parts = pack(bundle, done, args.part_size) if done else []
            kept = pack_checkpoints(bundle, done, args.part_size)
    except BundleError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename or 'this folder'}: {error.strerror or error}; mend that and call run.py again")
    except KeyboardInterrupt:
        sys.exit("error: interrupted: call run.py again to continue")
    for part in parts + kept:
        print(f"{part}: {part.stat().st_size / 1e6:.1f} MB")
    if parts or kept:
        print(f"take back and unpack: python -m workflow.bundle unpack {shlex.join(part.name for part in parts + kept)}")
    if trouble:
        packed = f"{len(done)} of {len(bundle['stages'])} are packed" + (", and checkpoints" if kept else "")
        nothing = "only checkpoints are packed" if kept else "there are no results to take back"
        sys.exit(f"error: {trouble}; {packed if parts else nothing}; call run.py again to continue")


if __name__ == "__main__":
    main()
