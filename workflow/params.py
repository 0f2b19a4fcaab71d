"""What params.yaml may hold: a model of each section, and what must agree between them."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from workflow import sources

Count = Annotated[int, Field(gt=0)]
NotNegativeCount = Annotated[int, Field(ge=0)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
SETS = Literal[
    "cifar10",
    "cifar100",
    "bsds500",
    "pascal_context",
    "nyud_v2",
    "vgg16",
    "holidays",
    "paris6k",
    "ukb",
    "smvs_dvd",
    "alexnet",
    "vgg19",
    "squeezenet1_1",
    "efficientnet_lite0",
    "imagenet",
    "scene15",
    "indoor67",
    "flowers102",
    "cub200",
    "voc2012",
    "vgg16_imagenet",
]
Chapter = Literal["ch2_fusion", "ch2_imagenet", "ch2_segmentation", "ch3_edges", "ch4_deepindex"]
ImageNetModel = Literal["cnn-11", "dsn-11", "resnet-11", "cfn-11", "cnn-19", "cfn-19"]
WithBranches = Literal["cfn-11", "cfn-19"]
ClassifiedSets = Literal["scene15", "indoor67", "flowers102", "cub200"]
TransferSets = ClassifiedSets | Literal["holidays", "ukb"]
Segmenter = Literal["fcn-8s", "fcfn"]
Model = Literal["cnn-a", "cnn-sum-a", "cnn-conv-a", "cfn-a", "cfn-a-eplf", "cnn-b", "cnn-sum-b", "cnn-conv-b", "cfn-b", "cfn-b-eplf"]
GeneralEdges = Literal["baseline-1", "baseline-2", "hed", "fcfn"]
RelaxedEdges = Literal["rds-canny", "rds-se", "rds-gpb", "rds-se-early", "rds-se-late", "rds-se-undilated"]
FinetunedEdges = Literal["rds-canny-cea", "rds-se-cea"]
Edges = GeneralEdges | RelaxedEdges | FinetunedEdges | Literal["cea"]
BSDS500_IMAGES = 200  # to train on
PANELS = ("hed", "fcfn", "rds-se", "rds-se-undilated")  # Figures 2.15 and 3.7
RetrievalSets = Literal["holidays", "paris6k", "ukb", "smvs_dvd"]
Encoders = Literal["alexnet", "vgg19", "squeezenet1_1", "efficientnet_lite0"]
DeepIndex = Literal["dpi-6", "dpi-7", "dpi-17", "dpi-18", "dpi-6-7", "dpi-17-18", "dpi-7-17", "dpi-6-17", "dpi-7-18", "dpi-6-18"]
DeepIndex2D = Literal["dpi-6-7", "dpi-17-18", "dpi-7-17", "dpi-6-17", "dpi-7-18", "dpi-6-18"]
WithFusionWeights = Literal["cnn-conv-a", "cfn-a", "cfn-a-eplf", "cnn-conv-b", "cfn-b", "cfn-b-eplf"]


def _recipe(iterations: int, learning_rate: float, balanced: bool = False) -> dict[str, Any]:
    return {"iterations": iterations, "learning_rate": learning_rate, "balanced": balanced}


# Without these a run is not the thesis's, and no cell may be judged by it. Section 2.4.1 and Table 2.1; Sections 3.4.1, 2.4.5 and 3.4.4.
THESIS: dict[str, list] = {
    "ch2_fusion.network.width": [1],
    "ch2_fusion.network.dropout": [0.5],
    "ch2_fusion.training.iterations": [120_000],
    "ch2_fusion.training.batch_size": [100],
    # Sections 2.4.2 to 2.4.4.
    "ch2_imagenet.network": [{"width": 1, "fusion_init": 0.25}],
    "ch2_imagenet.prepare.size": [256],
    "ch2_imagenet.crop": [224],
    "ch2_imagenet.training.iterations": [200_000],
    "ch2_imagenet.training.batch_size": [64],
    "ch2_imagenet.training.learning_rate": [0.01],
    "ch2_imagenet.training.learning_rate_steps": [[100_000, 150_000]],
    "ch2_imagenet.training.momentum": [0.9],
    "ch2_imagenet.training.weight_decay": [0.0001],
    "ch2_imagenet.training.top_rate": [1, 10],  # the text, the author's solver
    "ch2_imagenet.transfer.scene15_train": [100],
    "ch2_segmentation.training.iterations": [100_000],
    "ch2_segmentation.training.batch_size": [1],
    "ch2_segmentation.training.learning_rate": [0.0001],
    "ch2_segmentation.training.momentum": [0.9],
    "ch2_segmentation.training.weight_decay": [0.0001],
    "ch3_edges.prepare": [{"size": [400, 400], "annotators": 3, "dilation": 1}],
    "ch3_edges.training.batch_size": [8],
    "ch3_edges.training.alpha": [9],
    "ch3_edges.training.beta": [1],
    "ch3_edges.training.momentum": [0.9],
    "ch3_edges.training.weight_decay": [0.0002],
    "ch3_edges.recipes.rds": [_recipe(500, 1e-9), _recipe(625, 1e-9)],  # the author's solver, the text
    "ch3_edges.recipes.fcfn": [_recipe(625, 1e-6, balanced=True)],
    "ch3_edges.recipes.cea": [_recipe(10_000, 1e-9)],
    "ch3_edges.thresholds": [99],
    # Sections 4.2.2 and 4.4.2.
    "ch4_deepindex.encoders": [{"shallow": "alexnet", "deep": "vgg19"}],
    "ch4_deepindex.layers": [{name: name for name in ("fc6", "fc7", "fc17", "fc18")}],
    "ch4_deepindex.width": [1],
    "ch4_deepindex.input_size": [224],
    "ch4_deepindex.crop_queries": [True],
    "ch4_deepindex.per_set.holidays.assignments": [[1, 3, 5]],
    "ch4_deepindex.per_set.paris6k.assignments": [[1, 5, 10]],
    "ch4_deepindex.per_set.ukb.assignments": [[1, 5, 10]],
    "ch4_deepindex.per_set.holidays.best": ["dpi-6-18"],
    "ch4_deepindex.per_set.paris6k.best": ["dpi-7-18"],
    "ch4_deepindex.per_set.ukb.best": ["dpi-7-18"],
    "ch4_deepindex.per_set.holidays.best_assignments": [5],
    "ch4_deepindex.per_set.paris6k.best_assignments": [10],
    "ch4_deepindex.per_set.ukb.best_assignments": [5],
    "ch4_deepindex.per_set.holidays.depth": [1491],
    "ch4_deepindex.per_set.paris6k.depth": [6412],
    "ch4_deepindex.per_set.holidays.words": [5000],
    "ch4_deepindex.per_set.paris6k.words": [5000],
    "ch4_deepindex.per_set.ukb.words": [10_000],
    "ch4_deepindex.per_set.holidays.alpha": [8],
    "ch4_deepindex.per_set.paris6k.alpha": [4],
    "ch4_deepindex.per_set.ukb.alpha": [10],
}


def refuse_twins(key: str, values: list) -> None:
    """A ValueError where a list names something twice."""
    if len(set(values)) != len(values):
        raise ValueError(f"{key} names one twice")


class Section(BaseModel):
    """A mapping of params.yaml: no unknown keys, no silent conversions."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Runtime(Section):
    device: Literal["auto", "cpu", "cuda"]
    threads: Count
    precision: Literal["fp32", "bf16"]


