"""Counts of parameters at the thesis's sizes, read from the modules.

python -m stages.ch5_rrf.architectures flickr30k
"""

import argparse

import torch

from stages.ch5_rrf.model import build, count_parameters
from stages.ch5_rrf.settings import Counted
from stages.ch5_rrf.training_settings import Network, Variant
from stages.core import metrics, stage

# Of Section 5.3.2 with the author's layers; what does not change a count is as it comes.
THESIS = Network(
    widths=(2048, 512, 512, 512),
    dropout=0.5,
    norm_input=True,
    norm_momentum=0.1,
    norm_fusion=True,
    std=0.05,
    fusion_start="mean",
)


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def records_of(name: str, variant: Variant, images: int, texts: int) -> list[metrics.Record]:
    """A network's counts, for features of so many dimensions."""
    with torch.device("meta"):  # without memory, and so without initial values
        counts = count_parameters(build(variant, images, texts, THESIS, "normal", torch.Generator()))
    return [
        metrics.Record(
            model=name, metric=metric, value=value, unit="parameters", better="lower", determinism="bitwise",
            parameters=counts["parameters"],
        )
        for metric, value in counts.items()
    ]  # fmt: skip


def main(args: argparse.Namespace, job: stage.Job) -> None:
    counted = job.settings(Counted, "ch5_rrf.counted")
    records = []
    for block, names in job.param("ch5_rrf.variants").items():
        for name in names:
            variant = job.settings(Variant, f"ch5_rrf.variants.{block}.{name}")
            records += records_of(name, variant, getattr(counted, variant.images), counted.texts)
    metrics.publish(job, "ch5_rrf", "architectures", None, records, protocol="full")


if __name__ == "__main__":
    stage.execute(parser(), main)
