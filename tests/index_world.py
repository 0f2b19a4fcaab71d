"""A small folder of pictures with indices of it, for the tests of `stages.ch4_deepindex.index` and `.search`."""

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from stages.ch4_deepindex import index as indexing
from stages.ch4_deepindex import search as searching
from stages.ch4_deepindex.patches import BadPicture
from stages.core.runtime import Runtime
from stages.miniatures.alexnet import write as write_alexnet
from stages.miniatures.ukb import VIEWS
from stages.miniatures.ukb import write as write_ukb
from stages.miniatures.vgg19 import write as write_vgg19

OBJECTS, WORDS, SIZE, DIMENSIONS = 5, 20, 64, 16
ONE = ("alexnet.fc6",)
NAMES = [f"full/ukbench{number:05d}.jpg" for number in range(VIEWS * OBJECTS)]
RUNTIME = Runtime("cpu", 1, "fp32")


def make(root: Path) -> Path:
    """Write to `root` pictures, weights, and an index of each kind: 1d, intra and inter (2-D)."""
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


def ended(module: ModuleType, words: list[str]) -> str | int | None:
    """What the command of a module passes to sys.exit, run in this process: what a process of its own ends with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["command", *words])
        try:
            module.main()
        except SystemExit as error:
            return error.code
    return 0


def fails(module: ModuleType, words: list[str]) -> str:
    """The one sentence that a command fails with; Python prints it to stderr, and the status is 1."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        said = ended(module, words)
    assert isinstance(said, str) and said.startswith("error: ") and "\n" not in said
    assert out.getvalue() == ""
    return said
