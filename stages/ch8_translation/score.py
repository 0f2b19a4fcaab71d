"""The scorer's label maps of the photos that each network has made of the test part, and of what bounds them (Section 8.1.4).

    python -m stages.ch8_translation.score facades

Leaves of each model and seed `<model>-seed<seed>.npz`, with `labels` uint8 (n, T, T) at the scorer's size, and as much of

    oracle        the real test photos
    oracle-small  the same at the networks' size, enlarged as the generated ones are; none where the scorer's is no larger
    copy          the label maps' own colours in the place of photos

all by the same code: real photos stored as a network's are labelled as `oracle` is, to the byte. `<name>.json` says what made each.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from stages.ch8_translation import data, scored, stored
from stages.core import inference, json_files, metrics, provenance, runtime, stage
from stages.core.errors import UserError
from stages.core.files import write_json
from stages.core.runtime import Runtime
from stages.encoders import fcn8s
from stages.encoders.fcn8s import FCN8s
from stages.encoders.vgg16 import Weights, normalise

CHUNK = 4  # pictures at a time: margins of 100 pixels make their maps large
SAYS = ("weights", "size", "skip_scales", "classes", "palette", "determinism")  # about.json of a scorer's folder


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


@dataclass(frozen=True)
class Loaded:
    """A trained scorer, which labels photos at `size` x `size` pixels by these classes, whose colours `palette` has, uint8 (C, 3)."""

    model: FCN8s
    weights: Weights
    size: int
    classes: list[str]
    palette: NDArray[np.uint8]
    precision: Runtime
    device: torch.device

    @torch.no_grad()
    def label_maps(self, photos: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The classes of the pixels of photos (n, H, W, 3), which are enlarged to the scorer's size bilinearly: uint8 (n, T, T)."""
        made = []
        for chunk in torch.from_numpy(photos).split(CHUNK):
            pixels = chunk.to(self.device).movedim(-1, 1).float()
            if pixels.shape[2:] != (self.size, self.size):
                pixels = F.interpolate(pixels, (self.size, self.size), mode="bilinear")
            made.append(fcn8s.label_maps(self.model, normalise(pixels, self.weights), self.precision).numpy())
        return np.concatenate(made)


def load(folder: Path, precision: Runtime, device: torch.device, stage: str) -> Loaded:
    """The scorer that a training has left in a folder, for the stage of this name. A UserError: its files are missing or damaged."""
    about = json_files.read(folder / "about.json", *SAYS, stage=stage)
    file = folder / "model.pt"
    try:
        state = runtime.load(file)
        classes, widths, fc = fcn8s.sizes_of(state)
        model = FCN8s(classes, widths, fc, tuple(about["skip_scales"]))
        model.load_state_dict(state)
    except Exception as error:  # a damaged file raises nearly anything
        raise UserError(f"{file} is no scorer, or damaged ({type(error).__name__}): `python -m workflow.repro {stage}`") from error
    if not all(value.isfinite().all() for value in state.values()):
        raise UserError(f"{file} holds weights that are not finite: `python -m workflow.repro {stage}` makes it again")
    palette = np.array(about["palette"], np.uint8).reshape(-1, 3)
    weights = fcn8s.weights_called(about["weights"], f"weights of {folder / 'about.json'}")
    return Loaded(model.to(device).eval(), weights, about["size"], about["classes"], palette, precision, device)


def bounds(real: scored.Scored, small: data.Images, size: int) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """What is scored beside the networks' photos."""
    yield "oracle", real.photos
    if small.b.shape[1] < size:
        yield "oracle-small", small.b
    yield "copy", small.a


def main(args: argparse.Namespace, job: stage.Job) -> None:
    precision, device = inference.start(job)
    folder, prepared = (job.dep(job.data(f"{kind}/{args.dataset}")) for kind in ("models/ch8_scorer", "prepared/ch8_translation"))
    scorer = load(folder, precision, device, f"ch8_scorer@{args.dataset}")
    real = scored.load(job.dep(job.data(f"prepared/ch8_scored/{args.dataset}")), "test")
    small = data.load(prepared, "test")
    out = job.out(job.data(f"predictions/ch8_labels/{args.dataset}"))
    out.mkdir(parents=True)
    trained = json_files.read(folder / "about.json", "encoder", "determinism", "precision", stage=job.name)
    own = metrics.made_by({key: trained[key] for key in ("encoder", "determinism", "precision")}, precision.describe(device))

    def write(name: str, photos: NDArray[np.uint8], about: dict) -> None:
        np.savez(out / f"{name}.npz", labels=scorer.label_maps(photos))
        write_json(out / f"{name}.json", about)

    for name, photos in bounds(real, small, scorer.size):
        write(name, photos, own)
    for name, seed, file in stored.predictions(job, args.dataset):
        stage_name = f"ch8_predict@{args.dataset}"
        photos = stored.read(file, {"forward": small.a.shape}, stage_name)["forward"]
        about = json_files.read(file.with_suffix(".json"), "determinism", stage=stage_name)
        write(f"{name}-seed{seed}", photos, own | {"determinism": metrics.least(own["determinism"], about["determinism"])})
    provenance.hand_on(prepared, out)


if __name__ == "__main__":
    stage.execute(parser(), main)
