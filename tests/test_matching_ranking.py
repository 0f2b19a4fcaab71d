"""Ranking losses against values and gradients by hand, scalar loops in double precision, and VSE++'s sum of hinges."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from stages.core.errors import UserError
from stages.matching.ranking import bi_rank, check_negatives, hardest

AUTHOR = (1.0, 0.5, 2.0, 1.0)
torch.set_num_threads(1)


def by_loops(
    images: Tensor,
    texts: Tensor,
    ids: list[int],
    weights: tuple[float, ...],
    margin: float,
    k: int,
    normalise: str,
    mining: str,
) -> Tensor:
    """The loss pair by pair, as Eq. 5.8 to 5.10 and the author's layer are described."""
    n, directions = len(ids), []
    ways = ((images, texts, weights[:2]), (texts, images, weights[2:]))
    for anchors, others, (across, within) in ways:
        total, count = images.new_zeros(()), 0
        for i in range(n):
            positive = anchors[i] @ others[i]
            scores = {j: (anchors[i] @ others[j]).item() for j in range(n) if ids[j] != ids[i]}
            for j in sorted(scores, key=lambda j: -scores[j])[:k]:
                hinge = margin - positive + anchors[i] @ others[j]
                if mining == "violators" and hinge <= 0:
                    continue
                count += 1
                inner = margin - positive + others[i] @ others[j]
                total = total + across * hinge.clamp(min=0) + within * inner.clamp(min=0)
        directions.append((total, count))
    if normalise == "active":
        return sum((total / max(1, count) for total, count in directions), images.new_zeros(()))
    return sum((total for total, _ in directions), images.new_zeros(())) / (n * k if normalise == "constant" else 1)


def batch(n: int, seed: int, noise: float = 1.0) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    images = torch.randn(n, 5, generator=random, dtype=torch.float64)
    texts = images + noise * torch.randn(n, 5, generator=random, dtype=torch.float64)
    return F.normalize(images).requires_grad_(), F.normalize(texts).requires_grad_()


@given(
    st.integers(0, 1000),
    st.sampled_from([AUTHOR, (2.0, 1.0, 1.0, 0.5), (1.0, 0.0, 2.0, 0.0), (0.0, 1.0, 0.0, 0.0)]),
    st.sampled_from([0.1, 0.4]),
    st.integers(1, 4),
    st.sampled_from(["constant", "active", "sum"]),
    st.sampled_from(["violators", "hardest"]),
)
def test_equals_scalar_loops(seed: int, weights: tuple, margin: float, k: int, normalise: str, mining: str) -> None:
    images, texts = batch(6, seed)
    ids = [0, 1, 0, 2, 3, 4]
    options = {"weights": weights, "margin": margin, "k": k, "normalise": normalise, "mining": mining}
    ours = bi_rank(images, texts, torch.tensor(ids), **options)  # type: ignore[arg-type]
    theirs = by_loops(images, texts, ids, weights, margin, k, normalise, mining)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-12)
    both = images.sum() + texts.sum()  # so that a loss of no hinge has gradients too
    gradients = [torch.autograd.grad(loss + 0 * both, (images, texts)) for loss in (ours, theirs)]
    assert all(torch.allclose(one, other, atol=1e-12) for one, other in zip(*gradients, strict=True))


def unit(degrees: float) -> list[float]:
    return [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]


def test_values_and_gradients_by_hand() -> None:
    # Images at 0 and 90 degrees, texts at 60 and 90. Cosines: s00 = .5, s01 = 0, s10 = cos 30, s11 = 1.
    images = torch.tensor([unit(0), unit(90)], dtype=torch.float64, requires_grad=True)
    texts = torch.tensor([unit(60), unit(90)], dtype=torch.float64, requires_grad=True)
    across = math.cos(math.radians(30))
    # From image to text: neither 0 - .5 nor .866 - 1 reaches -.1. From text to image: text 0 has .866 - .5 + .1 with
    # image 1, and within the images, 0 - .5 + .1 < 0; text 1 has 0 - 1 + .1 < 0.
    loss = bi_rank(images, texts, torch.tensor([0, 1]), weights=AUTHOR, margin=0.1, k=1)
    assert loss.item() == pytest.approx(2 * (across - 0.5 + 0.1) / 2)
    loss.backward()
    assert images.grad is not None
    assert texts.grad is not None
    # d(s10 - s00): by image 1 and image 0 text 0's, by text 0 image 1 - image 0.
    assert images.grad.tolist() == pytest.approx(np.array([[-0.5, -across], [0.5, across]]))
    assert texts.grad.tolist() == pytest.approx(np.array([[-1, 1], [0, 0]]))


