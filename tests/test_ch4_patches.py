"""Chapter 4's patches and their features: boxes by hand, pictures of every odd kind, order, bad files, batches."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stages.ch4_deepindex.extract import extract
from stages.ch4_deepindex.patches import BadPicture, open_picture, patches, pyramid
from stages.core import runtime
from stages.core.errors import UserError
from stages.core.runtime import Runtime
from stages.datasets import pictures as pictures_of_files
from stages.encoders.vision import encoder, load

SIDES = st.integers(3, 400)
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def scene(width: int = 48, height: int = 36, seed: int = 0) -> Image.Image:
    """A smooth picture, which JPEG keeps."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture).astype(int)


# The pyramid


def test_boxes_of_a_picture_that_divides_evenly():
    halves = [(0, 0, 3, 3), (3, 0, 6, 3), (0, 3, 3, 6), (3, 3, 6, 6)]
    thirds = [(x, y, x + 2, y + 2) for y in (0, 2, 4) for x in (0, 2, 4)]
    assert pyramid(6, 6) == [(0, 0, 6, 6), *halves, *thirds]


def test_boxes_of_a_picture_that_does_not():
    assert pyramid(7, 5) == [
        (0, 0, 7, 5),
        *[(0, 0, 3, 2), (3, 0, 7, 2), (0, 2, 3, 5), (3, 2, 7, 5)],
        *[(0, 0, 2, 1), (2, 0, 4, 1), (4, 0, 7, 1)],
        *[(0, 1, 2, 3), (2, 1, 4, 3), (4, 1, 7, 3)],
        *[(0, 3, 2, 5), (2, 3, 4, 5), (4, 3, 7, 5)],
    ]


@given(SIDES, SIDES)
def test_each_level_covers_every_pixel_once(width, height):
    boxes = pyramid(width, height)
    assert len(boxes) == 14
    for level in (boxes[:1], boxes[1:5], boxes[5:]):
        covered = np.zeros((height, width), int)
        for left, top, right, bottom in level:
            covered[top:bottom, left:right] += 1
        assert (covered == 1).all()
        areas = [((right - left), (bottom - top)) for left, top, right, bottom in level]
        assert max(np.ptp([area[side] for area in areas]) for side in (0, 1)) <= 1 and min(map(min, areas)) >= 1


def test_patches_are_the_picture_s_pixels_where_nothing_is_resized():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (36, 36, 3), dtype=np.uint8))
    whole = np.asarray(picture)
    assert np.array_equal(patches(picture, 36)[0], whole)
    assert np.array_equal(patches(picture, 18)[1:5], [whole[y : y + 18, x : x + 18] for y in (0, 18) for x in (0, 18)])
    assert np.array_equal(patches(picture, 12)[5:], [whole[y : y + 12, x : x + 12] for y in (0, 12, 24) for x in (0, 12, 24)])


def test_patches_grow_linearly_between_the_centres_of_pixels():
    steps = np.repeat(np.array([[0, 0, 0, 100, 100, 100]], np.uint8), 6, axis=0)
    found = patches(Image.fromarray(steps).convert("RGB"), 12)[9, 0, :, 0]  # the ninth of the middle: 0 beside 100
    centres = np.clip((np.arange(12) + 0.5) / 6 - 0.5, 0, 1)
    assert abs(found - 100 * centres).max() <= 0.5 + 1e-9


def test_patches_shrink_by_the_mean_and_know_nothing_of_their_neighbours():
    chess = np.zeros((96, 96, 3), np.uint8)
    chess[::2, ::2] = chess[1::2, 1::2] = 255
    assert abs(patches(Image.fromarray(chess), 8).astype(int) - 128).max() <= 16
    halves = np.zeros((60, 60, 3), np.uint8)
    halves[:, 30:] = 255
    for size in (7, 224):
        found = patches(Image.fromarray(halves), size)
        assert found.shape == (14, size, size, 3) and found.dtype == np.uint8
        assert not found[[1, 3, 5, 8, 11]].any() and (found[[2, 4, 7, 10, 13]] == 255).all()


def test_a_region_is_a_picture_of_its_own():
    picture = scene(80, 60)
    expected = patches(picture.crop((10, 5, 50, 41)), 16)
    assert np.array_equal(patches(picture, 16, (10, 5, 50, 41)), expected)
    assert np.array_equal(patches(picture, 16, (10.9, 5.1, 49.01, 40.5)), expected)  # the pixels that it touches
    assert np.array_equal(patches(picture, 16, (-3.0, -9, 81, 1000)), patches(picture, 16))
    for box in ((10, 10, 12, 40), (79, 0, 90, 60), (50, 10, 20, 40)):
        with pytest.raises(BadPicture, match=rf"the region \({box[0]}, .* of 80 x 60 pixels has no 3 x 3 pixels"):
            patches(picture, 16, box)


