"""Table 2.1 and the parameter counts of Table 2.2, read from the modules at the thesis's own width.

python -m stages.ch2_fusion.architectures
"""

import argparse
import json

import torch
from torch import nn

from stages.ch2_fusion.model import MODELS, FusionNetwork, Network, build, count_parameters, describe
from stages.core import metrics, stage

CLASSES = {"cifar10": 10, "cifar100": 100}


def thesis_model(name: str, classes: int, side_kernel_cifar100_b: int) -> FusionNetwork:
    """The model at the thesis's width; its initial values play no part here."""
    settings = Network(
        width=1, dropout=0.5, side_after_dropout=True, side_kernel_cifar100_b=side_kernel_cifar100_b, conv_std=0, fc_std=0, fusion_init=0.0
    )
    return build(name, classes, settings, torch.Generator())


def depth(model: FusionNetwork) -> int:
    """Layers with weights on the main path, convolutions and the fully-connected one (Table 2.3, "Layers")."""
    path = (model.block1, model.block2, model.block3, model.top, model.classifiers[0])
    return sum(isinstance(module, nn.Conv2d | nn.Linear) for part in path for module in part.modules())


def main(args: argparse.Namespace, job: stage.Job) -> None:
    kernel = job.params["ch2_fusion"]["network"]["side_kernel_cifar100_b"]
    models = {(name, dataset): thesis_model(name, classes, kernel) for dataset, classes in CLASSES.items() for name in MODELS}
    records = []
    for (name, dataset), model in models.items():
        counts = count_parameters(model)
        facts = [*((metric, float(value), "parameters") for metric, value in counts.items()), ("layers", float(depth(model)), "layers")]
        records += [
            metrics.Record(
                model=name, seed=None, metric=metric, value=value, unit=unit, better="none", n=None, encoder=None,
                determinism="bitwise", parameters=counts["parameters_total"], predictions=None, dataset=dataset,
            )
            for metric, value, unit in facts
        ]  # fmt: skip
    metrics.write(
        job.out("reports/metrics/ch2_fusion/architectures.json"), chapter="ch2_fusion", experiment="architectures",
        scale=job.params["scale"], protocol="full", dataset=None, records=records,
    )  # fmt: skip
    layers = {name: describe(models[name, "cifar10"]) for name in ("cnn-a", "cnn-b")}
    job.out("reports/metrics/ch2_fusion/layers.json").write_text(json.dumps(layers, indent=1) + "\n")


if __name__ == "__main__":
    stage.execute(argparse.ArgumentParser(description=__doc__), main)
