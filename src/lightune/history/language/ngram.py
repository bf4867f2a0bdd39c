"""N-grams: the next word from the few before it, by counting (Shannon 1948), smoothed by Kneser and Ney."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from lightune.core.errors import UserError
from lightune.core.settings import Settings as Group
from lightune.history.language._arpa import SPECIAL, read_arpa, write_arpa
from lightune.history.language._kneser_ney import (
    FIRST,
    START,
    STOP,
    UNKNOWN,
    FloatArray,
    IntArray,
    Table,
    learn_table,
    load_table,
)
from lightune.history.language._pieces import Pieces, load_pieces
from lightune.history.language.base import END, How, LanguageModel, Lesson, Scored, draw

STATE_FILE, ARPA_FILE = "ngram.json", "model.arpa"
SPELLING_ORDER = 4
MAX_ORDER = 12
SAMPLED_TEXTS = 500


class NgramSettings(Group):
    """`--pretrain.*` of n-gram models."""

    order: int = Field(5, ge=1, le=MAX_ORDER, description="words that count together: 5 looks at 4 before")
    unit: Literal["auto", "words", "whitespace", "characters", "subwords"] = Field(
        "auto",
        description="what is counted; auto: characters where words are not parted by blanks, else words",
    )
    min_count: int | None = Field(
        None, ge=1, description="rarer words are unknown words, and spelt; 2, but 1 for subwords"
    )
    vocabulary: int = Field(
        8000, ge=300, le=1_000_000, description="tokens of the tokenizer that is trained for subwords"
    )
    arpa: bool = Field(False, description="also write model.arpa, which KenLM, SRILM and others read")


class Ngram(LanguageModel):
    """A table of n-grams; a word that is not in the vocabulary is spelt, byte by byte, by a second table."""

    summary = "counts of short word sequences, smoothed; learns in seconds"
    paper = "Kneser and Ney 1995; Chen and Goodman 1999, doi:10.1006/csla.1999.0128"
    Settings: ClassVar[type[Group]] = NgramSettings
    takes: ClassVar[frozenset[str]] = frozenset({"tokenizer"})

    def __init__(self, table: Table, words: Sequence[str], pieces: Pieces, spelling: Table | None) -> None:
        self.table = table
        self.words = list(words)
        self.pieces = pieces
        self.spelling = spelling
        self.number_of = {word: number for number, word in enumerate(self.words)}
        self.writes_arpa = False

    @classmethod
    def train(cls, lesson: Lesson) -> Self:
        """Read the corpus once, count, smooth."""
        settings: NgramSettings = lesson.settings
        pieces = _choose_pieces(lesson, settings)
        numbers, counted, lengths = _read(lesson, pieces)
        least = settings.min_count or (1 if pieces.unit == "subwords" else 2)
        words, new_number = _vocabulary(counted, numbers, least)
        with lesson.show.bar("counting and smoothing", 1) as bar:
            table = learn_table(_with_marks(new_number[numbers], lengths), len(words), settings.order)
            rare = [word for word, number in counted.items() if new_number[number] == UNKNOWN]
            spelling = _learn_spelling(rare)
            bar.advance()
        lesson.log.facts += [
            ("unit", pieces.unit, "given" if settings.unit != "auto" else "from the script of the texts"),
            ("min_count", str(least), "given" if settings.min_count else "rare words teach the unknown word"),
        ]
        model = cls(table, words, pieces, spelling)
        model.writes_arpa = settings.arpa
        return model

    @classmethod
    def from_arpa(cls, file: Path) -> Self:
        """A model of another program: words between blanks; bytes of unknown ones are all alike."""
        table, words = read_arpa(file)
        return cls(table, words, Pieces("whitespace"), None)

    def save(self, folder: Path) -> None:
        """`ngram.json`, memory-mappable arrays, and the tokenizer of subwords."""
        state = {
            "unit": self.pieces.unit,
            "orders": len(self.table.orders),
            "discounts": self.table.discounts,
            "spelling_orders": len(self.spelling.orders) if self.spelling else 0,
            "words": self.words,
        }
        (folder / STATE_FILE).write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
        self.table.save(folder)
        self.pieces.save(folder)
        if self.spelling:
            (folder / "spelling").mkdir()
            self.spelling.save(folder / "spelling")
        if self.writes_arpa:
            write_arpa(folder / ARPA_FILE, self.table, self.words)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open a saved model; the counts stay on the disk until they are asked for."""
        state = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        table = load_table(folder, state["orders"], len(state["words"]))
        spelling = None
        if state["spelling_orders"]:
            spelling = load_table(folder / "spelling", state["spelling_orders"], FIRST + 256)
        return cls(table, state["words"], load_pieces(state["unit"], folder), spelling)

    def describe(self) -> dict[str, Any]:
        """Order, unit, vocabulary, and how many n-grams there are of each length."""
        return {
            "order": len(self.table.orders),
            "unit": self.pieces.unit,
            "vocabulary": len(self.words),
            "ngrams": [len(order) for order in self.table.orders],
        }

    @property
    def vocabulary(self) -> Sequence[str]:
        """The words; `<s>` is among them with probability 0."""
        return self.words

    def score(self, text: str) -> Scored:
        """The chain rule over words; an unknown word costs P(<unk>) and its spelling."""
        text = self.pieces.normal(text)
        cut = self.pieces.cut(text)
        numbers = self._numbers(cut)
        scores = self.table.score(numbers)[1:]
        for place in np.flatnonzero(numbers[1:-1] == UNKNOWN).tolist():
            scores[place] += self._spelling(cut[place])
        return Scored((*self.pieces.shown(cut), END), scores, len(text.encode("utf-8")) + 1)

    def distribution(self, prefix: str) -> FloatArray:
        """(V,) P(next word | prefix); `<unk>` stands for all words that are not in the vocabulary."""
        return self.table.distribution(self._numbers(self.pieces.cut(prefix))[:-1].tolist())

    def generate(self, prompt: str, how: How) -> str:
        """Draw word after word until the text ends; unknown words are not drawn."""
        if how.beams > 1:
            raise UserError("n-gram models do not follow several beginnings", hint="Leave --beams out.")
        generator = np.random.default_rng(how.seed)
        words = self._numbers(self.pieces.cut(prompt))[:-1].tolist()
        written: list[str] = []
        for _ in range(how.max_new_tokens):
            shares = self.table.distribution(words[-len(self.table.orders) :])
            shares[UNKNOWN] = 0
            word = draw(shares / shares.sum(), how, generator)
            if word == STOP:
                break
            words.append(word)
            written.append(self.words[word])
        return self.pieces.join(written)

    def _numbers(self, cut: Sequence[str]) -> IntArray:
        """(T,) the numbers of the pieces of one text between START and STOP."""
        known = self.number_of
        return np.array([START, *(known.get(piece, UNKNOWN) for piece in cut), STOP], dtype=np.int64)

    def _spelling(self, piece: str) -> float:
        """Natural log of the probability of a spelling, its end included."""
        data = np.frombuffer(piece.encode("utf-8"), dtype=np.uint8).astype(np.int64)
        if self.spelling is None:
            return -(len(data) + 1) * float(np.log(257))
        return float(self.spelling.score(np.concatenate([[START], data + FIRST, [STOP]])).sum())


