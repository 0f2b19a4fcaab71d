"""CCA against scikit-learn's, planted correlations and the closed form; stored embeddings as they are read again."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cross_decomposition import CCA

import stages.matching.cca
from stages.core.errors import UserError
from stages.datasets.captioned import Described, load_described
from stages.matching import store
from stages.matching.cca import Moments, choose, fit, moments
from stages.matching.cca_settings import Cca
from stages.matching.features import Features
from stages.metrics.recall import evaluate

TINY = 1e-12  # a ridge that changes nothing here


def planted(pairs: int, correlations: list[float], seed: int = 0) -> tuple[NDArray, NDArray]:
    """Images (pairs, 4) and texts (pairs, 5) that correlate so along hidden directions, and not otherwise."""
    random = np.random.default_rng(seed)
    shared = random.standard_normal((pairs, len(correlations)))
    sides = []
    for width in (4, 5):
        hidden = random.standard_normal((pairs, width))
        for place, correlation in enumerate(correlations):
            hidden[:, place] = np.sqrt(correlation) * shared[:, place] + np.sqrt(1 - correlation) * hidden[:, place]
        sides.append(hidden @ random.standard_normal((width, width)) + 3)
    return sides[0], sides[1]


def of_pairs(images: NDArray, texts: NDArray) -> Moments:
    return moments(images, texts, np.arange(len(images)), np.arange(len(images)))


def correlations_along(images: NDArray, texts: NDArray) -> NDArray:
    return np.array([np.corrcoef(one, other)[0, 1] for one, other in zip(images.T, texts.T, strict=True)])


def test_equals_scikit_learn() -> None:
    images, texts = planted(400, [0.9, 0.6, 0.3])
    projection = fit(of_pairs(images, texts), TINY, 4)
    theirs = correlations_along(*CCA(4, max_iter=5000, tol=1e-12).fit(images, texts).transform(images, texts))
    assert projection.correlations == pytest.approx(theirs, abs=1e-6)
    assert correlations_along(*projection.embed(images, texts)) == pytest.approx(theirs, abs=1e-5)


def test_planted_correlations_come_back() -> None:
    projection = fit(of_pairs(*planted(100_000, [0.9, 0.5])), TINY, 9)
    assert projection.correlations == pytest.approx([0.9, 0.5, 0, 0], abs=0.015)  # four, for the images have four


def test_one_dimension_in_closed_form() -> None:
    images, texts = planted(50, [0.7])
    x, y = images[:, :1], texts[:, :1]
    projection = fit(of_pairs(x, y), 0.5, 1)
    covariance = np.mean(x * y) - x.mean() * y.mean()
    assert projection.correlations == pytest.approx([abs(covariance) / (1.5 * x.std() * y.std())])
    embedded = projection.embed(x, y)
    assert np.var(embedded[0]) == pytest.approx(1 / 1.5, rel=1e-5)
    assert np.mean(embedded[1]) == pytest.approx(0, abs=1e-6)


def test_the_ridge_is_a_share_of_the_variance() -> None:
    images, texts = planted(300, [0.8, 0.4])
    one, scaled = (fit(of_pairs(scale * images, texts), 0.1, 3) for scale in (1, 1000))
    assert scaled.correlations == pytest.approx(one.correlations)


def test_an_image_counts_once_for_each_text(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    images, image_of = random.standard_normal((7, 3)).astype(np.float16), np.array([4, 0, 0, 2, 3, 6, 6, 1, 5, 0])
    texts = random.standard_normal((10, 2)).astype(np.float16)
    chosen = np.array([6, 0, 3, 2])
    monkeypatch.setattr(stages.matching.cca, "CHUNK", 3)
    found = moments(images, texts, image_of, chosen)
    kept = np.isin(image_of, chosen)
    x, y = images[image_of[kept]].astype(float), texts[kept].astype(float)
    whole = np.cov(np.hstack([x, y]).T, bias=True)
    assert found.image_mean == pytest.approx(x.mean(axis=0))
    assert found.images == pytest.approx(whole[:3, :3])
    assert found.texts == pytest.approx(whole[3:, 3:])
    assert found.across == pytest.approx(whole[:3, 3:])


def matched(labels: NDArray | None = None) -> Features:
    """80 images with one to three captions, correlated features, parts of 40, 20 and 20; the test's in reverse."""
    image_of = np.repeat(np.arange(80), np.arange(80) % 3 + 1)
    images, texts = planted(len(image_of), [0.95, 0.9, 0.8])
    firsts = np.searchsorted(image_of, np.arange(80))
    parts = {"train": np.arange(40), "val": np.arange(40, 60), "test": np.arange(79, 59, -1)}
    names, captions = [f"image {number}" for number in range(80)], [f"text {number}" for number in range(len(image_of))]
    described = Described(names, captions, image_of, parts, ["c"], labels)
    return Features(images[firsts].astype(np.float16), texts.astype(np.float16), described)


