"""What is worth a GPU's time: workflow/gpu_jobs/<chapter>.yaml, a list `jobs`, from which workflow/gpu_job.py chooses.

A chapter adds itself by its file. An entry has

name, why : what it is called, and which table it is for.
worth : a number; over all chapters what is worth more comes first.
scale, overrides : its parameters, as `python -m workflow.scale` takes them. Entries of one scale whose overrides do not contradict each
    other run in one job.
stages : patterns of the stages to run on the GPU, as in ch2_train@cifar10-*; what they read is made where the job is packed.
returned : patterns of those whose outputs come back; of the others the checksums do, and they run only in one job with what reads them.
    All come back where there are none.
minutes : how long a stage of a pattern takes, where no run record says it.
"""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import yaml

from stages.core.errors import UserError
from stages.core.settings import Len, Name, Names, Positive, field, settings
from workflow.lock import load_yaml
from workflow.params import chapters, read_as

FOLDER = Path("workflow/gpu_jobs")


@settings
class Entry:
    """One of a file's `jobs`."""

    name: Name
    why: Name
    worth: float
    scale: Name
    stages: Annotated[Names, Len(1)]
    overrides: list[Name] = field(default_factory=list)
    returned: list[Name] = field(default_factory=list)
    minutes: dict[str, Positive] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if plain := [text for text in self.overrides if "=" not in text or text.startswith("+")]:
            raise ValueError(f"overrides has {plain[0]}: it must be of the form key=value, and +only is added for the chapter")

    def wants(self, stage: str) -> bool:
        """Whether the stage is one of the entry's."""
        return any(fnmatchcase(stage, pattern) for pattern in self.stages)

    def comes_back(self, stage: str) -> bool:
        """Whether the stage's outputs are to come back."""
        return not self.returned or any(fnmatchcase(stage, pattern) for pattern in self.returned)

    def estimate(self, stage: str) -> float | None:
        """The seconds that the entry says of a stage."""
        return next((60 * minutes for pattern, minutes in self.minutes.items() if fnmatchcase(stage, pattern)), None)


@settings
class Jobs:
    """A chapter's file."""

    jobs: Annotated[list[Entry], Len(1)]


def read(names: list[str], folder: Path = FOLDER) -> list[tuple[str, Entry]]:
    """The entries of these names, or all, each with its chapter, in order of worth. Raises UserError for a file or name that is wrong."""
    found: list[tuple[str, Entry]] = []
    for file in sorted(folder.glob("*.yaml")):
        if file.stem not in chapters():
            raise UserError(f"{file}: there is no chapter {file.stem}: name the file after one of {', '.join(chapters())}")
        try:
            content = load_yaml(file.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UserError(f"{file} is not YAML: {' '.join(str(error).split())}") from None
        try:
            jobs, wrong = read_as(Jobs, content)
        except TypeError as error:  # YAML has dates
            raise UserError(f"{file}: {error}: write it in quotes") from None
        if wrong:
            raise UserError(f"{file}: {wrong[0]}")
        for entry in jobs.jobs:
            if twice := [chapter for chapter, other in found if other.name == entry.name]:
                raise UserError(f"{file}: there is a job {entry.name} in {folder}/{twice[0]}.yaml already: give one of them another name")
            found.append((file.stem, entry))
    if not found:
        raise UserError(f"there are no jobs in {folder}: see workflow/gpu_entries.py for what its files are to hold")
    known = {entry.name for _, entry in found}
    if unknown := [name for name in names if name not in known]:
        raise UserError(f"there is no job {unknown[0]} in {folder}: there are {', '.join(sorted(known))}")
    return sorted([one for one in found if not names or one[1].name in names], key=lambda one: -one[1].worth)


def together(entries: list[tuple[str, Entry]]) -> tuple[list[tuple[str, Entry]], list[str]]:
    """The entries that can run in one job with the first, and the words for `workflow.scale` that compose their parameters."""
    taken: list[tuple[str, Entry]] = []
    values: dict[str, str] = {}
    for chapter, entry in entries:
        own = {key: value for key, _, value in (text.partition("=") for text in entry.overrides)}
        if (not taken or entry.scale == taken[0][1].scale) and all(values.get(key, value) == value for key, value in own.items()):
            taken.append((chapter, entry))
            values |= own
    only = ",".join(dict.fromkeys(chapter for chapter, _ in taken))
    return taken, [taken[0][1].scale, *(f"{key}={value}" for key, value in values.items()), f"+only=[{only}]"]
