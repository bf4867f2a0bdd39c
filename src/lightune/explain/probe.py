"""One answer of a run as a number that depends on the states behind the embedding, for any method.

The states (T, H) at depth 0 are kept from a pass, and passes are made that enter there with others: with a
word's states taken from the same text without that word, or on the way between the two. The method's own
forward runs above, so that adapters, side networks and heads are all looked through.

Letters: S versions of one text, T tokens, H width, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lightune.backbones.cut import entered_at, keeping
from lightune.core.tokens import Batch, Tokens
from lightune.methods.base import Method

if TYPE_CHECKING:
    from lightune.backbones.transformer import Transformer

Score = Callable[[torch.Tensor], torch.Tensor]  # (S, T, H) -> (S,)
Read = Callable[[torch.Tensor, Batch], torch.Tensor]  # outputs of the network, batch of S -> (S,)


@dataclass(frozen=True)
class Probe:
    """A text's states and those of the same text emptied, and what the answer is worth for any states.

    Attributes:
        score: (S, T, H) -> (S,) the answer's log-odds, or what else `read` made of the outputs.
        states: (T, H) of the text; `empty`: (T, H) of the same places without its words.
        lead: how many states stand before the text's own, where a method puts a prompt in front.
    """

    score: Score
    states: torch.Tensor
    empty: torch.Tensor
    lead: int


def log_odds(logits: torch.Tensor, chosen: int) -> torch.Tensor:
    """(..., C) -> (...): log p / (1 - p) of one class; of a lone output, the output itself."""
    if logits.shape[-1] == 1:
        return logits[..., 0]
    others = [place for place in range(logits.shape[-1]) if place != chosen]
    return logits[..., chosen] - logits[..., others].logsumexp(-1)


@contextmanager
def recording(backbone: Transformer) -> Iterator[None]:
    """While open, what runs below a cut keeps its gradient, and no weight gets one."""
    asked = [one for one in backbone.model.parameters() if one.requires_grad]
    for one in asked:
        one.requires_grad_(False)
    backbone.records_below = True
    try:
        yield
    finally:
        backbone.records_below = False
        for one in asked:
            one.requires_grad_(True)


def empty_id(tokenizer: Any) -> int:
    """The token that stands for no word: the mask, where the model knows one, else padding."""
    found = tokenizer.mask_token_id
    return int(tokenizer.pad_token_id if found is None else found)


def open_probe(
    backbone: Transformer, method: Method, tokens: Tokens, is_word: np.ndarray, read: Read
) -> Probe:
    """The probe of the first sequence of `tokens`; its places where `is_word` (T,) can be emptied."""
    length = int(tokens.lengths[0])
    start = int(tokens.offsets[0])
    emptied = tokens.ids[start : start + length].copy()
    emptied[is_word] = empty_id(backbone.tokenizer)
    both = Tokens(
        np.concatenate([tokens.ids[start : start + length], emptied]),
        None if tokens.types is None else np.tile(tokens.types[start : start + length], 2),
        np.array([0, length, 2 * length]),
        np.arange(3),
        None if tokens.units is None else np.tile(tokens.units[start : start + length], 2),
    )
    pair = _batch(both, np.arange(2), backbone)
    kept: dict[int, torch.Tensor] = {}
    with torch.no_grad(), keeping(backbone.model, backbone.structure, [0], kept):
        method.forward(backbone, pair)
    states, empty = kept[0]

    def score(hidden: torch.Tensor) -> torch.Tensor:
        batch = _batch(both, np.zeros(len(hidden), dtype=np.int64), backbone)
        with entered_at(backbone.model, backbone.structure, 0, hidden):
            return read(method.forward(backbone, batch).float(), batch)

    return Probe(score, states, empty, len(states) - length)


def _batch(tokens: Tokens, sequences: np.ndarray, backbone: Transformer) -> Batch:
    owner = np.arange(len(sequences))
    return tokens.batch_of_sequences(sequences, owner, pad_id=backbone.pad_id, device=backbone.device)


def one_sequence(tokens: Tokens, number: int = 0) -> Tokens:
    """One sequence alone: the first window of a long text, unless another is named."""
    start, end = int(tokens.offsets[number]), int(tokens.offsets[number + 1])
    types = None if tokens.types is None else tokens.types[start:end]
    units = None if tokens.units is None else tokens.units[start:end]
    return Tokens(tokens.ids[start:end], types, np.array([0, end - start]), np.arange(2), units)
