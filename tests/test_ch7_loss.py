"""Chapter 7's losses: values and gradients by hand, scalar loops, and all of Eq. 7.13 through the network in plain numpy."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from stages.ch7_mmc.loss import classification, matching, total
from stages.ch7_mmc.model import build
from stages.ch7_mmc.training_settings import Network, Training, Variant
from stages.core.seeds import generator

torch.set_num_threads(1)
K, MARGIN, ALPHA, BETA, FLOOR, D = 3, 0.4, 2, 0.5, 1e-3, 11
IDS = np.array([0, 1, 2, 3, 3, 4, 5, 6, 7])  # the fourth and the fifth text are of one image
STEP = 1e-6

Array = np.ndarray


def training(normalise="constant", margin=MARGIN) -> Training:
    return Training(margin, ALPHA, normalise, "sum", 0.9, 5e-4, 2, "he")


def unit(degrees: float) -> list[float]:
    return [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]


def test_matching_by_hand() -> None:
    """Images at 0 and 90 degrees, texts at 60 and 90, of any length. From image to text neither 0 - .5 nor .866 - 1 reaches -.1; from
    text to image text 0 has .866 - .5 + .1 with image 1, alpha times, and text 1 has 0 - 1 + .1 < 0."""
    images, texts = 3 * torch.tensor([unit(0), unit(90)]), 0.2 * torch.tensor([unit(60), unit(90)])
    hinge = math.cos(math.radians(30)) - 0.5 + 0.1
    printed, constant = (matching(images, texts, torch.arange(2), training(way, 0.1), 1) for way in ("sum", "constant"))
    assert printed.item() == pytest.approx(2 * hinge)
    assert constant.item() == pytest.approx(2 * hinge / 2)


def test_single_label_classification_by_hand() -> None:
    """p of (0, ln 3) is (1/4, 3/4), of (ln 2, 0) (2/3, 1/3): -(ln 3/4 + ln 2/3) / 2; gradients (p - 1) / 2 and p / 2."""
    logits = torch.tensor([[0, math.log(3)], [math.log(2), 0]], requires_grad=True)
    for classes in ("sum", "mean"):  # of many labels only
        loss = classification(logits, torch.tensor([1, 0]), True, classes)
        assert loss.item() == pytest.approx(math.log(2) / 2)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad.flatten().tolist() == pytest.approx([1 / 8, -1 / 8, -1 / 6, 1 / 6])


def test_multi_label_classification_by_hand() -> None:
    """p' of (0, ln 3) is (1/2, 3/4), labels 1 and 0: ln 2 + ln 4; of (0, 0), labels 1 and 1: 2 ln 2; gradients (p' - g') / N."""
    logits = torch.tensor([[0, math.log(3)], [0, 0]], requires_grad=True)
    labels = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    loss = classification(logits, labels, False, "sum")
    assert loss.item() == pytest.approx(5 * math.log(2) / 2)
    assert classification(logits, labels, False, "mean").item() == pytest.approx(5 * math.log(2) / 4)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad.flatten().tolist() == pytest.approx([-1 / 4, 3 / 8, -1 / 4, -1 / 4])


def test_total_by_hand() -> None:
    assert total(torch.tensor(3.0), torch.tensor(4.0), 1.2).item() == pytest.approx(7.8)


Weights = dict[str, Array]


