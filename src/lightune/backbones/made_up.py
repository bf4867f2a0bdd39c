"""Texts that are nobody's: random tokens of a model's vocabulary, always the same.

What is measured on them (the usual size of a feature) shows nothing of any data.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lightune.core.tokens import Tokens

NUM_TEXTS, SHORTEST, LONGEST = 256, 4, 40


def random_texts(tokenizer: Any, *, taken_types: bool) -> Tokens:
    """256 sequences of 4 to 40 random tokens, each with the model's own special tokens around it."""
    random = np.random.default_rng(0)
    special = set(tokenizer.all_special_ids)
    usual = np.array([number for number in range(len(tokenizer)) if number not in special])
    found = []
    for length in random.integers(SHORTEST, LONGEST, NUM_TEXTS):
        words = tokenizer.convert_ids_to_tokens(random.choice(usual, int(length)).tolist())
        ids = tokenizer.convert_tokens_to_ids(words)
        found.append(_surrounded(tokenizer, ids))
    types = [[0] * len(ids) for ids in found] if taken_types else None
    return Tokens.from_lists(found, types, [1] * len(found))


def _surrounded(tokenizer: Any, ids: list[int]) -> list[int]:
    """With what the tokenizer puts before and behind a text."""
    around = tokenizer("a")["input_ids"]
    special = set(tokenizer.all_special_ids)
    before = [number for number in around[:1] if number in special]
    behind = [number for number in around[1:] if number in special]
    return [*before, *ids, *behind]
