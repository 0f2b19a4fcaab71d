"""Work done elsewhere: stages as a file that a machine without DVC can run, and their results back into DVC.

    python -m workflow.bundle pack ch2_train -o job.tar                # all instances of an entry, or an instance such as
                                                                       # ch2_train@cifar10-cfn-b-0; --part-size 60M
    tar xf job.tar && cd job && python run.py --jobs 4                 # there: needs what the stages import, torch and numpy
    python -m workflow.bundle unpack results.tar                       # here again; several at once, if you like

A bundle holds run.py, bundle.json, project/ (the modules of the stages' code fingerprints, every input that no packed stage makes, and
the resolved graph), and checkpoints/, from which trainings go on that were ended here or elsewhere. Its inputs have to be those of
dvc.lock. Results are taken if they are whole and what made them is still in force: then `dvc status` is clean for their stages, and
data/runs/ says which machine made them.

Where models are too large to come back and what was made of them is not, `--return STAGE...` brings back the outputs of these stages
and the others' checksums: dvc.lock then has complete entries for all, and `dvc repro --allow-missing` makes none again. What reads
a model is packed too, the evaluation as well, for its curves lie there:

    python -m workflow.bundle pack ch2_train ch2_predict@cifar10 ch2_evaluate@cifar10 -o job.tar \\
        --return ch2_predict@cifar10 ch2_evaluate@cifar10
"""

import argparse
import ast
import contextlib
import difflib
import fcntl
import hashlib
import io
import json
import logging
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from stages.core.errors import UserError
from stages.core.files import write_json
from stages.core.stage import CODE, RUNS, run_key
from workflow import bundle_archive, bundle_run, environment, parameters
from workflow.bundle_archive import PART, Archive, BundleError, byte_count, covers, md5_of, overlap, pour
from workflow.bundle_run import CHECKPOINTS, FORMAT, RESULTS
from workflow.graph import Step
from workflow.lock import BEFORE_STAGES, Lock, lock_files, name_of, nested_params

LOGS = Path("data/logs")
KEPT = Path("data/checkpoints")
STAGING = Path("data/.unpack.partial")
WHAT = {"cmd": "command", "params": "parameters", "deps": "dependencies", "outs": "outputs"}


# Packing


def pack(names: list[str], out: Path, part_size: int | None, returned: list[str] | None = None) -> list[Path]:
    """Write the bundle of the stages `names` to `out`, or to parts of it; the files written.

    returned : the stages whose outputs are to come back, of the others the checksums only; None for all.

    Raises UserError for an unknown stage, one that cannot leave, inputs that are not up to date, and an `out` that exists.
    """
    from dvc.repo import Repo

    from workflow import scale
    from workflow.graph import resolve

    if out.name in ("", ".."):
        raise UserError(f"-o {out} is a folder: give the file to write, such as job.tar")
    Lock()  # what is no lock file is a sentence of ours before it is one of DVC's
    if there := bundle_archive.earlier(out):
        remove = "remove it, or " if there[0].is_file() else ""
        raise UserError(f"{there[0]} exists: {remove}choose another name")
    if not out.parent.is_dir():
        raise UserError(f"there is no folder {out.parent} to write {out.name} to")
    scale.check()
    steps = resolve()
    chosen = choose(names, steps)
    back = chosen if returned is None else choose(returned, steps)
    if strays := [step.name for step in back if step not in chosen]:
        raise UserError(f"{strays[0]} is to come back and is not packed: name it among the stages too")
    for step, left in readers(steps, chosen, back):
        print(f"note: {step} reads {left}, which is to stay where it is made: pack and return {step} too, if you want it", file=sys.stderr)
    repo = Repo()
    refuse_outdated(chosen, steps, repo)
    made = [path for step in chosen for path in step.outs]
    deps = sorted({dep for step in chosen for dep in step.deps})
    inputs = {file for dep in deps for file in _files(dep, repo) if not any(covers(path, file) for path in made)}
    modules = {module for step in chosen for file in _fingerprints(step) for module in json.loads(Path(file).read_text())}
    sources = {_source(module) for module in modules}
    with Archive(out, out.stem, part_size) as archive:
        for dep in deps:
            if Path(dep).is_dir():
                archive.add_folder(f"project/{dep}")
        for file in sorted(inputs | sources):
            archive.add(f"project/{file}", Path(file))
        files = {name.partition("/")[2]: found for name, found in archive.files.items()}
        _compare(deps, files, made)
        stages = {
            step.command: {"name": step.name, "deps": step.deps, "outs": step.outs, "params": step.params, "file": step.file}
            for step in chosen
        }
        archive.add_text("project/data/graph.json", _json({"made_from": {}, "stages": stages}))
        archive.add_text("run.py", Path(bundle_run.__file__).read_text(encoding="utf-8"))
        for module in ("bundle_archive", "bundle_gpu"):  # which run.py imports
            archive.add_text(f"workflow/{module}.py", Path(bundle_run.__file__).with_name(f"{module}.py").read_text(encoding="utf-8"))
        for checkpoint in (one for step in chosen for one in sorted((KEPT / step.name).glob("*.pt"))):
            archive.add(f"{CHECKPOINTS}/{checkpoint.relative_to(KEPT).as_posix()}", checkpoint)  # not in project/, where it will change
        known = {dep: None if any(overlap(dep, path) for path in made) else md5_of(dep, files) for dep in deps}
        bundle = {
            "format": FORMAT,
            "commit": _commit(),
            "code_differs": _code_differs(),
            "scale": scale.read(scale.PARAMS)["scale"],
            "python": environment.PYTHONS[0],
            "packages": third_party(sources),
            "stages": [
                {
                    "name": step.name,
                    "cmd": step.command,
                    "params": step.params,
                    "outs": step.outs,
                    "deps": {dep: known[dep] for dep in step.deps},
                    "returned": step in back,
                }
                for step in chosen
            ],
            "files": dict(archive.files),
        }
        archive.add_text("bundle.json", _json({**bundle, "id": bundle_run.identify(bundle)}))
    return archive.written


