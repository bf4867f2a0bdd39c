"""Token sequences, unpadded in memory (`Tokens`) and padded for a model (`Batch`).

Letters: E examples, S sequences (an example is one sequence, or several windows of a long text),
N tokens of all sequences joined, B sequences of a batch, T tokens of its longest sequence, H width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Tokens:
    """The tokens of E examples end to end.

    Attributes:
        ids: (N,) int32 token ids.
        types: (N,) uint8 segment ids, or None where the model has none.
        offsets: (S + 1,) sequence s is `ids[offsets[s]:offsets[s + 1]]`.
        windows: (E + 1,) example e is the sequences `windows[e]:windows[e + 1]`.
        units: (N,) int32, what a token stands for in the task's answer (the number of a word, the token to
            be predicted next, ...), -1 for nothing; None where an example has one answer.
    """

    ids: NDArray[np.int32]
    types: NDArray[np.uint8] | None
    offsets: Ints
    windows: Ints
    units: NDArray[np.int32] | None = None

    @classmethod
    def from_lists(
        cls,
        ids: Sequence[Sequence[int]],
        types: Sequence[Sequence[int]] | None,
        windows: Sequence[int],
        units: Sequence[Sequence[int]] | None = None,
    ) -> Tokens:
        """Join S id lists; `windows` (E,) is the number of sequences of each example."""
        lengths = [len(one) for one in ids]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        flat = np.fromiter((i for one in ids for i in one), np.int32, int(offsets[-1]))
        kinds = None
        if types is not None:
            kinds = np.fromiter((i for one in types for i in one), np.uint8, int(offsets[-1]))
        carried = None
        if units is not None:
            carried = np.fromiter((i for one in units for i in one), np.int32, int(offsets[-1]))
        return cls(flat, kinds, offsets, np.concatenate([[0], np.cumsum(windows)]).astype(np.int64), carried)

    @property
    def num_examples(self) -> int:
        """E."""
        return len(self.windows) - 1

    @property
    def num_tokens(self) -> int:
        """N."""
        return len(self.ids)

    @property
    def lengths(self) -> Ints:
        """(S,) tokens of each sequence."""
        return np.diff(self.offsets)

    @property
    def example_lengths(self) -> Ints:
        """(E,) tokens of the longest sequence of each example: what it is padded to."""
        if len(self.offsets) - 1 == self.num_examples:
            return self.lengths
        return np.maximum.reduceat(self.lengths, self.windows[:-1]).astype(np.int64)

    def num_answers(self, examples: Ints) -> int:
        """How many answers some examples ask for: one each, or one for every unit."""
        if self.units is None:
            return len(examples)
        sequences, _ = self.sequences_of(np.asarray(examples, dtype=np.int64))
        flat, _ = flat_index(self.offsets[sequences], self.lengths[sequences])
        return int((self.units[flat] >= 0).sum())

    def sequences_of(self, examples: Ints) -> tuple[Ints, Ints]:
        """(S',) sequences of `examples` (B,), and (S',) which of the B each belongs to."""
        counts = self.windows[examples + 1] - self.windows[examples]
        owner = np.repeat(np.arange(len(examples)), counts)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self.windows[examples][owner] + within, owner

    def keys(self) -> list[bytes]:
        """A 16-byte content key of every sequence: its token ids and segment ids."""
        bounds = zip(self.offsets[:-1], self.offsets[1:], strict=True)
        if self.types is None:
            return [_key(self.ids[a:b].tobytes()) for a, b in bounds]
        return [_key(self.ids[a:b].tobytes() + b"|" + self.types[a:b].tobytes()) for a, b in bounds]

    def batch(self, examples: Ints, *, pad_id: int, device: str = "cpu") -> Batch:
        """The padded batch of some examples, all their windows included."""
        sequences, owner = self.sequences_of(np.asarray(examples, dtype=np.int64))
        return self.batch_of_sequences(sequences, owner, pad_id=pad_id, device=device)

    def batch_of_sequences(self, sequences: Ints, owner: Ints, *, pad_id: int, device: str) -> Batch:
        """The padded batch of some sequences; `owner` says which example of the batch each is part of."""
        import torch

        lengths = self.lengths[sequences]
        flat, mask = flat_index(self.offsets[sequences], lengths)
        ids = np.full(mask.shape, pad_id, dtype=np.int64)
        ids[mask] = self.ids[flat]
        types = None
        if self.types is not None:
            kinds = np.zeros(mask.shape, dtype=np.int64)
            kinds[mask] = self.types[flat]
            types = torch.from_numpy(kinds).to(device)
        units = None
        if self.units is not None:
            carried = np.full(mask.shape, -1, dtype=np.int64)
            carried[mask] = self.units[flat]
            units = torch.from_numpy(carried).to(device)
        return Batch(
            input_ids=torch.from_numpy(ids).to(device),
            attention_mask=torch.from_numpy(mask.astype(np.int64)).to(device),
            token_type_ids=types,
            owner=torch.from_numpy(owner).to(device),
            num_examples=int(owner[-1]) + 1 if len(owner) else 0,
            sequences=sequences,
            units=units,
        )


def _key(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def flat_index(starts: Ints, lengths: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Where B slices lie in a joined array: ((total length,) positions, (B, T) mask of real places)."""
    longest = int(lengths.max()) if len(lengths) else 0
    mask = np.arange(longest)[None, :] < lengths[:, None]
    flat = (starts[:, None] + np.arange(longest)[None, :])[mask]
    return flat, mask


@dataclass(frozen=True)
class Batch:
    """Padded sequences for one pass.

    Attributes:
        input_ids: (B, T); attention_mask: (B, T), 1 on real tokens; token_type_ids: (B, T) or None.
        owner: (B,) which example of the batch a sequence is a window of.
        num_examples: how many examples the B sequences make.
        sequences: (B,) their numbers in the `Tokens` they came from.
        units: (B, T) what each token stands for, -1 for nothing; None where an example has one answer.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    token_type_ids: torch.Tensor | None
    owner: torch.Tensor
    num_examples: int
    sequences: Ints
    units: torch.Tensor | None = None

    def inputs(self) -> dict[str, torch.Tensor]:
        """Keyword arguments for a transformers model."""
        known = {"input_ids": self.input_ids, "attention_mask": self.attention_mask}
        return known if self.token_type_ids is None else {**known, "token_type_ids": self.token_type_ids}

    @property
    def num_padded_tokens(self) -> int:
        """B times T: what the batch costs."""
        return self.input_ids.numel()


def unpad(hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
    """(B, T, H) -> (N, H): the real tokens, sequence after sequence."""
    places = batch.attention_mask.flatten().nonzero()[:, 0]
    return hidden.flatten(0, 1).index_select(0, places)  # whole rows: 16 times as fast as by the mask


def repad(hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
    """(N, H) -> (B, T, H) with zeros on padding: the reverse of `unpad`."""
    padded = hidden.new_zeros((*batch.attention_mask.shape, hidden.shape[-1]))
    padded[batch.attention_mask.bool()] = hidden
    return padded


def pool_windows(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """(B, C) logits of windows -> (examples, C): the mean over the windows of each example."""
    if len(batch.owner) == batch.num_examples:
        return logits
    import torch

    total = logits.new_zeros((batch.num_examples, *logits.shape[1:])).index_add(0, batch.owner, logits)
    counts = torch.bincount(batch.owner, minlength=batch.num_examples).to(logits.dtype)
    return total / counts[:, None]
