"""A toy project with results, for the tests of tools that follow numbers back; its one stage of predictions reads all trainings."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
import yaml

from stages.core import metrics
from stages.core.files import md5
from stages.core.metrics import Dataset, Record
from workflow.audit.explain import explain
from workflow.runs import record_path

TABLE = """
table: "9.1"
section: "9.9"
caption: Errors
row_heading: Model
columns:
  - {id: error, heading: Test Error, unit: "%", source: metrics, experiment: one, metric: error,
     tolerance: {kind: binomial, n: 100, confidence: 0.95, origin: the binomial error of 100 images}}
  - {id: size, heading: Size, source: metrics, experiment: sizes, metric: size, tolerance: {kind: rounding, origin: the rounding}}
rows:
  - {id: a, label: Net A, model: a, cells: {error: "20.0", size: "7"}}
  - {id: b, label: Net B, model: b, cells: {error: "10.0"}}
  - {id: c, label: Net C, model: c, cells: {error: "5.0"}}
  - {id: old, label: Maxout, reference: 1, cells: {error: "30.0"}}
  - {id: guess, label: Guessing, model: guess}
"""
README = """# Toy

## Interpretations

| id | the thesis | chosen | parameter | stages |
|---|---|---|---|---|
| steps | says a \\| b | b | `steps` | `ch9_train@*` |
| only-b | open | 1 | none | `ch9_train@b-*` |
| verdict | open | 2 | none | `tables@ch9_toy` |

