"""The stage `code`: which edits change which fingerprints."""

import json
import os
import re
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


BY_NAME = re.compile(r"(datasets|encoders|generated|official)\.")


def test_each_stage_of_the_pipeline_depends_on_its_own_fingerprint(tree: Path) -> None:
    modules = set()
    for entry in [entry for file in pipeline_files(REPOSITORY) for entry in yaml.safe_load(file.read_text())["stages"].values()]:
        entry = entry.get("do", entry)
        module = entry["cmd"].split()[2].removeprefix("stages.")
        if not module.startswith("workflow."):
            own, *by_name = [dep.removeprefix("reports/code/") for dep in entry["deps"] if dep.startswith("reports/code")]
            assert own == f"{module}.json"
            assert all(BY_NAME.match(dep) or dep.startswith("${data.origin}.") for dep in by_name)
            modules.add(module)
    assert {file.stem for file in (tree / "reports/code").iterdir() if not BY_NAME.match(file.name)} == modules


def test_what_stages_take_by_name_is_of_the_entries_of_sources(tree: Path) -> None:
    entries = yaml.safe_load((REPOSITORY / "workflow/sources.yaml").read_text())
    found = {file.stem for file in (tree / "reports/code").iterdir() if BY_NAME.match(file.name)}
    readers = {name for name, entry in entries.items() if entry["kind"] not in ("encoder", "vgg16")}
    expected = {f"official.{name}" for name in entries} | {f"generated.{name}" for name, entry in entries.items() if "miniature" in entry}
    assert found == expected | {f"{'datasets' if name in readers else 'encoders'}.{name}" for name in entries}
    listed = json.loads((tree / "reports/code/generated.ukb.json").read_text())
    assert (
        "stages.miniatures.ukb" in listed and not {"stages.miniatures.holidays", "stages.datasets.ukb", "stages.download"} & listed.keys()
    )
    assert "stages.core.layers.padded_conv" in json.loads((tree / "reports/code/encoders.alexnet.json").read_text())


SET = """
ours:
  title: Ours
  page: https://ours.org
  licence: none
  access: free download
  kind: retrieval
  miniature: {writer: ours.write, places: 3}
  archives: [{url: "https://ours.org/ours.zip", md5: null, size: null, files: {jpg: null}}]
"""


def test_a_new_data_set_changes_no_other_fingerprint(tree: Path) -> None:
    with (tree / "workflow/sources.yaml").open("a") as file:
        file.write(SET)
    (tree / "stages/datasets/ours.py").write_text("from stages.datasets.holidays import read\n")
    (tree / "stages/miniatures/ours.py").write_text("from stages.miniatures.ukb import write\n")
    assert changed_by_running(tree) == {"datasets.ours", "generated.ours", "official.ours"}


def test_a_new_encoder_and_a_new_layer_change_no_other_fingerprint(tree: Path) -> None:
    (tree / "stages/core/layers/ours.py").write_text("from torch import nn\n\n\nclass Ours(nn.Conv2d): ...\n")
    assert changed_by_running(tree) == set()
    with (tree / "workflow/sources.yaml").open("a") as file:
        file.write(SET.replace("retrieval", "encoder"))
    (tree / "stages/encoders/ours.py").write_text("from stages.core.layers.ours import Ours\nfrom stages.encoders.vgg19 import ENCODER\n")
    (tree / "stages/miniatures/ours.py").write_text("from stages.miniatures.vgg19 import write\n")
    assert changed_by_running(tree) == {"encoders.ours", "generated.ours", "official.ours"}
    edit(tree / "stages/core/layers/ours.py", "Conv2d", "Linear")
    assert changed_by_running(tree) == {"encoders.ours"}


def test_a_reader_a_writer_or_an_encoder_changes_its_own_alone(tree: Path) -> None:
    edit(tree / "stages/datasets/scene15.py", "*.jpg", "*.jpeg")
    assert changed_by_running(tree) == {"datasets.scene15"}
    edit(tree / "stages/miniatures/scene15.py", "5_010", "5_011")
    assert changed_by_running(tree) == {"generated.scene15"}
    edit(tree / "stages/encoders/squeezenet1_1.py", "features.12", "features.10")
    assert changed_by_running(tree) == {"encoders.squeezenet1_1", "generated.squeezenet1_1"}
    edit(tree / "stages/datasets/fetch.py", "Thumbs.db", "thumbs.db")
    names = yaml.safe_load((tree / "workflow/sources.yaml").read_text())
    assert changed_by_running(tree) == {f"official.{name}" for name in names}


def test_a_comment_changes_no_fingerprint(tree: Path) -> None:
    model = tree / "stages/ch2_fusion/model.py"
    edit(model, "\n\n\n", "\n\n\n# Another thought.\n")
    edit(model, '"""', '"""In other words: ')
    assert changed_by_running(tree) == set()


def test_a_constant_changes_the_fingerprints_of_the_stages_that_import_it(tree: Path) -> None:
    edit(tree / "stages/ch2_fusion/model.py", "nn.MaxPool2d(3, 2", "nn.MaxPool2d(2, 2")
    assert changed_by_running(tree) == {"ch2_fusion.architectures", "ch2_fusion.train", "ch2_fusion.predict"}
    edit(tree / "stages/miniatures/world.py", "\nimport ", "\nSEASON = 3\nimport ")
    entries = yaml.safe_load((tree / "workflow/sources.yaml").read_text())
    drawn = {f"generated.{name}" for name, entry in entries.items() if "miniature" in entry}
    assert changed_by_running(tree) == drawn  # of networks for the random numbers


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
