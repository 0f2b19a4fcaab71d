"""Scales: their composition, the same as DVC's own, and one clear sentence for whatever is wrong with parameters."""

import functools
import json
import shutil
import subprocess
import sys
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import REPOSITORY

from workflow import graph, params, scale

SCALES = ["mini", "paper", "real", "real_cpu"]


@pytest.fixture(autouse=True)
def in_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)


def composed(path: Path, name: str, *overrides: str) -> dict[str, Any]:
    scale.compose(name, list(overrides), path)
    return yaml.safe_load(path.read_text())


@functools.cache
def _plain(name: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return composed(Path(folder) / "params.yaml", name)


def plain_scale(name: str) -> dict[str, Any]:
    """A scale without overrides: composed once, for that takes longer than what is asked of it."""
    return deepcopy(_plain(name))


def merged(below: Any, above: Any) -> Any:
    """What a scale on top of the base means: mappings are merged, anything else is replaced."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return {key: merged(below.get(key), above[key]) if key in above else below[key] for key in below | above}


def test_these_are_the_scales() -> None:
    assert sorted(file.stem for file in Path("workflow/scales/scale").iterdir()) == SCALES


@pytest.mark.parametrize("name", SCALES)
def test_each_scale_is_valid_and_stands_on_the_base(tmp_path: Path, name: str) -> None:
    base, own = (yaml.safe_load(Path("workflow/scales", file).read_text()) for file in ("base.yaml", f"scale/{name}.yaml"))
    assert own["scale"] == name  # paths are made of it
    expected = merged(base, own)
    assert composed(tmp_path / "params.yaml", name) == expected


# By chapter, of which lists a matrix of dvc.yaml makes its stages.
STAGES = {
    "ch2_fusion": ["sources", "datasets", "figures.datasets"],
    "ch2_imagenet": ["sets"],
    "ch2_segmentation": ["sets", "models", "figures.panels"],
    "ch3_edges": ["sets"],
}


def listed(values: dict[str, Any], chapter: str) -> set[str]:
    """The lists that are not empty; those of a section, taken together."""
    found = set()
    for key in STAGES[chapter]:
        value: Any = values[chapter]
        for part in key.split("."):
            value = value[part]
        if any(value.values()) if isinstance(value, dict) else value:
            found.add(key)
    return found


@pytest.mark.parametrize("chapters", [[chapter] for chapter in STAGES] + [["ch2_fusion", "ch3_edges"], list(STAGES)], ids="+".join)
@pytest.mark.parametrize("name", ["mini", "real_cpu", "paper"])
def test_chapters_can_be_left_out(tmp_path: Path, name: str, chapters: list[str]) -> None:
    plain = plain_scale(name)
    one, several = chapters[0], f"[{','.join(chapters)}]"
    values = composed(tmp_path / "params.yaml", name, f"+leave_out={several if len(chapters) > 1 else one}")
    for chapter in STAGES:
        assert listed(values, chapter) == (set() if chapter in chapters else listed(plain, chapter))
        if chapter not in chapters:
            assert values[chapter] == plain[chapter]
    assert {key: values[key] for key in ("chapters", "data", "runtime")} == {key: plain[key] for key in ("chapters", "data", "runtime")}


@pytest.mark.parametrize("chapter", STAGES)
@pytest.mark.parametrize("name", SCALES)
def test_a_chapter_can_be_alone(tmp_path: Path, name: str, chapter: str) -> None:
    """At every scale that has something of it; no other data sets than it uses are downloaded."""
    plain = plain_scale(name)
    if not listed(plain, chapter):
        with pytest.raises(SystemExit, match=r"the scale has nothing of this chapter; .*params\.yaml is left as it was$"):
            scale.compose(name, [f"+only={chapter}"], tmp_path / "params.yaml")
        return
    values = composed(tmp_path / "params.yaml", name, f"+only={chapter}")
    assert values["chapters"] == [chapter]
    assert values[chapter] == plain[chapter]
    assert [other for other in STAGES if other != chapter and listed(values, other)] == []
    used = {needed for needed, _ in params.Params.model_validate(values)._needed()}
    assert used == set(values["data"]["sets"])


def test_a_chapter_alone_has_the_sets_that_one_says(tmp_path: Path) -> None:
    sets = "data.sets=[cifar10,bsds500,vgg16]"
    assert composed(tmp_path / "params.yaml", "real_cpu", "+only=ch3_edges", sets)["data"]["sets"] == ["cifar10", "bsds500", "vgg16"]
    with pytest.raises(SystemExit, match=r"ch3_edges.*data\.sets lacks bsds500"):
        scale.compose("real_cpu", ["+only=ch3_edges", "data.sets=[vgg16]"], tmp_path / "params.yaml")


@pytest.mark.parametrize("override", ["+only=nope", "+leave_out=[ch3_edges,nope]"])
def test_a_chapter_that_there_is_not_is_one_sentence(tmp_path: Path, override: str) -> None:
    with pytest.raises(SystemExit) as error:
        scale.compose("mini", [override], tmp_path / "params.yaml")
    key = override[1:].partition("=")[0]
    assert str(error.value) == f"error: there is no chapter nope: +{key} may be {', '.join(STAGES)}"
    assert list(tmp_path.iterdir()) == []


def test_make_looks_at_the_scale_before_it_installs_anything(tmp_path: Path) -> None:
    done = subprocess.run(["make", "scale", "SCALE=nope", f"VENV={tmp_path / 'venv'}"], capture_output=True, text=True)
    assert done.returncode != 0 and list(tmp_path.iterdir()) == []
    assert done.stderr.splitlines()[0] == "error: there is no scale nope: it may be mini paper real real_cpu"


def test_the_committed_parameters_are_those_of_their_scale(tmp_path: Path) -> None:
    text = scale.PARAMS.read_text()
    composed(tmp_path / "params.yaml", yaml.safe_load(text)["scale"])
    assert (tmp_path / "params.yaml").read_text() == text


def test_scales_differ_in_parameters_only() -> None:
    for folder in ("stages", "workflow"):
        for file in Path(folder).rglob("*.py"):
            text = file.read_text()
            assert not [name for name in SCALES for quote in "\"'" if f"== {quote}{name}{quote}" in text], file


def test_an_override_changes_one_value(tmp_path: Path) -> None:
    plain = plain_scale("mini")
    changed = composed(tmp_path / "params.yaml", "mini", "runtime.threads=2", "ch2_fusion.training.weight_decay=1e-6")
    assert (changed["runtime"].pop("threads"), changed["ch2_fusion"]["training"].pop("weight_decay")) == (2, 1e-6)
    del plain["runtime"]["threads"], plain["ch2_fusion"]["training"]["weight_decay"]
    assert changed == plain


def test_dvc_composes_the_same(tmp_path: Path) -> None:
    shutil.copytree("workflow/scales", tmp_path / "workflow/scales")
    (tmp_path / ".dvc").mkdir()
    shutil.copy(".dvc/config", tmp_path / ".dvc")
    (tmp_path / "params.yaml").write_text("scale: before\n")
    (tmp_path / "dvc.yaml").write_text("stages: {copy: {cmd: cp params.yaml seen.yaml, params: [scale], outs: [seen.yaml]}}\n")
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "t"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    changes = ["scale=real_cpu", "ch2_fusion.seeds=[0,1]", "ch2_fusion.training.weight_decay=1e-6"]
    options = [word for change in changes for word in ("-S", change)]
    subprocess.run([sys.executable, "-m", "dvc", "exp", "run", "-q", *options], cwd=tmp_path, check=True)
    scale.compose("real_cpu", changes[1:], tmp_path / "ours.yaml")
    assert (tmp_path / "seen.yaml").read_text() == (tmp_path / "ours.yaml").read_text()


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["runtime.thread=2"], ["runtime.thread"]),
        (["+runtime.thread=2"], ["unknown key runtime.thread"]),
        (["~runtime.threads"], ["the key runtime.threads is missing"]),
        (["runtime.threads=two"], ["runtime.threads", "integer", "'two'"]),
        (["runtime.threads='2'"], ["runtime.threads", "integer", "'2'"]),
        (["runtime.threads=2.0"], ["runtime.threads", "integer", "2.0"]),
        (["runtime.threads=true"], ["runtime.threads", "integer", "True"]),
        (["runtime.threads=0"], ["runtime.threads", "greater than 0"]),
        (["runtime.device=gpu"], ["runtime.device", "'auto', 'cpu' or 'cuda'", "'gpu'"]),
        (["runtime=fast"], ["runtime", "mapping", "'fast'"]),
        (["data.sets=[cifar10]"], ["ch2_fusion.sets.plain has cifar100, and data.sets lacks cifar100"]),
        (["data.sets=[cifar100]"], ["ch2_fusion.sets.plain has cifar10, and data.sets lacks cifar10"]),
        (["data.generated.bsds500.width=20"], ["data.generated.bsds500.width", "48"]),
        (["data.sets=[mnist]"], ["data.sets.0", "'mnist'"]),
        (["data.generated.cifar10.train=150"], ["data.generated.cifar10.train", "multiple of 100"]),
        (["~data.generated.cifar100"], ["the key data.generated.cifar100 is missing"]),
        (["data.origin=official"], ["protocol is miniature if and only if data.origin is generated"]),
        (["scale=Mini-2"], ["scale"]),
        (["runtime.threads"], ["runtime.threads"]),
        (["runtime.threads=[1"], ["runtime.threads"]),
        (["runtime.threads=${no.such}"], ["no.such"]),
        (["=3"], ["=3"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)  # fmt: skip
def test_what_is_wrong_is_one_sentence_and_changes_nothing(tmp_path: Path, overrides: list[str], says: list[str]) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("as it was")
    with pytest.raises(SystemExit) as left:
        scale.compose("mini", overrides, path)
    sentence = str(left.value.code)  # a string as exit code: printed, and status 1
    assert sentence.startswith("error: ")
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    assert [part for part in says if part not in sentence] == [], sentence
    assert path.read_text() == "as it was"
    assert [file.name for file in tmp_path.iterdir()] == ["params.yaml"]


def test_parameters_behind_a_link_are_written_there(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "params.yaml").symlink_to("deep/mine.yaml")
    assert composed(tmp_path / "params.yaml", "mini")["scale"] == "mini"
    assert (tmp_path / "params.yaml").is_symlink() and [file.name for file in (tmp_path / "deep").iterdir()] == ["mine.yaml"]


def test_parameters_that_cannot_be_written_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as left:
        scale.compose("mini", [], tmp_path)
    assert str(left.value.code).startswith(f"error: mini: cannot write {tmp_path}: it is a folder; ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["huge", "Mini", "../base", "mini.yaml"])
def test_an_unknown_scale_is_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(SystemExit) as left:
        scale.compose(name, [], tmp_path / "params.yaml")
    assert left.value.code == f"error: there is no scale {name}: it may be mini, paper, real, real_cpu"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("runtime: [", "is not YAML"),
        ("a:\n\t- b", "is not YAML"),
        ("runtime: 1\nruntime: 2\n", "duplicate key"),
        ("", "the key scale is missing"),
        ("- mini", "should be a mapping"),
        (None, "there is no"),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "params.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit) as left:
        scale.check(path)
    sentence = str(left.value.code)
    assert sentence.startswith("error: ")
    assert says in sentence
    assert str(path) in sentence
    assert "\n" not in sentence


def test_a_file_in_another_encoding_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes(b"\xff\xfe\x00scale")
    with pytest.raises(SystemExit, match="is not YAML: 'utf-8' codec"):
        scale.check(tmp_path / "params.yaml")


def test_several_faults_are_all_named() -> None:
    values = plain_scale("mini")
    values["runtime"]["threads"] = "1"
    values["ch2_fusion"]["network"]["widht"] = values["ch2_fusion"]["network"].pop("width")
    assert params.problems(values) == [
        "runtime.threads: should be a valid integer, and is '1'",
        "the key ch2_fusion.network.width is missing",
        "unknown key ch2_fusion.network.widht: it is misspelt, or belongs elsewhere",
    ]


def test_numbers_are_read_as_dvc_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("rate: 1e-4\nflag: on\nmode: 0o17\ntime: 1:30\n")
    assert scale.read(path) == {"rate": 0.0001, "flag": "on", "mode": 15, "time": "1:30"}


@pytest.mark.parametrize(("text", "status", "says"), [(None, 0, ""), ("runtime: [", 1, "error: params.yaml is not YAML: ")])
def test_the_command_checks(tmp_path: Path, text: str | None, status: int, says: str) -> None:
    (tmp_path / "params.yaml").write_text(text or scale.PARAMS.read_text())
    command = [sys.executable, "-m", "workflow.scale", "--check"]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(says)
    assert done.stderr.count("\n") == status


def test_the_command_wants_a_scale_or_a_check() -> None:
    for words in ([], ["--check", "mini"]):
        done = subprocess.run([sys.executable, "-m", "workflow.scale", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert done.stderr.endswith("error: give a scale or --check\n")


# The graph that is made of them


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one matrix stage; parameters are not checked, for they are not ours."""
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow/sources.yaml").write_text("one: {url: here}\ntwo: {url: there}\n")
    (tmp_path / "params.yaml").write_text("scale: mini\nsets: [one, two]\ntraining: {rate: 1e-4, steps: [1, 2]}\n")
    (tmp_path / "dvc.yaml").write_text("""
stages:
  train:
    matrix: {set: "${sets}", seed: [0]}
    cmd: python -m stages.train ${item.set} --seed ${item.seed}
    deps: ["data/${item.set}"]
    params: [scale, training.rate, workflow/sources.yaml: ["${item.set}"]]
    outs: ["data/${scale}/models/${item.set}", "reports/metrics/${item.set}.json": {cache: false}]
  fetch:
    foreach: ${sets}
    do:
      cmd: python -m stages.fetch ${item}
      outs: ["data/${item}"]
""")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scale, "check", lambda: None)
    return tmp_path


