"""What counting shows on real text: Brown in a minute, orders 1 to 5, vectors that know similarity."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from lightune.core.progress import Show
from lightune.data.corpus import find_corpus
from lightune.data.settings import DataSettings
from lightune.steps.pretrain import PretrainRequest, run_pretrain

QUIET = Show(is_quiet=True)
MOST_SECONDS = 60


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_brown_by_order(fetched_data: Callable[[str], None], tmp_path: Path) -> None:
    fetched_data("brown")
    bits = []
    for order in range(1, 6):
        groups = {"pretrain": {"order": order}}
        told = run_pretrain(PretrainRequest("brown", output=str(tmp_path / f"{order}"), groups=groups), QUIET)
        assert told["seconds"]["train"] < MOST_SECONDS
        bits.append(told["metrics"]["validation"]["bits_per_byte"])
    assert bits[0] > bits[1] + 0.1 > bits[2] + 0.1, "two and three words help"
    assert all(abs(one - other) < 0.03 for one, other in pairwise(bits[2:])), "more words change little"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["word2vec"])  # glove: 0.131 (0.017 to 0.250), see docs/log.md
def test_vectors_beat_random_ones(kind: str, fetched_data: Callable[[str], None], tmp_path: Path) -> None:
    pytest.importorskip("gensim")
    texts = tmp_path / "texts"
    texts.mkdir()
    for name in ("brown", "austen"):
        fetched_data(name)
        lines = find_corpus(name, DataSettings(), None, QUIET).texts()
        (texts / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")
    told = run_pretrain(PretrainRequest(str(texts), kind=kind, output=str(tmp_path / "run")), QUIET)
    low, _ = told["intervals"]["validation"]["wordsim353_spearman"]
    assert low > told["metrics"]["validation"]["random_vectors_spearman"] + 0.05
