"""A number's account: from the cell of a table, a figure, a file or a stage back to the official archive.

It is put together from dvc.lock (commands, parameters, checksums), reports/code/ (modules), git (their commits), data/runs/
(machine, packages, duration), the data sets' provenance and the chapters' interpretations; for a release's numbers, from what
the release keeps of these. What is missing is said to be missing.
"""

import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from stages.core.errors import UserError
from stages.core.files import md5, replacing
from workflow import runs
from workflow.audit.target import THIS_RUN, Evidence, Origin, TableCell, Target, descriptions, entry, find
from workflow.lock import Lock, is_training

CODE = "reports/code/"
SOURCES = "workflow/sources.yaml"
SOURCE = re.compile(r"data/[^/]+/sources/([^/]+)")
SEED = re.compile(r"--seed[ =](\d+)")
HEADING = "## Interpretations"
# An entry with more stages than this is one box of the picture.
BOXES = 4

Json = dict[str, Any]


def explain(words: list[str], as_json: bool = False, picture: Path | None = None) -> str:
    """The account of what the words mean, as text or as JSON; its picture goes to the file `picture`.

    Raises UserError where the words mean nothing, or nothing has run.
    """
    if picture and not picture.parent.exists():
        raise UserError(f"there is no folder {picture.parent} to draw {picture.name} to")
    target = find(words)
    found = account(target)
    if picture:
        drawn = _draw(target)
        with replacing(picture) as aside:
            aside.write_text(drawn, encoding="utf-8")
    return json.dumps(found, indent=1, ensure_ascii=False) if as_json else _text(found)


def account(target: Target) -> Json:
    """Everything known of the target, as one JSON document."""
    groups: dict[str, list[Evidence]] = {}
    for evidence in target.evidence:
        groups.setdefault(evidence.origin.name, []).append(evidence)
    tables = {f"tables@{cell.table.chapter}" for cell in target.placed if cell.evidence}
    stages = {name for evidence in target.evidence for name in evidence.chain}
    return {
        "target": target.title,
        "kind": target.kind,
        "cells": [_cell(cell) for cell in target.placed],
        "origins": [_origin(group) for group in groups.values()],
        "interpretations": concerning(stages | tables),
    }


# ---------------------------------------------------------------------------------------------------------- cells


def _cell(found: TableCell) -> Json:
    table, cell = found.table, found.cell
    rendered = f"reports/tables/{table.chapter}/{table.name}.csv"
    renderer = next((e.origin.lock.maker(rendered) for e in found.evidence if not e.origin.release), None)
    return {
        "table": table.title, "caption": table.caption, "section": table.section, "chapter": table.chapter,
        "row": cell.row.id, "row_label": cell.row.label, "column": cell.column.id, "column_heading": cell.column.heading,
        "printed": cell.printed, "unit": cell.column.unit, "cited": cell.row.cited or None,
        "verdict": cell.verdict or None, "why": _why(found), "judged": cell.judged.source if cell.judged else None,
        "difference": cell.difference, "tolerance": cell.tolerance,
        "tolerance_origin": tolerance.origin if (tolerance := cell.column.tolerance_of(cell.row)) and cell.tolerance is not None else None,
        "notes": [note.text for note in table.notes if note.covers(cell.row.id, cell.column.id)],
        "rendered": {"file": rendered, "stage": renderer},
        "values": [_value(evidence) for evidence in found.evidence],
    }  # fmt: skip


def _why(found: TableCell) -> str:
    cell = found.cell
    if cell.row.is_baseline:
        return "a baseline of ours, for which the thesis has no number"
    if not cell.verdict:
        return "cited from the literature" if cell.row.reference is not None else "explanatory text: not the project's to reproduce"
    if cell.reason:
        return cell.reason
    if cell.verdict == "not run":
        return "neither the metrics at hand nor a release have a value"
    return cell.column.why(cell.verdict, cell.difference, cell.tolerance)


