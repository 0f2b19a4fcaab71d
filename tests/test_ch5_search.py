"""Searching with a trained network: pictures are embedded once, captions by a picture, and what is not there is one sentence."""

import io
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from matching_world import write_features
from PIL import Image
from stage_runs import PARAMS, make_world, run_main
from test_ch5_train import DATASET, small

from stages.ch5_rrf import search, train
from stages.core import arrays
from stages.core.errors import UserError

FEATURES = Path(f"data/mini/features/matching/{DATASET}")
KNOWN = {"first": 0, "second": 7}  # sentences, as captions of the set


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
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/mini").mkdir(parents=True)
    for name in ("models", "features"):
        (tmp_path / "data/mini" / name).symlink_to(trained / "data/mini" / name)
    params = small("rrf-3", iterations=60)
    params["ch5_rrf"]["models"] = {"ablated": ["rrf-3"], "other": [], "compared": []}
    matching = {
        "pictures": {"short_side": 64, "batch_size": 2},
        "texts": {"ear": {"kind": "mean", "words": "wordlist"}},
        "vocabularies": {"wordlist": {"lower": True, "share": 1}},
    }
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS | params | {"matching": matching}))
    for name, file in (("eye", "eye.pth"), ("wordlist", "words.txt")):
        Path(f"data/mini/sources/{name}").mkdir(parents=True)
        Path(f"data/mini/sources/{name}/{file}").write_text("weights")
    Path("pictures/more").mkdir(parents=True)
    for number in range(4):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(picture(number))
    seen: list[list[str]] = []

    def of_pictures(files, encoder, weights, settings, precision, device):
        seen.append([file.name for file in files])
        readable = [number for number, file in enumerate(files) if file.stat().st_size > 10]
        rows = arrays.read(FEATURES / "images/eye/features.npy").astype(np.float32)
        return readable, rows[[Image.open(files[number]).getpixel((0, 0))[0] for number in readable]]

    def of_sentences(sentences, text, vocabulary, vectors, features, device):
        rows = arrays.read(FEATURES / "texts/ear/features.npy").astype(np.float32)
        return rows[[KNOWN.get(one, 0) for one in sentences]], np.array([one in KNOWN for one in sentences])

    monkeypatch.setattr(search.encode, "pictures", of_pictures)
    monkeypatch.setattr(search.encode, "sentences", of_sentences)
    monkeypatch.setattr(search.vision, "encoder", lambda name: type("Encoder", (), {"file": f"{name}.pth"}))
    return seen


def picture(number: int) -> Path:
    return Path("pictures/more" if number == 3 else "pictures") / f"{number}.png"


def ask(query: str, *words: str, top: int = 10) -> list[tuple[float, str]]:
    args = search.parser().parse_args(["pictures", query, "--device", "cpu", "--threads", "1", *words])
    return search.answer(search.open_searcher(args), args.pictures, query, top)


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
    assert dict(map(reversed, changed))["0.png"] == dict(map(reversed, first))["0.png"]
    assert dict(map(reversed, changed))["1.png"] != dict(map(reversed, first))["1.png"]


def test_kept_embeddings_that_are_damaged_are_made_again(world: list) -> None:
    first = ask("first")
    (kept,) = search.KEPT.glob("*.npz")
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
    searcher = search.open_searcher(search.parser().parse_args(["pictures", "x", "--device", "cpu", "--threads", "1"]))
    images, texts = (torch.from_numpy(arrays.read(FEATURES / f"{one}/features.npy")).float() for one in ("images/eye", "texts/ear"))
    with torch.no_grad():
        cosines = torch.nn.functional.cosine_similarity(searcher.model.images(images[2:3]), searcher.model.texts(texts))
    described = json.loads((FEATURES / "texts/ear/set.json").read_text())
    best = cosines.argsort(descending=True)[:3].tolist()
    found = ask(str(picture(2)), top=3)
    assert [caption for _, caption in found] == [described["captions"][row] for row in best]
    assert [score for score, _ in found] == pytest.approx(cosines[best].tolist(), abs=1e-5)


def test_a_picture_finds_the_folders_own_captions(world: list) -> None:
    rows = [*((f"{number}.png", "second") for number in range(3)), ("more/3.png", "first"), ("0.png", "unknown")]
    Path("pictures/captions.csv").write_text("file,caption\n" + "".join(f"{file},{caption}\n" for file, caption in rows))
    assert [caption for _, caption in ask(str(picture(2)))] == ["second", "first"]  # each once; of `unknown` no word is known
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
        ("first", ("--seed", "7"), "no rrf-3 of seed 7 has been trained in data/mini/models/ch5_rrf/pets: `make repro STAGE=ch5_rrf`"),
        ("first", ("--dataset", "zoo"), "--dataset zoo: the scale mini trains pets"),
        ("nowhere.JPG", (), "nowhere.JPG is no file: name one with a picture, or say a sentence"),
        ("pictures", (), "pictures is no file: name one"),
        ("x" * 5000, (), "wordlist has a vector of no word in 'xxx"),
    ],
)
def test_what_is_not_there_is_one_sentence(world: list, query: str, words: tuple, sentence: str) -> None:
    with pytest.raises(UserError) as error:
        ask(query, *words)
    assert sentence in str(error.value)


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
