"""Bundles: packed from a project, run where there is no DVC, unpacked again; and what is not packed, or not run."""

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from bundle_project import (  # noqa: F401 - fixtures
    PARAMS,
    SQUARES,
    append,
    bare,
    base,
    contents,
    edit_source,
    everything,
    one_sentence,
    packed,
    project,
    ran,
    remove_source,
    run,
    slow,
    succeed,
    unlocked,
    untar,
)
from conftest import record_of, run_in, wait_for

from stages.core import files
from stages.core.errors import UserError
from workflow import bundle, bundle_archive, bundle_run, code
from workflow.bundle_archive import BundleError

# ruff: noqa: F811 - fixtures are asked for by name

# The whole way


def test_there_and_back_is_the_same_as_here(base: Path, packed: Path, ran: Path, bare: Path, tmp_path: Path) -> None:
    absent = "import importlib.util as u; print([n for n in ('dvc', 'snakemake', 'mlflow', 'pydantic', 'tqdm', 'yaml') if u.find_spec(n)])"
    assert subprocess.run([bare, "-c", absent], capture_output=True, text=True).stdout == "[]\n"

    names = subprocess.run(["tar", "tf", packed], capture_output=True, text=True).stdout.split()
    assert {name.split("/")[0] for name in names} == {"job"}
    modules = {name for name in names if name.startswith("job/project/stages/") and name.endswith(".py")}
    core = {"__init__", "device_errors", "errors", "files", "fingerprint", "settings", "stage"}
    assert modules == {f"job/project/stages/{name}.py" for name in ("__init__", "prepare", "train", *(f"core/{name}" for name in core))}
    assert not [name for name in names if "total" in name or name.startswith("job/project/data/mini/prepared/s")]
    about = json.loads((ran / "bundle.json").read_text())
    assert (about["packages"], about["python"]) == (["numpy"], "3.11")
    assert [stage["name"] for stage in about["stages"]] == ["prepare", "train@a", "train@b"]
    assert about["stages"][0]["deps"]["data/mini/source"] == files.md5(base / "data/mini/source")
    assert about["stages"][1]["deps"]["data/mini/prepared"] is None
    assert about["code_differs"] is False

    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    shutil.copytree(base, here)
    shutil.copytree(base, elsewhere)
    succeed(here, "dvc", "repro", "-q", "train")
    said = succeed(elsewhere, "python", "-m", "workflow.bundle", "unpack", str(ran / "results.tar"))
    assert "train@b: data/mini/models/b" in said
    assert json.loads((elsewhere / "data/mini/models/a/sum.json").read_text()) == 3 * SQUARES
    assert (elsewhere / "dvc.lock").read_bytes() == (here / "dvc.lock").read_bytes()
    for folder in ("prepared", "models"):
        assert files.md5(elsewhere / "data/mini" / folder) == files.md5(here / "data/mini" / folder)
    assert "up to date" in succeed(elsewhere, "dvc", "status", "train", "prepare")
    record = json.loads(record_of(elsewhere, "train@a").read_text())
    assert (record["bundle"], record["packages"].keys()) == (about["id"], {"python", "numpy"})
    assert "step 2 of a" in (elsewhere / "data/logs/train@a.log").read_text()
    assert list((elsewhere / "data").glob(".*.partial")) == []
    # DVC's cache has the outputs: they can be taken from it.
    shutil.rmtree(elsewhere / "data/mini/models")
    succeed(elsewhere, "dvc", "checkout", "-q", "train@a", "train@b")
    assert files.md5(elsewhere / "data/mini/models") == files.md5(here / "data/mini/models")


