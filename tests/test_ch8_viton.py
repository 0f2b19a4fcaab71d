"""VITON trained anew and all of Section 8.2.4's other methods on the test pairs: what they know, what they leave, resumed as whole."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stage_runs
import swap_world as world
import torch
from numpy.typing import NDArray

from stages.ch8_swapgan import baselines, data, poisson, tps, viton
from stages.ch8_swapgan.viton_model import build, person
from stages.ch8_swapgan.viton_settings import Baselines, Viton
from stages.ch8_swapgan.warp import UPPER
from stages.core import loop, settings
from stages.core.errors import UserError
from stages.core.runtime import Runtime
from stages.gan.images import to_unit

torch.set_num_threads(1)
CPU = Runtime("cpu", 1, "fp32")
VITON = Path(f"data/mini/models/ch8_swap_viton/{world.DATASET}/viton-seed0")
OUT = Path(f"data/mini/predictions/ch8_swap_baselines/{world.DATASET}")
SPLINES = {"contour_points": 12, "position": 1.0}
SMALL = {
    "width": 4, "depth": 3, "refine_depth": 2, "iterations": 8, "constant": 4, "batch_size": 4, "learning_rate": 4e-3, "beta_1": 0.5,
    "beta_2": 0.999, "std": 0.04, "reach": 0.05, "blur": 2, "log_every": 2, "checkpoint_every": 2,
}  # fmt: skip


def params(seeds: tuple[int, ...] = (0,), **changes: Any) -> dict[str, Any]:
    return {"ch8_swapgan": {"seeds": list(seeds), "baselines": SPLINES, "viton": SMALL | changes}}


def options(**changes: Any) -> Viton:
    return settings.build(Viton, SMALL | changes)


def write_flat() -> None:
    """The world of bars with flat tops, squares of their clothes' colours, and key points at their necks."""
    world.write_prepared()
    for part in ("train", "test"):
        with np.load(world.PREPARED / f"{part}.npz") as stored:
            arrays = dict(stored)
        flat = np.full_like(arrays["images"], 255)
        for i, (image, parts) in enumerate(zip(arrays["images"], arrays["parts"], strict=True)):
            flat[i, 4:12, 4:12] = image[parts == UPPER][0]
            arrays["points"][i, 1] = (np.flatnonzero((parts == UPPER).any(0))[2], 6, 1)
        np.savez(world.PREPARED / f"{part}.npz", **arrays, flat=flat)


def train(*, seed: int = 0, **changes: Any) -> stage_runs.Here:
    return stage_runs.run_main(viton, f"{world.DATASET} --seed {seed}", params(**changes))


def predict(**changes: Any) -> stage_runs.Here:
    return stage_runs.run_main(baselines, world.DATASET, params(**changes))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stage_runs.make_world(tmp_path_factory.mktemp("viton"), write_flat, train, predict)


@pytest.fixture
def here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def swapped(name: str) -> NDArray[np.uint8]:
    with np.load(OUT / f"{name}.npz") as stored:
        return stored["swapped"]


# ----------------------------------------------------------------------------------------------------------- what VITON knows


def test_a_person_is_key_points_a_blurred_shape_and_what_is_kept() -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), dtype=np.uint8))
    parts = torch.zeros(1, 16, 16, dtype=torch.uint8)
    for segment, row in ((1, 1), (2, 4), (4, 5), (5, 8), (3, 11)):  # head, arms, upper, lower, legs
        parts[0, row, 4:8] = segment
    points = torch.zeros(1, 18, 3, dtype=torch.float64)
    points[0, 3], points[0, 5] = torch.tensor([6.2, 9.0, 0.8]), torch.tensor([2.0, 2.0, 0.0])
    maps, kept = person(images, parts, points, options(reach=0.1))  # 1.6 pixels
    assert maps.shape == (1, 22, 16, 16)
    assert maps[0, 3].nonzero().tolist() == [[y, x] for y in (8, 9, 10) for x in (5, 6, 7)]
    assert maps[0, :18].sum() == 9  # nothing of the missing one
    shape = maps[0, 18].reshape(4, 4, 4, 4).permute(0, 2, 1, 3).reshape(4, 4, 16)
    assert (shape == shape[..., :1]).all() and shape[..., 0].tolist()[1] == [0, 0.5, 0, 0]  # two rows of four
    assert kept[0, 0].any(1).nonzero().flatten().tolist() == [1, 8, 11]
    torch.testing.assert_close(maps[0, 19:], to_unit(images)[0] * kept[0])


