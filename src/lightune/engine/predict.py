"""Logits of many rows: bucketed by length, answered in the order asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightune.backbones.streams import in_streams, tokens_of_pass
from lightune.core.machine import return_freed
from lightune.core.tokens import Batch, Ints, Tokens
from lightune.engine.batches import reading_batches

if TYPE_CHECKING:
    import torch

    from lightune.core.rows import Example
    from lightune.tasks.base import Task

Forward = Callable[[Batch], "torch.Tensor"]
SHARE_CLOSE, FEWEST_CLOSE = 0.01, 16  # of the rows of a file, asked exactly to learn what rounding does
SAFE = 2.0  # times the largest change of a margin that was seen
READ_TOKENS = 1024  # padded tokens of a pass without gradients: more is no faster on a CPU, and takes memory


@dataclass(frozen=True)
class Reading:
    """How batches are made for passes without gradients.

    Attributes:
        batch_tokens: padded tokens of all passes that run at once, unless each would get too few;
            `streams`: how many these are.
    """

    pad_id: int
    device: str = "cpu"
    batch_tokens: int = READ_TOKENS
    streams: int = 1


def logits_of(forward: Forward, tokens: Tokens, rows: Ints, *, task: Task, how: Reading) -> NDArray[Any]:
    """(len(rows), C) logits in the order of `rows`, or as many arrays (U, C); dropout must be off already."""

    def read(batch: Batch) -> Any:
        return task.part(task.pool(forward(batch), batch).float().cpu().numpy(), batch)

    found = in_order(read, tokens, rows, how)
    return np.zeros((0, 1), np.float32) if found is None else found


def in_order(read: Callable[[Batch], Any], tokens: Tokens, rows: Ints, how: Reading) -> NDArray[Any] | None:
    """What `read` gives for batches of like length, a line an example, in the order of `rows`.

    Returns:
        (len(rows), ...) float32 where `read` gives arrays, as many objects where it gives lists; None for no
        rows.
    """
    import torch

    return_freed()  # what training has left behind
    rows = np.asarray(rows, dtype=np.int64)
    place = {int(row): number for number, row in enumerate(rows)}
    found: NDArray[Any] | None = None

    def lines_of(some: Ints) -> Any:
        with torch.inference_mode():
            return read(tokens.batch(some, pad_id=how.pad_id, device=how.device))

    batches = reading_batches(tokens, rows, tokens_of_pass(how.batch_tokens, how.streams))
    streams = min(how.streams, len(batches))
    for some, lines in zip(batches, in_streams(lines_of, batches, streams), strict=True):
        if found is None:
            if isinstance(lines, np.ndarray):
                found = np.empty((len(rows), *lines.shape[1:]), np.float32)
            else:
                found = np.empty(len(rows), dtype=object)
        for row, one in zip(some, lines, strict=True):
            found[place[int(row)]] = one
    return found


def ask_close_again(
    logits: NDArray[Any], margins: Callable[[NDArray[Any]], NDArray[Any] | None], ask: Callable[[Ints], Any]
) -> NDArray[Any]:
    """Rounded logits with those that may say another answer than exact ones replaced by exact ones.

    The closest rows are asked exactly, which tells how far rounding moves a margin here; then all rows that
    are within `SAFE` times that.

    Args:
        logits: (B, C), rounded.
        margins: (B, C) -> (B,) the distance to another answer, or None where an answer is no choice.
        ask: places of rows -> their exact logits.
    """
    known = margins(logits)
    if known is None or not len(logits):
        return logits
    found = logits.copy()
    order = np.argsort(known, kind="stable")
    done, wanted, moved = 0, min(len(order), max(FEWEST_CLOSE, int(len(order) * SHARE_CLOSE))), 0.0
    while done < wanted:
        rows = np.sort(order[done:wanted])
        found[rows] = ask(rows)
        exact = margins(found[rows])
        assert exact is not None
        moved = max(moved, float(np.abs(exact - known[rows]).max()))
        done, wanted = wanted, max(wanted, int((known < SAFE * moved).sum()))
    return found


def settle(
    task: Task,
    logits: NDArray[Any],
    examples: Sequence[Example],
    ask: Callable[[list[Example]], NDArray[Any]],
) -> NDArray[Any]:
    """Logits of both rounds, the second asked about what the first has found; most tasks have one only."""
    if not task.has_second_round:
        return logits
    more = task.second_round(logits, examples)
    return task.merge_rounds(logits, ask(more) if more else np.empty(0, dtype=object), examples)
