"""Labels of Chapter 7: given as they are, from captions by words, and what cannot be in a sentence."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stages.ch7_mmc.labels import labels_of, named
from stages.ch7_mmc.training_settings import Labels
from stages.core.errors import UserError
from stages.datasets.captioned import Described

WORDS = Labels({"dog": ("dog", "dogs"), "cat": ("cat",), "shirt": ("shirt", "shirts")}, 2)
CAPTIONS = ["A DOG's toy .", "Cats and a catalogue", "Two dogs,a t-shirt", "dogma", "A cat .", "a dog; a cat", "Shirts"]


def described(labels: list[list[int]] | None = None, **changes: Any) -> Described:
    """Five images with 2, 2, 1, 1 and 1 captions, the first three to train on, the last to test on."""
    parts = {part: np.array(rows) for part, rows in {"train": [0, 1, 2], "val": [3], "test": [4]}.items()}
    one = Described([f"p/{number}" for number in range(5)], CAPTIONS, np.array([0, 0, 1, 1, 2, 3, 4]), parts)
    if labels is not None:
        one = replace(one, classes=["a", "b"], labels=np.array(labels, bool), single=bool((np.array(labels).sum(1) == 1).all()))
    return replace(one, **changes)


@pytest.mark.parametrize(
    ("rows", "single"), [([[1, 0], [0, 1], [1, 0], [0, 1], [1, 0]], True), ([[1, 1], [0, 1], [0, 0], [1, 0], [1, 0]], False)]
)
def test_given_labels_are_kept_whatever_the_words(rows: list[list[int]], single: bool) -> None:
    own = labels_of(described(rows), WORDS, "flickr")
    assert (own.classes, own.single, own.source) == (["a", "b"], single, "given")
    assert own.labels.astype(int).tolist() == rows


def test_labels_from_captions_by_hand() -> None:
    """A dog in images 0, 1 and 3, a cat in 2 and 3, a shirt in 1 and 4; "Cats", "catalogue" and "dogma" are no word of any class."""
    own = labels_of(described(), Labels(WORDS.words, 1), "flickr")
    assert (own.classes, own.single, own.source) == (["dog", "cat", "shirt"], False, "from captions")
    assert own.labels.astype(int).tolist() == [[1, 0, 0], [1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 1]]


def test_a_class_in_few_training_images_is_left_out() -> None:
    own = labels_of(described(), WORDS, "flickr")  # in two training images, so not the cat, which is in one of these and in one to validate
    assert own.classes == ["dog"]
    assert own.labels.astype(int).tolist() == [[1], [1], [0], [1], [0]]
    says = r"no class of ch7_mmc.labels.flickr.words is in 3 training images: lower least, or name other words"
    with pytest.raises(UserError, match=says):
        labels_of(described(), Labels(WORDS.words, 3), "flickr")


def test_words_are_looked_for_as_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    known = [f"w{chr(97 + letter)}" for letter in range(20)]
    captions = [[" ".join(rng.choice(known, 4)) + " ." for _ in range(3)] for _ in range(50)]
    words = [list(rng.choice(known, 3)) for _ in range(8)]
    expected = [[any(f" {word} " in f" {text} " for text in own for word in one) for one in words] for own in captions]
    assert named(captions, words).tolist() == expected
    assert 0.1 < np.mean(expected) < 0.9


@pytest.mark.parametrize(
    ("one", "settings", "says"),
    [
        (
            described(),
            Labels({}, 1),
            "flickr has no labels, and ch7_mmc.labels.flickr.words is empty: name classes and their words there, or label",
        ),
        (described([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1]]), WORDS, "flickr: the class b has no image to train on: give it one, or take"),
        (described([[1, 0], [0, 1], [1, 0], [0, 0], [1, 0]]), WORDS, "flickr: the image p/3 has no label, where every other has one: give"),
    ],
)
def test_what_cannot_be_is_one_sentence(one: Described, settings: Labels, says: str) -> None:
    with pytest.raises(UserError) as caught:
        labels_of(one, settings, "flickr")
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("word", ["Dog", "two words", "", "dog "])
def test_words_are_single_and_small(word: str) -> None:
    with pytest.raises(ValueError, match=r"words\.dog has .*, and captions are looked through by whole words in small letters"):
        Labels({"dog": ("dog", word)}, 1)
    with pytest.raises(ValueError, match=r"words\.dog is empty, and no image would have the class"):
        Labels({"dog": ()}, 1)
