"""Late fusion: areas and weights by hand, fused scores against plain loops, a score that is noise, queries without area."""

import numpy as np
import pytest

from stages.ch6_cyclematch import fusion
from stages.ch6_cyclematch.fusion_settings import Bootstrap, Inference
from stages.core.errors import UserError
from stages.metrics import recall

AVERAGE, ADAPTIVE = Inference(["visual", "textual"]), Inference(["visual", "textual"], "adaptive")
VISUAL = np.array([[0.4, -0.2, 0.1], [-0.1, -0.3, -0.2]], np.float32)  # two images, three texts; the second image has no area
TEXTUAL = np.array([[0.3, 0.6, 0.6], [0.5, 0.2, -0.4]], np.float32)


def both(blocks: recall.Blocks, images: int, texts: int) -> tuple[np.ndarray, np.ndarray]:
    return blocks[0](slice(0, images)), blocks[1](slice(0, texts))


def fused(how: Inference, *matrices: np.ndarray, no_area: str = "average") -> tuple[np.ndarray, np.ndarray]:
    found = fusion.fused([recall.of_matrix(matrix) for matrix in matrices], how, no_area)
    return both(found, *matrices[0].shape)


def test_areas_by_hand() -> None:
    np.testing.assert_allclose(fusion.areas(VISUAL), [0.5, 0], rtol=1e-6)
    np.testing.assert_allclose(fusion.areas(TEXTUAL), [1.5, 0.7], rtol=1e-6)
    assert fusion.areas(-np.ones((1, 4), np.float32)) == [0]


def test_weights_by_hand() -> None:
    """Areas 1 and 3 weigh 3/4 and 1/4; 1, 2 and 4 weigh 4/7, 2/7 and 1/7; equal ones the same."""
    np.testing.assert_allclose(fusion.weights(np.array([[1.0, 2], [3, 2]]), "limit"), [[0.75, 0.5], [0.25, 0.5]])
    np.testing.assert_allclose(fusion.weights(np.array([[1.0], [2], [4]]), "average"), [[4 / 7], [2 / 7], [1 / 7]])


@pytest.mark.parametrize(
    ("found", "average", "limit"),
    [
        ([0.0, 2], [1 / 2, 1 / 2], [1, 0]),
        ([0, 0, 5.0], [1 / 3, 1 / 3, 1 / 3], [1 / 2, 1 / 2, 0]),
        ([0.0, 0], [1 / 2, 1 / 2], [1 / 2, 1 / 2]),
    ],
)
def test_weights_of_a_query_without_area(found: list[float], average: list[float], limit: list[float]) -> None:
    """And another query beside it is weighed as ever."""
    column = np.stack([found, np.ones(len(found))], axis=1)
    for rule, expected in (("average", average), ("limit", limit)):
        np.testing.assert_allclose(fusion.weights(column, rule), np.stack([expected, np.full(len(found), 1 / len(found))], axis=1))


def test_the_limit_is_what_small_areas_come_to() -> None:
    small = fusion.weights(np.array([[1e-12], [1e-12], [3.0]]), "average")
    np.testing.assert_allclose(small, fusion.weights(np.array([[0.0], [0], [3]]), "limit"), atol=1e-9)


def test_fused_by_hand() -> None:
    """The first image weighs its scores 3/4 and 1/4, the second, without area, by the rule; texts weigh by columns."""
    by_images, by_texts = fused(ADAPTIVE, VISUAL, TEXTUAL)
    np.testing.assert_allclose(by_images, [[0.375, 0, 0.225], [0.2, -0.05, -0.3]], atol=1e-6)
    # Text 1: areas .4 and .8. Text 2: 0 and .8. Text 3: .1 and .6
    expected = [[0.4 * 2 / 3 + 0.3 / 3, -0.1 * 2 / 3 + 0.5 / 3], [0.2, -0.05], [(0.1 * 6 + 0.6) / 7, (-0.2 * 6 - 0.4) / 7]]
    np.testing.assert_allclose(by_texts, expected, atol=1e-6)
    np.testing.assert_allclose(fused(ADAPTIVE, VISUAL, TEXTUAL, no_area="limit")[0][1], VISUAL[1])
    for found in fused(AVERAGE, VISUAL, TEXTUAL):
        matrix = (VISUAL + TEXTUAL) / 2
        np.testing.assert_allclose(found, matrix if found.shape == matrix.shape else matrix.T, atol=1e-7)
    assert fusion.fused([(one := recall.of_matrix(VISUAL))], Inference(["visual"], "adaptive"), "average") is one


def by_loops(matrices: list[np.ndarray], rule: str) -> np.ndarray:
    """Adaptive fusion by rows, query by query, as Eq. 6.9 to 6.11 are printed."""
    rows = []
    for query in range(len(matrices[0])):
        found = [sum(max(0.0, float(score)) for score in matrix[query]) for matrix in matrices]
        shares = [1 / area for area in found] if all(found) else [float(rule == "average" or area == 0) for area in found]
        rows.append(sum(share / sum(shares) * matrix[query].astype(float) for share, matrix in zip(shares, matrices, strict=True)))
    return np.array(rows)


