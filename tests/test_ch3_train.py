"""How the networks of Chapter 3 are trained: rates of layers, weights of pixels, whose recipe."""

from typing import Any

import composed
import pytest
import stage_runs
import torch

from stages.ch3_edges import train
from stages.ch3_edges.model import EdgeNetwork
from stages.ch3_edges.training_settings import Recipe, Training, Variant
from stages.core import settings
from stages.core.errors import UserError

RATES = {"bias_rate": 2, "bias_decay": 0, "weight_decay": 2e-4, "last_block_rate": 100, "output_rate": 0.01, "local_rate": 50}


def training(**changes: Any) -> Training:
    return settings.build(Training, composed.params(ch3_edges={"training": RATES | changes})["ch3_edges"]["training"])


def job(**variants: Any) -> stage_runs.Here:
    recipes = {kind: {"iterations": steps, "learning_rate": 1e-6, "balanced": False} for kind, steps in KINDS.items()}
    return stage_runs.Here("", "", [], [], {"ch3_edges": {"variants": variants, "recipes": recipes}})


KINDS = {"general": 1, "relaxed": 2, "pretrained": 3, "finetuned": 4}


def test_layers_learn_at_the_authors_rates() -> None:
    model = EdgeNetwork((4, 4, 6, 8, 8))
    groups = train.optimizer_for(model, training(), 1e-9).param_groups
    found = {id(p): (round(group["lr"] / 1e-9, 9), group["weight_decay"]) for group in groups for p in group["params"]}
    rates = {name: found[id(parameter)] for name, parameter in model.named_parameters()}
    assert {rate for name, rate in rates.items() if name.startswith("blocks.4.")} == {(100, 2e-4), (200, 0)}
    assert {rate for name, rate in rates.items() if name.startswith(("blocks.0.", "blocks.3."))} == {(1, 2e-4), (2, 0)}
    outputs = {name: rate for name, rate in rates.items() if not name.startswith("blocks.")}
    assert {rate for name, rate in outputs.items() if name.endswith("weight")} == {(0.01, 2e-4)}
    assert {rate for name, rate in outputs.items() if name.endswith("bias")} == {(0.02, 0)}
    assert len(rates) == len(found)


def test_fcfns_fusion_has_a_rate_of_its_own() -> None:
    model = EdgeNetwork((4, 4, 6, 8, 8), size=(16, 16))
    rates = {id(p): group["lr"] for group in train.optimizer_for(model, training(), 1).param_groups for p in group["params"]}
    assert (rates[id(model.fusion.weight)], rates[id(model.fusion.bias)]) == (50, 100)
    assert rates[id(model.scores[0].weight)] == 0.01


def test_a_recipe_decides_how_pixels_weigh() -> None:
    """7 and 2, or HED's shares: one edge pixel of four weighs .75, the others .25."""
    labels = torch.tensor([[[[1, 0], [0, 0]]]])
    shared = training(alpha=7, beta=2)
    assert train.weigh(shared, Recipe(1, 1, balanced=False))(labels).flatten().tolist() == [7, 2, 2, 2]
    assert train.weigh(shared, Recipe(1, 1, balanced=True))(labels).flatten().tolist() == [0.75, 0.25, 0.25, 0.25]


def test_a_variant_has_its_own_recipe_or_that_of_its_kind() -> None:
    own = {"iterations": 9, "learning_rate": 1e-5, "balanced": True}
    here = job(general={"a": {}, "b": {"recipe": own}}, relaxed={"c": {"relaxed": "se"}}, finetuned={"c": {"relaxed": "canny"}})
    assert train.settings_of(here, "a", finetuned=False) == (Variant(), Recipe(1, 1e-6, False))
    assert train.settings_of(here, "b", finetuned=False)[1] == Recipe(**own)
    assert train.settings_of(here, "c", finetuned=False) == (Variant(relaxed="se"), Recipe(2, 1e-6, False))
    assert train.settings_of(here, "c", finetuned=True) == (Variant(relaxed="canny"), Recipe(4, 1e-6, False))
    with pytest.raises(UserError, match=r"^ch3_edges\.variants has no a among finetuned, or the stage does not declare it$"):
        train.settings_of(here, "a", finetuned=True)
