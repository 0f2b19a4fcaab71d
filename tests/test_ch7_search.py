"""Searching and labelling with a trained MMC-Net: cosines and probabilities by hand; what it has not been trained for is one sentence.

What it shares with Chapter 5's is in test_ch5_search.
"""

import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import mmc_world
import numpy as np
import pytest
import torch
import yaml
from mmc_world import DATASET, FEATURES, MODELS, small
from search_world import KNOWN, picture, searched
from stage_runs import make_world, run_main
from torch.nn.functional import cosine_similarity

from stages.ch7_mmc import annotate, embed, search, train
from stages.ch7_mmc.annotate import Annotation
from stages.ch7_mmc.training_settings import Network, Variant
from stages.core import arrays
from stages.core.errors import UserError
from stages.core.settings import build
from stages.datasets.captioned import load_described
from stages.matching import search as shared

MODELS_HERE = ("mm", "mc", "mmc", "vision")
NAMES = ["0.png", "1.png", "2.png", "more/3.png"]
CAPTION = "second"  # a caption of image 2, which is of class 2 where images have one class


def params() -> dict:
    return small(*MODELS_HERE, iterations=(60, 40, 20))


def trained(tmp_path_factory: pytest.TempPathFactory, *, single: bool) -> Path:
    return make_world(
        tmp_path_factory.mktemp("mmc"),
        lambda: mmc_world.write_features(single=single),
        lambda: run_main(train, f"{DATASET} some --seed 0", params()),
    )


@pytest.fixture(scope="module")
def of_one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory, single=True)


@pytest.fixture(scope="module")
def of_several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory, single=False)


@pytest.fixture
def world(of_one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A set of one label an image; `pictures` of its first four images. Returns which pictures go through the encoder."""
    return searched(of_one, tmp_path, params(), monkeypatch)


@pytest.fixture
def several(of_several: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The same of several labels an image."""
    return searched(of_several, tmp_path, params(), monkeypatch)


def ask(query: str, *words: str, top: int = 10) -> dict[str, float]:
    args = search.parser().parse_args(["pictures", query, "--device", "cpu", "--threads", "1", *words])
    return {name: score for score, name in shared.answer(search.open_searcher(args), args.pictures, query, top)}


def annotation(image: int, caption: str, *words: str) -> Annotation:
    words = ("pictures", str(picture(image)), caption, "--device", "cpu", "--threads", "1", *words)
    return annotate.annotated(annotate.parser().parse_args(words))


def features() -> list[torch.Tensor]:
    return [torch.from_numpy(arrays.read(FEATURES / name / "features.npy")).float() for name in ("images/eye", "texts/ear")]


@torch.no_grad()
def by_hand(images: list[int], texts: list[int], model: str = "mmc") -> tuple[np.ndarray, np.ndarray | None]:
    """The cosines between each of these and each of those, in a row, and the logits of the pairs, in order."""
    values = small()["ch7_mmc"]
    variant, network = build(Variant, values["variants"][model][model]), build(Network, values["network"])
    loaded = embed.load(MODELS / "some-seed0" / model, variant, network, torch.device("cpu"))
    v, t = (rows[chosen] for rows, chosen in zip(features(), (images, texts), strict=True))
    f, g = loaded(v, t)
    assert g is not None
    logits = loaded.classify(f, g).numpy() if loaded.head is not None and len(f) == len(g) else None
    return cosine_similarity(f[:, None], g[None], dim=2).flatten().numpy(), logits


@pytest.mark.parametrize("model", ["mmc", "mm"])
def test_a_sentence_finds_pictures_by_cosines(world: list, model: str) -> None:
    found = ask(CAPTION, "--model", model)
    cosines, _ = by_hand([0, 1, 2, 3], [KNOWN[CAPTION]], model)
    assert found == pytest.approx(dict(zip(NAMES, cosines.tolist(), strict=True)), abs=1e-5)
    assert next(iter(found)) == "2.png"
    assert world == [[*NAMES[:3], "3.png"]]


def test_a_picture_finds_captions_of_the_set(world: list) -> None:
    captions = load_described(FEATURES / "texts/ear").captions
    cosines, _ = by_hand([2], list(range(len(captions))))
    best = np.argsort(-cosines, kind="stable")[:5]
    found = ask(str(picture(2)), top=5)
    assert list(found) == [captions[row] for row in best]
    assert list(found.values()) == pytest.approx(cosines[best].tolist(), abs=1e-5)


def test_a_picture_with_a_caption_gets_its_one_label_and_its_neighbours(world: list) -> None:
    Path("pictures/captions.csv").write_text("file,caption\n0.png,first\n2.png,second\n")
    made = annotation(2, CAPTION)
    cosines, logits = by_hand([2], [KNOWN[CAPTION]])
    assert logits is not None
    shares = np.exp(logits[0]) / np.exp(logits[0]).sum()
    assert made.labels == ["class-2"] and len(made.probable) == 5
    order = np.argsort(-shares)[:5]
    assert [name for _, name in made.probable] == [f"class-{row}" for row in order]
    assert [share for share, _ in made.probable] == pytest.approx(shares[order].tolist(), rel=1e-4)
    assert {name: score for score, name in made.captions}["second"] == pytest.approx(cosines[0], abs=1e-5)
    assert len(made.captions) == 2 and made.captions == sorted(made.captions, reverse=True)
    assert {name: score for score, name in made.pictures} == pytest.approx(ask(CAPTION), abs=1e-6)


def test_of_several_labels_it_gets_those_above_a_half(several: list) -> None:
    """All of them are listed, though --top is 1."""
    made = annotation(0, "first", "--top", "1")
    _, logits = by_hand([0], [KNOWN["first"]])
    assert logits is not None
    shares = 1 / (1 + np.exp(-logits[0]))
    labels = [f"class-{row}" for row in np.flatnonzero(shares > 0.5)]
    assert made.labels == labels and len(labels) > 1
    best = np.argsort(-shares)[: len(labels)]
    assert [name for _, name in made.probable] == [f"class-{row}" for row in best]
    assert [share for share, _ in made.probable] == pytest.approx(shares[best].tolist(), rel=1e-4)
    assert len(made.captions) == len(made.pictures) == 1


def test_a_network_that_has_not_learnt_to_match_gives_labels_alone(world: list, capsys: pytest.CaptureFixture) -> None:
    made = annotation(2, CAPTION, "--model", "mc")
    assert made.labels == ["class-2"] and made.captions == made.pictures == []
    assert "mc has not been trained to match, and knows no neighbours: name another network for these\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--model", "mc"), "mc has not been trained to match images and texts: name a network with this loss, such as mmc"),
        (("--model", "vision"), "vision sees pictures alone: name a network that sees captions too, such as mmc"),
        (("--model", "dspe"), "--model dspe: the scale mini trains mm, mc, mmc, vision"),
        (("--seed", "4"), "but mc of seed 0, mm of seed 0, mmc of seed 0, vision of seed 0: ch7_mmc.seeds lacks 4"),
    ],
)
def test_what_is_not_there_is_one_sentence(world: list, words: tuple, sentence: str) -> None:
    with pytest.raises(UserError) as error:
        ask(CAPTION, *words)
    assert sentence in str(error.value)
    assert world == []  # before a picture is seen


