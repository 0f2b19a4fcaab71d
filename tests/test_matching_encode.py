"""Pictures and sentences of one's own become what the stages of `matching` make of a set's."""

from pathlib import Path

import numpy as np
import pytest
import torch
from test_matching_stages import TEXTS, VOCABULARY, glove, world  # noqa: F401 - a fixture

from stages.core.runtime import Runtime
from stages.core.settings import build
from stages.datasets.captioned import load_described
from stages.encoders.fisher import Encoder, Projection
from stages.encoders.mixture import Mixture, Rotation
from stages.encoders.words import look_up
from stages.matching import encode
from stages.matching.settings import Pictures, Text, Vocabulary

CPU = torch.device("cpu")
LOWER = Vocabulary(True, 1.0)


@pytest.mark.parametrize("name", TEXTS)
def test_a_sets_captions_come_to_its_features(world: Path, name: str) -> None:  # noqa: F811
    folder = world / f"features/matching/flickr8k/texts/{name}"
    described, stored = load_described(folder), np.load(folder / "features.npy").astype(np.float32)
    text = build(Text, TEXTS[name])
    rows, known = encode.sentences(described.captions, text, LOWER, world / "sources/glove", folder, CPU)
    np.testing.assert_allclose(rows, stored, atol=2e-3)
    assert [caption for caption, one in zip(described.captions, known, strict=True) if not one] == ["zzz"]
    alone, _ = encode.sentences(described.captions[1:2], text, LOWER, world / "sources/glove", folder, CPU)
    np.testing.assert_allclose(alone[0], stored[1], atol=2e-3)


def test_sentences_without_a_known_word(world: Path) -> None:  # noqa: F811
    folder = world / "features/matching/flickr8k/texts/mean"
    _, known = encode.sentences(["xyzzy", "zzz"], build(Text, TEXTS["mean"]), LOWER, world / "sources/glove", folder, CPU)
    assert known.tolist() == [False, False]


def test_a_sets_pictures_come_to_its_features(world: Path, capsys: pytest.CaptureFixture) -> None:  # noqa: F811
    folder = world / "features/matching/flickr8k/images/squeezenet1_1"
    stored, names = np.load(folder / "features.npy"), load_described(folder).names
    files = [world / f"sources/flickr8k/{name}.jpg" for name in names]
    broken = world / "broken.jpg"
    broken.write_bytes(b"no picture")
    weights = world / "sources/squeezenet1_1"
    settings = Pictures(short_side=64, batch_size=2)
    numbers, rows = encode.pictures([files[0], broken, *files[1:]], "squeezenet1_1", weights, settings, Runtime("cpu", 1, "fp32"), CPU)
    assert numbers == [0, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(rows, stored.astype(np.float32), atol=2e-3, rtol=2e-3)
    assert capsys.readouterr().err.count("broken.jpg cannot be read: it is no picture of a known format") == 1
    none, _ = encode.pictures([broken], "squeezenet1_1", weights, settings, Runtime("cpu", 1, "fp32"), CPU)
    assert none == []


@pytest.mark.parametrize("projected", [False, True])
@pytest.mark.parametrize("rotated", [False, True])
def test_what_is_fitted_is_kept(tmp_path: Path, projected: bool, rotated: bool) -> None:
    rng = np.random.default_rng(0)
    drawn = [np.abs(rng.normal(size=(2, 6))) + 0.5 for _ in range(4)]
    mixture = Mixture(*drawn, rng.random((2, 6)) < 0.5, np.array([0.3, 0.7]))
    rotation = Rotation(rng.normal(size=6), rng.normal(size=(6, 6))) if rotated else Rotation()
    projection = Projection(rng.normal(size=24).astype(np.float32), rng.normal(size=(5, 24)).astype(np.float32), 0.9)
    encoder = Encoder(rotation, mixture, projection if projected else None)
    encoder.save(tmp_path / "encoder.npz")
    again = Encoder.load(tmp_path / "encoder.npz")
    tokens = look_up(["a red dog", "two cats"], {word: row for row, word in enumerate(VOCABULARY)}, lower=True)
    (before, after) = ([rows for _, rows in one.encode(tokens, glove().vectors)] for one in (encoder, again))
    np.testing.assert_array_equal(before[0], after[0])
    assert before[0].shape == (2, again.width) and again.width == (5 if projected else 24)
