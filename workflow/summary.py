"""The verdicts of every chapter, counted, in README.md: `python -m workflow.summary` rewrites the block between the marks.

Judged as the rendered tables are, from the releases and, of the run at hand, from what needs no data set (parameter
counts, layers). Nothing else that scale mini makes is ever judged, and what another scale makes counts once it is
released: so the block does not depend on the scale in force.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stages.core.errors import UserError
from stages.core.files import replacing
from stages.tables import claims, ledger
from stages.tables.claims import CONFIDENCE, Judgement
from stages.tables.ledger import Cell
from stages.tables.results import THIS_RUN, Results, load_releases, load_results
from stages.tables.transcript import Table, chapters, load_tables

README = Path("README.md")
PUBLISHED = Path("stages/tables/published")
METRICS = Path("reports/metrics")
RELEASES = Path("reports/releases")
TABLES = Path("reports/tables")
BEGIN, END = "<!-- summary -->", "<!-- /summary -->"
JUDGED = ("exact", "within", "outside")


@dataclass(frozen=True)
class Verdicts:
    """All verdicts of one chapter: the cells of its tables at each of ledger.FACTORS, in one order, and its claims."""

    chapter: str
    tables: list[Table]
    cells: dict[str, list[tuple[Table, Cell]]]
    claims: list[Judgement]
    confidence: float = CONFIDENCE

    def counts(self) -> dict[str, Any]:
        """How often each verdict occurs: {"cells": {"stated": {"exact": 17, ...}, ...}, "claims": {"reproduced": 7, ...}}."""
        cells = {name: ledger.counts(cell for _, cell in found) for name, found in self.cells.items()}
        return {"cells": cells, "claims": claims.counts(self.claims)}


def judge(chapter: str, run: Results, releases: list[Results]) -> Verdicts:
    """The verdicts of a chapter by what `run` and `releases` have. Raises UserError on malformed input."""
    tables = load_tables(PUBLISHED, chapter)
    cells: dict[str, list[tuple[Table, Cell]]] = {name: [] for name in ledger.FACTORS}
    for table in tables:
        for name, found in ledger.resolve_all(table, run, releases).items():
            cells[name] += [(table, cell) for cell in found]
    return Verdicts(chapter, tables, cells, claims.judge(claims.load_claims(PUBLISHED, chapter), tables, run, releases))


def total(counts: list[dict[str, Any]]) -> dict[str, Any]:
    """The sum of nested counts, number by number; there must be at least one."""
    first = counts[0]
    return {key: total([one[key] for one in counts]) if isinstance(first[key], dict) else sum(one[key] for one in counts) for key in first}


def render() -> str:
    """The block's text, without its marks."""
    verdicts = []
    releases = {}
    for chapter in chapters(PUBLISHED):
        run = load_results(METRICS / chapter)
        facts = {name: file for name, file in run.metrics.items() if file.dataset is None}
        releases[chapter] = load_releases(RELEASES, chapter)
        verdicts.append(judge(chapter, replace(run, metrics=facts), releases[chapter]))
    if not verdicts:
        raise UserError(f"{PUBLISHED}: no table is transcribed there; nothing can be summarised.")
    cells, outcomes, there = (" / ".join(names) for names in (ledger.VERDICTS, claims.VERDICTS, claims.THERE.values()))
    header = ["chapter", "tables", f"cells: {cells}", "at half the tolerance", "at double", f"claims: {outcomes}"]
    header += [f"claims on a stand-in, altered or unverified data: {there}", "releases judged"]
    rows = [header, ["---"] * len(header)]
    for one in verdicts:
        name = f"[{one.chapter}]({(TABLES / one.chapter).as_posix()})"
        tables = ", ".join(table.id + " (ours)" * table.is_ours for table in one.tables)
        rows.append([name, tables, *_numbers(one.counts()), _origin(one, releases[one.chapter])])
    if len(verdicts) > 1:
        rows.append(["in all", "", *_numbers(total([one.counts() for one in verdicts])), ""])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    note = (
        "Parameter counts and layers need no data and are judged from the run at hand. What is found on a stand-in, on altered data or on "
        "data that no checksum is known of says nothing of the thesis's own and is no verdict on its claims. Written by "
        "`python -m workflow.summary`."
    )
    return "\n".join([*lines, "", note])


def updated(text: str) -> str:
    """`text`, which is README.md's, with the block as it should be. Raises UserError where the marks are not there once each."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise UserError(f"{README} needs one line `{BEGIN}` and after it one line `{END}`: put them where the summary is to stand.")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{render()}\n{END}{rest.split(END)[1]}"


def _numbers(counts: dict[str, Any]) -> list[str]:
    cells, of_claims = counts["cells"], counts["claims"]
    claimed = [{name: of_claims[name] for name in names} for names in (claims.VERDICTS, claims.THERE.values())]
    return [" / ".join(map(str, one.values())) for one in (cells["stated"], cells["half"], cells["double"], *claimed)]


def _origin(verdicts: Verdicts, releases: list[Results]) -> str:
    """The releases by which a cell or claim is judged, and those with other numbers that are shown, of a stand-in for example."""
    cells = [cell for _, cell in verdicts.cells["stated"]]
    judged = {cell.judged.source for cell in cells if cell.judged and cell.judged.dataset and cell.verdict in JUDGED}
    judged |= {judgement.source for judgement in verdicts.claims if judgement.seeds and not judgement.label}
    shown = {found.source for cell in cells for found in cell.releases.values()}
    shown |= {judgement.source for judgement in verdicts.claims if judgement.label}
    links = {release.source: f"[{release.source}]({(RELEASES / release.source).as_posix()})" for release in releases}
    by = [links[source] for source in links if source in judged - {THIS_RUN}]
    beside = [links[source] for source in links if source in shown - judged]
    return "; ".join([", ".join(by) or "none", *([f"shown, no verdict: {', '.join(beside)}"] if beside else [])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether README.md is up to date")
    args = parser.parse_args()
    try:
        if not README.exists():
            raise UserError(f"there is no {README}: run this in the project's folder")
        text = README.read_text(encoding="utf-8")
        new = updated(text)
        if new == text:
            return
        if args.check:
            raise UserError(f"the summary in {README} is not up to date: run `python -m workflow.summary`")
        with replacing(README) as aside:
            aside.write_text(new, encoding="utf-8")
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
