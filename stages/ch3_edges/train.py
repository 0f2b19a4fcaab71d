"""Train one network of Chapter 3 (Algorithm 1): VGG-16's weights or a pre-trained network, then SGD on Eq. 3.3 or 3.6.

    python -m stages.ch3_edges.train rds-se --seed 0

`variants` says what distinguishes the networks. Leaves the last weights and the training loss.
"""

import argparse
import json
from dataclasses import dataclass
from functools import partial

import torch

from stages.ch3_edges import data, loss
from stages.ch3_edges.model import EdgeNetwork, LocalFusion, count_parameters, from_vgg16
from stages.ch3_edges.variants import VARIANTS, Variant, model_folder
from stages.core import loop, runtime, stage
from stages.core.runtime import Runtime, gpu_name

NAME = "ch3_edges.train"


@dataclass(frozen=True)
class Training:
    """Sections 3.4.1 and 2.4.5; the rates of layers are the author's, as multiples of the learning rate, which never changes.

    balanced: HED's balance by image [31], else Eq. 3.4's alpha and beta. Biases learn at bias_rate times their layer's rate and decay
    at bias_decay times weight_decay; last_block_rate is of VGG-16's fifth block, output_rate of side scores, upsamplings and fusion,
    local_rate of FCFN's fusion, whose weights see one pixel each.
    """

    iterations: int
    learning_rate: float
    balanced: bool
    batch_size: int
    alpha: float
    beta: float
    momentum: float
    weight_decay: float
    bias_rate: float
    bias_decay: float
    last_block_rate: float
    output_rate: float
    local_rate: float
    log_every: int
    checkpoint_every: int

    @property
    def weigh(self) -> loss.Weigh:
        """The weights of a label map's pixels."""
        return loss.balanced_weights if self.balanced else partial(loss.pixel_weights, alpha=self.alpha, beta=self.beta)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=VARIANTS)
    parser.add_argument("--seed", type=int, required=True)
    return parser


def optimizer_for(model: EdgeNetwork, training: Training) -> torch.optim.SGD:
    """SGD with one group for each pair of rate and decay."""
    fusion_rate = training.local_rate if isinstance(model.fusion, LocalFusion) else training.output_rate
    layers = {"blocks.4.": training.last_block_rate, "blocks.": 1, "fusion.": fusion_rate, "": training.output_rate}

    def settings_of(name: str) -> tuple[float, float]:
        is_bias = name.endswith("bias")
        layer = next(rate for start, rate in layers.items() if name.startswith(start))
        rate = training.learning_rate * layer * (training.bias_rate if is_bias else 1)
        return rate, training.weight_decay * (training.bias_decay if is_bias else 1)

    on_gpu = next(model.parameters()).is_cuda  # one kernel for a whole group
    return torch.optim.SGD(loop.parameter_groups(model, settings_of, "lr"), momentum=training.momentum, fused=on_gpu)


def initial_model(variant: Variant, size: tuple[int, int], seed: int, job: stage.Job) -> EdgeNetwork:
    """The network before its first step: with VGG-16's weights, or with those of the variant it is fine-tuned from."""
    scale = job.params["scale"]
    weights = job.dep(f"data/{scale}/sources/vgg16") / "vgg16_features.pth"
    model = from_vgg16(runtime.load(weights), size if variant.local else None)
    if variant.start:
        model.load_state_dict(runtime.load(job.dep(model_folder(scale, variant.start, seed)) / "model.pt"))
    return model


def main(args: argparse.Namespace, job: stage.Job) -> None:
    scale, variant, settings = job.params["scale"], VARIANTS[args.model], job.params["ch3_edges"]
    training = Training(**settings["training"], **settings["recipes"][variant.recipe])
    precision = job.settings(Runtime, "runtime")
    device = precision.start()
    relaxed = job.dep(f"data/{scale}/relaxed/ch3_edges/{variant.dataset}") / f"{variant.relaxed}.npy" if variant.relaxed else None
    images = data.read(job.dep(f"data/{scale}/prepared/ch3_edges/{variant.dataset}"), relaxed, variant.dilated)
    model = precision.place(initial_model(variant, images.size, args.seed, job), device)
    optimizer = optimizer_for(model, training)
    # The order of the images is the same for all networks of a seed, so that their results pair.
    rows_of = loop.batches(len(images), training.batch_size, (NAME, variant.dataset, args.seed), torch.device("cpu"))

    def step(iteration: int) -> torch.Tensor:
        pixels, side_labels, truth = images.batch(rows_of(iteration), variant.sides, device)
        with precision.autocast(device):
            sides, fused = model(pixels)
            value = loss.deep_supervision_loss(sides, fused, side_labels, truth, training.weigh)
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
    weights = json.loads((job.dep(f"data/{scale}/sources/vgg16") / "provenance.json").read_text())
    about = {"iterations": training.iterations, "parameters": count_parameters(model), **precision.describe(device)}
    about["encoder"] = f"VGG-16, {weights['kind']} weights"
    job.note(**trained.notes(), **about, gpu=gpu_name(device))
    loop.keep(job.out(model_folder(scale, args.model, args.seed)), model, trained, about)


if __name__ == "__main__":
    stage.execute(parser(), main)
