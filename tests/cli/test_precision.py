"""A finished run from Python, beside what its command line does."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Trained
from tests.making import sentences


def test_fast_asks_close_calls_exactly(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    """In bfloat16 the probabilities differ a little, the labels do not."""
    from lightune import load
    from lightune.backbones.precision import Speeds

    monkeypatch.setattr("lightune.engine.plan.FEW_TOKENS", 1)
    monkeypatch.setattr("lightune.engine.plan.measured_speeds", lambda *a, **k: Speeds(1.0, 9.0))
    run = load(trained.run)
    texts = [row[0] for row in sentences(200, seed=3)]
    exact, fast = run.predict(texts), run.predict(texts, precision="fast")
    assert [one.label for one in fast] == [one.label for one in exact]
    assert any(one.probability != two.probability for one, two in zip(exact, fast, strict=True))
