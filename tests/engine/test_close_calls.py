"""Rows that rounding might decide are asked exactly: the labels are those of exact logits."""

from __future__ import annotations

import numpy as np
import pytest

from lightune.engine.predict import ask_close_again
from lightune.tasks.classify import Classify
from lightune.tasks.multilabel import MultiLabel
from lightune.tasks.regress import Regress

ROWS = 4000


@pytest.mark.parametrize("task", [Classify(), MultiLabel()], ids=["classify", "multilabel"])
def test_labels_are_those_of_exact_logits(task: Classify | MultiLabel) -> None:
    dice = np.random.default_rng(0)
    exact = dice.normal(0, 2, (ROWS, 3)).astype(np.float32)
    rounded = exact + dice.uniform(-0.03, 0.03, exact.shape).astype(np.float32)
    asked: list[int] = []

    def ask(rows: np.ndarray) -> np.ndarray:
        asked.extend(rows.tolist())
        return exact[rows]

    def labels(logits: np.ndarray) -> np.ndarray:
        return logits.argmax(axis=1) if isinstance(task, Classify) else logits > 0

    assert (labels(rounded) != labels(exact)).any()
    found = ask_close_again(rounded, task.margins, ask)
    assert (labels(found) == labels(exact)).all()
    assert len(asked) == len(set(asked)) < ROWS / 5
    left = np.setdiff1d(np.arange(ROWS), asked)
    assert (found[left] == rounded[left]).all() and (found[asked] == exact[asked]).all()


def test_numbers_are_no_choices() -> None:
    logits = np.ones((5, 1), dtype=np.float32)
    assert ask_close_again(logits, Regress().margins, lambda rows: pytest.fail("asked")) is logits
