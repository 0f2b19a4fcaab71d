"""Keep results that cannot be remade everywhere, with what made them: `python -m workflow.release real_cpu-2026-11-23`.

reports/releases/NAME/ holds release.json (scale, date, commit, protocol, machines, packages, how many cells and claims
have which verdict), verdicts.csv (every cell of the ledger that is the project's to reproduce), claims.json, params.yaml,
one dvc.lock, requirements.lock, code/ (the fingerprints), metrics/, tables/, figures/ and the run records in runs/; and in kept/
the predictions behind the metrics where they are small, in kept.json the checksums of all (workflow/kept.py). Verdicts are by
the release's own numbers alone. Figures that show a data set's own pictures are left out.

Refused where the code differs from the commit, a result is out of date, or the audit finds a problem. Trainings that have never
run are no reason: a release holds what there is, names them in release.json, and its tables say of each value over how many
seeds it is.
"""

import argparse
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stages.core.command import exit_on_error
from stages.core.errors import UserError
from stages.core.files import write_csv, write_json
from stages.core.stage import GRAPH
from stages.tables import claims
from stages.tables.results import Results, load_results, number_text, trainings, value_text
from stages.tables.transcript import chapters
from workflow import graph, kept, runs, scale, summary
from workflow.lock import BEFORE_STAGES, FILE, Lock, load_yaml, lock_files, name_of, untrained
from workflow.summary import Verdicts

RELEASES = Path("reports/releases")
# What differs from the commit because another scale is in force; the release holds its own copy.
MADE = ("params.yaml", "reports/")
# What a training's run record says of where its steps ran.
DEVICE = ("device", "gpu", "threads", "precision", "determinism")


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.rstrip("\n")


def changed_code() -> list[str]:
    """Files that differ from the commit and are not results."""
    names = [line[3:] for line in git("status", "--porcelain").splitlines()]
    return [name for name in names if not name.startswith(MADE) and Path(name).name != FILE.name]


def stale() -> list[str]:
    """Stages whose outputs are not those of the code, data and parameters in force, but for trainings that have never run."""
    from dvc.repo import Repo

    repo = Repo()
    with repo.lock:  # what a bundle left where it was made is missing here, and nothing is wrong with it
        changed = {name_of(stage.addressing) for stage in repo.index.stages if stage.cmd and stage.changed(allow_missing=True)}
    return sorted(changed - not_trained())


def not_trained() -> set[str]:
    """The trainings of the graph that have never run at this scale."""
    steps = json.loads(GRAPH.read_text())["stages"].values()
    return untrained({step["name"]: step["outs"] for step in steps}, Lock())


def in_force(locks: list[str], names: set[str]) -> str:
    """The texts of lock files as one, with the entries of these stages only: DVC keeps those of the scale that was in force before."""
    split = [re.split(r"^(?=  \S.*:$)", text, flags=re.MULTILINE) for text in locks]
    entries = [entry for _, *entries in split for entry in entries]
    return split[0][0] + "".join(entry for entry in entries if entry.split(":\n", 1)[0].strip(" '\"") in names)


def without_record() -> list[str]:
    """Stages of which no run record is at hand; those before all others leave none."""
    steps = json.loads(GRAPH.read_text())["stages"].values()
    names = {step["name"] for step in steps} - BEFORE_STAGES - not_trained()
    stages = Lock().stages
    return sorted(name for name in names & stages.keys() if runs.read(name, stages[name]) is None)


def run_records(names: set[str]) -> list[dict[str, Any]]:
    """The run records of these stages, of the runs that dvc.lock is of."""
    stages = Lock().stages
    found = [runs.read(name, stages[name]) for name in sorted(names & stages.keys())]
    return [record for record in found if record]


def audit() -> None:
    """Raise UserError if the audit finds a problem."""
    from workflow.audit.verify import problems

    if found := problems():
        number = "1 problem" if len(found) == 1 else f"{len(found)} problems, the first"
        raise UserError(f"the audit finds {number}: {found[0].rstrip('.')}: run `python -m workflow.audit verify`")


def write(name: str, folder: Path) -> None:
    """Write the release `name` to `folder`, which must not exist. Raises UserError on a malformed metrics file, table or run record."""
    params = load_yaml(scale.PARAMS.read_text())
    absent = not_trained()
    names = {step["name"] for step in json.loads(GRAPH.read_text())["stages"].values()} - absent
    records = run_records(names)
    about = facts(name, params, records) | {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": git("rev-parse", "HEAD"),
        "not_trained": sorted(absent),
    }
    judged = judge(Results(name, {}, scale=params["scale"], day=about["date"], runs=tuple(records)))
    folder.mkdir(parents=True)
    for file in (scale.PARAMS, Path("requirements.lock")):
        shutil.copy(file, folder / file.name)
    (folder / FILE.name).write_text(in_force([file.read_text() for file in lock_files()], names))
    for part in ("code", "metrics", "tables"):
        shutil.copytree(Path("reports") / part, folder / part)
    for file in sorted(Path("reports/figures").rglob("*")):
        if file.is_file() and file.suffix != ".png" and not file.with_suffix(".png").exists():
            target = folder / "figures" / file.relative_to("reports/figures")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    kept.write(Lock(folder), names, folder)
    for record in records:
        write_json(folder / "runs" / f"{record['stage']}.json", record)
    write_csv(folder / "verdicts.csv", [row for one in judged for row in _rows(one)])
    content = {
        "confidence": judged[0].confidence,
        "counts": claims.counts(judgement for one in judged for judgement in one.claims),
        "claims": [{"chapter": one.chapter, **dataclasses.asdict(judgement)} for one in judged for judgement in one.claims],
    }
    write_json(folder / "claims.json", content)
    write_json(folder / "release.json", about | {"verdicts": _counts(judged)})


