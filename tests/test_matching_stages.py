"""The stages `matching_*`: pictures of several sizes, captions looked up, and what is fitted to training captions or to all words alone."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from stage_runs import make_world, run_main

from stages.core.errors import UserError
from stages.core.files import write_json
from stages.core.settings import build
from stages.datasets import captioned
from stages.datasets.word_vectors import WordVectors
from stages.matching import features, images, texts, words
from stages.matching.settings import Text, Vocabulary
from stages.matching.stored import Words, load_words, save_words
from stages.miniatures.squeezenet1_1 import write as write_squeezenet

SIZES = [(40, 30), (30, 40), (40, 30), (90, 30), (40, 30), (40, 30)]  # width and height
CAPTIONS = [["a red dog", "the dog's ball"], ["two cats"], ["zzz"], ["a cat , a dog"], ["red ball"], ["balls , a red-hot cat"]]
VOCABULARY = ["the", "a", "red", "dog", "cat", "ball", "two", "cats", *(f"filler{number}" for number in range(40))]
HGLMM = {"kind": "hglmm", "words": "glove", "components": 3, "iterations": 3, "kept": 3}
TEXTS = {"hglmm": HGLMM, "mean": {"kind": "mean", "words": "glove"}, "rnn": {"kind": "bilstm", "words": "glove", "units": 8}}
PARAMS = {
    "matching": {
        "options": {"flickr8k": {}},
        "pictures": {"short_side": 64, "batch_size": 2},
        "vocabularies": {"glove": {"lower": True, "share": 1.0}},
        "texts": TEXTS,
    }
}


def glove() -> WordVectors:
    rng = np.random.default_rng(5)
    return WordVectors(VOCABULARY, rng.laplace(size=(len(VOCABULARY), 6)).astype(np.float32))


def flickr8k() -> None:
    """Six images, three to train on, in the official layout."""
    folder = Path("data/mini/sources/flickr8k")
    (folder / "Flicker8k_Dataset").mkdir(parents=True)
    (folder / "Flickr8k_text").mkdir()
    rng = np.random.default_rng(0)
    lines = []
    for number, (size, own) in enumerate(zip(SIZES, CAPTIONS, strict=True)):
        pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"Flicker8k_Dataset/{number}.jpg")
        lines += [f"{number}.jpg#{place}\t{caption}" for place, caption in enumerate(own)]
    (folder / "Flickr8k_text/Flickr8k.token.txt").write_text("\n".join(lines) + "\n")
    for part, names in {"train": [0, 1, 3], "dev": [2], "test": [4, 5]}.items():
        (folder / f"Flickr8k_text/Flickr_8k.{part}Images.txt").write_text("".join(f"{name}.jpg\n" for name in names))
    write_json(folder / "provenance.json", {"dataset": "flickr8k", "kind": "miniature", "note": ""})


def sources() -> None:
    folder = Path("data/mini/sources/glove")
    folder.mkdir(parents=True)
    vectors = glove()
    rows = [" ".join([word, *(repr(float(value)) for value in row)]) for word, row in zip(vectors.words, vectors.vectors, strict=True)]
    (folder / "glove.6B.50d.txt").write_text("\n".join(rows) + "\n")
    write_json(folder / "provenance.json", {"dataset": "glove", "kind": "miniature", "note": ""})
    folder = Path("data/mini/sources/squeezenet1_1")
    folder.mkdir(parents=True)
    write_squeezenet(folder, seed=12)
    write_json(folder / "provenance.json", {"dataset": "squeezenet1_1", "kind": "miniature", "note": ""})


def run_all() -> None:
    run_main(images, "flickr8k squeezenet1_1", PARAMS)
    run_main(words, "flickr8k glove", PARAMS)
    for name in TEXTS:
        run_main(texts, f"flickr8k {name}", PARAMS)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("matching"), flickr8k, sources, run_all) / "data/mini"


def test_features_are_read_together(world: Path) -> None:
    folder = world / "features/matching/flickr8k"
    for name, width in (("hglmm", 3), ("mean", 6), ("rnn", 16)):
        found = features.read(folder / "images/squeezenet1_1", folder / "texts" / name)
        assert found.images.shape == (6, 512) and found.texts.shape == (7, width) and found.texts.dtype == np.float16
        assert found.pairs("train").image_of.tolist() == [0, 0, 1, 2] and found.pairs("val").image_of.tolist() == [0]
        zeros = [found.described.captions[row] for row in np.flatnonzero(~found.texts.any(1))]
        assert zeros == ["zzz"]
        about = json.loads((folder / "texts" / name / "about.json").read_text())
        assert about["kind"] == TEXTS[name]["kind"] and about["captions"]["captions_without_a_word"] == 1
    assert about["weights"] == "random, seed 0"
    assert json.loads((folder / "images/squeezenet1_1/about.json").read_text())["weights"] == "miniature"


def test_an_image_s_feature_is_its_own_whatever_its_batch(world: Path) -> None:
    """Pictures wait for others of their size; each has its row in the set's order."""
    folder = world / "features/matching/flickr8k/images/squeezenet1_1"
    found, names = np.load(folder / "features.npy"), captioned.load_described(folder).names
    from stages.core.runtime import Runtime
    from stages.encoders import vision

    network, model = vision.encoder("squeezenet1_1"), vision.load("squeezenet1_1", world / "sources/squeezenet1_1")
    cpu = Runtime("cpu", 1, "fp32")
    settings = build(images.Pictures, {"short_side": 64, "batch_size": 1})
    files = [world / f"sources/flickr8k/{name}.jpg" for name in names]
    alone = images.extract(files, model, network, settings, dataset="flickr8k", precision=cpu, device=cpu.start())
    np.testing.assert_allclose(found.astype(float), alone.astype(float), rtol=2e-3, atol=1e-3)
    assert len({row.tobytes() for row in found}) == 6


