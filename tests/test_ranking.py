"""Retrieval scores against hand-made rankings and against independent loops in the way the benchmarks' programs are described."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.metrics.ranking import average_precision, mean_over, ns_score, without


def by_loop(ranking: list[int], relevant: set[int]) -> float:
    """The area under precision over recall, one place after the other."""
    area, recall, precision, found = 0.0, 0.0, 1.0, 0
    for place, item in enumerate(ranking, 1):
        found += item in relevant
        new_recall, new_precision = found / len(relevant), found / place
        area += (new_recall - recall) * (precision + new_precision) / 2
        recall, precision = new_recall, new_precision
    return area


def test_the_first_place_is_a_full_score() -> None:
    assert average_precision([7, 1, 2], {7}) == 1


def test_by_hand() -> None:
    # Found at places 2 and 3 of two: (0 + 1/2) / 2 * 1/2 + (1/2 + 2/3) / 2 * 1/2.
    assert average_precision([5, 1, 2, 6], {1, 2}) == pytest.approx(0.125 + 7 / 24)
    # The second of two is never found.
    assert average_precision([1, 5], {1, 9}) == pytest.approx(0.5)
    assert average_precision([], {1}) == 0
    assert average_precision([4, 3], {1}) == 0


def test_good_and_ok_count_and_junk_is_dropped_before() -> None:
    good, ok, junk = {1}, {2}, {8, 9}
    ranking = [8, 1, 9, 3, 2]
    assert average_precision(without(ranking, junk), good | ok) == average_precision([1, 3, 2], {1, 2})
    assert average_precision([1, 3, 2], {1, 2}) == pytest.approx(0.5 + (1 / 2 + 2 / 3) / 4)


def test_the_query_itself_is_left_out() -> None:
    assert without([4, 0, 1], [4]).tolist() == [0, 1]
    assert without([4, 0], []).tolist() == [4, 0]


def test_nothing_to_find_is_refused() -> None:
    with pytest.raises(ValueError, match="relevant"):
        average_precision([1], set())


def test_ns_counts_among_four() -> None:
    assert ns_score([0, 1, 9, 2, 3], {0, 1, 2, 3}) == 3
    assert ns_score([3], {0, 1, 2, 3}) == 1
    assert ns_score([0, 1, 2, 3], {0, 1, 2, 3}) == 4


@given(st.permutations(range(12)), st.sets(st.integers(0, 11), min_size=1), st.integers(0, 12))
def test_equals_the_loop(ranking: list[int], relevant: set[int], length: int) -> None:
    assert average_precision(np.array(ranking[:length], int), relevant) == pytest.approx(by_loop(ranking[:length], relevant))


@given(st.permutations(range(8)), st.sets(st.integers(0, 7), min_size=1))
def test_moving_an_answer_forward_never_hurts(ranking: list[int], relevant: set[int]) -> None:
    before = average_precision(ranking, relevant)
    for place in range(1, len(ranking)):
        if ranking[place] in relevant and ranking[place - 1] not in relevant:
            moved = ranking.copy()
            moved[place - 1], moved[place] = moved[place], moved[place - 1]
            assert average_precision(moved, relevant) > before


def test_the_mean_over_queries_leaves_out_what_each_ignores():
    queries = [{"relevant": [1, 2], "ignored": [0]}, {"relevant": [3], "ignored": []}]
    rankings = [np.array([0, 1, 3, 2]), np.array([0, 3, 1, 2])]
    # First: 1 at once, 2 third of three, 1/2 (1 + 1) / 2 + 1/2 (1/2 + 2/3) / 2; second: 3 second of four, (0 + 1/2) / 2.
    assert mean_over(average_precision, rankings, queries) == pytest.approx((1 / 2 + 7 / 24 + 1 / 4) / 2)
    assert mean_over(ns_score, rankings, queries) == 1.5
    with pytest.raises(ValueError, match="zip"):
        mean_over(ns_score, rankings[:1], queries)