def _value(evidence: Evidence) -> Json:
    found = evidence.measurement
    assert found
    return {
        "origin": evidence.origin.name,
        "value": found.mean if found.values else found.layers,
        "sd": found.sd,
        "seeds": sorted(seed for seed in found.values if seed is not None),
        "scale": found.scale,
        "protocol": found.protocol,
        "dataset": asdict(found.dataset) if found.dataset else None,
        "file": evidence.origin.path(evidence.file).as_posix() if evidence.file else None,
        "records": [asdict(record) for record in evidence.records],
        "stages": list(evidence.stages),
        "reads_too": list(evidence.aside),
    }


# --------------------------------------------------------------------------------------------------------- stages


def _origin(group: list[Evidence]) -> Json:
    """What made the values of one origin: its stages, and the data sets at their beginning."""
    origin = group[0].origin
    # A stage stands after all that read it, in every one of the chains.
    places: dict[str, int] = {}
    for evidence in group:
        for place, name in enumerate(evidence.chain):
            places[name] = max(place, places.get(name, 0))
    chain = sorted(places, key=lambda name: places[name])
    aside = sorted({name for evidence in group for name in evidence.aside} - set(chain))
    release = _json(origin.reports / "release.json") or {} if origin.release else {}
    commits = Commits(release.get("commit"))
    words = descriptions()
    return {
        "origin": origin.name,
        "lock": origin.lock_file,
        "release": {key: release.get(key) for key in ("scale", "protocol", "date", "commit", "machines")} if origin.release else None,
        "files": sorted({origin.path(evidence.file).as_posix() for evidence in group if evidence.file}),
        "stages": [_stage(origin, name, words, commits) for name in chain],
        "reads_too": aside,
        "trainings_aside": [name for name in aside if is_training(out["path"] for out in origin.lock.stages[name].get("outs", []))],
        "data": [_dataset(origin, stage, out, group) for stage in chain for out in _sources(origin.lock, stage)],
    }


def _stage(origin: Origin, name: str, words: dict[str, str], commits: "Commits") -> Json:
    content = origin.lock.stages[name]
    seed = SEED.search(content.get("cmd", ""))
    modules, missing = code(origin, name)
    return {
        "stage": name,
        "description": words.get(entry(name)),
        "command": content.get("cmd"),
        "seed": int(seed[1]) if seed else None,
        "parameters": {file: flat(values) for file, values in content.get("params", {}).items() if file != SOURCES},
        "dependencies": [{**_checksum(dep), "made_by": origin.lock.made_in(dep["path"])} for dep in content.get("deps", [])],
        "outputs": [_checksum(out) for out in content.get("outs", [])],
        "code": [{"module": module, "hash": digest, **commits.of(module)} for module, digest in modules.items()],
        "code_missing": missing or None,
        **_run(origin, name),
    }


def _checksum(thing: Json) -> Json:
    return {key: thing.get(key) for key in ("path", "md5", "size", "nfiles") if thing.get(key) is not None}


def code(origin: Origin, stage: str) -> tuple[dict[str, str], str]:
    """The modules that a stage ran with, each with its hash; or why they are not known."""
    modules: dict[str, str] = {}
    for dep in origin.lock.stages[stage].get("deps", []):
        if dep["path"].startswith(CODE):
            file = origin.path(dep["path"])
            if not file.is_file():
                return {}, f"there is no {file}"
            if md5(file) != dep.get("md5"):
                return {}, f"{file} is not the one that this stage ran with: the code has changed since, or the file has"
            modules |= _json(file) or {}
    return modules, ""


def _run(origin: Origin, stage: str) -> Json:
    """The stage's run record, and what keeps it from being this one's."""
    found = runs.read(stage, origin.lock.stages[stage], origin.runs)
    if found is None:
        return {"run": None, "run_note": f"no run record: there is no {runs.record_path(stage, origin.lock.stages[stage], origin.runs)}"}
    hashes = {out["path"]: out.get("md5") for out in origin.lock.stages[stage].get("outs", [])}
    notes = []
    if "bundle" in found:
        notes.append(f"made elsewhere, through the bundle {found['bundle']}")
    if "made" not in found:
        notes.append("the record does not say what it made, so that it may be of another run")
    elif different := sorted(path for path in hashes.keys() | found["made"] if hashes.get(path) != found["made"].get(path)):
        notes.append(f"the record is of another run: {', '.join(different)} of {origin.lock_file} has another checksum")
    return {"run": {key: value for key, value in found.items() if key not in ("stage", "cmd")}, "run_note": "; ".join(notes) or None}


