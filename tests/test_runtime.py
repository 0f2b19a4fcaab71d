"""Where and how a stage computes: the device, the precision, what a GPU must not wait for."""

import pytest
import torch
from torch.nn import functional as F

from stages.ch2_fusion.model import build
from stages.ch2_fusion.training_settings import Network, Variant
from stages.core.errors import UserError
from stages.core.runtime import Runtime, to_device

SMALL = Network(
    width=0.1, dropout=0.0, side_after_dropout=True, side_kernel_cifar100_b=3, conv_std=0.1, fc_std=0.1, fusion_init=0.333
)  # fmt: skip
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def loss_and_gradients(settings: Runtime) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Of one batch through CFN-A, on the device that `settings` name."""
    device = settings.start()
    model = settings.place(build(Variant(base="a", fusion="local"), 10, SMALL, torch.Generator().manual_seed(0)), device)
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1)).to(device)
    with settings.autocast(device):
        loss = F.cross_entropy(model(images), torch.arange(4, device=device))
    loss.backward()
    gradients = {name: parameter.grad.cpu() for name, parameter in model.named_parameters() if parameter.grad is not None}
    return loss.detach().cpu(), gradients


def assert_alike(one: Runtime, other: Runtime, tolerance: float) -> None:
    (loss, gradients), (other_loss, other_gradients) = loss_and_gradients(one), loss_and_gradients(other)
    torch.testing.assert_close(loss, other_loss, rtol=tolerance, atol=tolerance)
    assert gradients.keys() == other_gradients.keys() and len(gradients) > 10
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, other_gradients[name], rtol=tolerance, atol=tolerance, msg=name)


def test_bf16_is_close_to_fp32_and_not_the_same():
    (loss, _), (rounded, _) = (loss_and_gradients(Runtime("cpu", 1, precision)) for precision in ("fp32", "bf16"))
    assert loss != rounded and loss.item() == pytest.approx(rounded.item(), rel=0.05)


def test_without_a_gpu_cuda_is_refused_and_auto_is_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert Runtime("auto", 1, "fp32").start() == torch.device("cpu")
    with pytest.raises(UserError, match=r"runtime\.device is cuda, but PyTorch finds no GPU here"):
        Runtime("cuda", 1, "fp32").start()


def test_a_cpu_refuses_what_is_not_deterministic_and_fills_no_memory():
    Runtime("cpu", 1, "fp32").start()
    assert torch.are_deterministic_algorithms_enabled() and not torch.is_deterministic_algorithms_warn_only_enabled()
    assert not torch.utils.deterministic.fill_uninitialized_memory


@GPU
def test_a_gpu_has_the_cpu_s_loss_and_gradients():
    assert_alike(Runtime("cpu", 1, "fp32"), Runtime("cuda", 1, "fp32"), 1e-3)


@GPU
def test_small_tensors_reach_a_gpu_without_a_wait():
    torch.cuda.set_sync_debug_mode("error")
    try:
        to_device(torch.arange(9), torch.device("cuda"))
    finally:
        torch.cuda.set_sync_debug_mode("default")
