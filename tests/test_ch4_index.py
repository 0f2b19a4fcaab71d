"""`stages.ch4_deepindex.index` and `.search` on a small folder: what is found, what lies on the disk, and what goes wrong in life."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from conftest import PATIENCE, REPOSITORY
from PIL import Image

from stages.ch4_deepindex import index as indexing
from stages.ch4_deepindex import search as searching
from stages.ch4_deepindex import store
from stages.ch4_deepindex.patches import BadPicture
from stages.ch4_deepindex.retrieve import Settings
from stages.core.errors import UserError
from stages.core.files import sha256
from stages.core.runtime import Runtime
from stages.miniatures.alexnet import write as write_alexnet
from stages.miniatures.ukb import VIEWS
from stages.miniatures.ukb import write as write_ukb
from stages.miniatures.vgg19 import write as write_vgg19

OBJECTS, WORDS, SIZE, DIMENSIONS = 5, 20, 64, 16
ONE = ("alexnet.fc6",)
NAMES = [f"full/ukbench{number:05d}.jpg" for number in range(VIEWS * OBJECTS)]
RUNTIME = Runtime("cpu", 1, "fp32")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, weights, and an index of each kind: 1d, intra and inter (2-D)."""
    root = tmp_path_factory.mktemp("world")
    write_alexnet(root / "weights/alexnet", widths=[8] * 5, fc=32, seed=0)
    write_vgg19(root / "weights/vgg19", widths=[4] * 5, fc=32, seed=0)
    write_ukb(root / "pictures", objects=OBJECTS, width=96, height=72, seed=0)
    build(root, root / "1d")
    build(root, root / "intra", "--layers", "alexnet.fc6", "alexnet.fc7")
    build(root, root / "inter", "--layers", "alexnet.fc7", "vgg19.fc18")
    return root


def index_words(world: Path, out: Path, *words: object, pictures: Path | None = None) -> list[str]:
    given = [pictures or world / "pictures", "-o", out, "--weights", world / "weights", "--size", SIZE, "--threads", 1]
    given += ["--words", WORDS, "--dimensions", DIMENSIONS]
    return [str(word) for word in [*given, *([] if "--layers" in words else ["--layers", *ONE]), *words]]


def build(world: Path, out: Path, *words: object, pictures: Path | None = None) -> dict[str, int]:
    return indexing.build(indexing.parser().parse_args(index_words(world, out, *words, pictures=pictures)))


def search_words(world: Path, index: Path, *words: object) -> list[str]:
    return ["--weights", str(world / "weights"), "--threads", "1", *map(str, (index, *words))]


def search(world: Path, index: Path, *words: object) -> list[searching.Answer | BadPicture]:
    args = searching.parser().parse_args(search_words(world, index, *words))
    found = list(searching.answers(args))
    assert [image for image, _ in found] == args.images
    return [answer for _, answer in found]


def first(world: Path, index: Path, picture: Path) -> str:
    """The name of the best picture."""
    return search(world, index, picture)[0][0][0]


def features_of(world: Path, *layers: str) -> list[np.ndarray]:
    """Features (images, 14, D) of the pictures by each layer, float32."""
    files = [world / "pictures" / name for name in NAMES]
    found = [each for _, each in indexing.read_features(files, indexing.split_layers(layers), world / "weights", SIZE, RUNTIME)]
    return [np.stack(each) for each in zip(*found, strict=True)]


