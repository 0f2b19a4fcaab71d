"""`make repro`: a lock file that was cut off is brought back, and the last line answers the newcomer's question."""

import shutil
from pathlib import Path

import pytest
from conftest import run_in

from workflow import repro

LOCK = (Path(__file__).parents[1] / "dvc.lock").read_text()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    return tmp_path


def test_wherever_a_lock_file_is_cut_off_it_is_noticed(place: Path) -> None:
    text = LOCK[: LOCK.index("\n  ch2_train_cifar10@cnn-b-0:")] + "\n"
    assert not repro.is_cut(text, text)
    assert not repro.is_cut(LOCK, text)  # has grown since
    for end in range(0, len(text) - 1, 997):
        assert repro.is_cut(text[:end], text), text[end - 80 : end]
    lines = text.splitlines(keepends=True)
    for count in range(0, len(lines) - 1, 23):  # also between two lines, where what is left is a lock file
        whole = "".join(lines[:count])
        assert repro.is_cut(whole, text), whole[-200:]


def test_the_copy_takes_the_place_of_a_lock_that_was_cut_off(place: Path, capsys: pytest.CaptureFixture) -> None:
    repro.COPY.write_text(LOCK)
    Path("dvc.lock").write_text(LOCK[: len(LOCK) // 3])
    repro.restore()
    assert Path("dvc.lock").read_text() == LOCK
    assert "the last run was killed while DVC wrote dvc.lock: restored" in capsys.readouterr().err
    repro.restore()
    assert capsys.readouterr().err == ""


def test_a_lock_that_has_only_changed_stays(place: Path) -> None:
    changed = LOCK.replace("md5: a", "md5: b", 3)
    repro.COPY.write_text(LOCK)
    Path("dvc.lock").write_text(changed)
    repro.restore()
    assert Path("dvc.lock").read_text() == changed


@pytest.mark.slow
def test_a_killed_run_and_the_next_one(finished: Path, tmp_path: Path) -> None:
    """Killed while DVC writes its lock, as far as files can tell; then `make repro` has everything again, from DVC's cache."""
    root = tmp_path / "clone"
    shutil.copytree(finished, root, symlinks=True)
    whole = (root / "dvc.lock").read_text()
    shutil.copy(root / "dvc.lock", root / repro.COPY)
    (root / "dvc.lock").write_text(whole[: len(whole) // 2])
    failed = run_in(root, "dvc", "status")
    assert failed.returncode != 0  # every command fails
    done = run_in(root, "python", "-m", "workflow.repro")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "restored" in done.stderr
    assert (root / "dvc.lock").read_text() == whole
    assert not (root / repro.COPY).exists()
    first, last = done.stdout.splitlines()[-2:]
    assert first.startswith("All ") and first.endswith(" stages: the committed results, to the byte")
    assert last == "Tables: reports/tables (scale: mini protocol: miniature)"


@pytest.mark.slow
def test_a_parameter_tried_and_taken_back_leaves_nothing_to_explain(finished: Path, tmp_path: Path) -> None:
    root = tmp_path / "clone"
    shutil.copytree(finished, root, symlinks=True)

    def succeed(*command: str) -> str:
        done = run_in(root, *command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    params = root / "params.yaml"
    params.write_text(params.read_text().replace("learning_rate: 0.1\n", "learning_rate: 0.2\n", 1))
    said = succeed("python", "-m", "workflow.repro")
    assert " made otherwise than committed (command, parameters, code or data)" in said and "first" not in said
    tried = succeed("python", "-m", "workflow.audit", "verify")
    succeed("git", "checkout", ".")
    succeed("dvc", "checkout", "-q")
    again = succeed("python", "-m", "workflow.audit", "verify")
    assert "no run record" not in tried + again and "another run" not in again
    assert "to the byte" in succeed("python", "-m", "workflow.repro")
    assert succeed("git", "status", "--short") == ""
