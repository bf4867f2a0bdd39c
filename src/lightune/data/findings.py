"""Problems collected while checking: a few of each kind one by one, the rest counted."""

from __future__ import annotations

from collections import Counter

from lightune.core.rows import Problem, Row

MAX_LISTED = 20
# The most certain and serious first.
ORDER = (
    "no_rows", "missing_column", "too_few_rows", "one_class", "label_unseen", "not_a_number",
    "missing_label", "empty_response", "empty_translation", "empty_text", "untranslated", "misaligned",
    "numbers_differ", "leak", "conflicting_labels", "broken_encoding", "label_spelling",
    "rare_class", "imbalance", "duplicate_row", "skipped_row", "markup", "long_text",
)  # fmt: skip


class Findings:
    """The problems of one data source."""

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self.counts: Counter[tuple[str, str]] = Counter()

    def at_row(self, kind: str, row: Row, message: str, *, is_fatal: bool = False) -> None:
        """A problem of one row."""
        self.counts[kind, ""] += 1
        if self.counts[kind, ""] <= MAX_LISTED:
            self.found.append(Problem(kind, message, row.file, row.line, row.index, is_fatal))

    def at_file(self, kind: str, file: str, message: str, *, is_fatal: bool = False) -> None:
        """A problem of a whole file."""
        self.found.append(Problem(kind, message, file, is_fatal=is_fatal))

    def number(self, kind: str) -> int:
        """How many rows have a problem of this kind."""
        return self.counts[kind, ""]

    def as_list(self, file: str) -> list[Problem]:
        """Fatal ones first, then by kind, then in file order; a last line counts those not listed."""
        for (kind, _), number in self.counts.items():
            if number > MAX_LISTED:
                message = f"{number - MAX_LISTED:,} more rows have this problem ({number:,} in all)"
                self.found.append(Problem(kind, message, file))
        known = {kind: place for place, kind in enumerate(ORDER)}

        def place(problem: Problem) -> tuple[int, bool, str, bool, int]:
            # Kinds with a fatal problem stay together, their count at the end.
            is_fatal = problem.kind in fatal
            is_count = problem.message.endswith(" in all)")
            rank = known.get(problem.kind, len(ORDER))
            return (rank - 100 * is_fatal, is_count, problem.file, problem.line is None, problem.line or 0)

        fatal = {problem.kind for problem in self.found if problem.is_fatal}
        return sorted(self.found, key=place)
