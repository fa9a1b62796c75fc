"""The demo's catalog, exported into each dialect and read again, is the same catalog."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from itertools import islice
from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import read, write
from tests.indexer.sources.writers import ATTRIBUTES, WITHOUT_VARIANTS, WRITERS
from vitrina.indexer.sources import TableSource, open_source
from vitrina.indexer.sources.base import Record, Rejection, TableRow
from vitrina.search.types.item import Item, Variant

N_ITEMS = 24


@pytest.fixture(scope="module")
def demo() -> list[tuple[Item, bytes]]:
    """The first items of the demo's shop with their pictures, every third in three sizes."""
    rows = open_source(str(files("vitrina.api").joinpath("demo/boutique.tar"))).rows()
    records = islice((row for row in rows if isinstance(row, Record)), N_ITEMS)
    return [
        (in_sizes(record.item) if number % 3 == 0 else record.item, record.images[0].data or b"")
        for number, record in enumerate(records)
    ]


def in_sizes(item: Item) -> Item:
    """The item in three sizes, the larger the dearer."""
    sizes = enumerate(("S", "M", "L"))
    variants = [Variant(f"{item.sku}-{size}", {"size": size}, (item.price_cents or 0) + 150 * n) for n, size in sizes]
    return replace(item, variants=tuple(variants))


def facts(item: Item) -> object:
    """What every export carries of an item."""
    variants = [(each.sku, dict(each.options), each.price_cents) for each in item.variants]
    named = {name: item.attributes.get(name) for name in ATTRIBUTES}
    return item.sku, item.title, item.description, item.price_cents, named, variants


def check(tmp_path: Path, dialect: str, name: str, text: str, catalog: Sequence[tuple[Item, bytes]]) -> None:
    for item, image in catalog:
        write(tmp_path, f"pics/{item.sku}.webp", image)
    path = write(tmp_path, name, text)
    assert open_source(str(path)).dialect.startswith(f"{dialect.partition(',')[0]} (")
    records, rejections = read(path)
    assert rejections == []
    assert [facts(record.item) for record in records] == [facts(item) for item, _ in catalog]
    for record, (item, image) in zip(records, catalog, strict=True):
        assert record.problems == ()
        assert record.item.currency in (None, item.currency)
        assert [found.path and found.path.read_bytes() for found in record.images] == [image]


@pytest.mark.parametrize("dialect", WRITERS)
def test_products_with_variants(tmp_path: Path, demo: list[tuple[Item, bytes]], dialect: str) -> None:
    name, export = WRITERS[dialect]
    check(tmp_path, dialect, name, export([item for item, _ in demo]), demo)


@pytest.mark.parametrize("dialect", WITHOUT_VARIANTS)
def test_products_without_variants(tmp_path: Path, demo: list[tuple[Item, bytes]], dialect: str) -> None:
    name, export = WITHOUT_VARIANTS[dialect]
    catalog = [(item, image) for item, image in demo if not item.variants]
    check(tmp_path, dialect, name, export([item for item, _ in catalog]), catalog)


@pytest.mark.parametrize("dialect", [*WRITERS, *WITHOUT_VARIANTS])
def test_no_row_of_an_export_is_lost(tmp_path: Path, demo: list[tuple[Item, bytes]], dialect: str) -> None:
    name, export = {**WRITERS, **WITHOUT_VARIANTS}[dialect]
    source = open_source(str(write(tmp_path, name, export([item for item, _ in demo]))))
    assert isinstance(source, TableSource)
    assert sum(row.n_rows for row in source.rows()) == sum(1 for _ in source.table.rows())


JUNK = (
    "", " ", "-", "None", "NaN", '"', "a,b;c|d", "='x'", "<p>", "&nbsp;", "[1, {", "{'a': 1}", "\x07", "Ä" * 3, "1e999",
    "-5", "sku=,size=|sku=x", "Name=|Value=", "::", "/../x.jpg", "id:", "gid://shopify/Product/", "variation", "child",
    "Variation", "configurable", "\ud800".encode("utf-8", "replace").decode(), "x" * 300,
)  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dialect", [name for name, (file, _) in WRITERS.items() if not file.endswith(("xml", "json"))])
def test_dirt_in_an_export_stops_nothing_and_loses_no_row(
    tmp_path: Path, demo: list[tuple[Item, bytes]], dialect: str, seed: int
) -> None:
    name, export = WRITERS[dialect]
    rng = random.Random(f"{dialect}{seed}")
    text = export([item for item, _ in demo])
    for _ in range(40):
        rows = text.index("\n")
        marks = [place for place, letter in enumerate(text) if letter in ",;\t:" and place > rows]
        place = rng.choice(marks) + 1
        text = text[:place] + rng.choice(JUNK) + text[place + rng.randrange(3) :]
    source = open_source(str(write(tmp_path, name, text.encode("utf-8", "replace"))))
    assert isinstance(source, TableSource)
    n_rows = sum(row.n_rows for row in source.rows()) + source.hidden.n_rows
    assert n_rows == sum(row_count(row) for row in source.table.rows())


def row_count(row: TableRow | Rejection) -> int:
    return row.n_rows
