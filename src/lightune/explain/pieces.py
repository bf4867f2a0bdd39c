"""Tokens to the words a person reads: where each word of a sequence stands in its text.

Tokens are joined where letters or digits of one script meet without a space; a Chinese character is a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHARACTERS = ("\u3040", "\u30ff"), ("\u3400", "\u9fff"), ("\uac00", "\ud7af"), ("\uf900", "\ufaff")


@dataclass(frozen=True)
class Word:
    """One word: its text, which of the texts it stands in (0 or 1), and where, if that is known."""

    text: str
    part: int
    start: int | None
    end: int | None


def words_of(
    tokenizer: Any, ids: NDArray[np.integer], texts: Sequence[str]
) -> tuple[list[Word], NDArray[np.int64]]:
    """The words of a sequence, and (T,) which of them a token belongs to, -1 for special tokens.

    Args:
        ids: (T,) of the sequence, as the task encoded `texts` (one, or a pair).
    """
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    placed = _places(tokenizer, ids, texts)
    words: list[Word] = []
    word_of = np.full(len(ids), -1, dtype=np.int64)
    for token, one in enumerate(ids.tolist()):
        if one in special:
            continue
        word = placed[token] if placed else Word(tokenizer.convert_ids_to_tokens(one), 0, None, None)
        if not word.text.strip():
            continue
        if words and token and word_of[token - 1] == len(words) - 1 and _go_together(words[-1], word, texts):
            words[-1] = _joined(words[-1], word, texts)
        else:
            words.append(word)
        word_of[token] = len(words) - 1
    return [_readable(word) for word in words], word_of


def _places(tokenizer: Any, ids: NDArray[np.integer], texts: Sequence[str]) -> list[Word] | None:
    """A `Word` for every token, where the tokenizer gives the same tokens with their places."""
    if not getattr(tokenizer, "is_fast", False):
        return None
    found = tokenizer(*texts, return_offsets_mapping=True, verbose=False)
    many = found["input_ids"]
    start = _inside(list(ids), many)
    if start is None:
        return None
    parts, places = found.sequence_ids(0), found["offset_mapping"]
    words = [Word("", 0, None, None)] * len(ids)
    for token in range(min(len(many), len(ids) - start)):
        part = parts[token]
        if part is None:
            continue
        first, last = places[token]
        text = texts[part][first:last]
        lead = len(text) - len(text.lstrip())
        words[start + token] = Word(text.strip(), part, first + lead, first + lead + len(text.strip()))
    return words


def _inside(ids: list[int], many: list[int]) -> int | None:
    """Where the tokens of a text alone stand in a sequence: at its start, or somewhere in a chat."""
    if ids == many or ids[:-1] == many[: len(ids) - 1]:  # the end may have been cut off
        return 0
    for start in range(len(ids) - len(many) + 1):
        if ids[start : start + len(many)] == many:
            return start
    return None


def _go_together(before: Word, word: Word, texts: Sequence[str]) -> bool:
    if word.start is None or before.end is None:
        return not word.text.startswith(("▁", "Ġ", "Ċ")) and (
            word.text.startswith("##") or before.text.startswith(("▁", "Ġ"))
        )
    if before.part != word.part or before.end < word.start:
        return False
    one, other = texts[before.part][before.end - 1], word.text[0]
    return one.isalnum() and other.isalnum() and not _is_character(one) and not _is_character(other)


def _is_character(letter: str) -> bool:
    return any(first <= letter <= last for first, last in CHARACTERS)


def _joined(before: Word, word: Word, texts: Sequence[str]) -> Word:
    if word.end is None or before.start is None:
        return Word(before.text + word.text.removeprefix("##"), before.part, None, None)
    end = max(word.end, before.end or 0)
    return Word(texts[before.part][before.start : end], before.part, before.start, end)


def _readable(word: Word) -> Word:
    return word if word.start is not None else Word(word.text.lstrip("▁Ġ"), word.part, None, None)
