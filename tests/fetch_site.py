"""A data set of two files, and whence it is fetched: an archive, a mirror, a site on the loopback."""

import gzip
import hashlib
import io
import json
import os
import random
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import UserError
from stages.datasets import fetch as fetching
from stages.datasets.fetch import Archive, Source

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
# A folder, and what other systems leave in one.
PHOTOS = {"set/photos/1.jpg": b"one", "set/photos/more/2.jpg": b"two"}
JUNK = {"set/photos/Thumbs.db": b"Windows's", "set/photos/more/._2.jpg": b"macOS's", "set/.DS_Store": b"macOS's"}
# As dvc.lock has it: of the list of files, in the order of their names.
ENTRIES = [{"md5": md5(b"one"), "relpath": "1.jpg"}, {"md5": md5(b"two"), "relpath": "more/2.jpg"}]
FOLDER = replace(TINY, md5=None, size=None, files={"set/photos": md5(json.dumps(ENTRIES).encode()) + ".dir"})


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
        fetching.fetch("tiny", source, Path("out"), str(mirror) if mirror else None)
    assert "\n" not in str(caught.value)
    return str(caught.value)


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