class Training(Section):
    """What core/loop.py asks of every training."""

    log_every: Count
    checkpoint_every: Count

    @model_validator(mode="after")
    def multiples(self) -> Self:
        if self.checkpoint_every % self.log_every:
            raise ValueError(f"checkpoint_every must be a multiple of log_every ({self.log_every})")
        return self


class Data(Section):
    sets: Annotated[list[SETS], Field(min_length=1)]
    origin: Literal["official", "generated"]


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
    datasets: list[Literal["cifar10"]]
    activations: Annotated[list[Model], Field(min_length=1)]
    weights: WithFusionWeights


class FusionModels(Section):
    cifar10: list[Model]
    cifar10_augmented: list[Model]
    cifar100: list[Model]


class Fusion(Section):
    sources: list[Literal["cifar10", "cifar100"]]
    datasets: list[Literal["cifar10", "cifar100"]]
    augmented: list[Literal["cifar10_augmented"]]
    models: FusionModels
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    contrast_scale: Positive
    network: FusionNetwork
    training: FusionTraining
    figures: FusionFigures

    @model_validator(mode="after")
    def consistent(self) -> Self:
        for dataset, models in self.models:
            key = "augmented" if dataset.endswith("_augmented") else "datasets"
            if bool(models) != (dataset in getattr(self, key)):
                raise ValueError(f"models.{dataset} and {key} disagree: a data set is listed if and only if it has models")
            if len(set(models)) != len(models):
                raise ValueError(f"models.{dataset} names a model twice")
        for key in ("seeds", "datasets", "augmented"):
            refuse_twins(key, getattr(self, key))
        for dataset in (*self.datasets, *self.augmented):
            if dataset.removesuffix("_augmented") not in self.sources:
                raise ValueError(f"{dataset} is trained on, and sources lacks {dataset.removesuffix('_augmented')}")
        for model in (*self.figures.activations, self.figures.weights) if self.figures.datasets else ():
            if model not in self.models.cifar10:
                raise ValueError(f"figures shows {model} on cifar10, which models.cifar10 does not train")
        return self


