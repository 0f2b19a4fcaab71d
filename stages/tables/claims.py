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

import dataclasses
import itertools
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.special import stdtr

from stages.core.errors import UserError
from stages.tables.ledger import THIS_RUN, Measurement, Results, as_stand_in, measure
from stages.tables.transcript import Table, check_keys, choice, items, printed_number, read_yaml, text

VERDICTS = ("reproduced", "contradicted", "not decided", "not tried")
ARCHITECTURES = "architectures"
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

Values = Mapping[int | None, float]


@dataclass(frozen=True)
class Estimate:
    """A difference of means with its standard error and degrees of freedom."""

    difference: float
    error: float
    freedom: float
    test: str
    seeds: int

    def p_below(self, bound: float = 0.0) -> float:
        """One-sided p-value for "the difference is below `bound`": P(T <= t)."""
        distance = self.difference - bound
        if self.error == 0:  # identical differences over all seeds
            return 0.5 if distance == 0 else float(distance > 0)
        return float(stdtr(self.freedom, distance / self.error))


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


def paired(a: Values, b: Values) -> Estimate:
    """Mean of a - b over the shared seeds; a paired t-test's terms."""
    shared = sorted(seed for seed in a.keys() & b.keys() if seed is not None)
    return one_sample([a[seed] - b[seed] for seed in shared], 0.0, "paired t-test")


def one_sample(values: list[float], constant: float, test: str = "one-sample t-test") -> Estimate:
    """Mean of values - constant; a one-sample t-test's terms."""
    n = len(values)
    # Rounded, as values with two decimals that differ by the same amount must not differ by binary noise.
    differences = [round(value - constant, 10) for value in values]
    return Estimate(statistics.fmean(differences), statistics.stdev(differences) / math.sqrt(n), n - 1, test, n)


def welch(a: Values, b: Values) -> Estimate:
    """Difference of two means with Welch's error and the Welch-Satterthwaite degrees of freedom."""
    x, y = list(a.values()), list(b.values())
    u, v = statistics.variance(x) / len(x), statistics.variance(y) / len(y)
    spread = u**2 / (len(x) - 1) + v**2 / (len(y) - 1)
    freedom = (u + v) ** 2 / spread if spread else len(x) + len(y) - 2
    difference = statistics.fmean(x) - statistics.fmean(y)
    return Estimate(difference, math.sqrt(u + v), freedom, "Welch's t-test", min(len(x), len(y)))


def compared(values: list[Values]) -> list[Values]:
    """The values that a test compares: those of the seeds that all share, if there are two, else all."""
    shared = sorted(seed for seed in set.intersection(*(set(one) for one in values)) if seed is not None)
    return [{seed: one[seed] for seed in shared} for one in values] if len(shared) >= 2 else values


def estimate(a: Values, b: Values) -> Estimate | None:
    """Paired where the two share at least two seeds; one-sample where one has a value without seeds, which is no draw but a
    constant; else Welch's. None with fewer than two seeds of either, or of the one that has seeds.
    """
    if len((a.keys() & b.keys()) - {None}) >= 2:
        return paired(a, b)
    if b.keys() == {None} and len(a) >= 2:
        return one_sample(list(a.values()), b[None])
    if a.keys() == {None} and len(b) >= 2:
        result = one_sample(list(b.values()), a[None])
        return dataclasses.replace(result, difference=-result.difference)
    return welch(a, b) if min(len(a), len(b)) >= 2 else None


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


def _metric(claim: dict, case: dict) -> str:
    return case.get("metric") or claim["metric"]


def _places(claim: dict, case: dict) -> list[tuple[str, str]]:
    """Where the values of each model that a case compares are: experiment and metric."""
    experiment = case.get("experiment", ARCHITECTURES)
    if claim["kind"] == "share":
        return [(experiment, metric) for metric in (*claim["parts"], claim["whole"])]
    if claim["kind"] == "majority":
        return [(experiment, metric) for metric in claim["metrics"]]
    first = (experiment, _metric(claim, case))
    if claim["kind"] == "largest_gain":
        return [first, *((other["experiment"], other["metric"]) for other in claim["others"])]
    return [first, *((experiment, metric) for metric in claim.get("others", []))]