def test_pictures_keep_their_aspect(world: Path) -> None:
    shapes = [
        images.at_short_side(world / f"sources/flickr8k/Flicker8k_Dataset/{number}.jpg", side=64, dataset="x").shape for number in (0, 1, 3)
    ]
    assert shapes == [(64, 85, 3), (85, 64, 3), (64, 192, 3)]


def test_a_strip_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (2, 64)).save(tmp_path / "a.png")
    assert images.at_short_side(tmp_path / "a.png", side=64, dataset="x").shape == (2048, 64, 3)
    Image.new("RGB", (65, 2)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a\.png has 65 x 2 pixels: no side may be more than 32 times as long as the other; crop it"):
        images.at_short_side(tmp_path / "a.png", side=64, dataset="x")


def test_batches_are_of_one_size() -> None:
    pictures = [np.full((height, 2, 3), number, np.uint8) for number, height in enumerate([4, 5, 4, 4, 6, 5, 7])]
    batches = [(numbers, pixels.shape) for numbers, pixels in images.of_one_size(pictures, 2, held=100)]
    assert batches == [([0, 2], (2, 4, 2, 3)), ([1, 5], (2, 5, 2, 3)), ([3], (1, 4, 2, 3)), ([4], (1, 6, 2, 3)), ([6], (1, 7, 2, 3))]
    held = [numbers for numbers, _ in images.of_one_size(pictures, 3, held=2)]
    assert sorted(number for batch in held for number in batch) == list(range(7)) and held[0] == [
        0,
        2,
    ]  # the largest batch goes when a third picture would wait


def test_a_picture_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"a\.jpg cannot be read.*all pictures of flickr8k are needed: get it anew"):
        images.at_short_side(tmp_path / "a.jpg", side=64, dataset="flickr8k")


