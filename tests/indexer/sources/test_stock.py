"""Whether an item is in stock, as shops' exports say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import read, write

# ruff: noqa: E501 -- the sample files are as wide as the real ones

SHOPIFY = """\
Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Price,Image Src
in,Tee,Size,S,A,shopify,0,deny,9,
in,,,M,B,shopify,2,deny,9,
in,,,,,,,,,https://s.example/2.jpg
out,Mug,Title,Default Title,C,shopify,0,deny,9,
continued,Cup,Title,Default Title,D,shopify,-1,continue,9,
untracked,Pot,Title,Default Title,E,,0,deny,9,
"""

WOOCOMMERCE = """\
ID,Type,SKU,Name,Published,"In stock?",Stock,"Backorders allowed?","Regular price",Parent
1,variable,in,Tee,1,0,,0,,
2,variation,A,Tee - S,1,0,0,0,9,in
3,variation,B,Tee - M,1,1,,0,9,in
4,simple,out,Mug,1,0,0,0,9,
5,simple,continued,Cup,1,backorder,0,1,9,
6,simple,counted,Pot,1,,3,0,9,
"""

MAGENTO = """\
sku,attribute_set_code,product_type,name,product_online,visibility,price,qty,is_in_stock,configurable_variations
A,Top,simple,Tee S,1,Not Visible Individually,9,0,0,
B,Top,simple,Tee M,1,Not Visible Individually,9,5,1,
in,Top,configurable,Tee,1,"Catalog, Search",,0,1,"sku=A,size=S|sku=B,size=M"
out,Top,simple,Mug,1,"Catalog, Search",5,0,0,
"""

BIGCOMMERCE = """\
Item Type,Product ID,Product Name,Product Code/SKU,Price,Track Inventory,Current Stock Level,Category
Product,1,Tee,in,9,by option,0,Tops
SKU,2,[S]Size=S,A,,,0,
SKU,3,[S]Size=M,B,,,4,
Product,4,Mug,out,5,by product,0,Mugs
Product,5,Cup,untracked,5,none,0,Mugs
"""

PRESTASHOP = "Product ID,Image,Name,Reference,Category,Price (tax excl.),Quantity\n1,,Cup,in,Cups,4,7\n2,,Mug,out,Mugs,5,0\n3,,Pot,untold,Pots,5,\n"


@pytest.mark.parametrize("table", [SHOPIFY, WOOCOMMERCE, MAGENTO, BIGCOMMERCE, PRESTASHOP])
def test_stock_of_shops_exports(tmp_path: Path, table: str) -> None:
    records, rejections = read(write(tmp_path, "products.csv", table))
    found = {record.item.sku: record.item.attributes.get("availability") for record in records}
    names = {"out": "out of stock", "untold": None}
    assert rejections == []
    assert found == {sku: names.get(sku, "in stock") for sku in found}
    assert {"in", "out"} <= found.keys()
    assert not any(key in record.item.attributes for record in records for key in ("qty", "stock", "quantity"))
