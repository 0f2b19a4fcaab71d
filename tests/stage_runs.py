"""A stage's main, run in this process on whatever lies in the current folder."""

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from stages.core import stage

CPU = {"device": "cpu", "threads": 1, "precision": "fp32"}
PARAMS = {"scale": "mini", "protocol": "miniature", "runtime": CPU, "inference": CPU}


class Here(stage.Job):
    """A stage whose outputs go straight to their places, and that may use whatever is there."""

    def dep(self, path: str) -> Path:
        assert Path(path).exists(), path
        return Path(path)

    def out(self, path: str) -> Path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(path, ignore_errors=True)  # an earlier run's
        return Path(path)


def run_main(module: ModuleType, words: str, params: dict[str, Any]) -> Here:
    """Run a stage's main with these command line words and, on top of PARAMS, parameters. Returns its job."""
    job = Here("stage", f"{module.__name__} {words}", [], [], PARAMS | params)
    parser = module.parser() if hasattr(module, "parser") else argparse.ArgumentParser()
    module.main(parser.parse_args(words.split()), job)
    return job


def make_world(folder: Path, *steps: Callable[[], object]) -> Path:
    """The folder, after the steps have been taken in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for step in steps:
            step()
    return folder
