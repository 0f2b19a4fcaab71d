"""Bilinear pooling: sketches by hand, the outer product and scikit-learn as twins, what holds of Eq. 7.6 and 7.7, heads, gradients."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.kernel_approximation import PolynomialCountSketch
from torch import Tensor
from torch.nn import functional as F

from stages.ch7_mmc.bilinear import Bilinear, Compact, FullyConnected, compact_bilinear, count_sketch, signed_root

torch.set_num_threads(1)
FLOOR = 1e-8


def drawn(width: int, dimension: int, seed: int) -> tuple[Tensor, Tensor]:
    """Hashes and signs (2, width)."""
    random = torch.Generator().manual_seed(seed)
    signs = torch.randint(2, (2, width), generator=random).double() * 2 - 1
    return torch.randint(dimension, (2, width), generator=random), signs


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_count_sketch_by_hand() -> None:
    x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 0.0, -1.0]])
    sketch = count_sketch(x, torch.tensor([0, 2, 0]), torch.tensor([1.0, -1.0, -1.0]), 4)
    assert sketch.tolist() == [[-2, 0, -2, 0], [5, 0, 0, 0]]


def test_compact_bilinear_pooling_by_hand() -> None:
    """f^ = (1, 0, -2) and g^ = (0, 3, 5): 1 (0, 3, 5), and -2 times g^ two places on, (3, 5, 0)."""
    f, g = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 5.0]])
    hashes, signs = torch.tensor([[0, 2], [1, 2]]), torch.tensor([[1.0, -1.0], [1.0, 1.0]])
    torch.testing.assert_close(compact_bilinear(f, g, hashes, signs, 3), torch.tensor([[-6.0, -7.0, 5.0]]))


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 1000))
def test_it_is_the_sketch_of_the_outer_product(dimension: int, width: int, seed: int) -> None:
    """Of odd D and even, below M x M and above."""
    f, g = normal(2, 3, width, seed=seed)
    hashes, signs = drawn(width, dimension, seed)
    expected = torch.zeros(3, dimension, dtype=torch.float64)
    for i, j in itertools.product(range(width), repeat=2):
        expected[:, (hashes[0, i] + hashes[1, j]) % dimension] += signs[0, i] * signs[1, j] * f[:, i] * g[:, j]
    found = compact_bilinear(f, g, hashes, signs, dimension)
    assert found.shape == (3, dimension)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("dimension", [2048, 333])
def test_scikit_learn_has_the_same_sketch(dimension: int) -> None:
    """Its sketch of x's square is Algorithm 2 with both inputs x."""
    x = normal(5, 60)
    theirs = PolynomialCountSketch(degree=2, n_components=dimension, random_state=3).fit(x.numpy())
    hashes, signs = (torch.from_numpy(np.asarray(values)) for values in (theirs.indexHash_, theirs.bitHash_))
    found = compact_bilinear(x, x, hashes.long(), signs.double(), dimension)
    np.testing.assert_allclose(found.numpy(), theirs.transform(x.numpy()), atol=1e-10)


def test_in_expectation_it_is_the_kernel_that_scikit_learn_approximates() -> None:
    """Over 300 draws of each: means of <B(x, x), B(y, y)> within three standard errors of <x, y>^2, and as wide a spread."""
    x, y = F.normalize(normal(1, 30)), F.normalize(normal(1, 30) + 0.3 * normal(1, 30, seed=1))
    both, truth = torch.cat([x, y]), ((x @ y.T) ** 2).item()
    ours, theirs = [], []
    for seed in range(300):
        pooled = compact_bilinear(both, both, *drawn(30, 64, seed), 64)
        ours.append((pooled[0] @ pooled[1]).item())
        transformed = PolynomialCountSketch(degree=2, n_components=64, random_state=seed).fit_transform(both.numpy())
        theirs.append(float(transformed[0] @ transformed[1]))
    for values in (ours, theirs):
        assert abs(np.mean(values) - truth) < 3 * np.std(values) / 300**0.5 < 0.2 * truth
    assert np.std(ours) == pytest.approx(np.std(theirs), rel=0.2)


def all_draws(width: int, dimension: int) -> tuple[Tensor, Tensor]:
    """All hashes and signs that there are of one input, (draws, width) each."""
    both = itertools.product(itertools.product(range(dimension), repeat=width), itertools.product((-1.0, 1.0), repeat=width))
    hashes, signs = zip(*both, strict=True)
    return torch.tensor(hashes), torch.tensor(signs, dtype=torch.float64)


