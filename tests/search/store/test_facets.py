"""Facets in SQL: filters match exactly the items that a plain reading of the condition says; values are distinct."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator

import pytest
from sqlalchemy import select, text

from tests.fakes import FakeEncoder, make_entry
from tests.search.store.conftest import DATABASES, open_new_catalog
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.database import items
from vitrina.search.store.facets import ordering
from vitrina.search.store.reader import CatalogReader
from vitrina.search.types.errors import FilterError
from vitrina.search.types.filters import AnyOf, Condition, Exists, Not, Range, parse_filters, passes
from vitrina.search.types.item import AttributeValue, Item
from vitrina.search.types.query import (
    NAMED_ORDERS,
    NEWEST,
    PRICE_ASC,
    PRICE_DESC,
    SortOrder,
    sort_order,
)

COLOURS = ("Navy", "black", "RED", "grün", "שחור", "👗")
N_ITEMS = 250


def random_item(rng: random.Random, number: int) -> tuple[dict[str, AttributeValue], int | None]:
    attributes: dict[str, AttributeValue] = {}
    if rng.random() < 0.8:
        attributes["colour"] = rng.choice(COLOURS)
    if rng.random() < 0.7:
        attributes["sizes"] = tuple(rng.sample(["S", "M", "L", 38, 39, 40.5], rng.randint(0, 3)))
    if rng.random() < 0.5:
        attributes["year"] = rng.choice([2010, 2011.0, 2012])
    if rng.random() < 0.3:
        attributes["new"] = rng.random() < 0.5
    attributes["number"] = number
    return attributes, rng.choice([None, 0, 999, 1000, 4999, 5000])


@pytest.fixture(scope="module", params=DATABASES)
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, encoder: FakeEncoder
) -> Iterator[Catalog]:
    catalog = open_new_catalog(request.param, tmp_path_factory.mktemp("filtering"), request)
    rng = random.Random(4)
    version = catalog.open_index_version(encoder.identity, active=True)
    entries = []
    for number in range(N_ITEMS):
        attributes, price_cents = random_item(rng, number)
        entries.append(make_entry(encoder, f"Sku-{number}", price_cents=price_cents, attributes=attributes))
    catalog.commit(version, entries)
    yield catalog
    catalog.close()


@pytest.fixture(scope="module")
def filled(shop: Catalog) -> dict[int, Item]:
    return {stored.id: stored.item for stored in shop.all_items()}


def holds(item: Item, condition: Condition) -> bool:
    """The condition's plain meaning, without facets, folding tables or SQL."""
    if isinstance(condition, Not):
        return not holds(item, condition.condition)
    held: object = {"sku": item.sku, "price_cents": item.price_cents, "currency": item.currency}.get(condition.field)
    held = item.attributes.get(condition.field) if held is None else held
    values = () if held is None else held if isinstance(held, tuple) else (held,)
    match condition:
        case Exists():
            return bool(values)
        case AnyOf(values=asked):
            texts = [str(value).casefold() for value in values]
            return any(text.removesuffix(".0") in asked for text in texts)
        case Range(gt=gt, gte=gte, lt=lt, lte=lte):
            return any(
                (gt is None or value > gt)
                and (gte is None or value >= gte)
                and (lt is None or value < lt)
                and (lte is None or value <= lte)
                for value in values
                if isinstance(value, int | float) and not isinstance(value, bool)
            )


SINGLE: list[dict[str, object]] = [
    {"colour": "navy"},
    {"colour": "NAVY"},
    {"colour": ["red", "GRÜN"]},
    {"colour": "👗"},
    {"colour": {"not": "navy"}},
    {"colour": {"not": list(COLOURS)}},
    {"colour": {"exists": True}},
    {"colour": {"exists": False}},
    {"sizes": "s"},
    {"sizes": ["m", 38]},
    {"sizes": {"not": ["m", 38]}},
    {"sizes": {"gte": 38, "lt": 39}},
    {"sizes": {"gt": 39}},
    {"sizes": {"exists": False}},
    {"year": 2011},
    {"year": "2011"},
    {"year": {"lte": 2011}},
    {"year": {"not": {"lte": 2011}}},
    {"new": True},
    {"new": {"not": False}},
    {"price_cents": {"gte": 1000, "lt": 5000}},
    {"price_cents": {"gt": 1000}},
    {"price_cents": {"gt": 5000}},
    {"price_cents": {"gte": 5, "lte": 4}},
    {"price_cents": {"exists": False}},
    {"price_cents": 0},
    {"currency": "eur"},
    {"sku": "sku-7"},
    {"sku": ["SKU-7", "sku-8", "nobody"]},
    {"sku": {"not": "sku-7"}},
]


