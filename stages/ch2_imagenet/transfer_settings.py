"""How features of ImageNet's networks are judged on other tasks (Section 2.4.3), and the published network that they are compared with."""

from typing import Annotated

from stages.core.settings import Count, Ge, Len, Name, Names, NotNegativeCount, Positive, settings


@settings
class Encoder:
    """A network whose weights are published. name : in workflow/sources.yaml. title : in words. layer : what represents an image."""

    name: Name
    title: Name
    layer: Name


@settings
class Svm:
    """costs : of which C is chosen. folds : of the cross-validation that chooses. max_iterations, tolerance : where LIBLINEAR stops."""

    costs: Annotated[list[Positive], Len(1)]
    folds: Annotated[int, Ge(2)]
    max_iterations: Count
    tolerance: Positive


@settings
class Transfer:
    """source : the data set that the networks `models` were trained on.

    scene15_train : images of each class of Scene-15 that are trained on, drawn by scene15_seed. normalise : features to length 1, before
    the SVM. depth : images listed for a query where the first four are what counts.
    """

    source: Name
    models: Names
    scene15_train: Count
    scene15_seed: NotNegativeCount
    normalise: bool
    svm: Svm
    depth: Annotated[int, Ge(4)]
