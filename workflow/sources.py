"""The entries of workflow/sources.yaml: what each may hold, whether it holds together, which modules it names.

Nothing of ours is imported here but what says how an archive is fetched: readers, networks and writers are read
as text, so that a check takes no second.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from stages.core.errors import UserError
from workflow.lock import load_yaml

SOURCES = Path("workflow/sources.yaml")
FETCH = "stages.datasets.fetch"


@dataclass(frozen=True)
class Kind:
    """What an entry of a kind has: a module <name> in stages/<package>, which offers these names."""

    package: str
    offers: tuple[str, ...]


KINDS = {
    "arrays": Kind("datasets", ("read",)),
    "archived": Kind("datasets", ("read_classes", "train_pictures", "val_pictures")),
    "classified": Kind("datasets", ("read",)),
    "retrieval": Kind("datasets", ("read",)),
    "edges": Kind("datasets", ("list_split", "read_truth")),
    "regions": Kind("datasets", ("list_split", "read_truth")),
    "segmented": Kind("datasets", ("CLASSES", "train_examples", "val_examples", "read_labels", "read_pair", "palette")),
    "encoder": Kind("encoders", ("ENCODER",)),
    "vgg16": Kind("encoders", ("WEIGHTS",)),
    "captioned": Kind("datasets", ("read",)),
    "words": Kind("datasets", ("read",)),
    "translated": Kind("datasets", ("PAIRED", "pairs", "read")),
    "labelled": Kind("datasets", ("PAIRED", "pairs", "read", "CLASSES", "PALETTE", "read_labels")),
    "people": Kind("datasets", ("photos", "true_swaps", "flat", "attributes")),
}
OWN = ("kind", "miniature", "stands_in_for")  # keys that are not for fetching

# What a writer's annotation admits, by the annotation's text.
VALUES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "int": ("a whole number, 0 or more", lambda value: type(value) is int and value >= 0),
    "list[int]": (
        "a list of whole numbers, each above 0",
        lambda value: isinstance(value, list) and all(type(one) is int and one > 0 for one in value),
    ),
}
# What a key for fetching admits, by its type.
FETCHED: dict[Any, tuple[str, Callable[[Any], bool]]] = {
    str: ("a text", lambda value: isinstance(value, str) and value != ""),
    str | None: ("a text (quote digits), or null", lambda value: value is None or (isinstance(value, str) and value != "")),
    int | None: ("a number of bytes, or null", lambda value: value is None or (type(value) is int and value > 0)),
    dict[str, str]: ("a mapping of names to texts", lambda value: _maps(value, str)),
    dict[str, str | None]: ("a mapping of names to md5 sums (quote digits), or null", lambda value: _maps(value, str, type(None))),
}


def load(path: Path = SOURCES) -> dict[str, dict[str, Any]]:
    """The entries by name, as they are: see `problems`. A UserError where the file is missing, or holds none."""
    try:
        entries = load_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"there is no {path}: restore it") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise UserError(f"{path} holds no entries with keys: restore it")
    return entries


def problems(entries: dict[str, dict[str, Any]]) -> list[str]:
    """One sentence for each key or value of the entries that is wrong; none if all are right."""
    return [f"{SOURCES}: {name}{problem}" for name, entry in entries.items() for problem in _of_entry(name, entry, entries)]


def unusable(entries: dict[str, dict[str, Any]], sets: list[str], origin: str) -> list[str]:
    """One sentence for each of `sets` that cannot be had from `origin`, official or generated."""
    absent = [f"{SOURCES} has no {name}, which data.sets names: add it, or take it from there" for name in sets if name not in entries]
    key, to_add = ("miniature", "a writer") if origin == "generated" else ("archives", "some")
    return absent + [
        f"{SOURCES}: {name} has no {key}, so data.origin cannot be {origin}: give it {to_add}, or take {name} from data.sets"
        for name in sets
        if name in entries and not entries[name].get(key)
    ]


def part(entry: dict[str, Any], origin: str) -> dict[str, Any]:
    """Of an entry what a set of this origin follows from: so neither reruns where the other changes."""
    if origin == "generated":
        return {key: value for key, value in entry.items() if key == "miniature"}
    return {key: value for key, value in entry.items() if key not in ("kind", "miniature")}


def modules(name: str, entry: dict[str, Any]) -> dict[str, str]:
    """The modules that stages take by this entry's name, by the stem of their fingerprint's file in reports/code.

    official.<name> fetches it and generated.<name> draws its miniature, for the stage `download`; datasets.<name>
    reads it, or encoders.<name> is its network.
    """
    taken = {f"official.{name}": FETCH}
    if writer := _writer(entry):
        taken[f"generated.{name}"] = f"stages.miniatures.{writer[0]}"
    if kind := KINDS.get(str(entry.get("kind"))):
        taken[f"{kind.package}.{name}"] = f"stages.{kind.package}.{name}"
    return taken


def _of_entry(name: str, entry: dict[str, Any], entries: dict[str, dict[str, Any]]) -> Iterator[str]:
    from stages.datasets.fetch import Archive, Source  # here, for a project without data sets has no such module

    if not re.fullmatch(r"[a-z][a-z0-9_]*", str(name)):
        yield " is no name of a module: it should have small letters, digits and _, and begin with a letter"
        return
    yield from _keys(entry, Source, OWN, ("kind",))
    archives = entry.get("archives")
    listed = isinstance(archives, list) and all(isinstance(archive, dict) for archive in archives)
    if "archives" in entry and not (listed and (archives or "miniature" in entry)):
        yield ".archives is no list of archives, of which only what has a miniature may have none"
        archives = []
    for number, archive in enumerate(archives or []):
        yield from (f".archives[{number}]{problem}" for problem in _keys(archive, Archive))
    if "kind" in entry:
        yield from _kind(name, entry["kind"])
    if "stands_in_for" in entry and entry["stands_in_for"] not in [other for other in entries if other != name]:
        yield f".stands_in_for is {entry['stands_in_for']}, which is no other entry"
    if "miniature" in entry:
        yield from (f".miniature{problem}" for problem in _miniature(entry))


def _maps(value: Any, *kinds: type) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) and isinstance(one, kinds) for name, one in value.items())


def _keys(entry: dict[str, Any], kind: type, more: tuple[str, ...] = (), needed: tuple[str, ...] = ()) -> Iterator[str]:
    """What is wrong with the keys of an entry, which are the fields of a dataclass and some more."""
    wanted = [field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING]
    yield from (f" has the unknown key {key}" for key in entry if key not in {field.name for field in fields(kind)}.union(more))
    yield from (f" lacks the key {key}" for key in (*wanted, *needed) if key not in entry)
    admitted = {field.name: FETCHED[field.type] for field in fields(kind) if field.type in FETCHED and field.name in entry}
    yield from (f".{key} is {entry[key]!r}: it should be {words}" for key, (words, holds) in admitted.items() if not holds(entry[key]))


def _kind(name: str, value: Any) -> Iterator[str]:
    kind = KINDS.get(str(value))
    if kind is None:
        yield f".kind is {value!r}: it is one of {', '.join(KINDS)}"
        return
    file = Path(f"stages/{kind.package}/{name}.py")
    if not file.is_file():
        yield f" is of the kind {value}, and there is no {file}"
    elif missing := [offer for offer in kind.offers if offer not in _definitions(file)]:
        yield f" is of the kind {value}, and {file} does not define {missing[0]}, or import it by that name"


def _writer(entry: dict[str, Any]) -> tuple[str, str] | None:
    """Module and function of the miniature's writer; None where it names none."""
    miniature = entry.get("miniature")
    writer = miniature.get("writer") if isinstance(miniature, dict) else None
    module, _, function = writer.partition(".") if isinstance(writer, str) else ("", "", "")
    return (module, function) if module.isidentifier() and function.isidentifier() else None


