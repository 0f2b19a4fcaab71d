"""Table 2.1 and the parameter counts of Table 2.2, read from the modules at the thesis's own width.

    python -m stages.ch2_fusion.architectures cifar10

Counts are of all data sets of the parameters `counted`; the layers, those of the plain networks for the data set named.
"""

import argparse
import json
from typing import Literal

import torch
from torch import nn

from stages.ch2_fusion.model import FusionNetwork, build, count_parameters, describe
from stages.ch2_fusion.training_settings import Network, Variant
from stages.core import metrics, stage


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def thesis_model(variant: Variant, classes: int, side_kernel_cifar100_b: Literal[1, 3]) -> FusionNetwork:
    """The network at the thesis's width; its initial values play no part here."""
    network = Network(
        width=1,
        dropout=0.5,
        side_after_dropout=True,
        side_kernel_cifar100_b=side_kernel_cifar100_b,
        conv_std=0,
        fc_std=0,
        fusion_init=0.0,
    )
    return build(variant, classes, network, torch.Generator())


def depth(model: FusionNetwork) -> int:
    """Layers with weights on the main path, convolutions and the fully-connected one (Table 2.3, "Layers")."""
    path = (model.block1, model.block2, model.block3, model.top, model.classifiers[0])
    return sum(isinstance(module, nn.Conv2d | nn.Linear) for part in path for module in part.modules())


def records_of(name: str, dataset: str, model: FusionNetwork) -> list[metrics.Record]:
    """A network's parameters by the columns of Table 2.2, and its layers (Table 2.3)."""
    counts = count_parameters(model)
    facts = [(metric, float(value), "parameters") for metric, value in counts.items()]
    facts.append(("layers", float(depth(model)), "layers"))
    return [
        metrics.Record(
            model=name, seed=None, metric=metric, value=value, unit=unit, better="none", n=None, encoder=None,
            determinism="bitwise", parameters=counts["parameters_total"], predictions=None, dataset=dataset,
        )
        for metric, value, unit in facts
    ]  # fmt: skip


def main(args: argparse.Namespace, job: stage.Job) -> None:
    variants = {name: job.settings(Variant, f"ch2_fusion.variants.{name}") for name in job.param("ch2_fusion.variants")}
    kernel = job.param("ch2_fusion.network.side_kernel_cifar100_b")
    counted, records = job.param("ch2_fusion.counted"), []
    for dataset, classes in counted.items():
        for name, variant in variants.items():
            records += records_of(name, dataset, thesis_model(variant, classes, kernel))
    plain = {name: variant for name, variant in variants.items() if variant.fusion == "none"}
    classes = counted[args.dataset]
    layers = {name: describe(thesis_model(variant, classes, kernel)) for name, variant in plain.items()}
    metrics.publish(job, "ch2_fusion", "architectures", None, records, protocol="full")
    job.out("reports/metrics/ch2_fusion/layers.json").write_text(json.dumps(layers, indent=1) + "\n")


if __name__ == "__main__":
    stage.execute(parser(), main)
