"""Downloads: from a mirror, from an official site (here on the loopback), from an archive placed by hand."""

import ast
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
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY

from stages import download
from stages.core.errors import UserError
from stages.download import Source

FILES = {"set/one": b"first file\n", "set/deep/two": random.Random(0).randbytes(3 << 20)}
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


ARCHIVE = archive_of(FILES | {"set/readme.html": b"not listed"})
SOURCE = Source(
    title="Tiny",
    page="",
    url="http://127.0.0.1:1/files/tiny.tar.gz",  # nobody listens on port 1
    md5=md5(ARCHIVE),
    size=len(ARCHIVE),
    licence="none",
    access="free",
    files={name: md5(data) for name, data in FILES.items()},
)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "project/out").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.delenv("THESIS_MIRROR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "project"


def files_below(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def sentence(source: Source, mirror: Path | None = None) -> str:
    """What the user is told when a fetch fails."""
    with pytest.raises(UserError) as caught:
        download.fetch("tiny", source, Path("out"), str(mirror) if mirror else None)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# From a mirror


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    mirror = tmp_path / "mirror"
    for name, data in FILES.items():
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
    by_hand = f"get {SOURCE.url} (3 MB, md5 {SOURCE.md5}) {HAND}"
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
    """Sends `body`; cuts the connection after `stop_at` bytes of it; understands Range where `ranges` says so."""

    body = ARCHIVE
    stop_at: int | None = None
    ranges = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[tuple[str, str | None]] = []
        self.source = replace(SOURCE, url=f"http://127.0.0.1:{self.server_port}/files/tiny.tar.gz")


class Answer(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        site, wanted = self.server, self.headers.get("Range")
        site.asked.append((self.path, wanted))
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and site.ranges else 0
        if self.path != "/files/tiny.tar.gz":
            self.send_error(404)
            return
        if start >= len(site.body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(site.body) - start))
        self.end_headers()
        self.wfile.write(site.body[start : site.stop_at])

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
        f"what {site.source.url} sent does not have the md5 {SOURCE.md5}: get {site.source.url} (3 MB, md5 {SOURCE.md5}) {HAND}"
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
    assert broken.endswith(f"get {site.source.url} (3 MB, md5 {SOURCE.md5}) {HAND}")
    assert files_below(Path("out")) == {}
    assert files_below(Path("data/archives")) == {"tiny.tar.gz.part": ARCHIVE[: 2 << 20]}
    site.stop_at = None
    download.fetch("tiny", site.source, Path("out"), None)
    assert files_below(Path("out")) == FILES
    assert files_below(Path("data/archives")) == {"tiny.tar.gz": ARCHIVE}
    assert site.asked == [("/files/tiny.tar.gz", None), ("/files/tiny.tar.gz", f"bytes={2 << 20}-")]


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
    assert sentence(SOURCE) == f"Tiny could not be downloaded (ConnectionError): get {SOURCE.url} (3 MB, md5 {SOURCE.md5}) {HAND}"
    assert files_below(Path("data/archives")) == {}
    # So done:
    Path("data/archives/tiny.tar.gz").write_bytes(ARCHIVE)
    assert download.fetch("tiny", SOURCE, Path("out"), None)[0] == "official"
    assert files_below(Path("out")) == FILES


def test_an_answer_that_is_no_file_is_named(site: Site) -> None:
    moved = replace(site.source, url=site.source.url.replace("files", "old"))
    assert sentence(moved).startswith("Tiny could not be downloaded (404): get ")


def test_a_damaged_archive_placed_by_hand_is_named_and_kept(site: Site) -> None:
    Path("data/archives").mkdir(parents=True)
    Path("data/archives/tiny.tar.gz").write_bytes(ARCHIVE[:-5])
    assert sentence(site.source).startswith(
        f"data/archives/tiny.tar.gz is truncated or damaged (its md5 is not {SOURCE.md5}): delete it and run again, or get "
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
    Path("data/archives").mkdir(parents=True)
    Path("data/archives/tiny.tar.gz").write_bytes(archive)
    assert sentence(replace(SOURCE, md5=md5(archive))).startswith("data/archives/tiny.tar.gz cannot be unpacked (")
    assert not list(project.parent.rglob("stolen"))
    assert not Path("out/set/one").is_symlink()


@pytest.mark.parametrize("archive", [b"no archive", ARCHIVE[:-300], ARCHIVE[:20]], ids=["text", "end cut off", "nearly all cut off"])
def test_an_archive_that_cannot_be_unpacked_is_named(archive: bytes) -> None:
    Path("data/archives").mkdir(parents=True)
    Path("data/archives/tiny.tar.gz").write_bytes(archive)
    assert sentence(replace(SOURCE, md5=md5(archive))).startswith("data/archives/tiny.tar.gz cannot be unpacked (")


def test_an_archive_with_other_files_than_expected_is_named() -> None:
    other = archive_of({"set/one": b"other"})
    Path("data/archives").mkdir(parents=True)
    Path("data/archives/tiny.tar.gz").write_bytes(other)
    assert sentence(replace(SOURCE, md5=md5(other))).startswith(
        "Tiny: set/one, set/deep/two in the archive differ from the official ones: get "
    )


# The stage, and the entries of sources.yaml


def test_every_source_says_all_that_is_needed() -> None:
    sources = yaml.safe_load((REPOSITORY / "workflow/sources.yaml").read_text())
    for name, entry in sources.items():
        source = Source(**entry)
        assert source.url.startswith("https://"), name
        sums = [source.md5, *source.files.values()]
        assert [text for text in sums if len(text) != 32 or set(text) - set("0123456789abcdef")] == []
        assert source.size > 0
        assert source.licence


@pytest.mark.parametrize(("name", "kind"), [("cifar10", "CIFAR10"), ("cifar100", "CIFAR100")])
def test_torchvision_knows_the_same_archives_and_files(name: str, kind: str) -> None:
    found = importlib.util.find_spec("torchvision")  # its text, for importing it takes seconds
    assert found is not None
    tree = ast.parse(Path(str(found.origin)).with_name("datasets").joinpath("cifar.py").read_text())
    facts = {}
    for parent in ("CIFAR10", kind):  # CIFAR100 is a CIFAR10 with other values
        (body,) = (node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == parent)
        facts |= {node.targets[0].id: ast.literal_eval(node.value) for node in body if isinstance(node, ast.Assign)}  # type: ignore[attr-defined]
    source = Source(**yaml.safe_load((REPOSITORY / "workflow/sources.yaml").read_text())[name])
    assert (source.url, source.md5) == (facts["url"], facts["tgz_md5"])
    listed = [*facts["train_list"], *facts["test_list"], [facts["meta"]["filename"], facts["meta"]["md5"]]]
    assert source.files == {f"{facts['base_folder']}/{file}": checksum for file, checksum in listed}


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
        "params": {"scale": "real", "data": {"origin": "official"}, "sources": {"cifar10": vars(SOURCE)}},
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
    assert errors == [f"error: Tiny could not be downloaded (ConnectionError): get {SOURCE.url} (3 MB, md5 {SOURCE.md5}) {HAND}"]
    assert not list(Path().rglob("*.partial"))
