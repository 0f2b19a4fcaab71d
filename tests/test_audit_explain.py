"""`explain`: what a user may mean, the way from a cell to the archive, and what is missing; on a toy project and on our own."""

import hashlib
import json
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from conftest import record_of

from stages.core import metrics
from stages.core.errors import UserError
from stages.core.files import md5
from stages.core.metrics import Dataset, Record
from workflow.audit.explain import explain, interpretations
from workflow.audit.target import find, narrowed
from workflow.lock import Lock
from workflow.runs import record_path

ROOT = Path(__file__).parent.parent

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


# ------------------------------------------------------------------------------------------------------- targets


@pytest.mark.parametrize("words", [["table 9.1", "a", "error"], ["Table 9.1 A ERROR"], ["table_9_1", "Net A", "test error"]])
def test_a_cell_by_ids_or_headings(project, words):
    target = find(words)
    assert (target.kind, target.title, target.release) == ("table", "Table 9.1, Net A, Test Error", "")
    assert [(cell.row.id, cell.column.id, cell.run.mean) for cell in target.cells] == [("a", "error", 22.0)]
    assert target.files == ["reports/metrics/ch9_toy/one.json"]
    assert [(record.model, record.seed) for record in target.records] == [("a", 0), ("a", 1)]
    assert target.stages == ["ch9_evaluate"]
    assert target.chain == ["ch9_evaluate", "ch9_predict", "ch9_train@a-0", "ch9_train@a-1", "ch9_prepare@set1", "download@set1", "code"]
    assert target.evidence[0].aside == ("ch9_prepare@set2", "ch9_train@b-0")


def test_all_cells_of_a_row_and_of_a_table(project):
    assert [cell.column.id for cell in find(["table 9.1", "a"]).cells] == ["error", "size"]
    table = find(["table 9.1"])
    assert len(table.cells) == 5 and table.stages == ["ch9_evaluate", "ch9_sizes"]


@pytest.mark.parametrize(
    ("word", "kind", "stages"),
    [
        ("figure 9.3", "figure", ["ch9_figures"]),
        ("Figure 9.3a", "figure", ["ch9_figures"]),
        ("reports/figures/ch9_toy/figure_9_3a.csv", "file", ["ch9_figures"]),
        ("reports/metrics/ch9_toy/one.json", "file", ["ch9_evaluate"]),
        ("./data/mini/models/ch9_toy/one/a-seed1", "file", ["ch9_train@a-1"]),
        ("data/mini/models", "file", ["ch9_train@a-0", "ch9_train@a-1", "ch9_train@b-0"]),
        ("ch9_train@b-0", "stage", ["ch9_train@b-0"]),
        ("ch9_train", "stage", ["ch9_train@a-0", "ch9_train@a-1", "ch9_train@b-0"]),
    ],
)
def test_figures_files_and_stages(project, word, kind, stages):
    target = find([word])
    assert (target.kind, sorted(target.stages)) == (kind, stages)


