"""The files of claims, what is wrong with a malformed one, and the claims as rendered."""

import json

import pytest
from claim_world import LESS, errors, judge, one

from stages.core.errors import UserError
from stages.tables import claims, claims_page, kinds

# A kind with a key for the whole claim, one with a number, with a list of mappings, with counts, and one without cases.
FILE = """
claims:
  - id: lower
    section: "9.1"
    place: Table 9.1
    statement: x
    kind: less
    metric: error
    cases:
      - {a: net, b: old, experiment: one}
      - {a: net, b: older, experiment: one}
  - id: about
    section: "9.1"
    place: Table 9.1
    statement: x
    kind: about
    margin: 0.5
    margin_origin: x
    cases:
      - {a: net, b: old, metric: [top1, top5], experiment: one, by: 6.0}
  - id: gains
    section: "9.1"
    place: Table 9.1
    statement: x
    kind: largest_gain
    metric: accuracy
    others:
      - {experiment: two, metric: top1}
      - {experiment: two, metric: top5}
    cases:
      - {a: old, b: net, experiment: one}
  - id: small
    section: "9.1"
    place: Table 9.1
    statement: x
    kind: share
    parts: [added]
    whole: total
    bound_origin: x
    cases:
      - {model: net, below: 0.06}
  - id: unjudged
    section: "9.1"
    place: Table 9.1
    statement: x
    kind: not judged
    reason: no number
"""


def load(tmp_path, old="", new=""):
    """The claims of FILE, changed, in a chapter's folder of its own."""
    assert old in FILE
    (tmp_path / "ch9_toy").mkdir(exist_ok=True)
    (tmp_path / "ch9_toy/claims.yaml").write_text(FILE.replace(old, new, 1))
    return claims.load_claims(tmp_path, "ch9_toy")


def test_a_chapter_s_claims_are_cases_of_their_kinds(tmp_path):
    lower, about, gains, small, unjudged = load(tmp_path)
    assert [(case.a, case.b, case.metric, case.experiment) for case in lower.cases] == [
        ("net", "old", "error", "one"), ("net", "older", "error", "one"),
    ]  # fmt: skip
    assert [type(case) for case in about.cases] == [kinds.About] * 2
    assert [(case.metric, case.margin, case.by) for case in about.cases] == [("top1", 0.5, 6.0), ("top5", 0.5, 6.0)]
    # where the metric is each case's own, its description names it
    assert [one.cases[0].describe() for one in (lower, about)] == ["net < old, one", "net = old + 6.0 within 0.5, top1, one"]
    (gain,) = gains.cases
    assert [(o.experiment, o.model, o.metric) for o in gain.operands()] == [
        ("one", "old", "accuracy"), ("two", "old", "top1"), ("two", "old", "top5"),
        ("one", "net", "accuracy"), ("two", "net", "top1"), ("two", "net", "top5"),
    ]  # fmt: skip
    assert [(o.experiment, o.metric, o.dataset) for o in small.cases[0].operands()] == [
        ("architectures", "added", None), ("architectures", "total", None),
    ]  # fmt: skip
    assert (unjudged.cases[0].untried, unjudged.cases[0].operands()) == ("no number", [])
    assert claims.load_claims(tmp_path, "ch8_none") == []


