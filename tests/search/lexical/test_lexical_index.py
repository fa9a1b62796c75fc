"""The lexical index: which items hold a query's words, how BM25 ranks them, and that it follows the catalog."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from tests.fakes import FakeEncoder, make_entry, new_catalog
from vitrina.search.lexical.bm25 import LexicalMatches
from vitrina.search.lexical.lexical_index import LexicalIndex
from vitrina.search.store.catalog import Catalog
from vitrina.search.types.filters import parse_filters


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, encoder: FakeEncoder) -> Iterator[Catalog]:
    catalog = new_catalog(tmp_path_factory.mktemp("words") / "catalog.db")
    entries = [
        make_entry(encoder, "AB-12.3", "Navy Linen Shirt", attributes={"brand": "Near & Dear", "colour": "navy"}),
        make_entry(encoder, "shirt-1", "Red Boots", description="Worn with a linen shirt"),
        make_entry(encoder, "x", "Café crème dresses", attributes={"brand": "Ünï", "sizes": (38, "XL")}),
        make_entry(encoder, "y", "שמלה כחולה 👗", attributes={"brand": 'quo"te'}),
        make_entry(encoder, "z", "The Of And", attributes={"new": True}),
        make_entry(encoder, "red boots", "Something else"),
        make_entry(encoder, "👗", "NOT AND OR NEAR star*"),
    ]
    catalog.commit(catalog.open_index_version(encoder.identity, active=True), entries)
    yield catalog
    catalog.close()


def matches(shop: Catalog, query: str, limit: int = 100, asked: dict[str, object] | None = None) -> LexicalMatches:
    with shop.reading() as reader:
        within = reader.facets.matching(parse_filters(asked)) if asked else None
    return LexicalIndex(shop).match(query).best(limit, within)


def skus_of(shop: Catalog, item_ids: Iterable[int]) -> list[str]:
    ids = list(item_ids)
    stored = shop.items(ids)
    return [stored[item_id].item.sku for item_id in ids]


def skus(shop: Catalog, query: str, limit: int = 100, asked: dict[str, object] | None = None) -> list[str]:
    return skus_of(shop, matches(shop, query, limit, asked).item_ids.tolist())


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("shirt", ["shirt-1", "AB-12.3"]),
        ("SHIRTS", ["shirt-1", "AB-12.3"]),
        ("linen shirts", ["AB-12.3", "shirt-1"]),
        ("boot", ["shirt-1", "red boots"]),
        ("cafe creme dress", ["x"]),
        ("uni", ["x"]),
        ("xl", ["x"]),
        ("38", ["x"]),
        ("ab-12.3", ["AB-12.3"]),
        ("near & dear", ["AB-12.3"]),
        ("שמלה", ["y"]),
        ("the navy", ["AB-12.3"]),
        ("true", []),
        ("sandal", []),
    ],
)
def test_what_holds_every_word(shop: Catalog, query: str, expected: list[str]) -> None:
    found = matches(shop, query)
    assert sorted(skus_of(shop, found.item_ids[found.literal].tolist())) == sorted(expected)


def test_items_of_every_word_come_before_items_of_some(shop: Catalog) -> None:
    found = matches(shop, "red linen shirt boots")
    assert skus(shop, "red linen shirt boots")[0] == "shirt-1"
    assert found.whole.tolist() == [True, False, False]
    assert found.share[0] == 1
    assert np.all((found.share[1:] > 0) & (found.share[1:] < 1))
    assert np.all(np.diff(found.bm25) <= 0)


def test_stop_words_ask_for_nothing_unless_there_is_nothing_else(shop: Catalog) -> None:
    assert skus(shop, "the") == ["z"]
    assert skus(shop, "of and the")[0] == "z"
    assert "z" not in skus(shop, "the linen of navy")


@pytest.mark.parametrize(
    "query",
    [
        '"',
        '""',
        '"unbalanced shirt',
        'shirt"',
        "*",
        "shirt*",
        "NEAR",
        "NEAR(shirt boots, 2)",
        "-",
        "-shirt",
        "shirt -boots",
        "title:shirt",
        "title : shirt",
        "{title sku} : shirt",
        "^shirt",
        "shirt + boots",
        "(((",
        "shirt AND",
        "OR",
        "NOT shirt",
        "shirt OR NOT",
        "👗",
        "👗🧦 ❤️",
        "'; DROP TABLE items; --",
        "\\",
        "%",
        "²",
        "ﷺ",
        "a" * 2000,
        "a " * 1000,
        "a-" * 1000,
        "ｓｈｉｒｔ",
    ],
)
def test_no_query_is_an_expression(shop: Catalog, query: str) -> None:
    found = matches(shop, query)
    assert len(found) <= 7
    with shop.reading() as reader:
        reader.named(query, limit=10)
        reader.facets.items_with_value(query, [1, 2, 3])


def test_operators_are_words(shop: Catalog) -> None:
    assert skus(shop, "NEAR") == skus(shop, "near")
    assert set(skus(shop, "near")) == {"AB-12.3", "👗"}
    assert skus(shop, "star*") == ["👗"]
    assert skus(shop, 'quo"te') == ["y"]


@pytest.mark.parametrize("query", ["", "  ", "👗", "&", '"*"', "-"])
def test_a_query_without_words_has_no_terms(shop: Catalog, query: str) -> None:
    assert LexicalIndex(shop).match(query).words == ()
    assert len(matches(shop, query)) == 0


def test_the_limit_keeps_the_best(shop: Catalog) -> None:
    every = skus(shop, "linen shirt boots")
    assert len(every) == 3
    assert skus(shop, "linen shirt boots", limit=2) == every[:2]
    assert skus(shop, "linen shirt boots", limit=1) == every[:1]


def test_a_filter_restricts_the_words_too(shop: Catalog) -> None:
    assert skus(shop, "linen shirt", asked={"colour": "navy"}) == ["AB-12.3"]
    assert skus(shop, "linen shirt", asked={"colour": {"not": "navy"}}) == ["shirt-1"]
    assert skus(shop, "boots", asked={"colour": "navy"}) == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("AB-12.3", {"AB-12.3": "sku"}),
        ("  ab-12.3 ", {"AB-12.3": "sku"}),
        ("navy  linen\tshirt", {"AB-12.3": "title"}),
        ("red boots", {"shirt-1": "title", "red boots": "sku"}),
        ("CAFÉ CRÈME DRESSES", {"x": "title"}),
        ("👗", {"👗": "sku"}),
        ("שמלה כחולה 👗", {"y": "title"}),
        ("navy linen", {}),
        ("%", {}),
    ],
)
def test_items_whose_sku_or_title_is_the_query(shop: Catalog, query: str, expected: dict[str, str]) -> None:
    with shop.reading() as reader:
        named = reader.named(query, limit=100)
    stored = shop.items(list(named))
    assert {stored[item_id].item.sku: kind for item_id, kind in named.items()} == expected


def test_a_filter_restricts_the_names_too(shop: Catalog) -> None:
    with shop.reading() as reader:
        for asked, n_named in (("navy", 1), ({"not": "navy"}, 0)):
            within = reader.facets.matching(parse_filters({"colour": asked}))
            assert len(reader.named("ab-12.3", limit=9, within=within)) == n_named


def test_items_one_of_whose_values_is_the_query(shop: Catalog) -> None:
    ids = {stored.item.sku: stored.id for stored in shop.all_items()}
    with shop.reading() as reader:
        everyone = list(ids.values())
        assert reader.facets.items_with_value("NEAR &  dear", everyone) == {ids["AB-12.3"]: 1}
        assert reader.facets.items_with_value("xl", everyone) == {ids["x"]: 1}
        assert reader.facets.items_with_value("xl", [ids["y"]]) == {}
        assert reader.facets.items_with_value("xl", []) == {}
        assert reader.facets.items_with_value("navy linen", everyone) == {}


def test_changed_and_deleted_items_lose_their_old_words(catalog: Catalog, encoder: FakeEncoder) -> None:
    version = catalog.open_index_version(encoder.identity, active=True)
    catalog.commit(version, [make_entry(encoder, "a", "linen shirt"), make_entry(encoder, "b", "linen boots")])
    catalog.commit(version, [make_entry(encoder, "a", "wool shirt")])
    assert skus(catalog, "linen") == ["b"]
    assert skus(catalog, "wool") == ["a"]
    catalog.delete(["b"])
    assert skus(catalog, "linen boots") == []
