"""What is fetched of a data set: from a mirror, from an official site (here on the loopback), and what is then said of it."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import REPOSITORY
from fetch_site import (  # noqa: F401 - fixtures
    ARCHIVE,
    FILES,
    FOLDER,
    HAND,
    JUNK,
    MIRROR,
    NOWHERE,
    PHOTOS,
    SOURCE,
    TINY,
    Site,
    archive_of,
    files_below,
    md5,
    mirror,
    mirror_of,
    project,
    put,
    sentence,
    sign,
    site,
    source_of,
)

from stages.core import files
from stages.datasets import fetch as fetching
from stages.datasets.fetch import Archive, Source
from workflow import sources

# ruff: noqa: F811 - fixtures are asked for by name


@pytest.mark.parametrize("style", ["{sum}  {name}\n", "{sum} *{name}\n", "{sum}  ./{name}\n"])
def test_a_mirror_of_official_files(mirror: Path, style: str) -> None:
    sign(mirror, style)
    assert fetching.fetch("tiny", SOURCE, Path("out"), str(mirror)) == ("official", "Tiny, official files")
    assert files_below(Path("out")) == FILES


def test_a_mirror_whose_files_are_not_the_official_ones(mirror: Path) -> None:
    (mirror / "tiny/set/one").write_bytes(b"altered\n")
    sign(mirror)
    kind, note = fetching.fetch("tiny", SOURCE, Path("out"), str(mirror))
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
    assert fetching.fetch("tiny", SOURCE, Path("out"), "../mirror")[0] == "official"
    Path("data").mkdir()
    shutil.move(mirror, "data/archives")
    shutil.rmtree("out")
    assert fetching.fetch("tiny", SOURCE, Path("out"), "data/archives")[0] == "official"


def test_the_official_archive(site: Site) -> None:
    assert fetching.fetch("tiny", site.source, Path("out"), None) == ("official", "Tiny, official files")
    assert files_below(Path("out")) == FILES  # and no readme.html, which a mirror would not have
    assert files_below(Path("data/archives")) == {"tiny.tar.gz": ARCHIVE}
    shutil.rmtree("out")
    fetching.fetch("tiny", site.source, Path("out"), None)
    assert files_below(Path("out")) == FILES
    assert len(site.asked) == 1  # the archive is kept


def test_a_wrong_checksum_is_named_and_nothing_stays(site: Site) -> None:
    site.body = b"<html>The file has moved</html>"
    assert sentence(site.source) == (
        f"what {site.archive.url} sent does not have the md5 {TINY.md5}: get {site.archive.url} (3 MB, md5 {TINY.md5}) {HAND}"
    )
    assert files_below(Path("data/archives")) == {}
    site.body = ARCHIVE
    fetching.fetch("tiny", site.source, Path("out"), None)
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
    fetching.fetch("tiny", site.source, Path("out"), None)
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
    fetching.fetch("tiny", site.source, Path("out"), None)
    assert files_below(Path("out")) == FILES
    assert files_below(Path("data/archives")) == {"tiny.tar.gz": ARCHIVE}


def test_offline_says_what_to_get_and_where_to_put_it() -> None:
    assert sentence(SOURCE) == f"Tiny could not be downloaded (ConnectionError): get {TINY.url} (3 MB, md5 {TINY.md5}) {HAND}"
    assert files_below(Path("data/archives")) == {}
    # So done:
    put("tiny.tar.gz", ARCHIVE)
    assert fetching.fetch("tiny", SOURCE, Path("out"), None)[0] == "official"
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


def test_a_folder_is_taken_whole_and_without_junk(tmp_path: Path) -> None:
    put("tiny.tar.gz", archive_of(JUNK | PHOTOS | {"set/photos.txt": b"beside it"}))
    assert fetching.fetch("tiny", source_of(FOLDER), Path("out"), None) == ("official", "Tiny, official files")
    assert files_below(Path("out")) == PHOTOS
    for number, copy in enumerate((PHOTOS, JUNK | PHOTOS)):
        mirror = mirror_of(copy, tmp_path / "mirror")
        found = fetching.fetch("tiny", source_of(FOLDER), Path(f"out{number}"), str(mirror))
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
    assert fetching.fetch("tiny", source, Path("out"), str(mirror))[0] == "altered"
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
    assert fetching.fetch("tiny", source, Path("out"), None) == ("official", "Tiny, official files")
    whole = FILES | PHOTOS | {"set/labels.txt": LABELS}
    assert files_below(Path("out")) == whole
    assert files_below(Path("data/archives")) == {"tiny.tar.gz": ARCHIVE, "photos.tgz": second, "labels-v2.txt": LABELS}
    mirror = mirror_of(whole, tmp_path / "mirror")
    assert fetching.fetch("tiny", source, Path("from mirror"), str(mirror)) == ("official", "Tiny, official files")
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
    assert fetching.fetch("tiny", source, Path("out"), None) == ("official", "Tiny, official files; set/photos: a few photographs")
    assert files_below(Path("out")) == FILES | PHOTOS
    mirror = mirror_of(FILES | {"set/map.png": b"map"}, tmp_path / "mirror")
    assert fetching.fetch("tiny", source, Path("out2"), str(mirror)) == ("official", "Tiny, official files; set/map.png: a map")
    assert files_below(Path("out2")) == FILES | {"set/map.png": b"map"}
    (mirror / "tiny/set/map.png").write_bytes(b"damaged")
    assert sentence(source, mirror).startswith(f"{mirror}/tiny/set/map.png differs from the mirror's SHA256SUMS")


UNKNOWN = "checksum not known, so not verified to be official: set/one, set/deep/two"


def test_files_without_a_checksum_are_not_called_official(site: Site, tmp_path: Path) -> None:
    untold = replace(site.archive, md5=None, size=None, files=dict.fromkeys(FILES))
    assert fetching.fetch("tiny", source_of(untold), Path("out"), None) == ("unverified", f"Tiny, {UNKNOWN}")
    assert files_below(Path("out")) == FILES
    mirror = mirror_of(FILES, tmp_path / "mirror")
    assert fetching.fetch("tiny", source_of(untold), Path("out2"), str(mirror)) == ("unverified", f"Tiny, {UNKNOWN}")
    # They are, out of an archive with the published checksum, and where they have their own.
    told = replace(site.archive, files=dict.fromkeys(FILES))
    assert fetching.fetch("tiny", source_of(told), Path("out3"), None)[0] == "official"
    own = replace(site.archive, md5=None, size=None)
    assert fetching.fetch("tiny", source_of(own), Path("out4"), None)[0] == "official"
    # One file that differs and one that is not known:
    both = replace(untold, files={"set/one": "0" * 32, "set/deep/two": None})
    note = "from a mirror whose files differ from the official ones; checksum not known, so not verified to be official: set/deep/two"
    assert fetching.fetch("tiny", source_of(both), Path("out5"), str(mirror)) == ("altered", f"Tiny, {note}")
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
    assert fetching.fetch("tiny", source_of(plain), Path("out"), None) == ("official", "Tiny, official files")
    assert files_below(Path("out")) == {"labels.txt": LABELS}
    mirror = mirror_of({"labels.txt": LABELS}, tmp_path / "mirror")
    assert fetching.fetch("tiny", source_of(plain), Path("out2"), str(mirror))[0] == "official"


def test_a_mirror_says_what_its_other_files_are(tmp_path: Path) -> None:
    mirror = mirror_of({"set/labels.txt": b"1: sky\r\n"}, tmp_path / "mirror")
    note = "Tiny, from a mirror whose files differ from the official ones"
    for manifest in (None, "no JSON", "[]", '{"other": ""}'):
        if manifest is not None:
            (mirror / "MANIFEST.json").write_text(manifest)
        assert fetching.fetch("tiny", source_of(PLAIN), Path("out"), str(mirror)) == ("altered", note)
    (mirror / "MANIFEST.json").write_text('{"tiny": "with the line ends of Windows"}')
    assert fetching.fetch("tiny", source_of(PLAIN), Path("out"), str(mirror)) == (
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
    assert fetching.fetch("tiny", source, Path("out"), None)[0] == "official"
    # One at no address, of a set that is else free.
    made = source_of(replace(TINY, url="made.tgz"), access="free download, but for what one makes")
    assert sentence(made).endswith(f"by this program: get made.tgz (3 MB, md5 {TINY.md5}), free download, but for what one makes, {HAND}")
    # What is said of a free download is passed on, too.
    slow = source_of(replace(TINY, url=f"{NOWHERE}/2.tgz"), access="free download (slow)")
    assert sentence(slow).endswith(f"get {NOWHERE}/2.tgz (3 MB, md5 {TINY.md5}), free download (slow), {HAND}")


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
    entry = Source.of(sources.load(REPOSITORY / "workflow/sources.yaml")[name])
    kind, note = fetching.fetch(name, entry, Path("out"), str(MIRROR))
    assert (kind, note.split(";")[0]) == expected
    if name == "bsds500":
        assert "gPb-owt-ucm: maps of train and test" in note
        assert {path.relative_to("out").as_posix() for path in Path("out").glob("*/*")} == {
            "BSR/BSDS500",
            "gPb-owt-ucm/train",
            "gPb-owt-ucm/test",
        }
        assert files.md5(Path("out/BSR/BSDS500/data/images")) == entry.archives[0].files["BSR/BSDS500/data/images"]
    elif name == "smvs_dvd":
        assert len(files_below(Path("out"))) == 500
        assert "shrunk to 320 px" in note  # as the mirror says
    else:
        assert files_below(Path("out")).keys() == {entry.archives[0].place}