def _operands(claim: dict, case: dict, results: Results, stand_ins: set[str]) -> list[Measurement] | None:
    """The measurements that a case compares, or None if one is missing; those of `stand_ins` can never be judged."""
    models = [case[key] for key in ("a", "b", "model") if key in case]
    found = []
    for model, (experiment, metric) in itertools.product(models, _places(claim, case)):
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
        return f"{case['model']}: {_metric(claim, case)} > {', '.join(claim['others'])}, {where}"
    if claim["kind"] == "largest_gain":
        first, *others = [f"{experiment} {metric}" for experiment, metric in _places(claim, case)]
        return f"{case['b']} over {case['a']}: gain on {first} > on {', '.join(others)}"
    if claim["kind"] == "majority":
        return f"{case['b']} > {case['a']} in most of {len(claim['metrics'])} metrics, {where}"
    if claim["kind"] == "share":
        return f"{case['model']}: added share < {case['below']:.0%}, {where}"
    if claim["kind"] in ("below_cited", "above_cited"):
        return f"{case['model']} {'<' if claim['kind'] == 'below_cited' else '>'} cited rows of Table {claim['table']}, {where}"
    return ""


Outcome = tuple[str, str, str, Estimate | None, float | None]


def _one_seed(observed: str) -> Outcome:
    return "not decided", "one seed", observed, None, None


def _decide(observed: str, result: Estimate, p: float, p_against: float, alpha: float) -> Outcome:
    verdict = "reproduced" if p < alpha else "contradicted" if p_against < alpha else "not decided"
    return verdict, "", observed, result, p


def _sign(difference: float) -> str:
    return "<" if difference < 0 else ">" if difference > 0 else "="


def _versus(left: str, a: float, right: str, b: float) -> str:
    difference = round(a - b, 10)
    return f"{left} {a:.4g} {_sign(difference)} {right} {b:.4g} (difference {difference:+.3g})"


def _mean(values: Values) -> float:
    return statistics.fmean(values.values())


def _less(claim: dict, case: dict, values: list[Values], alpha: float, tables: list[Table]) -> Outcome:
    a, b = compared(values)
    observed = _versus(case["a"], _mean(a), case["b"], _mean(b))
    result = estimate(a, b)
    if result is None:
        return _one_seed(observed)
    return _decide(observed, result, result.p_below(), 1 - result.p_below(), alpha)


def _cited(claim: dict, case: dict, values: list[Values], alpha: float, tables: list[Table]) -> Outcome:
    """below_cited and above_cited: the column of the table is the one that has the claim's metric in the case's experiment."""
    table = next((table for table in tables if table.id == claim["table"]), None)
    if table is None:
        raise UserError(f"claim {claim['id']}: table is {claim['table']!r}, which is not among the chapter's tables.")
    wanted = (case["experiment"], _metric(claim, case))
    column = next((column.id for column in table.columns if (column.experiment, column.metric) == wanted), None)
    if column is None:
        raise UserError(f"claim {claim['id']}: no column of Table {table.id} has the metric {wanted[1]!r} of experiment {wanted[0]!r}.")
    printed = {row.label: printed_number(row.cells[column]) for row in table.rows if row.reference is not None and column in row.cells}
    below = claim["kind"] == "below_cited"
    best, label = (min if below else max)((float(number.value), label) for label, number in printed.items() if number)
    observed = _versus(case["model"], _mean(values[0]), label, best)
    if len(values[0]) < 2:
        return _one_seed(observed)
    result = one_sample(list(values[0].values()), best)
    p = result.p_below() if below else 1 - result.p_below()
    return _decide(observed, result, p, 1 - p, alpha)


def _not_below(claim: dict, case: dict, values: list[Values], alpha: float, tables: list[Table]) -> Outcome:
    a, b = compared(values)
    observed = _versus(case["a"], _mean(a), case["b"], _mean(b))
    result = estimate(a, b)
    if result is None:
        return _one_seed(observed)
    below = result.p_below(-claim["margin"])
    return _decide(observed, result, 1 - below, below, alpha)


