"""Networks that are compiled in training: their loss and gradient by the compiler's C++, average pooling, and what is not compiled."""

import copy
import shutil
from dataclasses import replace

import pytest
import torch
from torch import nn

from stages.ch2_fusion.model import build
from stages.ch2_fusion.training_settings import Network, Variant
from stages.ch2_imagenet import train as imagenet
from stages.ch3_edges.model import EdgeNetwork
from stages.core import fused
from stages.core.errors import UserError
from stages.core.layers.avg_pool import CeilAvgPool2d, written_out
from stages.core.runtime import Runtime

CPU = torch.device("cpu")
SMALL = Network(
    width=0.1, dropout=0.0, side_after_dropout=True, side_kernel_cifar100_b=3, conv_std=0.1, fc_std=0.1, fusion_init=0.333
)  # fmt: skip
COMPILER = pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")


# Average pooling


@pytest.mark.parametrize(
    ("kernel", "stride", "size"), [(3, 2, (16, 16)), (3, 2, (7, 10)), (2, 2, (15, 14)), (3, 3, (16, 11)), (3, 1, (5, 3))]
)
def test_average_pooling_written_out_is_pytorch_s_forwards_and_backwards(kernel: int, stride: int, size: tuple[int, int]) -> None:
    maps = torch.randn(2, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    one, other = maps.clone().requires_grad_(), maps.clone().requires_grad_()
    expected, pooled = CeilAvgPool2d(kernel, stride)(one), written_out(other, kernel, stride)
    torch.testing.assert_close(pooled, expected)
    (expected.square().sum() + pooled.square().sum()).backward()
    torch.testing.assert_close(other.grad, one.grad)


def test_a_window_that_is_cut_is_the_mean_of_what_it_has() -> None:
    # 4 columns, by 3 with a stride of 2: windows of columns 0 to 2, and of 2 and 3; rows as well.
    maps = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert written_out(maps, 3, 2).tolist() == CeilAvgPool2d(3, 2)(maps).tolist() == [[[[5, 6.5], [11, 12.5]]]]


def test_a_stride_that_leaves_values_out_is_refused() -> None:
    with pytest.raises(ValueError, match="a stride of 3 leaves out what a kernel of 2 does not reach"):
        CeilAvgPool2d(2, 3)


# Networks


def cfn() -> tuple[nn.Module, torch.Tensor]:
    """CFN-A: max and average pooling that round up, local fusion."""
    model = build(Variant(base="a", fusion="local"), 10, SMALL, torch.Generator().manual_seed(0))
    return model, torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def fcfn() -> tuple[nn.Module, torch.Tensor]:
    """Chapter 3's FCFN: crops, upsamplings, and a weight for each pixel."""
    model, draws = EdgeNetwork((2, 2, 2, 2, 2), (1, 1, 1, 1, 1), size=(21, 30)), torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3, generator=draws)  # its scores begin at 0
    return model, torch.randn(2, 3, 21, 30, generator=draws)


def loss_and_gradients(model: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    """Of a random weighing of the outputs; the gradients by the order of the parameters."""
    outputs = model(images)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    draws = torch.Generator().manual_seed(2)
    loss = sum((output * torch.randn(output.shape, generator=draws, dtype=output.dtype)).sum() for output in outputs)
    assert isinstance(loss, torch.Tensor)
    loss.backward()
    return [loss.detach(), *(parameter.grad for parameter in model.parameters() if parameter.grad is not None)]


@pytest.mark.slow
@COMPILER
@pytest.mark.filterwarnings("ignore::FutureWarning")  # PyTorch's, of itself
@pytest.mark.parametrize("make", [cfn, fcfn])
def test_compiled_loss_and_gradients_are_those_as_written(make) -> None:
    model, images = (part.double().to(memory_format=torch.channels_last) for part in make())
    other = copy.deepcopy(model)
    other.forward = fused.Fused(other)
    assert other.state_dict().keys() == model.state_dict().keys()
    expected, compiled = loss_and_gradients(model, images), loss_and_gradients(other, images)
    assert len(expected) == len(compiled) > 10
    for one, one_compiled in zip(expected, compiled, strict=True):
        torch.testing.assert_close(one_compiled, one, rtol=1e-10, atol=1e-12)
    notes = fused.notes(other)
    assert notes["fused"] and notes["compile_seconds"] > 0


def test_only_training_is_compiled_and_for_one_shape_only(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    compiled: list[str] = []

    def compile_(written, **options):
        compiled.append("made")
        return lambda images: compiled.append("run") or written(images)

    monkeypatch.setattr(torch, "compile", compile_)
    model = nn.Linear(3, 2)
    model.forward = fused.Fused(model)
    model(torch.ones(4, 3)), model(torch.ones(4, 3))
    assert compiled == ["made", "run", "run"]
    with torch.no_grad():
        model(torch.ones(5, 3))
    model.eval()(torch.ones(5, 3))
    assert len(compiled) == 3 and fused.notes(model)["fused"] and not capsys.readouterr().err
    model.train()(torch.ones(5, 3)), model(torch.ones(4, 3))
    assert len(compiled) == 3
    assert fused.notes(model) == {"fused": False, "unfused_because": "the shapes of its inputs differ"}
    assert capsys.readouterr().err == "the network is not fused: the shapes of its inputs differ\n"


def test_without_a_compiler_a_network_runs_as_written(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    def fail(*inputs: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found\n\nSet TORCHDYNAMO_VERBOSE=1")

    monkeypatch.setattr(torch, "compile", lambda written, **options: fail)
    model = nn.Linear(3, 2)
    expected = model(torch.ones(4, 3))
    model.forward = fused.Fused(model)
    assert torch.equal(model(torch.ones(4, 3)), expected) and torch.equal(model(torch.ones(4, 3)), expected)
    why = "it cannot be compiled (InvalidCxxCompiler: No working C++ compiler found)"
    assert fused.notes(model) == {"fused": False, "unfused_because": why}
    assert capsys.readouterr().err == f"the network is not fused: {why}\n"  # once
    model.forward = fused.Fused(model)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):  # an error of the network's own is no compiler's
        model(torch.ones(4, 2))


def test_a_cpu_fuses_nothing_and_says_so(capsys: pytest.CaptureFixture) -> None:
    runtime = Runtime("cpu", 1, "fp32")
    model = runtime.place(nn.Linear(3, 2), CPU)
    assert fused.notes(model) == {} and "forward" not in vars(model)
    replace(runtime, fused=True).place(model, CPU)
    assert fused.notes(model) == {"fused": False, "unfused_because": "a CPU runs it as written"}
    assert capsys.readouterr().err == "the network is not fused: a CPU runs it as written\n"


def test_several_gpus_do_not_go_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    cuda = torch.device("cuda")
    with pytest.raises(UserError, match=r"runtime\.fused is true, and ch2_imagenet\.training\.gpus 2: set one to false"):
        imagenet.spread(imagenet.Cast(nn.Linear(3, 2), Runtime("cuda", 1, "fp32", fused=True), cuda), 2, cuda)
