"""What the miniatures of the ten sentences of Flowers and CUB share: sentences that say a class's colour and pattern, or one of both."""

from collections.abc import Callable
from pathlib import Path

from stages.datasets.labelled import ClassifiedSet
from stages.miniatures.captioned import COLOURS, Words
from stages.miniatures.files import write_text
from stages.miniatures.shapes import PATTERNS
from stages.miniatures.world import generator

SENTENCES = 10
PATTERN_WORDS: tuple[Words, ...] = tuple(
    zip(PATTERNS, ("tiled", "squared", "netted", "lined", "jagged", "spotted", "speckled", "smooth", "circled", "shadowed"), strict=True)
)
_SENTENCE = 4  # a random stream, beside those of flowers102 and cub200


def write(
    whole: ClassifiedSet, texts: Path, folder_of: Callable[[int, Path], str], traits: Callable[[int], tuple[int, float]],
    phrases: Words, seed: int, stream: int,
) -> None:  # fmt: skip
    """Write a text of each image of a set: `texts`/<folder_of(label, image)>/<image>.txt.

    traits : the pattern's number and the hue of a label. phrases : sentences with {colour} and {pattern}, or one of them.
    """
    pairs = [pair for part in (whole.train, whole.test) for pair in zip(part.images, part.labels, strict=True)]
    for index, (image, label) in enumerate(sorted(pairs)):
        rng = generator(seed, stream, _SENTENCE, index)
        pattern, hue = traits(label)
        colours, patterns = COLOURS[round(hue * len(COLOURS)) % len(COLOURS)], PATTERN_WORDS[pattern]
        lines = [
            phrases[int(rng.integers(len(phrases)))].format(colour=colours[int(rng.integers(2))], pattern=patterns[int(rng.integers(2))])
            for _ in range(SENTENCES)
        ]
        write_text("".join(f"{line}\n" for line in lines), texts / folder_of(label, image) / f"{image.stem}.txt")