def _choose_pieces(lesson: Lesson, settings: NgramSettings) -> Pieces:
    """The unit asked for, or the one that suits the script; a tokenizer is opened or trained."""
    from lightune.history._pieces import is_written_without_spaces
    from lightune.history.language import _tokenizer

    unit = settings.unit
    if unit == "auto" and lesson.tokenizer:
        unit = "subwords"
    if unit == "auto":
        first = [text for text, _ in zip(lesson.train.texts(), range(SAMPLED_TEXTS), strict=False)]
        unit = "characters" if is_written_without_spaces(first) else "words"
    if unit != "subwords":
        if lesson.tokenizer:
            raise UserError(f"--tokenizer does nothing for {unit}", hint="Give --pretrain.unit subwords.")
        return Pieces(unit)
    if lesson.tokenizer:
        return Pieces(unit, _tokenizer.open_tokenizer(lesson.tokenizer))
    return Pieces(unit, _tokenizer.learn_tokenizer(lesson.train, "bpe", settings.vocabulary, []))


def _read(lesson: Lesson, pieces: Pieces) -> tuple[IntArray, dict[str, int], IntArray]:
    """(all pieces as numbers in order of first sight, piece -> number, pieces of each text)."""
    seen: dict[str, int] = {}
    numbers, lengths = array("i"), array("i")
    with lesson.show.bar("reading", lesson.num_bytes) as bar:
        for text in lesson.train.texts():
            cut = pieces.cut(text)
            numbers.extend([seen.setdefault(piece, len(seen)) for piece in cut])
            lengths.append(len(cut))
            bar.advance(len(text.encode("utf-8")) + 1)
    return np.array(numbers, dtype=np.int64), seen, np.array(lengths, dtype=np.int64)


def _vocabulary(seen: dict[str, int], numbers: IntArray, least: int) -> tuple[list[str], IntArray]:
    """(words, most frequent first, after the three special ones; the new number of each old one)."""
    counts = np.bincount(numbers, minlength=len(seen))
    order = np.argsort(-counts, kind="stable")
    kept = order[counts[order] >= least]
    new_number = np.full(len(seen), UNKNOWN)
    new_number[kept] = np.arange(FIRST, FIRST + len(kept))
    names = list(seen)
    return [*SPECIAL, *(names[number] for number in kept)], new_number


def _with_marks(numbers: IntArray, lengths: IntArray) -> IntArray:
    """The texts one after another with START and STOP around each."""
    ends = np.cumsum(lengths)
    places = np.stack([ends - lengths, ends], axis=1).ravel()
    return np.insert(numbers, places, np.tile([START, STOP], len(lengths)))


def _learn_spelling(words: Sequence[str]) -> Table | None:
    """How rare words are written, byte by byte; None where there are none."""
    if not words:
        return None
    data = [np.frombuffer(word.encode("utf-8"), dtype=np.uint8) for word in words]
    lengths = np.array([len(one) for one in data])
    return learn_table(
        _with_marks(np.concatenate(data).astype(np.int64) + FIRST, lengths), FIRST + 256, SPELLING_ORDER
    )