def readers(steps: list[Step], chosen: list[Step], back: list[Step]) -> Iterator[tuple[str, str]]:
    """The stages that are not packed and read an output that is not to come back, each with the first of these."""
    left = [out for step in chosen if step not in back for out in step.outs]
    for step in steps:
        read = [out for out in left if any(overlap(dep, out) for dep in step.deps)]
        if read and step not in chosen:
            yield step.name, read[0]


def choose(names: list[str], steps: list[Step]) -> list[Step]:
    """The stages that `names` stand for, in an order in which they can run."""
    entries: dict[str, set[str]] = {}
    for step in steps:
        entries.setdefault(step.name, set()).add(step.name)
        entries.setdefault(step.name.partition("@")[0], set()).add(step.name)
    wanted: set[str] = set()
    for name in map(name_of, names):
        if name not in entries:
            near = difflib.get_close_matches(name, entries, n=5) or difflib.get_close_matches(name.partition("@")[0], entries, n=5)
            raise UserError(f"there is no stage {name}: " + (f"did you mean {', '.join(near)}?" if near else "see `dvc stage list --all`"))
        wanted |= entries[name]
    chosen = [step for step in steps if step.name in wanted]
    for step in chosen:
        if not step.command.startswith("python -m stages.") or not _fingerprints(step):
            raise UserError(
                f"{step.name} runs `{step.command}`, which needs the whole project: only stages with a code fingerprint can leave"
            )
    return chosen


def refuse_outdated(chosen: list[Step], steps: list[Step], repo: Any) -> None:
    """Raise UserError unless all that the chosen stages read, and was made here, is what the code and parameters in force make."""
    from dvc.exceptions import DvcException

    from workflow import code, stale

    needs = stale.upstream(steps)
    before: set[str] = set()
    pending = [name for step in chosen for name in needs[step.name]]
    while pending:
        name = pending.pop()
        if name not in before:
            before.add(name)
            pending += needs[name]
    before -= {step.name for step in chosen}
    changed = code.changes()
    for step in steps:
        if step.name in before or step in chosen:
            for dep in step.deps:
                if dep in changed:
                    raise UserError(f"{dep} is not that of the code in force, and {step.name} needs it: run `dvc repro code` first")
    # `code` is judged by its outputs above: it reads all code, that of other stages too.
    behind = [step for step in steps if step.name in before - BEFORE_STAGES]
    made = Lock().stages
    for step in behind:
        if step.name in made and (then := nested_params(made[step.name])) != step.params:
            what = f"{step.name} is not up to date ({_change(then, step.params)})"
            raise UserError(f"{what}: run `python -m workflow.repro {step.name}` first, or pack it too")
    try:
        found = repo.status(targets=[step.address for step in behind]) if behind else {}
        status = {name_of(address): what for address, what in found.items()}
    except DvcException as error:
        raise UserError(_sentence(error)) from None
    if status:
        name = next(step.name for step in behind if step.name in status)
        reason = _reason(status[name]) if name in made else "it has not run here"
        raise UserError(f"{name} is not up to date ({reason}): run `python -m workflow.repro {name}` first, or pack it too")
    for step in chosen:
        for dep in step.deps:
            makers = [other for other in chosen if any(overlap(dep, out) for out in other.outs)]
            if not makers and not Path(dep).exists():
                raise UserError(f"{step.name} needs {dep}, which does not exist: restore it")


