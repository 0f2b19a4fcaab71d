"""Chapter 4's stages on a world of a few small pictures: each against loops over all pairs, other programs, and values by hand."""

import copy
import itertools
import json
import math
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import stage_runs
import torch
from conftest import REPOSITORY
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch.nn import functional as F

from stages.ch4_deepindex import (
    codebooks,
    complexity,
    evaluate,
    features,
    figures,
    panels,
    quantise,
    rank,
    rankings,
    sets,
    signature,
    store,
)
from stages.ch4_deepindex.patches import open_picture, patches
from stages.ch4_deepindex.rank import Task, Words
from stages.ch4_deepindex.rankings import Model
from stages.ch4_deepindex.variants import PLACES, VARIANTS
from stages.core import arrays, metrics
from stages.core.errors import UserError
from stages.datasets import paris6k
from stages.datasets.retrieval import Query, RetrievalSet
from stages.encoders import vision
from stages.miniatures import encoders, retrieval
from workflow import params, scale

torch.set_num_threads(1)
SIZE = {"width": 64, "height": 48, "seed": 0}
OWN: dict[str, Any] = {
    "words": 24, "sweep": [12, 24], "assignments": [1, 3], "best": "dpi-6-18", "best_assignments": 3, "alpha": 2, "depth": 50,
}  # fmt: skip
INDEX: dict[str, Any] = {
    "sets": ["holidays", "ukb"],
    "encoders": {"shallow": "alexnet", "deep": "vgg19"},
    "layers": {place: place for place in PLACES},
    "crop_queries": True,
    "input_size": 64,
    "batch_size": 3,
    "width": 0.5,
    "seeds": [0],
    "kmeans_iterations": 60,
    "idf": "ratio",
    "variants": list(VARIANTS),
    "sweep_assignments": 1,
    "alphas": [1, 2],
    "dimensions": [32, 16],
    "signatures": ["float16", "pq"],
    "ivfpq": {"lists": 4, "probes": 2, "bytes": 2},
    "per_set": dict.fromkeys(("holidays", "paris6k", "ukb", "smvs_dvd"), OWN),
    "complexity": {"datasets": ["holidays"], "dimensions": 16},
    "figures": {"groups": ["holidays"], "shown_groups": 3, "panels": ["holidays"], "top": 3},
}
HOLIDAYS, PARIS, UKB = (Path("data/mini/features/ch4_deepindex", name) for name in ("holidays", "paris6k", "ukb"))
BOOKS = Path("data/mini/codebooks/ch4_deepindex/holidays/seed0")


def run(module: ModuleType, words: str = "", **changes: Any) -> stage_runs.Here:
    """Run a stage's main; `changes` of the chapter's parameters. Returns its job."""
    return stage_runs.run_main(module, words, {"ch4_deepindex": INDEX | changes})


def write_sources(sources: Path) -> None:
    retrieval.write_holidays(sources / "holidays", groups=7, **SIZE)  # of 2, 3, 4, 2, 3, 4 and 2 pictures
    retrieval.write_paris6k(sources / "paris6k", landmarks=2, images=5, queries=2, distractors=2, **SIZE)
    retrieval.write_ukb(sources / "ukb", objects=5, **SIZE)
    encoders.write_alexnet(sources / "alexnet", widths=[4, 6, 8, 8, 6], fc=24, seed=0)
    encoders.write_vgg19(sources / "vgg19", widths=[3, 4, 5, 6, 7], fc=24, seed=0)
    for folder in list(sources.iterdir()):
        (folder / "provenance.json").write_text(json.dumps({"dataset": folder.name, "kind": "miniature", "note": "made"}))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with the data sets, their features, codebooks, rankings and scores."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_sources(Path("data/mini/sources"))
        run(features, "paris6k")
        for name in ("holidays", "ukb"):
            run(features, name)
            run(codebooks, f"{name} --seed 0")
            run(rank, name)
            run(evaluate, name)
    return folder


