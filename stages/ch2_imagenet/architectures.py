"""The parameter counts of Section 2.4.2's text and the dimensions of Table 2.6, read from the modules at the thesis's width.

python -m stages.ch2_imagenet.architectures imagenet
"""

import argparse

import torch
from torch import nn

from stages.ch2_imagenet.networks import ImageNetwork, Network, build, count_parameters
from stages.ch2_imagenet.variants import ALEXNET, MODELS
from stages.core import metrics, stage
from stages.encoders import vision

CLASSES = 1000


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=["imagenet"])
    return parser


def thesis_model(name: str) -> ImageNetwork:
    """The network at the thesis's width, for ImageNet's 1,000 classes, without values."""
    with torch.device("meta"):
        return build(name, CLASSES, Network(width=1, fusion_init=0.25), torch.Generator())


def depth(model: ImageNetwork) -> int:
    """Layers with weights on the main path: convolutions and the fully-connected one; shortcuts and sides are beside it."""
    beside = ("projection", "sides", "side_classifiers")
    layers = [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    return sum(not set(name.split(".")) & set(beside) for name in layers)


def facts() -> dict[str, dict[str, int]]:
    """Of each network its counts; `parameters_added` is over the plain network of as many layers."""
    counts = {}
    for name in MODELS:
        model = thesis_model(name)
        kind, layers = name.split("-")
        counts[name] = {"parameters_total": count_parameters(model), "layers": depth(model), "dimensions": model.classifier.weight.shape[1]}
        if kind != "cnn":
            counts[name]["parameters_added"] = counts[name]["parameters_total"] - counts[f"cnn-{layers}"]["parameters_total"]
    alexnet = vision.encoder(ALEXNET).build()
    weights = [module.weight for module in alexnet.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    counts[ALEXNET] = {"parameters_total": count_parameters(alexnet), "dimensions": weights[-1].shape[1], "layers": len(weights)}
    return counts


def main(args: argparse.Namespace, job: stage.Job) -> None:
    units = {"parameters_total": "parameters", "parameters_added": "parameters", "layers": "layers", "dimensions": "components"}
    records = [
        metrics.Record(model=name, metric=metric, value=float(value), unit=units[metric], better="none", determinism="bitwise")
        for name, counts in facts().items() for metric, value in counts.items()
    ]  # fmt: skip
    metrics.write(
        job.out("reports/metrics/ch2_imagenet/architectures.json"), chapter="ch2_imagenet", experiment="architectures",
        scale=job.params["scale"], protocol="full", dataset=None, records=records,
    )  # fmt: skip


if __name__ == "__main__":
    stage.execute(parser(), main)
