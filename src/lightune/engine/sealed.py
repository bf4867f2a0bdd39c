"""Stored activations under a key: AES-256-GCM (NIST SP 800-38D) in chunks, so that a slice decrypts few.

A file is one line of JSON (shape, type, rows of a chunk) and then the chunks, each a nonce, the encrypted
rows and a tag. Each chunk is bound to its file's name and its place: none can be swapped unnoticed.
The key is made from the words in LIGHTUNE_CACHE_KEY by scrypt (RFC 7914), with a salt for each space.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightune.core.errors import UserError, require_extra
from lightune.core.tokens import Ints

VARIABLE = "LIGHTUNE_CACHE_KEY"
LEAST_CHARACTERS = 12
NONCE, TAG, SALT = 12, 16, 16
CHUNK_BYTES = 64_000
KNOWN_WORDS = b"lightune"  # encrypted into every space, to tell a wrong key from a damaged file
NEW_KEY = 'python -c "import secrets; print(secrets.token_urlsafe(32))"'


def require_key() -> str:
    """The words of the key.

    Raises:
        UserError: there are none, or they are too short to be one.
    """
    require_extra("cryptography", "privacy")
    words = os.environ.get(VARIABLE, "")
    if not words:
        raise UserError(
            f"--cache.encrypt needs a key in the environment, and {VARIABLE} is not set",
            hint=f"Make one with: {NEW_KEY}   and keep it: without it the activations are read again.",
        )
    if len(words) < LEAST_CHARACTERS:
        raise UserError(
            f"{VARIABLE} is only {len(words)} characters long, which is soon guessed",
            hint=f"Make a key with: {NEW_KEY}",
        )
    return words


@functools.cache
def _derive(words: str, salt: bytes) -> bytes:
    """32 bytes, from words and a salt: 50 ms a guess."""
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    return Scrypt(salt=salt, length=32, n=2**14, r=8, p=1).derive(words.encode())


class Seal:
    """The key of one space."""

    def __init__(self, salt: bytes) -> None:
        key = _derive(require_key(), salt)
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.salt = salt
        self._cipher = AESGCM(key)

    @classmethod
    def new(cls) -> Seal:
        """A key for a new space."""
        return cls(os.urandom(SALT))

    @classmethod
    def opened(cls, description: dict[str, Any], file: Path) -> Seal:
        """The key of a space that exists.

        Raises:
            UserError: it was made with another key.
        """
        from cryptography.exceptions import InvalidTag

        seal = cls(bytes.fromhex(description["salt"]))
        try:
            seal.open(bytes.fromhex(description["check"]), b"check")
        except InvalidTag:
            raise UserError(
                f"these activations were encrypted with another key than {VARIABLE} holds",
                file=file,
                hint="Set the key they were made with, or remove them: lightune cache clear --yes",
            ) from None
        return seal

    def description(self) -> dict[str, str]:
        """What `opened` needs: salt, and known words under the key."""
        return {"salt": self.salt.hex(), "check": self.seal(KNOWN_WORDS, b"check").hex()}

    def seal(self, data: bytes, place: bytes) -> bytes:
        """Nonce, encrypted `data`, tag."""
        nonce = os.urandom(NONCE)
        return nonce + self._cipher.encrypt(nonce, data, place)

    def open(self, data: bytes, place: bytes) -> bytes:
        """The reverse of `seal`."""
        return self._cipher.decrypt(data[:NONCE], data[NONCE:], place)


def sealed_bytes(seal: Seal, rows: NDArray[Any], name: str) -> bytes:
    """A whole file for `rows` (N, ...), which will be called `name`."""
    width = rows.itemsize * int(np.prod(rows.shape[1:]))
    per_chunk = max(1, CHUNK_BYTES // max(1, width))
    kind = rows.dtype.descr if rows.dtype.names else rows.dtype.str
    header = {"shape": rows.shape, "dtype": kind, "rows": per_chunk}
    found = io.BytesIO()
    found.write(json.dumps(header).encode() + b"\n")
    for number, start in enumerate(range(0, len(rows), per_chunk)):
        part = np.ascontiguousarray(rows[start : start + per_chunk]).tobytes()
        found.write(seal.seal(part, f"{name}:{number}".encode()))
    return found.getvalue()


def num_rows(file: Path) -> int:
    """Rows of a stored file, sealed or not; needs no key."""
    if file.suffix != ".sealed":
        return len(np.load(file, mmap_mode="r"))
    with file.open("rb") as stream:
        return int(json.loads(stream.readline())["shape"][0])


def save_array(path: Path, parts: Sequence[NDArray[Any]], seal: Seal | None) -> None:
    """Write the array that `parts` (n, ...) make end to end to `path` and an ending of its own.

    Owner-only, whole or not at all; what is not sealed is nowhere put together in memory.
    """
    path = path.with_name(path.name + (".sealed" if seal else ".npy"))
    work = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with work.open("wb") as stream:
            with contextlib.suppress(OSError):
                work.chmod(0o600)
            if seal:
                stream.write(sealed_bytes(seal, np.concatenate(parts), path.name))
            else:
                shape = (sum(map(len, parts)), *parts[0].shape[1:])
                header = {**np.lib.format.header_data_from_array_1_0(parts[0]), "shape": shape}
                np.lib.format.write_array_header_1_0(stream, header)
                for part in parts:
                    stream.write(np.ascontiguousarray(part).data)
        work.replace(path)
    finally:
        work.unlink(missing_ok=True)


class SealedRows:
    """Rows (N, ...) of a sealed file, decrypted chunk by chunk as they are asked for; none are kept."""

    def __init__(self, seal: Seal, file: Path) -> None:
        self.seal, self.file = seal, file
        with file.open("rb") as stream:
            header = json.loads(stream.readline())
            self.start = stream.tell()
        kind = header["dtype"]
        self.dtype = np.dtype([tuple(one) for one in kind] if isinstance(kind, list) else kind)
        self.shape, self.per_chunk = tuple(header["shape"]), header["rows"]
        self.width = self.dtype.itemsize * int(np.prod(self.shape[1:]))
        self.data = np.memmap(file, np.uint8, "r")

    def __len__(self) -> int:
        return int(self.shape[0])

    @property
    def _mmap(self) -> Any:
        """The mapping, for `Shelf.release`."""
        return self.data._mmap  # type: ignore[attr-defined]

    def chunk(self, number: int) -> NDArray[Any]:
        """The rows of one chunk.

        Raises:
            UserError: it is damaged, or not what was written there.
        """
        from cryptography.exceptions import InvalidTag

        rows = min(self.per_chunk, len(self) - number * self.per_chunk)
        begin = self.start + number * (self.per_chunk * self.width + NONCE + TAG)
        sealed = self.data[begin : begin + rows * self.width + NONCE + TAG].tobytes()
        try:
            plain = self.seal.open(sealed, f"{self.file.name}:{number}".encode())
        except InvalidTag:
            hint = "Remove the stored activations: lightune cache clear --yes"
            raise UserError("stored activations are damaged", file=self.file, hint=hint) from None
        return np.frombuffer(plain, self.dtype).reshape(rows, *self.shape[1:])

    def __getitem__(self, positions: Ints) -> NDArray[Any]:
        """(len(positions), ...) rows."""
        positions = np.asarray(positions, dtype=np.int64)
        found = np.empty((len(positions), *self.shape[1:]), self.dtype)
        owner = positions // self.per_chunk
        for number in np.unique(owner):
            mine = owner == number
            found[mine] = self.chunk(int(number))[positions[mine] - number * self.per_chunk]
        return found

    def whole(self) -> NDArray[Any]:
        """All rows."""
        return self[np.arange(len(self))]


def overwrite(file: Path) -> None:
    """Random bytes over a file, down to the disk, before it is unlinked.

    On a hard disk the old bytes are gone. Solid-state disks write elsewhere, journals and snapshots keep
    copies: there only encryption helps.
    """
    left = file.stat().st_size
    with file.open("r+b", buffering=0) as stream:
        while left > 0:
            part = os.urandom(min(left, 2**20))
            stream.write(part)
            left -= len(part)
        os.fsync(stream.fileno())
    file.unlink()
