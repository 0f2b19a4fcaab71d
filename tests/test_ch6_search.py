"""Searching with a trained CycleMatch: the scores of Eq. 6.7, fused by hand; what it has not is one sentence.

What it shares with Chapter 5's is in test_ch5_search.
"""

import copy
import dataclasses
import sys
from functools import reduce
from operator import getitem
from pathlib import Path

import composed
import numpy as np
import pytest
import torch
import yaml
from matching_world import write_features
from search_world import DATASET, FEATURES, KNOWN, picture, searched
from stage_runs import make_world, run_main
from torch.nn.functional import cosine_similarity

from stages.ch6_cyclematch import embed, search, train
from stages.ch6_cyclematch.training_settings import Network, Variant
from stages.core import arrays
from stages.core.errors import UserError
from stages.core.settings import build
from stages.datasets.captioned import load_described
from stages.matching import search as shared


def small() -> dict:
    """The chapter's parameters as the stage has them, with three variants as the block `some`."""
    values = copy.deepcopy(composed.params("mini")["ch6_cyclematch"])
    known = values["variants"]["embeddings"]
    values["network"] |= {"widths": [48, 32, 16]}
    values["training"] |= {"batch_size": 60, "negatives": 10}
    values["lengths"] = {
        DATASET: {"iterations": 40, "learning_rate_steps": [30], "log_every": 20, "checkpoint_every": 20, "validate_every": 40}
    }
    values["variants"] = {"some": {name: known[name] for name in ("latent-match", "cycle")}}
    values["sets"] = {"compared": [DATASET], "shown": [], "pictured": []}
    values["models"] = {"compared": ["some"], "other": [], "mean": [], "fisher": [], "rnn": []}
    values["encoders"] |= {"images": "eye", "texts": "ear"}
    return {"ch6_cyclematch": values}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(
        tmp_path_factory.mktemp("search"), lambda: write_features(FEATURES), lambda: run_main(train, f"{DATASET} some --seed 0", small())
    )


