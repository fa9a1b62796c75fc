"""The catalog follows from index and seed alone, and its words from its attributes."""

from __future__ import annotations

from itertools import islice

import pytest

from recipes.boutique.articles import ARTICLES, COLOURS, MATERIAL_COLOURS
from recipes.boutique.catalog import product, products
from recipes.boutique.textures import PATTERNS


def test_any_index_is_reached_directly_and_equals_its_place_in_the_stream() -> None:
    stream = list(products(70, seed=3))
    assert [product(index, seed=3) for index in (69, 0, 41)] == [stream[69], stream[0], stream[41]]


def test_a_huge_catalog_costs_only_what_is_read() -> None:
    assert [item.sku for item in islice(products(10**12), 2)] == ["VB00-0000000", "VB00-0000001"]
    assert product(10**9).sku == "VB00-1000000000"


def test_seeds_give_different_products_with_different_skus() -> None:
    first, second = list(products(64, seed=0)), list(products(64, seed=1))
    assert not {item.sku for item in first} & {item.sku for item in second}
    assert [item.title for item in first] != [item.title for item in second]


def test_skus_are_unique_and_every_article_colour_and_pattern_is_sold() -> None:
    items = list(products(1500))
    assert len({item.sku for item in items}) == len(items)
    assert {item.attributes["article"] for item in items} == {article.name for article in ARTICLES}
    assert {item.attributes["colour"] for item in items} == set(COLOURS)
    assert {item.attributes["pattern"] for item in items} == {"solid", *PATTERNS}


def test_materials_come_in_colours_they_are_made_in() -> None:
    for item in products(1000):
        colours = MATERIAL_COLOURS.get(item.attributes["material"])
        assert colours is None or item.attributes["colour"] in colours, item


def test_words_say_what_the_attributes_say() -> None:
    for item in products(500):
        facts = item.attributes
        for fact in ("article", "colour", "material", "brand"):
            assert facts[fact].lower() in item.title.lower(), item
        for fact in ("article", "colour", "material", "style"):
            assert facts[fact] in item.description.lower(), item
        assert (facts["pattern"] == "solid") or facts["pattern"] in item.title.lower()
        assert all(value == value.lower() for key, value in facts.items() if key != "brand")
        assert not any(other in item.title.lower() for other in PATTERNS if other != facts["pattern"])
        assert 500 <= item.price_cents < 50_000
        assert item.currency == "EUR"


@pytest.mark.parametrize("index", [-1, -100])
def test_a_negative_index_or_count_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match=str(index)):
        product(index)
    with pytest.raises(ValueError, match=str(index)):
        products(index)
