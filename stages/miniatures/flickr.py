"""What the miniatures of Flickr8k and Flickr30K share: pictures of any name, five sentences of each, and a list for each part."""

from pathlib import Path

from stages.miniatures import request
from stages.miniatures.captioned import draw, sentence
from stages.miniatures.files import write_text
from stages.miniatures.world import generator

SENTENCES = 5
_ORDER = 3  # a random stream, beside those of captioned


def write(
    pictures: Path, tokens: Path, lists: dict[Path, int], size: tuple[int, int], seed: int, stream: int, ending: str = ".jpg"
) -> None:
    """Write the folder of pictures, their sentences, and each list, of so many pictures. ending : of the names in the lists."""
    counts = {file.stem: count for file, count in lists.items()}
    request.check("Flickr", counts, *size)
    total = sum(counts.values())
    names = [str(1_000_000_000 + 7_919 * number) for number in generator(seed, stream, _ORDER).permutation(total).tolist()]
    lines = []
    for index, name in enumerate(names):
        content, rng = draw(pictures / f"{name}.jpg", seed, stream, index, size)
        lines += [f"{name}.jpg#{number}\t{sentence(rng, content)}\n" for number in range(SENTENCES)]
    write_text("".join(sorted(lines)), tokens)
    start = 0
    for file, count in lists.items():
        write_text("".join(f"{name}{ending}\n" for name in names[start : start + count]), file)
        start += count
