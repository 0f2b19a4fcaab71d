"""What goes wrong with `stages.ch4_deepindex.index` and `.search` in life: odd pictures, bad requests, damaged indices."""

import json
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from index_world import (
    NAMES,
    WORDS,
    build,
    ended,
    fails,
    index_words,
    make,
    search,
    search_words,
    untouched,
)
from PIL import Image

from stages.ch4_deepindex import index as indexing
from stages.ch4_deepindex import search as searching
from stages.ch4_deepindex import store
from stages.miniatures.alexnet import write as write_alexnet


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("world"))


# Odd pictures


@pytest.fixture
def odd(world: Path, tmp_path: Path) -> Path:
    """Three usual pictures, some of odd kinds, and some that are none."""
    folder = tmp_path / "odd"
    (folder / "deeper").mkdir(parents=True)
    for number in (0, 4, 8):
        shutil.copy(world / "pictures" / NAMES[number], folder / f"usual{number}.jpg")
    views = [Image.open(world / "pictures" / NAMES[number]).convert("RGB") for number in (12, 16, 17, 18)]
    views[0].convert("L").save(folder / "grey.PNG")
    views[1].convert("CMYK").save(folder / "deeper/print.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    views[2].rotate(90, expand=True).save(folder / "turned.png", exif=exif)
    views[2].save(tmp_path / "upright.png")
    views[3].save(folder / "moving.gif", save_all=True, append_images=views[:2])
    # Its metadata are cut short.
    views[3].resize((50, 40)).save(folder / "small.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\x03\0\x12\x01\x03\0\x01\0")
    (folder / "cut.jpg").write_bytes((folder / "usual0.jpg").read_bytes()[:700])
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    (folder / "letter.jpg").write_text("Dear Jane,\n")
    (folder / "page.jpg").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 60 60\n%%EndComments\nshowpage\n%%EOF\n")
    (folder / "drawing.eps").touch()
    (folder / "deeper/empty.png").touch()
    (folder / "film.mov").touch()
    (folder / "notes.txt").touch()
    return folder


def test_odd_pictures_are_indexed_and_bad_ones_reported(
    world: Path, odd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    assert ended(indexing, index_words(world, tmp_path / "index", pictures=odd)) == 0
    done = capsys.readouterr()
    assert done.out == f"{tmp_path / 'index'}: 8 pictures, {WORDS} words a layer, 5 skipped\n"
    lines = done.err.splitlines()
    assert lines[0] == "no pictures by their names: 1 .eps, 1 .mov, 1 .txt"
    reasons = {"cut.jpg": "truncated", "deeper/empty.png": "known format", "dot.png": "1 x 1 pixels", "letter.jpg": "known format"}
    reasons["page.jpg"] = "known format"
    for line, (name, reason) in zip(lines[1:], reasons.items(), strict=True):
        assert line.startswith(f"skipped: {odd / name} ") and reason in line
    assert not recwarn.list
    names = store.open_index(tmp_path / "index").names
    usual = ["usual0.jpg", "usual4.jpg", "usual8.jpg"]
    assert names == ["deeper/print.jpg", "grey.PNG", "moving.gif", "small.jpg", "turned.png", *usual]
    answers = search(world, tmp_path / "index", *(odd / name for name in names), tmp_path / "upright.png")
    assert [answer[0][0] for answer in answers] == [*names, "turned.png"]


def test_a_bad_query_is_reported_and_the_others_answered(world: Path, odd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = [world / "pictures" / NAMES[0], odd / "dot.png", odd / "letter.jpg", odd / "page.jpg", world / "pictures" / NAMES[9]]
    assert ended(searching, search_words(world, world / "1d", *images, "--top", 1)) == 1
    done = capsys.readouterr()
    assert [line.split()[-1] for line in done.out.splitlines()] == [f"{images[0]}:", NAMES[0], f"{images[4]}:", NAMES[9]]
    said = done.err.splitlines()
    assert said == [
        f"error: {odd / 'dot.png'} gives no patches: 1 x 1 pixels are not 3 x 3, a patch for each",
        f"error: {odd / 'letter.jpg'} cannot be read: it is no picture of a known format",
        f"error: {odd / 'page.jpg'} cannot be read: it is no picture of a known format",
    ]


# Bad input


def spoil(*words: object) -> Callable[[Path, Path], list[str]]:
    return lambda world, tmp_path: index_words(world, tmp_path / "index", *words)


def pictures(fill: Callable[[Path], object], *words: object) -> Callable[[Path, Path], list[str]]:
    """A folder of pictures which `fill` fills."""

    def prepared(world: Path, tmp_path: Path) -> list[str]:
        (tmp_path / "pictures").mkdir()
        fill(tmp_path / "pictures")
        return index_words(world, tmp_path / "index", *words, pictures=tmp_path / "pictures")

    return prepared


def occupied(name: str) -> Callable[[Path, Path], list[str]]:
    """INDEX is a copy of an index with one file more."""

    def prepared(world: Path, tmp_path: Path) -> list[str]:
        shutil.copytree(world / "1d", tmp_path / "index")
        (tmp_path / "index" / name).write_text("dear to me")
        return index_words(world, tmp_path / "index")

    return prepared


def file_as_index(world: Path, tmp_path: Path) -> list[str]:
    (tmp_path / "index").write_text("dear to me")
    return index_words(world, tmp_path / "index")


def file_above_index(world: Path, tmp_path: Path) -> list[str]:
    (tmp_path / "file").touch()
    return index_words(world, tmp_path / "file/index")


def other_network(world: Path, tmp_path: Path) -> list[str]:
    (tmp_path / "weights/alexnet").mkdir(parents=True)
    shutil.copy(world / "weights/vgg19/vgg19.pth", tmp_path / "weights/alexnet/alexnet.pth")
    return index_words(world, tmp_path / "index", "--weights", tmp_path / "weights")


def two_bad(folder: Path) -> None:
    (folder / "a.jpg").write_text("no picture")
    (folder / "b.jpg").touch()


def two_small(folder: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (30, 30), "red").save(folder / name)
    (folder / "c.png").touch()


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda world, tmp_path: index_words(world, tmp_path / "index", pictures=tmp_path / "none"), "none is no folder"),
        (pictures(lambda folder: (folder / "notes.txt").touch()), "has no pictures"),
        (pictures(two_bad, "--words", 3), "none of the 2 pictures in"),
        (pictures(two_bad), "--words 20 are more than|none of the 2 pictures"),
        (pictures(two_small, "--words", 40), "--words 40 are more than the 28 patches"),
        (spoil("--words", 281), "--words 281 are more than the 280 patches"),
        (spoil("--training", 1), "--words 20 are more than the 14 patches"),
        (spoil("--words", 0), "--words is 0: it must be 1 or more"),
        (spoil("--shard", 0), "--shard is 0"),
        (spoil("--size", 32), "--size is 32: it must be 64 or more"),
        (spoil("--threads", 0), "--threads is 0"),
        (spoil("--dimensions", -1), "--dimensions is -1"),
        (spoil("--layers", "alexnet.fc8"), "there is no alexnet.fc8; there are alexnet.fc6, "),
        (spoil("--layers", "fc6"), "there is no fc6"),
        (spoil("--layers", "alexnet.fc6", "alexnet.fc7", "vgg19.fc18"), "--layers names 3"),
        (spoil("--layers", "alexnet.fc6", "alexnet.fc6"), "alexnet.fc6 twice"),
        (spoil("--signature", "pq", "--dimensions", 12), "a multiple of 8"),
        (spoil("--signature", "pq", "--training", 18), "256 patches or more"),
        (occupied("notes.txt"), "is no index, or not only that, for it has notes.txt"),
        (occupied(".git"), "for it has .git"),
        (file_as_index, "exists and is no folder"),
        (file_above_index, "file: File exists|file: Not a directory"),
        (other_network, "alexnet.pth does not hold the weights of alexnet"),
    ],
)  # fmt: skip
def test_a_bad_request_is_one_sentence_and_leaves_nothing(
    world: Path, tmp_path: Path, prepare: Callable[[Path, Path], list[str]], says: str
) -> None:
    words = prepare(world, tmp_path)
    with untouched(tmp_path):
        said = fails(indexing, words)
    assert any(each in said for each in says.split("|")), said


