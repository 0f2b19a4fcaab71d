"""ImageNet's ILSVRC 2012, classification, in its official archives, which are read as they are (Russakovsky et al., IJCV 2015).

The training archive is a tar of a tar for each class; the validation archive has its images side by side, and their classes are in the
development kit. Classes are numbered as torchvision and Caffe do: in the order of their WordNet ids.
"""

import io
import re
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, cast

from stages.core.errors import UserError
from stages.datasets import AGAIN
from stages.datasets.archived import Picture, Synset

DEVKIT, TRAIN, VAL = "ILSVRC2012_devkit_t12.tar.gz", "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
META = "ILSVRC2012_devkit_t12/data/meta.mat"
TRUTH = "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"


def read_classes(folder: Path) -> list[Synset]:
    """The classes, by WordNet id; a UserError where the development kit is missing or damaged."""
    return list(_classes(folder).values())


def train_pictures(folder: Path) -> Iterator[Picture]:
    """The training pictures, class by class as the archive has them; only one is in memory at a time.

    A UserError names a class that the archive or the development kit lacks, or that has no images, and an archive that is missing,
    cut short or damaged.
    """
    labels = {synset.wnid: index for index, synset in enumerate(read_classes(folder))}
    file = folder / TRAIN
    with _archive(file) as tar:
        members = {member.name.removesuffix(".tar"): member for member in _files(tar)}
        if unknown := sorted(members.keys() - labels.keys()):
            raise UserError(f"{file} has {members[unknown[0]].name}, which is of no class of {DEVKIT}: {AGAIN}")
        if missing := sorted(labels.keys() - members.keys()):
            raise UserError(f"{file} has no {missing[0]}.tar, which is of a class of {DEVKIT}: {AGAIN}")
        for wnid, member in members.items():
            yield from _class_pictures(file, tar, member, labels[wnid])


def val_pictures(folder: Path) -> Iterator[Picture]:
    """The validation pictures, as the archive has them; line n of the ground truth has the class of the one that is numbered n.

    A UserError names an image that is missing or none of the set's, a line that has no class, and an archive that is missing, cut short
    or damaged; and is raised where there is another number of lines than of images.
    """
    labels = _val_labels(folder)
    file = folder / VAL
    with _archive(file) as tar:
        members = {_number(file, member): member for member in _files(tar)}
        if len(members) != len(labels):
            raise UserError(f"{file} has {len(members)} images, and {TRUTH} in {DEVKIT} {len(labels)} lines: download both again")
        for number in range(1, len(labels) + 1):
            if number not in members:
                raise UserError(f"{file} has no {_val_name(number)}: {AGAIN}")
        for number, member in members.items():
            yield Picture(member.name, labels[number - 1], _content(tar, member))


def _class_pictures(file: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, label: int) -> Iterator[Picture]:
    """The pictures of a tar in the training archive."""
    with _readable(f"{member.name} in {file}"), tarfile.open(fileobj=tar.extractfile(member), mode="r:") as images:
        files = _files(images)
        if not files:
            raise UserError(f"{member.name} in {file} has no images: {AGAIN}")
        for image in files:
            yield Picture(f"{member.name.removesuffix('.tar')}/{image.name}", label, _content(images, image))


def _val_name(number: int) -> str:
    return f"ILSVRC2012_val_{number:08d}.JPEG"


def _number(file: Path, member: tarfile.TarInfo) -> int:
    found = re.fullmatch(r"ILSVRC2012_val_(\d{8})\.JPEG", member.name, re.ASCII)
    if not found:
        raise UserError(f"{file} has {member.name}, and its images are named as {_val_name(1)}: {AGAIN}")
    return int(found[1])


# --------------------------------------------------------------------------------------------------------- development kit


def _classes(folder: Path) -> dict[int, Synset]:
    """The classes, by WordNet id, under their ILSVRC2012_ID; synsets that have children are none."""
    from scipy.io import loadmat

    content = _devkit(folder, META)
    try:
        synsets = loadmat(io.BytesIO(content), squeeze_me=True)["synsets"].ravel()
        leaves = {
            int(each["ILSVRC2012_ID"]): Synset(str(each["WNID"]), str(each["words"])) for each in synsets if each["num_children"] == 0
        }
    except Exception as error:  # a damaged file raises nearly anything
        raise UserError(f"{META} in {folder / DEVKIT} is damaged or no table of synsets ({error}): {AGAIN}") from error
    if not leaves:
        raise UserError(f"{META} in {folder / DEVKIT} has no synset without children, so no classes: {AGAIN}")
    return dict(sorted(leaves.items(), key=lambda item: item[1].wnid))


def _val_labels(folder: Path) -> list[int]:
    """The class of each validation picture, in the order of their numbers."""
    labels = {str(number): index for index, number in enumerate(_classes(folder))}
    lines = [line.strip() for line in _devkit(folder, TRUTH).decode("ascii", "replace").splitlines()]
    for count, line in enumerate(lines, 1):
        if line not in labels:
            raise UserError(f"{TRUTH} in {folder / DEVKIT}, line {count}: {line!r} is no ILSVRC2012_ID of a class: {AGAIN}")
    return [labels[line] for line in lines]


def _devkit(folder: Path, name: str) -> bytes:
    file = folder / DEVKIT
    with _archive(file, "r:gz") as tar:
        for member in _files(tar):
            if member.name == name:
                return _content(tar, member)
    raise UserError(f"{file} has no {name}: {AGAIN}")


# ---------------------------------------------------------------------------------------------------------------- archives


@contextmanager
def _archive(file: Path, mode: Literal["r:", "r:gz"] = "r:") -> Iterator[tarfile.TarFile]:
    if not file.is_file():
        raise UserError(f"{file} is missing: download it")
    with _readable(str(file)), tarfile.open(file, mode) as tar:
        yield tar


@contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise UserError(f"{name} cannot be read ({error}): {AGAIN}") from error


def _files(tar: tarfile.TarFile) -> list[tarfile.TarInfo]:
    """The files of an archive, in its order. A damaged header, which tarfile takes for the end, is a ReadError."""
    members = tar.getmembers()
    stream = cast(IO[bytes], tar.fileobj)
    stream.seek(tar.offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it breaks off, or is damaged in the middle")
    return [member for member in members if member.isfile()]


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    return cast(IO[bytes], tar.extractfile(member)).read()  # None is for what is no file
