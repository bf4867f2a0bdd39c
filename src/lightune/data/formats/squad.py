"""SQuAD 1.1 and 2.0 (Rajpurkar et al. 2016, 2018): one JSON object, articles of paragraphs of questions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightune.core.errors import UserError
from lightune.core.rows import Row, Splits
from lightune.data.formats.base import Format
from lightune.data.settings import DataSettings
from lightune.data.sniff import format_of
from lightune.data.text_lines import read_lines

EXPECTED = 'SQuAD files hold {"data": [{"paragraphs": [{"context": ..., "qas": [...]}]}]}.'


WHOLE = ".squad.json"  # the ending of a whole file with its answers; others get the answers alone
STYLES: tuple[Mapping[str, Any], ...] = tuple(
    {"ensure_ascii": is_ascii, "separators": marks, "indent": indent}
    for is_ascii in (True, False)
    for indent, marks in ((None, (", ", ": ")), (None, (",", ":")), (2, (",", ": ")), (4, (",", ": ")))
)  # the official files are the first


class Squad(Format):
    """One row a question: question, context, answers, id, title, is_impossible."""

    suffixes = (".json",)
    fills, fills_from = (".json",), "answer"

    def recognises(self, path: Path) -> bool:
        """A JSON object that begins as SQuAD's do."""
        return super().recognises(path) and format_of(path) == "squad"

    def read(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """The questions in file order.

        Raises:
            UserError: no valid JSON, or a part that is missing.
        """
        try:
            document = json.loads("".join(read_lines(path, settings.encoding)))
        except json.JSONDecodeError as error:
            raise UserError(f"not valid JSON: {error.msg}", file=path, line=error.lineno) from None
        try:
            for index, values in enumerate(_questions(document)):
                self.columns = self.columns or list(values)
                yield Row(index, values, str(path))
        except (KeyError, TypeError) as error:
            raise UserError(f"a part is missing: {error}", file=path, hint=EXPECTED) from None

    def filled(self, path: Path, settings: DataSettings, rows: Sequence[Row], output: Path) -> str:
        """What the official evaluation reads: id -> answer; to `*.squad.json`, the file with the answers."""
        if not output.name.endswith(WHOLE):
            return answers_by_id(rows)
        text = "".join(read_lines(path, settings.encoding))
        return write(text, [replace(row, values={**row.values, "answers": _found(row)}) for row in rows])

    def splits(self, path: Path, settings: DataSettings) -> Splits:
        """All questions, for the task `answer`."""
        found = super().splits(path, settings)
        return replace(found, text=("question", "context"), label="answers", task="answer")


def answers_by_id(rows: Sequence[Row]) -> str:
    """One JSON object, the id of each question and the answer to it; "" says that there is none."""
    return json.dumps({str(row.values["id"]): row.values["answer"] or "" for row in rows})


def write(text: str, rows: Sequence[Row]) -> str:
    """The file `text` with the `answers` of `rows` (one for each question, in order); the rest stays.

    A file whose questions all have the answers they had comes back byte by byte; a changed one is laid out as
    `text` is, where that is one of `json`'s ways, and as the official files are otherwise.
    """
    document = json.loads(text)
    style = _style(text, document)
    is_changed = False
    for one, known, row in zip(_items(document), _questions(document), rows, strict=True):
        if row.values["answers"] in (known["answers"], None):
            continue
        is_changed = True
        one["answers"] = row.values["answers"]
        if "is_impossible" in one:
            one["is_impossible"] = not one["answers"]
    end = text[len(text.rstrip()) :]
    return json.dumps(document, **style) + end if is_changed else text


def _style(text: str, document: Any) -> Mapping[str, Any]:
    body = text.strip()
    return next((style for style in STYLES if json.dumps(document, **style) == body), STYLES[0])


def _found(row: Row) -> list[dict[str, Any]]:
    """The answer of a run in the form of the file."""
    said = row.values["answer"]
    return [{"text": said, "answer_start": row.values["start"]}] if said else []


def _items(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (
        one for article in document["data"] for paragraph in article["paragraphs"] for one in paragraph["qas"]
    )


def _questions(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for article in document["data"]:
        for paragraph in article["paragraphs"]:
            for one in paragraph["qas"]:
                yield {
                    "id": one["id"],
                    "title": article.get("title", ""),
                    "question": one["question"],
                    "context": paragraph["context"],
                    "answers": [] if one.get("is_impossible") else one.get("answers"),
                    "is_impossible": bool(one.get("is_impossible", False)),
                }
