"""The environment: one list of versions, installed once and whole; the Makefile; the rules on who may import whom."""

import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from workflow import environment

ROOT = Path(__file__).parent.parent
TORCH, PANDAS, ZIPP = (f"{name}=={environment.pins(ROOT / 'requirements.lock')[name]}" for name in ("torch", "pandas", "zipp"))

# Stands in for Python, its venv and its pip: says what it is asked to install, and installs nothing. What is asked of Python
# itself, the real one answers as if it were the version that this one is named after, without the modules in $LACKS.
PYTHON = """#!/bin/sh
here=$(dirname "$0")
version=VERSION
case "$*" in
    "-c "*) exec REAL -c "import sys
sys.version_info = (*map(int, '$version'.split('.')), 0, 'final', 0)
sys._base_executable = '$0'
sys.modules.update(dict.fromkeys('${LACKS:-}'.split()))
$2" ;;
    "-m venv "*) mkdir -p "$3/bin" "$3/lib/python$version" && touch "$3/pyvenv.cfg" && ln -s "$0" "$3/bin/python" ;;
    *" install "*"+cpu") echo "$*" >> "$LOG"; exit "${NO_CPU_BUILD:-0}" ;;
    *" install "*" -r requirements.lock") echo "$*" >> "$LOG"; [ -z "${BROKEN:-}" ] && cp requirements.lock "$here/has" ;;
    *" install "*) echo "$*" >> "$LOG" ;;
    "-m workflow.environment") cmp -s requirements.lock "$here/has" ;;
esac
"""
STAND_IN = """#!/bin/sh
echo "pyenv: ${0##*/}: command not found" >&2
exit 127
"""
# What the Makefile and setup.sh call: nothing else is in PATH, no Python above all.
TOOLS = ("sh", "make", "sed", "awk", "cksum", "rm", "mv", "cp", "ln", "mkdir", "touch", "cmp", "dirname")


