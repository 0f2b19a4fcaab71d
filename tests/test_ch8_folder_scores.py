"""Scores of anyone's folders: the chapter's of its own pictures, sizes and suffixes, the command, and what cannot be scored."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import stage_runs
import swap_scores_world as world
import torch
from numpy.typing import NDArray
from PIL import Image

from stages.ch8_swapgan import folder_scores, score, scorer
from stages.core.errors import UserError
from stages.core.runtime import Runtime
from stages.metrics.perception import inception_score, shuffled, similarity

torch.set_num_threads(1)
PHOTOS, REFERENCES = Path("photos"), Path("references")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def train() -> None:
        stage_runs.run_main(scorer, world.DATASET, world.params(iterations=40))

    return stage_runs.make_world(tmp_path_factory.mktemp("folder_scores"), world.write_prepared, train)


def write(folder: Path, pictures: NDArray[np.uint8], suffix: str = "png") -> None:
    """Under names whose order is the pictures'."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number:02}.{suffix}")


@pytest.fixture
def real(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, NDArray]:
    """An empty folder with `photos`, the conditions of the test pairs, and `references`, their true swaps, 16 x 16 PNG; the test part."""
    monkeypatch.chdir(trained)
    part = world.part()
    monkeypatch.chdir(tmp_path)
    write(PHOTOS, part["images"][part["pairs"][:, 1]])
    write(REFERENCES, part["truth"])
    return part


def found(*words: object) -> dict[str, float]:
    args = folder_scores.parser().parse_args(["--device", "cpu", "--threads", "1", *map(str, words)])
    return dict(folder_scores.scores(args))


def test_the_chapter_s_own_scores(trained: Path, real: dict[str, NDArray]) -> None:
    conditions = real["images"][real["pairs"][:, 1]]
    loaded = score.load(trained / world.SCORER, Runtime("cpu", 1, "fp32"), torch.device("cpu"), "")
    mean, deviation = inception_score(loaded.posteriors(conditions)[shuffled(12)], 5)
    ssim = np.mean([similarity(*pair) for pair in zip(conditions, real["truth"], strict=True)])
    expected = {"inception_score": mean, "deviation": deviation, "splits": 5, "ssim": ssim, "photos": 12}
    values = found(PHOTOS, REFERENCES, "--scorer", trained / world.SCORER, "--splits", 5)
    assert values == pytest.approx(expected) and 1.05 < mean < 2 and deviation > 0 and ssim < 0.95
    assert found(PHOTOS, "--scorer", trained / world.SCORER, "--splits", 5).keys() == expected.keys() - {"ssim"}
    assert found(PHOTOS, REFERENCES) == pytest.approx({"ssim": ssim, "photos": 12})
    assert found(PHOTOS, PHOTOS)["ssim"] == pytest.approx(1)


def test_other_sizes_and_suffixes(trained: Path, real: dict[str, NDArray]) -> None:
    """Each pixel four times: SSIM at that size, the Inception Score nearly as before; no folder's order but that of names."""
    words = ("--scorer", trained / world.SCORER, "--splits", 1)
    before = found(PHOTOS, REFERENCES, *words)
    large = np.repeat(np.repeat(real["images"][real["pairs"][:, 1]], 2, axis=1), 2, axis=2)
    for file in PHOTOS.iterdir():
        file.unlink()
    write(PHOTOS, large, "bmp")
    write(Path("other"), large, "png")
    after = found(PHOTOS, "other", *words)
    assert after["inception_score"] == pytest.approx(before["inception_score"], abs=0.1) and after["ssim"] == pytest.approx(1)


def test_by_inception(real: dict[str, NDArray], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of pictures as they are, one by one, whatever their sizes."""
    seen = []

    def answer(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        seen.append(images.shape)
        return np.eye(12, dtype=np.float32)[len(seen) - 1][None]

    monkeypatch.setattr(score, "inception", lambda folder, device: answer)
    Image.fromarray(real["images"][0][:12]).save(PHOTOS / "03.png")
    values = found(PHOTOS, "--inception", "weights", "--splits", 2)
    assert values["inception_score"] == pytest.approx(6) and seen == [(1, 12 if number == 3 else 16, 16, 3) for number in range(12)]


def test_the_command(trained: Path, real: dict[str, NDArray], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    words = ["photos", "references", "--scorer", str(trained / world.SCORER), "--splits", "2", "--device", "cpu", "--threads", "1"]
    monkeypatch.setattr(sys, "argv", ["folder_scores", *words])
    folder_scores.main()
    lines = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert lines.keys() == {"inception_score", "deviation", "splits", "ssim", "photos"} and (lines["splits"], lines["photos"]) == (
        "2",
        "12",
    )
    assert lines["ssim"] == f"{found(*words[:2])['ssim']:.4f}"
    monkeypatch.setattr(sys, "argv", ["folder_scores", "photos", "--device", "cpu"])
    with pytest.raises(SystemExit, match=r"^error: there is nothing to score by: give --scorer or --inception"):
        folder_scores.main()


@pytest.mark.parametrize(
    "about",
    [{"categories": 5}, {"width": "x"}, {"width": -1}, {"filters": 1.5}, *({"size": size} for size in (0, True, "16", None, 10**6))],
)
def test_an_about_json_that_describes_no_scorer_is_one_sentence(trained: Path, real: dict[str, NDArray], about: dict) -> None:
    shutil.copytree(trained / world.SCORER, "scorer")
    file = Path("scorer/about.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | about))
    with pytest.raises(UserError, match=r"scorer/about\.json describes no scorer \("):
        found(PHOTOS, "--scorer", "scorer", "--splits", 2)


def test_what_cannot_be_scored_is_one_sentence(trained: Path, real: dict[str, NDArray]) -> None:
    by = ("--scorer", trained / world.SCORER)
    for splits in (13, 0):
        with pytest.raises(
            UserError, match=rf"--splits is {splits}, and there are 12 pictures: the Inception Score needs one for each split"
        ):
            found(PHOTOS, *by, "--splits", splits)
    with pytest.raises(UserError, match="--threads must be 1 or more"):
        found(PHOTOS, REFERENCES, "--threads", 0)
    Image.fromarray(real["truth"][4][:, :12]).save(REFERENCES / "04.png")
    with pytest.raises(
        UserError, match=r"photos/04\.png has 16 x 16 pixels and references/04\.png 12 x 16: for SSIM the two must be of one size"
    ):
        found(PHOTOS, REFERENCES)
    (REFERENCES / "07.png").rename(REFERENCES / "x.png")
    with pytest.raises(UserError, match=r"photos/07\.png has no reference: references has no picture of the name 07"):
        found(PHOTOS, REFERENCES)
    (PHOTOS / "07.png").unlink()
    with pytest.raises(UserError, match=r"references/x\.png has no photo: photos has no picture of the name x"):
        found(PHOTOS, REFERENCES)
    (PHOTOS / "00.png").write_bytes(b"PNG")
    with pytest.raises(UserError, match=r"photos/00\.png cannot be read"):
        found(PHOTOS, *by, "--splits", 2)
    with pytest.raises(UserError, match=r"none/inception_v3\.pth is missing: get it with `dvc repro download@inception_v3`"):
        found(PHOTOS, "--inception", "none", "--splits", 2)
    with pytest.raises(UserError, match=r"none/about\.json is not there"):
        found(PHOTOS, "--scorer", "none")
    with pytest.raises(UserError, match="none is no folder"):
        found("none", REFERENCES)
