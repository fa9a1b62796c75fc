"""Filters on variants: an item satisfies several conditions by one variant that satisfies them all."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.fakes import FakeEncoder, make_entry
from tests.search.store.conftest import DATABASES, open_new_catalog
from vitrina.search.store.catalog import Catalog
from vitrina.search.types.filters import Condition, facets, fitting_variants, parse_filters, passes
from vitrina.search.types.item import AttributeValue, Item, Variant
from vitrina.search.types.query import PRICE_ASC, PRICE_DESC, SortOrder, sort_order

COLOURS, SIZES, PRICES = ("Red", "navy", "GREEN"), ("S", "M", 38, 40.0), (None, 900, 1000, 2500)


def random_variant(rng: random.Random, sku: str) -> Variant:
    options = {"colour": rng.choice(COLOURS), "size": rng.choice(SIZES)}
    if rng.random() < 0.2:
        del options["colour"]
    return Variant(sku, options, rng.choice(PRICES), "EUR", (f"40{sku}",) if rng.random() < 0.5 else ())


def random_item(rng: random.Random, number: int) -> Item:
    attributes: dict[str, AttributeValue] = {"material": rng.choice(("wool", "linen"))}
    if rng.random() < 0.3:
        attributes["colour"] = "Blue"
    if rng.random() < 0.5:
        attributes["size"] = rng.choice((39, (37.5, 41), 2, -1.5, "L"))
    n_variants = rng.choice((0, 0, 1, 2, 5))
    variants = tuple(random_variant(rng, f"v{number}-{at}") for at in range(n_variants))
    return Item(f"sku-{number}", "", "", attributes, rng.choice(PRICES), "EUR", variants=variants)


@pytest.fixture(scope="module", params=DATABASES)
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, encoder: FakeEncoder
) -> Iterator[Catalog]:
    catalog = open_new_catalog(request.param, tmp_path_factory.mktemp("matching"), request)
    version, rng = catalog.open_index_version(encoder.identity, active=True), random.Random(5)
    drawn = [random_item(rng, number) for number in range(300)]
    catalog.commit(
        version,
        [
            make_entry(
                encoder,
                item.sku,
                attributes=item.attributes,
                price_cents=item.price_cents,
                variants=item.variants,
            )
            for item in drawn
        ],
    )
    yield catalog
    catalog.close()


@pytest.fixture(scope="module")
def filled(shop: Catalog) -> dict[int, Item]:
    return {stored.id: stored.item for stored in shop.all_items()}


ASKED: list[dict[str, object]] = [
    {"colour": "red"},
    {"colour": "red", "size": "M"},
    {"colour": ["red", "blue"], "size": 38, "material": "wool"},
    {"size": "40", "price_cents": {"lte": 1000}},
    {"price_cents": {"gt": 1000}, "colour": {"not": "red"}},
    {"colour": {"not": "red"}},
    {"colour": {"not": "red"}, "size": {"not": ["m", "s"]}},
    {"colour": {"exists": False}},
    {"colour": {"exists": True}, "price_cents": {"exists": False}},
    {"barcode": {"exists": True}, "colour": "navy"},
    {"material": {"not": "wool"}, "size": "s", "price_cents": {"not": {"lt": 1000}}},
    {"sku": "v7-0"},
    {"sku": ["sku-7", "v9-1"], "colour": "red"},
    {},
]


def satisfies(item: Item, conditions: tuple[Condition, ...]) -> bool:
    """By the plain meaning: of an item with variants one alone."""
    if item.variants:
        return bool(fitting_variants(conditions, item))
    return all(passes(condition, item) for condition in conditions)


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_one_variant_satisfies_all(shop: Catalog, filled: dict[int, Item], asked: dict[str, object]) -> None:
    conditions = parse_filters(asked)
    expected = [item_id for item_id, item in filled.items() if satisfies(item, conditions)]
    with shop.reading() as reader:
        assert reader.facets.matching(conditions).tolist() == sorted(expected)
        counts = reader.facets.n_fitting(expected, conditions).tolist()
    assert counts == [len(fitting_variants(conditions, filled[each])) or 1 for each in expected]


@pytest.mark.parametrize("sort", [PRICE_ASC, PRICE_DESC])
@pytest.mark.parametrize("asked", [{}, {"colour": "red"}, {"size": "40", "material": "wool"}], ids=str)
def test_items_count_with_the_prices_of_the_variants_that_fit(
    shop: Catalog, filled: dict[int, Item], asked: dict[str, object], sort: SortOrder
) -> None:
    conditions, best = parse_filters(asked), min if sort is PRICE_ASC else max
    prices: dict[int, int | None] = {}
    for item_id, item in filled.items():
        if satisfies(item, conditions):
            fitting = [item.variants[at].price_cents for at in fitting_variants(conditions, item)] or [item.price_cents]
            prices[item_id] = best((price for price in fitting if price is not None), default=None)
    sign = 1 if sort is PRICE_ASC else -1
    expected = sorted(prices, key=lambda each: (prices[each] is None, sign * (prices[each] or 0), each))
    with shop.reading() as reader:
        assert reader.facets.page(conditions, sort, 40, 20) == (expected[20:60], len(expected))


@pytest.mark.parametrize("max_by_id", [0, 10_000])
@pytest.mark.parametrize("sort", ["size:asc", "size:desc", "price_cents:asc"])
@pytest.mark.parametrize("asked", [{}, {"colour": "red"}, {"size": {"gte": 38}, "material": "wool"}], ids=str)
def test_items_count_with_the_numbers_of_the_variants_that_fit(
    shop: Catalog,
    filled: dict[int, Item],
    asked: dict[str, object],
    sort: str,
    max_by_id: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vitrina.search.store.matching.MAX_BY_ID", max_by_id)
    conditions, order = parse_filters(asked), sort_order(sort)
    sign = -1 if order.descending else 1
    first: dict[int, float | None] = {}
    for item_id, item in filled.items():
        if satisfies(item, conditions):
            fitting = {None, *fitting_variants(conditions, item)}
            held = [facet.number for facet in facets(item) if facet.field == order.field and facet.variant in fitting]
            first[item_id] = min((sign * number for number in held if number is not None), default=None)
    expected = sorted(
        first, key=lambda each: (first[each] is None, first[each] or 0, each if first[each] is None else sign * each)
    )
    assert None in first.values() or "size" in asked
    with shop.reading() as reader:
        pages = [reader.facets.page(conditions, order, 7, at)[0] for at in range(0, len(expected) + 7, 7)]
        assert [item_id for page in pages for item_id in page] == expected
        assert reader.facets.page(conditions, order, 40, 20, expected[:3]) == (expected[23:63], len(expected) - 3)
        assert reader.facets.ordered([*sorted(expected), 99_999], order, conditions) == expected


def test_an_item_with_a_range_of_prices_counts_by_either_end(catalog: Catalog, encoder: FakeEncoder) -> None:
    version = catalog.open_index_version(encoder.identity, active=True)
    wide = make_entry(encoder, "wide", price_cents=100, attributes={"colour": "red"})
    wide = replace(wide, item=replace(wide.item, price_to_cents=900))
    catalog.commit(version, [wide, make_entry(encoder, "narrow", price_cents=500, attributes={"colour": "red"})])
    for asked in ({}, {"colour": "red"}):
        with catalog.reading() as reader:
            for sort in (PRICE_ASC, PRICE_DESC):
                page, _ = reader.facets.page(parse_filters(asked), sort, 10)
                assert [catalog.items([each])[each].item.sku for each in page] == ["wide", "narrow"]


def test_red_in_m_is_one_variant(catalog: Catalog, encoder: FakeEncoder) -> None:
    version = catalog.open_index_version(encoder.identity, active=True)
    apart = [Variant("a1", {"colour": "red", "size": "S"}, 100), Variant("a2", {"colour": "blue", "size": "M"}, 300)]
    both = [Variant("b1", {"colour": "red", "size": "M"}, 200), Variant("b2", {"colour": "blue", "size": "S"}, 100)]
    catalog.commit(version, [make_entry(encoder, "a", variants=apart), make_entry(encoder, "b", variants=both)])
    with catalog.reading() as reader:
        found = [
            [stored.item.sku for stored in reader.items(reader.facets.matching(parse_filters(asked)).tolist()).values()]
            for asked in ({"colour": "red", "size": "M"}, {"colour": "red", "price_cents": {"lt": 150}}, {"size": "M"})
        ]
        assert found == [["b"], ["a"], ["a", "b"]]
        assert [stored.item.sku for stored in reader.items(reader.identified("B2").tolist()).values()] == ["b"]