@pytest.mark.parametrize("asked", SINGLE, ids=str)
def test_each_operator_means_what_it_says(shop: Catalog, filled: dict[int, Item], asked: dict[str, object]) -> None:
    conditions = parse_filters(asked)
    with shop.reading() as reader:
        reader.facets.check(conditions)
        found = reader.facets.matching(conditions).tolist()
    assert found == [item_id for item_id, item in filled.items() if holds(item, conditions[0])]
    assert found == [item_id for item_id, item in filled.items() if passes(conditions[0], item)]


def test_several_conditions_hold_together(shop: Catalog, filled: dict[int, Item]) -> None:
    rng = random.Random(9)
    for _ in range(40):
        asked = {field: value for each in rng.sample(SINGLE, rng.randint(2, 4)) for field, value in each.items()}
        conditions = parse_filters(asked)
        with shop.reading() as reader:
            found = reader.facets.matching(conditions).tolist()
        assert found == [
            item_id for item_id, item in filled.items() if all(holds(item, condition) for condition in conditions)
        ]


def test_no_condition_holds_for_every_item(shop: Catalog, filled: dict[int, Item]) -> None:
    with shop.reading() as reader:
        assert reader.facets.matching(()).tolist() == list(filled)


def limit_variables(driver: object, most: int) -> int:
    """Set how many parameters a statement of SQLite may have; the limit before."""
    return driver.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, most) if isinstance(driver, sqlite3.Connection) else 0


def test_as_many_values_as_the_limits_allow(shop: Catalog, filled: dict[int, Item]) -> None:
    numbers = [*range(N_ITEMS), *[1] * (1000 - N_ITEMS)]
    conditions = parse_filters({"number": numbers})
    conditions += tuple(Not(AnyOf("sku", tuple(f"no-{at}-{i}" for i in range(1000)))) for at in range(49))
    with shop.database.read() as connection:
        driver = connection.connection.driver_connection
        before = limit_variables(driver, 32_766)  # SQLite's default
        reader = CatalogReader(connection)
        reader.facets.check(conditions)
        assert reader.facets.matching(conditions).tolist() == list(filled)
        limit_variables(driver, before)


@pytest.mark.parametrize(
    ("asked", "message", "named"),
    [
        ({"color": "navy"}, "'color'", "colour"),
        ({"title": "navy"}, "'title'", "colour"),
        ({"colour": "navi"}, "navi", "navy"),
        ({"colour": {"not": "navi"}}, "navi", "navy"),
        ({"colour": ["navy", "zzz"]}, "zzz", "black"),
        ({"colour": {"gte": 3}}, "no numbers", "numeric"),
        ({"colour": {"not": {"gte": 3}}}, "no numbers", "numeric"),
        ({"new": {"gte": 0}}, "no numbers", "numeric"),
        ({"year": 1999}, "1999", "2010"),
        ({"year": float("nan")}, "nan", "2010"),
        ({"nothing": {"exists": False}}, "'nothing'", "colour"),
    ],
    ids=str,
)
def test_what_no_item_can_match_names_what_exists(
    shop: Catalog, filled: dict[int, Item], asked: dict[str, object], message: str, named: str
) -> None:
    with shop.reading() as reader, pytest.raises(FilterError, match=message) as caught:
        reader.facets.check(parse_filters(asked))
    assert named in caught.value.remedy


