"""What compact bilinear pooling costs beside the explicit outer product, at batch 128, M 512, D 2048, on one thread.

    python -m benchmarks.bilinear

The outer product is formed, 262,144 values of each pair, and each added where its hashes say, which is what Algorithm 2's FFT comes to.
Beside both: dense matrices of the sketches with the same FFT, and the whole of each head, with its signed root, norm and classes.
Times are the processor's, for the machine may be busy.
"""

import argparse
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.matching import seconds
from stages.ch7_mmc.bilinear import Bilinear, Compact, compact_bilinear
from stages.core.runtime import Runtime

N, M, D, CLASSES, FLOOR = 128, 512, 2048, 20, 1e-6


def explicit(f: Tensor, g: Tensor, hashes: Tensor, signs: Tensor) -> Tensor:
    """(N, M), (N, M) -> (N, D) by the outer product."""
    places = (hashes[0][:, None] + hashes[1]).flatten() % D
    products = ((f * signs[0])[:, :, None] * (g * signs[1])[:, None, :]).flatten(1)
    return f.new_zeros(len(f), D).scatter_add(1, places.expand_as(products), products)


def dense(f: Tensor, g: Tensor, matrices: Tensor) -> Tensor:
    """The same with sketches by products with matrices (2, M, D)."""
    return torch.fft.irfft(torch.fft.rfft(f @ matrices[0]) * torch.fft.rfft(g @ matrices[1]), n=D)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    Runtime("cpu", 1, "fp32").start()
    random = torch.Generator().manual_seed(0)
    f, g, towards = (torch.randn(N, width, generator=random) for width in (M, M, D))
    heads = Compact(M, CLASSES, D, FLOOR, random), Bilinear(M, CLASSES, FLOOR)
    hashes, signs = heads[0].hashes, heads[0].signs
    matrices = torch.zeros(2, M, D).scatter(2, hashes[..., None], signs[..., None])
    ways: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "the FFT": lambda f, g: compact_bilinear(f, g, hashes, signs, D),
        "the outer product": lambda f, g: explicit(f, g, hashes, signs),
        "dense sketches": lambda f, g: dense(f, g, matrices),
    }
    made = [way(f, g) for way in ways.values()]
    assert all(torch.allclose(one, made[0], atol=1e-3) for one in made), "the ways differ"

    def both(way: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], None]:
        def work() -> None:
            pooled = way(f.requires_grad_(), g.requires_grad_())
            pooled.backward(towards[:, : pooled.shape[1]])

        return work

    def forward(way: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], None]:
        def work() -> None:
            with torch.no_grad():
                way(f, g)

        return work

    for what, run in (("forward", forward), ("forward and backward", both)):
        fft, *others = seconds(*(run(way) for way in ways.values()))
        ratios = ", ".join(f"{name} {taken / fft:.1f} times as long" for name, taken in zip(list(ways)[1:], others, strict=True))
        print(f"{what}: the FFT {fft:.4f} s, {ratios}", flush=True)
    compact, whole = seconds(*(both(head) for head in heads))
    print(
        f"the heads, forward and backward: compact {compact:.4f} s, bilinear {whole:.3f} s, {whole / compact:.1f} times as long", flush=True
    )


if __name__ == "__main__":
    main()
