"""CycleMatch: counts of parameters, which of them a variant's loss reaches, passes by hand, running statistics kept apart."""

import dataclasses

import composed
import pytest
import torch
from torch.nn import functional as F

from stages.ch6_cyclematch.loss import objective
from stages.ch6_cyclematch.model import CycleMatch, build, count_parameters
from stages.ch6_cyclematch.training_settings import Variant

torch.set_num_threads(1)
CHAPTER = composed.section("ch6_cyclematch", {}, "paper")
VARIANTS = {name: variant for block in CHAPTER.variants.values() for name, variant in block.items()}
SMALL = dataclasses.replace(CHAPTER.network, widths=(32, 16, 12), dropout=0.0, norm_momentum=0.1)
TRAINING = dataclasses.replace(CHAPTER.training, batch_size=40, negatives=20, margin=1)  # a margin that all violate
LITERAL = Variant(("i2t-dual", "i2t-rec", "i2t-lat"))  # Table 6.1's I2T2I, if its dual mapping is the cycle's own


def small(variant: Variant, network=SMALL) -> CycleMatch:
    """For images of 9 and texts of 8 dimensions."""
    return build(variant, 9, 8, network, "he", torch.Generator().manual_seed(1))


def batch(count: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return torch.randn(count, 9, generator=random), torch.randn(count, 8, generator=random)


@pytest.mark.parametrize(
    ("name", "with_input_norm", "without"),
    [
        ("cycle", 18_391_040, 18_378_752),
        ("latent-match", 18_391_040, 18_378_752),
        ("dual-match", 18_391_040, 18_378_752),
        ("cycle-i2t2i", 18_391_040, 18_378_752),
        ("cycle-vgg19", 23_644_160, 23_627_776),
        ("cycle-word2vec", 8_654_300, 8_649_604),
        ("cycle-hglmm", 23_274_800, 23_258_704),
    ],
)
def test_counts_of_parameters_at_the_thesiss_sizes(name: str, with_input_norm: int, without: int) -> None:
    variant, counted = VARIANTS[name], CHAPTER.counted
    images, texts = getattr(counted, variant.images), getattr(counted, variant.texts)
    for norm_input, total in ((True, with_input_norm), (False, without)):
        with torch.device("meta"):
            model = build(variant, images, texts, dataclasses.replace(CHAPTER.network, norm_input=norm_input), "normal", None)
        counts = count_parameters(model)
        assert counts["parameters"] == counts["parameters_i2t"] + counts["parameters_t2i"] == total
        # Second passes add none, and the optimiser sees each weight once.
        assert sum(parameter.numel() for parameter in model.parameters()) == total
    assert with_input_norm - without == 2 * (images + texts)


# The bias of a layer before a batch norm moves nothing but what the norm takes away: its gradient is rounding, and not tested.
IDLE = tuple(f"{place}.fc.bias" for place in ("fc2", "fc3", "last"))


def reached(variant: Variant) -> set[str]:
    """The parameters to which a gradient of the variant's loss goes."""
    model, (images, texts) = small(variant), batch()
    objective(variant.terms, images, texts, model(images, texts), torch.arange(40), TRAINING).backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert all(gradient is None or name.endswith(IDLE) or gradient.abs().max() > 1e-5 for name, gradient in gradients.items())
    return {name for name, gradient in gradients.items() if gradient is not None}


def test_which_parameters_a_variants_loss_reaches() -> None:
    everything = {name for name, _ in small(VARIANTS["cycle"]).named_parameters()}
    assert len(everything) == 2 * (2 + 2 + 3 * 4)  # input norm, FC1, and three layers with a batch norm
    fc4 = {name for name in everything if ".last." in name}
    assert reached(VARIANTS["latent-match"]) == everything - fc4
    for name in ("dual-match", "cycle-no-latent", "cycle-i2t2i", "cycle-t2i2t", "cycle"):
        assert reached(VARIANTS[name]) == everything, name
    assert reached(LITERAL) == everything  # f_T2I learns, but of made embeddings only
    assert reached(Variant(("i2t-dual",))) == {name for name in everything if name.startswith("i2t.")}


def test_passes_are_the_mappings_one_after_the_other() -> None:
    model, (images, texts) = small(VARIANTS["cycle"]).eval(), batch()
    passes = model(images, texts)
    assert [tuple(values.shape[1] for values in outputs) for outputs in passes] == [(8, 12), (9, 12), (9, 12), (8, 12)]
    # All running statistics are still those of the start, so that the second pass is the mapping itself.
    for one, other in ((passes.i2t2i, model.t2i(model.i2t(images).target)), (passes.t2i2t, model.i2t(model.t2i(texts).target))):
        assert torch.equal(one.target, other.target) and torch.equal(one.latent, other.latent)


def test_a_variant_has_the_second_passes_that_its_terms_need() -> None:
    has = {name: tuple(outputs is not None for outputs in small(variant)(*batch())[2:]) for name, variant in VARIANTS.items()}
    assert has["latent-match"] == has["dual-match"] == (False, False)
    assert (has["cycle-i2t2i"], has["cycle-t2i2t"]) == ((True, False), (False, True))
    assert has["cycle-no-latent"] == has["cycle"] == has["cycle-hglmm"] == (True, True)


def test_the_latent_embedding_is_fc3s_after_its_relu_or_before() -> None:
    after = small(VARIANTS["cycle"]).eval()
    before = small(VARIANTS["cycle"], dataclasses.replace(SMALL, latent="before")).eval()
    images, _ = batch()
    assert torch.equal(F.relu(before.i2t(images).latent), after.i2t(images).latent)
    assert before.i2t(images).latent.min() < 0 <= after.i2t(images).latent.min()
    assert torch.equal(before.i2t(images).target, after.i2t(images).target)


def test_running_statistics_of_features_and_of_made_embeddings_are_kept_apart() -> None:
    """After one batch, at momentum .1, an input norm's mean is a tenth of that of what this pass has seen."""
    model, (images, texts) = small(VARIANTS["cycle"]).train(), batch()
    images, texts = images + 3, texts - 3
    passes = model(images, texts)
    torch.testing.assert_close(model.i2t.first.input_norm.running_mean, images.mean(0) / 10)
    torch.testing.assert_close(model.t2i.first.input_norm.running_mean, texts.mean(0) / 10)
    torch.testing.assert_close(model.i2t2i.first_input_norm_running_mean, passes.i2t.target.mean(0) / 10)
    torch.testing.assert_close(model.t2i2t.first_input_norm_running_mean, passes.t2i.target.mean(0) / 10)
    assert model.t2i.first.input_norm.num_batches_tracked == 1 == model.i2t2i.first_input_norm_num_batches_tracked
    # In evaluation each pass goes by its own: the second is no longer the mapping itself.
    model.eval()
    made = model.i2t(images).target
    assert not torch.allclose(model(images, texts).i2t2i.target, model.t2i(made).target, atol=1e-3)


def test_batch_statistics_of_a_second_pass_are_its_own() -> None:
    """In training a second pass is what the mapping would make of a batch of made embeddings alone."""
    model, (images, texts) = small(VARIANTS["cycle"]).train(), batch()
    passes = model(images, texts)
    again = small(VARIANTS["cycle"]).train().t2i(passes.i2t.target.detach())
    torch.testing.assert_close(passes.i2t2i.target, again.target)


def test_state_holds_each_weight_once_and_loads_back() -> None:
    model, (images, texts) = small(VARIANTS["cycle"]).train(), batch()
    model(images + 3, texts)
    state = model.state_dict()
    weights = {name for name, _ in model.named_parameters()}
    assert weights < state.keys() and len(state.keys() - weights) == len(list(model.buffers())) == 4 * 4 * 3
    other = build(VARIANTS["cycle"], 9, 8, SMALL, "normal", torch.Generator().manual_seed(5))
    other.load_state_dict(state)
    for one, two in zip(model.eval()(images, texts), other.eval()(images, texts), strict=True):
        assert torch.equal(one.target, two.target) and torch.equal(one.latent, two.latent)


def test_initial_weights_are_the_same_for_all_variants_of_a_generator() -> None:
    states = [dict(small(VARIANTS[name]).named_parameters()) for name in ("latent-match", "cycle")]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[1])
    wide = build(VARIANTS["cycle"], 400, 300, dataclasses.replace(SMALL, widths=(300, 4, 4)), "normal", torch.Generator().manual_seed(0))
    assert wide.i2t.first.fc1.fc.weight.std().item() == pytest.approx(0.05, rel=0.02)
    assert {module.momentum for module in wide.modules() if isinstance(module, torch.nn.BatchNorm1d)} == {0.1}
