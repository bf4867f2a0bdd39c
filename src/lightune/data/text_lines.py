"""Bytes to lines of text, decoded strictly: a bad byte is an error with its line, never a silent `?`."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from lightune.core.errors import UserError

# The first bytes of files that people hand over by mistake.
NOT_TEXT = {
    b"PK\x03\x04": "an Excel, Word or zip file. Open it and save it as CSV (UTF-8)",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file. Open it and save it as CSV (UTF-8)",
    b"%PDF": "a PDF. Copy its text into a CSV or text file",
    b"\x1f\x8b": "a gzip archive. Unpack it first (gunzip)",
    b"PAR1": "a Parquet file. Give it the ending .parquet",
    b"\x89PNG": "a picture. lightune reads text",
    b"SQLite": "a database. Export the table as CSV",
}


def open_binary(path: Path) -> BinaryIO:
    """The file's bytes; a missing permission is a `UserError`."""
    try:
        return path.open("rb")
    except OSError as error:
        raise UserError(f"cannot be opened: {error.strerror}", file=path) from None


def read_lines(path: Path, encoding: str) -> Iterator[str]:
    """The lines of a file, each with its end; only a line feed ends a line.

    Raises:
        UserError: bytes that are not text in this encoding, an unknown encoding, or no text file at all.
    """
    with open_binary(path) as stream:
        yield from decode_lines(stream, encoding, str(path))


def decode_lines(stream: BinaryIO, encoding: str, file: str) -> Iterator[str]:
    r"""As `read_lines`, from an open stream. U+2028, \x85 and \f are text, not line ends."""
    try:
        codec = codecs.lookup(encoding).name
    except LookupError:
        raise UserError(
            f"there is no encoding called {encoding!r}",
            hint="Common ones: utf-8, latin-1, cp1252, gb18030, big5, shift_jis, utf-16.",
            file=file,
        ) from None
    first = stream.readline()
    for magic, meaning in NOT_TEXT.items():
        if first.startswith(magic):
            raise UserError("this is not a text file", hint=f"It is {meaning}.", file=file)
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or codec.startswith(("utf-16", "utf-32")):
        wide = codec if codec.startswith(("utf-16", "utf-32")) else "utf-16"
        yield from _decode_whole(first + stream.read(), wide, file)
        return
    if 4 * first.count(0) > len(first):
        hint = "It is probably UTF-16: save it as UTF-8, or give --data.encoding utf-16-le."
        raise UserError("every other byte is zero, so this is not UTF-8 text", hint=hint, file=file)
    if codec in {"utf-8", "utf-8-sig"}:
        first, codec = first.removeprefix(codecs.BOM_UTF8), "utf-8"
    line, number = first, 1
    while line:
        try:
            yield line.decode(codec)
        except UnicodeDecodeError as error:
            raise _bad_byte(error, file, number) from None
        line = stream.readline()
        number += 1


def _decode_whole(data: bytes, encoding: str, file: str) -> Iterator[str]:
    """Lines of an encoding in which a line feed is more than one byte."""
    try:
        text = data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise _bad_byte(error, file, None) from None
    yield from io.StringIO(text, newline="\n")


def _bad_byte(error: UnicodeDecodeError, file: str, line: int | None) -> UserError:
    byte = error.object[error.start]
    return UserError(
        f"byte 0x{byte:02X} (byte {error.start + 1} of this line) is not {error.encoding.upper()} text",
        hint="Save the file as UTF-8, or say how it is stored: --data.encoding latin-1 (Western European) "
        "or --data.encoding gb18030 (Chinese).",
        file=file,
        line=line,
    )
