"""Exports whose rows say more of other rows: store views, rows that continue a product, parts of bundles, parents."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import only, read, write
from tests.indexer.sources.test_shop_exports import forms, loaded
from vitrina.search.types.item import Item

# ruff: noqa: E501 -- the sample files are as wide as the real ones

MAGENTO_1 = """\
sku,_store,_attribute_set,_type,_category,_root_category,_product_websites,name,price,special_price,image,visibility,color,_links_related_sku,_associated_sku,_associated_default_qty,_tier_price_qty,_tier_price_price,_media_attribute_id,_media_image,_media_position,_super_products_sku,_super_attribute_code,_super_attribute_option,_super_attribute_price_corr
T-R,,Top,simple,,,base,Tee red,20.0000,,/t/r.jpg,1,Red,,,,,,88,/t/r.jpg,1,,,,
T-B,,Top,simple,,,base,Tee blue,22.0000,18.0000,/t/b.jpg,1,Blue,,,,,,88,/t/b.jpg,1,,,,
T,,Top,configurable,Men/Tops,Default Category,base,Tee,20.0000,,/t/1.jpg,4,,BAG,,,,,88,/t/1.jpg,1,T-R,color,Red,
,,,,Sale,Default Category,,,,,,,,,,,,,88,/t/2.jpg,2,T-R,fit,Slim,
,,,,,,,,,,,,,,,,,,,,,T-B,color,Blue,2.0000
,,,,,,,,,,,,,,,,,,,,,T-B,fit,Loose,
,de,,,,,,Hemd,,,,,,,,,,,88,/t/3.jpg,3,,,,
BAG,,Bag,simple,Gear,Default Category,base,Bag,9.0000,,no_selection,4,,,,,5,8.0000,,,,,,,
SET,,Bag,grouped,Gear,Default Category,base,Set,,,no_selection,4,,,BAG,0,,,,,,,,,
,,,,,,,,,,,,,,T-B,0,,,,,,,,,
"""


def test_magento_1_joins_the_rows_that_continue_a_product_and_its_simples(tmp_path: Path) -> None:
    records = loaded(tmp_path, "m1.csv", MAGENTO_1)
    assert list(records) == ["T", "BAG", "SET"]
    tee = records["T"]
    assert (tee.item.title, tee.n_rows) == ("Tee", 7)
    assert forms(tee.item) == [
        ("T-R", {"color": "Red", "fit": "Slim"}, 2000),
        ("T-B", {"color": "Blue", "fit": "Loose"}, 1800),
    ]
    assert tee.item.attributes == {
        "category": ("Men/Tops", "Sale"),
        "name_de": "Hemd",
        "color": ("Red", "Blue"),
        "fit": ("Slim", "Loose"),
    }
    paths = [str(image.path)[-8:] for image in tee.images]
    assert paths == ["/t/1.jpg", "/t/2.jpg", "/t/3.jpg", "/t/r.jpg", "/t/b.jpg"]


def test_grouped_products_cost_what_their_parts_do(tmp_path: Path) -> None:
    group = loaded(tmp_path, "m1.csv", MAGENTO_1)["SET"].item
    assert (group.price_cents, group.max_price_cents, group.variants) == (900, 1800, ())
    woo = """\
ID,Type,SKU,Name,Published,"Is featured?","Visibility in catalog","Sale price","Regular price",Images,Parent,"Grouped products"
1,simple,A,Hat,1,0,visible,,9,,,
2,variable,B,Tee,1,0,visible,,,,,
3,variation,B-S,Tee - S,1,0,visible,15,20,,B,
4,variation,B-M,Tee - M,1,0,visible,,22,,B,
5,grouped,C,Both,1,0,visible,,,,,"A, id:2"
6,grouped,D,None known,1,0,visible,,,,,GONE
"""
    records = loaded(tmp_path, "woo.csv", woo)
    assert [(records[sku].item.price_cents, records[sku].item.max_price_cents) for sku in "BCD"] == [
        (1500, 2200),
        (900, 2200),
        (None, None),
    ]


def test_bundles_cost_the_sum_of_their_options(tmp_path: Path) -> None:
    def choice(name: str, sku: str, quantity: int = 1, required: int = 1) -> str:
        return f"name={name},type=radio,required={required},sku={sku},price=0.0000,default=1,default_qty={quantity}.0000,price_type=fixed"

    values = [
        choice("Ball", "B-1"),
        choice("Ball", "B-2"),
        choice("Brick, foam", "C", 2),
        choice("Mat", "M", required=0),
    ]
    text = f"""\