# Pictures of every kind


def test_greyscale_is_grey_three_times(tmp_path):
    scene().convert("L").save(tmp_path / "grey.png")
    found = open_picture(tmp_path / "grey.png")
    assert found.mode == "RGB" and np.array_equal(np.asarray(found), np.stack([np.asarray(scene().convert("L"))] * 3, axis=2))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_white_is_white_in_every_mode(tmp_path, mode):
    white = Image.fromarray(np.full((5, 5), 65535, np.uint16)) if mode == "I;16" else Image.new("RGB", (5, 5), "white").convert(mode)
    white.save(tmp_path / "white.png")
    assert (pixels(open_picture(tmp_path / "white.png")) == 255).all()


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "L", "RGB"])
def test_jpegs_in_other_colours_look_the_same(tmp_path, mode):
    picture = scene().convert("L").convert("RGB") if mode == "L" else scene()
    picture.convert(mode).save(tmp_path / "picture.jpg", quality=98)
    found = open_picture(tmp_path / "picture.jpg")
    assert found.mode == "RGB" and abs(pixels(found) - pixels(picture)).mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_a_picture(tmp_path, orientation):
    """Stored so that the turn that EXIF asks for makes it upright again."""
    turns = Image.Transpose
    inverse = (None, turns.FLIP_LEFT_RIGHT, turns.ROTATE_180, turns.FLIP_TOP_BOTTOM, turns.TRANSPOSE, turns.ROTATE_90)
    inverse += (turns.TRANSVERSE, turns.ROTATE_270)
    upright, turn = scene(), inverse[orientation - 1]
    exif = Image.Exif()
    exif[0x0112] = orientation
    (upright if turn is None else upright.transpose(turn)).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(np.asarray(open_picture(tmp_path / "turned.png")), np.asarray(upright))


