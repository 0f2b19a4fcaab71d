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
    """Let each group learn at its own multiple of `learning_rate`; where rates are tensors (`hold_rates`), these are filled anew."""
    for group in optimiser.param_groups:
        rate = learning_rate * group["rate"]
        if not isinstance(group["lr"], torch.Tensor):
            group["lr"] = rate
        elif group.get("filled") != rate:  # else a launch for every group and step
            group["lr"].fill_(rate)
            group["filled"] = rate


def hold_rates(optimiser: torch.optim.Optimizer, device: torch.device) -> None:
    """Keep the groups' rates, and what else changes from step to step, as tensors on the device, where a recorded step reads them.

    Also after a checkpoint has been loaded, whose rates may be numbers or lie on the CPU.
    """
    for group in optimiser.param_groups:
        group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32).to(device)
        if "capturable" in group:  # Adam and its like, which count their steps
            group["capturable"] = device.type == "cuda"
    for state in optimiser.state.values():
        if isinstance(state.get("step"), torch.Tensor):
            state["step"] = state["step"].to(device)


def clear(optimiser: torch.optim.Optimizer) -> None:
    """Zero the gradients: in place where a recorded step has its rates, so that gradients stay where the recording knows them to be."""
    in_place = any(isinstance(group["lr"], torch.Tensor) for group in optimiser.param_groups)
    optimiser.zero_grad(set_to_none=not in_place)


def update(loss: torch.Tensor, optimiser: torch.optim.Optimizer) -> None:
    """A step of the optimiser by the gradient of `loss`, a scalar, alone."""
    clear(optimiser)
    loss.backward()
    optimiser.step()


def stepped(learning_rate: float, steps: Sequence[int], iteration: int) -> float:
    """The rate of the step after `iteration` steps, divided by 10 after each of `steps`.

    Not torch's MultiStepLR, which multiplies by 0.1 again and again, and so has other last digits.
    """
    return learning_rate / 10 ** sum(iteration >= step for step in steps)
