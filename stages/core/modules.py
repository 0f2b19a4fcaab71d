"""Modules that a stage takes by name, so that a new one is in the code of no stage but those that name it."""

import importlib
import importlib.util
from typing import Any

from stages.core.errors import UserError


def named_module(package: str, name: str, what: str) -> Any:
    """The module `name` of the package `stages.<package>`, imported; a UserError where there is none. what : it is of, in words.

    Whoever calls it declares the fingerprint reports/code/<package>.<name>.json among its deps: no import shows what is imported here.
    """
    full = f"stages.{package}.{name}"
    if not name.isidentifier() or importlib.util.find_spec(full) is None:
        raise UserError(f"there is no {what} {name}: it would be {full.replace('.', '/')}.py")
    return importlib.import_module(full)