sku,attribute_set_code,product_type,categories,name,visibility,price,special_price,bundle_price_type,bundle_values
KIT,Gear,bundle,Default Category/Gear,Kit,"Catalog, Search",,,dynamic,"{"|".join(values)}"
FIXED,Gear,bundle,Default Category/Gear,Fixed,"Catalog, Search",50.000000,,fixed,"{values[0]}"
B-1,Gear,simple,Default Category/Gear,Ball,"Catalog, Search",23.000000,,,
B-2,Gear,simple,Default Category/Gear,Large ball,"Catalog, Search",32.000000,27.000000,,
C,Gear,simple,Default Category/Gear,Brick,"Catalog, Search",5.000000,,,
M,Gear,simple,Default Category/Gear,Mat,"Catalog, Search",19.000000,,,
"""
    records = loaded(tmp_path, "export.csv", text)
    assert (records["KIT"].item.price_cents, records["KIT"].item.max_price_cents) == (3300, 5600)
    assert (records["FIXED"].item.price_cents, records["FIXED"].item.max_price_cents) == (5000, 5000)


def test_magento_products_without_a_row_for_all_stores(tmp_path: Path) -> None:
    records = loaded(tmp_path, "views.csv", """\
sku,store_view_code,attribute_set_code,product_type,categories,product_websites,name,description,price,visibility,base_image,additional_attributes,configurable_variations
T,fr,Top,configurable,Default Category/Tops,base,Chemise,,,,,,
T,default,Top,configurable,Default Category/Tops,base,Shirt,Soft,,,/t/1.jpg,material=Cotton,"sku=T-S,size=S|sku=T-M,size=M"
T-S,fr,Top,simple,,base,Chemise S,,,,,,
T-S,default,Top,simple,,base,Shirt S,,20.00,,/t/s.jpg,size=S,
T-M,fr,Top,simple,,base,Chemise M,,25.00,,,size=M,
M,de,Mug,simple,,base,Becher,,9.50,,/m/1.jpg,,
M,us_en,Mug,simple,,base,Mug,,9.00,,,,
H,,Hat,simple,,base,Hat,Warm,5.00,,,,
H,default,,,,,,,4.00,,,,
H,de,,,,,Hut,,6.00,,/h/1.jpg,color=Rot,
""")  # fmt: skip
    assert list(records) == ["T", "M", "H"]
    shirt, mug, hat = (records[sku] for sku in ("T", "M", "H"))
    assert (shirt.item.title, shirt.item.description) == ("Shirt", "Soft")
    assert shirt.item.attributes["name_fr"] == "Chemise"
    assert forms(shirt.item) == [("T-S", {"size": "S"}, 2000), ("T-M", {"size": "M"}, 2500)]
    assert (mug.item.title, mug.item.price_cents, len(mug.images)) == ("Mug", 900, 1)
    assert (hat.item.title, hat.item.price_cents, len(hat.images)) == ("Hat", 400, 1)
    assert hat.item.attributes == {"name_de": "Hut"}


OXID = """\
"OXID";"OXPARENTID";"OXACTIVE";"OXARTNUM";"OXTITLE";"OXSHORTDESC";"OXPRICE";"OXPIC1";"OXPIC2";"OXVARNAME";"OXVARSELECT";"OXEAN"
"b5";"";"1";"1202";"Jeans EVA";"Denim";"69,90";"a.jpg";"b.jpg";"Größe | Farbe";"";""
"v1";"b5";"1";"1202-1";"";"";"69,90";"";"";"";"W 30 | Blau";"4006381333931"
"v2";"b5";"1";"1202-2";"";"";"79,90";"";"";"";"W 32 | Rot";""
"""

JTL = """\
Artikelnummer;Artikelname;Beschreibung;Brutto-VK;UVP;EAN;Bild 1;Vaterartikel;Variation Name 1;Variationswert 1
1202;Jeans EVA;Denim;69,90;99,90;;a.jpg;;;
1202-1;Jeans EVA 30;;69,90;99,90;4006381333931;;1202;Größe;W 30
1202-2;Jeans EVA 32;;79,90;99,90;;b.jpg;1202;Größe;W 32
"""

SQUARE = """\
Reference Handle,Token,Item Name,Variation Name,SKU,Description,GTIN,Price,Sellable,Option Name 1,Option Value 1,Tax - Sales Tax (8%)
1202,ABC,Jeans EVA,W 30,1202-1,Denim,4006381333931,69.90,Y,Größe,W 30,Y
1202,ABD,Jeans EVA,W 32,1202-2,Denim,,79.90,Y,Größe,W 32,Y
"""

WEBFLOW = """\
Product Handle,Product ID,Product Type,Product Name,Product Description,Product Visibility,Variant SKU,Variant Price,Variant Image,Variant Inventory,Option1 Name,Option1 Value
1202,5f1,Physical,Jeans EVA,<p>Denim</p>,visible,1202-1,$ 69.90 USD,https://s.example/1.jpg,3,Größe,W 30
1202,5f1,,,,,1202-2,$ 79.90 USD,,3,Größe,W 32
"""

TIENDANUBE = """\
"Identificador de URL";Nombre;Categorías;"Nombre de propiedad 1";"Valor de propiedad 1";Precio;"Precio promocional";Stock;SKU;"Código de barras";"Mostrar en tienda";Descripción
1202;Jeans EVA;Ropa > Jeans;Größe;W 30;1.069,90;69,90;5;1202-1;4006381333931;SÍ;<p>Denim</p>
1202;;;Größe;W 32;79,90;;5;1202-2;;;
"""

LIGHTSPEED = """\
Internal_ID,Internal_Variant_ID,Visible,Brand,DE_Title_Short,DE_Title_Long,DE_Description_Long,DE_Variant,Default,SKU,EAN,Price,Price_Old,Images
1202,456,Y,Acme,Jeans EVA,Jeans EVA lang,<p>Denim</p>,Größe: W 30,1,1202-1,4006381333931,69.90,79.90,https://s.example/1.jpg
1202,457,Y,Acme,Jeans EVA,Jeans EVA lang,<p>Denim</p>,Größe: W 32,0,1202-2,,79.90,,https://s.example/1.jpg
"""


PLENTYMARKETS = """\
Variation.number;Variation.id;Item.id;VariationText.name[de];VariationText.description[de];VariationSalesPrice.price;VariationBarcode.code;ItemImage.url;VariationAttribute.values
1202-1;1001;1202;Jeans EVA;<p>Denim</p>;69,90;4006381333931;https://p.example/1.jpg;Größe:W 30
1202-2;1002;1202;Jeans EVA;<p>Denim</p>;79,90;;https://p.example/1.jpg;Größe:W 32
"""

SHOPWARE_6 = """\
id;parent_id;product_number;active;name;description;price_gross;options;ean
a;;1202;1;Jeans EVA;<p>Denim</p>;69.90;;
b;a;1202-1;1;;;69.90;Größe: W 30, Farbe: Rot;4006381333931
c;a;1202-2;1;;;79.90;Größe: W 32, Farbe: Blau;
"""


@pytest.mark.parametrize("content", [OXID, JTL, SQUARE, WEBFLOW, TIENDANUBE, LIGHTSPEED, PLENTYMARKETS, SHOPWARE_6])
def test_more_systems_join_their_variants(tmp_path: Path, content: str) -> None:
    item: Item = loaded(tmp_path, "products.csv", content)["1202"].item
    assert (item.title, item.description or "Denim") == ("Jeans EVA", "Denim")
    found = [(each.sku, each.options["größe"], each.price_cents) for each in item.variants]
    assert found == [("1202-1", "W 30", 6990), ("1202-2", "W 32", 7990)]
    assert set(item.attributes) <= {
        "größe",
        "farbe",
        "uvp",
        "brand",
        "product_type",
        "categorias",
        "title_long",
        "short_description",
    }
    if "4006381333931" in content:
        assert item.variants[0].identifiers == ("4006381333931",)


def test_variants_of_a_product_without_a_row_are_told_by_their_names(tmp_path: Path) -> None:
    item = loaded(tmp_path, "list.csv", """\
