"""The loop's parts: batches, schedules, checkpoints, and resuming to the same loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lightune.core.tokens import Tokens, pool_windows, repad, unpad
from lightune.engine.batches import epoch_steps, pieces, reading_batches
from lightune.engine.loop import Descent, Work, fit, rate_factor


def made_tokens(number: int = 100, seed: int = 0) -> Tokens:
    random = np.random.default_rng(seed)
    ids = [random.integers(1, 50, random.integers(1, 40)).tolist() for _ in range(number)]
    return Tokens.from_lists(ids, None, [1] * number)


def made_work(
    model: torch.nn.Module, number: int, validate: Callable[[], dict[str, float]] | None = None
) -> Work:
    """So many examples of three tokens each, of two classes in turn."""
    tokens = made_tokens(number)
    return Work(
        model=model,
        forward=lambda batch: model(batch.input_ids),
        start_training=model.train,
        losses=lambda logits, batch, gold: torch.nn.functional.cross_entropy(
            logits, torch.as_tensor(gold), reduction="none"
        ),
        weigh=len,
        tokens=Tokens(tokens.ids, None, np.arange(0, number + 1) * 3, tokens.windows),
        targets=np.arange(number) % 2,
        rows=np.arange(number),
        pad_id=0,
        device="cpu",
        head_prefixes=("none.",),
        validate=validate,
    )


def test_an_epoch_has_every_row_once_and_shuffles() -> None:
    tokens = made_tokens()
    known = {"batch_rows": 8, "batch_tokens": 4096, "seed": 0}
    first = epoch_steps(tokens, np.arange(100), epoch=0, **known)
    second = epoch_steps(tokens, np.arange(100), epoch=1, **known)
    rows = np.concatenate([piece for step in first for piece in step.pieces])
    assert sorted(rows.tolist()) == list(range(100))
    assert [s.pieces[0].tolist() for s in first] != [s.pieces[0].tolist() for s in second]
    again = epoch_steps(tokens, np.arange(100), epoch=0, **known)
    assert all((a.pieces[0] == b.pieces[0]).all() for a, b in zip(first, again, strict=True))


def test_pieces_keep_the_token_budget() -> None:
    tokens = made_tokens()
    for part in pieces(tokens, np.arange(100), 64):
        assert tokens.example_lengths[part].max() * len(part) <= 64 or len(part) == 1


def test_buckets_waste_little() -> None:
    tokens = made_tokens(2000)
    batches = reading_batches(tokens, np.arange(2000), 1024)
    padded = sum(int(tokens.example_lengths[part].max()) * len(part) for part in batches)
    assert padded / tokens.num_tokens < 1.05


def test_windows_are_pooled_by_the_mean() -> None:
    tokens = Tokens.from_lists([[1, 2], [3], [4, 5, 6]], None, [2, 1])
    batch = tokens.batch(np.array([0, 1]), pad_id=0)
    logits = torch.tensor([[1.0, 0.0], [3.0, 2.0], [5.0, 6.0]])
    assert pool_windows(logits, batch).tolist() == [[2.0, 1.0], [5.0, 6.0]]


def test_unpad_and_repad_are_each_others_reverse() -> None:
    batch = made_tokens(5).batch(np.arange(5), pad_id=0)
    hidden = torch.randn(*batch.input_ids.shape, 4) * batch.attention_mask[..., None]
    assert torch.equal(unpad(hidden, batch), hidden[batch.attention_mask.bool()])
    assert torch.equal(repad(unpad(hidden, batch), batch), hidden)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "onecycle"])
def test_schedules_rise_and_fall(schedule: str) -> None:
    factors = [rate_factor(schedule, step, 100, 0.1) for step in range(100)]
    peak = int(np.argmax(factors))
    assert max(factors) == pytest.approx(1.0)
    assert 5 < peak < 35
    assert factors[0] < 0.2
    assert factors[-1] < 0.05
    assert rate_factor("constant", 50, 100, 0.1) == 1.0


def test_accumulated_pieces_give_the_gradient_of_the_whole(tmp_path: Path) -> None:
    """A step cut into pieces by the token budget moves the weights as the uncut step does."""

    def train(batch_tokens: int) -> torch.Tensor:
        torch.manual_seed(0)
        model = torch.nn.EmbeddingBag(50, 2)
        work = made_work(model, 64)
        descent = Descent(2, 0.1, 0.1, 16, batch_tokens, "sgd", "linear", 0.1, 0.0, 0.0, 0, 0)
        fit(work, descent, folder=None, bar=None)
        return model.weight.detach().clone()

    assert torch.allclose(train(10_000), train(12), atol=1e-6)


@pytest.mark.parametrize(("falls", "epochs"), [(True, 12), (False, 4)])
def test_a_score_of_zero_may_wait_for_the_loss(falls: bool, epochs: int) -> None:
    """Rare spans: F1 stays 0 while the loss falls. Only when neither moves is it a standstill."""
    model = torch.nn.EmbeddingBag(50, 2)
    done: list[float] = []

    def validate() -> dict[str, float]:
        done.append(1.0 / (len(done) + 1) if falls else 1.0)
        return {"score": 0.0, "validation_loss": done[-1]}

    work = made_work(model, 16, validate)
    descent = Descent(12, 0.01, 0.01, 8, 1000, "sgd", "linear", 0.1, 0.0, 0.0, 3, 0)
    assert fit(work, descent, folder=None, bar=None).epoch == epochs


def test_the_last_epoch_stays_where_none_is_chosen() -> None:
    """Validation says the first of two epochs was better; who asks for no choice gets the second."""

    def train(scores: list[float], **changed: Any) -> torch.Tensor:
        torch.manual_seed(0)
        model, left = torch.nn.EmbeddingBag(50, 2), list(scores)
        validate = (lambda: {"score": left.pop(0), "validation_loss": 1.0}) if scores else None
        work = made_work(model, 16, validate)
        descent = Descent(2, 0.1, 0.1, 8, 1000, "sgd", "constant", 0.0, 0.0, 0.0, 0, 0)
        fit(work, replace(descent, **changed), folder=None, bar=None)
        return model.weight.detach().clone()

    first, second = train([], epochs=1), train([])
    assert not torch.equal(first, second)
    assert torch.equal(train([0.9, 0.1]), first)
    assert torch.equal(train([0.9, 0.1], keeps_best=False), second)


@pytest.mark.parametrize(("epochs", "steps", "ends"), [(0.5, 4, 1), (1.5, 12, 2), (0.01, 1, 1), (2, 16, 2)])
def test_part_of_an_epoch(epochs: float, steps: int, ends: int) -> None:
    """64 rows in steps of 8: the rates come down to nothing over the steps there are, validation ends it."""
    done: list[float] = []

    def validate() -> dict[str, float]:
        done.append(0.5)
        return {"score": 0.5, "validation_loss": 1.0}

    work = made_work(torch.nn.EmbeddingBag(50, 2), 64, validate)
    descent = Descent(epochs, 0.1, 0.1, 8, 1000, "sgd", "linear", 0.1, 0.0, 0.0, 0, 0)
    progress = fit(work, descent, folder=None, bar=None)
    assert (progress.step, len(progress.step_losses), len(done)) == (steps, steps, ends)
    assert progress.epochs[-1]["epoch"] == min(epochs, ends)


def test_half_an_epoch_is_one_of_half_the_rows() -> None:
    """The same rows in the same steps at the same rates give the same weights."""

    def train(epochs: float, rows: np.ndarray) -> torch.Tensor:
        torch.manual_seed(0)
        model = torch.nn.EmbeddingBag(50, 2)
        work = replace(made_work(model, 64), rows=rows)
        descent = Descent(
            epochs, 0.1, 0.1, 64 if epochs == 1 else 32, 10**6, "sgd", "constant", 0, 0, 0, 0, 0
        )
        fit(work, descent, folder=None, bar=None)
        return model.weight.detach().clone()

    tokens = made_work(torch.nn.EmbeddingBag(50, 2), 64).tokens
    steps = epoch_steps(tokens, np.arange(64), batch_rows=32, batch_tokens=10**6, seed=0, epoch=0)
    assert torch.allclose(train(0.5, np.arange(64)), train(1, steps[0].pieces[0]), atol=1e-6)


def test_killed_between_the_last_step_and_validation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taken up again there is no step left, but the epoch is validated and its weights are kept."""
    monkeypatch.setattr("lightune.engine.loop.CHECKPOINT_SECONDS", -1.0)

    def train(validate: Callable[[], dict[str, float]]) -> Any:
        torch.manual_seed(0)
        model = torch.nn.EmbeddingBag(50, 2)
        descent = Descent(0.5, 0.1, 0.1, 8, 1000, "sgd", "linear", 0.1, 0.0, 0.0, 0, 0)
        return fit(made_work(model, 64, validate), descent, folder=tmp_path, bar=None)

    def killed() -> dict[str, float]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(killed)
    progress = train(lambda: {"score": 0.7, "validation_loss": 1.0})
    assert (progress.step, progress.best_epoch, progress.best_score) == (4, 1, 0.7)
