"""Archives that somebody has put into data/archives: tar and zip, damaged ones, and such as would leave their folder."""

import io
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fetch_site import (  # noqa: F401 - fixtures
    ARCHIVE,
    FILES,
    FOLDER,
    JUNK,
    NOWHERE,
    PHOTOS,
    TINY,
    archive_of,
    files_below,
    md5,
    mirror_of,
    project,
    put,
    sentence,
    source_of,
    zip_of,
)

from stages.datasets import fetch as fetching
from stages.datasets.fetch import Archive

# ruff: noqa: F811 - fixtures are asked for by name


def link_to(target: str, kind: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("set/one")
        member.type, member.linkname = kind, target
        tar.addfile(member)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "archive",
    [
        archive_of({"../stolen": b""}),
        archive_of(FILES | {"set/../../stolen": b""}),
        link_to("/etc/passwd", tarfile.SYMTYPE),
        link_to("../../../stolen", tarfile.SYMTYPE),
        link_to("../../stolen", tarfile.LNKTYPE),
    ],
    ids=["above", "above, roundabout", "absolute link", "link above", "hard link above"],
)
def test_an_archive_that_leaves_its_folder_is_refused(project: Path, archive: bytes) -> None:
    put("tiny.tar.gz", archive)
    assert sentence(source_of(replace(TINY, md5=md5(archive)))).startswith("data/archives/tiny.tar.gz cannot be unpacked (")
    assert not list(project.parent.rglob("stolen"))
    assert not Path("out/set/one").is_symlink()


@pytest.mark.parametrize("archive", [b"no archive", ARCHIVE[:-300], ARCHIVE[:20]], ids=["text", "end cut off", "nearly all cut off"])
def test_an_archive_that_cannot_be_unpacked_is_named(archive: bytes) -> None:
    put("tiny.tar.gz", archive)
    assert sentence(source_of(replace(TINY, md5=md5(archive)))).startswith("data/archives/tiny.tar.gz cannot be unpacked (")


# Zip archives, and archives without a folder


ZIP = Archive(f"{NOWHERE}/tiny.zip", None, None, files=TINY.files)


def test_a_zip_archive_is_unpacked_as_a_tar_archive_is() -> None:
    put("tiny.zip", zip_of({"set/": b"", "set/readme.html": b"not listed", "set/one.txt": b"beside it"} | JUNK | FILES))
    assert fetching.fetch("tiny", source_of(ZIP), Path("out"), None) == ("official", "Tiny, official files")
    assert files_below(Path("out")) == FILES
    put("tiny.zip", zip_of(JUNK | PHOTOS))
    assert fetching.fetch("tiny", source_of(replace(FOLDER, url=ZIP.url)), Path("out2"), None)[0] == "official"
    assert files_below(Path("out2")) == PHOTOS
    put("tiny.zip", zip_of({"set/one": FILES["set/one"]}))
    assert sentence(source_of(ZIP)).startswith("data/archives/tiny.zip has no set/deep/two: get ")


@pytest.mark.parametrize("name", ["../stolen", "set/../../stolen", "/stolen", ".."])
def test_a_zip_archive_that_leaves_its_folder_is_refused(project: Path, name: str) -> None:
    put("tiny.zip", zip_of({name: b""} | FILES))
    assert (
        sentence(source_of(ZIP))
        == f"data/archives/tiny.zip cannot be unpacked ({name} would be outside the folder): delete it and run again"
    )
    assert not list(project.parent.rglob("stolen"))


def test_a_link_in_a_zip_archive_is_no_link() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        member = zipfile.ZipInfo("set/one")
        member.external_attr = 0o120777 << 16
        packed.writestr(member, "/etc/passwd")
    put("tiny.zip", buffer.getvalue())
    fetching.unpack(Path("data/archives/tiny.zip"), ["set"], Path("out"))
    assert not Path("out/set/one").is_symlink()
    assert files_below(Path("out")) == {"set/one": b"/etc/passwd"}


WHOLE = zip_of(FILES)
FLIPPED = WHOLE[:2000] + bytes([WHOLE[2000] ^ 255]) + WHOLE[2001:]
LOCKED = WHOLE.replace(b"PK\1\2\24\3\24\0\0\0", b"PK\1\2\24\3\24\0\1\0")  # the flag of a password
STRANGE = WHOLE.replace(b"PK\1\2\24\3\24\0\0\0\10", b"PK\1\2\24\3\24\0\0\0\144")  # a way of packing that there is not


@pytest.mark.parametrize(
    "archive",
    [b"no archive", WHOLE[:-300], FLIPPED, LOCKED, STRANGE, ARCHIVE],
    ids=["text", "cut off", "flipped", "locked", "strange", "tar"],
)
def test_a_zip_archive_that_cannot_be_unpacked_is_named(archive: bytes) -> None:
    assert archive != WHOLE
    put("tiny.zip", archive)
    assert sentence(source_of(ZIP)).startswith("data/archives/tiny.zip cannot be unpacked (")


@pytest.mark.parametrize(("name", "pack"), [("flat.tgz", archive_of), ("flat.zip", zip_of)])
def test_an_archive_without_a_folder_is_unpacked_into_one(name: str, pack: Any, tmp_path: Path) -> None:
    texts = {"a.txt": b"a", "more/b.txt": b"b", "._a.txt": b"macOS's"}
    source = source_of(Archive(f"{NOWHERE}/{name}", None, None, files={"set/texts": None}, folder="set/texts"))
    put(name, pack(texts))
    kind, note = fetching.fetch("tiny", source, Path("out"), None)
    assert (kind, note) == ("unverified", "Tiny, checksum not known, so not verified to be official: set/texts")
    assert files_below(Path("out")) == {"set/texts/a.txt": b"a", "set/texts/more/b.txt": b"b"}
    mirror = mirror_of(files_below(Path("out")), tmp_path / "mirror")
    assert fetching.fetch("tiny", source, Path("out2"), str(mirror)) == (kind, note)
    assert files_below(Path("out2")) == files_below(Path("out"))
    put(name, pack({"../stolen": b""}))
    assert sentence(source).startswith(f"data/archives/{name} cannot be unpacked (")
    assert not list(tmp_path.rglob("stolen"))


def test_an_archive_with_other_files_than_expected_is_named() -> None:
    put("tiny.tar.gz", other := archive_of(FILES | {"set/one": b"other"}))
    assert sentence(source_of(replace(TINY, md5=md5(other)))).startswith("Tiny: set/one in the archive differ from the official ones: get ")
    put("tiny.tar.gz", other := archive_of({"set/one": FILES["set/one"]}))
    assert sentence(source_of(replace(TINY, md5=md5(other)))).startswith("data/archives/tiny.tar.gz has no set/deep/two: get ")
