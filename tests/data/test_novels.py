"""Austen's novels come out of R's own file format."""

from __future__ import annotations

import io
import struct
import tarfile
import zlib
from pathlib import Path

from lightune.data.novels import BLOCKS, read_austen


def serialised(texts: list[str]) -> bytes:
    """A vector of texts as R writes it."""
    header = b"X\n" + bytes(12) + struct.pack(">i", 5) + b"UTF-8"
    parts = [struct.pack(">2i", 0x40009, len(text.encode())) + text.encode() for text in texts]
    return header + struct.pack(">2i", 16, len(texts)) + b"".join(parts)


def package(folder: Path, blocks: list[bytes]) -> Path:
    """A Debian package that holds the blocks."""
    packed = b"".join(struct.pack(">i", len(block)) + zlib.compress(block) for block in blocks)
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:xz") as archive:
        member = tarfile.TarInfo(BLOCKS)
        member.size = len(packed)
        archive.addfile(member, io.BytesIO(packed))
    data = inner.getvalue()
    header = f"{'data.tar.xz':<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode()
    path = folder / "made.deb"
    path.write_bytes(b"!<arch>\n" + header + data)
    return path


def test_paragraphs_with_their_book(tmp_path: Path) -> None:
    first = serialised(
        ["EMMA", "", "VOLUME I", "", "Emma Woodhouse, handsome,", "clever, and rich", "", "Café"]
    )
    second = serialised(["PERSUASION", "", "Sir Walter"])
    rows = list(read_austen(package(tmp_path, [first, second])))
    assert rows == [
        ("EMMA", "Emma"),
        ("VOLUME I", "Emma"),
        ("Emma Woodhouse, handsome, clever, and rich", "Emma"),
        ("Café", "Emma"),
        ("PERSUASION", "Persuasion"),
        ("Sir Walter", "Persuasion"),
    ]
