"""Words to tokens, every word answered for by the first of its tokens: the alignment that tagging needs.

Each word is tokenised as it stands in its text, with the blank before it where there is one. A word of
which the tokenizer makes nothing becomes its unknown token, so that no word is ever lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightune.backbones.encode import OVERLAP, Encoded, Limits
from lightune.core.rows import Example
from lightune.core.tokens import Tokens

METASPACE = "\u2581"  # SentencePiece's mark for a blank


class WordTokenizer:
    """A tokenizer asked word by word; remembers what it said."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.known: dict[str, list[int]] = {}
        whole = tokenizer("a", verbose=False)["input_ids"]
        core = tokenizer("a", add_special_tokens=False, verbose=False)["input_ids"]
        at = next(i for i in range(len(whole)) if whole[i : i + len(core)] == core)
        self.before, self.behind = whole[:at], whole[at + len(core) :]
        unknown = tokenizer.unk_token_id
        self.nothing = [tokenizer.pad_token_id if unknown is None else unknown]

    def learn(self, words: Sequence[str]) -> None:
        """Tokenise new words, all at once."""
        new = [word for word in dict.fromkeys(words) if word not in self.known]
        if not new:
            return
        found = self.tokenizer(new, add_special_tokens=False, verbose=False)["input_ids"]
        for word, ids in zip(new, found, strict=True):
            self.known[word] = self._unblanked(word, list(ids)) or self.nothing

    def _unblanked(self, word: str, ids: list[int]) -> list[int]:
        """Without SentencePiece's blank before a word that has none before it."""
        if word.startswith(" ") or not ids:
            return ids
        first = self.tokenizer.convert_ids_to_tokens(ids[0])
        if first == METASPACE and len(ids) > 1:
            return ids[1:]
        if first.startswith(METASPACE) and len(first) > 1:
            bare = self.tokenizer.convert_tokens_to_ids(first[1:])
            if bare is not None and bare != self.tokenizer.unk_token_id:
                return [int(bare), *ids[1:]]
        return ids


def encode_words(tokenizer: Any, examples: Sequence[Example], limits: Limits) -> Encoded:
    """Tokens of examples with words; long ones become windows, each word answered for in one of them.

    `units` of the tokens hold the number of the word that a token begins, -1 elsewhere.
    """
    maker = WordTokenizer(tokenizer)
    spelt = [_as_they_stand(one) for one in examples]
    maker.learn([word for words in spelt for word in words])
    room = limits.max_length - len(maker.before) - len(maker.behind)
    has_types = "token_type_ids" in tokenizer.model_input_names
    ids: list[list[int]] = []
    units: list[list[int]] = []
    windows: list[int] = []
    num_long = num_tokens = 0
    for words in spelt:
        pieces = [maker.known[word][:room] for word in words] or [maker.nothing]
        parts = _windows([len(piece) for piece in pieces], room)
        num_long += len(parts) > 1
        windows.append(len(parts))
        for first, last, own_first, own_last in parts:
            row, carried = list(maker.before), [-1] * len(maker.before)
            for number in range(first, last):
                is_own = own_first <= number < own_last and bool(words)
                row += pieces[number]
                carried += [number if is_own else -1, *[-1] * (len(pieces[number]) - 1)]
            ids.append(row + maker.behind)
            units.append(carried + [-1] * len(maker.behind))
            num_tokens += len(ids[-1])
    types = [[0] * len(one) for one in ids] if has_types else None
    return Encoded(Tokens.from_lists(ids, types, windows, units), num_long, 0, 0, num_tokens)


def encode_questions(tokenizer: Any, examples: Sequence[Example], limits: Limits) -> Encoded:
    """Tokens of (question, context) with words of the context; the question stands before every window.

    `units`: 0 for the first token of an example, which stands for "no answer", words from 1, -1 elsewhere. A
    question that takes more than half of the room is cut, and counted.
    """
    maker = WordTokenizer(tokenizer)
    spelt = [_as_they_stand(one, 1) for one in examples]
    maker.learn([word for words in spelt for word in words])
    middle, has_types = _between(tokenizer), "token_type_ids" in tokenizer.model_input_names
    questions = tokenizer([one.texts[0] or " " for one in examples], add_special_tokens=False, verbose=False)
    ids: list[list[int]] = []
    units: list[list[int]] = []
    types: list[list[int]] = []
    windows: list[int] = []
    counts = {"long": 0, "cut": 0, "lost": 0, "all": 0}
    for words, asked in zip(spelt, questions["input_ids"], strict=True):
        room = limits.max_length - len(maker.before) - len(middle) - len(maker.behind)
        question = (asked or maker.nothing)[: room // 2]
        counts["cut"] += len(asked) > len(question)
        counts["lost"] += max(0, len(asked) - len(question))
        room -= len(question)
        pieces = [maker.known[word][:room] for word in words] or [maker.nothing]
        parts = _windows([len(piece) for piece in pieces], room)
        counts["long"] += len(parts) > 1
        windows.append(len(parts))
        for number_of_window, (first, last, own_first, own_last) in enumerate(parts):
            head = [*maker.before, *question, *middle]
            row, carried = list(head), [-1] * len(head)
            carried[0] = 0 if number_of_window == 0 else -1
            for number in range(first, last):
                is_own = own_first <= number < own_last and bool(words)
                row += pieces[number]
                carried += [number + 1 if is_own else -1, *[-1] * (len(pieces[number]) - 1)]
            ids.append(row + maker.behind)
            units.append(carried + [-1] * len(maker.behind))
            types.append([0] * len(head) + [1] * (len(ids[-1]) - len(head)))
            counts["all"] += len(ids[-1])
    tokens = Tokens.from_lists(ids, types if has_types else None, windows, units)
    return Encoded(tokens, counts["long"], counts["cut"], counts["lost"], counts["all"])


def _between(tokenizer: Any) -> list[int]:
    """The special tokens that the tokenizer puts between two texts."""
    first, second = (tokenizer(one, add_special_tokens=False, verbose=False)["input_ids"] for one in "ab")
    whole = tokenizer("a", "b", verbose=False)["input_ids"]
    start = next(i for i in range(len(whole)) if whole[i : i + len(first)] == first) + len(first)
    found = [i for i in range(start, len(whole)) if whole[i : i + len(second)] == second]
    return list(whole[start : found[0]]) if found else []


def _as_they_stand(example: Example, number: int = 0) -> list[str]:
    """The words of a text, each with a blank before it where the text has one."""
    text = example.texts[number]
    return [
        " " + text[start:end] if start and text[start - 1].isspace() else text[start:end]
        for start, end in example.words
    ]


def _windows(lengths: Sequence[int], room: int) -> list[tuple[int, int, int, int]]:
    """(first, last, first own, last own) words of each window; in an overlap each side owns its half."""
    starts, first = [], 0
    while True:
        last, used = first, 0
        while last < len(lengths) and used + lengths[last] <= room:
            used += lengths[last]
            last += 1
        starts.append((first, last))
        if last == len(lengths):
            break
        back, shared = last, 0
        while back > first + 1 and shared + lengths[back - 1] <= room // OVERLAP:
            back -= 1
            shared += lengths[back]
        first = back
    found = []
    for place, (first, last) in enumerate(starts):
        own_first = first if place == 0 else (first + starts[place - 1][1]) // 2
        own_last = last if place == len(starts) - 1 else (starts[place + 1][0] + last) // 2
        found.append((first, last, own_first, own_last))
    return found