def test_it_does_not_see_what_the_reference_wears_above() -> None:
    """Another top of the same body changes nothing that it is given."""
    parts = torch.zeros(1, 16, 16, dtype=torch.uint8)
    parts[0, 3:9, 4:9], parts[0, 9:12, 4:9] = 4, 5
    one, other = torch.full((1, 16, 16, 3), 60, dtype=torch.uint8), torch.full((1, 16, 16, 3), 60, dtype=torch.uint8)
    other[0, 3:9, 4:9] = 200
    sleeved = parts.clone()
    sleeved[0, 3:5, 4:9] = 2
    points = torch.zeros(1, 18, 3, dtype=torch.float64)
    before = person(one, parts, points, options())
    for images, own in ((other, parts), (one, sleeved)):
        assert all(torch.equal(a, b) for a, b in zip(before, person(images, own, points, options()), strict=True))


def test_what_is_kept_stays_and_bent_clothes_lie_inside_their_mask() -> None:
    network = build(options(), torch.Generator().manual_seed(0))
    who, flat = torch.randn(2, 22, 16, 16), torch.randn(2, 3, 16, 16)
    kept, there = torch.rand(2, 1, 16, 16) < 0.3, (torch.rand(2, 1, 16, 16) < 0.5).float()
    picture, mask = network.coarse(who, kept, flat)
    assert torch.equal(picture[kept.expand(-1, 3, -1, -1)], who[:, -3:][kept.expand(-1, 3, -1, -1)])
    assert mask.shape == (2, 1, 16, 16) and mask.min() > 0 and mask.max() < 1
    refined = network.refined(picture, flat, there)
    outside = (there == 0).expand(-1, 3, -1, -1)
    assert torch.equal(refined[outside], picture[outside])
    inside = there.bool().expand(-1, 3, -1, -1)
    low, high = torch.minimum(picture, flat), torch.maximum(picture, flat)
    assert ((refined >= low - 1e-6) & (refined <= high + 1e-6))[inside].all() and not torch.equal(refined, picture)


def test_every_parameter_learns_and_the_coarse_network_not_from_the_refined_picture(here: Path) -> None:
    people = data.load(world.PREPARED, "train")
    splines = settings.build(Baselines, SPLINES)
    trainer = viton.Trainer(people, viton.flat_of(people, "bars"), options(), splines, ("x",), CPU, torch.device("cpu"))
    trainer.work(*trainer.batch(0))
    for name, parameter in trainer.network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
    images, parts, points, flat, laid, there = trainer.batch(0)
    trainer.network.zero_grad()
    coarse, _ = trainer.network.coarse(*person(images, parts, points, options()), to_unit(flat))
    trainer.network.refined(coarse.detach(), to_unit(laid), there[:, None].float()).sum().backward()
    assert all(one.grad is None or not one.grad.any() for one in trainer.network.sketch.parameters())


# ------------------------------------------------------------------------------------------------------------------ the stages


def test_it_learns_where_the_top_is_and_what_colour_it_has(here: Path) -> None:
    """Of true swaps, nearer than the reference as it was."""
    train(width=8, iterations=200, constant=100, checkpoint_every=50)
    predict(width=8)
    people = data.load(world.PREPARED, "test")
    assert people.truth is not None
    worn = people.images[people.pairs[:, 0]]
    other = (worn != people.truth).any((1, 2, 3))  # some wear the same
    before, after = (np.abs(one.astype(float) - people.truth)[other].mean() for one in (worn, swapped("viton-seed0")))
    assert after < before / 4
    curve = (VITON / "curve.csv").read_text().splitlines()
    assert curve[0].split(",")[:1] == ["iteration"] and {"coarse", "mask", "refined", "lr"} <= set(curve[0].split(","))


