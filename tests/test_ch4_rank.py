"""Rankings: against loops over all pairs of patches, and values by hand."""

import itertools
import math
from dataclasses import replace
from pathlib import Path

import composed
import numpy as np
import pytest
from deepindex_world import (
    BOOKS,
    HOLIDAYS,
    LAYERS,
    by_sklearn,
    make_rankings,
    make_words,
    of_model,
    shares_of,
)
from numpy.typing import NDArray
from stage_runs import make_world

from stages.ch4_deepindex import quantise, rank, rankings, signature
from stages.ch4_deepindex.rank import Task, Words
from stages.ch4_deepindex.settings import InvertedFile
from stages.core import arrays
from stages.core.errors import UserError
from stages.datasets.described import load_set


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with the data sets, their features, codebooks, rankings and scores."""
    return make_world(tmp_path_factory.mktemp("world"), make_words, make_rankings)


# Rankings


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
    codes = InvertedFile(lists=5, probes=2, bytes=4)
    found = rank.product_quantised(task, values, codes, 0)
    assert all(0 < len(each) <= 12 and len(set(each.tolist())) == len(each) for each in found)
    assert all(0 <= each.min() <= each.max() < 30 for each in found)
    assert all(map(np.array_equal, found, rank.product_quantised(task, values, codes, 0)))
    everything = rank.product_quantised(Task(30, [3], "ratio", 99), values, replace(codes, probes=5), 0)
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


def test_every_number_of_the_tables_and_curves_has_its_rankings(here: Path) -> None:
    found = of_model(Path("data/mini/predictions/ch4_deepindex/holidays"))
    expected = {(name, assignments, None, None) for name in composed.params()["ch4_deepindex"]["models"] for assignments in (1, 3)}
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
    about = load_set(HOLIDAYS)
    task = Task(20, [query["item"] for query in about["queries"]], "ratio", 50)
    words = {place: np.load(BOOKS / f"words_{place}_24.npy") for place in LAYERS}
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
