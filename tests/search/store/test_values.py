"""The distinct values of a field are found by seeks, and written as items write them."""

from __future__ import annotations

import pytest

from tests.fakes import FakeEncoder, make_entry
from vitrina.search.store.catalog import Catalog
from vitrina.search.types.item import AttributeValue

COLOURS = ("Navy Blue", "navy blue", "RED", "Grün", " padded ", "שחור", "👗")


@pytest.fixture
def shop(catalog: Catalog, encoder: FakeEncoder) -> Catalog:
    version = catalog.open_index_version(encoder.identity, active=True)
    entries = []
    for number, colour in enumerate(COLOURS * 3):
        attributes: dict[str, AttributeValue] = {"colour": (colour, "red"), "number": number}
        entries.append(make_entry(encoder, str(number), attributes=attributes))
    catalog.commit(version, entries)
    return catalog


def test_each_value_once_with_the_first_item_that_has_it(shop: Catalog) -> None:
    brute: dict[str, int] = {}
    for stored in shop.all_items():
        colours = stored.item.attributes["colour"]
        assert isinstance(colours, tuple)
        for colour in colours:
            brute.setdefault(str(colour).strip().casefold(), stored.id)
    with shop.reading() as reader:
        held = reader.facets.distinct_values("colour", 100)
    assert held == brute
    assert list(held) == sorted(brute)


def test_the_limit_ends_it(shop: Catalog) -> None:
    with shop.reading() as reader:
        assert list(reader.facets.distinct_values("number", 3)) == ["0", "1", "10"]
        assert reader.facets.distinct_values("nothing", 3) == {}


def test_values_as_items_write_them(shop: Catalog) -> None:
    with shop.reading() as reader:
        held = reader.facets.distinct_values("colour", 100)
        written = reader.facets.original_spellings("colour", held)
    assert written["navy blue"] == "Navy Blue"
    assert written["padded"] == "padded"
    assert written["grün"] == "Grün"
    assert written["red"] in ("RED", "red")
    assert set(written) == set(held)
