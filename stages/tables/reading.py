"""Mappings of a YAML file as frozen dataclasses; what is wrong with one is a sentence that names file, entry and key.

A field's type says what its key may hold: str (never empty), int, float, tuple[X, ...] (a list of at least one),
dict[str, X], another dataclass; Annotated[X, Bound(...)] narrows it. A field with a default may be left out; one that
is `derived` is no key. A Family has several kinds of entries, of which each entry names one.
"""

import dataclasses
import types
from abc import ABC
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from stages.core.errors import UserError

DERIVED = {"derived": True}  # metadata of a field that no file has


@dataclass(frozen=True)
class Bound:
    """What a value must be, as a test and as the end of a sentence: "it must be a number above 0"."""

    holds: Callable[[Any], bool]
    words: str


Positive = Annotated[float, Bound(lambda value: 0 < value < float("inf"), "a number above 0")]
Share = Annotated[float, Bound(lambda value: 0 < value < 1, "a share such as 0.06")]


class Entry:
    """What a file has as a mapping; subclasses are frozen dataclasses."""

    def fault(self) -> str:
        """What is wrong that no key shows alone, as a sentence without its end; empty if nothing is."""
        return ""


class Family(Entry, ABC):
    """Kinds of entries that one key tells apart.

    The base says which key, `class Column(Family, tag="source")`, a kind what stands there,
    `class Layers(Column, kind="layers")`: defining the class is all that makes it known.
    """

    tag: ClassVar[str]
    kind: ClassVar[str]
    kinds: ClassVar[dict[str, type]]

    def __init_subclass__(cls, *, tag: str = "", kind: str = "") -> None:
        super().__init_subclass__()
        if tag:
            cls.tag, cls.kinds = tag, {}
        if kind:
            cls.kind, cls.kinds[kind] = kind, cls


Of = TypeVar("Of", bound=Entry)


def read(what: type[Of], entry: Any, where: str) -> Of:
    """The entry as an instance of `what`, or of the kind of that family which it names.

    Raises UserError, which begins with `where`.
    """
    if not isinstance(entry, dict):
        raise UserError(f"{where}: must be a mapping with the keys {', '.join(_all_keys(what, required_only=True))}.")
    where = named(entry, where)
    kind = chosen(what, entry, where) if issubclass(what, Family) else what
    refuse_unknown(entry, _all_keys(kind), where)
    return complete(kind, converted(kind, entry, where), where)


def named(entry: dict[str, Any], where: str) -> str:
    """`where` with the entry's own id, if it has one."""
    return f"{where} ({entry['id']})" if isinstance(entry.get("id"), str) else where


def chosen(family: type[Of], entry: dict[str, Any], where: str) -> type[Of]:
    """The kind of a family that an entry names."""
    assert issubclass(family, Family)
    if family.tag not in entry:
        raise UserError(f"{where}: key {family.tag!r} is missing.")
    if entry[family.tag] not in list(family.kinds):
        raise UserError(f"{where}: {family.tag} is {entry[family.tag]!r}; it must be one of {', '.join(family.kinds)}.")
    return family.kinds[entry[family.tag]]


def keys(what: type[Entry]) -> dict[str, Any]:
    """The keys that a dataclass is read from, with their types."""
    hints = get_type_hints(what, include_extras=True)
    return {field.name: hints[field.name] for field in _fields(what) if not field.metadata.get("derived")}


def refuse_unknown(entry: dict[str, Any], known: Iterable[str], where: str) -> None:
    """Raise UserError for a key that is not `known`, most likely a misspelt one."""
    known = list(known)
    for key in entry:
        if key not in known:
            raise UserError(f"{where}: unknown key {key!r}; the keys are {', '.join(known)}.")


def converted(what: type[Entry], entry: dict[str, Any], where: str) -> dict[str, Any]:
    """The values under those keys of `what` that an entry has, checked."""
    return {key: _value(entry[key], hint, where, key) for key, hint in keys(what).items() if key in entry}


def complete(what: type[Of], values: dict[str, Any], where: str) -> Of:
    """An instance of these values. Raises UserError where one is missing, or where together they are wrong."""
    for field in _fields(what):
        if field.name not in values and _is_required(field):
            raise UserError(f"{where}: key {field.name!r} is missing.")
    made = what(**values)
    if fault := made.fault():
        raise UserError(f"{where}: {fault}.")
    return made


def items(entry: dict[str, Any], key: str, where: str) -> list[Any]:
    """The list under `key`, of at least one entry."""
    value = entry[key]
    if not isinstance(value, list) or not value:
        raise UserError(f"{where}: {key} must be a list with at least one entry.")
    return value


def read_yaml(file: Path) -> Any:
    """A YAML file's content; a key given twice is refused, since the first of the two would be lost silently."""
    try:
        return yaml.load(file.read_text(encoding="utf-8"), Loader=_Strict)
    except FileNotFoundError:
        raise UserError(f"{file}: no such file.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: not valid YAML: {' '.join(str(error).split())}.") from None


class _Strict(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            key = repr(self.construct_object(key_node, deep=True))
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _fields(what: type[Entry]) -> tuple[dataclasses.Field, ...]:
    return dataclasses.fields(what)  # type: ignore[arg-type]  # entries are dataclasses


def _is_required(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _all_keys(what: type[Entry], *, required_only: bool = False) -> list[str]:
    """The keys of an entry, the one that names its kind among them."""
    tag = [what.tag] if issubclass(what, Family) else []
    left_out = {field.name for field in _fields(what) if required_only and not _is_required(field)}
    return [*tag, *(key for key in keys(what) if key not in left_out)]


def _value(value: Any, hint: Any, where: str, key: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        number, bound = arguments
        return _bounded(value, number, bound, where, key)
    if origin in (types.UnionType, Union):  # X | None: a key that is given has an X
        return _value(value, arguments[0], where, key)
    if origin is tuple:
        numbered = enumerate(items({key: value}, key, where), 1)
        return tuple(_value(one, arguments[0], where, f"{key.removesuffix('s')} {number}") for number, one in numbered)
    if origin is dict:
        if not isinstance(value, dict):
            raise UserError(f"{where}: {key} must be a mapping.")
        return {name: _value(one, arguments[1], f"{where}: {key}", name) for name, one in value.items()}
    if issubclass(hint, Entry):
        return read(hint, value, f"{where}: {key}")
    if hint is str and (not isinstance(value, str) or not value):
        raise UserError(f"{where}: {key} is {value!r}; it must be a non-empty string (quote numbers).")
    if hint is not str:
        return _bounded(value, hint, Bound(lambda _: True, "a number"), where, key)
    return value


def _bounded(value: Any, number: type, bound: Bound, where: str, key: str) -> Any:
    """A number within a bound; bool, which Python counts among the numbers, is none."""
    if type(value) not in ((int,) if number is int else (int, float)) or not bound.holds(value):
        raise UserError(f"{where}: {key} is {value!r}; it must be {bound.words}.")
    return number(value)
