"""Weights, areas, the bootstrap and what Figures 6.4 to 6.6 show, by hand, by closed forms and by plain loops."""

from functools import partial

import numpy as np
import pytest

from stages.ch6_cyclematch import fusion, measures, shown
from stages.ch6_cyclematch.fusion_settings import Figures, Inference
from stages.core.errors import UserError
from stages.metrics import recall

SETTINGS = Figures("other", "cycle", 20, 5, 1000, 5)


def test_weights_between_by_hand() -> None:
    assert measures.weights_between(np.array([0.39, 0.4, 0.5, 0.6, 0.61])) == 60


def test_the_smaller_area_by_hand() -> None:
    """The first two agree, the third does not; equal areas and equal ranks are not asked."""
    areas = np.array([[1.0, 2, 1, 3, 1], [2, 1, 2, 3, 2]])
    ranks = np.array([[1.0, 9, 5, 1, 4], [3, 2, 4, 2, 4]])
    share, counted = measures.smaller_area_better(areas, ranks)
    assert (share, counted) == (pytest.approx(200 / 3), 3)
    assert measures.smaller_area_better(areas, ranks[[0, 0]]) == (0, 0)


def test_draws_are_of_as_many_images_and_the_same_every_time() -> None:
    draws = measures.resampled(30, 50)
    assert draws.shape == (50, 30) and (draws.sum(axis=1) == 30).all() and len(np.unique(draws, axis=0)) == 50
    np.testing.assert_array_equal(draws, measures.resampled(30, 50))


def test_the_bootstrap_is_the_binomial_deviation() -> None:
    """One text an image, 60 of 200 right at once: sqrt(p (1 - p) / n), and never of a recall of 100 %."""
    scores = np.zeros((200, 200), np.float32)
    scores[np.arange(200), np.arange(200)] = 0.5
    scores[np.arange(60, 200), np.arange(60, 200) - 1] = 1  # the text before is ahead of the right one
    found = measures.bootstrapped(recall.of_matrix(scores), np.arange(200), measures.resampled(200, 4000), "it")
    assert found["i2t_r1_bootstrap"] == pytest.approx(100 * np.sqrt(0.3 * 0.7 / 200), rel=0.05)
    assert found["i2t_r5_bootstrap"] == 0
    assert set(found) == {f"{way}_r{k}_bootstrap" for way in ("i2t", "t2i") for k in (1, 5, 10)} | {"mean_recall_bootstrap"}


def test_the_bootstrap_draws_texts_with_their_image() -> None:
    """As plain loops do it; were texts drawn one by one, four of an image that fail together would vary half as much."""
    rng = np.random.default_rng(0)
    image_of = np.repeat(np.arange(50), 4)
    easy = rng.random(50) < 0.5
    scores = np.where(easy[image_of], 1, -1) * (np.arange(50)[:, None] == image_of).astype(np.float32)
    draws = measures.resampled(50, 300)
    found = measures.bootstrapped(recall.of_matrix(scores), image_of, draws, "it")
    hits = recall.first_hits(recall.of_matrix(scores)[1], image_of, np.arange(50)).within(1)
    by_loops = []
    for draw in draws:
        chosen = [hit for image, times in enumerate(draw) for hit in list(hits[image_of == image]) * times]
        by_loops.append(100 * np.mean(chosen))
    assert found["t2i_r1_bootstrap"] == pytest.approx(np.std(by_loops, ddof=1))
    p = hits.mean()
    assert found["t2i_r1_bootstrap"] > 1.7 * 100 * np.sqrt(p * (1 - p) / 200)