def test_a_file_of_predictions_comes_from_its_own_model(project):
    target = find(["data/mini/predictions/ch9_toy/one/b-seed0.npz"])
    assert [name for name in target.chain if "train" in name] == ["ch9_train@b-0"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["table 9.2"], r"there is no table 9\.2: did you mean table 9\.1"),
        (["table 9.1", "net d"], r"Table 9\.1 has no row net: "),
        (["table 9.1", "a", "eror"], r"Table 9\.1 has no column eror: did you mean error\?"),
        (["table 9.1", "b", "size"], r"Net B, Size: the thesis prints nothing there; row b has error"),
        (["figure 9.4"], r"there is no figure 9\.4: did you mean figure 9\.3a"),
        (["ch9_train@b-1"], r"there is no ch9_train@b-1: did you mean ch9_train@b-0"),
        (["reports/metrics/ch9_toy/on.json"], r"did you mean reports/metrics/ch9_toy/one\.json"),
        (["reports/figures/ch9_toy/figure_9_9.csv"], r"there is no reports/figures/ch9_toy/figure_9_9\.csv"),
        (["stages/ch9_toy/train.py"], r"is made by no stage of dvc\.lock"),
        (["ch9_later"], r"ch9_later has not run, no lock file has it: run `python -m workflow.repro ch9_later`"),
        (["nonsense"], r"give one of table 9\.1, figure 9\.3a, a stage"),
        ([" "], "say what is meant"),
    ],
)
def test_what_is_unknown_is_told_with_what_is_near(project, words, message):
    with pytest.raises(UserError, match=message) as caught:
        find(words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("words", [["table 9.1", "a", "error"], ["ch9_train"], ["reports/metrics/ch9_toy/one.json"], ["figure 9.3"]])
def test_a_repository_without_a_run_says_so(project, words):
    Path("dvc.lock").unlink()
    with pytest.raises(UserError, match=r"nothing has run here, there is no dvc\.lock: run `dvc repro`"):
        find(words)
    if words[0].startswith("table"):
        Path("reports/metrics/ch9_toy/one.json").unlink()
        with pytest.raises(UserError, match="nothing has run here"):
            find(words)


def test_metrics_that_no_stage_made(project):
    lock = yaml.safe_load(Path("dvc.lock").read_text())
    del lock["stages"]["ch9_evaluate"]
    write("dvc.lock", yaml.safe_dump(lock))
    with pytest.raises(UserError, match=r"one\.json is made by no stage of dvc\.lock: run `dvc repro`"):
        find(["table 9.1", "a", "error"])


def test_order_of_a_chain_is_that_of_reading():
    """A diamond whose one side is longer: what both sides read stands last."""
    made_from = {"end": ["left", "right"], "left": ["base"], "right": ["mid"], "mid": ["base"], "base": []}
    stages = {
        name: {"cmd": name, "deps": [{"path": dep} for dep in deps], "outs": [{"path": name, "md5": name}]}
        for name, deps in made_from.items()
    }
    chain, aside = narrowed(Lock(texts={"dvc.lock": yaml.safe_dump({"stages": stages})}), ["end"])
    assert (chain[0], chain[-2:], aside) == ("end", ("mid", "base"), ())


# ------------------------------------------------------------------------------------------------------- account


def test_a_cell_is_followed_back_to_the_archive(project):
    found = account("table 9.1", "a", "error")
    (cell,) = found["cells"]
    assert (cell["printed"], cell["verdict"], cell["why"]) == ("20.0", "not run", "miniature")
    assert cell["rendered"] == {"file": "reports/tables/ch9_toy/table_9_1.csv", "stage": "tables@ch9_toy"}
    assert (cell["values"][0]["value"], cell["values"][0]["seeds"]) == (22.0, [0, 1])
    assert cell["tolerance"] == pytest.approx(1.959964 * (0.2 * 0.8 / 100) ** 0.5 * 100)
    (origin,) = found["origins"]
    assert origin["reads_too"] == ["ch9_prepare@set2", "ch9_train@b-0"]
    stages = {stage["stage"]: stage for stage in origin["stages"]}
    train = stages["ch9_train@a-1"]
    assert (train["seed"], train["description"]) == (1, "Trains <it>")
    assert train["parameters"] == {"params.yaml": {"toy.training.steps": 90, "toy.training.rate": 0.1}}
    commit = git("rev-parse", "--short", "HEAD").strip()
    modules = {module["module"]: module for module in train["code"]}
    assert modules["stages.ch9_toy.train"]["hash"] == "m1"
    assert modules["stages.ch9_toy.train"]["commit"] == modules["stages.ch9_toy"]["commit"] == commit
    assert modules["stages.ch9_toy"]["file"] == "stages/ch9_toy/__init__.py"
    assert train["dependencies"][0]["made_by"] == ["ch9_prepare@set1"]
    assert train["run"]["machine"] == {"processor": "X"} and train["run_note"] is None
    (data,) = origin["data"]
    assert (data["dataset"], data["kind"], data["said_by"]) == ("set1", "altered", "data/mini/sources/set1/provenance.json")
    assert data["official"]["licence"] == "CC0"
    assert data["official"]["archives"] == [{"url": "https://a/one.tar", "md5": "official1", "sha256": None, "size": 123456}]
    assert [entry["id"] for entry in found["interpretations"]] == ["steps", "verdict"]
    assert found["interpretations"][0]["the thesis"] == "says a | b"


def test_the_text_says_the_same(project):
    text = explain(["table 9.1", "b", "error"])
    for part in [
        "printed     10.0 %",
        "ours        12 % (this run, scale mini, protocol miniature, set1 miniature, seed 0)",
        "in reports/metrics/ch9_toy/one.json, record b error = 12, seed 0, n 100, bitwise",
        "also reads 2 other trainings and ch9_prepare@set2, which this does not come from",
        "3. ch9_train@b-0: Trains <it>",
        "command     python -m stages.ch9_toy.train b --seed 0",
        "toy.training.steps = 90",
        "Data set set1: altered, from a mirror",
        "https://a/one.tar, md5 official1, 123.5 kB",
        "ch9_toy, only-b: open. Chosen: 1",
    ]:
        assert part in text
    assert "ch9_train@a-0" not in text and "set2:" not in text


def change_run(stage, **facts):
    file = record_of(Path(), stage)
    content = json.loads(file.read_text()) | facts
    write(file, {key: value for key, value in content.items() if value is not None})


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (lambda: record_of(Path(), "ch9_train@b-0").unlink(), "no run record: there is no data/runs/ch9_train@b-0/"),
        (lambda: change_run("ch9_train@b-0", made={"data/mini/models/ch9_toy/one/b-seed0": "other"}), "the record is of another run"),
        (lambda: change_run("ch9_train@b-0", made=None), "the record does not say what it made"),
        (lambda: change_run("ch9_train@b-0", bundle="job-7"), "made elsewhere, through the bundle job-7"),
        (lambda: write("reports/code/ch9_toy.train.json", {"a": "b"}), "is not the one that this stage ran with"),
        (lambda: Path("reports/code/ch9_toy.train.json").unlink(), "there is no reports/code/ch9_toy.train.json"),
        (lambda: write("stages/ch9_toy/train.py", "x = 2\n"), "changed since without a commit"),
        (lambda: Path("data/mini/sources/set1/provenance.json").unlink(), "said by     the metrics file"),
        (lambda: Path(".git").rename("git"), "commit not known here"),
        (lambda: Path("dvc.yaml").unlink(), "ch9_train@b-0: not in dvc.yaml any more"),
    ],
)
def test_what_is_missing_is_said(project, spoil, part):
    assert part not in explain(["table 9.1", "b", "error"])
    spoil()
    assert part in explain(["table 9.1", "b", "error"])


