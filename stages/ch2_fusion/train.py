"""Train one network of Section 2.4.1 on one CIFAR set: the thesis's SGD, with the author's settings behind parameters.

    python -m stages.ch2_fusion.train cifar10 cfn-b --seed 0

Leaves the final weights and the curve behind Figures 2.7 and 2.8a.
"""

import argparse
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from stages.ch2_fusion import data
from stages.ch2_fusion.model import MODELS, FusionNetwork, Network, build, count_parameters, fusion_weights
from stages.core import loop, stage
from stages.core.runtime import Runtime, gpu_name
from stages.core.seeds import generator, seed_for

NAME = "ch2_fusion.train"


@dataclass(frozen=True)
class Training:
    """Section 2.4.1; lengths in iterations, rates as in Caffe's solver.

    learning_rate is divided by 10 after each of learning_rate_steps. Biases learn at bias_rate times it and decay at
    bias_decay times weight_decay; the fusion layer's rates are fusion_rate times those of other layers.
    test_every: how often the curve holds the test error (a multiple of log_every).
    """

    iterations: int
    batch_size: int
    learning_rate: float
    learning_rate_steps: list[int]
    momentum: float
    weight_decay: float
    bias_rate: float
    bias_decay: float
    fusion_rate: float
    log_every: int
    test_every: int
    checkpoint_every: int


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=data.SOURCES)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--seed", type=int, required=True)
    return parser


def optimizer_for(model: FusionNetwork, training: Training) -> torch.optim.SGD:
    """SGD with one group for each pair of rate and decay; a group's `rate` multiplies the learning rate."""

    def settings_of(name: str) -> tuple[float, float]:
        is_bias = name.endswith("bias")
        rate = (training.bias_rate if is_bias else 1) * (training.fusion_rate if name.startswith("fusion.") else 1)
        return rate, training.weight_decay * (training.bias_decay if is_bias else 1)

    on_gpu = next(model.parameters()).is_cuda  # one kernel for a whole group
    groups = loop.parameter_groups(model, settings_of, "rate")
    return torch.optim.SGD(groups, lr=training.learning_rate, momentum=training.momentum, fused=on_gpu)


def learning_rate(iteration: int, training: Training) -> float:
    """The rate of the step after `iteration` steps."""
    return training.learning_rate / 10 ** sum(iteration >= step for step in training.learning_rate_steps)


def error_percent(scores: torch.Tensor, labels: torch.Tensor) -> float:
    """Share of images whose highest score is not their label's, in percent."""
    return 100 * (scores.argmax(1) != labels).double().mean().item()


def main(args: argparse.Namespace, job: stage.Job) -> None:
    training = job.settings(Training, "ch2_fusion.training")
    precision = job.settings(Runtime, "runtime")
    device = precision.start()
    folder = job.dep(f"data/{job.params['scale']}/prepared/{data.SOURCES[args.dataset]}")
    train, test = data.read(folder, "train", device), data.read(folder, "test", device)
    classes = data.class_count(folder)
    # The order of the images is the same for all models of a seed, so that their results pair.
    seed = (NAME, args.dataset, args.seed)
    model = build(args.model, classes, job.settings(Network, "ch2_fusion.network"), generator(*seed, args.model, "weights"))
    precision.place(model, device)
    optimizer = optimizer_for(model, training)
    torch.manual_seed(seed_for(*seed, args.model, "dropout"))
    rows_of = loop.batches(len(train), training.batch_size, seed, device)

    def step(iteration: int) -> torch.Tensor:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(iteration, training) * group["rate"]
        images, labels = train.batch(rows_of(iteration))
        if args.dataset == "cifar10_augmented":
            images = data.augment(images, generator(*seed, "augment", iteration))
        with precision.autocast(device):
            loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    def observe(done: int) -> loop.Row:
        row = {"lr": learning_rate(done - 1, training), **fusion_weights(model)}
        if done % training.test_every == 0 or done == training.iterations:
            row["test_error"] = error_percent(data.scores_of(model, test, precision), test.labels)
        return row

    trained = loop.train(
        step,
        observe,
        {"model": model, "optimizer": optimizer},
        loop.Schedule(training.iterations, training.log_every, training.checkpoint_every),
        job.checkpoint,
        f"{args.dataset} {args.model} seed {args.seed}",
    )
    about = {"iterations": training.iterations, "parameters": count_parameters(model)["parameters_total"], **precision.describe(device)}
    job.note(**trained.notes(), **about, gpu=gpu_name(device))
    loop.keep(job.out(f"data/{job.params['scale']}/models/ch2_fusion/{args.dataset}/{args.model}-seed{args.seed}"), model, trained, about)


if __name__ == "__main__":
    stage.execute(parser(), main)
