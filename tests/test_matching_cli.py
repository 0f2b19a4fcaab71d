"""`python -m stages.metrics.matching` on files of one's own: its answers, and what it says of files that do not fit."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY

from stages.core.errors import UserError
from stages.metrics.matching import from_files, parser

SCORES = np.array([[0.9, 0.1, 0.8, 0.2, 0.3], [0.7, 0.6, 0.1, 0.5, 0.2], [0.4, 0.5, 0.3, 0.2, 0.1]])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where scores, embeddings and image_of.txt lie."""
    monkeypatch.chdir(tmp_path)
    np.save("scores.npy", SCORES)
    np.save("images.npy", np.eye(3, dtype=np.float32))
    np.save("texts.npy", SCORES.T)  # whose cosines order as the scores do, by column
    np.save("image_of.npy", [0, 0, 1, 1, 2])
    Path("image_of.txt").write_text("0\n0\n1\n1\n2\n")
    return tmp_path


def scored(*command: str) -> dict[str, float]:
    return from_files(parser().parse_args(command))


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stages.metrics.matching", *arguments]
    environment = {"PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, timeout=90)


def test_a_matrix_as_a_command(folder: Path) -> None:
    done = run(folder, "scores.npy", "--image-of", "image_of.txt", "--json", "out/scores.json")
    assert (done.returncode, done.stderr) == (0, "")
    scores = json.loads(Path("out/scores.json").read_text())
    assert scores["t2i_r1"] == 40
    assert scores["i2t_mean_rank"] == 3
    assert json.loads(done.stdout)["i2t_r1"] == 33.333


def test_a_mistake_is_one_sentence(folder: Path) -> None:
    done = run(folder, "scores.npy")
    assert done.returncode == 1
    assert done.stderr == "error: there are 5 texts and 3 images: say with --image-of which image each text is of\n"


def test_embeddings_are_compared_by_cosine(folder: Path) -> None:
    found = scored("images.npy", "texts.npy", "--image-of", "image_of.npy")
    assert found["t2i_r1"] == 40
    assert found == scored("images.npy", "texts.npy", "--image-of", "image_of.txt")
    np.save("images.npy", 7 * np.eye(3))
    assert scored("images.npy", "texts.npy", "--image-of", "image_of.npy") == found


def test_a_matrix_is_read_as_it_is_stored(folder: Path) -> None:
    """Scores that only float64 tells apart, a text by an editor that marks its beginning."""
    np.save("close.npy", 1 + 1e-12 * np.eye(3))
    assert scored("close.npy")["i2t_r1"] == 100
    np.save("close.npy", 2**60 + np.eye(3, dtype=np.int64))
    assert scored("close.npy")["t2i_r1"] == 100
    Path("image_of.txt").write_text("\ufeff0\n0\n1\n1\n2\n", encoding="utf-8")
    assert scored("scores.npy", "--image-of", "image_of.txt")["t2i_r1"] == 40


def test_texts_in_the_images_order(folder: Path) -> None:
    np.save("square.npy", np.eye(4))
    assert scored("square.npy")["i2t_r1"] == 100
    np.save("wide.npy", np.repeat(np.eye(3), 2, axis=1))
    assert scored("wide.npy", "--captions-per-image", "2")["t2i_r1"] == 100


def test_classes_folds_and_ties(folder: Path) -> None:
    Path("classes.txt").write_text("4\n4\n9\n")
    by_class = scored("scores.npy", "--image-of", "image_of.txt", "--classes", "classes.txt")
    assert by_class["i2t_mean_rank"] == pytest.approx(7 / 3)
    np.save("same.npy", np.zeros((4, 4)))
    assert scored("same.npy")["i2t_r1"] == 25
    assert scored("same.npy", "--folds", "2")["i2t_r1"] == 50
    assert scored("same.npy", "--ties", "index")["i2t_mean_rank"] == 2.5
    assert scored("same.npy", "--ties", "index")["i2t_r1"] == 25  # image 0's alone


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("scores.npy --captions-per-image 5", "--captions-per-image 5 needs 15 texts for 3 images, not 5"),
        ("scores.npy --captions-per-image 5 --image-of image_of.txt", "give one"),
        ("scores.npy --image-of short.txt", "short.txt has 2 numbers, and there are 5 texts"),
        ("scores.npy --image-of words.txt", "words.txt, number 2, is 'b': it must be a whole number"),
        ("scores.npy --image-of beyond.txt", "beyond.txt has text 4 of image 3: there are 3, numbered from 0"),
        ("scores.npy --image-of scores.npy", r"scores.npy holds float64 of shape \(3, 5\): it must be a row of"),
        ("scores.npy --image-of image_of.txt --classes short.txt", "short.txt has 2 numbers, and there are 3 images"),
        ("scores.npy --image-of image_of.txt --folds 2", "3 images do not make 2 folds"),
        ("images.npy narrow.npy", r"differ in their columns \(images.npy 3 and narrow.npy 2\)"),
        ("images.npy texts.npy scores.npy", "3 files: give one of scores, or two of embeddings"),
        ("flat.npy", r"flat.npy holds float64 of shape \(3,\): it must be numbers in rows and columns"),
        ("words.txt", "words.txt cannot be read .*: it must be an array as numpy.save writes it"),
        ("cut.npy", "cut.npy cannot be read"),
        ("both.npz", "both.npz is an archive of arrays: it must be a single one"),
        ("scores.npy --image-of huge.txt", "huge.txt, number 1, is '9{30}': it must be a whole number"),
        ("scores.npy --image-of huge.npy", "huge.npy has the number 18446744073709551615, which is too large"),
        ("scores.npy --captions-per-image 0", "--captions-per-image is 0: it must be 1 or more"),
        ("broken.npy --image-of image_of.txt", "broken.npy, i2t, scores query 1 and item 0 nan"),
        ("scores.npy --image-of without.txt", "query 2 of scores.npy, i2t, has no right answer among the 5 items"),
    ],
)
def test_what_does_not_fit_is_said(folder: Path, command: str, said: str) -> None:
    Path("short.txt").write_text("0 1")
    Path("words.txt").write_text("0\nb\n1\n1\n2")
    Path("beyond.txt").write_text("0 0 1 2 3")
    Path("without.txt").write_text("0 0 1 1 1")
    Path("huge.txt").write_text("\n".join(["9" * 30] * 5))
    np.save("huge.npy", np.full(5, 2**64 - 1, np.uint64))
    np.savez("both.npz", scores=SCORES)
    np.save("narrow.npy", np.eye(3)[:, :2])
    np.save("flat.npy", np.zeros(3))
    np.save("broken.npy", np.where(np.arange(15).reshape(3, 5) == 5, np.nan, SCORES))
    Path("cut.npy").write_bytes(Path("scores.npy").read_bytes()[:150])
    with pytest.raises(UserError, match=said):
        scored(*command.split())
