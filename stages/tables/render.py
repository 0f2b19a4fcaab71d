"""The stage that renders a chapter's tables and claims: `python -m stages.tables.render ch2_fusion`.

Each transcribed table becomes Markdown, LaTeX and HTML in a compact layout and CSV in long form (one row per cell): the
thesis's value, this run's, the newest release's of each scale, difference, data set and verdict. The same inputs give
the same bytes: no date and no time of the run at hand.

What a number is worth, such as "miniature", stands where it is true: over all where it is of all numbers, else at its column, or
at its cell where the column's differ, and in the notes.
"""

import argparse
import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.core import metrics, stage
from stages.core.errors import UserError
from stages.core.metrics import MetricsFile
from stages.tables import claims as claims_
from stages.tables import ledger
from stages.tables.claims_page import render_claims
from stages.tables.columns import Column, Row
from stages.tables.formats import NOTHING, Block, Document, counts_text, of_this_run, to_html, to_latex, to_markdown
from stages.tables.ledger import Cell
from stages.tables.printed import with_decimals_of
from stages.tables.results import (
    DRAWN,
    GENERATED,
    RELEASE_SCALES,
    THIS_RUN,
    UNJUDGED,
    Measurement,
    Results,
    label,
    load_releases,
    load_results,
    number_text,
    trainings,
    value_text,
)
from stages.tables.transcript import REFERENCES, Table, load_tables

AT = {"stated": "at the stated tolerance", "half": "at half of it", "double": "at double"}


