"""How every stage runs: what it may read, where it writes, what it leaves behind.

A stage module has a `main(args, job)` and ends with `stage.execute(parser(), main)`. Its command line is looked up in the
graph that DVC resolved from dvc.yaml (data/graph.json), which says what the command depends on, makes and is parametrised by:

- reading anything else of the project, or importing a module that its fingerprint does not list, fails the stage by name;
- outputs are written aside and renamed into place together once the stage has succeeded;
- a checkpoint's name is a hash of all that the stage depends on, so a stale one is never picked up;
- what differs from run to run (machine, packages, duration) goes to data/runs/, which no hash covers, under a name made of what
  was run on what and came out: going back to earlier parameters finds the earlier record again.
"""

import argparse
import contextlib
import errno
import hashlib
import importlib.metadata
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from stages.core import device_errors, settings
from stages.core.errors import UserError
from stages.core.files import md5, sha256, write_json
from stages.core.fingerprint import syntax_hash

GRAPH = Path("data/graph.json")
CODE = "reports/code/"
RUNS = Path("data/runs")
UNTRACKED = ("data/checkpoints", "data/archives")
# The events that change a file without opening it, and which of their arguments are its names.
CHANGES = {"os.rename": (0, 1), "os.link": (1,), "os.symlink": (1,), "os.remove": (0,), "os.rmdir": (0,), "os.truncate": (0,)}
PACKAGES = (
    *("torch", "torchvision", "timm", "numpy", "scipy", "scikit-learn", "scikit-image", "numba", "pillow", "matplotlib", "pandas"),
    "faiss-cpu",
)

Settings = TypeVar("Settings")


@dataclass
class Job:
    """One stage instance: its declaration, and the paths that its code may use."""

    name: str
    command: str
    deps: list[str]
    outs: list[str]
    params: dict[str, Any]
    file: str = "dvc.yaml"
    """The dvc.yaml that declares it."""
    notes: dict[str, Any] = field(default_factory=dict)
    parts: list[list[str]] = field(default_factory=list)
    """What the dependencies consist of: what each other stage has made in them, or themselves."""

    def dep(self, path: str) -> Path:
        """A declared dependency, or a path below one."""
        if not _covered(path, self.deps):
            raise UserError(f"{self.name} uses {path}, which {self.file} does not declare among its deps: {', '.join(self.deps)}")
        if not Path(path).exists():
            raise UserError(f"{self.name} needs {path}, which does not exist: run `python -m workflow.repro {self.name}`")
        return Path(path)

    def out(self, path: str) -> Path:
        """Where to write the declared output `path`; it appears under its own name when the stage has succeeded."""
        if path not in self.outs:
            raise UserError(f"{self.name} makes {path}, which {self.file} does not declare among its outs: {', '.join(self.outs)}")
        aside = _aside(path)
        aside.parent.mkdir(parents=True, exist_ok=True)
        return aside

    def data(self, path: str) -> str:
        """The name of `path` below this scale's folder of data/."""
        return f"data/{self.params['scale']}/{path}"

    def param(self, key: str) -> Any:
        """The declared parameter with the dotted `key`."""
        value: Any = self.params
        for part in key.split("."):
            if not isinstance(value, dict) or part not in value:
                raise UserError(f"{self.name} reads the parameter {key}, which {self.file} does not declare among its params")
            value = value[part]
        return value

    def settings(self, kind: type[Settings], key: str) -> Settings:
        """The declared parameters under the dotted `key`, as the class of settings `kind`."""
        return settings.build(kind, self.param(key), key)

    def note(self, **facts: Any) -> None:
        """Facts for the run record: durations, memory; nothing that a result may depend on."""
        self.notes.update(facts)

    @property
    def fingerprint(self) -> dict[str, str]:
        """The modules of ours that this command may import, by all files of code it declares, each with its syntax tree's hash."""
        files = [dep for dep in self.deps if dep.startswith(CODE)]
        if not files:
            raise UserError(f"{self.name} must declare a file of {CODE} among its deps, and declares none")
        return {name: digest for file in files for name, digest in json.loads(self.dep(file).read_text()).items()}

    @cached_property
    def inputs(self) -> dict[str, str]:
        """The dependencies' checksums, as dvc.lock has them."""
        return {dep: md5(Path(dep)) for dep in sorted(self.deps)}

    @cached_property
    def key(self) -> str:
        """Hash of everything the stage depends on: command, code, parameters, inputs and packages."""
        content = json.dumps([self.command, self.params, packages(), self.inputs], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:32]

    @property
    def checkpoint(self) -> Path:
        """Where this very computation keeps its checkpoint; beside it lie those of the same stage with other code, data or parameters."""
        return Path("data/checkpoints") / self.name / f"{self.key}.pt"


