"""What a shop does not show is left out, and the run says so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import write
from vitrina.indexer.sources import TableSource, open_source
from vitrina.indexer.sources.base import Record

# ruff: noqa: E501 -- the sample files are as wide as the real ones

SHOPIFY = """\
Handle,Title,Published,Status,Option1 Name,Option1 Value,Variant SKU,Variant Price,Image Src
tee,Tee,true,active,Size,S,T-S,9,
tee,,,,,M,T-M,9,
mug,Mug,true,archived,Size,S,M-S,5,
mug,,,,,L,M-L,6,
mug,,,,,,,,https://s.example/2.jpg
cup,Cup,FALSE,active,Title,Default Title,C,4,
"""

WOOCOMMERCE = """\
ID,Type,SKU,Name,Published,"Visibility in catalog","Regular price",Parent,"Attribute 1 name","Attribute 1 value(s)"
1,variable,TEE,Tee,1,visible,,,Size,"S, M"
2,variation,TEE-S,Tee - S,1,visible,9,TEE,Size,S
3,variation,TEE-M,Tee - M,0,visible,9,TEE,Size,M
4,variable,MUG,Mug,-1,visible,,,Size,S
5,variation,MUG-S,Mug - S,1,visible,9,MUG,Size,S
6,simple,CUP,Cup,1,hidden,4,,,
"""

MAGENTO = """\
sku,attribute_set_code,product_type,name,product_online,visibility,price,configurable_variations
TEE-S,Top,simple,Tee S,1,Not Visible Individually,9,
TEE-M,Top,simple,Tee M,2,Not Visible Individually,9,
TEE,Top,configurable,Tee,1,"Catalog, Search",,"sku=TEE-S,size=S|sku=TEE-M,size=M"
MUG,Top,simple,Mug,2,"Catalog, Search",5,
PART,Top,simple,Part,1,Not Visible Individually,1,
"""

BIGCOMMERCE = """\
Item Type,Product ID,Product Name,Product Code/SKU,Price,Product Visible?,Category
Product,1,Tee,TEE,9,Y,Tops
SKU,2,[S]Size=S,TEE-S,,,
Product,3,Mug,MUG,5,N,Mugs
SKU,4,[S]Size=S,MUG-S,,,
"""


def _read(path: Path, mapping: Mapping[str, str] | None = None) -> tuple[dict[str, list[str]], TableSource]:
    """The skus of the variants of each product, and the source, read to its end."""
    source = open_source(str(path), mapping or {}, shown_only=True)
    assert isinstance(source, TableSource)
    rows = list(source.rows())
    assert all(isinstance(row, Record) for row in rows)
    records = [row for row in rows if isinstance(row, Record)]
    return {row.item.sku: [each.sku for each in row.item.variants] for row in records}, source


@pytest.mark.parametrize(
    ("table", "skus", "note"),
    [
        (SHOPIFY, {"tee": ["T-S", "T-M"]}, "2 products that the shop does not show were left out (Status: archived, Published: FALSE); --map status=Status keeps them."),
        (WOOCOMMERCE, {"TEE": ["TEE-S"]}, '2 products and 1 variant that the shop does not show were left out (Published: -1, Visibility in catalog: hidden, Published: 0); --map published=Published keeps them.'),
        (MAGENTO, {"TEE": ["TEE-S"], "PART": []}, "1 product and 1 variant that the shop does not show were left out (product_online: 2); --map product_online=product_online keeps them."),
        (BIGCOMMERCE, {"TEE": ["TEE-S"]}, '1 product that the shop does not show was left out (Product Visible?: N); --map "product_visible=Product Visible?" keeps them.'),
        ("product_id,model,name,quantity,price,image,status,stock_status_id\n1,A,Cup,1,4,a.jpg,true,7\n2,B,Mug,1,5,b.jpg,false,7\n", {"A": []}, "1 product that the shop does not show was left out (status: false); --map status=status keeps them."),
        ("product_number,parent_id,id,name,price_gross,active\nA,,1,Cup,4,1\nB,,2,Mug,5,0\n", {"A": []}, "1 product that the shop does not show was left out (active: 0); --map active=active keeps them."),
        ("Product ID,Image,Name,Reference,Category,Price (tax excl.),Active (0/1)\n1,,Cup,A,Cups,4,1\n2,,Mug,B,Mugs,5,0\n", {"A": []}, '1 product that the shop does not show was left out (Active (0/1): 0); --map "active_0_1=Active (0/1)" keeps them.'),
    ],
)  # fmt: skip
def test_what_shops_do_not_show(tmp_path: Path, table: str, skus: dict[str, list[str]], note: str) -> None:
    found, source = _read(write(tmp_path, "products.csv", table))
    assert found == skus
    assert source.notes[-1] == f"products.csv: {note}"


def test_a_mapped_column_keeps_what_is_hidden(tmp_path: Path) -> None:
    found, source = _read(write(tmp_path, "products.csv", SHOPIFY), {"status": "Status", "shown": "Published"})
    assert found == {"tee": ["T-S", "T-M"], "mug": ["M-S", "M-L"], "cup": []}
    assert source.notes == ()


def test_documents_of_products(tmp_path: Path) -> None:
    shopify = [
        {"id": n, "handle": f"p{n}", "title": "Tee", "vendor": "Acme", "status": status, "variants": [{"sku": "A"}]}
        for n, status in enumerate(("active", "draft", "archived"))
    ]
    assert list(_read(write(tmp_path, "products.json", json.dumps({"products": shopify})))[0]) == ["p0"]
    woocommerce = [
        {"id": n, "name": "Tee", "permalink": "https://s.example/t", "price": "9", "price_html": "", "status": status}
        for n, status in enumerate(("publish", "draft"))
    ]
    assert list(_read(write(tmp_path, "woo.json", json.dumps(woocommerce)))[0]) == ["0"]


@pytest.mark.parametrize(
    ("table", "skus"),
    [
        ("sku,title,is_active\nA,Cup,1\nB,Mug,0\nC,Pot,\n", ["A", "C"]),
        ("sku,title,status\nA,Cup,active\nB,Mug,Draft\n", ["A"]),
        ("sku,title,status\nA,Cup,draft\nB,Mug,draft\n", ["A", "B"]),
        ("sku,title,published\nA,Cup,1994\nB,Mug,0\n", ["A", "B"]),
        ("sku,title,status\nA,Cup,new\nB,Mug,used\n", ["A", "B"]),
    ],
)
def test_any_table_whose_column_says_it_plainly(tmp_path: Path, table: str, skus: list[str]) -> None:
    assert list(_read(write(tmp_path, "catalog.csv", table))[0]) == skus


def test_rows_of_hidden_products_count_as_read(tmp_path: Path) -> None:
    _, source = _read(write(tmp_path, "products.csv", SHOPIFY))
    assert source.hidden.n_rows == 4


def test_a_shop_that_shows_nothing_yet_is_read_as_a_whole(tmp_path: Path) -> None:
    table = "Handle,Title,Vendor,Published,Status,Variant SKU,Variant Price\ntee,Tee,Acme,FALSE,draft,T,9\nmug,Mug,Acme,FALSE,draft,M,5\n"
    found, _ = _read(write(tmp_path, "products.csv", table))
    assert [*found] == ["tee", "mug"]


def test_what_is_not_shown_is_read_and_told_unless_asked_otherwise(tmp_path: Path) -> None:
    for table in (SHOPIFY, WOOCOMMERCE):
        source = open_source(str(write(tmp_path, "products.csv", table)))
        assert isinstance(source, TableSource)
        skus = {row.item.sku for row in source.rows() if isinstance(row, Record)}
        assert skus in ({"tee", "mug", "cup"}, {"TEE", "MUG", "CUP"})
        assert "that the shop does not show are read (" in source.notes[-1]
        assert source.notes[-1].endswith("--shown-only leaves them out.")
        assert source.hidden.n_rows == 0
