"""The networks of Section 2.4.2 by name, without the networks: what looks at results need not import PyTorch."""

from pathlib import Path

from stages.core import stage, trainings

MODELS = ("cnn-11", "dsn-11", "resnet-11", "cfn-11", "cnn-19", "cfn-19")
ALEXNET = "alexnet"  # whose weights are published
BRANCHES = {1: "side branch 1", 2: "side branch 2", 3: "side branch 3", 4: "side branch 4 (main)"}


def trained_models(job: stage.Job, models: list[str]) -> list[tuple[str, int, Path]]:
    """Every network that has been trained, with its seed and folder: one a model, so that a stage can depend on some of them."""
    folder, seeds = f"data/{job.params['scale']}/models/ch2_imagenet", job.params["ch2_imagenet"]["seeds"]
    return trainings.available(job, folder, models, seeds, "{model}/seed{seed}")


def file_name(model: str, seed: int | None) -> str:
    """What a network's results are called."""
    return model if seed is None else f"{model}-seed{seed}"
