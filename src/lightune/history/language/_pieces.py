r"""What an n-gram model counts: words, characters or subword tokens; pieces join to the text again.

- words: a word or a run of signs with the blank before it (" said", ","), so that no blank is lost.
- whitespace: what stands between blanks, as in corpora that are cut into words already.
- characters: each by itself.
- subwords: tokens of a `tokenizers` tokenizer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WORD = re.compile(r" ?(?:[^\W_]+(?:['’][^\W_]+)*|(?:[^\w\s]|_)+)|\s+")
TOKENIZER_FILE = "tokenizer.json"


class Pieces:
    """Cuts texts and joins pieces.

    Args:
        unit: words, whitespace, characters or subwords.
        tokenizer: a `tokenizers.Tokenizer`, for subwords.
    """

    def __init__(self, unit: str, tokenizer: Any = None) -> None:
        self.unit = unit
        self.tokenizer = tokenizer

    def cut(self, text: str) -> Sequence[str]:
        """The pieces of a text."""
        if self.unit == "words":
            return WORD.findall(text)
        if self.unit == "characters":
            return text
        if self.unit == "whitespace":
            return text.split()
        return self.tokenizer.encode(text, add_special_tokens=False).tokens  # type: ignore[no-any-return]

    def normal(self, text: str) -> str:
        """The text as far as its pieces keep it: `whitespace` does not count blanks."""
        return " ".join(text.split()) if self.unit == "whitespace" else text

    def join(self, pieces: Sequence[str]) -> str:
        """The text of pieces."""
        if self.unit == "subwords":
            numbers = [self.tokenizer.token_to_id(piece) for piece in pieces]
            return str(self.tokenizer.decode([one for one in numbers if one is not None]))
        return (" " if self.unit == "whitespace" else "").join(pieces)

    def shown(self, pieces: Sequence[str]) -> tuple[str, ...]:
        """Each piece as it stands in the text."""
        if self.unit == "whitespace":
            return tuple(f" {piece}" if place else piece for place, piece in enumerate(pieces))
        if self.unit == "subwords":
            return tuple(self.join([piece]) for piece in pieces)
        return tuple(pieces)

    def save(self, folder: Path) -> None:
        """Keep the tokenizer, where there is one."""
        if self.tokenizer is not None:
            self.tokenizer.save(str(folder / TOKENIZER_FILE))


def load_pieces(unit: str, folder: Path) -> Pieces:
    """Open what `save` wrote."""
    if unit != "subwords":
        return Pieces(unit)
    from lightune.history.language._tokenizer import open_tokenizer

    return Pieces(unit, open_tokenizer(str(folder / TOKENIZER_FILE)))
