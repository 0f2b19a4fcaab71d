"""Sentences as the mean of their words' vectors, and by a bidirectional LSTM with its maximum over words (Conneau et al. [210])."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import rnn

from stages.core import runtime
from stages.core.errors import UserError
from stages.encoders.words import Tokens

PREFIX = "enc_lstm."  # of the LSTM's keys in InferSent's state


def mean(tokens: Tokens, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of each caption's word vectors, (M, d); zeros where none is known."""
    captions = np.repeat(np.arange(len(tokens.lengths)), tokens.lengths)
    total = np.zeros((len(tokens.lengths), vectors.shape[1]))
    np.add.at(total, captions, vectors[tokens.rows])
    return (total / np.maximum(tokens.lengths, 1)[:, None]).astype(np.float32)


def random_lstm(inputs: int, units: int, generator: torch.Generator) -> nn.LSTM:
    """Never trained, its weights uniform as torch has them: between -1 and 1 over the root of `units`."""
    model = nn.LSTM(inputs, units, bidirectional=True, batch_first=True)
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -(units**-0.5), units**-0.5, generator=generator)
    return model.eval().requires_grad_(False)


def load_lstm(file: Path, inputs: int) -> nn.LSTM:
    """InferSent's, from its published state; a UserError where the file holds no such LSTM of `inputs` inputs."""
    try:
        state = runtime.load(file)
        own = {key.removeprefix(PREFIX): value for key, value in state.items() if key.startswith(PREFIX)}
        units = own["weight_hh_l0"].shape[1]
        model = nn.LSTM(inputs, units, bidirectional=True, batch_first=True)
        model.load_state_dict(own)
    except Exception as error:  # a damaged file raises nearly anything
        reason = " ".join(str(error).split())
        raise UserError(f"{file} holds no bidirectional LSTM of {inputs} inputs ({type(error).__name__}: {reason}): get it anew") from error
    return model.eval().requires_grad_(False)


@torch.no_grad()
def bilstm_max(
    model: nn.LSTM, tokens: Tokens, vectors: Tensor, *, batch_size: int, masked: bool = True
) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """Captions, by their indices, and the largest value over its words of each unit of both directions, float32 (B, 2 units).

    vectors : (V, d), on the model's device. Captions of about one length go together; those without a word are left out.
    masked : padding takes no part. In InferSent's own code it does, as zeros (InferSent#51): a sentence's vector then depends on its batch.
    """
    starts = tokens.starts
    order = np.argsort(-tokens.lengths, kind="stable")
    order = order[: int((tokens.lengths > 0).sum())]
    for first in range(0, len(order), batch_size):
        chosen = order[first : first + batch_size]
        sentences = [vectors[torch.from_numpy(tokens.rows[starts[one] : starts[one + 1]]).to(vectors.device)] for one in chosen]
        states, _ = model(rnn.pack_sequence(sentences))  # packed: the way back begins at a sentence's own last word
        values, _ = rnn.pad_packed_sequence(states, batch_first=True, padding_value=-torch.inf if masked else 0.0)
        yield chosen, values.max(1).values.float()
