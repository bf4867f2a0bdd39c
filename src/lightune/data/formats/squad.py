"""SQuAD 1.1 and 2.0 (Rajpurkar et al. 2016, 2018): one JSON object, articles of paragraphs of questions."""

from __future__ import annotations

import json
from collections.abc import Iterator
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


class Squad(Format):
    """One row a question: question, context, answers, id, title, is_impossible."""

    suffixes = (".json",)

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

    def splits(self, path: Path, settings: DataSettings) -> Splits:
        """All questions, for the task `answer`."""
        found = super().splits(path, settings)
        return replace(found, text=("question", "context"), label="answers", task="answer")


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