def test_code_that_has_changed_since_is_found_by_its_fingerprint(base: Path, ran: Path, tmp_path: Path) -> None:
    root = tmp_path / "project"
    shutil.copytree(base, root)
    file = root / "stages/prepare.py"
    file.write_text(file.read_text().replace("n * n", "n + n"))
    before = everything(root)
    said = one_sentence(run_in(root, "python", "-m", "workflow.bundle", "unpack", str(ran / "results.tar")))
    assert "the code of prepare is no longer the one that made the results (packed at commit " in said
    assert "with changes): pack and run it again" in said
    said = one_sentence(run_in(root, "python", "-m", "workflow.bundle", "pack", "train", "-o", "job.tar"))
    assert said.startswith("error: reports/code/prepare.json is not that of the code in force")
    assert everything(root) == before


# Packing


def test_parts_are_restored_by_the_printed_command(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    whole = bundle.pack(["prepare"], tmp_path / "whole.tar", None)
    parts = bundle.pack(["prepare"], tmp_path / "job.tar", 20_000)
    count = len(parts)
    assert [part.name for part in parts] == [f"job.tar.{i:02}-of-{count:02}" for i in range(1, count + 1)]
    assert count == -(-whole[0].stat().st_size // 20_000)
    assert [part.stat().st_size for part in parts[:-1]] == [20_000] * (count - 1)
    subprocess.run(bundle_archive.restoring(parts), shell=True, cwd=tmp_path, check=True)
    untar(whole[0], tmp_path)
    assert everything(tmp_path / "job") == everything(tmp_path / "whole")
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_file()) == ["job.tar." + part.name[8:] for part in parts] + [
        "whole.tar"
    ]


def test_the_same_content_has_the_same_id(project: Path, packed: Path, tmp_path: Path) -> None:
    def identity(archive: Path) -> str:
        with tarfile.open(archive) as tar:
            return json.load(tar.extractfile(f"{archive.stem}/bundle.json"))["id"]

    bundle.pack(["train", "prepare"], tmp_path / "again.tar", None)
    assert identity(tmp_path / "again.tar") == identity(packed)
    (project / "notes.txt").write_text("other")
    bundle.pack(["train", "prepare"], tmp_path / "other.tar", None)
    assert identity(tmp_path / "other.tar") != identity(packed)


def edit_source_unseen(root: Path) -> None:
    """As a failing disk would: size and time stay, and DVC has seen the file."""
    from dvc.repo import Repo

    file = root / "data/mini/source/numbers.json"
    Repo().status()
    found = file.stat()
    with file.open("r+b") as stream:
        stream.write(b"[9")
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))


def more_numbers(root: Path) -> None:
    (root / "params.yaml").write_text(yaml.safe_dump({**PARAMS, "numbers": 21}))


@pytest.mark.parametrize(
    ("change", "stages", "sentence"),
    [
        (None, ["trian@a"], "there is no stage trian@a: did you mean train@a"),
        (None, ["qqq"], "there is no stage qqq: see `dvc stage list --all`"),
        (None, ["code"], "code runs `python -m workflow.code`, which needs the whole project"),
        (
            None,
            ["train@a"],
            "prepare is not up to date (it has not run here): run `python -m workflow.repro prepare` first, or pack it too",
        ),
        (
            remove_source,
            ["prepare"],
            "source is not up to date (data/mini/source deleted): run `python -m workflow.repro source` first, or pack it too",
        ),
        (edit_source, ["train", "prepare"], "source is not up to date (data/mini/source modified)"),
        (edit_source_unseen, ["prepare"], "data/mini/source is not what dvc.lock says, though its size and time are"),
        (more_numbers, ["prepare"], "source is not up to date (numbers was 20, is 21)"),
        (lambda root: (root / "notes.txt").unlink(), ["train", "prepare"], "train@a needs notes.txt, which does not exist"),
        (lambda root: (root / "out.tar.01-of-02").touch(), ["prepare"], "out.tar.01-of-02 exists: remove it, or choose another name"),
    ],
)
def test_what_is_not_packed(project: Path, change: Callable[[Path], object] | None, stages: list[str], sentence: str) -> None:
    if change:
        change(project)
    before = everything(project)
    with pytest.raises((UserError, BundleError)) as caught:
        bundle.pack(stages, Path("out.tar"), None)
    assert sentence in str(caught.value)
    assert everything(project) == before


