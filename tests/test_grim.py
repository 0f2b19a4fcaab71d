"""Which printed shares are possible with their number of test items: of 500 queries, recalls are in steps of .2.

The test is known as GRIM (Brown and Heathers: The GRIM test. Social Psychological and Personality Science 8 (2017) 363-369).
"""

import math
from fractions import Fraction

import pytest
from table_world import PUBLISHED

from stages.tables.columns import Metrics
from stages.tables.printed import Binomial, Printed, printed_number
from stages.tables.transcript import chapters, load_tables


def is_share(printed: Printed, n: int) -> bool:
    """Whether some number of n items is the printed percentage, rounded either way where it lies halfway."""
    half = Fraction(printed.step) / 2
    low, high = [(Fraction(printed.value) + end) * n / 100 for end in (-half, half)]
    return math.ceil(low) <= math.floor(high)


@pytest.mark.parametrize(
    ("text", "n", "possible"),
    [
        ("92.4", 500, True),  # 462 of 500
        ("92.5", 500, False),  # 462 is 92.4, and 463 is 92.6
        ("93", 500, True),  # 463 to 467
        ("52.0", 100, True),
        ("52.5", 100, False),
        ("12.5", 8, True),
        ("12", 8, True),  # as 13, halfway
        ("33.3", 3, True),
        ("33.4", 3, False),
        ("100.0", 7, True),
        ("60.45", 1340, True),  # 810 of 1340 is 60.4478
        ("60.40", 1340, False),  # 809 is 60.3731
    ],
)
def test_a_share_by_hand(text, n, possible):
    assert is_share(printed_number(text), n) == possible


def test_a_share_is_what_a_number_of_items_rounds_to():
    for n in (7, 55, 100, 500, 1340):
        shares = {f"{100 * k / n:.1f}" for k in range(n + 1)}
        halfway = {k for k in range(n + 1) if 2000 * k % n == 0 and 1000 * k % n}
        tenths = [f"{k / 10:.1f}" for k in range(1001)]
        possible = {text for text in tenths if is_share(printed_number(text), n)}
        assert shares <= possible
        assert len(possible) <= len(shares) + 2 * len(halfway)


def shares(*, own):
    """The printed percentages of test items, (table, row, column, whether possible); means of average precisions have no steps."""
    for table in (table for chapter in chapters(PUBLISHED) for table in load_tables(PUBLISHED, chapter)):
        for column in table.columns:
            if isinstance(column, Metrics) and isinstance(column.tolerance, Binomial) and "map" not in column.metric:
                for row in table.rows:
                    if column.id in row.cells and column.is_own(row) == own:
                        yield table, row.id, column.id, is_share(printed_number(row.cells[column.id]), column.tolerance.n)


def impossible(*, own):
    return {(table.id, row, column) for table, row, column, possible in shares(own=own) if not possible}


def test_printed_shares_that_no_number_of_test_items_gives():
    assert impossible(own=True) == {
        ("7.3", "mmc", "pascal_t2i_r10"),  # 92.5 of 500, and in all that repeat it
        ("7.6", "mmc-convolution", "t2i_r10"),
        ("7.7", "mmc-cbp", "t2i_r10"),
        ("7.7", "mmc-bp", "t2i_r10"),
        ("7.7", "mmc-bp", "t2i_r1"),  # 41.5
        ("7.7", "mmc-bp", "t2i_r5"),  # 81.5
    }
    # cited: [51] on Pascal Sentence, if of as many images and texts; 52.5 and 55.9 of 100, 44.9 of 500
    assert impossible(own=False) == {
        *(("7.10", row, f"i2t_r{k}") for row in ("mean-vector", "gmm-hglmm") for k in (1, 5)),
        *(("7.10", "mean-vector", f"t2i_r{k}") for k in (1, 5)),
    }
    for table, row, column, possible in [*shares(own=True), *shares(own=False)]:
        notes = " ".join(note.text for note in table.notes if note.covers(row, column))
        assert possible or "share" in notes, (table.id, row, column)


def test_that_check_has_something_to_find_in_some_columns_only():
    """Of a number with one decimal, as the thesis has recalls, only fewer than 1,000 items leave out any; with two, fewer than 10,000."""
    where = {table.id for table, row, column, _ in shares(own=True) if not all_possible(table, row, column)}
    assert where == {"2.6", "7.2", "7.3", "7.4", "7.6", "7.7", "7.10"}


def all_possible(table, row, column):
    printed = printed_number(table.row(row).cells[column])
    n = next(one for one in table.columns if one.id == column).tolerance.n
    return Fraction(100, n) <= Fraction(printed.step)
