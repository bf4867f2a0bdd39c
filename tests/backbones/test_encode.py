"""Long texts: counted, cut into windows that lose nothing, or truncated with the loss reported."""

from __future__ import annotations

import numpy as np

from lightune.backbones.encode import Limits, choose_limits, encode
from tests.tiny_tokenizer import tiny_tokenizer

SHORT = ("the movie was great",)
LONG = (" ".join(["the story was boring and long"] * 20),)


def test_short_texts_are_what_the_tokenizer_says() -> None:
    tokenizer = tiny_tokenizer("bert")
    found = encode(tokenizer, [SHORT, LONG], Limits(500, "truncate", 1))
    assert found.tokens.ids.tolist() == [i for text in (SHORT, LONG) for i in tokenizer(text[0])["input_ids"]]
    assert found.num_long == found.num_cut == 0
    assert "nothing was cut" in found.describe()


def test_windows_hold_every_token_and_overlap() -> None:
    tokenizer = tiny_tokenizer("bert")
    limits = Limits(32, "windows", 50)
    found = encode(tokenizer, [SHORT, LONG, SHORT], limits)
    sequences, owner = found.tokens.sequences_of(np.array([0, 1, 2]))
    assert np.bincount(owner).tolist()[0] == 1
    assert np.bincount(owner).tolist()[1] > 3
    assert found.tokens.lengths.max() <= 32
    assert (found.num_long, found.num_cut, found.lost_tokens) == (1, 0, 0)
    offsets = found.tokens.offsets
    windows = [found.tokens.ids[offsets[s] : offsets[s + 1]][1:-1].tolist() for s in sequences[owner == 1]]
    step = 32 - 2 - 32 // 8
    joined = [token for window in windows[:-1] for token in window[:step]] + windows[-1]
    assert joined == tokenizer(LONG[0], add_special_tokens=False)["input_ids"]


def test_what_is_cut_is_counted() -> None:
    tokenizer = tiny_tokenizer("bert")
    whole = len(tokenizer(LONG[0])["input_ids"])
    cut = encode(tokenizer, [SHORT, LONG], Limits(32, "truncate", 1))
    assert (cut.num_long, cut.num_cut, cut.lost_tokens) == (1, 1, whole - 32)
    few = encode(tokenizer, [LONG], Limits(32, "windows", 2))
    assert few.num_cut == 1
    assert 0 < few.lost_tokens < whole - 32
    assert "1 of 1 texts were cut" in few.describe()


def test_pairs_are_cut_from_the_longer_text() -> None:
    tokenizer = tiny_tokenizer("bert")
    found = encode(tokenizer, [(SHORT[0], LONG[0])], Limits(32, "windows", 8))
    assert found.tokens.lengths.tolist() == [32]
    first = tokenizer(SHORT[0], add_special_tokens=False)["input_ids"]
    assert found.tokens.ids[1 : 1 + len(first)].tolist() == first
    assert found.tokens.types is not None
    assert found.tokens.types.max() == 1


def test_windows_are_chosen_when_many_texts_are_long() -> None:
    tokenizer = tiny_tokenizer("bert")
    known = {"model_limit": 32, "max_length": None, "long": "auto", "max_windows": 8}
    many, _, why = choose_limits(tokenizer, [SHORT, LONG], **known)  # type: ignore[arg-type]
    few, _, _ = choose_limits(tokenizer, [SHORT] * 99 + [LONG], **known)  # type: ignore[arg-type]
    assert (many.long, few.long) == ("windows", "truncate")
    assert "50.0%" in why


def test_an_empty_text_is_still_a_sequence() -> None:
    for kind in ("bert", "gpt2"):
        found = encode(tiny_tokenizer(kind), [("",), SHORT], Limits(32, "truncate", 1))
        assert (found.tokens.lengths >= 1).all()
        assert found.tokens.num_examples == 2