@pytest.fixture
def here(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(world)
    return world


@pytest.fixture
def damaged(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sources alone, to be spoilt."""
    shutil.copytree(world / "data/mini/sources", tmp_path / "data/mini/sources")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data/mini/sources"


# Features


def test_without_numbers_what_is_left_anew() -> None:
    found = RetrievalSet(
        [Path(f"jpg/{name}.jpg") for name in "abcdef"],
        [Query("a", 0, None, (1, 2), (0,)), Query("f", 5, (1, 2, 3, 4), (2, 3, 5), (1, 4))],
    )
    left = features.without(found, {1: "b is damaged", 4: "e is damaged"})
    assert [image.stem for image in left.images] == ["a", "c", "d", "f"]
    assert left.queries == [Query("a", 0, None, (1,), (0,)), Query("f", 3, (1, 2, 3, 4), (1, 2, 3), ())]
    assert features.without(found, {}) == found


def test_a_bad_picture_that_is_asked_for_or_alone_to_be_found_is_refused() -> None:
    found = RetrievalSet([Path("x/a.jpg"), Path("x/b.jpg")], [Query("qa", 0, None, (1,), (0,))])
    with pytest.raises(UserError, match=r"^a is damaged: it is the picture of the query qa, which needs it"):
        features.without(found, {0: "a is damaged"})
    with pytest.raises(
        UserError, match=r"^b is damaged: nothing else is to be found for the query qa"
    ):  # else its average precision is of nothing
        features.without(found, {1: "b is damaged"})


def test_a_query_names_the_row_of_its_features() -> None:
    found = RetrievalSet(
        [Path("x/a.jpg"), Path("y/a.jpg")], [Query("whole", 1, None, (1,), ()), Query("part", 0, (0, 0, 9, 9), (0, 1), ())]
    )
    assert features.asked_for(found, crop=False) == []
    assert [query.name for query in features.asked_for(found, crop=True)] == ["part"]
    assert features.described(found, {"part": 2}) == {
        "images": ["x/a", "y/a"],
        "queries": [
            {"name": "whole", "image": 1, "relevant": (1,), "ignored": (), "item": 1},
            {"name": "part", "image": 0, "relevant": (0, 1), "ignored": (), "item": 2},
        ],
    }


def test_places_are_taken_by_the_encoders_layers() -> None:
    stand_ins = {"shallow": "squeezenet1_1", "deep": "efficientnet_lite0"}
    layers = {"fc6": "fire8", "fc7": "fire9", "fc17": "block7", "fc18": "head"}
    assert features.placed({"encoders": stand_ins, "layers": layers}) == {
        "fc6": "squeezenet1_1.fire8", "fc7": "squeezenet1_1.fire9",
        "fc17": "efficientnet_lite0.block7", "fc18": "efficientnet_lite0.head",
    }  # fmt: skip


def test_features_are_of_each_picture_and_then_of_the_parts_asked_for(here: Path) -> None:
    found = paris6k.read(Path("data/mini/sources/paris6k"))
    about = sets.load_set(PARIS)
    values = {place: np.load(PARIS / f"{place}.npy") for place in PLACES}
    assert about["images"] == [f"{image.parent.name}/{image.stem}" for image in found.images]
    assert [query["item"] for query in about["queries"]] == list(range(12, 16))
    for place, each in values.items():
        assert (each.shape, each.dtype) == ((12 + 4, 14, 24), np.float16), place
        norms = np.linalg.norm(each.astype(float), axis=2)
        np.testing.assert_allclose(norms, 1, atol=2e-3)
    networks = {name: vision.load(name, Path("data/mini/sources", name)) for name in ("alexnet", "vgg19")}

    def by_hand(place: str, picture: Path, box: Any) -> NDArray:
        name = "alexnet" if place in ("fc6", "fc7") else "vgg19"
        pixels = torch.from_numpy(patches(open_picture(picture), 64, box)).permute(0, 3, 1, 2)
        return F.normalize(vision.features(networks[name], vision.ENCODERS[name], [place], pixels)[place]).numpy()

    for query, stored in zip(found.queries, about["queries"], strict=True):
        for place in PLACES:
            np.testing.assert_allclose(values[place][stored["item"]], by_hand(place, found.images[query.image], query.box), atol=2e-3)
            np.testing.assert_allclose(values[place][query.image], by_hand(place, found.images[query.image], None), atol=2e-3)
            assert np.abs(values[place][stored["item"]].astype(float) - values[place][query.image]).max() > 0.02


def test_a_bad_picture_is_skipped_and_counted(world: Path, damaged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = damaged / "holidays/jpg/100201.jpg"  # the seventh; two of its group are left to be found
    bad.write_bytes(bad.read_bytes()[:300])
    job = run(features, "holidays")
    about = sets.load_set(HOLIDAYS)
    assert json.loads((HOLIDAYS / "about.json").read_text())["skipped"] == 1
    assert "skipped" in (said := capsys.readouterr().err) and "100201.jpg" in said
    before = sets.load_set(world / HOLIDAYS)
    assert about["images"] == [name for name in before["images"] if name != "jpg/100201"]
    assert about["queries"][2] == {"name": "100200", "image": 5, "relevant": [6, 7], "ignored": [5], "item": 5}
    assert about["queries"][3]["relevant"] == [9]
    for place in PLACES:
        old, new = (np.load(folder / f"{place}.npy") for folder in (world / HOLIDAYS, HOLIDAYS))
        assert np.array_equal(np.delete(old, 6, axis=0), new)
    assert job.notes["pictures"] == len(before["images"])


def test_a_part_that_lies_outside_its_picture_is_refused(damaged: Path) -> None:
    """Were it skipped, the queries after it would get each other's features."""
    query = sorted((damaged / "paris6k/ground_truth").glob("*_query.txt"))[1]
    query.write_text(f"{query.read_text().split()[0]} 500 500 600 600")
    with pytest.raises(UserError, match=f"the query {query.name.removesuffix('_query.txt')} asks for it"):
        run(features, "paris6k")


def test_the_picture_of_a_query_is_needed(damaged: Path) -> None:
    (damaged / "ukb/full/ukbench00007.jpg").write_bytes(b"")
    with pytest.raises(UserError, match=r"ukbench00007\.jpg.*query ukbench00007"):
        run(features, "ukb")


# Codebooks


def to_words(each: NDArray, codebook: NDArray) -> NDArray:
    """Distances of patches (..., D) from all words, by numpy."""
    return np.linalg.norm(each[..., None, :].astype(float) - codebook.astype(float), axis=-1)


def are_nearest(words: NDArray, distances: NDArray) -> bool:
    """Whether the words of each patch are its nearest, the nearest first, but for rounding."""
    chosen = np.take_along_axis(distances, words, axis=-1)
    different = all(len(set(row)) == words.shape[-1] for row in words.reshape(-1, words.shape[-1]).tolist())
    return different and np.allclose(chosen, np.sort(distances, axis=-1)[..., : words.shape[-1]], atol=1e-5)


def test_words_are_the_nearest_centroids_and_those_are_means(here: Path) -> None:
    for place in PLACES:
        values = codebooks.load_features(HOLIDAYS, place)
        codebook = np.load(codebooks.codebook_file(BOOKS, place))
        words = np.load(codebooks.words_file(BOOKS, place, 24))
        assert (codebook.shape, words.shape, words.dtype) == ((24, 24), (20, 14, 3), np.int32)
        distances = to_words(values, codebook)
        assert are_nearest(words, distances)
        nearest = distances.argmin(axis=-1)
        for word in np.unique(nearest):  # after 60 iterations nothing moves any more
            np.testing.assert_allclose(codebook[word], values[nearest == word].mean(axis=0), atol=1e-4)
    assert np.load(codebooks.words_file(BOOKS, "fc7", 12)).max() == 11


def test_only_the_best_variants_layers_have_pca_and_parts_asked_for_have_words(here: Path) -> None:
    assert sorted(file.name for file in BOOKS.glob("pca_*")) == ["pca_fc18.npz", "pca_fc6.npz"]
    run(codebooks, "paris6k --seed 0")
    books = Path("data/mini/codebooks/ch4_deepindex/paris6k/seed0")
    words, codebook = np.load(codebooks.words_file(books, "fc17", 24)), np.load(codebooks.codebook_file(books, "fc17"))
    assert words.shape == (12 + 4, 14, 3)
    assert are_nearest(words, to_words(codebooks.load_features(PARIS, "fc17"), codebook))


def by_sklearn(place: str, dimensions: int) -> NDArray:
    """Holidays' features after scikit-learn's PCA by a full decomposition, and L2 normalisation."""
    values = np.load(HOLIDAYS / f"{place}.npy").astype(float)
    flat = values.reshape(-1, values.shape[-1])
    found = PCA(dimensions, svd_solver="full").fit(flat).transform(flat)
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).reshape(*values.shape[:2], dimensions)


@pytest.mark.parametrize("place", ["fc6", "fc18"])
def test_pca_is_that_of_another_solver_and_leaves_vectors_of_norm_1(here: Path, place: str) -> None:
    projection = codebooks.load_projection(BOOKS, place)
    assert projection.components.shape == (16, 24)  # half of 32: the width is a half
    for dimensions in (16, 5):
        found = projection.apply(codebooks.load_features(HOLIDAYS, place), dimensions)
        expected = by_sklearn(place, dimensions)
        signs = np.sign((found * expected).sum(axis=(0, 1)))  # of a component, any may be right
        np.testing.assert_allclose(found * signs, expected, atol=2e-3)
        np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1, atol=1e-6)
    words = np.load(codebooks.words_file(BOOKS, place, 24, 16))
    codebook = np.load(codebooks.codebook_file(BOOKS, place, 16))
    assert codebook.shape == (24, 8)
    assert are_nearest(words, to_words(projection.apply(codebooks.load_features(HOLIDAYS, place), 8), codebook))


