"""Counts of parameters, read from the modules: of each network and of each model, at the thesis's sizes and at those in force.

python -m stages.ch8_swapgan.architectures figures
"""

import argparse
import dataclasses
from collections.abc import Iterator

import torch

from stages.ch8_swapgan.model import build, count_parameters, discriminator
from stages.ch8_swapgan.stored import models_of
from stages.ch8_swapgan.training_settings import Network, Variant
from stages.core import metrics, stage

# Section 8.2.2; the channels are CycleGAN's, pix2pix's and PatchGAN's, as the thesis prints none.
THESIS = Network(width=64, blocks=6, downsamplings=3, kernel=1, upsampling="nearest", depth=8, strided=3, norm=True, std=0.02)


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def counts(variant: Variant, network: Network) -> dict[str, int]:
    """Parameters of the variant's generators by name, first, second and third, of its discriminator, and of all, `parameters`."""
    with torch.device("meta"):  # without memory, and so without initial values
        model, judge = build(variant, network, lambda _: torch.Generator()), discriminator(network, lambda _: torch.Generator())
    by_name = {name: count_parameters(one) for name, one in (*model.named_children(), ("discriminator", judge))}
    return by_name | {"parameters": sum(by_name.values())}


def records_of(name: str, variant: Variant, network: Network) -> Iterator[metrics.Record]:
    """A model's counts at the thesis's sizes; and, as <metric>_here, at those in force."""
    here = {f"{metric}_here": value for metric, value in counts(variant, network).items()}
    for metric, value in (counts(variant, THESIS) | here).items():
        yield metrics.Record(name, metric, value, "parameters", "lower", "bitwise")


def main(args: argparse.Namespace, job: stage.Job) -> None:
    network = job.settings(Network, "ch8_swapgan.network")
    records: list[metrics.Record] = []
    for name in models_of(job):
        records += records_of(name, job.settings(Variant, f"ch8_swapgan.variants.{name}"), network)
    wide = counts(Variant(second=False, third="none"), dataclasses.replace(THESIS, kernel=3))
    records.append(metrics.Record("generator-3x3", "parameters", wide["first"], "parameters", "lower", "bitwise"))
    metrics.publish(job, "ch8_swapgan", "architectures", None, records, protocol="full")


if __name__ == "__main__":
    stage.execute(parser(), main)
