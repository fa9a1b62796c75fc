"""Tables of no known system in which several rows are one product."""

# ruff: noqa: E501 -- the samples are as wide as the real ones

from __future__ import annotations

from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import only, read, write
from vitrina.indexer.sources import open_source
from vitrina.search.types.item import Item

PARENT = """\
sku,parent,type,name,color,size,price,image
P1,,parent,Hoodie,,,,p1.jpg
P1-S,P1,child,Hoodie red S,red,S,39.9,p1r.jpg
P1-M,P1,child,Hoodie red M,red,M,41.9,p1r.jpg
P2,,simple,Cap,black,,19.9,p2.jpg
"""
NUMBERS = """\
id,parent_id,sku,title,option1_name,option1_value,price,image
10,0,P1,Hoodie,,,,p1.jpg
11,10,P1-S,,size,S,39.9,p1r.jpg
12,10,P1-M,,size,M,41.9,p1r.jpg
13,0,P2,Cap,,,19.9,p2.jpg
"""
GROUP = """\
id,item_group_id,name,color,size,price
P1-S,P1,Hoodie S,red,S,39.9
P1-M,P1,Hoodie M,red,M,41.9
P2,,Cap,black,,19.9
"""
TITLES = GROUP.replace("Hoodie S", "Hoodie").replace("Hoodie M", "Hoodie").replace("item_group_id", "style_no")
KEYS = """\
article_number,name,simple_sku,size,ean,price
P1,Hoodie,P1-S,S,4006381333931,39.9
P1,Hoodie,P1-M,M,4006381333948,41.9
P2,Cap,P2-U,,4006381333955,19.9
"""
FRENCH = """\
Réf;Libellé;Taille;Prix
P1;Hoodie;S;39,90
P1;Hoodie;M;41,90
P2;Cap;;19,90
"""


def forms(item: Item) -> tuple[object, ...]:
    """What is told of an item's variants."""
    sizes = [next((value for value in each.options.values()), None) for each in item.variants]
    return item.sku, item.title.split()[0], item.price_cents, [each.sku for each in item.variants], sizes


@pytest.mark.parametrize("table", [PARENT, NUMBERS, GROUP, TITLES, KEYS, FRENCH])
def test_rows_of_one_product(tmp_path: Path, table: str) -> None:
    (hoodie, cap), rejections = read(write(tmp_path, "shop.csv", table))
    assert rejections == []
    skus = ["", ""] if table == FRENCH else ["P1-S", "P1-M"]
    assert forms(hoodie.item) == ("P1", "Hoodie", 3990, skus, ["S", "M"])
    assert [each.price_cents for each in hoodie.item.variants] == [3990, 4190]
    assert (hoodie.n_rows, cap.item.title, cap.item.price_cents, cap.item.variants) == (
        3 if table in (PARENT, NUMBERS) else 2,
        "Cap",
        1990,
        (),
    )


def test_jtl_names_fathers_and_variations(tmp_path: Path) -> None:
    table = """\
Artikelnummer;Artikelname;GTIN;Std. VK Brutto;Std. VK Netto;UVP;EK Netto (für GLD);Bild 1;Identifizierungsspalte Vaterartikel;Variationsname 1;Variationswertname 1
A;T-Shirt;;19,90;16,72;24,90;5,00;https://s.example/1.jpg;;;
A-S;T-Shirt S;4006381333931;19,90;16,72;;5,00;;A;Größe;S
A-M;T-Shirt M;4006381333948;21,90;18,40;;5,00;;A;Größe;M
"""
    item = only(write(tmp_path, "jtl.csv", table.encode("cp1252"))).item
    assert [(each.sku, dict(each.options), each.price_cents) for each in item.variants] == [
        ("A-S", {"größe": "S"}, 1990),
        ("A-M", {"größe": "M"}, 2190),
    ]
    assert "ek_netto_für_gld" not in item.attributes


