"""Training of Chapter 6 and its predictions: learns planted latents, resumes to the same bytes, and a block is its networks one by one."""

import copy
import dataclasses
import json
from pathlib import Path

import composed
import numpy as np
import pytest
import torch
from matching_world import write_features
from stage_runs import run_main

from stages.ch6_cyclematch import embed, predict, stored, train
from stages.ch6_cyclematch.training_settings import Network, Variant
from stages.core import loop
from stages.core.errors import UserError
from stages.core.files import read_csv
from stages.core.settings import build
from stages.datasets.captioned import load_described
from stages.matching import features
from stages.metrics import recall

DATASET = "pets"
FEATURES = Path(f"data/mini/features/matching/{DATASET}")
MODELS = Path(f"data/mini/models/ch6_cyclematch/{DATASET}")
CHAPTER = composed.params("mini")["ch6_cyclematch"]
KNOWN = {name: variant for block in CHAPTER["variants"].values() for name, variant in block.items()}


def small(*names: str, iterations: int = 60) -> dict:
    """The chapter's parameters as the stages have them, with these variants as the block `some`, and one block for each."""
    values = copy.deepcopy(CHAPTER)
    values["network"] |= {"widths": [48, 32, 32]}
    values["training"] |= {"batch_size": 60, "negatives": 10}
    length = {"iterations": iterations, "learning_rate_steps": [3 * iterations // 4], "log_every": 20, "checkpoint_every": 20}
    values["lengths"] = {DATASET: length | {"validate_every": 40}}
    values["variants"] = {"some": {name: KNOWN[name] for name in names}} | {name: {name: variant} for name, variant in KNOWN.items()}
    values["models"] = {"compared": ["some"], "other": [], "mean": [], "fisher": [], "rnn": []}
    values["encoders"] = {"images": "eye", "other": "other", "texts": "ear", "mean": "mean", "fisher": "fisher", "rnn": "ear"}
    return {"ch6_cyclematch": values}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Features by two encoders of images, of 48 and 24 dimensions, and two of texts."""
    monkeypatch.chdir(tmp_path)
    write_features(FEATURES, other="other")
    write_features(FEATURES, images="unseen", texts="mean", noise=1)
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_block_is_its_networks_one_by_one(world: Path) -> None:
    names = ("latent-match", "cycle", "cycle-vgg19", "cycle-word2vec")
    job = run_main(train, f"{DATASET} some --seed 1", small(*names))
    block = files(MODELS / "some-seed1")
    assert set(block) == {f"{name}/{file}" for name in names for file in ("model.pt", "about.json", "curve.csv")}
    for name in names:
        run_main(train, f"{DATASET} {name} --seed 1", small(name))
        assert files(MODELS / f"{name}-seed1") == {key: content for key, content in block.items() if key.startswith(f"{name}/")}
    assert not list(Path("data/checkpoints").rglob("*.pt"))
    assert {name: notes["resumed"] for name, notes in job.notes["trainings"].items()} == dict.fromkeys(names, False)
    about = json.loads(block["cycle/about.json"])
    assert (about["iterations"], about["determinism"], about["precision"]) == (60, "bitwise", "fp32")


def test_curve_has_the_rate_and_the_validation_part(world: Path) -> None:
    run_main(train, f"{DATASET} cycle --seed 0", small("cycle"))
    rows = read_csv(MODELS / "cycle-seed0/cycle/curve.csv")
    assert [row["iteration"] for row in rows] == ["20", "40", "60"]
    assert [float(row["lr"]) for row in rows] == pytest.approx([0.3, 0.3, 0.03])
    assert [bool(row["validation_recall"]) for row in rows] == [False, True, True]
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])


def test_killed_and_resumed_is_the_same(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = small("dual-match", "cycle")
    run_main(train, f"{DATASET} some --seed 0", params)
    whole = files(MODELS / "some-seed0")
    ended, real = [], loop._save

    def save_and_die(stateful, checkpoint, done, *rest) -> None:
        real(stateful, checkpoint, done, *rest)
        if checkpoint.name.startswith("cycle") and done == 40:
            ended.append(done)
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_save", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        run_main(train, f"{DATASET} some --seed 0", params)
    monkeypatch.setattr(loop, "_save", real)
    job = run_main(train, f"{DATASET} some --seed 0", params)
    assert ended == [40]
    assert [job.notes["trainings"][name]["resumed"] for name in ("dual-match", "cycle")] == [True, True]
    assert "iterations" not in job.notes["trainings"]["dual-match"]  # had finished, and was not trained again
    assert files(MODELS / "some-seed0") == whole


def test_more_negatives_than_a_batch_has_is_one_sentence(world: Path) -> None:
    params = small("cycle")
    params["ch6_cyclematch"]["training"] |= {"batch_size": 20, "negatives": 17}  # of an image with 4 captions, 16 others are sure
    with pytest.raises(
        UserError, match=r"ch6_cyclematch\.training\.negatives is 17, and of a batch of 20 pairs 16 are sure to be of other"
    ):
        run_main(train, f"{DATASET} cycle --seed 0", params)


def test_a_set_of_fewer_pairs_than_a_batch_is_one_sentence(world: Path) -> None:
    params = small("cycle")
    params["ch6_cyclematch"]["training"] |= {"batch_size": 5000}
    with pytest.raises(UserError, match=r"ch6_cyclematch.training.batch_size is 5000, and pets has \d+ training captions: lower it"):
        run_main(train, f"{DATASET} cycle --seed 0", params)


def test_features_that_are_not_finite_are_one_sentence(world: Path) -> None:
    file = FEATURES / "texts/ear/features.npy"
    rows = np.load(file)
    rows[5, 0] = np.nan
    np.save(file, rows)
    with pytest.raises(UserError, match=r"row 5 of .*texts/ear/features.npy has numbers that are not finite"):
        run_main(train, f"{DATASET} cycle --seed 0", small("cycle"))


def test_predictions_are_what_the_networks_make_of_the_test_part(world: Path) -> None:
    names = ("latent-match", "dual-match", "cycle", "cycle-vgg19", "cycle-word2vec")
    params = small(*names, iterations=20)
    run_main(train, f"{DATASET} some --seed 0", params)
    run_main(predict, DATASET, params)
    folder = Path(f"data/mini/predictions/ch6_cyclematch/{DATASET}")
    described = load_described(folder)
    read = {name: stored.load(folder, name, 0, described) for name in names}
    assert [list(read[name].compared()) for name in names] == [
        ["latent"], ["visual", "textual"], *3 * [["visual", "textual", "latent"]],
    ]  # fmt: skip
    assert {name: (one.images.shape, one.texts.shape) for name, one in read.items()} == {
        **dict.fromkeys(names, ((40, 48), (120, 32))), "cycle-vgg19": ((40, 24), (120, 32)),
    }  # fmt: skip
    for name, texts in (("cycle", "ear"), ("cycle-word2vec", "mean")):
        pairs = features.read(FEATURES / "images/eye", FEATURES / f"texts/{texts}").pairs("test")
        np.testing.assert_array_equal(read[name].texts, pairs.texts.numpy())
        np.testing.assert_array_equal(read[name].images, pairs.images.numpy())
        assert read[name].about["texts"]["encoder"] == texts
        assert read[name].about["terms"] == KNOWN[name]["terms"]
        model = network(name, params)
        with torch.no_grad():
            np.testing.assert_allclose(read[name].made.dual_images, model.i2t(pairs.images).target.numpy(), atol=1e-5)
            np.testing.assert_allclose(read[name].made.latent_texts, model.t2i(pairs.texts).latent.numpy(), atol=1e-5)
    assert read["cycle"].about["determinism"] == "bitwise"


def network(name: str, params: dict, place: str = "some-seed0") -> torch.nn.Module:
    variant, settings = build(Variant, KNOWN[name]), build(Network, params["ch6_cyclematch"]["network"])
    return embed.load(MODELS / place / name, variant, settings, torch.device("cpu"))


def test_a_damaged_network_is_one_sentence(world: Path) -> None:
    params = small("cycle", iterations=20)
    run_main(train, f"{DATASET} some --seed 0", params)
    (MODELS / "some-seed0/cycle/model.pt").write_bytes(b"no network")
    with pytest.raises(UserError, match=r"model\.pt is damaged .*: `python -m workflow\.repro ch6_cyclematch` makes it again"):
        run_main(predict, DATASET, params)


def test_features_of_another_width_are_one_sentence(world: Path) -> None:
    params = small("cycle", iterations=20)
    run_main(train, f"{DATASET} some --seed 0", params)
    params["ch6_cyclematch"]["encoders"] |= {"images": "other"}
    with pytest.raises(UserError, match=r"model\.pt was trained on features of 48 and 32 values, and other and ear make 24 and 32: "):
        run_main(predict, DATASET, params)


@pytest.mark.parametrize("name", ["latent-match", "dual-match", "cycle-i2t2i", "cycle-t2i2t", "cycle"])
def test_learns_planted_latents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Each of the six recalls on 100 images is at least ten times chance, or 80 %, by every score that a network was trained for. Chance
    is 1, 5 and 10 % both ways. CycleMatch's latent score was not (Section 6.4.3)."""
    monkeypatch.chdir(tmp_path)
    write_features(FEATURES, noise=0.25, sizes={"train": 200, "val": 20, "test": 100})
    params = small(name, iterations=150)
    pairs = features.read(FEATURES / "images/eye", FEATURES / "texts/ear").pairs("test")
    run_main(train, f"{DATASET} {name} --seed 0", params)
    made = embed.embed(network(name, params, f"{name}-seed0"), KNOWN[name]["terms"], pairs)
    compared = made.compared(pairs.images.numpy(), pairs.texts.numpy())
    trained = ["latent"] if name == "latent-match" else ["visual", "textual"]
    for score in trained:
        values = recall.evaluate(recall.cosines(compared[score]), np.arange(100), pairs.image_of.numpy())
        for way in ("i2t", "t2i"):
            for k in (1, 5, 10):
                assert values[f"{way}_r{k}"] >= min(10 * k, 80), (score, way, k)
    if name == "cycle":  # a reconstruction is nearest to what it was made of
        cycles = embed.cycles(
            network(name, params, "cycle-seed0"), pairs.images.numpy(), pairs.texts[pairs.image_of.argsort()][::3].numpy()[:100]
        )
        for one in ("reconstructed_i2t2i", "reconstructed_t2i2t", "latent_i2t2i"):
            scores = recall.unit(cycles[one][0]) @ recall.unit(cycles[one][1]).T
            assert (scores.argmax(axis=1) == np.arange(100)).mean() > 0.5, one


def test_validation_is_by_the_average_of_two_scores_or_by_the_latent_one(world: Path) -> None:
    params = small("latent-match", "cycle", iterations=40)
    run_main(train, f"{DATASET} some --seed 0", params)
    pairs = features.read(FEATURES / "images/eye", FEATURES / "texts/ear").pairs("val")
    for name in ("latent-match", "cycle"):
        model = network(name, params)
        made = embed.embed(model, KNOWN[name]["terms"], pairs)
        by_images, by_texts = (recall.unit(values) for values in made.compared(pairs.images.numpy(), pairs.texts.numpy())["latent"])
        scores = by_images @ by_texts.T
        if name == "cycle":
            v, t = (recall.unit(values.numpy()) for values in (pairs.images, pairs.texts))
            scores = (v @ recall.unit(made.dual_texts).T + recall.unit(made.dual_images) @ t.T) / 2
        expected = recall.evaluate(recall.of_matrix(scores), np.arange(20), pairs.image_of.numpy())["mean_recall"]
        row = read_csv(MODELS / f"some-seed0/{name}/curve.csv")[-1]
        assert float(row["validation_recall"]) == pytest.approx(expected, abs=1e-3)
    assert train.validation_recall(model, build(Variant, KNOWN["cycle"]), pairs) == pytest.approx(expected)
    assert model.training


def test_latent_match_leaves_fc4_as_it_was_drawn_and_another_margin_is_another_network(world: Path) -> None:
    params = small("latent-match", iterations=20)
    run_main(train, f"{DATASET} latent-match --seed 0", params)
    first = network("latent-match", params, "latent-match-seed0").state_dict()
    params["ch6_cyclematch"]["training"] |= {"margin": 0.3}
    run_main(train, f"{DATASET} latent-match --seed 0", params)
    second = network("latent-match", params, "latent-match-seed0").state_dict()
    for mapping in ("i2t", "t2i"):
        assert torch.equal(first[f"{mapping}.last.fc.weight"], second[f"{mapping}.last.fc.weight"])
        assert not torch.equal(first[f"{mapping}.first.fc3.fc.weight"], second[f"{mapping}.first.fc3.fc.weight"])


def test_a_part_without_images_is_not_validated_on(world: Path) -> None:
    chapter = composed.section("ch6_cyclematch", {})
    pairs = features.read(FEATURES / "images/eye", FEATURES / "texts/ear").pairs("train")
    none = features.Pairs(pairs.images[:0], pairs.texts[:0], pairs.image_of[:0])
    length = build(train.Length, small("cycle", iterations=40)["ch6_cyclematch"]["lengths"][DATASET])
    training = dataclasses.replace(chapter.training, batch_size=60, negatives=10)
    trainer = train.Trainer(
        chapter.network, training, length, train.Runtime("cpu", 1, "fp32"), torch.device("cpu"), (train.NAME, DATASET, 0)
    )
    _, trained, _ = trainer.train("cycle", build(Variant, KNOWN["cycle"]), pairs, none, Path("checkpoint.pt"))
    assert "validation_recall" not in trained.rows[-1]
