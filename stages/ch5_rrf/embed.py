"""What a trained network makes of features: embeddings, of which all that is scored is made."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.ch5_rrf.model import MatchingNetwork, build
from stages.ch5_rrf.training_settings import Network, Variant
from stages.core import runtime
from stages.core.errors import UserError

CHUNK = 1024  # rows at a time: 6000 dimensions of 5000 captions and what a network makes of them would be 0.3 GB


@torch.no_grad()
def embed(branch: nn.Module, features: Tensor) -> NDArray[np.float32]:
    """The embeddings (n, d) of features (n, D), not normalised, by a branch in evaluation mode, which it is left in."""
    branch.eval()
    return np.concatenate([branch(rows.float()).float().cpu().numpy() for rows in features.split(CHUNK)])


def load(folder: Path, variant: Variant, network: Network, device: torch.device) -> MatchingNetwork:
    """A trained network; how wide its inputs are, its weights say. A UserError where these are damaged."""
    try:
        state = runtime.load(folder / "model.pt")
    except Exception as error:  # a damaged file raises nearly anything
        raise UserError(
            f"{folder / 'model.pt'} is damaged ({type(error).__name__}): `python -m workflow.repro ch5_rrf` makes it again"
        ) from error
    images, texts = (state[f"{branch}.first.fc1.fc.weight"].shape[1] for branch in ("images", "texts"))
    model = build(variant, images, texts, network, "normal", torch.Generator())
    model.load_state_dict(state)
    return model.to(device).eval()
