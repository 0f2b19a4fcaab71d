"""Claims: the tests against t values computed by hand, and what may be judged.

With two degrees of freedom P(T <= t) = 1/2 + t / (2 sqrt(2 + t^2)), so p-values need no statistics library.
"""

import json
import math
from pathlib import Path

import pytest

from stages.core.errors import UserError
from stages.core.metrics import Dataset, MetricsFile, Record
from stages.tables import claims, estimates, render, transcript
from stages.tables.ledger import THIS_RUN, Results

PUBLISHED = Path("stages/tables/published")
CLAIMS = Path("stages/tables/claims.yaml")
ABOUT = {"chapter": "ch2_fusion", "section": "2.4.1", "place": "Table 2.2", "statement": "A claim."}
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


def judge(claim, run, releases=()):
    tables = transcript.load_tables(PUBLISHED, "ch2_fusion")
    return claims.judge([claim], 0.95, tables, run, list(releases))


def one(claim, run, releases=()):
    (found,) = judge(claim, run, releases)
    return found


def test_paired_t_by_hand():
    # differences -1.0, -1.2, -0.8: mean -1, deviation 0.2, error 0.2 / sqrt 3, t = -8.660
    found = one(LESS, errors([14.0, 14.0, 15.0], [15.0, 15.2, 15.8]))
    assert (found.verdict, found.test, found.seeds) == ("reproduced", "paired t-test", 3)
    assert found.p == pytest.approx(p_two(-math.sqrt(75)), abs=1e-6)
    assert found.observed == "a 14.33 < b 15.33 (difference -1)"


def test_paired_t_uses_shared_seeds_only():
    found = one(LESS, errors({0: 14.0, 1: 14.0, 2: 15.0, 7: 99.0}, {0: 15.0, 1: 15.2, 2: 15.8, 8: 1.0}))
    assert found.seeds == 3
    assert found.p == pytest.approx(p_two(-math.sqrt(75)), abs=1e-6)
    # what is shown is what was tested, not the means over other seeds
    assert found.observed == "a 14.33 < b 15.33 (difference -1)"


def test_the_other_direction_contradicts_and_noise_decides_nothing():
    assert one(LESS, errors([15.0, 15.2, 15.8], [14.0, 14.0, 15.0])).verdict == "contradicted"
    # differences -0.1, -0.5, 0.3: mean -0.1, deviation 0.4, t = -0.1 / (0.4 / sqrt 3) = -0.4330
    found = one(LESS, errors([14.9, 14.5, 15.3], [15.0, 15.0, 15.0]))
    assert found.verdict == "not decided"
    assert found.p == pytest.approx(p_two(-math.sqrt(3) / 4), abs=1e-6)


def test_confidence_is_that_of_the_table_of_t():
    # t(0.95, 2) = 2.920: differences of mean -2.92 and -2.91 errors
    def verdict(t):
        error = 0.1 / math.sqrt(3)
        return one(LESS, errors([-t * error - 0.1, -t * error, -t * error + 0.1], [0.0, 0.0, 0.0])).verdict

    assert verdict(2.930) == "reproduced"
    assert verdict(2.910) == "not decided"


def test_welch_where_seeds_do_not_pair():
    # variances 0.08 / 2 = 0.04 and 0.09 / 3 = 0.03; freedom 0.07^2 / (0.04^2 / 1 + 0.03^2 / 2) = 2.3902
    a, b = {0: 8.0, 1: 8.4}, {2: 9.0, 3: 9.3, 4: 9.6}
    found = estimates.welch(a, b)
    assert found.difference == pytest.approx(-1.1)
    assert found.error == pytest.approx(math.sqrt(0.07))
    assert found.freedom == pytest.approx(0.0049 / 0.00205)
    judged = one(LESS, errors(a, b))
    assert (judged.verdict, judged.test) == ("reproduced", "Welch's t-test")
    # between the exact values for 2 and 3 degrees of freedom; t = -4.158
    assert 0.0126 < judged.p < p_two(-1.1 / math.sqrt(0.07))


def test_a_value_without_seeds_is_a_constant():
    # differences -0.1, -0.2, -0.3: mean -0.2, deviation 0.1, t = -2 sqrt 3
    found = one(LESS, errors([13.9, 13.8, 13.7], {None: 14.0}))
    assert (found.verdict, found.test, found.seeds) == ("reproduced", "one-sample t-test", 3)
    assert found.p == pytest.approx(p_two(-2 * math.sqrt(3)), abs=1e-6)
    assert found.observed == "a 13.8 < b 14 (difference -0.2)"
    found = one(LESS, errors({None: 14.0}, [13.9, 13.8, 13.7]))
    assert (found.verdict, found.test) == ("contradicted", "one-sample t-test")
    assert found.p == pytest.approx(p_two(2 * math.sqrt(3)), abs=1e-6)
    # the constant does not stand for a seed, neither of a verdict nor in choosing a source
    alone = one(LESS, errors([13.9], {None: 14.0}))
    assert (alone.verdict, alone.reason, alone.seeds) == ("not decided", "one seed", 1)
    assert one(LESS, errors({None: 13.9}, {None: 14.0})).reason == "one seed"
    released = errors([13.9, 13.8, 13.7], {None: 14.0}, source="real-1")
    assert one(LESS, errors([13.9], {None: 14.0}), [released]).source == "real-1"


