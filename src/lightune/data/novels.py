"""Jane Austen's six novels out of R's janeaustenr in Debian: an .rdb file, one zlib block a novel."""

from __future__ import annotations

import io
import struct
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from lightune.data.parallel import debian_member

BLOCKS = "./usr/lib/R/site-library/janeaustenr/data/Rdata.rdb"
HEADER = b"X\n"  # R's serialisation, big-endian
TEXTS, TEXT = 16, 9  # R's type numbers: a vector of texts, one text


def read_austen(archive: Path) -> Iterator[tuple[str, str]]:
    """(paragraph, book) of the six novels, in the order of the package."""
    with tarfile.open(
        fileobj=io.BytesIO(debian_member(archive.read_bytes(), "data.tar")), mode="r:*"
    ) as folder:
        stream = folder.extractfile(BLOCKS)
        assert stream is not None
        data = stream.read()
    place = 0
    while place + 4 < len(data):
        unpacker = zlib.decompressobj()  # a block is its unpacked length in four bytes, then the zlib stream
        block = unpacker.decompress(data[place + 4 :])
        place = len(data) - len(unpacker.unused_data)
        lines = list(_texts(block))
        yield from ((paragraph, lines[0].title()) for paragraph in _paragraphs(lines))


def _texts(block: bytes) -> Iterator[str]:
    """The texts of a serialised vector of texts: 14 bytes of header, the encoding's name, the vector."""
    assert block.startswith(HEADER), block[:2]
    (length,) = struct.unpack_from(">i", block, 14)
    place = 18 + length
    kind, number = struct.unpack_from(">2i", block, place)
    assert kind & 0xFF == TEXTS, kind
    place += 8
    for _ in range(number):
        kind, length = struct.unpack_from(">2i", block, place)
        assert kind & 0xFF == TEXT, kind
        place += 8
        yield block[place : place + max(length, 0)].decode("utf-8")
        place += max(length, 0)


def _paragraphs(lines: list[str]) -> Iterator[str]:
    """Lines joined up to the next empty one."""
    held: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            held.append(line.strip())
        elif held:
            yield " ".join(held)
            held = []
