"""Bundles: packed from a project, run where there is no DVC, unpacked again; and each thing that is refused, changing nothing."""

import contextlib
import fcntl
import hashlib
import io
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
    PIPELINE,
    SQUARES,
    append,
    bare,
    base,
    everything,
    one_sentence,
    packed,
    project,
    ran,
    refuse,
    run,
    slow,
    succeed,
    untar,
)
from conftest import record_of, run_in, wait_for

from stages.core import files
from stages.core.errors import UserError
from workflow import bundle, bundle_run, code
from workflow.bundle_run import BundleError

# ruff: noqa: F811 - fixtures are asked for by name

# The whole way


def test_there_and_back_is_the_same_as_here(base: Path, packed: Path, ran: Path, bare: Path, tmp_path: Path) -> None:
    absent = "import importlib.util as u; print([n for n in ('dvc', 'snakemake', 'mlflow', 'pydantic', 'tqdm', 'yaml') if u.find_spec(n)])"
    assert subprocess.run([bare, "-c", absent], capture_output=True, text=True).stdout == "[]\n"

    names = subprocess.run(["tar", "tf", packed], capture_output=True, text=True).stdout.split()
    assert {name.split("/")[0] for name in names} == {"job"}
    modules = {name for name in names if name.startswith("job/project/stages/") and name.endswith(".py")}
    core = {"__init__", "errors", "files", "fingerprint", "stage"}
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
    subprocess.run(bundle_run.restoring(parts), shell=True, cwd=tmp_path, check=True)
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


def remove_source(root: Path) -> None:
    shutil.rmtree(root / "data/mini/source")


def edit_source(root: Path) -> None:
    (root / "data/mini/source/numbers.json").write_text("[1]")


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
        bundle_run.byte_count(size)
    assert bundle_run.byte_count("60M") == 60_000_000


def test_checksums_are_those_of_dvc(tmp_path: Path) -> None:
    for name in ("b", "a/x", "a b", "ü/y"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text(name)
    found = {file.relative_to(tmp_path).as_posix(): bundle_run.md5(file) for file in bundle_run.files_of(tmp_path / "data")}
    assert found["data/b"] == hashlib.md5(b"b").hexdigest()
    assert bundle_run.md5_of("data", found) == files.md5(tmp_path / "data")


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
    assert done.stderr == "error: not all stages have finished, see above; 2 of 4 are packed; call run.py again to continue\n"
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
        wait_for(lambda: sum(bool(file.read_text()) for file in checkpoints.glob("*")) == 2, process)
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


def unlocked(file: Path) -> bool:
    with file.open() as lock, contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


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


# Unpacking: what archive it may be


def contents(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isreg()}


def write(archive: Path, members: dict[str, bytes], *others: tarfile.TarInfo) -> Path:
    with tarfile.open(archive, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for other in others:
            tar.addfile(other)
    return archive


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


SUM = "results/outs/data/mini/models/a/sum.json"


def reform(members: dict[str, bytes], change: Callable[[dict], object]) -> dict[str, bytes]:
    results = json.loads(members["results/results.json"])
    change(results)
    results["id"] = bundle_run.identify(results)
    return {**members, "results/results.json": json.dumps(results).encode()}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda m: {**m, SUM: b"9999"}, "outs/data/mini/models/a/sum.json differs; transfer it again"),
        (lambda m: {name: text for name, text in m.items() if name != SUM}, "outs/data/mini/models/a/sum.json is missing"),
        (lambda m: {**m, "results/outs/data/mini/models/a/more": b""}, "outs/data/mini/models/a/more is not listed in results.json"),
        (lambda m: {**m, "results/../../evil": b""}, "holds 'results/../../evil', which would leave its folder"),
        (lambda m: {**m, "/evil": b""}, "holds '/evil', which would leave its folder"),
        (lambda m: {**m, "evil": b""}, "holds evil, which is no part of a bundle's results: give the results.tar of a run.py"),
        (
            lambda m: {name: text for name, text in m.items() if "results.json" not in name},
            "truncated or damaged: transfer it again (it has",
        ),
        (lambda m: {**m, "results/results.json": m["results/results.json"].replace(b"Linux", b"Minix")}, "results.json has been changed"),
        (lambda m: reform(m, lambda r: r.update(format=2)), "is of format 2, and this project reads format 1"),
        (lambda m: reform(m, lambda r: r.pop("files")), "results.json is not what run.py writes"),
        (lambda m: {**m, "results/results.json": b"[]"}, "results.json is not what run.py writes"),
        (lambda m: reform(m, lambda r: r["stages"][1]["outs"].update({"data/mini/models/a": "0"})), "is not what train@a made"),
    ],
)
def test_archives_that_are_not_what_was_packed(ran: Path, project: Path, change: Callable, sentence: str, tmp_path: Path) -> None:
    refuse([write(tmp_path / "results.tar", change(contents(ran / "results.tar")))], sentence, project)


