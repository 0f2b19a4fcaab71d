"""Results of bundles that are less than everything: some stages' outputs only, some stages only, several archives at once."""

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from bundle_project import (  # noqa: F401 - fixtures
    PARAMS,
    SQUARES,
    bare,
    base,
    contents,
    everything,
    one_sentence,
    project,
    reform,
    refuse,
    run,
    slow,
    succeed,
    untar,
    write,
)
from conftest import PATIENCE, record_of, run_in, wait_for

from stages.core import files
from stages.core.errors import UserError
from workflow import bundle
from workflow.audit import verify
from workflow.lock import Lock

# ruff: noqa: F811 - fixtures are asked for by name


def made(project: Path, bare: Path, folder: Path, stages: list[str], returned: list[str] | None = None) -> Path:
    """The results of these stages, packed from the project and run in `folder`."""
    folder.mkdir()
    bundle.pack(stages, folder / "job.tar", None, returned)
    job = untar(folder / "job.tar", folder)
    done = run(job, bare)
    assert done.returncode == 0, done.stdout + done.stderr
    return job / "results.tar"


# Taken in where the stages have never run: dvc.lock has no entry for them


def test_stages_that_have_never_run_here_are_taken_in(base: Path, bare: Path, tmp_path: Path) -> None:
    """Windows' line ends tell: for a stage without an entry DVC would take an older checksum, which passes over them."""
    root = tmp_path / "project"
    shutil.copytree(base, root)
    (root / "notes.txt").write_bytes(b"two\r\nlines\r\n")
    succeed(root, "dvc", "repro", "-q", "prepare")
    assert set(Lock(root).stages) == {"code", "source", "prepare"}
    succeed(root, "python", "-m", "workflow.bundle", "pack", "train", "-o", str(tmp_path / "job.tar"))
    job = untar(tmp_path / "job.tar", tmp_path)
    assert run(job, bare).returncode == 0
    succeed(root, "python", "-m", "workflow.bundle", "unpack", str(job / "results.tar"))
    assert "up to date" in succeed(root, "dvc", "status", "train")
    assert Lock(root).hashes["data/mini/models/a"] == files.md5(root / "data/mini/models/a")


def test_a_folder_that_has_changed_is_still_refused_where_its_stage_never_ran(project: Path, bare: Path, tmp_path: Path) -> None:
    succeed(project, "dvc", "repro", "-q", "prepare")
    results = made(project, bare, tmp_path / "there", ["train"])
    (project / "data/mini/prepared/squares/count.txt").write_text("21")
    refuse([results], "data/mini/prepared, which train@a read, is no longer what it was when it was packed", project)


# Several archives at once


def test_several_archives_at_once_also_where_one_needs_the_other(project: Path, bare: Path, tmp_path: Path) -> None:
    whole = made(project, bare, tmp_path / "1", ["prepare", "train@a"])
    bundle.unpack([whole])
    b = made(project, bare, tmp_path / "2", ["train@b"])
    for entry in ("models", "prepared"):
        shutil.rmtree(project / "data/mini" / entry)
    (project / "dvc.lock").write_text(subprocess.run(["git", "show", "HEAD:dvc.lock"], capture_output=True, text=True).stdout)
    taken = bundle.unpack([b, whole])  # b's input comes with the other one
    assert [[stage["name"] for stage in one["stages"]] for one in taken] == [["train@b"], ["prepare", "train@a"]]
    assert "up to date" in succeed(project, "dvc", "status", "train", "prepare")
    records = [json.loads(record_of(project, f"train@{model}").read_text())["bundle"] for model in ("a", "b")]
    assert records == [taken[1]["bundle"], taken[0]["bundle"]]


def test_one_bad_archive_keeps_the_others_out(project: Path, bare: Path, tmp_path: Path) -> None:
    good = made(project, bare, tmp_path / "there", ["prepare", "train@a"])
    bad = tmp_path / "bad.tar"
    bad.write_bytes(good.read_bytes()[:100])
    refuse([good, bad], f"{bad} is truncated or damaged", project)
    twin = tmp_path / "twin.tar"
    twin.write_bytes(good.read_bytes())
    refuse([good, twin], f"{twin} holds results/outs/data/mini/prepared/squares/count.txt, and another of the archives does too", project)


# Outputs that stay where they were made


@pytest.fixture
def left(project: Path, bare: Path, tmp_path: Path) -> Path:
    """Results of everything, of which the totals alone come back."""
    return made(project, bare, tmp_path / "there", ["prepare", "train", "total"], ["total"])


def test_only_what_was_asked_for_comes_back_and_nothing_is_made_again(project: Path, left: Path, base: Path, tmp_path: Path) -> None:
    names = subprocess.run(["tar", "tf", left], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in names if "/outs/" in name] == ["results/outs/reports/total.json"]
    assert {"results/runs/train@a.json", "results/logs/train@b.log"} <= set(names)
    bundle.unpack([left])
    assert json.loads((project / "reports/total.json").read_text()) == {"a": 3 * SQUARES, "b": 3 * SQUARES}
    assert not (project / "data/mini/models").exists()
    # The lock is the one that a run here would have written, to the byte: sizes and numbers of files too.
    here = tmp_path / "here"
    shutil.copytree(base, here)
    succeed(here, "dvc", "repro", "-q")
    assert (project / "dvc.lock").read_bytes() == (here / "dvc.lock").read_bytes()
    said = succeed(project, "dvc", "repro", "--allow-missing")
    assert "Running stage" not in said, said


