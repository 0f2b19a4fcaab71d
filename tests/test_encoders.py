"""Encoders of images: published counts, layers against the same layers by hand, narrow weights, what a wrong file says."""

import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from stages.core import runtime
from stages.core.errors import UserError
from stages.encoders.vision import encoder, features, import_timm, import_torchvision, load, normalise

MIRROR = Path(os.environ.get("THESIS_MIRROR", "~/mirror")).expanduser()
PUBLISHED = {
    "alexnet": 61_100_840, "vgg19": 143_667_240, "squeezenet1_1": 1_235_496, "efficientnet_lite0": 4_652_008, "resnet152": 60_192_808,
}  # fmt: skip
DIMENSIONS = {
    "alexnet": {"fc6": 4096, "fc7": 4096},
    "vgg19": {"fc17": 4096, "fc18": 4096},
    "squeezenet1_1": {"fire8": 2048, "fire9": 2048},
    "efficientnet_lite0": {"block7": 1152, "head": 1280},
    "resnet152": {"layer4": 2048},
}
NARROW = 8  # times
NAMES = pytest.mark.parametrize("name", PUBLISHED)


def narrow_state(name: str) -> dict[str, torch.Tensor]:
    """Weights of a network with an eighth of the channels, He's deviation, everything else drawn too."""
    generator = torch.Generator().manual_seed(0)
    state = OrderedDict()
    for key, tensor in encoder(name).build().state_dict().items():
        shape = [size if size in (1, 3) else size // NARROW for size in tensor.shape[:2]] + list(tensor.shape[2:])
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(7)
        elif len(shape) > 1:
            state[key] = torch.randn(shape, generator=generator) * (2 / torch.tensor(shape[1:]).prod()) ** 0.5
        else:
            state[key] = torch.rand(shape, generator=generator) + (0.5 if "var" in key else 0)
    return state


def narrow(name: str, folder: Path) -> nn.Module:
    runtime.save(narrow_state(name), folder / encoder(name).file)
    return load(name, folder)


def pictures(count: int = 2, size: int = 64) -> torch.Tensor:
    return torch.randint(256, (count, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_torchvision_and_timm_are_imported_whatever_their_build():
    assert import_torchvision().ops.nms and import_torchvision() is import_torchvision()
    assert import_timm().create_model


@NAMES
def test_published_number_of_parameters(name):
    assert sum(parameter.numel() for parameter in encoder(name).build().parameters()) == PUBLISHED[name]


@NAMES
def test_layers_of_a_narrow_network(name, tmp_path):
    model = narrow(name, tmp_path)
    found = features(model, encoder(name), list(encoder(name).layers), pictures())
    assert {layer: tuple(values.shape) for layer, values in found.items()} == {
        layer: (2, size // NARROW) for layer, size in DIMENSIONS[name].items()
    }
    for values in found.values():
        assert values.dtype == torch.float32 and values.isfinite().all() and (values >= 0).all() and values.any()
        assert not torch.equal(values[0], values[1])
    again = features(model, encoder(name), list(encoder(name).layers), pictures())
    assert all(torch.equal(found[layer], again[layer]) for layer in found)


@NAMES
def test_a_loaded_network_is_whole_and_for_evaluation(name, tmp_path):
    model, state = narrow(name, tmp_path), narrow_state(name)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert not any(value.is_meta or value.requires_grad for value in [*model.parameters(), *model.buffers()])
    assert not any(module.training for module in model.modules())


def by_hand(*parts: nn.Module) -> torch.Tensor:
    """What `parts`, one after another, make of the pictures."""
    mean, deviation = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).view(2, 3, 1, 1)
    return nn.Sequential(*parts)((pictures().float() / 255 - mean) / deviation)


def test_alexnet_s_layers_are_its_fully_connected_ones_after_relu(tmp_path):
    model = narrow("alexnet", tmp_path)
    fc6, fc7 = model.classifier[1], model.classifier[4]
    first = F.relu(fc6(by_hand(model.features, model.avgpool, nn.Flatten())))
    found = features(model, encoder("alexnet"), ["fc7", "fc6"], pictures())
    torch.testing.assert_close(found["fc6"], first)
    torch.testing.assert_close(found["fc7"], F.relu(fc7(first)))
    assert fc6.in_features == 256 // NARROW * 36 and (found["fc6"] == 0).any()


def test_vgg_19_s_17th_and_18th_layers(tmp_path):
    model = narrow("vgg19", tmp_path)
    weighted = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(weighted) == 19
    first = F.relu(weighted[16](by_hand(model.features, model.avgpool, nn.Flatten())))
    found = features(model, encoder("vgg19"), ["fc17", "fc18"], pictures())
    torch.testing.assert_close(found["fc17"], first)
    torch.testing.assert_close(found["fc18"], F.relu(weighted[17](first)))


def test_squeezenet_s_maps_are_averaged_to_two_by_two(tmp_path):
    model = narrow("squeezenet1_1", tmp_path)
    maps = by_hand(*model.features[:12])  # 3 x 3 for pictures of 64 pixels: quarters share the middle
    corners = [maps[:, :, y : y + 2, x : x + 2].mean((2, 3)) for y in (0, 1) for x in (0, 1)]
    found = features(model, encoder("squeezenet1_1"), ["fire8"], pictures())
    assert list(found) == ["fire8"]
    torch.testing.assert_close(found["fire8"], torch.stack(corners, dim=2).flatten(1))


def test_efficientnet_s_layers_are_averages_of_what_relu6_left(tmp_path):
    model = narrow("efficientnet_lite0", tmp_path)
    last = model.blocks[6][0]
    maps = by_hand(model.conv_stem, model.bn1, *model.blocks[:6], last.conv_pw, last.bn1, last.conv_dw)
    batch_norm = F.batch_norm(maps, last.bn2.running_mean, last.bn2.running_var, last.bn2.weight, last.bn2.bias, eps=1e-3)
    found = features(model, encoder("efficientnet_lite0"), ["block7", "head"], pictures())
    torch.testing.assert_close(found["block7"], F.relu6(batch_norm).mean((2, 3)))
    torch.testing.assert_close(found["head"], model.forward_head(model.forward_features(by_hand()), pre_logits=True))
    assert found["block7"].max() <= 6 and last.conv_dw.groups == 1152 // NARROW


def test_normalised_bytes_by_hand():
    pixels = torch.tensor([255, 0, 51], dtype=torch.uint8).view(1, 3, 1, 1)
    expected = torch.tensor([0.515 / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225])
    torch.testing.assert_close(normalise(pixels, encoder("alexnet")).flatten(), expected)


def test_half_precision_weights_are_used_in_single(tmp_path):
    state = {key: value.half() if value.is_floating_point() else value for key, value in narrow_state("alexnet").items()}
    runtime.save(state, tmp_path / "alexnet.pth")
    found = features(load("alexnet", tmp_path), encoder("alexnet"), ["fc6"], pictures())
    assert found["fc6"].dtype == torch.float32


def test_a_file_that_is_not_the_network_s_says_so(tmp_path):
    def says(name: str, content: object, sentence: str) -> None:
        file = tmp_path / encoder(name).file
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            runtime.save(content, file)
        with pytest.raises(UserError, match=rf"{file}.* {sentence}: get it with `dvc repro download@{name}`"):
            load(name, tmp_path)

    with pytest.raises(UserError, match=r"alexnet\.pth is missing: get it with `dvc repro download@alexnet`"):
        load("alexnet", tmp_path)
    says("alexnet", b"<html>", r"is damaged or holds no weights \(\w+\)")
    says("alexnet", [1, 2], "is not the state dict of a network")
    says("vgg19", narrow_state("alexnet"), r"the weights of vgg19 \(its features\.0\.weight has the shape \(8, 3, 11, 11\), not \(64, .*\)")
    says("squeezenet1_1", narrow_state("vgg19"), r"the weights of squeezenet1_1 \(features\.3\.squeeze\.weight is not in it\)")
    says("alexnet", narrow_state("alexnet") | {"extra": torch.ones(1)}, r"the weights of alexnet \(its extra has no place there\)")


def test_names_that_are_not_known(tmp_path):
    with pytest.raises(UserError, match=r"there is no encoder resnet18: it would be stages/encoders/resnet18\.py"):
        load("resnet18", tmp_path)
    with pytest.raises(UserError, match="alexnet has no layer fire8: it has fc6, fc7"):
        features(narrow("alexnet", tmp_path), encoder("alexnet"), ["fire8"], pictures())


@pytest.mark.skipif(
    not all((MIRROR / name).is_dir() for name in ("squeezenet1_1", "bsds500")), reason="no mirror with squeezenet1_1 and bsds500"
)
@pytest.mark.parametrize(
    ("photograph", "kind"),
    [(103029, "albatross"), (105027, "lion"), (106005, "king penguin"), (107072, "African elephant"), (130066, "zebra")],
)
def test_squeezenet_s_real_weights_know_animals(photograph, kind):
    model, network = load("squeezenet1_1", MIRROR / "squeezenet1_1"), encoder("squeezenet1_1")
    with Image.open(MIRROR / f"bsds500/BSR/BSDS500/data/images/test/{photograph}.jpg") as picture:
        pixels = np.array(picture.resize((224, 224), Image.Resampling.BILINEAR))
    logits = model(normalise(torch.from_numpy(pixels).permute(2, 0, 1)[None], network))
    names = import_torchvision().models.SqueezeNet1_1_Weights.IMAGENET1K_V1.meta["categories"]
    assert names[logits.argmax().item()] == kind