def parser(description: str | None, *arguments: str, seed: bool = False) -> argparse.ArgumentParser:
    """A stage's command line: `arguments` by position and, with `seed`, --seed. Which values there are the graph says."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in arguments:
        made.add_argument(name)
    if seed:
        made.add_argument("--seed", type=int, required=True)
    return made


def execute(parser: argparse.ArgumentParser, main: Callable[[argparse.Namespace, Job], None]) -> None:
    """Run the command line's stage under the contract; a failure the user can mend is one sentence and exit status 1."""
    args = parser.parse_args()
    try:
        with _job() as job:
            main(args, job)
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno is None and str(error).endswith(" written"):  # NumPy's word for a full disk
            error.errno, error.strerror = errno.ENOSPC, os.strerror(errno.ENOSPC)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        place = error.filename2 or error.filename or "the outputs"
        sys.exit(f"error: cannot write {place}: {error.strerror}; nothing was left half-written, so free the place and run again")


@contextlib.contextmanager
def _job() -> Iterator[Job]:
    job = _declared(" ".join(["python", *sys.orig_argv[1:]]))
    _remove_asides(job)
    guard = _Guard(job)
    guard.check()  # before hours of work
    if all(Path(dep).exists() for dep in job.deps):
        _ = job.inputs  # read now, before it is watched what the stage itself reads
    sys.addaudithook(guard)
    started, clock = datetime.now(UTC), time.perf_counter()
    try:
        yield job
        guard.check()
        guard.active = False
        _publish(job)
        _record(job, started, time.perf_counter() - clock, [part[0] for part in guard.unopened])
        _remove_checkpoint(job.checkpoint)
    except Exception as error:
        if guard.broken and not isinstance(error, UserError):
            raise UserError(guard.broken) from error
        if said := device_errors.sentence(error, job.name, job.params, lambda: job.checkpoint):
            raise UserError(said) from error
        raise
    finally:
        guard.active = False
        _remove_asides(job)


def _declared(command: str) -> Job:
    """The declaration of `command` in the resolved graph, which is resolved anew when the files it came from have changed."""
    graph = json.loads(GRAPH.read_text()) if GRAPH.exists() else None
    if graph is None or any(Path(file).exists() and sha256(Path(file)) != digest for file, digest in graph["made_from"].items()):
        # A subprocess, not an import: stages run where DVC is not installed, and there the graph is at hand and final.
        if subprocess.run([sys.executable, "-m", "workflow.graph"]).returncode:
            sys.exit(1)
        graph = json.loads(GRAPH.read_text())
    for file, digest in graph.get("params", {}).items():  # DVC notes those, and the stage has the ones in force
        if not Path(file).exists() or sha256(Path(file)) != digest:
            raise UserError(f"{file} has not the parameters in force: run `dvc repro params` first")
    if command not in graph["stages"]:
        raise UserError(
            f"`{command}` is not a stage of any dvc.yaml with the lists now in params.yaml: add it there, or see `dvc stage list --all`"
        )
    job = Job(command=command, **graph["stages"][command])
    for dep in job.deps:
        made = [[out for out in other["outs"] if out.startswith(f"{dep}/")] for other in graph["stages"].values()]
        job.parts += [outs for outs in made if outs] or [[dep]]
    return job


