"""The environment: one list of versions, installed once and whole; the Makefile; the rules on who may import whom."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from workflow import environment

ROOT = Path(__file__).parent.parent
TORCH, PANDAS, ZIPP = (f"{name}=={environment.pins(ROOT / 'requirements.lock')[name]}" for name in ("torch", "pandas", "zipp"))

# Stands in for Python, its venv and its pip: says what it is asked to install, and installs nothing.
PYTHON = """#!/bin/sh
here=$(dirname "$0")
case "$*" in
    -c*) echo "$0" ;;
    "-m venv "*) mkdir -p "$3/bin" && touch "$3/pyvenv.cfg" && cp "$0" "$3/bin/python" ;;
    *" install "*"+cpu") echo "$*" >> "$LOG"; exit "${NO_CPU_BUILD:-0}" ;;
    *" install "*" -r requirements.lock") echo "$*" >> "$LOG"; [ -z "${BROKEN:-}" ] && cp requirements.lock "$here/has" ;;
    *" install "*) echo "$*" >> "$LOG" ;;
    "-m workflow.environment") cmp -s requirements.lock "$here/has" ;;
esac
"""


class Sandbox:
    """A folder with the Makefile, the lock and a Python of straw."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder / "a project", folder / "log"
        bin_ = folder / "bin"
        for path in (self.folder / "workflow", bin_):
            path.mkdir(parents=True)
        for name in ("Makefile", "requirements.lock", "workflow/setup.sh"):
            shutil.copy(ROOT / name, self.folder / name)
        for name, text in {"python3.11": PYTHON, "nvidia-smi": '#!/bin/sh\nexit "${NO_GPU:-1}"\n'}.items():
            (bin_ / name).write_text(text)
            (bin_ / name).chmod(0o755)
        self.path = f"{bin_}{os.pathsep}{os.environ['PATH']}"

    def make(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": self.path, "LOG": str(self.log), **variables}
        return subprocess.run(["make", *arguments], cwd=self.folder, env=env, capture_output=True, text=True)

    def installed(self) -> list[str]:
        """What pip was asked to install since the last time this was asked."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return [line.partition(" install ")[2].removeprefix("--quiet ") for line in lines]


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


def test_first_call_installs_and_second_does_not(sandbox: Sandbox) -> None:
    assert sandbox.make("environment").returncode == 0
    assert sandbox.installed() == [f"{TORCH}+cpu", "-r requirements.lock"]
    (sandbox.folder / "requirements.lock").touch()
    assert sandbox.make("environment").returncode == 0
    assert sandbox.installed() == []
    assert "setup.sh" not in sandbox.make("-n", "repro", "test").stdout


def test_changed_lock_installs_afresh(sandbox: Sandbox) -> None:
    sandbox.make("environment")
    sandbox.installed()
    (sandbox.folder / ".venv/leftover").touch()
    with (sandbox.folder / "requirements.lock").open("a") as lock:
        lock.write("rich==15.0.0\n")
    assert "setup.sh" in sandbox.make("-n", "repro").stdout
    assert sandbox.make("environment").returncode == 0
    assert sandbox.installed()[-1] == "-r requirements.lock"
    assert not (sandbox.folder / ".venv/leftover").exists()


def test_failed_installation_does_not_look_finished(sandbox: Sandbox) -> None:
    assert sandbox.make("environment", BROKEN="1").returncode != 0
    sandbox.installed()
    assert sandbox.make("environment").returncode == 0
    assert sandbox.installed()[-1] == "-r requirements.lock"


def test_complete_environment_without_a_stamp_is_kept(sandbox: Sandbox) -> None:
    sandbox.make("environment")
    for stamp in (sandbox.folder / ".venv").glob("installed-*"):
        stamp.unlink()
    sandbox.installed()
    assert sandbox.make("environment").returncode == 0
    assert sandbox.installed() == []


@pytest.mark.parametrize(
    ("machine", "asked"),
    [
        ({"NO_GPU": "0"}, [TORCH]),
        ({"NO_GPU": "9"}, [f"{TORCH}+cpu"]),
        ({"NO_GPU": "9", "NO_CPU_BUILD": "1"}, [f"{TORCH}+cpu", TORCH]),
    ],
)
def test_torch_comes_first_and_in_the_build_for_this_machine(sandbox: Sandbox, machine: dict[str, str], asked: list[str]) -> None:
    assert sandbox.make("environment", **machine).returncode == 0
    assert sandbox.installed() == [*asked, "-r requirements.lock"]


@pytest.mark.parametrize("python", ["no-such-python", "false"])
def test_without_python_3_11_one_sentence(sandbox: Sandbox, python: str) -> None:
    made = sandbox.make("test", f"PYTHON={python}")
    assert made.returncode != 0
    assert f"error: {python} is not a Python 3.11 that runs here: install Python 3.11" in made.stderr
    assert not (sandbox.folder / ".venv").exists()


def test_version_check_of_the_real_interpreter(sandbox: Sandbox) -> None:
    # The suite runs on 3.11: its interpreter passes, and fails where the script asks for another version.
    script = (sandbox.folder / "workflow/setup.sh").read_text()
    run = ["sh", "-c", script.partition("rm -rf")[0] + 'echo "$python"', "setup", sys.executable, "none"]
    good = subprocess.run(run, capture_output=True, text=True)
    assert Path(good.stdout.strip()) == Path(sys.executable).resolve()
    run[2] = run[2].replace("(3, 11)", "(3, 12)")
    bad = subprocess.run(run, capture_output=True, text=True)
    assert bad.returncode == 1
    assert bad.stderr.startswith("error: ")


def test_a_folder_that_is_no_environment_is_left_alone(sandbox: Sandbox) -> None:
    (sandbox.folder / "notes").mkdir()
    (sandbox.folder / "notes/mine.txt").touch()
    made = sandbox.make("environment", "VENV=notes")
    assert made.returncode != 0
    assert "notes exists and is no virtual environment" in made.stderr
    assert (sandbox.folder / "notes/mine.txt").exists()


def test_help_is_the_default_and_lists_every_target(sandbox: Sandbox) -> None:
    shown = sandbox.make().stdout
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert {"repro", "test", "lint", "mlflow"} <= set(targets)
    assert [line.split()[1] for line in shown.splitlines()] == targets


def test_this_environment_is_the_locked_one() -> None:
    assert environment.problems(ROOT) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        ("environment.yml", "- pip\n", "- pip\n- numpy=2.3.1\n", "environment.yml must depend on ['python=3.11', 'pip', "),
        ("environment.yml", "- -r requirements.lock", "- numpy==2.4.6", "environment.yml must depend on"),
        ("environment.yml", "python=3.11", "python=3.12", "environment.yml must depend on"),
        ("requirements.lock", PANDAS, "pandas==0.1", f"{PANDAS.replace('==', ' ')} is installed, and must be 0.1"),
        ("requirements.lock", PANDAS, "", "requirements.in names pandas, which requirements.lock lacks"),
        ("requirements.lock", ZIPP, "", f"{ZIPP.replace('==', ' ')} is installed, and requirements.lock lacks it"),
        ("requirements.lock", ZIPP, "zipp", "requirements.lock has no exact version of zipp"),
        ("requirements.lock", ZIPP, f"{ZIPP}\nno-such-package==1.0", "no-such-package 1.0 is not installed"),
    ],
)
def test_drift_is_seen(tmp_path: Path, file: str, old: str, new: str, sentence: str) -> None:
    for name in ("environment.yml", "requirements.lock", "requirements.in"):
        shutil.copy(ROOT / name, tmp_path)
    text = (tmp_path / file).read_text()
    assert text.count(old) == 1
    (tmp_path / file).write_text(text.replace(old, new))
    assert any(problem.startswith(sentence) for problem in environment.problems(tmp_path))


def test_drift_of_python_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "PYTHON", "3.12")
    assert environment.problems(ROOT) == ["python 3.11 is installed, and must be 3.12"]


def test_interrupted_installation_of_a_package_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "half-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: half\nVersion: 1.0+cpu\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "half" not in environment.installed()
    (package / "RECORD").touch()
    assert environment.installed()["half"] == "1.0"


def test_written_lock_is_the_committed_one(tmp_path: Path) -> None:
    environment.write(tmp_path / "lock")
    assert (tmp_path / "lock").read_text() == (ROOT / "requirements.lock").read_text()


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("stages.ch2_fusion.data", "import stages.core.errors, stages.tables", None),
        ("stages.core.errors", "import stages.ch2_fusion.data", "Chapters"),
        ("stages.tables.render", "from stages.ch2_fusion import data", "Chapters"),
        ("stages.newcomer", "", "Chapters"),
        ("stages.ch2_fusion.data", "def late():\n    import workflow.scale", "Stages"),
        ("stages.core.errors", "from pydantic import BaseModel", "Stages"),
    ],
)
def test_import_rules_bite(tmp_path: Path, module: str, line: str, broken: str | None) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    names = {".".join(file.relative_to(ROOT).with_suffix("").parts) for file in (ROOT / "stages").rglob("*.py")}
    for name in names | {"workflow.__init__", "workflow.scale", module}:
        file = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(line if name == module else "")
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-logo", "--no-cache"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert checked.returncode == (1 if broken else 0), checked.stdout
    found = [said for said in checked.stdout.splitlines() if said.endswith("BROKEN")]
    assert [said.split()[0] for said in found] == ([broken] if broken else [])