def _reason(status: list[Any]) -> str:
    """What DVC says of a stage, in words: [{"changed deps": {"data/x": "modified"}}, "changed command"]."""
    words = []
    for entry in status:
        if isinstance(entry, str):
            words.append(entry)
        else:
            words += [f"{path} {what if isinstance(what, str) else 'modified'}" for found in entry.values() for path, what in found.items()]
    return ", ".join(words)


def _files(path: str, repo: Any) -> list[str]:
    """The files of a dependency as DVC sees them: without those that .dvcignore names."""
    if not Path(path).is_dir():
        return [path] if Path(path).exists() else []
    return sorted(os.path.relpath(file) for file in repo.dvcignore.find(repo.fs, str(Path(path).absolute())))


def _compare(deps: list[str], files: dict[str, str], made: list[str]) -> None:
    """Raise UserError if an input is not what dvc.lock says: DVC judged it before, by time and size."""
    for out, expected in Lock().hashes.items():
        if any(covers(dep, out) for dep in deps) and not any(overlap(path, out) for path in made) and md5_of(out, files) != expected:
            raise UserError(f"{out} is not what dvc.lock says, though its size and time are: run `dvc checkout --force {out}`")


def _fingerprints(step: Step) -> list[str]:
    return [dep for dep in step.deps if dep.startswith(CODE)]


def _source(module: str) -> str:
    from workflow import code

    return code.source(module).as_posix()


def third_party(sources: set[str]) -> list[str]:
    """The packages, not of ours nor Python's own, that modules import anywhere but where they do without (`except ImportError`)."""
    found: set[str] = set()
    for source in sources:
        tree = ast.parse(Path(source).read_text(encoding="utf-8"))
        tries = [node for node in ast.walk(tree) if isinstance(node, ast.Try) and _does_without(node)]
        optional = {id(node) for attempt in tries for part in attempt.body for node in ast.walk(part)}
        for node in ast.walk(tree):
            if id(node) in optional:
                continue
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return sorted(found - sys.stdlib_module_names - {"stages"})


def _does_without(node: ast.Try) -> bool:
    caught = {name.id for handler in node.handlers if handler.type for name in ast.walk(handler.type) if isinstance(name, ast.Name)}
    return bool(caught & {"ImportError", "ModuleNotFoundError"})


# Unpacking


def unpack(paths: list[Path]) -> list[dict[str, Any]]:
    """Take the results in these files (archives, or all parts of them), and return what each one's results.json says.

    Raises UserError, and has changed nothing, if any is damaged or incomplete, or what made it is no longer in force.
    """
    archives = _archives(paths)
    with _staging():
        taken = [read(files, title) for title, files in archives.items()]
        from dvc.exceptions import DvcException
        from dvc.lock import LockError
        from dvc.repo import Repo, lock_repo

        logging.getLogger("dvc").setLevel(logging.CRITICAL)
        try:
            repo = Repo()
            refuse_stale(taken, repo)
            parameters.write()  # of which DVC takes what it writes to the lock files
            with lock_repo(repo):  # else a `dvc repro` might read outputs that are being replaced
                _install(taken, repo)
        except LockError:
            raise UserError("DVC is at work in this project: wait for it to end, and unpack again; nothing was changed") from None
        except DvcException as error:
            raise UserError(f"DVC did not take the results ({_sentence(error)}): nothing was changed") from None
    return taken


