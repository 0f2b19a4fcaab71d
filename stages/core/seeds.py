"""Random generators: each use has its own, seeded by what it is for, so that no draw depends on the order of others."""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def seed_for(*purpose: object) -> int:
    """A 63-bit seed made from `purpose`, e.g. `seed_for("ch2_fusion.train", "cifar10", 0, "order", epoch)`."""
    return int.from_bytes(hashlib.sha256(repr(purpose).encode()).digest()[:8], "big") >> 1


def generator(*purpose: object) -> "torch.Generator":
    """A CPU generator seeded by `purpose`."""
    import torch  # a second of every process: not for what only asks for a seed

    return torch.Generator().manual_seed(seed_for(*purpose))
