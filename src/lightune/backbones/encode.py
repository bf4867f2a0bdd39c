"""Texts to tokens: truncation counted, long texts cut into windows; nothing is lost in silence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lightune.core.tokens import Tokens

LONG_SHARE = 0.05  # more long texts than this, and they become windows
DERIVED_LIMIT = 512  # attention costs the square of the length: longer windows must be asked for
SAMPLED_TEXTS = 1000  # tell the share of long ones within about a point
OVERLAP = 8  # a window shares 1 / OVERLAP of its tokens with the next


@dataclass(frozen=True)
class Limits:
    """How long a sequence may be and what becomes of longer texts.

    Attributes:
        start_id: the token that a decoder starts from, where an encoder reads and a decoder writes.
    """

    max_length: int
    long: Literal["windows", "truncate"]
    max_windows: int
    start_id: int | None = None


@dataclass(frozen=True)
class Encoded:
    """Tokens, and what was cut.

    Attributes:
        num_long: examples with more tokens than the limit.
        num_cut: examples that lost tokens even so.
        lost_tokens: how many, of `all_tokens`.
        num_texts: texts, where an example has several that are read apart; 0: one each.
    """

    tokens: Tokens
    num_long: int
    num_cut: int
    lost_tokens: int
    all_tokens: int
    num_texts: int = 0

    def describe(self) -> str:
        """One line for the report."""
        if self.num_long == 0:
            return "every text fits the model: nothing was cut"
        if self.num_cut == 0:
            return f"{self.num_long} long texts were read in windows: nothing was cut"
        share = self.lost_tokens / max(self.all_tokens, 1)
        texts = f"{self.num_cut} of {self.num_texts or self.tokens.num_examples} texts"
        return f"{texts} were cut, {share:.1%} of all tokens were lost"


def encode(tokenizer: Any, texts: Sequence[tuple[str, ...]], limits: Limits) -> Encoded:
    """Tokenise texts (or pairs) as the model wants them.

    Long single texts become windows of `max_length` that overlap; long pairs are cut, longest text first.
    """
    ids, types = _tokenise(tokenizer, texts)
    lengths = np.array([len(one) for one in ids])
    windows = np.ones(len(texts), dtype=np.int64)
    is_pair = bool(texts) and len(texts[0]) == 2
    is_long = lengths > limits.max_length
    lost = num_cut = 0
    pieces: list[tuple[list[list[int]], list[list[int]] | None]] = []
    places = np.flatnonzero(is_long).tolist()
    most = 1 if is_pair or limits.long == "truncate" else limits.max_windows
    shortened = _shorten(tokenizer, [texts[place] for place in places], limits.max_length, most)
    for place, (cut, cut_types, kept) in zip(places, shortened, strict=True):
        windows[place] = len(cut)
        missing = max(int(lengths[place]) - kept, 0)
        lost, num_cut = lost + missing, num_cut + (missing > 0)
        pieces.append((cut, cut_types))
    all_ids, all_types = _merge(ids, types, is_long, pieces)
    tokens = Tokens.from_lists(all_ids, all_types, windows.tolist())
    return Encoded(tokens, int(is_long.sum()), num_cut, lost, int(lengths.sum()))


def choose_limits(
    tokenizer: Any,
    texts: Sequence[tuple[str, ...]],
    *,
    model_limit: int,
    max_length: int | None,
    long: str,
    max_windows: int,
) -> tuple[Limits, str, str]:
    """(limits, reason for the length, reason for windows or truncation) from a sample of the texts."""
    length = min(max_length or DERIVED_LIMIT, model_limit)
    why = "as asked" if max_length and length == max_length else f"the model takes {model_limit} tokens"
    if length == DERIVED_LIMIT < model_limit:
        why += f"; more than {DERIVED_LIMIT} must be asked for"
    if long != "auto":
        return Limits(length, long, max_windows), why, "as asked"  # type: ignore[arg-type]
    sample = texts[:: max(1, len(texts) // SAMPLED_TEXTS)]
    share = float(np.mean([len(one) > length for one in _tokenise(tokenizer, sample)[0]])) if sample else 0.0
    is_windows = share > LONG_SHARE and bool(sample) and len(sample[0]) == 1
    reason = f"{share:.1%} of the texts are longer than {length} tokens"
    return Limits(length, "windows" if is_windows else "truncate", max_windows), why, reason


def _tokenise(
    tokenizer: Any, texts: Sequence[tuple[str, ...]]
) -> tuple[list[list[int]], list[list[int]] | None]:
    if not texts:
        return [], None
    first = [one[0] for one in texts]
    second = [one[1] for one in texts] if len(texts[0]) == 2 else None
    found = tokenizer(first, second, truncation=False, padding=False, verbose=False)
    types = found.get("token_type_ids") if "token_type_ids" in tokenizer.model_input_names else None
    ids = [one if one else [tokenizer.pad_token_id] for one in found["input_ids"]]
    if types is not None:
        types = [one if one else [0] for one in types]
    return ids, types


def _shorten(
    tokenizer: Any, texts: Sequence[tuple[str, ...]], max_length: int, max_windows: int
) -> Iterator[tuple[list[list[int]], list[list[int]] | None, int]]:
    """For each text (windows, their segment ids, tokens of the text that they hold)."""
    if not texts:
        return
    is_windowed, is_pair = max_windows > 1, len(texts[0]) == 2
    stride = max_length // OVERLAP if is_windowed else 0
    found = tokenizer(
        *map(list, zip(*texts, strict=True)),  # all at once: the tokenizer then uses every core
        truncation="longest_first" if is_pair else True,
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=is_windowed,
        verbose=False,
    )
    ids = found["input_ids"]
    types = found["token_type_ids"] if "token_type_ids" in tokenizer.model_input_names else None
    owners = np.array(found["overflow_to_sample_mapping"] if is_windowed else range(len(texts)))
    first = np.searchsorted(owners, np.arange(len(texts) + 1))
    special = tokenizer.num_special_tokens_to_add(pair=is_pair)
    for start, end in zip(first[:-1], np.minimum(first[1:], first[:-1] + max_windows), strict=True):
        windows = ids[start:end]
        kept = sum(len(one) - special for one in windows) - stride * (len(windows) - 1) + special
        yield windows, None if types is None else types[start:end], kept


def _merge(
    ids: list[list[int]],
    types: list[list[int]] | None,
    is_long: np.ndarray,
    pieces: list[tuple[list[list[int]], list[list[int]] | None]],
) -> tuple[list[list[int]], list[list[int]] | None]:
    if not pieces:
        return ids, types
    rest = iter(pieces)
    all_ids: list[list[int]] = []
    all_types: list[list[int]] | None = None if types is None else []
    for place, one in enumerate(ids):
        cut, cut_types = next(rest) if is_long[place] else ([one], types and [types[place]])
        all_ids += cut
        if all_types is not None:
            all_types += cut_types or []
    return all_ids, all_types
