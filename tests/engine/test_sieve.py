"""Rows that are learnt are left out of the backward pass, and nothing else changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lightune.core.errors import UserError
from lightune.core.tokens import Batch, Tokens
from lightune.engine.batches import Step
from lightune.engine.loop import Descent, Work, fit, train_step
from lightune.engine.sieve import PAYS, Sieve
from tests.making import TinyModel, task_rows, train_tiny, write_csv

DESCENT = Descent(6, 0.05, 0.05, 16, 1000, "adam", "constant", 0.0, 0.0, 0.0, 0, 0)


def made_work() -> tuple[Work, list[int]]:
    """A bag of token vectors that learns whether token 1 or 2 stands in a row; rows of each backward pass."""
    torch.manual_seed(0)
    model, passed = torch.nn.EmbeddingBag(50, 2), []
    random = np.random.default_rng(0)
    ids = [[1 + number % 2, *random.integers(3, 50, 3).tolist()] for number in range(64)]

    def forward(batch: Batch) -> torch.Tensor:
        if torch.is_grad_enabled():
            passed.append(batch.num_examples)
        return model(batch.input_ids)

    work = Work(
        model=model,
        forward=forward,
        start_training=model.train,
        losses=lambda logits, batch, gold: torch.nn.functional.cross_entropy(
            logits, torch.as_tensor(gold), reduction="none"
        ),
        weigh=len,
        tokens=Tokens.from_lists(ids, None, [1] * 64),
        targets=np.arange(64) % 2,
        rows=np.arange(64),
        pad_id=0,
        device="cpu",
        head_prefixes=("none.",),
    )
    return work, passed


def test_easy_rows_count_as_no_gradient() -> None:
    """The gradient is that of the hard rows over the number of all rows; the loss is that of all."""
    work, _ = made_work()
    with torch.no_grad():
        losses = work.losses(
            work.forward(work.tokens.batch(np.arange(16), pad_id=0)), None, np.arange(16) % 2
        )
    below = float(losses.median())
    hard = np.flatnonzero((losses >= below).numpy())
    batch = work.tokens.batch(hard, pad_id=0)
    (work.losses(work.forward(batch), batch, work.targets[hard]).sum() / 16).backward()
    wanted = work.model.weight.grad.clone()
    optimizer = torch.optim.SGD(work.model.parameters(), lr=0.0)
    pieces = (np.arange(7), np.arange(7, 16))
    found = train_step(work, DESCENT, Step(pieces), optimizer, Sieve(below, share=1.0))
    assert torch.allclose(work.model.weight.grad, wanted, atol=1e-7)
    assert abs(found - float(losses.mean())) < 1e-6


def test_it_opens_only_where_that_pays() -> None:
    sieve = Sieve(0.1)
    rows = np.arange(10)
    for _ in range(50):
        sieve.saw(torch.tensor([0.01] * 4 + [1.0] * 6), rows)
        sieve.start_step()
    assert not sieve.is_open
    assert sieve.share < PAYS
    for _ in range(50):
        sieve.saw(torch.full((10,), 0.01), rows)
    sieve.start_step()
    assert sieve.is_open


def test_several_answers_a_row_are_never_sifted() -> None:
    sieve = Sieve(0.1)
    sieve.saw(torch.zeros(30), np.arange(10))
    assert sieve.share == 0.0
    opened = Sieve(0.1, share=1.0)  # every row had one answer so far, by chance
    opened.start_step()
    hard, left = opened.sift(lambda piece: torch.zeros(3 * len(piece)), (np.arange(4), np.arange(4, 9)))
    assert (hard.tolist(), left) == (list(range(9)), 0.0)
    opened.start_step()
    assert not opened.is_open


def test_it_learns_as_much_from_fewer_rows() -> None:
    errors, rows = [], []
    for below in (0.0, 0.3):
        work, passed = made_work()
        fit(work, Descent(**{**vars(DESCENT), "epochs": 30, "skip_below": below}), folder=None, bar=None)
        with torch.no_grad():
            logits = work.model(work.tokens.batch(np.arange(64), pad_id=0).input_ids)
        errors.append(float((logits.argmax(1).numpy() != work.targets).mean()))
        rows.append(sum(passed))
    assert errors == [0.0, 0.0]
    assert rows[1] < 0.7 * rows[0]


def test_rows_of_a_joint_loss_are_never_left_out(
    tiny: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is what the others are held against."""
    monkeypatch.setattr("lightune.steps.learn.MANY_ROWS", 4)
    rows, header, text = task_rows("retrieve", 24)
    data = write_csv(tmp_path / "pairs.csv", rows, header)
    asked: dict[str, Any] = {
        "data": data,
        "task": "retrieve",
        "text": tuple(text.split(",")),
        "method": "lora",
    }
    made = train_tiny(tmp_path, tiny("bert"), **asked)
    assert "skip_below = 0.0" in (Path(made["output"]) / "run.toml").read_text(encoding="utf-8")
    with pytest.raises(UserError, match="holds all of a step against each other"):
        train_tiny(tmp_path, tiny("bert"), groups={"speed": {"skip_below": 0.1}}, overwrite=True, **asked)