def test_the_ridge_is_chosen_on_the_validation_part() -> None:
    features = matched()
    of = moments(features.images, features.texts, features.described.image_of, features.described.parts["train"])
    ridge, projection, recalls = choose(of, Cca([1e6, 0.01], 3), features.pairs("val"))
    assert recalls.keys() == {"1e+06", "0.01"}
    assert ridge == max((recall, float(ridge)) for ridge, recall in recalls.items())[1]
    assert projection.images == pytest.approx(fit(of, ridge, 3).images)


def test_without_a_validation_part_there_is_one_ridge() -> None:
    features = matched()
    features.described.parts["val"] = np.arange(0)
    of = moments(features.images, features.texts, features.described.image_of, features.described.parts["train"])
    assert choose(of, Cca([0.1], 2), features.pairs("val"))[0] == 0.1
    with pytest.raises(UserError, match="no validation part"):
        choose(of, Cca([0.1, 1], 2), features.pairs("val"))


def test_a_ridge_too_small_is_said() -> None:
    images, texts = planted(50, [0.5])
    with pytest.raises(UserError, match=r"matching.cca.ridges has 1e-20, with which a covariance is singular"):
        fit(of_pairs(np.repeat(images, 2, axis=1), texts), 1e-20, 2)


def stored(tmp_path: Path, labels: NDArray | None = None) -> tuple[store.Embedded, Features]:
    features = matched(labels)
    test = features.pairs("test")
    embedded = store.Embedded("m", 3, test.images.numpy()[:, :4], test.texts.numpy()[:, :4], {"precision": "fp32"})
    store.write_part(tmp_path, features.described)
    store.save(tmp_path, embedded)
    return embedded, features


def test_what_is_stored_is_read_again(tmp_path: Path) -> None:
    embedded, features = stored(tmp_path, np.arange(80)[:, None] % 2 == 0)
    part = load_described(tmp_path)
    assert part.names == [f"image {number}" for number in range(79, 59, -1)]
    owners = [part.names[image] for image in part.image_of]
    whole = dict(zip(features.described.captions, features.described.image_of, strict=True))
    assert owners == [f"image {whole[caption]}" for caption in part.captions]
    assert np.array_equal(part.image_of, features.pairs("test").image_of.numpy())
    assert part.labels is not None
    assert part.labels[:, 0].tolist() == [False, True] * 10
    again = store.load(tmp_path, "m", 3, part)
    assert (again.model, again.seed, again.about) == ("m", 3, {"precision": "fp32"})
    assert np.array_equal(again.images, embedded.images)
    found = [evaluate(store.blocks(members), np.arange(20), part.image_of) for members in ([again], [again, again])]
    assert found[0] == pytest.approx(found[1])


def test_embeddings_of_other_rows_are_refused(tmp_path: Path) -> None:
    embedded, _ = stored(tmp_path)
    part = load_described(tmp_path)
    store.save(tmp_path, store.Embedded("m", 3, embedded.images[1:], embedded.texts, {}))
    with pytest.raises(UserError, match=r"m-seed3.npz holds images \(19, 4\) .* its set has 20 images"):
        store.load(tmp_path, "m", 3, part)


@pytest.mark.parametrize(("text", "wrong"), [('{"model": "m", "se', r"cannot be read \(.*\)"), ('{"model": "m"}', "lacks seed")])
def test_what_is_said_of_embeddings_is_one_sentence_where_it_is_damaged(tmp_path: Path, text: str, wrong: str) -> None:
    stored(tmp_path)
    (tmp_path / "m-seed3.json").write_text(text)
    with pytest.raises(UserError, match=rf"m-seed3\.json {wrong}: `python -m workflow\.repro matching` brings it back, or makes it again"):
        store.load(tmp_path, "m", 3, load_described(tmp_path), "matching")


def test_embeddings_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    embedded, _ = stored(tmp_path)
    embedded.texts[2, 1] = np.nan
    with pytest.raises(UserError, match="m-seed3 makes of text 2 numbers that are not finite"):
        store.save(tmp_path, embedded)
