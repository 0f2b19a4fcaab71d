"""`make gpu-job`, whole: a clone with the job's parameters, what is missing, a plan, pieces; this tree stays as it is."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from bundle_project import everything, one_sentence
from conftest import SMALLEST, run_in

from workflow.audit.rerun import clone_here

FOLDER = "workflow/gpu_jobs"
WORDS = ("python", "-m", "workflow.gpu_job", "--minutes", "2", "--door", "300K", "--scale", "mini", "--device", "cpu")


def entry(**changes: object) -> str:
    overrides = [text for text in SMALLEST.split() if not text.startswith(("+only", "data.sets"))]
    about = {"name": "small", "why": "a test", "worth": 1, "scale": "real", "overrides": overrides, "stages": ["ch2_train@cifar10-*"]}
    return json.dumps({"jobs": [{**about, **changes}]})


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    root = tmp_path / "project"
    shutil.copytree(finished, root, symlinks=True)
    for file in (root / FOLDER).iterdir():
        file.unlink()
    (root / FOLDER / "ch2_fusion.yaml").write_text(entry())
    return root


@pytest.mark.slow
def test_a_job_is_packed_from_a_clone_with_parameters_of_its_own(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "gpu"
    before = everything(project)
    said = one_sentence(run_in(project, *WORDS, "-o", "../gpu"))
    advice = f"cd {out / 'project'} && python -m workflow.repro ch2_prepare@cifar10"
    assert said == f"error: small needs what is not made, or of other code: {advice}\n"
    assert run_in(out / "project", *advice.partition("&& ")[2].split()).returncode == 0

    done = run_in(project, *WORDS, "-o", "../gpu")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["stage", "minutes", "measured"]
    assert lines[1].split()[0] == "ch2_train@cifar10-cfn-a-0" and "ch2_train@cifar10-cfn-a-0, " in lines[1]  # as this tree has measured
    assert lines[2] == "nothing is left for another lease"
    pieces = {file.name: file.stat().st_size for file in (out / "pieces").iterdir()}
    assert {"arrive.py", "pieces.json"} < pieces.keys() and max(pieces.values()) <= 300_000
    assert "chapters:\n- ch2_fusion\n" in (out / "project/params.yaml").read_text()
    assert everything(project) == before

    (project / "workflow/new.py").touch()
    again = run_in(project, *WORDS, "-o", "../gpu", "--", "small")
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"note: {out / 'project'} has not workflow/new.py as it is here, and stays as it is" in again.stderr

    short = run_in(project, *WORDS[:4], "0.0001", *WORDS[5:], "-o", "../gpu")
    assert "nothing fits into 0.0001 minutes (40 s of them for packing): the shortest, ch2_train@cifar10-cfn-a-0, takes 0." in short.stderr
    (out / "project" / FOLDER / "ch2_fusion.yaml").write_text(entry(stages=["ch2_trian@*"]))
    wrong = run_in(project, *WORDS, "-o", "../gpu").stderr.splitlines()[-1] + "\n"
    assert wrong == f"error: {FOLDER}/ch2_fusion.yaml: small: there is no stage ch2_trian@* at this scale\n"
    (out / "project" / FOLDER / "ch2_fusion.yaml").write_text(entry(returned=["ch2_predict@*"]))
    wrong = run_in(project, *WORDS, "-o", "../gpu").stderr.splitlines()[-1]
    assert wrong == f"error: {FOLDER}/ch2_fusion.yaml: small: none of its stages is ch2_predict@*, which are to come back"
    others = json.loads(entry())["jobs"] + json.loads(entry(name="other", worth=0, scale="paper"))["jobs"]
    (out / "project" / FOLDER / "ch2_fusion.yaml").write_text(json.dumps({"jobs": others}))
    both = run_in(project, *WORDS, "-o", "../gpu")
    assert both.returncode == 0 and "note: other: of other parameters than small, and so of another job\n" in both.stderr


def test_a_folder_in_the_project_is_refused() -> None:
    root = Path(__file__).parents[1]
    said = one_sentence(run_in(root, *WORDS, "-o", "data/gpu"))
    assert said.startswith(f"error: -o {root}/data/gpu lies in this project")
    assert not (root / "data/gpu").exists()


def test_a_clone_has_what_is_not_committed_but_no_repository_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    (root / "dvc.lock").write_text("schema: '2.0'\n")
    for command in ("git init -q", "git add -A", "git -c user.name=n -c user.email=e commit -qm x", "git init -q other"):
        subprocess.run(command.split(), check=True)
    (root / "of mine, größer.txt").write_text("new")
    (root / "other/file").touch()
    clone_here(tmp_path / "clone")
    assert {file.name for file in (tmp_path / "clone").iterdir()} == {".git", "of mine, größer.txt"}


def test_what_git_refuses_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy without git's folder, as an archive of the source leaves it."""
    shutil.copytree(Path(__file__).parents[1] / "workflow", tmp_path / "project/workflow")
    shutil.copytree(Path(__file__).parents[1] / "stages", tmp_path / "project/stages")
    said = one_sentence(run_in(tmp_path / "project", *WORDS, "-o", "../gpu", GIT_CEILING_DIRECTORIES=str(tmp_path)))
    assert said.startswith("error: git clone --quiet --no-hardlinks . ") and "repository '.' does not exist" in said


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gpu/project").mkdir(parents=True)
    said = one_sentence(run_in(Path(__file__).parents[1], *WORDS, "-o", str(tmp_path / "gpu")))
    assert said == f"error: {tmp_path}/gpu/project is there, and is no clone of this project: give another folder with -o\n"
