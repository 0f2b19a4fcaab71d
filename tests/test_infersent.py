"""InferSent's encoder by hand: its words between <s> and </s>, its published weights, and the same of sentences of one's own."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from composed import params
from stage_runs import make_world, run_main
from test_matching_stages import flickr8k, sources
from torch import nn

from stages.core.errors import UserError
from stages.core.files import write_json
from stages.core.settings import build
from stages.datasets import infersent
from stages.encoders.words import Tokens, enclosed
from stages.matching import encode, store, texts, words
from stages.matching.settings import Text, Vocabulary
from stages.matching.stored import load_words

VECTORS = {"dog": (1.0, -2.0, 0.5), "Dog": (0.25, 0.5, 3.0), "a": (0.0, 1.0, 1.0), "cat": (-1.0, 0.5, 0.0), "two": (2.0, 0.0, -0.5)}
ENDS = {"<s>": (0.5, 0.5, -3.0), "</s>": (-0.5, 4.0, 0.0)}
RNN = {"kind": "bilstm", "words": "infersent", "units": 2048}
PARAMS = {
    "matching": {
        "options": {"flickr8k": {}},
        "vocabularies": {"infersent": {"lower": False, "share": 1.0}},
        "texts": {"rnn": RNN},
    }
}


def lstm() -> nn.LSTM:
    torch.manual_seed(3)
    return nn.LSTM(3, 4, bidirectional=True, batch_first=True)


def published(folder: Path, vectors: dict[str, tuple[float, ...]]) -> None:
    """The two files as they are published, of 3 dimensions and 4 units: a state with other keys, as that of a whole network is."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "glove.840B.300d.txt").write_text("".join(f"{word} {' '.join(map(str, numbers))}\n" for word, numbers in vectors.items()))
    torch.save({f"enc_lstm.{key}": value for key, value in lstm().state_dict().items()}, folder / "infersent1.pkl")
    write_json(folder / "provenance.json", {"dataset": "infersent", "kind": "official", "note": ""})


@torch.no_grad()
def by_hand(vectors: list[tuple[float, ...]]) -> list[float]:
    states, _ = lstm()(torch.tensor([vectors]))
    return states[0].amax(0).tolist()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Captions are those of test_matching_stages: "a red dog" is the first, "zzz" the fourth."""
    return make_world(
        tmp_path_factory.mktemp("infersent"),
        flickr8k,
        sources,
        lambda: published(Path("data/mini/sources/infersent"), VECTORS | ENDS),
        lambda: run_main(words, "flickr8k infersent", PARAMS),
        lambda: run_main(texts, "flickr8k rnn", PARAMS),
    )


def test_case_is_kept_and_the_weights_must_be_there(tmp_path: Path) -> None:
    published(tmp_path, VECTORS)
    whole = infersent.read(tmp_path, {"dog", "Dog", "<s>", "</s>"})
    assert whole.words == ["dog", "Dog"]
    np.testing.assert_array_equal(whole.vectors, np.array([VECTORS["dog"], VECTORS["Dog"]], np.float32))
    (tmp_path / "infersent1.pkl").unlink()
    with pytest.raises(UserError, match=r"infersent1\.pkl is missing: download the data set again"):
        infersent.read(tmp_path)


def test_sentences_are_enclosed_as_far_as_their_ends_have_vectors() -> None:
    tokens = Tokens(np.array([5, 6, 7], np.int32), np.array([2, 0, 1], np.int32))
    both = enclosed(tokens, {"<s>": 1, "</s>": 2}, infersent.ENDS)
    assert (both.rows.tolist(), both.lengths.tolist()) == ([1, 5, 6, 2, 1, 7, 2], [4, 0, 3])
    one = enclosed(tokens, {"</s>": 2}, infersent.ENDS)
    assert (one.rows.tolist(), one.lengths.tolist()) == ([5, 6, 2, 7, 2], [3, 0, 2])
    assert enclosed(tokens, {"<s>": 1, "</s>": 2}, ()) is tokens
    none = Tokens(np.array([], np.int32), np.array([], np.int32))
    assert enclosed(none, {"<s>": 1}, infersent.ENDS).lengths.shape == (0,)


def test_features_are_the_published_network_s(world: Path) -> None:
    folder = world / "data/mini/features/matching/flickr8k/texts/rnn"
    features = np.load(folder / "features.npy").astype(np.float32)
    assert features.shape == (7, 8)  # of 4 units each way, whatever `units` says
    hand = by_hand([ENDS["<s>"], VECTORS["a"], VECTORS["dog"], ENDS["</s>"]])
    np.testing.assert_allclose(features[0], hand, atol=1e-3)
    captions = json.loads((folder / "set.json").read_text())["captions"]
    assert not features[captions.index("zzz")].any()
    about = json.loads((folder / "about.json").read_text())
    assert about["captions"]["ends"] == ["<s>", "</s>"] and "<s>" not in about["captions"]["unknown_words"]
    assert load_words(world / "data/mini/captions/matching/flickr8k/infersent").about["known"]["words"] == 4  # without the ends
    seen = store.encoder_of({"images": {"encoder": "eye", "weights": "official"}, "texts": about})
    random = store.encoder_of({"images": {"encoder": "eye", "weights": "official"}, "texts": about | {"weights": "random, seed 0"}})
    assert random == "eye, official weights + rnn of infersent, official vectors, its weights random, seed 0"
    assert seen == "eye, official weights + rnn of infersent, official vectors, its weights published with them"


def test_one_s_own_sentences_come_to_the_same(world: Path) -> None:
    folder = world / "data/mini/features/matching/flickr8k/texts/rnn"
    source = world / "data/mini/sources/infersent"
    rows, known = encode.sentences(
        ["a red dog", "Dog", "xyzzy"], build(Text, RNN), Vocabulary(False, 1.0), source, folder, torch.device("cpu")
    )
    np.testing.assert_allclose(rows[0], np.load(folder / "features.npy")[0].astype(np.float32), atol=1e-3)
    np.testing.assert_allclose(rows[1], by_hand([ENDS["<s>"], VECTORS["Dog"], ENDS["</s>"]]), atol=1e-3)
    assert known.tolist() == [True, True, False]


def test_vectors_without_the_ends(tmp_path: Path) -> None:
    published(tmp_path, VECTORS)
    rows, _ = encode.sentences(["Dog"], build(Text, RNN), Vocabulary(False, 1.0), tmp_path, tmp_path, torch.device("cpu"))
    np.testing.assert_allclose(rows[0], by_hand([VECTORS["Dog"]]), atol=1e-3)


def test_the_scale_paper_alone_has_it() -> None:
    """Elsewhere the network's weights are drawn; mini generates all other sets that the scale paper has, but for what scores people."""
    by = {scale: params(scale) for scale in ("paper", "mini", "real_cpu")}
    assert {scale: values["matching"]["texts"]["rnn"]["words"] for scale, values in by.items()} == {
        "paper": "infersent",
        "mini": "word2vec",
        "real_cpu": "glove",
    }
    assert set(by["paper"]["data"]["sets"]) - set(by["mini"]["data"]["sets"]) == {"infersent", "inception_v3"}