def facts(name: str, params: dict[str, Any], records: list[dict[str, Any]]) -> dict[str, Any]:
    """What release.json says that follows from the release's parameters and run records."""
    trained = [training for record in records for training in trainings(record)]
    return {
        "name": name,
        "scale": params["scale"],
        "protocol": params["protocol"],
        "machines": _unique(record["machine"] for record in records),
        "packages": _unique(record["packages"] for record in records),
        "devices": _unique({key: record.get(key) for key in DEVICE} for record in trained),
        "trainings": len(trained),
        "training_hours": round(sum(record["train_seconds"] for record in trained) / 3600, 2),
    }


def judge(about: Results) -> list[Verdicts]:
    """The verdicts of all chapters that have a transcribed table, by the metrics at hand and `about`'s run records alone."""
    judged = []
    for chapter in chapters(summary.PUBLISHED):
        found = load_results(summary.METRICS / chapter)
        judged.append(summary.judge(chapter, dataclasses.replace(about, metrics=found.metrics, layers=found.layers), []))
    if not judged:
        raise UserError(f"{summary.PUBLISHED}: no table is transcribed there; a release has nothing to be judged by.")
    return judged


def _counts(judged: list[Verdicts]) -> dict[str, Any]:
    """{"chapters": {chapter: {"cells": {"stated" | "half" | "double": {verdict: n}}, "claims": {verdict: n}}}, "all": the same, summed}."""
    counts = {one.chapter: one.counts() for one in judged}
    return {"chapters": counts, "all": summary.total(list(counts.values()))}


def _rows(verdicts: Verdicts) -> Iterator[dict[str, Any]]:
    """The lines of verdicts.csv: one for each cell that has a verdict, numbers unrounded."""
    for (table, cell), (_, half), (_, double) in zip(*(verdicts.cells[name] for name in ("stated", "half", "double")), strict=True):
        if cell.verdict:
            yield {
                "chapter": verdicts.chapter,
                "table": table.id,
                "row": cell.row.id,
                "column": cell.column.id,
                "printed": cell.printed,
                "value": value_text(cell.judged),
                "verdict": cell.verdict,
                "reason": cell.reason or ("" if cell.judged else "no result"),
                "tolerance": number_text(cell.tolerance),
                "tolerance_origin": tolerance.origin if (tolerance := cell.column.tolerance_of(cell.row)) else "",
                "verdict_half": half.verdict,
                "verdict_double": double.verdict,
            }


def _unique(values: Any) -> list[Any]:
    return [json.loads(text) for text in sorted({json.dumps(value, sort_keys=True) for value in values})]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="e.g. real_cpu-2026-11-23")
    name = parser.parse_args().name
    folder = RELEASES / name
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", name):
        sys.exit(f"error: {name!r} is no name for a release: use small letters, digits, '-', '_' and '.'")
    if os.path.lexists(folder):
        sys.exit(f"error: {folder} exists: releases are not changed; choose another name")
    scale.check()
    if not GRAPH.exists():  # nothing has run in this clone, whose results were pulled
        with exit_on_error():
            graph.refresh()
    if dirty := changed_code():
        sys.exit(f"error: {', '.join(dirty)} differ from the commit: commit or undo them, so that the release can name what made it")
    if not lock_files():
        sys.exit("error: nothing has run yet, there is no dvc.lock: run `dvc repro` first")
    with exit_on_error():
        Lock()  # what is no lock file is a sentence of ours before it is one of DVC's
    if behind := stale():
        sys.exit(f"error: not up to date: {', '.join(behind)}: run `dvc repro` first")
    if unknown := without_record():
        sys.exit(
            f"error: when and where {', '.join(unknown)} ran is not known: there is no run record of what dvc.lock has; `make pull` may "
            "fetch it, `dvc repro -f -s STAGE` makes it"
        )
    aside = RELEASES / f".{name}.partial"
    try:
        with exit_on_error():
            audit()
            shutil.rmtree(aside, ignore_errors=True)  # of a release that was killed
            write(name, aside)
            aside.replace(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    print(f"{folder}: {sum(file.is_file() for file in folder.rglob('*'))} files; add it to git, after a run of")
    print("`dvc repro` and `python -m workflow.summary`, which show releases")


if __name__ == "__main__":
    main()
