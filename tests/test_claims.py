"""Claims: the t-tests against values computed by hand, and what may be judged."""

import math

import pytest
from claim_world import ABOUT, EQUAL, LESS, errors, judge, one, p_two, results

from stages.tables import claims, estimates
from stages.tables.results import GENERATED, THIS_RUN, Results


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
        ({"protocol": "assumed"}, "assumed lengths of training"),
        ({"kind": "unverified", "protocol": "miniature"}, "unverified"),
        ({"kind": "stand-in", "protocol": "miniature"}, "stand-in"),
    ],
)
def test_what_is_not_the_thesis_s_experiment_is_not_tried_but_shown(facts, reason):
    found = one(LESS, errors([14.0, 14.0, 15.0], [15.0, 15.2, 15.8], **facts))
    assert (found.verdict, found.reason, found.label) == ("not tried", reason, reason)
    assert (found.p, found.test) == (None, "")
    assert "a 14.33 < b 15.33" in found.observed


# differences -1.0, -1.2, 0.4: mean -0.6, deviation sqrt(.76), t = -.6 sqrt(3) / sqrt(.76) = -1.192
A, B = [14.0, 14.0, 16.2], [15.0, 15.2, 15.8]
P = p_two(-0.6 * math.sqrt(3) / math.sqrt(0.76))


def test_a_shortened_release_shows_in_how_many_seeds_the_direction_holds():
    short = one(LESS, errors(A, B), [errors(A, B, protocol="shortened", source="real-1")])
    assert "holds in" not in short.observed  # this run can be judged
    short = one(LESS, results({}), [errors(A, B, protocol="shortened", source="real-1")])
    assert (short.verdict, short.p) == ("not tried", None)
    assert short.observed.endswith(f"; on cifar10 (shortened schedule): holds in 2 of 3 seeds, p = {P:.3f} by a paired t-test")
    # other seeds each: no pairs to count
    unpaired = errors({0: 14.0, 1: 14.1}, {2: 15.0, 3: 15.1}, protocol="shortened", source="real-1")
    assert "; on cifar10 (shortened schedule): p = " in one(LESS, results({}), [unpaired]).observed
    # nothing to add of this run, of one seed and of other kinds of claims
    assert "on cifar10" not in one(LESS, errors(A, B, kind="miniature")).observed
    assert "on cifar10" not in one(LESS, results({}), [errors([1.0], [2.0], protocol="shortened", source="real-1")]).observed
    assert "on cifar10" not in one(EQUAL, results({}), [errors(A, B, protocol="shortened", source="real-1")]).observed


@pytest.mark.parametrize(
    "facts",
    [{"kind": "stand-in"}, {"kind": "altered"}, {"kind": "unverified"}, {"kind": "unverified", "protocol": "shortened"}],
)
def test_on_real_data_of_another_kind_a_claim_has_a_state_that_is_no_verdict(facts):
    found = one(LESS, errors([14.0, 14.0, 15.0], [15.0, 15.2, 15.8], **facts))
    assert (found.verdict, found.test, found.confidence, found.seeds) == ("agrees there", "paired t-test", 0.95, 3)
    assert found.p == pytest.approx(p_two(-math.sqrt(75)), abs=1e-6)
    assert found.reason == found.label == facts["kind"]
    assert found.observed == "a 14.33 < b 15.33 (difference -1)"
    assert one(LESS, errors([15.0, 15.2, 15.8], [14.0, 14.0, 15.0], **facts)).verdict == "disagrees there"
    still = one(LESS, errors(A, B, **facts))
    assert (still.verdict, still.p) == ("open there", pytest.approx(P, abs=1e-6))
    single = one(LESS, errors([14.0], [15.0], **facts))
    assert (single.verdict, single.reason, single.p) == ("open there", f"{facts['kind']}; one seed", None)


def test_of_other_data_most_seeds_decide_and_the_thesiss_own_come_first():
    released = errors([14.0, 14.0, 15.0], [15.0, 15.2, 15.8], kind="stand-in", source="cpu-1")
    single = errors([16.0], [15.0], kind="stand-in", source="real-1")
    assert one(LESS, errors([1.0], [2.0], kind="miniature"), [single, released]).source == "cpu-1"
    short = errors(A, B, source="real-2", protocol="shortened")
    assert one(LESS, results({}), [short, released]).verdict == "agrees there"
    own = one(LESS, results({}), [released, errors([15.0], [14.0], source="real-3")])
    assert (own.verdict, own.source, own.label) == ("not decided", "real-3", "")


