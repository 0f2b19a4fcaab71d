"""`stages.ch4_deepindex.index` and `.search` on a small folder: what is retrieved, and what lies on the disk."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import PATIENCE, REPOSITORY
from index_world import (
    DIMENSIONS,
    NAMES,
    ONE,
    VIEWS,
    WORDS,
    build,
    ended,
    fails,
    features_of,
    files_in,
    first,
    index_words,
    make,
    search,
    search_words,
    untouched,
)

from stages.ch4_deepindex import index as indexing
from stages.ch4_deepindex import search as searching
from stages.ch4_deepindex import store
from stages.ch4_deepindex.retrieve import Settings
from stages.core.errors import UserError
from stages.core.files import sha256


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("world"))


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
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
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
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
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


def test_a_mirror_without_them_says_where_they_are_from(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
