"""What Section 8.2.4 compares SwapGAN to, on all test pairs: Poisson blending, thin-plate splines, and VITON where there are flat clothes.

    python -m stages.ch8_swapgan.baselines figures

Leaves of each method `<name>.npz` with `swapped`, uint8 (q, S, S, 3), in the order of the test pairs, and `<name>.json`, what is said of
it: `unmatched` counts pairs whose clothes could not be matched, which are put on unbent. Poisson blending and the splines move upper and
lower clothes together; VITON puts the condition's flat top on, and what is worn below stays the reference's.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stages.ch8_swapgan import data, poisson, tps, viton
from stages.ch8_swapgan.viton_model import Network, build
from stages.ch8_swapgan.viton_settings import Baselines, Viton
from stages.core import inference, json_files, metrics, provenance, runtime, stage, trainings
from stages.core.errors import UserError
from stages.core.files import write_json


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def blended(people: data.People) -> NDArray[np.uint8]:
    """Each pair by Poisson blending, uint8 (q, S, S, 3)."""
    images, parts = people.images, people.parts
    return np.stack([poisson.swap(images[r], parts[r], images[c], parts[c]) for r, c in people.pairs])


def bent(people: data.People, settings: Baselines) -> tuple[NDArray[np.uint8], int]:
    """Each pair by thin-plate splines, uint8 (q, S, S, 3), and how many could not be matched."""
    images, parts = people.images, people.parts
    made = [tps.swap(images[r], parts[r], images[c], parts[c], settings) for r, c in people.pairs]
    return np.stack([picture for picture, _ in made]), sum(not matched for _, matched in made)


def load(folder: Path, settings: Viton, device: torch.device) -> Network:
    """A trained VITON, in evaluation mode. A UserError where its file is damaged or another network's."""
    network, file = build(settings, torch.Generator()), folder / "model.pt"
    try:
        network.load_state_dict(runtime.load(file))
    except Exception as error:  # a damaged file raises nearly anything
        wrong = "is not there" if isinstance(error, FileNotFoundError) else f"is damaged, or of other settings ({type(error).__name__})"
        raise UserError(f"{file} {wrong}: `python -m workflow.repro ch8_swap_viton` makes it again") from error
    return network.to(device).eval()


def main(args: argparse.Namespace, job: stage.Job) -> None:
    settings = job.settings(Baselines, "ch8_swapgan.baselines")
    source = job.dep(job.data(f"prepared/ch8_swapgan/{args.dataset}"))
    people = data.load(source, "test")
    out = job.out(job.data(f"predictions/ch8_swap_baselines/{args.dataset}"))
    out.mkdir(parents=True)
    precision, device = inference.start(job)
    here = precision.describe(device)

    def leave(name: str, swapped: NDArray[np.uint8], **about: Any) -> None:
        np.savez(out / f"{name}.npz", swapped=swapped)
        write_json(out / f"{name}.json", {"n": len(swapped), "settings": vars(settings), **about})

    alone = {"device": "cpu", "determinism": "bitwise"}
    leave("poisson", blended(people), model="poisson", **alone)
    swapped, unmatched = bent(people, settings)
    leave("tps", swapped, model="tps", unmatched=unmatched, **alone)
    if people.flat is not None:
        options = job.settings(Viton, "ch8_swapgan.viton")
        folder, seeds = job.data(f"models/ch8_swap_viton/{args.dataset}"), job.param("ch8_swapgan.seeds")
        for _, seed, trained in trainings.available(job, folder, ["viton"], seeds):
            about = metrics.made_by(json_files.read(trained / "about.json", "determinism", stage=job.name), here)
            network = load(trained, options, device)
            swapped, unmatched = viton.predicted(network, people, people.flat, options, settings, precision, device)
            leave(f"viton-seed{seed}", swapped, **about | {"model": "viton", "seed": seed, "unmatched": unmatched})
    provenance.hand_on(source, out)


if __name__ == "__main__":
    stage.execute(parser(), main)
