"""Catalogs indexed for measuring."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from indexer.fetch import Fetcher
from indexer.pipeline import Indexer, Progress
from indexer.sources import open_source
from search.encoders.base import Encoder
from search.engine import SearchEngine
from search.home import Home


@dataclass(frozen=True, slots=True)
class Indexed:
    """A catalog in a temporary home: its engine, what indexing reported, and the rows as they were read."""

    home: Home
    engine: SearchEngine
    report: Progress
    rows: list[dict[str, object]]


@contextmanager
def indexed(encoder: Encoder, path: Path, columns: list[str] | None = None) -> Iterator[Indexed]:
    """Index a Parquet file, or only some of its columns, through the same doors as ``vitrina index``."""
    with TemporaryDirectory() as folder:
        table = pq.read_table(path, columns=columns)
        catalog = Path(folder) / "catalog.parquet"
        pq.write_table(table, catalog, row_group_size=1000)
        home = Home(Path(folder) / "home")
        report = Indexer(home, encoder, Fetcher()).run(open_source(str(catalog), {}))
        yield Indexed(home, home.open_engine(encoder), report, pq.read_table(path).to_pylist())
        home.close()