def test_the_deviation_over_test_sets_by_hand() -> None:
    """Of seven images two sets of three, of 2 and of all 3 right at once: 66.7 and 100, a deviation of 33.3 / sqrt(2).

    Images 0 and 5 have better texts outside their set, image 1 in it; the seventh, always wrong, is in neither set.
    """
    scores = np.diag(np.full(7, 0.5, np.float32))
    scores[[0, 5, 1, 6], [4, 6, 2, 0]] = 1
    found = measures.over_splits([recall.of_matrix(scores)], lambda blocks: blocks[0], np.arange(7), 7, 3, "it")
    assert found["i2t_r1_splits"] == pytest.approx(100 / 3 / np.sqrt(2))
    assert found["t2i_r1_splits"] == pytest.approx(100 / 3 / np.sqrt(2))  # text 2 takes image 1; 4 and 6 are asked outside or not at all
    assert (found["i2t_r5_splits"], found["i2t_r10_splits"]) == (0, 0)
    assert found["mean_recall_splits"] == pytest.approx(100 / 3 / np.sqrt(2) / 3)  # of six recalls two vary, alike
    assert found.keys() == {f"{way}_r{k}_splits" for way in ("i2t", "t2i") for k in (1, 5, 10)} | {"mean_recall_splits"}


def test_one_test_set_has_no_deviation() -> None:
    scores = recall.of_matrix(np.eye(7, dtype=np.float32))
    assert measures.over_splits([scores], lambda blocks: blocks[0], np.arange(7), 7, 4, "it") == {}
    assert measures.over_splits([scores], lambda blocks: blocks[0], np.arange(7), 7, 8, "it") == {}


