"""Train one network of Section 2.4.2 on ImageNet, with the thesis's SGD.

    python -m stages.ch2_imagenet.train cfn-11 --seed 0

Leaves the final weights and the curve, with the fusion weights of Figure 2.8b.
"""

import argparse
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from stages.ch2_imagenet.data import Pictures, class_names, load_mean, random_crops
from stages.ch2_imagenet.networks import ImageNetwork, Network, build, count_parameters, fusion_weights
from stages.ch2_imagenet.variants import MODELS
from stages.core import loop, stage
from stages.core.ahead import in_turn, workers
from stages.core.errors import UserError
from stages.core.runtime import Runtime, gpu_name
from stages.core.seeds import generator

NAME = "ch2_imagenet.train"


@dataclass(frozen=True)
class Training:
    """Section 2.4.2; lengths in iterations.

    learning_rate is divided by 10 after each of learning_rate_steps; conv6 learns at top_rate times it. side_weight is that of each side
    prediction's loss beside the network's own, in DSN. gpus: over which a batch is split.
    """

    iterations: int
    batch_size: int
    learning_rate: float
    learning_rate_steps: list[int]
    momentum: float
    weight_decay: float
    top_rate: float
    side_weight: float
    gpus: int
    log_every: int
    checkpoint_every: int


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--seed", type=int, required=True)
    return parser


def optimizer_for(model: ImageNetwork, training: Training) -> torch.optim.SGD:
    """SGD with conv6's convolution in a group of its own; a group's `rate` multiplies the learning rate."""

    def settings_of(name: str) -> tuple[float, float]:
        return training.top_rate if name == "conv6.0.weight" else 1, training.weight_decay

    on_gpu = next(model.parameters()).is_cuda
    groups = loop.parameter_groups(model, settings_of, "rate")
    return torch.optim.SGD(groups, lr=training.learning_rate, momentum=training.momentum, weight_decay=training.weight_decay, fused=on_gpu)


def learning_rate(iteration: int, training: Training) -> float:
    """The rate of the step after `iteration` steps."""
    return training.learning_rate / 10 ** sum(iteration >= step for step in training.learning_rate_steps)


def loss_of(scores: torch.Tensor, labels: torch.Tensor, side_weight: float) -> torch.Tensor:
    """Eq. 2.4's softmax loss of the last prediction and, of DSN, `side_weight` times that of each other. scores (N, P, C), labels (N,)."""
    *sides, own = (F.cross_entropy(prediction, labels) for prediction in scores.unbind(dim=1))
    return own + side_weight * sum(sides)


class Cast(nn.Module):
    """A model at the run's precision, wherever it is called: nn.DataParallel's threads know nothing of an autocast around them."""

    def __init__(self, model: nn.Module, precision: Runtime, device: torch.device):
        super().__init__()
        self.model, self.precision, self.device = model, precision, device

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        with self.precision.autocast(self.device):
            return self.model(images).float()


def spread(model: nn.Module, gpus: int, device: torch.device) -> nn.Module:
    """The model as it is called: on several GPUs each takes a part of the batch, with batch norm's statistics of its part."""
    if gpus == 1:
        return model
    if device.type != "cuda" or torch.cuda.device_count() < gpus:
        found = torch.cuda.device_count() if device.type == "cuda" else 0
        raise UserError(f"ch2_imagenet.training.gpus is {gpus}, and PyTorch uses {found} here: set it to 1, or runtime.device to cuda")
    return nn.DataParallel(model, list(range(gpus)))


def main(args: argparse.Namespace, job: stage.Job) -> None:
    training, scale = job.settings(Training, "ch2_imagenet.training"), job.params["scale"]
    crop, mean_kind = (job.params["ch2_imagenet"][key] for key in ("crop", "mean"))
    precision = job.settings(Runtime, "runtime")
    device = precision.start()
    pictures = Pictures(job.dep(f"data/{scale}/packed/imagenet"), "train")
    facts = job.dep(f"data/{scale}/packed/imagenet_facts")
    mean = load_mean(facts, mean_kind, device)
    # The order of the images and their crops are the same for all networks of a seed, so that their results pair.
    seed = (NAME, "imagenet", args.seed)
    weights = generator(*seed, args.model, "weights")
    model = precision.place(build(args.model, len(class_names(facts)), job.settings(Network, "ch2_imagenet.network"), weights), device)
    called = spread(Cast(model, precision, device), training.gpus, device)
    optimizer = optimizer_for(model, training)
    rows_of = loop.batches(len(pictures), training.batch_size, seed, torch.device("cpu"))
    batch_of = in_turn(
        lambda iteration: random_crops(pictures, rows_of(iteration), crop, (*seed, "augment", iteration)),
        training.iterations,
        threads=workers(),
    )

    def step(iteration: int) -> torch.Tensor:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(iteration, training) * group["rate"]
        images, labels = batch_of(iteration).normalised(mean, device)
        loss = loss_of(called(images), labels, training.side_weight)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    trained = loop.train(
        step,
        lambda done: {"lr": learning_rate(done - 1, training), **fusion_weights(model)},
        {"model": model, "optimizer": optimizer},
        loop.Schedule(training.iterations, training.log_every, training.checkpoint_every),
        job.checkpoint,
        f"imagenet {args.model} seed {args.seed}",
    )
    about = {"iterations": training.iterations, "parameters": count_parameters(model), **precision.describe(device)}
    job.note(**trained.notes(), **about, gpu=gpu_name(device), gpus=training.gpus)
    loop.keep(job.out(f"data/{scale}/models/ch2_imagenet/{args.model}/seed{args.seed}"), model, trained, about)


if __name__ == "__main__":
    stage.execute(parser(), main)
