"""A throw-away clone of the committed project to measure in."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


@contextlib.contextmanager
def clone() -> Iterator[Path]:
    """A fresh clone of HEAD in a temporary folder, removed afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "-q", str(ROOT), folder], check=True)
        yield Path(folder)


def run(command: str, folder: Path) -> None:
    """Run a shell command in `folder` with this interpreter's environment; its output is shown only if it fails."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(command, shell=True, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: `{command}` failed:\n{done.stdout}{done.stderr}")
