"""The official folders of the nine GLUE tasks (Wang et al. 2018), told apart by their header lines.

The files are tab-separated and not quoted: a double quote is text, also at the start of a cell. Rows that
cannot be read (line breaks inside QQP's questions) are left out, counted and reported.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lightune.core.errors import UserError
from lightune.core.rows import Row, Splits, Table
from lightune.data.formats.base import Format
from lightune.data.settings import DataSettings
from lightune.data.text_lines import read_lines


@dataclass(frozen=True)
class Kind:
    """One GLUE task: the columns that give it away and what they mean."""

    name: str
    header: frozenset[str]
    text: tuple[str, ...]
    label: str
    task: str


def _kind(name: str, signs: str, text: str, label: str, task: str) -> Kind:
    return Kind(name, frozenset(signs.split(",")), tuple(text.split(",")), label, task)


PAIR = "sentence1,sentence2"
COLA_COLUMNS = ["source", "label", "mark", "sentence"]  # its train and dev files have no header
# In this order: a later header may hold an earlier one's columns.
KINDS = (
    _kind("MRPC", "#1 ID,#2 ID,#1 String,#2 String", "#1 String,#2 String", "Quality", "pair"),
    _kind("QQP", "question1,question2,is_duplicate", "question1,question2", "is_duplicate", "pair"),
    _kind("STS-B", f"genre,old_index,{PAIR},score", PAIR, "score", "regress"),
    _kind("MNLI", f"pairID,{PAIR},gold_label", PAIR, "gold_label", "pair"),
    _kind("QNLI", "index,question,sentence,label", "question,sentence", "label", "pair"),
    _kind("RTE or WNLI", f"index,{PAIR},label", PAIR, "label", "pair"),
    _kind("RTE", "index,question,sentence1,sentence2,label", PAIR, "label", "pair"),
    _kind("SST-2", "sentence,label", "sentence", "label", "classify"),
)
COLA = _kind("CoLA", ",".join(COLA_COLUMNS), "sentence", "label", "classify")
FILES = {
    "train": ("train.tsv", "msr_paraphrase_train.txt"),
    "validation": ("dev.tsv", "dev_matched.tsv"),
    "test": ("test.tsv", "test_matched.tsv"),
}
LABELLED_TEST = "msr_paraphrase_test.txt"  # MRPC's own test file has the labels that GLUE's lacks
NO_LABEL = "-"  # MNLI's annotators did not agree


class Glue(Format):
    """CoLA, SST-2, MRPC, STS-B, QQP, MNLI, QNLI, RTE and WNLI as GLUE distributes them."""

    def recognises(self, path: Path) -> bool:
        """A folder with a train file whose first line is that of a GLUE task."""
        train = _first_file(path, "train")
        return train is not None and _kind_of(train) is not None

    def read(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """The training rows."""
        train = _first_file(path, "train")
        assert train is not None
        yield from self._read_file(train, _known_kind(train), settings)

    def splits(self, path: Path, settings: DataSettings) -> Splits:
        """Train, dev as validation (MNLI: matched), and test where it has labels."""
        tables: dict[str, Table | None] = {}
        train = _first_file(path, "train")
        assert train is not None
        kind = _known_kind(train)
        for part in FILES:
            file = _first_file(path, part)
            if part == "test" and (path / LABELLED_TEST).is_file() and kind.name == "MRPC":
                file = path / LABELLED_TEST
            tables[part] = self._read_table(file, kind, settings) if file else None
        assert tables["train"] is not None
        return Splits(
            train=tables["train"],
            validation=tables["validation"],
            test=tables["test"],
            text=kind.text,
            label=kind.label,
            task=kind.task,
        )

    def _read_table(self, file: Path, kind: Kind, settings: DataSettings) -> Table | None:
        """The rows of one file; None when it has no labels (GLUE keeps those of most test files)."""
        rows = list(self._read_file(file, kind, settings))
        table = self.table(rows, str(file))
        return table if kind.label in table.columns else None

    def _read_file(self, file: Path, kind: Kind, settings: DataSettings) -> Iterator[Row]:
        lines = enumerate(read_lines(file, settings.encoding), start=1)
        records: Iterator[tuple[int, list[str]]] = (
            (number, line.rstrip("\r\n").split("\t")) for number, line in lines
        )
        number, first = next(records, (1, [""]))
        names = first
        if kind is COLA and first[0] != "index":
            names, records = COLA_COLUMNS, itertools.chain([(number, first)], records)
        # The parses are three quarters of MNLI and no text.
        self.columns = [name for name in names if not name.endswith("_parse")]
        index = 0
        for number, cells in records:
            if len(cells) != len(names):
                if any(cells):
                    self.skip(
                        f"row left out: {len(cells)} cells instead of {len(names)}; a line break or a tab "
                        "stands inside one of its texts",
                        str(file),
                        number,
                    )
                continue
            values = dict(zip(names, cells, strict=True))
            if values.get(kind.label) == NO_LABEL:
                self.skip("row left out: its label is '-' (the annotators did not agree)", str(file), number)
                continue
            yield Row(index, {name: values[name] for name in self.columns}, str(file), number)
            index += 1


def _first_file(path: Path, part: str) -> Path | None:
    """The file of a part that is there."""
    return next((path / name for name in FILES[part] if (path / name).is_file()), None)


def _known_kind(train: Path) -> Kind:
    kind = _kind_of(train)
    if kind is None:
        raise UserError("the first line is not that of a GLUE task", file=train)
    return kind


def _kind_of(train: Path) -> Kind | None:
    """The task whose header the file has."""
    try:
        first = next(read_lines(train, "utf-8"), "").rstrip("\r\n").split("\t")
    except UserError:  # not UTF-8: another format reads it, in the encoding that the user gives
        return None
    for kind in KINDS:
        signs = set(first) - {"Quality"} if kind.name == "MRPC" else set(first)
        is_exact = kind.name in {"SST-2", "QNLI", "RTE or WNLI"}
        if kind.header == signs or (not is_exact and kind.header <= signs):
            return kind
    if len(first) == 4 and first[1] in {"0", "1"} and first[2] in {"", "*"}:
        return COLA
    return None
