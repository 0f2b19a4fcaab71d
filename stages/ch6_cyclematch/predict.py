"""Embeddings of a data set's test images and captions by every trained network, in the form of `stages.ch6_cyclematch.stored`.

python -m stages.ch6_cyclematch.predict flickr30k
"""

import argparse

from stages.ch6_cyclematch import embed, stored
from stages.ch6_cyclematch.trained import networks
from stages.ch6_cyclematch.training_settings import Encoders, Network, Variant
from stages.core import inference, json_files, metrics, provenance, stage
from stages.core.errors import UserError
from stages.matching import features, store
from stages.matching.finite import check_finite


def parser() -> argparse.ArgumentParser:
    return stage.parser(__doc__, "dataset")


def main(args: argparse.Namespace, job: stage.Job) -> None:
    precision, device = inference.start(job)
    network, encoders = job.settings(Network, "ch6_cyclematch.network"), job.settings(Encoders, "ch6_cyclematch.encoders")
    out = job.out(job.data(f"predictions/ch6_cyclematch/{args.dataset}"))
    out.mkdir(parents=True)
    made_in = job.data(f"features/matching/{args.dataset}")
    at_hand: tuple = ()  # networks of the same encoders mostly follow each other
    for name, block, seed, folder in networks(job, args.dataset):
        variant = job.settings(Variant, f"ch6_cyclematch.variants.{block}.{name}")
        by = getattr(encoders, variant.images), getattr(encoders, variant.texts)
        seen = [job.dep(f"{made_in}/images/{by[0]}"), job.dep(f"{made_in}/texts/{by[1]}")]
        if not at_hand or at_hand[0] != seen:
            read = features.read(*seen)
            check_finite(read, *seen)
            abouts = [json_files.read(one / "about.json", "determinism", stage=job.name) for one in seen]
            at_hand = seen, read.pairs("test", device), abouts
            store.write_part(out, read.described)
            provenance.hand_on(seen[0], out)
        _, pairs, (of_images, of_texts) = at_hand
        model = embed.load(folder, variant, network, device)
        trained_on = tuple(mapping.state_dict()["first.fc1.fc.weight"].shape[1] for mapping in (model.i2t, model.t2i))
        if trained_on != (widths := (pairs.images.shape[1], pairs.texts.shape[1])):
            raise UserError(
                f"{folder / 'model.pt'} was trained on features of {trained_on[0]} and {trained_on[1]} values, and {by[0]} and {by[1]} "
                f"make {widths[0]} and {widths[1]}: `python -m workflow.repro ch6_cyclematch` trains it on these"
            )
        made = embed.embed(model, variant.terms, pairs)
        about = metrics.made_by(json_files.read(folder / "about.json", "determinism", stage=job.name), precision.describe(device))
        about |= {"determinism": metrics.least(*(one["determinism"] for one in (about, of_images, of_texts)))}
        about |= {"images": of_images, "texts": of_texts, "terms": list(variant.terms)}
        targets = pairs.images.cpu().numpy(), pairs.texts.cpu().numpy()
        stored.save(out, stored.Embeddings(name, seed, *targets, made, about))


if __name__ == "__main__":
    stage.execute(parser(), main)
