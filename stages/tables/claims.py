"""Claims: what the thesis says its numbers show, as in published/<chapter>/claims.yaml, judged case by case over seeds.

Verdicts on the thesis's own data under its full protocol: reproduced, contradicted, not decided; not tried without. Which
kinds of claims there are and how each is judged is in `stages.tables.kinds` and `kinds_constant`. Each judgement names its test and the
confidence.

On real data that stand in for the thesis's, that were altered, or that no checksum tells from altered ones, the same tests come
to agrees, disagrees or open there: states that say nothing of the thesis's own data and are counted apart from its verdicts.
Generated pictures and a shortened schedule on the thesis's own data leave a claim not tried; the direction observed is still shown.

A key that all cases share stands beside `cases`, the others in each case. Where a case has a list for a key, it stands
for one case of each entry. A claim without cases is one itself.
"""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_origin

from stages.core.errors import UserError
from stages.tables import kinds, kinds_constant, reading  # noqa: F401 (the kinds of claims register themselves)
from stages.tables.cases import Case
from stages.tables.columns import Metrics
from stages.tables.estimates import Values
from stages.tables.reading import DERIVED, Entry
from stages.tables.results import DRAWN, THIS_RUN, Measurement, Results, as_stand_in, measure
from stages.tables.transcript import CLAIMS, Table

VERDICTS = ("reproduced", "contradicted", "not decided", "not tried")
# Kinds of data that are real and not, or not known to be, the thesis's own; and what each verdict of a test is called on them.
OTHER_DATA = {"stand-in", "altered", "unverified"}  # unverified: no checksum is known, so altered at worst
THERE = {"reproduced": "agrees there", "contradicted": "disagrees there", "not decided": "open there"}
CONFIDENCE = 0.95  # of every test of every chapter, chosen before any was made


@dataclass(frozen=True, kw_only=True)
class Claim(Entry):
    """A statement of the thesis, in our words, with where it says so."""

    id: str
    section: str
    place: str
    statement: str
    cases: tuple[Case, ...] = field(default=(), metadata=DERIVED)


@dataclass(frozen=True)
class Judgement:
    """One case of a claim. `label` says why the observed values are no evidence on the thesis's own data, if they are not.

    `test` and its `confidence` are empty and None where no test was made.
    """

    claim: str
    section: str
    place: str
    statement: str
    case: str
    verdict: str
    reason: str = ""
    observed: str = ""
    test: str = ""
    confidence: float | None = None
    p: float | None = None
    seeds: int = 0
    source: str = ""
    label: str = ""


def load_claims(published: Path, chapter: str) -> list[Claim]:
    """The claims of one chapter, of which there may be none. Raises UserError naming file, claim and key."""
    file = published / chapter / CLAIMS
    if not file.exists():
        return []
    content = reading.read_yaml(file)
    if not isinstance(content, dict) or list(content) != ["claims"]:
        raise UserError(f"{file}: must be a mapping with the key claims, and no other.")
    entries = reading.items(content, "claims", str(file))
    claims = [read_claim(entry, f"{file}: claim {number}") for number, entry in enumerate(entries, 1)]
    for name, times in Counter(claim.id for claim in claims).items():
        if times > 1:
            raise UserError(f"{file}: claim {name!r} is given twice.")
    return claims


def read_claim(entry: Any, where: str) -> Claim:
    """A claim with its cases. Raises UserError, which begins with `where`."""
    about = reading.keys(Claim)
    if not isinstance(entry, dict):
        raise UserError(f"{where}: must be a mapping with the keys {', '.join(about)}, kind and those of its kind.")
    where = reading.named(entry, where)
    claim = reading.complete(Claim, reading.converted(Claim, entry, where), where)
    kind = reading.chosen(Case, entry, where)  # type: ignore[type-abstract] # it asks for no instance
    reading.refuse_unknown(entry, [*about, Case.tag, "cases", *reading.keys(kind)], where)
    shared = reading.converted(kind, entry, where)
    if "cases" not in entry:
        return dataclasses.replace(claim, cases=(reading.complete(kind, shared, where),))
    entries = _expanded(reading.items(entry, "cases", where), kind)
    cases = [_case(kind, shared, case, f"{where}: case {number}") for number, case in enumerate(entries, 1)]
    if twins := [number for number, case in enumerate(cases, 1) if case in cases[: number - 1]]:
        raise UserError(f"{where}: case {twins[0]} is given twice.")
    return dataclasses.replace(claim, cases=tuple(cases))


def judge(
    claims: list[Claim], tables: list[Table], run: Results, releases: list[Results], confidence: float = CONFIDENCE
) -> list[Judgement]:
    """Every case of every claim, judged from one source each (see `_source`)."""
    stand_ins = {column.stand_in for table in tables for column in table.columns if isinstance(column, Metrics)} - {""}
    sources = [run, *releases]
    judgements = []
    for claim in claims:
        for case in claim.cases:
            measured = [values for source in sources if (values := _measured(case, source, stand_ins))]
            judgements.append(_judge_case(claim, case, measured, confidence, tables))
    return judgements


