"""Words and tokens: every word is answered for exactly once, however long the text and strange the word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lightune.backbones.encode import Limits
from lightune.backbones.encode_words import encode_words
from lightune.backbones.loading import load_tokenizer
from lightune.core.rows import Example
from lightune.core.spans import join_words, split_words

TinyModel = Callable[..., Path]
KINDS = ("bert", "roberta", "gpt2", "llama", "t5", "deberta", "modernbert")
TEXTS = ["a good film", "the 北京 story of \u200b nothing, 3.14 and more", "word " * 200, "x"]


def made(text: str) -> Example:
    return Example((text,), None, words=split_words(text))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [16, 512])
def test_every_word_once(kind: str, length: int, tiny: TinyModel) -> None:
    tokenizer = load_tokenizer(str(tiny(kind, num_layers=2)))
    examples = [made(text) for text in TEXTS]
    found = encode_words(tokenizer, examples, Limits(length, "windows", 4))
    tokens = found.tokens
    assert tokens.units is not None
    assert tokens.lengths.max() <= length
    for place, example in enumerate(examples):
        first, last = tokens.offsets[tokens.windows[place]], tokens.offsets[tokens.windows[place + 1]]
        carried = tokens.units[first:last]
        assert carried[carried >= 0].tolist() == list(range(len(example.words)))


def test_a_word_the_tokenizer_drops_is_not_lost(tiny: TinyModel) -> None:
    tokenizer = load_tokenizer(str(tiny("bert", num_layers=2)))
    text, places = join_words(["good", "\u200d", "film"])
    found = encode_words(tokenizer, [Example((text,), None, words=places)], Limits(64, "windows", 4))
    assert found.tokens.units is not None
    assert sorted(found.tokens.units[found.tokens.units >= 0].tolist()) == [0, 1, 2]
    assert (found.num_cut, found.lost_tokens) == (0, 0)


def test_short_texts_have_the_tokens_of_the_whole_text(minilm: Path) -> None:
    """Word by word gives what the tokenizer makes of the text in one piece."""
    tokenizer = load_tokenizer(str(minilm))
    texts = ["It's a surprisingly good film, isn't it?", "unbelievable 3.14 % of co-workers, 北京 2008"]
    found = encode_words(tokenizer, [made(text) for text in texts], Limits(128, "windows", 4)).tokens
    for place, text in enumerate(texts):
        mine = found.ids[found.offsets[place] : found.offsets[place + 1]]
        assert mine.tolist() == tokenizer(text)["input_ids"]
