"""A project of five stages on our own core, to be packed, run elsewhere and unpacked; what the tests of bundles share."""

import contextlib
import fcntl
import functools
import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from conftest import PATIENCE, REPOSITORY, run_in

from stages.core.errors import UserError
from workflow import bundle, bundle_run, code, scale

NUMBERS = 20
SQUARES = NUMBERS * (NUMBERS + 1) * (2 * NUMBERS + 1) // 6

PIPELINE = """
stages:
  code:
    cmd: python -m workflow.code
    deps: [stages]
    outs:
    - reports/code: {cache: false, persist: true}
  source:
    cmd: python -m stages.source
    deps: [reports/code/source.json]
    params: [scale, numbers]
    outs: [data/mini/source]
  prepare:
    cmd: python -m stages.prepare
    deps: [reports/code/prepare.json, data/mini/source]
    params: [scale]
    outs: [data/mini/prepared/squares]
  train:
    matrix: {model: [a, b]}
    cmd: python -m stages.train ${item.model}
    deps: [reports/code/train.json, data/mini/prepared, notes.txt]
    params: [scale, train]
    outs: ["data/mini/models/${item.model}"]
  total:
    cmd: python -m stages.total
    deps: [reports/code/total.json, data/mini/models]
    outs:
    - reports/total.json: {cache: false}
"""
PARAMS = {"scale": "mini", "numbers": NUMBERS, "train": {"steps": 3, "hold": "", "fails": "", "rate": 0.5}}
STAGE = """
import argparse
import json
{imports}
from stages.core import stage


def main(args, job):
{body}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?")
    stage.execute(parser, main)
"""
STAGES = {
    "source": """
    out = job.out("data/mini/source")
    out.mkdir()
    (out / "numbers.json").write_text(json.dumps(list(range(1, job.params["numbers"] + 1))))
""",
    "prepare": """
    numbers = json.loads((job.dep("data/mini/source") / "numbers.json").read_text())
    out = job.out("data/mini/prepared/squares")
    (out / "deep").mkdir(parents=True)
    (out / "deep/squares.json").write_text(json.dumps([n * n for n in numbers]))
    (out / "count.txt").write_text(str(len(numbers)))
""",
    "train": """
    squares = json.loads((job.dep("data/mini/prepared/squares") / "deep/squares.json").read_text())
    done = json.loads(job.checkpoint.read_text())["done"] if job.checkpoint.exists() else 0
    job.note(resumed_at=done)
    settings = job.params["train"]
    job.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    for step in range(done, settings["steps"]):
        print(f"step {step} of {args.model}", flush=True)
        job.checkpoint.write_text(json.dumps({"done": step + 1}))
        while os.path.exists(settings["hold"]):
            time.sleep(0.01)
    if settings["fails"] == args.model:
        raise UserError(f"{args.model} was told to fail")
    out = job.out(f"data/mini/models/{args.model}")
    out.mkdir()
    (out / "sum.json").write_text(json.dumps(int(numpy.sum(squares)) * settings["steps"]))
""",
    "total": """
    models = job.dep("data/mini/models")
    sums = {model: json.loads((models / model / "sum.json").read_text()) for model in ("a", "b")}
    job.out("reports/total.json").write_text(json.dumps(sums))
""",
}
IMPORTS = """
import os
import time

import numpy

from stages.core.errors import UserError
try:
    from tqdm import tqdm
except ImportError:
    tqdm = None
"""


def write_project(root: Path) -> None:
    """A project of five stages on our own core, of which `source` has run."""
    ignore = shutil.ignore_patterns("__pycache__", "audit", "pipelines")
    shutil.copytree(REPOSITORY / "stages/core", root / "stages/core", ignore=ignore)
    shutil.copytree(REPOSITORY / "workflow", root / "workflow", ignore=ignore)
    with (root / "workflow/scale.py").open("a") as file:
        file.write("\n\ndef check(path: Path = PARAMS) -> None:\n    pass  # these parameters are not the thesis's\n")
    shutil.copy(REPOSITORY / "stages/__init__.py", root / "stages")
    for name, body in STAGES.items():
        (root / f"stages/{name}.py").write_text(STAGE.format(imports=IMPORTS if name == "train" else "", body=body))
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    (root / "notes.txt").write_text("from no stage\n")
    (root / ".gitignore").write_text("__pycache__/\n/data/\n")
    shutil.copy(REPOSITORY / ".dvcignore", root)
    succeed(root, "git", "init", "-q")
    (root / ".dvc").mkdir()
    (root / ".dvc/config").write_text("[core]\n    analytics = false\n")
    succeed(root, "dvc", "repro", "-q", "source")
    succeed(root, "git", "add", "-A")
    succeed(root, "git", "-c", "user.name=n", "-c", "user.email=e", "commit", "-q", "-m", "x")


