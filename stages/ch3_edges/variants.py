"""The networks of Tables 2.8, 3.1 and 3.2: what each one is trained on, and how that differs from Baseline 2."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """relaxed: the detector whose responses are relaxed (Eq. 3.1, 3.2), none for general supervision. sides: supervised ones.

    dataset: prepared set it learns from. start: the variant whose weights it is fine-tuned from, VGG-16's where there is none.
    recipe: its entry in the parameters `ch3_edges.recipes`. dilated: ground truth dilated (Section 3.4.1). local: Eq. 2.10's fusion.
    """

    relaxed: str | None = None
    sides: tuple[int, ...] = (1, 2, 3, 4, 5)
    dataset: str = "bsds500"
    start: str | None = None
    recipe: str = "rds"
    dilated: bool = True
    local: bool = False


VARIANTS = {
    "baseline-1": Variant(sides=()),
    "baseline-2": Variant(),
    "rds-canny": Variant("canny"),
    "rds-se": Variant("se"),
    "rds-gpb": Variant("gpb"),
    "rds-se-early": Variant("se", sides=(1, 2, 3)),
    "rds-se-late": Variant("se", sides=(4, 5)),
    "rds-se-undilated": Variant("se", dilated=False),
    "cea": Variant(sides=(), dataset="pascal_context", recipe="cea"),
    "rds-canny-cea": Variant("canny", start="cea"),
    "rds-se-cea": Variant("se", start="cea"),
    "hed": Variant(recipe="fcfn"),
    "fcfn": Variant(recipe="fcfn", local=True),
}


def models_folder(scale: str) -> str:
    """Where the trained networks lie."""
    return f"data/{scale}/models/ch3_edges"


def model_folder(scale: str, model: str, seed: int) -> str:
    """Where a trained network lies."""
    return f"{models_folder(scale)}/{model}-seed{seed}"