def test_a_disk_that_is_too_small_is_noticed_at_the_first_picture(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = namedtuple("space", "total used free")
    needed = 2 * 14 * 32 * len(NAMES)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: space(0, 0, needed - 1))
    with untouched(tmp_path):
        assert "pictures need 0.0 GB" in fails(indexing, index_words(world, tmp_path / "index"))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: space(0, 0, needed))
    build(world, tmp_path / "index")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--top", 0], "--top, --assignments and --threads must be 1 or more"),
        (["--assignments", 0], "--top, --assignments"),
        (["--alpha", -1], "--alpha 0 or more"),
        (["--alpha", "nan"], "--alpha 0 or more"),
        (["--threads", 0], "--threads must be 1 or more"),
        (["no.jpg"], "there is no file no.jpg"),
    ],
)
def test_a_bad_question_is_one_sentence(world: Path, words: list[object], says: str) -> None:
    assert says in fails(searching, search_words(world, world / "1d", world / "pictures" / NAMES[0], *words))


def test_an_index_without_signatures_is_searched_without(world: Path, tmp_path: Path) -> None:
    image = world / "pictures" / NAMES[0]
    build(world, tmp_path / "index", "--signature", "none")
    assert "has no signatures: search it with --alpha 0" in fails(searching, search_words(world, tmp_path / "index", image))
    assert search(world, tmp_path / "index", image, "--alpha", 0) == search(world, world / "1d", image, "--alpha", 0)