def sketches(x: Tensor, hashes: Tensor, signs: Tensor, dimension: int) -> Tensor:
    """Of one vector (M,) under each draw, (draws, D)."""
    return torch.cat([count_sketch(x[None], one, sign, dimension) for one, sign in zip(hashes, signs, strict=True)])


def moments(f: Tensor, g: Tensor, dimension: int) -> tuple[float, float, float]:
    """Over all draws: E<f^, g^> of two independent hashes; E and Var of one that both share."""
    draws = all_draws(len(f), dimension)
    sketched = [sketches(x, *draws, dimension) for x in (f, g)]
    shared = (sketched[0] * sketched[1]).sum(dim=1)
    return (sketched[0] @ sketched[1].T).mean().item(), shared.mean().item(), shared.var(correction=0).item()


def bounds(f: Tensor, g: Tensor, dimension: int) -> tuple[float, float]:
    """Eq. 7.7's, and the same with the product of the squared norms in the place of their sum."""
    product, squares = (f @ g).item() ** 2, ((f @ f).item(), (g @ g).item())
    return (product + sum(squares)) / dimension, (product + squares[0] * squares[1]) / dimension


def test_equation_7_6_fails_for_two_hashes_and_holds_for_one() -> None:
    """Exactly, by all of 1,296 and 36 draws of M = 2, D = 3: 0, where the thesis has <f, g>."""
    f, g = torch.tensor([1.0, 2.0], dtype=torch.float64), torch.tensor([3.0, 0.5], dtype=torch.float64)
    independent, shared, _ = moments(f, g, 3)
    assert independent == pytest.approx(0, abs=1e-12)
    assert shared == pytest.approx((f @ g).item()) == pytest.approx(4)


def test_equation_7_6_at_the_chapters_size() -> None:
    """The same by 400 draws of M = 512, D = 2048: means within three standard errors."""
    f = F.normalize(normal(512), dim=0)
    g = F.normalize(f + normal(512, seed=1) / 512**0.5, dim=0)
    independent, shared = [], []
    for seed in range(400):
        hashes, signs = drawn(512, 2048, seed)
        of_f, of_g, same = (count_sketch(x[None], hashes[i], signs[i], 2048)[0] for x, i in ((f, 0), (g, 1), (g, 0)))
        independent.append((of_f @ of_g).item())
        shared.append((of_f @ same).item())
    truth = (f @ g).item()
    assert abs(np.mean(independent)) < 3 * np.std(independent) / 20 < 0.01 < 0.6 < truth
    assert abs(np.mean(shared) - truth) < 3 * np.std(shared) / 20 < 0.01


def test_equation_7_7_fails_of_longer_vectors() -> None:
    """f = (3, 0), g = (0, 3), D = 3: <f^, g^> is 9, -9 or, in two of three draws, 0. Its variance is 81 / 3, the bound 18 / 3."""
    f, g = torch.tensor([3.0, 0.0], dtype=torch.float64), torch.tensor([0.0, 3.0], dtype=torch.float64)
    printed, with_product = bounds(f, g, 3)
    assert moments(f, g, 3)[2] == pytest.approx(27) == pytest.approx(with_product)
    assert printed == pytest.approx(6)


@given(st.lists(st.floats(-2, 2), min_size=4, max_size=4))
def test_what_bounds_the_variance(values: list[float]) -> None:
    """Var = (<f, g>^2 + |f|^2 |g|^2 - 2 sum f_i^2 g_i^2) / D: so the product of squared norms bounds it always, and their sum, as
    printed, where that is no smaller, (|f|^2 - 1)(|g|^2 - 1) <= 1, as of unit vectors."""
    f, g = torch.tensor(values, dtype=torch.float64).view(2, 2)
    variance, (printed, with_product) = moments(f, g, 2)[2], bounds(f, g, 2)
    assert variance == pytest.approx(with_product - (f**2 @ g**2).item(), abs=1e-9)
    assert variance <= with_product + 1e-9
    if ((f @ f).item() - 1) * ((g @ g).item() - 1) <= 1:
        assert variance <= printed + 1e-9


