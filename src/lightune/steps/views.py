"""Which sequences an answer was read from, and what of each is to be explained, by the kind of the task.

Most answers are read from one. An option is read with its question, and the sequences of the other options
stay as they are; a vector is held against that of another text, which stays; roles of an event are read from
the text once more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lightune.backbones.encode import Encoded, Limits
from lightune.core.errors import UserError
from lightune.core.rows import Example, Row
from lightune.core.tokens import Tokens
from lightune.explain.asked import Asked, Words, ask, ask_nearness, ask_option, ask_tag
from lightune.explain.pieces import Word, words_of
from lightune.explain.probe import one_sequence
from lightune.run import Run

if TYPE_CHECKING:
    import torch

    from lightune.core.tokens import Batch

REPLY_TOKENS = 24
Ask = Callable[["torch.Tensor", "Batch", Words], Asked]


@dataclass(frozen=True)
class View:
    """One sequence that is explained.

    Attributes:
        tokens: that sequence alone.
        texts: what it was made of.
        answer: what the person is told of the answer.
        ask: the network's outputs for it, its batch, its words -> what of them is explained.
        marks: (start, end) in the first text of what is not the person's.
        is_cut: the text is longer than what is read.
    """

    tokens: Tokens
    texts: tuple[str, ...]
    answer: dict[str, Any]
    ask: Ask
    marks: Sequence[tuple[int, int]] = ()
    is_cut: bool = False

    def words(self, run: Run) -> Words:
        """Its words that can speak for the answer, and (T,) which of them a token belongs to, -1 for none."""
        words, word_of = words_of(run.backbone.tokenizer, self.tokens.ids, self.texts)
        is_own = np.array([not self._is_mark(one) for one in words], dtype=bool)
        units = self.tokens.units
        if run.task.has_second_round and units is not None:  # signs and names of types say nothing
            is_own &= np.isin(np.arange(len(words)), word_of[units >= 0])
        if run.task.kind == "text" and units is not None:  # before the reply
            word_of = np.where(np.arange(len(word_of)) <= np.flatnonzero(units >= 0)[0], word_of, -1)
            placed = np.array([one.start is not None for one in words], dtype=bool)
            if placed.any():  # the text stands in a template, which is not the person's
                is_own &= placed
        word_of = np.where(np.isin(word_of, np.flatnonzero(is_own)), word_of, -1)
        kept = sorted(set(word_of.tolist()) - {-1})
        number_of = {word: place for place, word in enumerate(kept)}
        return [words[word] for word in kept], np.array([number_of.get(int(one), -1) for one in word_of])

    def _is_mark(self, word: Word) -> bool:
        start = word.start
        return start is not None and word.part == 0 and any(first <= start < end for first, end in self.marks)


def views(run: Run, example: Example, word: str, next_token: bool) -> list[View]:
    """What is to be explained of what a run says of an example.

    Args:
        word: for tags and events, the word whose tag is explained; "": the surest.
        next_token: of a run that writes, the next token instead of a whole reply.
    """
    example = replace(example, gold=None)  # what is said must not come from the right answer
    return MAKERS.get(run.task.kind, _plain)(run, example, word, next_token)


def _plain(run: Run, example: Example, word: str, next_token: bool) -> list[View]:
    """One sequence, and the outputs for it."""
    [prediction] = run.task.decode(run.outputs([example]), [example])
    return [_first(run, example, run.task.columns_of(prediction), word)]


def _first(run: Run, example: Example, answer: dict[str, Any], word: str, next_token: bool = False) -> View:
    encoded = _encoded(run, example)
    tokens = one_sequence(encoded.tokens)
    if next_token and tokens.units is not None:
        units = tokens.units.copy()
        units[np.flatnonzero(units >= 0)[1:]] = -1
        tokens = replace(tokens, units=units)

    def asked(outputs: torch.Tensor, batch: Batch, words: Words) -> Asked:
        return ask(run.task, outputs, batch, words, word)

    is_cut = len(encoded.tokens.offsets) > 2 or encoded.num_cut > 0
    return View(tokens, example.texts, answer, asked, run.task.own_marks(example), is_cut)


def _encoded(run: Run, example: Example) -> Encoded:
    return run.task.encode(run.backbone.tokenizer, [example], Limits(**run.state.limits))


def _written(run: Run, example: Example, word: str, next_token: bool) -> list[View]:
    """A reply, which is written first."""
    from lightune.backbones.writer import Writing

    texts = example.texts
    [reply] = run.generate([texts[0]], Writing(max_new_tokens=1 if next_token else REPLY_TOKENS))
    names = run.task.reads(run.state.text)
    row = Row(0, dict(zip(names, texts, strict=True)), "")
    made = run.task.row_to_example(row, tuple(names), reply)
    return [replace(_first(run, made, {"generated": reply}, word, next_token), texts=texts)]


def _option(run: Run, example: Example, word: str, next_token: bool) -> list[View]:
    """The chosen option with its question."""
    logits = run.outputs([example])
    [prediction] = run.task.decode(logits, [example])
    chosen = int(logits[0].argmax())
    encoded = _encoded(run, example)
    asked = ask_option(example.options[chosen], np.delete(logits[0], chosen))
    return [
        View(
            one_sequence(encoded.tokens, chosen),
            run.task.readings(example)[chosen],
            run.task.columns_of(prediction),
            lambda outputs, batch, words: asked,
            is_cut=encoded.num_cut > 0,
        )
    ]


def _near(run: Run, example: Example, word: str, next_token: bool) -> list[View]:
    """Both texts, each against the vector of the other.

    Raises:
        UserError: one text alone is near to nothing.
    """
    if len([text for text in example.texts if text.strip()]) < 2:
        raise UserError(
            "one text alone is near to nothing", hint="Give two texts: a query and what it finds."
        )
    example = replace(example, texts=example.texts[:2])
    vectors, encoded = run.outputs([example])[0], _encoded(run, example)
    answer = {"similarity": float(vectors[0] @ vectors[1])}
    found = []
    for side, (reading, text) in enumerate(zip(run.task.readings(example), example.texts, strict=True)):
        asked = ask_nearness(example.texts[1 - side], vectors[1 - side])
        found.append(
            View(
                one_sequence(encoded.tokens, side),
                reading,
                answer,
                lambda outputs, batch, words, asked=asked: asked,  # type: ignore[misc]
                [(0, len(reading[0]) - len(text))],
                encoded.num_cut > 0,
            )
        )
    return found


def _events(run: Run, example: Example, word: str, next_token: bool) -> list[View]:
    """The type of a trigger; where `word` begins an argument, its role."""
    logits = run.outputs([example])
    [prediction] = run.task.decode(logits, [example])
    asked_of, may_be = run.task.pointed_out(logits[0], example, word)
    encoded, [reading, *_] = _encoded(run, asked_of), run.task.readings(asked_of)
    labels = run.task.labels

    def asked(outputs: torch.Tensor, batch: Batch, words: Words) -> Asked:
        return ask_tag(labels, outputs[0], words, word, may_be)

    is_cut = len(encoded.tokens.offsets) > 2
    tokens = one_sequence(encoded.tokens)
    return [View(tokens, reading, run.task.columns_of(prediction), asked, is_cut=is_cut)]


MAKERS = {"text": _written, "options": _option, "vectors": _near, "events": _events}