def test_the_inner_hinge_by_hand() -> None:
    # Images at 0 and 20 degrees, texts at 30 and 10: every negative is nearer than the pair's own, but from text 1.
    angles = {"images": (0, 20), "texts": (30, 10)}
    images, texts = (torch.tensor([unit(angle) for angle in angles[side]], dtype=torch.float64) for side in angles)
    cosine = {degrees: math.cos(math.radians(degrees)) for degrees in (10, 20, 30)}
    # Image 0: own at 30, negative at 10, within the texts 20; text 0 alike. Image 1 and text 1: own and negative at 10.
    first = cosine[10] - cosine[30] + 0.1, cosine[20] - cosine[30] + 0.1
    second = 0.1, cosine[20] - cosine[10] + 0.1
    across, within = (one + other for one, other in zip(first, second, strict=True))
    i2t, t2i = across + 0.5 * within, 2 * across + within
    loss = bi_rank(images, texts, torch.tensor([0, 1]), weights=AUTHOR, margin=0.1, k=1)
    assert loss.item() == pytest.approx((i2t + t2i) / 2)


def test_without_inner_hinges_it_is_the_bidirectional_loss() -> None:
    images, texts = batch(8, 1)
    ids = torch.arange(8)
    scores = (images @ texts.T).detach()
    off = ~torch.eye(8, dtype=torch.bool)
    hinges = [(scores - own + 0.1).relu()[off].sum() for own in (scores.diagonal()[:, None], scores.diagonal()[None])]
    loss = bi_rank(images, texts, ids, weights=(1, 0, 2, 0), margin=0.1, k=7)
    assert loss.item() == pytest.approx(((hinges[0] + 2 * hinges[1]) / (8 * 7)).item())


def test_of_all_negatives_it_is_the_sum_of_hinges_of_vse() -> None:
    """Faghri et al., VSE++, Eq. 5: over i and all other j, [m - s_ii + s_ij] and [m - s_ii + s_ji]."""
    images, texts = batch(9, 2, noise=0.5)
    terms = [
        max(0.0, 0.2 - (images[i] @ texts[i]).item() + score)
        for i, j in itertools.permutations(range(9), 2)
        for score in ((images[i] @ texts[j]).item(), (images[j] @ texts[i]).item())
    ]
    loss = bi_rank(images, texts, torch.arange(9), weights=(1, 0, 1, 0), margin=0.2, k=8, normalise="sum")
    assert loss.item() == pytest.approx(sum(terms))


def test_captions_of_one_image_are_never_negatives() -> None:
    scores = torch.tensor([[0.1, 0.9, 0.8, 0.2], [0.0, 0.5, 0.7, 0.6], [0.3, 0.2, 0.1, 0.0], [0.4, 0.3, 0.2, 0.1]])
    ids = torch.tensor([5, 5, 7, 8])
    values, columns = hardest(scores, ids, 2)
    assert columns.tolist() == [[2, 3], [2, 3], [0, 1], [0, 1]]
    assert values.flatten().tolist() == pytest.approx([0.8, 0.2, 0.7, 0.6, 0.3, 0.2, 0.4, 0.3])
    values, _ = hardest(scores, ids, 3)
    assert values[0, 2] == -math.inf  # there is no third


def test_a_batch_of_one_image_has_no_loss() -> None:
    images, texts = batch(3, 4)
    for mining in ("violators", "hardest"):
        options = {"weights": AUTHOR, "margin": 0.1, "k": 2, "mining": mining}
        loss = bi_rank(images, texts, torch.zeros(3), **options)  # type: ignore[arg-type]
        gradients = torch.autograd.grad(loss, (images, texts))
        assert loss.item() == 0
        assert not any(gradient.any() for gradient in gradients)


def test_all_alike_it_is_the_plateau() -> None:
    same = F.normalize(torch.ones(60, 4))
    loss = bi_rank(same, same, torch.arange(60), weights=AUTHOR, margin=0.1, k=50)
    assert loss.item() == pytest.approx(0.1 * sum(AUTHOR))


def test_bf16_is_scored_in_float32() -> None:
    images, texts = (side.detach().to(torch.bfloat16) for side in batch(20, 5))
    options = {"weights": AUTHOR, "margin": 0.1, "k": 5}
    with torch.autocast("cpu", torch.bfloat16):
        loss = bi_rank(images, texts, torch.arange(20), **options)  # type: ignore[arg-type]
    assert loss.dtype == torch.float32
    single = bi_rank(images.float(), texts.float(), torch.arange(20), **options)  # type: ignore[arg-type]
    assert torch.equal(loss, single)


def test_more_negatives_than_a_batch_is_sure_to_have_are_refused() -> None:
    image_of = np.array([0, 0, 0, 1, 2, 2])
    check_negatives(97, 100, image_of, "training.negatives")
    with pytest.raises(UserError, match=r"training.negatives is 98, .* of 100 pairs 97 .* has up to 3 captions"):
        check_negatives(98, 100, image_of, "training.negatives")
    with pytest.raises(UserError, match="of a batch of 2 pairs 0 are sure"):
        check_negatives(1, 2, image_of, "training.negatives")
