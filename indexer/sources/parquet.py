"""Parquet files, with images as bytes, Hugging Face structs, paths or URLs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vitrina.indexer.sources.base import Rejection, TableRow
from vitrina.search.types.errors import MissingDependencyError, SourceError

if TYPE_CHECKING:
    import pyarrow.parquet as pq

MAX_BATCH_ROWS = 64
BATCH_BYTES = 16 << 20
"""Rows decoded at once, and about the bytes that they take: a row with a larger image is alone."""


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

    def rows(self) -> Iterator[TableRow | Rejection]:
        """The rows, numbered from 1. If a row group is damaged, one rejection stands for the rest of it."""
        import pyarrow.parquet as pq

        first = 1
        with pq.ParquetFile(self.path, buffer_size=1 << 20, pre_buffer=False) as file:
            for group in range(file.num_row_groups):
                yield from self._group(file, group, first)
                first += file.metadata.row_group(group).num_rows

    def _group(self, file: pq.ParquetFile, group: int, first: int) -> Iterator[TableRow | Rejection]:
        import pyarrow as pa

        number = first
        head = file.metadata.row_group(group)
        n_rows = min(MAX_BATCH_ROWS, max(1, BATCH_BYTES * head.num_rows // max(1, head.total_byte_size)))
        try:
            for batch in file.iter_batches(batch_size=n_rows, row_groups=[group], use_threads=False):
                for cells in batch.to_pylist():
                    yield TableRow(f"{self.path.name}:{number}", cells)
                    number += 1
        except (pa.ArrowException, OSError, ValueError) as error:
            last = first + head.num_rows - 1
            reason = f"Rows {number:,} to {last:,} cannot be read: {' '.join(str(error).split())[:200]}."
            remedy = "Export the catalog again; the other rows are read."
            yield Rejection(f"{self.path.name}:{number}", reason, remedy, n_rows=last - number + 1)


def open_parquet(path: Path) -> ParquetTable:
    """Read the file's footer. Raises ``SourceError`` if it is not a Parquet file or has no rows, and
    ``MissingDependencyError`` without pyarrow."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingDependencyError(
            "pyarrow, which reads Parquet files, is not installed.",
            remedy="Install it: pip install 'vitrina[parquet]'; or export the catalog as CSV or JSON lines.",
        ) from error
    try:
        with pq.ParquetFile(path) as file:
            n_rows, columns = file.metadata.num_rows, tuple(file.schema_arrow.names)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"{path.name} is not a Parquet file that can be read: {' '.join(str(error).split())[:200]}.",
            remedy="Export it again.",
        ) from error
    if not n_rows:
        raise SourceError(f"{path.name} has no rows.", remedy="Export the catalog again.")
    return ParquetTable(path, columns, n_rows)
