"""The commands of Chapters 5 to 7 on a folder of pictures: their options, the training that these name, and what they print."""

import argparse
import contextlib
import io
import itertools
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from stages.core.command import exit_on_error
from stages.core.errors import UserError
from stages.matching.branch import Stack
from stages.matching.search import Searcher, answer, numbered

PARAMS = Path("params.yaml")
QUERY = {"query": "a sentence, or a picture's file"}


def parser(description: str | None, chapter: str, model: str, asked: Mapping[str, str] = QUERY) -> argparse.ArgumentParser:
    """The options that all commands have. chapter : its key in params.yaml; model : its default. asked : what follows the folder, and its
    help."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("pictures", type=Path, help="a folder, searched with all folders below it")
    for name, what in asked.items():
        options.add_argument(name, help=what)
    options.add_argument("--top", type=int, default=10, help="how many to name (%(default)s)")
    options.add_argument("--dataset", help="that the network was trained on (the first that the chapter trains on)")
    options.add_argument("--model", default=model, help=f"one of {chapter}.variants ({model})")
    options.add_argument("--seed", type=int, help=f"that it was trained with (the first of {chapter}.seeds)")
    options.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    return options


@dataclass(frozen=True)
class Trained:
    """A training of the scale in force. section : its chapter's. folder : its weights'. block : of the section's variants."""

    chapter: str
    params: dict[str, Any]
    section: dict[str, Any]
    data: Path
    dataset: str
    block: str
    folder: Path


def trained(args: argparse.Namespace, chapter: str, title: str, roles: Mapping[str, str]) -> Trained:
    """The training that the arguments name; a UserError names those that there are where it is none of them.

    chapter : its key in params.yaml. roles : keys of its `models`, of networks, each with that of its `sets` that they are trained on.
    """
    try:
        params = yaml.safe_load(PARAMS.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{PARAMS} is not YAML: `python -m workflow.scale mini`, or of another scale, writes it anew") from error
    section, scale = params[chapter], params["scale"]
    datasets = list(dict.fromkeys(name for of in roles.values() for name in section["sets"][of]))
    if not datasets:
        raise UserError(f"the scale {scale} trains no network of {title}: `python -m workflow.scale mini`, or another that does")
    dataset, seed = args.dataset or datasets[0], section["seeds"][0] if args.seed is None else args.seed
    place = Path("data", scale, "models", chapter, dataset)
    variants: Mapping[str, Mapping[str, Any]] = section["variants"]
    if dataset not in datasets:
        raise UserError(f"--dataset {dataset}: the scale {scale} trains on {', '.join(datasets)}")

    def blocks(of: str) -> list[str]:
        """Those that are trained on this data set; a point may be of two sweeps."""
        known = (section["models"][role] for role, sets in roles.items() if of in section["sets"][sets])
        return list(dict.fromkeys(itertools.chain.from_iterable(known)))

    def models(of: str) -> list[str]:
        return [name for block in blocks(of) for name in variants[block]]

    if args.model not in models(dataset):
        elsewhere = [other for other in datasets if args.model in models(other)]
        remedy = f"; {args.model} on {', '.join(elsewhere)}, which --dataset names" if elsewhere else ""
        raise UserError(f"--model {args.model}: the scale {scale} trains {', '.join(models(dataset))} on {dataset}{remedy}")
    for block in blocks(dataset):
        folder = place / f"{block}-seed{seed}" / args.model
        if args.model in variants[block] and (folder / "model.pt").exists():
            break
    else:
        remedy = f"`make repro STAGE={chapter}` trains it" if seed in section["seeds"] else f"{chapter}.seeds lacks {seed}"
        raise UserError(f"no {args.model} of seed {seed} has been trained in {place}{_others(place)}: {remedy}")
    if params["protocol"] == "miniature":
        print("the network is scale mini's, trained for seconds on generated pictures: it knows little of others", file=sys.stderr)
    return Trained(chapter, params, section, Path("data", scale), dataset, block, folder)


@contextlib.contextmanager
def loading(training: Trained) -> Iterator[None]:
    """Around what builds the network by the parameters in force and reads its weights: a UserError where these are another's."""
    try:
        yield
    except (KeyError, RuntimeError) as error:
        raise UserError(
            f"{training.folder / 'model.pt'} is of another network than the parameters in force describe, which have changed since it was "
            f"trained: `make repro STAGE={training.chapter}` trains it anew"
        ) from error


def _others(place: Path) -> str:
    """What has been trained there, in words."""
    runs = sorted((file.parent.name, file.parent.parent.name.rpartition("-seed")[2]) for file in place.glob("*-seed*/*/model.pt"))
    return f", but {', '.join(f'{model} of seed {seed}' for model, seed in runs)}" if runs else ""


def inputs(stack: Stack) -> int:
    """How wide the features are that a network's first layers take."""
    return stack.state_dict()["fc1.fc.weight"].shape[1]


def run(options: argparse.ArgumentParser, open_searcher: Callable[[argparse.Namespace], Searcher]) -> None:
    """The command of search: prints scores and names or captions, best first."""
    command(options, lambda args: numbered(answer(open_searcher(args), args.pictures, args.query, args.top)))


def command(options: argparse.ArgumentParser, answers: Callable[[argparse.Namespace], Iterable[str]]) -> None:
    """A command that prints lines, on a folder of pictures; errors are one sentence."""
    args = options.parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of any bytes, captions of any language
    with exit_on_error(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        if min(args.top, args.threads) < 1:
            raise UserError("--top and --threads must be 1 or more")
        if not args.pictures.is_dir():
            raise UserError(f"{args.pictures} is no folder: name one with pictures")
        for line in answers(args):
            print(line)
