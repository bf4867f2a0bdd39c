"""The store: content keys, incremental, whole shards only, capped, owner-only."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from lightune.backbones.base import HeadSpec, Tap
from lightune.backbones.encode import Limits, encode
from lightune.backbones.transformer import Transformer
from lightune.core.progress import Show
from lightune.core.tokens import Tokens
from lightune.engine import activations as store
from tests.making import TinyModel, sentences

SPEC = HeadSpec("AutoModelForSequenceClassification", 2, "single_label_classification", ("a", "b"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHTUNE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def backbone(tiny: TinyModel) -> Transformer:
    return Transformer.load(str(tiny("bert")), SPEC, head="standard", identifier="tiny", digest="d1")


def tokens_of(backbone: Transformer, number: int) -> Tokens:
    texts = [(text,) for text, _ in sentences(number)]
    return encode(backbone.tokenizer, texts, Limits(64, "truncate", 1)).tokens


@dataclass(frozen=True)
class Reading:
    activations: store.StoredActivations
    num_read: int
    num_found: int


def fill_all(
    backbone: Transformer, tokens: Tokens, taps: list[Tap], dtype: str = "float32", kernel: str = "k"
) -> store.Filled:
    filling = store.Filling(tokens, {tap: store.space_of(backbone, tap, dtype, kernel) for tap in taps})
    with Show(is_quiet=True).bar("", 1) as bar:
        return store.fill(backbone, filling, backbone.below, batch_tokens=256, bar=bar)


def fill(
    backbone: Transformer, tokens: Tokens, tap: Tap, dtype: str = "float32", kernel: str = "k"
) -> Reading:
    filled = fill_all(backbone, tokens, [tap], dtype, kernel)
    return Reading(filled.activations[tap], filled.num_read, filled.num_found)


def test_reads_back_what_the_network_gave(backbone: Transformer) -> None:
    tokens = tokens_of(backbone, 20)
    tap = Tap(2)
    found = fill(backbone, tokens, tap).activations
    batch = tokens.batch(np.array([3, 17, 5]), pad_id=backbone.pad_id)
    expected = backbone.below(batch, [tap])[tap] * batch.attention_mask[..., None]
    assert torch.allclose(found.read(batch), expected, atol=1e-5)


def test_pooled_tap_keeps_one_vector_a_text(tiny: TinyModel) -> None:
    backbone = Transformer.load(str(tiny("bert")), SPEC, head="mean", identifier="tiny", digest="d2")
    tokens = tokens_of(backbone, 10)
    tap = Tap(backbone.depth, "mean")
    found = fill(backbone, tokens, tap).activations
    batch = tokens.batch(np.arange(10), pad_id=backbone.pad_id)
    assert found.read(batch).shape == (10, backbone.width)
    assert torch.allclose(found.read(batch), backbone.below(batch, [tap])[tap], atol=1e-5)


def test_second_filling_reads_nothing_and_new_rows_only(backbone: Transformer) -> None:
    first = fill(backbone, tokens_of(backbone, 20), Tap(2))
    again = fill(backbone, tokens_of(backbone, 20), Tap(2))
    more = fill(backbone, tokens_of(backbone, 25), Tap(2))
    assert (first.num_read, first.num_found) == (20, 0)
    assert (again.num_read, again.num_found) == (0, 20)
    assert (more.num_read, more.num_found) == (5, 20)


def test_values_do_not_depend_on_what_was_stored_before(backbone: Transformer) -> None:
    tokens = tokens_of(backbone, 25)
    whole = fill(backbone, tokens, Tap(3)).activations.rows(np.arange(25))
    store.clear()
    fill(backbone, tokens_of(backbone, 8), Tap(3))
    parts = fill(backbone, tokens, Tap(3)).activations.rows(np.arange(25))
    assert np.abs(whole - parts).max() < 1e-5


@pytest.mark.parametrize("change", ["depth", "dtype", "digest", "kernel"])
def test_nothing_is_served_for_another_space(backbone: Transformer, change: str) -> None:
    tokens = tokens_of(backbone, 5)
    fill(backbone, tokens, Tap(2))
    if change == "digest":
        backbone.digest = "another"
    other = fill(
        backbone,
        tokens,
        Tap(3 if change == "depth" else 2),
        "float16" if change == "dtype" else "float32",
        "another" if change == "kernel" else "k",
    )
    assert other.num_read == 5


def test_equal_texts_are_read_once(backbone: Transformer) -> None:
    tokens = encode(backbone.tokenizer, [("the movie",)] * 7, Limits(64, "truncate", 1)).tokens
    assert fill(backbone, tokens, Tap(1)).num_read == 1


def test_half_written_shard_is_never_read(backbone: Transformer) -> None:
    tokens = tokens_of(backbone, 6)
    filled = fill(backbone, tokens, Tap(2))
    folder = filled.activations.shelf.folder
    for index in folder.glob("*.index.npy"):
        index.unlink()  # killed between the data and the index
    (folder / ".half.data.npy.1").write_bytes(b"\x93NUMPY half")
    (folder / "broken.index.npy").write_bytes(b"not an array")
    assert fill(backbone, tokens, Tap(2)).num_read == 6


def test_two_writers_share_a_space(backbone: Transformer) -> None:
    """Two shelves opened at once, each writing: both end with everything."""
    space = store.space_of(backbone, Tap(2), "float32", "k")
    one, two = store.Shelf(space), store.Shelf(space)
    rows = np.ones((3, backbone.width), dtype=np.float32)
    one.write([b"a" * 16], np.array([3]), [rows])
    two.write([b"b" * 16], np.array([3]), [rows * 2])
    one.refresh()
    assert set(one.place) == set(two.place) == {b"a" * 16, b"b" * 16}


def test_limit_drops_the_oldest_space_and_keeps_its_own(backbone: Transformer) -> None:
    for depth in (1, 2, 3):
        filled = fill(backbone, tokens_of(backbone, 10), Tap(depth))
        os.utime(filled.activations.shelf.folder / "space.json", (depth * 1000, depth * 1000))
    size = store.entries()[0].bytes
    keep = store.space_of(backbone, Tap(1), "float32", "k").name
    dropped = store.make_room(2 * size + 1, 0, {keep})
    assert [one.depth for one in dropped] == [2]
    assert {one.depth for one in store.entries()} == {1, 3}
    assert store.clear() > 0
    assert store.entries() == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_only_the_owner_can_read(backbone: Transformer) -> None:
    filled = fill(backbone, tokens_of(backbone, 3), Tap(1))
    folder = filled.activations.shelf.folder
    assert folder.stat().st_mode & 0o077 == 0
    assert all(file.stat().st_mode & 0o077 == 0 for file in folder.glob("*.npy"))


def test_values_too_large_for_float16_are_refused(backbone: Transformer) -> None:
    from lightune.core.errors import UserError

    backbone.layers()[0].output.LayerNorm.weight.data *= 1e7  # type: ignore[union-attr]
    with pytest.raises(UserError, match="float32"):
        fill(backbone, tokens_of(backbone, 3), Tap(1), "float16")


def test_several_depths_are_read_in_one_pass_and_only_what_one_lacks(backbone: Transformer) -> None:
    tokens = tokens_of(backbone, 12)
    fill(backbone, tokens_of(backbone, 5), Tap(1))
    taps = [Tap(1), Tap(3), Tap(backbone.depth)]
    filled = fill_all(backbone, tokens, taps)
    assert filled.num_read == 12, "five of them are at depth 1 and nowhere else"
    batch = tokens.batch(np.arange(12), pad_id=backbone.pad_id)
    expected = backbone.below(batch, taps)
    for tap, hidden in filled.read(batch).items():
        assert torch.allclose(hidden, expected[tap] * batch.attention_mask[..., None], atol=1e-5)
    assert len(filled.activations[Tap(1)].shelf.place) == 12, "nothing is stored twice"
    assert sum(len(rows) for rows in filled.activations[Tap(1)].shelf.shards) == tokens.num_tokens
