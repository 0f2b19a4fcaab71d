"""Which networks are trained, on which data set each, and which of them are tested on a data set."""

from typing import Annotated

from stages.ch3_edges.training_settings import finetuned_name
from stages.core.settings import Len, Names, settings
from stages.core.stage import Job

UpToOne = Annotated[Names, Len(0, 1)]


@settings
class Sets:
    """Data sets by role.

    train : with edge annotations, for detectors and networks. coarse : with label maps, to pre-train on. test : sets that
    networks are tested on. shown : the one of which Figures 2.15, 3.3, 3.6, 3.7, 3.8 and 3.9 are drawn.
    """

    train: UpToOne
    coarse: UpToOne
    test: Names
    shown: UpToOne


@settings
class Models:
    """Variants by kind of training; each of `finetuned` starts from each of `pretrained` in turn.

    transferred : the networks that are tested on sets nothing is trained on; `<finetuned>-<pretrained>` if fine-tuned.
    """

    general: Names
    relaxed: Names
    pretrained: Names
    finetuned: Names
    transferred: Names


def trained(train: Names, coarse: Names, models: Models) -> list[tuple[str, str]]:
    """The data set that each network is trained on, at last, and its name. train, coarse : as in Sets."""
    made = [(dataset, name) for dataset in train for name in (*models.general, *models.relaxed)]
    made += [(dataset, name) for dataset in coarse for name in models.pretrained]
    pairs = [finetuned_name(model, start) for model in models.finetuned for start in models.pretrained if coarse]
    return made + [(dataset, name) for dataset in train for name in pairs]


def tested(dataset: str, train: Names, coarse: Names, models: Models) -> list[tuple[str, str]]:
    """Those of `trained` that are tested on `dataset`: all where it is trained on, else those that are transferred."""
    return [pair for pair in trained(train, coarse, models) if dataset in train or pair[1] in models.transferred]


def tested_here(job: Job, dataset: str) -> list[tuple[str, str]]:
    """`tested`, by the parameters that a stage declares."""
    train, coarse = job.param("ch3_edges.sets.train"), job.param("ch3_edges.sets.coarse")
    return tested(dataset, train, coarse, job.settings(Models, "ch3_edges.models"))