@pytest.fixture
def world(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    return searched(trained, tmp_path, small(), monkeypatch)


def ask(query: str, *words: str, top: int = 10) -> dict[str, float]:
    args = search.parser().parse_args(["pictures", query, "--device", "cpu", "--threads", "1", *words])
    return {name: score for score, name in shared.answer(search.open_searcher(args), args.pictures, query, top)}


@torch.no_grad()
def by_hand(images: list[int], texts: list[int], model: str = "cycle") -> dict[str, np.ndarray]:
    """The cosines of Eq. 6.7 between each of these and each of those, in a row."""
    values = small()["ch6_cyclematch"]
    folder = Path(f"data/mini/models/ch6_cyclematch/{DATASET}/some-seed0/{model}")
    network = embed.load(folder, build(Variant, values["variants"]["some"][model]), build(Network, values["network"]), torch.device("cpu"))
    v, t = (torch.from_numpy(arrays.read(FEATURES / name / "features.npy")).float() for name in ("images/eye", "texts/ear"))
    v, t = v[images], t[texts]
    (to_text, latent_image), (to_image, latent_text) = network.i2t(v), network.t2i(t)
    pairs = {"visual": (v, to_image), "textual": (to_text, t), "latent": (latent_image, latent_text)}
    return {name: cosine_similarity(one, other).numpy() for name, (one, other) in pairs.items()}


def adaptive(scores: dict[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray:
    """Eq. 6.9 to 6.11 in plain loops."""
    areas = [sum(max(float(score), 0.0) for score in scores[name]) for name in names]
    assert min(areas) > 0
    total = sum(1 / area for area in areas)
    return sum(scores[name] / area / total for name, area in zip(names, areas, strict=True))  # type: ignore[return-value]


NAMES = ["0.png", "1.png", "2.png", "more/3.png"]


def test_a_sentence_finds_pictures_by_adaptive_fusion(world: list) -> None:
    """The areas are over the folder's four pictures."""
    scores = by_hand([0, 1, 2, 3], [KNOWN["second"]])
    fused = adaptive(scores, ("visual", "textual"))
    assert ask("second") == pytest.approx(dict(zip(NAMES, fused.tolist(), strict=True)), abs=1e-5)
    assert next(iter(ask("second"))) == "2.png"
    assert world == [[*NAMES[:3], "3.png"]]  # seen once
    mean = (scores["visual"] + scores["textual"]) / 2
    assert not np.allclose(fused, mean, atol=1e-4)
    assert ask("second", "--fusion", "average") == pytest.approx(dict(zip(NAMES, mean.tolist(), strict=True)), abs=1e-5)
    three = adaptive(scores, ("visual", "textual", "latent"))
    assert ask("second", "--fusion", "adaptive-three") == pytest.approx(dict(zip(NAMES, three.tolist(), strict=True)), abs=1e-5)


@pytest.mark.parametrize("chunk", [8192, 7])
def test_a_picture_finds_captions_of_the_set(world: list, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    """The areas are over all its captions, however many go at a time."""
    monkeypatch.setattr(search, "CHUNK", chunk)
    captions = load_described(FEATURES / "texts/ear").captions
    fused = adaptive(by_hand([2], list(range(len(captions)))), ("visual", "textual"))
    best = np.argsort(-fused, kind="stable")[:5]
    found = ask(str(picture(2)), top=5)
    assert list(found) == [captions[row] for row in best]
    assert list(found.values()) == pytest.approx(fused[best].tolist(), abs=1e-5)


def test_a_picture_finds_the_folders_own_captions(world: list) -> None:
    Path("pictures/captions.csv").write_text("file,caption\n0.png,first\n2.png,second\n")
    fused = adaptive(by_hand([2], [KNOWN["first"], KNOWN["second"]]), ("visual", "textual"))
    assert ask(str(picture(2))) == pytest.approx(dict(zip(KNOWN, fused.tolist(), strict=True)), abs=1e-5)


def test_a_folder_of_one_picture(world: list) -> None:
    for number in range(1, 4):
        picture(number).unlink()
    fused = adaptive(by_hand([0], [KNOWN["first"]]), ("visual", "textual"))
    assert ask("first") == pytest.approx({"0.png": fused.item()}, abs=1e-5)


def test_latent_match_has_its_latent_score(world: list) -> None:
    latent = by_hand([0, 1, 2, 3], [KNOWN["first"]], "latent-match")["latent"]
    found = ask("first", "--model", "latent-match", "--fusion", "latent")
    assert found == pytest.approx(dict(zip(NAMES, latent.tolist(), strict=True)), abs=1e-5)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--model", "latent-match"), "latent-match has no visual score, which --fusion adaptive takes: there are latent"),
        (("--fusion", "best"), "--fusion best: ch6_cyclematch.inferences has visual, textual, latent, average, adaptive, average-three"),
        (("--model", "cycle-vgg19"), "--model cycle-vgg19: the scale mini trains latent-match, cycle"),
        (("--seed", "4"), "but cycle of seed 0, latent-match of seed 0: ch6_cyclematch.seeds lacks 4"),
        (("--dataset", "zoo"), "--dataset zoo: the scale mini trains on pets"),
    ],
)
def test_what_is_not_there_is_one_sentence(world: list, words: tuple, sentence: str) -> None:
    with pytest.raises(UserError) as error:
        ask("first", *words)
    assert sentence in str(error.value)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_score_that_is_not_finite_is_one_sentence(world: list, broken: float) -> None:
    """What `--top` shows would else be any of the items."""
    searcher = search.open_searcher(search.parser().parse_args(["pictures", "second", "--device", "cpu", "--threads", "1"]))
    broken_in = dataclasses.replace(searcher, score=lambda images, texts: np.array([0.2, broken, 0.1]))
    with pytest.raises(UserError, match=f"the network scores {broken}: scores must be finite, train it again at a lower learning rate"):
        shared.answer(broken_in, Path("pictures"), "second", 2)


def test_a_score_that_a_network_lacks_is_said_before_a_picture_is_seen(world: list) -> None:
    with pytest.raises(UserError, match="latent-match has no visual score"):
        ask("first", "--model", "latent-match")
    assert world == []


@pytest.mark.parametrize(("key", "value"), [("network.widths", [48, 32, 8]), ("variants.some.cycle.terms", ["t2i-dual"])])
def test_a_network_of_other_parameters_is_one_sentence(world: list, key: str, value: list) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    *around, last = key.split(".")
    reduce(getitem, around, params["ch6_cyclematch"])[last] = value
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    sentence = "some-seed0/cycle/model.pt is of another network than the parameters in force .* `make repro STAGE=ch6_cyclematch`"
    with pytest.raises(UserError, match=sentence):
        ask("first")


def test_the_command_line(world: list, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    words = ["search", "pictures", "second", "--top", "2", "--fusion", "average", "--device", "cpu", "--threads", "1"]
    monkeypatch.setattr(sys, "argv", words)
    search.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2"] and lines[0].endswith("  2.png")
