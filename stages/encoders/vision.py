"""Convolutional networks trained on ImageNet, which chapters take features from: loading them, reading their layers.

Each is a module beside this one, which has it as ENCODER, by the name of its weights in workflow/sources.yaml.
torchvision and timm take seconds to import, so they are imported when a network is built.
"""

import contextlib
import functools
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.core import runtime
from stages.core.errors import UserError
from stages.core.modules import named_module

MEAN = (0.485, 0.456, 0.406)  # of ImageNet's red, green and blue, between 0 and 1
DEVIATION = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Encoder:
    """A network and its layers.

    file : its weights' file in data/<scale>/sources/<name>. build : makes it without weights, on the meta device.
    layers : where a layer's values are found, by its name: the module whose output they are, and the side of the grid that maps
    are averaged to (None: they are vectors). No layer here has negative values, which Section 4.3.3's root features need.
    whole : what describes a picture of any size, averaged over its map: the module whose output that is, or, where layers have
    to be made convolutional first, a function of the network and normalised pictures (B, 3, H, W) that gives it, (B, D, h, w).
    """

    name: str
    file: str
    build: Callable[[], nn.Module]
    layers: dict[str, tuple[str, int | None]]
    mean: tuple[float, float, float] = MEAN
    deviation: tuple[float, float, float] = DEVIATION
    whole: str | Callable[[nn.Module, Tensor], Tensor] | None = None


def import_torchvision() -> ModuleType:
    """torchvision, also where the registry's build of it, for CUDA, stands beside a PyTorch for CPUs.

    There its compiled operators cannot be loaded, and importing it fails as it adds to two of them; so these are declared first.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        _declare_operators()
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]  # what the failed import left
        import torchvision
    return torchvision


def import_timm() -> ModuleType:
    """timm, which imports torchvision: see there."""
    import_torchvision()
    import timm

    return timm


@functools.cache  # an operator lives as long as the library that declares it
def _declare_operators() -> torch.library.Library:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def from_torchvision(name: str) -> nn.Module:
    """torchvision's network of this name, without weights, on the meta device."""
    models = import_torchvision().models  # before the device is set, for what importing it makes is to be real
    with torch.device("meta"):
        return models.get_model(name, weights=None)


def from_timm(name: str) -> nn.Module:
    """timm's network of this name, without weights, on the meta device."""
    timm = import_timm()
    with torch.device("meta"):
        return timm.create_model(name, pretrained=False)


def encoder(name: str) -> Encoder:
    """The encoder of stages/encoders/<name>.py; a UserError where there is none.

    A stage that asks declares reports/code/encoders.<name>.json among its deps.
    """
    found = getattr(named_module("encoders", name, "encoder"), "ENCODER", None)
    if not isinstance(found, Encoder):
        raise UserError(f"stages/encoders/{name}.py has no ENCODER, so nothing to take features of")
    return found


def known() -> dict[str, Encoder]:
    """All encoders that features can be taken of, by name. Not for stages: it imports every one."""
    names = sorted(file.stem for file in Path(__file__).parent.glob("*.py") if file.stem not in ("__init__", "vision"))
    modules = {name: named_module("encoders", name, "encoder") for name in names}
    return {name: found.ENCODER for name, found in modules.items() if hasattr(found, "ENCODER")}


def load(name: str, folder: Path) -> nn.Module:
    """The network with the weights in `folder`, as wide as they are (a miniature's are narrow), for evaluation: no dropout, no gradients.

    A UserError names the file that is missing or holds something else, with the first key at fault.
    """
    ours = encoder(name)
    file = folder / ours.file
    remedy = f"get it with `dvc repro download@{name}`"
    if not file.is_file():
        raise UserError(f"{file} is missing: {remedy}")
    try:
        state = runtime.load(file)
    except Exception as error:  # a damaged file raises nearly anything
        raise UserError(f"{file} is damaged or holds no weights ({type(error).__name__}): {remedy}") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"{file} is not the state dict of a network: {remedy}")
    model = ours.build()
    _fit_widths(model, state)
    if fault := _first_fault(model.state_dict(), state):
        raise UserError(f"{file} does not hold the weights of {name} ({fault}): {remedy}")
    model.load_state_dict(state, strict=True, assign=True)
    return model.float().eval().requires_grad_(False)


def kind_of(folder: Path) -> str:
    """What is known of the weights in `folder`, as what fetched or made them wrote beside them: official, unverified, miniature, ..."""
    return json.loads((folder / "provenance.json").read_text())["kind"]


