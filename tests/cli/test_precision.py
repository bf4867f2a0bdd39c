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


@pytest.mark.parametrize(("may_overlap", "streams"), [(True, 2), (False, 1)])
def test_fast_is_measured_as_it_runs(
    may_overlap: bool, streams: int, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Passes of a method that keeps something of a batch do not overlap in the measurement either."""
    from lightune import load
    from lightune.backbones.precision import Speeds

    asked = []

    def measured(*_: object, **named: int) -> Speeds:
        asked.append(named["streams"])
        return Speeds(9.0, 1.0)

    monkeypatch.setattr("lightune.engine.plan.FEW_TOKENS", 1)
    monkeypatch.setattr("lightune.backbones.streams.FEW_TOKENS", 1)
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    monkeypatch.setattr("lightune.engine.plan.measured_speeds", measured)
    run = load(trained.run)
    run.method.may_overlap = may_overlap
    run.predict([row[0] for row in sentences(40, seed=3)], precision="fast")
    assert asked == [streams]
