"""Downloads: from a mirror, from an official site (here on the loopback), from an archive placed by hand; and sources.yaml."""

import ast
import gzip
import hashlib
import importlib.util
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import REPOSITORY

from stages import download
from stages.core import files
from stages.core.errors import UserError
from stages.download import Archive, Source

FILES = {"set/one": b"first file\n", "set/deep/two": random.Random(0).randbytes(3 << 20)}
MIRROR = Path(os.environ.get("THESIS_MIRROR") or "~/mirror").expanduser()  # of real data, where there is one
HAND = "and put it into data/archives/, or set THESIS_MIRROR to a mirror that has it"


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def archive_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return buffer.getvalue()


ARCHIVE = archive_of(FILES | {"set/readme.html": b"not listed"})
NOWHERE = "http://127.0.0.1:1/files"  # nobody listens on port 1
TINY = Archive(f"{NOWHERE}/tiny.tar.gz", md5(ARCHIVE), len(ARCHIVE), files={name: md5(data) for name, data in FILES.items()})


def source_of(*archives: Archive, **more: Any) -> Source:
    return Source(**{"title": "Tiny", "page": "", "licence": "none", "access": "free download", "archives": list(archives), **more})


SOURCE = source_of(TINY)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "project/out").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.delenv("THESIS_MIRROR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "project"


def files_below(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def put(name: str, data: bytes) -> None:
    """An archive placed by hand."""
    Path("data/archives").mkdir(parents=True, exist_ok=True)
    Path("data/archives", name).write_bytes(data)


def sentence(source: Source, mirror: Path | None = None) -> str:
    """What the user is told when a fetch into an empty folder fails."""
    shutil.rmtree("out", ignore_errors=True)
    with pytest.raises(UserError) as caught:
        download.fetch("tiny", source, Path("out"), str(mirror) if mirror else None)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# From a mirror


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return mirror_of(FILES, tmp_path / "mirror")


def mirror_of(files: dict[str, bytes], mirror: Path) -> Path:
    shutil.rmtree(mirror, ignore_errors=True)
    for name, data in files.items():
        (mirror / "tiny" / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror / "tiny" / name).write_bytes(data)
    sign(mirror)
    return mirror


def sign(mirror: Path, style: str = "{sum}  {name}\n") -> None:
    lines = [style.format(sum=hashlib.sha256(data).hexdigest(), name=f"tiny/{name}") for name, data in files_below(mirror / "tiny").items()]
    (mirror / "SHA256SUMS").write_text("".join(lines))


@pytest.mark.parametrize("style", ["{sum}  {name}\n", "{sum} *{name}\n", "{sum}  ./{name}\n"])
def test_a_mirror_of_official_files(mirror: Path, style: str) -> None:
    sign(mirror, style)
    assert download.fetch("tiny", SOURCE, Path("out"), str(mirror)) == ("official", "Tiny, official files")
    assert files_below(Path("out")) == FILES


def test_a_mirror_whose_files_are_not_the_official_ones(mirror: Path) -> None:
    (mirror / "tiny/set/one").write_bytes(b"altered\n")
    sign(mirror)
    kind, note = download.fetch("tiny", SOURCE, Path("out"), str(mirror))
    assert (kind, note) == ("altered", "Tiny, from a mirror whose files differ from the official ones")
    assert files_below(Path("out")) == FILES | {"set/one": b"altered\n"}


def test_a_damaged_mirror(mirror: Path) -> None:
    (mirror / "tiny/set/one").write_bytes(b"damaged\n")
    assert sentence(SOURCE, mirror) == (
        f"{mirror}/tiny/set/one differs from the mirror's SHA256SUMS: the mirror is damaged, or was changed; make it again"
    )


def test_a_mirror_without_the_set_or_a_file_or_sums(mirror: Path, tmp_path: Path) -> None:
    by_hand = f"get {TINY.url} (3 MB, md5 {TINY.md5}) {HAND}"
    assert sentence(SOURCE, tmp_path / "nowhere") == f"the mirror {tmp_path}/nowhere has no tiny: {by_hand}"
    sums = (mirror / "SHA256SUMS").read_text()
    (mirror / "SHA256SUMS").write_text(sums.splitlines()[0] + "\n")
    assert sentence(SOURCE, mirror).startswith(f"{mirror}/SHA256SUMS does not list tiny/set/")
    (mirror / "SHA256SUMS").unlink()
    assert sentence(SOURCE, mirror).startswith(f"the mirror {mirror} has no SHA256SUMS, so its files cannot be checked")
    (mirror / "SHA256SUMS").write_text(sums)
    (mirror / "tiny/set/deep/two").unlink()
    assert sentence(SOURCE, mirror) == f"the mirror {mirror} lacks tiny/set/deep/two: {by_hand}"


def test_a_mirror_inside_the_project_could_not_be_read(mirror: Path) -> None:
    Path("mirror").symlink_to(mirror)
    assert sentence(SOURCE, Path("mirror")).startswith("the mirror mirror lies in the project")
    assert download.fetch("tiny", SOURCE, Path("out"), "../mirror")[0] == "official"
    Path("data").mkdir()
    shutil.move(mirror, "data/archives")
    shutil.rmtree("out")
    assert download.fetch("tiny", SOURCE, Path("out"), "data/archives")[0] == "official"


# From the official site


class Site(ThreadingHTTPServer):
    """Sends `body` as tiny.tar.gz and what `more` has; cuts the connection after `stop_at` bytes; understands Range if `ranges`.

    Packs what it sends for who accepts that, and says of archives that they are packed, as some servers do.
    """

    body = ARCHIVE
    stop_at: int | None = None
    ranges = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[tuple[str, str | None]] = []
        self.more: dict[str, bytes] = {}
        self.address = f"http://127.0.0.1:{self.server_port}/files"
        self.archive = replace(TINY, url=f"{self.address}/tiny.tar.gz")
        self.source = source_of(self.archive)


class Answer(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        site, wanted = self.server, self.headers.get("Range")
        site.asked.append((self.path, wanted))
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and site.ranges else 0
        body = ({"tiny.tar.gz": site.body} | site.more).get(self.path.removeprefix("/files/"))
        if body is None:
            self.send_error(404)
            return
        if start >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        packed = "gzip" in self.headers.get("Accept-Encoding", "")
        body = gzip.compress(body[start:]) if packed else body[start:]
        if packed or self.path.endswith("gz"):
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: site.stop_at])

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def test_the_official_archive(site: Site) -> None:
    assert download.fetch("tiny", site.source, Path("out"), None) == ("official", "Tiny, official files")
    assert files_below(Path("out")) == FILES  # and no readme.html, which a mirror would not have
    assert files_below(Path("data/archives")) == {"tiny.tar.gz": ARCHIVE}
    shutil.rmtree("out")
    download.fetch("tiny", site.source, Path("out"), None)
    assert files_below(Path("out")) == FILES
    assert len(site.asked) == 1  # the archive is kept


def test_a_wrong_checksum_is_named_and_nothing_stays(site: Site) -> None:
    site.body = b"<html>The file has moved</html>"
    assert sentence(site.source) == (
        f"what {site.archive.url} sent does not have the md5 {TINY.md5}: get {site.archive.url} (3 MB, md5 {TINY.md5}) {HAND}"
    )
    assert files_below(Path("data/archives")) == {}
    site.body = ARCHIVE
    download.fetch("tiny", site.source, Path("out"), None)
    assert files_below(Path("out")) == FILES


@pytest.mark.parametrize("ranges", [True, False], ids=["a server with Range", "a server without"])
def test_a_broken_connection_is_taken_up_again(site: Site, ranges: bool) -> None:
    site.ranges, site.stop_at = ranges, (2 << 20) + 100
    broken = sentence(site.source)
    assert broken.startswith("Tiny could not be downloaded (")
    assert broken.endswith(f"get {site.archive.url} (3 MB, md5 {TINY.md5}) {HAND}")
    assert files_below(Path("out")) == {}
    assert files_below(Path("data/archives")) == {"tiny.tar.gz.part": ARCHIVE[: site.stop_at]}
    have, site.stop_at = site.stop_at, None
    download.fetch("tiny", site.source, Path("out"), None)
    assert files_below(Path("out")) == FILES
    assert files_below(Path("data/archives")) == {"tiny.tar.gz": ARCHIVE}
    assert site.asked == [("/files/tiny.tar.gz", None), ("/files/tiny.tar.gz", f"bytes={have}-")]


@pytest.mark.parametrize("ranges", [True, False], ids=["a server with Range", "a server without"])
@pytest.mark.parametrize("kept", [b"of another version", ARCHIVE, ARCHIVE + b"and more"], ids=["other", "complete", "too long"])
def test_what_an_earlier_run_left_does_no_harm(site: Site, kept: bytes, ranges: bool) -> None:
    site.ranges = ranges
    Path("data/archives").mkdir(parents=True)
    Path("data/archives/tiny.tar.gz.part").write_bytes(kept)
    if kept != ARCHIVE and ranges:
        assert "does not have the md5" in sentence(site.source)
    download.fetch("tiny", site.source, Path("out"), None)
    assert files_below(Path("out")) == FILES
    assert files_below(Path("data/archives")) == {"tiny.tar.gz": ARCHIVE}


def test_offline_says_what_to_get_and_where_to_put_it() -> None:
    assert sentence(SOURCE) == f"Tiny could not be downloaded (ConnectionError): get {TINY.url} (3 MB, md5 {TINY.md5}) {HAND}"
    assert files_below(Path("data/archives")) == {}
    # So done:
    put("tiny.tar.gz", ARCHIVE)
    assert download.fetch("tiny", SOURCE, Path("out"), None)[0] == "official"
    assert files_below(Path("out")) == FILES


def test_an_answer_that_is_no_file_is_named(site: Site) -> None:
    moved = replace(site.archive, url=site.archive.url.replace("files", "old"))
    assert sentence(source_of(moved)).startswith("Tiny could not be downloaded (404): get ")


def test_a_damaged_archive_placed_by_hand_is_named_and_kept(site: Site) -> None:
    put("tiny.tar.gz", ARCHIVE[:-5])
    assert sentence(site.source).startswith(
        f"data/archives/tiny.tar.gz is truncated or damaged (its md5 is not {TINY.md5}): delete it and run again, or get "
    )
    assert files_below(Path("data/archives")) == {"tiny.tar.gz": ARCHIVE[:-5]}
    assert site.asked == []


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
    assert download.fetch("tiny", source_of(ZIP), Path("out"), None) == ("official", "Tiny, official files")
    assert files_below(Path("out")) == FILES
    put("tiny.zip", zip_of(JUNK | PHOTOS))
    assert download.fetch("tiny", source_of(replace(FOLDER, url=ZIP.url)), Path("out2"), None)[0] == "official"
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
    download.unpack(Path("data/archives/tiny.zip"), ["set"], Path("out"))
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
    kind, note = download.fetch("tiny", source, Path("out"), None)
    assert (kind, note) == ("unverified", "Tiny, checksum not known, so not verified to be official: set/texts")
    assert files_below(Path("out")) == {"set/texts/a.txt": b"a", "set/texts/more/b.txt": b"b"}
    mirror = mirror_of(files_below(Path("out")), tmp_path / "mirror")
    assert download.fetch("tiny", source, Path("out2"), str(mirror)) == (kind, note)
    assert files_below(Path("out2")) == files_below(Path("out"))
    put(name, pack({"../stolen": b""}))
    assert sentence(source).startswith(f"data/archives/{name} cannot be unpacked (")
    assert not list(tmp_path.rglob("stolen"))


def test_an_archive_with_other_files_than_expected_is_named() -> None:
    put("tiny.tar.gz", other := archive_of(FILES | {"set/one": b"other"}))
    assert sentence(source_of(replace(TINY, md5=md5(other)))).startswith("Tiny: set/one in the archive differ from the official ones: get ")
    put("tiny.tar.gz", other := archive_of({"set/one": FILES["set/one"]}))
    assert sentence(source_of(replace(TINY, md5=md5(other)))).startswith("data/archives/tiny.tar.gz has no set/deep/two: get ")


# Folders


PHOTOS = {"set/photos/1.jpg": b"one", "set/photos/more/2.jpg": b"two"}
JUNK = {"set/photos/Thumbs.db": b"Windows's", "set/photos/more/._2.jpg": b"macOS's", "set/.DS_Store": b"macOS's"}
# As dvc.lock has it: of the list of files, in the order of their names.
ENTRIES = [{"md5": md5(b"one"), "relpath": "1.jpg"}, {"md5": md5(b"two"), "relpath": "more/2.jpg"}]
FOLDER = replace(TINY, md5=None, size=None, files={"set/photos": md5(json.dumps(ENTRIES).encode()) + ".dir"})


def test_a_folder_is_taken_whole_and_without_junk(tmp_path: Path) -> None:
    put("tiny.tar.gz", archive_of(JUNK | PHOTOS | {"set/photos.txt": b"beside it"}))
    assert download.fetch("tiny", source_of(FOLDER), Path("out"), None) == ("official", "Tiny, official files")
    assert files_below(Path("out")) == PHOTOS
    for number, copy in enumerate((PHOTOS, JUNK | PHOTOS)):
        mirror = mirror_of(copy, tmp_path / "mirror")
        found = download.fetch("tiny", source_of(FOLDER), Path(f"out{number}"), str(mirror))
        assert found == ("official", "Tiny, official files")
        assert files_below(Path(f"out{number}")) == PHOTOS


def test_each_file_of_a_mirrors_folder_is_checked(tmp_path: Path) -> None:
    source, mirror = source_of(FOLDER), mirror_of(PHOTOS, tmp_path / "mirror")
    (mirror / "tiny/set/photos/more/2.jpg").write_bytes(b"damaged")
    assert sentence(source, mirror).startswith(f"{mirror}/tiny/set/photos/more/2.jpg differs from the mirror's SHA256SUMS")
    (mirror / "tiny/set/photos/more/2.jpg").unlink()
    assert sentence(source, mirror).startswith(f"the mirror {mirror} lacks tiny/set/photos/more/2.jpg: get ")
    mirror = mirror_of(PHOTOS, tmp_path / "mirror")
    (mirror / "tiny/set/photos/3.jpg").write_bytes(b"three")
    assert sentence(source, mirror).startswith(f"{mirror}/SHA256SUMS does not list tiny/set/photos/3.jpg")
    sign(mirror)
    assert download.fetch("tiny", source, Path("out"), str(mirror))[0] == "altered"
    mirror = mirror_of({"set/other": b""}, tmp_path / "mirror")
    assert sentence(source, mirror).startswith(f"the mirror {mirror} lacks tiny/set/photos: get ")


def test_a_folder_with_other_files_than_expected_is_named() -> None:
    put("tiny.tar.gz", archive_of(PHOTOS | {"set/photos/3.jpg": b"three"}))
    assert sentence(source_of(FOLDER)).startswith("Tiny: set/photos in the archive differ from the official ones: get ")


# Several archives, plain files, what is optional, and what is not known


LABELS = b"1: sky\n2: sea\n"
PLAIN = Archive(f"{NOWHERE}/labels-v2.txt", md5(LABELS), len(LABELS), place="set/labels.txt")


def test_several_archives_and_a_plain_file(site: Site, tmp_path: Path) -> None:
    second = archive_of(PHOTOS | {"set/one": b"what the first archive has"})
    site.more = {"photos.tgz": second, "labels-v2.txt": LABELS}
    urls = [f"{site.address}/{name}" for name in site.more]
    source = source_of(site.archive, replace(FOLDER, url=urls[0], md5=md5(second)), replace(PLAIN, url=urls[1]))
    assert download.fetch("tiny", source, Path("out"), None) == ("official", "Tiny, official files")
    whole = FILES | PHOTOS | {"set/labels.txt": LABELS}
    assert files_below(Path("out")) == whole
    assert files_below(Path("data/archives")) == {"tiny.tar.gz": ARCHIVE, "photos.tgz": second, "labels-v2.txt": LABELS}
    mirror = mirror_of(whole, tmp_path / "mirror")
    assert download.fetch("tiny", source, Path("from mirror"), str(mirror)) == ("official", "Tiny, official files")
    assert files_below(Path("from mirror")) == whole
    # What is missing is named by the archive that has it; of a missing set, all are.
    (mirror / "tiny/set/labels.txt").unlink()
    assert sentence(source, mirror).endswith(f"lacks tiny/set/labels.txt: get {urls[1]} (0 MB, md5 {md5(LABELS)}) {HAND}")
    assert sentence(source, tmp_path).endswith(
        f"has no tiny: get {site.archive.url} (3 MB, md5 {TINY.md5}) and {urls[0]} (md5 {md5(second)}) "
        f"and {urls[1]} (0 MB, md5 {md5(LABELS)}) {HAND.replace('it into', 'them into')}"
    )


def test_what_is_optional_is_taken_where_it_is_there(tmp_path: Path) -> None:
    source = source_of(TINY, optional={"set/photos": "a few photographs", "set/map.png": "a map"})
    put("tiny.tar.gz", with_photos := archive_of(FILES | PHOTOS | JUNK))
    source = replace(source, archives=[replace(TINY, md5=md5(with_photos))])
    assert download.fetch("tiny", source, Path("out"), None) == ("official", "Tiny, official files; set/photos: a few photographs")
    assert files_below(Path("out")) == FILES | PHOTOS
    mirror = mirror_of(FILES | {"set/map.png": b"map"}, tmp_path / "mirror")
    assert download.fetch("tiny", source, Path("out2"), str(mirror)) == ("official", "Tiny, official files; set/map.png: a map")
    assert files_below(Path("out2")) == FILES | {"set/map.png": b"map"}
    (mirror / "tiny/set/map.png").write_bytes(b"damaged")
    assert sentence(source, mirror).startswith(f"{mirror}/tiny/set/map.png differs from the mirror's SHA256SUMS")


UNKNOWN = "checksum not known, so not verified to be official: set/one, set/deep/two"


def test_files_without_a_checksum_are_not_called_official(site: Site, tmp_path: Path) -> None:
    untold = replace(site.archive, md5=None, size=None, files=dict.fromkeys(FILES))
    assert download.fetch("tiny", source_of(untold), Path("out"), None) == ("unverified", f"Tiny, {UNKNOWN}")
    assert files_below(Path("out")) == FILES
    mirror = mirror_of(FILES, tmp_path / "mirror")
    assert download.fetch("tiny", source_of(untold), Path("out2"), str(mirror)) == ("unverified", f"Tiny, {UNKNOWN}")
    # They are, out of an archive with the published checksum, and where they have their own.
    told = replace(site.archive, files=dict.fromkeys(FILES))
    assert download.fetch("tiny", source_of(told), Path("out3"), None)[0] == "official"
    own = replace(site.archive, md5=None, size=None)
    assert download.fetch("tiny", source_of(own), Path("out4"), None)[0] == "official"
    # One file that differs and one that is not known:
    both = replace(untold, files={"set/one": "0" * 32, "set/deep/two": None})
    note = "from a mirror whose files differ from the official ones; checksum not known, so not verified to be official: set/deep/two"
    assert download.fetch("tiny", source_of(both), Path("out5"), str(mirror)) == ("altered", f"Tiny, {note}")
    put("tiny.tar.gz", archive_of({"set/one": FILES["set/one"]}))
    assert sentence(source_of(untold)) == f"data/archives/tiny.tar.gz has no set/deep/two: get {untold.url} {HAND}"


def test_without_a_checksum_the_size_is_compared(site: Site) -> None:
    sized = replace(site.archive, md5=None)
    site.body = b"<html>The file has moved</html>"
    fault = f"it has {len(site.body)} bytes, not {TINY.size}"
    assert sentence(source_of(sized)) == f"what {sized.url} sent is not the published file ({fault}): get {sized.url} (3 MB) {HAND}"
    assert files_below(Path("data/archives")) == {}
    put("tiny.tar.gz", site.body)
    assert sentence(source_of(sized)).startswith(f"data/archives/tiny.tar.gz is truncated or damaged ({fault}): delete it")


@pytest.mark.parametrize("digits", [8, 64])
def test_a_sha256_or_its_beginning(site: Site, tmp_path: Path, digits: int) -> None:
    sum_ = hashlib.sha256(LABELS).hexdigest()[:digits]
    plain = Archive(f"{site.address}/labels-v2.txt", None, None, sum_, place="labels.txt")
    dots = "" if digits == 64 else "..."
    site.more = {"labels-v2.txt": b"other"}
    wrong = sentence(source_of(plain))
    assert wrong.startswith(f"what {plain.url} sent ")
    assert wrong.endswith(f": get {plain.url} (sha256 {sum_}{dots}) {HAND}")
    assert files_below(Path("data/archives")) == {}
    put("labels-v2.txt", b"other")
    assert sentence(source_of(plain)).startswith(
        f"data/archives/labels-v2.txt is truncated or damaged (its sha256 is not {sum_}{dots}): delete it"
    )
    Path("data/archives/labels-v2.txt").unlink()
    site.more = {"labels-v2.txt": LABELS}
    assert download.fetch("tiny", source_of(plain), Path("out"), None) == ("official", "Tiny, official files")
    assert files_below(Path("out")) == {"labels.txt": LABELS}
    mirror = mirror_of({"labels.txt": LABELS}, tmp_path / "mirror")
    assert download.fetch("tiny", source_of(plain), Path("out2"), str(mirror))[0] == "official"


def test_a_mirror_says_what_its_other_files_are(tmp_path: Path) -> None:
    mirror = mirror_of({"set/labels.txt": b"1: sky\r\n"}, tmp_path / "mirror")
    note = "Tiny, from a mirror whose files differ from the official ones"
    for manifest in (None, "no JSON", "[]", '{"other": ""}'):
        if manifest is not None:
            (mirror / "MANIFEST.json").write_text(manifest)
        assert download.fetch("tiny", source_of(PLAIN), Path("out"), str(mirror)) == ("altered", note)
    (mirror / "MANIFEST.json").write_text('{"tiny": "with the line ends of Windows"}')
    assert download.fetch("tiny", source_of(PLAIN), Path("out"), str(mirror)) == (
        "altered", f"{note}; the mirror says: with the line ends of Windows"
    )  # fmt: skip


def test_a_set_that_takes_a_registration_says_how_to_get_it(site: Site, mirror: Path) -> None:
    source = source_of(site.archive, access="after registration at https://tiny.org")
    by_hand = f"get {site.archive.url} (3 MB, md5 {TINY.md5}), after registration at https://tiny.org, {HAND}"
    assert sentence(source) == f"Tiny cannot be fetched by this program: {by_hand}"
    assert site.asked == []
    (mirror / "tiny/set/one").unlink()
    assert sentence(source, mirror) == f"the mirror {mirror} lacks tiny/set/one: {by_hand}"
    put("tiny.tar.gz", ARCHIVE)
    assert download.fetch("tiny", source, Path("out"), None)[0] == "official"
    # What is said of a free download is passed on, too.
    slow = source_of(replace(TINY, url=f"{NOWHERE}/2.tgz"), access="free download (slow)")
    assert sentence(slow).endswith(f"get {NOWHERE}/2.tgz (3 MB, md5 {TINY.md5}), free download (slow), {HAND}")


# The stage, and the entries of sources.yaml


def entries() -> dict[str, Source]:
    return {name: Source(**entry) for name, entry in yaml.safe_load((REPOSITORY / "workflow/sources.yaml").read_text()).items()}


def test_every_source_says_all_that_is_needed() -> None:
    assert set(entries()) == set(download.MINIATURES)
    names = []
    for name, source in entries().items():
        assert source.page.startswith("https://"), name
        assert source.licence
        assert source.access
        for archive in source.archives:
            names += [archive.name]
            assert archive.url.startswith("https://" if source.access.startswith(download.FREE) else ("https://", "ftp://")), name
            assert archive.size is None or archive.size > 0
            assert bool(archive.place) != bool(archive.files or source.optional)
            sums = [archive.md5, *archive.files.values()]
            assert all(len(text.removesuffix(".dir")) == 32 and int(text.removesuffix(".dir"), 16) for text in sums if text is not None)
            assert archive.sha256 is None or (len(archive.sha256) in (8, 64) and int(archive.sha256, 16))
    assert len(names) == len(set(names))  # data/archives is one folder


def torchvision_text(file: str) -> str:
    found = importlib.util.find_spec("torchvision")  # its text, for importing it takes seconds
    assert found is not None
    return Path(str(found.origin)).with_name(file.split("/")[0]).joinpath(file.split("/")[1]).read_text()


def test_torchvision_knows_the_same_voc() -> None:
    tree = ast.parse(torchvision_text("datasets/voc.py"))
    (years,) = (node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DATASET_YEAR_DICT")
    assert isinstance(years, ast.Dict)
    (year,) = (value for key, value in zip(years.keys, years.values, strict=True) if ast.unparse(key) == "'2010'")  # type: ignore[arg-type]
    assert isinstance(year, ast.Dict)
    facts = {ast.unparse(key): ast.unparse(value) for key, value in zip(year.keys, year.values, strict=True)}  # type: ignore[arg-type]
    voc = entries()["pascal_context"].archives[0]
    assert (repr(voc.url), repr(voc.md5)) == (facts["'url'"], facts["'md5'"])


@pytest.mark.parametrize(
    ("name", "file"),
    [("vgg16", "vgg"), ("vgg19", "vgg"), ("alexnet", "alexnet"), ("squeezenet1_1", "squeezenet")],
)
def test_torchvision_knows_the_same_weights(name: str, file: str) -> None:
    (archive,) = entries()[name].archives
    assert f'url="{archive.url}"' in torchvision_text(f"models/{file}.py")
    assert archive.name.endswith(f"-{archive.sha256}.pth")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bsds500", ("official", "BSDS500, official files")),
        ("vgg16", ("altered", "VGG-16, convolutions, from a mirror whose files differ from the official ones")),
        ("squeezenet1_1", ("altered", "SqueezeNet 1.1, from a mirror whose files differ from the official ones")),
        (
            "smvs_dvd",
            (
                "unverified",
                "Stanford Mobile Visual Search, DVD covers, checksum not known, so not verified to be official: "
                "dvd_covers/Canon, dvd_covers/Droid, dvd_covers/E63, dvd_covers/Palm, dvd_covers/Reference",
            ),
        ),
    ],
)
def test_real_data_from_a_mirror(name: str, expected: tuple[str, str]) -> None:
    if not (MIRROR / name).is_dir():
        pytest.skip(f"there is no mirror with {name}: {MIRROR}")
    kind, note = download.fetch(name, entries()[name], Path("out"), str(MIRROR))
    assert (kind, note.split(";")[0]) == expected
    if name == "bsds500":
        assert "gPb-owt-ucm: maps of train and test" in note
        assert {path.relative_to("out").as_posix() for path in Path("out").glob("*/*")} == {
            "BSR/BSDS500",
            "gPb-owt-ucm/train",
            "gPb-owt-ucm/test",
        }
        assert files.md5(Path("out/BSR/BSDS500/data/images")) == entries()[name].archives[0].files["BSR/BSDS500/data/images"]
    elif name == "smvs_dvd":
        assert len(files_below(Path("out"))) == 500
        assert "shrunk to 320 px" in note  # as the mirror says
    else:
        assert files_below(Path("out")).keys() == {entries()[name].archives[0].place}


