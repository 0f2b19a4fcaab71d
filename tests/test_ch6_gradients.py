"""Each of CycleMatch's seven loss terms through the whole network, in plain numpy: its value, and its gradient by finite differences."""

import dataclasses
from collections.abc import Callable

import composed
import numpy as np
import pytest
import torch

from stages.ch6_cyclematch.loss import TERMS, objective
from stages.ch6_cyclematch.model import build
from stages.ch6_cyclematch.training_settings import Variant

CHAPTER = composed.section("ch6_cyclematch", {}, "paper")
NETWORK = dataclasses.replace(CHAPTER.network, widths=(14, 13, 12), dropout=0.0)
K, MARGIN, ALPHA = 3, 0.4, 2
TRAINING = dataclasses.replace(CHAPTER.training, negatives=K, margin=MARGIN, alpha=ALPHA, normalise="sum")
IDS = np.array([0, 1, 2, 3, 3, 4, 5, 6, 7])  # the fourth and the fifth text are of one image
STEP = 1e-6

Array = np.ndarray
Weights = dict[str, Array]


def normed(x: Array, weights: Weights, layer: str) -> Array:
    return (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) * weights[f"{layer}.weight"] + weights[f"{layer}.bias"]


def mapped(x: Array, weights: Weights, mapping: str) -> tuple[Array, Array]:
    """FC4's and FC3's outputs of a batch (Section 6.4.1)."""

    def linear(x: Array, layer: str) -> Array:
        return x @ weights[f"{layer}.fc.weight"].T + weights[f"{layer}.fc.bias"]

    x = normed(x, weights, f"{mapping}.first.input_norm")
    x = np.maximum(linear(x, f"{mapping}.first.fc1"), 0)
    for layer in ("fc2", "fc3"):
        x = np.maximum(normed(linear(x, f"{mapping}.first.{layer}"), weights, f"{mapping}.first.{layer}.norm"), 0)
    return normed(linear(x, f"{mapping}.last"), weights, f"{mapping}.last.norm"), x


def s(x: Array, y: Array) -> float:
    """Eq. 6.1."""
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def printed(term: str, weights: Weights, v: Array, t: Array) -> float:
    """Eq. 6.2, 6.4 and 6.5, and their analogues in the other cycle, similarity by similarity."""
    fv, fv3 = mapped(v, weights, "i2t")
    gt, gt3 = mapped(t, weights, "t2i")
    gfv, gfv3 = mapped(fv, weights, "t2i")  # Eq. 6.3
    fgt, fgt3 = mapped(gt, weights, "i2t")
    matched, first, second = {
        "i2t-dual": (lambda i: s(fv[i], t[i]), lambda i, k: s(fv[i], t[k]), lambda i, k: s(fv[k], t[i])),
        "i2t-rec": (lambda i: s(gfv[i], v[i]), lambda i, k: s(gfv[i], v[k]), lambda i, k: s(gfv[k], v[i])),
        "i2t-lat": (lambda i: s(fv3[i], gfv3[i]), lambda i, k: s(fv3[i], gfv3[k]), lambda i, k: s(fv3[k], gfv3[i])),
        "t2i-dual": (lambda i: s(gt[i], v[i]), lambda i, k: s(gt[i], v[k]), lambda i, k: s(gt[k], v[i])),
        "t2i-rec": (lambda i: s(fgt[i], t[i]), lambda i, k: s(fgt[i], t[k]), lambda i, k: s(fgt[k], t[i])),
        "t2i-lat": (lambda i: s(gt3[i], fgt3[i]), lambda i, k: s(gt3[i], fgt3[k]), lambda i, k: s(gt3[k], fgt3[i])),
        "latent": (lambda i: s(fv3[i], gt3[i]), lambda i, k: s(fv3[i], gt3[k]), lambda i, k: s(fv3[k], gt3[i])),
    }[term]
    return sum(hinges(i, matched, first) + ALPHA * hinges(i, matched, second) for i in range(len(IDS)))


def hinges(i: int, matched: Callable[[int], float], unmatched: Callable[[int, int], float]) -> float:
    """Of pair i against its K hardest."""
    hardest = sorted(unmatched(i, k) for k in range(len(IDS)) if IDS[k] != IDS[i])[-K:]
    return sum(max(0.0, MARGIN - matched(i) + one) for one in hardest)


@pytest.mark.parametrize("term", TERMS)
def test_a_term_and_its_gradient(term: str) -> None:
    rng = np.random.default_rng(5)
    v, t = rng.normal(size=(9, 6)), rng.normal(size=(9, 5))
    v[4] = v[3]
    model = build(Variant((term,)), 6, 5, NETWORK, "he", torch.Generator().manual_seed(3)).double().train()
    with torch.no_grad():
        for parameter in model.parameters():  # so that scales and shifts of batch norms are not 1 and 0
            parameter += 0.1 * torch.from_numpy(rng.normal(size=parameter.shape))
    weights = {name: parameter.detach().numpy().copy() for name, parameter in model.named_parameters()}
    images, texts = torch.from_numpy(v), torch.from_numpy(t)
    loss = objective((term,), images, texts, model(images, texts), torch.from_numpy(IDS), TRAINING)
    loss.backward()
    assert loss.item() == pytest.approx(printed(term, weights, v, t), rel=1e-5) and loss.item() > 10
    largest = 0.0
    for name, parameter in model.named_parameters():
        gradient = np.zeros(parameter.shape) if parameter.grad is None else parameter.grad.numpy()
        values = weights[name].reshape(-1)
        for index in rng.choice(values.size, 2, replace=False):
            before, ends = values[index], []
            for moved in (before + STEP, before - STEP):
                values[index] = moved
                ends.append(printed(term, weights, v, t))
            values[index] = before
            by_differences = (ends[0] - ends[1]) / (2 * STEP)
            assert gradient.reshape(-1)[index] == pytest.approx(by_differences, rel=1e-3, abs=1e-5), name
            largest = max(largest, abs(by_differences))
    assert largest > 1
