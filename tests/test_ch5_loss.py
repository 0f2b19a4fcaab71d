"""The weights of the bi-rank loss in both readings, and that it is of cosines."""

import dataclasses

import composed
import pytest
import torch

from stages.ch5_rrf.loss import objective, weights_of

CHAPTER = composed.section("ch5_rrf", {}, "paper")
PRINTED = dataclasses.replace(CHAPTER.training, products="printed")
SMALL = dataclasses.replace(CHAPTER.training, negatives=1)


@pytest.mark.parametrize(
    ("loss", "author", "printed"),
    [
        ("bi-rank", (1, 0.5, 2, 1), (2, 1, 1, 0.5)),
        ("bi-directional", (1, 0, 2, 0), (2, 0, 0, 0)),  # as printed it would have one direction only
    ],
)
def test_weights(loss: str, author: tuple, printed: tuple) -> None:
    assert weights_of(CHAPTER.losses[loss], CHAPTER.training) == author
    assert weights_of(CHAPTER.losses[loss], PRINTED) == printed


def test_loss_of_two_pairs_by_hand() -> None:
    """Unit vectors: images (1, 0), (.6, .8), texts (1, 0), (.8, .6), of two images; m = .1, one negative.

    Cosines: 1, .8 and .6, .96. Image to text: pair 1: .8 - 1 + .1 < 0; pair 2: .6 - .96 + .1 < 0: nothing violates, and so
    nothing within texts either. Text to image: .6 - 1 + .1 < 0; .8 - .96 + .1 < 0. With m = .3: image to text .1 and 0, within
    texts (cosine .8) .8 - 1 + .3 = .1; text to image 0 and .8 - .96 + .3 = .14, within images (.6) .6 - .96 + .3 < 0.
    Weights 1, .5, 2, 1: .1 + .05 + .28 = .43, over 1 negative x 2 pairs.
    """
    images, texts = torch.tensor([[3.0, 0.0], [0.6, 0.8]]), torch.tensor([[1.0, 0.0], [1.6, 1.2]])  # of other lengths: cosines count
    ids, loss = torch.tensor([4, 9]), CHAPTER.losses["bi-rank"]
    assert objective(images, texts, ids, loss, SMALL).item() == 0
    wide = dataclasses.replace(SMALL, margin=0.3)
    assert objective(images, texts, ids, loss, wide).item() == pytest.approx(0.43 / 2)
    bidirectional = CHAPTER.losses["bi-directional"]
    assert objective(images, texts, ids, bidirectional, wide).item() == pytest.approx(0.38 / 2)
    assert objective(images, texts, ids, bidirectional, dataclasses.replace(wide, products="printed")).item() == pytest.approx(0.2 / 2)
