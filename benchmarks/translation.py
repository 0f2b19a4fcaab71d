"""A training step of Section 8.1's models beside a bare PyTorch loop of the same networks and losses as CycleGAN's.

    python -m benchmarks.translation
    python -m benchmarks.translation --side 256 --width 64 --blocks 9 --strided 3 --rounds 2   # the thesis's

Prints how many times as long as the bare loop's step one of Vanilla takes (1.1 at most is asked), and how many times as long as Vanilla's
those of the others. Steps take turns, on one thread; times are the processor's, for the machine may be busy. The bare loop has no pool.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stages.ch8_translation.train import Trainer
from stages.ch8_translation.training_settings import Length, Network, Training, Variant
from stages.core.runtime import Runtime
from stages.gan.images import to_unit

PAIR = {"forward": 2, "backward": 2}
VARIANTS = {
    "vanilla": Variant(),
    "gan": Variant(cycle=0),
    "long": Variant(**PAIR),
    "nest": Variant(**PAIR, inner=True, similarity=1),
}
TRAINING = Training(
    batch_size=1, learning_rate=2e-4, beta_1=0.5, beta_2=0.999, weight_decay=5e-4, cycle=10, identity=0, pool=50, discriminator_weight=0.5
)  # fmt: skip
LENGTH = Length(iterations=10**6, log_every=100, checkpoint_every=100, constant=10**6)
CPU = torch.device("cpu")


def bare(trainer: Trainer) -> Callable[[int], Tensor]:
    """The step of Vanilla in plain PyTorch, on copies of its networks; returns the generators' loss."""
    g, h = (copy.deepcopy(chain[0]) for chain in (trainer.translator.forward_chain, trainer.translator.backward_chain))  # type: ignore[index]
    judges = copy.deepcopy(trainer.discriminators)
    d_b, d_a = judges["b"], judges["a"]
    adams = [
        torch.optim.Adam(module.parameters(), 2e-4, (0.5, 0.999), weight_decay=5e-4, fused=True)
        for module in (nn.ModuleList([g, h]), judges)
    ]
    a_all, b_all = (to_unit(images) for images in trainer.images)

    def target(scores: Tensor, value: float) -> Tensor:
        return F.mse_loss(scores, torch.full_like(scores, value))

    def step(iteration: int) -> Tensor:
        a, b = a_all[iteration % len(a_all)][None], b_all[iteration % len(b_all)][None]
        judges.requires_grad_(False)
        fake_b, fake_a = g(a), h(b)
        loss = target(d_b(fake_b), 1) + target(d_a(fake_a), 1) + 10 * (F.l1_loss(h(fake_b), a) + F.l1_loss(g(fake_a), b))
        adams[0].zero_grad()
        loss.backward()
        adams[0].step()
        judges.requires_grad_(True)
        pairs = (d_b, b, fake_b), (d_a, a, fake_a)
        judged = sum(target(judge(real), 1) + target(judge(fake.detach()), 0) for judge, real, fake in pairs)
        adams[1].zero_grad()
        (0.5 * judged).backward()
        adams[1].step()
        return loss

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("side", 64), ("width", 32), ("blocks", 6), ("strided", 3), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default, help="%(default)s")
    args = parser.parse_args()
    precision = Runtime("cpu", 1, "fp32")
    precision.start()
    network = Network(args.width, args.blocks, args.strided, "deconvolution", 0.02)
    images = torch.randint(256, (2, args.side, args.side, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    # One picture of a domain, so that both loops see the same.
    of = network, TRAINING, LENGTH, images[:1], images[1:], ("benchmark",), precision, CPU
    trainers = {name: Trainer(variant, *of) for name, variant in VARIANTS.items()}
    steps: dict[str, Callable] = {"bare": bare(trainers["vanilla"])} | {name: one.step for name, one in trainers.items()}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for iteration in range(1 + args.rounds):
        losses = {}
        for name, step in steps.items():
            began = time.process_time()
            losses[name] = step(iteration)
            seconds[name].append(time.process_time() - began)
        if iteration == 0:
            assert torch.allclose(losses["bare"], losses["vanilla"]["total"], rtol=1e-4), "the loops have different losses"
    medians = {name: statistics.median(taken[1:]) for name, taken in seconds.items()}
    print(f"vanilla {medians['vanilla']:.3f} s a step, {medians['vanilla'] / medians['bare']:.3f} times the bare loop's (at most 1.1)")
    others = ", ".join(f"{name} {medians[name] / medians['vanilla']:.2f}" for name in ("gan", "long", "nest"))
    print(f"times as long as vanilla: {others}")


if __name__ == "__main__":
    main()
