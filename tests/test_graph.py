"""The resolved graph: what depends on what, what is out of date, which files no stage makes."""

from pathlib import Path

import pytest
import yaml

from workflow import code, graph, stale
from workflow.graph import Step
from workflow.lock import name_of

ROOT = Path(__file__).parent.parent


def step(name: str, deps: list[str], outs: list[str]) -> Step:
    return Step(name, f"make {name}", deps, outs, {})


@pytest.fixture
def project(dvc_project: Path) -> Path:
    return dvc_project


def write(file: Path, value: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(value))


def test_edges_are_those_of_dvc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from dvc.repo import Repo

    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path))
    ours = {(source, name) for name, sources in stale.upstream(graph.resolve()).items() for source in sources}
    assert ours == {(name_of(b.addressing), name_of(a.addressing)) for a, b in Repo().index.graph.edges}


def test_every_stage_comes_after_those_it_reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path))
    steps = graph.resolve()
    place = {step.name: number for number, step in enumerate(steps)}
    assert len(place) == len(steps)
    assert all(place[source] < place[name] for name, sources in stale.upstream(steps).items() for source in sources)


def test_upstream_follows_folders_both_ways_but_no_mere_prefix() -> None:
    steps = [
        step("folder", [], ["data/a"]),
        step("file", [], ["data/b/x"]),
        step("prefix", [], ["data/b/xy", "data/aa"]),
        step("reader", ["data/a/part", "data/b/x"], ["out"]),
        step("collector", ["data/b"], []),
    ]
    upstream = stale.upstream(steps)
    assert upstream["reader"] == ["folder", "file"]
    assert upstream["collector"] == ["file", "prefix"]


def test_resolve_gives_commands_paths_and_nested_parameters(project: Path) -> None:
    (project / "workflow").mkdir()
    write(project / "params.yaml", {"scale": "mini", "net": {"width": 2, "depth": 3}, "models": ["a", "b"]})
    write(project / "workflow/sources.yaml", {"set": {"size": 4}})
    write(
        project / "dvc.yaml",
        {
            "stages": {
                "train": {
                    "matrix": {"model": "${models}"},
                    "cmd": "train ${item.model}",
                    "deps": ["in"],
                    "params": ["net.width", {"workflow/sources.yaml": ["set"]}],
                    "outs": ["data/${scale}/${item.model}"],
                }
            }
        },
    )
    assert sorted(graph.resolve(), key=lambda step: step.name) == [
        Step("train@a", "train a", ["in"], ["data/mini/a"], {"net": {"width": 2}, "sources": {"set": {"size": 4}}}),
        Step("train@b", "train b", ["in"], ["data/mini/b"], {"net": {"width": 2}, "sources": {"set": {"size": 4}}}),
    ]


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ({"one": {"cmd": "x", "deps": ["a"], "outs": ["b"]}, "two": {"cmd": "x", "deps": ["b"], "outs": ["a"]}}, "output in stages"),
        ({"one": {"cmd": "x", "outs": ["a"]}, "two": {"cmd": "x", "outs": ["a"]}}, "a"),
        ({"one": {"cmd": "x ${nowhere}"}}, "nowhere"),
        ({"one": {"cmd": "x", "params": ["scale", "nowhere"]}}, "nowhere"),
    ],
)
def test_a_broken_pipeline_is_one_sentence(project: Path, stages: dict, words: str) -> None:
    write(project / "params.yaml", {"scale": "mini"})
    write(project / "dvc.yaml", {"stages": stages})
    with pytest.raises(SystemExit) as error:
        graph.resolve()
    sentence = str(error.value)
    assert sentence.startswith("error: ") and words in sentence and "\n" not in sentence


