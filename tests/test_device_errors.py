"""Out of memory, a GPU that is lost or taken, a driver too old: a sentence each, by what PyTorch raises."""

import warnings
from pathlib import Path

import pytest
import torch
from conftest import Toy

from stages.core import device_errors
from stages.core.errors import UserError
from stages.core.runtime import Runtime

PARAMS = {"scale": "real", "ch2_fusion": {"training": {"batch_size": 100, "iterations": 5}}, "runtime": {"threads": 1}}
MORE = "\nCUDA kernel errors might be asynchronously reported at some other API call\nCompile with `TORCH_USE_CUDA_DSA`"
GPU_FULL = (
    "CUDA out of memory. Tried to allocate 1.95 GiB. GPU 0 has a total capacity of 14.57 GiB of which 1.58 GiB is free. Process 2493055 has"
    " 12.02 GiB memory in use. Of the allocated memory 734.07 MiB is allocated by PyTorch."
)
TOO_OLD = "CUDA initialization: The NVIDIA driver on your system is too old (found version 12080). Please update your GPU driver by"
PyTorch = f"PyTorch {torch.__version__}"


def said(error: Exception, checkpoint: Path = Path("data/checkpoints/none.pt")) -> str | None:
    return device_errors.sentence(error, "ch2_train@cfn-a", PARAMS, lambda: checkpoint)


def test_a_full_gpu_is_named_with_what_was_asked_for_and_what_to_lower() -> None:
    assert said(torch.OutOfMemoryError(GPU_FULL)) == (
        "ch2_train@cfn-a is out of memory: it asked for 1.95 GiB of GPU 0, of whose 14.57 GiB 1.58 GiB are free, and process 2493055 has "
        "12.02 GiB of it; lower ch2_fusion.training.batch_size (100), or wait for the other"
    )
    alone = GPU_FULL.replace("Process 2493055 has", "Including non-PyTorch memory, this process has")
    assert said(torch.OutOfMemoryError(alone)) == (
        "ch2_train@cfn-a is out of memory: it asked for 1.95 GiB of GPU 0, of whose 14.57 GiB 1.58 GiB are free; "
        "lower ch2_fusion.training.batch_size (100), or run fewer stages at a time"
    )
    words = "ch2_train@cfn-a is out of memory: it asked for more of the GPU; lower"
    assert (said(torch.AcceleratorError(f"CUDA error: out of memory{MORE}")) or "").startswith(words)


def test_a_full_machine_is_named() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**13)
    # 4 * 10^13 bytes.
    assert (said(caught.value) or "").startswith("ch2_train@cfn-a is out of memory: it asked for 37252.90 GiB of this machine; lower")
    alone = device_errors.sentence(MemoryError(), "ch3_forest", {}, Path)
    assert alone == "ch3_forest is out of memory: it asked for more of this machine; run fewer stages at a time"


@pytest.mark.parametrize("words", device_errors.LOST)
def test_a_gpu_that_is_lost_is_named_with_where_to_go_on_from(words: str, tmp_path: Path) -> None:
    error = torch.AcceleratorError(f"CUDA error: {words}{MORE}")
    lost = f"ch2_train@cfn-a has lost its GPU (CUDA error: {words}): see what `nvidia-smi` says of it, and run again, which "
    assert said(error) == lost + "begins anew, for no checkpoint had been written yet"
    (tmp_path / "c.pt").touch()
    assert said(error, tmp_path / "c.pt") == lost + f"goes on from {tmp_path}/c.pt"


def test_a_gpu_that_others_have_is_named() -> None:
    words = "CUDA error: CUDA-capable device(s) is/are busy or unavailable"
    assert said(torch.AcceleratorError(words + MORE)) == (
        f"ch2_train@cfn-a does not get the GPU, which others have ({words}): wait for them, or let all share it by NVIDIA's MPS daemon"
    )


def test_a_driver_and_a_torch_that_do_not_fit_are_named() -> None:
    remedy = f"too old for {PyTorch}: update the driver, install a PyTorch made for it, or set the device to cpu"
    assert said(RuntimeError(TOO_OLD)) == f"ch2_train@cfn-a cannot use the GPU: the NVIDIA driver here, for CUDA 12.8, is {remedy}"
    insufficient = RuntimeError("CUDA driver version is insufficient for CUDA runtime version")
    assert said(insufficient) == f"ch2_train@cfn-a cannot use the GPU: the NVIDIA driver here is {remedy}"
    foreign = torch.AcceleratorError(f"CUDA error: no kernel image is available for execution on the device{MORE}")
    assert (said(foreign) or "").startswith(f"ch2_train@cfn-a cannot use the GPU: {PyTorch} was not made for it; ")


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError(f"CUDA error: device-side assert triggered{MORE}"),
        torch.AcceleratorError(f"CUDA error: an illegal memory access was encountered{MORE}"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (1x2 and 3x4)"),
        RuntimeError("unknown error"),
        ValueError("CUDA error: unknown error"),
        UserError("out of memory is what this sentence is about"),
    ],
)
def test_an_error_in_a_program_is_not_the_machine_s(error: Exception) -> None:
    assert said(error) is None


@pytest.mark.parametrize(("device", "fails"), [("cuda", True), ("auto", False), ("cpu", False)])
def test_a_driver_that_torch_warns_of_is_named_before_the_work(
    device: str, fails: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def is_available() -> bool:
        warnings.warn(TOO_OLD, stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    old = f"the NVIDIA driver here, for CUDA 12.8, is too old for {PyTorch}: update the driver, "
    if fails:
        with pytest.raises(UserError, match=r"^inference\.device is cuda, but the NVIDIA driver here, for CUDA 12\.8, is too old for"):
            Runtime(device, 1, "fp32").start("inference")
    else:
        assert Runtime(device, 1, "fp32").start().type == "cpu"
    err = capsys.readouterr().err
    assert err.startswith(f"on the CPU, for {old}") if device == "auto" else err == ""


def test_what_else_torch_says_of_a_gpu_is_handed_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(warnings.warn("CUDA unknown error - set up anew", stacklevel=1)))
    with pytest.raises(UserError, match=r"^runtime\.device is cuda, but PyTorch finds no GPU here \(CUDA unknown error - set up anew\)"):
        Runtime("cuda", 1, "fp32").start()
    assert Runtime("auto", 1, "fp32").start().type == "cpu"
    assert capsys.readouterr().err == "on the CPU, for CUDA unknown error - set up anew\n"


def test_a_stage_that_is_out_of_memory_ends_with_the_sentence(toy: Toy) -> None:
    toy.write("raise torch.OutOfMemoryError(job.params['said'])", imports="import torch", params={"said": GPU_FULL, "batch_size": 8})
    asked = "it asked for 1.95 GiB of GPU 0, of whose 14.57 GiB 1.58 GiB are free, and process 2493055 has 12.02 GiB of it"
    assert toy.fail() == f"error: toy is out of memory: {asked}; lower batch_size (8), or wait for the other\n"