def test_the_graph_is_dvcs_own(project: Path) -> None:
    graph.refresh()
    stages = json.loads((project / "data/graph.json").read_text())["stages"]
    assert stages["python -m stages.train two --seed 0"] == {
        "name": "train@two-0",
        "deps": ["data/two"],
        "outs": ["data/mini/models/two", "reports/metrics/two.json"],
        "params": {"scale": "mini", "training": {"rate": 0.0001}, "sources": {"two": {"url": "there"}}},
        "file": "dvc.yaml",
    }
    names = [step.name for step in graph.resolve()]
    assert set(names) == {"fetch@one", "fetch@two", "train@one-0", "train@two-0"}
    assert names.index("fetch@one") < names.index("train@one-0")
    assert names.index("fetch@two") < names.index("train@two-0")


def test_results_of_no_stage_are_removed(project: Path) -> None:
    mine = ["data/mini/models/one/model.pt", "reports/metrics/one.json", "data/real/models/three/model.pt", "reports/releases/x.json"]
    strange = ["data/mini/models/three/model.pt", "reports/metrics/three.json", "reports/tables/old.md", "reports/figures/a/b.svg"]
    running = ["data/mini/models/.two.partial/two/model.pt"]
    for path in mine + strange + running:
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text("")
    made = [
        {"path": path, "md5": "0123"}
        for path in ["data/mini/models/three", "data/real/models/three", "reports/releases/x.json", *strange[1:]]
    ]
    lock = {"schema": "2.0", "stages": {"before": {"cmd": "made them", "outs": made}}}
    (project / "dvc.lock").write_text(json.dumps(lock))
    graph.refresh()
    assert [path for path in mine + running if not (project / path).exists()] == []
    assert [path for path in strange if (project / path).exists()] == []


