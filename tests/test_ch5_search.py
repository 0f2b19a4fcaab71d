"""Searching with a trained network: pictures are embedded once, captions by a picture, and what is not there is one sentence."""

import io
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from matching_world import write_features
from PIL import Image
from search_world import DATASET, FEATURES, KNOWN, picture, searched
from stage_runs import make_world, run_main
from test_ch5_train import small

from stages.ch5_rrf import embed, search, train
from stages.ch5_rrf.training_settings import Network, Variant
from stages.core import arrays
from stages.core.errors import UserError
from stages.core.settings import build
from stages.matching import search as shared


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    params = small("rrf-3", iterations=60)
    return make_world(
        tmp_path_factory.mktemp("search"),
        lambda: write_features(FEATURES, other="other"),
        lambda: run_main(train, f"{DATASET} rrf-3 --seed 0", params),
    )


@pytest.fixture
def world(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A folder `pictures` of the set's first four images by their numbers; returns which pictures go through the encoder."""
    params = small("rrf-3", iterations=60)
    params["ch5_rrf"]["models"] = {"ablated": ["rrf-3"], "other": [], "compared": []}
    return searched(trained, tmp_path, params, monkeypatch)


def ask(query: str, *words: str, top: int = 10) -> list[tuple[float, str]]:
    args = search.parser().parse_args(["pictures", query, "--device", "cpu", "--threads", "1", *words])
    return shared.answer(search.open_searcher(args), args.pictures, query, top)


def test_a_sentence_finds_its_picture(world: list, capsys: pytest.CaptureFixture) -> None:
    """Sentence `first` is a caption of image 0, `second` (row 7) of image 2: the first image has 4 captions, the next 3."""
    assert [ask(one, top=1)[0][1] for one in KNOWN] == ["0.png", "2.png"]
    scores = ask("first")
    assert {name for _, name in scores} == {"0.png", "1.png", "2.png", "more/3.png"}
    assert scores == sorted(scores, reverse=True) and -1 <= scores[-1][0] < scores[0][0] <= 1
    assert "scale mini's, trained for seconds" in capsys.readouterr().err


def test_pictures_are_embedded_once(world: list) -> None:
    first = ask("first")
    assert ask("first") == first
    assert world == [["0.png", "1.png", "2.png", "3.png"]]
    Image.new("RGB", (9, 9), (50, 0, 0)).save(picture(1))  # now another one
    picture(2).unlink()
    changed = ask("first")
    assert world[1:] == [["1.png"]]
    assert {name for _, name in changed} == {"0.png", "1.png", "more/3.png"}
    before, after = (dict(map(reversed, scores)) for scores in (first, changed))
    assert after["0.png"] == pytest.approx(before["0.png"], abs=1e-6)  # the last digit is that of how many are embedded together
    assert after["1.png"] != pytest.approx(before["1.png"], abs=1e-6)


def test_a_network_of_other_widths_is_one_sentence(world: list) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["ch5_rrf"]["network"]["widths"][0] += 1
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    with pytest.raises(UserError, match=r"rrf-3-seed0/rrf-3/model.pt is of another network .* `make repro STAGE=ch5_rrf` trains it anew"):
        ask("first")


def test_scores_that_are_not_finite_are_one_sentence(world: list) -> None:
    searcher = search.open_searcher(search.parser().parse_args(["pictures", "first", "--device", "cpu", "--threads", "1"]))
    broken = replace(searcher, score=lambda images, texts: np.where(np.arange(len(images)) == 1, np.nan, searcher.score(images, texts)))
    with pytest.raises(UserError, match="the network scores nan: scores must be finite"):
        shared.answer(broken, Path("pictures"), "first", 2)


def test_kept_embeddings_that_are_damaged_are_made_again(world: list) -> None:
    first = ask("first")
    (kept,) = shared.KEPT.glob("*.npz")
    kept.write_bytes(kept.read_bytes()[:100])
    assert ask("first") == first
    assert len(world) == 2
    assert ask("first") == first
    assert len(world) == 2


def test_a_damaged_network_is_one_sentence(world: list) -> None:
    models = Path("data/mini/models")
    whole = models.resolve()
    models.unlink()
    shutil.copytree(whole, models)
    (file,) = models.rglob("model.pt")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"rrf-3/model.pt is damaged \(RuntimeError\): `python -m workflow.repro ch5_rrf` makes it again"):
        ask("first")


def test_what_cannot_be_read_is_left_out_and_tried_again(world: list) -> None:
    picture(2).write_bytes(b"no")
    assert len(ask("first")) == 3
    assert len(ask("first")) == 3
    assert world[1:] == [["2.png"]]
    for number in range(4):
        picture(number).write_bytes(b"no")
    with pytest.raises(UserError, match="none of the 4 pictures in pictures can be read: see above"):
        ask("first")


