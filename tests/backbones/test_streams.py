"""Passes that run at once give what passes one after the other give."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from lightune import methods
from lightune.backbones.base import Tap
from lightune.backbones.cut import has_hooks, keeping, of_this_thread
from lightune.backbones.streams import (
    FEW_TOKENS,
    LEAST_TOKENS,
    in_streams,
    num_streams,
    seconds_a_token,
    tokens_of_pass,
)
from lightune.core import plugins
from lightune.core.tokens import Batch, Tokens
from lightune.engine.plan import time_streams
from lightune.engine.predict import Reading, in_order
from lightune.methods.base import Method
from tests.backbones.test_cut import load
from tests.contract.eight import learn_eight
from tests.making import TinyModel
from tests.tiny import CLASSIFIERS

OVERLAPPING = [
    name
    for name in plugins.names(methods)
    if plugins.load(methods, name, Method).may_overlap  # type: ignore[type-abstract]
]
ROWS = 96


@pytest.fixture(autouse=True)
def two_cores() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def many_rows(end: int = 3) -> Tokens:
    """Rows of 3 to 9 tokens."""
    random = np.random.default_rng(0)
    rows = [[2, *random.integers(5, 40, size=1 + number % 7).tolist(), end] for number in range(ROWS)]
    return Tokens.from_lists(rows, None, [1] * ROWS)


def test_results_keep_their_order_and_errors_come_through() -> None:
    threads = set()

    def square(number: int) -> int:
        threads.add(threading.get_ident())
        if number == 70:
            raise ValueError("seventy")
        return number * number

    assert list(in_streams(square, range(60), 3)) == [number * number for number in range(60)]
    assert threading.get_ident() not in threads
    found = in_streams(square, range(100), 2)
    assert next(found) == 0
    with pytest.raises(ValueError, match="seventy"):
        list(found)
    assert torch.get_num_threads() == 2
    assert list(in_streams(square, range(3), 1)) == [0, 1, 4]
    assert threading.get_ident() in threads, "one stream needs no thread"


def test_how_many() -> None:
    assert num_streams(FEW_TOKENS, "cpu") == 2
    assert num_streams(FEW_TOKENS - 1, "cpu") == 1
    assert num_streams(FEW_TOKENS, "cuda") == num_streams(FEW_TOKENS, "cpu", "blocks-of-4-bits") == 1
    torch.set_num_threads(1)
    assert num_streams(FEW_TOKENS, "cpu") == 1
    assert tokens_of_pass(4096, 1) == 4096 and tokens_of_pass(4096, 2) == 2048
    assert tokens_of_pass(1024, 4) == LEAST_TOKENS and tokens_of_pass(256, 2) == 256


@pytest.mark.parametrize(
    ("cores", "number"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 1), (6, 3), (7, 1), (8, 4), (10, 2), (12, 4)]
)
def test_no_core_stands_idle(cores: int, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: cores)
    assert num_streams(FEW_TOKENS, "cpu") == number


def test_a_batch_alone_has_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, seen = many_rows(), []

    def read(batch: Batch) -> np.ndarray:
        seen.append(torch.get_num_threads())
        return np.zeros((len(batch.owner), 1), np.float32)

    for rows, expected in ((np.arange(4), {2}), (np.arange(ROWS), {1})):
        seen.clear()
        in_order(read, tokens, rows, Reading(0, batch_tokens=1024 if len(rows) == 4 else 40, streams=2))
        assert set(seen) == expected


@pytest.mark.parametrize("streams", [1, 2])
def test_measuring_keeps_to_its_time(streams: int) -> None:
    """A pass that does not count, one in each stream, and no more once the time is over."""
    tokens, seen = many_rows(), []
    batches = [tokens.batch(np.arange(8) + 8 * number, pad_id=0) for number in range(6)]

    def slow(batch: Batch) -> None:
        seen.append(batch.num_padded_tokens)
        time.sleep(0.05)

    taken = time_streams(slow, batches, 0.01, streams)
    assert len(seen) == 1 + streams
    assert taken == pytest.approx(0.05 * streams / sum(seen[1:]) / streams, rel=0.5)
    seen.clear()
    time_streams(slow, batches, 0.32, streams)
    assert len(seen) > 2 * streams


def test_seconds_a_token_are_of_passes_together() -> None:
    tokens = many_rows()
    batch = tokens.batch(np.arange(8), pad_id=0)
    taken = seconds_a_token(lambda _: time.sleep(0.04), itertools.repeat(batch, 5), 2)
    assert taken == pytest.approx(0.02 / batch.num_padded_tokens, rel=0.3)


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_logits_and_kept_states_are_the_same(kind: str, tiny: TinyModel) -> None:
    backbone, rows = load(tiny(kind)), np.arange(ROWS)
    tokens = many_rows(backbone.base.config.eos_token_id or 3)  # type: ignore[union-attr,arg-type]
    backbone.model.eval()
    taps = [Tap(1), Tap(backbone.depth, "mean")] if kind != "albert" else [Tap(backbone.depth, "mean")]

    def read(batch: Batch) -> np.ndarray:
        kept: dict[int, torch.Tensor] = {}
        with keeping(backbone.model, backbone.structure, [1], kept):
            logits = backbone.forward(batch)
        below = [one.flatten(1)[:, :4] for one in backbone.below(batch, taps).values()]
        return torch.cat([logits, kept[1].flatten(1)[:, :4], *below], dim=1).numpy()

    one = in_order(read, tokens, rows, Reading(backbone.pad_id, batch_tokens=40))
    two = in_order(read, tokens, rows, Reading(backbone.pad_id, batch_tokens=40, streams=2))
    assert one is not None and two is not None
    np.testing.assert_allclose(one, two, atol=1e-5)
    assert not any(has_hooks(module) for module in backbone.model.modules())


@pytest.mark.parametrize("method", OVERLAPPING)
@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_methods_that_may_overlap(method: str, kind: str, tiny: TinyModel, tmp_path: Path) -> None:
    """As trained, before anything is merged."""
    prepared = learn_eight(tmp_path, tiny(kind, num_layers=2), task="classify", method=method).prepared
    backbone, tokens = prepared.backbone, many_rows()
    backbone.model.eval()

    def read(batch: Batch) -> np.ndarray:
        return prepared.method.forward(backbone, batch).numpy()

    how = [Reading(backbone.pad_id, batch_tokens=40, streams=number) for number in (1, 3)]
    one, more = (in_order(read, tokens, np.arange(ROWS), each) for each in how)
    assert one is not None and more is not None
    np.testing.assert_allclose(one, more, atol=1e-5)


def test_a_side_network_of_vectors_does_not(tiny: TinyModel, tmp_path: Path) -> None:
    """It runs the model's own end above its states, which changes the layers meanwhile."""
    for task in ("classify", "retrieve"):
        prepared = learn_eight(tmp_path, tiny("bert", num_layers=2), task=task, method="side").prepared
        assert prepared.method.may_overlap is (task == "classify")


def test_hooks_of_other_threads_are_not_mine() -> None:
    module, seen = torch.nn.Linear(2, 2), []
    handle = module.register_forward_hook(of_this_thread(lambda *_: seen.append(1)))
    assert has_hooks(module)
    there: list[bool] = []

    def elsewhere() -> None:
        module(torch.zeros(1, 2))
        there.append(has_hooks(module))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [] and there == [False]
    module(torch.zeros(1, 2))
    assert seen == [1]
    handle.remove()
