"""Tokens become words with their places in the text."""

from __future__ import annotations

import numpy as np
import pytest
from transformers import AutoTokenizer

from lightune.explain.pieces import words_of
from tests.making import TinyModel


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
@pytest.mark.parametrize(
    "texts",
    [("the unbelievable movie, 12 times!",), ("a good film", "not  so\tbad")],
)
def test_words_are_slices_of_the_texts(kind: str, texts: tuple[str, ...], tiny: TinyModel) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny(kind))
    ids = np.array(tokenizer(*texts)["input_ids"])
    words, word_of = words_of(tokenizer, ids, texts)
    assert [one.text for one in words] == [texts[one.part][one.start : one.end] for one in words]
    wanted = " ".join(texts).replace(",", " ,").replace("!", " !").split()
    assert [one.text for one in words] == wanted
    assert set(word_of[word_of >= 0].tolist()) == set(range(len(words)))


def test_a_chinese_character_is_a_word(tiny: TinyModel) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny("bert"))
    ids = np.array(tokenizer("好看的film")["input_ids"])
    words, _ = words_of(tokenizer, ids, ("好看的film",))
    assert [one.text for one in words] == ["好", "看", "的", "film"]


def test_tokens_of_another_text_are_still_words(tiny: TinyModel) -> None:
    """Where the places cannot be known the tokens themselves are shown."""
    tokenizer = AutoTokenizer.from_pretrained(tiny("bert"))
    ids = np.array(tokenizer("a good film")["input_ids"])
    words, word_of = words_of(tokenizer, ids, ("quite another text",))
    assert "".join(one.text for one in words) == "agoodfilm" and words[0].start is None
    assert (word_of >= 0).sum() == len(ids) - 2