def succeed(folder: Path, *command: str) -> str:
    done = run_in(folder, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """What a command says that refuses."""
    assert (done.returncode, done.stderr.count("\n"), done.stderr[:7]) == (1, 1, "error: "), done.stdout + done.stderr
    return done.stderr


def everything(root: Path) -> dict[str, bytes]:
    """All files of a project but DVC's and git's own."""
    found = [file for file in root.rglob("*") if file.is_file() and not {".dvc", ".git", "__pycache__"} & set(file.parts)]
    return {str(file.relative_to(root)): file.read_bytes() for file in found if file.name != ".unpack.lock"}


# Made once in a session: pytest would make a fixture that several files import once for each of them, of whatever scope.
@functools.cache
def _base(temporary: Path) -> Path:
    root = temporary / "bundle/project"
    write_project(root)
    return root


@pytest.fixture
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project; no test may change it."""
    return _base(tmp_path_factory.getbasetemp())


@pytest.fixture
def project(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to work in, from within this process: its fingerprints are those that `dvc repro code` wrote."""
    root = tmp_path / "project"
    shutil.copytree(base, root)
    monkeypatch.chdir(root)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    texts = {file.name: file.read_text() for file in (root / "reports/code").iterdir()}
    monkeypatch.setattr(code, "contents", lambda: texts)
    monkeypatch.setattr(scale, "check", lambda: None)
    return root


@functools.cache
def _bare(temporary: Path) -> Path:
    folder = temporary / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    import numpy

    packages = Path(numpy.__file__).parents[1]
    (site,) = folder.glob("lib/python*/site-packages")
    for entry in [packages / "numpy", *packages.glob("numpy.libs"), *packages.glob("numpy-*.dist-info")]:
        (site / entry.name).symlink_to(entry)
    return folder / "bin/python"


@pytest.fixture
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has numpy, and nothing else."""
    return _bare(tmp_path_factory.getbasetemp())


@functools.cache
def _packed(base: Path) -> Path:
    out = base.parent / "job.tar"
    said = succeed(base, "python", "-m", "workflow.bundle", "pack", "train", "prepare", "-o", str(out))
    assert "tar xf job.tar && cd job && python run.py" in said
    return out


@pytest.fixture
def packed(base: Path) -> Path:
    """The bundle of `prepare` and both models, from the command line."""
    return _packed(base)


def untar(archive: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    subprocess.run(["tar", "xf", str(archive), "-C", str(folder)], check=True)
    return folder / archive.stem


def run(folder: Path, python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [python, "run.py", *arguments]
    return subprocess.run(command, cwd=folder, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=PATIENCE)


@functools.cache
def _ran(packed: Path, bare: Path) -> Path:
    folder = untar(packed, packed.parent / "there")
    done = run(folder, bare, "--jobs", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def ran(packed: Path, bare: Path) -> Path:
    """The folder in which that bundle has run."""
    return _ran(packed, bare)


def unlocked(file: Path) -> bool:
    with file.open() as lock, contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def append(folder: Path, name: str) -> None:
    with (folder / name).open("a") as file:
        file.write("#")


@pytest.fixture
def slow(project: Path, tmp_path: Path) -> Callable[..., Path]:
    """Pack with other parameters of the training, and unpack the bundle elsewhere. While the file `hold` exists, steps do not end."""

    def pack(**train: object) -> Path:
        (project / "params.yaml").write_text(yaml.safe_dump({**PARAMS, "train": {**PARAMS["train"], **train}}))
        bundle.pack(["train", "prepare", "total"], tmp_path / "slow.tar", None)
        return untar(tmp_path / "slow.tar", tmp_path)

    return pack


def refuse(archives: list[Path], sentence: str, project: Path) -> None:
    """Unpacking these is refused with a sentence that holds `sentence`, and has changed nothing."""
    before = everything(project)
    with pytest.raises(UserError) as caught:
        bundle.unpack(archives)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert everything(project) == before


def remove_source(root: Path) -> None:
    shutil.rmtree(root / "data/mini/source")


def edit_source(root: Path) -> None:
    (root / "data/mini/source/numbers.json").write_text("[1]")


def contents(archive: Path) -> dict[str, bytes]:
    """The files of an archive."""
    with tarfile.open(archive) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isreg()}


def write(archive: Path, members: dict[str, bytes], *others: tarfile.TarInfo) -> Path:
    """An archive with these files, and these other members."""
    with tarfile.open(archive, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for other in others:
            tar.addfile(other)
    return archive


def reform(members: dict[str, bytes], change: Callable[[dict], object]) -> dict[str, bytes]:
    """An archive's files with other results.json, as if run.py had written it so."""
    results = json.loads(members["results/results.json"])
    change(results)
    results["id"] = bundle_run.identify(results)
    return {**members, "results/results.json": json.dumps(results).encode()}