@pytest.mark.parametrize(("name", "kind"), [("cifar10", "CIFAR10"), ("cifar100", "CIFAR100")])
def test_torchvision_knows_the_same_archives_and_files(name: str, kind: str) -> None:
    tree = ast.parse(torchvision_text("datasets/cifar.py"))
    facts = {}
    for parent in ("CIFAR10", kind):  # CIFAR100 is a CIFAR10 with other values
        (body,) = (node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == parent)
        facts |= {node.targets[0].id: ast.literal_eval(node.value) for node in body if isinstance(node, ast.Assign)}  # type: ignore[attr-defined]
    (archive,) = entries()[name].archives
    assert (archive.url, archive.md5) == (facts["url"], facts["tgz_md5"])
    listed = [*facts["train_list"], *facts["test_list"], [facts["meta"]["filename"], facts["meta"]["md5"]]]
    assert archive.files == {f"{facts['base_folder']}/{file}": checksum for file, checksum in listed}


def test_the_stage_says_where_the_bytes_are_from(mirror: Path, project: Path) -> None:
    shutil.copytree(REPOSITORY / "stages", project / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(REPOSITORY / "workflow", project / "workflow", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-m", "workflow.code"], check=True)
    shutil.move(mirror / "tiny", mirror / "cifar10")
    (mirror / "SHA256SUMS").write_text((mirror / "SHA256SUMS").read_text().replace("tiny/", "cifar10/"))
    declared = {
        "name": "download@cifar10",
        "deps": ["reports/code/download.json"],
        "outs": ["data/real/sources/cifar10"],
        "params": {"scale": "real", "data": {"origin": "official"}, "sources": {"cifar10": asdict(SOURCE)}},
    }
    Path("data").mkdir()
    Path("data/graph.json").write_text(json.dumps({"made_from": {}, "stages": {"python -m stages.download cifar10": declared}}))
    command = [sys.executable, "-m", "stages.download", "cifar10"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"THESIS_MIRROR": str(mirror)})
    assert (done.returncode, done.stderr) == (0, "")
    provenance = Path("data/real/sources/cifar10/provenance.json")
    assert json.loads(provenance.read_text()) == {"dataset": "cifar10", "kind": "official", "note": "Tiny, official files"}
    assert files_below(provenance.parent) == FILES | {"provenance.json": provenance.read_bytes()}
    # The official way, with neither a site nor an archive:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if not line.startswith("Downloading data from ")]
    assert errors == [f"error: Tiny could not be downloaded (ConnectionError): get {TINY.url} (3 MB, md5 {TINY.md5}) {HAND}"]
    assert not list(Path().rglob("*.partial*"))
