"""SGD by the names of parameters, against steps made by hand."""

import pytest
import torch
from torch import nn

from stages.core.optimisers import set_rate, sgd, stepped


def settings_of(name: str) -> tuple[float, float]:
    """Biases twice as fast, without decay; the second layer ten times as fast."""
    is_bias = name.endswith("bias")
    return (2 if is_bias else 1) * (10 if name.startswith("1.") else 1), 0.0 if is_bias else 0.5


def test_parameters_of_equal_settings_are_one_group() -> None:
    model = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1), nn.Linear(1, 1))
    model[2].weight.requires_grad_(False)
    optimiser = sgd(model, settings_of, learning_rate=0.1, momentum=0.9)
    groups = {(group["lr"], group["weight_decay"]): len(group["params"]) for group in optimiser.param_groups}
    assert groups == {(0.1, 0.5): 1, (0.2, 0.0): 2, (1.0, 0.5): 1, (2.0, 0.0): 1}  # the fixed weight is in none


def test_two_steps_are_those_by_hand() -> None:
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)).double()
    weights = [1.0, -2.0]
    for layer, weight in zip(model, weights, strict=True):
        nn.init.constant_(layer.weight, weight)
    optimiser = sgd(model, settings_of, learning_rate=0.01, momentum=0.5)
    velocity = [0.0, 0.0]
    for rate in (0.01, 0.001):
        set_rate(optimiser, rate)
        optimiser.zero_grad()
        (model[0].weight * 3 + model[1].weight * 4).sum().backward()
        optimiser.step()
        for i, (gradient, multiple) in enumerate([(3, 1), (4, 10)]):
            velocity[i] = 0.5 * velocity[i] + gradient + 0.5 * weights[i]
            weights[i] -= rate * multiple * velocity[i]
    assert [layer.weight.item() for layer in model] == pytest.approx(weights, rel=1e-12)


def test_the_rate_falls_at_its_steps() -> None:
    assert [stepped(0.1, [3, 5], iteration) for iteration in (0, 2, 3, 4, 5, 9)] == [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    assert torch.tensor(stepped(0.1, [], 7)).item() == torch.tensor(0.1).item()
