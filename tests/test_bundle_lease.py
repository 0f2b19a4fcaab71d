"""A bundle on a machine that is lent: it ends in time, loses nothing that can be kept, and has an MPS daemon of its own."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from bundle_project import SQUARES, bare, base, contents, packed, project, ran, reform, refuse, run, slow, unlocked, untar, write  # noqa: F401 - fixtures
from conftest import PATIENCE, record_of, wait_for

from workflow import bundle, bundle_gpu, bundle_run

# ruff: noqa: F811 - fixtures are asked for by name

STAGES = ["train", "prepare", "total"]


def test_the_last_minute_ends_stages_and_their_checkpoints_go_on_elsewhere(
    slow: Callable[..., Path], bare: Path, project: Path, tmp_path: Path
) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    folder = slow(steps=12, hold=str(hold))
    places = [folder / "project/data/checkpoints" / f"train@{model}" for model in "ab"]
    taken_away(folder, bare, lambda: all(any(file.read_text() for file in place.glob("*.pt")) for place in places))
    wait_for(lambda: unlocked(folder / ".lock"))
    done = run(folder, bare, "--minutes", "0.1", "--jobs", "2")  # however slow the machine is, there is something to take along
    assert done.stderr == "error: 0.1 minutes are over; 1 of 4 are packed, and checkpoints; call run.py again to continue\n"
    assert "take back and unpack: python -m workflow.bundle unpack results.tar checkpoints.tar\n" in done.stdout
    bundle.unpack([folder / "results.tar", folder / "checkpoints.tar"])
    kept = [file for model in "ab" for file in (project / f"data/checkpoints/train@{model}").iterdir()]
    came = [json.loads(file.read_text())["done"] for file in kept]
    assert len(came) == 2 and set(came) <= {1, 2}

    hold.unlink()
    bundle.pack(STAGES, tmp_path / "next.tar", None)
    other = untar(tmp_path / "next.tar", tmp_path)
    done = run(other, bare, "--jobs", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    records = [json.loads(record_of(other / "project", f"train@{model}").read_text()) for model in "ab"]
    assert [record["resumed_at"] for record in records] == came
    assert not (other / "checkpoints.tar").exists()
    assert "4 of 4 finished earlier" in run(other, bare).stdout  # a checkpoint that is used up is no damage
    bundle.unpack([other / "results.tar"])
    assert json.loads((project / "reports/total.json").read_text()) == {"a": 12 * SQUARES, "b": 12 * SQUARES}
    assert not any(file.parent.exists() for file in kept)  # of no use any more


def test_a_machine_that_is_taken_away_has_left_the_results_there_were(slow: Callable[..., Path], bare: Path, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    folder = slow(hold=str(hold))
    taken_away(folder, bare, (folder / "results.tar").exists)
    stages = json.loads(contents(folder / "results.tar")["results/results.json"])["stages"]
    assert [stage["name"] for stage in stages] == ["prepare"]


def test_ctrl_c_ends_trainings_by_the_signal_that_they_keep_their_steps_at(slow: Callable[..., Path], bare: Path, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    folder = slow(hold=str(hold))
    process = subprocess.Popen([bare, "run.py"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    try:
        wait_for(lambda: list((folder / "project/data/checkpoints").glob("*/*")), process)
    finally:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it: to run.py and all that share its group
        _, err = process.communicate(timeout=PATIENCE)
    assert b"ended by a signal; 1 of 4 are packed, and checkpoints" in err
    assert "KeyboardInterrupt" not in (folder / "logs/train@a.log").read_text()


def test_a_run_whose_last_stages_finish_as_time_is_up_is_whole(ran: Path, bare: Path) -> None:
    script = "import run\ndef over(*_): raise run.TimeIsUpError\nrun.run = over\nrun.main()"
    done = subprocess.run([bare, "-c", script, "--minutes", "1"], cwd=ran, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")
    assert "take back and unpack: python -m workflow.bundle unpack results.tar\n" in done.stdout


def test_a_checkpoint_of_an_earlier_lease_does_not_replace_a_later_one(
    slow: Callable[..., Path], bare: Path, project: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    folder = slow(hold=str(hold))
    place = folder / "project/data/checkpoints/train@a"
    taken_away(folder, bare, lambda: any(file.read_text() for file in place.glob("*.pt")))
    wait_for(lambda: unlocked(folder / ".lock"))
    run(folder, bare, "--minutes", "0.01", "--jobs", "2")
    bundle.unpack([folder / "checkpoints.tar"])
    (kept,) = (project / "data/checkpoints/train@a").iterdir()
    came, written = kept.read_text(), kept.stat().st_mtime
    assert written == int(next(place.iterdir()).stat().st_mtime)
    kept.write_text("later")
    os.utime(kept, (written + 1, written + 1))
    bundle.unpack([folder / "checkpoints.tar"])
    assert kept.read_text() == "later"
    assert f"note: {kept.relative_to(project)} is newer than what came, and stays" in capsys.readouterr().err
    os.utime(kept, (written - 1, written - 1))
    bundle.unpack([folder / "checkpoints.tar"])
    assert kept.read_text() == came


def test_a_checkpoint_of_no_stage_here_is_refused(ran: Path, project: Path, tmp_path: Path) -> None:
    content, name = b"weights", "checkpoints/train@c/k.pt"
    files = {name: hashlib.md5(content).hexdigest()}
    changed = reform(contents(ran / "results.tar"), lambda results: results.update(stages=[], left={}, files=files))
    members = {"results/results.json": changed["results/results.json"], f"results/{name}": content}
    archive = write(tmp_path / "checkpoints.tar", members)
    refuse([archive], "the checkpoint of train@c is of no stage with the lists now in params.yaml (packed at ", project)


def taken_away(folder: Path, bare: Path, when: Callable[[], bool]) -> None:
    """Run the bundle until `when`, and end it without a word."""
    process = subprocess.Popen([bare, "run.py", "--jobs", "2"], cwd=folder, stdout=subprocess.DEVNULL)
    try:
        wait_for(when, process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_a_stage_that_does_not_heed_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_run, "GRACE", 0.2)
    deaf = subprocess.Popen(["sh", "-c", "trap '' TERM; echo; while :; do sleep .05; done"], stdout=subprocess.PIPE)
    deaf.stdout.readline()
    bundle_run._end([deaf])
    assert deaf.returncode == -signal.SIGKILL


@pytest.mark.parametrize("minutes", ["0", "-1", "nan"])
def test_minutes_are_above_none(ran: Path, bare: Path, minutes: str) -> None:
    done = run(ran, bare, "--minutes", minutes)
    assert done.returncode == 2 and "--minutes must be above 0" in done.stderr


# NVIDIA's commands, played by scripts that write down how they were called


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_MPS_PIPE_DIRECTORY", raising=False)
    script(tmp_path, "nvidia-smi", '[ "$1" = -L ] && echo "GPU 0: one" || echo "4711, python, 900 MiB"')
    script(tmp_path, bundle_gpu.DAEMON, f"echo $@ $(cat) $CUDA_MPS_PIPE_DIRECTORY $CUDA_MPS_LOG_DIRECTORY >> {tmp_path}/called")
    return tmp_path


def script(folder: Path, name: str, line: str) -> None:
    (folder / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
    (folder / "bin" / name).chmod(0o755)


def test_an_mps_daemon_is_started_and_ended(card: Path) -> None:
    said: list[str] = []
    with bundle_gpu.shared(2, said.append) as variables:
        pipe, log = variables["CUDA_MPS_PIPE_DIRECTORY"], variables["CUDA_MPS_LOG_DIRECTORY"]
        assert Path(pipe).is_dir() and Path(log).is_dir() and len(pipe) < 60
        assert (card / "called").read_text() == f"-d {pipe} {log}\n"
    assert (card / "called").read_text().splitlines()[1] == f"quit {pipe} {log}"
    assert not Path(pipe).exists()
    assert said == [f"the stages share the GPU through an MPS daemon of this run's own ({pipe})", "the MPS daemon has ended"]


def test_a_daemon_that_writes_as_it_ends_costs_no_results(card: Path) -> None:
    with bundle_gpu.shared(2, lambda words: None) as variables:
        log = Path(variables["CUDA_MPS_LOG_DIRECTORY"])
        writes = f"while [ -e {card}/hold ]; do mkdir -p {log}; true > {log}/$$.$((n=n+1)); done; true"
        (card / "hold").touch()
        late = subprocess.Popen(["sh", "-c", writes])
    (card / "hold").unlink()
    assert late.wait(PATIENCE) == 0
    shutil.rmtree(log.parent, ignore_errors=True)


def test_without_a_daemon_the_stages_take_turns(card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    with bundle_gpu.shared(1, said.append) as variables:  # one at a time needs none
        assert variables == {}
    script(card, bundle_gpu.DAEMON, "echo no right to; exit 1")
    with bundle_gpu.shared(2, said.append) as variables:
        assert variables == {}
    assert said == ["the MPS daemon did not start (no right to): the stages take turns on the GPU, which is slower"]
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", "/mine")
    with bundle_gpu.shared(2, said.append) as variables:  # whoever called has one
        assert variables == {}
    monkeypatch.delenv("CUDA_MPS_PIPE_DIRECTORY")
    (card / "bin/nvidia-smi").unlink()
    with bundle_gpu.shared(2, said.append) as variables:  # no GPU
        assert variables == {} and bundle_gpu.others() == ""
    assert len(said) == 1


def test_who_else_computes_there_is_named(card: Path) -> None:
    assert bundle_gpu.others() == "4711, python, 900 MiB"


def test_stages_get_the_daemons_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("project").mkdir()
    stage = {"name": "x", "cmd": """python -c 'import os; print(os.environ["CUDA_MPS_PIPE_DIRECTORY"])'"""}
    lock = os.open("lock", os.O_CREAT)
    assert bundle_run._start(stage, lock, {"CUDA_MPS_PIPE_DIRECTORY": "/there"}).wait() == 0
    assert Path("logs/x.log").read_text() == "/there\n"