def test_a_data_set_that_nothing_tells_of(project):
    Path("data/mini/sources/set1/provenance.json").unlink()
    assert "Data set set1: kind not known" in explain(["ch9_prepare@set1"])
    assert "unknown, there is no data/mini/sources/set1/provenance.json here" in explain(["ch9_prepare@set1"])


def test_cells_that_are_not_ours_or_not_run(project):
    assert "verdict     none: cited from the literature" in explain(["table 9.1", "old", "error"])
    assert "not run: neither the metrics at hand nor a release have a value" in explain(["table 9.1", "c", "error"])
    assert "No stage made a value for it." in explain(["table 9.1", "c", "error"])


def test_a_release_is_explained_from_its_own_files(project):
    first = git("rev-parse", "HEAD").strip()
    build({"c": [5.5], "a": [20.01, 20.03]}, scale="paper", kind="official", steps=9000, top="reports/releases/paper-1", processor="Y")
    write("reports/releases/paper-1/release.json", {"scale": "paper", "protocol": "full", "date": "2026-02-03", "commit": first})
    write("stages/ch9_toy/train.py", "x = 3\n")
    git("add", "-A")
    git("commit", "-qm", "later")
    found = account("table 9.1", "c", "error")
    assert (found["cells"][0]["verdict"], found["cells"][0]["judged"]) == ("within", "paper-1")
    assert "0.5 from the printed value, no farther than the tolerance of 4.272" in found["cells"][0]["why"]
    (origin,) = found["origins"]
    assert origin["release"]["commit"] == first and origin["files"] == ["reports/releases/paper-1/metrics/ch9_toy/one.json"]
    stages = {stage["stage"]: stage for stage in origin["stages"]}
    train = stages["ch9_train@c-0"]
    assert train["parameters"]["params.yaml"]["toy.training.steps"] == 9000 and train["run"]["machine"] == {"processor": "Y"}
    assert {module["commit"] for module in train["code"]} == {first[:7]}  # not the later commit's
    assert [(data["dataset"], data["kind"]) for data in origin["data"]] == [("set1", "official")]
    assert find(["table 9.1", "c", "error"]).release == "paper-1"
    both = account("table 9.1", "a", "error")
    assert [origin["origin"] for origin in both["origins"]] == ["this run", "release paper-1"]
    assert find(["table 9.1", "a", "error"]).release == "" and find(["table 9.1", "a", "error"]).stages == ["ch9_evaluate"]
    file = find(["reports/releases/paper-1/metrics/ch9_toy/one.json"])
    assert file.release == "paper-1" and file.evidence[0].stages == ("ch9_evaluate",)
    with pytest.raises(UserError, match=r"release\.json is made by no stage of reports/releases/paper-1/dvc\.lock"):
        find(["reports/releases/paper-1/release.json"])


