"""The inverted index against a scorer that evaluates Eq. 4.2 to 4.5 pair of patches by pair of patches, and shards against one index."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.ch4_deepindex import inverted, signature
from stages.ch4_deepindex.retrieve import Settings, Shard, search
from stages.core.errors import UserError

PATCHES = 4


def pair_by_pair(
    query: tuple[NDArray, NDArray | None], rows: NDArray, columns: NDArray | None, constraint: NDArray, log: bool = False
) -> list[float]:
    """Every image's score: the sum of h(x, y) over all patches x of the query, words x is assigned to, and patches y of the image."""
    asked_rows, asked_columns = query
    count = len(rows)

    def holds(image: int, patch: int, row: int, column: int | None) -> bool:
        return rows[image, patch] == row and (columns is None or columns[image, patch] == column)

    def idf(row: int, column: int | None) -> float:
        having = sum(any(holds(image, patch, row, column) for patch in range(rows.shape[1])) for image in range(count))
        return math.log(count / having) if log else count / having

    scores = []
    for image in range(count):
        total = 0.0
        for x in range(len(asked_rows)):
            for row in asked_rows[x]:
                for column in [None] if asked_columns is None else asked_columns[x]:
                    for patch in range(rows.shape[1]):
                        if holds(image, patch, row, column):
                            total += idf(row, column) ** 2 * constraint[image]
        scores.append(total)
    return scores


def words(rng: np.random.Generator, shape: tuple[int, ...], size: int) -> NDArray:
    return rng.integers(0, size, shape)


def assigned(rng: np.random.Generator, size: int, assignments: int) -> NDArray:
    """A query's words: different ones for each patch."""
    return np.stack([rng.permutation(size)[:assignments] for _ in range(PATCHES)])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.booleans(), st.integers(1, 3), st.sampled_from(["ratio", "log"]))
def test_scores_are_those_of_all_pairs(seed: int, two: bool, signed: bool, assignments: int, idf: str) -> None:
    rng = np.random.default_rng(seed)
    count, size = 9, 5
    rows, columns = words(rng, (count, PATCHES), size), words(rng, (count, PATCHES), size + 1) if two else None
    asked = assigned(rng, size, assignments), assigned(rng, size + 1, assignments) if two else None
    features = [rng.random((count + 1, 6), dtype=np.float32) for _ in range(1 + two)]
    roots = [signature.root(each) for each in features]
    alpha = 2.5 if signed else 0.0
    shares = [each / each.sum(axis=1, keepdims=True) for each in features]
    apart = sum(2 - 2 * np.sqrt(each[:-1] * each[-1]).sum(axis=1) for each in shares)
    expected = pair_by_pair(asked, rows, columns, np.exp(-alpha * apart), log=idf == "log")

    index = inverted.build(rows, columns, (size, size + 1)[: 1 + two])
    shard = Shard(0, index, tuple(signature.store(each[:-1], "float32") for each in roots))
    found, scores = search([shard], *asked, [each[-1] for each in roots], Settings(assignments, alpha, idf))
    assert dict(zip(found.tolist(), scores.tolist(), strict=True)) == pytest.approx(
        {image: score for image, score in enumerate(expected) if score > 0}, rel=1e-5
    )
    assert (np.diff(scores) <= 0).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.integers(1, 12), st.sampled_from([None, 1, 3, 7]), st.sampled_from(signature.STORED))
def test_shards_answer_as_one_index_does(seed: int, two: bool, size: int, top: int | None, stored: str) -> None:
    rng = np.random.default_rng(seed)
    count = 30
    rows, columns = words(rng, (count, PATCHES), 6), words(rng, (count, PATCHES), 6) if two else None
    roots = [signature.root(rng.random((300, 8), dtype=np.float32)) for _ in range(1 + two)]
    made = [signature.quantiser(each, 0) if stored == "pq" else None for each in roots]
    asked = assigned(rng, 6, 2), assigned(rng, 6, 2) if two else None

    def shard(first: int, end: int) -> Shard:
        part = None if columns is None else columns[first:end]
        kept = tuple(signature.store(each[first:end], stored, one) for each, one in zip(roots, made, strict=True))
        return Shard(first, inverted.build(rows[first:end], part, (6, 6)[: 1 + two]), kept)

    shards = [shard(first, min(first + size, count)) for first in range(0, count, size)]
    arguments = (*asked, [each[-1] for each in roots], Settings(2, 3.0), top)
    whole = search([shard(0, count)], *arguments)
    with ThreadPoolExecutor(3) as executor:
        for answer in (search(shards, *arguments), search(shards, *arguments, executor)):
            for mine, theirs in zip(answer, whole, strict=True):
                assert np.array_equal(mine, theirs)


