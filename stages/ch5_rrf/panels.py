"""Figure 5.5: what the baseline, RRF-Net and the ensemble retrieve for two queries of each of two sets, a picture and a caption.

    python -m stages.ch5_rrf.panels flickr30k

Below this set stands figures.beside. Of each set and direction the query is shown whose right answer gains most places from the
first of the models to the last, which shows it, as the thesis's examples gain.
"""

import argparse

import matplotlib

from stages.ch5_rrf.settings import Figures
from stages.core import figures, stage
from stages.core.files import write_csv
from stages.datasets.captioned import load_described
from stages.matching import panels, store


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def main(args: argparse.Namespace, job: stage.Job) -> None:
    settings, seed = job.settings(Figures, "ch5_rrf.figures"), job.param("ch5_rrf.seeds")[0]
    ensembles = job.param("ch5_rrf.ensembles")
    shown: list[panels.Answer] = []
    sets, pictures = {}, {}
    for dataset in (args.dataset, settings.beside):
        folder = job.dep(job.data(f"predictions/ch5_rrf/{dataset}"))
        sets[dataset] = described = load_described(folder)
        source = job.dep(job.data(f"sources/{dataset}"))
        pictures[dataset] = panels.pictures_of(dataset, source, job.param(f"matching.options.{dataset}"))
        blocks = {
            model: store.blocks([store.load(folder, one, seed, described, job.name) for one in ensembles.get(model, [model])])
            for model in settings.models
        }
        shown += panels.gained(dataset, blocks, panels.instances(described), settings.top)
    write_csv(job.out("reports/figures/ch5_rrf/figure_5_5.csv"), panels.rows(shown, sets))
    with matplotlib.rc_context(figures.STYLE):
        drawn = panels.draw(shown, sets, pictures, len(settings.models))
        figures.save(drawn, job.out("reports/figures/ch5_rrf/figure_5_5.png"), job.param("protocol"))


if __name__ == "__main__":
    stage.execute(parser(), main)
