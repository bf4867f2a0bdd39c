"""Which tokens are hidden: whole words, the asked share, never a special token, shown 80/10/10."""

import numpy as np
import pytest

from lightune.pretraining.masking import IGNORED, make_masking
from tests.pretraining.making import TEXTS, vocabulary


def some_ids(rows: int) -> np.ndarray:
    words = vocabulary("bert")
    ids = [words.tokenizer("unfunny actors played zebra . " + text)["input_ids"][:14] for text in TEXTS]
    return np.array((ids * rows)[:rows], dtype=np.int64)


def test_share_and_what_is_shown() -> None:
    words = vocabulary("bert")
    masking = make_masking(words, 0.15, whole_words=False)
    ids = some_ids(4000)
    inputs, targets = masking.hide(ids, np.random.default_rng(0))
    hidden = targets != IGNORED
    usual = ~masking.special[ids]
    assert hidden[usual].mean() == pytest.approx(0.15, abs=0.01)
    assert not hidden[~usual].any()
    assert np.array_equal(inputs[~hidden], ids[~hidden])
    assert np.array_equal(targets[hidden], ids[hidden])
    assert (inputs[hidden] == masking.mask_id).mean() == pytest.approx(0.8, abs=0.02)
    assert (inputs[hidden] == ids[hidden]).mean() == pytest.approx(0.1, abs=0.02)
    assert not masking.special[inputs[hidden & (inputs != masking.mask_id)]].any()


def test_words_are_hidden_whole() -> None:
    words = vocabulary("bert")
    masking = make_masking(words, 0.5, whole_words=True)
    ids = some_ids(200)
    _, targets = masking.hide(ids, np.random.default_rng(0))
    hidden = targets != IGNORED
    inner = masking.continues[ids]
    assert inner.any(), "the texts hold words of several tokens"
    assert np.array_equal(hidden[inner], np.roll(hidden, 1, axis=1)[inner])
    alone = make_masking(words, 0.5, whole_words=False).hide(ids, np.random.default_rng(0))[1] != IGNORED
    assert not np.array_equal(alone[inner], np.roll(alone, 1, axis=1)[inner])


def test_another_choice_every_time() -> None:
    masking = make_masking(vocabulary("bert"), 0.15, whole_words=True)
    ids, random = some_ids(50), np.random.default_rng(0)
    assert not np.array_equal(masking.hide(ids, random)[1], masking.hide(ids, random)[1])


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_words_begin_where_they_begin(kind: str) -> None:
    words = vocabulary(kind)
    continues = words.continues_word()

    def starts(text: str) -> int:
        ids = words.tokenizer(text, add_special_tokens=False)["input_ids"]
        return int((~continues[ids[1:]]).sum()) + 1  # the first token always begins one

    assert starts("wonderfully unwatchable") == 2
    assert starts("good, bad") == 3
    assert starts("电影好看") == 4
