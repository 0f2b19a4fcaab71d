"""A chapter's claims and their verdicts, as a page and as data."""

import dataclasses
import json

from stages.tables import claims as claims_
from stages.tables.formats import NOTHING, Block, Document, counts_text, of_this_run, to_markdown
from stages.tables.results import THIS_RUN


def render_claims(judged: list[claims_.Judgement], confidence: float, label_lines: list[str]) -> dict[str, str]:
    """All claims of a chapter, as Markdown and as JSON."""
    total = claims_.counts(judged)
    blocks = []
    for claim in dict.fromkeys(judgement.claim for judgement in judged):
        cases = [judgement for judgement in judged if judgement.claim == claim]
        header = ["Case", "observed", "from", "seeds", "test, confidence", "p", "verdict"]
        blocks.append(Block(heading(cases[0]), header, [_claim_row(judgement) for judgement in cases]))
    notes = [
        f"{len(judged)} cases: {counts_text({verdict: total[verdict] for verdict in claims_.VERDICTS})}.",
        f"Tests are one-sided t-tests over seeds at {_percent(confidence)} confidence: paired by seed where both models share "
        "at least two, one-sample against a value without seeds, else Welch's. Fewer than two seeds decide nothing. Counts of parameters "
        "are certain and need no test.",
    ]
    there = {state: total[state] for state in claims_.THERE.values()}
    if any(there.values()):
        notes.append(
            f"The other {sum(there.values())} by the same tests on real data that stand in for the thesis's, were altered or are "
            f"unverified, which is no verdict on what it says: {counts_text(there)}."
        )
    content = {
        "confidence": confidence,
        "counts": total,
        "labels": label_lines,
        "claims": [dataclasses.asdict(judgement) for judgement in judged],
    }
    alone = all(judgement.source == THIS_RUN and judgement.label for judgement in judged if judgement.source)
    notes += [] if alone else of_this_run(label_lines)
    document = Document("Claims: what the thesis says its numbers show", label_lines if alone else [], blocks, notes)
    return {"md": to_markdown(document), "json": json.dumps(content, indent=1, sort_keys=True) + "\n"}


def heading(judgement: claims_.Judgement) -> str:
    """What stands over the cases of a claim."""
    return f"{judgement.statement} (Section {judgement.section}; {judgement.place})"


def _claim_row(judgement: claims_.Judgement) -> list[str]:
    p = NOTHING if judgement.p is None else "< 0.001" if judgement.p < 0.001 else f"{judgement.p:.3f}"
    return [
        judgement.case or NOTHING,
        judgement.observed or NOTHING,
        judgement.source or NOTHING,
        str(judgement.seeds or NOTHING),
        f"{judgement.test}, {_percent(judgement.confidence)}" if judgement.confidence else NOTHING,
        p,
        f"{judgement.verdict}: {judgement.reason}" if judgement.reason else judgement.verdict,
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"
