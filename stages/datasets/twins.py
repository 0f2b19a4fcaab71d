"""Pictures of two folders that belong together by their names."""

from pathlib import Path

from stages.core.errors import UserError
from stages.datasets.pictures import pictures_in


def by_name(folder: Path) -> dict[str, Path]:
    """The pictures of a folder, and of those below it, by their names without suffix; a UserError where two have the same."""
    named: dict[str, Path] = {}
    for file in pictures_in(folder)[0]:
        name = file.relative_to(folder).with_suffix("").as_posix()
        if name in named:
            raise UserError(f"{named[name]} and {file} have the same name: which of them is meant is not known, so remove one")
        named[name] = file
    return named


def twins(first: Path, second: Path, what: tuple[str, str]) -> list[tuple[Path, Path]]:
    """The pictures of two folders of each name, in the names' order; a UserError names the first that has no twin.

    what : the folders hold, for that sentence.
    """
    ours, theirs = by_name(first), by_name(second)
    for have, lack, folder, missing in ((ours, theirs, second, what[1]), (theirs, ours, first, what[0])):
        if alone := sorted(have.keys() - lack.keys()):
            raise UserError(f"{have[alone[0]]} has no {missing}: {folder} has no picture of the name {alone[0]}")
    return [(ours[name], theirs[name]) for name in sorted(ours)]
