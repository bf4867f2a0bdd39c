"""Encrypted activations: the same numbers, nothing readable on disk, and never under the wrong key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lightune.backbones.base import Tap
from lightune.core.errors import UserError
from lightune.engine import activations as store
from lightune.engine.sealed import VARIABLE, Seal, SealedRows, overwrite, sealed_bytes
from lightune.request import Request

PLAIN = store.Space("tiny", "d1", 2, "tokens", "float32", "k", 24)
SEALED = replace(PLAIN, is_sealed=True)
KEYS = [bytes([number]) * 16 for number in range(3)]
LENGTHS = np.array([2000, 3, 700])


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(VARIABLE, "a synthetic key for tests")


def rows() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((int(LENGTHS.sum()), 24)).astype(np.float32)


def test_a_slice_is_the_same_and_nothing_is_readable() -> None:
    shelf, wanted = store.Shelf(SEALED), rows()
    shelf.write(KEYS, LENGTHS, [wanted[:3], wanted[3:]])
    again = store.Shelf(SEALED)
    assert isinstance(again.shards[0], SealedRows)
    stored = store.StoredActivations(again, KEYS, Tap(2))
    assert np.array_equal(stored.rows(np.array([2, 1])), np.concatenate([wanted[2003:], wanted[2000:2003]]))
    assert np.array_equal(again.shards[0][np.array([5, 1999, 2])], wanted[[5, 1999, 2]])
    everything = b"".join(file.read_bytes() for file in shelf.folder.iterdir())
    assert wanted[100].tobytes() not in everything
    assert KEYS[1] not in everything, "which texts are stored can be told from their keys"
    assert store.entries()[0].num_sequences == 3


def test_plain_and_sealed_never_serve_each_other() -> None:
    store.Shelf(PLAIN).write(KEYS, LENGTHS, [rows()])
    assert not store.Shelf(SEALED).place
    store.Shelf(SEALED).write(KEYS[:1], LENGTHS[:1], [rows()[:2000]])
    assert len(store.Shelf(PLAIN).place) == 3
    assert len(store.Shelf(SEALED).place) == 1


def test_names_of_plain_spaces_stay_as_they_were() -> None:
    """What was stored before there was encryption is still found."""
    assert PLAIN.name == "fe66a5e4cde4237dfeee22d9"


def test_another_key_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    store.Shelf(SEALED).write(KEYS, LENGTHS, [rows()])
    monkeypatch.setenv(VARIABLE, "another synthetic key")
    with pytest.raises(UserError, match="another key"):
        store.Shelf(SEALED)


@pytest.mark.parametrize(("words", "problem"), [("", "not set"), ("short", "soon guessed")])
def test_no_key_is_told_at_once(monkeypatch: pytest.MonkeyPatch, words: str, problem: str) -> None:
    monkeypatch.setenv(VARIABLE, words)
    with pytest.raises(UserError, match=problem):
        Request(data="movies", groups={"cache": {"encrypt": "true"}})


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    seal, file = Seal.new(), tmp_path / "a.data.sealed"
    data = bytearray(sealed_bytes(seal, rows(), file.name))
    data[-5] ^= 1
    file.write_bytes(data)
    found = SealedRows(seal, file)
    assert np.array_equal(found[np.array([3])], rows()[[3]])
    with pytest.raises(UserError, match="damaged"):
        found[np.array([len(found) - 1])]


def test_secure_clear_overwrites(tmp_path: Path) -> None:
    import os

    file = tmp_path / "secret"
    file.write_bytes(b"secret" * 1000)
    os.link(file, tmp_path / "same")  # the same bytes on disk under another name
    overwrite(file)
    assert not file.exists()
    left = (tmp_path / "same").read_bytes()
    assert len(left) == 6000
    assert b"secret" not in left
    store.Shelf(SEALED).write(KEYS, LENGTHS, [rows()])
    assert store.clear(is_secure=True) > 200_000
    assert not store.entries()