def test_the_picture_shows_the_chain(project, tmp_path):
    explain(["table 9.1", "a", "error"], picture=tmp_path / "chain.svg")
    root = ElementTree.parse(tmp_path / "chain.svg").getroot()
    names = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text") if text.get("class") == "name"]
    assert sorted(names) == ["ch9_evaluate", "ch9_predict", "ch9_prepare set1", "ch9_train a-0", "ch9_train a-1", "code", "download set1"]
    with pytest.raises(UserError, match=r"cannot write .*chain\.svg/x\.svg: Not a directory"):
        explain(["table 9.1", "a", "error"], picture=tmp_path / "chain.svg/x.svg")
    (tmp_path / "link.svg").symlink_to("drawn.svg")
    explain(["table 9.1", "a", "error"], picture=tmp_path / "link.svg")
    assert (tmp_path / "link.svg").is_symlink() and (tmp_path / "drawn.svg").read_text() == (tmp_path / "chain.svg").read_text()
    with pytest.raises(UserError, match="has no chain that could be drawn"):
        explain(["table 9.1", "old", "error"], picture=tmp_path / "none.svg")
    assert not list(tmp_path.glob("*.partial*")) and not (tmp_path / "none.svg").exists()


def test_a_crooked_row_of_interpretations_is_named(project):
    file = Path("stages/ch9_toy/README.md")
    file.write_text(file.read_text().replace("| only-b | open |", "| only-b |"))
    with pytest.raises(UserError, match=r"stages/ch9_toy/README\.md: entry 2 of Interpretations has 4 columns, not 5"):
        explain(["table 9.1", "a", "error"])


# ------------------------------------------------------------------------------------------------ this repository


def test_a_cell_of_table_2_2(monkeypatch):
    monkeypatch.chdir(ROOT)
    found = account("table 2.2", "cfn-b", "cifar10")
    (cell,) = found["cells"]
    assert (cell["printed"], cell["unit"], cell["row_label"]) == ("8.27", "%", "CFN-B")
    # the binomial error, from the printed 8.27 %
    assert cell["tolerance"] == pytest.approx(0.5398, abs=1e-4)
    if not cell["values"]:
        pytest.skip("CFN-B is not among the models of the scale in force")
    (origin,) = [origin for origin in found["origins"] if origin["origin"] == "this run"]
    names = [stage["stage"] for stage in origin["stages"]]
    assert names == [
        "ch2_evaluate@cifar10", "ch2_predict@cifar10", "ch2_train@cifar10-cfn-b-0", "ch2_prepare@cifar10", "download@cifar10", "code"
    ]  # fmt: skip
    assert origin["stages"][2]["seed"] == 0
    assert "8.27" in explain(["table 2.2", "cfn-b", "cifar10"])


def test_the_audit_imports_nothing_heavy():
    code = "import sys, workflow.audit.explain, workflow.audit.diff; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "yaml" in loaded and not loaded & {"dvc", "torch", "numpy", "pandas", "matplotlib", "mlflow", "networkx", "pydantic"}


def test_every_interpretation_names_stages_that_exist(monkeypatch):
    monkeypatch.chdir(ROOT)
    graph = Path("data/graph.json")
    names = {stage["name"] for stage in json.loads(graph.read_text())["stages"].values()} if graph.exists() else set(Lock().stages)
    entries = list(interpretations())
    assert len(entries) >= 20
    for entry in entries:
        assert entry["stages"], f"{entry['chapter']}: {entry['id']} names no stages"
        for pattern in entry["stages"]:
            assert any(fnmatchcase(name, pattern) for name in names), f"{entry['chapter']}: {entry['id']}: {pattern} matches no stage"


def test_a_picture_makes_no_folders(project):
    with pytest.raises(UserError, match=r"^there is no folder no/where to draw a\.svg to$"):
        explain(["table 9.1", "a", "error"], picture=Path("no/where/a.svg"))
    assert not Path("no").exists()