class ImagePreparation(Section):
    size: Annotated[int, Field(ge=32)]
    quality: Annotated[int, Field(gt=0, le=100)]
    max_skipped: Annotated[float, Field(ge=0, le=1)]


class ImageNetwork(Section):
    width: Positive
    fusion_init: float


class ImageTraining(Training):
    iterations: Count
    batch_size: Count
    learning_rate: Positive
    learning_rate_steps: list[Count]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: NotNegative
    top_rate: NotNegative
    side_weight: NotNegative
    gpus: Count


class SupportVectors(Section):
    costs: Annotated[list[Positive], Field(min_length=1)]
    folds: Annotated[int, Field(ge=2)]
    max_iterations: Count
    tolerance: Positive


class Transfer(Section):
    sets: list[TransferSets]
    models: list[ImageNetModel | Literal["alexnet"]]
    scene15_train: Count
    scene15_seed: NotNegativeCount
    normalise: bool
    svm: SupportVectors
    depth: Annotated[int, Field(ge=4)]


class ImageFigures(Section):
    branches: WithBranches
    shown: Count
    weights: list[Literal["imagenet"]]
    maps: list[Literal["imagenet"]]
    examples: list[Literal["transfer"]]


class ImageNetChapter(Section):
    sets: list[Literal["imagenet"]]
    models: list[ImageNetModel]
    seeds: Annotated[list[NotNegativeCount], Field(min_length=1)]
    prepare: ImagePreparation
    crop: Annotated[int, Field(ge=32)]
    mean: Literal["pixel", "channel"]
    batch_size: Count
    network: ImageNetwork
    training: ImageTraining
    transfer: Transfer
    figures: ImageFigures

    @model_validator(mode="after")
    def consistent(self) -> Self:
        refuse_twins("seeds", self.seeds)
        refuse_twins("models", self.models)
        for key in ("sets", "models"):
            refuse_twins(f"transfer.{key}", getattr(self.transfer, key))
        if bool(self.models) != bool(self.sets):
            raise ValueError("models and sets disagree: imagenet is listed if and only if networks are trained on it")
        if self.crop > self.prepare.size:
            raise ValueError(f"crop is {self.crop}, and pictures are brought to prepare.size, {self.prepare.size}")
        if bool(self.transfer.sets) != bool(self.transfer.models):
            raise ValueError("transfer.models and transfer.sets disagree: either both are empty or neither is")
        if self.transfer.sets and not self.sets:
            raise ValueError("transfer.sets is not empty, and sets is: nothing is trained on imagenet that could be transferred")
        if self.transfer.sets and (missing := sorted({"cnn-11", "cfn-11"} - set(self.models))):
            raise ValueError(f"transfer.sets is not empty, and models lacks {missing[0]}, whose features are transferred")
        if untrained := sorted(set(self.transfer.models) - {"alexnet", *self.models}):
            raise ValueError(f"transfer.models has {untrained[0]}, which models does not train")
        figures = self.figures
        if (figures.weights or figures.maps) and figures.branches not in self.models:
            raise ValueError(f"figures shows {figures.branches}, which models does not train")
        if figures.examples and len(self.transfer.sets) < 6:
            raise ValueError("figures.examples shows all six sets, and transfer.sets lacks one of them")
        return self


