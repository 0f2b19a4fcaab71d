"""The CIFAR reader: against plain pickle loading and the real files; every kind of damage is one sentence that names the file."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.core.errors import UserError
from stages.datasets.cifar import CifarSet
from stages.datasets.cifar10 import read as read_cifar10
from stages.datasets.cifar100 import read as read_cifar100
from stages.miniatures.cifar10 import write as write_cifar10
from stages.miniatures.cifar100 import write as write_cifar100

BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


def save(file: Path, content: Any) -> None:
    """As today's pickle and numpy write it: other opcodes and module names than the official files'."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(pickle.dumps(content, protocol=4))


def load(file: Path) -> dict:
    return pickle.loads(file.read_bytes(), encoding="bytes")


def change(file: Path, **values: Any) -> None:
    """Replace values of a pickled dict; None takes the key out."""
    content = load(file) | {key.encode(): value for key, value in values.items()}
    save(file, {key: value for key, value in content.items() if value is not None})


def pixels(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(256, size=(count, 3072), dtype=np.uint8)


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    """Two random images per batch; image k of batch b has the label (b + k) mod 10."""
    base = tmp_path / "cifar-10-batches-py"
    for number, name in enumerate(BATCHES):
        save(base / name, {b"data": pixels(2, number), b"labels": [number, number + 1]})
    save(base / "batches.meta", {b"label_names": [f"class {label}".encode() for label in range(10)]})
    return tmp_path


@pytest.fixture
def hundred(tmp_path: Path) -> Path:
    base = tmp_path / "cifar-100-python"
    save(base / "train", {b"data": pixels(3, 0), b"fine_labels": [99, 0, 50], b"coarse_labels": [19, 3, 0]})
    save(base / "test", {b"data": pixels(1, 1), b"fine_labels": [7], b"coarse_labels": [8]})
    names = {
        f"{kind}_label_names".encode(): [b"%s %d" % (kind.encode(), k) for k in range(n)] for kind, n in (("fine", 100), ("coarse", 20))
    }
    save(base / "meta", names)
    return tmp_path


def test_cifar10(ten: Path) -> None:
    found = read_cifar10(ten)
    assert (found.train_images.shape, found.train_images.dtype) == ((10, 3, 32, 32), np.uint8)
    assert (found.test_images.shape, found.test_labels.dtype) == ((2, 3, 32, 32), np.int64)
    assert found.train_labels.tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5]
    assert found.test_labels.tolist() == [5, 6]
    assert found.classes == [f"class {label}" for label in range(10)]
    # The first 1024 values of a row are red, row by row; then green, then blue.
    row = pixels(2, 3)[1]
    image = found.train_images[7]
    assert (image[0, 0, 1], image[0, 1, 0], image[1, 0, 0], image[2, 31, 31]) == (row[1], row[32], row[1024], row[3071])


def test_cifar100(hundred: Path) -> None:
    found = read_cifar100(hundred)
    assert (found.train_labels.tolist(), found.test_labels.tolist()) == ([99, 0, 50], [7])
    assert (len(found.classes), found.classes[50]) == (100, "fine 50")
    assert np.array_equal(found.train_images.reshape(3, -1), pixels(3, 0))
    coarse = read_cifar100(hundred, coarse=True)
    assert (coarse.train_labels.tolist(), coarse.test_labels.tolist()) == ([19, 3, 0], [8])
    assert (len(coarse.classes), coarse.classes[19]) == (20, "coarse 19")


def test_miniatures_are_read_like_plain_pickles(tmp_path: Path) -> None:
    write_cifar10(tmp_path, train=20, test=10, seed=0)
    write_cifar100(tmp_path, train=100, test=100, seed=0)
    assert_equals_plain_pickles(read_cifar10(tmp_path), tmp_path / "cifar-10-batches-py", BATCHES, "labels")
    assert_equals_plain_pickles(read_cifar100(tmp_path), tmp_path / "cifar-100-python", ["train", "test"], "fine_labels")


def assert_equals_plain_pickles(found: CifarSet, base: Path, names: list[str], label_key: str) -> None:
    *train, test = (load(base / name) for name in names)
    assert np.array_equal(found.train_images.reshape(len(found.train_images), 3072), np.concatenate([batch[b"data"] for batch in train]))
    assert np.array_equal(found.test_images.reshape(len(found.test_images), 3072), test[b"data"])
    assert found.train_labels.tolist() == [label for batch in train for label in batch[label_key.encode()]]
    assert found.test_labels.tolist() == test[label_key.encode()]


def test_the_official_files() -> None:
    mirror = os.environ.get("THESIS_MIRROR")
    if not mirror or not (Path(mirror) / "cifar10").is_dir():
        pytest.skip("THESIS_MIRROR names no mirror with cifar10")
    found = read_cifar10(Path(mirror) / "cifar10")
    assert (found.train_images.shape, found.test_images.shape) == ((50000, 3, 32, 32), (10000, 3, 32, 32))
    assert np.bincount(found.train_labels).tolist() == 10 * [5000]
    assert np.bincount(found.test_labels).tolist() == 10 * [1000]
    assert found.classes == ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    # The training set's mean colour, as it is published everywhere: 0.4914, 0.4822, 0.4465.
    assert found.train_images.mean(axis=(0, 2, 3)) / 255 == pytest.approx([0.4914, 0.4822, 0.4465], abs=5e-5)
    assert_equals_plain_pickles(found, Path(mirror) / "cifar10/cifar-10-batches-py", BATCHES, "labels")


