"""CIFAR-100 in its official layout, cifar-100-python."""

from pathlib import Path

from stages.datasets.cifar import CifarSet, read_batch, read_names


def read(folder: Path, *, coarse: bool = False) -> CifarSet:
    """The set in `folder`/cifar-100-python, with its 100 fine classes, or its 20 coarse ones; errors as CIFAR-10's."""
    base = folder / "cifar-100-python"
    kind, count = ("coarse", 20) if coarse else ("fine", 100)
    classes = read_names(base / "meta", f"{kind}_label_names", count)
    train, test = (read_batch(base / part, f"{kind}_labels", count) for part in ("train", "test"))
    return CifarSet(*train, *test, classes)