def test_a_fingerprint_that_is_not_current_is_not_packed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = code.contents()
    monkeypatch.setattr(code, "contents", lambda: {**texts, "prepare.json": "{}\n"})
    with pytest.raises(UserError, match=r"^reports/code/prepare.json is not that of the code in force, and prepare needs it"):
        bundle.pack(["prepare"], Path("out.tar"), None)


@pytest.mark.parametrize("size", ["0", "60X", "-1M", "1K", "M"])
def test_sizes_of_parts(size: str) -> None:
    with pytest.raises(Exception, match="is no size of a part"):
        bundle_archive.byte_count(size)
    assert bundle_archive.byte_count("60M") == 60_000_000


def test_checksums_are_those_of_dvc(tmp_path: Path) -> None:
    for name in ("b", "a/x", "a b", "ü/y"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text(name)
    found = {file.relative_to(tmp_path).as_posix(): bundle_archive.md5(file) for file in bundle_archive.files_of(tmp_path / "data")}
    assert found["data/b"] == hashlib.md5(b"b").hexdigest()
    assert bundle_archive.md5_of("data", found) == files.md5(tmp_path / "data")


def test_packages_that_a_module_can_do_without_are_not_asked_for(tmp_path: Path) -> None:
    source = tmp_path / "x.py"
    source.write_text(
        "import os.path, yaml.nodes\nfrom stages.core import x\ntry:\n    import tqdm\nexcept (ImportError, OSError):\n    import rich\n"
    )
    assert bundle.third_party({str(source)}) == ["rich", "yaml"]


# Running


@pytest.fixture
def folder(packed: Path, tmp_path: Path) -> Path:
    return untar(packed, tmp_path / "there")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda top: append(top, "project/stages/train.py"), "this is not what was packed: project/stages/train.py differs; transfer"),
        (lambda top: (top / "project/data/mini/source/numbers.json").unlink(), "project/data/mini/source/numbers.json is missing"),
        (lambda top: (top / "project/data/mini/source/more").touch(), "project/data/mini/source/more was not packed"),
        (lambda top: (top / "bundle.json").unlink(), "bundle.json is missing or damaged"),
        (lambda top: (top / "bundle.json").write_text((top / "bundle.json").read_text().replace('"mini"', '"real"')), "missing or damaged"),
        (lambda top: (top / "bundle.json").write_text('{"format": 2, "id": "x"}'), "bundle.json is of format 2, and this run.py knows 1"),
        (lambda top: (top / ".bundle").write_text("0123"), "another bundle has run in this folder"),
    ],
)
def test_nothing_runs_on_other_than_what_was_packed(folder: Path, bare: Path, change: Callable[[Path], object], sentence: str) -> None:
    change(folder)
    assert sentence in one_sentence(run(folder, bare))
    assert not (folder / "project/data/runs").exists()


def declare(folder: Path, **values: object) -> None:
    """Change what bundle.json says, as if it had been packed so."""
    about = {**json.loads((folder / "bundle.json").read_text()), **values}
    (folder / "bundle.json").write_text(json.dumps({**about, "id": bundle_run.identify(about)}))


def test_what_python_has_to_have_is_asked_for_before_anything_runs(folder: Path, bare: Path) -> None:
    declare(folder, packages=["numpy", "torch_of_tomorrow"])
    said = one_sentence(run(folder, bare))
    assert "has no torch_of_tomorrow, which the stages import: install it" in said
    declare(folder, packages=[], python="3.99")
    assert "the stages need Python 3.99, and this is 3." in one_sentence(run(folder, bare))
    assert not (folder / "logs").exists()


