"""Recalls and ranks of matching against hand-made matrices, all orders of ties one by one, and closed forms."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.core.errors import UserError
from stages.metrics import recall
from stages.metrics.recall import Hits, cosines, evaluate, facts_of, first_hits, folds, mean_over, of_matrix

# Three images and five texts, of images 0, 0, 1, 1, 2: asymmetric, so that exchanged directions have other results.
SCORES = np.array(
    [
        [0.9, 0.1, 0.8, 0.2, 0.3],  # image 0: text 0 first, rank 1
        [0.7, 0.6, 0.1, 0.5, 0.2],  # image 1: its texts 2 and 3 come 5th and 3rd, rank 3
        [0.4, 0.5, 0.3, 0.2, 0.1],  # image 2: its text 4 is last, rank 5
    ],
    np.float32,
)
IMAGE_OF = np.array([0, 0, 1, 1, 2])


def hits_of(scores: NDArray, query_ids: Sequence[int], item_ids: Sequence[int], **options: str) -> Hits:
    block = of_matrix(np.asarray(scores, np.float32))[0]
    return first_hits(block, np.asarray(query_ids), np.asarray(item_ids), **options)  # type: ignore[arg-type]


def test_both_directions_by_hand() -> None:
    found = evaluate(of_matrix(SCORES), np.arange(3), IMAGE_OF)
    third = 100 / 3
    # Text to image: ranks 1, 3, 3, 1, 3 of columns (.9 .7 .4), (.1 .6 .5), (.8 .1 .3), (.2 .5 .2), (.3 .2 .1).
    assert found == pytest.approx({
        "i2t_r1": third, "i2t_r5": 100, "i2t_r10": 100, "i2t_median_rank": 3, "i2t_mean_rank": 3,
        "t2i_r1": 40, "t2i_r5": 100, "t2i_r10": 100, "t2i_median_rank": 3, "t2i_mean_rank": 2.2,
        "mean_recall": (third + 440) / 6,
    })  # fmt: skip


def test_a_tie_counts_by_its_orders() -> None:
    # One item above; four tied, two of them right: of the tied the first is wrong with 2/4, then 1/3, then 0.
    hits = Hits(np.array([1]), np.array([4]), np.array([2]))
    assert [hits.within(k)[0] for k in (1, 2, 3, 4, 9)] == pytest.approx([0, 1 / 2, 1 - 1 / 2 * 1 / 3, 1, 1])
    assert hits.ranks()[0] == pytest.approx(2 * 1 / 2 + 3 * 1 / 3 + 4 * 1 / 6)


def by_orders(scores: Sequence[float], right: Sequence[bool], k: int) -> tuple[float, float]:
    """Of all orders that sort the scores: the share with a right item in the first k, and the mean rank of the first."""
    ranks = [
        next(rank for rank, item in enumerate(order, start=1) if right[item])
        for order in itertools.permutations(range(len(scores)))
        if all(scores[one] >= scores[next_] for one, next_ in itertools.pairwise(order))
    ]
    return sum(rank <= k for rank in ranks) / len(ranks), sum(ranks) / len(ranks)


def queries(longest: int) -> st.SearchStrategy[list[tuple[int, bool]]]:
    """Scores of items, many of them tied, and whether each is right: one at least is."""
    items = st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=longest)
    return items.filter(lambda items: any(right for _, right in items))


@given(queries(6), st.integers(1, 7))
def test_equals_all_orders_one_by_one(items: list[tuple[int, bool]], k: int) -> None:
    scores, right = zip(*items, strict=True)
    hits = hits_of([scores], [1], [int(one) for one in right])
    assert (hits.within(k)[0], hits.ranks()[0]) == pytest.approx(by_orders(scores, right, k))


@given(queries(8))
def test_by_index_is_a_stable_sort(items: list[tuple[int, bool]]) -> None:
    scores, right = zip(*items, strict=True)
    order = sorted(range(len(scores)), key=lambda item: -scores[item])
    hits = hits_of([scores], [1], [int(one) for one in right], ties="index")
    assert hits.ranks()[0] == next(rank for rank, item in enumerate(order, start=1) if right[item])


def test_a_constant_scorer_scores_chance() -> None:
    images, each = 1000, 5
    image_of = np.repeat(np.arange(images), each)
    found = evaluate(of_matrix(np.full((images, images * each), 0.5, np.float32)), np.arange(images), image_of)
    for k in (1, 5, 10):
        assert found[f"t2i_r{k}"] == pytest.approx(100 * k / images)  # .1, .5, 1.0
        assert found[f"i2t_r{k}"] == pytest.approx(100 * (1 - math.comb(4995, k) / math.comb(5000, k)))
    assert found["t2i_mean_rank"] == pytest.approx(500.5)
    assert found["i2t_mean_rank"] == pytest.approx(5001 / 6)


def test_by_index_a_constant_scorer_is_the_first_items() -> None:
    hits = hits_of(np.zeros((4, 4)), range(4), range(4), ties="index")
    assert hits.ranks().tolist() == [1, 2, 3, 4]


def test_collapsed_embeddings_score_chance() -> None:
    image_of = np.repeat(np.arange(100), 5)
    same = np.ones((1, 8), np.float32)
    zero = np.zeros((100, 8), np.float32)
    for images in (np.repeat(same, 100, axis=0), zero):
        found = evaluate(cosines((images, np.repeat(same, 500, axis=0))), np.arange(100), image_of)
        assert [found[f"t2i_r{k}"] for k in (1, 5, 10)] == pytest.approx([1, 5, 10])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused_by_name(value: float) -> None:
    scores = SCORES.copy()
    scores[1, 3] = value
    with pytest.raises(UserError, match=rf"rrf-3, i2t, scores query 1 and item 3 {value}: .* finite"):
        evaluate(of_matrix(scores), np.arange(3), IMAGE_OF, name="rrf-3")


def test_a_query_without_an_answer_is_refused() -> None:
    with pytest.raises(UserError, match="query 1 of the model, i2t, has no right answer among the 2 items"):
        evaluate(of_matrix(SCORES[:2, :2]), np.arange(2), np.array([0, 0]))


def test_by_class_any_item_of_the_class_is_right() -> None:
    # Image 1's class is 7, as are texts 0 and 1, of image 0: the best of them, .7, is first.
    hits = hits_of(SCORES, [7, 7, 8], [7, 7, 7, 7, 8])
    assert hits.ranks().tolist() == [1, 1, 5]


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_chunks_do_not_matter(seed: int, chunk: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.integers(0, 4, (6, 9)).astype(np.float32)
    image_of = np.concatenate([np.arange(6), random.integers(0, 6, 3)])
    whole = evaluate(of_matrix(scores), np.arange(6), image_of)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recall, "CHUNK", 9 * chunk)
        assert evaluate(of_matrix(scores), np.arange(6), image_of) == whole


def test_an_ensemble_is_the_mean_of_cosines() -> None:
    one = np.array([[2.0, 0]], np.float32), np.array([[5.0, 0], [0, 1]], np.float32)  # cosines 1, 0
    other = np.array([[0.0, 3]], np.float32), np.array([[3.0, 4], [0, 2]], np.float32)  # cosines .8, 1
    i2t, t2i = cosines(one, other)
    assert i2t(slice(0, 1)) == pytest.approx(np.array([[0.9, 0.5]]))
    assert t2i(slice(1, 2)) == pytest.approx(np.array([[0.5]]))


def test_folds_are_of_consecutive_images() -> None:
    image_of = np.array([3, 0, 1, 2, 0])
    found = [(images.tolist(), texts.tolist()) for images, texts in folds(image_of, 4, 2)]
    assert found == [([0, 1], [1, 2, 4]), ([2, 3], [0, 3])]
    with pytest.raises(UserError, match="4 images do not make 3 folds"):
        list(folds(image_of, 4, 3))
    assert mean_over([{"r1": 10.0}, {"r1": 20.0}]) == {"r1": 15}


def test_what_records_say() -> None:
    assert facts_of("i2t_r5", 1000, 5000) == {"unit": "%", "better": "higher", "n": 1000}
    assert facts_of("t2i_mean_rank", 1000, 5000) == {"unit": "rank", "better": "lower", "n": 5000}
    assert facts_of("mean_recall", 1000, 5000) == {"unit": "%", "better": "higher", "n": 6000}
