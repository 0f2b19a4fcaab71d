"""Does what a release says follow from what it holds? Its verdicts, claims and tables, judged again from its metrics; its facts.

Verdicts are those of the ledger of the release's time: where the tables as transcribed, claims and rules in force judge otherwise,
those of the release's commit decide, and that is a note.
"""

import contextlib
import csv
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from stages.core.errors import UserError
from workflow import release
from workflow.audit.record import Record
from workflow.audit.verify import Report, read_json, text
from workflow.lock import Lock, git, load_yaml

# What a verdict depends on beside the release's own files.
LEDGER = (Path("stages/tables"), Path("workflow/release.py"), Path("workflow/summary.py"))
JUDGES = '"verdicts.csv"'  # in the code that writes releases, since it judges them
SHOWN = 10
SHARED = ("table", "row", "column", "run")
JUDGE = """
import csv, dataclasses, io, json, sys
from pathlib import Path
from stages.core.files import write_csv
from stages.tables import claims, render
try:
    from stages.tables.results import Results, load_results
except ImportError:  # a commit from before published/<chapter>/
    from stages.tables.ledger import Results, load_results
from workflow import release

about, published = json.loads(sys.argv[1]), Path("stages/tables/published")
found = {"tables": {}}
for chapter in sorted(folder.name for folder in Path("tables").glob("*") if folder.is_dir()):
    results = load_results(Path("reports/metrics") / chapter)
    for table in render.load_tables(published, chapter):
        rows = csv.DictReader(io.StringIO(render.render_table(table, results, [])["csv"]))
        found["tables"][f"{chapter}/{table.name}.csv"] = list(rows)
if hasattr(release, "judge"):
    runs = [json.loads(file.read_text()) for file in sorted(Path("runs").glob("*.json"), key=lambda file: file.stem)]
    judged = release.judge(Results(about["name"], {}, scale=about["scale"], day=about["date"], runs=tuple(runs)))
    write_csv(Path("verdicts.csv"), [row for one in judged for row in release._rows(one)])
    found["verdicts"] = list(csv.DictReader(io.StringIO(Path("verdicts.csv").read_text())))
    found["claims"] = {
        "confidence": judged[0].confidence,
        "counts": claims.counts(judgement for one in judged for judgement in one.claims),
        "claims": [{"chapter": one.chapter, **dataclasses.asdict(judgement)} for one in judged for judgement in one.claims],
    }
    found["counts"] = release._counts(judged)
print(json.dumps(found))
"""


class NotHereError(UserError):
    """A commit that this repository has no copy of, and can be excused for."""


def check(folder: Path, report: Report, record: Record) -> None:
    """Judge a release again, and compare its facts. A file that lacks what the audit needs is a UserError."""
    title = f"release {folder.name}: verdicts and tables"
    report.add(list(unlike_facts(folder)), f"release {folder.name}: release.json has the facts of its run records, parameters and lock")
    key = record.key([], [folder, *LEDGER])
    if known := record.ask(title, key):
        report.notes += known["notes"]
        report.holds += known["holds"]
        return
    about = read_json(folder / "release.json")
    breaks: list[str] = []
    notes: list[str] = []
    holds = [f"{title} are those of its own metrics"]
    if unlike := _unlike(folder, Path()):
        try:
            with code_of(about.get("commit")) as then:
                breaks = _unlike(folder, then)
                judges = JUDGES in (then / "workflow/release.py").read_text(encoding="utf-8")
        except NotHereError as error:
            report.notes.append(f"release {folder.name} is not judged again: {unlike[0]}, and {error}")
            return
        except UserError as error:
            breaks = [f"{unlike[0]}; {error}"]
        else:
            otherwise = f"judged as the ledger of its commit does; that in force otherwise: {unlike[0]}"
            notes.append(f"release {folder.name}: {otherwise if judges else 'the code of its commit judged none, so it has no verdicts'}")
    if breaks:
        report.breaks += [f"{folder}/{sentence}" for sentence in breaks[:SHOWN]]
        if len(breaks) > SHOWN:
            report.breaks.append(f"{folder}: and {len(breaks) - SHOWN} more that are not those of its metrics")
        return
    report.notes += notes
    report.holds += holds
    record.add(title, key, notes=notes, holds=holds)


