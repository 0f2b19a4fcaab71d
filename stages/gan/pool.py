"""A pool of generated images: a discriminator also sees what generators made earlier [CycleGAN, after Shrivastava et al. 2017]."""

import torch
from torch import Tensor, nn

from stages.core.runtime import to_device
from stages.core.seeds import generator


class ImagePool(nn.Module):
    """Up to `size` generated images. The first are kept and handed out as they are; from then on each is, with probability 1/2, exchanged
    for one that was kept, at random.

    What is drawn depends on the iteration's number alone and is drawn by the host, ahead (`plan`); the images are a buffer on the device,
    in the checkpoint like all of a module's state (`forward`): so a step that is recorded can have a pool.

    Parameters
    ----------
    size : images kept; 0 is no pool. image : the shape of one, (C, H, W).
    purpose : what the draws are for (`core.seeds.generator`); of each pool of a training its own.
    """

    def __init__(self, size: int, image: tuple[int, int, int], *purpose: object):
        super().__init__()
        self.size, self.purpose = size, purpose
        # One more, where images go that are not kept: which these are a recorded step cannot ask.
        self.images: Tensor
        self.register_buffer("images", torch.zeros(size + 1, *image))

    def plan(self, iteration: int, batch: int) -> tuple[Tensor, Tensor]:
        """What `forward` does in this iteration, all of which have `batch` images: where each image is kept, int64 (batch,), of
        0..size, where size is nowhere; and whether the one that lay there is handed out in its place, bool (batch,)."""
        random = generator(*self.purpose, iteration)
        exchanged = torch.rand(batch, generator=random) < 0.5
        drawn = torch.randint(max(self.size, 1), (batch,), generator=random)
        number = iteration * batch + torch.arange(batch)  # of the image, of all that come
        first = number < self.size
        slots = torch.where(first, number, torch.where(exchanged, drawn, self.size))
        return to_device(slots, self.images.device), to_device(exchanged & ~first, self.images.device)

    @torch.no_grad()
    def forward(self, images: Tensor, slots: Tensor, taken: Tensor) -> Tensor:
        """Generated images (batch, C, H, W) -> as many for the discriminator, without gradient; slots and taken are `plan`'s."""
        if not self.size:
            return images.detach()
        handed = []
        for i in range(len(images)):  # one after the other: an image may be exchanged for one of its own batch
            image, slot = images[i : i + 1].to(self.images.dtype), slots[i : i + 1]
            handed.append(torch.where(taken[i], self.images.index_select(0, slot), image))
            self.images.index_copy_(0, slot, image)
        return torch.cat(handed)