def test_one_seed_is_not_decided_but_shown():
    found = one(LESS, errors([14.0], [15.0]))
    assert (found.verdict, found.reason, found.p) == ("not decided", "one seed", None)
    assert "a 14 < b 15 (difference -1)" in found.observed
    assert one(LESS, errors([14.0], [15.0, 15.1, 15.2])).verdict == "not decided"


def test_equal_differences_over_seeds():
    assert one(LESS, errors([8.1, 8.2], [8.3, 8.4])).verdict == "reproduced"
    assert one(LESS, errors([8.1, 8.2], [8.1, 8.2])).verdict == "not decided"


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"kind": "miniature", "protocol": "miniature"}, "miniature"),
        ({"protocol": "shortened"}, "shortened schedule"),
        ({"kind": "stand-in"}, "stand-in"),
    ],
)
def test_what_is_not_the_thesis_s_experiment_is_not_tried_but_shown(facts, reason):
    found = one(LESS, errors([14.0, 14.0, 15.0], [15.0, 15.2, 15.8], **facts))
    assert (found.verdict, found.reason, found.label) == ("not tried", reason, reason)
    assert (found.p, found.test) == (None, "")
    assert "a 14.33 < b 15.33" in found.observed


def test_a_release_that_cannot_be_judged_shows_in_how_many_seeds_the_direction_holds():
    # differences -1.0, -1.2, 0.4: mean -0.6, deviation sqrt(.76), t = -.6 sqrt(3) / sqrt(.76) = -1.192
    a, b = [14.0, 14.0, 16.2], [15.0, 15.2, 15.8]
    p = p_two(-0.6 * math.sqrt(3) / math.sqrt(0.76))
    found = one(LESS, errors([1.0], [2.0], kind="miniature"), [errors(a, b, kind="stand-in", source="real-1")])
    assert (found.verdict, found.reason, found.source, found.p) == ("not tried", "stand-in", "real-1", None)
    assert found.observed.endswith(f"; on cifar10 (stand-in): holds in 2 of 3 seeds, p = {p:.3f} by a paired t-test")
    short = one(LESS, errors(a, b), [errors(a, b, protocol="shortened", source="real-1")])
    assert "holds in" not in short.observed  # this run can be judged
    short = one(LESS, results({}), [errors(a, b, protocol="shortened", source="real-1")])
    assert "; on cifar10 (shortened schedule): holds in 2 of 3 seeds" in short.observed
    # other seeds each: no pairs to count
    unpaired = errors({0: 14.0, 1: 14.1}, {2: 15.0, 3: 15.1}, kind="stand-in", source="real-1")
    assert "; on cifar10 (stand-in): p = " in one(LESS, results({}), [unpaired]).observed
    # nothing to add of this run, of one seed and of other kinds of claims
    assert "on cifar10" not in one(LESS, errors(a, b, kind="miniature")).observed
    assert "on cifar10" not in one(LESS, results({}), [errors([1.0], [2.0], kind="stand-in", source="real-1")]).observed
    assert "on cifar10" not in one(EQUAL, results({}), [errors(a, b, kind="stand-in", source="real-1")]).observed


def test_a_case_with_lists_stands_for_each_combination(tmp_path):
    text = CLAIMS.read_text()
    case = "{a: cfn-a, b: cnn-a, experiment: cifar10}"
    assert case in text

    def cases(new, text=text):
        (tmp_path / "claims.yaml").write_text(text.replace(case, new, 1))
        (claim,) = [c for c in claims.load_claims(tmp_path / "claims.yaml", "ch2_fusion")[0] if c["id"] == "cfn-below-cnn"]
        return claim["cases"]

    assert len(cases(case)) == 5
    assert cases("{a: [x, y], b: z, experiment: [e, f]}")[:5] == [
        {"a": "x", "b": "z", "experiment": "e"}, {"a": "x", "b": "z", "experiment": "f"},
        {"a": "y", "b": "z", "experiment": "e"}, {"a": "y", "b": "z", "experiment": "f"},
        {"a": "cfn-a", "b": "cnn-a", "experiment": "cifar100"},
    ]  # fmt: skip
    for new, sentence in {
        "{a: [], b: z, experiment: e}": "case 1: a is \\[\\]; it must be a non-empty string",
        "{a: [x, 3], b: z, experiment: e}": "case 2: a is 3; it must be a non-empty string",
        "{a: x, b: z, experiment: e, metric: m}": "case 1: unknown key 'metric'",
    }.items():
        with pytest.raises(UserError, match=sentence):
            cases(new)
    # a claim without a metric has one in each of its cases
    with pytest.raises(UserError, match=r"\(cfn-below-cnn\): case 1: key 'metric' is missing"):
        cases(case, text.replace("    metric: error\n", "", 1))


