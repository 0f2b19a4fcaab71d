"""What Chapter 4's features and codebooks follow from.

Apart from settings.py, so that a change of what only ranks or shows makes neither anew.
"""

from typing import Annotated, Literal

from stages.core.settings import Count, Ge, Len, Name, Positive, refuse_twins, settings


@settings
class Encoders:
    """Two networks by their names in workflow/sources.yaml: in the thesis AlexNet and VGG-19."""

    shallow: Name
    deep: Name

    def __post_init__(self) -> None:
        if self.shallow == self.deep:
            raise ValueError("shallow and deep are the same network: inter-CNN needs two")


@settings
class Layer:
    """A layer of an encoder. layer : its name in stages/encoders/<encoder>.py."""

    encoder: Literal["shallow", "deep"]
    layer: Name


@settings
class Features:
    """How a data set's pictures are described (Section 4.2). layers : by their names in the thesis.

    crop_queries : queries that are parts of pictures (Paris) are cut out. input_size : pixels a side of a patch.
    batch_size : pictures that go through a network at once, 14 patches each.
    """

    encoders: Encoders
    layers: Annotated[dict[Name, Layer], Len(1)]
    crop_queries: bool
    input_size: Annotated[int, Ge(64)]
    batch_size: Count

    def sources(self) -> dict[str, str]:
        """The "encoder.layer" that stands for each layer of the thesis."""
        return {name: f"{getattr(self.encoders, one.encoder)}.{one.layer}" for name, one in self.layers.items()}


@settings
class Codebooks:
    """How codebooks are learned (Section 4.2.2). dimensions : the rows of Table 4.2 below the whole, as they are at width 1.

    width : of the encoders' fully connected layers, of 4096 components; less than 1 in the miniature only.
    """

    width: Positive
    kmeans_iterations: Count
    dimensions: Annotated[list[Count], Len(1)]

    def __post_init__(self) -> None:
        refuse_twins("dimensions", self.dimensions)

    def components(self, row: int) -> int:
        """How many principal components stand for a row of Table 4.2: so many, or of narrower encoders as small a share."""
        return max(1, round(row * self.width))


@settings
class Vocabulary:
    """The codebooks of one data set. words : in Table 4.1. sweep : the sizes in Figure 4.6. assignments : MA in Table 4.1.

    best : the two layers of the best variant, the column and then the row; they have codebooks after PCA as well.
    """

    words: Count
    sweep: list[Count]
    assignments: Annotated[list[Count], Len(1)]
    best: tuple[Name, Name]

    def __post_init__(self) -> None:
        refuse_twins("sweep", self.sweep)
        refuse_twins("assignments", self.assignments)
        if (most := max(self.assignments)) > (smallest := min([self.words, *self.sweep])):
            raise ValueError(f"{most} words a patch are assigned, and the smallest codebook has {smallest}")
