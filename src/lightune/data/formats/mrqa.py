"""MRQA 2019 (Fisch et al. 2019): a header line, then a context a line with its questions.

`char_spans` and `token_spans` count from 0, and their ends are the last characters and tokens themselves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightune.core.errors import UserError
from lightune.core.rows import Row, Splits
from lightune.data.formats.base import Format
from lightune.data.formats.squad import answers_by_id
from lightune.data.settings import DataSettings
from lightune.data.sniff import format_of
from lightune.data.text_lines import read_lines

EXPECTED = "A line holds a context, and qas: each with qid, question and detected_answers with char_spans."


class Mrqa(Format):
    """One row a question: id, question, context, answers (where they were detected), aliases (as asked)."""

    suffixes = (".jsonl", ".json", ".ndjson")
    fills, fills_from = (".json",), "answer"

    def recognises(self, path: Path) -> bool:
        """A JSON file with MRQA's keys near its beginning."""
        return super().recognises(path) and format_of(path) == "mrqa"

    def read(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """The questions in file order.

        Raises:
            UserError: no JSON, or a part that is missing, with its line.
        """
        self.columns = ["id", "question", "context", "answers", "aliases"]
        index = 0
        for line, text in enumerate(read_lines(path, settings.encoding), start=1):
            if not text.strip():
                continue
            try:
                one = json.loads(text)
                if "header" in one and "qas" not in one:
                    header = one["header"] or {}
                    self.decisions.add("data set", header.get("dataset", "unnamed"), "the file's header")
                    continue
                rows = [_question(item, one["context"]) for item in one["qas"]]
            except json.JSONDecodeError as error:
                raise UserError(f"not valid JSON: {error.msg}", file=path, line=line) from None
            except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
                problem = f"the line is broken: {error!r}"
                raise UserError(problem, file=path, line=line, hint=EXPECTED) from None
            for values in rows:
                yield Row(index, values, str(path), line)
                index += 1

    def filled(self, path: Path, settings: DataSettings, rows: Sequence[Row], output: Path) -> str:
        """What the official evaluation reads: qid -> answer."""
        return answers_by_id(rows)

    def splits(self, path: Path, settings: DataSettings) -> Splits:
        """All questions, for the task `answer`."""
        found = super().splits(path, settings)
        return replace(found, text=("question", "context"), label="answers", task="answer")


def _question(item: Mapping[str, Any], context: str) -> dict[str, Any]:
    """A question with every place where an answer was detected; blind files have none (None)."""
    answers = None
    if "detected_answers" in item:
        answers = [_place(span, context) for one in item["detected_answers"] for span in one["char_spans"]]
    return {
        "id": item["qid"],
        "question": item["question"],
        "context": context,
        "answers": answers,
        "aliases": item.get("answers"),
    }


def _place(span: Sequence[int], context: str) -> dict[str, Any]:
    start, last = span
    if not 0 <= start <= last < len(context):
        raise ValueError(f"characters {start} to {last} are not in the context of {len(context)}")
    return {"text": context[start : last + 1], "answer_start": start}
