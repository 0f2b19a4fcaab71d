"""Pictures are opened in one place, by a list of formats: what a file holds is not handed to other programs, whatever its name."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.core.errors import UserError
from stages.datasets import bsds500, voc2012
from stages.datasets.pictures import FORMATS, BadPicture, as_stored, decoded, open_picture, read_image
from stages.metrics.edge_maps import read_map

EPS = """%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 60 60
%%EndComments
newpath 10 10 moveto 50 50 lineto stroke
showpage
%%EOF
"""


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is there once Ghostscript has been started."""
    log = tmp_path / "bin/log"
    log.parent.mkdir()
    (log.parent / "gs").write_text(f"#!/bin/sh\necho started >> {log}\nexit 1\n")
    (log.parent / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(log.parent), prepend=":")
    return log


@pytest.mark.parametrize(
    ("read", "name"),
    [
        (open_picture, "holiday.jpg"),
        (read_image, "photo.jpg"),
        (lambda file: bsds500.read_contours(file.parent.parent.parent, "test", "1"), "gPb-owt-ucm/test/1.png"),
        (read_image, "2007_000001.jpg"),
        (voc2012.read_labels, "2007_000001.png"),
        (read_map, "edges.png"),
    ],
)
def test_a_postscript_file_is_no_picture_whatever_its_name(
    tmp_path: Path, started: Path, read: Callable[[Path], object], name: str
) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(EPS)
    with pytest.raises(UserError, match=f"{re.escape(str(file))} cannot be read: it is no picture of a known format"):
        read(file)
    assert not started.exists()


def test_the_file_is_one_that_pillow_would_start_a_program_for(tmp_path: Path, started: Path) -> None:
    (tmp_path / "holiday.jpg").write_text(EPS)
    with pytest.raises(Exception), Image.open(tmp_path / "holiday.jpg") as picture:  # noqa: B017 - whatever comes of it
        picture.load()
    assert started.exists()


def test_all_formats_of_the_list_are_read_and_none_starts_a_program(started: Path) -> None:
    Image.init()
    assert set(FORMATS) <= Image.OPEN.keys()
    picture = Image.fromarray(np.full((8, 8, 3), 200, np.uint8))
    for name in FORMATS:
        if name in Image.SAVE:
            stored = io.BytesIO()
            picture.save(stored, name)
            assert open_picture(stored, name).getpixel((4, 4))[0] == pytest.approx(200, abs=3), name
    for content in (b"", b"\0" * 999, b"\xff\xd8\xff", b"Dear Jane,\n", np.random.default_rng(0).bytes(5000)):
        with pytest.raises(BadPicture, match="letter cannot be read: it is no picture of a known format"):
            open_picture(io.BytesIO(content), "letter")
    assert not started.exists()


def test_a_map_is_png_and_no_other_picture(tmp_path: Path) -> None:
    values = np.full((8, 8), 51, np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert decoded(tmp_path / "a.png", as_stored, ("PNG",))[0] == "L" and read_map(tmp_path / "a.png")[0, 0] == 0.2
    Image.fromarray(values).save(tmp_path / "b.png", "TIFF")
    with pytest.raises(UserError, match=r"b\.png cannot be read: it is no picture of a known format"):
        read_map(tmp_path / "b.png")
    whole = (tmp_path / "a.png").read_bytes()
    for content in (whole[:40], whole.replace(b"IDAT", b"IDAT\xff")):  # cut short; with a wrong checksum
        (tmp_path / "a.png").write_bytes(content)
        with pytest.raises(UserError, match=r"a\.png cannot be read: "):
            read_map(tmp_path / "a.png")


def test_pictures_are_opened_in_one_place() -> None:
    root = Path(__file__).parent.parent
    opens = re.compile(r"\bImage\.open\(|\bimread\(|\bdecode_(image|jpeg|png)\(|torchvision\.io")
    files = [file for folder in ("stages", "workflow") for file in (root / folder).rglob("*.py")]
    assert [file.relative_to(root).as_posix() for file in files if opens.search(file.read_text())] == ["stages/datasets/pictures.py"]
