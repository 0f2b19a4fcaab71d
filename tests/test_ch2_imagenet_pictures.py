"""What is read of ImageNet (Section 2.4.2): pictures of one size, their crops and mirror images, and the mean that is subtracted."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stages.ch2_imagenet.data import Crops, Pictures, central_crops, load_mean, random_crops
from stages.ch2_imagenet.prepare import write_part
from stages.ch2_imagenet.prepare_settings import Preparation
from stages.core import loop
from stages.core.ahead import AHEAD, in_turn, map_ahead, workers
from stages.core.errors import UserError
from stages.datasets.archived import Picture

CPU = torch.device("cpu")


def jpeg(value: int | np.ndarray, size: tuple[int, int] = (50, 30)) -> bytes:
    pixels = np.broadcast_to(np.asarray(value, np.uint8), (size[1], size[0], 3)) if np.ndim(value) == 0 else value
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=100, subsampling=0)
    return file.getvalue()


SETTINGS = Preparation(size=40, quality=95, max_skipped=0.25)


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """Four pictures of one grey each, and one with a slope."""
    slope = np.repeat(np.linspace(0, 255, 40).astype(np.uint8)[None, :, None], 40, axis=0).repeat(3, axis=2)
    pictures = [Picture(f"{value}.JPEG", value // 50, jpeg(value)) for value in (0, 50, 100, 150)]
    written = write_part(tmp_path, "imagenet", "train", [*pictures, Picture("slope.JPEG", 7, jpeg(slope))], SETTINGS)
    np.save(tmp_path / "mean.npy", written.mean)
    return tmp_path


def test_pictures_come_back_at_their_size(packed):
    pictures = Pictures(packed, "train")
    assert len(pictures) == 5 and pictures.labels.tolist() == [0, 1, 2, 3, 7]
    for row, value in enumerate((0, 50, 100, 150)):
        assert pictures.pixels(row).shape == (40, 40, 3)
        assert np.abs(pictures.pixels(row).astype(int) - value).max() <= 1
    expected = np.mean([pictures.pixels(row) for row in range(5)], axis=0)
    np.testing.assert_allclose(np.load(packed / "mean.npy"), expected, rtol=1e-6)


def test_the_result_does_not_depend_on_the_threads(packed, tmp_path_factory):
    pictures = [Picture(f"{value}.JPEG", value, jpeg(value)) for value in range(0, 200, 5)]
    folders = [tmp_path_factory.mktemp(f"of{threads}") for threads in (1, 4)]
    for folder, threads in zip(folders, (1, 4), strict=True):
        np.save(folder / "mean.npy", write_part(folder, "imagenet", "val", pictures, SETTINGS, threads).mean)
    assert [file.read_bytes() for file in sorted(folders[0].iterdir())] == [file.read_bytes() for file in sorted(folders[1].iterdir())]


def test_a_corrupt_jpeg_is_named_and_counted(tmp_path, capsys):
    good = [Picture(f"n1/{value}.JPEG", 0, jpeg(value)) for value in (10, 20, 30)]
    written = write_part(tmp_path, "imagenet", "train", [*good, Picture("n1/bad.JPEG", 0, jpeg(9)[:100])], SETTINGS)
    assert (written.pictures, written.skipped) == (3, 1) and len(Pictures(tmp_path, "train")) == 3
    assert "skipped: n1/bad.JPEG cannot be read: " in capsys.readouterr().err


def test_too_many_corrupt_jpegs_end_it(tmp_path):
    pictures = [Picture("n1/good.JPEG", 0, jpeg(10)), *(Picture(f"n1/{n}.JPEG", 0, b"no picture") for n in range(2))]
    with pytest.raises(UserError, match=r"2 of 3 pictures of imagenet's part train cannot be decoded, more than the share 0.25"):
        write_part(tmp_path, "imagenet", "train", pictures, SETTINGS)


def test_crops_are_parts_and_mirror_images(packed):
    pictures = Pictures(packed, "train")
    whole = pictures.pixels(4)
    crops = random_crops(pictures, torch.full((64,), 4), 32, ("seed",))
    assert 16 < int(crops.mirrored.sum()) < 48
    assert set(crops.corners.flatten().tolist()) == set(range(9))  # 40 - 32
    for pixels, (top, left), mirrored in zip(crops.pixels.numpy(), crops.corners.tolist(), crops.mirrored.tolist(), strict=True):
        part = whole[top : top + 32, left : left + 32]
        assert np.array_equal(pixels, part[:, ::-1] if mirrored else part)
    again = random_crops(pictures, torch.full((64,), 4), 32, ("seed",))
    assert torch.equal(again.pixels, crops.pixels)
    assert not torch.equal(random_crops(pictures, torch.full((64,), 4), 32, ("other",)).corners, crops.corners)


def test_the_middle_is_the_middle(packed):
    crops = central_crops(Pictures(packed, "train"), torch.tensor([4]), 32)
    assert np.array_equal(crops.pixels[0].numpy(), Pictures(packed, "train").pixels(4)[4:36, 4:36])


def test_the_mean_is_taken_where_the_pixels_are_from(packed):
    """A picture that is the mean itself leaves zeros, wherever it is cut and however it is mirrored; so the mean goes with the pixels."""
    mean = torch.arange(3 * 40 * 40).view(3, 40, 40) % 251
    corners = torch.tensor([[0, 8], [3, 5], [8, 0]])
    mirrored = torch.tensor([True, False, True])
    parts = [mean[:, top : top + 32, left : left + 32].permute(1, 2, 0) for top, left in corners.tolist()]
    pixels = torch.stack([part.flip(1) if mirror else part for part, mirror in zip(parts, mirrored.tolist(), strict=True)])
    images, _ = Crops(pixels.to(torch.uint8), torch.zeros(3), corners, mirrored).normalised(mean.float(), CPU)
    assert images.shape == (3, 3, 32, 32) and not images.any()
    per_channel = load_mean(packed, "channel", CPU)
    images, _ = Crops(pixels.to(torch.uint8), torch.zeros(3), corners, mirrored).normalised(per_channel, CPU)
    torch.testing.assert_close(images[0, :, 0, 0], pixels[0, 0, 0] - torch.tensor([123.0, 117, 104]))  # red, green, blue
    torch.testing.assert_close(load_mean(packed, "pixel", CPU).permute(1, 2, 0).numpy(), np.load(packed / "mean.npy"))


def test_memory_does_not_hold_the_set(packed):
    """What is kept of a set are maps of files; the order of an epoch is 8 bytes a picture."""
    pictures = Pictures(packed, "train")
    assert isinstance(pictures.labels, np.memmap) and isinstance(pictures._offsets, np.memmap)
    rows = loop.batches(1000, 10, ("seed",), CPU)
    assert sorted(int(row) for iteration in range(100) for row in rows(iteration)) == list(range(1000))


def test_work_is_done_ahead_in_order(monkeypatch):
    done: list[int] = []
    ask = in_turn(lambda number: done.append(number) or number, 20, threads=2)
    assert [ask(number) for number in range(7, 12)] == [7, 8, 9, 10, 11]
    assert len(done) <= 5 + 2 * AHEAD + 1  # what was asked for, and what is in hand
    monkeypatch.setenv("THESIS_WORKERS", "none")
    with pytest.raises(UserError, match="THESIS_WORKERS is 'none': it must be a number of threads, 1 or more"):
        workers()
    assert list(map_ahead(str, range(5), threads=3, ahead=2)) == ["0", "1", "2", "3", "4"]
