"""A corpus: texts one after another from a file of any size, a folder, or a bundled data set."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from lightune.core.errors import UserError
from lightune.core.progress import Show
from lightune.core.randomness import generator
from lightune.core.rows import Row
from lightune.data.read import find_format, stream
from lightune.data.settings import DataSettings

MAX_CHARACTERS = 10_000_000  # of one text: a line longer than this is a file without line ends
TEXT_NAMES = ("text", "words", "sentence", "content", "body", "review", "line", "prompt")
NUM_BLOCKS = 200  # neighbouring texts are held out together: a sentence tells much about the next
HOLDING_OUT = 17  # the purpose of the random stream
EAST_ASIAN = re.compile(
    "[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]"
)  # scripts without blanks, and their signs


@dataclass(frozen=True)
class Part:
    """Which texts of a source belong to a corpus.

    Attributes:
        size: texts of one block, 0 when every text belongs.
        blocks: numbers of the blocks that are held out.
        column, value: or the rows whose column has this value are held out.
        is_held_out: whether this part is the one held out.
    """

    size: int = 0
    blocks: frozenset[int] = frozenset()
    column: str = ""
    value: str = ""
    is_held_out: bool = False

    def has(self, number: int, row: Row) -> bool:
        """Whether the text with this number, of this row, belongs to the part."""
        if self.column:
            return (str(row.values.get(self.column)) == self.value) == self.is_held_out
        return not self.size or ((number // self.size) in self.blocks) == self.is_held_out


@dataclass(frozen=True)
class Corpus:
    """Texts that can be gone through again and again.

    Attributes:
        name: as the person called it.
        files: where the texts are, in order.
        text: the column that holds them; "" where it is found out.
    """

    name: str
    files: tuple[Path, ...]
    settings: DataSettings = field(default_factory=DataSettings)
    text: str = ""
    part: Part = field(default_factory=Part)

    def texts(self) -> Iterator[str]:
        """The texts, without line ends at their ends; empty ones are passed over.

        Raises:
            UserError: a file that is not text, a text too long to be one, no column that holds texts.
        """
        return (text for text, _ in self.rows())

    def rows(self) -> Iterator[tuple[str, Row]]:
        """Each text with the row it stands in."""
        number = 0
        for file in self.files:
            column = self.text
            for row in stream(str(file), self.settings):
                column = column or _text_column(row)
                text = _text_of(row, column)
                if not text:
                    continue
                if self.part.has(number, row):
                    yield text, row
                number += 1

    def measure(self) -> Size:
        """How many texts, characters and bytes there are; reads all of it."""
        texts = characters = num_bytes = 0
        for text in self.texts():
            texts, characters, num_bytes = (
                texts + 1,
                characters + len(text),
                num_bytes + len(text.encode("utf-8")) + 1,
            )
        return Size(texts, characters, num_bytes)


@dataclass(frozen=True)
class Size:
    """What a corpus holds; `num_bytes` is its UTF-8 text with a line end after each text."""

    texts: int
    characters: int
    num_bytes: int


def find_corpus(source: str, settings: DataSettings, text: str | None, show: Show) -> Corpus:
    """The corpus behind a path or the name of a bundled data set.

    Raises:
        UserError: nothing of that name, or a folder without text files.
    """
    from lightune.data.bundled import bundled, names

    path = Path(source).expanduser()
    if source in names() and not path.exists():
        path = bundled(source, show)
    files: tuple[Path, ...] = (path,)
    if path.is_dir():
        files = tuple(sorted(file for file in path.rglob("*.txt") if file.is_file()))
        if not files:
            raise UserError("there are no .txt files in this folder", file=path, hint="Give a text file.")
    else:
        find_format(path, source)
    return Corpus(source, files, settings, text or "")


def require_text(corpus: Corpus, size: Size) -> None:
    """Raise `UserError` when there is nothing to learn from."""
    if size.texts == 0:
        hint = "A corpus is a .txt file with a text a line, or a table with a column of texts."
        raise UserError("there is no text in this corpus", file=corpus.name, hint=hint)


def hold_out(corpus: Corpus, size: Size, fraction: float, seed: int) -> tuple[Corpus, Corpus]:
    """(to learn from, held out): blocks of neighbouring texts, drawn by `seed`.

    Raises:
        UserError: a single text cannot be split.
    """
    if size.texts < 2:
        hint = "Put a sentence or paragraph on each line, or give --validation FILE."
        raise UserError("the corpus is a single text: nothing can be held out", file=corpus.name, hint=hint)
    block = max(1, size.texts // NUM_BLOCKS)
    number = -(-size.texts // block)
    wanted = min(max(1, round(fraction * number)), number - 1)
    chosen = frozenset(generator(seed, HOLDING_OUT).choice(number, size=wanted, replace=False).tolist())
    return _parts(corpus, Part(size=block, blocks=chosen))


def hold_out_value(corpus: Corpus, column: str, value: str) -> tuple[Corpus, Corpus]:
    """(to learn from, held out): the rows whose `column` is `value` are held out.

    Raises:
        UserError: no such rows, or no others.
    """
    learnt, held_out = _parts(corpus, Part(column=column, value=value))
    for part, are in ((held_out, "no"), (learnt, "all")):
        if next(part.texts(), None) is None:
            seen = sorted({str(row.values.get(column)) for _, row in corpus.rows()})[:10]
            hint = f"Values there: {', '.join(seen)}."
            raise UserError(f"{are} rows have {value!r} in column {column!r}", file=corpus.name, hint=hint)
    return learnt, held_out


def _parts(corpus: Corpus, part: Part) -> tuple[Corpus, Corpus]:
    return replace(corpus, part=part), replace(corpus, part=replace(part, is_held_out=True))


def limit_texts(corpus: Corpus, most_bytes: int, seed: int = 0) -> list[str]:
    """The texts of a corpus, or about `most_bytes` of them drawn evenly where it is larger."""
    texts = list(corpus.texts())
    sizes = np.array([len(text.encode("utf-8")) + 1 for text in texts])
    if sizes.sum() <= most_bytes:
        return texts
    order = generator(seed, HOLDING_OUT).permutation(len(texts))
    kept = order[: max(1, int(np.searchsorted(np.cumsum(sizes[order]), most_bytes)))]
    return [texts[place] for place in np.sort(kept)]


def _text_column(row: Row) -> str:
    """The column that holds the text.

    Raises:
        UserError: it is not clear which.
    """
    for name in TEXT_NAMES:
        found = next((column for column in row.values if column.lower() == name), None)
        if found is not None:
            return found
    strings = [name for name, value in row.values.items() if isinstance(value, str)]
    if len(strings) == 1:
        return strings[0]
    raise UserError(
        "it is not clear which column holds the texts",
        file=row.file,
        hint=f"Columns: {', '.join(row.values)}. Name one: --text COLUMN.",
    )


def _text_of(row: Row, column: str) -> str:
    """The text of a row; words of a tagged sentence are joined as they are written."""
    if column not in row.values:
        hint = f"Columns: {', '.join(row.values)}."
        raise UserError(f"there is no column {column!r}", file=row.file, line=row.line, hint=hint)
    value = row.values[column]
    text = _joined(value) if isinstance(value, (list, tuple)) else "" if value is None else str(value)
    text = text.strip("\r\n")
    if len(text) > MAX_CHARACTERS:
        raise UserError(
            f"this text has {len(text):,} characters without a line end",
            file=row.file,
            line=row.line,
            hint="Put a sentence or paragraph on each line, for example with: fold -s -w 1000 FILE.",
        )
    return text if text.strip() else ""


def _joined(words: Sequence[Any]) -> str:
    """Chinese and Japanese words stand side by side, others are parted by a blank."""
    pieces = [str(word) for word in words]
    return ("" if EAST_ASIAN.search("".join(pieces)) else " ").join(pieces)