def files_in(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@contextlib.contextmanager
def untouched(*folders: Path) -> Iterator[None]:
    """What is done leaves these folders as they were, hidden files and all."""
    before = [files_in(folder) for folder in folders], [sorted(folder.rglob("*")) for folder in folders]
    yield
    assert before == ([files_in(folder) for folder in folders], [sorted(folder.rglob("*")) for folder in folders])


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Callable[[ModuleType, list[str]], str | int | None]:
    """A command in this process, and what it passed to sys.exit: what a process of its own ends with."""

    def end(module: ModuleType, words: list[str]) -> str | int | None:
        monkeypatch.setattr(sys, "argv", ["command", *words])
        try:
            module.main()
        except SystemExit as error:
            return error.code
        return 0

    return end


@pytest.fixture
def fails(ended: Callable, capsys: pytest.CaptureFixture[str]) -> Callable[[ModuleType, list[str]], str]:
    """The one sentence that a command fails with; Python prints it to stderr, and the status is 1."""

    def fail(module: ModuleType, words: list[str]) -> str:
        said = ended(module, words)
        assert isinstance(said, str) and said.startswith("error: ") and "\n" not in said
        assert capsys.readouterr().out == ""
        return said

    return fail


# What is found


@pytest.mark.parametrize("kind", ["1d", "intra", "inter"])
def test_a_picture_finds_itself_first_and_then_its_object(world: Path, kind: str) -> None:
    answers = search(world, world / kind, *(world / "pictures" / name for name in NAMES), "--top", 4)
    same = 0
    for number, answer in enumerate(answers):
        names, scores = zip(*answer, strict=True)
        assert names[0] == NAMES[number] and list(scores) == sorted(scores, reverse=True) and min(scores) > 0
        same += sum(NAMES.index(name) // VIEWS == number // VIEWS for name in names)
    by_chance = 1 + 3 * (VIEWS - 1) / (len(NAMES) - 1)
    assert same / len(NAMES) > by_chance + 0.5


def test_several_images_are_answered_as_each_alone(world: Path) -> None:
    images = [world / "pictures" / name for name in NAMES[3:8]]
    assert search(world, world / "inter", *images) == [search(world, world / "inter", image)[0] for image in images]


def test_top_cuts_and_without_signature_only_words_count(world: Path) -> None:
    image = world / "pictures" / NAMES[0]
    (ten,), (three,) = search(world, world / "1d", image), search(world, world / "1d", image, "--top", 3)
    assert len(ten) == 10 and three == ten[:3]
    assert search(world, world / "1d", image, "--alpha", 0)[0] != ten


def test_more_assignments_than_words_ask_for_all_words(world: Path) -> None:
    image = world / "pictures" / NAMES[0]
    (answer,) = search(world, world / "inter", image, "--assignments", 1000, "--top", 100)
    assert len(answer) == len(NAMES)
    assert [answer] == search(world, world / "inter", image, "--assignments", WORDS, "--top", 100)


def test_a_folder_with_one_picture(world: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    shutil.copy(world / "pictures" / NAMES[0], tmp_path / "pictures/only.jpg")
    assert build(world, tmp_path / "index", "--words", 3, pictures=tmp_path / "pictures") == {"pictures": 1, "skipped": 0, "words": 3}
    assert first(world, tmp_path / "index", tmp_path / "pictures/only.jpg") == "only.jpg"
    assert first(world, tmp_path / "index", world / "pictures" / NAMES[1]) == "only.jpg"


def test_every_setting_is_as_it_is_when_left_out(world: Path, tmp_path: Path) -> None:
    weights, pictures = world / "weights", world / "pictures"
    words = [str(word) for word in (pictures, "-o", tmp_path / "index", "--layers", *ONE, "--weights", weights, "--threads", 1)]
    made = indexing.build(indexing.parser().parse_args(words))
    assert made["words"] == len(NAMES) * 14 // 4
    (layer,) = store.open_index(tmp_path / "index").layers
    assert layer.projection.components.shape == (32, 32)  # of 512 no more than the layer has
    assert first(world, tmp_path / "index", pictures / NAMES[5]) == NAMES[5]


# What lies on the disk


def test_what_is_read_back_is_mapped_and_answers_as_what_was_written(world: Path) -> None:
    stored = store.open_index(world / "inter")
    features = features_of(world, "alexnet.fc7", "vgg19.fc18")
    shard = store.shard_of(stored.layers, [each.astype(np.float16) for each in features], 0)
    for name in ("images", "columns"):
        mapped = getattr(stored.shards[0].postings, name)
        assert isinstance(mapped.base, np.memmap) and mapped.dtype == np.uint8 and np.array_equal(mapped, getattr(shard.postings, name))
    assert all(isinstance(each.values.base, np.memmap) for each in stored.shards[0].signatures)
    in_memory = store.Index(stored.about, stored.names, stored.layers, [shard])
    for number in range(0, len(NAMES), 3):
        query = [each[number] for each in features]
        assert searching.ask(stored, query, Settings(5, 8), 10) == searching.ask(in_memory, query, Settings(5, 8), 10)


def test_the_lists_are_those_of_an_independent_count(world: Path) -> None:
    stored = store.open_index(world / "intra")
    words = []
    for layer, each in zip(stored.layers, features_of(world, "alexnet.fc6", "alexnet.fc7"), strict=True):
        centred = each.astype(np.float16).astype(np.float64) - layer.projection.mean
        projected = centred @ layer.projection.components.T.astype(np.float64)
        projected /= np.linalg.norm(projected, axis=-1, keepdims=True)
        words.append(((projected[:, :, None] - layer.codebook.astype(np.float64)) ** 2).sum(-1).argmin(-1))
    column, row = words
    entries = sorted((row[image, patch], column[image, patch], image) for image in range(len(NAMES)) for patch in range(14))
    postings = stored.shards[0].postings
    assert postings.counts.tolist() == np.bincount(row.ravel(), minlength=WORDS).tolist()
    assert postings.columns.tolist() == [entry[1] for entry in entries]
    assert postings.images.tolist() == [entry[2] for entry in entries]
    header = 128  # of each file
    written = sum((world / f"intra/shard-00000/{name}.npy").stat().st_size - header for name in ("counts", "images", "columns"))
    assert written == WORDS + 2 * len(entries)
    assert (world / "intra/shard-00000/signature-1.npy").stat().st_size - header == len(NAMES) * DIMENSIONS * 2


@pytest.mark.parametrize("stored", ["float32", "float16", "pq", "none"])
def test_shards_answer_as_one_does_to_the_last_bit(world: Path, tmp_path: Path, stored: str) -> None:
    layers = ("alexnet.fc6", "vgg19.fc17")
    build(world, tmp_path / "one", "--signature", stored, "--layers", *layers)
    build(world, tmp_path / "several", "--signature", stored, "--layers", *layers, "--shard", 6)
    one, several = store.open_index(tmp_path / "one"), store.open_index(tmp_path / "several")
    assert [shard.postings.size for shard in several.shards] == [6, 6, 6, 2]
    features = features_of(world, *layers)
    settings = Settings(5, 0 if stored == "none" else 8)
    with ThreadPoolExecutor(3) as executor:
        for number in range(len(NAMES)):
            query = [each[number] for each in features]
            answer = searching.ask(one, query, settings, 7)
            assert answer == searching.ask(several, query, settings, 7) == searching.ask(several, query, settings, 7, executor)
            # Words alone do not see to that: a picture whose patches are all alike scores more by a word that it shares.
            assert answer[0][0] == NAMES[number] or stored == "none"


def test_features_that_are_looked_at_block_by_block_make_the_same_index(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BLOCK", 3)
    build(world, tmp_path / "1d")
    assert files_in(tmp_path / "1d") == files_in(world / "1d")


def test_an_index_takes_the_place_of_another_whole(world: Path, tmp_path: Path) -> None:
    build(world, tmp_path / "index", "--layers", "alexnet.fc6", "alexnet.fc7", "--shard", 6)
    (tmp_path / "link").symlink_to("index")
    build(world, tmp_path / "link")
    assert files_in(tmp_path / "index") == files_in(world / "1d")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index", "link"] and (tmp_path / "link").is_symlink()


def test_interrupted_it_leaves_nothing(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ended: Callable
) -> None:
    reading = indexing.read_features

    def interrupted(*arguments: object) -> Iterator:
        for number, found in reading(*arguments):
            if number == 6:
                raise KeyboardInterrupt
            yield number, found

    monkeypatch.setattr(indexing, "read_features", interrupted)
    with untouched(tmp_path):
        assert ended(indexing, index_words(world, tmp_path / "index")) == 130
        assert ended(searching, search_words(world, world / "1d", *[world / "pictures" / NAMES[0]] * 9)) == 130
    assert capsys.readouterr().err == "interrupted\n" * 2


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_rebuild_that_fails_leaves_the_old_index(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, ended: Callable
) -> None:
    shutil.copytree(world / "1d", tmp_path / "index")
    writing, replacing = store._write_shard, Path.replace

    def second_fails(shard: store.Shard, folder: Path) -> None:
        if folder.name == "shard-00001":
            raise failure
        writing(shard, folder)

    def last_fails(path: Path, target: Path) -> Path:
        if path.suffix == ".partial":
            raise failure
        return replacing(path, target)

    said = 130 if isinstance(failure, KeyboardInterrupt) else "error: No space left on device"
    with untouched(tmp_path):
        with monkeypatch.context() as broken:
            broken.setattr(store, "_write_shard", second_fails)
            assert ended(indexing, index_words(world, tmp_path / "index", "--shard", 6)) == said
        with monkeypatch.context() as broken:
            broken.setattr(Path, "replace", last_fails)
            assert ended(indexing, index_words(world, tmp_path / "index", "--shard", 6)) == said
        assert first(world, tmp_path / "index", world / "pictures" / NAMES[0]) == NAMES[0]


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
    world: Path, odd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder, ended: Callable
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


def test_a_bad_query_is_reported_and_the_others_answered(
    world: Path, odd: Path, capsys: pytest.CaptureFixture[str], ended: Callable
) -> None:
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
    world: Path, tmp_path: Path, prepare: Callable[[Path, Path], list[str]], says: str, fails: Callable
) -> None:
    words = prepare(world, tmp_path)
    with untouched(tmp_path):
        said = fails(indexing, words)
    assert any(each in said for each in says.split("|")), said


def test_a_disk_that_is_too_small_is_noticed_at_the_first_picture(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: Callable
) -> None:
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
def test_a_bad_question_is_one_sentence(world: Path, words: list[object], says: str, fails: Callable) -> None:
    assert says in fails(searching, search_words(world, world / "1d", world / "pictures" / NAMES[0], *words))


def test_an_index_without_signatures_is_searched_without(world: Path, tmp_path: Path, fails: Callable) -> None:
    image = world / "pictures" / NAMES[0]
    build(world, tmp_path / "index", "--signature", "none")
    assert "has no signatures: search it with --alpha 0" in fails(searching, search_words(world, tmp_path / "index", image))
    assert search(world, tmp_path / "index", image, "--alpha", 0) == search(world, world / "1d", image, "--alpha", 0)


def test_other_weights_of_the_encoder_are_refused(world: Path, tmp_path: Path, fails: Callable) -> None:
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
def test_a_damaged_index_is_one_sentence(world: Path, tmp_path: Path, damage: Callable[[Path], object], says: str, fails: Callable) -> None:
    shutil.copytree(world / "inter", tmp_path / "index")
    damage(tmp_path / "index")
    said = fails(searching, search_words(world, tmp_path / "index", world / "pictures" / NAMES[0]))
    assert says in said and said.endswith(("make the index again", f"PICTURES -o {tmp_path / 'index'}`")), said


# Weights


def test_weights_come_from_a_mirror_when_they_are_missing(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(world / "weights", tmp_path / "mirror")
    mirror, file, weights = tmp_path / "mirror", tmp_path / "mirror/alexnet/alexnet.pth", tmp_path / "weights"
    monkeypatch.setenv("THESIS_MIRROR", str(mirror))
    with pytest.raises(UserError, match="has no SHA256SUMS"):
        build(world, tmp_path / "index", "--weights", weights)
    (mirror / "SHA256SUMS").write_text(f"{'0' * 64}  ./alexnet/alexnet.pth\n")
    with pytest.raises(UserError, match="the mirror is damaged"):
        build(world, tmp_path / "index", "--weights", weights)
    assert not list(weights.iterdir()) and not (tmp_path / "index").exists()
    (mirror / "SHA256SUMS").write_text(f"{sha256(file)}  ./alexnet/alexnet.pth\n")
    build(world, tmp_path / "index", "--weights", weights)
    assert files_in(weights) == {"alexnet/alexnet.pth": file.read_bytes()}
    assert files_in(tmp_path / "index") == files_in(world / "1d")
    (weights / "alexnet/alexnet.pth").unlink()
    (weights / "alexnet/alexnet.pth").symlink_to(tmp_path / "elsewhere.pth")
    indexing.encoder_folder("alexnet", weights)
    assert (weights / "alexnet/alexnet.pth").is_symlink() and (tmp_path / "elsewhere.pth").read_bytes() == file.read_bytes()


def test_a_mirror_without_them_says_where_they_are_from(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: Callable
) -> None:
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv("THESIS_MIRROR", str(tmp_path / "mirror"))
    words = index_words(world, tmp_path / "index", "--weights", tmp_path / "weights")
    assert f"the mirror {tmp_path / 'mirror'} has no alexnet: get https://download.pytorch.org/models/alexnet" in fails(indexing, words)
    words = search_words(world, world / "1d", world / "pictures" / NAMES[0], "--weights", tmp_path / "weights")
    assert "has no alexnet: get https://" in fails(searching, words)


# The commands, in processes of their own


def command(name: str, words: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", f"stages.ch4_deepindex.{name}", *words], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_the_commands(world: Path, tmp_path: Path) -> None:
    """With a file name whose bytes are no UTF-8, as old archives have them."""
    folder = tmp_path / "pictures"
    shutil.copytree(world / "pictures/full", folder)
    odd = Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.jpg"))
    (folder / "ukbench00006.jpg").rename(odd)
    made = command("index", index_words(world, tmp_path / "index", pictures=folder))
    assert made.communicate(timeout=PATIENCE) == (f"{tmp_path / 'index'}: 20 pictures, {WORDS} words a layer, 0 skipped\n".encode(), b"")
    asked = [command("search", search_words(world, tmp_path / "index", *words)) for words in ((odd, "--top", 3), ("no.jpg",))]
    (out, err), (nothing, said) = (each.communicate(timeout=PATIENCE) for each in asked)
    ranks, scores, names = zip(*(line.split() for line in out.splitlines()), strict=True)
    assert (ranks, names[0], err, asked[0].returncode) == ((b"1", b"2", b"3"), b"caf\xe9.jpg", b"", 0)
    assert float(scores[0]) > float(scores[1]) > float(scores[2]) > 0
    assert (nothing, said, asked[1].returncode) == (b"", b"error: there is no file no.jpg\n", 1)


def test_killed_it_leaves_nothing(world: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "0.jpg").touch()  # it is reported first, so that its line says that the work has begun
    for number in range(3000):
        (folder / f"{number + 1}.jpg").symlink_to(world / "pictures" / NAMES[0])
    with untouched(tmp_path):
        killed = command("index", index_words(world, tmp_path / "index", pictures=folder))
        assert killed.stderr is not None and killed.stderr.readline().startswith(b"skipped: ")
        killed.kill()
        assert killed.communicate(timeout=PATIENCE) == (b"", b"") and killed.returncode == -signal.SIGKILL
