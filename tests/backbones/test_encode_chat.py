"""Chats and tokens: the loss falls on replies, all of them, and on nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightune.backbones.encode import Limits
from lightune.backbones.encode_chat import encode_chats, render
from lightune.backbones.loading import load_tokenizer

TinyModel = Callable[..., Path]
TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}</end>\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
CHAT = [("user", "is it good"), ("assistant", "yes a film"), ("user", "and bad"), ("assistant", "no")]


@pytest.fixture(params=["gpt2", "llama"])
def tokenizer(request: Any, tiny: TinyModel) -> Any:
    return load_tokenizer(str(tiny(request.param, num_layers=2)))


@pytest.mark.parametrize("has_template", [True, False])
def test_replies_and_only_they_are_learnt(tokenizer: Any, has_template: bool) -> None:
    tokenizer.chat_template = TEMPLATE if has_template else None
    tokens = encode_chats(tokenizer, [CHAT], Limits(256, "truncate", 1)).tokens
    assert tokens.units is not None
    wanted = tokens.units[tokens.units >= 0]
    assert np.array_equal(wanted, tokens.ids[1:][tokens.units[:-1] >= 0])  # the id of the next token
    said = tokenizer.decode(wanted)
    for reply in ("yes a film", "no"):
        assert reply.replace(" ", "") in said.replace(" ", "")
    for prompt in ("isitgood", "andbad"):
        assert prompt not in said.replace(" ", "")


@pytest.mark.parametrize("has_template", [True, False])
def test_a_prompt_is_the_beginning_of_what_was_learnt(tokenizer: Any, has_template: bool) -> None:
    """What the model is asked in the end has the very tokens that stood before the reply in training."""
    tokenizer.chat_template = TEMPLATE if has_template else None
    limits = Limits(256, "truncate", 1)
    whole = encode_chats(tokenizer, [CHAT], limits).tokens.ids.tolist()
    asked = encode_chats(tokenizer, [CHAT[:-1]], limits).tokens.ids.tolist()
    assert whole[: len(asked)] == asked
    assert len(whole) > len(asked)
    assert render(tokenizer, CHAT, asks=False).startswith(render(tokenizer, CHAT[:-1], asks=True))


def test_long_chats_keep_their_end(tokenizer: Any) -> None:
    long = [("user", "word " * 300), ("assistant", "yes")]
    found = encode_chats(tokenizer, [long, CHAT], Limits(64, "truncate", 1))
    assert found.tokens.lengths[0] == 64
    assert (found.num_long, found.num_cut) == (1 + (found.tokens.lengths[1] == 64), found.num_long)
    assert found.tokens.num_answers(np.array([0])) > 0
