"""Where files are written: links stay and what they lead to is replaced, devices are sent bytes, and what is in the way is one sentence."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.core.errors import UserError
from stages.core.files import destination, replacing, write_json

OLD = "of before"
NEW = '{\n "a": 1\n}\n'


def write(path: Path) -> None:
    write_json(path, {"a": 1})


def linked(folder: Path) -> Path:
    """A link to a link to a file in another folder, each by a relative path."""
    (folder / "deep").mkdir()
    (folder / "deep/file.json").write_text(OLD)
    (folder / "deep/second.json").symlink_to("file.json")
    (folder / "first.json").symlink_to("deep/second.json")
    return folder / "first.json"


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    link = linked(tmp_path)
    opened = (tmp_path / "deep/file.json").open()
    write(link)
    assert [str(path.readlink()) for path in (link, tmp_path / "deep/second.json")] == ["deep/second.json", "file.json"]
    assert (tmp_path / "deep/file.json").read_text() == NEW
    assert opened.read() == OLD  # replaced, and not written over: who reads it meanwhile sees one file or the other
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["deep", "file.json", "first.json", "second.json"]


def test_a_link_to_nothing_makes_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to("new/file.json")
    write(tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink() and (tmp_path / "new/file.json").read_text() == NEW


@pytest.mark.parametrize("prepare", [linked, lambda folder: folder / "new.json"], ids=["link", "new"])
def test_what_fails_in_the_middle_changes_nothing(tmp_path: Path, prepare: Callable[[Path], Path]) -> None:
    path = prepare(tmp_path)
    before = {file: file.read_text() for file in tmp_path.rglob("*") if file.is_file()}

    def half(error: BaseException) -> None:
        with replacing(path) as aside:
            aside.write_text("half")
            raise error

    with pytest.raises(KeyboardInterrupt):
        half(KeyboardInterrupt())
    with pytest.raises(UserError, match=rf"^cannot write {path}: No space left on device; mend that, or give another place$"):
        half(OSError(28, "No space left on device"))
    assert {file: file.read_text() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_a_writer_sees_the_suffix(tmp_path: Path) -> None:
    (tmp_path / "name").symlink_to("picture.svg")
    with replacing(tmp_path / "name") as aside:
        assert aside.suffix == ".svg"
        aside.write_text("")


# Devices


def test_a_pipe_stays_and_is_sent_all_or_nothing(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to("pipe")
    for path in (pipe, tmp_path / "link"):
        found: list[str] = []
        reader = threading.Thread(target=lambda found=found: found.append(pipe.read_text()))
        reader.start()
        write(path)
        reader.join(10)
        assert found == [NEW] and pipe.is_fifo()
    with pytest.raises(ValueError), replacing(pipe) as aside:
        aside.write_text("half")
        raise ValueError  # an open pipe would wait here for its reader


def test_a_terminal_stays_and_is_sent_the_bytes() -> None:
    ours, theirs = os.openpty()
    name = Path(os.ttyname(theirs))
    write(name)
    assert name.is_char_device()
    assert os.read(ours, 100).decode().replace("\r\n", "\n") == NEW


def test_a_device_stays(tmp_path: Path) -> None:
    """One of the test's own, for as root the machine's would be destroyed."""
    try:
        os.mknod(tmp_path / "null", 0o20666, os.makedev(1, 3))
    except OSError:
        pytest.skip("devices cannot be made here")
    (tmp_path / "link").symlink_to("null")
    for name in ("null", "link"):
        write(tmp_path / name)
        assert (tmp_path / "null").is_char_device() and not (tmp_path / "null").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "null"]


# What /dev/stdout leads to: that itself would be destroyed, for all of the machine, by a program that renames over it as root.
STDOUT = "/proc/self/fd/1"
TWICE = f"""
from pathlib import Path
from stages.core.files import write_json
print("before")
write_json(Path("{STDOUT}"), {{"a": 1}})
print("after")
"""


@pytest.mark.parametrize("kept", ["", "of another program\n"])
def test_standard_output_that_leads_to_a_file_is_added_to(tmp_path: Path, kept: str) -> None:
    log = tmp_path / "log"
    log.write_text(kept)
    with log.open("a") as file:
        subprocess.run([sys.executable, "-c", TWICE], stdout=file, check=True)
    assert log.read_text() == f"{kept}before\n{NEW}after\n"
    assert subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, check=True).stdout == f"before\n{NEW}after\n"


# What is in the way


def folder(tmp_path: Path) -> Path:
    (tmp_path / "x").mkdir()
    return tmp_path / "x"


def below_a_file(tmp_path: Path) -> Path:
    (tmp_path / "x").write_text(OLD)
    return tmp_path / "x/deep/y.json"


def circle(tmp_path: Path) -> Path:
    (tmp_path / "x").symlink_to("y")
    (tmp_path / "y").symlink_to("x")
    return tmp_path / "x"


def link_to_a_folder(tmp_path: Path) -> Path:
    folder(tmp_path)
    (tmp_path / "y").symlink_to("x")
    return tmp_path / "y"


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (folder, "it is a folder"),
        (link_to_a_folder, "it is a folder"),
        (below_a_file, "Not a directory"),
        (circle, "Too many levels of symbolic links"),
        (lambda tmp_path: tmp_path / ("x" * 300), "File name too long"),
    ],
)  # fmt: skip
def test_what_is_in_the_way_is_one_sentence(tmp_path: Path, prepare: Callable[[Path], Path], says: str) -> None:
    path = prepare(tmp_path)
    before = sorted((file, file.lstat().st_mtime_ns) for file in tmp_path.rglob("*"))
    for attempt in (write, destination):
        with pytest.raises(UserError) as caught:
            attempt(path)
        assert str(caught.value) == f"cannot write {path}: {says}; mend that, or give another place"
    assert sorted((file, file.lstat().st_mtime_ns) for file in tmp_path.rglob("*")) == before


def test_where_a_file_would_be_put(tmp_path: Path) -> None:
    link = linked(tmp_path)
    assert destination(link) == tmp_path / "deep/file.json" and destination(tmp_path / "a/b.json") == tmp_path / "a/b.json"
    assert (tmp_path / "a").is_dir()
    os.mkfifo(tmp_path / "pipe")
    assert destination(tmp_path / "pipe") is None
