r"""ARPA files, the exchange format of n-gram models (by Doug Paul; SRILM and KenLM read it).

A line is `log10 P <tab> words parted by blanks <tab> log10 backoff`. Pieces that hold blanks themselves are
written with U+2581 in their place, as SentencePiece does, and U+2581 itself as `\u2581`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightune.core.errors import UserError
from lightune.data.text_lines import read_lines
from lightune.history.language._kneser_ney import NEVER, START, Order, Table

BLANK = "▁"
TEN = math.log(10)
COUNT = re.compile(r"ngram\s+(\d+)\s*=\s*(\d+)")
SPECIAL = ("<unk>", "<s>", "</s>")
AT_ONCE = 100_000  # lines written together


def write_arpa(path: Path, table: Table, words: Sequence[str]) -> None:
    """Write a table; the highest order has no back-off weights."""
    names = np.array([*SPECIAL, *map(to_arpa, words[len(SPECIAL) :])], dtype=object)
    work = path.with_name(f".{path.name}.part")
    with work.open("w", encoding="utf-8") as stream:
        stream.write("\\data\\\n")
        stream.writelines(f"ngram {length}={len(one)}\n" for length, one in enumerate(table.orders, start=1))
        for length, one in enumerate(table.orders, start=1):
            stream.write(f"\n\\{length}-grams:\n")
            texts = names[table.words_of(length)]
            is_last = length == len(table.orders)
            for start in range(0, len(one), AT_ONCE):
                part = slice(start, start + AT_ONCE)
                rows = zip(
                    texts[part], one.log_probability[part] / TEN, one.log_backoff[part] / TEN, strict=True
                )
                stream.writelines(_line(row, share, backoff, is_last) for row, share, backoff in rows)
        stream.write("\n\\end\\\n")
    work.replace(path)


def _line(row: Sequence[str], share: float, backoff: float, is_last: bool) -> str:
    weight = "" if is_last else f"\t{backoff:.7g}"
    return f"{share:.7g}\t{' '.join(row)}{weight}\n"


def read_arpa(path: Path) -> tuple[Table, list[str]]:
    """(table, words) of a file; `<unk>`, `<s>` and `</s>` come first whatever their order there.

    Raises:
        UserError: no ARPA file, or a line that is not one of an n-gram.
    """
    lines = enumerate(read_lines(path, "utf-8"), start=1)
    sizes = _sizes(path, lines)
    numbers: dict[str, int] = {word: number for number, word in enumerate(SPECIAL)}
    tables: list[Order] = []
    for length, size in enumerate(sizes, start=1):
        _skip_to(path, lines, f"\\{length}-grams:")
        shares, backoffs = np.zeros(size), np.zeros(size)
        rows = np.zeros((size, length), dtype=np.int64)
        for place, (number, line) in enumerate(islice(lines, size)):
            cells = line.strip(" \t\r\n").replace("\t", " ").split(" ")  # other blanks may be in words
            if len(cells) not in {length + 1, length + 2}:
                raise _broken(path, number, f"{length} words between one or two numbers are expected here")
            try:
                shares[place] = float(cells[0])
                backoffs[place] = float(cells[length + 1]) if len(cells) == length + 2 else 0.0
            except ValueError:
                raise _broken(path, number, "a line starts with log10 of a probability") from None
            if length == 1:
                numbers.setdefault(cells[1], len(numbers))
            try:
                rows[place] = [numbers[word] for word in cells[1 : length + 1]]
            except KeyError as error:
                raise _broken(path, number, f"{error.args[0]!r} is not among the single words") from None
        tables.append(_order(path, tables, rows, shares * TEN, backoffs * TEN, len(numbers)))
    words = [*SPECIAL, *(from_arpa(word) for word in list(numbers)[len(SPECIAL) :])]
    return Table(tuple(tables), len(words)), words


def to_arpa(word: str) -> str:
    """A piece without blanks."""
    escaped = word.replace("\\", "\\\\").replace(BLANK, "\\u2581").replace(" ", BLANK)
    return "".join(f"\\u{ord(one):04x}" if one.isspace() else one for one in escaped)


def from_arpa(word: str) -> str:
    """The reverse of `to_arpa`."""
    plain = word.replace(BLANK, " ")
    return re.sub(r"\\(\\|u([0-9a-f]{4}))", lambda one: chr(int(one[2], 16)) if one[2] else "\\", plain)


def _order(
    path: Path,
    below: Sequence[Order],
    rows: NDArray[np.int64],
    shares: NDArray[np.float64],
    backoffs: NDArray[np.float64],
    num_words: int,
) -> Order:
    """One length as a table keeps it."""
    if not below:
        log_probability = np.full(num_words, NEVER * TEN)
        log_backoff = np.zeros(num_words)
        log_probability[rows[:, 0]], log_backoff[rows[:, 0]] = shares, backoffs
        log_probability[START] = NEVER * TEN
        keys = np.arange(num_words)
    else:
        contexts = rows[:, 0]
        known = Table(tuple(below), num_words)
        for length in range(2, rows.shape[1]):
            contexts = known.find(length, contexts, rows[:, length - 1])
        if (contexts < 0).any():
            raise UserError("an n-gram's first words are missing at the order below", file=path)
        unsorted = contexts * num_words + rows[:, -1]
        order = np.argsort(unsorted, kind="stable")
        keys, log_probability, log_backoff = unsorted[order], shares[order], backoffs[order]
    return Order(keys, log_probability.astype(np.float32), log_backoff.astype(np.float32))


def _sizes(path: Path, lines: Iterator[tuple[int, str]]) -> list[int]:
    _skip_to(path, lines, "\\data\\")
    sizes: list[int] = []
    for number, line in lines:
        found = COUNT.match(line)
        if not found:
            if line.strip():
                raise _broken(path, number, "`ngram LENGTH=NUMBER` is expected here")
            if sizes:
                return sizes
            continue
        if int(found[1]) != len(sizes) + 1:
            raise _broken(path, number, f"the number of {len(sizes) + 1}-grams is expected here")
        sizes.append(int(found[2]))
    raise UserError("the file ends before its n-grams", file=path)


def _skip_to(path: Path, lines: Iterator[tuple[int, str]], mark: str) -> None:
    for number, line in lines:
        if line.strip() == mark:
            return
        if line.strip() and mark != "\\data\\":
            raise _broken(path, number, f"{mark} is expected here")
    raise UserError(f"this is not an ARPA file: there is no line {mark}", file=path)


def _broken(path: Path, line: int, problem: str) -> UserError:
    return UserError(problem, file=path, line=line, hint="The file may be cut short: copy it again.")
