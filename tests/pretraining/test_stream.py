"""A corpus in tokens on disk: nothing is lost, blocks go through all of it, and it is whole or not there."""

from pathlib import Path

import numpy as np
import pytest

from lightune.core.errors import UserError
from lightune.pretraining.stream import Blocks, open_stream, write_stream
from tests.pretraining.making import QUIET, TEXTS, stream, vocabulary


def test_stream_holds_every_text_and_its_end(tmp_path: Path) -> None:
    words = vocabulary("gpt2")
    found = stream(tmp_path)
    assert isinstance(found.ids, np.memmap)
    assert found.num_texts == len(TEXTS)
    assert found.num_bytes == sum(len(text.encode()) + 1 for text in TEXTS)
    ends = np.flatnonzero(np.asarray(found.ids) == words.end_id)
    pieces = np.split(np.asarray(found.ids), ends + 1)[:-1]
    assert [words.decode(piece.tolist()) for piece in pieces] == TEXTS


def test_stream_is_read_once(tmp_path: Path) -> None:
    first = stream(tmp_path)
    again = write_stream(iter(()), vocabulary("gpt2"), tmp_path / "stream", QUIET)  # found, not made
    assert len(again) == len(first)


def test_killed_writing_leaves_no_stream(tmp_path: Path) -> None:
    def texts():  # type: ignore[no-untyped-def]
        yield "a film"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_stream(texts(), vocabulary("gpt2"), tmp_path / "stream", QUIET)
    assert not (tmp_path / "stream").exists()
    assert len(stream(tmp_path)) == len(open_stream(tmp_path / "stream"))


def test_no_text_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no text"):
        write_stream([], vocabulary("gpt2"), tmp_path / "stream", QUIET)


def test_an_epoch_goes_through_the_stream_in_another_order(tmp_path: Path) -> None:
    found = stream(tmp_path)
    blocks = Blocks(found, 8, 2, seed=0)
    count = blocks.steps_an_epoch
    first = np.concatenate([blocks.step(number) for number in range(count)])
    second = np.concatenate([blocks.step(number) for number in range(count, 2 * count)])
    assert first.shape == (2 * count, 8)
    assert not np.array_equal(first, second)
    assert np.array_equal(first[:2], blocks.step(0))
    seen = np.bincount(first.ravel(), minlength=600)
    everything = np.bincount(np.asarray(found.ids), minlength=600)
    assert np.abs(seen - everything).sum() <= len(found) - first.size  # nothing twice but by the wrapped end


def test_blocks_longer_than_the_stream_go_round(tmp_path: Path) -> None:
    found = stream(tmp_path)
    taken = found.take(len(found) - 3, 2 * len(found))
    assert np.array_equal(taken[3:10], np.asarray(found.ids[:7]))
    assert len(taken) == 2 * len(found)
