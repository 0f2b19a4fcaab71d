"""Embeddings of a data set's test images and captions by every trained network, in the form of `stages.matching.store`.

python -m stages.ch5_rrf.predict flickr30k
"""

import argparse

from stages.ch5_rrf import embed
from stages.ch5_rrf.trained import networks
from stages.ch5_rrf.training_settings import Encoders, Network, Variant
from stages.core import inference, json_files, metrics, provenance, stage
from stages.matching import features, store


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def main(args: argparse.Namespace, job: stage.Job) -> None:
    precision, device = inference.start(job)
    network, encoders = job.settings(Network, "ch5_rrf.network"), job.settings(Encoders, "ch5_rrf.encoders")
    out = job.out(job.data(f"predictions/ch5_rrf/{args.dataset}"))
    out.mkdir(parents=True)
    at_hand: tuple = ()  # networks of the same encoders mostly follow each other
    for name, block, seed, folder in networks(job, args.dataset):
        variant = job.settings(Variant, f"ch5_rrf.variants.{block}.{name}")
        made = job.data(f"features/matching/{args.dataset}")
        seen = [job.dep(f"{made}/images/{getattr(encoders, variant.images)}"), job.dep(f"{made}/texts/{encoders.texts}")]
        if not at_hand or at_hand[0] != seen:
            read = features.read(*seen)
            abouts = [json_files.read(one / "about.json", "determinism", stage=job.name) for one in seen]
            at_hand = seen, read.pairs("test", device), abouts
            store.write_part(out, read.described)
            provenance.hand_on(seen[0], out)
        _, pairs, (of_images, of_texts) = at_hand
        model = embed.load(folder, variant, network, device)
        images, texts = embed.embed(model.images, pairs.images), embed.embed(model.texts, pairs.texts)
        about = metrics.made_by(json_files.read(folder / "about.json", "determinism", stage=job.name), precision.describe(device))
        about |= {"determinism": metrics.least(*(one["determinism"] for one in (about, of_images, of_texts)))}
        store.save(out, store.Embedded(name, seed, images, texts, {**about, "images": of_images, "texts": of_texts}))


if __name__ == "__main__":
    stage.execute(parser(), main)