def _archives(paths: list[Path]) -> dict[str, list[Path]]:
    """The archives that `paths` are, or are all parts of: title -> files in order."""
    found: dict[str, list[Path]] = {}
    for path in dict.fromkeys(paths):
        if not path.is_file():
            near = [part.name for part in bundle_archive.earlier(path)]
            missing = f"{path} is not a file: give the results.tar of a run.py" if path.exists() else f"there is no file {path}"
            raise UserError(f"{missing}: give its parts, {', '.join(near)}" if near and not path.exists() else missing)
        found.setdefault(PART.sub("", str(path)), []).append(path)
    return {title: _complete(title, parts) for title, parts in found.items()}


def _complete(title: str, paths: list[Path]) -> list[Path]:
    """`paths` in order, if they are one file or all parts of one."""
    if paths == [Path(title)]:
        return paths
    counts = {match[2] if (match := PART.search(path.name)) else None for path in paths}
    if len(counts) > 1:
        raise UserError(f"{', '.join(map(str, paths))} are not the parts of one archive: give one results.tar, or all its parts")
    wanted = bundle_archive.part_names(Path(title), int(counts.pop() or 0))
    if missing := [path.name for path in wanted if path not in paths]:
        raise UserError(f"{', '.join(missing)} is missing: give all parts of {title}, {title}.*")
    return wanted


@contextlib.contextmanager
def _staging() -> Iterator[None]:
    """An empty folder STAGING of this call's own, which is gone afterwards."""
    STAGING.parent.mkdir(exist_ok=True)
    with STAGING.with_suffix(".lock").open("w") as turn:
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError("another unpack is at work in this project: wait for it to end") from None
        shutil.rmtree(STAGING, ignore_errors=True)  # of one that was killed
        STAGING.mkdir()
        try:
            yield
        finally:
            shutil.rmtree(STAGING, ignore_errors=True)


def read(paths: list[Path], title: str) -> dict[str, Any]:
    """Unpack the results to STAGING, and return what results.json says. Raises UserError unless every file is what it says."""
    damaged = f"{title} is truncated or damaged: transfer it again"
    found: dict[str, str] = {}
    try:
        with io.BufferedReader(_Joined(paths)) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            for member in tar:
                _extract(stream, member, found, title)
    except (tarfile.TarError, EOFError, ValueError):
        raise UserError(damaged) from None
    if found.pop(f"{RESULTS}.json", None) is None:
        raise UserError(f"{damaged} (it has no {RESULTS}.json)")
    try:
        results = json.loads((STAGING / f"{RESULTS}.json").read_text(encoding="utf-8"))
        (STAGING / f"{RESULTS}.json").unlink()  # other archives have theirs
        if results["format"] != FORMAT:
            raise UserError(f"{title} is of format {results['format']}, and this project reads format {FORMAT}: pack and run it again")
        if bundle_run.identify(results) != results["id"]:
            raise UserError(f"{title}: {RESULTS}.json has been changed: transfer it again")
        _match(results, found, title)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{title}: {RESULTS}.json is not what run.py writes: transfer it again") from None
    return results


class _Joined(io.RawIOBase):
    """Files, one after the other, as one to read."""

    def __init__(self, paths: list[Path]):
        self.paths = paths
        self.sizes = [path.stat().st_size for path in paths]
        self.position = 0
        self.opened = -1

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        self.position = position + {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: sum(self.sizes)}[whence]
        return self.position

    def readinto(self, buffer: Any) -> int:
        place = self.position
        for number, size in enumerate(self.sizes):
            if place < size:
                if number != self.opened:
                    self.close_part()
                    self.opened, self.stream = number, self.paths[number].open("rb", buffering=0)
                self.stream.seek(place)
                count = self.stream.readinto(buffer) or 0
                self.position += count
                return count
            place -= size
        return 0

    def close_part(self) -> None:
        if self.opened >= 0:
            self.stream.close()

    def close(self) -> None:
        self.close_part()
        super().close()


