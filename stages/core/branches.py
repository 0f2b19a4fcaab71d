"""Networks that fuse the features of several branches (Chapter 2): their fusion weights, and which maps are shown."""

from collections.abc import Iterable

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

TOP_MAPS = 4  # of a branch, in Figures 2.1 and 2.12


def fusion_weights(fusion: nn.Module | None) -> dict[str, float]:
    """Mean fusion weight of each branch and its deviation over the elements (Figure 2.8), as a row of a curve.

    fusion : its `weight` is (elements, branches), main branch last.
    Returns fusion_weight_1, fusion_weight_1_sd, fusion_weight_2, ...; nothing where there is no fusion, or one without weights.
    """
    weight = getattr(fusion, "weight", None)
    columns: dict[str, float] = {}
    for number, of_branch in enumerate([] if weight is None else weight.unbind(dim=1), start=1):
        columns[f"fusion_weight_{number}"] = of_branch.mean().item()
        columns[f"fusion_weight_{number}_sd"] = of_branch.std(correction=0).item()
    return columns


@torch.no_grad()
def top_maps(branches: Iterable[Tensor]) -> dict[str, NDArray]:
    """The maps with the highest mean activation of each branch, float32 (N, TOP_MAPS, H, W), as branch_1, branch_2, ...

    branches : the maps of each, (N, K, H, W), main branch last.
    """
    top = {}
    for number, maps in enumerate(branches, start=1):
        order = maps.mean(dim=(2, 3)).argsort(dim=1, descending=True, stable=True)[:, :TOP_MAPS]
        top[f"branch_{number}"] = maps.take_along_dim(order[:, :, None, None], dim=1).float().cpu().numpy()
    return top
