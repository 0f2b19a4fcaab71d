"""Train FCN-8s or FCFN on PASCAL VOC 2012 and SBD as Section 2.4.4 does, from VGG-16's weights at once.

    python -m stages.ch2_segmentation.train voc2012 fcn-8s --seed 0

Leaves the last weights and the training loss.
"""

import argparse
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from stages import datasets
from stages.ch2_segmentation.data import TrainingImages, check
from stages.ch2_segmentation.model import initial_model
from stages.ch2_segmentation.training_settings import Network, Training, Variant
from stages.core import capture, loop, optimisers, provenance, runtime, stage
from stages.core.ahead import in_turn, workers
from stages.core.runtime import Runtime, to_device
from stages.core.seeds import generator, seed_for
from stages.encoders.fcn8s import count_parameters, segmentation_loss, weights_called
from stages.encoders.vgg16 import normalise

NAME = "ch2_segmentation.train"


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset", "model", seed=True)


def optimizer_for(model: nn.Module, training: Training) -> torch.optim.SGD:
    """SGD with one group for each pair of rate and decay; fixed upsamplings are in none."""

    def settings_of(name: str) -> tuple[float, float]:
        is_bias = name.endswith("bias")
        rate = (training.fusion_rate if name.startswith("fuse_") else 1) * (training.bias_rate if is_bias else 1)
        return rate, training.weight_decay * (training.bias_decay if is_bias else 1)

    return optimisers.sgd(model, settings_of, learning_rate=training.learning_rate, momentum=training.momentum)


def training_images(reader: ModuleType, folder: Path, training: Training, largest: tuple[int, int], seed: int) -> TrainingImages:
    """The images, checked, in their order, which is the same for all networks of a seed, so that their results pair."""
    examples = reader.train_examples(folder)
    check(reader, [*examples, *reader.val_examples(folder)], largest)
    rows_of = loop.batches(len(examples), training.batch_size, (NAME, seed), torch.device("cpu"))
    return TrainingImages(reader, examples, rows_of, (NAME, seed) if training.mirror else None)


def main(args: argparse.Namespace, job: stage.Job) -> None:
    training = job.settings(Training, "ch2_segmentation.training")
    network = job.settings(Network, "ch2_segmentation.network")
    variant = job.settings(Variant, f"ch2_segmentation.variants.{args.model}")
    source = job.param("ch2_segmentation.weights")
    weights, vgg16 = weights_called(source, "ch2_segmentation.weights"), job.dep(job.data(f"sources/{source}"))
    precision = job.settings(Runtime, "runtime")
    device = precision.start()
    torch.backends.cudnn.benchmark = False  # it would try all algorithms again for each of the images' many sizes
    reader = datasets.reader(args.dataset)
    images = training_images(reader, job.dep(job.data(f"sources/{args.dataset}")), training, network.size, args.seed)
    random = generator(NAME, args.seed, args.model, "weights")
    model = initial_model(variant, runtime.load(vgg16 / weights.file), weights, network, len(reader.CLASSES), random)
    precision.place(model, device, unfused_because="its images have many sizes, and it would be compiled for each")
    optimizer = optimizer_for(model, training)
    torch.manual_seed(seed_for(NAME, args.seed, args.model, "dropout"))
    read = in_turn(images.batch, training.iterations, threads=workers())

    def batch(iteration: int) -> capture.Batch:
        pixels, labels = (to_device(part, device) for part in read(iteration))
        return normalise(pixels, weights), labels

    def work(pixels: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        with precision.autocast(device):
            logits = model(pixels)
        value = segmentation_loss(logits, labels, training.reduction)
        optimisers.update(value, optimizer)
        return value

    step = capture.Step(batch, work, [optimizer], device)  # recorded only if all images have one size, as those of VOC have not
    trained = loop.train(
        step,
        lambda done: {},
        {"model": model, "optimizer": optimizer},
        training,
        job.checkpoint,
        f"{args.model} seed {args.seed}",
    )
    about = {
        "iterations": training.iterations,
        "parameters": count_parameters(model),
        "encoder": f"VGG-16 ({source}), {provenance.kind_of(vgg16)} weights",
    }
    out = job.data(f"models/ch2_segmentation/{args.dataset}/{args.model}-seed{args.seed}")
    loop.finish(job, out, model, trained, about, precision, device, **step.notes())


if __name__ == "__main__":
    stage.execute(parser(), main)