def _extract(stream: BinaryIO, member: tarfile.TarInfo, found: dict[str, str], title: str) -> None:
    path = PurePosixPath(member.name)  # ./results/x of whoever packed it again is results/x
    if not path.parts and member.isdir():
        return
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in member.name:
        raise UserError(f"{title} holds {member.name!r}, which would leave its folder: it was not made by run.py")
    if path.parts[0] != RESULTS:
        kind = (
            "it is a bundle: run it, and unpack the results"
            if path.name in ("run.py", "bundle.json") or "project" in path.parts[1:2]
            else ""
        )
        raise UserError(
            f"{title} holds {member.name}, which is no part of a bundle's results: {kind or 'give the results.tar of a run.py'}"
        )
    name = PurePosixPath(*path.parts[1:]).as_posix()
    target = STAGING / name
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    if not member.isreg():
        raise UserError(f"{title} holds {member.name}, which is a link or a device: it was not made by run.py")
    if name in found:
        raise UserError(f"{title} holds {member.name} twice: it was not made by run.py")
    if target.exists():
        raise UserError(f"{title} holds {member.name}, and another of the archives does too: unpack one of them")
    target.parent.mkdir(parents=True, exist_ok=True)
    stream.seek(member.offset_data)
    with target.open("wb") as file:
        found[name] = pour(stream, file.write, member.size)
    if path.parts[1] == CHECKPOINTS:  # by which it is judged beside one that is here
        os.utime(target, (member.mtime, member.mtime))


def _match(results: dict[str, Any], found: dict[str, str], title: str) -> None:
    """Raise UserError unless the files are those of results.json, and the stages' outputs, records and logs are among them."""
    listed = results["files"]
    wrong = [f"{name} is missing" for name in sorted(listed.keys() - found)]
    wrong += [f"{name} is not listed in {RESULTS}.json" for name in sorted(found.keys() - listed)]
    wrong += [f"{name} differs" for name in sorted(listed.keys() & found) if found[name] != listed[name]]
    for stage in results["stages"]:
        for out, expected in stage["outs"].items():
            if not stage.get("returned", True):
                if md5_of(out, _sums(results["left"])) != expected:
                    wrong.append(f"the checksums of {out} are not those of what {stage['name']} made")
                continue
            there = (STAGING / "outs" / out).exists()
            if there and not wrong and md5_of(f"outs/{out}", found) != expected:
                wrong.append(f"outs/{out} is not what {stage['name']} made")
            if not there:
                wrong.append(f"outs/{out} is missing")
        if f"runs/{stage['name']}.json" not in found:
            wrong.append(f"runs/{stage['name']}.json is missing")
    wrong = list(dict.fromkeys(wrong))
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise UserError(f"{title} is not what run.py packed: {', '.join(wrong[:3])}{more}; transfer it again")


def refuse_stale(taken: list[dict[str, Any]], repo: Any) -> None:
    """Raise UserError unless the stages, their parameters, code and inputs are still those that made the results."""
    from workflow import code, scale
    from workflow.graph import resolve

    steps = {step.name: step for step in resolve()}
    current, here = scale.read(scale.PARAMS)["scale"], _at(_commit(), _code_differs())
    judge = _Judge(taken, {f"{CODE}{name}": text for name, text in code.contents().items()}, repo)
    for results in taken:
        at = f"packed at {_at(results['commit'], results['code_differs'])}; now at {here}"
        if current != (scale_then := results["scale"]):
            raise UserError(
                f"the results are of scale {scale_then}, and params.yaml is of {current}: `python -m workflow.scale {scale_then}`"
            )
        for stage in results["stages"]:
            _same_stage(stage, steps, at)
            for dep, used in stage["deps"].items():
                judge(stage["name"], dep, used, at)
            _refuse_others(stage)
        for file in results["files"]:
            if file.startswith(f"{CHECKPOINTS}/") and (name := file.split("/")[1]) not in steps:
                raise UserError(f"the checkpoint of {name} is of no stage with the lists now in params.yaml ({at})")