def test_each_case_may_have_a_metric_of_its_own():
    cases = [{"a": "a", "b": "b", "metric": metric, "experiment": "cifar10"} for metric in ("x", "y")]
    run = results({("a", "x"): [1.0, 1.1], ("b", "x"): [2.0, 2.1], ("a", "y"): [4.0, 4.1], ("b", "y"): [3.0, 3.1]})
    claim = {key: value for key, value in LESS.items() if key != "metric"} | {"cases": cases}
    assert [(j.case, j.verdict) for j in judge(claim, run)] == [
        ("a < b, x, cifar10", "reproduced"), ("a < b, y, cifar10", "contradicted"),
    ]  # fmt: skip


def test_what_a_table_calls_a_stand_in_is_never_judged_however_official():
    tables = transcript.load_tables(PUBLISHED, "ch4_deepindex")
    values = {("a", "error"): [14.0, 14.0, 15.0], ("b", "error"): [15.0, 15.2, 15.8]}
    for experiment, verdict, reason in (("smvs_dvd", "not tried", "stand-in"), ("ukb", "reproduced", "")):
        claim = LESS | {"cases": [{"a": "a", "b": "b", "experiment": experiment}]}
        (found,) = claims.judge([claim], 0.95, tables, results(values, experiment=experiment), [])
        assert (found.verdict, found.reason) == (verdict, reason)


def test_a_missing_operand_is_not_tried():
    found = one(LESS, results({("a", "error"): [14.0, 14.1]}))
    assert (found.verdict, found.reason, found.observed) == ("not tried", "no result", "")


def test_the_source_with_most_seeds_that_can_be_judged():
    mini = errors([1.0], [2.0], kind="miniature", protocol="miniature")
    single = errors([14.0], [15.0])
    released = errors([14.0, 14.0, 15.0], [15.0, 15.2, 15.8], source="real-1")
    short = errors([20.0], [19.0], source="cpu-1", protocol="shortened")
    assert one(LESS, mini, [released, short]).source == "real-1"
    assert one(LESS, single, [released]).source == "real-1"
    assert one(LESS, errors([14.0] * 3, [15.0] * 3), [released]).source == THIS_RUN
    shown = one(LESS, mini, [short])
    assert (shown.source, shown.verdict) == ("cpu-1", "not tried")
    assert "a 20 > b 19" in shown.observed


EQUAL = {
    **ABOUT, "id": "equal", "kind": "equal", "metric": "error", "margin": 0.41, "margin_origin": "x",
    "cases": [{"a": "a", "b": "b", "experiment": "cifar10"}],
}  # fmt: skip


def test_equivalence_by_two_one_sided_tests():
    # differences 0.1, 0, -0.1: mean 0, error 0.1 / sqrt 3; both tests have |t| = 0.41 sqrt 3 / 0.1
    found = one(EQUAL, errors([8.1, 8.0, 7.9], [8.0, 8.0, 8.0]))
    assert found.verdict == "reproduced"
    assert found.p == pytest.approx(p_two(-4.1 * math.sqrt(3)), abs=1e-6)
    assert found.test == "two one-sided tests, paired t-test"
    # off centre, the nearer margin decides: mean 0.3, t = (0.3 - 0.41) sqrt 3 / 0.1 = -1.905
    found = one(EQUAL, errors([8.4, 8.3, 8.2], [8.0, 8.0, 8.0]))
    assert found.verdict == "not decided"
    assert found.p == pytest.approx(p_two(-1.1 * math.sqrt(3)), abs=1e-6)
    assert one(EQUAL, errors([9.1, 9.0, 8.9], [8.0, 8.0, 8.0])).verdict == "contradicted"
    assert one(EQUAL, errors([8.0, 8.0, 8.0], [9.1, 9.0, 8.9])).verdict == "contradicted"


