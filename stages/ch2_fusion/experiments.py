"""An experiment is a data set as it is, `cifar10`, or with the standard augmentation [125], `cifar10_augmented`."""

AUGMENTED = "_augmented"


def is_augmented(experiment: str) -> bool:
    """Whether it trains with augmentation."""
    return experiment.endswith(AUGMENTED)


def dataset_of(experiment: str) -> str:
    """The data set that it trains and tests on."""
    return experiment.removesuffix(AUGMENTED)


def role_of(experiment: str) -> str:
    """Which of the parameters' `sets` its data set is in, and of `models` its networks."""
    return "augmented" if is_augmented(experiment) else "plain"
