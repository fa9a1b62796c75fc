"""Identifiers: which codes an item has, and which a query may consist of."""

from __future__ import annotations

import pytest

from vitrina.search.types.identifiers import asked_identifiers, compact, identifiers, query_keys
from vitrina.search.types.item import AttributeValue, Item


def keys(sku: str, **attributes: AttributeValue) -> set[str]:
    return {code.key for code in identifiers(Item(sku, attributes=attributes))}


def test_letter_case_blanks_and_hyphens_do_not_matter() -> None:
    assert compact("tn-2110 x") == compact("tn2110x") == compact("tn\u20112110\u00a0x")
    assert keys("TN-2110") == keys("tn 2110") == {"tn2110"}


def test_leading_zeros_of_a_trade_item_number_do_not_matter() -> None:
    assert keys("a1", ean="0012345678905") == keys("a1", gtin14="12345678905") == keys("a1", upc=12345678905)
    assert keys("a1", barcode=4006381333931.0) == {"a1", "04006381333931"}
    assert set(query_keys("12345678905")) & keys("a1", ean="0012345678905")
    assert not set(query_keys("1234")) & keys("0001234"), "a sku's zeros are part of it"


@pytest.mark.parametrize(
    "field",
    ["variant_sku", "mpn", "google_shopping.mpn", "model_number", "model_no", "ean", "ean_code", "variant_barcode",
     "gtin13", "part_number", "isbn", "model", "item_number", "style_code", "skus"],
)  # fmt: skip
def test_attributes_named_as_codes_hold_identifiers(field: str) -> None:
    assert keys("plain", **{field: "XR-500"}) == {"xr500"}


@pytest.mark.parametrize(
    "field", ["size", "year", "colour", "title", "price", "human", "ocean", "remodel", "zip_code", "id"]
)
def test_other_attributes_hold_none(field: str) -> None:
    assert keys("plain", **{field: "XR-500"}) == set()


def test_values_that_are_not_distinctive_are_no_identifiers() -> None:
    assert keys("plain", model="Pro", mpn="unknown", model_number="38", variant_sku="") == set()
    assert keys("plain", model="iPhone 12") == set(), "a name that many other things are made for"
    assert keys("plain", model=True) == set()
    assert keys("plain", mpn="x1" * 200) == set()


def test_several_variants_each_have_their_codes() -> None:
    found = identifiers(
        Item("shirt", attributes={"variant_sku": ("SH-1-S", "SH-1-M"), "variant_barcode": ("4006381333931",)})
    )
    assert [code.key for code in found] == ["sh1s", "sh1m", "04006381333931"]
    assert not any(code.is_sku for code in found)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("TN-2110", "tn-2110"),
        (' "TN-2110" ', "tn-2110"),
        ("\u201eTN-2110\u201c", "tn-2110"),
        ("sku 12345", "12345"),
        ("SKU: 12345", "12345"),
        ("ean 4006381333931", "4006381333931"),
        ("EAN-13: 4006381333931", "4006381333931"),
        ("model no. XR-500", "xr-500"),
        ("item #77", "77"),
        ("part number 'AB 12'", "ab 12"),
    ],
)
def test_a_query_may_consist_of_a_code(query: str, code: str) -> None:
    assert code in list(asked_identifiers(query))


def test_a_query_of_nothing_or_of_very_much_names_no_code() -> None:
    assert list(asked_identifiers("  ")) == []
    assert list(asked_identifiers("x1 " * 500)) == []
    assert list(asked_identifiers('""')) == ['""']
    assert query_keys("pro") == ()