def _equal(claim: dict, case: dict, values: list[Values], alpha: float, tables: list[Table]) -> Outcome:
    """equal and about: the difference is the case's `by`, which `equal` has not, within the margin."""
    a, b = compared(values)
    margin, by = claim["margin"], case.get("by", 0.0)
    observed = _versus(case["a"], _mean(a), case["b"], _mean(b))
    result = estimate(a, b)
    if result is None:
        return _one_seed(observed)
    above_low, below_high = 1 - result.p_below(by - margin), result.p_below(by + margin)
    result = dataclasses.replace(result, test=f"two one-sided tests, {result.test}")
    return _decide(observed, result, max(above_low, below_high), min(1 - above_low, 1 - below_high), alpha)


def _largest(claim: dict, case: dict, values: list[Values], alpha: float, tables: list[Table]) -> Outcome:
    main, *others = compared(values)
    parts = [f"{name} {_mean(found):.4g}" for name, found in zip(claim["others"], others, strict=True)]
    return _above_each(f"{_metric(claim, case)} {_mean(main):.4g}; {', '.join(parts)}", main, others, alpha)


def _largest_gain(claim: dict, case: dict, values: list[Values], alpha: float, tables: list[Table]) -> Outcome:
    places, found = _places(claim, case), compared(values)
    ends = list(zip(found[: len(places)], found[len(places) :], strict=True))
    parts = [f"{experiment} {metric} {_mean(b) - _mean(a):.3g}" for (experiment, metric), (a, b) in zip(places, ends, strict=True)]
    main, *others = [{seed: b[seed] - a[seed] for seed in a.keys() & b.keys()} for a, b in ends]
    return _above_each(f"gain on {parts[0]}; {', '.join(parts[1:])}", main, others, alpha)


def _above_each(observed: str, main: Values, others: Sequence[Values], alpha: float) -> Outcome:
    if min(len(main.keys() & other.keys() - {None}) for other in others) < 2:
        return _one_seed(observed)
    results = [paired(other, main) for other in others]
    weakest = max(results, key=lambda result: result.p_below())
    p = weakest.p_below()
    return _decide(observed, weakest, p, (1 - p) * len(others), alpha)


def _majority(claim: dict, case: dict, values: list[Values], alpha: float, tables: list[Table]) -> Outcome:
    found, half = compared(values), len(claim["metrics"])
    pairs = list(zip(found[:half], found[half:], strict=True))
    means = [_mean(b) - _mean(a) for a, b in pairs]
    above, below = sum(one > 0 for one in means), sum(one < 0 for one in means)
    observed = f"{case['b']} above {case['a']} in {above} of {half}, below in {below}"
    seeds = sorted(seed for seed in set.intersection(*(set(one) for one in found)) if seed is not None)
    if len(seeds) < 2:
        return _one_seed(observed)
    leads = [float(sum((b[seed] > a[seed]) - (b[seed] < a[seed]) for a, b in pairs)) for seed in seeds]
    result = one_sample(leads, 0.0)
    return _decide(observed, result, 1 - result.p_below(), result.p_below(), alpha)


def _fewer(claim: dict, case: dict, values: list[Values], alpha: float, tables: list[Table]) -> Outcome:
    a, b = _mean(values[0]), _mean(values[1])
    observed = f"{case['a']} {a:,.0f} {_sign(a - b)} {case['b']} {b:,.0f} ({a - b:+,.0f})"
    return "reproduced" if a < b else "contradicted", "", observed, None, None


def _share(claim: dict, case: dict, values: list[Values], alpha: float, tables: list[Table]) -> Outcome:
    *parts, whole = [_mean(one) for one in values]
    share = sum(parts) / whole
    observed = f"{sum(parts):,.0f} of {whole:,.0f}: {share:.2%}"
    return "reproduced" if share < case["below"] else "contradicted", "", observed, None, None


RULES: dict[str, Callable[[dict, dict, list[Values], float, list[Table]], Outcome]] = {
    "less": _less,
    "not_below": _not_below,
    "below_cited": _cited,
    "above_cited": _cited,
    "equal": _equal,
    "about": _equal,
    "largest": _largest,
    "largest_gain": _largest_gain,
    "majority": _majority,
    "fewer": _fewer,
    "share": _share,
}
