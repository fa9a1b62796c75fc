"""Attributes are typed by what they spell, and named so that a filter can name them."""

from __future__ import annotations

import datetime
import decimal
import math

import pytest

from vitrina.indexer.sources.attributes import (
    MAX_ATTRIBUTE_CHARS,
    MAX_ATTRIBUTES,
    MAX_VALUES,
    attribute_key,
    check_attribute,
    flatten,
    typed,
)
from vitrina.search.types.errors import InputError
from vitrina.search.types.item import AttributeValue


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-3", -3),
        ("0", 0),
        ("1.5", 1.5),
        ("-0.25", -0.25),
        ("true", True),
        ("FALSE", False),
        ("007", "007"),
        ("1e5", "1e5"),
        ("4006381333931", "4006381333931"),
        ("12345678901", 12345678901),
        ("1.", "1."),
        (".5", ".5"),
        ("+5", "+5"),
        ("00.5", "00.5"),
        ("1,5", "1,5"),
        ("١٢", "١٢"),
        ("inf", "inf"),
        ("Infinity", "Infinity"),
        ("1_000", "1_000"),
        ("12 cm", "12 cm"),
        ("yes", "yes"),
    ],
)
def test_typing(text: str, value: AttributeValue) -> None:
    found = typed("size", text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("key", ["gtin", "ean13", "barcode", "variant_sku", "supplier.code", "mpn"])
def test_codes_stay_text(key: str) -> None:
    assert typed(key, "123") == "123"
    assert typed("encode", "123") == 123


@pytest.mark.parametrize(
    ("column", "key"),
    [
        ("Base Colour", "base_colour"),
        ("baseColour", "base_colour"),
        ("Google Shopping / Age Group", "google_shopping_age_group"),
        ("Body (HTML)", "body_html"),
        ("g:item.size", "g_item.size"),
        ("Größe", "größe"),
        (" SKU ", "sku"),
        ("Color (product.metafields.shopify.color-pattern)", "color"),
        ("FABRIC (PRODUCT.METAFIELDS.SHOPIFY.FABRIC)", "fabric"),
        ("Weight_(lbs)", "weight_lbs"),
        ("Price_/_International", "price_international"),
        ("Meta: _hidden", "meta__hidden"),
        ("---", ""),
    ],
)
def test_keys(column: str, key: str) -> None:
    assert attribute_key(column) == key


def flat(value: object, key: str = "a") -> dict[str, AttributeValue]:
    return dict(flatten(key, value))


def test_blanks_bytes_and_infinities_are_dropped() -> None:
    for value in (None, "", "nan", math.nan, math.inf, b"x", [], [None, ""], {}, {"b": None}):
        assert flat(value) == {}


def test_zero_and_false_are_values() -> None:
    assert [flat(value) for value in ("0", "false", 0, False)] == [{"a": 0}, {"a": False}, {"a": 0}, {"a": False}]


def test_lists_keep_one_type() -> None:
    assert flat(["1", "2", None]) == {"a": (1, 2)}
    assert flat(["S", "40", 41]) == {"a": ("S", "40", "41")}
    assert flat([b"x", "1", "b"]) == {"a": ("1", "b")}


def test_nested_objects_have_dotted_keys() -> None:
    assert flat({"Size": {"Value": "5", "unit": "cm"}, "x": [1, 2]}) == {
        "a.size.value": 5,
        "a.size.unit": "cm",
        "a.x": (1, 2),
    }
    assert flat([{"name": "a", "n": 1}, {"name": "b"}]) == {"a.name": ("a", "b"), "a.n": (1,)}


@pytest.mark.parametrize(
    ("cell", "values"),
    [
        ("Red, White", ("Red", "White")),
        ("S,M,L", ("S", "M", "L")),
        ("['Red', 'White']", ("Red", "White")),
        ('["38", "40"]', (38, 40)),
        ("Red; White", ("Red", "White")),
        ("['Red' 'White']", ("Red", "White")),
        ("array(['Red', 'White'], dtype=object)", ("Red", "White")),
        ("[38 39]", (38, 39)),
        ("('Red', 'White')", ("Red", "White")),
        ("{'Red', 'Navy'}", ("Red", "Navy")),
        ("Acme, Inc.", "Acme, Inc."),
        ("Acme, Inc", "Acme, Inc"),
        ("1,5", "1,5"),
        ("Soft to the touch all day, and warm", "Soft to the touch all day, and warm"),
        ("Men|Shirts", "Men|Shirts"),
        ("<p>Wash <b>cold</b></p>", "Wash cold"),
        ("4.50", 4.5),
        ("XS-S-M-L", ("XS", "S", "M", "L")),
        ("36/38/40", (36, 38, 40)),
        ("36-38", "36-38"),
        ("10-12-25", "10-12-25"),
    ],
)
def test_lists_written_as_text(cell: str, values: AttributeValue) -> None:
    assert flat(cell) == {"a": values}


def test_objects_written_as_text() -> None:
    assert flat("{'Fabric': 'Silk', 'Body Shape': '443,333'}") == {"a.fabric": "Silk", "a.body_shape": "443,333"}
    assert flat("{oops}") == {"a": "{oops}"}


def test_other_scalars() -> None:
    assert flat(datetime.date(2026, 1, 2)) == {"a": "2026-01-02"}
    assert flat(decimal.Decimal("12.00")) == {"a": 12}
    assert flat(decimal.Decimal("12.5")) == {"a": 12.5}
    assert flat(2**70) == {"a": str(2**70)}


def test_limits() -> None:
    nested: object = 1
    for _ in range(20):
        nested = {"a": nested}
    with pytest.raises(InputError, match="nests deeper than 8"):
        flat(nested)
    with pytest.raises(InputError, match=f"more than {MAX_ATTRIBUTES} attributes"):
        check_attribute("one_more", 1, MAX_ATTRIBUTES)
    with pytest.raises(InputError, match="notes holds"):
        check_attribute("notes", "x" * MAX_ATTRIBUTE_CHARS, 0)
    with pytest.raises(InputError, match="1,001 values"):
        check_attribute("notes", (1,) * (MAX_VALUES + 1), 0)
    check_attribute("notes", "x" * (MAX_ATTRIBUTE_CHARS - 5), MAX_ATTRIBUTES - 1)


def test_arrays_of_postgresql_are_lists() -> None:
    assert flat('{red,"dark \\"navy\\" blue"}') == {"a": ("red", 'dark "navy" blue')}
    assert flat("{oops}") == {"a": "{oops}"}


def test_a_person_with_the_last_name_first_is_no_list() -> None:
    assert dict(flatten("author", "Doe, John")) == {"author": "Doe, John"}
    assert dict(flatten("author", "John Doe, Jane Roe")) == {"author": ("John Doe", "Jane Roe")}


def test_an_entity_divides_no_list() -> None:
    assert flat("A&amp;B") == {"a": "A&B"}


def test_a_place_is_one_with_those_that_it_lies_in() -> None:
    assert dict(flatten("region", "Pauillac, Bordeaux, France")) == {"region": "Pauillac, Bordeaux, France"}
    assert dict(flatten("regions", "Bordeaux, Rioja")) == {"regions": ("Bordeaux", "Rioja")}
