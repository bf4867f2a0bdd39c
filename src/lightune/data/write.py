"""Predictions to a file, row by row; the file appears under its name only when it is complete."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from lightune.core.errors import UserError
from lightune.core.paths import is_disk_full

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
BATCH_ROWS = 4096  # rows of a Parquet batch; the first one decides the types


class Writer:
    """`with Writer("out.csv", ["text", "predicted"]) as writer: writer.write(row)`.

    Args:
        path: `.csv`, `.tsv`, `.jsonl` or `.parquet`; None or `-` writes CSV to stdout.
        columns: the columns in order; other keys of a row come after them in `.jsonl`, and are left out
            where columns are fixed.

    Raises:
        UserError: an unknown ending, a folder that does not exist, no permission, a full disk.
    """

    def __init__(self, path: str | None, columns: Sequence[str]) -> None:
        self.columns = list(columns)
        self.final = None if path in {None, "-"} else Path(str(path)).expanduser()
        self.suffix = self.final.suffix.lower() if self.final else ".csv"
        if self.suffix not in SUFFIXES:
            hint = f"Use one of: {', '.join(SUFFIXES)}."
            raise UserError(
                f"cannot write a file with the ending {self.suffix!r}", hint=hint, file=self.final
            )
        if self.final:
            check_place(self.final)
        self.num_rows = 0
        self._stream: IO[str] | None = None
        self._parquet: Any = None
        self._waiting: list[dict[str, Any]] = []

    @property
    def work(self) -> Path:
        """Where the rows go until the file is complete."""
        assert self.final is not None
        return self.final.with_name(f".{self.final.name}.{os.getpid()}.part")

    def __enter__(self) -> Writer:
        if self.final is None:
            self._stream = sys.stdout
        elif self.suffix != ".parquet":
            try:
                self._stream = self.work.open("w", encoding="utf-8", newline="")
            except OSError as error:
                raise failed(error, self.final) from None
        if self._stream is not None and self.suffix in {".csv", ".tsv"}:
            mark = "\t" if self.suffix == ".tsv" else ","
            self._csv = csv.writer(self._stream, delimiter=mark, lineterminator="\n")
            self._csv.writerow(self.columns)
        return self

    def write(self, row: Mapping[str, Any]) -> None:
        """Add one row."""
        self.num_rows += 1
        try:
            if self.suffix == ".parquet":
                self._waiting.append({name: row.get(name) for name in self.columns})
                if len(self._waiting) >= BATCH_ROWS:
                    self._write_batch()
            elif self.suffix == ".jsonl":
                assert self._stream is not None
                found = {**{name: row.get(name) for name in self.columns}, **row}
                self._stream.write(json.dumps(found, ensure_ascii=False, default=str) + "\n")
            else:
                self._csv.writerow([_cell(row.get(name)) for name in self.columns])
        except OSError as error:
            if self.final is None:
                raise
            raise failed(error, self.final) from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.final is None:
            sys.stdout.flush()
            return
        try:
            if kind is None and self.suffix == ".parquet":
                self._write_batch()
            for stream in (self._stream, self._parquet):
                if stream is not None:
                    stream.close()
            if kind is None:
                self.work.replace(self.final)
        except OSError as problem:
            raise failed(problem, self.final) from None
        finally:
            self.work.unlink(missing_ok=True)

    def _write_batch(self) -> None:
        import pyarrow
        import pyarrow.parquet

        schema = self._parquet.schema if self._parquet else None
        try:
            if schema is None:
                found = pyarrow.Table.from_pylist(self._waiting) if self._waiting else None
                types = [
                    (name, found.schema.field(name).type if found else pyarrow.string())
                    for name in self.columns
                ]
                known = [(n, pyarrow.string() if pyarrow.types.is_null(t) else t) for n, t in types]
                schema = pyarrow.schema(known)
                self._parquet = pyarrow.parquet.ParquetWriter(self.work, schema)
            self._parquet.write_table(pyarrow.Table.from_pylist(self._waiting, schema=schema))
        except pyarrow.ArrowException as error:
            hint = "Write .csv or .jsonl instead; Parquet needs one type a column."
            raise UserError(
                f"a column holds values of several types: {error}", hint=hint, file=self.final
            ) from None
        self._waiting = []


def check_place(file: Path) -> None:
    """Raise `UserError` when no file can come to stand there."""
    if not file.parent.is_dir():
        hint = f"Make it first: mkdir -p {file.parent}"
        raise UserError("the folder of the output file does not exist", hint=hint, file=file)
    if file.is_dir():
        raise UserError("the output must be a file; this is a folder", file=file)


def failed(error: OSError, file: Path) -> UserError:
    """The error for a file that the system does not let be written."""
    hint = "Free some room on the disk." if is_disk_full(error) else "Choose another place with --output."
    return UserError(f"cannot be written: {error.strerror or error}", hint=hint, file=file)


def _cell(value: Any) -> Any:
    """Lists and objects as JSON; None as nothing."""
    return (
        json.dumps(value, ensure_ascii=False, default=str)
        if isinstance(value, (list, tuple, dict))
        else value
    )
