"""The made-up shops as they are read."""

from __future__ import annotations

from recipes.made_up_shops import FITTED, plain_title, read_made_up_shops


def test_every_shop_has_a_catalog_and_queries_that_guided_nothing() -> None:
    shops = read_made_up_shops()
    assert {shop.round for shop in shops} > set(FITTED)
    assert len({shop.name for shop in shops}) == len(shops)
    for shop in shops:
        assert shop.catalog.is_file()
        assert not all(query.has_guided for query in shop.queries)
        assert all(1 <= grade <= 3 for query in shop.queries for grade in query.grades.values())
        assert any(not query.grades for query in shop.queries)


def test_some_rounds_are_read_alone() -> None:
    assert {shop.round for shop in read_made_up_shops(FITTED)} == set(FITTED)


def test_a_title_is_the_same_in_any_case_and_spacing() -> None:
    assert plain_title("  Egg\tPoacher  PAN ") == "egg poacher pan"
