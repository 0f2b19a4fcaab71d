"""The parameters of a scale, composed from workflow/scales once a process."""

import functools
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

from conftest import REPOSITORY
from dvc.utils.hydra import compose_and_dump
from dvc.utils.serialize import load_yaml


def params(scale: str = "mini", **changes: Any) -> dict[str, Any]:
    """All parameters of the scale, with `changes` merged in: params(ch3_edges={"training": {"alpha": 1}})."""
    return _merged(deepcopy(_composed(scale)), changes)


@functools.cache
def _composed(scale: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "params.yaml"
        compose_and_dump(file, str(REPOSITORY / "workflow/scales"), None, "config", "", [f"scale={scale}"])
        return load_yaml(file)


def _merged(below: Any, above: Any) -> Any:
    """Mappings are merged, anything else is replaced."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return {key: _merged(below.get(key), above[key]) if key in above else below[key] for key in below | above}
