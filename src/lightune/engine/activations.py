"""The activation store: what the frozen part made of each sequence, computed once and kept on disk.

A space is all that must agree for two activations to mean the same: backbone, depth, reduction, stored dtype,
and the kernel that computed them. In it, every sequence has a content key (its token ids), so that new rows
are the only ones read again. Shards are written under another name and appear when complete: a half-written
one is never read, and two processes may fill the same space at once.

Letters: S sequences, N tokens of all, H width.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import shutil
import time
import uuid
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightune.backbones.base import Backbone, Tap
from lightune.backbones.streams import in_streams, tokens_of_pass
from lightune.core.errors import UserError
from lightune.core.paths import cache_folder, write_whole
from lightune.core.tokens import Batch, Ints, Tokens, flat_index, repad, unpad
from lightune.engine import sealed
from lightune.engine.batches import sequence_batches
from lightune.engine.sealed import Seal, SealedRows, num_rows, overwrite

if TYPE_CHECKING:
    import torch

    from lightune.core.progress import Bar

Below = Callable[[Batch, Sequence[Tap]], "Mapping[Tap, torch.Tensor]"]
SHARD_BYTES = 32 * 10**6
KEY_BYTES = 16
INDEX = ".index"
RELEASE_BYTES = 1 * 10**6  # pages of the shards kept mapped: the system's file cache still has the others
LARGEST_HALF = 6e4  # float16 ends at 65,504


@dataclass(frozen=True)
class Space:
    """What the activations of one folder have in common."""

    backbone: str
    digest: str
    depth: int
    reduction: str
    dtype: str
    kernel: str
    width: int
    is_sealed: bool = False

    @property
    def name(self) -> str:
        """The folder's name: a digest of all of it but the backbone's address."""
        known = {key: value for key, value in asdict(self).items() if key != "backbone"}
        if not self.is_sealed:
            known.pop("is_sealed")  # the names of spaces that were made before there were sealed ones
        return hashlib.blake2b(json.dumps(known, sort_keys=True).encode(), digest_size=12).hexdigest()


def store_folder() -> Path:
    """`activations` in the cache folder, owner-only: activations can reveal the text they came from."""
    folder = cache_folder() / "activations"
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder


class Shelf:
    """The shards of one space, memory-mapped."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.folder = store_folder() / space.name
        self.folder.mkdir(exist_ok=True, mode=0o700)
        description = self.folder / "space.json"
        self.seal = None
        if not description.exists():
            self.seal = Seal.new() if space.is_sealed else None
            lock = self.seal.description() if self.seal else {}
            write_whole(description, json.dumps({**asdict(space), **lock}).encode())
        elif space.is_sealed:
            self.seal = Seal.opened(json.loads(description.read_text()), description)
        os.utime(description)  # the store drops what was used longest ago
        self.shards: list[NDArray[Any] | SealedRows] = []
        self.place: dict[bytes, tuple[int, int, int]] = {}
        self._known: set[str] = set()
        self._unreleased = 0
        self.refresh()

    def release(self, num_bytes: int) -> None:
        """Count bytes that were read; now and then hand the mapped pages back, so that memory stays flat.

        Without it a process grows by every activation it has ever looked at. A no-op where the system has no
        such call (Windows trims mapped pages by itself).
        """
        self._unreleased += num_bytes
        if self._unreleased < RELEASE_BYTES or not hasattr(mmap, "MADV_DONTNEED"):
            return
        self._unreleased = 0
        for rows in self.shards:
            mapped = getattr(rows, "_mmap", None)
            if mapped is not None:
                mapped.madvise(mmap.MADV_DONTNEED)

    def refresh(self) -> None:
        """Take in shards that have appeared since."""
        for index in sorted(self.folder.glob(f"*{INDEX}*")):
            if index.name in self._known:
                continue
            data = index.with_name(index.name.replace(INDEX, ".data"))
            rows: NDArray[Any] | SealedRows
            try:
                if self.seal:
                    entries, rows = SealedRows(self.seal, index).whole(), SealedRows(self.seal, data)
                else:
                    entries, rows = np.load(index), np.load(data, mmap_mode="r")
            except (OSError, ValueError):
                continue  # another process has just dropped it
            self._known.add(index.name)
            self.shards.append(rows)
            starts = np.cumsum(entries["length"]) - entries["length"]
            number = len(self.shards) - 1
            for key, start, length in zip(entries["key"], starts, entries["length"], strict=True):
                self.place[key.tobytes()] = (number, int(start), int(length))

    def write(self, keys: Sequence[bytes], lengths: Ints, parts: Sequence[NDArray[Any]]) -> None:
        """Add a shard: `parts`, (N, H) of all, are the activations of S sequences end to end."""
        name = uuid.uuid4().hex
        entries = np.zeros(len(keys), dtype=[("key", f"V{KEY_BYTES}"), ("length", np.int64)])
        entries["key"] = np.array(keys, dtype=f"V{KEY_BYTES}")
        entries["length"] = lengths
        sealed.save_array(self.folder / f"{name}.data", parts, self.seal)
        sealed.save_array(self.folder / f"{name}{INDEX}", [entries], self.seal)
        self.refresh()