def test_not_below_by_a_margin_by_hand():
    claim = {**EQUAL, "kind": "not_below"}
    # differences -0.2, -0.1, 0: mean -0.1, error 0.1 / sqrt 3; 0.31 above the margin, t = 3.1 sqrt 3
    found = one(claim, errors([7.8, 7.9, 8.0], [8.0, 8.0, 8.0]))
    assert (found.verdict, found.test) == ("reproduced", "paired t-test")
    assert found.p == pytest.approx(p_two(-3.1 * math.sqrt(3)), abs=1e-6)
    assert found.case == "a not below b by 0.41, cifar10"
    # however far above, where `equal` is contradicted
    assert one(claim, errors([9.1, 9.0, 8.9], [8.0, 8.0, 8.0])).verdict == "reproduced"
    # mean -0.4: t = 0.01 sqrt 3 / 0.1; and -1.4
    assert one(claim, errors([7.5, 7.6, 7.7], [8.0, 8.0, 8.0])).verdict == "not decided"
    assert one(claim, errors([6.5, 6.6, 6.7], [8.0, 8.0, 8.0])).verdict == "contradicted"
    assert one(claim, errors([7.8], [8.0])).reason == "one seed"


def test_about_a_stated_difference_by_hand():
    claim = {**EQUAL, "kind": "about", "margin": 0.5, "cases": [{"a": "a", "b": "b", "experiment": "cifar10", "by": 1.0}]}
    # differences 1.2, 1.1, 1.3: mean 1.2, error 0.1 / sqrt 3; the nearer end is 1.5, t = -0.3 sqrt 3 / 0.1
    found = one(claim, errors([9.2, 9.1, 9.3], [8.0, 8.0, 8.0]))
    assert (found.verdict, found.test) == ("reproduced", "two one-sided tests, paired t-test")
    assert found.p == pytest.approx(p_two(-3 * math.sqrt(3)), abs=1e-6)
    assert found.case == "a = b + 1.0 within 0.5, cifar10"
    # mean 0.55, near the lower end; mean 2 and mean -1, beyond either
    assert one(claim, errors([8.55, 8.45, 8.65], [8.0, 8.0, 8.0])).verdict == "not decided"
    assert one(claim, errors([10.0, 9.9, 10.1], [8.0, 8.0, 8.0])).verdict == "contradicted"
    assert one(claim, errors([7.0, 6.9, 7.1], [8.0, 8.0, 8.0])).verdict == "contradicted"


LARGEST = {
    **ABOUT, "id": "largest", "kind": "largest", "metric": "w3", "others": ["w1", "w2"],
    "cases": [{"model": "a", "experiment": "cifar10"}],
}  # fmt: skip


def weights(w1, w2, w3):
    return results({("a", "w1"): w1, ("a", "w2"): w2, ("a", "w3"): w3})


def test_the_largest_must_beat_each_of_the_others():
    # the nearer branch decides: w2 - w3 is -0.1, -0.12, -0.08: t = -0.1 / (0.02 / sqrt 3)
    found = one(LARGEST, weights([0.1, 0.1, 0.1], [0.4, 0.38, 0.42], [0.5, 0.5, 0.5]))
    assert found.verdict == "reproduced"
    assert found.p == pytest.approx(p_two(-5 * math.sqrt(3)), abs=1e-6)
    # the main branch beats one branch and not the other
    assert one(LARGEST, weights([0.1, 0.1, 0.1], [0.4, 0.6, 0.5], [0.5, 0.5, 0.5])).verdict == "not decided"
    assert one(LARGEST, weights([0.1, 0.1, 0.1], [0.6, 0.61, 0.59], [0.5, 0.5, 0.5])).verdict == "contradicted"
    assert one(LARGEST, weights([0.1], [0.4], [0.5])).verdict == "not decided"
    assert one(LARGEST, weights([0.1, 0.1], {0: 0.4}, [0.5, 0.5])).reason == "one seed"


def test_contradicting_the_largest_is_corrected_for_the_number_of_others():
    # w2 above w3 with t = 3.2: p = 0.0427, enough for one comparison and not for two
    error = 0.01 / math.sqrt(3)
    above = [0.5 + 3.2 * error + step for step in (-0.01, 0.0, 0.01)]
    assert p_two(-3.2) < 0.05 < 2 * p_two(-3.2)
    assert one(LARGEST, weights([0.1, 0.1, 0.1], above, [0.5, 0.5, 0.5])).verdict == "not decided"


def test_the_largest_may_have_a_metric_in_each_case():
    cases = [{"model": "a", "metric": metric, "experiment": "cifar10"} for metric in ("w2", "w3")]
    claim = {key: value for key, value in LARGEST.items() if key != "metric"} | {"others": ["w1"], "cases": cases}
    judged = judge(claim, weights([0.2, 0.2, 0.2], [0.1, 0.11, 0.12], [0.5, 0.5, 0.5]))
    assert [(j.case, j.verdict, j.observed) for j in judged] == [
        ("a: w2 > w1, cifar10", "contradicted", "w2 0.11; w1 0.2"), ("a: w3 > w1, cifar10", "reproduced", "w3 0.5; w1 0.2"),
    ]  # fmt: skip