def test_the_audit_knows_what_was_left_and_what_is_lost(project: Path, left: Path) -> None:
    bundle.unpack([left])
    lock, report = Lock(), verify.Report()
    verify.checksums(lock, dict.fromkeys(lock.stages), verify.Files(), report)  # type: ignore[misc]
    assert report.breaks == []
    assert [note for note in report.notes if note.startswith("3 outputs were left where a bundle made them, such as data/mini/")]
    shutil.rmtree(project / "data/mini/source")
    shutil.rmtree(project / ".dvc/cache/files")
    report = verify.Report()
    verify.checksums(lock, dict.fromkeys(lock.stages), verify.Files(), report)  # type: ignore[misc]
    (lost,) = report.breaks
    assert "1 outputs are neither here nor in DVC's cache, such as data/mini/source" in lost


def test_another_output_in_the_place_of_one_that_was_left(project: Path, left: Path) -> None:
    (project / "data/mini/models/a").mkdir(parents=True)
    (project / "data/mini/models/a/sum.json").write_text("1")
    refuse([left], "data/mini/models/a is here, and is not the one that train@a made elsewhere and left there: move it away", project)


def test_the_very_output_that_was_left_may_be_here(project: Path, left: Path) -> None:
    (project / "data/mini/models/a").mkdir(parents=True)
    (project / "data/mini/models/a/sum.json").write_text(str(3 * SQUARES))
    with pytest.raises(UserError, match=r"DVC does not find total up to date \(data/mini/models modified\): nothing was changed"):
        bundle.unpack([left])  # half a folder of models is another folder
    shutil.copytree(project / "data/mini/models/a", project / "data/mini/models/b")
    bundle.unpack([left])
    assert Lock().stages["total"]["deps"][0]["path"] == "data/mini/models"


def test_checksums_of_what_was_left_are_checked(project: Path, left: Path, tmp_path: Path) -> None:
    def change(results: dict) -> None:
        results["left"]["data/mini/models/b/sum.json"]["md5"] = "0" * 32

    forged = write(tmp_path / "results.tar", reform(contents(left), change))
    refuse([forged], "the checksums of data/mini/models/b are not those of what train@b made", project)


def test_what_comes_back_has_to_be_packed(base: Path) -> None:
    command = ("python", "-m", "workflow.bundle", "pack", "train", "prepare", "-o", "job.tar", "--return")
    assert "total is to come back and is not packed: name it among the stages too" in one_sentence(run_in(base, *command, "total"))
    assert "there is no stage trian: did you mean train" in one_sentence(run_in(base, *command, "trian"))
    assert not (base / "job.tar").exists()


# Runs that end early


def test_what_has_finished_before_a_failure_can_be_taken_back(slow: Callable[..., Path], bare: Path, project: Path) -> None:
    folder = slow(fails="a")
    assert run(folder, bare).returncode == 1
    (taken,) = bundle.unpack([folder / "results.tar"])
    assert [stage["name"] for stage in taken["stages"]] == ["prepare", "train@b"]
    assert "up to date" in succeed(project, "dvc", "status", "prepare", "train@b")
    assert "train@a" not in Lock().stages


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_end_packs_what_has_finished(
    slow: Callable[..., Path], bare: Path, project: Path, tmp_path: Path, sent: int
) -> None:
    (tmp_path / "hold").touch()
    folder = slow(hold=str(tmp_path / "hold"))
    process = subprocess.Popen([bare, "run.py"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: list((folder / "project/data/checkpoints").glob("*/*")), process)
    finally:
        process.send_signal(sent)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (
        1,
        "error: ended by a signal; 1 of 4 are packed, and checkpoints; call run.py again to continue\n",
    )
    assert "take back and unpack" in out
    before = everything(project)
    (taken,) = bundle.unpack([folder / "results.tar"])
    assert [stage["name"] for stage in taken["stages"]] == ["prepare"]
    assert "data/mini/prepared/squares/count.txt" in everything(project).keys() - before.keys()
    assert record_of(project, "prepare").exists()


def test_nothing_is_packed_where_nothing_has_finished(project: Path, bare: Path, tmp_path: Path) -> None:
    succeed(project, "dvc", "repro", "-q", "prepare")
    (project / "params.yaml").write_text(yaml.safe_dump({**PARAMS, "train": {**PARAMS["train"], "fails": "a"}}))
    bundle.pack(["train@a"], tmp_path / "job.tar", None)
    folder = untar(tmp_path / "job.tar", tmp_path)
    done = run(folder, bare)
    said = "not all stages have finished, see above; only checkpoints are packed"
    assert done.stderr == f"error: {said}; call run.py again to continue\n"
    assert not list(folder.glob("results*"))
