"""The branch: the thesis's parameter counts, initial values, rates; products of matrices against PyTorch's own."""

import pytest
import torch
from torch import nn

from stages.core.layers.linear import Linear, gram, product
from stages.core.optimisers import sgd
from stages.core.seeds import generator
from stages.matching.branch import Stack, caffe_rates, initialise, layer

WIDTHS = (2048, 512, 512, 512)


@pytest.mark.parametrize(("inputs", "parameters"), [(2048, 5_777_920), (6000, 13_879_520)])
def test_the_baselines_branches_have_the_thesis_s_size(inputs: int, parameters: int) -> None:
    with torch.device("meta"):
        branch = Stack(inputs, WIDTHS, input_norm=True, dropout=0.5)
    assert sum(parameter.numel() for parameter in branch.parameters()) == parameters


def test_what_follows_each_layer() -> None:
    whole = Stack(3, (4, 5, 6), input_norm=True, dropout=0.5)
    assert [name for name, module in whole.named_modules() if not list(module.children())] == [
        "input_norm", "fc1.fc", "fc1.relu", "fc1.dropout", "fc2.fc", "fc2.norm", "fc2.relu", "fc3.fc", "fc3.norm",
    ]  # fmt: skip
    begin = Stack(3, (4, 5), input_norm=False, dropout=0.0, last_relu=True)
    assert [type(module) for module in begin.modules() if not list(module.children())] == [
        Linear, nn.ReLU, Linear, nn.BatchNorm1d, nn.ReLU,
    ]  # fmt: skip


def test_a_layer_by_hand() -> None:
    one = layer(1, 1).eval()
    with torch.no_grad():
        one.fc.weight.fill_(2)
        one.fc.bias.fill_(-3)
        one.norm.running_mean.fill_(1)
        one.norm.running_var.fill_(4 - 1e-5)
    # (2 * 3 - 3 - 1) / 2, and below 0.
    assert one(torch.tensor([[3.0], [1.0]])).flatten().tolist() == pytest.approx([1, 0])


def test_initial_values() -> None:
    branch = Stack(400, (300, 200), input_norm=True, dropout=0.0)
    for start, deviations in (("normal", (0.05, 0.05)), ("he", ((2 / 400) ** 0.5, (2 / 300) ** 0.5))):
        initialise(branch, start, generator("a"))  # type: ignore[arg-type]
        for fc, deviation in zip((branch.fc1.fc, branch.fc2.fc), deviations, strict=True):
            assert fc.weight.std().item() == pytest.approx(deviation, rel=0.02)
            assert not fc.bias.any()
    again = Stack(400, (300, 200), input_norm=True, dropout=0.0)
    initialise(again, "he", generator("a"))
    assert torch.equal(again.fc2.fc.weight, branch.fc2.fc.weight)


def test_biases_learn_at_twice_the_rate_without_decay() -> None:
    branch = Stack(2, (3, 4), input_norm=True, dropout=0.5)
    optimiser = sgd(branch, caffe_rates(0.0005), learning_rate=0.1, momentum=0.9)
    groups = {(group["lr"], group["weight_decay"]): len(group["params"]) for group in optimiser.param_groups}
    assert groups == {(0.1, 0.0005): 4, (0.2, 0.0): 4}  # input norm, fc1, fc2 and its norm


def test_products_and_their_gradients_are_pytorch_s() -> None:
    random = torch.Generator().manual_seed(0)
    a, b = (torch.randn(*shape, generator=random, requires_grad=True) for shape in ((5, 7), (7, 3)))
    weight = torch.randn(5, 3, generator=random)
    for ours, theirs, inputs in (
        (product(a, b) * weight, (a @ b) * weight, (a, b)),
        (product(a.detach(), b) * weight, (a.detach() @ b) * weight, (b,)),
        (gram(a).tril(1) ** 2, (a @ a.T).tril(1) ** 2, (a,)),
    ):
        assert torch.allclose(ours, theirs, atol=1e-5)
        gradients = [torch.autograd.grad(result.sum(), inputs) for result in (ours, theirs)]
        assert all(torch.allclose(one, other, atol=1e-4) for one, other in zip(*gradients, strict=True))


def test_the_layer_is_pytorch_s() -> None:
    ours, theirs = Linear(6, 4), nn.Linear(6, 4)
    theirs.load_state_dict(ours.state_dict())
    rows = torch.randn(8, 6)
    assert torch.allclose(ours(rows), theirs(rows), atol=1e-6)
    assert torch.allclose(ours(rows.view(2, 4, 6)), theirs(rows.view(2, 4, 6)), atol=1e-6)
    with torch.autocast("cpu", torch.bfloat16):
        assert ours(rows).dtype == torch.bfloat16