class StoredActivations:
    """The activations of a run's sequences, read batch by batch."""

    def __init__(self, shelf: Shelf, keys: Sequence[bytes], tap: Tap) -> None:
        self.shelf = shelf
        self.tap = tap
        places = np.array([shelf.place[key] for key in keys], dtype=np.int64).reshape(-1, 3)
        self.shard, self.start, self.length = places.T

    def rows(self, sequences: Ints) -> NDArray[Any]:
        """(N, H) stored activations of `sequences` end to end."""
        found = self._rows(sequences)
        self.shelf.release(found.nbytes)
        return found

    def _rows(self, sequences: Ints) -> NDArray[Any]:
        shards = self.shard[sequences]
        lengths, starts = self.length[sequences], self.start[sequences]
        first = int(shards[0])
        if (shards == first).all():
            return self.shelf.shards[first][flat_index(starts, lengths)[0]]
        found = np.empty((int(lengths.sum()), self.shelf.space.width), dtype=self.shelf.space.dtype)
        shard_of_row = np.repeat(shards, lengths)
        for shard in np.unique(shards):
            mine = shards == shard
            found[shard_of_row == shard] = self.shelf.shards[shard][
                flat_index(starts[mine], lengths[mine])[0]
            ]
        return found

    def read(self, batch: Batch) -> torch.Tensor:
        """(B, T, H) float32 with zeros on padding; (B, H) for a reduced tap."""
        import torch

        rows = torch.from_numpy(np.asarray(self.rows(batch.sequences))).to(batch.input_ids.device)
        return repad(rows.float(), batch) if self.tap.reduction == "tokens" else rows.float()


def space_of(backbone: Backbone, tap: Tap, dtype: str, kernel: str) -> Space:
    """The space that a backbone's activations at `tap` belong to; `kernel` says what computes them."""
    return Space(
        backbone=backbone.identifier,
        digest=backbone.digest + backbone.changed_below,
        depth=tap.depth,
        reduction=tap.reduction,
        dtype=dtype,
        kernel=kernel,
        width=backbone.width,
    )


def bytes_needed(tokens: Tokens, tap: Tap, space: Space) -> int:
    """Bytes that the activations of `tokens` take, were none stored yet."""
    places = tokens.num_tokens if tap.reduction == "tokens" else len(tokens.offsets) - 1
    return places * space.width * np.dtype(space.dtype).itemsize


@dataclass(frozen=True)
class Filled:
    """What filling did: the activations by tap, sequences read now and found stored, seconds."""

    activations: Mapping[Tap, StoredActivations]
    num_read: int
    num_found: int
    num_tokens_read: int
    seconds: float

    def only(self, taps: Sequence[Tap]) -> Filled:
        """The same filling, of which only `taps` are read."""
        return replace(self, activations={tap: self.activations[tap] for tap in taps})

    def read(self, batch: Batch) -> dict[Tap, torch.Tensor]:
        """The stored activations of a batch at every tap."""
        return {tap: stored.read(batch) for tap, stored in self.activations.items()}