@torch.no_grad()
def features(model: nn.Module, encoder: Encoder, layers: Sequence[str], images: Tensor) -> dict[str, Tensor]:
    """What the named layers say of images, each float32 (B, D), not normalised; one pass, which ends at the last of them.

    images : uint8 (B, 3, S, S), RGB, on the model's device. A UserError names a layer that the encoder does not have.
    """
    if unknown := [layer for layer in layers if layer not in encoder.layers]:
        raise UserError(f"{encoder.name} has no layer {unknown[0]}: it has {', '.join(encoder.layers)}")
    found: dict[str, Tensor] = {}
    with contextlib.ExitStack() as hooks:
        for layer in layers:
            place, side = encoder.layers[layer]
            keep = functools.partial(_keep, found, layer, side, len(set(layers)))
            hooks.enter_context(model.get_submodule(place).register_forward_hook(keep))
        with contextlib.suppress(_AllFoundError):
            model(normalise(images, encoder))
    return found


@torch.no_grad()
def whole_features(model: nn.Module, encoder: Encoder, images: Tensor) -> Tensor:
    """What the network says of whole pictures of one size, float32 (B, D), not normalised: Section 5.3.1's fully convolutional one.

    images : uint8 (B, 3, H, W), RGB, on the model's device. A UserError where the encoder does not say how it reads such.
    """
    if encoder.whole is None:
        raise UserError(f"{encoder.name} takes patches of one size: stages/encoders/{encoder.name}.py does not say what its `whole` is")
    # For maps whose channels are last in memory, as decoded pictures' are, oneDNN takes `brg_conv_fwd`, which cuts sums by the
    # second-level cache; a GPU is faster on them.
    images = images.contiguous(memory_format=torch.channels_last if images.is_cuda else torch.contiguous_format)
    if not isinstance(encoder.whole, str):
        return encoder.whole(model, normalise(images, encoder)).float().mean((2, 3))
    maps: dict[str, Tensor] = {}
    keep = functools.partial(_keep, maps, encoder.whole, 1, 1)
    with model.get_submodule(encoder.whole).register_forward_hook(keep), contextlib.suppress(_AllFoundError):
        model(normalise(images, encoder))
    return maps[encoder.whole]


def normalise(images: Tensor, encoder: Encoder) -> Tensor:
    """uint8 (B, 3, H, W) as the network takes them, float32."""
    mean, deviation = (torch.tensor(values, device=images.device).view(1, 3, 1, 1) for values in (encoder.mean, encoder.deviation))
    return images.float().div_(255).sub_(mean).div_(deviation)


class _AllFoundError(Exception):
    """Leaves a forward pass: SqueezeNet's classifier, which nobody needs, is a quarter of its work."""


def _keep(found: dict[str, Tensor], layer: str, side: int | None, wanted: int, module: nn.Module, inputs: Any, output: Tensor) -> None:
    values = output.float()
    found[layer] = values if side is None else F.adaptive_avg_pool2d(values, side).flatten(1)
    if len(found) == wanted:
        raise _AllFoundError


def _fit_widths(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Give the layers of a network on the meta device the channels that `state` has for them."""
    for name, module in model.named_modules():
        given = state.get(f"{name}.weight")
        if given is not None and isinstance(module, (nn.Conv2d, nn.Linear, nn.BatchNorm2d)):
            ours = module.weight.shape
            if given.shape != ours and given.ndim == len(ours) and given.shape[2:] == ours[2:]:
                _set_width(module, given.shape)


def _set_width(module: nn.Conv2d | nn.Linear | nn.BatchNorm2d, shape: torch.Size) -> None:
    if isinstance(module, nn.Conv2d):
        if module.groups > 1:  # depthwise, as all grouped convolutions of these networks are
            module.groups = shape[0]
        module.out_channels, module.in_channels = shape[0], shape[1] * module.groups
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = shape
    else:
        module.num_features = shape[0]
        module.running_mean, module.running_var = (torch.empty(shape[0], device="meta") for _ in range(2))
    module.weight = nn.Parameter(torch.empty(shape, device="meta"))
    if module.bias is not None:
        module.bias = nn.Parameter(torch.empty(shape[0], device="meta"))


def _first_fault(expected: dict[str, Tensor], given: dict[str, Tensor]) -> str | None:
    for key, tensor in expected.items():
        if key not in given:
            return f"{key} is not in it"
        if given[key].shape != tensor.shape:
            return f"its {key} has the shape {tuple(given[key].shape)}, not {tuple(tensor.shape)}"
    return next((f"its {key} has no place there" for key in given if key not in expected), None)