class SegmentationNetwork(Section):
    size: Annotated[list[Annotated[int, Field(ge=16)]], Field(min_length=2, max_length=2)]
    fc: Count
    skip_scales: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    fixed_upsampling: bool
    relu: bool
    score_std: Positive
    score_bias: float


class SegmentationTraining(Training):
    iterations: Count
    batch_size: Literal[1]
    learning_rate: Positive
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: NotNegative
    bias_rate: NotNegative
    bias_decay: NotNegative
    fusion_rate: NotNegative
    reduction: Literal["mean", "sum"]
    mirror: bool


class SegmentationFigures(Section):
    panels: list[Literal["voc2012"]]
    shown: Count


class SegmentationChapter(Section):
    sets: list[Literal["voc2012"]]
    models: list[Segmenter]
    weights: Literal["vgg16", "vgg16_imagenet"]
    seeds: Annotated[list[NotNegativeCount], Field(min_length=1)]
    network: SegmentationNetwork
    training: SegmentationTraining
    figures: SegmentationFigures

    @model_validator(mode="after")
    def consistent(self) -> Self:
        refuse_twins("seeds", self.seeds)
        refuse_twins("models", self.models)
        if bool(self.models) != bool(self.sets):
            raise ValueError("models and sets disagree: voc2012 is listed if and only if networks are trained on it")
        if self.figures.panels and set(self.models) != {"fcn-8s", "fcfn"}:
            raise ValueError("figures.panels compares fcn-8s and fcfn, and models lacks one of them")
        return self


class EdgeSets(Section):
    train: list[Literal["bsds500", "pascal_context"]]
    forest: list[Literal["bsds500"]]
    detect: list[Literal["bsds500"]]
    test: list[Literal["bsds500", "nyud_v2"]]


class EdgeModels(Section):
    general: list[GeneralEdges]
    relaxed: list[RelaxedEdges]
    pretrained: list[Literal["cea"]]
    finetuned: list[FinetunedEdges]


class EdgesTested(Section):
    bsds500: list[Edges]
    nyud_v2: list[Edges]


class Forest(Section):
    trees: Count
    samples: Count
    feature_share: Annotated[float, Field(gt=0, le=1)]
    node_features: Count
    depth: Count
    min_leaf: Count
    pairs: Count
    components: Count
    trees_per_patch: Count


class EdgeDetectors(Section):
    canny_sigma: Positive
    se_scales: Annotated[list[Positive], Field(min_length=1)]


class Relaxed(Section):
    canny_high: Annotated[float, Field(gt=0, lt=1)]
    se_thinned: bool


class EdgePreparation(Section):
    size: Annotated[list[Annotated[int, Field(ge=16)]], Field(min_length=2, max_length=2)]
    annotators: Count
    dilation: NotNegativeCount


class EdgeTraining(Training):
    batch_size: Count
    alpha: NotNegative
    beta: NotNegative
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: NotNegative
    bias_rate: NotNegative
    bias_decay: NotNegative
    last_block_rate: NotNegative
    output_rate: NotNegative
    local_rate: NotNegative


class Recipe(Section):
    iterations: Count
    learning_rate: Positive
    balanced: bool


class Recipes(Section):
    rds: Recipe
    fcfn: Recipe
    cea: Recipe


class Suppression(Section):
    blur: NotNegativeCount
    radius: Count
    border: NotNegativeCount
    multiplier: Positive


