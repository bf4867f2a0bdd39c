"""The CRF is CRFsuite's own, and says how to get it where it is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lightune.core.errors import UserError
from lightune.history.crf import SETTINGS, Crf, features_of, shape_of

TEXTS = [("Ada", "lives", "in", "Rome"), ("Bo", "saw", "Paris"), ("in", "Oslo", "it", "rains")] * 4
TAGS = [("PER", "O", "O", "LOC"), ("PER", "O", "LOC"), ("O", "LOC", "O", "O")] * 4


def test_it_answers_as_the_library_does(tmp_path: Path) -> None:
    library = pytest.importorskip("pycrfsuite")
    trainer = library.Trainer(algorithm="lbfgs", params=SETTINGS, verbose=False)
    for words, tags in zip(TEXTS, TAGS, strict=True):
        trainer.append(features_of(words), list(tags))
    trainer.train(str(tmp_path / "model"))
    tagger = library.Tagger()
    tagger.open(str(tmp_path / "model"))
    new = [("Ada", "saw", "Oslo"), ("Rome", "lives"), ()]
    wanted = [tagger.tag(features_of(words)) for words in new]
    model = Crf("tags").fit(TEXTS, TAGS)
    assert model.predict(new) == wanted
    assert model.size_bytes() > 1000
    assert wanted[0] == ["PER", "O", "LOC"]


def test_what_is_seen_of_a_word() -> None:
    seen = features_of(["In", "2026", "x"])
    assert {"word=in", "shape=Aa", "first", "+1=2026", "after=in 2026"} <= set(seen[0])
    assert {"shape=1", "end3=026", "-1=in", "before=in 2026"} <= set(seen[1])
    assert [shape_of(word) for word in ("McDonald", "4.5", "\u4eba")] == ["AaAa", "1.1", "other"]


def test_a_missing_library_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycrfsuite", None)
    with pytest.raises(UserError, match=r"pip install 'lightune\[crf\]'"):
        Crf("tags").fit(TEXTS, TAGS)