def _sources(lock: Lock, stage: str) -> list[str]:
    return [out["path"] for out in lock.stages[stage].get("outs", []) if SOURCE.fullmatch(out["path"])]


def _dataset(origin: Origin, stage: str, out: str, group: list[Evidence]) -> Json:
    """A data set as it was put in place: whether official, and the entry of workflow/sources.yaml then in force.

    Of a generated one the lock file has the writer's arguments only, so nothing official.
    """
    match = SOURCE.fullmatch(out)
    assert match
    name = match[1]
    file = Path(out) / "provenance.json"
    # Results of another scale lie beside those at hand: the folder's name holds the scale.
    found = _json(file)
    stated = next((e.dataset for e in group if e.dataset and e.dataset.name == name), None)
    if found:
        kind, note, where = found.get("kind"), found.get("note"), file.as_posix()
    elif stated:
        kind, note, where = stated.kind, stated.note, "the metrics file"
    else:
        kind, note, where = None, None, f"unknown, there is no {file} here: `dvc pull {stage}` may bring it"
    entry_ = origin.lock.stages[stage].get("params", {}).get(SOURCES, {}).get(name, {})
    made = next(_checksum(o) for o in origin.lock.stages[stage]["outs"] if o["path"] == out)
    about = {key: entry_.get(key) for key in ("title", "page", "licence", "access")}
    # Locks of older releases have the one archive's address and checksum in the entry itself.
    about["archives"] = [
        {key: archive.get(key) for key in ("url", "md5", "sha256", "size")} for archive in entry_.get("archives", [entry_])
    ]
    return {
        "dataset": name,
        "kind": kind,
        "note": note,
        "said_by": where,
        **made,
        "stage": stage,
        "official": about if about["title"] else None,
    }


class Commits:
    """The last commit that touched each module of ours, up to `revision` (None: what is checked out); asked of git once."""

    def __init__(self, revision: str | None):
        self.revision = revision
        self.known: dict[str, tuple[str, str]] | None = None
        self.changed: set[str] = set()

    def of(self, module: str) -> Json:
        if self.known is None:
            self._read()
        base = module.replace(".", "/")
        # `known` has the newest first, and a module may have been a package before.
        file = next((name for name in self.known or {} if name in (f"{base}.py", f"{base}/__init__.py")), None)
        if file is None:
            return {"file": None, "commit": None, "date": None, "changed_since": None}
        commit, day = (self.known or {})[file]
        return {"file": file, "commit": commit, "date": day, "changed_since": file in self.changed}

    def _read(self) -> None:
        self.known = {}
        commit = ("", "")
        for line in _git("log", "--format=%x01%h %cs", "--name-only", "--relative", self.revision or "HEAD", "--", "stages"):
            if line.startswith("\x01"):
                short, _, day = line[1:].partition(" ")
                commit = (short, day)
            elif line:
                self.known.setdefault(line, commit)
        if not self.revision:
            self.changed = set(_git("diff", "--name-only", "--relative", "HEAD", "--", "stages"))


