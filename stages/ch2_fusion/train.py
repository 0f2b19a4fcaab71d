"""Train one network of Section 2.4.1 on one CIFAR set: the thesis's SGD, with the author's settings behind parameters.

    python -m stages.ch2_fusion.train cifar10 cfn-b --seed 0
    python -m stages.ch2_fusion.train cifar10_augmented cfn-b --seed 0      # with the standard augmentation

Leaves the final weights and the curve behind Figures 2.7 and 2.8a.
"""

import argparse

import torch
from torch.nn import functional as F

from stages.ch2_fusion import data
from stages.ch2_fusion.experiments import dataset_of, is_augmented
from stages.ch2_fusion.model import FusionNetwork, build, count_parameters
from stages.ch2_fusion.training_settings import Network, Training, Variant
from stages.core import capture, loop, stage
from stages.core.branches import fusion_weights
from stages.core.optimisers import set_rate, sgd, stepped, update
from stages.core.runtime import Runtime
from stages.core.seeds import generator, seed_for

NAME = "ch2_fusion.train"


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "experiment", "model", seed=True)


def optimizer_for(model: FusionNetwork, training: Training) -> torch.optim.SGD:
    """SGD with one group for each pair of rate and decay."""

    def settings_of(name: str) -> tuple[float, float]:
        is_bias = name.endswith("bias")
        rate = (training.bias_rate if is_bias else 1) * (training.fusion_rate if name.startswith("fusion.") else 1)
        return rate, training.weight_decay * (training.bias_decay if is_bias else 1)

    return sgd(model, settings_of, learning_rate=training.learning_rate, momentum=training.momentum)


def error_percent(scores: torch.Tensor, labels: torch.Tensor) -> float:
    """Share of images whose highest score is not their label's, in percent."""
    return 100 * (scores.argmax(1) != labels).double().mean().item()


def main(args: argparse.Namespace, job: stage.Job) -> None:
    training = job.settings(Training, "ch2_fusion.training")
    network = job.settings(Network, "ch2_fusion.network")
    variant = job.settings(Variant, f"ch2_fusion.variants.{args.model}")
    precision = job.settings(Runtime, "runtime")
    device = precision.start()
    folder = job.dep(job.data(f"prepared/{dataset_of(args.experiment)}"))
    train, test = data.read(folder, "train", device), data.read(folder, "test", device)
    # The order of the images is the same for all models of a seed, so that their results pair.
    seed = (NAME, args.experiment, args.seed)
    model = build(variant, data.class_count(folder), network, generator(*seed, args.model, "weights"))
    precision.place(model, device)
    optimizer = optimizer_for(model, training)
    torch.manual_seed(seed_for(*seed, args.model, "dropout"))
    rows_of = loop.batches(len(train), training.batch_size, seed, device)

    def rate(iteration: int) -> float:
        return stepped(training.learning_rate, training.learning_rate_steps, iteration)

    def batch(iteration: int) -> capture.Batch:
        set_rate(optimizer, rate(iteration))
        rows = rows_of(iteration)
        if is_augmented(args.experiment):
            return rows, *data.draw_views(len(rows), generator(*seed, "augment", iteration), device)
        return (rows,)

    def work(rows: torch.Tensor, *views: torch.Tensor) -> torch.Tensor:
        images, labels = train.batch(rows)
        if views:
            images = data.shifted(images, *views)
        with precision.autocast(device):
            loss = F.cross_entropy(model(images), labels)
        update(loss, optimizer)
        return loss

    def observe(done: int) -> loop.Row:
        row = {"lr": rate(done - 1), **fusion_weights(model.fusion)}
        if done % training.test_every == 0 or done == training.iterations:
            row["test_error"] = error_percent(data.scores_of(model, test, precision), test.labels)
        return row

    step = capture.Step(batch, work, [optimizer], device)
    trained = loop.train(
        step,
        observe,
        {"model": model, "optimizer": optimizer},
        training,
        job.checkpoint,
        f"{args.experiment} {args.model} seed {args.seed}",
    )
    about = {"iterations": training.iterations, "parameters": count_parameters(model)["parameters_total"]}
    out = job.data(f"models/ch2_fusion/{args.experiment}/{args.model}-seed{args.seed}")
    loop.finish(job, out, model, trained, about, precision, device, **step.notes())


if __name__ == "__main__":
    stage.execute(parser(), main)