def _unlike(folder: Path, code: Path) -> list[str]:
    """How what a release says differs from what the ledger below `code` makes of its metrics; or why that makes nothing of them."""
    about = read_json(folder / "release.json")
    with tempfile.TemporaryDirectory() as root:
        (Path(root) / "reports").mkdir()
        for name, place in {"reports/metrics": folder / "metrics", "runs": folder / "runs", "tables": folder / "tables"}.items():
            (Path(root) / name).symlink_to(place.resolve())
        (Path(root) / "stages").symlink_to((code / "stages").resolve())
        facts = json.dumps({key: str(about.get(key)) for key in ("name", "scale", "date")})
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(code.resolve()), os.environ.get("PYTHONPATH", "")])}
        done = subprocess.run([sys.executable, "-c", JUDGE, facts], cwd=root, env=environment, capture_output=True, text=True)
    if done.returncode:
        return [f"metrics: the ledger makes nothing of them: {done.stderr.strip().rpartition(chr(10))[2]}"]
    again = json.loads(done.stdout)
    found = [*_tables_unlike(folder, again["tables"])]
    wrong = "is missing: restore it from git" if "verdicts" in again else "is there, and the code of its commit made none"
    if unlike := [name for name in ("verdicts.csv", "claims.json") if (folder / name).is_file() != ("verdicts" in again)]:
        return [*found, f"{unlike[0]} {wrong}"]
    if "verdicts" not in again:
        return found
    found += _rows_unlike("verdicts.csv", _csv(folder / "verdicts.csv"), again["verdicts"])
    ours = read_json(folder / "claims.json")
    claims, theirs = (
        [{key: value if isinstance(value, str) else text(value) for key, value in one.items()} for one in side]
        for side in (ours.get("claims", []), again["claims"]["claims"])
    )
    found += _rows_unlike("claims.json", claims, theirs, ("chapter", "claim", "case"))
    found += [
        f"{place} has other numbers of verdicts than its metrics give"
        for place, said, again_ in (
            *(("claims.json", ours.get(key), again["claims"][key]) for key in ("confidence", "counts")),
            ("release.json", about.get("verdicts"), again["counts"]),
        )
        if said != again_
    ]
    return found


def _tables_unlike(folder: Path, again: dict[str, list[dict[str, str]]]) -> Iterator[str]:
    """Where the column `run` of a table, and those that say more of it, are not the metrics'."""
    for file in sorted((folder / "tables").glob("*/*.csv")):
        name = file.relative_to(folder / "tables").as_posix()
        rows, theirs = _csv(file), again.get(name)
        if theirs is None:
            yield f"tables/{name}: no such table is transcribed"
            continue
        shared = [key for key in (rows or [{}])[0] if key in theirs[0] and key.partition("_")[0] in SHARED and key != "run_label"]
        said, again_ = ([{key: row[key] for key in shared} for row in side] for side in (rows, theirs))
        yield from _rows_unlike(f"tables/{name}", said, again_)


def _rows_unlike(
    name: str, said: list[dict[str, str]], again: list[dict[str, str]], keys: tuple[str, ...] = ("chapter", "table", "row", "column")
) -> Iterator[str]:
    """A sentence for every row of two tables that only one has, or that has another value in it."""
    ours, theirs = ({tuple(row[key] for key in keys if key in row): row for row in rows} for rows in (said, again))
    if len(ours) < len(said):
        yield f"{name} has a row twice"
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        one, other, cell = ours.get(key), theirs.get(key), " ".join(key)
        if one is None or other is None:
            yield f"{name}: {cell} is {'missing' if one is None else 'not among what its metrics give'}"
        elif part := next((part for part in [*one, *other] if one.get(part) != other.get(part)), None):
            yield f"{name}: {cell} has {part} {one.get(part)!r}, by its metrics it is {other.get(part)!r}"


