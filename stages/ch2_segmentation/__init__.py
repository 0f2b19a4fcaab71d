"""Chapter 2, Sections 2.3.1 and 2.4.4: fully convolutional fusion networks for semantic segmentation."""

MODELS = ("fcn-8s", "fcfn")


def model_folder(scale: str, model: str, seed: int) -> str:
    """Where a trained network lies."""
    return f"data/{scale}/models/ch2_segmentation/{model}-seed{seed}"