def test_what_holds_of_algorithm_2() -> None:
    """E<B(f, g), B(f', g')> = <f, f'><g, g'>, exactly, by all 1,296 pairs of draws of M = 2, D = 3."""
    f, g, other_f, other_g = torch.tensor([[1.0, 2.0], [3.0, 0.5], [-1.0, 4.0], [2.0, 2.0]], dtype=torch.float64)[:, None]
    draws, products = list(zip(*all_draws(2, 3), strict=True)), []
    for one, other in itertools.product(draws, repeat=2):
        hashes, signs = (torch.stack(both) for both in zip(one, other, strict=True))
        pooled = [compact_bilinear(*pair, hashes, signs, 3) for pair in ((f, g), (other_f, other_g))]
        products.append((pooled[0] * pooled[1]).sum().item())
    assert np.mean(products) == pytest.approx((f * other_f).sum().item() * (g * other_g).sum().item()) == pytest.approx(7 * 7)


def test_the_signed_root() -> None:
    x = torch.tensor([4.0, -9.0, 0.0, 2.25, 1e-20], dtype=torch.float64, requires_grad=True)
    root = signed_root(x, FLOOR)
    torch.testing.assert_close(root, torch.tensor([2, -3, 0, 1.5, 0], dtype=torch.float64), atol=1e-8, rtol=0)
    root.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == pytest.approx([1 / 4, 1 / 6, 1e4, 1 / 3, 1e4])


def test_the_bilinear_head_is_the_root_and_the_norm_of_the_outer_product() -> None:
    head = Bilinear(7, 3, FLOOR).double()
    f, g = normal(2, 4, 7)
    outer = torch.einsum("ni,nj->nij", f, g).flatten(1)
    rooted = outer.sign() * outer.abs().sqrt()
    expected = rooted / rooted.norm(dim=1, keepdim=True) @ head.linear.weight.T
    torch.testing.assert_close(head(f, g), expected, atol=1e-5, rtol=0)


def compact(dimension: int, width: int = 7) -> Compact:
    head = Compact(width, 3, dimension, FLOOR, torch.Generator().manual_seed(0)).double()
    torch.nn.init.normal_(head.linear.weight, generator=torch.Generator().manual_seed(1))
    return head


@pytest.mark.parametrize("dimension", [1, 12, 13])
def test_the_compact_head_is_the_root_and_the_norm_of_the_sketch(dimension: int) -> None:
    head, (f, g) = compact(dimension), normal(2, 4, 7)
    pooled = compact_bilinear(f, g, head.hashes, head.signs, dimension)
    rooted = pooled.sign() * pooled.abs().sqrt()
    expected = rooted / rooted.norm(dim=1, keepdim=True) @ head.linear.weight.T
    torch.testing.assert_close(head(f, g), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(head(3 * f, 5 * g), expected, atol=1e-5, rtol=0)  # how long embeddings are is no matter


def test_the_fully_connected_head_has_both_side_by_side_or_images_alone() -> None:
    f, g = normal(2, 4, 7)
    both, one = FullyConnected(14, 3).double(), FullyConnected(7, 3).double()
    torch.testing.assert_close(both(f, g), f @ both.linear.weight[:, :7].T + g @ both.linear.weight[:, 7:].T)
    torch.testing.assert_close(one(f, None), f @ one.linear.weight.T)


@pytest.mark.parametrize("head", [compact(12), compact(13), Bilinear(7, 3, FLOOR).double(), FullyConnected(14, 3).double()])
def test_gradients_are_central_differences(head: torch.nn.Module) -> None:
    f, g = normal(2, 4, 7, seed=2).requires_grad_()
    weight = head.linear.weight.detach().clone().requires_grad_()

    def logits(f: Tensor, g: Tensor, weight: Tensor) -> Tensor:
        return torch.func.functional_call(head, {"linear.weight": weight}, (f, g))

    assert torch.autograd.gradcheck(logits, (f, g, weight))


def test_hashes_are_of_the_generator_and_cover_their_range() -> None:
    one, other, third = (Compact(2000, 3, 5, FLOOR, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(one.hashes, other.hashes) and torch.equal(one.signs, other.signs)
    assert not torch.equal(one.hashes, third.hashes) and not torch.equal(one.signs, third.signs)
    assert not torch.equal(one.hashes[0], one.hashes[1]) and not torch.equal(one.signs[0], one.signs[1])
    assert torch.bincount(one.hashes.flatten()).tolist() == pytest.approx([800] * 5, abs=100)
    assert one.signs.unique().tolist() == [-1, 1] and abs(one.signs.mean()) < 0.05


def test_under_autocast_pooling_is_in_float32() -> None:
    head = compact(12).float()
    f, g = (x.to(torch.bfloat16) for x in normal(2, 4, 7))
    with torch.autocast("cpu", torch.bfloat16):
        logits = head(f, g)
    torch.testing.assert_close(logits.float(), head(f.float(), g.float()), atol=0.02, rtol=0.02)
