"""What a trained network makes of features: the embeddings that are scored, and those of its cycles."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stages.ch6_cyclematch.loss import TERMS
from stages.ch6_cyclematch.model import CycleMatch, Mapping, build
from stages.ch6_cyclematch.stored import Floats, Made
from stages.ch6_cyclematch.training_settings import Network, Term, Variant
from stages.core import runtime
from stages.core.errors import UserError
from stages.matching.features import Pairs

CHUNK = 1024  # rows at a time: what a network makes of 5000 captions would be 0.2 GB

CYCLES: dict[str, Term] = {  # Figure 6.4 (a) to (f)
    "dual_i2t2i": "i2t-dual",
    "reconstructed_i2t2i": "i2t-rec",
    "latent_i2t2i": "i2t-lat",
    "dual_t2i2t": "t2i-dual",
    "reconstructed_t2i2t": "t2i-rec",
    "latent_t2i2t": "t2i-lat",
}


@torch.no_grad()
def embed(model: CycleMatch, terms: Sequence[Term], pairs: Pairs) -> Made:
    """The embeddings of all images and texts that a network trained by these terms has learnt, in evaluation mode, which it is left in.

    Dual ones where any term but `latent` is, which leaves FC4 as it was drawn; latent ones where some term is of them.
    """
    model.eval()
    dual_images, latent_images = _passed(model.i2t, pairs.images)
    dual_texts, latent_texts = _passed(model.t2i, pairs.texts)
    dual, latent = set(terms) != {"latent"}, any(term.endswith("lat") or term == "latent" for term in terms)
    return Made(
        dual_images=dual_images if dual else None,
        dual_texts=dual_texts if dual else None,
        latent_images=latent_images if latent else None,
        latent_texts=latent_texts if latent else None,
    )


def _passed(mapping: Mapping, features: Tensor) -> tuple[Floats, Floats]:
    outputs = [mapping(rows.float()) for rows in features.split(CHUNK)]
    targets, latents = (np.concatenate([values.float().cpu().numpy() for values in each]) for each in zip(*outputs, strict=True))
    return targets, latents


@torch.no_grad()
def cycles(model: CycleMatch, images: Floats, texts: Floats) -> dict[str, tuple[Floats, Floats]]:
    """Of image features (n, D) and the features (n, E) of a text of each, by `CYCLES`' names: embeddings of both cycles, each with what
    it should be next to. Of a network that has both cycles; in evaluation mode, which it is left in."""
    device = next(model.parameters()).device
    v, t = (torch.from_numpy(features).to(device) for features in (images, texts))
    passes = model.eval()(v, t)
    pairs = {name: TERMS[term](v, t, passes) for name, term in CYCLES.items()}
    return {name: (embeddings.cpu().numpy(), targets.cpu().numpy()) for name, (embeddings, targets) in pairs.items()}


def load(folder: Path, variant: Variant, network: Network, device: torch.device) -> CycleMatch:
    """A trained network; how wide its inputs are, its weights say. A UserError where these are damaged."""
    try:
        state = runtime.load(folder / "model.pt")
    except Exception as error:  # a damaged file raises nearly anything
        raise UserError(
            f"{folder / 'model.pt'} is damaged ({type(error).__name__}): `python -m workflow.repro ch6_cyclematch` makes it again"
        ) from error
    images, texts = (state[f"{mapping}.first.fc1.fc.weight"].shape[1] for mapping in ("i2t", "t2i"))
    model = build(variant, images, texts, network, "normal", torch.Generator())
    model.load_state_dict(state)
    return model.to(device).eval()
