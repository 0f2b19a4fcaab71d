"""An index on disk: a folder that is written whole or not at all, and read as memory maps.

    index.json          what it is of: version, layers and their weights' checksums, settings, how many images
    names.json          the images' names, in the order of their numbers
    layer-0/            of each layer its codebook.npy, and pca.npz and quantiser.npy where it has them
    shard-00000/        counts.npy, images.npy, in a 2-D index columns.npy (`inverted.Postings`), and signature-0.npy and so on

Of two layers, the second is the row and the first the column, as in Section 4.3.2.
"""

import json
import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.ch4_deepindex import inverted, signature
from stages.ch4_deepindex.quantise import Projection, nearest
from stages.ch4_deepindex.retrieve import Shard
from stages.ch4_deepindex.signature import Signatures
from stages.core.errors import UserError

VERSION = 1
SHARD = 1 << 16  # images, whose numbers then take two bytes
BLOCK = 1024  # images whose features are looked at at once: 14 patches of 4096 components take 0.2 MB each
OWN = re.compile(r"(index|names)\.json|(layer|shard)-\d+")  # what an index has in its folder


@dataclass(frozen=True)
class Layer:
    """How the patches of one layer become words and its first patch a signature.

    encoder, layer, weights : of which network, by the sha256 of its weights. signature : as in `signature.STORED`, or none.
    """

    encoder: str
    layer: str
    weights: str
    codebook: NDArray[np.float32]
    projection: Projection | None = None
    signature: str = "none"
    quantiser: Any = None

    @property
    def name(self) -> str:
        return f"{self.encoder}.{self.layer}"

    def features(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features (..., 14, D) as they are quantised: after PCA, if there is one."""
        return self.projection.apply(features, len(self.projection.components)) if self.projection else features.astype(np.float32)

    def words(self, features: NDArray[np.float32], assignments: int) -> NDArray[np.int64]:
        """The nearest words of (..., 14, D): (..., 14, assignments)."""
        return nearest(features, self.codebook, assignments)

    def root(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """The root feature of the whole picture."""
        return signature.root(features[..., 0, :])


@dataclass(frozen=True)
class Index:
    """What `open_index` finds. about : what index.json says."""

    about: dict[str, Any]
    names: list[str]
    layers: list[Layer]
    shards: list[Shard]


def question(
    layers: Sequence[Layer], features: Sequence[NDArray[np.float32]], assignments: int
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None, list[NDArray[np.float32]]]:
    """What `retrieve.search` takes: row words and column words (14, MA), None in a 1-D index, and root features.

    features : (14, D) of each layer.
    """
    projected = [layer.features(each) for layer, each in zip(layers, features, strict=True)]
    words = [layer.words(each, assignments) for layer, each in zip(layers, projected, strict=True)]
    roots = [layer.root(each) for layer, each in zip(layers, projected, strict=True)]
    return words[-1], words[0] if len(words) == 2 else None, roots


def shard_of(layers: Sequence[Layer], features: Sequence[NDArray[np.float32]], first: int) -> Shard:
    """Index images from number `first` on, by features (images, 14, D) of each layer, arrays or memory maps of any precision."""
    words, roots = zip(*(_described(layer, each) for layer, each in zip(layers, features, strict=True)), strict=True)
    sizes = tuple(len(layer.codebook) for layer in reversed(layers))
    postings = inverted.build(words[-1], words[0] if len(words) == 2 else None, sizes)
    stored = [
        signature.store(each, layer.signature, layer.quantiser)
        for layer, each in zip(layers, roots, strict=True)
        if layer.signature != "none"
    ]
    return Shard(first, postings, tuple(stored))


def _described(layer: Layer, features: NDArray) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The nearest word of each patch (images, 14), and the root features (images, D)."""
    words, roots = [], []
    for start in range(0, len(features), BLOCK):
        projected = layer.features(np.asarray(features[start : start + BLOCK], np.float32))
        words.append(layer.words(projected, 1)[..., 0])
        roots.append(layer.root(projected))
    return np.concatenate(words), np.concatenate(roots)


def write_index(folder: Path, layers: Sequence[Layer], shards: Iterable[Shard], names: Sequence[str], settings: dict[str, Any]) -> None:
    """Write an index to `folder`, which must not exist or be an index; shards are taken, written and forgotten one by one."""
    refuse_other(folder)
    folder = folder.resolve()  # where a link leads, the index is replaced and not the link
    aside = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        for number, layer in enumerate(layers):
            _write_layer(layer, aside / f"layer-{number}")
        count = 0
        for shard in shards:
            _write_shard(shard, aside / f"shard-{count:05d}")
            count += 1
        (aside / "names.json").write_text(json.dumps(list(names)) + "\n")  # in ASCII, for names may have bytes that are no UTF-8
        described = [{key: value for key, value in vars(layer).items() if isinstance(value, str)} for layer in layers]
        about = {"version": VERSION, "images": len(names), "shards": count, "layers": described, "settings": settings}
        (aside / "index.json").write_text(json.dumps(about, indent=1, sort_keys=True) + "\n")
        _put(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _put(aside: Path, folder: Path) -> None:
    """`aside` in the place of `folder`; what was there is gone only when that is done."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    try:
        if folder.exists():
            folder.replace(old)
        aside.replace(folder)
    finally:
        if old.exists() and not folder.exists():
            old.replace(folder)
        shutil.rmtree(old, ignore_errors=True)


def refuse_other(folder: Path) -> None:
    """A UserError where writing an index to `folder` would destroy something else."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} exists and is no folder: name another")
    if others := sorted(file.name for file in folder.glob("*") if not OWN.fullmatch(file.name)):
        raise UserError(f"{folder} exists and is no index, or not only that, for it has {others[0]}: name another folder, or remove it")


def open_index(folder: Path) -> Index:
    """The index in `folder`, its lists and signatures memory-mapped."""
    file = folder / "index.json"
    if not file.is_file():
        raise UserError(
            f"{folder} is no index, it has no index.json: make one with `python -m stages.ch4_deepindex.index PICTURES -o {folder}`"
        )
    try:
        about = json.loads(file.read_text())
        version = about["version"]
    except (ValueError, LookupError, TypeError) as error:
        raise UserError(f"{file} is damaged ({error}): make the index again") from None
    if version != VERSION:
        raise UserError(f"{folder} is an index of version {version}, and this program reads version {VERSION}: make the index again")
    try:
        names = json.loads((folder / "names.json").read_text())
        layers = [_read_layer(folder / f"layer-{number}", entry) for number, entry in enumerate(about["layers"])]
        shards = list(_read_shards(folder, about, layers))
    except (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{folder} is damaged ({error}): make the index again") from None
    if sum(shard.postings.size for shard in shards) != len(names):
        raise UserError(f"{folder} is damaged (its shards and names.json differ in their images): make the index again")
    return Index(about, names, layers, shards)


def _write_layer(layer: Layer, folder: Path) -> None:
    folder.mkdir()
    np.save(folder / "codebook.npy", layer.codebook)
    if layer.projection:
        np.savez(folder / "pca.npz", mean=layer.projection.mean, components=layer.projection.components)
    if layer.quantiser is not None:
        signature.save_quantiser(layer.quantiser, folder / "quantiser.npy")


def _read_layer(folder: Path, entry: dict[str, str]) -> Layer:
    projection = None
    if (folder / "pca.npz").exists():
        with np.load(folder / "pca.npz") as stored:
            projection = Projection(stored["mean"], stored["components"])
    quantiser = signature.load_quantiser(folder / "quantiser.npy") if (folder / "quantiser.npy").exists() else None
    return Layer(codebook=np.load(folder / "codebook.npy"), projection=projection, quantiser=quantiser, **entry)


def _write_shard(shard: Shard, folder: Path) -> None:
    folder.mkdir()
    for name in ("counts", "images", "columns"):
        if getattr(shard.postings, name) is not None:
            np.save(folder / f"{name}.npy", getattr(shard.postings, name))
    for number, stored in enumerate(shard.signatures):
        np.save(folder / f"signature-{number}.npy", stored.values)
    (folder / "size.json").write_text(json.dumps(shard.postings.size))


def _read_shards(folder: Path, about: dict[str, Any], layers: list[Layer]) -> Iterator[Shard]:
    first = 0
    for number in range(about["shards"]):
        place = folder / f"shard-{number:05d}"

        def mapped(name: str, place: Path = place) -> NDArray:
            try:
                # A plain array on the map: slicing a memmap takes four times as long.
                return np.load(place / f"{name}.npy", mmap_mode="r").view(np.ndarray)
            except (ValueError, EOFError) as error:
                raise ValueError(f"{place.name}/{name}.npy: {error}") from None

        columns = mapped("columns") if len(layers) == 2 else None
        size = json.loads((place / "size.json").read_text())
        postings = inverted.postings(np.array(mapped("counts")), mapped("images"), columns, size)
        signed = [Signatures(mapped(f"signature-{n}"), layer.quantiser) for n, layer in enumerate(layers) if layer.signature != "none"]
        lengths = {len(each) for each in (postings.images, postings.columns) if each is not None}
        if lengths != {postings.starts[-1]} or any(len(each.values) != size for each in signed):
            raise ValueError(f"the arrays of {place.name} do not belong together")
        yield Shard(first, postings, tuple(signed))
        first += size
