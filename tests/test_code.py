"""The stage `code`: which edits change which fingerprints."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY

from workflow.lock import pipeline_files

OLD = (946684800, 946684800)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of our code, fingerprinted."""
    for folder in ("stages", "workflow"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    assert run(tmp_path) == ""
    return tmp_path


def run(tree: Path) -> str:
    """What `code` says."""
    done = subprocess.run([sys.executable, "-m", "workflow.code"], cwd=tree, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == (done.stderr != "")
    return done.stderr


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def changed_by_running(tree: Path) -> set[str]:
    """The fingerprints that a run writes, removes or adds."""
    files = {file: file.read_bytes() for file in (tree / "reports/code").iterdir()}
    for file in files:
        os.utime(file, OLD)
    assert run(tree) == ""
    now = {file for file in (tree / "reports/code").iterdir() if file.stat().st_mtime != OLD[0]}
    assert now == {file for file in now if files.get(file) != file.read_bytes()}  # nothing is written in vain
    return {file.stem for file in now} | {file.stem for file in files if not file.exists()}


def test_each_stage_of_the_pipeline_depends_on_its_own_fingerprint(tree: Path) -> None:
    modules = set()
    for entry in [entry for file in pipeline_files(REPOSITORY) for entry in yaml.safe_load(file.read_text())["stages"].values()]:
        entry = entry.get("do", entry)
        module = entry["cmd"].split()[2].removeprefix("stages.")
        if not module.startswith("workflow."):
            assert [dep for dep in entry["deps"] if dep.startswith("reports/code")] == [f"reports/code/{module}.json"]
            modules.add(module)
    assert {file.stem for file in (tree / "reports/code").iterdir()} == modules


def test_a_comment_changes_no_fingerprint(tree: Path) -> None:
    model = tree / "stages/ch2_fusion/model.py"
    edit(model, "\n\n\n", "\n\n\n# Another thought.\n")
    edit(model, '"""', '"""In other words: ')
    assert changed_by_running(tree) == set()


def test_a_constant_changes_the_fingerprints_of_the_stages_that_import_it(tree: Path) -> None:
    edit(tree / "stages/ch2_fusion/model.py", "nn.MaxPool2d(3, 2", "nn.MaxPool2d(2, 2")
    assert changed_by_running(tree) == {"ch2_fusion.architectures", "ch2_fusion.train", "ch2_fusion.predict"}
    edit(tree / "stages/miniatures/world.py", "\nimport ", "\nSEASON = 3\nimport ")
    assert changed_by_running(tree) == {"download"}


def test_a_fingerprint_lists_what_is_imported_in_roundabout_ways(tree: Path) -> None:
    (tree / "stages/extra/deep").mkdir(parents=True)
    (tree / "stages/extra/__init__.py").write_text("from stages.core import seeds\n")
    (tree / "stages/extra/deep/__init__.py").write_text("")
    (tree / "stages/extra/deep/tool.py").write_text("def later():\n    from stages.metrics.classification import np\n")
    (tree / "stages/other.py").write_text(
        'import stages.extra.deep.tool\n\nif __name__ == "__main__":\n    stage.execute(parser(), main)\n'
    )
    assert changed_by_running(tree) == {"other"}
    listed = json.loads((tree / "reports/code/other.json").read_text())
    assert list(listed) == sorted(listed)
    own = {"stages", "stages.other", "stages.extra", "stages.extra.deep", "stages.extra.deep.tool"}
    of_the_package = {"stages.core", "stages.core.seeds"}
    in_a_function = {"stages.metrics", "stages.metrics.classification"}
    assert set(listed) == own | of_the_package | in_a_function
    (tree / "stages/other.py").unlink()
    assert changed_by_running(tree) == {"other"}


def test_what_cannot_be_parsed_or_written_is_one_sentence(tree: Path) -> None:
    seeds = tree / "stages/core/seeds.py"
    text = seeds.read_text()
    seeds.write_text("def seed(:\n    pass\n")
    sentence = run(tree)
    assert sentence.count("\n") == 1
    assert "stages/core/seeds.py" in sentence
    assert "line 1" in sentence
    seeds.write_text('seed = t"{seed}"\n')  # syntax of a later Python than any of ours
    assert run(tree) == "error: stages/core/seeds.py, line 1: invalid syntax\n"
    seeds.write_text(text)
    shutil.rmtree(tree / "reports/code")
    (tree / "reports/code").write_text("")
    assert run(tree) == "error: cannot write the code fingerprints to reports/code: File exists; mend that and run again\n"