class _Guard:
    """An audit hook that lets a stage open what it declared, and nothing else of the project."""

    def __init__(self, job: Job):
        self.job = job
        self.root = str(Path.cwd())
        self.active = True
        self.broken: str | None = None
        self.checked: set[str] = set()
        self.writable = [*UNTRACKED, *(str(_aside(out).parent) for out in job.outs)]
        self.readable = [*job.deps, *self.writable]
        self.unopened = [part for part in job.parts if Path(part[0]).exists() and not part[0].startswith(CODE)]

    def __call__(self, event: str, arguments: tuple) -> None:
        if not self.active:
            return
        if event in ("open", "os.listdir", "os.scandir"):
            self.judge(event, arguments[0], event == "open" and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)))
        elif event in CHANGES and (event == "os.truncate" or arguments[-1] == -1):  # else relative to an open folder
            for place in CHANGES[event]:
                self.judge(event, arguments[place], writes=True)

    def judge(self, event: str, path: object, writes: bool) -> None:
        if not isinstance(path, str | os.PathLike | bytes):
            return
        path = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - resolving links would ask the file system at every open
        if not path.startswith(self.root + os.sep) or path.startswith(sys.prefix + os.sep):
            return
        path = os.path.relpath(path, self.root)
        # What is imported is judged by module; the import system also lists folders.
        importing = "__pycache__" in path or (not writes and (event != "open" or path.endswith(".py")))
        if (importing and _covered(path, ["stages"])) or _covered(path, self.writable if writes else self.readable):
            if event == "open" and self.unopened and not writes:
                self.unopened = [part for part in self.unopened if not _covered(path, part)]
            return
        if not writes and not os.path.lexists(f"{self.root}/{path}"):
            return  # nothing to read; or a name relative to an open folder elsewhere, which the event does not tell
        does, kind = ("writes", "outs") if writes else ("reads", "deps")
        # Kept as well as raised: a library may swallow the exception.
        self.broken = self.broken or f"{self.job.name} {does} {path}, which {self.job.file} does not declare among its {kind}"
        raise UserError(self.broken)

    def check(self) -> None:
        """Fail if anything undeclared was opened or imported, even where the exception was swallowed."""
        if self.broken:
            raise UserError(self.broken)
        listed = self.job.fingerprint
        # Each module once, as it was loaded: who edits code while a stage runs does not spoil that run.
        for name, module in list(sys.modules.items()):
            if name in self.checked:
                continue
            self.checked.add(name)
            file = getattr(module, "__file__", None)
            if not file or not file.startswith(self.root + os.sep) or file.startswith(sys.prefix + os.sep):
                continue
            spec = getattr(module, "__spec__", None)
            name = spec.name if spec else name
            if name not in listed:
                raise UserError(f"{self.job.name} imports {name}, which its code fingerprint does not list: run `dvc repro code`")
            if syntax_hash(Path(file).read_text(encoding="utf-8")) != listed[name]:
                raise UserError(f"{name} has changed since the code fingerprints were made: run `dvc repro code`")


def _publish(job: Job) -> None:
    missing = [out for out in job.outs if not _aside(out).exists()]
    if missing:
        raise UserError(f"{job.name} did not make {', '.join(missing)}, which {job.file} declares among its outs")
    for out in job.outs:
        # A link goes, and what it leads to stays as it is: it may be DVC's, and lead into its cache.
        if Path(out).is_symlink():
            Path(out).unlink()
        elif Path(out).is_dir():
            shutil.rmtree(out)
        _aside(out).replace(out)


def run_key(command: str, params: dict[str, Any], deps: dict[str, str], outs: dict[str, str]) -> str:
    """The name of a run's record: a hash of what was run, on what, and what came out (checksums by path)."""
    return hashlib.sha256(json.dumps([command, params, deps, outs], sort_keys=True).encode()).hexdigest()[:16]


def _record(job: Job, started: datetime, seconds: float, unopened: list[str]) -> None:
    made = {out: md5(Path(out)) for out in job.outs}
    record = {
        "stage": job.name,
        "cmd": job.command,
        "scale": job.params.get("scale"),
        "key": job.key,
        "started": started.isoformat(timespec="seconds"),
        "duration_s": round(seconds, 3),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "machine": {"platform": platform.platform(), "processor": _processor(), "cores": os.cpu_count()},
        "packages": packages(),
        "made": made,
        "unopened": unopened,
    }
    record |= job.notes
    write_json(RUNS / job.name / f"{run_key(job.command, job.params, job.inputs, made)}.json", record)


def _covered(path: str, declared: list[str]) -> bool:
    return any(path == entry or path.startswith(entry + os.sep) for entry in declared)


def _aside(out: str) -> Path:
    # In a folder beside the output: the same file system, and the same name, which some writers store or judge the format by.
    return Path(out).parent / f".{Path(out).name}.partial" / Path(out).name


def _remove_asides(job: Job) -> None:
    for out in job.outs:
        shutil.rmtree(_aside(out).parent, ignore_errors=True)


def _remove_checkpoint(checkpoint: Path) -> None:
    # Also what a killed run has written of it in part. Others' stay: who goes back to earlier code goes on from them.
    for file in checkpoint.parent.glob(f"{checkpoint.name}*"):
        file.unlink()
    with contextlib.suppress(OSError):  # not empty, or never made
        checkpoint.parent.rmdir()


def packages() -> dict[str, str]:
    """Versions of Python and of the packages that results may depend on."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def _processor() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as file:  # noqa: PTH123
        for line in file:
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor()
