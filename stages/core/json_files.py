"""What is said of stored arrays, in JSON beside them, as who uses these reads it: a file that is cut off or damaged is one sentence."""

import json
from pathlib import Path
from typing import Any

from stages.core.errors import UserError


def read(file: Path, *keys: str, stage: str = "") -> dict[str, Any]:
    """A file's object, for the stage of this name; a UserError where it is not there, damaged, or lacks one of the keys."""
    wrong = ""
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(stored, dict):
            wrong = "holds no object"
        elif absent := [key for key in keys if key not in stored]:
            wrong = f"lacks {absent[0]}"
    except FileNotFoundError:
        wrong = "is not there"
    except ValueError as error:  # of JSON, and of what is no text
        wrong = f"cannot be read ({error})"
    if wrong:
        raise UserError(f"{file} {wrong}: `{f'python -m workflow.repro {stage}'.strip()}` brings it back, or makes it again")
    return stored
