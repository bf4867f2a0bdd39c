"""A text into another language: the instruct task with a prompt that says so, judged by BLEU and chrF.

BLEU: Papineni et al. 2002; chrF: Popović 2015; both by sacrebleu (Post 2018), 0 to 100.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lightune.core.rows import Example, Row
from lightune.data.names import LANGUAGES, language_of
from lightune.data.written import TARGETS, find_translation
from lightune.tasks.base import Intervals
from lightune.tasks.instruct import Instruct

if TYPE_CHECKING:
    from lightune.core.rows import Table
    from lightune.data.columns import Columns
    from lightune.data.profile import LabelProfile


class Translate(Instruct):
    """A text in another language for every text."""

    name = "translate"
    summary = "a text in another language"
    precedence = 30

    def __init__(self) -> None:
        super().__init__()
        self.source, self.target = "", ""

    @classmethod
    def recognises(cls, profile: LabelProfile, num_texts: int) -> str:
        """A column called a translation or by a language; `target` where nearly all values differ."""
        name = profile.column.strip().lower()
        is_writing = not profile.is_numeric and 2 * len(profile.distinct) > profile.num_rows
        is_target = name in TARGETS and (name != "target" or is_writing)
        if num_texts == 1 and (is_target or name in LANGUAGES or (is_writing and language_of(name))):
            return f"the column {profile.column!r} holds translations"
        return ""

    @classmethod
    def find_columns(
        cls, table: Table, text: tuple[str, ...] | None, label: str | None, *, is_asked: bool
    ) -> Columns | None:
        """Two columns named by languages, or source and target."""
        return find_translation(table, text, label, is_asked=is_asked)

    def gold(self, row: Row, label: str, profile: LabelProfile) -> str | None:
        """The translation; the column's name may say its language."""
        self.target = language_of(label)
        return super().gold(row, label, profile)

    def row_to_example(self, row: Row, text: tuple[str, ...], gold: Any) -> Example:
        """The text as it is; in its turns the prompt, and the translation where it is known."""
        self.source = self.source or language_of(text[0])
        parts = [str(row.values[name]) for name in text if row.values.get(name) is not None]
        return replace(super().row_to_example(row, text, gold), texts=("\n\n".join(parts),))

    def prompt(self, text: str) -> str:
        """What to do, and the text."""
        source = f" from {self.source}" if self.source else ""
        target = f" to {self.target}" if self.target else ""
        return f"Translate{source}{target}:\n{text}"

    def source_of(self, example: Example) -> str:
        """The text alone: a model that translates needs not be told to."""
        return super().source_of(example).partition("\n")[2]

    def compare_texts(self, said: Sequence[str], gold: Sequence[str]) -> tuple[dict[str, float], Intervals]:
        """bleu, chrf and exact_match of generated texts; ROUGE too where they are in no other language."""
        from lightune.evaluate.texts import ROUGE, text_metrics

        is_translation = self.target and self.target != self.source
        names = ("bleu", "chrf", "exact_match", *(() if is_translation else ROUGE))
        return text_metrics(said, gold, names=names)

    def state(self) -> dict[str, Any]:
        """The languages."""
        return {**super().state(), "source": self.source, "target": self.target}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take them back."""
        super().restore(state)
        self.source, self.target = str(state["source"]), str(state["target"])
