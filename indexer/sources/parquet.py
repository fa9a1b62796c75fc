"""Parquet files, with pictures as bytes, Hugging Face structs, paths or URLs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from indexer.record import Rejection
from indexer.sources.table import Row
from search.errors import SourceError

N_BATCH_ROWS = 64
"""Rows decoded at once: with pictures of 1 MB, 64 MB."""


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """A Parquet file, read in small batches within each row group."""

    path: Path
    columns: tuple[str, ...]
    n_rows: int
    notes: tuple[str, ...] = ()

    @property
    def format(self) -> str:
        """Always ``Parquet``."""
        return "Parquet"

    def rows(self) -> Iterator[Row | Rejection]:
        """The rows, numbered from 1. Where the file cannot be read on, one rejection stands for the rest of it."""
        number = 0
        try:
            with pq.ParquetFile(self.path, buffer_size=1 << 20, pre_buffer=False) as file:
                for batch in file.iter_batches(batch_size=N_BATCH_ROWS, use_threads=False):
                    for cells in batch.to_pylist():
                        number += 1
                        yield Row(f"{self.path.name}:{number}", cells)
        except (pa.ArrowException, OSError, ValueError) as error:
            reason = f"The file cannot be read past row {number:,} of {self.n_rows:,}: {str(error)[:200]}."
            yield Rejection(
                f"{self.path.name}:{number + 1}", reason, "Export the catalog again; the rows before are read."
            )


def open_parquet(path: Path) -> ParquetTable:
    """Read the file's footer. Raises ``SourceError`` if it is no Parquet file or has no rows."""
    try:
        with pq.ParquetFile(path) as file:
            n_rows, columns = file.metadata.num_rows, tuple(file.schema_arrow.names)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"{path.name} is no Parquet file that can be read: {str(error)[:200]}.", remedy="Export it again."
        ) from error
    if not n_rows:
        raise SourceError(f"{path.name} has no rows.", remedy="Export the catalog again.")
    return ParquetTable(path, columns, n_rows)
