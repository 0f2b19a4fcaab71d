"""Word vectors in their published forms: read to the bit, and what is wrong with a file in a sentence; their miniatures."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from stages.core.errors import UserError
from stages.datasets import glove, word2vec
from stages.miniatures import captioned, ten_lines
from stages.miniatures import glove as mini_glove
from stages.miniatures import word2vec as mini_word2vec

MIRROR = Path(os.environ.get("THESIS_MIRROR") or "~/mirror").expanduser()
WORDS = {"Paris": (1.5, -2.0, 0.1), "paris": (0.0, 0.25, 3.0), "New_York": (-1.0, 1e-3, 7.0)}


def binary(end: bytes, header: bytes = b"3 3\n") -> bytes:
    return header + b"".join(word.encode() + b" " + struct.pack("<3f", *numbers) + end for word, numbers in WORDS.items())


def message(folder: Path, content: bytes | None, read: object = word2vec.read, name: str = word2vec.FILE) -> str:
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        read(folder)  # type: ignore[operator]
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{folder}/", "").removesuffix(": download the data set again")


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_word2vec_by_hand(tmp_path: Path, end: bytes) -> None:
    (tmp_path / word2vec.FILE).write_bytes(binary(end))
    whole = word2vec.read(tmp_path)
    assert whole.words == list(WORDS)
    assert whole.vectors.dtype == np.float32
    assert np.array_equal(whole.vectors, np.array(list(WORDS.values()), np.float32))
    some = word2vec.read(tmp_path, {"paris", "Rome"})
    assert some.words == ["paris"]
    assert np.array_equal(some.vectors, whole.vectors[1:2])


def test_what_is_wrong_with_word2vec(tmp_path: Path) -> None:
    assert message(tmp_path, None) == f"{word2vec.FILE} is missing"
    assert message(tmp_path, b"") == f"{word2vec.FILE} is empty"
    for header in (b"3\n", b"3 x\n", b"0 3\n", b"word2vec"):
        says = "does not begin with the number of its words and that of a vector's numbers"
        assert message(tmp_path, binary(b"", header)) == f"{word2vec.FILE} {says}"
    for cut in (1, 12, 13, 20, 25):
        assert message(tmp_path, binary(b"")[:-cut]) == f"{word2vec.FILE} ends in word {3 if cut < 22 else 2} of 3, so it is truncated"
    assert message(tmp_path, binary(b"", b"4 3\n")) == f"{word2vec.FILE} ends in word 4 of 4, so it is truncated"
    says = "goes on after its 2 words of 3 numbers, so these are not what it holds"
    assert message(tmp_path, binary(b"", b"2 3\n")) == f"{word2vec.FILE} {says}"
    padded = b"1 1\nword \0\0\0\0" + 5000 * b"x"
    assert message(tmp_path, b"2" + padded[1:]) == f"{word2vec.FILE}: no word begins where number 2 of 2 should, after vectors of 1"
    wrong = b"1 1\nword " + struct.pack("<f", float("nan"))
    assert message(tmp_path, wrong) == f"{word2vec.FILE}: the vector of 'word' is not finite"
    (tmp_path / word2vec.FILE).write_bytes(binary(b""))
    with pytest.raises(UserError, match="has none of the words that are asked for"):
        word2vec.read(tmp_path, ["Rom"])


GLOVE = "the 0.5 -1 2e-3\n. . . 1 2 3\ncafé 4 5 6\nthe 7 8 9\n"


def test_glove_by_hand(tmp_path: Path) -> None:
    (tmp_path / "glove.840B.3d.txt").write_text(GLOVE)
    whole = glove.read(tmp_path)
    assert whole.words == ["the", ". . .", "café"]
    assert np.array_equal(whole.vectors, np.array([[0.5, -1, 2e-3], [1, 2, 3], [4, 5, 6]], np.float32))
    assert glove.read(tmp_path, ["café", "nowhere"]).words == ["café"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GLOVE + "short 1 2\n", "glove.3d.txt, line 5 has another count of numbers than the 3 of line 1"),
        (GLOVE + "long 1 2 3 4\n", "glove.3d.txt, line 5 has another count of numbers than the 3 of line 1"),
        (GLOVE + "odd 1 x 3\n", "glove.3d.txt, line 5 has something else than numbers after its word"),
        (GLOVE + "bad 1 inf 3\n", "glove.3d.txt: the vector of 'bad' is not finite"),
        ("", "glove.3d.txt has none of the words that are asked for: take the vectors of that language"),
    ],
)
def test_what_is_wrong_with_glove(tmp_path: Path, text: str, says: str) -> None:
    assert message(tmp_path, text.encode(), glove.read, "glove.3d.txt") == says


def test_there_is_one_glove(tmp_path: Path) -> None:
    assert message(tmp_path, None, glove.read) == f"{tmp_path} has no glove.*.txt"
    assert message(tmp_path, b"\xff 1\n", glove.read, "glove.b.txt") == "glove.b.txt is no text"
    assert message(tmp_path, b"a 1\n", glove.read, "glove.a.txt") == f"{tmp_path} has glove.a.txt and glove.b.txt: take all but one away"


def test_the_real_glove() -> None:
    if not (MIRROR / "glove").is_dir():
        pytest.skip(f"there is no mirror with glove: {MIRROR}")
    whole = glove.read(MIRROR / "glove")
    assert whole.vectors.shape == (22_975, 50)
    assert whole.words[0] == "the"
    assert whole.vectors[0, :3].tolist() == np.array([0.418, 0.24968, -0.41242], np.float32).tolist()


# Miniatures


def cosine(vectors: dict[str, np.ndarray], first: str, second: str) -> float:
    a, b = vectors[first], vectors[second]
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_the_miniatures_know_what_is_near(tmp_path: Path) -> None:
    mini_word2vec.write(tmp_path, fillers=20, seed=3)
    mini_glove.write(tmp_path, fillers=20, seed=3)
    for whole in (word2vec.read(tmp_path), glove.read(tmp_path)):
        assert len(set(whole.words)) == len(whole.words)
        assert whole.vectors.shape[1] == 50
        vectors = dict(zip(whole.words, whole.vectors, strict=True))
        synonyms = [cosine(vectors, *meaning) for meaning in (*captioned.THINGS, *captioned.COLOURS, *ten_lines.PATTERN_WORDS)]
        related = [cosine(vectors, a, b) for a, _ in captioned.THINGS for b, _ in captioned.THINGS if a < b]
        others = [cosine(vectors, a, b) for a, _ in captioned.THINGS for b, _ in captioned.COLOURS]
        assert min(synonyms) > 0.85
        assert np.mean(related) - np.mean(others) > 0.15
        assert max(related) < 0.7
    assert not set(mini_word2vec.ABSENT) & set(word2vec.read(tmp_path).words)
    assert {"a", "and", "the"} <= set(glove.read(tmp_path).words)


def test_a_miniature_is_the_same_again_and_another_by_the_seed(tmp_path: Path) -> None:
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        mini_word2vec.write(tmp_path / folder, fillers=5, seed=seed)
    first, again, other = ((tmp_path / folder / word2vec.FILE).read_bytes() for folder in "abc")
    assert first == again != other
    with pytest.raises(UserError, match="fillers"):
        mini_word2vec.write(tmp_path / "d", fillers=0, seed=1)
