"""How each kind of claim is judged; what the kinds mean is in `stages.tables.claims`.

A rule takes the claim, its case, the values of every operand by seed (of each model those of `places` in turn), the level and the tables.
"""

import dataclasses
import statistics
from collections.abc import Callable, Sequence

from stages.core.errors import UserError
from stages.tables.estimates import Estimate, Values, compared, estimate, one_sample, paired
from stages.tables.transcript import Table, printed_number

ARCHITECTURES = "architectures"

Outcome = tuple[str, str, str, Estimate | None, float | None]  # verdict, reason, what is observed, the test and its p


def metric_of(claim: dict, case: dict) -> str:
    """The metric of a case, which it has itself or the whole claim."""
    return case.get("metric") or claim["metric"]


def places(claim: dict, case: dict) -> list[tuple[str, str]]:
    """Where the values of each model that a case compares are: experiment and metric."""
    experiment = case.get("experiment", ARCHITECTURES)
    if claim["kind"] == "share":
        return [(experiment, metric) for metric in (*claim["parts"], claim["whole"])]
    if claim["kind"] == "majority":
        return [(experiment, metric) for metric in claim["metrics"]]
    first = (experiment, metric_of(claim, case))
    if claim["kind"] == "largest_gain":
        return [first, *((other["experiment"], other["metric"]) for other in claim["others"])]
    return [first, *((experiment, metric) for metric in claim.get("others", []))]


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
    wanted = (case["experiment"], metric_of(claim, case))
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
    return _above_each(f"{metric_of(claim, case)} {_mean(main):.4g}; {', '.join(parts)}", main, others, alpha)


def _largest_gain(claim: dict, case: dict, values: list[Values], alpha: float, tables: list[Table]) -> Outcome:
    where, found = places(claim, case), compared(values)
    ends = list(zip(found[: len(where)], found[len(where) :], strict=True))
    parts = [f"{experiment} {metric} {_mean(b) - _mean(a):.3g}" for (experiment, metric), (a, b) in zip(where, ends, strict=True)]
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