Product ID,Product Name,Variation ID,Variation Name,Parent SKU,SKU,Price
1,Kaos Polos,2,"Merah,M",KP,KP-1,75.00
1,Kaos Polos,3,"Biru,L",KP,KP-2,80.00
""")["KP"].item  # fmt: skip
    assert forms(item) == [("KP-1", {"variant": "Merah, M"}, 7500), ("KP-2", {"variant": "Biru, L"}, 8000)]


def test_cs_cart(tmp_path: Path) -> None:
    record = loaded(tmp_path, "export.csv", """\
Product code,Language,Product id,Category,List price,Price,Product name,Detailed image,Features,Options
K-1,en,12,Electronics///TV,899.99,799.99,"OLED TV, 55""\",images/tv.jpg#{[en]:A TV;},"{12}Display: S[OLED]; Color: M[Black,Red]",
""")["K-1"]  # fmt: skip
    assert (record.item.title, record.item.price_cents) == ('OLED TV, 55"', 79999)
    assert record.item.attributes == {"category": "Electronics///TV", "display": "OLED", "color": ("Black", "Red")}
    assert [image.path for image in record.images] == [tmp_path / "images/tv.jpg"]


@pytest.mark.parametrize(("rule", "cents"), [("[FIXED]30", 3000), ("[ADD]2.50", 2750), ("[REMOVE]5", 2000), ("", 2500)])
def test_rules_of_bigcommerce_price_their_variant(tmp_path: Path, rule: str, cents: int) -> None:
    item = loaded(tmp_path, "bc.csv", f"""\
