"""What must hold of the transcribed tables and claims of every chapter, whichever there are.

A second transcription of a table is tests/transcripts/<chapter>/<table>.txt, typed from the thesis and not from the
YAML: lines of cells between bars, headings first; a dash is printed, an empty cell is not; a line that begins with "# "
is a remark. A row's label may be followed by the works it cites, or be these alone. Rows and columns may be exchanged,
as the thesis has them.
"""

import functools
import re
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path

import pytest
from composed import params
from table_world import printed_results

from stages.tables import claims, ledger, render
from stages.tables.cases import Operand
from stages.tables.columns import Column, Metrics, Row, Times
from stages.tables.results import Results, load_results, measure
from stages.tables.transcript import Table, chapters, load_references, load_table, load_tables
from workflow.lock import Lock, load_yaml

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "stages/tables/published"
TRANSCRIPTS = ROOT / "tests/transcripts"
CHAPTERS = chapters(PUBLISHED)


def lines(file: Path) -> list[list[str]]:
    texts = file.read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in text.split("|")] for text in texts if text.strip() and not text.startswith("# ")]


def label_and_works(heading: str) -> tuple[str, list[int]]:
    label, works = re.fullmatch(r"(.*?) ?(?:\[([\d, ]+)\])?", heading).groups()  # type: ignore[union-attr]
    return label, [int(work) for work in works.split(", ")] if works else []


@pytest.mark.parametrize("file", sorted(TRANSCRIPTS.glob("*/*.txt")), ids=lambda file: file.stem)
def test_every_printed_number_against_a_second_transcription(file: Path) -> None:
    table = load_table(PUBLISHED / file.parent.name / f"{file.stem}.yaml", load_references(PUBLISHED))
    typed, columns = lines(file), [column.heading for column in table.columns]
    if typed[0][1:] != columns:
        typed = [list(row) for row in zip(*typed, strict=True)]
    (_, *headings), *rows = typed
    assert headings == columns
    for row, (heading, *cells) in zip((row for row in table.rows if not row.is_baseline), rows, strict=True):
        label, works = label_and_works(heading)
        assert label in ("", row.label)
        assert row.reference == (works[0] if works else None)
        assert all(any(f"[{work}]" in note.text for note in table.notes if row.id in note.rows) for work in works[1:])
        assert row.cells == {column.id: cell for column, cell in zip(table.columns, cells, strict=True) if cell not in ("", "-")}


def test_every_table_has_a_second_transcription() -> None:
    tables = {(chapter, table.name) for chapter in CHAPTERS for table in load_tables(PUBLISHED, chapter) if not table.is_ours}
    assert {(file.parent.name, file.stem) for file in TRANSCRIPTS.glob("*/*.txt")} == tables


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapters_readme_speaks_of_each_of_its_tables(chapter: str) -> None:
    readme = (ROOT / "stages" / chapter / "README.md").read_text(encoding="utf-8")
    numbers = [table.id.removeprefix("text ") for table in load_tables(PUBLISHED, chapter)]
    assert [number for number in numbers if number not in readme] == []


def test_cited_works_are_those_of_the_bibliography() -> None:
    typed = {int(number): author for number, author in lines(TRANSCRIPTS / "references.txt")}
    known = load_references(PUBLISHED)
    assert {number: re.split("[,:]", known[number])[0] for number in typed} == typed


def own(table: Table) -> Iterator[tuple[Row, Column]]:
    """The rows and columns of the cells that are the project's to reproduce, or baselines of ours."""
    for row in table.rows:
        yield from ((row, one) for one in table.columns if (one.id in row.cells or row.is_baseline) and one.is_own(row))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_printed_numbers_are_exact_against_themselves(chapter: str) -> None:
    tables = load_tables(PUBLISHED, chapter)
    run = printed_results(tables)
    for table in tables:
        for cell in ledger.resolve(table, run, []):
            if cell.verdict and not isinstance(cell.column, Times):
                assert cell.verdict == ("cannot run" if cell.row.cannot_run else "exact"), (table.name, cell.row.id, cell.column.id)


