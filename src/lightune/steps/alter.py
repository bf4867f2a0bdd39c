"""Step 1b: rows that are changed before training: personal data masked, canaries added."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from lightune import tasks
from lightune.core import plugins
from lightune.core.errors import UserError
from lightune.core.rows import Decisions, Splits
from lightune.data.columns import Columns
from lightune.request import Request
from lightune.tasks.base import Task


@dataclass(frozen=True)
class Altered:
    """What was changed: pieces of personal data masked, by kind; the canaries that were added."""

    masked: dict[str, int] = field(default_factory=dict)
    canaries: list[dict[str, Any]] = field(default_factory=list)


def alter(
    request: Request, splits: Splits, columns: Columns, name: str, decisions: Decisions
) -> tuple[Splits, Altered]:
    """The rows as training gets them, and what was changed; `name` is the task's.

    Raises:
        UserError: the task cannot be masked, or has no place for canaries.
    """
    kind = plugins.load(tasks, name, Task)  # type: ignore[type-abstract]
    splits, masked = _masked(request, splits, columns, kind, decisions)
    splits, canaries = _with_canaries(request, splits, columns, kind, decisions)
    return splits, Altered(masked, canaries)


def _masked(
    request: Request, splits: Splits, columns: Columns, kind: type[Task], decisions: Decisions
) -> tuple[Splits, dict[str, int]]:
    if request.privacy.mask == "off":
        return splits, {}
    from lightune.privacy.masking import Masker
    from lightune.steps.mask import mask_splits, require_maskable, tagger

    require_maskable(kind)
    names = request.privacy.names
    masker = Masker(more=tagger(names) if names else None)
    written = [columns.label] if kind.kind == "text" and columns.label else []
    splits = mask_splits(splits, [*columns.text, *written], masker)
    decisions.add("masked", masker.describe(), "--privacy.mask on: placeholders stand for personal data")
    return splits, dict(masker.counts)


def _with_canaries(
    request: Request, splits: Splits, columns: Columns, kind: type[Task], decisions: Decisions
) -> tuple[Splits, list[dict[str, Any]]]:
    number = request.privacy.canaries
    if not number:
        return splits, []
    from lightune.privacy.canaries import add_canaries

    if kind.kind != "text" or columns.label is None or len(columns.text) != 1:
        hint = "Leave it out: lightune audit RUN DATA needs no canaries."
        raise UserError("--privacy.canaries is for runs that write replies to prompts", hint=hint)
    train, found = add_canaries(splits.train, columns.text[0], columns.label, number, request.seed)
    decisions.add("canaries", number, "made-up secrets, to see afterwards whether they are given away")
    return replace(splits, train=train), found