class EdgeFigures(Section):
    datasets: list[Literal["bsds500"]]
    curves: list[Edges]
    panels: list[Literal["bsds500"]]
    result: Edges
    annotations: list[Literal["pascal_context"]]


class EdgesChapter(Section):
    datasets: EdgeSets
    models: EdgeModels
    tested: EdgesTested
    seeds: Annotated[list[NotNegativeCount], Field(min_length=1)]
    structured_edges: Annotated[str, Field(min_length=1)]
    forest: Forest
    forest_seed: NotNegativeCount
    detectors: EdgeDetectors
    relaxed: Relaxed
    prepare: EdgePreparation
    training: EdgeTraining
    recipes: Recipes
    suppression: Suppression
    thresholds: Count
    shown: Count
    figures: EdgeFigures

    @model_validator(mode="after")
    def consistent(self) -> Self:
        models = self.models
        relaxed = [*models.relaxed, *models.finetuned]
        trained = [*models.general, *relaxed, *models.pretrained]
        refuse_twins("seeds", self.seeds)
        refuse_twins("models", trained)
        for dataset, tested in self.tested:
            refuse_twins(f"tested.{dataset}", tested)
            if bool(tested) != (dataset in self.datasets.test):
                raise ValueError(f"tested.{dataset} and datasets.test disagree: a set is listed if and only if networks are tested on it")
            if untrained := sorted(set(tested) - set(trained)):
                raise ValueError(f"tested.{dataset} has {untrained[0]}, which models does not train")
        needs: dict[str, list[str]] = {
            "datasets.train lacks bsds500": [*models.general, *relaxed] if "bsds500" not in self.datasets.train else [],
            "datasets.train lacks pascal_context": [*models.pretrained] if "pascal_context" not in self.datasets.train else [],
            "datasets.detect lacks bsds500": [*relaxed] if not self.datasets.detect else [],
            "models.pretrained lacks cea": [*models.finetuned] if not models.pretrained else [],
        }
        for what, users in needs.items():
            if users:
                raise ValueError(f"{what}, which {users[0]} is trained with")
        if self.figures.datasets and not self.datasets.detect:
            raise ValueError("figures.datasets draws the detectors' curves too, and datasets.detect lacks bsds500")
        if self.training.batch_size > BSDS500_IMAGES:
            raise ValueError(f"training.batch_size is {self.training.batch_size}, and BSDS500 has {BSDS500_IMAGES} training images")
        shown = [*(self.figures.curves if self.figures.datasets else []), *([self.figures.result, *PANELS] if self.figures.panels else [])]
        if absent := [model for model in shown if model not in self.tested.bsds500]:
            raise ValueError(f"figures shows {absent[0]}, which tested.bsds500 lacks")
        return self


class IndexEncoders(Section):
    shallow: Encoders
    deep: Encoders


class IndexLayers(Section):
    fc6: Annotated[str, Field(min_length=1)]
    fc7: Annotated[str, Field(min_length=1)]
    fc17: Annotated[str, Field(min_length=1)]
    fc18: Annotated[str, Field(min_length=1)]


class InvertedFile(Section):
    lists: Count
    probes: Count
    bytes: Count


class IndexedSet(Section):
    words: Count
    sweep: list[Count]
    assignments: Annotated[list[Count], Field(min_length=1)]
    best: DeepIndex2D
    best_assignments: Count
    alpha: Positive
    depth: Count

    @model_validator(mode="after")
    def consistent(self) -> Self:
        refuse_twins("sweep", self.sweep)
        refuse_twins("assignments", self.assignments)
        if self.best_assignments not in self.assignments:
            raise ValueError(f"best_assignments is {self.best_assignments}, which assignments lacks")
        if (most := max(self.assignments)) > min([self.words, *self.sweep]):
            raise ValueError(f"{most} words a patch are assigned, and the smallest codebook has {min([self.words, *self.sweep])}")
        return self


class IndexedSets(Section):
    holidays: IndexedSet
    paris6k: IndexedSet
    ukb: IndexedSet
    smvs_dvd: IndexedSet


class Complexity(Section):
    datasets: Annotated[list[RetrievalSets], Field(max_length=1)]
    dimensions: Count


