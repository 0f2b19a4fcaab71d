"""Counts of parameters, read from the modules: at the thesis's sizes, and at those in force, by which the control is as large as Long.

And of a generator's passes in a step; both also as they would be if the generators of a chain were one (Section 9.2).

python -m stages.ch8_translation.architectures facades
"""

import argparse
import dataclasses
from collections.abc import Iterator

import torch
from torch import nn

from stages.ch8_translation.model import Chain, Translator, build, count_parameters, discriminators
from stages.ch8_translation.settings import Models
from stages.ch8_translation.training_settings import Network, Variant
from stages.core import metrics, stage

THESIS = Network(width=64, blocks=9, strided=3, upsampling="deconvolution", std=0.02)  # Section 8.1.2, and CycleGAN's where it is silent
SINGLE = Variant(directions="forward", cycle=0)  # one generator and one discriminator


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def counts(variant: Variant, network: Network) -> dict[str, int]:
    """Parameters of a model's generators, of its discriminators, and of all."""
    with torch.device("meta"):  # without memory, and so without initial values
        made = [make(variant, network, lambda _: torch.Generator()) for make in (build, discriminators)]
    generators, judges = map(count_parameters, made)
    return {"generators": generators, "discriminators": judges, "parameters": generators + judges}


def passes(variant: Variant) -> int:
    """How often a step passes a generator, counted in chains of generators that do nothing."""
    count = 0

    def one_more(*_: object) -> None:
        nonlocal count
        count += 1

    def chain(length: int) -> Chain:
        made = Chain([nn.Identity() for _ in range(length)])
        for generator in made:
            generator.register_forward_hook(one_more)
        return made

    model = Translator(chain(variant.forward), chain(variant.backward) if variant.directions == "both" else None)
    images = torch.empty(1, 3, 1, 1)
    model.passes(images, images, cycle=variant.cycle != 0, inner=variant.inner, identity=False)
    return count


def records_of(name: str, variant: Variant, network: Network) -> Iterator[metrics.Record]:
    """A model's counts at the thesis's sizes, unless it has sizes of its own; and, as <metric>_here, at those in force."""
    own = variant.blocks is not None or variant.width is not None
    there = {} if own else counts(variant, THESIS)
    here = {f"{metric}_here": value for metric, value in counts(variant, network).items()}
    for metric, value in (there | here).items():
        yield metrics.Record(name, metric, value, "parameters", "lower", "bitwise")
    yield metrics.Record(name, "passes", passes(variant), "passes", "lower", "bitwise")
    if max(variant.forward, variant.backward) > 1:
        shared = counts(dataclasses.replace(variant, forward=1, backward=1), THESIS)["parameters"]
        yield metrics.Record(f"{name}-shared", "parameters", shared, "parameters", "lower", "bitwise")
        yield metrics.Record(f"{name}-shared", "passes", passes(variant), "passes", "lower", "bitwise")


def main(args: argparse.Namespace, job: stage.Job) -> None:
    network, models = job.settings(Network, "ch8_translation.network"), job.settings(Models, "ch8_translation.models")
    records: list[metrics.Record] = []
    for name in models.compared + models.ours:
        records += records_of(name, job.settings(Variant, f"ch8_translation.variants.{name}"), network)
    one = counts(SINGLE, THESIS)
    single = {
        f"generator-{THESIS.blocks}": one["generators"],
        "generator-6": counts(dataclasses.replace(SINGLE, blocks=6), THESIS)["generators"],  # CycleGAN's at 128 pixels and fewer
        "discriminator": one["discriminators"],
    }
    records += [metrics.Record(name, "parameters", value, "parameters", "lower", "bitwise") for name, value in single.items()]
    metrics.publish(job, "ch8_translation", "architectures", None, records, protocol="full")


if __name__ == "__main__":
    stage.execute(parser(), main)
