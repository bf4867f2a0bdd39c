"""A corpus as one stream of token ids on disk, memory-mapped: it may be larger than memory.

The texts stand one behind another, each with an end token behind it, and blocks are cut from the stream
without padding.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightune.core.errors import UserError
from lightune.core.paths import require_free
from lightune.core.progress import Show
from lightune.core.randomness import generator
from lightune.pretraining.vocabulary import Vocabulary

Ids = NDArray[np.int64]
ORDER = 23  # the purpose of the random stream


@dataclass(frozen=True)
class Stream:
    """Token ids on disk.

    Attributes:
        ids: (N,) memory-mapped, unsigned.
        num_texts: end tokens among them.
        num_bytes: of the texts' UTF-8, and one for the end of each.
    """

    ids: NDArray[np.unsignedinteger]
    num_texts: int
    num_bytes: int

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, start: int, length: int) -> Ids:
        """(length,) ids from `start`; behind the end of the stream it begins again."""
        start %= len(self.ids)
        found = np.asarray(self.ids[start : start + length], dtype=np.int64)
        while len(found) < length:
            rest = np.asarray(self.ids[: length - len(found)], dtype=np.int64)
            found = np.concatenate([found, rest])
        return found


def write_stream(
    texts: Iterable[str], vocabulary: Vocabulary, folder: Path, show: Show, num_bytes: int = 0
) -> Stream:
    """Tokenize `texts` into `folder` (whole or not at all), or open what an earlier call wrote there.

    Args:
        num_bytes: size of the texts, for the bar and to see that they fit on the disk.

    Raises:
        UserError: no room on the disk, or not a token in the texts.
    """
    if not (folder / "stream.json").exists():
        _write(texts, vocabulary, folder, show, num_bytes)
    stream = open_stream(folder)
    if not len(stream):
        raise UserError("there is no text in this corpus", hint="Give a file with a text a line.")
    return stream


def open_stream(folder: Path) -> Stream:
    """What `write_stream` wrote."""
    known = json.loads((folder / "stream.json").read_text())
    ids = np.zeros(0, dtype=known["dtype"])
    if known["num_tokens"]:
        ids = np.memmap(folder / "ids.bin", dtype=known["dtype"], mode="r", shape=(known["num_tokens"],))
    return Stream(ids, known["num_texts"], known["num_bytes"])


def _write(texts: Iterable[str], vocabulary: Vocabulary, folder: Path, show: Show, num_bytes: int) -> None:
    dtype = np.dtype(np.uint16 if vocabulary.size <= 2**16 else np.uint32)
    require_free(folder.parent, num_bytes * dtype.itemsize // 2, "the corpus as tokens")
    work = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(work, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    work.mkdir(parents=True)
    end = vocabulary.end_id
    num_tokens = num_texts = seen = 0
    with (work / "ids.bin").open("wb") as file, show.bar("cutting into tokens", max(num_bytes, 1)) as bar:
        for text, ids in vocabulary.encode_all(texts):
            file.write(np.array([*ids, end], dtype=dtype).tobytes())
            size = len(text.encode("utf-8")) + 1
            num_tokens, num_texts, seen = num_tokens + len(ids) + 1, num_texts + 1, seen + size
            bar.advance(size)
    known = {"dtype": dtype.name, "num_tokens": num_tokens, "num_texts": num_texts, "num_bytes": seen}
    (work / "stream.json").write_text(json.dumps(known))
    work.rename(folder)


@dataclass(frozen=True)
class Blocks:
    """Blocks of one length cut from a stream, in another order and from another place every epoch."""

    stream: Stream
    length: int
    rows: int
    seed: int

    @property
    def num_blocks(self) -> int:
        """Blocks of one epoch."""
        return max(1, len(self.stream) // self.length)

    @property
    def steps_an_epoch(self) -> int:
        """Steps of `rows` blocks in one epoch."""
        return max(1, self.num_blocks // self.rows)

    def step(self, number: int, extra: int = 0) -> Ids:
        """(B, length + extra) ids of step `number`, counted through all epochs."""
        epoch, place = divmod(number, self.steps_an_epoch)
        random = generator(self.seed, ORDER, epoch)
        shift = int(random.integers(len(self.stream)))
        chosen = random.permutation(self.num_blocks)[place * self.rows : (place + 1) * self.rows]
        starts = shift + chosen * self.length
        return np.stack([self.stream.take(int(start), self.length + extra) for start in starts])


def lanes(stream: Stream, rows: int) -> int:
    """Tokens of each of `rows` parts that a stream is cut into, to be read side by side."""
    return max(2, len(stream) // rows)
