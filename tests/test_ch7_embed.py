"""What trained networks of Chapter 7 make of features, which of them there are, and that they learn what is planted."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mmc_world
import numpy as np
import pytest
import torch
from mmc_world import DATASET, FEATURES, MODELS, VARIANTS, small
from sklearn.metrics import average_precision_score
from stage_runs import run_main

from stages.ch7_mmc import embed, train, trained
from stages.ch7_mmc.training_settings import Network, Variant
from stages.core import runtime
from stages.core.errors import UserError
from stages.core.files import read_csv
from stages.core.settings import build
from stages.datasets.captioned import load_described
from stages.matching import features
from stages.metrics import recall


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def network(name: str, params: dict[str, Any]) -> embed.MMCNet:
    settings = build(Network, params["ch7_mmc"]["network"])
    return embed.load(MODELS / f"{name}-seed0/{name}", build(Variant, VARIANTS[name]), settings, torch.device("cpu"))


def pairs_of(part: str) -> features.Pairs:
    return features.read(FEATURES / "images/eye", FEATURES / "texts/ear").pairs(part)


def trained_on(name: str, params: dict[str, Any]) -> tuple[embed.Made, features.Pairs]:
    """What the network, trained anew, makes of the test part."""
    run_main(train, f"{DATASET} {name} --seed 0", params)
    pairs = pairs_of("test")
    return embed.embed(network(name, params), pairs, scores="classification" in VARIANTS[name]["losses"]), pairs


@pytest.mark.parametrize("name", ["mmc", "mmc-bilinear", "vision", "mm"])
def test_embeddings_and_scores_in_chunks_are_those_of_single_rows(world: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    mmc_world.write_features()
    params = small()
    run_main(train, f"{DATASET} {name} --seed 0", params)
    model, pairs = network(name, params), pairs_of("test")
    monkeypatch.setattr(embed, "CHUNK", 7)
    monkeypatch.setattr(embed, "SCORED", 11)
    made = embed.embed(model.train(), pairs, scores=name != "mm")
    assert not model.training
    with torch.no_grad():
        images = model.images(pairs.images)
        np.testing.assert_allclose(made.images, images.numpy(), atol=1e-5)
        if name == "vision":
            assert made.texts is None
            scores = torch.stack([model.classify(row[None], None)[0] for row in images])
        else:
            texts = model.texts(pairs.texts)
            np.testing.assert_allclose(made.texts, texts.numpy(), atol=1e-5)
            if name == "mm":
                assert made.scores is None
                return
            both = zip(pairs.image_of.tolist(), texts, strict=True)
            scores = torch.stack([model.classify(images[image][None], text[None])[0] for image, text in both])
        np.testing.assert_allclose(made.scores, scores.numpy(), atol=1e-5)
    assert made.scores.shape == (40 if name == "vision" else 120, 6)


@pytest.mark.parametrize(("single", "name"), [(True, "mmc"), (False, "mmc"), (True, "vision"), (False, "vision")])
def test_curve_ends_with_what_the_network_comes_to(world: Path, single: bool, name: str) -> None:
    mmc_world.write_features(single)
    params = small()
    run_main(train, f"{DATASET} {name} --seed 0", params)
    last = read_csv(MODELS / f"{name}-seed0/{name}/curve.csv")[-1]
    described = load_described(FEATURES / "images/eye")
    for part in ("val", "test"):
        pairs = pairs_of(part)
        made = embed.embed(network(name, params), pairs, scores=True)
        labels = described.labels[described.parts[part]]
        labels = labels if name == "vision" else labels[pairs.image_of.numpy()]
        expected = (made.scores.argmax(1) == labels.argmax(1)).mean() if single else average_precision_score(labels, made.scores)
        assert float(last[{"val": "validation_accuracy", "test": "test_accuracy"}[part]]) == pytest.approx(100 * expected)
        if name == "mmc" and part == "val":
            blocks = recall.cosines((made.images, made.texts))
            expected = recall.evaluate(blocks, np.arange(20), pairs.image_of.numpy())["mean_recall"]
            assert float(last["validation_recall"]) == pytest.approx(expected)


def test_the_sigmoid_loss_trains_a_set_of_several_labels(world: Path) -> None:
    """Labels of some images are none, of others several."""
    mmc_world.write_features(single=False)
    made, pairs = trained_on("mmc", small(iterations=(60, 60, 120), rate=0.3))
    described = load_described(FEATURES / "images/eye")
    labels = described.labels[described.parts["test"]][pairs.image_of.numpy()]
    assert set(described.labels.sum(1)) >= {0, 2}
    assert average_precision_score(labels, made.scores) > 0.8  # chance is the share of ones, .4


def test_learns_to_match_and_to_classify(world: Path) -> None:
    """Each of the six recalls on 60 images is at least eight times chance, or 80 %, and 80 % of pairs are given their class. Chance is 1.7,
    8.3 and 16.7 % both ways, and 16.7 %."""
    mmc_world.write_features(sizes={"train": 180, "val": 20, "test": 60})
    for name in ("mm", "mc", "mmc", "mmc-fc", "mmc-one-stage"):
        made, pairs = trained_on(name, small(iterations=(120, 60, 60)))
        values = recall.evaluate(recall.cosines((made.images, made.texts)), np.arange(60), pairs.image_of.numpy())
        if name != "mc":
            for way in ("i2t", "t2i"):
                for k in (1, 5, 10):
                    assert values[f"{way}_r{k}"] >= min(8 * 100 * k / 60, 80), (name, way, k)
        if name != "mm":
            labels = torch.arange(200, 260) % 6
            assert embed.accuracy(made, pairs, labels) > 80, name


def test_vision_and_language_is_above_vision_where_the_text_tells_what_the_image_does_not(world: Path) -> None:
    mmc_world.write_features(seen="half", sizes={"train": 300, "val": 20, "test": 60})
    labels = torch.arange(320, 380) % 6
    accuracies = {}
    for name, rate in (("mmc", 0.3), ("vision", 0.1)):  # at .3 an FC head, whose input has no norm, can diverge on such labels
        made, pairs = trained_on(name, small(iterations=(60, 120, 120), rate=rate, dimension=512, beta=1.2))
        accuracies[name] = embed.accuracy(made, pairs, labels)
    assert accuracies["vision"] < 65  # two classes look alike: 50 is the most that can be expected
    assert accuracies["mmc"] > 85


def test_a_damaged_network_is_one_sentence(world: Path) -> None:
    mmc_world.write_features()
    params = small()
    run_main(train, f"{DATASET} mmc --seed 0", params)
    (MODELS / "mmc-seed0/mmc/model.pt").write_bytes(b"no network")
    with pytest.raises(UserError, match=r"model\.pt is damaged .*: `python -m workflow\.repro ch7_mmc` makes it again"):
        network("mmc", params)
    for foreign in ([1, 2], torch.zeros(3), "weights", None):
        runtime.save(foreign, MODELS / "mmc-seed0/mmc/model.pt")
        with pytest.raises(UserError, match=r"mmc/model\.pt holds no weights by their names, as a network's file does: train it again"):
            network("mmc", params)


def test_a_network_without_its_hashes_is_one_sentence(world: Path) -> None:
    mmc_world.write_features()
    params = small()
    run_main(train, f"{DATASET} mmc --seed 0", params)
    file = MODELS / "mmc-seed0/mmc/model.pt"
    state = runtime.load(file)
    runtime.save({name: values for name, values in state.items() if name != "head.hashes"}, file)
    with pytest.raises(UserError, match=r"mmc/model\.pt has no hashes of its compact bilinear pooling"):
        network("mmc", params)


def test_networks_are_those_of_the_blocks_of_a_data_sets_roles(world: Path) -> None:
    mmc_world.write_features()
    params = small("mm", "mmc")
    params["ch7_mmc"]["models"] |= {"ablated": ["mmc-fc"], "fine": ["vision"], "swept": ["mmc-d-16"]}
    params["ch7_mmc"]["sets"] |= {"ablated": [DATASET], "fine": [DATASET]}
    for block in ("some", "vision"):
        run_main(train, f"{DATASET} {block} --seed 0", params)
    job = run_main(SimpleNamespace(__name__="look", main=lambda args, job: None), "", params)
    there = list(trained.networks(job, DATASET))
    assert there == [(name, block, 0, MODELS / f"{block}-seed0/{name}") for block, name in
                     (("some", "mm"), ("some", "mmc"), ("vision", "vision"))]  # fmt: skip
    assert job.notes["absent"] == [str(MODELS / "mmc-fc-seed0")]  # and none is missed of a role that the set is not in
