"""The loss terms of CycleMatch: worked by hand on two pairs, and a twin of loops over scalars."""

import dataclasses
from collections.abc import Sequence

import composed
import numpy as np
import pytest
import torch

from stages.ch6_cyclematch.loss import TERMS, matching, objective
from stages.ch6_cyclematch.model import Outputs, Passes

CHAPTER = composed.section("ch6_cyclematch", {}, "paper")
SIX = CHAPTER.variants["embeddings"]["cycle"].terms
ONE = dataclasses.replace(CHAPTER.training, negatives=1, margin=0.3)
IDS = torch.tensor([4, 9])


def tensor(*rows: Sequence[float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float32)


def test_one_term_of_two_pairs_by_hand() -> None:
    """Embeddings (1, 0), (.6, .8), targets (1, 0), (.8, .6), of other lengths: cosines 1, .8 and .6, .96; m = .3, K = 1, alpha = 2.

    Embeddings against targets: .3 - 1 + .8 = .1 and .3 - .96 + .6 < 0. Targets against embeddings: .3 - 1 + .6 < 0 and
    .3 - .96 + .8 = .14. So .1 + 2 x .14 = .38, as a mean over 2 pairs of 1 negative .19.
    """
    embeddings, targets = tensor((3, 0), (0.6, 0.8)), tensor((1, 0), (1.6, 1.2))
    assert matching(embeddings, targets, IDS, ONE).item() == pytest.approx(0.19)
    printed = dataclasses.replace(ONE, normalise="sum")  # Eq. 6.2
    assert matching(embeddings, targets, IDS, printed).item() == pytest.approx(0.38)
    # The other way round alpha is of the other hinges: .14 + 2 x .1.
    assert matching(targets, embeddings, IDS, printed).item() == pytest.approx(0.34)
    assert matching(embeddings, targets, IDS, dataclasses.replace(printed, margin=0.1)).item() == 0
    assert matching(embeddings, targets, IDS, dataclasses.replace(printed, alpha=0)).item() == pytest.approx(0.1)
    assert matching(embeddings, targets, torch.tensor([4, 4]), printed).item() == 0  # of one image: no negatives


def hinges(a: np.ndarray, b: np.ndarray, ids: Sequence[int], margin: float, alpha: float, k: int) -> float:
    """Eq. 6.2, 6.4 or 6.5 summed, as printed, by loops over scalars."""

    def cosine(x: np.ndarray, y: np.ndarray) -> float:
        return float(sum(p * q for p, q in zip(x, y, strict=True)) / sum(p * p for p in x) ** 0.5 / sum(q * q for q in y) ** 0.5)

    total = 0.0
    for i in range(len(a)):
        own, others = cosine(a[i], b[i]), [j for j in range(len(a)) if ids[j] != ids[i]]
        total += sum(max(0.0, margin - own + s) for s in sorted((cosine(a[i], b[j]) for j in others), reverse=True)[:k])
        total += alpha * sum(max(0.0, margin - own + s) for s in sorted((cosine(a[j], b[i]) for j in others), reverse=True)[:k])
    return total


def passes_of(rng: np.random.Generator, pairs: int) -> tuple[dict[str, np.ndarray], Passes]:
    """Made-up embeddings by name, images of 4 dimensions, texts of 3 and latent ones of 2; and as passes."""
    widths = {"v": 4, "t": 3, "i2t": 3, "t2i": 4, "i2t2i": 4, "t2i2t": 3}
    made = {name: rng.normal(size=(pairs, width)) for name, width in widths.items()}
    made |= {f"{name} latent": rng.normal(size=(pairs, 2)) for name in ("i2t", "t2i", "i2t2i", "t2i2t")}
    outputs = [Outputs(torch.tensor(made[name]), torch.tensor(made[f"{name} latent"])) for name in ("i2t", "t2i", "i2t2i", "t2i2t")]
    return made, Passes(*outputs)


# What each term matches, by Eq. 6.2, 6.4 and 6.5, their analogues in the other cycle, and Table 6.1's LatentMatch.
MATCHED = {
    "i2t-dual": ("i2t", "t"), "i2t-rec": ("i2t2i", "v"), "i2t-lat": ("i2t latent", "i2t2i latent"),
    "t2i-dual": ("t2i", "v"), "t2i-rec": ("t2i2t", "t"), "t2i-lat": ("t2i latent", "t2i2t latent"),
    "latent": ("i2t latent", "t2i latent"),
}  # fmt: skip


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize(("ids", "k"), [((0, 1), 1), ((0, 1, 2), 1), ((5, 5, 2), 1), ((0, 1, 2, 3, 3, 4), 2)])
def test_each_term_is_its_twin(term: str, ids: tuple[int, ...], k: int) -> None:
    made, passes = passes_of(np.random.default_rng(1 + len(ids)), len(ids))
    training = dataclasses.replace(CHAPTER.training, negatives=k, margin=1, normalise="sum")
    loss = objective((term,), torch.tensor(made["v"]), torch.tensor(made["t"]), passes, torch.tensor(ids), training)
    expected = hinges(*(made[name] for name in MATCHED[term]), ids, 1, 2, k)
    assert expected > 0.1
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_the_whole_is_the_sum_of_its_terms() -> None:
    """Eq. 6.6; and LatentMatch's and DualMatch's losses are those of their terms alone."""
    made, passes = passes_of(np.random.default_rng(7), 5)
    v, t, ids = torch.tensor(made["v"]), torch.tensor(made["t"]), torch.arange(5)
    training = dataclasses.replace(CHAPTER.training, negatives=3)
    single = {term: objective((term,), v, t, passes, ids, training).item() for term in TERMS}
    assert objective(SIX, v, t, passes, ids, training).item() == pytest.approx(sum(single[term] for term in SIX))
    less = Passes(passes.i2t, passes.t2i, None, None)  # all that these two have
    assert objective(("latent",), v, t, less, ids, training).item() == single["latent"]
    assert objective(("i2t-dual", "t2i-dual"), v, t, less, ids, training).item() == pytest.approx(single["i2t-dual"] + single["t2i-dual"])


def test_features_get_no_gradient_and_latent_embeddings_both_do() -> None:
    made, _ = passes_of(np.random.default_rng(3), 4)
    leaf = {name: torch.tensor(values, requires_grad=name not in "vt") for name, values in made.items()}
    passes = Passes(*(Outputs(leaf[name], leaf[f"{name} latent"]) for name in ("i2t", "t2i", "i2t2i", "t2i2t")))
    training = dataclasses.replace(CHAPTER.training, negatives=2, margin=1)
    objective(SIX, leaf["v"], leaf["t"], passes, torch.arange(4), training).backward()
    assert {name for name, values in leaf.items() if values.grad is None} == {"v", "t"}
    assert all(values.grad.abs().max() > 1e-3 for name, values in leaf.items() if name not in "vt")
