"""Which number of a run's answer is explained, by the kind of its task: one place in the outputs.

Classes, labels and tags: the log-odds of what was predicted. Numbers: the output. A span of a text: the
log-probability of its start and end. Written text: the log-probability of its tokens. An option: its log-odds
against the other options as they are. A vector: its cosine with another text's as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from lightune.core.errors import UserError
from lightune.core.spans import OUTSIDE
from lightune.explain.pieces import Word
from lightune.explain.probe import Read, log_odds
from lightune.tasks.base import Task

if TYPE_CHECKING:
    from lightune.core.tokens import Batch

Floats = NDArray[np.float64]
Scale = Callable[[Floats], Floats]
Words = tuple[Sequence[Word], NDArray[np.int64]]  # of a text, and (T,) which of them a token belongs to


@dataclass(frozen=True)
class Asked:
    """What is explained.

    Attributes:
        what: in words.
        read: outputs of S versions of the text -> (S,) its worth.
        scale: that worth as a probability; None where it is none.
        place: the token whose answer it is; None where the text has one.
    """

    what: str
    read: Read
    scale: Scale | None
    place: int | None = None


def ask(
    task: Task,
    outputs: torch.Tensor,
    batch: Batch,
    words: Words,
    word: str,
) -> Asked:
    """What the outputs of one text say, and how to read that off the outputs of other versions of it.

    Args:
        outputs: of the network for the text alone.
        words: the words of the text, and (T,) which a token belongs to.
        word: for tags, the word to explain; "": the surest that is not tagged `O`.

    Raises:
        UserError: no such word.
    """
    if task.kind == "number":
        return Asked("the number", lambda found, _: found[:, 0], None)
    if task.kind == "tags":
        return ask_tag(task.labels, outputs[0], words, word)
    if task.kind == "text spans":
        return _span(outputs[0], batch)
    if task.kind == "text":
        return _text(task, batch)
    chosen = int(outputs[0].argmax())
    what = f"{task.labels[chosen]!r}"
    if task.kind == "labels":
        return Asked(what, lambda found, _: found[:, chosen], _sigmoid)
    return Asked(what, lambda found, _: log_odds(found, chosen), _sigmoid)


def _sigmoid(values: Floats) -> Floats:
    return 1 / (1 + np.exp(-values))


def ask_tag(
    labels: Sequence[str],
    logits: torch.Tensor,
    words: Words,
    wanted: str,
    may_be: NDArray[np.bool_] | None = None,
) -> Asked:
    """The tag of one word, read at its first token.

    Args:
        logits: (T, C).
        may_be: (C,) the tags that are possible; None: all.

    Raises:
        UserError: no such word.
    """
    known, word_of = words
    open_tags = np.flatnonzero(np.ones(len(labels), dtype=bool) if may_be is None else may_be)
    first = {int(one): token for token, one in reversed(list(enumerate(word_of))) if one >= 0}
    if wanted:
        places = [first[number] for number, one in enumerate(known) if one.text == wanted and number in first]
        if not places:
            raise UserError(f"the text has no word {wanted!r}", hint="Give a word as it stands in the text.")
        place = places[0]
    else:
        sure, tag = logits[:, open_tags].softmax(-1).max(-1)
        told = [token for token in first.values() if labels[open_tags[int(tag[token])]] != OUTSIDE]
        place = max(told or list(first.values()), key=lambda token: float(sure[token]))
    chosen = int(logits[place, open_tags].argmax())
    what = f"{known[int(word_of[place])].text!r} is {labels[open_tags[chosen]]!r}"

    def read(found: torch.Tensor, _: Batch) -> torch.Tensor:
        return log_odds(found[:, place][:, open_tags], chosen)

    return Asked(what, read, _sigmoid, place)


def ask_option(option: str, others: NDArray[Any]) -> Asked:
    """Why an option has its score, those of the others (O,) being what they are."""
    most = float(others.max())
    rest = most + float(np.log(np.exp(others - most).sum()))
    what = f"{option!r}, the other options as they are"
    return Asked(what, lambda found, _: found[:, 0] - rest, _sigmoid)


def ask_nearness(other: str, vector: NDArray[Any]) -> Asked:
    """How near a text's vector is to another's (H,), of length 1."""
    wanted = torch.from_numpy(np.asarray(vector, dtype=np.float32))

    def read(found: torch.Tensor, _: Batch) -> torch.Tensor:
        unit = torch.nn.functional.normalize(found.float(), dim=-1)
        return unit @ wanted.to(unit.device)

    return Asked(f"how near it is to {other!r}", read, None)


def _span(logits: torch.Tensor, batch: Batch) -> Asked:
    """logits: (T, 2). The likeliest start, and the likeliest end from there on."""
    assert batch.units is not None
    places = torch.nonzero(batch.units[0] >= 0)[:, 0]
    start = int(logits[places, 0].argmax())
    end = start + int(logits[places[start:], 1].argmax())

    def read(found: torch.Tensor, _: Batch) -> torch.Tensor:
        likely = found[:, places].log_softmax(1)
        return likely[:, start, 0] + likely[:, end, 1]

    return Asked("where the answer starts and ends", read, np.exp, int(places[start]))


def _text(task: Task, batch: Batch) -> Asked:
    """The reply that stands in the batch; its probability is that of a token, on average."""
    assert batch.units is not None
    number = int((batch.units >= 0).sum())

    def read(found: torch.Tensor, some: Batch) -> torch.Tensor:
        return task.pool(found, some)[:, 0].reshape(-1, number).sum(1)

    what = "the reply" if number > 1 else "the next token"
    return Asked(what, read, lambda values: np.exp(values / number), int(batch.attention_mask.sum()) - 1)
