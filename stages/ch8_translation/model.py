"""Chains of generators between two domains, and their discriminators: GAN, CycleGAN, Long and Nest CycleGAN (Figure 8.1).

    forward_chain   a -> G^1(a) -> ... -> G^M(a), in domain B (Eq. 8.4)
    backward_chain  b -> H^1(b) -> ... -> H^N(b), in domain A (Eq. 8.5)

No two generators share weights. Which losses train them is what makes the variants (`stages.ch8_translation.loss`).
"""

import textwrap
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from stages.ch8_translation.loss import Passed
from stages.ch8_translation.training_settings import Network, Variant
from stages.core.errors import UserError
from stages.gan.networks import Discriminator, Generator, initialise

Draws = Callable[[str], torch.Generator]
Direction = Literal["forward", "backward"]


class Chain(nn.ModuleList):
    """Generators, of which one takes what the one before makes."""

    def steps(self, images: Tensor) -> list[Tensor]:
        """(N, 3, S, S) in -1..1 -> what the generators make of it, the first's first."""
        return self._through(images, self)

    def last(self, images: Tensor, count: int) -> Tensor:
        """(N, 3, S, S) through the last `count` generators alone (Eq. 8.7 and 8.8)."""
        return self._through(images, list(self)[len(self) - count :])[-1]

    def _through(self, images: Tensor, generators: Iterable[nn.Module]) -> list[Tensor]:
        made = [images]
        for generator in generators:
            made.append(generator(made[-1]))
        return made[1:]


class Translator(nn.Module):
    """The chains of both directions. backward_chain : None where there is one direction only."""

    def __init__(self, forward_chain: Chain, backward_chain: Chain | None):
        super().__init__()
        self.forward_chain, self.backward_chain = forward_chain, backward_chain

    def chain(self, direction: Direction) -> Chain | None:
        return self.forward_chain if direction == "forward" else self.backward_chain

    def passes(self, a: Tensor, b: Tensor, *, cycle: bool, inner: bool, identity: bool) -> list[Passed]:
        """Both domains' images (N, 3, S, S) through the chains, as far as these losses ask for; A's first, B's only if it has a chain."""
        pairs = [(a, b, self.forward_chain, self.backward_chain), (b, a, self.backward_chain, self.forward_chain)]
        return [
            _passed(images, others, there, back, cycle=cycle, inner=inner, identity=identity)
            for images, others, there, back in pairs
            if there is not None
        ]


def _passed(images: Tensor, others: Tensor, there: Chain, back: Chain | None, *, cycle: bool, inner: bool, identity: bool) -> Passed:
    steps = there.steps(images)
    if not cycle or back is None:
        outer, again = None, []
    else:
        outer = back.last(steps[-1], len(back))
        again = [back.last(step, count) for count, step in enumerate(steps[:-1], start=1)] if inner else []
    return Passed(images, steps, outer, again, (there.steps(others)[-1], others) if identity else None)


def build(variant: Variant, network: Network, draws: Draws) -> Translator:
    """The variant's generators. draws : what a network draws its weights from, by its name, as forward_chain.0.

    So the first generators of all variants start alike, if they are of one size.
    """
    blocks, width = variant.blocks or network.blocks, variant.width or network.width

    def chain(name: str, length: int) -> Chain:
        made = [Generator(width=width, blocks=blocks, upsampling=network.upsampling) for _ in range(length)]
        for number, generator in enumerate(made):
            initialise(generator, network.std, draws(f"{name}.{number}"))
        return Chain(made)

    both = variant.directions == "both"
    return Translator(chain("forward_chain", variant.forward), chain("backward_chain", variant.backward) if both else None)


def discriminators(variant: Variant, network: Network, draws: Draws) -> nn.ModuleDict:
    """By the domain whose images they judge: b, and a where a chain leads there."""
    made = nn.ModuleDict()
    for domain in "ba" if variant.directions == "both" else "b":
        made[domain] = Discriminator(width=network.width, strided=network.strided)
        initialise(made[domain], network.std, draws(f"discriminator.{domain}"))
    return made


def count_parameters(model: nn.Module) -> int:
    """Learnable parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def restore(state: Any, variant: Variant, network: Network, file: object) -> Translator:
    """The variant's generators with a trained state.

    A UserError names the file where that is no state of networks, is another network's, or not finite.
    """
    if not (isinstance(state, dict) and all(isinstance(name, str) and isinstance(values, Tensor) for name, values in state.items())):
        raise UserError(f"{file} holds no weights by their names, as a network's file does: train it again")
    model = build(variant, network, lambda _: torch.Generator())
    why = ""
    for name, values in model.state_dict().items():
        if name in state and state[name].dtype != values.dtype:  # which loading converts
            why = f"{name} is of {state[name].dtype}, not {values.dtype}"
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        why = textwrap.shorten(str(error).splitlines()[1], 120)  # one of how many there may be
    if why:
        raise UserError(f"{file} is of another network than its settings say ({why}): train it again")
    for name, values in state.items():
        if not values.isfinite().all():
            raise UserError(f"{file} has weights that are not finite ({name}): train it again, at a lower learning rate")
    return model