def unlike_facts(folder: Path) -> Iterator[str]:
    """What release.json says that its run records, parameters, lock and commit do not."""
    file = folder / "release.json"
    about, lock = read_json(file), Lock(folder)
    records = [read_json(run) for run in sorted((folder / "runs").glob("*.json"), key=lambda run: run.stem)]
    written = git("show", f"{about['commit']}:workflow/release.py") if is_commit(about.get("commit")) else None
    try:
        facts = release.facts(folder.name, load_yaml((folder / "params.yaml").read_text(encoding="utf-8")), records)
    except (KeyError, TypeError) as error:
        raise UserError(f"{folder}: its run records or params.yaml are without {error}: restore them from git") from None
    for key, ours in facts.items():
        if key not in about and f'"{key}":' in (written or ""):
            yield f"{file}: {key} is missing"
        elif key in about and about[key] != ours:
            yield f"{file}: {key} is {text(about[key])}, by its run records, parameters and lock {text(ours)}"
    yield from _unlike_day(file, about, records)
    absent = about.get("not_trained", [])
    if ran := sorted(set(absent) & (lock.stages.keys() | {record.get("stage") for record in records})):
        yield f"{file}: not_trained has {ran[0]}, of which the release has a run"
    lacked = {(record["stage"], Path(path).name) for record in records for path in record.get("absent", [])}
    if len({name for _, name in lacked}) > len(absent):
        yield f"{file}: not_trained has {len(absent)} trainings, and {min(lacked)[0]} went without {len({name for _, name in lacked})}"
    pins = git("show", f"{about['commit']}:requirements.lock") if written else None
    if pins is not None and pins != (folder / "requirements.lock").read_text(encoding="utf-8"):
        yield f"{folder}/requirements.lock is not that of commit {about['commit'][:8]}, which {file} names"


def _unlike_day(file: Path, about: dict[str, Any], records: list[dict[str, Any]]) -> Iterator[str]:
    """A date before something that the release holds was there, or after the release was."""
    try:
        day = date.fromisoformat(str(about.get("date"))).isoformat()
    except ValueError:
        yield f"{file}: date is {text(about.get('date'))}; it must be a day such as 2025-01-31"
        return
    started = max((str(record.get("started", ""))[:10] for record in records), default="")
    if day < started:
        yield f"{file}: date is {day}, and a stage of the release ran on {started}"
    log = git("log", "-1", "--diff-filter=A", "--date=iso-strict-local", "--format=%cd", "--", file.as_posix())
    if log and day > _day_after(log.strip()[:10]):
        yield f"{file}: date is {day}, and git has it since {log.strip()[:10]}"


def _day_after(day: str) -> str:
    """Of a day in whatever zone, the last that it may be in UTC."""
    return date.fromordinal(date.fromisoformat(day).toordinal() + 1).isoformat()


@contextlib.contextmanager
def code_of(commit: object) -> Iterator[Path]:
    """A folder with stages/ and workflow/ of a release's commit. NotHereError where the repository need not have it, else UserError."""
    if not is_commit(commit):
        raise UserError(f"its commit is {text(commit)}, which is none: restore release.json from git")
    archive = subprocess.run(["git", "archive", str(commit), "stages", "workflow"], capture_output=True)
    if archive.returncode:
        whole = (git("rev-parse", "--is-shallow-repository") or "").strip() == "false"
        kind = UserError if whole else NotHereError
        raise kind(f"its commit {str(commit)[:8]} is not here, whose code could tell: `git fetch --unshallow`")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["tar", "x", "-C", folder], input=archive.stdout, check=True)
        yield Path(folder)


def is_commit(commit: object) -> bool:
    return isinstance(commit, str) and re.fullmatch("[0-9a-f]{40}", commit) is not None


def _csv(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8", errors="replace"))))
