"""Predictions of Section 8.1 hold what they say, and a trained model translates pictures of one's own."""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from stage_runs import CPU, make_world, run_main
from translation_world import DATASET, MODELS, NETWORK, PREDICTIONS, PREPARED, VARIANTS, small, write_prepared

from stages.ch8_translation import data, predict, train, translate
from stages.ch8_translation.trained import load
from stages.ch8_translation.training_settings import Network, Variant
from stages.core.errors import UserError
from stages.core.runtime import Runtime
from stages.core.settings import build
from stages.gan.images import to_bytes, to_unit

torch.set_num_threads(1)
DEVICE = torch.device("cpu")
TRAINED = ("gan", "vanilla", "nest", "uneven", "one-way")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    steps = [lambda name=name: run_main(train, f"{DATASET} {name} --seed 0", params()) for name in TRAINED]
    return make_world(tmp_path_factory.mktemp("made"), write_prepared, *steps, lambda: run_main(predict, DATASET, params()))


@pytest.fixture
def world(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "world")
    monkeypatch.chdir(tmp_path / "world")
    return tmp_path / "world"


def params() -> dict:
    values = small(2)
    values["ch8_translation"]["models"] = {"compared": [*TRAINED], "ours": ["vanilla-large"]}
    return values


def model(name: str):
    return load(MODELS / f"{name}-seed0", build(Variant, VARIANTS[name]), build(Network, NETWORK), DEVICE)


def test_predictions_are_what_the_chains_make(world: Path) -> None:
    both = {"forward", "backward", "cycle_a", "cycle_b"}
    expected = {"gan": both, "vanilla": both, "nest": both | {"forward_first", "backward_first"}, "uneven": both | {"forward_first"}}
    images = data.load(PREPARED, "test")
    for name, arrays in (expected | {"one-way": {"forward"}}).items():
        stored = dict(np.load(PREDICTIONS / f"{name}-seed0.npz"))
        assert set(stored) == arrays, name
        about = json.loads((PREDICTIONS / f"{name}-seed0.json").read_text())
        assert (about["model"], about["seed"], about["determinism"], about["iterations"]) == (name, 0, "bitwise", 2)
    assert {file.name for file in PREDICTIONS.iterdir()} == {f"{name}-seed0.{kind}" for name in TRAINED for kind in ("npz", "json")} | {
        "provenance.json"
    }
    stored, nest = np.load(PREDICTIONS / "nest-seed0.npz"), model("nest")
    with torch.no_grad():
        a, b = to_unit(torch.from_numpy(images.a)), to_unit(torch.from_numpy(images.b))
        first = nest.forward_chain[0](a)
        last = nest.forward_chain[1](first)
        again = nest.backward_chain[1](nest.backward_chain[0](last))
        back = nest.backward_chain[1](nest.backward_chain[0](b))
    assert (stored["forward"].shape, stored["backward"].shape) == ((4, 16, 16, 3), (6, 16, 16, 3))
    for key, images_made in (("forward", last), ("forward_first", first), ("backward", back)):
        assert stored[key].dtype == np.uint8
        np.testing.assert_allclose(stored[key].astype(int), to_bytes(images_made).numpy().astype(int), atol=1)
    assert stored["cycle_a"].dtype == np.float32 and stored["cycle_b"].shape == (6,)
    np.testing.assert_allclose(stored["cycle_a"], [(again[i] - a[i]).abs().mean() for i in range(4)], rtol=1e-4)


