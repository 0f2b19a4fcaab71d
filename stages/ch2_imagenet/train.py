"""Train one network of Section 2.4.2, with the thesis's SGD.

    python -m stages.ch2_imagenet.train imagenet cfn-11 --seed 0

Leaves the final weights and the curve, with the fusion weights of Figure 2.8b.
"""

import argparse

import torch
from torch import nn
from torch.nn import functional as F

from stages.ch2_imagenet.data import Pictures, class_names, load_mean, random_crops
from stages.ch2_imagenet.networks import ImageNetwork, build, count_parameters
from stages.ch2_imagenet.training_settings import Network, Training, Variant
from stages.core import capture, loop, stage
from stages.core.ahead import in_turn, workers
from stages.core.branches import fusion_weights
from stages.core.errors import UserError
from stages.core.optimisers import set_rate, sgd, stepped, update
from stages.core.runtime import Runtime
from stages.core.seeds import generator

NAME = "ch2_imagenet.train"


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset", "model", seed=True)


def optimiser_for(model: ImageNetwork, training: Training) -> torch.optim.SGD:
    """SGD with conv6's convolution in a group of its own; a group's `rate` multiplies the learning rate."""

    def settings_of(name: str) -> tuple[float, float]:
        return training.top_rate if name == "conv6.0.weight" else 1, training.weight_decay

    return sgd(model, settings_of, learning_rate=training.learning_rate, momentum=training.momentum)


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


def spread(model: Cast, gpus: int, device: torch.device) -> nn.Module:
    """The model as it is called: on several GPUs each takes a part of the batch, with batch norm's statistics of its part."""
    if gpus == 1:
        return model
    if device.type != "cuda" or torch.cuda.device_count() < gpus:
        used = torch.cuda.device_count() if device.type == "cuda" else 0
        remedy = "set it to 1, or runtime.device to cuda"
        raise UserError(f"ch2_imagenet.training.gpus is {gpus}, and PyTorch uses {used} here: {remedy}")
    if model.precision.fused:
        raise UserError(f"runtime.fused is true, and ch2_imagenet.training.gpus {gpus}: set one to false, or the other to 1")
    return nn.DataParallel(model, list(range(gpus)))


def main(args: argparse.Namespace, job: stage.Job) -> None:
    training = job.settings(Training, "ch2_imagenet.training")
    variant = job.settings(Variant, f"ch2_imagenet.variants.{args.model}")
    precision = job.settings(Runtime, "runtime")
    device = precision.start()
    pictures = Pictures(job.dep(job.data(f"packed/{args.dataset}")), "train")
    facts = job.dep(job.data(f"packed/{args.dataset}_facts"))
    mean, crop = load_mean(facts, job.param("ch2_imagenet.mean"), device), job.param("ch2_imagenet.crop")
    # The order of the images and their crops are the same for all networks of a seed, so that their results pair.
    seed = (NAME, args.dataset, args.seed)
    weights = generator(*seed, args.model, "weights")
    model = build(variant, len(class_names(facts)), job.settings(Network, "ch2_imagenet.network"), weights)
    called = spread(Cast(precision.place(model, device), precision, device), training.gpus, device)
    optimiser = optimiser_for(model, training)
    rows_of = loop.batches(len(pictures), training.batch_size, seed, torch.device("cpu"))
    crops_of = in_turn(
        lambda iteration: random_crops(pictures, rows_of(iteration), crop, (*seed, "augment", iteration)),
        training.iterations,
        threads=workers(),
    )

    def rate_of(iteration: int) -> float:
        return stepped(training.learning_rate, training.learning_rate_steps, iteration)

    def batch(iteration: int) -> capture.Batch:
        set_rate(optimiser, rate_of(iteration))
        return crops_of(iteration).normalised(mean, device)

    def work(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        loss = loss_of(called(images), labels, training.side_weight)
        update(loss, optimiser)
        return loss

    step = capture.Step(batch, work, [optimiser], device, eager_because="several GPUs share a batch" if training.gpus > 1 else "")
    trained = loop.train(
        step,
        lambda done: {"lr": rate_of(done - 1), **fusion_weights(model.fusion)},
        {"model": model, "optimizer": optimiser},
        training,
        job.checkpoint,
        f"{args.dataset} {args.model} seed {args.seed}",
    )
    about = {"iterations": training.iterations, "parameters": count_parameters(model)}
    out = job.data(f"models/ch2_imagenet/{args.dataset}/{args.model}-seed{args.seed}")
    loop.finish(job, out, model, trained, about, precision, device, gpus=training.gpus, **step.notes())


if __name__ == "__main__":
    stage.execute(parser(), main)
