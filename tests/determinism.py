"""What this processor computes, as hashes, a line a layer: kernels, single layers, libraries, first steps of the networks at mini's sizes.

    python tests/determinism.py > tests/determinism.txt     # after a change that is meant to change bytes
    python tests/determinism.py --check                     # the first line that differs from determinism.txt
    qemu-x86_64 -cpu EPYC-Rome python tests/determinism.py --few --check

Lines stand in the order in which they depend on each other, forwards and backwards, so that the first that differs is what to look at.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import stages.ch4_deepindex  # noqa: F401 - pins the instruction sets, so it has to come first

# isort: split
import faiss
import numpy as np
import torch
from determinism_libraries import Line, hashed, libraries
from threadpoolctl import threadpool_info
from torch import nn
from torch.nn import functional as F

from stages.ch2_fusion import model as fusion
from stages.ch2_fusion.training_settings import Network, Variant
from stages.ch2_imagenet import networks as imagenet
from stages.ch2_imagenet import training_settings as imagenet_settings
from stages.ch2_segmentation import model as segmentation
from stages.ch3_edges import loss as edge_loss
from stages.ch3_edges.model import EdgeNetwork
from stages.ch5_rrf import model as rrf
from stages.ch5_rrf import training_settings as rrf_settings
from stages.ch5_rrf.loss import objective
from stages.ch6_cyclematch import loss as cycle_loss
from stages.ch6_cyclematch import model as cyclematch
from stages.ch6_cyclematch import training_settings as cycle_settings
from stages.ch7_mmc import loss as mmc_loss
from stages.ch7_mmc import model as mmc
from stages.ch7_mmc import training_settings as mmc_settings
from stages.ch7_mmc.bilinear import compact_bilinear, signed_root
from stages.ch8_swapgan import loss as swap_loss
from stages.ch8_swapgan import model as swap_model
from stages.ch8_swapgan import training_settings as swap_settings
from stages.core.layers.conv_transpose import ConvTranspose2d
from stages.core.layers.linear import Linear
from stages.core.layers.padded_conv import PaddedConv2d
from stages.core.layers.strided_conv import StridedConv2d, StridedConvTranspose2d
from stages.core.runtime import Runtime
from stages.encoders import fcn8s, sentences
from stages.encoders.vision import encoder, features, load, whole_features
from stages.encoders.words import Tokens
from stages.gan import loss as gan_loss
from stages.gan.networks import Discriminator, Generator, InstanceNorm, UNet
from stages.gan.optimisers import adam
from stages.matching.ranking import bi_rank
from stages.miniatures import alexnet, efficientnet_lite0, resnet152, squeezenet1_1, vgg19

COMMITTED = Path(__file__).with_suffix(".txt")
WIDTHS = (8, 16, 24, 32, 32)  # of the miniature VGG-16
# Of both chapters the thesis's networks: a network more is no line more.
FUSIONS = {"cnn": "none", "cnn-sum": "sum", "cnn-conv": "conv", "cfn": "local"}
FUSION: dict[str, Variant] = {}
for base in "ab":
    FUSION |= {f"{name}-{base}": Variant(base, fusion) for name, fusion in FUSIONS.items()}  # type: ignore[arg-type]
    FUSION[f"cfn-{base}-eplf"] = Variant(base, "local", late=True)  # type: ignore[arg-type]
IMAGENET = {
    name: imagenet_settings.Variant(convolutions=4 if name.endswith("19") else 2, residual=residual, sides=sides)  # type: ignore[arg-type]
    for name, residual, sides in (
        ("cnn-11", False, "none"), ("dsn-11", False, "predicting"), ("resnet-11", True, "none"), ("cfn-11", False, "fused"),
        ("cnn-19", False, "none"), ("cfn-19", False, "fused"),
    )
}  # fmt: skip


def kernels() -> Iterator[Line]:
    """Which instruction sets are in use, as far as the libraries say."""
    yield "torch", torch.backends.cpu.get_cpu_capability()
    yield "faiss", faiss.SIMDConfig.get_level_name()
    yield "OpenBLAS", " ".join(sorted({library["architecture"] for library in threadpool_info() if library["internal_api"] == "openblas"}))
    yield "NumPy", " ".join(name for name in ("X86_V3", "X86_V4") if np._core._multiarray_umath.__cpu_features__[name])


def layers() -> Iterator[Line]:
    """Single layers forwards and backwards."""
    yield from layer("conv 3>8 3x3 padded by 35", PaddedConv2d(3, 8, 3, padding=35), 4, 3, 120, 120)
    yield from layer("conv 3>8 3x3 padded by 100", PaddedConv2d(3, 8, 3, padding=100), 1, 3, 80, 96)
    yield from layer("conv 3>8 11x11 stride 4", PaddedConv2d(3, 8, 11, stride=4, padding=2), 2, 3, 64, 64)
    yield from layer("conv 3>8 7x7 stride 2", nn.Conv2d(3, 8, 7, stride=2, padding=3), 2, 3, 64, 64)
    yield from layer("conv 3>11 5x5", nn.Conv2d(3, 11, 5, padding=2), 4, 3, 32, 32)
    yield from layer("conv 16>24 3x3", nn.Conv2d(16, 24, 3, padding=1), 4, 16, 47, 47)
    yield from layer("conv 32>64 7x7", nn.Conv2d(32, 64, 7), 1, 32, 9, 10)
    yield from layer("conv 32>1 1x1", nn.Conv2d(32, 1, 1), 4, 32, 24, 24)
    yield from layer("conv 32>32 1x1 of 50", nn.Conv2d(32, 32, 1), 50, 32, 8, 8)
    yield from layer("conv 32>32 3x3 in groups", nn.Conv2d(32, 32, 3, padding=1, groups=32), 4, 32, 8, 8)
    for factor, side in ((2, 94), (16, 12)):
        yield from layer(f"transposed 1>1 x{factor}", ConvTranspose2d(1, 1, 2 * factor, stride=factor, bias=False), 4, 1, side, side)
    for groups in (1, 21):
        transposed = ConvTranspose2d(21, 21, 16, stride=8, bias=False, groups=groups)
        yield from layer(f"transposed 21>21 x8 in {groups}", transposed, 1, 21, 18, 20)
    yield from layer("transposed 32>16 x2", ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1), 4, 32, 16, 16)
    yield from layer("strided 64>128 3x3", StridedConv2d(64, 128, 3, stride=2, padding=1), 1, 64, 32, 32)
    yield from layer("strided 8>16 4x4", StridedConv2d(8, 16, 4, stride=2, padding=1), 4, 8, 16, 16)
    up = StridedConvTranspose2d(128, 64, 3, stride=2, padding=1, output_padding=1)
    yield from layer("strided and transposed 128>64 3x3", up, 1, 128, 16, 16)
    yield from layer("conv 32>3 7x7 with reflected borders", nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(32, 3, 7)), 1, 32, 64, 64)
    yield from layer("nearest neighbours", nn.Upsample(scale_factor=2), 4, 8, 23, 23)
    yield from layer("instance norm", InstanceNorm(), 4, 8, 47, 47)
    yield from layer("max pooling", nn.MaxPool2d(3, 2, ceil_mode=True), 4, 8, 47, 47)
    yield from layer("average pooling", nn.AvgPool2d(3, 2, ceil_mode=True), 4, 8, 47, 47)
    yield from layer("batch norm", nn.BatchNorm2d(8), 4, 8, 47, 47)
    yield from layer("linear", nn.Linear(300, 70), 50, 300)
    yield from layer("linear by OpenBLAS", Linear(1000, 600), 200, 1000)
    yield from forwards("conv 64>128 1x1 stride 2", nn.Conv2d(64, 128, 1, stride=2, bias=False), 4, 64, 24, 31)
    yield from forwards("conv 64>64 3x3 stride 2", nn.Conv2d(64, 64, 3, stride=2, padding=1, bias=False), 4, 64, 24, 31)
    yield from forwards("conv 16>256 7x7", nn.Conv2d(16, 256, 7), 2, 16, 9, 12)
    yield from forwards("conv 256>256 1x1", nn.Conv2d(256, 256, 1), 2, 256, 3, 6)


def forwards(name: str, module: nn.Module, *shape: int) -> Iterator[Line]:
    """A layer of a network that is never trained."""
    random = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=random) * 0.1
    with torch.no_grad():
        yield name, hashed(module(torch.randn(*shape, generator=random)))


def layer(name: str, module: nn.Module, *shape: int) -> Iterator[Line]:
    random = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=random) * 0.1
    maps = torch.randn(*shape, generator=random)
    maps.requires_grad_(shape[1] != 3)  # no network asks for the gradient of its images
    found = module(maps)
    found.backward(torch.randn(found.shape, generator=random))
    values = [("out", found), ("dx", maps.grad), *((f"d{name}", parameter.grad) for name, parameter in module.named_parameters())]
    yield name, " ".join(f"{name} {hashed(value)}" for name, value in values if value is not None)


def functions() -> Iterator[Line]:
    """PyTorch's functions and sums. Not its square root, see the README."""
    random = torch.Generator().manual_seed(0)
    maps = torch.randn(4, 21, 37, 41, generator=random)
    yield "exp, log, sigmoid, tanh", hashed(maps.exp(), maps.abs().log(), maps.sigmoid(), maps.tanh())
    yield "softmax", hashed(maps.softmax(1), maps.log_softmax(1))
    yield "sums", hashed(maps.sum(), maps.mean((2, 3)), maps.std(), maps.norm())
    yield "interpolate", hashed(F.interpolate(maps, (50, 60), mode="bilinear"))
    entropy = F.binary_cross_entropy_with_logits(maps, (maps > 1).float(), maps.abs(), reduction="sum")
    yield "entropies", hashed(entropy, F.cross_entropy(maps, maps[:, 0].long() % 21))
    weights = nn.Parameter(maps.clone())
    optimizer = torch.optim.Adam([weights], fused=True)
    for _ in range(3):
        weights.grad = maps * weights.detach()
        optimizer.step()
    yield "Adam, fused", hashed(weights)
    sides = [F.normalize(side).requires_grad_() for side in maps.flatten()[: 2 * 120 * 64].view(2, 120, 64)]
    loss = bi_rank(*sides, torch.arange(120) // 2, weights=(1, 0.5, 2, 1), margin=0.1, k=50)
    yield "bi-rank loss", hashed(loss, *torch.autograd.grad(loss, sides))
    own = torch.Generator().manual_seed(2)
    for dimension in (2048, 20000, 2047):
        hashes = torch.randint(dimension, (2, 64), generator=own)
        pooled = signed_root(compact_bilinear(*sides, hashes, 1.0 - hashes % 2 * 2, dimension), 1e-6)
        yield f"compact bilinear pooling to {dimension}", hashed(pooled, *torch.autograd.grad(pooled.square().sum(), sides))
    lengths = np.array([7, 1, 12, 3, 12], np.int32)
    captions = Tokens(np.arange(lengths.sum(), dtype=np.int32) % 20, lengths)
    vectors = maps.flatten()[: 20 * 50].view(20, 50)
    states = sentences.bilstm_max(sentences.random_lstm(50, 64, random), captions, vectors, batch_size=3)
    yield "BiLSTM", hashed(*(value for _, value in states))


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD([parameter for parameter in model.parameters() if parameter.requires_grad], lr=1e-6, momentum=0.9)


def steps(
    name: str,
    model: nn.Module,
    loss_of: Callable[[nn.Module], torch.Tensor],
    count: int,
    optimizer_of: Callable[[nn.Module], torch.optim.Optimizer] = sgd,
) -> Iterator[Line]:
    """First steps: what the layers with weights put out, in their order, and these weights' gradients, in the reverse order."""
    random = torch.Generator().manual_seed(0)
    for place, parameter in model.named_parameters():
        if parameter.dim() > 1 and parameter.requires_grad:
            parameter.data = torch.randn(parameter.shape, generator=random) * parameter[0].numel() ** -0.5
        elif place.endswith("bias"):
            nn.init.constant_(parameter, 0.1)
    own = {module: place for place, module in model.named_modules() if list(module.parameters(recurse=False))}
    seen: list[tuple[nn.Module, str]] = []
    for module in own:
        module.register_forward_hook(lambda module, _, output: seen.append((module, hashed(output))))
    optimizer = optimizer_of(model)
    torch.manual_seed(0)  # dropout
    for step in range(count):
        seen.clear()
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        yield from ((f"{name}, step {step}: {own[module]} forwards", found) for module, found in seen)
        yield f"{name}, step {step}: loss", hashed(loss)
        for module, _ in reversed(seen):
            gradients = [parameter.grad for parameter in module.parameters(recurse=False) if parameter.grad is not None]
            if gradients:
                yield f"{name}, step {step}: {own[module]} backwards", hashed(*gradients)
        optimizer.step()


def in_one(name: str, found: Iterator[Line]) -> Line:
    """Lines as one."""
    return name, hashed(*(value.encode() for _, value in found))


def edge_network(name: str, size: tuple[int, int] | None, count: int) -> Iterator[Line]:
    random = torch.Generator().manual_seed(0)
    images = torch.randn(4, 3, 120, 120, generator=random) * 50
    labels = (torch.rand(4, 5, 120, 120, generator=random) > 0.9).to(torch.uint8)

    def loss(model: nn.Module) -> torch.Tensor:
        return edge_loss.deep_supervision_loss(*model(images), labels, labels[:, :1], edge_loss.pixel_weights)

    yield from steps(name, EdgeNetwork(widths=WIDTHS, size=size), loss, count)


def segmentation_network(name: str, kind: Callable[..., nn.Module], count: int, **options: object) -> Iterator[Line]:
    random = torch.Generator().manual_seed(0)
    image, truth = torch.randn(1, 3, 80, 96, generator=random), torch.randint(0, 21, (1, 80, 96), generator=random)
    network = kind(widths=WIDTHS, fc=64, skip_scales=(8, 8), **options)
    yield from steps(name, network, lambda model: F.cross_entropy(model(image), truth), count)


def fusion_network(name: str, classes: int) -> Iterator[Line]:
    random = torch.Generator().manual_seed(0)
    images, labels = torch.randn(50, 3, 32, 32, generator=random), torch.randint(0, classes, (50,), generator=random)
    model = fusion.build(FUSION[name], classes, Network(1 / 6, 0.2, True, 3, 0.12, 0.1, 1 / 3), random)
    yield from steps(f"{name} of {classes}", model, lambda model: F.cross_entropy(model(images), labels), 1)


def imagenet_network(name: str, variant: imagenet_settings.Variant) -> Iterator[Line]:
    random = torch.Generator().manual_seed(0)
    images, labels = torch.randn(32, 3, 64, 64, generator=random), torch.randint(0, 10, (32,), generator=random)
    model = imagenet.build(variant, 10, imagenet_settings.Network(1 / 8, 0.25), random)
    yield from steps(name, model, lambda model: sum(F.cross_entropy(scores, labels) for scores in model(images).unbind(1)), 1)


def pairs(*widths: int) -> list[torch.Tensor]:
    """Features of 100 images and of texts, each (100, width), and which image each pair's is."""
    random = torch.Generator().manual_seed(1)
    return [*(torch.randn(100, width, generator=random) for width in widths), torch.arange(100) // 2]


def matching_network(count: int) -> Iterator[Line]:
    """RRF-Net with its convolutional fusion, the bi-rank loss of 100 pairs."""
    network = rrf_settings.Network((128, 64, 64, 64), 0.2, True, 0.1, True, 0.05, "mean")
    training = rrf_settings.Training(100, 0.1, 20, "author", "constant", "violators", 0.9, 5e-4, 2)
    loss = rrf_settings.Loss((1, 0.5), (2, 1), 0.3, "he")
    variant = rrf_settings.Variant("bi-rank", "images", 3, "conv")
    model = rrf.build(variant, 256, 64, network, loss.start, torch.Generator().manual_seed(0))
    images, texts, ids = pairs(256, 64)
    times: Counter[str] = Counter()  # of FC3, which has a line for each of its applications
    for name, value in steps("rrf-3", model, lambda model: objective(*model(images, texts), ids, loss, training), count):
        times[name] += 1
        yield f"{name}, {times[name]}" if times[name] > 1 else name, value


def cycle_network() -> Iterator[Line]:
    """CycleMatch with all six terms, of 100 pairs: layers that two passes share, and products as wide as the features."""
    network = cycle_settings.Network((128, 64, 64), 0.2, True, 0.1, 0.05, "after")
    training = cycle_settings.Training(100, 0.1, 2, 20, "constant", 0.9, 5e-4, 2, 0.3, "he")
    variant = cycle_settings.Variant(("i2t-dual", "i2t-rec", "i2t-lat", "t2i-dual", "t2i-rec", "t2i-lat"))
    model = cyclematch.build(variant, 256, 128, network, "he", torch.Generator().manual_seed(0))
    images, texts, ids = pairs(256, 128)
    terms = variant.terms
    yield from steps("cycle", model, lambda it: cycle_loss.objective(terms, images, texts, it(images, texts), ids, training), 1)


def joint_networks() -> Iterator[Line]:
    """MMC-Net by both losses of 100 pairs: fusion and head of Section 7.2, and others of Tables 7.6 and 7.7."""
    network = mmc_settings.Network((128, 64, 64, 64), 0.2, True, 0.1, False, 0.05, "each", "drawn", 1e-6)
    training = mmc_settings.Training(0.1, 2, "constant", "sum", 0.9, 5e-4, 2, "he")
    images, texts, ids = pairs(256, 64)

    def loss(model: nn.Module) -> torch.Tensor:
        f, g = model(images, texts)
        classification = mmc_loss.classification(model.classify(f, g), ids % 20, True, "sum")
        return mmc_loss.total(mmc_loss.matching(f, g, ids, training, 20), classification, 0.5)

    drawn = torch.Generator()
    for fused, head in (("convolution", "compact"), ("multiplication", "bilinear"), ("sum", "fc")):
        variant = mmc_settings.Variant(("matching", "classification"), fusion=fused, head=head)  # type: ignore[arg-type]
        drawn.manual_seed(0)
        model = mmc.build(variant, 256, 64, 20, 512, network, "he", lambda _: drawn)
        yield from steps("", model, loss, 1)


def adversarial_networks() -> Iterator[Line]:
    """CycleGAN's generators, of both upsamplings, in a cycle, and its discriminator; a U-Net down to one pixel."""
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    networks = nn.ModuleList([Generator(8, 2), Generator(8, 2, upsampling="nearest"), Discriminator(8, 2)])

    def cycle(networks: nn.Module) -> torch.Tensor:
        there, back, tell = networks.children()
        made = there(images)
        return gan_loss.real(tell(made)) + 10 * gan_loss.l1(back(made), images) + gan_loss.fake(tell(made.detach()))

    def by_adam(model: nn.Module) -> torch.optim.Optimizer:
        return adam([model], 2e-3, (0.5, 0.999), 5e-4)

    yield from steps("", networks, cycle, 2, by_adam)
    yield from steps("", UNet(3, 1, 8, 6), lambda model: gan_loss.l1(model(images).sigmoid(), images[:, :1]), 2, by_adam)


def swapping_networks() -> Iterator[Line]:
    """SwapGAN's three generators and its discriminator of pairs by Eq. 8.18 and 8.19, of both upsamplings and of both kinds of G_III."""
    images, conditions, poses = (torch.rand(3, 4, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1).unbind(0)
    segments = torch.rand(4, 5, 32, 32, generator=torch.Generator().manual_seed(1)).round()
    masks = segments.amax(1, keepdim=True)
    network = swap_settings.Network(8, 2, 2, 3, "nearest", 6, 2, norm=False, std=0.04)
    drawn = torch.Generator().manual_seed(0)

    def both(networks: nn.Module) -> torch.Tensor:
        generators, tell = networks.children()
        made = generators(conditions, poses, segments)
        pairs = (made.swapped, conditions), (images, made.returned)
        fooled = [tell(torch.cat(pair, 1)) for pair in pairs]
        fakes = [tell(torch.cat([one.detach() for one in pair], 1)) for pair in pairs]
        losses = swap_loss.generator_losses(made, tuple(fooled), images, (masks, masks), swap_loss.Weights(5))
        return losses["total"] + swap_loss.discriminator_loss(tell(torch.cat([images, conditions], 1)), fakes)

    def by_adam(model: nn.Module) -> torch.optim.Optimizer:
        return adam([model], 2e-3, (0.5, 0.999))

    for variant in (swap_settings.Variant(), swap_settings.Variant(third="like-first", upsampling="deconvolution")):
        networks = [swap_model.build(variant, network, lambda _: drawn), swap_model.discriminator(network, lambda _: drawn)]
        yield from steps("", nn.ModuleList(networks), both, 2, by_adam)


def other_networks() -> Iterator[Line]:
    """All but those of `lines`' few: by layer one of each kind, and the rest of the kind by network."""
    yield from edge_network("fcfn of edges", (120, 120), 1)
    yield from segmentation_network("fcfn", segmentation.FCFN, 1, size=(80, 96))
    yield in_one("fcn-8s, learned", segmentation_network("", fcn8s.FCN8s, 1, fixed_upsampling=False))
    yield from fusion_network("cfn-b", 100)
    yield from (in_one(f"{name} of {classes}", fusion_network(name, classes)) for name in FUSION for classes in (10, 100))
    yield from imagenet_network("cfn-11", IMAGENET["cfn-11"])
    yield from (in_one(name, imagenet_network(name, variant)) for name, variant in IMAGENET.items())


def encoder_features() -> Iterator[Line]:
    random = torch.Generator().manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        alexnet.write(place, widths=[8, 16, 24, 24, 16], fc=128, seed=10)
        vgg19.write(place, widths=[6, 8, 12, 16, 16], fc=128, seed=11)
        squeezenet1_1.write(place, seed=12)
        efficientnet_lite0.write(place, seed=13)
        resnet152.write(place, width=8, seed=31)
        for side in (64, 224):
            pictures = torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8, generator=random)
            for name in ("alexnet", "vgg19", "squeezenet1_1", "efficientnet_lite0"):
                network = encoder(name)
                found = features(load(name, place), network, list(network.layers), pictures)
                yield from ((f"{name} at {side}: {layer}", hashed(values)) for layer, values in found.items())
        whole = torch.randint(0, 256, (2, 192, 250, 3), dtype=torch.uint8, generator=random).permute(0, 3, 1, 2)
        for name in ("resnet152", "vgg19", "squeezenet1_1", "efficientnet_lite0"):
            yield f"{name} of whole pictures", hashed(whole_features(load(name, place), encoder(name), whole))


def lines(few: bool) -> Iterator[Line]:
    """All lines, or those that an emulated processor comes through in a minute or two."""
    Runtime("cpu", 1, "fp32").start()
    yield from kernels()
    yield from layers()
    yield from functions()
    yield from libraries()
    yield from edge_network("hed", None, 1 if few else 2)
    yield from segmentation_network("fcn-8s", fcn8s.FCN8s, 1 if few else 2)
    yield from matching_network(1)
    yield in_one("cycle, step 0", cycle_network())
    yield in_one("mmc, step 0", joint_networks())
    yield in_one("adversarial networks, steps of Adam", adversarial_networks())
    yield in_one("swapping networks, steps of Adam", swapping_networks())
    if not few:
        yield from other_networks()
        yield from encoder_features()


def first_difference(found: list[Line], committed: str) -> str | None:
    """One sentence that names the first line of `found` that `committed` has otherwise, or None."""
    expected = dict(line.rsplit(" | ", 1) for line in committed.splitlines())
    different = [(name, value) for name, value in found if expected.get(name) != value]
    if not different:
        return None
    name, value = different[0]
    return f"{len(different)} of {len(found)} lines differ from the committed ones, first `{name}`: {value}, not {expected.get(name)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", action="store_true", help="layers, libraries, and one step of two networks")
    parser.add_argument("--check", action="store_true", help="compare with determinism.txt")
    args = parser.parse_args()
    if not args.check:
        for name, value in lines(args.few):
            print(f"{name} | {value}", flush=True)
    elif difference := first_difference(list(lines(args.few)), COMMITTED.read_text()):
        sys.exit(f"error: {difference}")


if __name__ == "__main__":
    main()