def test_chunks_are_put_together_in_order(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, vanilla = data.load(PREPARED, "test"), model("vanilla")
    whole = predict.predicted(vanilla, images, Runtime(**CPU), DEVICE)
    monkeypatch.setattr(predict, "CHUNK", 3)
    parts = predict.predicted(vanilla, images, Runtime(**CPU), DEVICE)
    assert whole.keys() == parts.keys()
    for key, values in whole.items():
        np.testing.assert_allclose(values.astype(float), parts[key].astype(float), atol=1)


def test_ours_are_predicted_where_they_are_trained_and_what_is_absent_is_named(world: Path, capsys: pytest.CaptureFixture) -> None:
    values = params()
    values["ch8_translation"]["sets"]["controlled"] = [DATASET]
    shutil.rmtree(MODELS / "gan-seed0")
    job = run_main(predict, DATASET, values)
    assert [Path(path).name for path in job.notes["absent"]] == ["gan-seed0", "vanilla-large-seed0"]
    assert not (PREDICTIONS / "gan-seed0.npz").exists() and (PREDICTIONS / "vanilla-seed0.npz").exists()


def spoil(file: Path, change) -> None:
    state = torch.load(file)
    change(state)
    torch.save(state, file)


@pytest.mark.parametrize(("spoilt", "words"), [
    (lambda file: file.write_bytes(b"no weights"), r"model\.pt is damaged"),
    (lambda file: file.unlink(), r"model\.pt is not there"),
    (lambda file: torch.save([1, 2], file), "holds no weights by their names"),
    (lambda file: shutil.copy(MODELS / "nest-seed0/model.pt", file), r"is of another network than its settings say \(Unexpected key"),
    (lambda file: spoil(file, lambda state: state.pop("forward_chain.0.layers.1.bias")), r"another network .*Missing key"),
    (lambda file: spoil(file, lambda state: state.update({"forward_chain.0.layers.1.bias": torch.zeros(4).double()})),
     r"forward_chain\.0\.layers\.1\.bias is of torch\.float64, not torch\.float32"),
    (lambda file: spoil(file, lambda state: state["forward_chain.0.layers.1.bias"].fill_(torch.nan)), "has weights that are not finite"),
])  # fmt: skip
def test_a_foreign_model_is_one_sentence(world: Path, spoilt, words: str) -> None:
    spoilt(MODELS / "vanilla-seed0/model.pt")
    with pytest.raises(UserError, match=words):
        run_main(predict, DATASET, params())
    with pytest.raises(UserError, match=words):
        run("vanilla", own_pictures())


def own_pictures(*sizes: tuple[int, int]) -> Path:
    """A folder with one noisy picture of each size (width, height), the first in a folder below."""
    folder = Path("own")
    (folder / "deep").mkdir(parents=True, exist_ok=True)
    for number, (width, height) in enumerate(sizes or ((16, 16),)):
        pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(folder / ("deep" if number == 0 else "") / f"p{number}.png")
    return folder


def run(name: str, pictures: Path, *options: str) -> list[str]:
    return list(translate.run(translate.parser().parse_args([str(MODELS / f"{name}-seed0"), str(pictures), "-o", "out", *options])))


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("name", ["vanilla", "uneven"])
def test_pictures_of_any_size_are_translated_both_ways(world: Path, name: str, direction: str) -> None:
    sizes = [(16, 16), (33, 21), (8, 47), (40, 12)]
    written = run(name, own_pictures(*sizes), "--direction", direction)
    assert written == ["out/deep/p0.png", "out/p1.png", "out/p2.png", "out/p3.png"]
    made = [Image.open(file) for file in written]
    assert [image.size for image in made] == sizes
    chain = getattr(model(name), f"{direction}_chain")
    for file, image in zip(("own/deep/p0.png", "own/p3.png"), (made[0], made[3]), strict=True):
        expected = to_bytes(chain.steps(to_unit(torch.from_numpy(np.array(Image.open(file)))[None]))[-1].detach())[0]
        np.testing.assert_array_equal(np.array(image), expected)
    padded = np.pad(np.array(Image.open("own/p1.png")), ((0, 3), (0, 3), (0, 0)), mode="edge")  # 24 x 36
    expected = to_bytes(chain.steps(to_unit(torch.from_numpy(padded)[None]))[-1].detach())[0, :21, :33]
    np.testing.assert_array_equal(np.array(made[1]), expected)


def test_what_cannot_be_translated_is_one_sentence(world: Path, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(UserError, match=r"p0\.png has 7 x 30 pixels, and generators need 8 a side: enlarge it"):
        run("vanilla", own_pictures((7, 30)))
    with pytest.raises(UserError, match=r"one-way-seed0 was trained forward only, and translates nothing back"):
        run("one-way", own_pictures(), "--direction", "backward")
    with pytest.raises(UserError, match=r"nothing is no folder"):
        run("vanilla", Path("nothing"))
    with pytest.raises(UserError, match=r"about\.json is not there"):
        run("untrained", own_pictures())
    Path("own/p0.jpg").write_bytes(b"no picture")
    assert run("vanilla", own_pictures()) == ["out/deep/p0.png"]
    assert "skipped: own/p0.jpg cannot be read" in capsys.readouterr().err
    shutil.copy("own/deep/p0.png", "own/p0.png")
    with pytest.raises(UserError, match=r"own/p0\.jpg and own/p0\.png would both become out/p0\.png: rename one"):
        run("vanilla", Path("own"))
    args = argparse.Namespace(**vars(translate.parser().parse_args([str(MODELS / "vanilla-seed0"), "own/deep", "-o", "own/deep"])))
    with pytest.raises(UserError, match=r"p0\.png would be written over a picture to be translated"):
        list(translate.run(args))


@pytest.mark.parametrize(
    "about", [{"variant": {"forwards": 1}}, {"variant": [1]}, {"network": {"width": "wide"}}, {"network": NETWORK | {"width": "w"}}]
)
def test_an_about_json_that_describes_no_networks_is_one_sentence(world: Path, about: dict) -> None:
    file = MODELS / "vanilla-seed0/about.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | about))
    with pytest.raises(UserError, match=r"about\.json describes no networks of Section 8\.1 \("):
        run("vanilla", own_pictures())


def test_the_command_says_what_is_wrong(world: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    own_pictures()
    monkeypatch.setattr("sys.argv", ["translate", str(MODELS / "vanilla-seed0"), "own", "-o", "out"])
    translate.main()
    assert capsys.readouterr().out == "out/deep/p0.png\n"
    monkeypatch.setattr("sys.argv", ["translate", str(MODELS / "vanilla-seed0"), "own", "-o", "out", "--threads", "0"])
    with pytest.raises(SystemExit, match="error: --threads must be 1 or more"):
        translate.main()
