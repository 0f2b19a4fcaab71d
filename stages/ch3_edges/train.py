"""Train one network of Chapter 3 (Algorithm 1): VGG-16's weights or a pre-trained network, then SGD on Eq. 3.3 or 3.6.

    python -m stages.ch3_edges.train bsds500 rds-se --seed 0
    python -m stages.ch3_edges.train bsds500 rds-se --start pascal_context/cea --seed 0

Leaves the last weights and the training loss.
"""

import argparse
from functools import partial

import torch

from stages.ch3_edges import data, loss
from stages.ch3_edges.model import EdgeNetwork, LocalFusion, count_parameters, from_vgg16
from stages.ch3_edges.training_settings import FOLDER, Recipe, Training, Variant, finetuned_name
from stages.core import capture, loop, optimisers, provenance, runtime, stage
from stages.core.errors import UserError
from stages.core.runtime import Runtime
from stages.encoders.vgg16 import WEIGHTS

NAME = "ch3_edges.train"


def parser() -> argparse.ArgumentParser:
    parser = stage.parser(__doc__, "dataset", "model", seed=True)
    parser.add_argument("--start", metavar="DATASET/MODEL", help="a trained network to start from, instead of VGG-16")
    return parser


def settings_of(job: stage.Job, model: str, finetuned: bool) -> tuple[Variant, Recipe]:
    """What the network is, and how it is trained: by a recipe of its own, or that of its kind."""
    declared = job.param("ch3_edges.variants")  # of one kind, in a stage
    kind = next((kind for kind in declared if model in declared[kind] and (kind == "finetuned") == finetuned), None)
    if kind is None:
        which = f"{model} among finetuned" if finetuned else model
        raise UserError(f"ch3_edges.variants has no {which}, or the stage does not declare it")
    variant = job.settings(Variant, f"ch3_edges.variants.{kind}.{model}")
    return variant, variant.recipe or job.settings(Recipe, f"ch3_edges.recipes.{kind}")


def weigh(training: Training, recipe: Recipe) -> loss.Weigh:
    """The weights of a label map's pixels."""
    if recipe.balanced:
        return loss.balanced_weights
    return partial(loss.pixel_weights, alpha=training.alpha, beta=training.beta)


def optimizer_for(model: EdgeNetwork, training: Training, learning_rate: float) -> torch.optim.SGD:
    """SGD with the author's rates of layers."""
    fusion_rate = training.local_rate if isinstance(model.fusion, LocalFusion) else training.output_rate
    layers = {"blocks.4.": training.last_block_rate, "blocks.": 1, "fusion.": fusion_rate, "": training.output_rate}

    def rate_and_decay(name: str) -> tuple[float, float]:
        is_bias = name.endswith("bias")
        layer = next(rate for start, rate in layers.items() if name.startswith(start))
        decay = training.weight_decay * (training.bias_decay if is_bias else 1)
        return layer * (training.bias_rate if is_bias else 1), decay

    return optimisers.sgd(model, rate_and_decay, learning_rate=learning_rate, momentum=training.momentum)


def initial_model(variant: Variant, size: tuple[int, int], start: str | None, job: stage.Job) -> EdgeNetwork:
    """The network before its first step, with VGG-16's weights or those of the trained `start`, as bsds500/cea-seed0."""
    weights = job.dep(job.data("sources/vgg16")) / WEIGHTS.file
    model = from_vgg16(runtime.load(weights), size if variant.local else None)
    if start:
        model.load_state_dict(runtime.load(job.dep(job.data(f"{FOLDER}/{start}")) / "model.pt"))
    return model


def read_images(variant: Variant, dataset: str, job: stage.Job) -> data.EdgeImages:
    """The training images, with the responses that relax the variant's labels."""
    responses = None
    if variant.relaxed:
        responses = job.dep(job.data(f"relaxed/ch3_edges/{dataset}")) / f"{variant.relaxed}.npy"
    return data.read(job.dep(job.data(f"prepared/ch3_edges/{dataset}")), responses, variant.dilated)


def main(args: argparse.Namespace, job: stage.Job) -> None:
    variant, recipe = settings_of(job, args.model, bool(args.start))
    training = job.settings(Training, "ch3_edges.training")
    name = finetuned_name(args.model, args.start.rpartition("/")[2]) if args.start else args.model
    precision = job.settings(Runtime, "runtime")
    device = precision.start()
    images = data.nearest(read_images(variant, args.dataset, job), device)
    if (size := training.batch_size) > len(images):
        raise UserError(f"ch3_edges.training.batch_size is {size}, and {args.dataset} has {len(images)} training images")
    start = f"{args.start}-seed{args.seed}" if args.start else None
    model = precision.place(initial_model(variant, images.size, start, job), device)
    optimizer = optimizer_for(model, training, recipe.learning_rate)
    weights_of = weigh(training, recipe)
    # The order of the images is the same for all networks of a seed, so that their results pair.
    rows_of = loop.batches(len(images), training.batch_size, (NAME, args.dataset, args.seed), images.device)

    def batch(iteration: int) -> capture.Batch:
        return images.batch(rows_of(iteration), variant.sides, device)

    def work(pixels: torch.Tensor, side_labels: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        with precision.autocast(device):
            sides, fused = model(pixels)
            value = loss.deep_supervision_loss(sides, fused, side_labels, truth, weights_of)
        optimisers.update(value, optimizer)
        return value

    step = capture.Step(batch, work, [optimizer], device)
    trained = loop.train(
        step,
        lambda done: {},
        {"model": model, "optimizer": optimizer},
        loop.Schedule(recipe.iterations, training.log_every, training.checkpoint_every),
        job.checkpoint,
        f"{name} seed {args.seed}",
    )
    encoder = f"VGG-16, {provenance.kind_of(job.dep(job.data('sources/vgg16')))} weights"
    about = {"iterations": recipe.iterations, "parameters": count_parameters(model), "encoder": encoder}
    out = job.data(f"{FOLDER}/{args.dataset}/{name}-seed{args.seed}")
    loop.finish(job, out, model, trained, about, precision, device, **step.notes())


if __name__ == "__main__":
    stage.execute(parser(), main)
