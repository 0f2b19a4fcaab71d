"""All figures on one page, each with the numbers it was drawn from: reports/figures.md.

    python -m stages.tables.gallery

What a figure is worth (scale, data) stands in the figure itself.
"""

import argparse
import csv
import re
from pathlib import Path

from stages.core import stage
from stages.core.stage import Job

FIGURES = "reports/figures"
OUT = "reports/figures.md"
STEM = re.compile(r"figure_(\d+)_(\d+)([a-z]?)(?:_(\w+))?")  # the last: of which data set, where each has a file
PICTURES = (".svg", ".png")


def page(folder: Path) -> str:
    """The page as Markdown: a heading for each chapter's folder and each figure; pictures, then the CSV files with their columns."""
    lines = ["# Figures", ""]
    for chapter in sorted(place for place in folder.iterdir() if place.is_dir()):
        files = sorted(file for file in chapter.iterdir() if STEM.fullmatch(file.stem))
        if not files:
            continue
        lines += [f"## {chapter.name}", "", f"What they show and how it was read: [README](../stages/{chapter.name}/README.md).", ""]
        for number in sorted({_number(file) for file in files}):
            own = [file for file in files if _number(file) == number]
            name = f"Figure {number[0]}.{number[1]}"
            lines += [f"### {name}", ""]
            lines += [f"![{name}{_part(file)}]({_link(file, folder)})" for file in own if file.suffix in PICTURES]
            lines += ["", *(f"- [{file.name}]({_link(file, folder)}): {_columns(file)}" for file in own if file.suffix not in PICTURES), ""]
    return "\n".join(lines)


def _columns(file: Path) -> str:
    """The columns of a CSV file, in words."""
    with file.open(newline="", encoding="utf-8") as stream:
        return ", ".join(next(csv.reader(stream), []))


def _number(file: Path) -> tuple[int, int]:
    match = STEM.fullmatch(file.stem)
    assert match
    return int(match[1]), int(match[2])


def _part(file: Path) -> str:
    """What follows the figure's number: a letter, a data set, or nothing."""
    match = STEM.fullmatch(file.stem)
    assert match
    return match[3] + (f", {match[4]}" if match[4] else "")


def _link(file: Path, folder: Path) -> str:
    return file.relative_to(folder.parent).as_posix()


def parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)


def main(args: argparse.Namespace, job: Job) -> None:
    job.out(OUT).write_text(page(job.dep(FIGURES)), encoding="utf-8")


if __name__ == "__main__":
    stage.execute(parser(), main)