def test_a_zero_vector_stays_zero() -> None:
    assert quantise.normalised(np.array([[3, 4], [0, 0]], np.float16)).tolist() == [[np.float32(0.6), np.float32(0.8)], [0, 0]]


def test_a_codebook_is_its_seeds() -> None:
    values = np.random.default_rng(0).random((80, 6), np.float32)
    first, again, other = (quantise.learn_codebook(values, 9, iterations=4, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_seed_of_the_stage_decides_its_bytes(here: Path) -> None:
    before = {file.name: file.read_bytes() for file in BOOKS.iterdir()}
    run(codebooks, "holidays --seed 0")
    assert {file.name: file.read_bytes() for file in BOOKS.iterdir()} == before
    run(codebooks, "holidays --seed 1")
    other = {file.name: file.read_bytes() for file in BOOKS.with_name("seed1").iterdir()}
    same = {name for name in before if other[name] == before[name]}
    assert same == {"pca_fc6.npz", "pca_fc18.npz"}  # which draws nothing


def test_what_cannot_be_learned_is_one_sentence(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(HOLIDAYS, tmp_path / HOLIDAYS)
    monkeypatch.chdir(tmp_path)
    sentence = "a codebook of 281 words is larger than its training set of 280 patches: make it smaller"
    with pytest.raises(UserError, match=f"^{sentence}$"):
        run(codebooks, "holidays --seed 0", per_set={"holidays": OWN | {"words": 281}})
    with pytest.raises(UserError, match=r"^ch4_deepindex\.dimensions: 25 is more than fc6 has here, 24: leave it out$"):
        run(codebooks, "holidays --seed 0", dimensions=[50])
    with pytest.raises(UserError, match=r"^ch4_deepindex\.per_set\.holidays: 3 words a patch are assigned, of a codebook of 2$"):
        run(codebooks, "holidays --seed 0", per_set={"holidays": OWN | {"sweep": [2]}})
    with pytest.raises(UserError, match=r"^PCA to 4 dimensions .* there are 3 patches of 6"):
        quantise.learn_projection(np.eye(3, 6, dtype=np.float32), 4)


def test_rows_of_table_4_2_shrink_with_the_encoders() -> None:
    assert [codebooks.cut(row, {"width": 1}) for row in (2048, 128)] == [2048, 128]
    assert [codebooks.cut(row, {"width": 1 / 32}) for row in (2048, 512, 128, 8)] == [64, 16, 4, 1]


# Rankings


def shares_of(values: NDArray) -> NDArray:
    """Root features as Section 4.3.3 has them; for what PCA leaves negative, with its sign."""
    values = values.astype(float)
    return np.sign(values) * np.sqrt(np.abs(values) / np.abs(values).sum(axis=-1, keepdims=True))


def pair_by_pair(
    task: Task, layers: list[NDArray], assignments: int, globals_: list[NDArray] | None = None, alpha: float = 0
) -> list[dict[int, float]]:
    """The score of each image that shares an entry, of each query: h(x, y) of Eq. 4.2 to 4.5 summed over all pairs of patches.

    layers : nearest words (items, patches, most), columns and rows, or rows alone. globals_ : features of P_1, (items, D) of each.
    """
    indexed = [[tuple(int(each[image, y, 0]) for each in layers) for y in range(layers[0].shape[1])] for image in range(task.images)]
    having = {entry: sum(entry in entries for entries in indexed) for entry in itertools.chain(*indexed)}
    found = []
    for item in task.items:
        scores: dict[int, float] = {}
        for image, entries in enumerate(indexed):
            c = 1.0
            for each in globals_ or []:
                x, y = shares_of(each[item]), shares_of(each[image])
                c *= math.exp(-alpha * (2 - 2 * sum(a * b for a, b in zip(x, y, strict=True))))
            for x in range(layers[0].shape[1]):
                for asked in itertools.product(*([int(word) for word in each[item, x, :assignments]] for each in layers)):
                    for entry in entries:
                        if asked == entry:
                            scores[image] = scores.get(image, 0) + (task.images / having[entry]) ** 2 * c
        found.append(scores)
    return found


def is_ranking_of(ranking: NDArray, scores: dict[int, float], depth: int) -> bool:
    """Whether a ranking has the images of the largest scores, the largest first, but for rounding."""
    listed = [scores.get(int(image), math.nan) for image in ranking]
    expected = sorted(scores.values(), reverse=True)[:depth]
    return len(set(ranking.tolist())) == len(listed) and len(listed) == len(expected) and np.allclose(listed, expected, rtol=1e-5)


def some_words(rng: np.random.Generator, items: int, patch_count: int, size: int, most: int) -> NDArray:
    return np.argsort(rng.random((items, patch_count, size)), axis=-1)[..., :most]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("assignments", [1, 3])
def test_rankings_are_those_of_all_pairs_of_patches(layers: int, assignments: int) -> None:
    """Of ten items eight are images; two queries are images, two are parts of them."""
    rng = np.random.default_rng(layers + assignments)
    for depth in (8, 3):
        task = Task(8, [0, 5, 8, 9], "ratio", depth)
        words = [some_words(rng, 10, 5, 6 + number, 4) for number in range(layers)]
        found = rank.indexed(task, Words(words, (6, 7)[:layers][::-1]), assignments)
        expected = pair_by_pair(task, words, assignments)
        assert all(is_ranking_of(ranking, scores, depth) for ranking, scores in zip(found, expected, strict=True))
        assert max(map(len, found)) == depth or layers == 2


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("assignments", [1, 3])
def test_the_signature_weighs_each_pair(layers: int, assignments: int) -> None:
    rng = np.random.default_rng(7)
    task = Task(8, [0, 5, 8, 9], "ratio", 6)
    words = [some_words(rng, 10, 5, 6, 4) for _ in range(layers)]
    values = [rng.random((10, 12)).astype(np.float32) for _ in range(layers)]
    roots = [signature.root(each) for each in values]
    stored = [signature.store(each[:8], "float32") for each in roots]
    alphas = [0.5, 4, 30]
    found = rank.constrained(task, Words(words, (6,) * layers), roots, stored, assignments, alphas)
    assert list(found) == alphas
    for alpha in alphas:
        expected = pair_by_pair(task, words, assignments, values, alpha)
        by_score = [sorted(scores, key=lambda image, scores=scores: -scores[image])[:6] for scores in expected]
        assert [ranking.tolist() for ranking in found[alpha]] == by_score
    assert not all(map(np.array_equal, found[0.5], found[30]))


def test_equal_scores_go_by_number_nothing_in_common_is_not_listed_and_depth_cuts() -> None:
    """Of two patches: images 1, 2 and 4 share one word with the query, which is 3; image 0 shares none."""
    words = np.array([[[5], [5]], [[0], [5]], [[5], [0]], [[0], [1]], [[0], [5]]])
    found = [rank.indexed(Task(5, [3], "ratio", depth), Words([words], (6,)), 1)[0].tolist() for depth in (9, 3, 1)]
    assert found == [[3, 1, 2, 4], [3, 1, 2], [3]]
    alone = rank.indexed(Task(3, [3], "ratio", 9), Words([np.array([[[0]], [[0]], [[1]], [[2]]])], (3,)), 1)
    assert alone[0].tolist() == []


def test_the_second_layer_is_the_row() -> None:
    columns, rows = np.array([[[4]], [[1]]]), np.array([[[2]], [[0]]])
    postings = Words([columns, rows], (3, 5)).index(2)
    assert postings.counts.tolist() == [1, 0, 1]
    assert postings.columns is not None and postings.columns.tolist() == [1, 4]
    assert postings.images.tolist() == [1, 0]
    wanted = Words([columns, rows], (3, 5)).query(0, 1)
    assert (wanted.rows.tolist(), wanted.columns.tolist()) == ([2], [4])


def test_exhaustive_search_is_that_by_cosine() -> None:
    rng = np.random.default_rng(1)
    values = quantise.normalised(rng.random((12, 7)) - 0.3)
    found = rank.exhaustive(Task(10, [2, 10, 11], "ratio", 4), values)
    order = np.argsort(-(values[[2, 10, 11]].astype(float) @ values[:10].astype(float).T), axis=1)
    assert np.array_equal(np.stack(found), order[:, :4])
    assert found[0][0] == 2
    assert len(rank.exhaustive(Task(10, [0], "ratio", 99), values)[0]) == 10


def test_product_quantised_search_lists_images_once() -> None:
    rng = np.random.default_rng(2)
    values = quantise.normalised(rng.random((32, 14, 8)))
    task = Task(30, [3, 30, 31], "ratio", 12)
    codes = {"lists": 5, "probes": 2, "bytes": 4}
    found = rank.product_quantised(task, values, codes, 0)
    assert all(0 < len(each) <= 12 and len(set(each.tolist())) == len(each) for each in found)
    assert all(0 <= each.min() <= each.max() < 30 for each in found)
    assert all(map(np.array_equal, found, rank.product_quantised(task, values, codes, 0)))
    everything = rank.product_quantised(Task(30, [3], "ratio", 99), values, codes | {"probes": 5}, 0)
    assert sorted(everything[0].tolist()) == list(range(30))
    assert everything[0].tolist().index(3) < 3  # itself, but for what the codes lose


@pytest.mark.parametrize("lengths", [[3, 0, 2], [0, 0, 4], [2, 0], [0, 0], [0], [5]])
def test_rankings_are_kept_as_they_are(tmp_path: Path, lengths: list[int]) -> None:
    written = [np.arange(length, dtype=np.int64) * 7 for length in lengths]
    rankings.save(written, tmp_path / "0.npz")
    assert [each.tolist() for each in rankings.load(tmp_path / "0.npz")] == [each.tolist() for each in written]


@pytest.mark.parametrize("bytes_left", [0, 3, 200, -30, -1])
def test_rankings_that_are_cut_off_are_named(tmp_path: Path, bytes_left: int) -> None:
    """As every evaluation of ours reads what was predicted: by stages.core.arrays."""
    file = tmp_path / "0.npz"
    rankings.save([np.arange(5), np.arange(300)], file)
    file.write_bytes(file.read_bytes()[:bytes_left])
    with pytest.raises(UserError) as caught:
        rankings.load(file, "ch4_evaluate@holidays")
    assert str(caught.value).startswith(f"{file} cannot be read (")
    assert str(caught.value).endswith("): `python -m workflow.repro ch4_evaluate@holidays` brings it back, or makes it again")
    np.save(tmp_path / "0.npy", np.arange(9))
    assert arrays.read(tmp_path / "0.npy").tolist() == list(range(9))
    (tmp_path / "0.npy").write_bytes((tmp_path / "0.npy").read_bytes()[:-4])
    with pytest.raises(UserError, match=r"0\.npy cannot be read .*: `python -m workflow.repro` brings"):
        arrays.read(tmp_path / "0.npy")


def of_model(folder: Path) -> dict[tuple, list[NDArray]]:
    return {(each.model, each.assignments, each.words, each.alpha): found for each, found in rankings.load_models(folder)}


def test_every_number_of_the_tables_and_curves_has_its_rankings(here: Path) -> None:
    found = of_model(Path("data/mini/predictions/ch4_deepindex/holidays"))
    expected = {(name, assignments, None, None) for name in VARIANTS for assignments in (1, 3)}
    expected |= {(f"dpi-{layer}-sweep", None, size, None) for layer in (6, 7, 17, 18) for size in (12, 24)}
    expected |= {("dpi-6-18-sweep", None, None, alpha) for alpha in (1, 2)}
    plain = ["flat-fc6", "flat-fc7", "flat-fc17", "flat-fc18", "flat-both", "no-gis", "gis", "pca-32", "pca-16", "pca-16-float16"]
    plain += ["pca-16-pq", "ivfpq-fc6", "ivfpq-fc18"]
    assert set(found) == expected | {(name, None, None, None) for name in plain}
    assert {len(each) for each in found.values()} == {7}

    def same(one: tuple, other: tuple) -> bool:
        return all(map(np.array_equal, found[one], found[other]))

    assert same(("no-gis", None, None, None), ("dpi-6-18", 3, None, None))
    assert same(("gis", None, None, None), ("dpi-6-18-sweep", None, None, 2))
    assert same(("dpi-17-sweep", None, 24, None), ("dpi-17", 1, None, None))
    assert not same(("gis", None, None, None), ("no-gis", None, None, None))


def test_stored_rankings_are_those_of_all_pairs(here: Path) -> None:
    found = of_model(Path("data/mini/predictions/ch4_deepindex/holidays"))
    about = sets.load_set(HOLIDAYS)
    task = Task(20, [query["item"] for query in about["queries"]], "ratio", 50)
    words = {place: np.load(BOOKS / f"words_{place}_24.npy") for place in PLACES}
    cosines = np.load(HOLIDAYS / "fc7.npy")[:, 0].astype(float) @ np.load(HOLIDAYS / "fc7.npy")[:20, 0].astype(float).T
    expected: dict[tuple, list[dict[int, float]]] = {
        ("dpi-7", 3, None, None): pair_by_pair(task, [words["fc7"]], 3),
        ("dpi-7-17", 1, None, None): pair_by_pair(task, [words["fc7"], words["fc17"]], 1),
        ("dpi-6-18-sweep", None, None, 1): pair_by_pair(
            task, [words["fc6"], words["fc18"]], 3, [np.load(HOLIDAYS / f"{place}.npy")[:, 0] for place in ("fc6", "fc18")], alpha=1
        ),
        ("pca-16", None, None, None): pair_by_pair(
            task, [np.load(BOOKS / f"words_{place}_24_pca16.npy") for place in ("fc6", "fc18")], 3,
            [by_sklearn(place, 8)[:, 0] for place in ("fc6", "fc18")], alpha=2,
        ),
        ("flat-fc7", None, None, None): [dict(enumerate(cosines[item])) for item in task.items],
    }  # fmt: skip
    for key, scores in expected.items():
        assert all(is_ranking_of(each, one, 50) for each, one in zip(found[key], scores, strict=True)), key


# Scores


def write_predictions(dataset: str, kind: str, queries: list[dict], models: dict[Model, list[list[int]]]) -> None:
    folder = Path(f"data/mini/predictions/ch4_deepindex/{dataset}")
    folder.mkdir(parents=True)
    images = [f"x/{number}" for number in range(20)]
    (folder / "set.json").write_text(json.dumps({"images": images, "queries": queries}))
    about = {"layers": {place: f"alexnet.{place}" for place in PLACES}, "determinism": "bitwise", "precision": "fp32"}
    (folder / "about.json").write_text(json.dumps(about | {"layers": about["layers"] | {"fc18": "vgg19.fc18"}}))
    (folder / "provenance.json").write_text(json.dumps({"dataset": dataset, "kind": kind, "note": "a note"}))
    (folder / "models.json").write_text(json.dumps([vars(model) for model in models]))
    for number, found in enumerate(models.values()):
        rankings.save([np.array(each, np.int64) for each in found], folder / f"{number}.npz")


def query_of(image: int, relevant: list[int], ignored: list[int]) -> dict[str, Any]:
    return {"name": f"q{image}", "image": image, "relevant": relevant, "ignored": ignored, "item": image}


def evaluated(dataset: str) -> tuple[metrics.MetricsFile, dict[tuple[str, str], metrics.Record]]:
    run(evaluate, dataset)
    file = metrics.read(Path(f"reports/metrics/ch4_deepindex/{dataset}.json"))
    return file, {(record.model, record.metric): record for record in file.records}


def test_paris_ignores_junk_and_counts_good_and_ok(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without junk, 8 and 9, the two are at places 1 and 3: (1 + 1) / 2 / 2 + (1/2 + 2/3) / 2 / 2; then at none, and at 1 alone."""
    monkeypatch.chdir(tmp_path)
    queries = [query_of(1, [1, 2], [8, 9]), query_of(3, [3], [])]
    models = {
        Model("dpi-6-18", ("fc6", "fc18"), 0, assignments=5): [[8, 1, 9, 5, 2], []],
        Model("gis", ("fc6", "fc18"), 0): [[8, 1], [3]],
        Model("dpi-7-sweep", ("fc7",), 0, words=12): [[1, 2], [3]],
        Model("dpi-6-18-sweep", ("fc6", "fc18"), 0, alpha=4): [[2], [0, 3]],
    }
    write_predictions("paris6k", "official", queries, models)
    file, records = evaluated("paris6k")
    assert (file.scale, file.protocol, file.dataset) == ("mini", "miniature", metrics.Dataset("paris6k", "official", "a note"))
    assert set(records) == {("dpi-6-18", "map_ma5"), ("gis", "map")}
    first = records["dpi-6-18", "map_ma5"]
    assert first.value == pytest.approx(100 * (0.5 + 7 / 24) / 2)
    assert records["gis", "map"].value == pytest.approx(100 * (0.5 + 1) / 2)
    assert (first.unit, first.better, first.n, first.seed, first.encoder) == ("%", "higher", 2, 0, "alexnet fc6 + vgg19 fc18")
    assert (first.determinism, first.precision) == ("bitwise", "fp32")
    assert first.predictions == "data/mini/predictions/ch4_deepindex/paris6k"
    curves = pd.read_csv("reports/metrics/ch4_deepindex/paris6k.sweep.csv")
    assert curves.model.tolist() == ["dpi-7", "dpi-6-18"]
    assert (curves.words[0], curves.alpha[1]) == (12, 4) and math.isnan(curves.words[1]) and math.isnan(curves.alpha[0])
    # (0 + 1/2) / 2 of the first query's two, and (0 + 1/2) / 2 of the second's one
    assert curves["map"].tolist() == pytest.approx([100, 100 * (0.5 + 0.25) / 2])


def test_holidays_does_not_find_the_query_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = Model("flat-fc18", ("fc18",))
    write_predictions("holidays", "official", [query_of(4, [5], [4]), query_of(7, [8, 9], [7])], {model: [[4, 5, 6], [8, 7, 9]]})
    _, records = evaluated("holidays")
    assert set(records) == {("flat-fc18", "map")}
    assert records["flat-fc18", "map"].value == pytest.approx(100)
    assert (records["flat-fc18", "map"].seed, records["flat-fc18", "map"].encoder) == (None, "vgg19 fc18")


def test_groups_of_four_have_an_ns_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four of four, two among the first four, and one that is all there is."""
    monkeypatch.chdir(tmp_path)
    queries = [query_of(image, [0, 1, 2, 3], []) for image in (0, 1, 2)]
    found = [[0, 3, 2, 1], [1, 9, 0, 8, 2, 3], [2]]
    write_predictions("ukb", "unverified", queries, {Model("gis", ("fc6", "fc18"), 1): found})
    file, records = evaluated("ukb")
    assert file.dataset is not None and file.dataset.kind == "unverified"
    assert (records["gis", "ns"].value, records["gis", "ns"].unit, records["gis", "ns"].n) == (pytest.approx(7 / 3), "N-S", 3)
    second = (1 + (1 / 2 + 2 / 3) / 2 + (2 / 4 + 3 / 5) / 2 + (3 / 5 + 4 / 6) / 2) / 4
    assert records["gis", "map"].value == pytest.approx(100 * (1 + second + 1 / 4) / 3)


@pytest.mark.parametrize(
    ("kind", "shown", "note"),
    [("official", "stand-in", "stands in for UKB; a note"), ("altered", "stand-in", None), ("miniature", "miniature", "a note")],
)
def test_dvd_covers_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, shown: str, note: str | None) -> None:
    """The query itself is not among the four that a cover's picture should find."""
    monkeypatch.chdir(tmp_path)
    write_predictions("smvs_dvd", kind, [query_of(0, [1, 2, 3, 4], [0])], {Model("gis", ("fc6", "fc18"), 0): [[0, 1, 2, 9, 3]]})
    file, records = evaluated("smvs_dvd")
    assert records["gis", "ns"].value == 3
    assert file.dataset is not None and (file.dataset.name, file.dataset.kind) == ("smvs_dvd", shown)
    assert note is None or file.dataset.note == note


def test_metrics_of_the_world_say_whose_they_are(here: Path) -> None:
    for name, count in (("holidays", 7), ("ukb", 20)):
        file = metrics.read(Path(f"reports/metrics/ch4_deepindex/{name}.json"))
        assert file.dataset == metrics.Dataset(name, "miniature", "made")
        assert {record.n for record in file.records} == {count}
        assert {record.metric.partition("_")[0] for record in file.records} == ({"map", "ns"} if name == "ukb" else {"map"})
        encoders_of = {record.model: record.encoder for record in file.records}
        assert (encoders_of["dpi-7-17"], encoders_of["pca-16"]) == (
            "alexnet fc7, miniature weights + vgg19 fc17, miniature weights",
            "alexnet fc6, miniature weights + vgg19 fc18, miniature weights",
        )


# Table 4.4

HEADER = 128  # bytes before the values of a small .npy


@pytest.mark.parametrize(("images", "size", "count", "number", "column"), [(5, 200, 1, 1, 1), (300, 257, 2, 2, 2)])
def test_bytes_of_an_index_by_hand(tmp_path: Path, images: int, size: int, count: int, number: int, column: int) -> None:
    """`size` words in a codebook; all patches have the last one, so a count is up to 70 or 4200, a number up to 4 or 299."""
    codebook = np.eye(size, 8, dtype=np.float32)
    codebook[-1] = 5
    layers = [store.Layer("alexnet", place, "", codebook, signature="float16") for place in ("fc6", "fc7")]
    values = np.full((images, 14, 8), 5, np.float32)
    name = str(images)  # what size.json holds
    for chosen, more in ((layers[:1], 0), (layers, HEADER + 14 * images * column)):
        shard = store.shard_of(chosen, [values] * len(chosen), 0)
        store.write_index(tmp_path / "index", chosen, [shard], [f"x/{each}" for each in range(images)], {"idf": "ratio"})
        found = complexity.bytes_of(tmp_path / "index", images)
        signatures = len(chosen) * (HEADER + images * 8 * 2)
        lists = (HEADER + size * count) + (HEADER + 14 * images * number) + more + len(name)
        assert found == pytest.approx(
            {"image_id": lists / images, "signature": signatures / images, "total": (lists + signatures) / images}
        )


def test_table_4_4_is_of_the_files(here: Path) -> None:
    job = run(complexity, "holidays")
    records = metrics.read(Path("reports/metrics/ch4_deepindex/complexity.json")).records
    found = {(record.model, record.metric): record.value for record in records}
    assert set(found) == {
        (f"dpi-{name}{kind}", f"bytes_{part}")
        for name in ("1d", "2d") for kind in ("", "-float16", "-pq") for part in ("image_id", "signature", "total")
    }  # fmt: skip
    for kind, each in (("", 8 * 4), ("-float16", 8 * 2), ("-pq", 1)):  # of 8 components
        assert found[f"dpi-1d{kind}", "bytes_signature"] == pytest.approx((HEADER + 20 * each) / 20)
        assert found[f"dpi-2d{kind}", "bytes_signature"] == pytest.approx(2 * (HEADER + 20 * each) / 20)
    # 24 words, 280 patches of which a word has fewer than 256, 20 images, columns below 24, "20"
    assert found["dpi-1d", "bytes_image_id"] == pytest.approx((2 * HEADER + 24 + 280 + 2) / 20)
    assert found["dpi-2d", "bytes_image_id"] == pytest.approx((3 * HEADER + 24 + 2 * 280 + 2) / 20)
    encoders_of = {record.model: (record.encoder, record.n, record.unit, record.better) for record in records}
    assert encoders_of["dpi-1d"] == ("vgg19 fc18, miniature weights", 20, "B/image", "lower")
    both = "alexnet fc6, miniature weights + vgg19 fc18, miniature weights"
    assert encoders_of["dpi-2d-pq"] == (both, 20, "B/image", "lower")
    for name in ("1d", "2d"):
        assert 0 < job.notes[f"search_seconds_{name}"] < job.notes[f"query_seconds_{name}"]
    assert job.notes["threads"] == 1


# Figures


def test_scaling_keeps_the_distances_of_what_is_three_dimensional() -> None:
    rng = np.random.default_rng(0)
    axes, _ = np.linalg.qr(rng.standard_normal((10, 3)))
    points = rng.random((20, 3)) @ axes.T + rng.random(10)
    found = figures.embedded(points.astype(np.float32))
    apart = [np.linalg.norm(each[:, None] - each, axis=-1) for each in (points, found)]
    np.testing.assert_allclose(apart[0], apart[1], atol=1e-4)
    assert (found.max(axis=0) >= -found.min(axis=0)).all()
    assert (np.diff(found.std(axis=0)) < 0).all()  # the widest axis first


def test_figure_4_2_has_14_points_an_image(here: Path) -> None:
    points = figures.group_points(HOLIDAYS, 3)
    assert points.groupby("group", sort=False).size().to_dict() == {"100000": 28, "100100": 42, "100200": 56}
    assert points.image.unique().tolist() == [f"jpg/{name}" for name in (100000, 100001, *range(100100, 100103), *range(100200, 100204))]
    assert points.patch.tolist() == list(range(1, 15)) * 9
    values = np.load(HOLIDAYS / "fc18.npy")[:9].reshape(-1, 24).astype(float)
    shown = points[["x", "y", "z"]].to_numpy()
    apart, true = (np.linalg.norm(each[:, None] - each, axis=-1) for each in (shown, values))
    assert (apart <= true + 1e-4).all()  # a projection
    groups = figures.group_points(UKB, 2)  # its four pictures ask for the same four
    assert groups.groupby("group", sort=False).size().to_dict() == {"ukbench00000": 56, "ukbench00004": 56}


def test_figure_4_6_shows_every_curve(here: Path) -> None:
    run(figures, "holidays")
    table = pd.read_csv("reports/figures/ch4_deepindex/figure_4_6.csv")
    assert table.groupby("dataset", sort=False).size().to_dict() == {"holidays": 4 * 2 + 2, "ukb": 4 * 2 + 2}
    curves = pd.read_csv("reports/metrics/ch4_deepindex/ukb.sweep.csv")
    assert table[table.dataset == "ukb"].ns.tolist() == curves.ns.tolist()
    assert len(pd.read_csv("reports/figures/ch4_deepindex/figure_4_2.csv")) == 9 * 14
    for number in ("4_2", "4_6"):
        assert "MINIATURE" in Path(f"reports/figures/ch4_deepindex/figure_{number}.svg").read_text().upper()
    drawn = figures.draw_curves({name: table[table.dataset == name] for name in ("holidays", "ukb")}, 1)
    assert [len(axes.get_lines()) for axes in drawn.axes] == [4, 4, 1, 1]  # the last two: alpha by mAP, and by N-S
    means = table[(table.dataset == "holidays") & (table.model == "dpi-7")].sort_values("words")["map"].to_numpy()
    np.testing.assert_allclose(np.asarray(drawn.axes[0].get_lines()[1].get_ydata(), float), means)


def test_figure_4_7_shows_the_query_that_gains_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second dimension gains nothing for the first query, which is perfect, .73 for the second, and loses with the third.

    Rankings of other methods and multiple assignments do not count.
    """
    monkeypatch.chdir(tmp_path)
    queries = [query_of(0, [1], [0]), query_of(2, [3, 4], [2]), query_of(5, [6], [5])]
    worse, better = [[0, 1], [2, 9, 8, 7, 3], [6]], [[0, 1], [2, 3, 9, 4], [9, 6]]
    models = {
        Model("dpi-18", ("fc18",), 0, assignments=1): better,
        Model("dpi-18", ("fc18",), 0, assignments=3): worse,
        Model("dpi-6", ("fc6",), 0, assignments=3): better,
        Model("dpi-6-18", ("fc6", "fc18"), 0, assignments=3): better,
        Model("no-gis", ("fc6", "fc18"), 0): worse,
        Model("dpi-6-18", ("fc6", "fc18"), 0, assignments=1): worse,
        Model("dpi-18", ("fc18",), 0, assignments=5): better,
    }
    write_predictions("holidays", "miniature", queries, models)
    rows = panels.results("holidays", Path("data/mini/predictions/ch4_deepindex/holidays"), OWN, 0, 3)
    assert [(row.dataset, row.method, row.query) for row in rows] == [("holidays", "dpi-18", "x/2"), ("holidays", "dpi-6-18", "x/2")]
    assert rows[0].found == [("x/9", False), ("x/8", False), ("x/7", False)]
    assert rows[1].found == [("x/3", True), ("x/9", False), ("x/4", True)]
    # Found at place 4 of two: (0 + 1/4) / 4. At places 1 and 3: 1/2 + (1/2 + 2/3) / 4.
    assert [row.precision for row in rows] == pytest.approx([1 / 16, 0.5 + 7 / 24], abs=1e-6)


def test_panels_are_drawn_from_what_they_list(here: Path) -> None:
    run(panels)
    boxes = pd.read_csv("reports/figures/ch4_deepindex/figure_4_1.csv")
    assert boxes.patch.tolist() == list(range(1, 15))
    assert boxes.iloc[[0, 2, 13], 1:].to_numpy().tolist() == [[0, 0, 64, 48], [32, 0, 64, 24], [42, 32, 64, 48]]
    table = pd.read_csv("reports/figures/ch4_deepindex/figure_4_7.csv")
    assert table.groupby(["dataset", "method"], sort=False).size().index.tolist() == [
        ("holidays", "dpi-18"), ("holidays", "dpi-6-18"), ("ukb", "dpi-18"), ("ukb", "dpi-6-18"),
    ]  # fmt: skip
    for row in table.itertuples():
        if row.dataset == "holidays":
            assert row.right == (row.image[:8] == row.query[:8] and row.image != row.query)  # jpg/1002
        else:
            first, second = (int(name.removeprefix("full/ukbench")) // 4 for name in (row.image, row.query))
            assert row.right == (first == second)
    gains = table.groupby("dataset").apply(lambda each: each.ap.iloc[-1] - each.ap.iloc[0], include_groups=False)
    assert (gains >= 0).all()


# Parameters


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The thesis's protocol, which is full."""
    file = tmp_path_factory.mktemp("paper") / "params.yaml"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        scale.compose("paper", [], file)
    return scale.read(file)


def changed(values: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy with another value at a key such as per_set.ukb.words of the chapter's, or at one that begins with a dot."""
    values = copy.deepcopy(values)
    *path, last = key[1:].split(".") if key.startswith(".") else ["ch4_deepindex", *key.split(".")]
    section = values
    for part in path:
        section = section[part]
    assert last in section
    section[last] = value
    return values


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        *((key, value, f"ch4_deepindex: {key} names one twice") for key, value in {
            "sets": ["ukb", "ukb"], "seeds": [0, 0], "variants": ["dpi-6", "dpi-6"], "alphas": [1, 1], "dimensions": [512, 512],
            "signatures": ["pq", "pq"],
        }.items()),
        ("encoders", {"shallow": "vgg19", "deep": "vgg19"}, "encoders.shallow and encoders.deep are the same network"),
        ("complexity.datasets", ["smvs_dvd"], "complexity.datasets has smvs_dvd, which sets lacks"),
        ("figures.groups", ["smvs_dvd"], "figures.groups has smvs_dvd, which sets lacks"),
        ("sets", ["holidays", "paris6k"], "figures.panels shows holidays and ukb, and sets lacks one of them"),
        ("complexity.dimensions", 4, "complexity.dimensions is 4, which dimensions lacks"),
        ("ivfpq.bytes", 257, "ivfpq.bytes: 257 bytes code 8 components each"),
        ("ivfpq.probes", 17, "ivfpq.probes is 17, and there are 16 lists"),
        ("sweep_assignments", 6, "sweep_assignments is 6, and per_set.holidays.assignments has at most 5"),
        ("variants", ["dpi-6-18", "dpi-7-18"], "figures.panels shows dpi-18"),
        ("per_set.ukb.sweep", [1000, 1000], "ch4_deepindex.per_set.ukb: sweep names one twice"),
        ("per_set.ukb.assignments", [1, 5, 5], "ch4_deepindex.per_set.ukb: assignments names one twice"),
        ("per_set.ukb.best_assignments", 4, "best_assignments is 4, which assignments lacks"),
        ("per_set.ukb.sweep", [9], "10 words a patch are assigned, and the smallest codebook has 9"),
        ("per_set.ukb.words", 9, "10 words a patch are assigned, and the smallest codebook has 9"),
        ("per_set.ukb.best", "dpi-6", "per_set.ukb.best"),
        ("per_set.ukb.alpha", 0, "per_set.ukb.alpha: should be greater than 0"),
        ("per_set.ukb.assignments", [], "per_set.ukb.assignments"),
        ("idf", "sqrt", "ch4_deepindex.idf: should be 'ratio' or 'log', and is 'sqrt'"),
        ("input_size", 63, "ch4_deepindex.input_size: should be greater than or equal to 64, and is 63"),
        ("figures.panels", ["ukb"], "ch4_deepindex.figures.panels.0"),
        ("layers.fc18", "", "ch4_deepindex.layers.fc18"),
        (".data.sets", ["holidays", "paris6k", "ukb", "alexnet"], "ch4_deepindex.encoders has vgg19, and data.sets lacks vgg19"),
        (".data.sets", ["holidays", "ukb", "alexnet", "vgg19"], "ch4_deepindex.sets has paris6k, and data.sets lacks paris6k"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(paper: dict[str, Any], key: str, value: Any, sentence: str) -> None:
    if key == ".data.sets":
        value = [*value, "cifar10", "cifar100", "bsds500", "pascal_context", "nyud_v2", "vgg16"]
    (problem,) = params.problems(changed(paper, key, value))
    assert sentence in problem


def test_figure_4_6_needs_something_to_show(paper: dict[str, Any]) -> None:
    """Either kind of curve will do; of neither the file of a set would be empty."""
    for key in ("alphas", "per_set.ukb.sweep"):
        assert params.problems(changed(paper, key, [])) == []
    (problem,) = params.problems(changed(changed(paper, "alphas", []), "per_set.ukb.sweep", []))
    assert "alphas and per_set.ukb.sweep are both empty, and Figure 4.6 shows one of them at least" in problem


THESIS = {key.removeprefix("ch4_deepindex.") for key in params.THESIS if key.startswith("ch4_deepindex.")}
OTHER: dict[str, Any] = {
    "encoders": {"shallow": "vgg19", "deep": "alexnet"},
    "layers": {"fc6": "fc7", "fc7": "fc6", "fc17": "fc17", "fc18": "fc18"},
    "width": 0.5,
    "input_size": 225,
    "crop_queries": False,
    **{f"per_set.{name}.best": "dpi-17-18" for name in ("holidays", "paris6k", "ukb")},
    **{f"per_set.{name}.best_assignments": 1 for name in ("holidays", "paris6k", "ukb")},
    **{f"per_set.{name}.assignments": [1, 5, 10, 20] for name in ("holidays", "paris6k", "ukb")},
    **{f"per_set.{name}.depth": 77 for name in ("holidays", "paris6k")},
    **{f"per_set.{name}.{key}": 77 for name in ("holidays", "paris6k", "ukb") for key in ("words", "alpha")},
}


def test_the_thesis_protocol_is_full(paper: dict[str, Any]) -> None:
    assert paper["protocol"] == "full"
    assert params.problems(paper) == []
    assert set(OTHER) == THESIS  # each is tried below


@pytest.mark.parametrize("key", sorted(OTHER))
def test_what_differs_from_the_thesis_is_not_full(paper: dict[str, Any], key: str) -> None:
    values = changed(paper, key, OTHER[key])
    (problem,) = params.problems(values)
    assert f"protocol is full, but ch4_deepindex.{key} differ from the thesis's" in problem
    values["protocol"] = "shortened"
    only = ["ch4_deepindex.width is of generated encoders; of official ones it must be 1"] if key == "width" else []
    assert params.problems(values) == only


def test_a_stand_ins_codebook_is_nobodys(paper: dict[str, Any]) -> None:
    assert params.problems(changed(paper, "per_set.smvs_dvd.words", 77)) == []