def test_a_picture_finds_captions_of_the_set(world: list) -> None:
    chapter = yaml.safe_load(Path("params.yaml").read_text())["ch5_rrf"]
    variant, network = build(Variant, chapter["variants"]["some"]["rrf-3"]), build(Network, chapter["network"])
    (folder,) = Path("data/mini/models/ch5_rrf/pets").glob("*/rrf-3")
    model = embed.load(folder, variant, network, torch.device("cpu"))
    images, texts = (torch.from_numpy(arrays.read(FEATURES / f"{one}/features.npy")).float() for one in ("images/eye", "texts/ear"))
    with torch.no_grad():
        cosines = torch.nn.functional.cosine_similarity(model.images(images[2:3]), model.texts(texts))
    described = json.loads((FEATURES / "texts/ear/set.json").read_text())
    best = cosines.argsort(descending=True)[:3].tolist()
    found = ask(str(picture(2)), top=3)
    assert [caption for _, caption in found] == [described["captions"][row] for row in best]
    assert [score for score, _ in found] == pytest.approx(cosines[best].tolist(), abs=1e-5)


def test_captions_of_the_set_without_a_known_word_are_left_out(world: list, capsys: pytest.CaptureFixture) -> None:
    """Their features are zeros, of which a network makes the same for all."""
    features = Path("data/mini/features")
    whole = features.resolve()
    features.unlink()
    shutil.copytree(whole, features)
    rows = np.load(FEATURES / "texts/ear/features.npy")
    rows[[0, 2, 5, 6]] = 0
    np.save(FEATURES / "texts/ear/features.npy", rows)
    described = json.loads((FEATURES / "texts/ear/set.json").read_text())["captions"]
    kept = {caption for row, caption in enumerate(described) if row not in (0, 2, 5, 6)}
    assert {caption for _, caption in ask(str(picture(0)), top=1000)} == kept
    named = ", ".join(repr(described[row]) for row in (0, 2, 5))
    assert f"left out: 4 of {len(described)} captions, no word of which has a vector in wordlist: {named}, ...\n" in capsys.readouterr().err


def test_a_picture_finds_the_folders_own_captions(world: list, capsys: pytest.CaptureFixture) -> None:
    rows = [*((f"{number}.png", "second") for number in range(3)), ("more/3.png", "first"), ("0.png", "unknown")]
    Path("pictures/captions.csv").write_text("file,caption\n" + "".join(f"{file},{caption}\n" for file, caption in rows))
    assert [caption for _, caption in ask(str(picture(2)))] == ["second", "first"]  # each once; of `unknown` no word is known
    assert "left out: 1 of 5 captions, no word of which has a vector in wordlist: 'unknown'\n" in capsys.readouterr().err
    Path("pictures/captions.csv").write_text("file,caption\n0.png,first\nnowhere.png,second\n")  # too few to train, which need not be
    assert {caption for _, caption in ask(str(picture(2)))} == {"first", "second"}
    Path("pictures/captions.csv").write_text("file,caption\n0.png,x\n1.png,y\n")
    with pytest.raises(UserError, match="of no word in 'x', nor in the 1 after it: say it"):
        ask(str(picture(2)))


@pytest.mark.parametrize(
    ("query", "words", "sentence"),
    [
        ("xyzzy", (), "wordlist has a vector of no word in 'xyzzy': say it in other words"),
        ("first", ("--model", "rrf-9"), "--model rrf-9: the scale mini trains rrf-3"),
        (
            "first",
            ("--seed", "7"),
            "no rrf-3 of seed 7 has been trained in data/mini/models/ch5_rrf/pets, but rrf-3 of seed 0: ch5_rrf.seeds lacks 7",
        ),
        ("first", ("--dataset", "zoo"), "--dataset zoo: the scale mini trains on pets"),
        ("nowhere.JPG", (), "nowhere.JPG is no file: name one with a picture, or say a sentence"),
        ("pictures", (), "pictures is no file: name one"),
        ("x" * 5000, (), "wordlist has a vector of no word in 'xxx"),
    ],
)
def test_what_is_not_there_is_one_sentence(world: list, query: str, words: tuple, sentence: str) -> None:
    with pytest.raises(UserError) as error:
        ask(query, *words)
    assert sentence in str(error.value)


def test_what_has_not_been_trained_yet_can_be(world: list) -> None:
    Path("data/mini/models").unlink()
    with pytest.raises(UserError, match=r"no rrf-3 of seed 0 has been trained in data/mini/models/ch5_rrf/pets: `make repro"):
        ask("first")


def test_features_of_other_widths_are_one_sentence(world: list, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where matching's settings have changed since the network was trained."""
    monkeypatch.setattr(shared.encode, "sentences", lambda sentences, *others: (np.ones((1, 31), np.float32), np.array([True])))
    with pytest.raises(UserError, match=r"eye and ear make features of 48 and 31 values, and the network was trained on 48 and 32: the"):
        ask("first")


def test_a_scale_without_the_chapter_is_one_sentence(world: list) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["ch5_rrf"]["sets"]["ablated"] = []
    Path("params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(UserError, match="the scale mini trains no network of Chapter 5: `python -m"):
        ask("first")


def test_the_command_line(world: list, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(sys, "argv", ["search", "pictures", "second", "--top", "2", "--device", "cpu", "--threads", "1"])
    search.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2"] and lines[0].endswith("  2.png")
    Path("pictures/2.png").rename("pictures/日本.png")
    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output, "ascii"))
    search.main()
    assert output.getvalue().splitlines()[0].endswith(rb"  \u65e5\u672c.png")
    for words, sentence in ((["nowhere", "x"], "nowhere is no folder"), (["pictures", "x", "--top", "0"], "--top and --threads must be")):
        monkeypatch.setattr(sys, "argv", ["search", *words])
        with pytest.raises(SystemExit, match=f"error: {sentence}"):
            search.main()