Item Type,Product ID,Product Name,Product Type,Product Code/SKU,Price,Sale Price,Category,Product Image URL - 1
Product,77,Red shirt,P,BC-1,25,,Shirts,
  SKU,,[S]Size=Small,,BC-1-S,,,,
  SKU,,[S]Size=Large,,BC-1-L,,,,
  Rule,,BC-1-L,,,{rule},,,
""")["BC-1"].item  # fmt: skip
    assert [each.price_cents for each in item.variants] == [2500, cents]


def test_square_items_without_handles_go_by_their_names(tmp_path: Path) -> None:
    table = """\
Token,Item Name,Variation Name,SKU,Description,Category,Price
T1,Flat White,Regular,,Double shot,Coffee,3.20
T2,Flat White,Large,,Double shot,Coffee,3.80
T3,Bun,Regular,,Cinnamon,Pastry,2.50
"""
    (coffee, bun), _ = read(write(tmp_path, "square.csv", table))
    assert (coffee.item.title, coffee.n_rows, bun.item.title, bun.item.price_cents) == ("Flat White", 2, "Bun", 250)
    assert [dict(each.options) for each in coffee.item.variants] == [{"variant": "Regular"}, {"variant": "Large"}]


def test_lightspeed_retail_variants_are_rows_with_one_handle(tmp_path: Path) -> None:
    table = """\
id,handle,sku,name,description,product_category,variant_option_one_name,variant_option_one_value,variant_option_two_name,variant_option_two_value,supply_price,retail_price,brand_name
a1,shoe,10001,Shoe / 42 / Blue,Light,Footwear,Size,42,Colour,Blue,40,99.95,Fleet
a2,shoe,10002,Shoe / 43 / Blue,,Footwear,Size,43,Colour,Blue,40,99.95,Fleet
a3,bottle,10003,Bottle,,Sports,,,,,4,12.50,Aqua
"""
    (shoe, bottle), _ = read(write(tmp_path, "vend.csv", table))
    assert [(each.sku, each.options["size"]) for each in shoe.item.variants] == [("10001", 42), ("10002", 43)]
    assert shoe.item.attributes == {
        "product_category": "Footwear",
        "brand_name": "Fleet",
        "size": (42, 43),
        "colour": "Blue",
    }
    assert (bottle.item.sku, bottle.item.price_cents, bottle.item.attributes["sku"]) == ("bottle", 1250, "10003")


def test_a_configurable_product_of_0_costs_what_its_variants_do(tmp_path: Path) -> None:
    table = (
        "sku,product_type,attribute_set_code,name,price,additional_attributes,configurable_variations\n"
        'RING,configurable,D,Ring,0.0000,metal=Gold,"sku=R-6,ring_size=6|sku=R-7,ring_size=7"\n'
        "R-6,simple,D,Ring 6,120,ring_size=6,\n"
    )
    ring = only(write(tmp_path, "catalog_product.csv", table)).item
    assert [(each.sku, each.price_cents) for each in ring.variants] == [("R-6", 12000), ("R-7", 12000)]


LOYVERSE = """\
Handle,SKU,Name,Category,Description,Sold by weight,Option 1 name,Option 1 value,Option 2 name,Option 2 value,Cost,Barcode,Track stock,Available for sale [Main],Price [Main],In stock [Main],"Tax - ""VAT"" (15%)"
tee,10001,T-shirt,Clothes,<p>Cotton</p>,N,Size,S,Color,Red,4.00,,Y,Y,12.00,5,Y
tee,10002,,,,,,M,,Red,4.00,,Y,Y,12.00,5,
tee,10003,,,,,,M,,Blue,4.00,,Y,Y,13.00,5,
mug,10004,Mug,Home,,N,,,,,1.00,5449000000996,Y,Y,variable,12,Y
"""


@pytest.mark.parametrize("weighed", ["Sold by weight", "Weighed"])
def test_options_are_named_by_a_products_first_row(tmp_path: Path, weighed: str) -> None:
    (tee, mug), _ = read(write(tmp_path, "items.csv", LOYVERSE.replace("Sold by weight", weighed)))
    assert forms(tee.item) == [
        ("10001", {"size": "S", "color": "Red"}, 1200),
        ("10002", {"size": "M", "color": "Red"}, 1200),
        ("10003", {"size": "M", "color": "Blue"}, 1300),
    ]
    assert (mug.item.title, mug.item.price_cents) == ("Mug", None)
    if weighed == "Sold by weight":
        assert tee.item.attributes == {"category": "Clothes", "size": ("S", "M"), "color": ("Red", "Blue")}
        assert not mug.problems


def test_sumup_items_name_the_options_of_the_rows_below(tmp_path: Path) -> None:
    table = """\