def test_it_says_what_it_is(here: Path) -> None:
    about = json.loads((VITON / "about.json").read_text())
    assert about["determinism"] == "bitwise" and about["iterations"] == 8 and about["unmatched"] == 0 and "anew, small" in about["note"]
    assert about["parameters"] == sum(one.numel() for one in build(options(), torch.Generator()).parameters())
    said = {name: json.loads((OUT / f"{name}.json").read_text()) for name in ("poisson", "tps", "viton-seed0")}
    assert [(one["model"], one["determinism"], one["n"]) for one in said.values()] == [
        (name, "bitwise", 12) for name in ("poisson", "tps", "viton")
    ]
    assert said["viton-seed0"]["parameters"] == about["parameters"] and said["viton-seed0"]["seed"] == 0
    assert json.loads((OUT / "provenance.json").read_text())["kind"] == "miniature"


def test_predictions_are_each_method_s_of_each_pair(here: Path) -> None:
    people, splines = data.load(world.PREPARED, "test"), settings.build(Baselines, SPLINES)
    for row, (r, c) in enumerate(people.pairs):
        four = people.images[r], people.parts[r], people.images[c], people.parts[c]
        np.testing.assert_array_equal(swapped("poisson")[row], poisson.swap(*four))
        np.testing.assert_array_equal(swapped("tps")[row], tps.swap(*four, splines)[0])


def test_pairs_that_cannot_be_matched_are_counted_and_bent_to_no_one(here: Path) -> None:
    with np.load(world.PREPARED / "test.npz") as stored:
        arrays = dict(stored)
    arrays["parts"][0] = 0  # no clothes: three pairs have it as their reference
    np.savez(world.PREPARED / "test.npz", **arrays)
    predict()
    assert json.loads((OUT / "tps.json").read_text())["unmatched"] == 3
    as_condition = arrays["pairs"][:, 1] == 0
    for name in ("poisson", "tps"):
        np.testing.assert_array_equal(swapped(name)[as_condition], arrays["images"][arrays["pairs"][as_condition, 0]])


def test_the_clothes_are_the_condition_s(here: Path) -> None:
    """Another flat top of one photo changes the pairs that have it as their condition, and no others."""
    before = swapped("viton-seed0")
    with np.load(world.PREPARED / "test.npz") as stored:
        arrays = dict(stored)
    arrays["flat"][1, 4:12, 4:12] = (20, 250, 250)
    np.savez(world.PREPARED / "test.npz", **arrays)
    predict()
    changed = (swapped("viton-seed0") != before).any((1, 2, 3))
    np.testing.assert_array_equal(changed, arrays["pairs"][:, 1] == 1)


def test_a_set_without_flat_clothes_goes_without_viton(here: Path) -> None:
    world.write_prepared()
    stage_runs.run_main(baselines, world.DATASET, {"ch8_swapgan": {"baselines": SPLINES}})
    assert {file.stem for file in OUT.glob("*.npz")} == {"poisson", "tps"}
    with pytest.raises(UserError, match="bars has no pictures of flat clothes"):
        train()


def test_killed_and_resumed_is_the_same(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {file.name: file.read_bytes() for file in VITON.iterdir()}
    shutil.rmtree("data/checkpoints", ignore_errors=True)
    save, saved = loop._save, []

    def killed(*args: Any) -> None:
        save(*args)
        saved.append(args)
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_save", killed)
    with pytest.raises(KeyboardInterrupt):
        train()
    monkeypatch.undo()
    monkeypatch.chdir(here)
    assert train().notes["resumed"]
    assert {file.name: file.read_bytes() for file in VITON.iterdir()} == files


def test_what_does_not_fit_is_one_sentence(here: Path) -> None:
    with pytest.raises(UserError, match=r"ch8_swapgan.viton.batch_size is 13, and bars has 12 training photos: lower it"):
        train(batch_size=13)
    with pytest.raises(UserError, match=r"ch8_swapgan.viton.blur is 5, and the photos' side, 16 pixels, is no multiple"):
        train(blur=5)
    with pytest.raises(UserError, match=r"viton-seed0/model.pt is damaged, or of other settings"):
        predict(width=6)
    (VITON / "model.pt").write_bytes(b"no")
    with pytest.raises(UserError, match=r"viton-seed0/model.pt is damaged"):
        predict()
