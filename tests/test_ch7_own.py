"""One's own folder with labels, from pictures and a table to a trained MMC-Net that labels a picture, by the pipeline's stages."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import REPOSITORY
from mmc_world import small
from PIL import Image
from stage_runs import PARAMS, make_world, run_main

from stages.ch7_mmc import annotate, counts, evaluate, predict, train
from stages.core.files import write_json
from stages.matching import images, texts, words
from stages.miniatures.squeezenet1_1 import write as write_squeezenet
from workflow import scale

DATASET, SOURCE = "own_captions", Path("data/mini/sources/own_captions")
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 50, 230)}
WORDS = [*COLOURS, "a", "the", "picture", "of", "and", "colour"]
MATCHING = {
    "options": {DATASET: {"val": 0.1, "test": 0.2}},
    "pictures": {"short_side": 64, "batch_size": 8},
    "vocabularies": {"glove": {"lower": True, "share": 1.0}},
    "texts": {"mean": {"kind": "mean", "words": "glove"}},
}


def params() -> dict[str, Any]:
    values = small("mm", "mc", "mmc", iterations=(40, 30, 20))
    chapter = values["ch7_mmc"]
    chapter["sets"] |= {"compared": [DATASET], "described": [], "labelled": [DATASET]}
    chapter["encoders"] = {"images": "squeezenet1_1", "other": "vgg19", "texts": "mean"}
    chapter["per_set"] = {DATASET: {"batch_size": 30, "negatives": 5, "beta": 0.5, "dimension": 64}}
    (length,), (labels,) = chapter["lengths"].values(), chapter["labels"].values()
    chapter["lengths"], chapter["labels"] = {DATASET: length}, {DATASET: labels}
    chapter["evaluation"] = {"relevance": {DATASET: "instance"}, "accuracy": "pairs"}
    return values | {"matching": MATCHING}


def write_folder(*, several: bool) -> None:
    """60 pictures, of one colour, or with another in their lower half, each with two captions that name what it has."""
    rng, names = np.random.default_rng(0), list(COLOURS)
    (SOURCE / "images").mkdir(parents=True)
    rows = []
    for number in range(60):
        upper = names[number % 3]
        lower = names[rng.integers(3)] if several else upper
        pixels = np.array([COLOURS[upper]] * 32 + [COLOURS[lower]] * 32)[:, None].repeat(64, axis=1) + rng.integers(-25, 26, (64, 64, 3))
        file = f"images/{number:02d}.png"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(SOURCE / file)
        has = list(dict.fromkeys([upper, lower]))
        captions = f"a {' and '.join(has)} picture", f"the colour of {' and '.join(has)}"
        rows += [{"file": file, "caption": caption, "label": ";".join(has)} for caption in captions]
    with (SOURCE / "captions.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    write_json(SOURCE / "provenance.json", {"dataset": DATASET, "kind": "unverified", "note": ""})


def write_encoders() -> None:
    """A network that was never trained, and word vectors as GloVe has them."""
    for name in ("squeezenet1_1", "glove"):
        folder = Path("data/mini/sources") / name
        folder.mkdir(parents=True)
        write_json(folder / "provenance.json", {"dataset": name, "kind": "miniature", "note": ""})
    write_squeezenet(Path("data/mini/sources/squeezenet1_1"), seed=12)
    vectors = np.random.default_rng(5).normal(size=(len(WORDS), 8))
    rows = [" ".join([word, *(f"{value:.5f}" for value in row)]) for word, row in zip(WORDS, vectors, strict=True)]
    Path("data/mini/sources/glove/glove.6B.50d.txt").write_text("\n".join(rows) + "\n")


def run_stages() -> None:
    """As workflow/pipelines has them: features, training, prediction, evaluation."""
    run_main(images, f"{DATASET} squeezenet1_1", params())
    run_main(words, f"{DATASET} glove", params())
    run_main(texts, f"{DATASET} mean", params())
    run_main(train, f"{DATASET} some --seed 0", params())
    run_main(predict, DATASET, params())
    for stage in (evaluate, counts):
        run_main(stage, DATASET, params())
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS | params(), sort_keys=False))


@pytest.fixture(scope="module")
def of_one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("one"), lambda: write_folder(several=False), write_encoders, run_stages)


@pytest.fixture(scope="module")
def of_several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("several"), lambda: write_folder(several=True), write_encoders, run_stages)


def metrics(model: str, experiment: str = DATASET) -> dict[str, float]:
    values = json.loads(Path(f"reports/metrics/ch7_mmc/{experiment}.json").read_text())
    return {record["metric"]: record["value"] for record in values["records"] if record["model"] == model}


def annotated(picture: str, caption: str, *words: str) -> annotate.Annotation:
    words = (str(SOURCE), str(SOURCE / picture), caption, "--device", "cpu", "--threads", "1", *words)
    return annotate.annotated(annotate.parser().parse_args(words))


def test_a_folder_of_one_label_an_image(of_one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(of_one)
    assert {key: metrics("set", f"{DATASET}-counts")[key] for key in ("total", "categories", "train_images", "test_images")} == {
        "total": 60, "categories": 3, "train_images": 42, "test_images": 12,
    }  # fmt: skip
    assert metrics("mmc")["accuracy"] > 90 and metrics("mc")["accuracy"] > 90  # chance is 33
    assert metrics("mmc")["i2t_r1_class"] > 70 and "accuracy" not in metrics("mm")
    made = annotated("images/01.png", "a green picture")
    assert made.labels == ["green"] == [name for share, name in made.probable if share > 0.5] and len(made.probable) == 3
    assert {int(Path(name).stem) % 3 for _, name in made.pictures} == {1}  # the nearest five are green
    assert "green" in made.captions[0][1]


def test_a_folder_of_several_labels_an_image(of_several: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(of_several)
    assert metrics("mmc")["ap"] > 80 and metrics("mc")["label_recall"] > 70
    assert "accuracy" not in metrics("mmc") and "i2t_r1_class" not in metrics("mmc")
    with (SOURCE / "captions.csv").open() as stream:
        row = next(row for row in csv.DictReader(stream) if row["label"] == "red;blue")
    made = annotated(row["file"], row["caption"])
    assert made.labels == ["blue", "red"] and len(made.probable) == 3


def test_the_readme_s_command_puts_such_a_folder_in_force(tmp_path: Path) -> None:
    text = (REPOSITORY / "stages/ch7_mmc/README.md").read_text().replace("\\\n", " ")
    (command,) = (line.split() for line in text.splitlines() if line.strip().startswith("python -m workflow.scale"))
    scale.compose(command[3], command[4:], tmp_path / "params.yaml")  # leaves with a sentence where a parameter is wrong
    values = yaml.safe_load((tmp_path / "params.yaml").read_text())
    chapter = values["ch7_mmc"]
    assert chapter["sets"] == {role: [] for role in chapter["sets"]} | {"compared": [DATASET], "labelled": [DATASET]}
    assert values["matching"]["sets"] == {"described": [], "compared": [], "labelled": [DATASET]}
