"""Claims and results that are made up, for the tests of claims.

With two degrees of freedom P(T <= t) = 1/2 + t / (2 sqrt(2 + t^2)), so p-values need no statistics library.
"""

import math
from pathlib import Path

from stages.core.metrics import Dataset, MetricsFile, Record
from stages.tables import claims, transcript
from stages.tables.results import THIS_RUN, Results

PUBLISHED = Path("stages/tables/published")
ABOUT = {"section": "2.4.1", "place": "Table 2.2", "statement": "A claim."}
LESS = {**ABOUT, "id": "less", "kind": "less", "metric": "error", "cases": [{"a": "a", "b": "b", "experiment": "cifar10"}]}


def p_two(t):
    return 0.5 + t / (2 * math.sqrt(2 + t * t))


def results(values, *, source=THIS_RUN, experiment="cifar10", kind="official", protocol="full", dataset=None, better="lower"):
    """Results of one source: {(model, metric): [value of seed 0, ...] or {seed: value}}."""
    records = []
    for (model, metric), found in values.items():
        by_seed = found if isinstance(found, dict) else dict(enumerate(found))
        for seed, value in by_seed.items():
            records.append(Record(model, metric, value, "%", better, "bitwise", seed=seed, dataset=dataset))
    data = None if dataset else Dataset(experiment, kind)
    file = MetricsFile("ch2_fusion", experiment, "real", protocol, data, tuple(records))
    return Results(source, {experiment: file})


def errors(a, b, **others):
    return results({("a", "error"): a, ("b", "error"): b}, **others)


def judge(entry, run, releases=(), *, chapter="ch2_fusion", confidence=0.95):
    """Every case of a claim as claims.yaml would have it, beside the tables of a chapter."""
    claim = claims.read_claim(entry, "claims.yaml: claim 1")
    return claims.judge([claim], transcript.load_tables(PUBLISHED, chapter), run, list(releases), confidence)


def one(entry, run, releases=(), **others):
    (judgement,) = judge(entry, run, releases, **others)
    return judgement


EQUAL = {
    **ABOUT, "id": "equal", "kind": "equal", "metric": "error", "margin": 0.41, "margin_origin": "x",
    "cases": [{"a": "a", "b": "b", "experiment": "cifar10"}],
}  # fmt: skip