class Filling:
    """Which sequences are missing from the shelves of some taps, and the adding of them."""

    def __init__(self, tokens: Tokens, spaces: Mapping[Tap, Space]) -> None:
        self.tokens = tokens
        self.keys = tokens.keys()
        self.shelves = {tap: Shelf(space) for tap, space in spaces.items()}
        first_of = {key: number for number, key in reversed(list(enumerate(self.keys)))}
        self.unique = np.array(sorted(first_of.values()), dtype=np.int64)
        self.lacking = {
            tap: {number for number in self.unique.tolist() if self.keys[number] not in shelf.place}
            for tap, shelf in self.shelves.items()
        }
        self.missing: set[int] = set().union(*self.lacking.values())
        self._pending: dict[Tap, list[tuple[list[bytes], Ints, NDArray[Any]]]] = {}
        self._size = 0

    @property
    def num_missing_tokens(self) -> int:
        """Tokens of the sequences that at least one tap lacks."""
        return int(self.tokens.lengths[list(self.missing)].sum()) if self.missing else 0

    def stored_forms(self, batch: Batch, found: Mapping[Tap, torch.Tensor]) -> dict[Tap, NDArray[Any]]:
        """What was computed for a batch as the shelves hold it; `UserError` where float16 cannot."""
        forms = {}
        for tap, hidden in found.items():
            rows = unpad(hidden, batch) if tap.reduction == "tokens" else hidden
            forms[tap] = _stored_form(rows, self.shelves[tap].space.dtype)
        return forms

    def add(self, sequences: Ints, found: Mapping[Tap, NDArray[Any]]) -> None:
        """Take in the stored forms of a batch of `sequences`; written shard by shard."""
        for tap, rows_of_all in found.items():
            wanted = np.array([number in self.lacking[tap] for number in sequences.tolist()])
            if not wanted.any():
                continue
            is_by_token = tap.reduction == "tokens"
            lengths = self.tokens.lengths[sequences] if is_by_token else np.ones(len(sequences), np.int64)
            rows = rows_of_all[np.repeat(wanted, lengths)]  # a copy: what a thread keeps, its heap grows by
            lengths = lengths[wanted]
            keys = [self.keys[number] for number in sequences[wanted]]
            self._pending.setdefault(tap, []).append((keys, lengths, rows))
            self._size += rows.nbytes
        if self._size > SHARD_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what has been added since the last shard."""
        for tap, parts in self._pending.items():
            keys = [key for part, _, _ in parts for key in part]
            lengths = np.concatenate([part for _, part, _ in parts])
            self.shelves[tap].write(keys, lengths, [part for _, _, part in parts])
        self._pending.clear()
        self._size = 0

    def opened(self) -> dict[Tap, StoredActivations]:
        """The activations of all sequences; only once none is missing."""
        return {tap: StoredActivations(shelf, self.keys, tap) for tap, shelf in self.shelves.items()}


def fill(
    backbone: Backbone, filling: Filling, below: Below, *, batch_tokens: int, bar: Bar, streams: int = 1
) -> Filled:
    """Read through the frozen part, by `below`, what is not stored yet, and open all of it.

    The batches are planned over all sequences before the stored ones are left out, so that a killed and
    resumed filling computes the same numbers as an undisturbed one. Up to `streams` are read at once.

    Raises:
        UserError: a value does not fit float16.
    """
    began = time.perf_counter()
    tokens, missing = filling.tokens, filling.missing
    batches = sequence_batches(tokens.lengths, filling.unique, tokens_of_pass(batch_tokens, streams))
    lacking = [np.array([one for one in some.tolist() if one in missing], dtype=np.int64) for some in batches]
    taps = [tap for tap, numbers in filling.lacking.items() if numbers]

    def read(sequences: Ints) -> dict[Tap, NDArray[Any]]:
        if not len(sequences):
            return {}
        owner = np.arange(len(sequences))
        batch = tokens.batch_of_sequences(sequences, owner, pad_id=backbone.pad_id, device=backbone.device)
        return filling.stored_forms(batch, below(batch, taps))

    results = in_streams(read, lacking, min(streams, max(1, sum(len(some) > 0 for some in lacking))))
    for some, sequences, found in zip(batches, lacking, results, strict=True):
        bar.advance(int(tokens.lengths[some].sum()))
        filling.add(sequences, found)
    filling.flush()
    return Filled(
        filling.opened(),
        len(missing),
        len(filling.unique) - len(missing),
        filling.num_missing_tokens,
        time.perf_counter() - began,
    )


def _stored_form(rows: torch.Tensor, dtype: str) -> NDArray[Any]:
    """As `dtype`; by torch, which rounds to float16 fifty times as fast as NumPy does."""
    largest = max(abs(float(one)) for one in rows.aminmax())
    if dtype == "float16" and largest > LARGEST_HALF:
        raise UserError(
            f"this model's activations reach {largest:.3g}, more than float16 holds",
            hint="Add: --cache.dtype float32",
        )
    return (rows.half() if dtype == "float16" else rows.float()).cpu().numpy()


@dataclass(frozen=True)
class Entry:
    """One space on disk, for `lightune cache show`."""

    name: str
    backbone: str
    depth: int
    reduction: str
    dtype: str
    num_sequences: int
    bytes: int
    used: float


def entries() -> list[Entry]:
    """All spaces, used last first."""
    found = []
    for description in store_folder().glob("*/space.json"):
        with contextlib.suppress(OSError, ValueError, KeyError):
            known = json.loads(description.read_text())
            files = list(description.parent.iterdir())
            size = sum(file.stat().st_size for file in files)
            number = sum(num_rows(file) for file in files if INDEX in file.name)
            used = description.stat().st_mtime
            found.append(
                Entry(
                    description.parent.name,
                    known["backbone"],
                    known["depth"],
                    known["reduction"],
                    known["dtype"],
                    number,
                    size,
                    used,
                )
            )
    return sorted(found, key=lambda entry: -entry.used)


def make_room(limit_bytes: int, needed_bytes: int, keep: Container[str]) -> list[Entry]:
    """Drop the spaces used longest ago until `needed_bytes` more fit; never those named in `keep`."""
    known = entries()
    total = sum(entry.bytes for entry in known)
    dropped = []
    for entry in reversed(known):
        if total + needed_bytes <= limit_bytes:
            break
        if entry.name not in keep:
            clear([entry.name])
            total -= entry.bytes
            dropped.append(entry)
    return dropped


def clear(names: Sequence[str] | None = None, *, is_secure: bool = False) -> int:
    """Remove spaces (all of them for None), `is_secure`: overwritten before; returns the bytes freed."""
    freed = 0
    for entry in entries():
        if names is None or entry.name in names:
            for file in (store_folder() / entry.name).iterdir() if is_secure else ():
                overwrite(file)
            shutil.rmtree(store_folder() / entry.name, ignore_errors=True)
            freed += entry.bytes
    return freed
