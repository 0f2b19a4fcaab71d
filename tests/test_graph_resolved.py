"""The graph that DVC resolves from dvc.yaml and params.yaml, as stages read it; what cannot be resolved is one sentence."""

import json
from pathlib import Path

import pytest

from workflow import graph, scale


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
    assert not (project / "data/mini/models/three").exists()  # else it would pass for a training


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