def test_a_rotated_jpeg_is_the_rotated_picture(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    scene().save(tmp_path / "plain.jpg", quality=95)
    scene().save(tmp_path / "turned.jpg", quality=95, exif=exif)
    expected = open_picture(tmp_path / "plain.jpg").transpose(Image.Transpose.ROTATE_270)
    found = open_picture(tmp_path / "turned.jpg")
    assert found.size == (36, 48) and np.array_equal(np.asarray(found), np.asarray(expected))


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0MM\0\x2a\xff\xff\xff\xff", b"Exif\0\0II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_exif_costs_no_picture(tmp_path, exif):
    scene().save(tmp_path / "picture.jpg", quality=95, exif=exif)
    assert open_picture(tmp_path / "picture.jpg").size == (48, 36)


def test_the_first_frame_of_a_moving_picture(tmp_path):
    first, *rest = (Image.new("RGB", (9, 9), colour) for colour in (RED, GREEN, BLUE))
    for name in ("moving.gif", "moving.png", "moving.webp"):
        options = {"lossless": True} if name.endswith("webp") else {}
        first.save(tmp_path / name, save_all=True, append_images=rest, duration=50, **options)
        assert np.array_equal(np.asarray(open_picture(tmp_path / name)), np.full((9, 9, 3), RED)), name


def test_what_is_transparent_is_over_white(tmp_path):
    palette = Image.new("P", (6, 4), 1)
    palette.putpalette([*GREEN, *BLUE])
    palette.paste(0, (0, 0, 3, 4))
    palette.save(tmp_path / "palette.png", transparency=0)
    palette.save(tmp_path / "palette.gif", transparency=0)
    layer = Image.new("RGBA", (6, 4), (*BLUE, 255))
    layer.paste((*GREEN, 0), (0, 0, 3, 4))
    layer.save(tmp_path / "layer.png")
    keyed = layer.convert("RGB")
    keyed.save(tmp_path / "keyed.png", transparency=GREEN)
    for name in ("palette.png", "palette.gif", "layer.png", "keyed.png"):
        found = np.asarray(open_picture(tmp_path / name))
        assert (found[:, :3] == 255).all() and (found[:, 3:] == BLUE).all(), name
    Image.new("RGBA", (4, 4), (0, 0, 0, 127)).save(tmp_path / "half.png")
    assert (np.asarray(open_picture(tmp_path / "half.png")) == 128).all()


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    values = np.array([[0, 257, 128], [32896, 40000, 65535], [1, 129, 65407]], np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    Image.fromarray(values).save(tmp_path / "deep.tif")
    (tmp_path / "deep.pgm").write_bytes(b"P5 3 3 65535\n" + values.astype(">u2").tobytes())
    for name in ("deep.png", "deep.tif", "deep.pgm"):
        found = np.asarray(open_picture(tmp_path / name))
        assert found[:, :, 1].tolist() == [[0, 1, 0], [128, 156, 255], [0, 1, 255]], name


# Files that give no picture


def refusal(file: Path) -> str:
    with pytest.raises(BadPicture) as caught:
        open_picture(file)
    message = str(caught.value)
    assert isinstance(caught.value, UserError) and "\n" not in message
    assert message.startswith((f"{file} cannot be read: ", f"{file} gives no patches: "))
    return message


def test_a_picture_too_small(tmp_path):
    for size in ((1, 1), (2, 50), (50, 2)):
        Image.new("RGB", size).save(tmp_path / "small.png")
        assert f"{size[0]} x {size[1]} pixels are not 3 x 3" in refusal(tmp_path / "small.png")
    Image.new("RGB", (3, 3)).save(tmp_path / "small.png")
    assert patches(open_picture(tmp_path / "small.png"), 5).shape == (14, 5, 5, 3)


def test_files_that_are_no_pictures(tmp_path):
    (tmp_path / "text.jpg").write_text("<html>404</html>")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    assert "no picture of a known format" in refusal(tmp_path / "text.jpg")
    assert "no picture of a known format" in refusal(tmp_path / "empty.jpg")
    assert "Is a directory" in refusal(tmp_path / "folder.jpg")
    assert "there is no such file" in refusal(tmp_path / "none.jpg")
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "float.tif")
    assert "floating-point" in refusal(tmp_path / "float.tif")


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_file_cut_short_anywhere_is_refused_or_whole(tmp_path, format_):
    whole, file = io.BytesIO(), tmp_path / "short"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(whole, format_)
    content = whole.getvalue()
    file.write_bytes(content)
    expected = np.asarray(open_picture(file))
    for length in range(0, len(content) - 16, max(1, len(content) // 60)):
        file.write_bytes(content[:length])
        try:
            found = np.asarray(open_picture(file))
        except BadPicture:
            continue
        assert length > len(content) / 2 and np.array_equal(found, expected)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["JPEG", "PNG", "TIFF", "GIF", "WEBP"]))
@pytest.mark.filterwarnings("ignore")
def test_damaged_bytes_raise_nothing_else(tmp_path_factory, seed, format_):
    random, whole = np.random.default_rng(seed), io.BytesIO()
    scene().save(whole, format_)
    content = np.frombuffer(whole.getvalue(), np.uint8).copy()
    content[random.integers(0, len(content), 5)] = random.integers(0, 256, 5)
    file = tmp_path_factory.getbasetemp() / "damaged"
    file.write_bytes(content.tobytes())
    try:
        patches(open_picture(file), 4)
    except BadPicture as error:
        assert str(file) in str(error)


def test_a_decompression_bomb(tmp_path):
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(30_001 * 100))) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(content)
    assert "decompression bomb" in refusal(tmp_path / "bomb.png")


def test_memory_that_runs_out_is_not_the_file_s_fault(tmp_path, monkeypatch):
    scene().save(tmp_path / "picture.png")

    def none_left(picture: Image.Image) -> Image.Image:
        raise MemoryError

    monkeypatch.setattr(pictures_of_files, "_as_rgb", none_left)
    with pytest.raises(MemoryError):
        open_picture(tmp_path / "picture.png")


# Features