def _git(*arguments: str) -> list[str]:
    try:
        done = subprocess.run(["git", "-c", "core.quotepath=off", *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []  # no repository, or a commit that it does not have: what it would tell is shown as missing
    return done.stdout.splitlines()


def flat(values: Any, prefix: str = "") -> Json:
    """Nested parameters by dotted key."""
    if not isinstance(values, dict):
        return {prefix: values}
    return {key: value for name, inner in values.items() for key, value in flat(inner, f"{prefix}.{name}" if prefix else str(name)).items()}


def _json(file: Path) -> Json | None:
    """A JSON object; None if there is no such file."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UserError(f"{file} is not valid JSON ({error}): run the stage that writes it again, or restore it from git") from None
    if not isinstance(content, dict):
        raise UserError(f"{file} must hold an object, and holds a {type(content).__name__}: restore it from git")
    return content


# ------------------------------------------------------------------------------------------------ interpretations


def interpretations(folder: Path = Path("stages")) -> Iterator[Json]:
    """The entries of the chapters' tables of interpretations, by column; `stages` holds patterns of stages' names."""
    for file in sorted(folder.glob("ch*/README.md")):
        text = file.read_text(encoding="utf-8").partition(f"\n{HEADING}\n")[2].partition("\n## ")[0]
        rows = [_columns(line) for line in text.splitlines() if line.startswith("|")]
        if not rows:
            continue
        header, *entries = rows
        for number, row in enumerate(entries[1:], 1):
            if len(row) != len(header):
                raise UserError(f"{file}: entry {number} of {HEADING[3:]} has {len(row)} columns, not {len(header)}: mend that line")
            content = dict(zip(header, row, strict=True))
            yield {"chapter": file.parent.name, **content, "stages": content.get("stages", "").replace("`", "").split()}


def _columns(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def concerning(stages: Iterable[str]) -> list[Json]:
    """The interpretations that concern one of the stages."""
    names = set(stages)
    return [entry for entry in interpretations() if any(fnmatchcase(name, pattern) for pattern in entry["stages"] for name in names)]


# ----------------------------------------------------------------------------------------------------------- text


def _text(found: Json) -> str:
    lines: list[str] = []
    single = len(found["cells"]) == 1
    lines += [found["target"] if found["kind"] != "table" else _title(found)]
    lines += [line for cell in found["cells"] for line in (_cell_lines(cell) if single else _cell_line(cell))]
    for origin in found["origins"]:
        lines += ["", *_origin_lines(origin)]
    if not found["origins"]:
        lines += ["", "No stage made a value for it."]
    if found["interpretations"]:
        lines += ["", "Interpretations that concern these stages (in the chapter's README)"]
        for entry_ in found["interpretations"]:
            values = [value for key, value in entry_.items() if key not in ("chapter", "id", "stages")]
            where = f"; parameter {values[-1]}" if values[-1] not in ("none", "") else ""
            lines += [f"  {entry_['chapter']}, {entry_['id']}: {values[0]}. Chosen: {values[1]}{where}"]
    return "\n".join(lines)


def _title(found: Json) -> str:
    first = found["cells"][0]
    return f"{found['target']} ({first['caption']}; Section {first['section']})"


def _cell_lines(cell: Json) -> list[str]:
    unit = _unit(cell)
    printed = cell["printed"] + unit if cell["printed"] else "nothing"
    lines = [_line("printed", printed + (f", cited: {cell['cited']}" if cell["cited"] else ""))]
    for value in cell["values"]:
        lines += [_line("ours", _ours(value, unit))]
        lines += [_line("", f"in {value['file']}, {_record(record)}") for record in value["records"]]
        if value["file"] and not value["records"]:
            lines += [_line("", f"in {value['file']}")]
    if not cell["values"]:
        lines += [_line("ours", "none")]
    about = f", about {cell['judged']}" if cell["judged"] and len(cell["values"]) > 1 else ""
    lines += [_line("verdict", f"{cell['verdict'] or 'none'}{about}: {cell['why']}")]
    if cell["tolerance"] is not None:
        lines += [_line("tolerance", f"±{cell['tolerance']:.4g}{unit}: {cell['tolerance_origin']}")]
    if cell["rendered"]["stage"]:
        lines += [_line("rendered", f"{cell['rendered']['file']}, by {cell['rendered']['stage']}")]
    return lines + [_line("note", note) for note in cell["notes"]]


def _unit(cell: Json) -> str:
    return f" {cell['unit']}" if cell["unit"] and not cell["printed"].endswith(cell["unit"]) else ""


def _ours(value: Json, unit: str) -> str:
    seeds = f", seed {', '.join(map(str, value['seeds']))}" if value["seeds"] else ""
    spread = f" ± {value['sd']:.4g}" if value["sd"] is not None else ""
    shown = f"{value['value']:.10g}" if isinstance(value["value"], int | float) else value["value"]
    data = f", {value['dataset']['name']} {value['dataset']['kind']}" if value["dataset"] else ""
    return f"{shown}{spread}{unit} ({value['origin']}, scale {value['scale']}, protocol {value['protocol']}{data}{seeds})"


def _record(record: Json) -> str:
    parts = [f"record {record['model']} {record['metric']} = {record['value']:.10g}"]
    parts += [f"{key} {record[key]}" for key in ("dataset", "encoder", "seed", "n", "precision") if record[key] is not None]
    parts += [record["determinism"]]
    return ", ".join(parts) + (f"; from {record['predictions']}" if record["predictions"] else "")


def _cell_line(cell: Json) -> list[str]:
    """One line for each of many cells; those that are not the project's to reproduce are left out."""
    if not cell["verdict"]:
        return []
    unit = _unit(cell)
    ours = "; ".join(_ours(value, unit) for value in cell["values"]) or "none"
    return [f"  {cell['row']}, {cell['column']}: printed {cell['printed']}{unit}, ours {ours}; {cell['verdict']}: {cell['why']}"]


def _origin_lines(origin: Json) -> list[str]:
    lines = [f"How it was made: {origin['origin']} ({origin['lock']}), nearest first"]
    if release := origin["release"]:
        about = (
            f"scale {release['scale']}, protocol {release['protocol']}, of {release['date']}, commit {release['commit'] or 'not stated'}"
        )
        lines += [_line("release", about)]
    if origin["reads_too"]:
        lines += [_line("aside", _aside(origin["reads_too"], set(origin["trainings_aside"])))]
    shown: list[Json] = []
    for number, stage in enumerate(origin["stages"], 1):
        lines += ["", f"{number}. {stage['stage']}: {stage['description'] or 'not in dvc.yaml any more'}", *_stage_lines(stage, shown)]
        shown += [stage]
    for data in origin["data"]:
        lines += ["", *_data_lines(data)]
    if origin["stages"] and not origin["data"]:
        lines += ["", "Data sets: none, no stage of it reads one"]
    return lines


def _aside(names: list[str], trainings: set[str]) -> str:
    others = [name for name in names if name not in trainings]
    parts = [f"{len(trainings)} other trainings"] if trainings else []
    return f"also reads {' and '.join([*parts, *others])}, which this does not come from"


def _stage_lines(stage: Json, before: list[Json]) -> list[str]:
    """A stage's lines; what stages shown before have too is not repeated."""
    twin = next((other for other in before if entry(other["stage"]) == entry(stage["stage"])), None)
    lines = [_line("command", stage["command"])]
    lines += [_line("seed", str(stage["seed"]) if stage["seed"] is not None else "none in the command")]
    if twin and stage["parameters"] == twin["parameters"]:
        lines += [_line("parameters", f"as {twin['stage']}")]
    else:
        values = [f"{key} = {json.dumps(value)}" for found in stage["parameters"].values() for key, value in found.items()]
        lines += _lines("parameters", values or ["none"])
    if twin and stage["dependencies"] == twin["dependencies"]:
        lines += [_line("reads", f"as {twin['stage']}")]
    else:
        lines += _lines("reads", [_dependency(dep) for dep in stage["dependencies"]])
    lines += _lines("makes", [_thing(out) for out in stage["outputs"]])
    return [*lines, *_code_lines(stage, before), *_run_lines(stage, before)]


def _dependency(dep: Json) -> str:
    made = dep["made_by"]
    by = "in git" if not made else f"made by {made[0]}" if len(made) == 1 else f"made by {len(made)} stages"
    return f"{_thing(dep)}, {by}"


def _thing(thing: Json) -> str:
    files = f", {thing['nfiles']} files" if "nfiles" in thing else ""
    size = f", {_size(thing['size'])}" if "size" in thing else ""
    return f"{thing['path']}, md5 {thing.get('md5', 'not stated')}{size}{files}"


def _code_lines(stage: Json, before: list[Json]) -> list[str]:
    if stage["code_missing"]:
        return [_line("code", stage["code_missing"])]
    known = {(module["module"], module["hash"]) for other in before for module in other["code"]}
    new = [module for module in stage["code"] if (module["module"], module["hash"]) not in known]
    lines = [f"{m['module']}, hash {m['hash']}, {_commit(m)}" for m in new]
    if again := len(stage["code"]) - len(new):
        lines += [f"{'and ' if new else ''}{again} modules as above"]
    return _lines("code", lines)


def _commit(module: Json) -> str:
    if module["commit"] is None:
        return "commit not known here"
    return f"commit {module['commit']} of {module['date']}" + (", changed since without a commit" if module["changed_since"] else "")


def _run_lines(stage: Json, before: list[Json]) -> list[str]:
    run, last = stage["run"], next((other["run"] for other in reversed(before) if other["run"]), Json())
    if run is None:
        return [_line("run", stage["run_note"])]
    took = f"started {run.get('started', 'not stated')}, took {run.get('duration_s', '?')} s, {run.get('peak_memory_mb', '?')} MB of memory"
    lines = [_line("run", took)]
    if stage["run_note"]:
        lines += [_line("", stage["run_note"])]
    keys = ("device", "gpu", "threads", "precision", "determinism", "train_seconds", "iterations", "resumed")
    facts = [f"{key} {run[key]}" for key in keys if run.get(key) is not None]
    if facts:
        lines += [_line("", ", ".join(facts))]
    for key in ("machine", "packages"):
        facts = [f"{name} {value}" for name, value in run.get(key, {}).items()]
        same = last.get(key) == run.get(key)
        lines += [_line(key, "as above" if facts and same else ", ".join(facts) or "not stated")]
    return lines


def _data_lines(data: Json) -> list[str]:
    lines = [f"Data set {data['dataset']}: {data['kind'] or 'kind not known'}" + (f", {data['note']}" if data["note"] else "")]
    lines += [_line("said by", data["said_by"]), _line("here", f"{_thing(data)}, put in place by {data['stage']}")]
    if official := data["official"]:
        lines += [_line("official", f"{official['title']}, {official['page']}")]
        lines += [_line("archive", _archive(archive)) for archive in official["archives"]]
        lines += [_line("licence", f"{official['licence']}; {official['access']}")]
    else:
        lines += [_line("official", f"the lock names no entry of {SOURCES} for it")]
    return lines


def _archive(archive: Json) -> str:
    sums = [f"{kind} {archive[kind]}" for kind in ("md5", "sha256") if archive[kind]]
    size = [_size(archive["size"])] if archive["size"] else []
    return ", ".join([archive["url"], *(sums or ["checksum not known"]), *size])


def _line(name: str, text: str) -> str:
    return f"   {name:<11} {text}".rstrip()


def _lines(name: str, texts: list[str]) -> list[str]:
    return [_line(name if place == 0 else "", text) for place, text in enumerate(texts)]


def _size(count: int) -> str:
    return f"{count} B" if count < 1000 else f"{count / 1e3:.1f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB"


# -------------------------------------------------------------------------------------------------------- picture


def _draw(target: Target) -> str:
    """The chain of the first origin as SVG, drawn as the pipeline is; a box for each stage where an entry has few."""
    import networkx as nx

    from workflow import draw

    evidence = [e for e in target.evidence if e.origin.name == target.evidence[0].origin.name] if target.evidence else []
    if not evidence:
        raise UserError(f"{target.title} has no chain that could be drawn: no stage made a value for it")
    lock = evidence[0].origin.lock
    chain = list(dict.fromkeys(name for e in evidence for name in e.chain))
    count = {name: sum(entry(other) == entry(name) for other in chain) for name in chain}
    # An "@" would have the stages of an entry drawn as one box.
    boxes = {name: name.replace("@", " ") if count[name] <= BOXES else name for name in chain}
    words = descriptions()
    title = target.title if evidence[0].origin.name == THIS_RUN else f"{target.title}, {evidence[0].origin.name}"
    stages = nx.DiGraph()
    stages.add_nodes_from(boxes.values(), chapter=title)
    stages.add_edges_from((boxes[before], boxes[name]) for name in chain for before in lock.before(name) if before in boxes)
    return draw.svg(stages, {entry(box): words.get(entry(name), "") for name, box in boxes.items()})