def test_what_all_variants_of_a_parent_say_is_said_of_it(tmp_path: Path) -> None:
    (hoodie, _), _ = read(write(tmp_path, "shop.csv", PARENT))
    assert (hoodie.item.attributes["color"], [dict(each.options) for each in hoodie.item.variants]) == (
        "red",
        [{"size": "S"}, {"size": "M"}],
    )


def test_a_row_an_image_is_one_product_without_variants(tmp_path: Path) -> None:
    table = "sku,title,price,image\nA,Pot,9,1.jpg\nA,Pot,9,2.jpg\nA,,,3.jpg\nB,Pan,8,4.jpg\n"
    (pot, _), rejections = read(write(tmp_path, "shop.csv", table))
    assert (len(pot.images), pot.item.variants, pot.n_rows, rejections) == (3, (), 3, [])


@pytest.mark.parametrize(
    "table",
    [
        "sku,title,item group\nA,Pot,Kitchen\nB,Pan,Kitchen\n",  # a category
        "sku,title,master_category\nA,Pot,Kitchen\nB,Pan,Kitchen\n",
        "id,title,parent_id\n1,Pot,2\n2,Lamp,3\n3,Pan,2\n",  # the number of a category
        "sku,title,style_no\nA,Pot,7\nB,Pan,7\n",
    ],
)
def test_rows_with_one_category_or_number_stay_apart(tmp_path: Path, table: str) -> None:
    records, rejections = read(write(tmp_path, "shop.csv", table))
    assert (len(records), rejections) == (table.count("\n") - 1, [])


def test_rows_of_one_key_with_other_titles_are_left_to_be_told(tmp_path: Path) -> None:
    records, _ = read(write(tmp_path, "shop.csv", "sku,title,size\nA,Pot,S\nA,Pan,M\nB,Cup,S\n"))
    assert [record.item.sku for record in records] == ["A", "A", "B"]


def test_columns_that_only_join_rows_are_no_attributes(tmp_path: Path) -> None:
    path = write(tmp_path, "shop.csv", GROUP.split("\nP2")[0])
    assert only(path).item.attributes == {"color": "red", "size": ("S", "M")}
    assert "item_group_id" not in dict(open_source(str(path)).fields).values()


def test_erpnext_variants_name_their_template(tmp_path: Path) -> None:
    table = """\
Item Code,Item Name,Item Group,Standard Selling Rate,Variant Of,Colour
TEE,Tee,Apparel,,,
TEE-R,Tee-Red,Apparel,499,TEE,Red
TEE-B,Tee-Blue,Apparel,529,TEE,Blue
"""
    item = only(write(tmp_path, "items.csv", table)).item
    assert (item.sku, item.price_cents, item.attributes["item_group"]) == ("TEE", 49900, "Apparel")
    assert [(each.sku, dict(each.options)) for each in item.variants] == [
        ("TEE-R", {"colour": "Red"}),
        ("TEE-B", {"colour": "Blue"}),
    ]


def test_rows_without_key_and_title_continue_the_one_before(tmp_path: Path) -> None:
    table = "Reference,Name,Price,Values,Image\nD,Desk,99,White,1.jpg\n,,,Steel,2.jpg\nC,Chair,9,Red,\n"
    (desk, chair), rejections = read(write(tmp_path, "odoo.csv", table))
    assert (desk.item.attributes["values"], len(desk.images), desk.n_rows) == (("White", "Steel"), 2, 2)
    assert (chair.item.attributes["values"], rejections) == ("Red", [])
    _, rejections = read(write(tmp_path, "total.csv", table.replace(",,,Steel", ",,108,Steel")))
    assert len(rejections) == 1


def test_sizes_and_colours_in_one_cell_are_lists(tmp_path: Path) -> None:
    table = "code,name,sizes,colour,note\nA,Tee,S/M/L,black / white / red,a/b/c\nB,Jeans,30 | 32,Oak/Brass,x\n"
    (tee, jeans), _ = read(write(tmp_path, "shop.csv", table))
    assert tee.item.attributes == {"sizes": ("S", "M", "L"), "colour": ("black", "white", "red"), "note": "a/b/c"}
    assert jeans.item.attributes["colour"] == ("Oak", "Brass")


