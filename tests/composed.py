"""The parameters of a scale, composed from workflow/scales once a process."""

import functools
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

from conftest import REPOSITORY
from dvc.utils.hydra import compose_and_dump
from dvc.utils.serialize import load_yaml

from stages.core.settings import Chapter
from workflow import params as checks


def params(scale: str = "mini", *overrides: str, **changes: Any) -> dict[str, Any]:
    """All parameters of the scale by Hydra, `changes` merged in afterwards: params(ch3_edges={"training": {"alpha": 1}})."""
    return _merged(deepcopy(_composed(scale, *overrides)), changes)


@functools.cache
def _composed(scale: str, *overrides: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "params.yaml"
        compose_and_dump(file, str(REPOSITORY / "workflow/scales"), None, "config", "", [f"scale={scale}", *overrides])
        return load_yaml(file)


def _merged(below: Any, above: Any) -> Any:
    """Mappings are merged, anything else is replaced."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return {key: _merged(below.get(key), above[key]) if key in above else below[key] for key in below | above}


def problems(chapter: str, changes: dict[str, Any], scale: str = "mini") -> list[str]:
    """What is wrong with the chapter's section of the scale, changed: by its class and, where the protocol is full, the thesis."""
    values = params(scale, **{chapter: changes})
    read, wrong = checks.read_as(checks.chapters()[chapter], values[chapter], chapter)
    return wrong or list(checks.not_the_thesis(chapter, read, values[chapter]) if values["protocol"] == "full" else ())


def section(chapter: str, changes: dict[str, Any], scale: str = "mini") -> Chapter:
    """The chapter's section of the scale, changed, as its class."""
    read, wrong = checks.read_as(checks.chapters()[chapter], params(scale, **{chapter: changes})[chapter], chapter)
    assert wrong == []
    return read
