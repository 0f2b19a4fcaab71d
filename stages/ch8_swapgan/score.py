"""What the scorer reads in all that models and baselines have made of a set's test pairs, and in photos (Sections 8.2.4 and 8.2.5).

    python -m stages.ch8_swapgan.score figures

Leaves, as `<model>-seed<seed>.npz` or `<baseline>.npz`, of q test pairs and K classes

    posteriors_swapped, posteriors_returned  float32 (q, K): p(y|x) of X_GI and, where there is one, of X_GII
    parts_swapped, parts_returned            uint8 (q, S, S): the segments that the parser sees in these, 0 to 5

and the same, as `swapped`, of `real`, the n test photos themselves, of `reference` and `copy`, the reference's and the condition's photo in
the place of X_GI, and of `truth`, the true swaps where they are known: all by the same code. The classes are the set's
categories or, by `ch8_swapgan.score.encoder`, ImageNet's 1,000. `<name>.json` says what made each.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stages.ch8_swapgan import data, stored
from stages.ch8_swapgan.score_settings import Score
from stages.ch8_swapgan.scorer_model import Scorer
from stages.core import inference, json_files, metrics, provenance, stage
from stages.core.errors import UserError
from stages.core.files import write_json
from stages.core.modules import named_module
from stages.core.runtime import Runtime
from stages.encoders import vision
from stages.gan import restored
from stages.gan.images import to_unit

CHUNK = 16  # pictures at a time
SIZES = ("width", "depth", "filters", "layers")
LARGEST = 4096  # pixels a side: a size beyond is no scorer's
PICTURES = ("swapped", "returned")

Images = NDArray[np.uint8]
Posteriors = Callable[[Images], NDArray[np.float32]]  # (n, S, S, 3) -> (n, K)


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


@dataclass(frozen=True)
class Loaded:
    """A trained scorer, which reads pictures of `size` x `size` pixels: their segments, and which of the categories they are of."""

    model: Scorer
    categories: list[str]
    size: int
    precision: Runtime
    device: torch.device

    def parts(self, images: Images) -> NDArray[np.uint8]:
        """The likeliest segment of each pixel, of equal ones the first: (n, S, S, 3) -> uint8 (n, S, S)."""
        return self._read(images, lambda pixels: self.model(pixels)[0].float().argmax(dim=1).to(torch.uint8))

    def posteriors(self, images: Images) -> NDArray[np.float32]:
        """p(y|x) of the categories: (n, S, S, 3) -> float32 (n, K)."""
        return self._read(images, lambda pixels: self.model(pixels)[1].float().softmax(dim=1))

    @torch.no_grad()
    def _read(self, images: Images, read: Callable[[torch.Tensor], torch.Tensor]) -> NDArray:
        if images.shape[1:] != (self.size, self.size, 3):
            raise UserError(
                f"pictures have {images.shape[2]} x {images.shape[1]} pixels, and the scorer was trained on {self.size} x {self.size}: "
                "bring them to that size, or train another"
            )
        made = []
        for chunk in torch.from_numpy(images).split(CHUNK):
            with self.precision.autocast(self.device):
                made.append(read(to_unit(chunk.to(self.device))).cpu().numpy())
        return np.concatenate(made)


def load(folder: Path, precision: Runtime, device: torch.device, stage: str) -> Loaded:
    """The scorer that a training has left in a folder, for the stage of this name. A UserError: its files are missing or damaged."""
    about = json_files.read(folder / "about.json", *SIZES, "size", "categories", stage=stage)
    try:
        if type(about["size"]) is not int or not 1 <= about["size"] <= LARGEST:
            raise ValueError(f"size is {about['size']}")
        model = Scorer(len(about["categories"]), **{name: about[name] for name in SIZES})
    except (TypeError, ValueError, RuntimeError) as error:  # a number that is none, or of which there are no layers
        raise UserError(f"{folder / 'about.json'} describes no scorer ({error}): run `python -m workflow.repro {stage}`") from error
    restored.fill(model, folder / "model.pt", stage)
    return Loaded(model.to(device).eval(), about["categories"], about["size"], precision, device)


def inception(folder: Path, device: torch.device) -> Posteriors:
    """p(y|x) of ImageNet's classes by Inception-v3 with the weights in a folder. A UserError: they are missing or damaged."""
    model = vision.load("inception_v3", folder).to(device)
    posteriors = named_module("encoders", "inception_v3", "encoder").posteriors

    def read(images: Images) -> NDArray[np.float32]:
        chunks = torch.from_numpy(images).permute(0, 3, 1, 2).split(CHUNK)
        return np.concatenate([posteriors(model, chunk.to(device)).cpu().numpy() for chunk in chunks])

    return read


def scored(made: dict[str, Images], scorer: Loaded, posteriors: Posteriors) -> dict[str, NDArray]:
    """The arrays of pictures by name."""
    return {
        f"{kind}_{name}": read(images)
        for name, images in made.items()
        for kind, read in (("posteriors", posteriors), ("parts", scorer.parts))
    }


def main(args: argparse.Namespace, job: stage.Job) -> None:
    precision, device = inference.start(job)
    settings = job.settings(Score, "ch8_swapgan.score")
    prepared, folder = (job.dep(job.data(f"{kind}/{args.dataset}")) for kind in ("prepared/ch8_swapgan", "models/ch8_swap_scorer"))
    people = data.load(prepared, "test")
    scorer = load(folder, precision, device, f"ch8_swap_scorer@{args.dataset}")
    posteriors: Posteriors = scorer.posteriors
    encoder = None
    if settings.encoder != "categories":
        weights = job.dep(job.data(f"sources/{settings.encoder}"))
        posteriors, encoder = inception(weights, device), f"{settings.encoder}, {provenance.kind_of(weights)} weights"
    trained = json_files.read(folder / "about.json", "determinism", stage=job.name)
    own = metrics.made_by({"determinism": trained["determinism"]}, precision.describe(device))
    out = job.out(job.data(f"predictions/ch8_swap_scores/{args.dataset}"))
    out.mkdir(parents=True)

    def write(name: str, arrays: dict[str, NDArray], **about: Any) -> None:
        np.savez(out / f"{name}.npz", **arrays)  # type: ignore[arg-type]
        said = {"encoder": encoder, "determinism": metrics.least(own["determinism"], about.pop("determinism", "bitwise"))}
        write_json(out / f"{name}.json", {key: about.get(key) for key in ("precision", "parameters")} | said)

    real = scored({"swapped": people.images}, scorer, posteriors)
    write("real", real)
    for row, name in enumerate(("reference", "copy")):
        write(name, {kind: array[people.pairs[:, row]] for kind, array in real.items()})
    if people.truth is not None:
        write("truth", scored({"swapped": people.truth}, scorer, posteriors))
    shapes = {name: (len(people.pairs), *people.images.shape[1:]) for name in PICTURES}
    for kind, files in (("predict", stored.predictions(job, args.dataset)), ("baselines", stored.baselines(job, args.dataset))):
        for _, _, file in files:
            stage_name = f"ch8_swap_{kind}@{args.dataset}"
            about = json_files.read(file.with_suffix(".json"), "determinism", stage=stage_name)
            write(file.stem, scored(stored.read(file, shapes, stage_name), scorer, posteriors), **about)
    provenance.hand_on(prepared, out)


if __name__ == "__main__":
    stage.execute(parser(), main)
