"""What Chapters 1 and 9 say of the results, with the verdicts of the claims that it rests on: reports/conclusions.md.

    python -m stages.tables.conclusions

published/conclusions.yaml has the research questions and the statements, in our words. Each rests on claims of the chapters, which are
judged there (`stages.tables.claims`), or is not judged, for a reason; nothing is judged anew here.
"""

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stages.core import stage
from stages.core.errors import UserError
from stages.core.stage import Job
from stages.tables import claims as claims_
from stages.tables import claims_page, reading
from stages.tables.claims import THERE, VERDICTS, Judgement
from stages.tables.formats import NOTHING, Block, Document, counts_text, to_markdown
from stages.tables.reading import Entry

PUBLISHED = "stages/tables/published"
FILE = "conclusions.yaml"
TABLES = "reports/tables"
OUT = "reports/conclusions.md"

Judged = Mapping[str, list[Judgement]]
"""The judgements of each chapter that has some."""


@dataclass(frozen=True, kw_only=True)
class Conclusion(Entry):
    """A research question or a statement; `place` is where in the section. rests_on : ids of claims by chapter, as folders are named."""

    id: str
    section: str
    place: str
    statement: str
    rests_on: dict[str, tuple[str, ...]] = field(default_factory=dict)
    not_judged: str = ""

    def fault(self) -> str:
        if bool(self.rests_on) == bool(self.not_judged):
            return "needs one of rests_on and not_judged"
        twice = [name for ids in self.rests_on.values() for name in ids if ids.count(name) > 1]
        return f"rests on {twice[0]!r} twice" if twice else ""


def load(published: Path) -> list[Conclusion]:
    """All of them, in the order of the file. Raises UserError naming file, entry and what is wrong, such as an id that no claim has."""
    file = published / FILE
    content = reading.read_yaml(file)
    if not isinstance(content, dict) or list(content) != ["conclusions"]:
        raise UserError(f"{file}: must be a mapping with the key conclusions, and no other.")
    entries = enumerate(reading.items(content, "conclusions", str(file)), 1)
    made = [reading.read(Conclusion, entry, f"{file}: conclusion {number}") for number, entry in entries]
    for name, times in Counter(one.id for one in made).items():
        if times > 1:
            raise UserError(f"{file}: conclusion {name!r} is given twice.")
    known = {chapter: {claim.id for claim in claims_.load_claims(published, chapter)} for one in made for chapter in one.rests_on}
    for number, one in enumerate(made, 1):
        for chapter, ids in one.rests_on.items():
            where = f"{file}: conclusion {number} ({one.id}): rests on"
            if not known[chapter]:
                raise UserError(f"{where} chapter {chapter!r}, which has no claims in {published}.")
            if dangling := [name for name in ids if name not in known[chapter]]:
                raise UserError(f"{where} {dangling[0]!r}, which is no claim of {published / chapter / 'claims.yaml'}.")
    return made


def load_judged(tables: Path) -> dict[str, list[Judgement]]:
    """The judgements of the chapters whose tables are made, as they stand beside the tables; a UserError of a file that is damaged."""
    judged = {}
    for file in sorted(tables.glob("*/claims.json")):
        chapter = file.parent.name
        try:
            judged[chapter] = [Judgement(**one) for one in json.loads(file.read_text(encoding="utf-8"))["claims"]]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{file} is damaged ({error}): run `python -m workflow.repro tables@{chapter}`") from error
    return judged


def of(conclusion: Conclusion, judged: Judged) -> list[Judgement]:
    """Every case of every claim that a conclusion rests on."""
    named = {(chapter, name) for chapter, ids in conclusion.rests_on.items() for name in ids}
    return [one for chapter in conclusion.rests_on for one in judged.get(chapter, []) if (chapter, one.claim) in named]


def page(conclusions: list[Conclusion], judged: Judged) -> str:
    """The page as Markdown: a table for each section, a line for each question or statement."""
    blocks = []
    header = ["where", "in our words", " / ".join(VERDICTS), " / ".join(THERE.values()), "rests on (cases)"]
    for section in dict.fromkeys(one.section for one in conclusions):
        rows = [_row(one, judged) for one in conclusions if one.section == section]
        blocks.append(Block(f"Section {section}", header, rows))
    notes = [
        "Counted are the cases of the claims named, in every line that names them; each chapter's page has them with their tests. "
        "One that no number can judge is not tried, for the reason that stands there.",
        "Verdicts are on the thesis's own data under its full protocol; what agrees, disagrees or is open there is so on real data that "
        "stand in for it or were altered. Of generated pictures nothing is judged.",
    ]
    if missing := sorted({chapter for one in conclusions for chapter in one.rests_on} - judged.keys()):
        notes.append(f"Without the cases of {', '.join(missing)}, whose tables are not made with the chapters now in params.yaml.")
    return to_markdown(Document("Conclusions: what Chapters 1 and 9 say of the results", [], blocks, notes))


def _row(one: Conclusion, judged: Judged) -> list[str]:
    if one.not_judged:
        return [one.place, one.statement, NOTHING, NOTHING, f"not judged: {one.not_judged}"]
    total = claims_.counts(of(one, judged))
    counts = [" / ".join(str(total[name]) for name in names) for names in (VERDICTS, THERE.values())]
    links = [_link(chapter, name, judged.get(chapter, [])) for chapter, ids in one.rests_on.items() for name in ids]
    return [one.place, one.statement, *counts, "; ".join(links)]


def _link(chapter: str, claim: str, judgements: Iterable[Judgement]) -> str:
    """A link to a claim on its chapter's page, with how often its cases have which verdict."""
    own = [judgement for judgement in judgements if judgement.claim == claim]
    if not own:
        return claim
    times = {verdict: count for verdict, count in claims_.counts(own).items() if count}
    return f"[{claim}](tables/{chapter}/claims.md#{_anchor(claims_page.heading(own[0]))}) ({counts_text(times)})"


def _anchor(heading: str) -> str:
    """What GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def parser() -> argparse.ArgumentParser:
    """The stage's command line."""
    return stage.parser(__doc__)


def main(args: argparse.Namespace, job: Job) -> None:
    """Write the page."""
    job.out(OUT).write_text(page(load(job.dep(PUBLISHED)), load_judged(job.dep(TABLES))), encoding="utf-8")


if __name__ == "__main__":
    stage.execute(parser(), main)