def test_generated_pictures_beside_real_ones_decide_nothing():
    cases = [{"a": "old", "b": "new", "experiment": "covers", "others": [{"experiment": "toys", "metric": "accuracy"}]}]
    claim = {**ABOUT, "id": "gain", "kind": "largest_gain", "metric": "accuracy", "cases": cases}

    def gained(kind):
        values = {("old", "accuracy"): [1.0, 2.0, 3.0], ("new", "accuracy"): [3.0, 4.1, 5.2]}
        others = {("old", "accuracy"): [1.0, 2.0, 3.0], ("new", "accuracy"): [1.0, 2.0, 3.0]}
        covers = results(values, experiment="covers", kind="stand-in", better="higher")
        toys = results(others, experiment="toys", kind=kind, better="higher")
        return one(claim, Results(THIS_RUN, covers.metrics | toys.metrics)).verdict

    assert [gained(kind) for kind in ("official", "altered", "unverified")] == ["agrees there"] * 3
    assert [gained(kind) for kind in ("generated", "miniature")] == ["not tried"] * 2


def test_what_is_compared_with_printed_numbers_is_not_tried_on_other_data():
    claim = {**ABOUT, "id": "cited", "kind": "below_cited", "metric": "error", "table": "2.3"}
    claim["cases"] = [{"model": "cfn-b", "experiment": "cifar10"}]
    for kind in ("altered", "unverified"):
        found = one(claim, results({("cfn-b", "error"): [8.28, 8.27, 8.26]}, kind=kind))
        assert (found.verdict, found.reason, found.p) == ("not tried", kind, None)


def test_states_are_counted_apart_from_verdicts():
    metrics = errors([14.0, 14.0, 15.0], [15.0, 15.2, 15.8]).metrics | errors(A, B, experiment="covers", kind="stand-in").metrics
    cases = [{"a": "a", "b": "b", "experiment": experiment} for experiment in ("cifar10", "covers", "absent")]
    judged = judge({**LESS, "cases": cases}, Results(THIS_RUN, metrics))
    assert claims.counts(judged) == {
        "reproduced": 1, "contradicted": 0, "not decided": 0, "not tried": 1, "agrees there": 0, "disagrees there": 0, "open there": 1,
    }  # fmt: skip


def test_each_case_may_have_a_metric_of_its_own():
    cases = [{"a": "a", "b": "b", "metric": metric, "experiment": "cifar10"} for metric in ("x", "y")]
    run = results({("a", "x"): [1.0, 1.1], ("b", "x"): [2.0, 2.1], ("a", "y"): [4.0, 4.1], ("b", "y"): [3.0, 3.1]})
    claim = {key: value for key, value in LESS.items() if key != "metric"} | {"cases": cases}
    assert [(j.case, j.verdict) for j in judge(claim, run)] == [
        ("a < b, x, cifar10", "reproduced"), ("a < b, y, cifar10", "contradicted"),
    ]  # fmt: skip


def test_what_a_table_calls_a_stand_in_has_no_verdict_however_official():
    values = {("a", "error"): [14.0, 14.0, 15.0], ("b", "error"): [15.0, 15.2, 15.8]}
    for experiment, verdict, reason in (("smvs_dvd", "agrees there", "stand-in"), ("ukb", "reproduced", "")):
        claim = LESS | {"cases": [{"a": "a", "b": "b", "experiment": experiment}]}
        found = one(claim, results(values, experiment=experiment), chapter="ch4_deepindex")
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


def test_generated_figures_try_no_claim_and_show_the_direction():
    figures = errors([14.0, 14.0, 15.0], [15.0, 15.2, 15.8], source="figures-1", kind="generated", protocol="generated")
    found = one(LESS, errors([1.0], [2.0], kind="miniature", protocol="miniature"), [figures])
    assert (found.verdict, found.reason, found.label) == ("not tried", GENERATED, GENERATED)
    assert (found.source, found.seeds) == ("figures-1", 3)
    assert "a 14.33 < b 15.33" in found.observed and "on cifar10 (generated): holds in 3 of 3 seeds" in found.observed