class Sandbox:
    """A folder with the Makefile and the lock, and a Python 3.11 of straw in PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log, self.bin = folder / "a project", folder / "log", folder / "bin"
        for path in (self.folder / "workflow", self.bin):
            path.mkdir(parents=True)
        for name in ("Makefile", "requirements.lock", "workflow/setup.sh"):
            shutil.copy(ROOT / name, self.folder / name)
        for tool in TOOLS:
            (self.bin / tool).symlink_to(str(shutil.which(tool)))
        self.script("nvidia-smi", '#!/bin/sh\nexit "${NO_GPU:-1}"\n')
        self.python("3.11")
        self.path = str(self.bin)

    def script(self, name: str, text: str) -> None:
        (self.bin / name).parent.mkdir(exist_ok=True)
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def python(self, version: str, name: str = "") -> None:
        """Put a Python of straw into PATH, as python3.12 or under another name."""
        self.script(name or f"python{version}", PYTHON.replace("VERSION", version).replace("REAL", f"'{sys.executable}'"))

    def make(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": self.path, "LOG": str(self.log), **variables}
        return subprocess.run(["make", *arguments], cwd=self.folder, env=env, capture_output=True, text=True)

    def version(self) -> str | None:
        """That of the Python of the environment, if there is one."""
        found = list(self.folder.glob(".venv/lib/python*"))
        assert len(found) < 2
        return found[0].name.removeprefix("python") if found else None

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


@pytest.mark.parametrize(
    ("pythons", "found"),
    [
        (["3.11", "3.12", "3.13"], "3.11"),
        (["3.13", "3.12"], "3.12"),
        (["3.10", "3.13", "3.14"], "3.13"),
        (["3.12 as python3"], "3.12"),
        (["3.10 as python3", "3.13"], "3.13"),
        (["3.11 does not run", "3.12"], "3.12"),
        (["3.11 does not run", "3.11 as more/python3.11", "3.12"], "3.11"),
    ],
)
def test_a_python_that_will_do_is_found(sandbox: Sandbox, pythons: list[str], found: str) -> None:
    (sandbox.bin / "python3.11").unlink()
    for entry in pythons:
        version, _, how = entry.partition(" ")
        if how == "does not run":
            sandbox.script(f"python{version}", STAND_IN)
        else:
            sandbox.python(version, how.removeprefix("as "))
    sandbox.path += f"{os.pathsep}{sandbox.bin}/more"
    made = sandbox.make("environment")
    assert (made.returncode, made.stderr) == (0, "")
    assert sandbox.version() == found


def test_the_python_that_is_named_is_taken(sandbox: Sandbox) -> None:
    sandbox.python("3.13")
    assert sandbox.make("environment", "PYTHON=python3.13").returncode == 0
    assert sandbox.version() == "3.13"


@pytest.mark.parametrize("python", ["no-such-python", "false", "python3.10", "python3.14"])
def test_a_python_that_will_not_do_is_refused_in_one_sentence(sandbox: Sandbox, python: str) -> None:
    (sandbox.bin / "false").symlink_to(str(shutil.which("false")))
    for version in ("3.10", "3.14"):
        sandbox.python(version)
    refused(
        sandbox.make("test", f"PYTHON={python}"),
        f"error: {python} is not a Python 3.11, 3.12 or 3.13 that runs here: install one, or name yours with PYTHON=path/to/python",
    )
    assert sandbox.version() is None


def refused(made: subprocess.CompletedProcess[str], sentence: str) -> None:
    assert made.returncode != 0
    assert [line for line in made.stderr.splitlines() if not line.startswith("make")] == [sentence]


def test_where_no_python_will_do_one_sentence(sandbox: Sandbox) -> None:
    (sandbox.bin / "python3.11").unlink()
    sandbox.python("3.14", "python3")
    sentence = "error: there is no Python 3.11, 3.12 or 3.13 here: install one, or name yours with PYTHON=path/to/python"
    refused(sandbox.make("test"), sentence)
    assert sandbox.version() is None


@pytest.mark.parametrize("module", ["ensurepip", "venv"])
@pytest.mark.parametrize("named", [True, False])
def test_the_package_that_makes_environments_is_named_where_it_is_apart(sandbox: Sandbox, module: str, named: bool) -> None:
    python = "python3.11" if named else f"{sandbox.bin}/python3.11"
    refused(
        sandbox.make("environment", *["PYTHON=python3.11"] * named, LACKS=module),
        f"error: {python} has no ensurepip to make environments with: install python3.11-venv (on Debian and Ubuntu), "
        "or name yours with PYTHON=path/to/python",
    )
    assert sandbox.version() is None


def test_a_python_without_that_package_is_passed_over(sandbox: Sandbox) -> None:
    whole = PYTHON.replace("VERSION", "3.12").replace("REAL", f"'{sys.executable}'")
    sandbox.script("python3.12", whole.replace("${LACKS:-}", ""))
    assert sandbox.make("environment", LACKS="ensurepip").returncode == 0
    assert sandbox.version() == "3.12"


def test_an_environment_of_another_python_stays_unless_its_version_is_not_the_one_named(sandbox: Sandbox) -> None:
    for version in ("3.12", "3.13"):
        sandbox.python(version)
    sandbox.make("environment", "PYTHON=python3.12")
    sandbox.installed()
    for arguments in ([], ["PYTHON=python3.12"]):
        assert sandbox.make("environment", *arguments).returncode == 0
        assert (sandbox.version(), sandbox.installed()) == ("3.12", [])
    assert sandbox.make("environment", "PYTHON=python3.10").returncode != 0
    assert (sandbox.version(), sandbox.installed()) == ("3.12", [])
    assert sandbox.make("environment", "PYTHON=python3.13").returncode == 0
    assert (sandbox.version(), sandbox.installed()[-1]) == ("3.13", "-r requirements.lock")


def test_an_outdated_environment_keeps_its_version(sandbox: Sandbox) -> None:
    sandbox.python("3.13")
    sandbox.make("environment", "PYTHON=python3.13")
    sandbox.installed()
    with (sandbox.folder / "requirements.lock").open("a") as lock:
        lock.write("rich==15.0.0\n")
    assert sandbox.make("environment").returncode == 0
    assert (sandbox.version(), sandbox.installed()[-1]) == ("3.13", "-r requirements.lock")


def test_setup_finds_the_interpreter_itself() -> None:
    # The suite's own Python is that of an environment: a new one is to be made by what made that.
    script = (ROOT / "workflow/setup.sh").read_text().partition("rm -rf")[0] + 'echo "$version $python"'
    done = subprocess.run(["sh", "-c", script, "setup", "none", sys.executable], capture_output=True, text=True)
    version, _, python = done.stdout.strip().partition(" ")
    assert (version, done.stderr) == (environment.minor(platform.python_version()), "")
    said = subprocess.run([python, "-c", "import sys; print(sys.prefix, sys.base_prefix)"], capture_output=True, text=True)
    assert said.stdout.split() == [sys.base_prefix] * 2


def test_setup_and_the_project_name_the_same_versions() -> None:
    (line,) = re.findall(r'^versions="(.*?)"', (ROOT / "workflow/setup.sh").read_text(), flags=re.MULTILINE)
    assert tuple(line.split()) == environment.PYTHONS
    allowed = SpecifierSet(environment.REQUIRES_PYTHON)
    assert tuple(f"3.{i}" for i in range(30) if f"3.{i}.5" in allowed) == environment.PYTHONS
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    oldest = environment.PYTHONS[0]
    assert (settings["mypy"]["python_version"], settings["ruff"]["target-version"]) == (oldest, f"py{oldest.replace('.', '')}")


@pytest.mark.parametrize(("line", "known"), [("Seed = int", True), ("type Seed = int", False), ('x = f"{d["k"]}"', False)])
def test_lint_refuses_syntax_that_the_oldest_python_does_not_know(line: str, known: bool) -> None:
    command = [
        str(Path(sys.executable).parent / "ruff"),
        "check",
        "--no-cache",
        "--ignore",
        "ALL",
        "--stdin-filename",
        "stages/new.py",
        "-",
    ]
    checked = subprocess.run(command, cwd=ROOT, input=f"{line}\n", capture_output=True, text=True)
    assert (checked.returncode == 0) == known
    assert ("on Python 3.11" in checked.stdout) != known


def test_a_folder_that_is_no_environment_is_left_alone(sandbox: Sandbox) -> None:
    (sandbox.folder / "notes").mkdir()
    (sandbox.folder / "notes/mine.txt").touch()
    made = sandbox.make("environment", "VENV=notes")
    assert made.returncode != 0
    assert "notes exists and is no virtual environment" in made.stderr
    assert (sandbox.folder / "notes/mine.txt").exists()


def test_help_is_the_default_and_lists_every_target(sandbox: Sandbox) -> None:
    shown = sandbox.make().stdout
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert {"repro", "test", "lint", "mlflow", "gpu-job"} <= set(targets)
    assert [line.split()[1] for line in shown.splitlines()] == targets


def test_this_environment_is_the_locked_one() -> None:
    assert environment.problems(ROOT) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        ("environment.yml", "- pip\n", "- pip\n- numpy=2.3.1\n", "environment.yml must depend on ['python>=3.11,<3.14', 'pip', "),
        ("environment.yml", "- -r requirements.lock", "- numpy==2.4.6", "environment.yml must depend on"),
        ("environment.yml", "python>=3.11,<3.14", "python=3.12", "environment.yml must depend on"),
        ("pyproject.toml", ">=3.11,<3.14", ">=3.11", 'pyproject.toml must have the line requires-python = ">=3.11,<3.14"'),
        ("requirements.lock", PANDAS, "pandas==0.1", f"{PANDAS.replace('==', ' ')} is installed, and must be 0.1"),
        ("requirements.lock", PANDAS, "", "requirements.in names pandas, which requirements.lock lacks"),
        ("requirements.lock", ZIPP, "", f"{ZIPP.replace('==', ' ')} is installed, and requirements.lock lacks it"),
        ("requirements.lock", ZIPP, "zipp", "requirements.lock has no exact version of zipp"),
        ("requirements.lock", ZIPP, f"{ZIPP}\nno-such-package==1.0", "no-such-package 1.0 is not installed"),
    ],
)
def test_drift_is_seen(tmp_path: Path, file: str, old: str, new: str, sentence: str) -> None:
    for name in ("environment.yml", "pyproject.toml", "requirements.lock", "requirements.in"):
        shutil.copy(ROOT / name, tmp_path)
    text = (tmp_path / file).read_text()
    assert text.count(old) == 1
    (tmp_path / file).write_text(text.replace(old, new))
    assert any(problem.startswith(sentence) for problem in environment.problems(tmp_path))


@pytest.mark.parametrize(
    ("version", "sentences"),
    [
        ("3.10.14", ["Python 3.10 runs this, and must be 3.11, 3.12 or 3.13"]),
        ("3.11.7", []),
        ("3.12.1", []),
        ("3.13.0", []),
        ("3.14.0", ["Python 3.14 runs this, and must be 3.11, 3.12 or 3.13"]),
    ],
)
def test_drift_of_python_is_seen(version: str, sentences: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "python_version", lambda: version)
    assert environment.problems(ROOT) == sentences


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
        ("stages.core.errors", "from stages.datasets import cifar10", "The"),
        ("stages.core.loop", "import stages.metrics.ranking", "The"),
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
    said = " ".join(checked.stdout.split())  # contracts' names are broken into lines
    assert re.findall(r"(Stages|The) [a-z ]+ BROKEN", said) == ([broken] if broken else [])