class IndexFigures(Section):
    groups: Annotated[list[RetrievalSets], Field(max_length=1)]
    shown_groups: Count
    panels: list[Literal["holidays"]]
    top: Count


class IndexChapter(Section):
    sets: list[RetrievalSets]
    encoders: IndexEncoders
    layers: IndexLayers
    crop_queries: bool
    input_size: Annotated[int, Field(ge=64)]
    batch_size: Count
    width: Positive
    seeds: Annotated[list[NotNegativeCount], Field(min_length=1)]
    kmeans_iterations: Count
    idf: Literal["ratio", "log"]
    variants: list[DeepIndex]
    sweep_assignments: Count
    alphas: list[Positive]
    dimensions: Annotated[list[Count], Field(min_length=1)]
    signatures: list[Literal["float16", "pq"]]
    ivfpq: InvertedFile
    per_set: IndexedSets
    complexity: Complexity
    figures: IndexFigures

    @model_validator(mode="after")
    def consistent(self) -> Self:
        for key in ("sets", "seeds", "variants", "alphas", "dimensions", "signatures"):
            refuse_twins(key, getattr(self, key))
        if self.encoders.shallow == self.encoders.deep:
            raise ValueError("encoders.shallow and encoders.deep are the same network: inter-CNN needs two")
        for key, used in (("complexity.datasets", self.complexity.datasets), ("figures.groups", self.figures.groups)):
            if absent := sorted(set(used) - set(self.sets)):
                raise ValueError(f"{key} has {absent[0]}, which sets lacks")
        if self.figures.panels and not {"holidays", "ukb"} <= set(self.sets):
            raise ValueError("figures.panels shows holidays and ukb, and sets lacks one of them")
        for name in ("holidays", "ukb") if self.figures.panels else ():
            best = getattr(self.per_set, name).best
            if lacking := sorted({f"dpi-{best.split('-')[-1]}", best} - set(self.variants)):
                raise ValueError(f"figures.panels shows {lacking[0]} on {name}, which variants lacks")
        for name in self.sets:
            if not self.alphas and not getattr(self.per_set, name).sweep:
                raise ValueError(f"alphas and per_set.{name}.sweep are both empty, and Figure 4.6 shows one of them at least")
            if self.sweep_assignments > (most := max(getattr(self.per_set, name).assignments)):
                raise ValueError(f"sweep_assignments is {self.sweep_assignments}, and per_set.{name}.assignments has at most {most}")
        if (self.complexity.datasets or self.signatures) and self.sets and self.complexity.dimensions not in self.dimensions:
            raise ValueError(f"complexity.dimensions is {self.complexity.dimensions}, which dimensions lacks")
        if self.sets and 8 * self.ivfpq.bytes > self.width * max(self.dimensions):
            raise ValueError(f"ivfpq.bytes: {self.ivfpq.bytes} bytes code 8 components each, of more than the largest of dimensions has")
        if self.ivfpq.probes > self.ivfpq.lists:
            raise ValueError(f"ivfpq.probes is {self.ivfpq.probes}, and there are {self.ivfpq.lists} lists")
        return self


