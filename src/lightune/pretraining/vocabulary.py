"""A tokenizer as language models see it: ids of texts, the end token, and which tokens go on with a word."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightune.core.errors import UserError

READ_AT_ONCE = 1000
EAST_ASIAN = re.compile("[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")  # no blanks between words
# How byte-level tokenizers write the first byte of an East Asian character.
LEADS = (*map(chr, (*range(0xE3, 0xEA), 0xEF)), *(f"<0x{one:02X}>" for one in (*range(0xE3, 0xEA), 0xEF)))


@dataclass(frozen=True)
class Vocabulary:
    """A fast tokenizer of transformers."""

    tokenizer: Any

    @property
    def size(self) -> int:
        """Number of tokens V."""
        return len(self.tokenizer)

    @property
    def end_id(self) -> int:
        """The token that stands between two texts.

        Raises:
            UserError: the tokenizer has none.
        """
        for name in ("eos_token_id", "sep_token_id"):
            found = getattr(self.tokenizer, name, None)
            if found is not None:
                return int(found)
        hint = "Give another --tokenizer, or none: one is then trained with the model."
        raise UserError("this tokenizer has no token for the end of a text", hint=hint)

    def tokens(self) -> list[str]:
        """The V tokens by number."""
        return list(self.tokenizer.convert_ids_to_tokens(list(range(self.size))))

    def encode_all(self, texts: Iterable[str]) -> Iterator[tuple[str, list[int]]]:
        """Each text with its ids, many at once; nothing is put around a text."""
        waiting: list[str] = []
        for text in texts:
            waiting.append(text)
            if len(waiting) == READ_AT_ONCE:
                yield from self._encode_some(waiting)
                waiting = []
        yield from self._encode_some(waiting)

    def _encode_some(self, texts: list[str]) -> Iterator[tuple[str, list[int]]]:
        found = self.tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=False)
        yield from ((text, one.ids) for text, one in zip(texts, found, strict=True))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def written(self, tokens: Sequence[str]) -> list[str]:
        """Each token as it looks inside a text: with the blank before it, where it begins a word."""
        decode = self.tokenizer.backend_tokenizer.decoder.decode
        return [str(decode(["x", token])).removeprefix("x") for token in tokens]

    def continues_word(self) -> NDArray[np.bool_]:
        """(V,) whether a token goes on with the word of the token before it.

        A Chinese or Japanese character begins a word, and so does punctuation.
        """
        special = set(self.tokenizer.all_special_ids)
        tokens = self.tokens()
        found = np.zeros(self.size, dtype=bool)
        has_marks = any(token.startswith("##") for token in tokens)
        for number, written in enumerate(tokens if has_marks else self.written(tokens)):
            if number in special:
                continue
            if has_marks:
                found[number] = written.startswith("##") and not EAST_ASIAN.match(written[2:3])
            else:
                first = written[:1]
                is_inner_byte = first == "\ufffd" and not tokens[number].startswith(LEADS)
                found[number] = is_inner_byte or (first.isalnum() and not EAST_ASIAN.match(first))
        return found

    def is_lossless(self, texts: Iterable[str]) -> bool:
        """Whether these texts come back from their tokens as they were."""
        return all(self.decode(ids) == text for text, ids in self.encode_all(texts))


def open_vocabulary(folder: str | Path) -> Vocabulary:
    """The tokenizer of a folder.

    Raises:
        UserError: there is none, or it is of the slow kind that gives no places in the text.
    """
    from lightune.backbones.loading import load_tokenizer

    tokenizer = load_tokenizer(str(folder))
    if not getattr(tokenizer, "is_fast", False):
        raise UserError("this tokenizer has no tokenizer.json", file=folder, hint="Take another --tokenizer.")
    return Vocabulary(tokenizer)
