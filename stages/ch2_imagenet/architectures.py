"""The parameter counts of Section 2.4.2's text and the dimensions of Table 2.6, read from the modules at the thesis's width.

    python -m stages.ch2_imagenet.architectures imagenet

The networks are those for as many classes as the parameters `counted` give the data set.
"""

import argparse
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import nn

from stages.ch2_imagenet.networks import ImageNetwork, build, count_parameters
from stages.ch2_imagenet.training_settings import Network, Variant
from stages.core import metrics, stage
from stages.encoders import vision


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def thesis_model(variant: Variant, classes: int) -> ImageNetwork:
    """The network at the thesis's width, without values."""
    with torch.device("meta"):
        return build(variant, classes, Network(width=1, fusion_init=0.25), torch.Generator())


def depth(model: ImageNetwork) -> int:
    """Layers with weights on the main path: convolutions and the fully-connected one; shortcuts and sides are beside it."""
    beside = ("projection", "sides", "side_classifiers")
    layers = [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    return sum(not set(name.split(".")) & set(beside) for name in layers)


def counts_of(variant: Variant, classes: int) -> dict[str, int]:
    """A network's counts; `parameters_added` is over the plain network of as many layers."""
    model, plain = thesis_model(variant, classes), replace(variant, residual=False, sides="none")
    counts = {"parameters_total": count_parameters(model), "layers": depth(model)}
    counts["dimensions"] = model.classifier.weight.shape[1]
    if variant != plain:
        counts["parameters_added"] = counts["parameters_total"] - count_parameters(thesis_model(plain, classes))
    return counts


def facts(variants: Mapping[str, Variant], encoder: str, classes: int) -> dict[str, dict[str, int]]:
    """The counts of each network trained here, and of the published one."""
    published = vision.encoder(encoder).build()
    weights = [module.weight for module in published.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    counts = {"parameters_total": count_parameters(published), "dimensions": weights[-1].shape[1], "layers": len(weights)}
    return {name: counts_of(variant, classes) for name, variant in variants.items()} | {encoder: counts}


def main(args: argparse.Namespace, job: stage.Job) -> None:
    units = {"parameters_total": "parameters", "parameters_added": "parameters", "layers": "layers", "dimensions": "components"}
    names, encoder = job.param("ch2_imagenet.variants"), job.param("ch2_imagenet.encoder.name")
    variants = {name: job.settings(Variant, f"ch2_imagenet.variants.{name}") for name in names}
    counted = facts(variants, encoder, job.param(f"ch2_imagenet.counted.{args.dataset}"))
    records = [
        metrics.Record(model=name, metric=metric, value=float(value), unit=units[metric], better="none", determinism="bitwise")
        for name, counts in counted.items() for metric, value in counts.items()
    ]  # fmt: skip
    metrics.publish(job, "ch2_imagenet", "architectures", None, records, protocol="full")


if __name__ == "__main__":
    stage.execute(parser(), main)