@pytest.mark.parametrize("chunk", [recall.CHUNK, 30])  # a few queries at a time
def test_each_test_set_is_fused_anew(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    """As plain loops over the cut matrices do it. Were the whole's fused scores cut, R@1 would deviate otherwise."""
    for module in (recall, fusion):
        monkeypatch.setattr(module, "CHUNK", chunk)
    rng = np.random.default_rng(3)
    counts = rng.integers(1, 5, 50)
    image_of = np.repeat(np.arange(50), counts)
    right = np.arange(50)[:, None] == image_of
    two = [(rng.normal(size=right.shape) + 1.5 * right).astype(np.float32) for _ in range(2)]
    two[1] *= rng.random((50, 1), np.float32) * np.linspace(0.2, 3, len(image_of), dtype=np.float32)  # so that weights differ, and by set
    fuse = partial(fusion.fused, how=Inference(["visual", "textual"], "adaptive"), no_area="average")
    found = measures.over_splits([recall.of_matrix(one) for one in two], fuse, image_of, 50, 15, "it")

    def by_loops(refused: bool) -> dict[str, list[float]]:
        recalls: dict[str, list[float]] = {"i2t": [], "t2i": []}
        for first in (0, 15, 30):
            images = [image for image in range(50) if first <= image < first + 15]
            texts = [text for text in range(len(image_of)) if image_of[text] in images]
            for way, queries, items in (("i2t", images, texts), ("t2i", texts, images)):
                hits = []
                for query in queries:
                    rows = [one[query] if way == "i2t" else one[:, query] for one in two]
                    weights = [1 / sum(score for score in (row[items] if refused else row) if score > 0) for row in rows]
                    best = items[int(np.argmax(sum(weight * row[items] for weight, row in zip(weights, rows, strict=True)) / sum(weights)))]
                    hits.append(image_of[best] == query if way == "i2t" else image_of[query] == best)
                recalls[way].append(100 * float(np.mean(hits)))
        return recalls

    for way, values in by_loops(True).items():
        assert found[f"{way}_r1_splits"] == pytest.approx(np.std(values, ddof=1))
        assert found[f"{way}_r1_splits"] != pytest.approx(np.std(by_loops(False)[way], ddof=1))


def test_pairs_are_of_different_images() -> None:
    image_of = np.repeat(np.arange(12), 5)
    images, texts = shown.drawn_pairs(image_of, 7)
    assert len(set(images.tolist())) == 7 and (image_of[texts] == images).all() and (np.diff(images) < 0).any()
    assert len(set((texts % 5).tolist())) > 1
    assert sorted(shown.drawn_pairs(image_of, 100)[0]) == list(range(12))


def test_matched_pairs_are_near_on_the_map() -> None:
    rng = np.random.default_rng(0)
    targets = rng.standard_normal((20, 8)).astype(np.float32)
    near = 3 * targets + 0.1 * rng.standard_normal(targets.shape).astype(np.float32)  # lengths do not count
    maps = shown.tsne(near, targets, SETTINGS)
    assert maps.shape == (2, 20, 2) and shown.nearest(maps) > 90
    assert shown.nearest(shown.tsne(near, targets[::-1].copy(), SETTINGS)) < 20
    np.testing.assert_array_equal(maps, shown.tsne(near, targets, SETTINGS))


def test_nearest_by_hand() -> None:
    embeddings = [[0, 0], [5, 0], [9, 9]]
    targets = [[0, 1], [0.4, 0], [9, 8]]
    assert shown.nearest(np.array([embeddings, targets], float)) == pytest.approx(200 / 3)  # the first has the second target nearest


def test_more_neighbours_than_points_are_one_sentence() -> None:
    with pytest.raises(ValueError, match="perplexity is 40, and a map has 40 points, two of each pair: lower it"):
        Figures("other", "cycle", 20, 40, 1000, 5)
    two = np.eye(2, dtype=np.float32)
    with pytest.raises(UserError, match="perplexity is 5, and the map has 4 points only: lower it"):
        shown.tsne(two, two, SETTINGS)


def test_similarities_by_hand() -> None:
    scores = np.arange(12, dtype=np.float32).reshape(3, 4)
    found = shown.similarities(recall.of_matrix(scores), np.array([2, 0]), np.array([1, 3]))
    np.testing.assert_array_equal(found, [[9, 11], [1, 3]])
    np.testing.assert_allclose(shown.scaled(found), [[0.8, 1], [0, 0.2]])
    assert (shown.scaled(np.ones((2, 2))) == 0).all()


def test_matched_above_by_hand() -> None:
    """The first pair is above its row and its column, the second above its row only, the third above neither."""
    assert shown.matched_above(np.array([[0.9, 0.5, 0.1], [0.1, 0.4, 0.2], [0.2, 0.5, 0.1]])) == pytest.approx(100 / 3)


def test_the_example_is_answered_at_once() -> None:
    ranks = np.array([1, 3, 1, 1, 2.5])
    assert shown.example(ranks, "i2t") in (0, 2, 3) and len({shown.example(ranks, str(way)) for way in range(20)}) > 1
    assert shown.example(ranks + 1, "i2t") == shown.example(ranks, "i2t")


def test_curves_are_sorted_and_weighed() -> None:
    """One image right at once: visual area .9, textual .6, weights .4 and .6."""
    visual, textual = np.array([[0.7, 0.2, -0.5]], np.float32), np.array([[0.4, -0.1, 0.2]], np.float32)
    rows = shown.curves({"visual": recall.of_matrix(visual), "textual": recall.of_matrix(textual)}, np.zeros(3, int), "average")
    one = [row for row in rows if row["direction"] == "i2t"]
    assert [(row["score"], row["rank"], row["value"]) for row in one] == [
        *(("visual", 1, "0.7000"), ("visual", 2, "0.2000"), ("visual", 3, "-0.5000")),
        *(("textual", 1, "0.4000"), ("textual", 2, "0.2000"), ("textual", 3, "-0.1000")),
    ]
    assert {(row["score"], row["area"], row["weight"]) for row in one} == {("visual", "0.900", "0.4000"), ("textual", "0.600", "0.6000")}


def test_rows_of_weights() -> None:
    visual, textual = np.array([[0.6, -1], [0.5, 0.1]], np.float32), np.array([[0.2, -1], [0.2, 0.4]], np.float32)
    rows = shown.weight_rows("pets", [recall.of_matrix(visual), recall.of_matrix(textual)], np.arange(2), "average")
    assert [(row["direction"], row["query"], row["visual"], row["textual"]) for row in rows] == [
        ("i2t", 0, "0.2500", "0.7500"),
        ("i2t", 1, "0.5000", "0.5000"),
        ("t2i", 0, "0.2667", "0.7333"),
        ("t2i", 1, "0.8000", "0.2000"),
    ]
