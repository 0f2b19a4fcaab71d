"""Eq. 8.14 and 8.16 to 8.19, of images (N, 3, S, S), masks (N, 1, S, S) in 0..1, and the discriminator's scores.

The norms of Eq. 8.17 are means over pixels: as sums, lambda would drown all else. Eq. 8.13, by which G_I as printed would minimise log D,
is superseded by Eq. 8.14 in the thesis itself. Nothing in Eq. 8.18 compares pixels of images; `reconstruction` does where it weighs
anything.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from stages.gan import loss

Losses = dict[str, Tensor]


@dataclass(frozen=True)
class Made:
    """What the generators make of a condition and a reference; None is of a generator that is not there.

    swapped : X_GI of Eq. 8.12, the condition's clothes in the reference's pose. returned : X_GII of Eq. 8.15, the condition again.
    mask_swapped, mask_returned : G_III of either.
    """

    swapped: Tensor
    returned: Tensor | None = None
    mask_swapped: Tensor | None = None
    mask_returned: Tensor | None = None

    def float(self) -> "Made":
        """The same in float32."""
        returned, *masks = (None if one is None else one.float() for one in (self.returned, self.mask_swapped, self.mask_returned))
        return Made(self.swapped.float(), returned, *masks)


@dataclass(frozen=True)
class Weights:
    """mask : lambda of Eq. 8.18. reconstruction : of the L1 of X_GI to X_r."""

    mask: float
    reconstruction: float = 0


def discriminator_loss(real: Tensor, fakes: Iterable[Tensor]) -> Tensor:
    """Eq. 8.19: what D minimises, of its scores of the real pair (X_r, X_c) and of (X_GI, X_c) and (X_r, X_GII). Not halved."""
    whole = loss.real(real)
    for fake in fakes:
        whole = whole + loss.fake(fake)
    return whole


def mask_consistency(made: Made, reference: Tensor, condition: Tensor) -> Tensor:
    """Eq. 8.17, of the masks M_r and M_c; without G_II its first term alone. Made with G_III."""
    assert made.mask_swapped is not None
    first = loss.l1(made.mask_swapped, reference)
    return first if made.mask_returned is None else first + loss.l1(made.mask_returned, condition)


def generator_losses(
    made: Made, scores: tuple[Tensor, Tensor | None], image: Tensor, masks: tuple[Tensor, Tensor], weights: Weights
) -> Losses:
    """What all generators minimise, `total` of Eq. 8.18, and its parts without their weights; parts of generators that are not there, or
    that weigh nothing, are left out.

    scores : D(X_GI, X_c) and D(X_r, X_GII). image : X_r. masks : M_r and M_c.
    """
    losses = {"first": loss.real(scores[0])}  # Eq. 8.14
    whole = losses["first"]
    if scores[1] is not None:
        losses["second"] = loss.real(scores[1])  # Eq. 8.16
        whole = whole + losses["second"]
    if made.mask_swapped is not None:
        losses["mask"] = mask_consistency(made, *masks)
        whole = whole + weights.mask * losses["mask"]
    if weights.reconstruction:
        losses["reconstruction"] = loss.l1(made.swapped, image)
        whole = whole + weights.reconstruction * losses["reconstruction"]
    return losses | {"total": whole}