def fused(x: Array, weights: Weights, branch: str) -> Array:
    """A branch in training, without dropout (Section 7.2.2)."""

    def normed(x: Array, name: str) -> Array:
        return (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def linear(x: Array, name: str) -> Array:
        return x @ weights[f"{name}.fc.weight"].T + weights[f"{name}.fc.bias"]

    layers = f"{branch}.layers"
    x = np.maximum(linear(normed(x, f"{layers}.input_norm"), f"{layers}.fc1"), 0)
    outputs = []
    for number in (2, 3, 4):
        x = normed(linear(x, f"{layers}.fc{number}"), f"{layers}.fc{number}.norm")
        x = x if number == 4 else np.maximum(x, 0)
        outputs.append(x)
    w, b = weights[f"{branch}.convolution.weight"].reshape(3), weights[f"{branch}.convolution.bias"]
    return sum(w[i] * outputs[i] for i in range(3)) + b  # Eq. 7.1, 7.2


def logits_of(f: Array, g: Array, weights: Weights, hashes: Array, signs: Array) -> Array:
    """Algorithm 2 product by product, root, norm, Eq. 7.8."""
    pooled = np.zeros((len(f), D))
    for i in range(f.shape[1]):
        for j in range(g.shape[1]):
            pooled[:, (hashes[0, i] + hashes[1, j]) % D] += signs[0, i] * signs[1, j] * f[:, i] * g[:, j]
    pooled = pooled / np.sqrt(np.abs(pooled) + FLOOR)
    return pooled / np.sqrt((pooled**2).sum(1, keepdims=True)) @ weights["head.linear.weight"].T


def equation_7_4(f: Array, g: Array) -> float:
    def d(x: Array, y: Array) -> float:
        return 1 - x @ y / np.sqrt((x @ x) * (y @ y))

    loss, count = 0.0, len(IDS)
    for i in range(count):
        others = [k for k in range(count) if IDS[k] != IDS[i]]
        texts = sorted(others, key=lambda k: d(f[i], g[k]))[:K]
        images = sorted(others, key=lambda k: d(f[k], g[i]))[:K]
        loss += sum(max(0.0, d(f[i], g[i]) - d(f[i], g[k]) + MARGIN) for k in texts)
        loss += ALPHA * sum(max(0.0, d(f[i], g[i]) - d(f[k], g[i]) + MARGIN) for k in images)
    return loss


def equation_7_9(a: Array, labels: Array) -> float:
    p = np.exp(a) / np.exp(a).sum(1, keepdims=True)
    return -float(np.mean([math.log(p[i, label]) for i, label in enumerate(labels)]))


def equation_7_11(a: Array, labels: Array) -> float:
    p = 1 / (1 + np.exp(-a))
    return -float((labels * np.log(p) + (1 - labels) * np.log(1 - p)).sum() / len(a))


@pytest.mark.parametrize("single", [True, False])
def test_the_whole_networks_loss_and_its_gradient(single: bool) -> None:
    rng = np.random.default_rng(5)
    v, t = rng.normal(size=(9, 6)), rng.normal(size=(9, 5))
    v[4] = v[3]
    labels = rng.integers(0, 4, 9) if single else rng.integers(0, 2, (9, 4)).astype(float)
    network = Network((14, 8, 8, 8), 0.0, True, 0.1, False, 0.05, "each", "drawn", FLOOR)
    variant = Variant(("matching", "classification"))
    model = build(variant, 6, 5, 4, D, network, "he", partial(generator, 3)).double().train()
    assert model.head is not None
    with torch.no_grad():
        for parameter in model.parameters():  # so that scales, shifts and biases are not 1 and 0
            parameter += 0.1 * torch.from_numpy(rng.normal(size=parameter.shape))
    hashes, signs = (getattr(model.head, name).numpy() for name in ("hashes", "signs"))
    weights = {name: parameter.detach().numpy().copy() for name, parameter in model.named_parameters()}

    def printed() -> float:
        f, g = fused(v, weights, "images"), fused(t, weights, "texts")
        logits = logits_of(f, g, weights, hashes, signs)
        return equation_7_4(f, g) + BETA * (equation_7_9(logits, labels) if single else equation_7_11(logits, labels))

    def ours(images: Tensor, texts: Tensor) -> Tensor:
        f, g = model(images, texts)
        loss = classification(model.classify(f, g), torch.from_numpy(labels), single, "sum")
        return total(matching(f, g, torch.from_numpy(IDS), training("sum"), K), loss, BETA)

    loss = ours(torch.from_numpy(v), torch.from_numpy(t))
    loss.backward()
    assert loss.item() == pytest.approx(printed(), rel=1e-5) and loss.item() > 10
    largest: dict[str, float] = {}
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        gradient, values = parameter.grad.numpy().reshape(-1), weights[name].reshape(-1)
        for index in rng.choice(values.size, 2, replace=False):
            before, ends = values[index], []
            for moved in (before + STEP, before - STEP):
                values[index] = moved
                ends.append(printed())
            values[index] = before
            by_differences = (ends[0] - ends[1]) / (2 * STEP)
            assert gradient[index] == pytest.approx(by_differences, rel=1e-3, abs=1e-5), name
            part = name.split(".")[0]
            largest[part] = max(largest.get(part, 0), abs(by_differences))
    assert largest["images"] > 1 and largest["texts"] > 1 and largest["head"] > 0.01
