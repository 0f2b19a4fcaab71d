"""Stochastic gradient descent as Caffe's solvers have it: a rate and a decay for each parameter by its name, and steps of the rate."""

from collections.abc import Callable, Sequence

import torch


def sgd(
    model: torch.nn.Module, settings_of: Callable[[str], tuple[float, float]], *, learning_rate: float, momentum: float
) -> torch.optim.SGD:
    """SGD with one group for each pair of rate and decay, without parameters that are fixed.

    settings_of : by a parameter's name, the multiple of the learning rate that it learns at, which its group has as `rate`, and its
        weight decay. The groups' own `lr` is learning_rate times that; `set_rate` sets it anew.
    """
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(settings_of(name), []).append(parameter)
    made = [
        {"params": members, "lr": learning_rate * rate, "rate": rate, "weight_decay": decay} for (rate, decay), members in groups.items()
    ]
    on_gpu = next(model.parameters()).is_cuda  # one kernel for a whole group
    return torch.optim.SGD(made, lr=learning_rate, momentum=momentum, fused=on_gpu)


def set_rate(optimiser: torch.optim.Optimizer, learning_rate: float) -> None:
    """Let each group learn at its own multiple of `learning_rate`."""
    for group in optimiser.param_groups:
        group["lr"] = learning_rate * group["rate"]


def stepped(learning_rate: float, steps: Sequence[int], iteration: int) -> float:
    """The rate of the step after `iteration` steps, divided by 10 after each of `steps`.

    Not torch's MultiStepLR, which multiplies by 0.1 again and again, and so has other last digits.
    """
    return learning_rate / 10 ** sum(iteration >= step for step in steps)
