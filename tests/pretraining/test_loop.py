"""The loop learns, stops, keeps the best, and a killed run goes on to the same losses."""

import math
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lightune.core.errors import UserError
from lightune.pretraining.loop import Plan, fit
from tests.pretraining.making import QUIET, learner

PLAN = Plan(
    steps=12,
    learning_rate=3e-3,
    schedule="cosine",
    warmup=0.1,
    weight_decay=0.1,
    clip=1.0,
    measurements=3,
    patience=0,
    seed=0,
)


@dataclass
class Journal:
    rows: list[dict[str, float]] = field(default_factory=list)
    samples: list[tuple[int, str]] = field(default_factory=list)


class Killed(Exception):
    pass


def kill_at(made: Any, step: int) -> Any:
    descend = made.descend

    def until(number: int) -> float:
        if number == step:
            raise Killed
        return descend(number)

    made.descend = until
    return made


@pytest.mark.parametrize("kind", ["gpt2", "lstm"])
def test_killed_run_gives_the_same_losses(kind: str, tmp_path: Path) -> None:
    whole, told = learner(tmp_path, kind), Journal()
    wanted = fit(whole, PLAN, told, folder=None, show=QUIET)
    folder = tmp_path / "work"
    folder.mkdir()
    with pytest.raises(Killed):
        fit(kill_at(learner(tmp_path, kind), 7), PLAN, Journal(), folder=folder, show=QUIET)
    again, said = learner(tmp_path, kind), Journal()
    found = fit(again, PLAN, said, folder=folder, show=QUIET)
    assert found.step_losses == pytest.approx(wanted.step_losses, abs=1e-6)
    assert [row["bits_per_byte"] for row in said.rows] == pytest.approx(
        [row["bits_per_byte"] for row in told.rows], abs=1e-6
    )
    assert said.samples == told.samples == [(4, "a text"), (8, "a text"), (12, "a text")]
    pairs = zip(whole.network.parameters(), again.network.parameters(), strict=True)
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in pairs)


def test_it_learns(tmp_path: Path) -> None:
    made = learner(tmp_path, "llama")
    progress = fit(made, replace(PLAN, steps=100, learning_rate=1e-2), Journal(), folder=None, show=QUIET)
    assert progress.step_losses[-1] < 0.7 * progress.step_losses[0]


def test_it_stops_where_nothing_gets_better_and_keeps_the_best(tmp_path: Path) -> None:
    made: Any = learner(tmp_path, "gpt2")
    figures = iter([3.0, 2.0, 2.5, 2.6, 1.0])
    kept: list[torch.Tensor] = []

    def measure() -> float:
        kept.append(next(made.network.parameters()).detach().clone())
        return next(figures)

    made.measure = measure
    told = Journal()
    progress = fit(made, replace(PLAN, steps=20, measurements=5, patience=2), told, folder=None, show=QUIET)
    assert [row["bits_per_byte"] for row in told.rows] == [3.0, 2.0, 2.5, 2.6]
    assert progress.step == 16
    assert torch.equal(next(made.network.parameters()), kept[1])


def test_time_ends_it(tmp_path: Path) -> None:
    plan = replace(PLAN, steps=10**9, seconds=1.0)
    told = Journal()
    progress = fit(learner(tmp_path, "gpt2"), plan, told, folder=None, show=QUIET)
    assert progress.seconds >= 1.0
    assert 1 <= len(told.rows) <= 3


def test_the_head_learns_first(tmp_path: Path) -> None:
    made = learner(tmp_path, "lstm")
    before = {name: one.detach().clone() for name, one in made.network.named_parameters()}
    plan = replace(PLAN, steps=4, measurements=1, head_first=0.99, head=("bias",), weight_decay=0.0)
    fit(made, replace(plan, steps=4), Journal(), folder=None, show=QUIET)
    changed = {name for name, one in made.network.named_parameters() if not torch.equal(one, before[name])}
    assert changed
    assert all("bias" in name for name in changed)


def test_measuring_longer_than_the_time_left_ends_it(tmp_path: Path) -> None:
    made: Any = learner(tmp_path, "gpt2")

    def measure() -> float:
        time.sleep(0.5)
        return 1.0

    made.measure = measure
    told = Journal()
    fit(made, replace(PLAN, steps=10**9, seconds=0.4, measurements=2), told, folder=None, show=QUIET)
    assert len(told.rows) == 1


def test_loss_that_is_no_number_is_said(tmp_path: Path) -> None:
    made: Any = learner(tmp_path, "gpt2")
    made.descend = lambda step: math.nan
    made.measure = lambda: math.nan
    with pytest.raises(UserError, match="no number"):
        fit(made, PLAN, Journal(), folder=None, show=QUIET)


def test_measuring_takes_a_small_share_of_a_budget(tmp_path: Path) -> None:
    made: Any = learner(tmp_path, "gpt2")

    def measure() -> float:
        time.sleep(0.1)
        return 1.0

    made.measure = measure
    told = Journal()
    plan = replace(PLAN, steps=10**9, seconds=1.5, measurements=100, patience=0)
    fit(made, plan, told, folder=None, show=QUIET)
    assert 2 <= len(told.rows) <= 5, "100 measurements would take 10 seconds"
