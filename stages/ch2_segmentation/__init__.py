"""Chapter 2, Sections 2.3.1 and 2.4.4: fully convolutional fusion networks for semantic segmentation."""

MODELS = ("fcn-8s", "fcfn")


def models_folder(scale: str) -> str:
    """Where the trained networks lie."""
    return f"data/{scale}/models/ch2_segmentation"


def model_folder(scale: str, model: str, seed: int) -> str:
    """Where a trained network lies."""
    return f"{models_folder(scale)}/{model}-seed{seed}"
