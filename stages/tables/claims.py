"""Claims: what the thesis says its numbers show, judged case by case over seeds.

Verdicts: reproduced, contradicted, not decided, not tried. Tests are Student's t, one-sided, at the confidence that
claims.yaml states: paired by seed where both models share at least two seeds (others are then left out), one-sample where
one of them has a value without seeds, as published weights have, else Welch's, which needs two of each. Each judgement
names its test and the confidence.

less         a below b. Contradicted if a is significantly above b.
not_below    a not below b by a stated margin: one one-sided test. Contradicted if it is below by significantly more.
below_cited  a model's mean below the lowest printed value of a table's cited rows: one-sample test.
above_cited  a model's mean above the highest of them.
largest      a metric above each of `others` of the same runs: all paired tests must hold (an intersection-union test,
             so each at full confidence). Contradicted if another is significantly larger, Bonferroni-corrected.
equal        |a - b| below a stated margin: two one-sided tests, both at full confidence. Contradicted if the difference
             is significantly beyond the margin.
about        a above b by `by`, give or take a stated margin: tested as `equal`.
largest_gain what b gains over a, in the direction that is the better, above what it gains on each of `others` (experiment and
             metric) with the same seeds: tested as `largest`.
majority     b above a in more of `metrics` than a above b: one-sample test of the lead over seeds.
fewer, share parameter counts: certain, no test.

Fewer than two seeds decide nothing. Data other than the thesis's own, or a shortened schedule, leave a claim not tried;
the direction observed is still shown, and of `less` over seeds of a release also in how many it holds, and p.

Where a case has a list for a key, it stands for one case of each entry.
"""

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.core.errors import UserError
from stages.tables.estimates import Estimate, Values
from stages.tables.ledger import THIS_RUN, Measurement, Results, as_stand_in, measure
from stages.tables.rules import ARCHITECTURES, RULES, metric_of, places
from stages.tables.transcript import Table, check_keys, choice, items, read_yaml, text

VERDICTS = ("reproduced", "contradicted", "not decided", "not tried")
ABOUT = "id chapter section place statement kind"

# kind -> the keys of a claim besides ABOUT, and of each of its cases; a claim without `metric` has one in each case
KEYS = {
    "less": ("metric cases", "a b experiment"),
    "not_below": ("metric margin margin_origin cases", "a b experiment"),
    "below_cited": ("metric table cases", "model experiment"),
    "above_cited": ("metric table cases", "model experiment"),
    "equal": ("metric margin margin_origin cases", "a b experiment"),
    "about": ("metric margin margin_origin cases", "a b experiment by"),
    "fewer": ("metric cases", "a b"),
    "largest": ("metric others cases", "model experiment"),
    "largest_gain": ("metric others cases", "a b experiment"),
    "majority": ("metrics cases", "a b experiment"),
    "share": ("parts whole bound_origin cases", "model below"),
    "not judged": ("reason", ""),
}
# keys that a case may have: counts of which one file has several, by number of classes
OPTIONAL = {"fewer": "dataset", "share": "dataset"}
NUMBERS = {"below": "it must be a share such as 0.06", "by": "it must be a number above 0, such as 1.0"}


@dataclass(frozen=True)
class Judgement:
    """One case of a claim. `label` says why the observed values cannot be judged, if they cannot.

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


def load_claims(file: Path, chapter: str) -> tuple[list[dict[str, Any]], float]:
    """The claims of one chapter and the tests' confidence. Raises UserError naming file, claim and key."""
    content = read_yaml(file)
    check_keys(content, str(file), "confidence claims")
    confidence = content["confidence"]
    if not isinstance(confidence, float) or not 0.5 < confidence < 1:
        raise UserError(f"{file}: confidence is {confidence!r}; it must lie between 0.5 and 1.")
    claims = items(content, "claims", str(file))
    for number, claim in enumerate(claims, 1):
        _check_claim(claim, f"{file}: claim {number}")
    ids = Counter(claim["id"] for claim in claims)
    for name, times in ids.items():
        if times > 1:
            raise UserError(f"{file}: claim {name!r} is given twice.")
    chosen = [claim for claim in claims if claim["chapter"] == chapter]
    return [claim | {"cases": _expanded(claim["cases"])} if "cases" in claim else claim for claim in chosen], confidence