def test_chinese_names_below_the_header_are_no_product(tmp_path: Path) -> None:
    table = "title\tprice\tnum\tpicture\touter_id\n宝贝名称\t宝贝价格\t宝贝数量\t新图片\t商家编码\n亚麻衬衫\t199\t10\t1.jpg\tL-1\n"
    item = only(write(tmp_path, "taobao.csv", table.encode("utf-16"))).item
    assert (item.sku, item.title, item.price_cents) == ("L-1", "亚麻衬衫", 19900)


def test_cafe24_options_and_what_the_shop_paid(tmp_path: Path) -> None:
    table = "상품코드,상품명,판매가,공급가,옵션입력\nP1,셔츠,39000,20000,색상{흰색|검정}//사이즈{S|M}\n"
    item = only(write(tmp_path, "cafe24.csv", table)).item
    assert item.attributes == {"색상": ("흰색", "검정"), "사이즈": ("S", "M")}


def test_rows_in_several_languages_are_one_product(tmp_path: Path) -> None:
    table = "sku,locale,name,price\nA,de,Tasse,9\nA,en,Mug,9\nB,en,Pan,8\nB,de,Pfanne,8\nC,de,Topf,7\n"
    (mug, pan, pot), rejections = read(write(tmp_path, "shop.csv", table))
    assert [(each.item.title, each.item.price_cents) for each in (mug, pan, pot)] == [
        ("Mug", 900),
        ("Pan", 800),
        ("Topf", 700),
    ]
    assert (mug.item.attributes, rejections) == ({"name_de": "Tasse"}, [])


def test_the_same_row_with_less_in_it_is_told_as_a_repetition(tmp_path: Path) -> None:
    records, _ = read(write(tmp_path, "shop.csv", "sku,name,image\n1,Cup,a.png\n1,Cup,\n2,Pot,\n"))
    assert [record.item.sku for record in records] == ["1", "1", "2"]


def test_a_sign_for_number_names_styles(tmp_path: Path) -> None:
    table = "Style #,Style name,Colour,Wholesale €,RRP €\nD-1,Dress,Sand,39,99\nD-1,Dress,Black,39,99\nT-2,Top,White,29,79\n"
    (dress, _), _ = read(write(tmp_path, "linesheet.csv", table))
    assert (dress.item.sku, dress.item.price_cents, dress.item.currency) == ("D-1", 9900, "EUR")
    assert dress.item.attributes == {"colour": ("Sand", "Black")}


def test_options_named_as_such_where_variants_name_their_parent(tmp_path: Path) -> None:
    table = "SKU,Parent SKU,Product Name,Option: Fabric,Option: Size,Price\nP,,Fleece,,,\nP-1,P,,Wool,S,40\nP-2,P,,Silk,M,42\n"
    item = only(write(tmp_path, "shop.csv", table)).item
    assert [(each.sku, dict(each.options)) for each in item.variants] == [
        ("P-1", {"fabric": "Wool", "size": "S"}),
        ("P-2", {"fabric": "Silk", "size": "M"}),
    ]


def test_names_and_values_in_one_cell_are_attributes(tmp_path: Path) -> None:
    table = "id,name,features\n1,Bed,width:64.7|style : modern|style : rustic\n2,Cooker,colour : black|style:plain\n"
    (bed, cooker), _ = read(write(tmp_path, "shop.csv", table))
    assert bed.item.attributes == {"width": 64.7, "style": ("modern", "rustic")}
    assert cooker.item.attributes == {"colour": "black", "style": "plain"}
    table = "id,name,opening,link\n1,Shop,Mon: 9:00,https://a.example\n2,Cafe,Tue: 10:00,https://b.example\n"
    assert read(write(tmp_path, "b.csv", table))[0][0].item.attributes["opening"] == "Mon: 9:00"


