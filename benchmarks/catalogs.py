"""Catalogs indexed for measuring."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from indexer.fetch import Fetcher
from indexer.pipeline import Indexer, Progress
from indexer.sources import open_source
from search.encoders.base import Encoder
from search.engine import SearchEngine
from search.home import Home
from search.item import Item

Row = Mapping[str, object]
"""One row of a Parquet file, its picture as encoded bytes."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """A catalog in a temporary home: its engine, what indexing reported, and the rows as they were read."""

    home: Home
    engine: SearchEngine
    report: Progress
    rows: Sequence[Row]


@contextmanager
def indexed(encoder: Encoder, path: Path, *, pictures_alone: bool = False) -> Iterator[Indexed]:
    """Index a Parquet file through the same doors as ``vitrina index``.

    ``pictures_alone`` leaves every other column out and numbers the rows instead of naming them by their sku, since a
    sku such as ``golden-delicious_001`` would be found by its words.
    """
    table = pq.read_table(path)
    if pictures_alone:
        numbers = pa.array([str(number) for number in range(table.num_rows)])
        table = table.set_column(table.schema.get_field_index("sku"), "sku", numbers)
    with TemporaryDirectory() as folder:
        catalog = Path(folder) / "catalog.parquet"
        pq.write_table(table.select(["sku", "image"]) if pictures_alone else table, catalog, row_group_size=1000)
        home = Home(Path(folder) / "home")
        report = Indexer(home, encoder, Fetcher()).run(open_source(str(catalog), {}))
        yield Indexed(home, home.open_engine(encoder), report, table.to_pylist())
        home.close()


def read_rows(path: Path) -> list[Row]:
    """All rows of a Parquet file."""
    return [*pq.read_table(path).to_pylist()]


def labelled_items(rows: Sequence[Row]) -> list[Item]:
    """The rows as items, with their title and all labels, whatever of them is indexed; a sku counts once, as there."""
    items: dict[str, Item] = {}
    for row in rows:
        labels = {name: value for name, value in row.items() if name not in {"sku", "title", "image", "description"}}
        attributes = {name: str(value) for name, value in labels.items() if value is not None}
        items.setdefault(str(row["sku"]), Item(str(row["sku"]), str(row["title"] or ""), attributes=attributes))
    return list(items.values())


def encoded_picture(row: Row) -> bytes:
    """A row's picture as its file has it."""
    picture = row["image"]
    assert isinstance(picture, bytes)
    return picture


def picture_of(row: Row) -> Image.Image:
    """A row's picture, decoded."""
    return Image.open(io.BytesIO(encoded_picture(row))).convert("RGB")