class _Judge:
    """Whether dependencies are still what results were made from; each is judged once, for many stages share them."""

    def __init__(self, taken: list[dict[str, Any]], fingerprints: dict[str, str], repo: Any):
        self.fingerprints, self.repo = fingerprints, repo
        self.stages = {name_of(stage.addressing): stage for stage in repo.index.stages}
        self.files = _files_made(taken)
        self.made = [out for results in taken for stage in results["stages"] for out in stage["outs"]]
        self.judged: set[tuple[str, str]] = set()

    def __call__(self, name: str, dep: str, used: str, at: str) -> None:
        """Raise UserError unless `dep` has the checksum `used`, with which the stage `name` ran."""
        if (dep, used) in self.judged:
            return
        self.judged.add((dep, used))
        if dep in self.fingerprints:
            text = self.fingerprints[dep]
            if hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() != used:
                raise UserError(f"the code of {name} is no longer the one that made the results ({at}): pack and run it again")
            if not Path(dep).exists() or Path(dep).read_text() != text:
                raise UserError(f"{dep} is not that of the code in force: run `dvc repro code`, then unpack again")
        elif self._now(dep, self.stages[name]) != used:
            what = "is missing" if not Path(dep).exists() else "is no longer what it was when it was packed"
            maker = Lock().maker(dep)
            advice = f"`dvc checkout {dep}` or `python -m workflow.repro {maker}`" if maker else "restore it"
            raise UserError(f"{dep}, which {name} read, {what} ({at}): {advice}, or pack and run it again")

    def _now(self, dep: str, stage: Any) -> str | None:
        """The checksum of a dependency once the results are in place; None if it is not there."""
        if any(overlap(dep, out) for out in self.made):
            others = [file for file in _files(dep, self.repo) if not any(covers(out, file) for out in self.made)]
            return md5_of(dep, {**self.files, **{file: bundle_archive.md5(Path(file)) for file in others}})
        if not Path(dep).exists():
            return None
        # DVC remembers the checksums of files that have not been touched.
        entry = next(entry for entry in stage.deps if entry.def_path == dep and not getattr(entry, "params", None))
        entry.update_legacy_hash_name(force=True)  # of a stage that has never run here it would take DVC 2's, which dvc.lock never has
        return entry.get_hash().value


def _refuse_others(stage: dict[str, Any]) -> None:
    """Raise UserError if an output that was left where it was made is here, and is another."""
    for out, expected in stage["outs"].items():
        if not stage.get("returned", True) and os.path.lexists(out) and _md5_here(out) != expected:
            raise UserError(f"{out} is here, and is not the one that {stage['name']} made elsewhere and left there: move it away")


def _md5_here(path: str) -> str:
    return md5_of(path, {file.as_posix(): bundle_archive.md5(file) for file in bundle_archive.files_of(Path(path))})


def _sums(left: dict[str, Any]) -> dict[str, str]:
    """The checksums of files that were left where they were made, by path."""
    return {path: about["md5"] for path, about in left.items()}


def _files_made(taken: list[dict[str, Any]]) -> dict[str, str]:
    """The checksums of all files that the results' stages made, by path."""
    made: dict[str, str] = {}
    for results in taken:
        made |= {name.removeprefix("outs/"): md5 for name, md5 in results["files"].items() if name.startswith("outs/")}
        made |= _sums(results.get("left", {}))
    return made


def _same_stage(stage: dict[str, Any], steps: dict[str, Step], at: str) -> None:
    name = stage["name"]
    if name not in steps:
        raise UserError(f"{name} is no longer a stage with the lists now in params.yaml ({at})")
    step = steps[name]
    now = {"cmd": step.command, "params": step.params, "deps": sorted(step.deps), "outs": sorted(step.outs)}
    then = {key: sorted(stage[key]) if key in ("deps", "outs") else stage[key] for key in now}
    for key, value in json.loads(json.dumps(now)).items():
        if value != then[key]:
            raise UserError(f"{name} now has other {WHAT[key]} than when it was packed: {_change(then[key], value)} ({at})")


def _change(then: Any, now: Any, name: str = "") -> str:
    """Where two values differ first: "training.iterations was 90, is 80"."""
    if isinstance(then, dict) and isinstance(now, dict):
        key = next(key for key in sorted({*then, *now}) if then.get(key) != now.get(key))
        return _change(then.get(key), now.get(key), f"{name}.{key}".strip("."))
    if isinstance(then, list) and isinstance(now, list) and not name:
        return ", ".join([f"{path} is gone" for path in then if path not in now] + [f"{path} is new" for path in now if path not in then])
    return f"{name} was {json.dumps(then)}, is {json.dumps(now)}".strip()