def test_a_case_with_lists_stands_for_each_combination(tmp_path):
    first, *_ = load(tmp_path, "{a: net, b: old, experiment: one}", "{a: [x, y], b: z, experiment: [e, f]}")
    assert [(case.a, case.b, case.experiment) for case in first.cases] == [
        ("x", "z", "e"), ("x", "z", "f"), ("y", "z", "e"), ("y", "z", "f"), ("net", "older", "one"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("kind: less", "kind: lower", "claim 1 (lower): kind is 'lower'; it must be one of less"),
        ("    kind: less\n", "", "claim 1 (lower): key 'kind' is missing"),
        ("    place: Table 9.1\n", "", "claim 1 (lower): key 'place' is missing"),
        ('section: "9.1"', "section: 9.1", "claim 1 (lower): section is 9.1; it must be a non-empty string"),
        ("    metric: error\n", "", "(lower): case 1: key 'metric' is missing"),
        ("b: old, experiment: one}", "b: old, experiment: one, metric: m}", "(lower): case 1: metric is given for the whole claim too"),
        (
            "    metric: error\n",
            "    metrik: error\n",
            "(lower): unknown key 'metrik'; the keys are id, section",
        ),
        ("{a: net, b: old, experiment: one}", "{a: net, experiment: one}", "(lower): case 1: key 'b' is missing"),
        ("{a: net, b: old, experiment: one}", "{a: [], b: old, experiment: one}", "case 1: a is []; it must be a non-empty string"),
        ("{a: net, b: old, experiment: one}", "{a: [net, 3], b: old, experiment: one}", "case 2: a is 3; it must be a non-empty string"),
        ("{a: net, b: old, experiment: one}", "net", "case 1: must be a mapping with keys among a, b, metric, experiment"),
        ("    margin: 0.5\n", "", "(about): case 1: key 'margin' is missing"),
        ("margin: 0.5", "margin: -1.0", "(about): margin is -1.0; it must be a number above 0"),
        ("by: 6.0", "by: -6.0", "(about): case 1: by is -6.0; it must be a number above 0"),
        ("by: 6.0", "by: yes", "(about): case 1: by is True; it must be a number above 0"),
        (", by: 6.0}", "}", "(about): case 1: key 'by' is missing"),
        ("{experiment: two, metric: top5}", "{experiment: two}", "(gains): other 2: key 'metric' is missing"),
        (
            "      - {experiment: two, metric: top1}\n",
            "      - top1\n",
            "(gains): other 1: must be a mapping with the keys experiment",
        ),
        ("parts: [added]", "parts: [3]", "(small): part 1 is 3; it must be a non-empty string"),
        ("parts: [added]", "parts: []", "(small): parts must be a list with at least one entry"),
        ("below: 0.06", "below: 6%", "(small): case 1: below is '6%'; it must be a share"),
        ("below: 0.06}", "below: 0.06, experiment: x}", "(small): case 1: unknown key 'experiment'"),
        ("below: 0.06}", "below: 0.06, dataset: 3}", "(small): case 1: dataset is 3; it must be a non-empty string"),
        ("    reason: no number\n", "", "(unjudged): key 'reason' is missing"),
        ("id: about", "id: lower", "claim 'lower' is given twice"),
        ("{a: net, b: older, experiment: one}", "{a: net, b: old, experiment: one}", "(lower): case 2 is given twice"),
        ("metric: [top1, top5]", "metric: [top1, top5, top1]", "(about): case 3 is given twice"),
        ("claims:\n", "claims: [\n", "not valid YAML"),
        ("claims:\n", "claim:\n", "must be a mapping with the key claims"),
    ],
)
def test_a_malformed_claims_file_is_one_sentence(tmp_path, old, new, sentence):
    with pytest.raises(UserError, match=r"ch9_toy/claims\.yaml: ") as caught:
        load(tmp_path, old, new)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_each_judgement_names_its_test_and_its_confidence():
    strict = one(LESS, errors([14.0, 14.0, 15.0], [15.0, 15.2, 15.8]), confidence=0.995)
    assert (strict.verdict, strict.test, strict.confidence) == ("not decided", "paired t-test", 0.995)
    files = claims_page.render_claims([strict], 0.995, [])
    assert "| 3 | paired t-test, 99.5 % | 0.007 | not decided |" in files["md"]
    assert "one-sided t-tests over seeds at 99.5 % confidence" in files["md"]
    # no test was made
    for run in (errors([14.0], [15.0]), errors([14.0, 14.0], [15.0, 15.2], protocol="shortened")):
        assert (one(LESS, run).test, one(LESS, run).confidence) == ("", None)


def test_rendered_claims():
    judged = judge(LESS, errors([14.0, 14.0, 15.0], [15.0, 15.2, 15.8]))
    files = claims_page.render_claims(judged, 0.95, ["Shortened schedule."])  # of other numbers than this claim's
    assert "| a \\< b, cifar10 | a 14.33 \\< b 15.33 (difference -1) | this run | 3 | paired t-test, 95 % | 0.007 |" in files["md"]
    assert "\n>" not in files["md"] and files["md"].endswith("\n- This run: Shortened schedule.\n")
    short = judge(LESS, errors([14.0, 14.0], [15.0, 15.2], protocol="shortened"))
    assert "> **Shortened schedule.**" in claims_page.render_claims(short, 0.95, ["Shortened schedule."])["md"]
    content = json.loads(files["json"])
    there = {"agrees there": 0, "disagrees there": 0, "open there": 0}
    assert content["counts"] == {"reproduced": 1, "contradicted": 0, "not decided": 0, "not tried": 0} | there
    (claim,) = content["claims"]
    assert claim["p"] == pytest.approx(0.006536, abs=1e-6)
    assert (claim["test"], claim["confidence"]) == ("paired t-test", 0.95)


def test_a_state_on_a_stand_in_is_rendered_with_its_test_and_why_it_is_no_verdict():
    files = claims_page.render_claims(
        judge(LESS, errors([14.0, 14.0, 15.0], [15.0, 15.2, 15.8], kind="stand-in")), 0.95, ["Stand-in data."]
    )
    assert "| 3 | paired t-test, 95 % | 0.007 | agrees there: stand-in |" in files["md"]
    assert "> **Stand-in data.**" in files["md"]
    assert "- The other 1 by the same tests on real data" in files["md"]
    assert "verdict on what it says: 1 agrees there, 0 disagrees there, 0 open there.\n" in files["md"]
    assert "there" not in claims_page.render_claims(judge(LESS, errors([14.0], [15.0], protocol="shortened")), 0.95, [])["md"]