def judge(claims: list[dict[str, Any]], confidence: float, tables: list[Table], run: Results, releases: list[Results]) -> list[Judgement]:
    """Every case of every claim, judged from the source that has most seeds of what can be judged (this run first)."""
    judgements = []
    for claim in claims:
        for case in claim.get("cases", [{}]):
            judgements.append(_judge_case(claim, case, confidence, tables, [run, *releases]))
    return judgements


def counts(judgements: Iterable[Judgement]) -> dict[str, int]:
    """How often each verdict occurs, in the order of VERDICTS."""
    found = Counter(judgement.verdict for judgement in judgements)
    return {verdict: found[verdict] for verdict in VERDICTS}


def _expanded(cases: list) -> list:
    """The cases, with one for each entry of a list that a key has; of several lists, one for each combination."""
    found = []
    for case in cases:
        lists = [value if isinstance(value, list) and value else [value] for value in case.values()] if isinstance(case, dict) else []
        found += [dict(zip(case, values, strict=True)) for values in itertools.product(*lists)] if lists else [case]
    return found


def _check_claim(claim: Any, where: str) -> None:
    every_key = " ".join(keys for keys, _ in KEYS.values())
    check_keys(claim, where, ABOUT, every_key)
    where = f"{where} ({claim['id']})"
    for key in ABOUT.split():
        text(claim, key, where)
    keys, case_keys = KEYS[choice(claim, "kind", where, tuple(KEYS))]
    if "metric" in keys.split() and "metric" not in claim:
        keys, case_keys = " ".join(key for key in keys.split() if key != "metric"), f"{case_keys} metric"
    check_keys(claim, where, f"{ABOUT} {keys}")
    if "cases" in keys:
        for number, case in enumerate(_expanded(items(claim, "cases", where)), 1):
            check_keys(case, f"{where}: case {number}", case_keys, OPTIONAL.get(claim["kind"], ""))
            for key in case.keys() - NUMBERS:
                text(case, key, f"{where}: case {number}")
            for key in case.keys() & NUMBERS:
                if not isinstance(case[key], float) or case[key] <= 0:
                    raise UserError(f"{where}: case {number}: {key} is {case[key]!r}; {NUMBERS[key]}.")
    if claim["kind"] == "largest_gain":
        for number, other in enumerate(items(claim, "others", where), 1):
            check_keys(other, f"{where}: other {number}", "experiment metric")
            for key in other:
                text(other, key, f"{where}: other {number}")
    if "metrics" in keys.split() and not all(isinstance(metric, str) for metric in items(claim, "metrics", where)):
        raise UserError(f"{where}: metrics must be a list of names.")
    if "margin" in keys and (not isinstance(claim["margin"], float) or claim["margin"] <= 0):
        raise UserError(f"{where}: margin is {claim['margin']!r}; it must be a number above 0.")


def _operands(claim: dict, case: dict, results: Results, stand_ins: set[str]) -> list[Measurement] | None:
    """The measurements that a case compares, or None if one is missing; those of `stand_ins` can never be judged."""
    models = [case[key] for key in ("a", "b", "model") if key in case]
    found = []
    for model, (experiment, metric) in itertools.product(models, places(claim, case)):
        one = measure(results, experiment, model, metric, case.get("dataset"))
        found.append(as_stand_in(one) if experiment in stand_ins else one)
    return [one for one in found if one] if all(found) else None


def _seeds(values: Iterable[Values]) -> int:
    """How many seeds the values have at least; those without seeds do not count."""
    return min((len(seeds) for one in values if (seeds := one.keys() - {None})), default=0)


