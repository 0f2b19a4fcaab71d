"""The pipeline in a file a chapter: parameters by chapter, stages by their short names, and what is wrong with any of it in a sentence."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY, run_in

from stages.core.errors import UserError
from workflow import graph, lock, parameters, repro, stale
from workflow.lock import Lock
from workflow.params import chapters as chapter_settings

ONE = {"stages": {"a_train": {"wdir": "../../..", "cmd": "cp in data/one", "deps": ["in"], "outs": ["data/one"]}}}
TWO = {"stages": {"b_train": {"matrix": {"m": ["x", "y"]}, "wdir": "../../..", "cmd": "touch data/${item.m}", "outs": ["data/${item.m}"]}}}


@pytest.fixture
def project(dvc_project: Path) -> Path:
    """A pipeline of a root and two chapters, `a` and `b`, which is the working directory."""
    params = {"scale": "mini", "chapters": ["a", "b"], "data": {"sets": ["s"], "origin": "mirror"}, "a": {"rate": 1e-6}, "b": {"on": True}}
    write("params.yaml", params)
    write("workflow/sources.yaml", {"s": {"size": 4}})
    write(
        "dvc.yaml", {"stages": {"last": {"cmd": "cat data/one data/x > data/last", "deps": ["data/one", "data/x"], "outs": ["data/last"]}}}
    )
    write("workflow/pipelines/a/dvc.yaml", ONE)
    write("workflow/pipelines/b/dvc.yaml", TWO)
    Path("in").write_text("1")
    Path("data").mkdir()
    return dvc_project


def write(file: str, value: object) -> None:
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(yaml.safe_dump(value))


def test_a_chapters_file_has_its_part_and_what_all_share(project: Path) -> None:
    parameters.write()
    found = {file.name: json.loads(file.read_text()) for file in Path("reports/params").iterdir()}
    assert found == {
        "a.json": {"scale": "mini", "a": {"rate": 1e-6}},
        "b.json": {"scale": "mini", "b": {"on": True}},
        "downloads.json": {"scale": "mini", "data": {"sets": ["s"], "origin": "mirror"}, "sources": {"s": {"size": 4}}},
    }


def test_only_what_differs_is_written(project: Path) -> None:
    parameters.write()
    Path("reports/params/gone.json").write_text("{}")
    before = {file: file.stat().st_ino for file in Path("reports/params").iterdir()}
    write("params.yaml", {**yaml.safe_load(Path("params.yaml").read_text()), "a": {"rate": 2}})
    parameters.write()
    after = {file: file.stat().st_ino for file in Path("reports/params").iterdir()}
    changed = {file.name for file in before.keys() | after.keys() if before.get(file) != after.get(file)}
    assert changed == {"a.json", "gone.json"}
    assert json.loads(Path("reports/params/a.json").read_text())["a"] == {"rate": 2}


def test_stages_go_by_short_names_and_know_their_file(project: Path) -> None:
    from dvc.repo import Repo

    steps = {step.name: step for step in graph.resolve()}
    assert steps["a_train"].address == "workflow/pipelines/a/dvc.yaml:a_train" and steps["last"].address == "last"
    assert stale.upstream(list(steps.values()))["last"] == ["a_train", "b_train@x"]
    Repo().reproduce()
    made = Lock()
    assert made.files == {
        "last": "dvc.lock",
        "a_train": "workflow/pipelines/a/dvc.lock",
        "b_train@x": "workflow/pipelines/b/dvc.lock",
    }
    assert made.chain("last") == ["last", "a_train", "b_train@x"]
    assert stale.outdated(graph.resolve()) == {"b_train@y"}  # nothing at the root needs it


@pytest.mark.parametrize(
    ("names", "addresses"),
    [
        (["last"], ["last"]),
        (["a_train", "b_train@x"], ["workflow/pipelines/a/dvc.yaml:a_train", "workflow/pipelines/b/dvc.yaml:b_train@x"]),
        (["b"], ["workflow/pipelines/b/dvc.yaml", "tables@b"]),
    ],
)
def test_what_dvc_calls_a_name(project: Path, names: list[str], addresses: list[str]) -> None:
    assert repro.addresses(names) == addresses


def test_an_unknown_name_is_told_with_what_is_near(project: Path) -> None:
    with pytest.raises(UserError, match="there is no stage or chapter b_trian@x: did you mean b_train"):
        repro.addresses(["b_trian@x"])


def no_chapter() -> None:
    shutil.rmtree("workflow/pipelines/b")


def twice() -> None:
    write("workflow/pipelines/b/dvc.yaml", {"stages": {"a_train": {"wdir": "../../..", "cmd": "touch data/z", "outs": ["data/z"]}}})


def no_key() -> None:
    stage = {"wdir": "../../..", "cmd": "true", "params": [{"reports/params/b.json": ["b.off"]}], "outs": ["data/z"]}
    write("workflow/pipelines/b/dvc.yaml", {"stages": {"b_train": stage}})


def no_such_file() -> None:
    stage = {"wdir": "../../..", "cmd": "true", "params": [{"reports/params/c.json": ["c"]}], "outs": ["data/z"]}
    write("workflow/pipelines/b/dvc.yaml", {"stages": {"b_train": stage}})


def test_locks_that_both_have_a_stage_are_one_sentence(project: Path) -> None:
    for chapter in "ab":
        write(f"workflow/pipelines/{chapter}/dvc.lock", {"stages": {"a_train": {"cmd": "x", "outs": [{"path": "data/one", "md5": "1"}]}}})
    with pytest.raises(UserError, match=r"a/dvc\.lock and workflow/pipelines/b/dvc\.lock both have the stage a_train"):
        Lock()


def test_the_lock_of_a_commit(project: Path) -> None:
    assert lock.committed() is None
    for chapter in "ab":
        entry = {"cmd": "x", "outs": [{"path": f"data/{chapter}", "md5": "1"}]}
        write(f"workflow/pipelines/{chapter}/dvc.lock", {"stages": {f"{chapter}_train": entry}})
    for command in (["init", "-q"], ["add", "workflow"], ["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "x"]):
        subprocess.run(["git", *command], check=True)
    shutil.rmtree("workflow/pipelines/b")
    found = lock.committed()
    assert found is not None and found.stages.keys() == {"a_train", "b_train"}


def test_parameters_are_by_the_file_that_people_edit() -> None:
    params = {"reports/params/downloads.json": {"scale": "mini", "sources.s": {"size": 4}}, "params.yaml": {"a": 1}}
    found = Lock(texts={"dvc.lock": yaml.safe_dump({"stages": {"download@s": {"cmd": "x", "params": params}}})})
    assert found.stages["download@s"]["params"] == {"params.yaml": {"scale": "mini", "a": 1}, "workflow/sources.yaml": {"s": {"size": 4}}}
    assert lock.nested_params(found.stages["download@s"]) == {"scale": "mini", "a": 1, "sources": {"s": {"size": 4}}}


@pytest.mark.slow
def test_a_stage_alone_has_the_parameters_in_force_or_does_not_run(finished: Path, tmp_path: Path) -> None:
    root = tmp_path / "clone"
    shutil.copytree(finished, root, symlinks=True)
    params = root / "params.yaml"
    params.write_text(params.read_text().replace("contrast_scale: 55", "contrast_scale: 56", 1))
    address = "workflow/pipelines/ch2_fusion/dvc.yaml:ch2_prepare@cifar10"
    failed = run_in(root, "dvc", "repro", "-f", "-s", address)
    assert failed.returncode != 0 and "error: reports/params/ch2_fusion.json has not the parameters in force" in failed.stderr
    done = run_in(root, "python", "-m", "workflow.repro", "-s", "ch2_prepare@cifar10")
    assert done.returncode == 0, done.stderr
    assert Lock(root).stages["ch2_prepare@cifar10"]["params"]["params.yaml"]["ch2_fusion.contrast_scale"] == 56


@pytest.mark.slow
def test_dvc_in_a_chapters_folder_and_its_own_views(finished: Path, tmp_path: Path) -> None:
    root = tmp_path / "clone"
    shutil.copytree(finished, root, symlinks=True)

    def run(*command: str, folder: str = ".") -> str:
        done = run_in(root / folder, *command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "up to date" in run("dvc", "repro", folder="workflow/pipelines/ch2_fusion")
    assert "up to date" in run("dvc", "repro", "ch2_train@cifar10-cfn-a-0", folder="workflow/pipelines/ch2_fusion")
    assert "ch2_fusion.summary.json" in run("dvc", "metrics", "show")
    assert '"tables@ch2_fusion"' in run("dvc", "dag", "--dot", "tables@ch2_fusion")
    (root / "params.yaml").write_text((root / "params.yaml").read_text().replace("contrast_scale: 55", "contrast_scale: 56", 1))
    assert "ch2_fusion.contrast_scale" in run("dvc", "params", "diff")


def test_every_chapter_has_a_pipeline_and_every_stage_of_it_its_parameters() -> None:
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    chapters = {file.parent.name: yaml.safe_load(file.read_text()) for file in lock.pipeline_files(REPOSITORY)[1:]}
    assert chapters.keys() - {name for name, kind in chapter_settings().items() if not kind.TABLES} == set(params["chapters"])
    for chapter, content in chapters.items():
        for name, entry in content["stages"].items():
            assert entry["wdir"] == "../../.." and name.startswith(chapter[:3]), name
            own, shared = (f"reports/params/{chapter}.json", [f"reports/params/{one}.json" for one in chapter_settings()[chapter].NEEDS])
            assert {file for files in entry["params"] for file in files} - set(shared) == {own}, name


def empty() -> None:
    Path("workflow/pipelines/b/dvc.yaml").write_text("")


def broken() -> None:
    Path("workflow/pipelines/b/dvc.yaml").write_text("stages: [")


def no_stages() -> None:
    write("workflow/pipelines/b/dvc.yaml", {"stages": {}})


def no_part() -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    write("params.yaml", {key: value for key, value in params.items() if key != "b"})


def damaged() -> None:
    parameters.write()
    Path("reports/params/a.json").write_text("{")


def a_lock_of_before() -> None:
    for file in ("dvc.lock", "workflow/pipelines/a/dvc.lock"):
        write(file, {"stages": {"a_train": {"cmd": "x", "outs": [{"path": "data/one", "md5": "0"}]}}})


def a_lock_that_is_cut_off() -> None:
    Path("workflow/pipelines/a/dvc.lock").write_text("stages:\n  a_train:\n    cm")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (no_chapter, "params.yaml has the chapter b, and there is no workflow/pipelines/b/dvc.yaml: restore it"),
        (
            twice,
            "a/dvc.yaml and workflow/pipelines/b/dvc.yaml both have the stage a_train: give one of them another name",
        ),
        (no_key, "workflow/pipelines/b/dvc.yaml names the parameter b.off, which params.yaml does not have"),
        (no_such_file, "a stage has parameters of reports/params/c.json, and params.yaml has no such chapter"),
        (empty, "workflow/pipelines/b/dvc.yaml is not a pipeline of DVC, or has no stages: `git checkout workflow/pipelines/b/dvc.yaml`"),
        (broken, "workflow/pipelines/b/dvc.yaml is not a pipeline of DVC"),
        (no_stages, "workflow/pipelines/b/dvc.yaml is not a pipeline of DVC, or has no stages"),
        (no_part, "params.yaml has the chapter b among its `chapters`, and no key b"),
        (damaged, "reports/params/a.json is not JSON: `dvc repro params` writes it anew"),
        (a_lock_of_before, "both have the stage a_train: bring both back from one commit"),
        (a_lock_that_is_cut_off, "workflow/pipelines/a/dvc.lock is not a lock file of DVC: `git checkout workflow/pipelines/a/dvc.lock"),
    ],
)
def test_what_is_damaged_is_one_sentence_that_says_what_to_do(project: Path, spoil, words: str) -> None:
    spoil()
    with pytest.raises((SystemExit, UserError)) as error:
        graph.resolve()
    sentence = str(error.value)
    assert words in sentence and "\n" not in sentence


def test_a_chapter_that_is_not_in_force_is_said(project: Path) -> None:
    write("params.yaml", {**yaml.safe_load(Path("params.yaml").read_text()), "chapters": ["a"]})
    with pytest.raises(UserError, match=r"b is none of the `chapters` in params\.yaml: a"):
        repro.addresses(["b"])


def test_dvcs_own_addresses_are_names_too(project: Path) -> None:
    assert repro.addresses(["workflow/pipelines/a/dvc.yaml:a_train"]) == ["workflow/pipelines/a/dvc.yaml:a_train"]
