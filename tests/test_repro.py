"""`make repro`: a lock file that was cut off is brought back, and the last line answers the newcomer's question."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PATIENCE, run_in, wait_for

from stages.core.errors import UserError
from workflow import repro

LOCK = (Path(__file__).parents[1] / "workflow/pipelines/ch2_fusion/dvc.lock").read_text()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    repro.COPIES.mkdir(parents=True)
    (repro.COPIES / "workflow/pipelines/c").mkdir(parents=True)
    Path("workflow/pipelines/c").mkdir(parents=True)
    return tmp_path


TAIL = LOCK[LOCK.index("\n  ch2_train@cifar10-cnn-a-0:") : LOCK.index("\n  ch2_train@cifar10-cnn-b-0:")] + "\n"
SHORT = "schema: '2.0'\nstages:" + TAIL  # a lock of several entries, each with dependencies, parameters and outputs


def test_wherever_a_lock_file_is_cut_off_it_is_noticed(place: Path) -> None:
    """At any byte; where it ends between two entries it is a lock file, which lacks what will be made again."""
    assert not repro.is_cut(SHORT, SHORT)
    assert not repro.is_cut(LOCK, SHORT)
    between = {end for end in range(len(SHORT)) if SHORT[end:].startswith("  ch2_train") and SHORT[end - 1] == "\n"}
    unnoticed = {end for end in range(len(SHORT) - 1) if not repro.is_cut(SHORT[:end], SHORT)}
    assert unnoticed == between - {min(between)} and len(unnoticed) >= 2


def test_an_older_lock_that_was_checked_out_stays(place: Path) -> None:
    (repro.COPIES / "dvc.lock").write_text(LOCK)
    Path("dvc.lock").write_text(SHORT)
    repro.restore()
    assert Path("dvc.lock").read_text() == SHORT


def test_an_interruption_is_left_to_dvc(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both get it from the terminal; we wait until DVC has ended in its own way."""
    Path("bin").mkdir()
    Path("bin/dvc").write_text(
        "#!/bin/sh\ntrap 'sleep 1; echo ended >> log; exit 252' INT\necho begun >> log\nwhile :; do sleep .1; done\n"
    )
    Path("bin/dvc").chmod(0o755)
    script = "import sys; from workflow import repro; sys.exit(repro._dvc('repro'))"
    env = {**os.environ, "PATH": f"{place}/bin:{os.environ['PATH']}", "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen([sys.executable, "-c", script], env=env, start_new_session=True)
    wait_for(lambda: Path("log").exists(), process)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=PATIENCE) == 252
    assert Path("log").read_text() == "begun\nended\n"


FAKE_DVC = """#!{python}
import signal, subprocess, sys
stage = subprocess.Popen([sys.executable, "-c", "import os, time; open('stage', 'w').write(str(os.getpid())); time.sleep(600)"])
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as DVC does while a stage runs
stage.wait()
open("log", "w").write("ended")
sys.exit(255)
"""


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda sign: sign.name)
def test_whatever_ends_us_ends_dvc_and_its_stage(place: Path, sign: signal.Signals) -> None:
    Path("bin").mkdir()
    Path("bin/dvc").write_text(FAKE_DVC.format(python=sys.executable))
    Path("bin/dvc").chmod(0o755)
    script = "import sys; from workflow import repro; sys.exit(repro._dvc('repro'))"
    env = {**os.environ, "PATH": f"{place}/bin:{os.environ['PATH']}", "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen([sys.executable, "-c", script], env=env, start_new_session=True)
    wait_for(lambda: Path("stage").exists() and Path("stage").read_text(), process)
    process.send_signal(sign)
    status = process.wait(timeout=PATIENCE)
    assert status == (-signal.SIGKILL if sign == signal.SIGKILL else 255)
    if sign != signal.SIGKILL:
        assert Path("log").read_text() == "ended"  # it was waited for
    wait_for(lambda: Path("log").exists())
    with pytest.raises(ProcessLookupError):
        os.kill(int(Path("stage").read_text()), 0)


def test_a_second_run_says_so_and_leaves_the_first_one_s_copies(place: Path) -> None:
    (repro.COPIES / "dvc.lock").write_text(LOCK)
    Path("dvc.lock").write_text(LOCK[:1000])
    with repro.alone(), pytest.raises(UserError, match=r"another `python -m workflow\.repro` is at work in this folder"):
        repro.run([], [])
    assert ((repro.COPIES / "dvc.lock").read_text(), Path("dvc.lock").read_text()) == (LOCK, LOCK[:1000])
    with repro.alone():
        pass  # free again


def test_the_copy_takes_the_place_of_a_lock_that_was_cut_off(place: Path, capsys: pytest.CaptureFixture) -> None:
    (repro.COPIES / "dvc.lock").write_text(LOCK)
    Path("dvc.lock").write_text(LOCK[: len(LOCK) // 3])
    repro.restore()
    assert Path("dvc.lock").read_text() == LOCK
    assert "the last run was killed while DVC wrote dvc.lock: restored" in capsys.readouterr().err
    repro.restore()
    assert capsys.readouterr().err == ""
    (repro.COPIES / "workflow/pipelines/c/dvc.lock").write_text(SHORT)
    Path("workflow/pipelines/c/dvc.lock").write_text(SHORT[:-9])
    repro.restore()
    assert Path("workflow/pipelines/c/dvc.lock").read_text() == SHORT
    assert "wrote workflow/pipelines/c/dvc.lock: restored" in capsys.readouterr().err


def test_a_lock_that_has_only_changed_stays(place: Path) -> None:
    changed = LOCK.replace("md5: a", "md5: b", 3)
    (repro.COPIES / "dvc.lock").write_text(LOCK)
    Path("dvc.lock").write_text(changed)
    repro.restore()
    assert Path("dvc.lock").read_text() == changed


def test_everything_is_what_no_table_asks_for_too(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(repro, "_dvc", lambda *arguments: asked.append(arguments) or 1)
    for module, name in ((repro.scale, "check"), (repro.parameters, "contents"), (repro, "restore"), (repro, "Lock")):
        monkeypatch.setattr(module, name, lambda: None)
    monkeypatch.setattr(repro, "addresses", list)
    repro.run([], [])
    repro.run(["tables"], ["--force"])
    assert asked == [("repro", "--all-pipelines"), ("repro", "--force", "tables")]


@pytest.mark.slow
def test_a_killed_run_and_the_next_one(finished: Path, tmp_path: Path) -> None:
    """Killed while DVC writes its lock, as far as files can tell; then `make repro` has everything again, from DVC's cache."""
    root = tmp_path / "clone"
    shutil.copytree(finished, root, symlinks=True)
    lock = Path("workflow/pipelines/ch2_fusion/dvc.lock")
    whole = (root / lock).read_text()
    (root / repro.COPIES / lock).parent.mkdir(parents=True)
    shutil.copy(root / lock, root / repro.COPIES / lock)
    (root / lock).write_text(whole[: whole.rindex("md5: ") + 2])
    failed = run_in(root, "dvc", "status")
    assert failed.returncode != 0  # every command fails
    done = run_in(root, "python", "-m", "workflow.repro")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "restored" in done.stderr
    assert (root / lock).read_text() == whole
    assert not (root / repro.COPIES).exists()
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
