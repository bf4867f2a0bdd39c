"""A tokenizer of single characters, learnt from a corpus; what is rare is spelt in the bytes of its UTF-8."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

BYTES = [f"<0x{number:02X}>" for number in range(256)]
COMMON = 0.9995  # characters that together make up so much of the text get tokens of their own


def learn_characters(texts: Iterable[str], size: int, specials: Sequence[str]) -> Any:
    """A `tokenizers.Tokenizer`: `specials` first, then the 256 bytes, then characters, the commonest first.

    It is BPE without a merge, so that every text can be written and comes back as it was.
    """
    from tokenizers import Tokenizer, decoders, models

    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    room, wanted, seen = size - len(specials) - len(BYTES), COMMON * sum(counts.values()), 0
    kept: list[str] = []
    for character, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
        if len(kept) >= room or seen >= wanted:
            break
        kept.append(character)
        seen += count
    tokens = {token: number for number, token in enumerate([*specials, *BYTES, *kept])}
    tokenizer = Tokenizer(models.BPE(vocab=tokens, merges=[], byte_fallback=True))
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(list(specials))
    return tokenizer