@pytest.mark.parametrize(
    "member",
    [
        special("results/outs/link", tarfile.SYMTYPE, "/etc/passwd"),
        special("results/outs/link", tarfile.LNKTYPE, SUM),
        special("results/outs/pipe", tarfile.FIFOTYPE),
    ],
)
def test_links_and_devices_are_refused(ran: Path, project: Path, member: tarfile.TarInfo, tmp_path: Path) -> None:
    refuse([write(tmp_path / "results.tar", contents(ran / "results.tar"), member)], "which is a link or a device", project)


def test_an_archive_cut_anywhere_or_with_a_byte_flipped(ran: Path, project: Path, tmp_path: Path) -> None:
    whole = (ran / "results.tar").read_bytes()
    archive = tmp_path / "results.tar"
    end = len(whole.rstrip(b"\0"))
    for length in (0, 100, 512, 700, end // 2, end - 1):
        archive.write_bytes(whole[:length])
        refuse([archive], "is truncated or damaged", project)
    told = [place for place in range(end) if whole[place]]  # the rest fills blocks up
    for place in told[:: len(told) // 40]:
        archive.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        refuse([archive], "", project)


def test_parts_have_to_be_all_there(ran: Path, bare: Path, project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    shutil.copytree(ran, folder)
    assert run(folder, bare, "--part-size", "10K").returncode == 0
    assert not (folder / "results.tar").exists()
    parts = sorted(folder.glob("results.tar.*"))
    assert len(parts) > 1
    refuse(parts[1:], f"results.tar.01-of-{len(parts):02} is missing: give all parts", project)
    refuse([folder / "results.tar"], "there is no file", project)
    refuse([*parts, folder / "run.py"], "run.py is truncated or damaged", project)
    shutil.copy(ran / "results.tar", folder)
    refuse([*parts, folder / "results.tar"], "are not the parts of one archive", project)
    (folder / "results.tar").unlink()
    bundle.unpack(parts[::-1])
    assert json.loads((project / "data/mini/models/b/sum.json").read_text()) == 3 * SQUARES


def test_results_that_somebody_packed_again_are_the_same(ran: Path, project: Path, tmp_path: Path) -> None:
    """`tar cf results.tar .` writes ./ before each name, and the folder itself."""
    members = {f"./{name}": content for name, content in contents(ran / "results.tar").items()}
    bundle.unpack([write(tmp_path / "again.tar", members, special("./", tarfile.DIRTYPE))])
    assert json.loads((project / "data/mini/models/b/sum.json").read_text()) == 3 * SQUARES


@pytest.mark.parametrize("out", ["", "..", "folder/..", "/"])
def test_a_folder_is_no_bundle(out: str) -> None:
    with pytest.raises(UserError, match=r"^-o \S+ is a folder: give the file to write, such as job\.tar$"):
        bundle.pack(["train"], Path(out), None)


def test_folders_and_devices_are_no_results(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/null")):
        with pytest.raises(UserError, match=f"^{path} is not a file: give the results.tar of a run.py$"):
            bundle.unpack([path])


def test_printed_commands_are_quoted() -> None:
    assert bundle_run.restoring([Path("my job.tar")]) == "tar xf 'my job.tar'"
    assert bundle_run.restoring([Path("my job.tar.01-of-02"), Path("my job.tar.02-of-02")]) == "cat 'my job.tar'.* | tar x"


def test_a_bundle_is_no_result(packed: Path, project: Path) -> None:
    refuse([packed], "it is a bundle: run it, and unpack the results", project)


# Unpacking: what may have changed here


def other_params(root: Path) -> None:
    (root / "params.yaml").write_text(yaml.safe_dump({**PARAMS, "train": {**PARAMS["train"], "steps": 4}}))


def pipeline(old: str, new: str) -> Callable[[Path], object]:
    assert old in PIPELINE
    return lambda root: (root / "dvc.yaml").write_text(PIPELINE.replace(old, new))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (other_params, "train@a now has other parameters than when it was packed: train.steps was 3, is 4 (packed at commit "),
        (
            lambda root: (root / "params.yaml").write_text(yaml.safe_dump({**PARAMS, "scale": "real"})),
            "the results are of scale mini, and params.yaml is of real",
        ),
        (pipeline("model: [a, b]", "model: [a, c]"), "train@b is no longer a stage with the lists"),
        (
            pipeline("stages.train ${item.model}", "stages.train ${item.model} --fast"),
            "train@a now has other command than when it was packed",
        ),
        (pipeline(", notes.txt", ""), "train@a now has other dependencies than when it was packed: notes.txt is gone"),
        (
            pipeline("models/${item.model}", "models/${item.model}2"),
            "train@a now has other outputs than when it was packed: data/mini/models/a",
        ),
        (edit_source, "data/mini/source, which prepare read, is no longer what it was when it was packed (packed at commit "),
        (remove_source, "data/mini/source, which prepare read, is missing (packed at commit "),
        (lambda root: append(root, "notes.txt"), "notes.txt, which train@a read, is no longer what it was"),
        (
            lambda root: (root / "data/mini/prepared").mkdir() or (root / "data/mini/prepared/x").touch(),
            "data/mini/prepared, which train@a read",
        ),
    ],
)
def test_results_of_what_is_no_longer_in_force(ran: Path, project: Path, change: Callable[[Path], object], sentence: str) -> None:
    change(project)
    refuse([ran / "results.tar"], sentence, project)


def test_fingerprints_not_yet_written(ran: Path, project: Path) -> None:
    append(project, "reports/code/train.json")
    refuse([ran / "results.tar"], "reports/code/train.json is not that of the code in force: run `dvc repro code`", project)


def test_everything_is_as_it_was_if_dvc_does_not_take_the_results(ran: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dvc.exceptions import DvcException
    from dvc.stage import PipelineStage

    commit = PipelineStage.commit

    def fail(self: PipelineStage) -> None:
        if self.addressing == "train@b":
            raise DvcException("no room\nleft")
        commit(self)

    (project / "data/mini/models/a").mkdir(parents=True)
    (project / "data/mini/models/a/old.txt").write_text("not yet committed")
    with monkeypatch.context() as patch:
        patch.setattr(PipelineStage, "commit", fail)
        refuse([ran / "results.tar"], "DVC did not take the results (no room left): nothing was changed", project)
    bundle.unpack([ran / "results.tar"])
    assert not (project / "data/mini/models/a/old.txt").exists()


def test_others_at_work_are_not_disturbed(ran: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dvc.repo import Repo

    monkeypatch.setattr("dvc.lock.DEFAULT_TIMEOUT", 0.1)

    with Repo().lock:
        refuse([ran / "results.tar"], "DVC is at work in this project: wait for it to end", project)
    with bundle._staging(), pytest.raises(UserError, match="another unpack is at work"):
        bundle.unpack([ran / "results.tar"])


def test_all_that_is_wrong_is_one_sentence_of_the_command(base: Path) -> None:
    command = ("python", "-m", "workflow.bundle")
    assert "there is no file nothing.tar" in one_sentence(run_in(base, *command, "unpack", "nothing.tar"))
    assert "there is no folder nowhere" in one_sentence(run_in(base, *command, "pack", "train", "-o", "nowhere/job.tar"))
