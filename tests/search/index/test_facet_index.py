"""The facet index says what the catalog's facets say, and follows them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import FakeEncoder, make_entry, new_catalog
from vitrina.search.index.facet_index import FacetIndex
from vitrina.search.store.catalog import Catalog
from vitrina.search.types.errors import FilterError
from vitrina.search.types.filters import AnyOf, parse_filters
from vitrina.search.types.item import AttributeValue, IndexedItem, Variant

COLOURS = ("Navy", "black", "RED", "grün", "שחור", "👗")
N_ITEMS = 250


def entry(encoder: FakeEncoder, number: int, rng: random.Random) -> IndexedItem:
    attributes: dict[str, AttributeValue] = {"number": number}
    if rng.random() < 0.8:
        attributes["colour"] = rng.choice(COLOURS)
    if rng.random() < 0.7:
        attributes["sizes"] = tuple(rng.sample(["S", "M", "red", 38, 40.5], rng.randint(0, 3)))
    if rng.random() < 0.5:
        attributes["year"] = rng.choice([2010, 2011.0, 2012])
    return make_entry(encoder, f"sku-{number}", price_cents=rng.choice([None, 999]), attributes=attributes)


@pytest.fixture
def catalog(tmp_path: Path, encoder: FakeEncoder) -> Catalog:
    catalog = new_catalog(tmp_path / "catalog.db")
    rng = random.Random(4)
    entries = [entry(encoder, number, rng) for number in range(N_ITEMS)]
    catalog.commit(catalog.open_index_version(encoder.identity, active=True), entries)
    return catalog


def matching(catalog: Catalog, *conditions: Mapping[str, object]) -> set[int]:
    with catalog.reading() as reader:
        found = [set(reader.facets.matching(parse_filters(each)).tolist()) for each in conditions]
    return set.intersection(*found)


def check_all(index: FacetIndex, catalog: Catalog) -> None:
    """The index agrees with the database on every value of every field, on all items and one that is not there."""
    ids = np.array([*sorted(stored.id for stored in catalog.all_items()), 10**6], np.int64)
    for field in ("colour", "sizes", "year", "price_cents", "sku"):
        for asked in (["navy"], ["red", "grün"], ["m", "38"], ["2011"], ["999"], ["sku-7"], ["none"], []):
            found = set(ids[index.having(field, asked, ids)].tolist())
            assert found == (matching(catalog, {field: asked}) if asked else set())
        assert set(ids[index.having(field, None, ids)].tolist()) == matching(catalog, {field: {"exists": True}})
    in_fields = [matching(catalog, {field: "red"}) for field in ("colour", "sizes")]
    assert index.n_fields_with("  RED", ids).tolist() == [sum(at in each for each in in_fields) for at in ids.tolist()]


def test_it_says_what_the_catalog_says(catalog: Catalog) -> None:
    check_all(FacetIndex(catalog), catalog)


def test_some_items_are_asked_for_in_their_order(catalog: Catalog) -> None:
    index = FacetIndex(catalog)
    some = np.array([9, 3, 200, 3], np.int64)
    navy = matching(catalog, {"colour": "navy"})
    assert index.having("colour", ["navy"], some).tolist() == [at in navy for at in some.tolist()]
    assert index.n_fields_with("", some).tolist() == [0, 0, 0, 0]
    assert index.having("colour", ["navy"], np.empty(0, np.int64)).tolist() == []


def test_it_follows_changes_and_deletions(catalog: Catalog, encoder: FakeEncoder) -> None:
    index, rng = FacetIndex(catalog), random.Random(9)
    version = catalog.open_index_version(encoder.identity, active=True)
    for step in range(12):
        changed = rng.sample(range(N_ITEMS + 30), 1 if step % 2 else 60)
        catalog.commit(version, [entry(encoder, number, rng) for number in changed])
        catalog.delete([f"sku-{number}" for number in rng.sample(range(N_ITEMS), 10)])
        assert index.catch_up()
        assert not index.catch_up()
        check_all(index, catalog)
    catalog.delete([stored.item.sku for stored in catalog.all_items()])
    index.catch_up()
    check_all(index, catalog)


def values_of(rng: random.Random, values: Sequence[str]) -> tuple[str, ...]:
    return tuple(rng.sample(values, rng.randint(1, 3)))


@pytest.mark.parametrize("limit", [3, 1000])
def test_what_satisfies_conditions_holds_all_of_them(catalog: Catalog, limit: int) -> None:
    index, rng = FacetIndex(catalog), random.Random(8)
    for _ in range(40):
        wanted = [
            AnyOf("colour", values_of(rng, [colour.casefold() for colour in COLOURS])),
            AnyOf("sizes", values_of(rng, ["s", "m", "red", "38"])),
            AnyOf("year", ("2010", "2011")),
        ][: rng.randint(1, 3)]
        within = np.sort(rng.sample(range(1, N_ITEMS), 100)) if rng.random() < 0.5 else None
        right = matching(catalog, *({each.field: list(each.values)} for each in wanted))
        right &= right if within is None else set(within.tolist())
        assert index.satisfying(wanted, limit, within).tolist() == sorted(right)[:limit]


FILTERS: tuple[dict[str, object], ...] = (
    {"colour": "navy"},
    {"colour": ["navy", "grün"], "sizes": "m"},
    {"colour": {"not": "navy"}},
    {"sizes": {"exists": False}},
    {"year": "2011", "sizes": {"not": ["m", "38"]}},
    {"price_cents": {"lt": 1000}},
    {"sku": "sku-7"},
)


@pytest.mark.parametrize("asked", FILTERS)
def test_what_passes_a_filter_is_what_the_catalog_says(
    catalog: Catalog, encoder: FakeEncoder, asked: dict[str, object]
) -> None:
    index, rng, conditions = FacetIndex(catalog), random.Random(1), parse_filters(asked)
    version = catalog.open_index_version(encoder.identity, active=True)
    for step in range(3):
        with catalog.reading() as reader:
            found = index.passing(reader, conditions)
            assert found.tolist() == reader.facets.matching(conditions).tolist()
            assert index.passing(reader, conditions) is found
        catalog.commit(version, [entry(encoder, number, rng) for number in rng.sample(range(N_ITEMS), 40)])
        catalog.delete([f"sku-{rng.randrange(8, N_ITEMS)}"])
        if step:  # without it the index is behind, and the database answers
            index.catch_up()


def test_a_filter_that_nothing_can_pass_is_an_error(catalog: Catalog) -> None:
    with catalog.reading() as reader, pytest.raises(FilterError):
        FacetIndex(catalog).passing(reader, parse_filters({"colour": "plaid"}))


def test_variants_pass_by_themselves(tmp_path: Path, encoder: FakeEncoder) -> None:
    catalog = new_catalog(tmp_path / "variants.db")
    variants = (Variant("a-1", {"colour": "red", "size": "S"}), Variant("a-2", {"colour": "blue", "size": "M"}))
    entries = [make_entry(encoder, "a", "Shirt", variants=variants), make_entry(encoder, "b", "Mug")]
    catalog.commit(catalog.open_index_version(encoder.identity, active=True), entries)
    index = FacetIndex(catalog)
    with catalog.reading() as reader:
        assert index.passing(reader, parse_filters({"colour": "red", "size": "M"})).tolist() == []
        assert len(index.passing(reader, parse_filters({"colour": "red", "size": "S"}))) == 1


def test_a_restored_index_is_the_same_and_goes_on(catalog: Catalog, encoder: FakeEncoder) -> None:
    first, rng = FacetIndex(catalog), random.Random(3)
    version = catalog.open_index_version(encoder.identity, active=True)
    catalog.commit(version, [entry(encoder, number, rng) for number in range(10)])
    first.catch_up()
    again = FacetIndex(catalog, first.arrays())
    check_all(again, catalog)
    catalog.commit(version, [entry(encoder, number, rng) for number in range(5, 300, 7)])
    catalog.delete(["sku-3"])
    again.catch_up()
    check_all(again, catalog)


@pytest.mark.parametrize("cost", [0.0, 1e9])
def test_values_are_found_alike_by_bisection_and_by_flags(
    catalog: Catalog, cost: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitrina.search.index.facet_index.BISECTION_COST", cost)
    check_all(FacetIndex(catalog), catalog)


def test_an_empty_catalog(tmp_path: Path) -> None:
    index, ids = FacetIndex(new_catalog(tmp_path / "empty.db")), np.array([1], np.int64)
    assert index.having("colour", None, ids).tolist() == [False]
    assert index.n_fields_with("red", ids).tolist() == [0]
    assert index.satisfying([AnyOf("colour", ("red",))], 5).tolist() == []