def test_a_network_of_other_sets_is_named_with_these(world: list) -> None:
    """Of a role that the set is not in; repro would train none."""
    values = yaml.safe_load(Path("params.yaml").read_text())
    chapter = values["ch7_mmc"]
    chapter["sets"] |= {"compared": [DATASET, "zoo", "farm"], "fine": ["zoo", "farm"]}
    chapter["models"] |= {"fine": ["dspe"], "ablated": ["mmc-fc"]}
    Path("params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    for model, sentence in (
        ("dspe", "--model dspe: the scale mini trains mm, mc, mmc, vision on pets; dspe on zoo, farm, which --dataset names"),
        ("mmc-fc", "--model mmc-fc: the scale mini trains mm, mc, mmc, vision on pets"),
    ):
        with pytest.raises(UserError) as error:
            ask(CAPTION, "--model", model)
        assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("image", "caption", "words", "sentence"),
    [
        (
            2,
            CAPTION,
            ("--model", "mm"),
            "mm has no head for labels: name a network that classifies, such as mmc; `search`",
        ),
        (2, CAPTION, ("--model", "vision"), "vision sees pictures alone"),
        (2, "xyzzy", (), "wordlist has a vector of no word in 'xyzzy': say it in other words"),
        (1, CAPTION, (), "pictures/1.png cannot be read: see above"),
    ],
)
def test_what_cannot_be_labelled_is_one_sentence(world: list, image: int, caption: str, words: tuple, sentence: str) -> None:
    picture(1).write_bytes(b"no")
    with pytest.raises(UserError) as error:
        annotation(image, caption, *words)
    assert sentence in str(error.value)