GAIN = {
    **ABOUT, "id": "gain", "kind": "largest_gain", "metric": "accuracy",
    "others": [{"experiment": "birds", "metric": "map"}, {"experiment": "imagenet", "metric": "error"}],
    "cases": [{"a": "a", "b": "b", "experiment": "flowers"}],
}  # fmt: skip


def gains(flowers, birds, imagenet, **others):
    """What b gains in each experiment, by seed; a has 50, and in errors b is lower by the gain."""

    def of(experiment, metric, found, sign, better):
        by_seed = found if isinstance(found, dict) else dict(enumerate(found))
        values = {("a", metric): dict.fromkeys(by_seed, 50.0), ("b", metric): {seed: 50 + sign * gain for seed, gain in by_seed.items()}}
        return results(values, experiment=experiment, better=better, **others).metrics

    files = of("flowers", "accuracy", flowers, 1, "higher") | of("birds", "map", birds, 1, "higher")
    return Results(others.get("source", THIS_RUN), files | of("imagenet", "error", imagenet, -1, "lower"))


def test_a_gain_must_exceed_each_of_the_others():
    # the nearer is birds: differences to flowers -1, -1.2, -0.8, t = -sqrt 75
    found = one(GAIN, gains([6.0, 5.2, 6.8], [5.0, 4.0, 6.0], [1.0, 1.0, 1.0]))
    assert (found.verdict, found.test, found.seeds) == ("reproduced", "paired t-test", 3)
    assert found.p == pytest.approx(p_two(-math.sqrt(75)), abs=1e-6)
    assert found.case == "b over a: gain on flowers accuracy > on birds map, imagenet error"
    assert found.observed == "gain on flowers accuracy 6; birds map 5, imagenet error 1"
    # it is the pairs that tell them apart: the same gains of birds with other partners do not
    assert one(GAIN, gains([6.0, 5.2, 6.8], [6.0, 5.0, 4.0], [1.0, 1.0, 1.0])).verdict == "not decided"
    # above one and not above the other
    assert one(GAIN, gains([6.0, 6.1, 6.2], [7.0, 7.1, 7.2], [1.0, 1.0, 1.0])).verdict == "contradicted"
    assert one(GAIN, gains([6.0, 6.1, 6.2], [1.0, 1.0, 1.0], [5.9, 6.1, 6.3])).verdict == "not decided"
    # a lower error is a gain, a higher one is none
    assert one(GAIN, gains([6.0, 6.1, 6.2], [1.0, 1.0, 1.0], [-8.0, -8.0, -8.0])).verdict == "reproduced"


def test_gains_of_the_seeds_that_all_experiments_share():
    found = one(GAIN, gains({0: 6.0, 1: 5.2, 2: 6.8, 3: -90.0}, {0: 5.0, 1: 4.0, 2: 6.0}, {0: 1.0, 1: 1.0, 2: 1.0, 4: 70.0}))
    assert (found.verdict, found.seeds) == ("reproduced", 3)
    assert found.p == pytest.approx(p_two(-math.sqrt(75)), abs=1e-6)
    single = one(GAIN, gains([6.0], [5.0], [1.0]))
    assert (single.verdict, single.reason, single.observed) == (
        "not decided", "one seed", "gain on flowers accuracy 6; birds map 5, imagenet error 1",
    )  # fmt: skip
    assert one(GAIN, gains({0: 6.0, 1: 6.1}, {2: 5.0, 3: 5.1}, {4: 1.0, 5: 1.0})).reason == "one seed"
    # without one of the experiments there is nothing to compare; one that cannot be judged spoils the comparison
    whole = gains([6.0, 5.2, 6.8], [5.0, 4.0, 6.0], [1.0, 1.0, 1.0])
    assert one(GAIN, Results(THIS_RUN, {name: whole.metrics[name] for name in ("flowers", "birds")})).reason == "no result"
    mixed = whole.metrics | gains([6.0], [5.0], [1.0, 1.0, 1.0], kind="unverified").metrics
    found = one(GAIN, Results(THIS_RUN, whole.metrics | {"imagenet": mixed["imagenet"]}))
    assert (found.verdict, found.reason, found.p) == ("not tried", "unverified", None)