@pytest.fixture
def at_mini(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    if load_yaml(Path("params.yaml").read_text())["scale"] != "mini":
        pytest.skip("another scale than the committed one is in force")


@functools.cache
def settings_of(chapter: str) -> tuple[set[str], list[str]]:
    """At scale paper the names of the chapter's models and points of sweeps; at paper and at mini the network that a metric names."""
    paper, mini = [params(scale).get(chapter, {}) for scale in ("paper", "mini")]
    variants = paper.get("variants", {})
    return {name for block in (variants, *variants.values()) for name in block}, [
        of.get("score", {}).get("encoder", "") for of in (paper, mini)
    ]


def is_measured(run: Results, chapter: str, operand: Operand, experiments: Iterable[str]) -> bool:
    """Whether one of these metrics files has a value. Of a model or point of a sweep that mini leaves out, another has the metric; and
    where a metric names the network that scores, it has that of mini's.
    """
    variants, (scorer, at_mini) = settings_of(chapter)
    models = {record.model for file in run.metrics.values() for record in file.records}
    candidates = models if operand.model in variants - models else {operand.model}
    metrics = {operand.metric, operand.metric.replace(f"_{scorer}_", f"_{at_mini}_")}
    return any(measure(run, *of, operand.dataset) for of in product(experiments, candidates, metrics))


@pytest.mark.usefixtures("at_mini")
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_own_cell_has_a_value_at_scale_mini(chapter: str) -> None:
    """So a misspelt metrics file, model or metric is an error, and not "not run" for ever.

    Times, which no run at hand has, are of stages of the pipeline.
    """
    run, stages = load_results(Path("reports/metrics") / chapter), Lock().stages
    for table in load_tables(PUBLISHED, chapter):
        for row, column in own(table):
            where = f"{chapter}/{table.name}.yaml: row {row.id}, column {column.id}"
            if isinstance(column, Times):
                for timed in column.timed(table.rows, row):
                    assert any(timed.is_timed_by(stage) for stage in stages), f"{where}: no stage {timed.stage}"
            elif isinstance(column, Metrics):
                experiment, model = column.experiment_of(row), row.model or ""
                assert is_measured(run, chapter, Operand(experiment, model, column.metric, column.dataset), {experiment}), where
            else:
                assert column.measure(table.rows, row, run) is not None, where


@pytest.mark.usefixtures("at_mini")
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_operand_of_a_claim_has_a_value_at_scale_mini(chapter: str) -> None:
    """Where a data set stands in for some of the thesis's, which are what is at hand, one of those has to have it.

    A data set may have a second file, such as flickr30k.figures.
    """
    run, tables = load_results(Path("reports/metrics") / chapter), load_tables(PUBLISHED, chapter)
    columns = [column for table in tables for column in table.columns if isinstance(column, Metrics)]
    stood_for: dict[str, set[str]] = {}
    for column in columns:
        stood_for.setdefault(column.stand_in, set()).add(column.experiment)
    for claim in claims.load_claims(PUBLISHED, chapter):
        for operand in {operand for case in claim.cases for operand in case.operands()}:
            name, dot, which = operand.experiment.partition(".")
            experiments = [of + dot + which for of in stood_for.get(name, {name})]
            assert is_measured(run, chapter, operand, experiments), f"{chapter}: {claim.id}: {operand}"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_renders_before_anything_has_run(tmp_path: Path, chapter: str) -> None:
    files, summary = render.render_chapter(chapter, tmp_path, tmp_path, PUBLISHED)
    tables = [table.name for table in load_tables(PUBLISHED, chapter)]
    assert set(files) == {f"{name}.{suffix}" for name in tables for suffix in ("md", "tex", "html", "csv")} | {"claims.md", "claims.json"}
    assert summary == {}
    assert all(content.isascii() for name, content in files.items() if name.endswith(".tex"))