def test_equal_scores_go_by_the_images_number() -> None:
    rows = np.array([[1, 2], [0, 1], [1, 3], [1, 0]])
    index = inverted.build(rows, None, (4,))
    wanted = inverted.entries(np.array([[1]]), None)
    found = inverted.match(index, wanted)
    scores = inverted.scores(found, wanted, found.frequencies, 4, 4)
    assert inverted.best(scores).tolist() == [0, 1, 2, 3]
    assert inverted.best(scores, 2).tolist() == [0, 1]
    assert inverted.order(np.array([1.0, 3.0, 3.0, 2.0, 3.0]), 2).tolist() == [1, 2]


def test_lists_take_the_smallest_types_and_an_image_once_for_each_patch() -> None:
    rows, columns = np.full((300, PATCHES), 2), np.full((300, PATCHES), 255)
    columns[0, 0] = 0
    index = inverted.build(rows, columns, (3, 256))
    assert (index.counts.dtype, index.images.dtype, index.columns.dtype) == (np.uint16, np.uint16, np.uint8)
    assert (index.counts.nbytes, index.images.nbytes, index.columns.nbytes) == (3 * 2, 1200 * 2, 1200)
    assert index.counts.tolist() == [0, 0, 1200]
    assert (index.columns[0], index.images[0]) == (0, 0)
    found = inverted.match(index, inverted.entries(np.array([[2]]), np.array([[255]])))
    assert (len(found.images), found.frequencies.tolist()) == (1199, [300])


def test_a_column_that_no_list_has_is_no_match() -> None:
    index = inverted.build(np.array([[0, 1]]), np.array([[3, 3]]), (2, 1000))  # columns take two bytes
    small = inverted.build(np.array([[0, 1]]), np.array([[3, 3]]), (2, 4))  # columns take one: 259 would be 3
    for each in (index, small):
        assert len(inverted.match(each, inverted.entries(np.array([[0]]), np.array([[259]]))).images) == 0


def test_words_of_another_codebook_are_refused() -> None:
    with pytest.raises(UserError, match="codebook of 3"):
        inverted.build(np.array([[3]]), None, (3,))


def test_root_features_by_hand() -> None:
    found = signature.root(np.array([[1.0, 3.0, 0.0], [0.0, 0.0, 0.0], [-1.0, 3.0, 0.0]], np.float32))
    assert found == pytest.approx(np.array([[0.5, math.sqrt(0.75), 0], [0, 0, 0], [-0.5, math.sqrt(0.75), 0]]))


def test_distance_is_none_to_itself_and_two_to_what_shares_nothing() -> None:
    roots = signature.root(np.array([[1, 1, 0, 0], [0, 0, 2, 1], [1, 1, 1, 1]], np.float32))
    distances = signature.store(roots, "float32").distances(roots[0], np.array([0, 1, 2]))
    assert distances == pytest.approx([0, 2, 2 - 2 * math.sqrt(0.5)], abs=1e-6)
    assert signature.matching(distances, 3.0) == pytest.approx(np.exp(-3 * distances))
    assert (np.diff(signature.matching(np.array([0.0, 0.5, 1.0]), 3.0)) < 0).all()  # the printed plus would reward distance


def test_stored_in_fewer_bytes_distances_are_nearly_the_same() -> None:
    rng = np.random.default_rng(0)
    patches = signature.root((rng.random((100, 4, 32)) * rng.random((100, 1, 32))).astype(np.float32))
    roots = np.ascontiguousarray(patches[:, 0])
    images = np.arange(100)
    exact = signature.store(roots, "float32").distances(roots[3], images)
    half = signature.store(roots, "float16")
    assert np.array_equal(half.values.view(np.float16), roots.astype(np.float16))
    assert half.distances(roots[3], images) == pytest.approx(exact, abs=2e-3)
    coded = signature.store(roots, "pq", signature.quantiser(patches, 0))
    assert coded.values.nbytes == 100 * 32 // signature.PIECE
    assert np.corrcoef(coded.distances(roots[3], images), exact)[0, 1] > 0.7


def test_a_quantiser_needs_pieces_and_patches() -> None:
    with pytest.raises(UserError, match="float16"):
        signature.quantiser(np.ones((300, 12), np.float32), 0)
    with pytest.raises(UserError, match="256"):
        signature.quantiser(np.ones((20, 8), np.float32), 0)