@pytest.mark.parametrize(
    ("sort", "message", "remedy"),
    [
        ("yaer:desc", "No item has a field 'yaer'", "Close to it: year."),
        ("colour:asc", "'colour' holds no numbers", "holds numbers: number, price_cents, sizes, year."),
        ("new:asc", "'new' holds no numbers", "number, "),
        ("price:asc", "'price'", "Close to it: price_cents."),
        ("relevance:desc", "'relevance'", "number, "),
        ("\0" * 500 + ":asc", "No item has a field", "number, "),
    ],
)
def test_an_order_by_what_holds_no_numbers_names_what_does(shop: Catalog, sort: str, message: str, remedy: str) -> None:
    with shop.reading() as reader:
        for found in (
            lambda: reader.facets.page((), sort_order(sort), 10),
            lambda: reader.facets.ordered([], sort_order(sort)),
        ):
            with pytest.raises(FilterError, match=message) as caught:
                found()
            assert remedy in caught.value.remedy
        assert caught.value.details == {"fields": ["number", "price_cents", "sizes", "year"]}


def test_an_order_by_a_field_in_an_empty_catalog(catalog: Catalog) -> None:
    with catalog.reading() as reader, pytest.raises(FilterError, match="rating") as caught:
        reader.facets.page((), sort_order("rating:desc"), 10)
    assert "(no item has a number)" in caught.value.remedy
    with catalog.reading() as reader:
        assert reader.facets.page((), PRICE_ASC, 10) == ([], 0)


@pytest.mark.parametrize("sort", ["sizes:asc", "sizes:desc", "year:desc"])
def test_every_page_by_a_field_leaves_out_what_is_excluded(shop: Catalog, filled: dict[int, Item], sort: str) -> None:
    with shop.reading() as reader:
        every, n_items = reader.facets.page((), sort_order(sort), N_ITEMS)
        excluded = every[::3]
        pages = [reader.facets.page((), sort_order(sort), 20, at, excluded) for at in range(0, N_ITEMS, 20)]
    assert sorted(every) == sorted(filled)
    assert {total for _, total in pages} == {n_items - len(excluded)}
    assert [item_id for page, _ in pages for item_id in page] == [each for each in every if each not in excluded]


def test_fields_are_those_that_some_item_has_now(catalog: Catalog, encoder: FakeEncoder) -> None:
    version = catalog.open_index_version(encoder.identity, active=True)
    catalog.commit(
        version,
        [
            make_entry(encoder, "a", attributes={"colour": "red", "a": 1}),
            make_entry(encoder, "b", attributes={"z": (), "b": ("x", 2)}),
        ],
    )
    with catalog.reading() as reader:
        assert reader.facets.fields() == ["a", "b", "colour", "sku"]
    catalog.delete(["a", "b"])
    with catalog.reading() as reader:
        assert reader.facets.fields() == []
        with pytest.raises(FilterError, match="'colour'") as caught:
            reader.facets.check(parse_filters({"colour": "navy"}))
    assert "empty" in caught.value.remedy


@pytest.mark.parametrize("text", ["x'); DROP TABLE items; --", "%", "_", "navy\x00b", "\ud800", "\\", '"', "’"])
def test_values_are_never_sql(shop: Catalog, filled: dict[int, Item], text: str) -> None:
    with shop.reading() as reader:
        assert reader.facets.matching(parse_filters({"colour": text})).tolist() == []
        assert len(reader.facets.matching(parse_filters({"colour": {"not": text}}))) == len(filled)
        with pytest.raises(FilterError):
            reader.facets.check(parse_filters({text: "navy"}))


SPELLINGS = ("Navy Blue", "navy blue", "RED", "Grün", " padded ", "שחור", "👗")


@pytest.fixture
def spelled(catalog: Catalog, encoder: FakeEncoder) -> Catalog:
    version = catalog.open_index_version(encoder.identity, active=True)
    entries = []
    for number, colour in enumerate(SPELLINGS * 3):
        attributes: dict[str, AttributeValue] = {"colour": (colour, "red"), "number": number}
        entries.append(make_entry(encoder, str(number), attributes=attributes))
    catalog.commit(version, entries)
    return catalog