def test_a_folder_without_pictures_is_one_sentence(world: list) -> None:
    Path("empty").mkdir()
    args = annotate.parser().parse_args(["empty", str(picture(2)), CAPTION, "--device", "cpu", "--threads", "1"])
    with pytest.raises(UserError, match="empty has no pictures, no file whose name ends in"):
        annotate.annotated(args)


def own_models() -> Path:
    """A copy of the trained networks that may be changed."""
    models = Path("data/mini/models")
    whole = models.resolve()
    models.unlink()
    shutil.copytree(whole, models)
    return MODELS / "some-seed0/mmc"


def test_damaged_files_are_one_sentence(world: list) -> None:
    file = own_models() / "about.json"
    file.write_text(file.read_text()[:40])
    with pytest.raises(UserError, match=r"mmc/about\.json cannot be read .*: `python -m workflow\.repro ch7_mmc` brings it back"):
        annotation(2, CAPTION)
    Path("params.yaml").write_text(": : [")
    with pytest.raises(UserError, match=r"params\.yaml is not YAML: `python -m workflow\.scale mini`"):
        annotation(2, CAPTION)


def test_classes_of_another_training_are_one_sentence(world: list) -> None:
    file = own_models() / "about.json"
    about = json.loads(file.read_text())
    assert about["classes"] == [f"class-{row}" for row in range(mmc_world.CLASSES)] and about["single"] is True
    file.write_text(json.dumps(about | {"classes": about["classes"][1:]}))
    with pytest.raises(UserError, match=r"mmc/model.pt scores 6 classes, and about.json beside it names 5: .*, train it anew"):
        annotation(2, CAPTION)


def test_labels_are_those_that_the_network_was_trained_on(world: list) -> None:
    """Not those that its data set has come to have since."""
    for folder in ("images/eye", "texts/ear"):
        assert json.loads((FEATURES / folder / "set.json").read_text())["classes"][2] == "class-2"
    features = Path("data/mini/features")
    whole = features.resolve()
    features.unlink()
    shutil.copytree(whole, features)
    for file in features.rglob("set.json"):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"classes": list("abcdef")}))
    assert annotation(2, CAPTION).labels == ["class-2"]


def test_scores_of_classes_that_are_not_finite_are_one_sentence(world: list) -> None:
    file = own_models() / "model.pt"
    state = torch.load(file, weights_only=True)
    state["texts.convolution.bias"].fill_(3e38)  # finite, as a network's file must be
    torch.save(state, file)
    with pytest.raises(UserError, match="the network's scores of classes are not finite: train it again at a lower learning rate"):
        annotation(2, CAPTION)


def test_a_network_of_other_parameters_is_one_sentence(world: list) -> None:
    changed = yaml.safe_load(Path("params.yaml").read_text())
    changed["ch7_mmc"]["network"]["widths"][0] += 1
    Path("params.yaml").write_text(yaml.safe_dump(changed, sort_keys=False))
    with pytest.raises(UserError, match=r"some-seed0/mmc/model.pt is of another network than its settings say"):
        ask(CAPTION)


def test_features_of_other_widths_are_one_sentence(world: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared.encode, "sentences", lambda sentences, *others: (np.ones((1, 31), np.float32), np.array([True])))
    with pytest.raises(UserError, match=r"eye and ear make features of 48 and 31 values, and the network was trained on 48 and 32: the"):
        annotation(2, CAPTION)


def printed(module: ModuleType, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> list[str]:
    monkeypatch.setattr(sys, "argv", [module.__name__, "pictures", *words, "--device", "cpu", "--threads", "1"])
    module.main()
    return capsys.readouterr().out.splitlines()


def test_the_command_lines(world: list, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    lines = printed(search, [CAPTION, "--top", "2"], monkeypatch, capsys)
    assert [line.split()[0] for line in lines] == ["1", "2"] and lines[0].endswith("  2.png")
    lines = printed(annotate, [str(picture(2)), CAPTION, "--top", "2"], monkeypatch, capsys)
    assert lines[0] == "labels: class-2" and lines[1].endswith("  class-2")
    assert lines[3] == "captions nearest to the picture:" and lines[6] == "pictures nearest to the caption:" and len(lines) == 9
    assert lines[7].endswith("  2.png")


def test_that_no_label_is_decided_is_said() -> None:
    lines = list(annotate.lines(Annotation([], [(0.4, "dog")])))
    assert lines == ["labels: none is more probable than 0.5", "   1   0.4000  dog"]
