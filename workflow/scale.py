"""The parameters in force: composed from a scale, checked before anything runs.

    python -m workflow.scale real_cpu                      # write params.yaml for that scale
    python -m workflow.scale mini runtime.threads=2        # with a change
    python -m workflow.scale --check                       # is params.yaml valid?

`dvc exp run -S scale=real` composes the same way. A plain `dvc repro` takes params.yaml as it is.
"""

import argparse
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

CONFIG = Path("workflow/scales")
PARAMS = Path("params.yaml")

Count = Annotated[int, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Cifar = Literal["cifar10", "cifar10_augmented", "cifar100"]
Model = Literal["cnn-a", "cnn-sum-a", "cnn-conv-a", "cfn-a", "cfn-a-eplf", "cnn-b", "cnn-sum-b", "cnn-conv-b", "cfn-b", "cfn-b-eplf"]
WithFusionWeights = Literal["cnn-conv-a", "cfn-a", "cfn-a-eplf", "cnn-conv-b", "cfn-b", "cfn-b-eplf"]


# Section 2.4.1 and Table 2.1: without these a run is not the thesis's, and no cell may be judged by it.
THESIS = {
    "ch2_fusion.network.width": 1,
    "ch2_fusion.network.dropout": 0.5,
    "ch2_fusion.training.iterations": 120_000,
    "ch2_fusion.training.batch_size": 100,
}


class Section(BaseModel):
    """A mapping of params.yaml: no unknown keys, no silent conversions."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Runtime(Section):
    device: Literal["auto", "cpu", "cuda"]
    threads: Count
    precision: Literal["fp32", "bf16"]


class GeneratedSet(Section):
    train: Annotated[int, Field(ge=100, multiple_of=100)]
    test: Annotated[int, Field(ge=100, multiple_of=100)]
    seed: Annotated[int, Field(ge=0)]


class Generated(Section):
    cifar10: GeneratedSet
    cifar100: GeneratedSet


class Data(Section):
    sets: Annotated[list[Literal["cifar10", "cifar100"]], Field(min_length=1)]
    origin: Literal["official", "generated"]
    generated: Generated


class FusionNetwork(Section):
    width: Positive
    dropout: Annotated[float, Field(ge=0, lt=1)]
    side_after_dropout: bool
    side_kernel_cifar100_b: Literal[1, 3]
    conv_std: Positive
    fc_std: Positive
    fusion_init: float


class FusionTraining(Section):
    iterations: Count
    batch_size: Annotated[int, Field(gt=0, le=50_000)]
    learning_rate: Positive
    learning_rate_steps: list[Count]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: NotNegative
    bias_rate: NotNegative
    bias_decay: NotNegative
    fusion_rate: NotNegative
    log_every: Count
    test_every: Count
    checkpoint_every: Count

    @model_validator(mode="after")
    def multiples(self) -> Self:
        for key in ("test_every", "checkpoint_every"):
            if getattr(self, key) % self.log_every:
                raise ValueError(f"{key} must be a multiple of log_every ({self.log_every})")
        return self


class FusionFigures(Section):
    activations: Annotated[list[Model], Field(min_length=1)]
    weights: WithFusionWeights


class FusionModels(Section):
    cifar10: list[Model]
    cifar10_augmented: list[Model]
    cifar100: list[Model]


class Fusion(Section):
    datasets: list[Cifar]
    models: FusionModels
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    contrast_scale: Positive
    network: FusionNetwork
    training: FusionTraining
    figures: FusionFigures

    @model_validator(mode="after")
    def consistent(self) -> Self:
        for dataset, models in self.models:
            if bool(models) != (dataset in self.datasets):
                raise ValueError(f"models.{dataset} and datasets disagree: a data set is listed if and only if it has models")
            if len(set(models)) != len(models):
                raise ValueError(f"models.{dataset} names a model twice")
        for key in ("seeds", "datasets"):
            if len(set(getattr(self, key))) != len(getattr(self, key)):
                raise ValueError(f"{key} names one twice")
        for model in (*self.figures.activations, self.figures.weights):
            if model not in self.models.cifar10:
                raise ValueError(f"figures shows {model} on cifar10, which models.cifar10 does not train")
        return self


class Params(Section):
    """Everything that params.yaml may hold."""

    scale: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    protocol: Literal["miniature", "shortened", "full"]
    runtime: Runtime
    data: Data
    ch2_fusion: Fusion

    @model_validator(mode="after")
    def consistent(self) -> Self:
        if (self.data.origin == "generated") != (self.protocol == "miniature"):
            raise ValueError("protocol is miniature if and only if data.origin is generated")
        changed = [key for key, value in THESIS.items() if self._value(key) != value]
        if self.protocol == "full" and changed:
            raise ValueError(f"protocol is full, but {', '.join(changed)} differ from the thesis's ({THESIS}): set protocol to shortened")
        for dataset in self.ch2_fusion.datasets:
            source = dataset.removesuffix("_augmented")
            if source not in self.data.sets:
                raise ValueError(f"ch2_fusion.datasets has {dataset}, and data.sets lacks {source}")
        images = min(getattr(self.data.generated, name).train for name in self.data.sets)
        if self.data.origin == "generated" and self.ch2_fusion.training.batch_size > images:
            raise ValueError(f"ch2_fusion.training.batch_size is larger than a generated set, which has {images} images (data.generated)")
        return self

    def _value(self, key: str) -> Any:
        value: Any = self
        for part in key.split("."):
            value = getattr(value, part)
        return value


def problems(values: Any) -> list[str]:
    """One sentence for each key or value of the parameters that is wrong; none if all are right."""
    try:
        Params.model_validate(values)
    except ValidationError as error:
        return [_sentence(problem) for problem in error.errors()]
    return []


def _sentence(problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"unknown key {key}: it is misspelt, or belongs elsewhere"
    if problem["type"] == "missing":
        return f"the key {key} is missing"
    if problem["type"] == "model_type":
        message = "should be a mapping of keys to values"
    else:
        message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return (f"{key}: " if key else "") + message + ("" if isinstance(problem["input"], dict) else f", and is {problem['input']!r}")


def read(path: Path) -> Any:
    """What the YAML file at `path` holds, as DVC reads it: by YAML 1.2, where 1e-4 is a number and `on` is a word."""
    from dvc.utils.serialize import ParseError, load_yaml

    try:
        return load_yaml(path)
    except FileNotFoundError:
        sys.exit(f"error: there is no {path}")
    except ParseError as error:
        sys.exit(f"error: {path} is not YAML: {' '.join(str(error.__cause__ or error).split())}")


def check(path: Path = PARAMS) -> None:
    """Leave with one sentence and status 1 unless the parameters at `path` are valid."""
    if not path.exists():
        sys.exit(f"error: there is no {path}: write it with `python -m workflow.scale mini`")
    found = problems(read(path))
    if found:
        sys.exit(f"error: {path}: " + "; ".join(found))


def compose(scale: str, overrides: list[str], path: Path = PARAMS) -> None:
    """Write the parameters of `scale`, changed by `overrides` (Hydra's key=value), to `path`; leave it alone if they are invalid."""
    from dvc.utils.hydra import compose_and_dump  # half a second

    known = sorted(file.stem for file in (CONFIG / "scale").glob("*.yaml"))
    if scale not in known:
        sys.exit(f"error: there is no scale {scale}: it may be {', '.join(known)}")
    wanted = " ".join([scale, *overrides])
    aside = path.with_name(f"{path.stem}.partial{path.suffix}")
    try:
        compose_and_dump(aside, str(CONFIG.absolute()), None, "config", "", [f"scale={scale}", *overrides])
        found = problems(read(aside))
        if found:
            sys.exit(f"error: {wanted}: {'; '.join(found)}; {path} is left as it was")
        aside.replace(path)
    except Exception as error:  # Hydra's own, of several kinds
        sys.exit(f"error: {wanted}: {' '.join(str(error).split())}; {path} is left as it was")
    finally:
        aside.unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only check params.yaml")
    parser.add_argument("scale", nargs="?", help="a file of workflow/scales/scale/")
    parser.add_argument("overrides", nargs="*", help="key=value, e.g. runtime.threads=2")
    args = parser.parse_args()
    if args.check == bool(args.scale):
        parser.error("give a scale or --check")
    if args.check:
        check()
        return
    from workflow import graph

    compose(args.scale, args.overrides)
    graph.refresh()


if __name__ == "__main__":
    main()
