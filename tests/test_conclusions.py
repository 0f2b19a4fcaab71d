"""What Chapters 1 and 9 say: the page by hand, what is wrong with a malformed file, and the real file beside the chapters' claims."""

import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY

from stages.core.errors import UserError
from stages.tables import claims, conclusions
from stages.tables.claims import Judgement
from stages.tables.conclusions import Conclusion

PUBLISHED = REPOSITORY / conclusions.PUBLISHED
REAL = conclusions.load(PUBLISHED)
THERE = r"Chapters? [19]\b|(?<![\d.])(1\.[34]|9\.[123])\b"  # places in Chapters 1 and 9
ABOUT = {"section": "9.1", "place": "(1)", "statement": "Nets are good."}
CLAIM = {"section": "2.1", "place": "Table 2.1", "statement": "x", "kind": "not judged", "reason": "y"}


def world(folder: Path, *entries: object) -> Path:
    """A folder of published files: two chapters with two claims each, and these conclusions."""
    for chapter in ("ch2_toy", "ch3_toy"):
        (folder / chapter).mkdir()
        listed = {"claims": [{**CLAIM, "id": f"{chapter[:3]}-{name}"} for name in ("one", "two")]}
        (folder / chapter / "claims.yaml").write_text(yaml.safe_dump(listed))
    (folder / "conclusions.yaml").write_text(yaml.safe_dump({"conclusions": list(entries)}))
    return folder


def entry(name: str = "good", **rests_on: list[str]) -> dict[str, object]:
    return {**ABOUT, "id": name, "rests_on": rests_on or {"ch2_toy": ["ch2-one"]}}


def judgement(claim: str, verdict: str) -> Judgement:
    return Judgement(claim, "2.1", "Table 2.1", f"The {claim} net_1.", "", verdict)


VERDICTS = {
    "ch2_toy": [
        ("ch2-one", "reproduced"), ("ch2-one", "reproduced"), ("ch2-one", "not tried"),
        ("ch2-two", "contradicted"), ("ch2-two", "open there"),
    ],
    "ch3_toy": [("ch3-one", "agrees there"), ("ch2-one", "not decided"), ("ch3-two", "disagrees there")],
}  # fmt: skip
JUDGED = {chapter: [judgement(*one) for one in made] for chapter, made in VERDICTS.items()}


@pytest.mark.parametrize(
    ("rests_on", "counts", "there"),
    [
        ({"ch2_toy": ["ch2-one"]}, "2 / 0 / 0 / 1", "0 / 0 / 0"),
        ({"ch2_toy": ["ch2-one", "ch2-two"]}, "2 / 1 / 0 / 1", "0 / 0 / 1"),
        # the ch2-one of the other chapter is another claim
        ({"ch2_toy": ["ch2-two"], "ch3_toy": ["ch3-one", "ch3-two"]}, "0 / 1 / 0 / 0", "1 / 1 / 1"),
        ({"ch4_toy": ["ch4-one"]}, "0 / 0 / 0 / 0", "0 / 0 / 0"),
    ],
)
def test_counts_by_hand(rests_on: dict[str, list[str]], counts: str, there: str) -> None:
    one = Conclusion(id="good", rests_on={chapter: tuple(ids) for chapter, ids in rests_on.items()}, **ABOUT)
    (line,) = [line for line in conclusions.page([one], JUDGED).splitlines() if line.startswith("| (1)")]
    assert line.startswith(f"| (1) | Nets are good. | {counts} | {there} | ")


