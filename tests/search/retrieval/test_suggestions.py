"""Suggestions: what a half-typed text may become, and how many items have it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.fakes import FakeEncoder, make_entry
from vitrina.search.engine import SearchEngine
from vitrina.search.index.replica import IndexReplica
from vitrina.search.retrieval.completions import Completions
from vitrina.search.store.catalog import Catalog
from vitrina.search.types.errors import QueryError
from vitrina.search.types.item import AttributeValue

Rows = Mapping[str, Mapping[str, AttributeValue]]
OpenShop = Callable[[Rows], SearchEngine]

SHOP: Rows = {
    "Linen Shirt in navy": {"colour": "Navy", "category": "Clothing > Shirts", "brand": "Acorn & Sons"},
    "Oxford shirt, NAVY": {"colour": "Navy", "category": "Clothing > Shirts", "brand": "Birch"},
    "Short-sleeved shirt": {"colour": "Sky blue", "category": "Clothing > Shirts", "brand": "Birch"},
    "Canvas shoes": {"colour": "navy", "category": "Shoes > Running Shoes", "brand": "Birch"},
    "Café table in oak": {"colour": "Brown", "category": "Furniture > Tables", "brand": "Acorn & Sons"},
    "The cotton tea towel for a kitchen": {"colour": "Sky blue", "category": "Kitchen > Towels", "brand": "Cedar"},
}


@pytest.fixture
def open_shop(catalog: Catalog, encoder: FakeEncoder, tmp_path: Path) -> OpenShop:
    version = catalog.open_index_version(encoder.identity, active=True)

    def opened(rows: Rows) -> SearchEngine:
        entries = [make_entry(encoder, f"S-{title}", title, attributes=held) for title, held in rows.items()]
        catalog.commit(version, entries)
        path = tmp_path / "index.snapshot"
        return SearchEngine(catalog, encoder, IndexReplica(catalog, encoder.identity, version, path))

    return opened


def told(engine: SearchEngine, text: str, limit: int = 8) -> dict[str, int]:
    return {each.text: each.n_items for each in engine.suggest(text, limit)}


def test_the_last_word_is_completed_beside_whole_words_by_what_items_have_together(open_shop: OpenShop) -> None:
    shop = open_shop(SHOP)
    completed = {"navy shirts": 2, "navy running shoes": 1, "navy shoes": 1}
    assert list(told(shop, "navy sh", limit=3).items()) == list(completed.items())
    assert told(shop, "navy sh") == {**completed, "Linen Shirt in navy": 1, "Oxford shirt, NAVY": 1}
    assert "navy birch" in told(shop, "navy ")
    assert told(shop, "the cot") == {"the cotton": 1, "The cotton tea towel for a kitchen": 1}
    assert next(iter(told(shop, "nayv sh"))) == "navy shirts"


def test_values_are_told_whole_and_categories_by_their_last_part(open_shop: OpenShop) -> None:
    shop = open_shop(SHOP)
    assert told(shop, "acorn") == {"acorn & sons": 2}
    assert told(shop, "sky b") == {"sky blue": 2, "sky birch": 1}
    assert "running shoes" in told(shop, "sho")
    assert told(shop, "clo") == {}


def test_case_number_and_accents_make_no_second_suggestion(open_shop: OpenShop) -> None:
    shop = open_shop(SHOP)
    found = {text for text in told(shop, "sh") if " " not in text}
    assert found == {"shirts", "shoes", "short"}
    assert told(shop, "cafe") == told(shop, "Café") == {"Café table in oak": 1, "café": 1}
    assert {text.casefold() for text in told(shop, "NAVY SH")} == {text.casefold() for text in told(shop, "navy sh")}


def test_nothing_is_suggested_that_finds_no_item(open_shop: OpenShop) -> None:
    shop = open_shop(SHOP)
    for text in ("", " ", "zebra s", "navy tab", "xy", "the", "navy " * 20):
        assert told(shop, text) == {}, text


def test_words_of_descriptions_and_values_of_single_items_are_not_suggested(open_shop: OpenShop) -> None:
    rows = {f"Mug {n}": {"code": f"serial {'abcdefghijklmnopqrstuvwxyz'[n]}", "size": "Serious"} for n in range(26)}
    assert told(open_shop(rows), "seri") == {}


def test_suggestions_follow_the_catalog(open_shop: OpenShop, catalog: Catalog) -> None:
    shop = open_shop(SHOP)
    assert told(shop, "vel") == {}
    open_shop({"Velvet shirt": {"colour": "Velvet navy"}})
    shop.replica.catch_up()
    assert told(shop, "vel") == {"velvet": 1, "velvet navy": 1, "Velvet shirt": 1}
    assert told(shop, "navy sh")["navy shirts"] == 3
    catalog.delete(["S-Velvet shirt", "S-Canvas shoes"])
    shop.replica.catch_up()
    assert told(shop, "vel") == {}
    assert "navy shoes" not in told(shop, "navy sh")


def test_words_and_values_are_sorted_again_only_as_they_come(open_shop: OpenShop) -> None:
    shop, completions = open_shop(SHOP), Completions()
    state, facets = shop.replica.lexical.state, shop.replica.facets
    assert {each.text for each in completions.starting("shir", 5, state, facets)} == {"shirts", "shirt"}
    assert len(completions.starting("", 4, state, facets)) <= 4
    large = completions._large
    open_shop({"Shirting": {}})
    shop.replica.catch_up()
    texts = [each.text for each in completions.starting("shir", 5, shop.replica.lexical.state, facets)]
    assert set(texts) == {"shirts", "shirt", "shirting"}
    assert completions._large is large


def test_the_limits_are_those_of_a_search(open_shop: OpenShop) -> None:
    shop = open_shop(SHOP)
    with pytest.raises(QueryError, match="2001 characters"):
        shop.suggest("x" * 2001)
    with pytest.raises(QueryError, match="limit 0"):
        shop.suggest("navy", 0)


def test_kinds_of_things_come_before_what_more_items_are(open_shop: OpenShop) -> None:
    rows: Rows = {
        **{f"Tee {number}": {"category": "Tops", "pattern": "Solid"} for number in range(3)},
        "Ankle pair": {"category": "Socks", "pattern": "Striped"},
    }
    assert list(told(open_shop(rows), "so").items()) == [("socks", 1), ("solid", 3)]


def test_signs_alone_are_the_beginning_of_nothing(open_shop: OpenShop) -> None:
    shop = open_shop(SHOP)
    assert [told(shop, text) for text in ("%", "_", "...", "navy -")] == [{}, {}, {}, {}]