def test_other_weights_of_the_encoder_are_refused(world: Path, tmp_path: Path) -> None:
    write_alexnet(tmp_path / "alexnet", widths=[8] * 5, fc=32, seed=1)
    words = search_words(world, world / "1d", world / "pictures" / NAMES[0], "--weights", tmp_path)
    assert f"made with other weights of alexnet than {tmp_path / 'alexnet/alexnet.pth'}" in fails(searching, words)


def edit(file: Path, **values: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def cut(file: Path, end: int = -1) -> None:
    file.write_bytes(file.read_bytes()[:end])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda index: shutil.rmtree(index), "is no index, it has no index.json: make one with"),
        (lambda index: edit(index / "index.json", version=0), "of version 0, and this program reads version 1"),
        (lambda index: cut(index / "index.json", 50), "index.json is damaged"),
        (lambda index: (index / "index.json").write_text("[]"), "index.json is damaged"),
        (lambda index: edit(index / "index.json", layers=3), "is damaged"),
        (lambda index: edit(index / "index.json", layers=[{"name": "fc6"}]), "is damaged"),
        (lambda index: edit(index / "index.json", shards=2), "shard-00001"),
        (lambda index: (index / "names.json").unlink(), "names.json"),
        (lambda index: (index / "names.json").write_text("[]"), "names.json differ"),
        (lambda index: (index / "layer-0/codebook.npy").unlink(), "codebook.npy"),
        (lambda index: cut(index / "layer-0/codebook.npy"), "is damaged"),
        (lambda index: cut(index / "layer-1/pca.npz", -100), "is damaged"),
        (lambda index: cut(index / "shard-00000/images.npy"), "shard-00000/images.npy"),
        (lambda index: cut(index / "shard-00000/counts.npy", 0), "shard-00000/counts.npy"),
        (lambda index: (index / "shard-00000/columns.npy").unlink(), "columns.npy"),
        (lambda index: cut(index / "shard-00000/signature-1.npy", 20), "signature-1.npy"),
        (lambda index: np.save(index / "shard-00000/images.npy", np.zeros(9, np.uint8)), "arrays of shard-00000 do not belong together"),
        (lambda index: (index / "shard-00000/size.json").write_text("7"), "arrays of shard-00000 do not belong together"),
    ],
)  # fmt: skip
def test_a_damaged_index_is_one_sentence(world: Path, tmp_path: Path, damage: Callable[[Path], object], says: str) -> None:
    shutil.copytree(world / "inter", tmp_path / "index")
    damage(tmp_path / "index")
    said = fails(searching, search_words(world, tmp_path / "index", world / "pictures" / NAMES[0]))
    assert says in said and said.endswith(("make the index again", f"PICTURES -o {tmp_path / 'index'}`")), said