class Params(Section):
    """Everything that params.yaml may hold."""

    scale: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    protocol: Literal["miniature", "shortened", "full"]
    chapters: Annotated[list[Chapter], Field(min_length=1)]
    runtime: Runtime
    inference: Runtime
    data: Data
    ch2_fusion: Fusion
    ch2_imagenet: ImageNetChapter
    ch2_segmentation: SegmentationChapter
    ch3_edges: EdgesChapter
    ch4_deepindex: IndexChapter

    @model_validator(mode="after")
    def consistent(self) -> Self:
        if (self.data.origin == "generated") != (self.protocol == "miniature"):
            raise ValueError("protocol is miniature if and only if data.origin is generated")
        changed = [key for key, values in THESIS.items() if self._value(key) not in values]
        if self.protocol != "miniature" and self.ch3_edges.thresholds not in THESIS["ch3_edges.thresholds"]:
            raise ValueError("ch3_edges.thresholds: the benchmark has 99, and its results on official data are judged")
        if self.protocol == "full" and changed:
            wanted = "; ".join(f"{key}: {' or '.join(map(str, THESIS[key]))}" for key in changed)
            raise ValueError(f"protocol is full, but {', '.join(changed)} differ from the thesis's ({wanted}): set protocol to shortened")
        for needed, why in self._needed():
            if needed not in self.data.sets:
                raise ValueError(f"{why}, and data.sets lacks {needed}")
        self._batches_fit()
        return self

    def _needed(self) -> Iterator[tuple[str, str]]:
        """The sets that are used, and what uses them."""
        edges = self.ch3_edges
        yield from ((name, f"ch2_fusion.sources has {name}") for name in self.ch2_fusion.sources)
        for key in ("train", "forest", "detect", "test"):
            yield from ((name, f"ch3_edges.datasets.{key} has {name}") for name in getattr(edges.datasets, key))
        if edges.models.general or edges.models.relaxed or edges.models.pretrained:
            yield "vgg16", "ch3_edges.models has networks, which start from VGG-16"
        index = self.ch4_deepindex
        yield from ((name, f"ch4_deepindex.sets has {name}") for name in index.sets)
        yield from ((name, f"ch4_deepindex.encoders has {name}") for _, name in index.encoders if index.sets)
        yield from ((name, "ch3_edges.figures.annotations shows it") for name in ("bsds500", "pascal_context") if edges.figures.annotations)
        image, segmentation = self.ch2_imagenet, self.ch2_segmentation
        yield from ((name, f"ch2_imagenet.sets has {name}") for name in image.sets)
        yield from ((name, f"ch2_imagenet.transfer.sets has {name}") for name in image.transfer.sets)
        if image.sets or image.transfer.sets:
            yield "alexnet", "ch2_imagenet compares with AlexNet"
        yield from ((name, f"ch2_segmentation.sets has {name}") for name in segmentation.sets)
        if segmentation.sets:
            yield segmentation.weights, f"ch2_segmentation.weights is {segmentation.weights}"

    def _batches_fit(self) -> None:
        made = {name: entry.get("miniature", {}) for name, entry in sources.load().items()}
        if self.data.origin == "official":
            if self.ch4_deepindex.width != 1:
                raise ValueError("ch4_deepindex.width is of generated encoders; of official ones it must be 1")
            return
        smallest = [
            ("ch2_fusion", self.ch2_fusion.training.batch_size, [made[name]["train"] for name in self.ch2_fusion.sources]),
            ("ch2_imagenet", self.ch2_imagenet.training.batch_size, [made["imagenet"]["train"]]),
            ("ch3_edges", self.ch3_edges.training.batch_size, [made["bsds500"]["train"], made["pascal_context"]["images"]]),
        ]
        transfer = self.ch2_imagenet.transfer
        if "scene15" in transfer.sets and transfer.scene15_train >= made["scene15"]["images"]:
            raise ValueError(
                f"ch2_imagenet.transfer.scene15_train is {transfer.scene15_train}, and a category of the generated scene15 has "
                f"{made['scene15']['images']} images, of which some are to test on"
            )
        for chapter, batch_size, images in smallest:
            if batch_size > min(images, default=batch_size):
                raise ValueError(
                    f"{chapter}.training.batch_size is larger than a generated set, which has {min(images)} images "
                    "(miniature in workflow/sources.yaml)"
                )

    def _value(self, key: str) -> Any:
        value: Any = self
        for part in key.split("."):
            value = getattr(value, part)
        return value.model_dump() if isinstance(value, BaseModel) else value


def problems(values: Any) -> list[str]:
    """One sentence for each key or value of the parameters that is wrong; none if all are right."""
    try:
        Params.model_validate(values)
    except ValidationError as error:
        return [_sentence(problem) for problem in error.errors()]
    return []


def used_sets(values: Any) -> list[str]:
    """Of the data sets of valid parameters those that some chapter uses, in their order."""
    params = Params.model_validate(values)
    used = {name for name, _ in params._needed()}
    return [name for name in params.data.sets if name in used]


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
