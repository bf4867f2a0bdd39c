"""Chats to tokens for a causal language model: which tokens are a reply, and so to be learnt.

The model's own chat template is used where it has one; else a line a turn, `User: ...` and `Assistant: ...`.
`units` of the tokens hold, at each place, the id of the next token where that is of a reply, else -1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightune.backbones.encode import Encoded, Limits
from lightune.core.tokens import Tokens

Turn = tuple[str, str]  # (role, content)
REPLY = "assistant"
NAMES = {"user": "User", "assistant": "Assistant", "system": "System"}


def render(tokenizer: Any, turns: Sequence[Turn], *, asks: bool) -> str:
    """The text of a chat; `asks`: it ends where the next reply begins."""
    if getattr(tokenizer, "chat_template", None):
        messages = [{"role": role, "content": content} for role, content in turns]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=asks)
        return str(text)
    end = tokenizer.eos_token or ""
    lines = [f"{NAMES.get(role, role)}: {content}{end if role == REPLY else ''}\n" for role, content in turns]
    return "".join(lines) + (f"{NAMES[REPLY]}:" if asks else "")


def encode_chats(tokenizer: Any, chats: Sequence[Sequence[Turn]], limits: Limits) -> Encoded:
    """Tokens of chats; what is longer than the limit loses its beginning, so that the last reply stays."""
    ids: list[list[int]] = []
    units: list[list[int]] = []
    num_long = lost = num_all = 0
    for turns in chats:
        row, wanted = _encode_one(tokenizer, turns)
        num_all += len(row)
        if len(row) > limits.max_length:
            num_long, lost = num_long + 1, lost + len(row) - limits.max_length
            row, wanted = row[-limits.max_length :], wanted[-limits.max_length :]
        ids.append(row)
        units.append([*(b if is_reply else -1 for b, is_reply in zip(row[1:], wanted[1:], strict=True)), -1])
    tokens = Tokens.from_lists(ids, None, [1] * len(ids), units)
    return Encoded(tokens, num_long, num_long, lost, num_all)


def _encode_one(tokenizer: Any, turns: Sequence[Turn]) -> tuple[list[int], list[bool]]:
    """Token ids of a chat, and which of them are of a reply or its end."""
    ids: list[int] = []
    is_reply: list[bool] = []
    text = ""
    for place, (role, _) in enumerate(turns):
        asks = role == REPLY
        before = render(tokenizer, turns[:place], asks=True) if asks else None
        whole = render(tokenizer, turns[: place + 1], asks=False)
        if before is not None and whole.startswith(before) and before.startswith(text):
            _add(tokenizer, before[len(text) :], ids, is_reply, learns=False)
            text = before
        new = whole[len(text) :] if whole.startswith(text) else whole
        _add(tokenizer, new, ids, is_reply, learns=asks)
        text = whole
    if not turns or turns[-1][0] != REPLY:
        asked = render(tokenizer, turns, asks=True)
        _add(tokenizer, asked[len(text) :] if asked.startswith(text) else asked, ids, is_reply, learns=False)
    first = tokenizer.bos_token_id
    if not getattr(tokenizer, "chat_template", None) and first is not None and _adds_first(tokenizer):
        ids, is_reply = [first, *ids], [False, *is_reply]
    return ids or [tokenizer.pad_token_id], is_reply or [False]


def _adds_first(tokenizer: Any) -> bool:
    found: list[int] = tokenizer("a", verbose=False)["input_ids"]
    return bool(found) and found[0] == tokenizer.bos_token_id


def _add(tokenizer: Any, text: str, ids: list[int], is_reply: list[bool], *, learns: bool) -> None:
    new = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"] if text else []
    ids += new
    is_reply += [learns] * len(new)
