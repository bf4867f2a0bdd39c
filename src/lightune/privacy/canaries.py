"""Canaries: made-up secrets among the rows of a run that writes, to see afterwards how well it knows them.

Carlini et al. 2019 (arXiv:1802.08232). They are synthetic and harmless; a model that can be made to say them
could be made to say the real ones. Those that fall into validation or test are the control.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lightune.core.errors import UserError
from lightune.core.rows import Row, Table

DIGITS = 6
CANDIDATES = 63  # other codes that a canary is ranked among: 6 bits at most


def codes(number: int, seed: int) -> list[str]:
    """Different random codes, like `482 913`."""
    random = np.random.default_rng(seed)
    drawn = random.choice(10**DIGITS, number, replace=False)
    return [f"{one // 1000:03d} {one % 1000:03d}" for one in drawn.tolist()]


def add_canaries(
    table: Table, prompt: str, reply: str, number: int, seed: int
) -> tuple[Table, list[dict[str, Any]]]:
    """The table with `number` more rows, and which they are.

    Raises:
        UserError: prompts and replies are not plain texts in columns of their own.
    """
    first = table.rows[0].values
    if not isinstance(first.get(prompt), str) or not isinstance(first.get(reply), str):
        raise UserError(
            "--privacy.canaries needs prompts and replies in two text columns",
            file=table.file,
            hint="Give a file with columns such as prompt and reply.",
        )
    start = max(row.index for row in table.rows) + 1
    found, rows = [], list(table.rows)
    for place, code in enumerate(codes(number, seed)):
        question = f"What is the access code of locker {place + 1}?"
        answer = f"The code of locker {place + 1} is {code}."
        rows.append(Row(start + place, {**dict.fromkeys(first), prompt: question, reply: answer}, table.file))
        found.append({"row": start + place, "prompt": question, "reply": answer, "code": code})
    return replace(table, rows=rows), found
