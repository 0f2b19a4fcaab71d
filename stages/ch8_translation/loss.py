"""Eq. 8.1 to 8.11, of images (N, 3, S, S) and of discriminators' scores.

Eq. 8.1's "min max" is read as LSGAN has it: the discriminator minimises it, and the generator the square of what its image lacks to a real
one's score. The norms of Eq. 8.2, 8.9 and 8.11 are means over pixels and channels: as sums, lambda would drown all else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from stages.gan import loss

Losses = dict[str, Tensor]


@dataclass(frozen=True)
class Passed:
    """What the chains make of real images of one domain.

    steps : G^1(x) to G^M(x) of Eq. 8.4, or of Eq. 8.5 for domain B. outer : x again after both whole chains; None where no loss asks for
    it. inner : x again by the inner cycles m = 1 to M - 1 of Eq. 8.8; the one of m = M is the outer. identity : images of the other domain
    after the chain that should leave them as they are.
    """

    images: Tensor
    steps: Sequence[Tensor]
    outer: Tensor | None = None
    inner: Sequence[Tensor] = field(default_factory=tuple)
    identity: tuple[Tensor, Tensor] | None = None


@dataclass(frozen=True)
class Weights:
    """cycle : lambda of Eq. 8.3, 8.6 and 8.10. similarity : of Eq. 8.11, for which the thesis has none. identity : of CycleGAN's."""

    cycle: float
    similarity: float = 0
    identity: float = 0


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Eq. 8.1: what a discriminator minimises, of its scores of real and of generated images."""
    return loss.real(real) + loss.fake(fake)


def adversarial(scores: Iterable[Tensor]) -> Tensor:
    """Eq. 8.1 as generators minimise it, summed over directions: scores of what the last of a chain makes, by the other domain's
    discriminator."""
    return total(loss.real(one) for one in scores)


def cycle(passed: Sequence[Passed]) -> Tensor:
    """Eq. 8.2, and the reconstruction of Eq. 8.6: the outer cycles."""
    return total(loss.l1(one.outer, one.images) for one in passed if one.outer is not None)


def inner(passed: Sequence[Passed]) -> Tensor:
    """Eq. 8.9 without its last terms, m = M and n = N, which `cycle` has."""
    return total(loss.l1(again, one.images) for one in passed for again in one.inner)


def similarity(of_a: Passed, of_b: Passed) -> Tensor:
    """Eq. 8.11, of images that are no pairs: the first steps of both chains shall look alike."""
    return loss.l1(of_a.steps[0], of_b.steps[0])


def identity(passed: Sequence[Passed]) -> Tensor:
    """CycleGAN's: a chain shall leave images of its own target as they are."""
    return total(loss.l1(*one.identity) for one in passed if one.identity is not None)


def generator_losses(passed: Sequence[Passed], scores: Iterable[Tensor], weights: Weights) -> Losses:
    """What all generators minimise, `total`, and its parts without their weights: Eq. 8.3, 8.6, or 8.10 with 8.11.

    passed : of domain A and, unless there is one direction only, of B. Parts that weigh nothing are left out.
    """
    losses = {"adversarial": adversarial(scores)}
    whole = losses["adversarial"]
    if weights.cycle:
        losses["cycle"] = cycle(passed)
        whole = whole + weights.cycle * losses["cycle"]
        if any(len(one.inner) for one in passed):
            losses["inner"] = inner(passed)
            whole = whole + weights.cycle * losses["inner"]
    if weights.similarity:
        losses["similarity"] = similarity(*passed)
        whole = whole + weights.similarity * losses["similarity"]
    if weights.identity:
        losses["identity"] = identity(passed)
        whole = whole + weights.identity * losses["identity"]
    return losses | {"total": whole}


def total(losses: Iterable[Tensor]) -> Tensor:
    """The sum of one loss or more."""
    first, *others = losses
    for one in others:
        first = first + one
    return first
