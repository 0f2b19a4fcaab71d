"""How miniatures are written: files whose bytes depend on their content alone, with any version of what packs them."""

import io
import struct
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np


def save_jpeg(picture: np.ndarray, file: Path, *, fine: bool = False) -> None:
    """A picture, uint8 (H, W, 3), as JPEG of high quality; fine : its colours too, which are else of half the size."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(jpeg(picture, fine=fine))


def jpeg(picture: np.ndarray, *, fine: bool = False) -> bytes:
    """What `save_jpeg` writes."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=95, subsampling=0 if fine else -1)
    return buffer.getvalue()


def save_png(picture: np.ndarray, file: Path) -> None:
    """A picture, uint8 (H, W, 3), as PNG."""
    from PIL import Image

    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(file, compress_level=0)  # what zlib makes differs from one build to another


def save_mat(variables: dict[str, Any], file: Path) -> None:
    """A Matlab file (version 5) whose bytes depend on its content alone."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(mat(variables))


def mat(variables: dict[str, Any]) -> bytes:
    """What `save_mat` writes."""
    from scipy.io import savemat

    buffer = io.BytesIO()
    savemat(buffer, variables)  # not compressed: what zlib makes differs from one build to another
    # The first 116 bytes are a text, where Matlab and scipy say when and on which platform.
    return b"MATLAB 5.0 MAT-file".ljust(116) + buffer.getvalue()[116:]


def write_text(text: str, file: Path) -> None:
    """A text in a folder that need not be there yet."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def tar(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A tar archive of these names and contents, whose bytes depend on them alone."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)  # of no owner, and from the beginning of time
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def stored_gzip(content: bytes) -> bytes:
    """A gzip file that is not compressed: what zlib makes differs from one build to another (RFC 1952; blocks of RFC 1951, 3.2.4)."""
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no name, no time, system unknown
    most = 65_535
    starts = range(0, len(content), most)
    blocks = [
        struct.pack("<BHH", start == starts[-1], len(block), most - len(block)) + block
        for start in starts
        for block in [content[start : start + most]]
    ]
    return header + b"".join(blocks) + struct.pack("<II", zlib.crc32(content), len(content))