def test_a_majority_of_metrics_by_hand():
    claim = {
        **ABOUT, "id": "most", "kind": "majority", "metrics": ["x", "y", "z"],
        "cases": [{"a": "a", "b": "b", "experiment": "cifar10"}],
    }  # fmt: skip

    def run(x, y, z):
        return results({("a", name): [5.0] * len(x) for name in "xyz"} | {("b", "x"): x, ("b", "y"): y, ("b", "z"): z})

    # b leads by 3, by 1 and, one being a tie, by 2: mean 2, deviation 1, t = 2 sqrt 3
    found = one(claim, run([6.0, 6.0, 6.0], [6.0, 6.0, 6.0], [6.0, 4.0, 5.0]))
    assert (found.verdict, found.test, found.seeds) == ("reproduced", "one-sample t-test", 3)
    assert found.p == pytest.approx(p_two(-2 * math.sqrt(3)), abs=1e-6)
    assert (found.case, found.observed) == ("b > a in most of 3 metrics, cifar10", "b above a in 2 of 3, below in 0")
    # however small the many and large the few
    assert one(claim, run([5.1, 5.1, 5.2], [5.1, 5.2, 5.1], [0.0, 0.0, 0.0])).verdict == "reproduced"
    assert one(claim, run([4.9, 4.9, 4.9], [4.9, 4.9, 4.9], [9.0, 9.0, 9.0])).verdict == "contradicted"
    # 1, -1, 1: mean 1/3, error (2 / sqrt 3) / sqrt 3
    found = one(claim, run([6.0, 4.0, 6.0], [6.0, 4.0, 6.0], [4.0, 6.0, 4.0]))
    assert (found.verdict, found.p) == ("not decided", pytest.approx(p_two(-0.5), abs=1e-6))
    found = one(claim, run([6.0], [6.0], [4.0]))
    assert (found.reason, found.observed) == ("one seed", "b above a in 2 of 3, below in 1")


def test_below_the_cited_methods():
    claim = {
        **ABOUT, "id": "cited", "kind": "below_cited", "metric": "error", "table": "2.3",
        "cases": [{"model": "cfn-b", "experiment": "cifar10"}],
    }  # fmt: skip
    # NIN + SReLU has 8.41: differences -0.13, -0.14, -0.15, t = -0.14 / (0.01 / sqrt 3)
    found = one(claim, results({("cfn-b", "error"): [8.28, 8.27, 8.26]}))
    assert (found.verdict, found.test) == ("reproduced", "one-sample t-test")
    assert found.p == pytest.approx(p_two(-14 * math.sqrt(3)), abs=1e-6)
    assert "NIN + SReLU 8.41" in found.observed
    with pytest.raises(UserError, match=r"table is '2\.9'"):
        one({**claim, "table": "2.9"}, results({("cfn-b", "error"): [8.28, 8.27, 8.26]}))


def test_above_the_cited_methods():
    claim = {
        **ABOUT, "id": "cited", "kind": "above_cited", "metric": "error", "table": "2.3",
        "cases": [{"model": "cfn-b", "experiment": "cifar10"}],
    }  # fmt: skip
    # Maxout has 11.68: differences 0.13, 0.14, 0.15, t = 0.14 / (0.01 / sqrt 3)
    found = one(claim, results({("cfn-b", "error"): [11.81, 11.82, 11.83]}))
    assert (found.verdict, found.test) == ("reproduced", "one-sample t-test")
    assert found.p == pytest.approx(p_two(-14 * math.sqrt(3)), abs=1e-6)
    assert found.case == "cfn-b > cited rows of Table 2.3, cifar10"
    assert found.observed == "cfn-b 11.82 > Maxout Networks 11.68 (difference +0.14)"
    assert one(claim, results({("cfn-b", "error"): [11.55, 11.54, 11.53]})).verdict == "contradicted"
    assert one(claim, results({("cfn-b", "error"): [11.6, 11.68, 11.76]})).verdict == "not decided"
    assert one(claim, results({("cfn-b", "error"): [11.81]})).reason == "one seed"


def test_cited_rows_are_compared_in_the_column_of_metric_and_experiment():
    claim = {
        **ABOUT, "id": "cited", "kind": "above_cited", "metric": "ods_011", "table": "3.4",
        "cases": [{"model": "rds", "experiment": "nyud_v2"}],
    }  # fmt: skip
    tables = transcript.load_tables(PUBLISHED, "ch3_edges")
    run = results({("rds", "ods"): [0.6, 0.61], ("rds", "ods_011"): [0.65, 0.66]}, experiment="nyud_v2")

    def observed(**others):
        (found,) = claims.judge([{**claim, **others}], 0.95, tables, run, [])
        return found.observed

    # DeepContour has no value at this tolerance
    assert observed() == "rds 0.655 > SE 0.64 (difference +0.015)"
    assert observed(metric="ods") == "rds 0.605 > SE 0.55 (difference +0.055)"
    with pytest.raises(UserError, match=r"claim cited: no column of Table 3\.3 has the metric 'ods_011' of experiment 'nyud_v2'"):
        observed(table="3.3")


def counts(values, dataset="cifar10"):
    return results({key: {None: value} for key, value in values.items()}, experiment="architectures", dataset=dataset)


