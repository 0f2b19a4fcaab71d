"""Pictures as they are found: turned, transparent, of 16 bits, damaged, no pictures at all."""

import contextlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from stages.core.errors import UserError
from stages.datasets import AGAIN

# What Pillow decodes by itself, the usual ones first. It takes a file for what it holds, whatever its name, and hands some formats to other
# programs: a PostScript file to Ghostscript.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "TIFF", "WEBP", "AVIF", "JPEG2000", "PSD", "TGA")

Read = TypeVar("Read")


class BadPicture(UserError):  # noqa: N818
    """A file, or a region of it, that no pixels can be had from; one sentence says why."""


def decoded(
    file: Path | BinaryIO, read: Callable[[Image.Image], Read], formats: tuple[str, ...] = FORMATS, name: str | None = None
) -> Read:
    """What `read` makes of a file's picture, whose pixels are decoded by then.

    file : a path, or an open file that errors call `name`. formats : Pillow's names of what the file may hold.
    BadPicture: a file that is missing, damaged, cut short, of another format or too large to trust (Pillow's limit).
    """
    try:
        with Image.open(file, formats=formats) as picture:
            picture.load()
            return read(picture)
    except MemoryError:
        raise  # not the file's fault
    except Exception as error:  # Pillow raises nearly anything, from OSError to struct.error
        raise BadPicture(f"{name or file} cannot be read: {_reason(error)}") from error


def pictures_in(folder: Path) -> tuple[list[Path], Counter[str]]:
    """The files of a folder, and of those below it, whose suffix is a picture's, by name; and the suffixes of its other files."""
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: name one with pictures")
    Image.init()
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    known = {suffix for suffix, name in Image.EXTENSION.items() if name in FORMATS}
    found = [file for file in files if file.suffix.lower() in known]
    if not found:
        raise UserError(f"{folder} has no pictures, no file whose name ends in .jpg, .png or another format's suffix")
    return found, Counter(file.suffix.lower() or "without suffix" for file in files if file.suffix.lower() not in known)


def as_stored(picture: Image.Image) -> tuple[str, np.ndarray]:
    """Pillow's name of what a pixel is, and the pixels: (H, W), or (H, W, channels)."""
    return picture.mode, np.asarray(picture)


def open_picture(file: Path | BinaryIO, name: str | None = None) -> Image.Image:
    """A picture as it is meant to be seen, RGB: turned as its EXIF says, what is transparent over white, the first of a moving one.

    Arguments and errors as `decoded`.
    """
    return decoded(file, _as_seen, name=name)


def read_image(file: Path) -> np.ndarray:
    """A photograph of a data set as it is stored, uint8 (H, W, 3); a UserError where it cannot be read."""
    return read_pixels(file, "RGB")


def read_pixels(file: Path, mode: str, formats: tuple[str, ...] = FORMATS) -> np.ndarray:
    """A picture of a data set in a mode of Pillow's, as it is stored: uint8 (H, W) or (H, W, 3); errors as `read_image`."""
    return _of_a_set(file, lambda picture: np.asarray(picture.convert(mode)), formats)


def read_stored(file: Path, formats: tuple[str, ...] = FORMATS) -> tuple[str, np.ndarray]:
    """A picture of a data set `as_stored`; errors as `read_image`."""
    return _of_a_set(file, as_stored, formats)


def _of_a_set(file: Path, read: Callable[[Image.Image], Read], formats: tuple[str, ...]) -> Read:
    try:
        return decoded(file, read, formats)
    except BadPicture as error:
        raise UserError(f"{error}: {AGAIN}") from error


def _as_seen(picture: Image.Image) -> Image.Image:
    with contextlib.suppress(Exception):  # damaged EXIF is common; the pixels are read, and stay as they are stored
        ImageOps.exif_transpose(picture, in_place=True)
    return _as_rgb(picture)


def _as_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "F":
        raise ValueError("its pixels are floating-point numbers, of which none is known to be white")
    if picture.mode.startswith("I"):  # 16 bits, of which convert() would clip all that is above 255
        values = (np.asarray(picture).astype(np.int64).clip(0, 65535) + 128) // 257
        return Image.fromarray(values.astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return picture.convert("RGB")


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "it is no picture of a known format"
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return str(error) or type(error).__name__