## Cost
"""
ENTRY = {"title": "Set One", "page": "https://a/", "url": "https://a/one.tar", "md5": "official1", "size": 123456, "licence": "CC0"}


def write(path, content):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def git(*arguments):
    return subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e", *arguments], check=True, capture_output=True, text=True).stdout


def build(
    errors, *, scale="mini", kind="miniature", steps=90, model_hash="m1", archive="official1", torch="1", processor="X", top="", runs=""
):
    """The results of a toy project in the current folder; with `top`, in a release's layout below it.

    `errors` maps a model to its errors by seed. Outputs are named only; checksums are made of what a stage reads.
    """
    reports, runs = top or "reports", runs or (f"{top}/runs" if top else "data/runs")
    lock = {}

    def stage(name, command, deps, outs, code="", params=None, **facts):
        read = [{"path": dep, "md5": lock_hash(dep), "size": 1500} for dep in deps]
        if code:
            content = json.dumps({"stages.ch9_toy": "p1", f"stages.ch9_toy.{code}": model_hash if code == "train" else f"{code}1"})
            write(f"{reports}/code/ch9_toy.{code}.json", content)
            read.append({"path": f"reports/code/ch9_toy.{code}.json", "md5": hashlib.md5(content.encode()).hexdigest(), "size": 9})
        digest = hashlib.md5(json.dumps([command, read, params, errors.get(name[10:11])]).encode()).hexdigest()
        lock[name] = {
            "cmd": command,
            "deps": read,
            "outs": [{"path": out, "md5": f"{digest}-{n}", "size": 10} for n, out in enumerate(outs)],
        }
        if params:
            lock[name]["params"] = params
        about = {"stage": name, "cmd": command, "started": "2026-01-02T03:04:05+00:00", "duration_s": 1.5, "peak_memory_mb": 10}
        about |= {
            "machine": {"processor": processor},
            "packages": {"torch": torch},
            "made": {o["path"]: o["md5"] for o in lock[name]["outs"]},
        }
        if runs != "none":
            write(record_path(name, lock[name], Path(runs)), about | facts)

    def lock_hash(path):
        if path == "reports/metrics/ch9_toy":
            return md5(Path(reports, "metrics/ch9_toy"))
        return next((out["md5"] for entry in lock.values() for out in entry["outs"] if out["path"] == path), "many")

    data = f"data/{scale}"
    stage("code", "python -m workflow.code", ["stages"], ["reports/code"])
    for name in ("set1", "set2"):
        params = {"params.yaml": {"data.origin": "x"}, "workflow/sources.yaml": {name: ENTRY | {"md5": archive}}}
        stage(f"download@{name}", f"python -m stages.download {name}", [], [f"{data}/sources/{name}"], "download", params)
        stage(f"ch9_prepare@{name}", f"prepare {name}", [f"{data}/sources/{name}"], [f"{data}/prepared/{name}"])
    for model, values in errors.items():
        for seed in range(len(values)):
            out = f"{data}/models/ch9_toy/one/{model}-seed{seed}"
            params = {"params.yaml": {"toy.training": {"steps": steps, "rate": 0.1}}}
            stage(f"ch9_train@{model}-{seed}", f"python -m stages.ch9_toy.train {model} --seed {seed}",
                  [f"{data}/prepared/set1"], [out], "train", params, threads=1)  # fmt: skip
    stage("ch9_predict", "python -m stages.ch9_toy.predict", [f"{data}/models/ch9_toy/one", f"{data}/prepared"],
          [f"{data}/predictions/ch9_toy/one"], "predict")  # fmt: skip
    stage("ch9_evaluate", "evaluate", [f"{data}/predictions/ch9_toy/one"], ["reports/metrics/ch9_toy/one.json"])
    stage("ch9_sizes", "sizes", [], ["reports/metrics/ch9_toy/sizes.json"])
    stage("ch9_figures", "figures", ["reports/metrics/ch9_toy/one.json"], ["reports/figures/ch9_toy"])
    write(f"{top or '.'}/params.yaml", f"scale: {scale}\n")
    write(f"{top or '.'}/requirements.lock", f"# pinned\ntorch=={torch}\nmypy=={torch}\n")
    records = [
        Record(model, "error", value, "%", "lower", "bitwise", seed=seed, n=100,
               predictions=f"{data}/predictions/ch9_toy/one/{model}-seed{seed}.npz",
               trained=f"{data}/models/ch9_toy/one/{model}-seed{seed}")
        for model, values in errors.items() for seed, value in enumerate(values)
    ]  # fmt: skip
    folder = Path(reports) / "metrics/ch9_toy"
    folder.mkdir(parents=True, exist_ok=True)
    protocol = "miniature" if kind == "miniature" else "full"
    about = {"chapter": "ch9_toy", "scale": scale, "protocol": protocol}
    metrics.write(folder / "one.json", experiment="one", dataset=Dataset("set1", kind, "a note"), records=records, **about)
    sizes = [Record("a", "size", 7, "things", "none", "bitwise")]
    metrics.write(folder / "sizes.json", experiment="sizes", dataset=None, records=sizes, **about | {"protocol": "full"})
    stage("tables@ch9_toy", "tables", ["reports/metrics/ch9_toy"], ["reports/tables/ch9_toy"])
    write(f"{top or '.'}/dvc.lock", yaml.safe_dump({"schema": "2.0", "stages": lock}))
    rows = ["table,row,column,thesis,run,run_sd", "9.1,a,size,7,7,"]
    rows += [f"9.1,{model},error,1,{sum(values) / len(values):g}," for model, values in errors.items()]
    write(f"{reports}/tables/ch9_toy/table_9_1.csv", "\n".join(rows) + "\n")
    write(f"{reports}/figures/ch9_toy/figure_9_3a.csv", "x,y\n")


def published():
    write("stages/tables/published/ch9_toy/table_9_1.yaml", TABLE)
    write("stages/tables/published/references.yaml", '1: "Someone: Maxout. 2013"')
    write("stages/ch9_toy/README.md", README)
    write("stages/ch9_toy/__init__.py", "")
    for module in ("train", "predict", "download"):
        write(f"stages/ch9_toy/{module}.py", "x = 1\n")
    write("workflow/scales/scale/mini.yaml", "")
    write("workflow/scales/scale/paper.yaml", "")
    write("dvc.yaml", yaml.safe_dump({"stages": {"ch9_train": {"desc": "Trains <it>"}, "ch9_later": {"desc": "Not yet"}}}))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A toy project with two seeds of A and one of B, committed."""
    monkeypatch.chdir(tmp_path)
    published()
    build({"a": [21.0, 23.0], "b": [12.0]})
    write("data/mini/sources/set1/provenance.json", {"dataset": "set1", "kind": "altered", "note": "from a mirror"})
    write(".gitignore", "data/\n")
    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-qm", "all")
    return tmp_path


def account(*words):
    return json.loads(explain(list(words), as_json=True))
