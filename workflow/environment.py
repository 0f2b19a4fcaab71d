"""Is this environment the one that requirements.lock describes, and do the other files describe the same?

    python -m workflow.environment            # one sentence for each difference, and status 1 if there is any
    python -m workflow.environment --write    # requirements.lock becomes what is installed

A lock holds public versions: torch 2.13.0 stands for its CPU and its GPU builds alike, and what a GPU build brings
along (CUDA's libraries, Triton) is left out.
"""

import argparse
import importlib.metadata
import platform
import re
import sys
from pathlib import Path

import yaml

from stages.core.command import exit_on_error
from stages.core.files import replacing

PYTHONS = ("3.11", "3.12", "3.13")
"""The versions of Python on which the lock installs and results are the same bytes."""
REQUIRES_PYTHON = ">=3.11,<3.14"
LOCK = "requirements.lock"
DIRECT = "requirements.in"
PROJECT = "pyproject.toml"
CONDA = "environment.yml"
CONDA_DEPENDENCIES = [f"python{REQUIRES_PYTHON}", "pip", {"pip": [f"-r {LOCK}"]}]
NOT_LOCKED = re.compile(r"(pip|wheel|triton|(nvidia|cuda)-.*)$")


def normal(name: str) -> str:
    """A package's name as names are compared: lower case, with hyphens."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file: Path) -> dict[str, str]:
    """The versions that a requirements file pins, by normal name without extras; an entry without an exact version has ''."""
    entries = [line.partition("#")[0].strip() for line in file.read_text().splitlines()]
    pairs = [entry.partition("==") for entry in entries if entry]
    return {normal(name.partition("[")[0]): version for name, _, version in pairs}


def installed() -> dict[str, str]:
    """The public versions of what is installed here, by the name that its author spells; nothing half-installed."""
    found = {}
    for package in importlib.metadata.distributions():
        name = package.metadata["Name"]
        # pip writes RECORD last: without it, an installation was interrupted.
        if name and not NOT_LOCKED.match(normal(name)) and package.read_text("RECORD") is not None:
            found[name] = package.version.partition("+")[0]
    return found


def problems(root: Path = Path()) -> list[str]:
    """What is wrong with the four files in `root`, and with this environment by their lock."""
    lock = pins(root / LOCK)
    sentences = [f"{LOCK} has no exact version of {name}" for name, version in lock.items() if not version]
    direct = pins(root / DIRECT)
    sentences += [f"{DIRECT} names {name}, which {LOCK} lacks: run `make lock`" for name in direct if name not in lock]
    if yaml.safe_load((root / CONDA).read_text())["dependencies"] != CONDA_DEPENDENCIES:
        sentences.append(f"{CONDA} must depend on {CONDA_DEPENDENCIES} and no more: versions belong into {LOCK}")
    if f'requires-python = "{REQUIRES_PYTHON}"' not in (root / PROJECT).read_text().splitlines():
        sentences.append(f'{PROJECT} must have the line requires-python = "{REQUIRES_PYTHON}"')
    return sentences + differences(lock)


def differences(lock: dict[str, str]) -> list[str]:
    """One sentence for each package that is installed here otherwise than locked, and one for a Python that is none of ours."""
    here = {normal(name): version for name, version in installed().items()}
    sentences = []
    for name in sorted(here.keys() | lock.keys()):
        if name not in here:
            sentences.append(f"{name} {lock[name]} is not installed")
        elif name not in lock:
            sentences.append(f"{name} {here[name]} is installed, and {LOCK} lacks it")
        elif here[name] != lock[name]:
            sentences.append(f"{name} {here[name]} is installed, and must be {lock[name]}")
    python = minor(platform.python_version())
    if python not in PYTHONS:
        sentences.append(f"Python {python} runs this, and must be {', '.join(PYTHONS[:-1])} or {PYTHONS[-1]}")
    return sentences


def minor(version: str) -> str:
    """3.11 of 3.11.7."""
    return ".".join(version.split(".")[:2])


def write(file: Path) -> None:
    """Make `file` a lock of what is installed."""
    packages = sorted(installed().items(), key=lambda item: item[0].lower())
    lines = [f"{name}=={version}\n" for name, version in packages]
    with replacing(file) as aside:
        aside.write_text("".join(["# Every package with its exact version. Made by `make lock`.\n", *lines]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {LOCK} from what is installed")
    if parser.parse_args().write:
        with exit_on_error():
            write(Path(LOCK))
    found = problems()
    if found:
        sys.exit("\n".join(f"error: {sentence}" for sentence in found))


if __name__ == "__main__":
    main()
