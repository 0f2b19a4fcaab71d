"""The summary in README.md: what it counts, what does not change it, and where it cannot be written."""

import csv
import io
import json
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest
from published_world import FILES, write_published

from stages.core import metrics
from stages.core.metrics import Dataset, Record
from stages.tables import ledger, render
from workflow import summary

TEXT = "# Title\n\nbefore\n\n<!-- summary -->\nold\n<!-- /summary -->\n\nafter\n"
MINI = {"kind": "miniature", "protocol": "miniature", "scale": "mini"}
# Table 9.1 has 0.074M, 768 and 1.287M: outside, exact, exact; together 4.4 % are added.
FACTS = {("cfn-b", "parameters_side"): 55680, ("cfn-b", "parameters_fusion"): 768, ("cfn-b", "parameters_basic"): 1286698}


def errors(folder: Path, values: dict[str, list[float]], *, kind="official", protocol="full", scale="real") -> None:
    """A metrics file of errors on CIFAR-10: {model: [value of seed 0, ...]}."""
    records = [
        Record(model, "error", value, "%", "lower", "bitwise", seed=seed, n=10000)
        for model, found in values.items()
        for seed, value in enumerate(found)
    ]
    write(folder, "cifar10", records, Dataset("cifar10", kind, ""), scale, protocol)


def architectures(folder: Path, scale: str = "mini") -> None:
    records = [Record(model, metric, value, "parameters", "none", "bitwise", dataset="cifar10") for (model, metric), value in FACTS.items()]
    write(folder, "architectures", records, None, scale, "full")


def write(folder: Path, experiment: str, records: list[Record], dataset: Dataset | None, scale: str, protocol: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"chapter": "ch9_toy", "experiment": experiment, "scale": scale, "protocol": protocol}
    metrics.write(folder / f"{experiment}.json", dataset=dataset, records=records, **facts)


METRICS = Path("reports/metrics/ch9_toy")


