"""How features of ImageNet's networks are judged on other tasks (Section 2.4.3), and what they are compared with."""

from typing import Annotated

from stages.core.settings import Count, Ge, Len, Name, Names, NotNegativeCount, Positive, settings


@settings
class Encoder:
    """A network whose weights are published.

    name : in workflow/sources.yaml. title : in words. layer : what represents an image.
    """

    name: Name
    title: Name
    layer: Name


@settings
class Division:
    """Of a set without a split of its own: so many images of each class to train on, drawn at random by `seed`."""

    train_per_class: Count
    seed: NotNegativeCount


@settings
class Svm:
    """costs : of which C is chosen. folds : of the cross-validation that chooses.

    max_iterations, tolerance : where LIBLINEAR stops.
    """

    costs: Annotated[list[Positive], Len(1)]
    folds: Annotated[int, Ge(2)]
    max_iterations: Count
    tolerance: Positive


@settings
class Transfer:
    """source : the data set that the networks `models` were trained on.

    normalise : features to length 1, before the SVM. depth : images listed for a query where the first four are what counts.
    """

    source: Name
    models: Names
    division: Division
    normalise: bool
    svm: Svm
    depth: Annotated[int, Ge(4)]