def _judge_case(claim: dict, case: dict, confidence: float, tables: list[Table], sources: list[Results]) -> Judgement:
    about = {
        "claim": claim["id"],
        **{key: claim[key] for key in ("section", "place", "statement")},
        "case": _describe(claim, case),
    }
    if claim["kind"] == "not judged":
        return Judgement(**about, verdict="not tried", reason=claim["reason"])
    stand_ins = {column.stand_in for table in tables for column in table.columns if column.stand_in}
    found = [operands for source in sources if (operands := _operands(claim, case, source, stand_ins))]
    if not found:
        return Judgement(**about, verdict="not tried", reason="no result")
    sound = [operands for operands in found if not _label(operands)]
    if sound:  # the most seeds; max keeps the first of equals, this run before releases
        operands = max(sound, key=lambda one: _seeds(m.values for m in one))
    else:  # the best release tells more than this run
        operands = next((one for one in found if one[0].source != THIS_RUN), found[0])
    values: list[Values] = [measurement.values for measurement in operands]
    if claim["kind"] == "largest_gain":  # what falls is a gain where lower is better
        values = [{seed: -x for seed, x in m.values.items()} if m.better == "lower" else m.values for m in operands]
    verdict, reason, observed, result, p = RULES[claim["kind"]](claim, case, values, 1 - confidence, tables)
    label = _label(operands)
    if label:
        if result and p is not None and claim["kind"] == "less" and operands[0].source != THIS_RUN:
            observed += _outcome_elsewhere(operands, label, result, p)
        verdict, reason, p = "not tried", label, None
    return Judgement(
        **about,
        verdict=verdict,
        reason=reason,
        observed=observed,
        test=result.test if result and not label else "",
        confidence=confidence if result and not label else None,
        p=None if p is None else round(p, 6),
        seeds=result.seeds if result else _seeds(values),
        source=operands[0].source,
        label=label,
    )


def _outcome_elsewhere(operands: list[Measurement], label: str, result: Estimate, p: float) -> str:
    """Where a release's values are from that cannot be judged, in how many seeds the first is below the second, and the test."""
    a, b, data = operands[0].values, operands[1].values, operands[0].dataset
    seeds = [seed for seed in a.keys() & b.keys() if seed is not None]
    kind = data.kind if data and data.kind != "official" else label
    held = f"holds in {sum(a[seed] < b[seed] for seed in seeds)} of {len(seeds)} seeds, " if len(seeds) > 1 else ""
    size = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    return f"; on {data.name if data else operands[0].experiment} ({kind}): {held}{size} by a {result.test}"


def _label(operands: list[Measurement]) -> str:
    return next((measurement.obstacle for measurement in operands if measurement.obstacle), "")


def _describe(claim: dict, case: dict) -> str:
    where = case.get("experiment") or case.get("dataset") or ARCHITECTURES
    if "metric" in case and claim["kind"] not in ("largest", "largest_gain"):
        where = f"{case['metric']}, {where}"
    if claim["kind"] in ("less", "fewer"):
        return f"{case['a']} < {case['b']}, {where}"
    if claim["kind"] == "not_below":
        return f"{case['a']} not below {case['b']} by {claim['margin']}, {where}"
    if claim["kind"] == "equal":
        return f"{case['a']} = {case['b']} within {claim['margin']}, {where}"
    if claim["kind"] == "about":
        return f"{case['a']} = {case['b']} + {case['by']} within {claim['margin']}, {where}"
    if claim["kind"] == "largest":
        return f"{case['model']}: {metric_of(claim, case)} > {', '.join(claim['others'])}, {where}"
    if claim["kind"] == "largest_gain":
        first, *others = [f"{experiment} {metric}" for experiment, metric in places(claim, case)]
        return f"{case['b']} over {case['a']}: gain on {first} > on {', '.join(others)}"
    if claim["kind"] == "majority":
        return f"{case['b']} > {case['a']} in most of {len(claim['metrics'])} metrics, {where}"
    if claim["kind"] == "share":
        return f"{case['model']}: added share < {case['below']:.0%}, {where}"
    if claim["kind"] in ("below_cited", "above_cited"):
        return f"{case['model']} {'<' if claim['kind'] == 'below_cited' else '>'} cited rows of Table {claim['table']}, {where}"
    return ""
