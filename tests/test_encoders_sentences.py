"""Sentences as means and by a BiLSTM: hand-worked means, the LSTM's equations by hand, alone as in a batch, published weights."""

from pathlib import Path

import numpy as np
import pytest
import torch

from stages.core import runtime
from stages.core.errors import UserError
from stages.encoders import sentences
from stages.encoders.words import Tokens

VECTORS = np.arange(12, dtype=np.float32).reshape(4, 3) / 10
TOKENS = Tokens(np.array([0, 3, 2, 1, 1, 0, 2], np.int32), np.array([2, 0, 1, 4], np.int32))


def encoded(model: torch.nn.LSTM, tokens: Tokens, **options: bool) -> torch.Tensor:
    found = torch.full((len(tokens.lengths), 2 * model.hidden_size), torch.nan)
    for rows, values in sentences.bilstm_max(model, tokens, torch.from_numpy(VECTORS), batch_size=8, **options):
        found[rows] = values
    return found


def test_mean_vectors_by_hand() -> None:
    expected = [[0.45, 0.55, 0.65], [0, 0, 0], [0.6, 0.7, 0.8], [0.3, 0.4, 0.5]]
    np.testing.assert_allclose(sentences.mean(TOKENS, VECTORS), expected, rtol=1e-6)


def lstm_by_hand(state: dict[str, torch.Tensor], words: torch.Tensor, suffix: str) -> torch.Tensor:
    """The states after each word, (T, units), by the equations."""
    hidden, cell = torch.zeros(2, 5)
    states = []
    for word in words:
        gates = state[f"weight_ih_l0{suffix}"] @ word + state[f"bias_ih_l0{suffix}"] + state[f"weight_hh_l0{suffix}"] @ hidden
        i, f, g, o = (gates + state[f"bias_hh_l0{suffix}"]).chunk(4)
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * cell.tanh()
        states.append(hidden)
    return torch.stack(states)


def test_each_sentence_is_the_maximum_over_its_own_words() -> None:
    model = sentences.random_lstm(3, 5, torch.Generator().manual_seed(0))
    found, state = encoded(model, TOKENS), model.state_dict()
    assert found[1].isnan().all()  # no word, no vector
    for caption, rows in ((0, [0, 3]), (2, [2]), (3, [1, 1, 0, 2])):
        words = torch.from_numpy(VECTORS[rows])
        back = lstm_by_hand(state, words.flip(0), "_reverse")
        expected = torch.cat([lstm_by_hand(state, words, "").max(0).values, back.max(0).values])
        torch.testing.assert_close(found[caption], expected, rtol=1e-5, atol=1e-6)


def test_alone_it_is_as_in_a_batch_unless_padding_counts() -> None:
    model = sentences.random_lstm(3, 40, torch.Generator().manual_seed(1))
    one = Tokens(np.array([2], np.int32), np.array([1], np.int32))
    torch.testing.assert_close(encoded(model, one)[0], encoded(model, TOKENS)[2])
    alone, among = (encoded(model, tokens, masked=False) for tokens in (one, TOKENS))
    torch.testing.assert_close(alone[0], encoded(model, one)[0])
    torch.testing.assert_close(among[2], alone[0].clamp_min(0))  # zeros of the padding are a floor
    assert (alone[0] < 0).any()


def test_random_weights_follow_the_seed() -> None:
    first, again, other = (sentences.random_lstm(3, 5, torch.Generator().manual_seed(seed)).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first) and not torch.equal(first["weight_hh_l0"], other["weight_hh_l0"])
    assert max(value.abs().max() for value in first.values()) <= 5**-0.5


def test_published_weights(tmp_path: Path) -> None:
    state = sentences.random_lstm(3, 5, torch.Generator().manual_seed(2)).state_dict()
    runtime.save({f"enc_lstm.{key}": value for key, value in state.items()} | {"classifier.weight": torch.ones(1)}, tmp_path / "lstm.pkl")
    model = sentences.load_lstm(tmp_path / "lstm.pkl", 3)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items()) and not model.training
    for inputs, content in ((4, None), (3, b"<html>")):
        if content:
            (tmp_path / "lstm.pkl").write_bytes(content)
        with pytest.raises(UserError, match=rf"lstm\.pkl holds no bidirectional LSTM of {inputs} inputs \("):
            sentences.load_lstm(tmp_path / "lstm.pkl", inputs)