def test_outdated_is_what_dvc_finds_changed_and_all_downstream(project: Path) -> None:
    from dvc.repo import Repo

    write(
        project / "dvc.yaml",
        {
            "stages": {
                "first": {"cmd": "cp in a", "deps": ["in"], "outs": ["a"]},
                "second": {"cmd": "cp a b", "deps": ["a"], "outs": ["b"]},
                "third": {"cmd": "cp b c", "deps": ["b"], "outs": ["c"]},
                "other": {"cmd": "cp aside d", "deps": ["aside"], "outs": ["d"]},
            }
        },
    )
    (project / "in").write_text("1")
    (project / "aside").write_text("1")
    assert stale.outdated(graph.resolve()) == {"first", "second", "third", "other"}
    Repo().reproduce()
    assert stale.outdated(graph.resolve()) == set()
    (project / "b").unlink()
    assert stale.outdated(graph.resolve()) == {"second", "third"}
    Repo().reproduce()
    (project / "in").write_text("2")
    assert stale.outdated(graph.resolve()) == {"first", "second", "third"}


def test_changed_code_outdates_what_reads_its_fingerprint_only(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        project / "dvc.yaml",
        {
            "stages": {
                "code": {"cmd": code.COMMAND, "deps": ["stages"], "outs": [{"reports/code": {"cache": False}}]},
                "one": {"cmd": "x", "deps": ["reports/code/one.json"], "outs": ["a"]},
                "two": {"cmd": "x", "deps": ["reports/code/two.json"], "outs": ["b"]},
                "collect": {"cmd": "x", "deps": ["reports/code/three.json", "a"], "outs": ["c"]},
            }
        },
    )
    steps = graph.resolve()
    monkeypatch.setattr("dvc.repo.Repo.status", lambda repo: {"code": ["changed deps"]})
    monkeypatch.setattr(code, "contents", lambda: {"one.json": "new", "two.json": "same", "three.json": "same"})
    for name in ("two", "three"):
        (project / "reports/code").mkdir(parents=True, exist_ok=True)
        (project / f"reports/code/{name}.json").write_text("same")
    (project / "reports/code/one.json").write_text("old")
    assert stale.outdated(steps) == {"code", "one", "collect"}
    (project / "reports/code/one.json").write_text("new")
    assert stale.outdated(steps) == {"code"}


def test_outdated_says_that_dvc_is_at_work(project: Path) -> None:
    from dvc.repo import Repo

    write(project / "dvc.yaml", {"stages": {"one": {"cmd": "touch a", "outs": ["a"]}}})
    steps = graph.resolve()
    with Repo().lock, pytest.raises(SystemExit, match=r"^error: Unable to acquire lock"):
        stale.outdated(steps)


def test_strangers_are_results_that_were_made_and_that_no_stage_makes_any_more(project: Path) -> None:
    write(project / "params.yaml", {"scale": "mini"})
    files = {
        "reports/metrics/ch2/cifar10.json": False,
        "reports/metrics/ch2/cifar100.json": True,
        "reports/tables/ch2/table_1.md": False,  # below a declared folder
        "reports/tables/ch20/table_1.md": True,
        "reports/tables/notes.md": False,  # the user's own
        "data/mini/models/a-seed0/weights.pt": False,
        "data/mini/models/a-seed1/weights.pt": True,
        "data/real/models/a-seed1/weights.pt": False,  # another scale's, kept for it
        "reports/releases/old.json": False,
    }
    for file in files:
        write(project / file, "x")
    now = ["reports/metrics/ch2/cifar10.json", "reports/tables/ch2", "data/mini/models/a-seed0"]
    before = ["reports/metrics/ch2/cifar100.json", "reports/tables/ch20", "data/mini/models/a-seed1", "data/real/models/a-seed1"]
    outs = [{"path": path, "md5": "1"} for path in [*now, *before, "reports/releases/old.json"]]
    write(project / "dvc.lock", {"stages": {"old": {"cmd": "x", "outs": outs}}})
    assert sorted(map(str, graph.strangers([step("all", [], now)]))) == sorted(file for file, strange in files.items() if strange)
    (project / "dvc.lock").unlink()
    assert list(graph.strangers([step("all", [], now)])) == []
