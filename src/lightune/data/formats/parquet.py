"""Parquet files, read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lightune.core.errors import UserError
from lightune.core.rows import Row
from lightune.data.formats.base import Format
from lightune.data.settings import DataSettings


class Parquet(Format):
    """`.parquet`: typed columns, no line numbers."""

    suffixes = (".parquet", ".pq")

    def read(self, path: Path, settings: DataSettings) -> Iterator[Row]:
        """One row a record."""
        import pyarrow
        import pyarrow.parquet

        index = 0
        try:
            with pyarrow.parquet.ParquetFile(path) as file:
                self.columns = list(file.schema_arrow.names)
                for batch in file.iter_batches(batch_size=4096):
                    for values in batch.to_pylist():
                        yield Row(index, values, str(path))
                        index += 1
        except (pyarrow.ArrowException, OSError) as error:
            reason = str(error).split(".")[0]
            raise UserError(
                f"not a readable Parquet file ({reason})",
                hint="The file may be cut off or of another kind: copy it again, or save the data as CSV.",
                file=path,
            ) from None
