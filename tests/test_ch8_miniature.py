"""What Chapter 8's miniature is planted to show: committed numbers, which are the same bytes on any CPU. Long and Nest are shown only."""

from pathlib import Path

import pytest

from stages.core import metrics
from workflow.lock import load_yaml

ROOT = Path(__file__).parents[1]
MEASURES = ("pixel_accuracy", "class_accuracy", "class_iou")


@pytest.mark.parametrize("dataset", ["facades", "cityscapes"])
def test_vanilla_is_above_gan_and_what_needs_no_network_and_the_oracle_above_all(dataset: str) -> None:
    if load_yaml((ROOT / "params.yaml").read_text())["scale"] != "mini":
        pytest.skip("another scale than the committed one is in force")
    file = metrics.read(ROOT / f"reports/metrics/ch8_translation/{dataset}.json")
    for measure in MEASURES:
        values = {record.model: record.value for record in file.records if record.metric == measure}
        assert values["vanilla"] > max(values["gan"], values["copy"], values["constant"])
        assert values["oracle"] > max(value for model, value in values.items() if model != "oracle")
    cycles = {record.model: record.value for record in file.records if record.metric == "spread_backward"}
    assert min(cycles[model] for model in ("vanilla", "long", "nest")) > cycles["gan"]  # whose labels look alike


def test_swapped_clothes_are_nearer_to_the_true_swap_than_the_condition_and_on_the_reference_s_body() -> None:
    if load_yaml((ROOT / "params.yaml").read_text())["scale"] != "mini":
        pytest.skip("another scale than the committed one is in force")
    file = metrics.read(ROOT / "reports/metrics/ch8_swapgan/deepfashion_inshop.json")
    values = {(record.model, record.metric): record.value for record in file.records if record.seed in (None, 0)}
    assert values["full", "ssim_swap"] > values["copy", "ssim_swap"]
    # A body without the clothes' colours would do for SSIM: their tops are less than half as far off as the reference's own.
    assert values["full", "l1_plain"] < values["reference", "l1_plain"] / 2
    assert min(values["full", "mask_iou_reference"], values["full", "mask_iou_condition"]) > 0.5  # as the parser reads them
    assert values["real", "mask_iou_reference"] > 0.8 and values["real", "category_accuracy"] > 0.9  # whose word this rests on