def test_a_claim_is_linked_to_its_heading_with_its_verdicts_and_a_reason_stands_in_its_place() -> None:
    one = Conclusion(id="a", rests_on={"ch2_toy": ("ch2-one",), "ch4_toy": ("ch4-one",)}, **ABOUT)
    other = Conclusion(id="b", not_judged="an outlook", **{**ABOUT, "section": "9.2"})
    text = conclusions.page([one, other], JUDGED)
    link = r"[ch2-one](tables/ch2\_toy/claims.md#the-ch2-one-net\_1-section-21-table-21) (2 reproduced, 1 not tried); ch4-one |"
    assert f"| {link}\n" in text
    assert "| (1) | Nets are good. | – | – | not judged: an outlook |\n" in text
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## Section 9.1", "## Section 9.2"]
    assert r"Without the cases of ch4\_toy," in text
    assert "Without" not in conclusions.page([other], JUDGED)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (
            [entry(ch2_toy=["ch2-one", "ch2-three"])],
            "conclusion 1 (good): rests on 'ch2-three', which is no claim of {}/ch2_toy/claims.yaml.",
        ),
        (
            [entry(), entry("bad", ch3_toy=["ch2-one"])],
            "conclusion 2 (bad): rests on 'ch2-one', which is no claim of {}/ch3_toy/claims.yaml.",
        ),
        ([entry(ch4_toy=["ch2-one"])], "conclusion 1 (good): rests on chapter 'ch4_toy', which has no claims in {}."),
        ([entry(ch2_toy=["ch2-one", "ch2-one"])], "conclusion 1 (good): rests on 'ch2-one' twice."),
        ([entry(ch2_toy=[])], "conclusion 1 (good): rests_on: ch2_toy must be a list with at least one entry."),
        ([entry(), entry()], "conclusion 'good' is given twice."),
        ([{**ABOUT, "id": "good"}], "conclusion 1 (good): needs one of rests_on and not_judged."),
        ([{**entry(), "not_judged": "x"}], "conclusion 1 (good): needs one of rests_on and not_judged."),
        ([{**entry(), "rest_on": {}}], "conclusion 1 (good): unknown key 'rest_on'"),
    ],
)
def test_what_is_wrong_is_a_sentence(tmp_path: Path, entries: list[object], words: str) -> None:
    with pytest.raises(UserError) as raised:
        conclusions.load(world(tmp_path, *entries))
    assert str(raised.value).startswith(f"{tmp_path / 'conclusions.yaml'}: {words.format(tmp_path)}")


def test_only_conclusions_are_in_the_file(tmp_path: Path) -> None:
    world(tmp_path, entry())
    (tmp_path / "conclusions.yaml").write_text("questions: []\n")
    with pytest.raises(UserError, match="must be a mapping with the key conclusions, and no other"):
        conclusions.load(tmp_path)


def test_judgements_are_read_as_they_stand_beside_the_tables(tmp_path: Path) -> None:
    (tmp_path / "ch2_toy").mkdir()
    (tmp_path / "ch2_toy/claims.json").write_text(json.dumps({"claims": [asdict(one) for one in JUDGED["ch2_toy"]]}))
    assert conclusions.load_judged(tmp_path) == {"ch2_toy": JUDGED["ch2_toy"]}
    for damaged in ('{"claims": [', "{}", "[]", '{"claims": [{"claim": "a"}]}'):
        (tmp_path / "ch2_toy/claims.json").write_text(damaged)
        with pytest.raises(UserError, match=r"ch2_toy/claims\.json is damaged \(.*run `python -m workflow\.repro tables@ch2_toy`"):
            conclusions.load_judged(tmp_path)


# --- the real file -------------------------------------------------------------------------------------------------------


def test_every_question_and_every_finding_has_its_line() -> None:
    asked = [one for one in REAL if one.section == "1.3"]
    assert [one.id for one in asked] == [f"RQ {number}" for number in range(1, 9)]
    assert [one.place.split("; ")[0] for one in asked] == [one.id for one in asked] and all(one.rests_on for one in asked)
    findings = {one.place for one in REAL if one.section == "9.1"}
    assert findings == {f"({number})" for number in range(1, 9)} == {one.place for one in REAL if one.section == "9.1" and one.rests_on}
    assert list(dict.fromkeys(one.section for one in REAL)) == ["1.3", "1.4.1", "1.4.2", "1.4.3", "9.1", "9.2"]


def test_every_chapter_is_concluded_from() -> None:
    with_claims = {file.parent.name for file in PUBLISHED.glob("*/claims.yaml")}
    assert {chapter for one in REAL for chapter in one.rests_on} == with_claims


def test_a_claim_that_says_it_is_made_in_chapter_1_or_9_is_named_there() -> None:
    """As their `section`, or among their places."""
    named = {(chapter, name) for one in REAL for chapter, ids in one.rests_on.items() for name in ids}
    for chapter in {chapter for one in REAL for chapter in one.rests_on}:
        for claim in claims.load_claims(PUBLISHED, chapter):
            assert not re.search(THERE, f"Section {claim.section}; {claim.place}") or (chapter, claim.id) in named, f"{chapter}: {claim.id}"


def test_a_question_rests_on_something_a_number_can_show() -> None:
    for one in (one for one in REAL if one.section == "1.3"):
        for chapter, ids in one.rests_on.items():
            judged = [claim for claim in claims.load_claims(PUBLISHED, chapter) if claim.id in ids and claim.cases[0].operands()]
            assert len(judged) > len(ids) / 2, one.id
