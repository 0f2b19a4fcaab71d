"""Train FCN-8s or FCFN on PASCAL VOC 2012 and SBD as Section 2.4.4 does, from VGG-16's weights at once.

    python -m stages.ch2_segmentation.train fcn-8s --seed 0

Leaves the last weights and the training loss.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from stages.ch2_segmentation import MODELS, model_folder
from stages.ch2_segmentation.data import TrainingImages, check
from stages.ch2_segmentation.loss import REDUCTIONS, segmentation_loss
from stages.ch2_segmentation.model import Network, count_parameters, initial_model, weights_called
from stages.core import loop, runtime, stage
from stages.core.ahead import in_turn, workers
from stages.core.errors import UserError
from stages.core.runtime import Runtime, gpu_name, to_device
from stages.core.seeds import generator, seed_for
from stages.datasets import voc2012
from stages.encoders.vgg16 import normalise

NAME = "ch2_segmentation.train"


@dataclass(frozen=True)
class Training:
    """Section 2.4.4; the learning rate never changes. See the README for what it leaves open.

    Biases learn at bias_rate times their layer's rate and decay at bias_decay times weight_decay; FCFN's fusions learn at fusion_rate
    times the others'. mirror : half of the images are turned left to right.
    """

    iterations: int
    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float
    bias_rate: float
    bias_decay: float
    fusion_rate: float
    reduction: str
    mirror: bool
    log_every: int
    checkpoint_every: int

    def __post_init__(self) -> None:
        if self.batch_size != 1:
            raise UserError(f"ch2_segmentation.training.batch_size is {self.batch_size}: it can only be 1, for images differ in size")
        if self.reduction not in REDUCTIONS:
            raise UserError(f"ch2_segmentation.training.reduction is {self.reduction!r}: it is one of {', '.join(REDUCTIONS)}")


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--seed", type=int, required=True)
    return parser


def optimizer_for(model: nn.Module, training: Training) -> torch.optim.SGD:
    """SGD with one group for each pair of rate and decay; fixed upsamplings are in none."""

    def settings_of(name: str) -> tuple[float, float]:
        is_bias = name.endswith("bias")
        layer = training.fusion_rate if name.startswith("fuse_") else 1
        rate = training.learning_rate * layer * (training.bias_rate if is_bias else 1)
        return rate, training.weight_decay * (training.bias_decay if is_bias else 1)

    on_gpu = next(model.parameters()).is_cuda  # one kernel for a whole group
    return torch.optim.SGD(loop.parameter_groups(model, settings_of, "lr"), momentum=training.momentum, fused=on_gpu)


def training_images(folder: Path, training: Training, largest: list[int], seed: int) -> TrainingImages:
    """The images, checked, in their order, which is the same for both networks of a seed, so that their results pair."""
    examples = voc2012.train_examples(folder)
    check([*examples, *voc2012.val_examples(folder)], largest)
    rows_of = loop.batches(len(examples), training.batch_size, (NAME, seed), torch.device("cpu"))
    return TrainingImages(examples, rows_of, (NAME, seed) if training.mirror else None)


def main(args: argparse.Namespace, job: stage.Job) -> None:
    scale, source = job.params["scale"], job.params["ch2_segmentation"]["weights"]
    training, network = job.settings(Training, "ch2_segmentation.training"), job.settings(Network, "ch2_segmentation.network")
    weights = weights_called(source)
    precision = job.settings(Runtime, "runtime")
    device = precision.start()
    torch.backends.cudnn.benchmark = False  # it would try all algorithms again for each of the images' many sizes
    images = training_images(job.dep(f"data/{scale}/sources/voc2012"), training, network.size, args.seed)
    vgg16_folder = job.dep(f"data/{scale}/sources/{source}")
    random = generator(NAME, args.seed, args.model, "weights")
    model = initial_model(args.model, runtime.load(vgg16_folder / weights.file), weights, network, len(voc2012.CLASSES), random)
    precision.place(model, device)
    optimizer = optimizer_for(model, training)
    torch.manual_seed(seed_for(NAME, args.seed, args.model, "dropout"))
    batch = in_turn(images.batch, training.iterations, threads=workers())

    def step(iteration: int) -> torch.Tensor:
        pixels, labels = (to_device(part, device) for part in batch(iteration))
        with precision.autocast(device):
            logits = model(normalise(pixels, weights))
        value = segmentation_loss(logits, labels, training.reduction)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value

    trained = loop.train(
        step,
        lambda done: {},
        {"model": model, "optimizer": optimizer},
        loop.Schedule(training.iterations, training.log_every, training.checkpoint_every),
        job.checkpoint,
        f"{args.model} seed {args.seed}",
    )
    kind = json.loads((vgg16_folder / "provenance.json").read_text())["kind"]
    about = {"iterations": training.iterations, "parameters": count_parameters(model), **precision.describe(device)}
    about["encoder"] = f"VGG-16 ({source}), {kind} weights"
    job.note(**trained.notes(), **about, gpu=gpu_name(device))
    loop.keep(job.out(model_folder(scale, args.model, args.seed)), model, trained, about)


if __name__ == "__main__":
    stage.execute(parser(), main)
