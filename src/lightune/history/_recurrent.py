"""A bidirectional LSTM over embedded words (Hochreiter and Schmidhuber 1997; Graves and Schmidhuber 2005)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Numbers = NDArray[np.int64]  # (T, F): the words of a text, by one or more numberings

EMBEDDED, HIDDEN = 100, 100  # width of a word, and of each direction
DROPOUT = 0.4
LEARNING_RATE, BATCH_ROWS = 2e-3, 32
MOST_EPOCHS, PATIENCE, MOST_STEPS_A_FEW = 15, 3, 400
HELD_SHARE, FEWEST_TO_HOLD = 0.1, 40
MOST_WORDS = 256  # of a text; what follows is not read


@dataclass(frozen=True)
class Shape:
    """What the network looks like: the size of each numbering, the sides of a row, the outputs."""

    sizes: tuple[int, ...]
    num_sides: int
    num_outputs: int
    is_per_word: bool


def build(shape: Shape) -> torch.nn.ModuleDict:
    """The untrained parts."""
    from torch import nn

    width = EMBEDDED // len(shape.sizes)
    read = 2 * HIDDEN * (1 if shape.is_per_word else 2) * (4 if shape.num_sides == 2 else 1)
    return nn.ModuleDict(
        {
            **{f"embedding{n}": nn.Embedding(size, width) for n, size in enumerate(shape.sizes)},
            "lstm": nn.LSTM(width * len(shape.sizes), HIDDEN, batch_first=True, bidirectional=True),
            "dropout": nn.Dropout(DROPOUT),
            "out": nn.Linear(read, shape.num_outputs),
        }
    )


def outputs(parts: torch.nn.ModuleDict, shape: Shape, rows: Sequence[Sequence[Numbers]]) -> torch.Tensor:
    """(B, C) of the sides of B rows; (U, C) of all their words in one line, where each is answered."""
    import torch

    read = [_encode(parts, shape, [row[side] for row in rows]) for side in range(shape.num_sides)]
    if shape.is_per_word:
        states, lengths = read[0]
        kept = torch.cat([one[:length] for one, length in zip(states, lengths.tolist(), strict=True)])
        return parts["out"](parts["dropout"](kept))  # type: ignore[no-any-return]
    pooled = [_pool(*one) for one in read]
    if len(pooled) == 2:
        first, second = pooled
        pooled = [first, second, (first - second).abs(), first * second]
    return parts["out"](parts["dropout"](torch.cat(pooled, dim=1)))  # type: ignore[no-any-return]


def _encode(
    parts: torch.nn.ModuleDict, shape: Shape, texts: Sequence[Numbers]
) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, T, 2H) states of every word, and (B,) how many there are; an empty text has one unknown word."""
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

    blank = np.zeros((1, len(shape.sizes)), dtype=np.int64)
    whole = [torch.from_numpy(text[:MOST_WORDS] if len(text) else blank) for text in texts]
    lengths = torch.tensor([len(text) for text in whole])
    ids = pad_sequence(whole, batch_first=True)
    embedded = torch.cat([parts[f"embedding{n}"](ids[..., n]) for n in range(len(shape.sizes))], dim=-1)
    packed = pack_padded_sequence(parts["dropout"](embedded), lengths, batch_first=True, enforce_sorted=False)
    states, _ = pad_packed_sequence(parts["lstm"](packed)[0], batch_first=True)
    return states, lengths


def _pool(states: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """(B, 4H) the largest and the mean state of the words of each text."""
    import torch

    is_word = torch.arange(states.shape[1])[None, :] < lengths[:, None]
    largest = states.masked_fill(~is_word[..., None], float("-inf")).amax(dim=1)
    mean = (states * is_word[..., None]).sum(dim=1) / lengths[:, None]
    return torch.cat([largest, mean], dim=1)


def train(
    parts: torch.nn.ModuleDict,
    shape: Shape,
    rows: Sequence[Sequence[Numbers]],
    loss_of: Callable[[torch.Tensor, NDArray[np.int64]], torch.Tensor],
    *,
    seed: int,
) -> None:
    """Adam on all rows but a tenth, which says when to stop; few rows are all trained on.

    Args:
        loss_of: outputs, numbers of rows -> the mean loss.
    """
    import torch

    from lightune.engine.optimizers import fused

    order = np.random.default_rng(seed).permutation(len(rows))
    num_held = int(len(rows) * HELD_SHARE) if len(rows) >= FEWEST_TO_HOLD else 0
    held, trained = order[:num_held], order[num_held:]
    epochs = MOST_EPOCHS if num_held else max(3, min(MOST_EPOCHS, MOST_STEPS_A_FEW // max(1, len(trained))))
    optimizer = fused(torch.optim.Adam, [{"params": list(parts.parameters())}], lr=LEARNING_RATE)
    best, kept, waited = float("inf"), copy.deepcopy(parts.state_dict()), 0
    for epoch in range(epochs):
        parts.train()
        for some in _batches(rows, trained, seed=seed + epoch):
            optimizer.zero_grad()
            loss_of(outputs(parts, shape, [rows[row] for row in some]), some).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(parts.parameters(), 1.0)
            optimizer.step()
        if not num_held:
            continue
        loss = _held_loss(parts, shape, rows, held, loss_of)
        if loss < best:
            best, kept, waited = loss, copy.deepcopy(parts.state_dict()), 0
        else:
            waited += 1
        if waited == PATIENCE:
            break
    if num_held:
        parts.load_state_dict(kept)
    parts.eval()


def answer(
    parts: torch.nn.ModuleDict, shape: Shape, rows: Sequence[Sequence[Numbers]]
) -> list[NDArray[np.float32]]:
    """(C,) for each row, or (U, C) where every word is answered, U being at most `MOST_WORDS`."""
    import torch

    found: list[Any] = [None] * len(rows)
    with torch.inference_mode():
        for some in _batches(rows, np.arange(len(rows)), seed=None):
            chosen = [rows[row] for row in some]
            said = outputs(parts, shape, chosen).numpy()
            lengths = [min(max(len(row[0]), 1), MOST_WORDS) if shape.is_per_word else 1 for row in chosen]
            by_row = np.split(said, np.cumsum(lengths)[:-1]) if shape.is_per_word else list(said)
            for row, one in zip(some, by_row, strict=True):
                found[row] = one
    return found


def _held_loss(
    parts: torch.nn.ModuleDict,
    shape: Shape,
    rows: Sequence[Sequence[Numbers]],
    held: NDArray[np.int64],
    loss_of: Callable[[torch.Tensor, NDArray[np.int64]], torch.Tensor],
) -> float:
    import torch

    parts.eval()
    with torch.inference_mode():
        losses = [
            float(loss_of(outputs(parts, shape, [rows[row] for row in some]), some)) * len(some)
            for some in _batches(rows, held, seed=None)
        ]
    return sum(losses) / len(held)


def _batches(
    rows: Sequence[Sequence[Numbers]], chosen: NDArray[np.int64], *, seed: int | None
) -> list[NDArray[np.int64]]:
    """Rows of like length together; in a random order with a seed."""
    chance = np.random.default_rng(seed)
    lengths = np.array([max(len(side) for side in rows[row]) for row in chosen])
    noise = chance.uniform(0.8, 1.2, len(chosen)) if seed is not None else 1.0
    order = chosen[np.argsort(lengths * noise, kind="stable")]
    found = [order[start : start + BATCH_ROWS] for start in range(0, len(order), BATCH_ROWS)]
    return [found[place] for place in chance.permutation(len(found))] if seed is not None else found
