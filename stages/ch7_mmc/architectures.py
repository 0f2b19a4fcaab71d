"""Counts of parameters at the thesis's sizes, read from the modules: Table 7.13, and what the networks of Tables 7.6 to 7.9 differ in.

python -m stages.ch7_mmc.architectures pascal_sentence
"""

import argparse
from collections.abc import Iterator

import torch

from stages.ch7_mmc.model import build, count_parameters
from stages.ch7_mmc.settings import Counted, Models
from stages.ch7_mmc.training_settings import Network, Variant
from stages.core import metrics, stage

# Section 7.2; what does not change a count is as it comes. A bias for each element, as Eq. 7.1 is printed: with one, 1,022 fewer.
THESIS = Network(
    widths=(2048, 512, 512, 512), dropout=0.5, norm_input=True, norm_momentum=0.1, last_relu=False, std=0.05,
    fusion_bias="each", fusion_start="drawn", root_floor=1e-10,
)  # fmt: skip
DIMENSIONS = {"pascal_sentence": 2048, "mscoco": 2048, "flowers102_texts": 4096, "cub200_texts": 4096}  # D, Section 7.4.4
# Whose classes a network is counted for, by its role: of the tables that it is a row of.
SETS = {"compared": "pascal_sentence", "ablated": "pascal_sentence", "studied": "mscoco", "other": "mscoco", "fine": "flowers102_texts"}
WHOLE = "mmc"  # of Table 7.13


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def records_of(name: str, variant: Variant, counted: Counted, dataset: str) -> Iterator[metrics.Record]:
    """A network's counts, for the features and classes of this data set as the thesis has it."""
    inputs, classes = getattr(counted, variant.images), counted.classes[dataset]
    with torch.device("meta"):  # without memory, and so without initial values
        model = build(variant, inputs, counted.texts, classes, DIMENSIONS[dataset], THESIS, "normal", lambda _: torch.Generator())
    counts = count_parameters(model)
    for metric, value in counts.items():
        yield metrics.Record(name, metric, value, "parameters", "lower", "bitwise", parameters=counts["parameters"])


def main(args: argparse.Namespace, job: stage.Job) -> None:
    counted, models = job.settings(Counted, "ch7_mmc.counted"), job.settings(Models, "ch7_mmc.models")
    records: list[metrics.Record] = []
    for role, dataset in SETS.items():
        for block in getattr(models, role):
            for name in job.param(f"ch7_mmc.variants.{block}"):
                variant = job.settings(Variant, f"ch7_mmc.variants.{block}.{name}")
                records += records_of(name, variant, counted, dataset)
                if name == WHOLE:
                    records += [one for own in DIMENSIONS for one in records_of(f"{name}-{own}", variant, counted, own)]
    metrics.publish(job, "ch7_mmc", "architectures", None, records, protocol="full")


if __name__ == "__main__":
    stage.execute(parser(), main)
