"""Titles of their own that variants have, in the sources that say them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import only, read, write
from vitrina.indexer.sources.variant_titles import whole_title

MERCHANT = (
    "id\titem_group_id\ttitle\tcolor\tlink\n"
    "M1\tM\tM20 Wireless Mouse - Black\tBlack\thttps://s.example/1\n"
    "M2\tM\tM20 Wireless Mouse - Pink\tPink\thttps://s.example/2\n"
)
PARENTS = "sku,parent_sku,name,colour,price\nT,,Tee,,20\nT-R,T,Tee red,Red,20\nT-B,T,Blue,Blue,22\n"
MAGENTO = (
    "sku,store_view_code,attribute_set_code,product_type,name,price,additional_attributes,configurable_variations\n"
    'G-R,,Top,simple,Gwyn Tee-XS-Red,20,"color=Red,size=XS",\n'
    'G-B,,Top,simple,Gwyn Tee-S-Blue,20,"color=Blue,size=S",\n'
    'G,,Top,configurable,Gwyn Tee,20,,"sku=G-R,color=Red,size=XS|sku=G-B,color=Blue,size=S"\n'
)
WOOCOMMERCE = (
    "ID,Type,SKU,Name,Published,Parent,Regular price,Attribute 1 name,Attribute 1 value(s)\n"
    '1,variable,V,V-Neck,1,,,Color,"Blue, Red"\n'
    "2,variation,V-B,V-Neck - Blue,1,V,20,Color,Blue\n"
    "3,variation,V-R,V-Neck - Red,1,V,21,Color,Red\n"
)
SHOPIFY = "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price\ntee,Tee,Size,S,T-S,10\ntee,,,M,T-M,10\n"
NESTED = [
    {"sku": "S-R", "title": "Linen shirt in red", "color": "red", "price": 10},
    {"sku": "S-B", "title": "Blue / Large", "color": "blue", "size": "L", "price": 11},
]
OWN = [
    {"sku": "S-R", "options": {"colour": "red"}, "price_cents": 1000, "title": ""},
    {"sku": "S-B", "options": {"colour": "blue"}, "price_cents": 1000, "title": "Sea edition"},
]


def shirt(variants: object) -> str:
    return json.dumps(
        {"products": [{"id": 1, "title": "Linen shirt", "variants": variants}, {"id": 2, "title": "Hat"}]}
    )


@pytest.mark.parametrize(
    ("name", "text", "title", "titles"),
    [
        (
            "feed.tsv",
            MERCHANT,
            "M20 Wireless Mouse",
            ["M20 Wireless Mouse - Black", "M20 Wireless Mouse - Pink"],
        ),
        (
            "feed.tsv",
            MERCHANT.replace("Mouse - Black", "Mouse").replace("Mouse - Pink", "Mouse"),
            "M20 Wireless Mouse",
            ["", ""],
        ),
        (
            "feed.tsv",
            MERCHANT.replace("- Black", '("Night", Black)').replace("- Pink", '("Night", Pink)'),
            'M20 Wireless Mouse ("Night"',
            ['M20 Wireless Mouse ("Night", Black)', 'M20 Wireless Mouse ("Night", Pink)'],
        ),
        (
            "feed.tsv",
            MERCHANT.replace("M20 Wireless Mouse - Pink", "Pink mouse M20"),
            "M20 Wireless Mouse - Black",
            ["M20 Wireless Mouse - Black", "Pink mouse M20"],
        ),
        ("shopify.csv", SHOPIFY, "Tee", ["", ""]),
        ("shopify.csv", SHOPIFY.replace("tee,,,M,T-M,10\n", ""), "Tee", [""]),
        ("shop.csv", PARENTS.replace("Tee red", "Tee").replace("Blue,Blue", "Tee,Blue"), "Tee", ["", ""]),
        ("shop.csv", PARENTS, "Tee", ["Tee red", ""]),
        ("magento.csv", MAGENTO, "Gwyn Tee", ["Gwyn Tee-XS-Red", "Gwyn Tee-S-Blue"]),
        ("woo.csv", WOOCOMMERCE, "V-Neck", ["V-Neck - Blue", "V-Neck - Red"]),
        ("a.json", shirt(NESTED), "Linen shirt", ["Linen shirt in red", ""]),
        ("own.json", shirt(OWN), "Linen shirt", ["", "Sea edition"]),
    ],
)
def test_variants_keep_whole_titles_of_their_own(
    tmp_path: Path, name: str, text: str, title: str, titles: list[str]
) -> None:
    item = read(write(tmp_path, name, text))[0][0].item
    assert (item.title, [each.title for each in item.variants]) == (title, titles)
    assert all(each.options for each in item.variants)


def test_a_title_that_is_too_long_is_told(tmp_path: Path) -> None:
    record = only(write(tmp_path, "feed.tsv", MERCHANT.replace("Mouse - Pink", "Mouse " * 500)))
    assert [each.title for each in record.item.variants] == ["", ""]
    assert [each.column for each in record.problems] == ["variant title"]


@pytest.mark.parametrize(
    ("name", "of_item", "options", "is_whole"),
    [
        ("Linen shirt - red", "Linen shirt", ["red"], True),
        ("M20 Mouse Pink", "Acme M20 wireless optical mouse with receiver", ["Pink"], True),
        ("Linen shirt red", "Linen shirt", ["Linen shirt red"], True),
        ("Red / Large", "Red dress", ["Red", "L"], False),
        ("Red / L", "Red dress", [], False),
        ("Small", "Mug", [], False),
        ("", "Mug", [], False),
    ],
)
def test_a_name_that_is_no_title(name: str, of_item: str, options: list[str], is_whole: bool) -> None:
    assert whole_title(name, of_item, options) == (name if is_whole else "")
