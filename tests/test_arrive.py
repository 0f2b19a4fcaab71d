"""Pieces of a job, taken in one by one by a bare Python, put together and run; what is damaged, missing or another job's is refused."""

import fcntl
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from bundle_project import SQUARES, bare, base, one_sentence, packed, project  # noqa: F401 - fixtures
from conftest import PATIENCE

from workflow import bundle, gpu_job

# ruff: noqa: F811 - fixtures are asked for by name

DOOR = 60_000


@pytest.fixture
def pieces(project: Path, tmp_path: Path) -> Path:
    """A job of `prepare` and both models, as `gpu_job` leaves it."""
    folder = tmp_path / "pieces"
    names = ["prepare", "train@a", "train@b"]
    made = gpu_job.pack(names, names, DOOR, folder)
    assert len(made) > 1
    beside = sum((folder / name).stat().st_size for name in ("arrive.py", "pieces.json"))
    assert all(piece.stat().st_size + beside <= DOOR for piece in made)
    return folder


def call(folder: Path, python: Path, into: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [python, "arrive.py", "--into", str(into), *words]
    return subprocess.run(command, cwd=folder, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=PATIENCE)


def bring(pieces: Path, name: str, door: Path) -> Path:
    """What travels in one call."""
    shutil.rmtree(door, ignore_errors=True)
    door.mkdir()
    for file in ("arrive.py", "pieces.json", name):
        shutil.copy(pieces / file, door)
    return door


def names_of(pieces: Path) -> list[str]:
    return sorted(file.name for file in pieces.glob("job.tar*"))


def test_pieces_come_in_any_order_and_the_last_one_runs_the_job(pieces: Path, bare: Path, project: Path, tmp_path: Path) -> None:
    into, door, (last, *others) = tmp_path / "there", tmp_path / "door", names_of(pieces)
    running = ("--results", str(tmp_path / "back"), "--", "--minutes", "5", "--jobs", "2")
    for number, name in enumerate(reversed(others), 1):
        done = call(bring(pieces, name, door), bare, into, *running)
        missing = [other for other in names_of(pieces) if other not in others[len(others) - number :]]
        assert done.stdout == f"{number} of {len(others) + 1} pieces are here; missing: {', '.join(missing)}\n", done.stderr
    done = call(bring(pieces, last, door), bare, into, *running)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "train@b finished" in done.stdout
    assert {file.name for file in into.iterdir()} == {".lock", "job", "pieces.json"}
    again = call(door, bare, into, *running)  # nothing is put together twice
    assert again.returncode == 0 and "3 of 3 finished earlier" in again.stdout
    bundle.unpack([tmp_path / "back/results.tar"])
    assert json.loads((project / "data/mini/models/a/sum.json").read_text()) == 3 * SQUARES


def test_a_damaged_piece_is_not_kept(pieces: Path, bare: Path, tmp_path: Path) -> None:
    into, door, first = tmp_path / "there", tmp_path / "door", names_of(pieces)[0]
    file = bring(pieces, first, door) / first
    content = bytearray(file.read_bytes())
    content[5] ^= 1
    file.write_bytes(content)
    assert one_sentence(call(door, bare, into)).endswith(f"{first} is damaged, or of another job: bring it again\n")
    assert {other.name for other in into.iterdir()} == {".lock", "pieces.json"}
    assert call(bring(pieces, first, door), bare, into).returncode == 0


def test_what_is_of_another_job_is_refused(pieces: Path, bare: Path, tmp_path: Path) -> None:
    into, door, first = tmp_path / "there", tmp_path / "door", names_of(pieces)[0]
    call(bring(pieces, first, door), bare, into)
    (door / "other.tar.01-of-02").touch()
    assert "other.tar.01-of-02 is no piece of this job: pieces.json beside arrive.py has job.tar.01" in one_sentence(
        call(door, bare, into, "other.tar.01-of-02")
    )
    assert f"there is no piece {names_of(pieces)[1]}: bring it again" in one_sentence(call(door, bare, into, names_of(pieces)[1]))
    (door / "pieces.json").write_text(json.dumps({"pieces": {first: "0" * 64}}))
    assert f"{into} holds the pieces of another job: give another folder, or remove it" in one_sentence(call(door, bare, into))
    (door / "pieces.json").write_text("{")
    assert "pieces.json is missing or damaged: bring it again" in one_sentence(call(door, bare, into))


def test_two_at_once_do_not_spoil_each_other(pieces: Path, bare: Path, tmp_path: Path) -> None:
    into = tmp_path / "there"
    into.mkdir()
    with (into / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert f"another arrive.py is at work in {into}: wait for it" in one_sentence(call(pieces, bare, into))
    assert call(pieces, bare, into).returncode == 0
    assert (into / "job/run.py").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(pieces: Path, bare: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = one_sentence(call(pieces, bare, tmp_path / "file/there"))
    assert said == f"error: {tmp_path}/file/there: Not a directory; mend that and call again\n"


def test_a_door_that_is_too_small_is_one_sentence(project: Path, tmp_path: Path) -> None:
    with pytest.raises(gpu_job.UserError, match="--door must be at least 40000 bytes"):
        gpu_job.pack(["prepare"], ["prepare"], 39_999, tmp_path / "pieces")


def test_more_pieces_than_can_be_listed_are_one_sentence(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_job, "BESIDE", 1000)
    with pytest.raises(gpu_job.UserError, match=r"--door 20000 makes \d pieces, more than can be listed beside each: give a larger one"):
        gpu_job.pack(["prepare"], ["prepare"], 20_000, tmp_path / "pieces")
    assert not (tmp_path / "pieces").exists()
