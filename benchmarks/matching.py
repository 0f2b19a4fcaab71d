"""What the matching chapters' arithmetic costs on one thread: the loss, ranks at MSCOCO's 5K size, sentences by HGLMM.

    python -m benchmarks.matching

The bi-rank loss stands beside compiled scalar loops, those of the author's layer in kind: for an anchor its scores one
by one, the K hardest violators, their hinges, and gradients added element by element, by numba without reordered sums;
`--vectors` lets the compiler reorder them, and so use the processor's vectors. Times are the processor's, for the
machine may be busy.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numba
import numpy as np
import torch
from torch.nn import functional as F

from stages.core.optimisers import sgd, update
from stages.core.runtime import Runtime
from stages.encoders import fisher, mixture
from stages.encoders.words import Tokens
from stages.matching.branch import Stack, caffe_rates
from stages.matching.ranking import bi_rank
from stages.metrics.recall import cosines, evaluate

N, D, K, MARGIN, WEIGHTS = 1500, 512, 50, 0.1, (1.0, 0.5, 2.0, 1.0)
INPUTS, WIDTHS = (2048, 6000), (2048, 512, 512, 512)
IMAGES, TEXTS = 5000, 25_000  # of MSCOCO's whole test set
ROUNDS = 5
FAST = "--vectors" in sys.argv  # numba compiles when the module is read


@numba.njit(fastmath=FAST)
def _dot(a: np.ndarray, b: np.ndarray) -> float:
    total = np.float32(0)
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


@numba.njit(fastmath=FAST)
def _add(to: np.ndarray, what: np.ndarray, weight: float) -> None:
    for i in range(len(to)):
        to[i] += weight * what[i]


@numba.njit(fastmath=FAST)
def _one_way(anchors, others, ids, across, within, margin, k, grad_anchors, grad_others):
    """One of Eq. 5.8 and 5.9 with its gradients; all arrays (n, d) float32."""
    n, loss = len(anchors), 0.0
    scores, hard = np.empty(n, np.float32), np.empty(n, np.int64)
    for i in range(n):
        positive = _dot(anchors[i], others[i])
        count = 0
        for j in range(n):
            if ids[j] != ids[i]:
                score = _dot(anchors[i], others[j])
                if score > positive - margin:
                    scores[count], hard[count] = score, j
                    count += 1
        for place in np.argsort(-scores[:count])[:k]:
            j = hard[place]
            loss += across * (margin + scores[place] - positive)
            _add(grad_anchors[i], others[j], across)
            _add(grad_others[j], anchors[i], across)
            _add(grad_anchors[i], others[i], -across)
            _add(grad_others[i], anchors[i], -across)
            inside = margin + _dot(others[i], others[j]) - positive
            if within and inside > 0:
                loss += within * inside
                _add(grad_others[i], others[j], within)
                _add(grad_others[j], others[i], within)
                _add(grad_anchors[i], others[i], -within)
                _add(grad_others[i], anchors[i], -within)
    return loss


def by_loops(images: np.ndarray, texts: np.ndarray, ids: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """The loss and its gradients by the scalar loops."""
    grad_images, grad_texts = np.zeros_like(images), np.zeros_like(texts)
    i2t, i2t_within, t2i, t2i_within, margin = map(np.float32, (*WEIGHTS, MARGIN))
    loss = _one_way(images, texts, ids, i2t, i2t_within, margin, K, grad_images, grad_texts)
    loss += _one_way(texts, images, ids, t2i, t2i_within, margin, K, grad_texts, grad_images)
    return loss / (len(images) * K), grad_images / (len(images) * K), grad_texts / (len(images) * K)


def vectorised(
    images: torch.Tensor,
    texts: torch.Tensor,
    ids: torch.Tensor,
) -> tuple[float, torch.Tensor, torch.Tensor]:
    """The same by `bi_rank`."""
    images, texts = images.requires_grad_(), texts.requires_grad_()
    loss = bi_rank(images, texts, ids, weights=WEIGHTS, margin=MARGIN, k=K)
    return (loss.item(), *torch.autograd.grad(loss, (images, texts)))


def batch(noise: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pairs whose texts are their images with noise of this length, of every hundred two captions of one image."""
    random = torch.Generator().manual_seed(0)
    images = F.normalize(torch.randn(N, D, generator=random))
    texts = F.normalize(images + noise * F.normalize(torch.randn(N, D, generator=random)))
    ids = torch.arange(N)
    ids[::100] = ids[1::100]
    return images, texts, ids


