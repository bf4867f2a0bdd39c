"""Examples whose texts are read apart, one sequence each: the sides of a pair or a triplet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lightune.backbones.encode import Encoded, Limits, encode


def encode_sides(tokenizer: Any, examples: Sequence[Sequence[tuple[str, ...]]], limits: Limits) -> Encoded:
    """Every text as one sequence, cut at the limit; an example's `windows` are its texts."""
    texts = [text for example in examples for text in example]
    found = encode(tokenizer, texts, Limits(limits.max_length, "truncate", 1))
    counts = [len(example) for example in examples]
    windows = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return replace(found, tokens=replace(found.tokens, windows=windows), num_texts=len(texts))
