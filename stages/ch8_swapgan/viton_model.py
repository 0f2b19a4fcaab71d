"""VITON [106] as two U-Nets: a coarse picture of the reference in flat clothes, and the weights that bent clothes are laid over it with."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.ch8_swapgan import people
from stages.ch8_swapgan.viton_settings import Viton
from stages.gan.images import to_unit
from stages.gan.networks import UNet, initialise

ARMS, UPPER = (1 + people.SEGMENTS.index(name) for name in ("arms", "upper"))
PERSON = people.POINTS + 1 + 3  # channels
FLAT_WHITE = 250  # from which on a flat picture is background, in all channels


class Network(nn.Module):
    """`coarse` and `refined`, the second of what the first has made."""

    def __init__(self, settings: Viton):
        super().__init__()
        self.sketch = UNet(PERSON + 3, 4, settings.width, settings.depth)
        self.weigh = UNet(7, 1, settings.width, settings.refine_depth)

    def coarse(self, person: Tensor, kept: Tensor, flat: Tensor) -> tuple[Tensor, Tensor]:
        """Persons (N, 22, S, S), where they are kept, bool (N, 1, S, S), and flat clothes (N, 3, S, S) -> pictures (N, 3, S, S) in -1..1,
        masks of the clothes (N, 1, S, S) in 0..1."""
        maps = self.sketch(torch.cat([person, flat], 1))
        return torch.where(kept, person[:, -3:], maps[:, :3].tanh()), maps[:, 3:].sigmoid()

    def refined(self, picture: Tensor, bent: Tensor, mask: Tensor) -> Tensor:
        """Coarse pictures with the bent clothes (N, 3, S, S) over them inside these's masks (N, 1, S, S), by learned weights."""
        weight = self.weigh(torch.cat([picture, bent, mask], 1)).sigmoid() * mask
        return weight * bent + (1 - weight) * picture


def build(settings: Viton, generator: torch.Generator) -> Network:
    """The networks before their first step."""
    network = Network(settings)
    initialise(network, settings.std, generator)
    return network


def person(images: Tensor, parts: Tensor, points: Tensor, settings: Viton) -> tuple[Tensor, Tensor]:
    """What VITON knows of a person: uint8 (N, S, S, 3), uint8 (N, S, S), float (N, 18, 3) -> float32 (N, 22, S, S), bool (N, 1, S, S).

    18 maps of key points, each 1 on a square and 0 where the point is missing; the body's shape without detail; and what is kept of the
    picture, and where that is: all of the person but arms and upper clothes, VITON's face and hair, and, as it changes the top only, also
    what is worn below.
    """
    size = images.shape[1]
    ruler = torch.arange(size, dtype=points.dtype, device=points.device)
    near = [(points[..., axis, None] - ruler).abs() <= settings.reach * size for axis in (0, 1)]  # (N, 18, S) each
    heat = near[1][..., :, None] & near[0][..., None, :] & (points[..., 2] > 0)[..., None, None]
    cell = 2**settings.blur
    body = F.interpolate(F.avg_pool2d(people.mask(parts)[:, None].float(), cell), scale_factor=cell)
    kept = (people.mask(parts) & (parts != ARMS) & (parts != UPPER))[:, None]
    return torch.cat([heat.float(), body, to_unit(images) * kept], 1), kept