def seconds(*works: Callable[[], object]) -> list[float]:
    """The processor's seconds of each, the median of rounds in turns, after one to warm up."""
    times: list[list[float]] = [[] for _ in works]
    for round_ in range(ROUNDS + 1):
        for work, taken in zip(works, times, strict=True):
            began = time.process_time()
            work()
            if round_:
                taken.append(time.process_time() - began)
    return [statistics.median(taken) for taken in times]


def losses() -> None:
    """The loss beside the loops, and in a training step of the thesis's size."""
    step = training_step()
    for what, noise in (("all pairs violate", 1e3), ("few do", 3.0), ("none does", 0.0)):
        images, texts, ids = batch(noise)
        plain = images.numpy().copy(), texts.numpy().copy(), ids.numpy()
        for one, other in zip(vectorised(images, texts, ids), by_loops(*plain), strict=True):
            assert np.allclose(np.asarray(one), other, atol=1e-6), "the loops have another loss or gradient"
        ours, loops = seconds(lambda: vectorised(images, texts, ids), lambda: by_loops(*plain))  # noqa: B023
        print(f"bi-rank, {what}: {ours:.3f} s, loops {loops:.3f} s, {loops / ours:.1f} times as long", flush=True)
    whole, alone = seconds(lambda: step(True), lambda: step(False))
    share = 100 * (1 - alone / whole)
    print(f"a training step of the baseline: {whole:.2f} s, of which the loss takes {share:.0f} %", flush=True)


def training_step() -> Callable[[bool], None]:
    """A step of two branches of the thesis's widths at batch 1500, with the loss or with another that costs nothing."""
    branches = torch.nn.ModuleList(Stack(inputs, WIDTHS, input_norm=True, dropout=0.5) for inputs in INPUTS)
    optimiser = sgd(branches, caffe_rates(0.0005), learning_rate=0.1, momentum=0.9)
    rows, ids = [torch.randn(N, inputs) for inputs in INPUTS], torch.arange(N)

    def step(with_loss: bool) -> None:
        images, texts = (F.normalize(branch(row)) for branch, row in zip(branches, rows, strict=True))
        plain = (images * texts).sum()
        update(bi_rank(images, texts, ids, weights=WEIGHTS, margin=MARGIN, k=K) if with_loss else plain, optimiser)

    return step


def ranks() -> None:
    """R@K of 5,000 images and 25,000 texts in both directions, with the process's greatest memory."""
    random = np.random.default_rng(0)
    image_of = np.arange(TEXTS) * IMAGES // TEXTS
    images = random.standard_normal((IMAGES, D), np.float32)
    texts = images[image_of] + 4 * random.standard_normal((TEXTS, D), np.float32)
    began = time.process_time()
    evaluate(cosines((images, texts)), np.arange(IMAGES), image_of)
    taken, memory = time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"ranks of {IMAGES:,} x {TEXTS:,}: {taken:.1f} s (at most 5), {memory:.0f} MB (under 1,000)", flush=True)


def sentences() -> None:
    """Fisher vectors of sentences of 12 words by an HGLMM of 30 components of 50 dimensions: 3,000 numbers each."""
    random = np.random.default_rng(0)
    vectors = random.standard_normal((8000, 50)).astype(np.float32)
    fitted, _ = mixture.fit(vectors[:2000], 30, "hglmm", iterations=2, seed=0)
    captions = Tokens(random.integers(0, len(vectors), 240_000).astype(np.int32), np.full(20_000, 12, np.int32))
    (taken,) = seconds(lambda: sum(len(chunk) for _, chunk in fisher.encoded(captions, vectors, fitted)))
    print(f"HGLMM encoding: {len(captions.lengths) / taken:,.0f} sentences a second", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=("losses", "ranks", "sentences"), help="one alone; by default all")
    parser.add_argument("--vectors", action="store_true", help="loops with sums in any order")
    args = parser.parse_args()
    if args.part is None:  # a process each, so that memory is that of one
        for part in ("losses", "ranks", "sentences"):
            subprocess.run([sys.executable, "-m", "benchmarks.matching", part, *sys.argv[1:]], check=True)
        return
    Runtime("cpu", 1, "fp32").start()
    {"losses": losses, "ranks": ranks, "sentences": sentences}[args.part]()


if __name__ == "__main__":
    main()