Item name,Variations,Option set 1,Option 1,Option set 2,Option 2,Is variation visible? (Yes/No),Price,On sale in Online Store?,Regular price (before sale),Tax rate (%),SKU,Description (Online Store and Invoices only),Category,Image 1,Image 2,Item id (Do not change),Variant id (Do not change)
Candle,,Size,,,,,,,,20,,Soy wax,Home,https://x.com/1.jpg,,1111,
,Small,,Small,,,Yes,12.00,No,,20,C-S,,,,,1111,a1
,Large,,Large,,,Yes,15.00,Yes,18.00,20,,,,,,1111,a2
Mug,,,,,,Yes,9.50,No,,20,MUG,White mug,Home,https://x.com/2.jpg,,2222,b1
"""
    (candle, mug), _ = read(write(tmp_path, "sumup.csv", table))
    assert forms(candle.item) == [("C-S", {"size": "Small"}, 1200), ("a2", {"size": "Large"}, 1500)]
    assert (candle.item.sku, candle.item.description, len(candle.images)) == ("1111", "Soy wax", 1)
    assert (mug.item.title, mug.item.price_cents, mug.item.attributes) == (
        "Mug",
        950,
        {"sku": "MUG", "category": "Home"},
    )


MAGENTO_GRID = """\
ID,Thumbnail,Name,Type,Attribute Set,SKU,Price,Quantity,Salable Quantity,Visibility,Status,Websites,Maat,Kraag,EAN
1, -,Linnen hemd-45,Simple Product,Default,0013-100-45,€64.99,1,Default Stock: 1,Not Visible Individually,Enabled,Main,45,Kent,4006381333931
2, -,Linnen hemd-46,Simple Product,Default,0013-100-46,€66.99,1,Default Stock: 1,Not Visible Individually,Enabled,Main,46,Kent,4012345678901
3,/h.jpg,Linnen hemd,Configurable Product,Default,0013-100,€64.99, -,,"Catalog, Search",Enabled,Main, -,Kent, -
4, -,Linnen hemd lang-45,Simple Product,Default,0013-100-L-45,€70.00,1,Default Stock: 1,Not Visible Individually,Enabled,Main,45,Kent,
5,/l.jpg,Linnen hemd lang,Configurable Product,Default,0013-100-L,€70.00, -,,"Catalog, Search",Enabled,Main, -,Kent, -
6,/s.jpg,Sjaal,Simple Product,Default,0013,€9.00,4,Default Stock: 4,"Catalog, Search",Enabled,Main, -, -, -
7, -,Knoop,Simple Product,Default,0013-1,€1.00,4,Default Stock: 4,Not Visible Individually,Enabled,Main, -, -, -
8, -,Hemd zonder hoofd,Simple Product,Default,0099-100-45,€5.00,4,Default Stock: 4,Not Visible Individually,Enabled,Main,45, -, -
"""


def test_simples_in_magentos_grid_are_variants_of_what_their_skus_begin_with(tmp_path: Path) -> None:
    records = loaded(tmp_path, "grid.csv", MAGENTO_GRID)
    assert [*records] == ["0013-100", "0013-100-L", "0013", "0013-1", "0099-100-45"]
    shirt = records["0013-100"].item
    assert (shirt.title, len(records["0013-100"].images)) == ("Linnen hemd", 1)
    assert forms(shirt) == [("0013-100-45", {"maat": 45}, 6499), ("0013-100-46", {"maat": 46}, 6699)]
    assert shirt.attributes == {"kraag": "Kent", "maat": (45, 46)}
    assert forms(records["0013-100-L"].item) == [("0013-100-L-45", {"maat": 45}, 7000)]
    assert records["0013"].item.variants == ()