@pytest.mark.parametrize("rule", ["average", "limit"])
def test_as_plain_loops_have_it(rule: str) -> None:
    rng = np.random.default_rng(0)
    matrices = [rng.uniform(-1, level, (23, 31)).astype(np.float32) for level in (1, 0.3, 0.6)]
    matrices[1][[3, 8]] = -np.abs(matrices[1][[3, 8]])
    matrices[0][8] = -1
    how = Inference(["visual", "textual", "latent"], "adaptive")
    by_images, by_texts = fused(how, *matrices, no_area=rule)
    np.testing.assert_allclose(by_images, by_loops(matrices, rule), atol=1e-6)
    np.testing.assert_allclose(by_texts, by_loops([matrix.T for matrix in matrices], rule), atol=1e-6)
    assert np.abs(by_images - by_texts.T).max() > 0.05  # two matrices


def test_in_chunks_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    matrices = [rng.uniform(-1, 1, (20, 50)).astype(np.float32) for _ in range(2)]
    pair = [recall.of_matrix(matrix) for matrix in matrices]
    block = fusion.fused(pair, ADAPTIVE, "average")[1]
    np.testing.assert_array_equal(np.concatenate([block(slice(first, first + 7)) for first in range(0, 50, 7)]), block(slice(0, 50)))
    whole = fusion.query_areas([one[1] for one in pair], 50, 20)
    np.testing.assert_allclose(whole, [np.maximum(matrix, 0).sum(axis=0) for matrix in matrices], rtol=1e-6)
    monkeypatch.setattr(fusion, "CHUNK", 60)
    np.testing.assert_array_equal(fusion.query_areas([one[1] for one in pair], 50, 20), whole)


def test_scores_are_left_as_they_are() -> None:
    """Blocks of a matrix are views of it."""
    matrices = VISUAL.copy(), TEXTUAL.copy()
    for how in (AVERAGE, ADAPTIVE):
        fused(how, *matrices)
    np.testing.assert_array_equal(matrices[0], VISUAL)
    np.testing.assert_array_equal(matrices[1], TEXTUAL)


def test_a_noisy_score_of_large_area_weighs_less() -> None:
    """Planted: the visual score points at the right text, the textual is noise above 0. Adaptive fusion finds more than the average."""
    rng = np.random.default_rng(2)
    count = 200
    visual = rng.normal(-0.1, 0.1, (count, count)).astype(np.float32)
    visual[np.arange(count), np.arange(count)] += 0.45
    noise = rng.normal(0.3, 0.2, (count, count)).astype(np.float32)
    ids = np.arange(count)
    found = {}
    for name, how in (("average", AVERAGE), ("adaptive", ADAPTIVE)):
        blocks = fusion.fused([recall.of_matrix(visual), recall.of_matrix(noise)], how, "average")
        found[name] = recall.evaluate(blocks, ids, ids)
    for way in ("i2t", "t2i"):
        assert found["adaptive"][f"{way}_r1"] > found["average"][f"{way}_r1"] + 20
    assert found["adaptive"]["mean_recall"] > found["average"]["mean_recall"]


def test_queries_without_area_do_not_score_all() -> None:
    """All cosines negative: 1 / 0 would make weights that are no numbers. Here they rank as their average does."""
    rng = np.random.default_rng(3)
    matrices = [-rng.uniform(0.1, 1, (30, 30)).astype(np.float32) for _ in range(2)]
    ids = np.arange(30)
    pair = [recall.of_matrix(matrix) for matrix in matrices]
    assert recall.evaluate(fusion.fused(pair, ADAPTIVE, "average"), ids, ids) == recall.evaluate(
        fusion.fused(pair, AVERAGE, "average"), ids, ids
    )


def test_all_scores_equal_are_chance() -> None:
    matrix = np.full((10, 10), 0.25, np.float32)
    blocks = fusion.fused([recall.of_matrix(matrix), recall.of_matrix(2 * matrix)], ADAPTIVE, "average")
    found = recall.evaluate(blocks, np.arange(10), np.arange(10))
    assert (found["i2t_r1"], found["t2i_r5"]) == (pytest.approx(10), pytest.approx(50))


def test_a_gallery_of_one() -> None:
    """.2 and .6 weigh 3/4 and 1/4; a single negative score has no area."""
    by_images, _ = fused(ADAPTIVE, np.array([[0.2], [-0.2]], np.float32), np.array([[0.6], [0.4]], np.float32))
    np.testing.assert_allclose(by_images, [[0.3], [0.1]], atol=1e-7)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rule", ["average", "limit"])
@pytest.mark.parametrize("how", [AVERAGE, ADAPTIVE])
def test_what_is_not_finite_is_named(broken: float, rule: str, how: Inference) -> None:
    """Whatever its weight, also beside a score without area."""
    for others in (TEXTUAL, -np.abs(TEXTUAL)):
        matrix = VISUAL.copy()
        matrix[1, 2] = broken
        blocks = fusion.fused([recall.of_matrix(matrix), recall.of_matrix(others)], how, rule)
        with pytest.raises(UserError, match=r"cycle:adaptive scores query 1 and item [0-2] (nan|inf|-inf): scores must be finite"):
            recall.first_hits(blocks[0], np.arange(2), np.array([0, 1, 1]), name="cycle:adaptive")


def test_settings_that_name_one_twice() -> None:
    with pytest.raises(ValueError, match="scores names one twice"):
        Inference(["visual", "visual"])
    with pytest.raises(ValueError, match="models names one twice"):
        Bootstrap(["a", "a"], 10, 10)
