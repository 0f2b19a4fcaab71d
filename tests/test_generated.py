"""Results on generated figures, shown and never judged: the committed results of every chapter, as if they were a release of them."""

import csv
import dataclasses
import io
from collections.abc import Iterator

import pytest
from conftest import REPOSITORY

from stages.tables import claims, ledger, render
from stages.tables.results import GENERATED, Results, load_releases, load_results
from stages.tables.transcript import load_tables

PUBLISHED = REPOSITORY / "stages/tables/published"
CHAPTERS = sorted(folder.name for folder in PUBLISHED.iterdir() if folder.is_dir())


def as_figures(run: Results) -> Results:
    """What a run has of data, three seeds each and all different, called generated; counts, which need no data, stay the run's."""

    def drawn() -> Iterator[tuple[str, object]]:
        for name, file in run.metrics.items():
            if file.dataset:
                records = (
                    dataclasses.replace(record, seed=seed, value=record.value + (seed or 0) * (1 + number % 3))
                    for number, record in enumerate(one for one in file.records if not one.seed)
                    for seed in ([None] if record.seed is None else range(3))
                )
                data = dataclasses.replace(file.dataset, kind="generated")
                yield name, dataclasses.replace(file, scale="figures", protocol="generated", dataset=data, records=tuple(records))

    return Results("figures-1", dict(drawn()), scale="figures", day="2099-01-01")


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_no_verdict_of_any_chapter_is_changed_by_what_is_generated(chapter: str) -> None:
    tables, run = load_tables(PUBLISHED, chapter), load_results(REPOSITORY / f"reports/metrics/{chapter}")
    releases, written = load_releases(REPOSITORY / "reports/releases", chapter), claims.load_claims(PUBLISHED, chapter)
    figures = as_figures(run)
    shown = 0
    for table in tables:
        before, after = (ledger.resolve(table, run, others) for others in (releases, [*releases, figures]))
        assert [cell.verdict for cell in after] == [cell.verdict for cell in before]
        own = [cell for cell in after if cell.judged and cell.judged.source == figures.source]
        shown += len(own)
        assert all(cell.difference is None and (cell.reason == GENERATED or cell.verdict in ("", "cannot run")) for cell in own)
        text = render.render_table(table, run, [*releases, figures])
        if any("figures" in cell.releases for cell in after):
            assert "Generated figures, not people, at scale figures: shown, no verdict on the thesis." in text["md"]
            kinds = {row["figures_kind"] for row in csv.DictReader(io.StringIO(text["csv"]))}
            assert "generated" in kinds and kinds <= {"generated", ""}
    judged = [claims.judge(written, tables, run, others) for others in (releases, [*releases, figures])]
    assert [judgement.verdict for judgement in judged[0]] == [judgement.verdict for judgement in judged[1]]
    own_claims = [judgement for judgement in judged[1] if judgement.source == figures.source]
    assert all((judgement.verdict, judgement.reason) == ("not tried", GENERATED) for judgement in own_claims)
    assert all(judgement.observed for judgement in own_claims)
    assert shown or own_claims or not figures.metrics  # else nothing was tried
