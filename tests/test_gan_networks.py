"""CycleGAN's networks and the U-Net: counts, what scores see, public layers as twins, what is refused."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.core.errors import UserError
from stages.gan.networks import Discriminator, Generator, InstanceNorm, Nearest, Residual, UNet, initialise

torch.set_num_threads(1)


def count(kind: type[nn.Module], **options: object) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in kind(**options).parameters())


def randomised(module: nn.Module) -> nn.Module:
    """In double precision, with weights large enough that no layer is lost in the sum, and biases."""
    random = torch.Generator().manual_seed(0)
    for parameter in module.double().parameters():
        parameter.data = torch.randn(parameter.shape, generator=random, dtype=torch.float64) * 0.3
    return module


def pictures(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1


def test_parameters_are_those_of_the_public_networks():
    assert count(Generator) == 11_378_179
    assert count(Generator, blocks=6) == 7_837_699
    assert count(Discriminator) == 2_764_737
    assert count(Discriminator, strided=2) == 662_977
    assert count(Discriminator, inputs=6) == 2_767_809
    assert count(UNet) == 54_405_505
    assert count(UNet, depth=7) == 41_821_569


class Block(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        one, two = (nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect") for _ in range(2))
        self.layers = nn.Sequential(one, nn.InstanceNorm2d(channels), nn.ReLU(), two, nn.InstanceNorm2d(channels))

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.layers(maps)


def plain_generator(w: int, blocks: int) -> nn.Sequential:
    """CycleGAN's, of PyTorch's own layers."""
    return nn.Sequential(
        nn.Conv2d(3, w, 7, padding=3, padding_mode="reflect"), nn.InstanceNorm2d(w), nn.ReLU(),
        nn.Conv2d(w, 2 * w, 3, stride=2, padding=1), nn.InstanceNorm2d(2 * w), nn.ReLU(),
        nn.Conv2d(2 * w, 4 * w, 3, stride=2, padding=1), nn.InstanceNorm2d(4 * w), nn.ReLU(),
        *(Block(4 * w) for _ in range(blocks)),
        nn.ConvTranspose2d(4 * w, 2 * w, 3, stride=2, padding=1, output_padding=1), nn.InstanceNorm2d(2 * w), nn.ReLU(),
        nn.ConvTranspose2d(2 * w, w, 3, stride=2, padding=1, output_padding=1), nn.InstanceNorm2d(w), nn.ReLU(),
        nn.Conv2d(w, 3, 7, padding=3, padding_mode="reflect"), nn.Tanh(),
    )  # fmt: skip


def plain_discriminator(w: int) -> nn.Sequential:
    """The PatchGAN of two strided layers, of PyTorch's own layers."""
    return nn.Sequential(
        nn.Conv2d(3, w, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
        nn.Conv2d(w, 2 * w, 4, stride=2, padding=1), nn.InstanceNorm2d(2 * w), nn.LeakyReLU(0.2),
        nn.Conv2d(2 * w, 4 * w, 4, padding=1), nn.InstanceNorm2d(4 * w), nn.LeakyReLU(0.2),
        nn.Conv2d(4 * w, 1, 4, padding=1),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ours", "plain"),
    [(Generator(4, 2), plain_generator(4, 2)), (Discriminator(4, 2), plain_discriminator(4))],
    ids=["generator", "patches"],
)
def test_networks_are_those_of_pytorch_s_layers(ours: nn.Module, plain: nn.Module):
    randomised(ours), plain.double()
    for mine, theirs in zip(ours.parameters(), plain.parameters(), strict=True):
        theirs.data = mine.data.clone()
    images = pictures(2, 3, 24, 20).requires_grad_()
    made, expected = ours(images), plain(images)
    torch.testing.assert_close(made, expected)
    weights = torch.randn_like(expected)
    gradients = [torch.autograd.grad((out * weights).sum(), [images, *net.parameters()]) for out, net in ((made, ours), (expected, plain))]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("upsampling", ["deconvolution", "nearest"])
def test_a_generator_keeps_the_size_and_answers_within_tanh(upsampling: str):
    made = Generator(4, 1, 6, 2, upsampling)(torch.randn(2, 6, 12, 32))
    assert made.shape == (2, 2, 12, 32) and made.abs().max() <= 1


@pytest.mark.parametrize("sides", [(30, 32), (32, 18), (4, 8)])
def test_a_generator_refuses_sides_that_it_cannot_halve_twice(sides: tuple[int, int]):
    with pytest.raises(UserError, match=f"{sides[1]} x {sides[0]} pixels, and a generator halves sides twice: multiples of 4"):
        Generator(4, 1)(torch.zeros(1, 3, *sides))


@pytest.mark.parametrize(("strided", "pixels"), [(1, 16), (2, 34), (3, 70), (4, 142), (5, 286)])
def test_a_score_sees_as_many_pixels(strided: int, pixels: int):
    """Those with a gradient: instance norm would let all others shine through."""
    network = randomised(Discriminator(1, strided, norm=False))
    side = pixels + 4 * 2**strided
    images = pictures(1, 3, side, side).requires_grad_()
    scores = network(images)
    scores[0, 0, scores.shape[2] // 2, scores.shape[3] // 2].backward()
    seen = images.grad.abs().sum((0, 1)) > 0
    assert seen.any(0).sum() == seen.any(1).sum() == pixels


@pytest.mark.parametrize(("side", "scores"), [(256, 30), (128, 14), (64, 6), (24, 1)])
def test_scores_of_an_image(side: int, scores: int):
    assert Discriminator(2)(torch.zeros(1, 3, side, side)).shape == (1, 1, scores, scores)


def test_a_discriminator_refuses_an_image_that_leaves_no_score():
    with pytest.raises(UserError, match="40 x 23 pixels, and a discriminator of 3 strided layers needs 24 a side"):
        Discriminator(2)(torch.zeros(1, 3, 23, 40))


def test_instance_norm_by_hand_and_as_pytorch_s():
    maps = torch.tensor([[[[1.0, 3.0]], [[-5.0, 5.0]]]])
    torch.testing.assert_close(InstanceNorm()(maps), torch.tensor([[[[-1.0, 1.0]], [[-1.0, 1.0]]]]), rtol=1e-5, atol=1e-5)
    maps = pictures(3, 4, 5, 6)
    torch.testing.assert_close(InstanceNorm()(maps), nn.InstanceNorm2d(4)(maps))
    assert torch.equal(InstanceNorm()(maps[:, :, :1, :1]), maps[:, :, :1, :1])  # of one value nothing would be left


@pytest.mark.parametrize("network", [Generator(4, 1), Discriminator(4, 1), UNet(3, 1, 4, 4)])
def test_networks_have_no_state_but_weights_and_know_no_training(network: nn.Module):
    assert set(network.state_dict()) == {name for name, _ in network.named_parameters()}
    images = pictures(3, 3, 16, 16).float()
    trained = network.train()(images)
    assert torch.equal(trained, network.eval()(images))
    torch.testing.assert_close(trained[:1], network(images[:1]))  # an image knows nothing of the others


@pytest.mark.parametrize(
    "network",
    [Generator(4, 2), Generator(4, 1, upsampling="nearest"), Discriminator(4, 2), Discriminator(4, 2, norm=False), UNet(3, 1, 4, 5)],
)
def test_every_weight_gets_a_gradient(network: nn.Module):
    randomised(network)(pictures(2, 3, 16, 16)).square().sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in network.parameters() if parameter.dim() > 1)


def test_nearest_neighbours_and_a_kernel_of_1_mix_no_pixels():
    maps = pictures(2, 4, 5, 6)
    made = randomised(Nearest(4, 3, 1))(maps)
    cells = made.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
    assert made.shape == (2, 3, 10, 12) and torch.equal(cells, cells[..., :1].expand_as(cells))
    made = randomised(Nearest(4, 3))(maps)
    assert made.shape == (2, 3, 10, 12) and not torch.equal(made[:, :, ::2], made[:, :, 1::2])


def test_a_residual_block_without_weights_is_its_input():
    block = Residual(4)
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    maps = torch.randn(2, 4, 3, 2)
    assert torch.equal(block(maps), maps)


@pytest.mark.parametrize("sides", [(6, 4), (5, 7), (1, 1), (3, 8)])
def test_a_u_net_s_padding_is_tensorflow_s(sides: tuple[int, int]):
    """Of one level with the same weights up as down: A^T A, where A pads by 1 before and, where a side is odd, by 2 after."""
    network = UNet(2, 2, 3, 1).double()
    initialise(network, 1.0, torch.Generator().manual_seed(0))
    weight = network.down[0].weight.data.abs()  # so that no ReLU cuts anything
    network.down[0].weight.data, network.up[0].weight.data = weight, weight
    images = pictures(1, 2, *sides).abs().requires_grad_()
    (height, width) = sides
    down = F.conv2d(F.pad(images, (1, 1 + width % 2, 1, 1 + height % 2)), weight, stride=2)
    assert down.shape[2:] == (-(-height // 2), -(-width // 2))
    (expected,) = torch.autograd.grad(down, images, down.detach())
    torch.testing.assert_close(network(images.detach()), expected)


def test_a_u_net_goes_down_to_one_pixel_and_further():
    """128 pixels by 8 levels, as Section 8.2.2 has it: 64, ..., 2, 1, 1, and what is there is not normalised away."""
    network = randomised(UNet(3, 1, 2, 8))
    sizes: list[int] = []
    for layer in [*network.down, *network.up]:
        layer.register_forward_hook(lambda layer, _, maps: sizes.append(maps.shape[2]))
    made = network(pictures(1, 3, 128, 128))
    made.sum().backward()
    assert sizes == [64, 32, 16, 8, 4, 2, 1, 1, 2, 2, 4, 8, 16, 32, 64, 128]  # the first 2 is cut to 1
    assert made.shape == (1, 1, 128, 128) and network.down[7].weight.grad.abs().max() > 0


def test_a_u_net_too_deep_for_its_image_is_refused():
    assert UNet(3, 1, 2, 3, padding=1)(torch.zeros(1, 3, 16, 8)).shape == (1, 1, 16, 8)
    with pytest.raises(UserError, match="128 x 128 pixels, and a U-Net of depth 8 halves sides 8 times: multiples of 256"):
        UNet(3, 1, 2, 8, padding=1)(torch.zeros(1, 3, 128, 128))


def test_the_first_weights():
    def made(seed: int) -> Generator:
        network = Generator(8, 2)
        initialise(network, 0.02, torch.Generator().manual_seed(seed))
        return network

    one, again, other = made(1), made(1), made(2)
    weights = torch.cat([parameter.flatten() for parameter in one.parameters() if parameter.dim() > 1])
    assert weights.std().item() == pytest.approx(0.02, rel=0.02) and weights.mean().abs() < 1e-3
    assert all(not parameter.any() for parameter in one.parameters() if parameter.dim() == 1)
    assert all(map(torch.equal, one.parameters(), again.parameters()))
    assert not torch.equal(next(one.parameters()), next(other.parameters()))
