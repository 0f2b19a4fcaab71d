"""The miniatures of captioned data sets: read back, the same bytes, true sentences, and pictures that show what they mean."""

import colorsys
import csv
import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stages.core.errors import UserError
from stages.datasets import cub200_texts, flickr8k, flickr30k, flowers102_texts, mscoco, own_captions, pascal_sentence
from stages.datasets.captioned import PARTS, CaptionedSet
from stages.miniatures import captioned, ten_lines, word2vec
from stages.miniatures import cub200_texts as mini_cub
from stages.miniatures import flickr8k as mini_flickr8k
from stages.miniatures import flickr30k as mini_flickr30k
from stages.miniatures import flowers102_texts as mini_flowers
from stages.miniatures import mscoco as mini_mscoco
from stages.miniatures import own_captions as mini_own
from stages.miniatures import pascal_sentence as mini_pascal
from stages.miniatures.world import generator

SIZE = {"width": 48, "height": 48}
WRITERS: dict[str, tuple[Callable[..., None], dict[str, int]]] = {
    "flickr30k": (mini_flickr30k.write, {"train": 12, "val": 3, "test": 5}),
    "flickr8k": (mini_flickr8k.write, {"train": 4, "val": 2, "test": 3}),
    "mscoco": (mini_mscoco.write, {"train": 45, "val": 3, "test": 5}),
    "pascal_sentence": (mini_pascal.write, {"classes": 3, "images": 11}),
    "flowers102_texts": (mini_flowers.write, {"classes": 4, "train": 2, "val": 1, "test": 2}),
    "cub200_texts": (mini_cub.write, {"classes": 4, "train": 2, "test": 2}),
    "own_captions": (mini_own.write, {"images": 9}),
}
READERS: dict[str, Callable[[Path], CaptionedSet]] = {
    name: module.read  # type: ignore[attr-defined]
    for name, module in {
        "flickr30k": flickr30k, "flickr8k": flickr8k, "mscoco": mscoco, "pascal_sentence": pascal_sentence,
        "flowers102_texts": flowers102_texts, "cub200_texts": cub200_texts, "own_captions": own_captions,
    }.items()
}  # fmt: skip


def write(folder: Path, name: str, seed: int = 0) -> Path:
    writer, counts = WRITERS[name]
    writer(folder / name, **counts, **SIZE, seed=seed)
    return folder / name


@pytest.fixture(scope="module")
def minis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("minis")
    for name in WRITERS:
        write(folder, name)
    return folder


def digest(folder: Path) -> str:
    """Of names and bytes."""
    content = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        content.update(str(file.relative_to(folder)).encode())
        content.update(file.read_bytes() if file.is_file() else b"")
    return content.hexdigest()


@pytest.mark.parametrize(
    ("name", "parts", "captions"),
    [
        ("flickr30k", [12, 3, 5], 5 * 20),
        ("flickr8k", [4, 2, 3], 5 * 9),
        ("mscoco", [45, 3, 5], 5 * 53),
        ("pascal_sentence", [3, 15, 15], 3 * (9 * 5 + 4 + 6)),
        ("flowers102_texts", [12, 0, 8], 10 * 20),
        ("cub200_texts", [8, 0, 8], 10 * 16),
        ("own_captions", [7, 1, 1], 9 * 2),
    ],
)
def test_miniatures_read_back(minis: Path, name: str, parts: list[int], captions: int) -> None:
    whole = READERS[name](minis / name)
    assert [len(whole.parts[part]) for part in PARTS] == parts
    assert len(whole.captions) == captions
    assert len({image.read_bytes() for image in whole.images}) == len(whole.images) == sum(parts)
    assert len(set(whole.captions)) > 0.4 * captions or name.endswith("_texts")
    for image in whole.images[::4]:
        with Image.open(image) as picture:
            assert picture.mode == "RGB"


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_again_and_another_by_the_seed(minis: Path, tmp_path: Path, name: str) -> None:
    assert digest(write(tmp_path / "again", name)) == digest(minis / name)
    assert digest(write(tmp_path / "other", name, seed=1)) != digest(minis / name)


def test_a_picture_does_not_depend_on_how_many_there_are(tmp_path: Path) -> None:
    for folder, count in (("few", 4), ("more", 8)):
        mini_own.write(tmp_path / folder, images=count, **SIZE, seed=0)
    for number in range(1, 5):
        few, more = (tmp_path / folder / f"images/{number:04d}.jpg" for folder in ("few", "more"))
        assert few.read_bytes() == more.read_bytes()


def test_mscoco_has_what_the_official_set_has(minis: Path) -> None:
    whole = mscoco.read(minis / "mscoco")
    assert (whole.counts["captions after an image's fifth"], whole.counts["images without instances"]) == (2, 2)
    assert whole.classes == [words[0] for words in captioned.THINGS]
    assert whole.labels is not None
    assert Counter(whole.labels.sum(1).tolist()).keys() == {0, 1, 2, 3}


def test_every_word_has_a_vector(minis: Path) -> None:
    known = {word for word, _ in word2vec.lexicon(1, 0, 0)}
    for name, read in READERS.items():
        said = {word for caption in read(minis / name).captions for word in re.findall(r"\w+", caption)}
        assert {word.lower() for word in said} <= known, name


def index_of(words: Any) -> dict[str, int]:
    return {word: index for index, meaning in enumerate(words) for word in meaning}


