"""What every trained model of a data set makes of the test pictures, in both directions.

    python -m stages.ch8_translation.predict facades

Of each model and seed `<model>-seed<seed>.npz`, with n test pictures of domain A and m of B:

    forward, backward              uint8 (n, S, S, 3) of A in B, (m, S, S, 3) of B in A
    forward_first, backward_first  the same after the first generator alone: of chains of two and more
    cycle_a, cycle_b               float32 (n,), (m,): L1 of a picture to itself after both chains, in units of -1..1, where 2 is the most

Of a model of one direction only what is forward. `<model>-seed<seed>.json` beside it: what is said of it.
"""

import argparse

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.ch8_translation import data
from stages.ch8_translation.model import Chain, Translator
from stages.ch8_translation.trained import load, networks
from stages.ch8_translation.training_settings import Network, Variant
from stages.core import inference, json_files, metrics, provenance, stage
from stages.core.files import write_json
from stages.core.runtime import Runtime
from stages.gan.images import to_bytes, to_unit

CHUNK = 8  # pictures at a time


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def predicted(model: Translator, images: data.Images, precision: Runtime, device: torch.device) -> dict[str, NDArray]:
    """The arrays of a model, by name."""
    both = model.forward_chain, model.backward_chain
    arrays = direction("forward", "a", *both, images.a, precision, device)
    if model.backward_chain is not None:
        arrays |= direction("backward", "b", model.backward_chain, model.forward_chain, images.b, precision, device)
    return arrays


@torch.no_grad()
def direction(
    name: str, domain: str, there: Chain, back: Chain | None, pictures: NDArray[np.uint8], precision: Runtime, device: torch.device
) -> dict[str, NDArray]:
    """The arrays of one direction: pictures uint8 (n, S, S, 3) of `domain` there and, unless there is no chain, back again."""
    made: dict[str, list[NDArray]] = {}
    for chunk in torch.from_numpy(pictures).split(CHUNK):
        real = to_unit(chunk.to(device))
        with precision.autocast(device):
            steps = there.steps(real)
            again = None if back is None else back.steps(steps[-1])[-1]
        rows = {name: to_bytes(steps[-1])}
        if len(steps) > 1:
            rows[f"{name}_first"] = to_bytes(steps[0])
        if again is not None:
            rows[f"cycle_{domain}"] = distances(again.float(), real)
        for key, values in rows.items():
            made.setdefault(key, []).append(values.cpu().numpy())
    return {key: np.concatenate(values) for key, values in made.items()}


def distances(one: Tensor, other: Tensor) -> Tensor:
    """(n, 3, S, S) twice -> (n,), the mean absolute difference of each pair."""
    return (one - other).abs().mean(dim=(1, 2, 3))


def main(args: argparse.Namespace, job: stage.Job) -> None:
    precision, device = inference.start(job)
    network = job.settings(Network, "ch8_translation.network")
    source = job.dep(job.data(f"prepared/ch8_translation/{args.dataset}"))
    images = data.load(source, "test")
    out = job.out(job.data(f"predictions/ch8_translation/{args.dataset}"))
    out.mkdir(parents=True)
    here = precision.describe(device)
    for name, seed, folder in networks(job, args.dataset):
        model = load(folder, job.settings(Variant, f"ch8_translation.variants.{name}"), network, device)
        np.savez(out / f"{name}-seed{seed}.npz", **predicted(model, images, precision, device))  # type: ignore[arg-type]
        about = metrics.made_by(json_files.read(folder / "about.json", "determinism", stage=job.name), here)
        write_json(out / f"{name}-seed{seed}.json", {"model": name, "seed": seed, **about})
    provenance.hand_on(source, out)


if __name__ == "__main__":
    stage.execute(parser(), main)