def test_words_are_counted_and_named(world: Path) -> None:
    found = load_words(world / "captions/matching/flickr8k/glove")
    about: dict[str, Any] = found.about
    assert about["known"] == {"words": 8, "tokens": 17} and about["vectors"] == "miniature"
    assert about["unknown_words"] == ["balls 1", "zzz 1"] and about["unknown"] == {"words": 2, "tokens": 2}
    assert about["captions_without_a_word"] == 1 and about["images_of_these"] == ["Flicker8k_Dataset/2"]
    vectors = glove()
    np.testing.assert_allclose(found.vectors, vectors.vectors[:8], rtol=1e-6)
    np.testing.assert_allclose(found.sample, vectors.vectors, rtol=1e-6)
    first = [VOCABULARY.index(word) for word in ("a", "red", "dog")]
    assert found.tokens.rows[:3].tolist() == first


def test_captions_of_another_language_are_one_sentence() -> None:
    one = captioned.CaptionedSet([Path("p/a.jpg")], ["ein Hund"], np.zeros(1, np.int64), {"train": np.array([0])})
    with pytest.raises(UserError, match="no caption has a word that glove knows: are they of one language"):
        words.looked_up(one, VOCABULARY, glove().vectors, Vocabulary(True, 1.0), "glove")
    english = replace(one, captions=["a dog"])
    with pytest.raises(UserError, match=r"no word of glove is in a share of 1e-09 of them: raise it"):
        words.looked_up(english, VOCABULARY, glove().vectors, Vocabulary(True, 1e-9), "glove")


def fitted(captions: list[str], training: list[int], tmp_path: Path) -> tuple[str, np.ndarray]:
    """The digest of all that is fitted, and the features, with these captions, an image each."""
    count = len(captions)
    one = captioned.CaptionedSet([Path(f"p/{row}") for row in range(count)], captions, np.arange(count), {})
    found = words.looked_up(one, VOCABULARY, glove().vectors, Vocabulary(True, 1.0), "glove")
    save_words(tmp_path, found)
    read = load_words(tmp_path)
    encoder, about = texts.fit_mixture("hglmm", build(Text, HGLMM), read, np.array(training))
    chunks, width = encoder.encode(read.tokens, read.vectors), encoder.width
    texts.write(tmp_path / "features.npy", chunks, found, width, "hglmm")
    return about["fitted"], np.load(tmp_path / "features.npy")


def test_what_is_fitted_never_sees_a_caption_that_is_tested_on(tmp_path: Path) -> None:
    training = ["a red dog", "two cats", "the ball", "a cat", "red red ball", "the two dog cat"]
    before, features_before = fitted([*training, "a dog", "the cat", "filler3 ball"], list(range(6)), tmp_path)
    after, features_after = fitted([*training, "filler3 ball", "cats cats", "filler7 a dog"], list(range(6)), tmp_path)
    assert before == after
    assert features_before[:6].tobytes() == features_after[:6].tobytes()
    np.testing.assert_allclose(features_before[8].astype(float), features_after[6].astype(float), atol=1e-3)  # the same caption
    other, _ = fitted([*training[:5], "filler9", "a dog", "the cat", "filler3 ball"], list(range(6)), tmp_path)
    assert other != before  # but training captions are seen


def test_published_lstm_weights_are_taken_and_said(tmp_path: Path) -> None:
    import torch

    from stages.core import runtime
    from stages.encoders import sentences

    state = sentences.random_lstm(6, 5, torch.Generator().manual_seed(2)).state_dict()
    runtime.save({f"enc_lstm.{key}": value for key, value in state.items()}, tmp_path / "lstm.pkl")
    found = words.looked_up(
        captioned.CaptionedSet([Path("p/a")], ["a dog"], np.zeros(1, np.int64), {}),
        VOCABULARY,
        glove().vectors,
        Vocabulary(True, 1.0),
        "glove",
    )
    held = Words(found.tokens, found.vectors, found.sample, {}, tmp_path / "lstm.pkl")
    _, width, about = texts.by_lstm(build(Text, TEXTS["rnn"]), held, torch.device("cpu"))
    assert (width, about) == (10, {"weights": "published with them"})