def test_sentences_are_true_and_leave_things_out(tmp_path: Path) -> None:
    things, colours = index_of(captioned.THINGS), index_of(captioned.COLOURS)
    grounds, backdrops = index_of(captioned.GROUNDS), index_of(captioned.BACKDROPS)
    said: Counter[int] = Counter()
    for number in range(30):
        content, rng = captioned.draw(tmp_path / "a.jpg", 0, 99, number, (48, 48), () if number == 0 else None)
        for text in (captioned.sentence(rng, content) for _ in range(10)):
            words = text.lower().split()
            assert text[0].isupper()
            assert text.endswith(" .")
            named = [things[word] for word in words if word in things]
            assert sorted(set(named)) == sorted(named)
            assert set(named) <= set(content.things)
            assert bool(named) == bool(content.things)
            assert all(grounds[word] == content.ground for word in words if word in grounds)
            assert all(backdrops[word] == content.backdrop for word in words if word in backdrops)
            for before, word in itertools.pairwise(words):
                if before in colours:
                    assert colours[before] == content.colours[content.things.index(things[word])]
            said[len(content.things) - len(named)] += 1
    assert said[0] > 50
    assert said[1] > 20


def test_pictures_show_what_they_mean(tmp_path: Path) -> None:
    """Of the saturated pixels of the middle, the most are of the thing's hue; the corners are of the ground's and backdrop's colours."""
    right = []
    for number in range(40):
        content, _ = captioned.draw(tmp_path / "a.jpg", 0, 98, number, (64, 64), (number % 10,))
        with Image.open(tmp_path / "a.jpg") as picture:
            pixels = np.asarray(picture.convert("RGB")) / 255
        h, w = pixels.shape[:2]
        middle = [colorsys.rgb_to_hsv(*rgb) for rgb in pixels[h // 3 : 2 * h // 3, w // 3 : 2 * w // 3].reshape(-1, 3)]
        hues = Counter(round(10 * hue) % 10 for hue, saturation, value in middle if saturation > 0.75 and value > 0.55)
        ground, backdrop = pixels[-6:].mean((0, 1)), pixels[:6].mean((0, 1))
        right.append(
            [
                hues.most_common(1)[0][0] == content.colours[0] if hues else False,
                nearest(ground, captioned._GROUND_COLOURS) == content.ground,
                nearest(backdrop, captioned._BACKDROP_COLOURS) == content.backdrop,
            ]
        )
    assert np.mean(right, axis=0).min() > 0.75


def nearest(colour: np.ndarray, table: tuple[tuple[float, float, float], ...]) -> int:
    return int(np.argmin([np.abs(colour - 0.95 * np.array(colorsys.hsv_to_rgb(*hsv))).sum() for hsv in table]))


def test_typical_hues_are_typical() -> None:
    drawn = [captioned._sample(generator(0, 97, number), None)[1] for number in range(300)]
    typical = [kind == colour for content in drawn for kind, colour in zip(content.things, content.colours, strict=True)]
    # .9, and a tenth of the others: .91, whose binomial deviation over some 600 things is .012
    assert np.mean(typical) == pytest.approx(0.91, abs=0.036)


@pytest.mark.parametrize(("name", "traits"), [("flowers102_texts", mini_flowers._traits), ("cub200_texts", mini_cub._traits)])
def test_texts_say_what_their_pictures_show(minis: Path, name: str, traits: Callable[[int], tuple[int, float]]) -> None:
    """The colour in a class's sentences is that of most vivid pixels of its pictures, give or take a tenth of the circle."""
    whole = READERS[name](minis / name)
    assert whole.labels is not None
    colours, patterns = index_of(captioned.COLOURS), index_of(ten_lines.PATTERN_WORDS)
    labels, shares = whole.labels.argmax(1), []
    for label in range(len(whole.classes)):
        own = [whole.captions[row].split() for row in np.flatnonzero(labels[whole.image_of] == label)]
        assert {patterns[word] for words in own for word in words if word in patterns} == {traits(label)[0]}
        (said,) = {colours[word] for words in own for word in words if word in colours}
        hues: Counter[int] = Counter()
        for image in (whole.images[index] for index in np.flatnonzero(labels == label)):
            with Image.open(image) as picture:
                pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3) / 255
            hsv = [colorsys.rgb_to_hsv(*rgb) for rgb in pixels]
            hues.update(round(10 * hue) % 10 for hue, saturation, value in hsv if saturation > 0.55 and value > 0.6)
        shares.append(sum(hues[(said + step) % 10] for step in (-1, 0, 1)) / hues.total())
    assert np.mean(shares) > 0.6  # by chance .3


def test_own_captions_are_a_table_as_described(minis: Path) -> None:
    with (minis / "own_captions/captions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "caption", "label"]
    assert Counter(Counter(row["file"] for row in rows).values()) == {1: 3, 2: 3, 3: 3}


@pytest.mark.parametrize("name", WRITERS)
def test_what_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    writer, counts = WRITERS[name]
    with pytest.raises(UserError, match="cannot be: each count has to be 1 or more"):
        writer(tmp_path, **dict.fromkeys(counts, 0), **SIZE, seed=0)
    with pytest.raises(UserError, match="each side 48 or more"):
        writer(tmp_path, **counts, width=48, height=47, seed=0)