def test_parameter_claims_are_certain():
    fewer = {**ABOUT, "id": "fewer", "kind": "fewer", "metric": "parameters_total"}
    fewer["cases"] = [{"a": "a", "b": "b", "dataset": "cifar10"}]
    found = one(fewer, counts({("a", "parameters_total"): 249930, ("b", "parameters_total"): 253062}))
    assert (found.verdict, found.p, found.seeds) == ("reproduced", None, 0)
    assert found.observed == "a 249,930 < b 253,062 (-3,132)"
    found = one(fewer, counts({("a", "parameters_total"): 5, ("b", "parameters_total"): 5}))
    assert found.verdict == "contradicted"


def test_added_share_by_hand():
    share = {
        **ABOUT, "id": "share", "kind": "share", "parts": ["side", "fusion"], "whole": "basic", "bound_origin": "x",
        "cases": [{"model": "a", "dataset": "cifar10", "below": 0.06}],
    }  # fmt: skip
    # (55,680 + 768) / 1,286,698 = 4.387 %; with the printed 0.074M it is 5.81 %
    found = one(share, counts({("a", "side"): 55680, ("a", "fusion"): 768, ("a", "basic"): 1286698}))
    assert (found.verdict, found.observed) == ("reproduced", "56,448 of 1,286,698: 4.39%")
    found = one(share, counts({("a", "side"): 74000, ("a", "fusion"): 768, ("a", "basic"): 1287000}))
    assert (found.verdict, found.observed) == ("reproduced", "74,768 of 1,287,000: 5.81%")
    found = one(share, counts({("a", "side"): 663936, ("a", "fusion"): 768, ("a", "basic"): 1721572}))
    assert found.verdict == "contradicted"


def test_counts_of_which_a_file_has_one_set_need_no_dataset():
    run = counts({("a", "added"): 468994, ("a", "total"): 6752362, ("b", "total"): 6283368}, dataset=None)
    share = {**ABOUT, "id": "share", "kind": "share", "parts": ["added"], "whole": "total", "bound_origin": "x"}
    found = one({**share, "cases": [{"model": "a", "below": 0.08}]}, run)
    # 468,994 / 6,752,362
    assert (found.verdict, found.case, found.observed) == (
        "reproduced", "a: added share < 8%, architectures", "468,994 of 6,752,362: 6.95%",
    )  # fmt: skip
    fewer = {**ABOUT, "id": "fewer", "kind": "fewer", "metric": "total", "cases": [{"a": "a", "b": "b"}]}
    assert one(fewer, run).observed == "a 6,752,362 > b 6,283,368 (+468,994)"


# --- the claims file ---------------------------------------------------------------------------------------------------


def test_the_claims_file():
    found, confidence = claims.load_claims(CLAIMS, "ch2_fusion")
    assert confidence == 0.95
    cases = {claim["id"]: claim.get("cases", []) for claim in found}
    assert len(cases["cfn-below-cnn"]) == 5
    assert {case["b"] for case in cases["cfn-below-sum-and-conv"]} == {
        f"cnn-{fusion}-{size}" for fusion in ("sum", "conv") for size in "ab"
    }
    for claim in found:
        models = [case[key] for case in claim.get("cases", []) for key in ("a", "b", "model") if key in case]
        assert {model.removesuffix("-eplf")[-1] for model in models} <= {"a", "b"}
        for case in claim.get("cases", []):
            if "a" in case:
                assert case["a"].removesuffix("-eplf")[-1] == case["b"].removesuffix("-eplf")[-1]
    # the margin is a difference that Table 2.2 prints
    (table,) = [table for table in transcript.load_tables(PUBLISHED, "ch2_fusion") if table.id == "2.2"]
    printed = float(table.row("cnn-conv-b").cells["cifar10"]) - float(table.row("cfn-b").cells["cifar10"])
    (equal,) = [claim for claim in found if claim["kind"] == "equal"]
    assert equal["margin"] == pytest.approx(printed)


