"""Shopify, Google Merchant and KAGL files load without a mapping."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import only, read, write
from vitrina.indexer.sources import open_source

# ruff: noqa: E501 -- the sample files are as wide as the real ones


SHOPIFY = """\
Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Option2 Name,Option2 Value,\
Variant SKU,Variant Price,Variant Barcode,Image Src,Image Position,Variant Image,Color (product.metafields.shopify.color-pattern),Status
linen-shirt,Linen Shirt,"<p>Soft <b>linen</b>.</p>
<p>Wash cold.</p>",Acme,Shirts,"summer, linen, sale",TRUE,Size,S,Cut,Slim,LS-S,49.90,0123,https://cdn.example/1.jpg,1,,navy; white,active
linen-shirt,,,,,,,,M,,Slim,LS-M,39.90,0124,https://cdn.example/2.jpg,2,https://cdn.example/1.jpg,,
linen-shirt,,,,,,,,,,,,,,https://cdn.example/3.jpg,3,,,
mug,Mug,,Acme,Mugs,,TRUE,Title,Default Title,,,,12.00,,,,,,active
"""

SHOPIFY_2024 = """\
Title,URL handle,Description,Vendor,Option1 name,Option1 value,SKU,Price,Product image URL,Variant image URL
Cap,cap,A cap.,Acme,Color,Red,C-R,19.00,https://cdn.example/r.jpg,
,cap,,,,Blue,C-B,19.00,,https://cdn.example/b.jpg
"""

MERCHANT = """\
id\ttitle\tdescription\tlink\timage link\tadditional image link\tprice\tsale price\tavailability\tbrand\tgtin\tcolor
TV-1\tA "smart" TV 55" set\tBig & bright\thttps://shop.example/tv\thttps://cdn.example/1.jpg\t\
https://cdn.example/2.jpg,https://cdn.example/3.jpg\t1299.00 USD\t999.00 USD\tin_stock\tAcme\t0012345678905\tBlack/Silver
"""

MERCHANT_XML = """\
<?xml version="1.0" encoding="UTF-8"?>
<rss xmlns:g="http://base.google.com/ns/1.0" version="2.0"><channel><title>Shop</title><link>https://shop.example</link>
<item><g:id>1</g:id><title><![CDATA[Red <b>mug</b>]]></title><g:description>Holds &amp; pours</g:description>
<link>https://shop.example/1</link><g:image_link>https://cdn.example/1.jpg</g:image_link>
<g:additional_image_link>https://cdn.example/2.jpg</g:additional_image_link>
<g:additional_image_link>https://cdn.example/3.jpg</g:additional_image_link>
<g:price>12.99 EUR</g:price><g:shipping><g:country>DE</g:country><g:price>4.90 EUR</g:price></g:shipping></item>
<item><title>No id</title><g:image_link>https://cdn.example/4.jpg</g:image_link></item>
</channel></rss>
"""

KAGL = """\
id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,productDisplayName
15970,Men,Apparel,Topwear,Shirts,Navy Blue,Fall,2011,Casual,Turtle Check Men Navy Blue Shirt
39403,Men,Apparel,Topwear,Shirts,NA,,2012,NA,Locomotive Men Check, Slim Fit, Blue Shirt
"""


def urls(path: Path) -> list[list[str | None]]:
    return [[image.url for image in record.images] for record in read(path)[0]]


def test_shopify_rows_of_a_handle_are_one_item(tmp_path: Path) -> None:
    path = write(tmp_path, "products_export.csv", SHOPIFY)
    source = open_source(str(path))
    assert (source.dialect, source.n_rows, source.fields["sku"]) == ("Shopify product export (CSV)", None, "Handle")
    (shirt, mug), rejections = read(path)
    assert rejections == []
    assert (shirt.origin, shirt.item.sku, shirt.item.title) == ("products_export.csv:2", "linen-shirt", "Linen Shirt")
    assert shirt.item.description == "Soft linen.\nWash cold."
    assert (shirt.item.price_cents, shirt.item.currency) == (3990, None)
    assert shirt.item.attributes == {
        "vendor": "Acme",
        "type": "Shirts",
        "tags": ("summer", "linen", "sale"),
        "color": ("navy", "white"),
        "size": ("S", "M"),
        "cut": "Slim",
    }
    assert [(each.sku, dict(each.options), each.price_cents, each.identifiers) for each in shirt.item.variants] == [
        ("LS-S", {"size": "S", "cut": "Slim"}, 4990, ("0123",)),
        ("LS-M", {"size": "M", "cut": "Slim"}, 3990, ("0124",)),
    ]
    assert [each.images for each in shirt.item.variants] == [(), (0,)]
    assert (shirt.n_rows, mug.n_rows, mug.item.variants) == (3, 1, ())
    assert urls(path) == [[f"https://cdn.example/{number}.jpg" for number in (1, 2, 3)], []]
    assert mug.item.attributes == {"vendor": "Acme", "type": "Mugs"}


def test_shopify_template_of_2024(tmp_path: Path) -> None:
    path = write(tmp_path, "products.csv", SHOPIFY_2024)
    record = only(path)
    assert open_source(str(path)).dialect.startswith("Shopify")
    assert (record.item.sku, record.item.title, record.item.price_cents) == ("cap", "Cap", 1900)
    assert record.item.attributes == {"vendor": "Acme", "color": ("Red", "Blue")}
    assert [(each.sku, each.images) for each in record.item.variants] == [("C-R", ()), ("C-B", (1,))]
    assert urls(path) == [["https://cdn.example/r.jpg", "https://cdn.example/b.jpg"]]


def test_shopify_rows_without_a_handle_are_rejected_one_by_one(tmp_path: Path) -> None:
    path = write(tmp_path, "products.csv", "Handle,Title,Variant Price\n,a,1\n,b,2\nc,c,3\n")
    records, rejections = read(path)
    assert [record.item.sku for record in records] == ["c"]
    assert [rejection.origin for rejection in rejections] == ["products.csv:2", "products.csv:3"]


def test_a_mapping_overrides_the_dialect(tmp_path: Path) -> None:
    path = write(tmp_path, "products.csv", SHOPIFY)
    records, _ = read(path, {"title": "Vendor", "price_cents": "Image Position"})
    assert records[0].item.title == "Acme"
    assert open_source(str(path), {"sku": "Variant SKU"}).fields["sku"] == "Variant SKU"


def test_google_merchant_tsv(tmp_path: Path) -> None:
    path = write(tmp_path, "feed.txt", MERCHANT)
    record = only(path)
    assert open_source(str(path)).dialect == "Google Merchant feed (TSV)"
    assert (record.item.sku, record.item.title) == ("TV-1", 'A "smart" TV 55" set')
    assert (record.item.price_cents, record.item.currency, record.item.url) == (
        99900,
        "USD",
        "https://shop.example/tv",
    )
    assert record.item.attributes == {
        "regular_price": 1299.0,
        "availability": "in_stock",
        "brand": "Acme",
        "gtin": "0012345678905",
        "color": "Black/Silver",
    }
    assert urls(path) == [[f"https://cdn.example/{number}.jpg" for number in (1, 2, 3)]]


def test_google_merchant_xml(tmp_path: Path) -> None:
    path = write(tmp_path, "feed.xml", MERCHANT_XML)
    assert open_source(str(path)).dialect == "Google Merchant feed (XML feed)"
    (mug,), (rejection,) = read(path)
    assert (mug.origin, mug.item.sku, mug.item.title) == ("feed.xml#1", "1", "Red mug")
    assert (mug.item.description, mug.item.price_cents, mug.item.currency) == ("Holds & pours", 1299, "EUR")
    assert mug.item.attributes == {}
    assert urls(path) == [[f"https://cdn.example/{number}.jpg" for number in (1, 2, 3)]]
    assert (rejection.origin, rejection.reason) == ("feed.xml#2", "The row has no sku: id is empty.")


def test_kagl_styles(tmp_path: Path) -> None:
    path = write(tmp_path, "styles.csv", KAGL)
    assert open_source(str(path)).dialect == "KAGL styles (CSV)"
    (first, second), rejections = read(path)
    assert rejections == []
    assert (first.item.sku, first.images[0].path) == ("15970", tmp_path / "images" / "15970.jpg")
    assert first.item.attributes == {
        "gender": "Men",
        "master_category": "Apparel",
        "sub_category": "Topwear",
        "article_type": "Shirts",
        "base_colour": "Navy Blue",
        "season": "Fall",
        "year": 2011,
        "usage": "Casual",
    }
    assert second.item.title == "Locomotive Men Check, Slim Fit, Blue Shirt"
    assert not {"base_colour", "season", "usage"} & second.item.attributes.keys()


@pytest.mark.parametrize("name", ["feed.jsonl", "feed.csv"])
def test_dialects_are_known_in_any_format(tmp_path: Path, name: str) -> None:
    row = {"id": "1", "title": "mug", "image_link": "https://cdn.example/1.jpg"}
    content = json.dumps(row) if name.endswith("jsonl") else ",".join(row) + "\n" + ",".join(row.values())
    assert open_source(str(write(tmp_path, name, content))).dialect.startswith("Google Merchant feed")
