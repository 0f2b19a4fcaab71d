"""Encoders of whole pictures: the same layers by hand, and what a patch encoder says of a picture of a patch's size."""

import math
from pathlib import Path

import pytest
import torch
from test_encoders import narrow
from torch import nn
from torch.nn import functional as F

from stages.core import runtime
from stages.core.errors import UserError
from stages.encoders.vision import encoder, features, load, normalise, whole_features
from stages.miniatures.resnet152 import write

DIMENSIONS = {"resnet152": 2048, "vgg19": 4096, "squeezenet1_1": 512, "efficientnet_lite0": 1280}


def pictures(height: int, width: int) -> torch.Tensor:
    return torch.randint(256, (2, 3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", DIMENSIONS)
def test_a_picture_of_any_size_is_one_vector(name: str, tmp_path: Path) -> None:
    model, network = narrow(name, tmp_path), encoder(name)
    values = whole_features(model, network, pictures(64, 100))
    assert values.dtype == torch.float32 and tuple(values.shape) == (2, DIMENSIONS[name] // 8)
    assert values.isfinite().all() and (values >= 0).all() and not torch.equal(values[0], values[1])
    alone = whole_features(model, network, pictures(64, 100)[1:])
    torch.testing.assert_close(alone[0], values[1], rtol=1e-4, atol=1e-4)


def test_resnet_s_is_what_its_classifier_takes(tmp_path: Path) -> None:
    model, images = narrow("resnet152", tmp_path), pictures(64, 100)
    model.fc = nn.Identity()
    torch.testing.assert_close(whole_features(model, encoder("resnet152"), images), model(normalise(images, encoder("resnet152"))))


def test_squeezenet_s_and_efficientnet_s_maps_are_averaged(tmp_path: Path) -> None:
    model, network = narrow("squeezenet1_1", tmp_path), encoder("squeezenet1_1")
    maps = model.features(normalise(pictures(64, 100), network))
    torch.testing.assert_close(whole_features(model, network, pictures(64, 100)), maps.mean((2, 3)))
    model, network = narrow("efficientnet_lite0", tmp_path), encoder("efficientnet_lite0")
    found = features(model, network, ["head"], pictures(64, 100))["head"]
    torch.testing.assert_close(whole_features(model, network, pictures(64, 100)), found)


def test_vgg_s_fully_connected_layers_slide_over_the_map(tmp_path: Path) -> None:
    model, network, images = narrow("vgg19", tmp_path), encoder("vgg19"), pictures(256, 300)
    maps = model.features(normalise(images, network))
    assert maps.shape[2:] == (8, 9)
    windows = [maps[:, :, y : y + 7, x : x + 7].flatten(1) for y in range(2) for x in range(3)]
    of_windows = torch.stack([F.relu(model.classifier[3](F.relu(model.classifier[0](window)))) for window in windows])
    torch.testing.assert_close(whole_features(model, network, images), of_windows.mean(0))


@pytest.mark.parametrize("side", [64, 224])  # of 64, torchvision's own pooling enlarges the map to 7 x 7
def test_vgg_of_a_patch_is_fc7(side: int, tmp_path: Path) -> None:
    model, network = narrow("vgg19", tmp_path), encoder("vgg19")
    fc7 = features(model, network, ["fc18"], pictures(side, side))["fc18"]
    torch.testing.assert_close(whole_features(model, network, pictures(side, side)), fc7, rtol=1e-3, atol=1e-4)


def test_an_encoder_of_patches_alone_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"alexnet takes patches of one size: stages/encoders/alexnet\.py does not say what its `whole` is"):
        whole_features(narrow("alexnet", tmp_path), encoder("alexnet"), pictures(64, 64))


def test_the_miniature_resnet_is_as_deep_and_keeps_its_signal(tmp_path: Path) -> None:
    write(tmp_path, width=8, seed=31)
    state = runtime.load(tmp_path / "resnet152.pth")
    layers = [key for key, value in state.items() if value.ndim > 1 and "downsample" not in key]
    assert len(layers) == 152 and tuple(state["conv1.weight"].shape) == (8, 3, 7, 7)
    assert state["layer1.2.bn3.weight"][0] == pytest.approx(1 / math.sqrt(50))
    values = whole_features(load("resnet152", tmp_path), encoder("resnet152"), pictures(64, 64))
    assert values.shape == (2, 256) and 0.1 < values.std() < 100
    with pytest.raises(UserError, match="of width 0 cannot be"):
        write(tmp_path, width=0, seed=1)
