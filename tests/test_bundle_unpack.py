"""Unpacking results: which archives are taken, and what may have changed here since they were packed; nothing else changes."""

import json
import shutil
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
    contents,
    edit_source,
    one_sentence,
    packed,
    project,
    ran,
    reform,
    refuse,
    remove_source,
    run,
    slow,
    write,
)
from conftest import run_in

from stages.core.errors import UserError
from workflow import bundle, bundle_archive

# ruff: noqa: F811 - fixtures are asked for by name


# Unpacking: what archive it may be


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


SUM = "results/outs/data/mini/models/a/sum.json"


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
    assert bundle_archive.restoring([Path("my job.tar")]) == "tar xf 'my job.tar'"
    assert bundle_archive.restoring([Path("my job.tar.01-of-02"), Path("my job.tar.02-of-02")]) == "cat 'my job.tar'.* | tar x"


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