def test_each_value_once_with_the_first_item_that_has_it(spelled: Catalog) -> None:
    brute: dict[str, int] = {}
    for stored in spelled.all_items():
        colours = stored.item.attributes["colour"]
        assert isinstance(colours, tuple)
        for colour in colours:
            brute.setdefault(str(colour).strip().casefold(), stored.id)
    with spelled.reading() as reader:
        held = reader.facets.distinct_values("colour", 100)
    assert held == brute
    assert list(held) == sorted(brute)


def test_the_limit_ends_it(spelled: Catalog) -> None:
    with spelled.reading() as reader:
        assert list(reader.facets.distinct_values("number", 3)) == ["0", "1", "10"]
        assert reader.facets.distinct_values("nothing", 3) == {}


def test_values_as_items_write_them(spelled: Catalog) -> None:
    with spelled.reading() as reader:
        held = reader.facets.distinct_values("colour", 100)
        written = reader.facets.original_spellings("colour", held)
    assert written["navy blue"] == "Navy Blue"
    assert written["padded"] == "padded"
    assert written["grün"] == "Grün"
    assert written["red"] in ("RED", "red")
    assert set(written) == set(held)


@pytest.mark.parametrize("asked", [38, 38.0, "38", "38.0", " 38.00 ", "38."])
def test_a_number_is_found_however_it_is_written(catalog: Catalog, encoder: FakeEncoder, asked: object) -> None:
    version = catalog.open_index_version(encoder.identity, active=True)
    held: list[AttributeValue] = [38, 38.0, ("38.0", "S"), 38.5, "380"]
    catalog.commit(version, [make_entry(encoder, f"s{at}", attributes={"size": each}) for at, each in enumerate(held)])
    conditions = parse_filters({"size": asked})
    with catalog.reading() as reader:
        reader.facets.check(conditions)
        assert [passes(conditions[0], catalog.item(f"s{at}").item) for at in range(5)] == [True] * 3 + [False] * 2
        assert [catalog.items([found])[found].item.sku for found in reader.facets.matching(conditions).tolist()] == [
            "s0",
            "s1",
            "s2",
        ]
        assert reader.facets.is_value("size", "38")
        assert not reader.facets.is_value("size", "39")


def test_items_without_a_price_come_last_and_ties_by_age(catalog: Catalog, encoder: FakeEncoder) -> None:
    version = catalog.open_index_version(encoder.identity, active=True)
    prices = {"a": 300, "b": None, "c": 100, "d": 300, "e": None}
    catalog.commit(version, [make_entry(encoder, sku, price_cents=price) for sku, price in prices.items()])
    with catalog.reading() as reader:
        skus = {stored.id: stored.item.sku for stored in catalog.all_items()}

        def order(sort: SortOrder) -> str:
            assert reader.facets.page((), sort, 10)[0] == reader.facets.ordered(list(skus), sort)
            return "".join(skus[each] for each in reader.facets.ordered([*skus, 999], sort))

        assert order(PRICE_ASC) == "cadbe"
        assert order(PRICE_DESC) == "adcbe"
        assert order(NEWEST) == "edcba"
        first = next(iter(skus))
        page, total = reader.facets.page((), NEWEST, 2, 1, [first])
        assert ([skus[each] for each in page], total) == (["d", "c"], 4)


@pytest.mark.parametrize("sort", NAMED_ORDERS.values(), ids=list(NAMED_ORDERS))
def test_a_page_in_order_sorts_nothing_and_leaves_out_what_is_excluded(shop: Catalog, sort: SortOrder) -> None:
    with shop.reading() as reader:
        every, n_items = reader.facets.page((), sort, N_ITEMS)
        excluded = every[::3]
        page, total = reader.facets.page((), sort, 20, 10, excluded)
    assert (n_items, total) == (N_ITEMS, N_ITEMS - len(excluded))
    assert page == [item_id for item_id in every if item_id not in excluded][10:30]
    with shop.database.read() as connection:
        if connection.dialect.name != "sqlite":
            return  # so few rows PostgreSQL sorts in any case
        page_of_ids = select(items.c.id).order_by(*ordering(sort)).limit(20)
        statement = str(page_of_ids.compile(connection, compile_kwargs={"literal_binds": True}))
        plan = str(connection.execute(text(f"EXPLAIN QUERY PLAN {statement}")).all())
    assert "B-TREE" not in plan
