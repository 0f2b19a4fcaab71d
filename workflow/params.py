"""What params.yaml may hold: what all chapters share, and of each chapter what its `settings.py` states."""

import importlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import StringConstraints, TypeAdapter, ValidationError

import stages
from stages.core.settings import Chapter, Context, Inference, Len, Name, Names, Runtime, Use, settings
from workflow import sources

NAME = r"[a-z0-9][a-z0-9_-]*"  # of a variant


@settings
class Data:
    """Which data sets are downloaded, and from where: official archives, or generated ones."""

    sets: Annotated[list[Name], Len(1)]
    origin: Literal["official", "generated"]


@settings
class Shared:
    """What is no chapter's own. On generated data the protocol is `miniature`, seconds of training, or `generated`, as long as it takes."""

    scale: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$")]
    protocol: Literal["miniature", "generated", "shortened", "full"]
    chapters: Annotated[Names, Len(1)]
    runtime: Runtime
    inference: Inference
    data: Data

    def __post_init__(self) -> None:
        if (self.data.origin == "generated") != (self.protocol in ("miniature", "generated")):
            raise ValueError("protocol is miniature or generated if and only if data.origin is generated")


def chapters() -> dict[str, type[Chapter]]:
    """Every chapter's class of settings, by its name: that of its folder in stages/."""
    names = sorted(file.parent.name for folder in stages.__path__ for file in Path(folder).glob("*/settings.py"))
    modules = {name: importlib.import_module(f"stages.{name}.settings") for name in names}
    return {name: module.Chapter for name, module in modules.items() if name != "core"}


def needed_by(names: Iterable[str]) -> set[str]:
    """What the chapters of these names share with others: pipelines without tables, which `chapters` does not name."""
    known = chapters()
    return {shared for name in names if name in known for shared in known[name].NEEDS}


def problems(values: Any) -> list[str]:
    """One sentence for each key or value of the parameters that is wrong; none if all are right."""
    if not isinstance(values, dict):
        return ["should be a mapping of keys to values"]
    kinds, entries = chapters(), sources.load()
    shared, wrong = read_as(Shared, {key: value for key, value in values.items() if key not in kinds})
    read = {name: read_as(kind, values[name], name) for name, kind in kinds.items() if name in values}
    wrong += [f"the key {name} is missing" for name in kinds if name not in values]
    wrong += [sentence for _, sentences in read.values() for sentence in sentences] + sources.problems(entries)
    wrong += [
        sentence
        for name, (chapter, _) in read.items()
        if chapter
        for sentence in _unnameable(f"{name}.variants", values[name].get("variants"))
    ]
    if shared:
        wrong += [*_twins("chapters", shared.chapters), *_twins("data.sets", shared.data.sets)]
    if wrong:
        return wrong
    at_hand = sources.unusable(entries, shared.data.sets, shared.data.origin)
    return at_hand + list(_disagreements(shared, {name: chapter for name, (chapter, _) in read.items()}, values, entries))


def used_sets(values: Any) -> list[str]:
    """The data sets that the chapters of valid parameters use, in the order of workflow/sources.yaml."""
    used = {use.name for name, kind in chapters().items() for use in read_as(kind, values[name])[0].used()}
    return [name for name in sources.load() if name in used]


def _disagreements(shared: Shared, read: Mapping[str, Chapter], values: Any, entries: Mapping[str, Any]) -> Iterator[str]:
    tabled = [name for name, chapter in read.items() if chapter.TABLES]
    for name in [name for name in shared.chapters if name not in tabled]:
        yield f"chapters has {name}, and there is no such chapter: there are {', '.join(tabled)}"
    on = [*shared.chapters, *needed_by(shared.chapters)]
    context = Context(shared.protocol, shared.data.origin, {name: entry.get("miniature", {}) for name, entry in entries.items()}, read)
    for name, chapter in read.items():
        for use in chapter.used():
            yield from (f"{name}{sentence}" for sentence in _unfit(use, shared, entries))
            if name not in on:
                lacks = name if chapter.TABLES else f"whatever needs {name}"
                yield f"{name}{use.why}, and chapters lacks {lacks}: empty its sets, or add it"
        yield from (f"{name}.{sentence}" for sentence in chapter.conflicts(context))
        if shared.protocol == "full":
            yield from not_the_thesis(name, chapter, values[name])


def _unnameable(key: str, entries: Any) -> Iterator[str]:
    """Of variants, by role or not, those whose names cannot be part of a path, of a stage's name and of a command that a shell reads."""
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        if re.fullmatch(NAME, str(name)):
            yield from _unnameable(f"{key}.{name}", entry)
        else:
            yield f"{key} has {name!r}: a name has small letters, digits, _ and -, and begins with a letter or a digit"


def _twins(key: str, names: list[str]) -> Iterator[str]:
    yield from (f"{key} has {name} twice: take one away" for name in dict.fromkeys(names) if names.count(name) > 1)


def _unfit(use: Use, shared: Shared, entries: Mapping[str, Any]) -> Iterator[str]:
    if use.name not in entries:
        yield f"{use.why}, which {sources.SOURCES} has no entry for"
    elif entries[use.name]["kind"] not in use.kinds:
        yield f"{use.why}, which is of the kind {entries[use.name]['kind']}, and only {' or '.join(use.kinds)} will do"
    elif use.name not in shared.data.sets:
        yield f"{use.why}, and data.sets lacks {use.name}"


def not_the_thesis(name: str, chapter: Chapter, values: Any) -> Iterator[str]:
    for key, allowed in chapter.THESIS.items():
        value = values
        for part in key.split("."):
            value = (value or {}).get(part)  # what variants do not say is absent
        if value not in allowed:
            wanted = " or ".join(map(str, allowed))
            yield f"protocol is full, but {name}.{key} differs from the thesis's ({wanted}), and is {value}: set protocol to shortened"


def read_as(kind: type, values: Any, key: str = "") -> tuple[Any, list[str]]:
    """The settings as their class, or the sentences that say why they cannot be."""
    try:
        # As JSON, for there alone pydantic is strict with dataclasses: it takes a list for a tuple and refuses "1" for 1.
        return TypeAdapter(kind).validate_json(json.dumps(values)), []
    except ValidationError as error:
        return None, [_sentence(problem, key) for problem in error.errors()]


def _sentence(problem: Any, chapter: str) -> str:
    key = ".".join(str(part) for part in ([chapter] if chapter else []) + list(problem["loc"]))
    if problem["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"unknown key {key}: it is misspelt, or belongs elsewhere"
    if problem["type"] in ("missing", "missing_argument"):
        return f"the key {key} is missing"
    if problem["type"] in ("dataclass_type", "dict_type"):
        message = "should be a mapping of keys to values"
    else:
        message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return (f"{key}: " if key else "") + message + ("" if isinstance(problem["input"], dict) else f", and is {problem['input']!r}")
