"""Columns by their names: in many languages, with locales and currencies behind them, and several for one field."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import only, read, write
from vitrina.indexer.sources import open_source
from vitrina.indexer.sources.columns import choose_columns
from vitrina.search.types.errors import SourceError

# ruff: noqa: E501 -- the sample files are as wide as the real ones


@pytest.mark.parametrize(
    ("header", "fields", "images"),
    [
        ("sku,name,price,photo", "sku,name,price", "photo"),
        ("Artikelnummer,Bezeichnung,Verkaufspreis,Bild", "Artikelnummer,Bezeichnung,Verkaufspreis", "Bild"),
        ("Référence,Désignation,Prix TTC,Visuel", "Référence,Désignation,Prix TTC", "Visuel"),
        ("Código,Nombre,Precio,Imagen principal", "Código,Nombre,Precio", "Imagen principal"),
        ("Артикул,Наименование,Цена,Фото", "Артикул,Наименование,Цена", "Фото"),
        ("商品番号,商品名,価格,画像", "商品番号,商品名,価格", "画像"),
        ("货号,标题,售价,主图", "货号,标题,售价", "主图"),
        ("*Product Code,Title*,Price (EUR),Main Picture", "*Product Code,Title*,Price (EUR)", "Main Picture"),
        ("sku,Brand Name,My Item Name,shop price,img_width,img_src", "sku,My Item Name,shop price", "img_src"),
        ("id,brand,manufacturer_name,file_name", "id,,", "file_name"),
        ("p_id,name,price,img", "p_id,name,price", "img"),
        ("id,title,shipping_price,wholesale price,cost", "id,title,", ""),
    ],
)
def test_names_of_columns(header: str, fields: str, images: str) -> None:
    columns = choose_columns(header.split(","), {}, source="shop.csv")
    found = [columns.fields.get(name, ("",))[0] for name in ("sku", "title", "price")]
    assert (",".join(found), ",".join(columns.images)) == (fields, images)


def test_english_columns_come_first_and_others_fill_the_gaps(tmp_path: Path) -> None:
    content = "sku;name-de_DE;name-fr_FR;name-en_US;description-en_US-ecommerce\n1;Hemd;Chemise;Shirt;Soft\n2;Hose;;;\n"
    (shirt, trousers), _ = read(write(tmp_path, "akeneo.csv", content))
    assert (shirt.item.title, shirt.item.description, trousers.item.title) == ("Shirt", "Soft", "Hose")
    assert shirt.item.attributes == {"name_de_de": "Hemd", "name_fr_fr": "Chemise"}


def test_a_price_column_names_its_currency(tmp_path: Path) -> None:
    item = only(write(tmp_path, "shop.csv", "sku,title,price-EUR,price-USD\n1,a,19.90,21.90\n")).item
    assert (item.price_cents, item.currency) == (1990, "EUR")
    item = only(write(tmp_path, "shop.csv", "sku,title,Price (JPY)\n1,a,1290\n")).item
    assert (item.price_cents, item.currency) == (1290, "JPY")


@pytest.mark.parametrize(
    ("regular", "sale", "cents", "attributes"),
    [
        ("30.00", "20.00", 2000, {"regular_price": 30.0}),
        ("30.00", "", 3000, {}),
        ("30.00", "0.00", 3000, {}),
        ("30.00", "35.00", 3000, {}),
        ("", "20.00", 2000, {}),
    ],
)
def test_the_sale_price_is_what_an_item_costs(
    tmp_path: Path, regular: str, sale: str, cents: int, attributes: dict[str, float]
) -> None:
    item = only(write(tmp_path, "shop.csv", f"sku,title,price,sale price\n1,a,{regular},{sale}\n")).item
    assert (item.price_cents, item.attributes) == (cents, attributes)


def test_a_row_without_a_sku_goes_by_its_id(tmp_path: Path) -> None:
    records, _ = read(write(tmp_path, "shop.csv", "ID,SKU,title\n7,A,a\n8,,b\n"))
    assert [record.item.sku for record in records] == ["A", "8"]
    assert records[0].item.attributes == {"id": 7}


@pytest.mark.parametrize(
    ("table", "fields"),
    [
        ("Item #,Item Description,Unit Price\n1,Hat,9\n2,Cap,8\n", {"sku": "Item #", "title": "Item Description", "price": "Unit Price"}),
        ("ID oferty;Tytuł oferty;Opis oferty;Cena PL\n1;Hat;Warm;9\n2;Cap;Light;8\n", {"sku": "ID oferty", "title": "Tytuł oferty", "description": "Opis oferty", "price": "Cena PL"}),
        ("SKU,Nombre,Nombre de propiedad 1,UVP,Preis\n1,Hat,Talle,9,8\n", {"sku": "SKU", "title": "Nombre", "price": "Preis"}),
        ("ean;code[unique=true];name[lang=de];name[lang=en];unit(code)[default=pieces]\n;1;Hut;Hat;pieces\n", {"sku": "code[unique=true]", "title": "name[lang=en]"}),
        ("sku,title,net price,Prix TTC\n1,Hat,9,8\n", {"sku": "sku", "title": "title", "price": "Prix TTC"}),
        ("productcode,productname,listprice,productprice,photourl\n1,Hat,9,8,a.jpg\n", {"sku": "productcode", "title": "productname", "price": "productprice", "image": "photourl"}),
        ("v_products_model,v_products_name_1,v_products_price,v_products_image,v_status\n1,Hat,9,a.jpg,1\n", {"sku": "v_products_model", "title": "v_products_name_1", "price": "v_products_price", "image": "v_products_image"}),
        ("등록상품ID,등록상품명,판매가,대표이미지\n1,모자,9,a.jpg\n", {"sku": "등록상품ID", "title": "등록상품명", "price": "판매가", "image": "대표이미지"}),
        ("商家编码,宝贝名称,宝贝价格,新图片\n1,帽子,9,a.jpg\n", {"sku": "商家编码", "title": "宝贝名称", "price": "宝贝价格", "image": "新图片"}),
        ("MATNR|MAKTX|KBETR|WAERS|ZZFILE\n1|Hat|9,50|EUR|a.jpg\n", {"sku": "MATNR", "title": "MAKTX", "price": "KBETR", "currency": "WAERS", "image": "ZZFILE"}),
        ("Item\tAmount due\tLook\nRed hat\t$9.50\ta.jpg\nBlue cap\t$8.00\tb.png\n", {"sku": "Item", "title": "Item", "price": "Amount due", "image": "Look"}),
        ("SKU,Item Name,Rate,Purchase Rate,Images1\n1,Hat,USD 9.50,USD 4.00,a.jpg\n", {"sku": "SKU", "title": "Item Name", "price": "Rate", "image": "Images1"}),
    ],
)  # fmt: skip
def test_columns_without_well_known_names(tmp_path: Path, table: str, fields: dict[str, str]) -> None:
    assert open_source(str(write(tmp_path, "list.csv", table))).fields == fields


def test_a_column_whose_values_repeat_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="product's key"):
        open_source(str(write(tmp_path, "list.csv", "Item group,Price\nHats,9\nHats,8\n")))


def test_a_table_without_a_header_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"first line of list\.csv looks like a product"):
        open_source(
            str(
                write(
                    tmp_path,
                    "list.csv",
                    "A-1,Red shirt,19.99,https://s.example/1.jpg\nA-2,Mug,9.99,https://s.example/2.jpg\n",
                )
            )
        )


def test_columns_that_others_are_made_of_are_named_as_the_file_does(tmp_path: Path) -> None:
    table = "article_id,product_code,prod_name,product_type_name,detail_desc,colour_group_name\n0108775015,0108775,Top,Vest top,Soft,Black\n"
    assert dict(open_source(str(write(tmp_path, "articles.csv", table))).fields) == {
        "sku": "article_id",
        "title": "prod_name",
        "description": "detail_desc",
        "image": "article_id",
    }
    products = '{"products":[{"handle":"a","title":"A","vendor":"V","variants":[{"sku":"1","price":"9.00"},{"sku":"2","price":"8.00"}]}]}'
    assert open_source(str(write(tmp_path, "products.json", products))).fields["price"] == "variants.price"