PRECISION = Runtime("cpu", 2, "fp32")
LAYERS = {"alexnet": ["fc6", "fc7"]}


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory) -> torch.nn.Module:
    """A sixteenth as wide as it is."""
    folder, generator = tmp_path_factory.mktemp("weights"), torch.Generator().manual_seed(0)
    state = {}
    for key, tensor in encoder("alexnet").build().state_dict().items():
        shape = [size if size == 3 else size // 16 for size in tensor.shape[:2]] + list(tensor.shape[2:])
        deviation = (2 / np.prod(shape[1:])) ** 0.5 if key.endswith("weight") else 0
        state[key] = deviation * torch.randn(shape, generator=generator)
    runtime.save(state, folder / "alexnet.pth")
    return load("alexnet", folder)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(7):
        scene(60 + number, 50, number).save(folder / f"{number}.png")
    return [folder / f"{number}.png" for number in range(7)]


def run(pictures, network, batch_size=3, layers=LAYERS):
    found = extract(pictures, {"alexnet": network}, layers, size=64, batch_size=batch_size, precision=PRECISION, device=torch.device("cpu"))
    return list(found)


def test_features_come_in_order_and_normalised(alexnet, files):
    found = run([(file, None) for file in files], alexnet)
    assert [number for number, _ in found] == list(range(7))
    for _, values in found:
        assert list(values) == ["alexnet.fc6", "alexnet.fc7"]
        for layer in values.values():
            assert layer.shape == (14, 256) and layer.dtype == np.float32
            np.testing.assert_allclose(np.linalg.norm(layer, axis=1), 1, rtol=1e-5)
    for (_, values), file in zip(found, files, strict=True):  # each by itself, which also shows whose they are
        ((_, alone),) = run([(file, None)], alexnet)
        np.testing.assert_allclose(values["alexnet.fc7"], alone["alexnet.fc7"], atol=1e-5)
        assert abs(values["alexnet.fc7"] - found[0][1]["alexnet.fc7"]).max() > 1e-3 or file == files[0]


@pytest.mark.parametrize("batch_size", [1, 2, 7, 100])
def test_the_size_of_batches_does_not_matter(alexnet, files, batch_size):
    pictures = [(file, None) for file in files]
    for (_, expected), (_, found) in zip(run(pictures, alexnet), run(pictures, alexnet, batch_size), strict=True):
        for layer in found:
            np.testing.assert_allclose(found[layer], expected[layer], atol=1e-5)


def test_a_bad_picture_is_told_and_changes_no_other(alexnet, files, tmp_path):
    (tmp_path / "bad.jpg").write_text("no picture")
    pictures = [(file, None) for file in files]
    good = run(pictures, alexnet)
    pictures[4] = (tmp_path / "bad.jpg", None)
    pictures[5] = (files[5], (0, 0, 2, 2))
    found = run(pictures, alexnet)
    assert [number for number, values in found if isinstance(values, BadPicture)] == [4, 5]
    assert str(found[4][1]).startswith(f"{tmp_path / 'bad.jpg'} cannot be read: ")
    assert str(found[5][1]).startswith(f"{files[5]} gives no patches: the region (0, 0, 2, 2) of 65 x 50 pixels")
    for number in (0, 1, 2, 3, 6):
        assert all(np.array_equal(found[number][1][layer], good[number][1][layer]) for layer in good[number][1])


def test_a_region_s_features_are_those_of_its_pixels(alexnet, files, tmp_path):
    scene(60, 50, 0).crop((7, 8, 40, 44)).save(tmp_path / "region.png")
    ((_, found),) = run([(files[0], (7, 8, 40, 44))], alexnet)
    ((_, expected),) = run([(tmp_path / "region.png", None)], alexnet)
    assert np.array_equal(found["alexnet.fc6"], expected["alexnet.fc6"])


def test_a_black_picture_and_a_vector_of_zeros_are_finite(alexnet, tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "black.png")
    ((_, found),) = run([(tmp_path / "black.png", None)], alexnet)
    assert all(np.isfinite(layer).all() for layer in found.values())
    silent = encoder("alexnet").build().to_empty(device="cpu").eval()
    for parameter in silent.parameters():
        torch.nn.init.zeros_(parameter)
    ((_, found),) = run([(tmp_path / "black.png", None)], silent)
    assert not any(layer.any() for layer in found.values())


def test_each_picture_is_decoded_once_and_not_far_ahead(alexnet, files, monkeypatch):
    decoded = []

    def counting(file: Path) -> Image.Image:
        decoded.append(file)
        return open_picture(file)

    monkeypatch.setattr("stages.ch4_deepindex.extract.open_picture", counting)
    pictures = [(file, None) for file in files] * 3
    networks, layers = {"alexnet": alexnet}, {"alexnet": ["fc6"]}
    found = extract(pictures, networks, layers, size=64, batch_size=2, precision=PRECISION, device=torch.device("cpu"))
    for number, values in found:
        assert list(values) == ["alexnet.fc6"] and len(decoded) <= 2 * (number // 2 + 1) + 3
    assert decoded.count(files[0]) == 3 and len(decoded) == 21
    partly = extract(pictures, networks, layers, size=64, batch_size=2, precision=PRECISION, device=torch.device("cpu"))
    next(partly)
    partly.close()
    assert len(decoded) <= 21 + 5


def test_no_pictures_no_features(alexnet):
    assert run([], alexnet) == []