def counts(judgements: Iterable[Judgement]) -> dict[str, int]:
    """How often each verdict occurs, in the order of VERDICTS, and after them each state of THERE."""
    times = Counter(judgement.verdict for judgement in judgements)
    return {verdict: times[verdict] for verdict in (*VERDICTS, *THERE.values())}


def _case(kind: type[Case], shared: dict[str, Any], entry: Any, where: str) -> Case:
    known = reading.keys(kind)
    if not isinstance(entry, dict):
        raise UserError(f"{where}: must be a mapping with keys among {', '.join(known)}.")
    reading.refuse_unknown(entry, known, where)
    if twice := [key for key in entry if key in shared]:
        raise UserError(f"{where}: {twice[0]} is given for the whole claim too; leave one of the two out.")
    own = reading.converted(kind, entry, where)
    return reading.complete(kind, {**shared, **own, "own": frozenset(own)}, where)


def _expanded(cases: list[Any], kind: type[Case]) -> list[Any]:
    """The cases, with one for each entry of a list that a key has; of several lists, one for each combination."""
    is_list = {key for key, hint in reading.keys(kind).items() if get_origin(hint) is tuple}
    expanded: list[Any] = []
    for case in cases:
        if not isinstance(case, dict):
            expanded.append(case)
            continue
        choices = {key: [value] if key in is_list or value == [] else value for key, value in case.items()}
        lists = [value if isinstance(value, list) else [value] for value in choices.values()]
        expanded += [dict(zip(case, values, strict=True)) for values in itertools.product(*lists)]
    return expanded


def _measured(case: Case, results: Results, stand_ins: set[str]) -> list[Measurement]:
    """The measurements that a case compares, none if one is missing; those of `stand_ins` are never of the thesis's data."""
    measured = []
    for operand in case.operands():
        one = measure(results, operand.experiment, operand.model, operand.metric, operand.dataset)
        measured.append(as_stand_in(one) if operand.experiment in stand_ins else one)
    return [one for one in measured if one] if all(measured) else []


def _seeds(values: Iterable[Values]) -> int:
    """How many seeds the values have at least; those without seeds do not count."""
    return min((len(seeds) for one in values if (seeds := one.keys() - {None})), default=0)


def _judge_case(claim: Claim, case: Case, by_source: list[list[Measurement]], confidence: float, tables: list[Table]) -> Judgement:
    about = (claim.id, claim.section, claim.place, claim.statement, case.describe())
    if not by_source:
        return Judgement(*about, verdict="not tried", reason=case.untried)
    measured = _source(case, by_source)
    try:
        outcome = case.judge(measured, 1 - confidence, tables)
    except UserError as error:
        raise UserError(f"claim {claim.id}: {error}") from None
    seeds = outcome.result.seeds if outcome.result else _seeds(m.values for m in measured)
    source, observed = measured[0].source, outcome.observed
    verdict, label = outcome.verdict, _label(measured)
    if label and not _is_there(case, measured):
        observed += case.elsewhere(measured, label, outcome) if source != THIS_RUN else ""
        return Judgement(*about, "not tried", label, observed, seeds=seeds, source=source, label=label)
    reason = "; ".join(filter(None, [label, outcome.reason]))
    verdict = THERE[verdict] if label else verdict
    judged = Judgement(*about, verdict, reason, observed, seeds=seeds, source=source, label=label)
    if outcome.result:
        judged = dataclasses.replace(judged, test=outcome.result.test, confidence=confidence)
    return dataclasses.replace(judged, p=None if outcome.p is None else round(outcome.p, 6))


def _source(case: Case, by_source: list[list[Measurement]]) -> list[Measurement]:
    """What a case is judged by: the thesis's data before others, there most seeds, and of equals this run before releases."""
    own = [measured for measured in by_source if not _label(measured)]
    there = [measured for measured in by_source if _is_there(case, measured)]
    if candidates := own or there:
        return max(candidates, key=lambda measured: _seeds(one.values for one in measured))  # the first of equals
    # the best release tells more than this run
    return next((measured for measured in by_source if measured[0].source != THIS_RUN), by_source[0])


def _is_there(case: Case, measured: list[Measurement]) -> bool:
    """Whether a case that may be tried on other data is compared on some that are of OTHER_DATA, and none generated."""
    of = {one.dataset.kind for one in measured if one.dataset}
    generated = set(DRAWN) & (of | {one.protocol for one in measured})
    return case.on_other_data and bool(of & OTHER_DATA) and not generated


def _label(measured: list[Measurement]) -> str:
    return next((measurement.obstacle for measurement in measured if measurement.obstacle), "")