def test_a_stage_that_fails_stops_those_that_need_it_and_no_others(slow: Callable[..., Path], bare: Path) -> None:
    folder = slow(fails="a")
    done = run(folder, bare)
    assert done.returncode == 1
    assert "train@a failed (exit status 1); the end of logs/train@a.log:\n    step 0 of a\n" in done.stdout
    assert "    error: a was told to fail\n" in done.stdout
    assert "total cannot run: it needs train@a" in done.stdout
    assert "train@b finished" in done.stdout
    assert (
        done.stderr == "error: not all stages have finished, see above; 2 of 4 are packed, and checkpoints; call run.py again to continue\n"
    )
    again = run(folder, bare)
    assert "2 of 4 finished earlier" in again.stdout
    assert "train@b" not in again.stdout


def test_a_killed_run_takes_its_stages_along_and_is_continued(slow: Callable[..., Path], bare: Path, project: Path, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    folder = slow(steps=12, hold=str(hold))
    checkpoints = folder / "project/data/checkpoints"
    process = subprocess.Popen([bare, "run.py", "--jobs", "2"], cwd=folder, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: sum(bool(file.read_text()) for file in checkpoints.glob("*/*")) == 2, process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    wait_for(lambda: unlocked(folder / ".lock"))  # each stage holds it, and waits for the file to go
    hold.unlink()
    done = run(folder, bare, "--jobs", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 4 finished earlier" in done.stdout
    records = [json.loads(record_of(folder / "project", f"train@{model}").read_text()) for model in ("a", "b")]
    assert [record["resumed_at"] for record in records] == [1, 1]
    bundle.unpack([folder / "results.tar"])
    assert json.loads((project / "reports/total.json").read_text()) == {"a": 12 * SQUARES, "b": 12 * SQUARES}


def test_two_calls_do_not_run_the_same_stages(folder: Path, bare: Path) -> None:
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another run.py, or a stage that it started, is at work" in one_sentence(run(folder, bare))


def test_an_output_that_has_changed_is_made_again_with_all_that_reads_it(slow: Callable[..., Path], bare: Path) -> None:
    folder = slow()
    assert run(folder, bare).returncode == 0
    again = run(folder, bare)
    assert "4 of 4 finished earlier" in again.stdout
    append(folder, "project/data/mini/models/b/sum.json")
    again = run(folder, bare)
    assert [name for name in ("prepare", "train@a", "train@b", "total") if f"{name} starts" in again.stdout] == ["train@b", "total"]
    assert (folder / "results.tar").exists()


def test_results_go_where_a_link_leads(ran: Path, bare: Path, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    shutil.copytree(ran, folder)
    (tmp_path / "large").mkdir()
    (folder / "results.tar").rename(tmp_path / "large/mine.tar")
    (folder / "results.tar").symlink_to("../large/mine.tar")
    append(folder, "project/data/mini/models/b/sum.json")  # so that something runs, and older results go
    done = run(folder, bare)
    assert done.returncode == 0, done.stderr
    assert (folder / "results.tar").is_symlink() and f"{tmp_path}/large/mine.tar: 0.0 MB" in done.stdout
    assert [file.name for file in (tmp_path / "large").iterdir()] == ["mine.tar"]
    assert contents(tmp_path / "large/mine.tar").keys() == contents(ran / "results.tar").keys()


def test_results_take_the_place_of_no_folder(slow: Callable[..., Path], bare: Path) -> None:
    folder = slow()
    (folder / "results.tar").mkdir()
    said = one_sentence(run(folder, bare))
    assert said == "error: results.tar is no file, and the results are to be written there: move it away, and call run.py again\n"
    assert not (folder / "logs").exists() and list((folder / "results.tar").iterdir()) == []


def test_a_bundle_takes_the_place_of_nothing(base: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nothing")
    (tmp_path / "file").touch()
    for name, advice in (("pipe", "choose"), ("link", "choose"), ("file", "remove it, or choose")):
        said = one_sentence(run_in(base, "python", "-m", "workflow.bundle", "pack", "prepare", "-o", str(tmp_path / name)))
        assert said == f"error: {tmp_path / name} exists: {advice} another name\n"
    assert sorted(file.name for file in tmp_path.iterdir() if file.name != "site") == ["file", "link", "pipe"]
