"""Fixtures that several tests share: a tiny project, in a folder of its own, with one stage to be written by the test."""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from stages.core.fingerprint import syntax_hash
from workflow.audit import rerun

# For whatever does not set it: on networks as small as the tests', threads only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell's background jobs ignore it, and what they start inherits that: programs under test would, too.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and nohup that
# No test depends on how fast the machine is: what may take long on a slow one only guards against waiting for ever.
PATIENCE = 600
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
REPOSITORY = Path(__file__).parent.parent
STAGE = """\
import argparse
{imports}
from stages.core import stage


def main(args, job):
{body}


if __name__ == "__main__":
    stage.execute(argparse.ArgumentParser(), main)
"""


@pytest.hookimpl(optionalhook=True)  # pytest-xdist's
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With several workers, what is made once for several tests is made by one of them: all these tests go to it together.

    By the text of their files, for the process that hands out tests does not collect them. (Marks of groups have no effect: pytest-xdist
    3.8 writes them into an attribute that pytest 9.2 does not have any more.)
    """
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid.partition("::")[0]) or nodeid

    return Together(config, log) if config.getvalue("dist") == "loadgroup" else None


@functools.cache
def group(file: str) -> str | None:
    """The group of a file's tests: they share the finished run, the project of bundles, or a fixture of their file.

    None: each goes by itself.
    """
    text = (REPOSITORY / file).read_text()
    if "(finished: Path" in text:
        return "finished"
    if "from bundle_project import" in text:
        return "bundle"
    return file if 'fixture(scope="module")' in text else None


def wait_for(condition: Callable[[], object], running: subprocess.Popen | None = None) -> None:
    """Wait until the condition holds; fail if the process has ended before."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert running is None or running.poll() is None, "it has ended"
        assert time.monotonic() < end
        time.sleep(0.05)


@dataclass
class Toy:
    """A project with our `stages.core` and the stage `toy`; each run is a process of its own, for an audit hook stays for good."""

    root: Path
    outs: list[str] = field(default_factory=list)

    def write(
        self,
        body: str,
        *,
        imports: str = "",
        deps: Iterable[str] = (),
        outs: Iterable[str] = ("out/a.txt",),
        params: dict[str, Any] | None = None,
    ) -> None:
        """Write the stage with `body` as its main, declare it, and fingerprint all modules of the project."""
        self.outs = list(outs)
        (self.root / "stages/toy.py").write_text(STAGE.format(imports=imports, body=indent(dedent(body).strip("\n"), "    ")))
        self.fingerprint()
        declared = {"name": "toy", "deps": ["reports/code/toy.json", *deps], "outs": self.outs, "params": params or {}}
        self.file("data/graph.json", json.dumps({"made_from": {}, "stages": {"python -m stages.toy": declared}}))

    def fingerprint(self, *left_out: str) -> None:
        """Fingerprint all modules but those left out."""
        modules = {}
        for file in (self.root / "stages").rglob("*.py"):
            name = ".".join(file.relative_to(self.root).with_suffix("").parts).removesuffix(".__init__")
            modules[name] = syntax_hash(file.read_text())
        self.file("reports/code/toy.json", json.dumps({name: found for name, found in modules.items() if name not in left_out}))

    def file(self, path: str, text: str = "") -> Path:
        """Write a file of the project."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "stages.toy"]
        return subprocess.Popen(command, cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "stages.toy"], cwd=self.root, capture_output=True, text=True, timeout=PATIENCE)

    def succeed(self) -> None:
        done = self.run()
        assert done.returncode == 0, done.stderr

    def fail(self) -> str:
        """The one sentence that the stage fails with, once it is clear that it left nothing that looks finished."""
        done = self.run()
        assert (done.returncode, done.stderr.count("\n"), done.stderr[:7]) == (1, 1, "error: "), done.stderr
        assert not [out for out in self.outs if (self.root / out).exists()]
        assert self.leftovers() == []
        return done.stderr

    def leftovers(self) -> list[str]:
        return [path.name for path in self.root.rglob("*.partial*")]


SMALLEST = """
+only=ch2_fusion ch2_fusion.sets.plain=[cifar10] ch2_fusion.sets.augmented=[] ch2_fusion.models.plain=[cfn-a]
data.sets=[cifar10]
ch2_fusion.figures.activations=[cfn-a] ch2_fusion.figures.weights=cfn-a
ch2_fusion.training.iterations=2 ch2_fusion.training.batch_size=20 ch2_fusion.training.learning_rate_steps=[1]
ch2_fusion.training.log_every=1 ch2_fusion.training.test_every=1 ch2_fusion.training.checkpoint_every=1
"""


def record_of(root: Path, stage: str) -> Path:
    """The one run record that a stage has left in a project."""
    (file,) = (root / "data/runs" / stage).glob("*.json")
    return file


def run_in(folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command of this environment in a clone, with a site cache of its own."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    place = {"PATH": path, "DVC_SITE_CACHE_DIR": str(folder.parent / "site"), "DVC_NO_ANALYTICS": "1", **variables}
    return subprocess.run(command, cwd=folder, env={**os.environ, **place}, capture_output=True, text=True, timeout=PATIENCE)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this project, run whole with one network and two steps, and committed. Tests that change it copy it."""
    clone = tmp_path_factory.mktemp("finished") / "clone"
    rerun.clone_here(clone)
    commit = ["git", "-c", "user.name=n", "-c", "user.email=e", "commit", "--quiet", "-m", "a small run"]
    for command in (["python", "-m", "workflow.scale", "mini", *SMALLEST.split()], ["dvc", "repro"], ["git", "add", "-A"], commit):
        done = run_in(clone, *command)
        assert done.returncode == 0, done.stdout + done.stderr
    return clone


@pytest.fixture
def dvc_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty DVC project, which is the working directory."""
    from dvc.repo import Repo

    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Repo.init(no_scm=True)
    return folder


@pytest.fixture
def here(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that a file's own fixture `world` has made, which is the working directory."""
    monkeypatch.chdir(world)
    return world


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """An empty project; `toy.write` gives it its stage."""
    root = tmp_path / "project"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "stages/core", root / "stages/core", ignore=ignore)
    shutil.copy(REPOSITORY / "stages/__init__.py", root / "stages")
    return Toy(root)
