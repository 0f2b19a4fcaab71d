"""Adam, and the learning rate that stays and then falls in a line, as CycleGAN has them."""

from collections.abc import Sequence
from itertools import chain

import torch


def adam(
    modules: Sequence[torch.nn.Module], learning_rate: float, betas: tuple[float, float], weight_decay: float = 0.0
) -> torch.optim.Adam:
    """Adam over all parameters of the modules, which `core.optimisers.set_rate` can set the rate of.

    weight_decay : added to the gradient, as Adam's L2 penalty; not decoupled. Fused, for otherwise it takes roots by MKL, whose bytes
    depend on the processor.
    """
    group = {"params": list(chain.from_iterable(module.parameters() for module in modules)), "rate": 1.0}
    return torch.optim.Adam([group], lr=learning_rate, betas=betas, weight_decay=weight_decay, fused=True)


def linear(iteration: int, constant: int, total: int) -> float:
    """What the rate of the step after `iteration` others is multiplied by: 1 for about `constant` steps, then in a line to 0 in the last.

    With epochs in the place of steps this is CycleGAN's public code (`lambda_rule`, set at the beginning of an epoch): of 100 + 100 epochs
    the 99th is the last at 1, the 100th is at .990, the 200th at 0. Where constant is total, it never falls.
    """
    if constant >= total:
        return 1.0
    return 1 - max(0, iteration + 2 - constant) / (total - constant + 1)