def release(name: str, date: str, values: dict[str, list[float]], scale: str = "real", **others: str) -> None:
    folder = Path("reports/releases") / name
    errors(folder / "metrics/ch9_toy", values, scale=scale, **others)
    (folder / "release.json").write_text(json.dumps({"scale": scale, "date": date}))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project at scale mini with two releases: one whose errors can be judged, one with counts of parameters as well."""
    monkeypatch.chdir(tmp_path)
    write_published(*(name for name in FILES if not name.startswith("ch9_none")))
    Path("README.md").write_text(TEXT)
    errors(METRICS, {"cfn-b": [60.0, 61.0], "cnn-b": [70.0, 71.0]}, **MINI)
    architectures(METRICS)
    release("real-1", "2025-01-01", {"cfn-b": [8.54, 8.54], "cnn-b": [9.60, 9.70]})
    release("cpu-1", "2025-02-01", {"cfn-a": [31.0]}, scale="real_cpu", protocol="shortened")
    architectures(Path("reports/releases/cpu-1/metrics/ch9_toy"), scale="real_cpu")
    return tmp_path


def run(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["summary", *arguments])
    summary.main()


def line(text: str, chapter: str = "[ch9_toy]") -> list[str]:
    found = next(line for line in text.splitlines() if line.startswith(f"| {chapter}"))
    return [part.strip() for part in found.strip("|").split("|")]


def test_one_line_a_chapter_counted_by_hand(project, monkeypatch):
    run(monkeypatch)
    text = Path("README.md").read_text()
    assert text.startswith("# Title\n\nbefore\n\n<!-- summary -->\n| chapter |") and text.endswith("`.\n<!-- /summary -->\n\nafter\n")
    assert "old" not in text
    # cfn-b 8.54 and cnn-b 9.65 (for 8.27 and 9.28; half the tolerance is 0.27 and 0.28); two counts exact and one outside; two hours that
    # cannot be compared; two errors and the ratio of times are not run
    assert line(text)[1:5] == ["9.1, text 9.1", "2 / 2 / 1 / 3 / 2", "2 / 0 / 3 / 3 / 2", "2 / 2 / 1 / 3 / 2"]
    # cfn-b below cnn-b: differences -1.06 and -1.16; 4.4 % are few. Not below the cited 8.41: above it, twice the same
    assert line(text)[5:7] == ["2 / 1 / 0 / 2", "0 / 0 / 0"]
    assert line(text)[7] == "[real-1](reports/releases/real-1); shown, no verdict: [cpu-1](reports/releases/cpu-1)"
    assert not list(project.glob("*.partial*"))


def test_a_table_of_ours_is_called_so_and_changes_no_count(project):
    before = line(summary.render())
    text = """{table: text 9.2, section: "9.2", caption: Ours, row_heading: Model,
      columns: [{id: e, heading: CIFAR-10, source: metrics, experiment: cifar10, metric: error}],
      rows: [{id: a, label: A, model: cfn-b}]}"""
    (summary.PUBLISHED / "ch9_toy/text_9_2.yaml").write_text(text)
    assert line(summary.render()) == [before[0], f"{before[1]}, text 9.2 (ours)", *before[2:]]


def test_a_readme_that_is_a_link_stays_one(project, monkeypatch):
    Path("README.md").rename("read.me")
    Path("README.md").symlink_to("read.me")
    run(monkeypatch)
    assert Path("README.md").is_symlink() and "old" not in Path("read.me").read_text()


def test_the_counts_are_those_of_the_rendered_tables(project):
    files, _ = render.render_chapter("ch9_toy", METRICS, summary.RELEASES, summary.PUBLISHED)
    rows = [row for name, text in files.items() if name.endswith(".csv") for row in csv.DictReader(io.StringIO(text))]
    cells = line(summary.render())
    for column, key in ((2, "verdict"), (3, "verdict_half"), (4, "verdict_double")):
        found = Counter(row[key] for row in rows)
        assert cells[column] == " / ".join(str(found[verdict]) for verdict in ledger.VERDICTS)
    claims = json.loads(files["claims.json"])["counts"]
    assert cells[5] == " / ".join(str(claims[verdict]) for verdict in ("reproduced", "contradicted", "not decided", "not tried"))
    assert cells[6] == " / ".join(str(claims[state]) for state in ("agrees there", "disagrees there", "open there"))


def test_claims_on_a_stand_in_are_counted_apart_and_make_no_release_one_that_judges(project):
    release("real-0", "2025-03-01", {"cfn-a": [14.0, 14.1, 14.3], "cnn-a": [15.0, 15.2, 15.2]}, kind="stand-in")
    cells = line(summary.render())
    assert cells[5:7] == ["2 / 1 / 0 / 1", "1 / 0 / 0"]
    assert cells[7].partition("; ")[::2] == (
        "[real-1](reports/releases/real-1)",
        "shown, no verdict: [real-0](reports/releases/real-0), [cpu-1](reports/releases/cpu-1)",
    )


def test_check_says_whether_it_is_up_to_date_and_changes_nothing(project, monkeypatch):
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, "--check")
    assert caught.value.code == "error: the summary in README.md is not up to date: run `python -m workflow.summary`"
    assert Path("README.md").read_text() == TEXT
    run(monkeypatch)
    written = Path("README.md").read_bytes()
    run(monkeypatch, "--check")
    run(monkeypatch)
    assert Path("README.md").read_bytes() == written
    release("real-2", "2025-03-01", {"cfn-b": [8.27, 8.27]})
    with pytest.raises(SystemExit, match="not up to date"):
        run(monkeypatch, "--check")


@pytest.mark.parametrize(
    "change",
    [
        lambda: errors(METRICS, {"cfn-b": [8.27], "cfn-a": [14.0, 14.1], "cnn-a": [15.0, 15.3]}),
        lambda: errors(METRICS, {"cfn-b": [20.0]}, scale="real_cpu", protocol="shortened"),
        lambda: architectures(METRICS, scale="real"),
        lambda: (METRICS / "cifar10.json").unlink(),
        lambda: shutil.rmtree(METRICS),  # as a change of scale does; a release has the counts too
    ],
)
def test_another_scale_at_hand_changes_nothing(project, monkeypatch, change):
    run(monkeypatch)
    change()
    run(monkeypatch, "--check")


def test_a_changed_fact_of_the_run_at_hand_counts(project, monkeypatch):
    run(monkeypatch)
    monkeypatch.setitem(FACTS, ("cfn-b", "parameters_side"), 74112)
    architectures(METRICS)
    with pytest.raises(SystemExit, match="not up to date"):
        run(monkeypatch, "--check")


def test_several_chapters_are_added_up(project):
    write_published("ch9_none/table_9_2.yaml")
    text = summary.render()
    assert line(text, "[ch9_none]")[1:] == ["9.2", *3 * ["0 / 0 / 0 / 1 / 0"], "0 / 0 / 0 / 0", "0 / 0 / 0", "none"]
    assert line(text, "in all")[2] == "2 / 2 / 1 / 4 / 2"


@pytest.mark.parametrize(
    "text",
    [
        "# Title\n",
        "<!-- summary -->\n",
        "<!-- /summary -->\n<!-- summary -->\n",
        "<!-- summary -->\n<!-- /summary -->\n<!-- summary -->\n<!-- /summary -->\n",
    ],
)
@pytest.mark.parametrize("arguments", [[], ["--check"]])
def test_marks_that_are_not_there_once_each(project, monkeypatch, text, arguments):
    Path("README.md").write_text(text)
    sentence = "error: README.md needs one line `<!-- summary -->` and after it one line `<!-- /summary -->`"
    with pytest.raises(SystemExit, match=re.escape(sentence)):
        run(monkeypatch, *arguments)
    assert Path("README.md").read_text() == text


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda: Path("README.md").unlink(), "there is no README.md"),
        (lambda: shutil.rmtree("stages/tables/published"), "stages/tables/published: no table is transcribed there"),
        (lambda: (METRICS / "cifar10.json").write_text("{"), "reports/metrics/ch9_toy/cifar10.json: not valid JSON"),
        (lambda: Path("reports/releases/real-1/release.json").write_text("[]"), "real-1/release.json: must be an object"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(project, monkeypatch, spoil, sentence):
    spoil()
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch)
    assert str(caught.value.code).startswith("error: ") and sentence in str(caught.value.code)
    assert "\n" not in str(caught.value.code)
