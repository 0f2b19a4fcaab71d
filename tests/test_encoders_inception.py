"""Inception-v3, narrow and of random weights: its published size, torchvision's own answers, what a wrong file says."""

import copy
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from stages.core import runtime
from stages.core.errors import UserError
from stages.encoders.inception_v3 import ENCODER, build, posteriors
from stages.encoders.vision import features, import_torchvision, load, whole_features

torch.set_num_threads(1)
MEAN, DEVIATION = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).view(2, 1, 3, 1, 1)


def narrow_state() -> dict[str, torch.Tensor]:
    """An eighth of the channels, He's deviation; the auxiliary classifier among them."""
    generator, state = torch.Generator().manual_seed(0), {}
    for key, tensor in build().state_dict().items():
        shape = [size if size in (1, 3) else size // 8 for size in tensor.shape[:2]] + list(tensor.shape[2:])
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(7)
        elif len(shape) > 1:
            state[key] = torch.randn(shape, generator=generator) * (2 / torch.tensor(shape[1:]).prod()) ** 0.5
        else:  # biases small: else they are nearly all that comes through so many layers, whatever is seen
            state[key] = torch.rand(shape, generator=generator) * 0.1 + (1 if key.endswith((".weight", "var")) else 0)
    return state


@pytest.fixture
def model(tmp_path: Path) -> torch.nn.Module:
    runtime.save(narrow_state(), tmp_path / "inception_v3.pth")
    return load("inception_v3", tmp_path)


def pictures(side: int) -> torch.Tensor:
    """Two, of which the second is dark."""
    noise = torch.randint(256, (2, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    return noise // torch.tensor([1, 8], dtype=torch.uint8)[:, None, None, None]


def test_its_published_size_and_its_auxiliary_classifier() -> None:
    weights = import_torchvision().models.Inception_V3_Weights.IMAGENET1K_V1
    assert sum(parameter.numel() for parameter in build().parameters()) == weights.meta["num_params"] == 27_161_264
    assert any(key.startswith("AuxLogits") for key in build().state_dict())


def test_its_answers_are_torchvision_s_own(model: torch.nn.Module) -> None:
    """With ImageNet's mean and deviation, which torchvision's network itself undoes, at 299 pixels a side; smaller ones are enlarged."""
    twin = copy.deepcopy(model)
    twin.transform_input = True
    for side in (299, 32):
        raw = F.interpolate(pictures(side).float() / 255, (299, 299), mode="bilinear")
        with torch.no_grad():
            expected = twin((raw - MEAN) / DEVIATION).softmax(1)
        found = posteriors(model, pictures(side))
        assert found.shape == (2, 125) and found.dtype == torch.float32
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)
        torch.testing.assert_close(found.sum(1), torch.ones(2))
    assert not torch.allclose(found[0], found[1])


def test_its_last_maps(model: torch.nn.Module) -> None:
    found = features(model, ENCODER, ["mixed7c"], pictures(128))["mixed7c"]
    assert found.shape == (2, 2048 // 8) and (found >= 0).all()
    torch.testing.assert_close(whole_features(model, ENCODER, pictures(128)), found)


def test_a_file_without_the_auxiliary_classifier_is_another_network_s(tmp_path: Path) -> None:
    runtime.save({key: value for key, value in narrow_state().items() if "Aux" not in key}, tmp_path / "inception_v3.pth")
    with pytest.raises(UserError, match=r"does not hold the weights of inception_v3 \(AuxLogits\.conv0\.conv\.weight is not in it\)"):
        load("inception_v3", tmp_path)