def _install(taken: list[dict[str, Any]], repo: Any) -> None:
    """Put outputs, run records and logs into place and commit them, or leave everything as it was."""
    moves = []
    for results in taken:
        for stage in results["stages"]:
            name, back = stage["name"], stage.get("returned", True)
            record = STAGING / "runs" / f"{name}.json"
            write_json(record, {**json.loads(record.read_text()), "bundle": results["bundle"], "returned": back})
            moves += [(STAGING / "outs" / out, Path(out)) for out in stage["outs"] if back]
            key = run_key(stage["cmd"], stage["params"], stage["deps"], stage["outs"])
            moves += [(record, RUNS / name / f"{key}.json")]
            if (log := STAGING / "logs" / f"{name}.log").exists():
                moves += [(log, LOGS / log.name)]
    moves += [(file, target) for file, target in _checkpoints() if not _is_older(file, target)]
    locks = {file: file.read_bytes() for file in lock_files()}
    replaced: list[tuple[Path, Path | None]] = []
    try:
        for source, target in moves:
            _place(source, target, replaced)
        _commit_outputs(taken, repo)
        _confirm(taken, repo)
    except BaseException:
        for target, previous in reversed(replaced):
            _restore(target, previous)
        for file in {*locks, *lock_files()}:
            file.write_bytes(locks[file]) if file in locks else file.unlink()
        raise
    for record in {target for _, target in moves if target.is_relative_to(RUNS)}:  # of these stages no training is to go on
        kept = KEPT / record.parent.name
        (kept / f"{json.loads(record.read_text())['key']}.pt").unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # there are others, or there never was one
            kept.rmdir()


def _checkpoints() -> list[tuple[Path, Path]]:
    """Those in STAGING, each with where it is to be."""
    came = sorted((STAGING / CHECKPOINTS).glob("*/*.pt"))
    return [(file, KEPT / file.relative_to(STAGING / CHECKPOINTS)) for file in came]


def _is_older(file: Path, there: Path) -> bool:
    """Whether a checkpoint that came is older than the one of the same computation that is here, which stays; a note says so."""
    if not there.exists() or int(there.stat().st_mtime) <= file.stat().st_mtime:  # archives have whole seconds
        return False
    print(f"note: {there} is newer than what came, and stays; remove it to go back to that", file=sys.stderr)
    return True


def _commit_outputs(taken: list[dict[str, Any]], repo: Any) -> None:
    """What `dvc commit --force` does, for several stages at once: it would read and write a lock file for each."""
    found = {name_of(stage.addressing): stage for stage in repo.index.stages}
    left = {path: about for results in taken for path, about in results.get("left", {}).items()}
    stages = []
    for about in (stage for results in taken for stage in results["stages"]):
        stage = found[about["name"]]
        stages.append(stage)
        absent = [entry for entry in (*stage.deps, *stage.outs) if _is_left(entry.def_path, left)]
        if not absent:
            stage.save()
            stage.commit()
            continue
        for entry in (*stage.deps, *stage.outs):
            if entry in absent:
                _declare(entry, {**about["deps"], **about["outs"]}[entry.def_path], left)
            else:
                entry.save()
        for out in stage.outs:
            if out not in absent:
                out.commit()
    for file in {stage.path: stage.dvcfile for stage in stages}.values():
        file.dump_stages([stage for stage in stages if stage.dvcfile == file], update_pipeline=False)


def _is_left(path: str, left: dict[str, Any]) -> bool:
    """Whether a path, or something below it, was left where it was made, and is not here."""
    return any(covers(path, file) and not Path(file).exists() for file in left)