def _miniature(entry: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a writer and its arguments, by its signature; what more it asks it says when it draws."""
    writer = _writer(entry)
    if writer is None:
        yield " has to have a writer, as in {writer: ukb.write, objects: 16}, and its arguments"
        return
    file = Path(f"stages/miniatures/{writer[0]}.py")
    function = _definitions(file).get(writer[1]) if file.is_file() else None
    if isinstance(function, ast.ImportFrom) and (other := Path(*str(function.module).split(".")).with_suffix(".py")).is_file():
        function = _definitions(other).get(writer[1])  # two sets of one layout share a writer
    if not isinstance(function, ast.FunctionDef):
        yield f".writer is {'.'.join(writer)}: there is no function {writer[1]} in {file}"
        return
    given = {key: value for key, value in entry["miniature"].items() if key != "writer"}
    wanted = {argument.arg: ast.unparse(argument.annotation) for argument in function.args.kwonlyargs if argument.annotation}
    optional = {argument.arg for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True) if default}
    yield from (f" has {key}, which {'.'.join(writer)} does not take: {', '.join(wanted)}" for key in given if key not in wanted)
    yield from (f" lacks {key}, which {'.'.join(writer)} takes" for key in wanted if key not in given and key not in optional)
    for key, value in given.items():
        if (known := VALUES.get(wanted.get(key, ""))) and not known[1](value):
            yield f".{key} is {value!r}: it should be {known[0]}"


def _definitions(file: Path) -> dict[str, ast.AST]:
    """What a module defines at its top level, by name; a UserError where it cannot be parsed."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise UserError(f"{file}, line {error.lineno}: {error.msg}") from error
    names: dict[str, ast.AST] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id: node for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: node for alias in node.names}
    return names
