"""Counts of parameters at the thesis's sizes, read from the modules.

python -m stages.ch6_cyclematch.architectures flickr30k
"""

import argparse

import torch

from stages.ch6_cyclematch.model import build, count_parameters
from stages.ch6_cyclematch.settings import Counted
from stages.ch6_cyclematch.training_settings import Network, Variant
from stages.core import metrics, stage

# Of Section 6.4.1 with Chapter 5's layers; what does not change a count is as it comes.
THESIS = Network(widths=(2048, 512, 512), dropout=0.5, norm_input=True, norm_momentum=0.1, std=0.05, latent="after")


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
    counted = job.settings(Counted, "ch6_cyclematch.counted")
    records = []
    for block, names in job.param("ch6_cyclematch.variants").items():
        for name in names:
            variant = job.settings(Variant, f"ch6_cyclematch.variants.{block}.{name}")
            records += records_of(name, variant, getattr(counted, variant.images), getattr(counted, variant.texts))
    metrics.publish(job, "ch6_cyclematch", "architectures", None, records, protocol="full")


if __name__ == "__main__":
    stage.execute(parser(), main)