def _declare(entry: Any, md5: str, left: dict[str, Any]) -> None:
    """Have DVC take an output or dependency that is not here for what the results say it is."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.meta import Meta

    sizes = {file: about["size"] for file, about in left.items() if covers(entry.def_path, file)}
    sizes |= {file.as_posix(): file.stat().st_size for file in bundle_archive.files_of(Path(entry.def_path)) if file.exists()}
    is_folder = md5.endswith(".dir")
    entry.hash_name = "md5"
    entry.hash_info = HashInfo("md5", md5)
    entry.meta = Meta(isdir=is_folder, size=sum(sizes.values()), nfiles=len(sizes) if is_folder else None)


def _place(source: Path, target: Path, replaced: list[tuple[Path, Path | None]]) -> None:
    """Rename `source` to `target`; what is there goes to STAGING, and `replaced` notes where."""
    # First beside the target: data/ and reports/ may lie on different file systems.
    aside = target.parent / f".{target.name}.partial" / target.name
    shutil.rmtree(aside.parent, ignore_errors=True)
    aside.parent.mkdir(parents=True)
    try:
        shutil.move(source, aside)
        previous = None
        if os.path.lexists(target):
            previous = STAGING / "previous" / str(len(replaced))
            previous.parent.mkdir(exist_ok=True)
            shutil.move(target, previous)
        replaced.append((target, previous))
        aside.replace(target)
    finally:
        shutil.rmtree(aside.parent, ignore_errors=True)


def _restore(target: Path, previous: Path | None) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
    if previous is not None:
        shutil.move(previous, target)


def _confirm(taken: list[dict[str, Any]], repo: Any) -> None:
    """Raise UserError unless dvc.lock says of every stage what the results say, and DVC finds nothing to do but fetch what was left."""
    lock = Lock()
    stages = [stage for results in taken for stage in results["stages"]]
    for stage in stages:
        for kind in ("deps", "outs"):
            locked = {entry["path"]: entry.get("md5") for entry in lock.stages[stage["name"]].get(kind, [])}
            if wrong := sorted(path for path in stage[kind] if locked.get(path) != stage[kind][path]):
                raise UserError(
                    f"DVC has another checksum of {wrong[0]} than the results of {stage['name']}: nothing was changed; unpack again"
                )
    repo._reset()  # what it has read of dvc.lock
    found = {name_of(stage.addressing): stage for stage in repo.index.stages}
    for stage in stages:
        if found[stage["name"]].changed(allow_missing=True):
            (status,) = found[stage["name"]].status().values()
            reason = _reason(status)
            raise UserError(f"DVC does not find {stage['name']} up to date ({reason}): nothing was changed")


# What both use


def _commit() -> str:
    return _git("rev-parse", "HEAD")


def _code_differs() -> bool:
    return bool(_git("status", "--porcelain", "--", "stages", "workflow/pipelines/*/dvc.yaml", "dvc.yaml", "params.yaml"))


def _at(commit: str, differs: bool) -> str:
    return (f"commit {commit[:8]}" if commit else "no commit") + (" with changes" if differs else "")


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""  # not a repository, or no git: there is no commit to name


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


# Command line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="write what stages need to a file")
    packing.add_argument(
        "stages", nargs="+", metavar="STAGE", help="an instance, as ch2_train@cifar10-cfn-b-0, or an entry: all of its instances"
    )
    packing.add_argument("-o", "--out", type=Path, required=True, metavar="job.tar")
    packing.add_argument(
        "--part-size", type=byte_count, metavar="SIZE", help="largest file that can be transferred, as in 60M (60,000,000 bytes)"
    )
    packing.add_argument(
        "--return", dest="returned", nargs="+", metavar="STAGE", help="bring back the outputs of these only, the others' checksums"
    )
    unpacking = commands.add_parser("unpack", help="take results into DVC")
    unpacking.add_argument("files", nargs="+", type=Path, metavar="results.tar", help="results, or all their parts")
    args = parser.parse_args()
    try:
        if args.command == "pack":
            parts = pack(args.stages, args.out, args.part_size, args.returned)
            for part in parts:
                print(f"{part}: {part.stat().st_size / 1e6:.1f} MB")
            print(f"there: {bundle_archive.restoring(parts)} && cd {shlex.quote(args.out.stem)} && python run.py")
        else:
            for results in unpack(args.files):
                for stage in results["stages"]:
                    left = "" if stage.get("returned", True) else " (left where they were made: dvc.lock has their checksums)"
                    print(f"{stage['name']}: {', '.join(stage['outs'])}{left}")
                for name in results["files"]:
                    if name.startswith(f"{CHECKPOINTS}/"):
                        print(f"{name.split('/')[1]}: goes on from its checkpoint, here or in the next bundle")
                print(f"made on {results['machine']['processor']}, {results['machine']['platform']}; data/runs/ says so")
    except (UserError, BundleError) as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename or 'the files'}: {error.strerror or error}; nothing was changed")


if __name__ == "__main__":
    main()
