"""The name index misses no title, sku or code of an item, and follows the catalog."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes import FakeEncoder, make_entry, new_catalog
from vitrina.search.index import name_index
from vitrina.search.index.name_index import NameIndex
from vitrina.search.store.catalog import Catalog


@pytest.fixture
def catalog(tmp_path: Path, encoder: FakeEncoder) -> Catalog:
    catalog = new_catalog(tmp_path / "catalog.db")
    attributes = {"ean": "4006381333931", "model": "TN-2110"}
    entries = [make_entry(encoder, "AB 12", "Red  Boots", attributes=attributes), make_entry(encoder, "z", "Ünï 👗")]
    catalog.commit(catalog.open_index_version(encoder.identity, active=True), entries)
    return catalog


NAMES = ("red boots", " RED boots ", "ab 12", "AB12", "ab-12", "sku: AB12", "tn2110", '"4006381333931"', "Z", "ünï 👗")


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_known_and_found(catalog: Catalog, name: str) -> None:
    index = NameIndex(catalog)
    assert index.may_name(name, catalog.sequence())
    with catalog.reading() as reader:
        assert len(reader.identified(name)) or reader.named(name, limit=5)


def test_other_words_are_no_names(catalog: Catalog) -> None:
    index = NameIndex(catalog)
    assert [name for name in ("boots", "red", "", "ab 13", "👗") if index.may_name(name, catalog.sequence())] == []


def test_what_is_newer_than_the_index_may_be_a_name(catalog: Catalog) -> None:
    assert NameIndex(catalog).may_name("boots", catalog.sequence() + 1)


def test_it_follows_changes_and_is_restored(
    catalog: Catalog, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = NameIndex(catalog)
    again = NameIndex(catalog, index.arrays())
    for merged_rows in (100, 0):  # beside the sorted ones, and among them
        monkeypatch.setattr(name_index, "MERGED_ROWS", merged_rows)
        version = catalog.open_index_version(encoder.identity, active=True)
        catalog.commit(version, [make_entry(encoder, f"new-{merged_rows}", f"Mug {merged_rows}")])
        for each in (index, again):
            assert each.catch_up()
            assert not each.catch_up()
            for name in (*NAMES, "mug 100", f"mug {merged_rows}", f"new{merged_rows}"):
                assert each.may_name(name, catalog.sequence())
            assert not each.may_name("mug 7", catalog.sequence())


def test_an_empty_catalog(tmp_path: Path) -> None:
    assert not NameIndex(new_catalog(tmp_path / "empty.db")).may_name("red boots", 0)
