"""Predictions of Section 8.2 hold what they say, and a trained model swaps clothes between photos of one's own."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from stage_runs import CPU, make_world, run_main
from swap_world import DATASET, MODELS, NETWORK, PREDICTIONS, PREPARED, SIDE, VARIANTS, small, write_prepared

from stages.ch8_swapgan import data, people, predict, stored, swap, train
from stages.ch8_swapgan.trained import load
from stages.ch8_swapgan.training_settings import Network, Variant
from stages.core.errors import UserError
from stages.core.runtime import Runtime
from stages.core.settings import build
from stages.gan.images import to_bytes, to_unit

torch.set_num_threads(1)
DEVICE = torch.device("cpu")
TRAINED = ("full", "i-iii", "i-ii", "i")
MADE = {
    "full": {"swapped", "returned", "mask_swapped", "mask_returned"},
    "i-iii": {"swapped", "mask_swapped"},
    "i-ii": {"swapped", "returned"},
    "i": {"swapped"},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    steps = [lambda name=name: run_main(train, f"{DATASET} {name} --seed 0", small(2)) for name in TRAINED]
    return make_world(tmp_path_factory.mktemp("made"), write_prepared, *steps, lambda: run_main(predict, DATASET, small(2)))


@pytest.fixture
def world(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "world")
    monkeypatch.chdir(tmp_path / "world")
    return tmp_path / "world"


def model(name: str):
    return load(MODELS / f"{name}-seed0", build(Variant, VARIANTS[name]), build(Network, NETWORK), DEVICE)


def test_predictions_are_what_the_generators_make_of_the_test_pairs(world: Path) -> None:
    photos, full = data.load(PREPARED, "test"), model("full")
    for name, arrays in MADE.items():
        made = stored.read(PREDICTIONS / f"{name}-seed0.npz", stored.shapes(12, SIDE), "ch8_swap_predict")
        assert set(made) == arrays == set(np.load(PREDICTIONS / f"{name}-seed0.npz"))
        about = json.loads((PREDICTIONS / f"{name}-seed0.json").read_text())
        assert (about["model"], about["seed"], about["determinism"], about["iterations"]) == (name, 0, "bitwise", 2)
    made = np.load(PREDICTIONS / "full-seed0.npz")
    for row in (0, 7):
        reference, condition = photos.pairs[row]
        image, pose = (to_unit(torch.from_numpy(one)[None]) for one in (photos.images[condition], photos.poses[reference]))
        with torch.no_grad():
            swapped = full.first(torch.cat([image, pose], 1))
            returned = full.second(torch.cat([swapped, people.one_hot(torch.from_numpy(photos.parts[condition])[None])], 1))
            masks = [(full.third(one)[0, 0] * 255).round() for one in (swapped, returned)]
        expected = [to_bytes(swapped)[0], to_bytes(returned)[0], *masks]
        for name, value in zip(("swapped", "returned", "mask_swapped", "mask_returned"), expected, strict=True):
            np.testing.assert_allclose(made[name][row].astype(int), value.numpy().astype(int), atol=1)


def test_chunks_are_put_together_in_order(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos, full = data.load(PREPARED, "test"), model("full")
    whole = predict.predicted(full, photos, Runtime(**CPU), DEVICE)
    monkeypatch.setattr(predict, "CHUNK", 5)
    parts = predict.predicted(full, photos, Runtime(**CPU), DEVICE)
    assert whole.keys() == parts.keys()
    for name, values in whole.items():
        np.testing.assert_allclose(values.astype(int), parts[name].astype(int), atol=1)


def test_models_that_are_absent_are_named(world: Path) -> None:
    shutil.rmtree(MODELS / "i-ii-seed0")
    job = run_main(predict, DATASET, small(2))
    assert [Path(path).name for path in job.notes["absent"]] == ["i-ii-seed0"]
    assert not (PREDICTIONS / "i-ii-seed0.npz").exists() and (PREDICTIONS / "full-seed0.npz").exists()


@pytest.mark.parametrize(("arrays", "words"), [
    ({"swapped": np.zeros((11, SIDE, SIDE, 3), np.uint8)}, r"swapped is uint8 \(11, 16, 16, 3\), not uint8 \(12, 16, 16, 3\)"),
    ({"swapped": np.zeros((12, SIDE, SIDE, 3))}, r"swapped is float64"),
    ({"returned": np.zeros((12, SIDE, SIDE, 3), np.uint8)}, "swapped is absent"),
])  # fmt: skip
def test_damaged_predictions_are_one_sentence(world: Path, arrays: dict, words: str) -> None:
    np.savez("other.npz", **arrays)
    with pytest.raises(UserError, match=words):
        stored.read(Path("other.npz"), stored.shapes(12, SIDE), "ch8_swap_predict")


def own_photos(side: int = SIDE) -> tuple[Path, Path]:
    """Two photos, and key points and segments of the first."""
    person, clothes = Path("own/person.png"), Path("own/clothes.png")
    person.parent.mkdir(exist_ok=True)
    for number, photo in enumerate((person, clothes)):
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (side, side, 3), np.uint8)).save(photo)
    points = np.column_stack([np.linspace(1, side - 2, 18), np.linspace(2, side - 3, 18)[::-1], np.ones(18)])
    Path("own/person_keypoints.json").write_text(json.dumps({"people": [{"pose_keypoints_2d": points.ravel().tolist()}]}))
    classes = np.zeros((side, side), np.uint8)
    classes[: side // 4], classes[side // 4 : side // 2] = 13, 5  # face, upper clothes
    Image.fromarray(classes).save("own/person_parsing.png")
    return person, clothes


def run(name: str, *options: str) -> np.ndarray:
    args = [str(MODELS / f"{name}-seed0"), "own/person.png", "own/clothes.png", "-o", "out.png", *options]
    return np.array(Image.open(swap.run(swap.parser().parse_args(args))))


@pytest.mark.parametrize("name", ["full", "i"])
def test_clothes_are_swapped_between_photos_of_one_s_own(world: Path, name: str) -> None:
    person, clothes = own_photos()
    pose = people.pose_map(
        np.array(json.loads(Path("own/person_keypoints.json").read_text())["people"][0]["pose_keypoints_2d"]).reshape(18, 3), SIDE
    )
    condition = to_unit(torch.from_numpy(np.array(Image.open(clothes)))[None])
    with torch.no_grad():
        expected = to_bytes(model(name).first(torch.cat([condition, to_unit(torch.from_numpy(pose)[None])], 1)))[0].numpy()
    np.testing.assert_array_equal(run(name, "--no-head"), expected)
    pasted = run(name)
    np.testing.assert_array_equal(pasted[:4], np.array(Image.open(person))[:4])
    np.testing.assert_array_equal(pasted[4:], expected[4:])


def test_photos_of_another_size_become_the_model_s(world: Path) -> None:
    own_photos(40)
    assert run("full").shape == (SIDE, SIDE, 3)


def test_what_cannot_be_swapped_is_one_sentence(world: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    own_photos()
    Path("loop.png").symlink_to("loop.png")
    with pytest.raises(UserError, match=r"cannot write loop\.png"):
        run("full", "-o", "loop.png")
    for file in (
        "own/person.png",
        "own/person_keypoints.json",
        "own/person_parsing.png",
        "own/clothes.png",
        f"{MODELS}/full-seed0/model.pt",
    ):
        with pytest.raises(UserError, match=f"{file} would be written over {file}, which is read"):
            run("full", "-o", file)
    with pytest.raises(UserError, match=r"about\.json is not there"):
        run("untrained")
    for file, words in (("person_keypoints.json", "run OpenPose on its photo"), ("person_parsing.png", "run a parser")):
        kept = Path("own", file).read_bytes()
        Path("own", file).unlink()
        with pytest.raises(UserError, match=words):
            run("full")
        Path("own", file).write_bytes(kept)
    monkeypatch.setattr("sys.argv", ["swap", str(MODELS / "full-seed0"), "own/person.png", "own/clothes.png", "-o", "out.png"])
    swap.main()
    assert capsys.readouterr().out == "out.png\n"
    monkeypatch.setattr("sys.argv", ["swap", str(MODELS / "full-seed0"), "own/person.png", "x.png", "-o", "o.png", "--threads", "0"])
    with pytest.raises(SystemExit, match="error: --threads must be 1 or more"):
        swap.main()


def spoil(file: Path, change) -> None:
    state = torch.load(file)
    change(state)
    torch.save(state, file)


BIAS = "first.first.1.bias"


@pytest.mark.parametrize(("spoilt", "words"), [
    (lambda file: file.write_bytes(b"no weights"), r"model\.pt is damaged"),
    (lambda file: file.unlink(), r"model\.pt is not there: `python -m workflow\.repro ch8_swapgan`"),
    (lambda file: torch.save([1, 2], file), "holds no weights by their names"),
    (lambda file: shutil.copy(MODELS / "i-ii-seed0/model.pt", file), r"is of another network than its settings say \(Missing key"),
    (lambda file: spoil(file, lambda state: state.update({BIAS: torch.zeros(4).double()})), r"is of torch\.float64, not torch\.float32"),
    (lambda file: spoil(file, lambda state: state[BIAS].fill_(torch.nan)), rf"has weights that are not finite \({BIAS}\)"),
])  # fmt: skip
def test_a_foreign_model_is_one_sentence(world: Path, spoilt, words: str) -> None:
    own_photos()
    spoilt(MODELS / "full-seed0/model.pt")
    with pytest.raises(UserError, match=words):
        run_main(predict, DATASET, small(2))
    with pytest.raises(UserError, match=words):
        run("full")


@pytest.mark.parametrize(
    "about",
    [
        {"variant": {"seconds": True}},
        {"variant": [1]},
        {"network": {"width": "wide"}},
        {"network": NETWORK | {"width": "w"}},
        {"network": NETWORK | {"width": -8}},
        *({"size": size} for size in (None, True, 0, -1, 100_000, 24.5, float("inf"))),
    ],
)
def test_an_about_json_that_describes_no_networks_is_one_sentence(world: Path, about: dict) -> None:
    own_photos()
    file = MODELS / "full-seed0/about.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | about))
    with pytest.raises(UserError, match=r"about\.json describes no networks of Section 8\.2 \("):
        run("full")