def test_the_thesis_s_own_numbers_bear_out_its_claims():
    """Every comparison of errors, observed on the printed values, points the way that the claim says."""
    tables = transcript.load_tables(PUBLISHED, "ch2_fusion")
    values: dict[str, dict] = {"cifar10": {}, "cifar10_augmented": {}, "cifar100": {}}
    for table in tables:
        for row in table.rows:
            for experiment in values:
                if row.model and experiment in row.cells:
                    number = float(transcript.printed_number(row.cells[experiment]).value)
                    values[experiment][row.model, "error"] = [number, number]
    files = {name: results(found, experiment=name).metrics[name] for name, found in values.items()}
    found, _ = claims.load_claims(CLAIMS, "ch2_fusion")
    judged = claims.judge(found, 0.95, tables, Results(THIS_RUN, files), [])
    compared = [j for j in judged if j.claim in ("cfn-below-cnn", "cfn-below-sum-and-conv", "cfn-below-cited")]
    assert len(compared) == 16
    assert {j.verdict for j in compared} == {"reproduced"}


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("confidence: 0.95", "confidence: 95", "confidence is 95; it must lie between 0.5 and 1"),
        ("kind: less", "kind: lower", "claim 1 (cfn-below-cnn): kind is 'lower'; it must be one of less"),
        ("    margin: 0.41\n", "", "(eflp-equals-eplf): key 'margin' is missing"),
        ("margin: 0.41", "margin: -1.0", "margin is -1.0; it must be a number above 0"),
        ("{a: cfn-a, b: cnn-a, experiment: cifar10}", "{a: cfn-a, experiment: cifar10}", "case 1: key 'b' is missing"),
        ("below: 0.06", "below: 6%", "below is '6%'; it must be a share"),
        ("by: 6.0", "by: -6.0", "(gains-about-six-and-two-percent): case 1: by is -6.0; it must be a number above 0"),
        ("by: 6.0}", "}", "(gains-about-six-and-two-percent): case 1: key 'by' is missing"),
        ("{experiment: imagenet, metric: top5_error}", "{experiment: imagenet}", "-on-imagenet): other 2: key 'metric' is missing"),
        ("      - {experiment: scene15, metric: accuracy}\n", "      - scene15\n", "(gains-most-on-flower): other 1: must be a mapping"),
        ("      - iou_bike\n", "      - 3\n", "(fcfn-better-in-more-classes): metrics must be a list of names"),
        ("{model: cfn-11, below: 0.08}", "{model: cfn-11, below: 0.08, experiment: x}", "case 1: unknown key 'experiment'"),
        ("{a: cnn-11, b: alexnet}", "{a: cnn-11, b: alexnet, dataset: 3}", "case 1: dataset is 3; it must be a non-empty string"),
        ("{model: rds-se-cea, experiment: bsds500}", "{model: rds-se-cea}", "(rds-cea-above-cited): case 1: key 'experiment' is missing"),
        ('    table: "3.3"\n', "", "(rds-cea-above-cited): key 'table' is missing"),
        ("id: weights-settle", "id: cfn-below-cnn", "claim 'cfn-below-cnn' is given twice"),
        ("claims:\n", "claims: [\n", "not valid YAML"),
    ],
)
def test_a_malformed_claims_file_is_one_sentence(tmp_path, old, new, sentence):
    text = CLAIMS.read_text()
    assert old in text
    (tmp_path / "claims.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=r"claims\.yaml") as caught:
        claims.load_claims(tmp_path / "claims.yaml", "ch2_fusion")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_each_judgement_names_its_test_and_its_confidence():
    tables = transcript.load_tables(PUBLISHED, "ch2_fusion")
    run = errors([14.0, 14.0, 15.0], [15.0, 15.2, 15.8])
    (strict,) = claims.judge([LESS], 0.995, tables, run, [])
    assert (strict.verdict, strict.test, strict.confidence) == ("not decided", "paired t-test", 0.995)
    files = render.render_claims([strict], 0.995, [])
    assert "| 3 | paired t-test, 99.5 % | 0.007 | not decided |" in files["md"]
    assert "one-sided t-tests over seeds at 99.5 % confidence" in files["md"]
    # no test was made
    for run in (errors([14.0], [15.0]), errors([14.0, 14.0], [15.0, 15.2], protocol="shortened")):
        assert (one(LESS, run).test, one(LESS, run).confidence) == ("", None)


def test_rendered_claims():
    judged = judge(LESS, errors([14.0, 14.0, 15.0], [15.0, 15.2, 15.8]))
    files = render.render_claims(judged, 0.95, ["Shortened schedule."])  # of other numbers than this claim's
    assert "| a \\< b, cifar10 | a 14.33 \\< b 15.33 (difference -1) | this run | 3 | paired t-test, 95 % | 0.007 |" in files["md"]
    assert "\n>" not in files["md"] and files["md"].endswith("\n- This run: Shortened schedule.\n")
    short = judge(LESS, errors([14.0, 14.0], [15.0, 15.2], protocol="shortened"))
    assert "> **Shortened schedule.**" in render.render_claims(short, 0.95, ["Shortened schedule."])["md"]
    content = json.loads(files["json"])
    assert content["counts"] == {"reproduced": 1, "contradicted": 0, "not decided": 0, "not tried": 0}
    (claim,) = content["claims"]
    assert claim["p"] == pytest.approx(0.006536, abs=1e-6)
    assert (claim["test"], claim["confidence"]) == ("paired t-test", 0.95)