def test_sizes_with_commas_are_lists(tmp_path: Path) -> None:
    (jeans, tee), _ = read(write(tmp_path, "a.csv", 'id,name,size\n1,Jeans,"28, 30, 32"\n2,Tee,"S, M, L, XL"\n'))
    assert (jeans.item.attributes["size"], tee.item.attributes["size"]) == ((28, 30, 32), ("S", "M", "L", "XL"))
    (shoe, boot), _ = read(write(tmp_path, "b.csv", 'id,name,size\n1,Shoe,"38,5"\n2,Boot,"41,42,43"\n'))
    assert (shoe.item.attributes["size"], boot.item.attributes["size"]) == ("38,5", "41,42,43")


@pytest.mark.parametrize(
    "table",
    [
        "Product Id,Product Title,Variant SKU,Price EUR,Option 1 Name,Option 1 Value\nP,Tee,P-S,9,Size,S\nP,Tee,P-M,9,Size,M\n",
        "*Parent Unique ID,*Product Name,*Unique ID,*Price,Size\nP,Tee,P-S,9,S\nP,Tee,P-M,9,M\n",
        "Barkod,Model Kodu,Ürün Adı,Fiyat,Beden\nP-S,P,Tee,9,S\nP-M,P,Tee,9,M\n",
        "handle,SKU,Name,Price,Size\nP,P-S,Tee,9,S\nP,P-M,,9,M\n",
    ],
)
def test_rows_with_one_products_key_and_keys_of_their_own(tmp_path: Path, table: str) -> None:
    item = only(write(tmp_path, "shop.csv", table)).item
    assert (item.title, item.price_cents, [each.sku for each in item.variants]) == ("Tee", 900, ["P-S", "P-M"])
    assert [next(iter(each.options.values())) for each in item.variants] == ["S", "M"]


@pytest.mark.parametrize(
    "cell", ["Colour=Red|Material=Clay", "Colour=Red; Material=Clay", "Colour: Red|Material: Clay"]
)
def test_names_and_values_in_one_cell(tmp_path: Path, cell: str) -> None:
    cup, _ = read(write(tmp_path, "a.csv", f'id,name,cechy\n1,Cup,"{cell}"\n2,Pan,"{cell.replace("Clay", "Iron")}"\n'))[
        0
    ]
    assert cup.item.attributes == {"colour": "Red", "material": "Clay"}


def test_addresses_with_parameters_are_no_names_and_values(tmp_path: Path) -> None:
    links = "https://a.example/?b=1|https://a.example/?b=2"
    cup, _ = read(write(tmp_path, "a.csv", f"id,name,sources\n1,Cup,{links}\n2,Pan,{links}\n"))[0]
    assert list(cup.item.attributes) == ["sources"]


def test_sizes_in_the_plural(tmp_path: Path) -> None:
    (shoe, boot), _ = read(write(tmp_path, "a.csv", 'id,nombre,Tallas\n1,Zapato,"38,39,40"\n2,Bota,"41,42,43"\n'))
    assert (shoe.item.attributes["tallas"], boot.item.attributes["tallas"]) == ((38, 39, 40), (41, 42, 43))


def test_what_the_titles_of_variants_say_beyond_their_options(tmp_path: Path) -> None:
    rows = "1\tP\tMatt paint brilliant white 5L\tWhite\t5L\n2\tP\tMatt paint magnolia 2.5L\tCream\t2.5L\n3\tP\tMatt paint white 2.5L\tWhite\t2.5L\n"
    paint = only(write(tmp_path, "feed.tsv", f"id\titem_group_id\ttitle\tcolor\tsize\n{rows}"))
    assert [each.options.get("variant") for each in paint.item.variants] == ["brilliant", "magnolia", None]
    rows = "1\tD\tPanel door\t90 GBP\n2\tD\tPanel door FD30\t140 GBP\n"
    door = only(write(tmp_path, "feed.tsv", f"id\titem_group_id\ttitle\tprice\n{rows}"))
    assert [each.options for each in door.item.variants] == [{"variant": "Panel door"}, {"variant": "Panel door FD30"}]