def render_chapter(chapter: str, metrics_folder: Path, releases_folder: Path, published: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """All files of one chapter by name, and the summary of its metrics. Raises UserError on malformed input."""
    tables = load_tables(published, chapter)
    if not tables:
        raise UserError(f"{published / chapter}: there is no table; check the chapter's name, or transcribe one.")
    run, releases = load_results(metrics_folder), load_releases(releases_folder, chapter)
    files: dict[str, str] = {}
    for table in tables:
        files |= {f"{table.name}.{suffix}": content for suffix, content in render_table(table, run, releases).items()}
    judged = claims_.judge(claims_.load_claims(published, chapter), tables, run, releases)
    for suffix, content in render_claims(judged, claims_.CONFIDENCE, labels(run.metrics.values())).items():
        files[f"claims.{suffix}"] = content
    return files, metrics.summary(run.metrics.values())


def render_table(table: Table, run: Results, releases: list[Results]) -> dict[str, str]:
    """One table in all formats, by suffix."""
    cells = ledger.resolve_all(table, run, releases)
    document = _document(table, cells, releases)
    return {
        "md": to_markdown(document),
        "tex": to_latex(document),
        "html": to_html(document),
        "csv": _csv(table, cells),
    }


def labels(values: Iterable[Measurement | MetricsFile]) -> list[str]:
    """What must be said before numbers that are not the thesis's experiment, once each."""
    found, encoders = set(), set()
    for value in values:
        kind = value.dataset.kind if value.dataset else "official"
        if kind == "miniature" or value.protocol == "miniature":
            found.add(
                f"Miniature: generated data at scale {value.scale}; these numbers show that the machinery works, not the thesis's results."
            )
        elif "generated" in (kind, value.protocol):
            found.add(f"{GENERATED.capitalize()}, at scale {value.scale}: shown, no verdict on the thesis.")
        elif kind != "official":
            assert value.dataset
            said = f" ({value.dataset.note})" if value.dataset.note else ""
            found.add(f"{kind.capitalize()} data: {value.dataset.name}{said}; shown, no verdict on the thesis.")
        if value.protocol in UNJUDGED.keys() - set(DRAWN) and kind != "stand-in":  # which is judged by no schedule
            found.add(f"{UNJUDGED[value.protocol].capitalize()} at scale {value.scale}: shown, not judged against the thesis.")
        if kind != "official" or value.protocol != "full":
            encoders |= {value.encoder} if isinstance(value, Measurement) else {record.encoder or "" for record in value.records}
    if parts := {part for encoder in encoders for part in encoder.split(" + ") if part}:
        found.add(f"Encoders: {'; '.join(sorted(parts))}.")
    return sorted(found)


def _document(table: Table, cells: dict[str, list[Cell]], releases: list[Results]) -> Document:
    at_hand = cells["stated"]
    shown = [found for cell in at_hand for found in (cell.run, *cell.releases.values()) if found]
    sources = [release.source for release in releases if release.source in {found.source for found in shown}]
    letters = {source: chr(ord("a") + i) for i, source in enumerate(sources)}
    blocks = [] if table.is_ours else [_layout(table, at_hand)]
    for heading, own in _groups(table, at_hand):
        if own:
            columns = {"this run": [cell.run for cell in own]}
            columns |= {f"release, {scale}": [cell.releases.get(scale) for cell in own] for scale in _scales(own)}
            names, values = zip(*(_values(table, name, found, own, letters) for name, found in columns.items()), strict=True)
            first, ours = table.column_heading or table.row_heading, [*names, "data set", "notes"]
            header = [first, *ours] if table.is_ours else [first, "thesis", *names, "difference", "data set", "verdict"]
            details = [_detail(table, cell, beside, letters) for cell, beside in zip(own, zip(*values, strict=True), strict=True)]
            blocks.append(Block(heading, header, details))
    lines = labels(cell.run for cell in at_hand if cell.run)
    alone = all(found.source == THIS_RUN and label(found) for found in shown)
    notes = _notes(table, cells, [] if alone else of_this_run(lines), releases, letters)
    title = f"{table.title}, ours, not in the thesis" if table.is_ours else table.title
    return Document(f"{title}. {table.caption}", lines if alone else [], blocks, notes)


def _values(table: Table, name: str, found: list[Measurement | None], cells: list[Cell], letters: dict[str, str]) -> tuple[str, list[str]]:
    """A column of one source's values: its heading, and the text for each cell.

    What the values are, if not the thesis's experiment, stands in the heading where they are all the same, else at each.
    """
    said = {label(value) for value in found if value}
    common = said.pop() if len(said) == 1 else ""
    texts = []
    for cell, value in zip(cells, found, strict=True):
        text = cell.column.value_text(_form(table, cell), value) + _stand_in(cell, value) if value else NOTHING
        if value:
            text += f" ({label(value)})" if label(value) != common else ""
            text += f" [{letters[value.source]}]" if value.source in letters else ""
        texts.append(text)
    return f"{name} ({common})" if common else name, texts


def _form(table: Table, cell: Cell) -> str:
    """The printed number whose decimals a value takes: a baseline's is the first of its column, or two decimals where there is none."""
    return cell.printed or next((row.cells[cell.column.id] for row in table.rows if cell.column.id in row.cells), "0.00")


def _groups(table: Table, cells: list[Cell]) -> list[tuple[str, list[Cell]]]:
    """The cells that have values of ours with a heading: of each column, or of each row where the thesis has the columns as rows."""
    own = [cell for cell in cells if cell.verdict or cell.row.is_baseline]
    if table.column_heading:
        return [(_name(row), [cell for cell in own if cell.row is row]) for row in table.rows]
    return [(_heading(column), [cell for cell in own if cell.column is column]) for column in table.columns]


def _scales(cells: Iterable[Cell]) -> list[str]:
    """The scales of which a release has one of the cells."""
    found = {scale for cell in cells for scale in cell.releases}
    return [scale for scale in RELEASE_SCALES if scale in found]


def _layout(table: Table, cells: list[Cell]) -> Block:
    """The table as the thesis lays it out; beside its own numbers ours, where they can be judged."""
    placed = {(cell.row.id, cell.column.id): cell for cell in cells}
    rows = []
    for row in table.rows:
        if row.is_baseline:
            continue
        found = [placed.get((row.id, column.id)) for column in table.columns]
        rows.append([_name(row), *(_beside(table, cell) if cell else "" for cell in found)])
    header = [table.row_heading, *(column.heading for column in table.columns)]
    if table.column_heading:
        header, *rows = [list(line) for line in zip([table.column_heading, *header[1:]], *rows, strict=True)]
    return Block(f"As in the thesis (Section {table.section}): printed / ours (verdict)", header, rows)


def _name(row: Row) -> str:
    return f"{row.label} [{row.reference}]" if row.reference is not None else row.label


def _heading(column: Column) -> str:
    return f"{column.heading} ({column.unit})" if column.unit else column.heading


def _beside(table: Table, cell: Cell) -> str:
    if cell.verdict in ("exact", "within", "outside"):
        assert cell.judged
        text = f"{cell.printed} / {cell.column.beside(cell.printed, cell.judged, cell.verdict)} ({cell.verdict})"
    else:
        text = f"{cell.printed} / {NOTHING}" if cell.verdict else cell.printed
    return text + _marks(table, cell)


def _detail(table: Table, cell: Cell, values: Iterable[str], letters: dict[str, str]) -> list[str]:
    verdict = cell.verdict
    letter = f" [{letters[cell.judged.source]}]" if cell.judged and cell.judged.source in letters else ""
    if verdict != "cannot run":
        verdict += letter
    if cell.reason:
        verdict += f": {cell.reason}"
    if cell.row.is_baseline:
        verdict = "a baseline of ours"
    name = _heading(cell.column) if table.column_heading else _name(cell.row)
    data, marks = _dataset(cell.judged, letter), _marks(table, cell)
    if table.is_ours:
        return [name, *values, data, marks.strip(" ()") or NOTHING]
    return [name, cell.printed or NOTHING, *values, _difference(cell), data, verdict + marks]


def _stand_in(cell: Cell, found: Measurement | None) -> str:
    """The data set's name after a value that is of the column's stand-in."""
    other = found and found.experiment and found.experiment != cell.column.experiment_of(cell.row)
    return f" ({found.dataset.name})" if found and other and found.dataset else ""


def _notes(
    table: Table, cells: dict[str, list[Cell]], of_this_run: list[str], releases: list[Results], letters: dict[str, str]
) -> list[str]:
    lines = [f"Note {number}: {note.text}" for number, note in enumerate(table.notes, 1)]
    if any(cell.run or cell.releases for cell in cells["stated"] if cell.column.over_seeds):
        lines.append("Over several seeds: mean ± sample deviation (number of seeds); a value without is of one seed, or of what has none.")
    lines += of_this_run
    for release in releases:
        if release.source in letters:
            shown = [found for cell in cells["stated"] for found in cell.releases.values() if found.source == release.source]
            about = f"Release {release.source}, scale {release.scale}{_cost(release, table.chapter)}."
            lines.append(" ".join([f"[{letters[release.source]}]", about, *labels(shown)]))
    origins: dict[str, list[str]] = {}
    of_columns = [(column.heading, column.stated_tolerance) for column in table.columns]
    for name, tolerance in [*of_columns, *((f"the row {row.label}", row.tolerance) for row in table.rows)]:
        if tolerance:
            origins.setdefault(tolerance.describe(), []).append(name)
    lines += [f"Tolerance of {', '.join(headings)}: {origin}." for origin, headings in origins.items()]
    lines += [f"Verdicts {name}: {counts_text(ledger.counts(cells[tolerance]))}." for tolerance, name in AT.items() if not table.is_ours]
    cited = {row.reference: row.cited for row in table.rows if row.reference is not None}
    return lines + [f"[{number}] {work}." for number, work in sorted(cited.items())]


def _cost(release: Results, chapter: str) -> str:
    """What a release's trainings of a chapter took, from their run records."""
    trained = [one for run in release.runs for one in trainings(run) if f" stages.{chapter}." in one["cmd"]]
    if not trained:
        return ""
    hours = sum(run["train_seconds"] for run in trained) / 3600
    memory = max(run["peak_memory_mb"] for run in trained) / 1024
    places = sorted({run.get("gpu") or f"{run['threads']} thread(s) of {run['machine']['processor']}" for run in trained})
    counted = f"{len(trained)} trainings of the chapter, {hours:.2f} hours together"
    return f": {counted}, each on {' or '.join(places)}, at most {memory:.1f} GB of memory"


def _csv(table: Table, cells: dict[str, list[Cell]]) -> str:
    """Long form: one row per cell, numbers unrounded; a baseline's have no printed value and no verdict."""
    scales = _scales(cells["stated"])
    encoders = any(found and found.encoder for cell in cells["stated"] for found in (cell.run, *cell.releases.values()))
    rows = []
    for cell, half, double in zip(*(cells[tolerance] for tolerance in ("stated", "half", "double")), strict=True):
        rows.append(
            {
                "table": table.id,
                "row": cell.row.id,
                "label": cell.row.label,
                "reference": cell.row.reference,
                "column": cell.column.id,
                "unit": cell.column.unit,
                "thesis": cell.printed,
                **_columns("run", cell.run, encoders),
                "run_scale": cell.run.scale if cell.run else "",
                **{key: value for scale in scales for key, value in _columns(scale, cell.releases.get(scale), encoders).items()},
                "judged": cell.judged.source if cell.judged else "",
                "difference": number_text(cell.difference),
                "tolerance": number_text(cell.tolerance),
                "tolerance_origin": tolerance.origin if (tolerance := cell.column.tolerance_of(cell.row)) else "",
                "verdict": cell.verdict,
                "verdict_half": half.verdict,
                "verdict_double": double.verdict,
                "reason": cell.reason,
                "notes": " ".join(n.text for n in table.notes if n.covers(cell.row.id, cell.column.id)),
                "run_label": " ".join(labels([cell.run])) if cell.run else "",
            }
        )
    stream = io.StringIO()
    writer = csv.DictWriter(stream, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _columns(name: str, found: Measurement | None, encoders: bool) -> dict[str, Any]:
    """The columns that say what one source has for a cell; its encoder, where some cell of the table has one."""
    return {
        name: value_text(found),
        f"{name}_sd": number_text(found.sd) if found else "",
        f"{name}_seeds": len(found.values.keys() - {None}) if found else "",
        f"{name}_source": found.source if found else "",
        f"{name}_protocol": found.protocol if found else "",
        f"{name}_dataset": found.dataset.name if found and found.dataset else "",
        f"{name}_kind": found.dataset.kind if found and found.dataset else "",
        **({f"{name}_encoder": found.encoder if found else ""} if encoders else {}),
    }


def _difference(cell: Cell) -> str:
    if cell.difference is None:
        return NOTHING
    text = with_decimals_of(cell.printed, abs(cell.difference))
    if not text.strip("0.,"):
        return text
    return ("−" if cell.difference < 0 else "+") + text


def _dataset(found: Measurement | None, letter: str) -> str:
    """The data set of the value that is judged, with its release's letter: other values of the row may be of other data."""
    if found is None:
        return NOTHING
    data = f"{found.dataset.name}, {found.dataset.kind}{letter}" if found.dataset else "none needed"
    return f"{data}; encoder {found.encoder}" if found.encoder else data


def _marks(table: Table, cell: Cell) -> str:
    covering = [n for n, note in enumerate(table.notes, 1) if note.covers(cell.row.id, cell.column.id)]
    return f" (note {', '.join(map(str, covering))})" if covering else ""


def parser() -> argparse.ArgumentParser:
    """The stage's command line."""
    arguments = argparse.ArgumentParser(prog="python -m stages.tables.render", description=__doc__)
    arguments.add_argument("chapter", help="folder name of the chapter, such as ch2_fusion")
    return arguments


def main(args: argparse.Namespace, job: stage.Job) -> None:
    """Render the chapter's tables and claims, and the summary of its metrics."""
    published = job.dep(f"stages/tables/published/{REFERENCES}").parent
    files, summary = render_chapter(
        args.chapter,
        job.dep(f"reports/metrics/{args.chapter}"),
        job.dep("reports/releases"),
        job.dep(f"{published.as_posix()}/{args.chapter}").parent,
    )
    folder = job.out(f"reports/tables/{args.chapter}")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    text = json.dumps(summary, indent=1, sort_keys=True) + "\n"
    job.out(f"reports/metrics/{args.chapter}.summary.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    stage.execute(parser(), main)