def test_of_an_output_that_has_become_a_folder_of_several_these_stay(project: Path) -> None:
    pipeline = (project / "dvc.yaml").read_text()
    (project / "dvc.yaml").write_text(pipeline.replace("models/${item.set}", "models/all/${item.set}"))
    old, new = (project / "data/mini/models/all" / path for path in ("one.json", "one/model.pt"))
    new.parent.mkdir(parents=True)
    for file in (old, new):
        file.write_text("")
    lock = {"schema": "2.0", "stages": {"before": {"cmd": "made it", "outs": [{"path": "data/mini/models/all", "md5": "0123"}]}}}
    (project / "dvc.lock").write_text(json.dumps(lock))
    graph.refresh()
    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        (
            "dvc.yaml",
            "training.rate",
            "training.momentum",
            "dvc.yaml names the parameter training.momentum, which params.yaml does not have",
        ),
        ("dvc.yaml", "${sets}", "${lists}", "lists"),
        ("dvc.yaml", "stages:", "stages: [", "dvc.yaml"),
        ("dvc.yaml", "reports/metrics/${item.set}.json", "reports/metrics/same.json", "reports/metrics/same.json"),
        ("dvc.yaml", "data/${item}", "data/mini", "overlap"),
        ("params.yaml", "[one, two]", "[one", "params.yaml"),
        ("workflow/sources.yaml", "two:", "three:", "dvc.yaml names the parameter two, which workflow/sources.yaml does not have"),
    ],
)
def test_a_graph_that_cannot_be_resolved_is_one_sentence(project: Path, file: str, old: str, new: str, says: str) -> None:
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new))
    with pytest.raises(SystemExit) as left:
        graph.refresh()
    sentence = str(left.value.code)
    assert sentence.startswith("error: ")
    assert says in sentence
    assert "\n" not in sentence
    assert not (project / "data/graph.json").exists()


def test_only_the_thesis_schedule_and_width_are_called_full() -> None:
    values = scale.read(REPOSITORY / "params.yaml")
    paper = plain_scale("paper")
    values |= {chapter: paper[chapter] for chapter in ("ch2_imagenet", "ch2_segmentation", "ch4_deepindex")}
    values["data"]["origin"], values["protocol"] = "official", "full"
    values["ch2_fusion"]["network"] |= {"width": 1, "dropout": 0.5}
    values["ch2_fusion"]["training"] |= {"iterations": 120_000, "batch_size": 100}
    assert params.problems(values) == []
    for chapter, section, key, value in (("ch2_segmentation", "training", "learning_rate", 0.001),):
        kept, values[chapter][section][key] = values[chapter][section][key], value
        assert f"{chapter}.{section}.{key} differ" in params.problems(values)[0]
        values[chapter][section][key] = kept
    values["ch2_fusion"]["training"]["iterations"] = 4000
    (problem,) = params.problems(values)
    assert "protocol is full, but ch2_fusion.training.iterations differ" in problem
    values["protocol"] = "shortened"
    assert params.problems(values) == []
