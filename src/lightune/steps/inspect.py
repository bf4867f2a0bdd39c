"""`lightune check`: what is wrong with the data, before any model is loaded."""

from __future__ import annotations

from typing import Any

from lightune import tasks
from lightune.core import plugins
from lightune.core.progress import Show
from lightune.core.rows import Decisions
from lightune.data.check import check
from lightune.request import Request
from lightune.steps.gather import choose_task, columns_of, profile_of, read_splits, require_texts
from lightune.tasks.base import Task

ANSWERS = {"number", "vectors", "text", "text spans"}  # kinds whose answers are no names to count


def inspect(request: Request, show: Show) -> dict[str, Any]:
    """{problems: [...], rows, labels, task, columns}: the JSON object of `lightune check`.

    Raises:
        UserError: the file cannot be read at all, or a named column is not there.
    """
    splits = read_splits(request, show)
    columns = columns_of(request, splits)
    profile = profile_of(request, splits, columns)
    task = choose_task(request, splits, profile, len(columns.text), Decisions())
    require_texts(task, columns, splits.train)
    has_names = plugins.load(tasks, task, Task).kind not in ANSWERS  # type: ignore[type-abstract]
    problems = check(splits, columns, task=task, delimiter=request.data_settings.delimiter)
    return {
        "problems": [
            {
                "kind": one.kind,
                "file": one.file,
                "line": one.line,
                "row": one.row,
                "message": one.message,
                "is_fatal": one.is_fatal,
            }
            for one in problems
        ],
        "rows": len(splits.train),
        "labels": profile.distinct if has_names else {},
        "task": task,
        "columns": {"text": list(columns.text), "label": columns.label},
    }