# Bad files


def sentence(read: Callable[[Path], CifarSet], folder: Path) -> str:
    with pytest.raises(UserError) as error:
        read(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_missing_files(ten: Path, hundred: Path) -> None:
    for base, read in ((ten / "cifar-10-batches-py", read_cifar10), (hundred / "cifar-100-python", read_cifar100)):
        for file in sorted(base.iterdir()):
            moved = file.rename(file.with_name("away"))
            assert sentence(read, base.parent) == f"{file} is missing: download the data set again"
            moved.rename(file)
        read(base.parent)


def test_truncated_files(tmp_path: Path) -> None:
    write_cifar10(tmp_path, train=10, test=10, seed=0)
    for name in ("data_batch_3", "batches.meta"):
        file = tmp_path / "cifar-10-batches-py" / name
        whole = file.read_bytes()
        for kept in {*range(0, len(whole), 41), *range(130), len(whole) - 1}:
            file.write_bytes(whole[:kept])
            message = sentence(read_cifar10, tmp_path)
            assert message.startswith(f"{file} is truncated or no CIFAR pickle (")
            assert message.endswith("): download the data set again")
        file.write_bytes(whole)


@pytest.mark.parametrize("content", [b"<html>404</html>", b"\x1f\x8b\x08\x00", b"\x80\x02]q\x00.", b"garbage" * 99])
def test_files_that_are_something_else(ten: Path, content: bytes) -> None:
    file = ten / "cifar-10-batches-py/test_batch"
    file.write_bytes(content)
    assert str(file) in sentence(read_cifar10, ten)


class Malicious:
    def __init__(self, *call: Any):
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


@pytest.mark.parametrize(
    ("call", "name"),
    [((os.mkdir, "trap"), "mkdir"), ((eval, "1"), "eval"), ((np.load, "trap"), "load"), ((np.dtype.newbyteorder, "u1"), "getattr")],
)
def test_pickles_that_would_run_code_are_refused(ten: Path, monkeypatch: pytest.MonkeyPatch, call: tuple[Any, ...], name: str) -> None:
    monkeypatch.chdir(ten)
    file = ten / "cifar-10-batches-py/data_batch_2"
    save(file, {b"data": Malicious(*call), b"labels": []})
    assert f"{file} is truncated or no CIFAR pickle (it asks for " in sentence(read_cifar10, ten)
    assert not (ten / "trap").exists()
    with pytest.raises(UserError, match=name):
        read_cifar10(ten)


ROWS = pixels(2, 0)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"labels": None}, " lacks labels: it is not in CIFAR's official layout"),
        ({"labels": None, "data": None}, " lacks data and labels: it is not in CIFAR's official layout"),
        ({"data": ROWS[:, :-1]}, ": data is uint8 of shape (2, 3071), where CIFAR has uint8 of shape (N, 3072)"),
        ({"data": ROWS.reshape(2, 3, 32, 32)}, ": data is uint8 of shape (2, 3, 32, 32), where CIFAR has uint8 of shape (N, 3072)"),
        ({"data": ROWS.astype(np.float32)}, ": data is float32 of shape (2, 3072), where CIFAR has uint8 of shape (N, 3072)"),
        ({"data": ROWS.tolist()}, ": data is list, where CIFAR has uint8 of shape (N, 3072)"),
        ({"data": ROWS[:1]}, ": labels is 2 values, where its 1 images need a list of as many labels"),
        ({"labels": [1, 2, 3]}, ": labels is 3 values, where its 2 images need a list of as many labels"),
        ({"labels": b"ab"}, ": labels is bytes, where its 2 images need a list of as many labels"),
        ({"labels": [9, 10]}, ": label 10 of image 1 is none of the integers 0 to 9"),
        ({"labels": [-1, 0]}, ": label -1 of image 0 is none of the integers 0 to 9"),
        ({"labels": [0, 1.5]}, ": label 1.5 of image 1 is none of the integers 0 to 9"),
        ({"labels": [0, b"1"]}, ": label b'1' of image 1 is none of the integers 0 to 9"),
    ],
)
def test_bad_batches(ten: Path, values: dict[str, Any], problem: str) -> None:
    file = ten / "cifar-10-batches-py/data_batch_4"
    change(file, **values)
    assert sentence(read_cifar10, ten) == f"{file}{problem}"


def test_bad_labels_of_a_hundred(hundred: Path) -> None:
    file = hundred / "cifar-100-python/test"
    change(file, fine_labels=[100], coarse_labels=[20])
    assert sentence(read_cifar100, hundred) == f"{file}: label 100 of image 0 is none of the integers 0 to 99"
    with pytest.raises(UserError, match="label 20 of image 0 is none of the integers 0 to 19"):
        read_cifar100(hundred, coarse=True)


@pytest.mark.parametrize("names", [[b"a"] * 9, "abcdefghij", [b"a"] * 9 + [1], 3])
def test_bad_names(ten: Path, names: object) -> None:
    file = ten / "cifar-10-batches-py/batches.meta"
    change(file, label_names=names)
    assert sentence(read_cifar10, ten) == f"{file}: label_names is not a list of 10 names"
