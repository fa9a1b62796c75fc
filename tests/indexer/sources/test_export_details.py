"""What shop systems put into their exports besides products: escaped lists, bookkeeping, names in other places."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import only, read, write
from tests.indexer.sources.test_shop_exports import forms, loaded, urls
from vitrina.indexer.sources import open_source

# ruff: noqa: E501 -- the sample files are as wide as the real ones

MAGENTO = '''\
sku,store_view_code,attribute_set_code,product_type,categories,product_websites,name,product_online,tax_class_name,visibility,price,url_key,base_image,created_at,additional_attributes,qty,is_in_stock,additional_images,configurable_variations
A,,Bag,simple,"Default Category/Gear,Default Category/Home/Decor, lighting",base,Bag,1,Taxable Goods,"Catalog, Search",34.000000,bag,/m/b/a.jpg,"2/7/18, 7:14 AM","activity=Gym|Trail,cost=12.000000,has_options=0,ts_dimensions_length=3",100.0000,1,"/m/b/a.jpg,/m/b/b.jpg",
B,,Top,simple,"""Default Category/Men"",""Default Category/Men/Tops, warm""",base,Tee,1,,4,9.000000,tee,no_selection,,"care=""Wash at 30°, dry flat"",color=""Blue """"Navy"""""",activity=""Gym""|""Hiking, Trail""",0.0000,0,,
C,,Top,simple,Default Category/A|Default Category/B,base,Cap,1,,4,9.000000,cap,,,color=Red|size=M|activity=Gym,0.0000,0,/a/1.jpg|/a/2.jpg,
D,,Top,configurable,,base,Door,1,,4,,door,,,,0.0000,0,,"sku=D-1,finish=Oil, Rubbed,width=30""|sku=D-2,finish=Satin,width=32"""
'''


def test_magento_lists_with_commas_quotes_and_other_separators_stay_whole(tmp_path: Path) -> None:
    records = loaded(tmp_path, "catalog_product.csv", MAGENTO)
    assert records["A"].item.attributes == {
        "categories": ("Default Category/Gear", "Default Category/Home/Decor, lighting"),
        "activity": ("Gym", "Trail"),
        "availability": "in stock",
    }
    assert records["B"].item.attributes == {
        "categories": ("Default Category/Men", "Default Category/Men/Tops, warm"),
        "care": "Wash at 30°, dry flat",
        "color": 'Blue "Navy"',
        "activity": ("Gym", "Hiking, Trail"),
        "availability": "out of stock",
    }
    assert records["C"].item.attributes == {
        "categories": ("Default Category/A", "Default Category/B"),
        "color": "Red",
        "size": "M",
        "activity": "Gym",
        "availability": "out of stock",
    }
    assert [str(image.path)[-8:] for image in records["C"].images] == ["/a/1.jpg", "/a/2.jpg"]
    assert forms(records["D"].item) == [
        ("D-1", {"finish": "Oil, Rubbed", "width": '30"'}, None),
        ("D-2", {"finish": "Satin", "width": '32"'}, None),
    ]


def test_what_a_run_leaves_out_is_named_and_kept_if_mapped(tmp_path: Path) -> None:
    from vitrina.indexer.report import unused_columns

    path = write(tmp_path, "catalog_product.csv", MAGENTO)
    source = open_source(str(path))
    list(source.rows())
    assert {"qty", "is_in_stock", "visibility", "url_key", "created_at", "tax_class_name"} <= set(
        unused_columns(source)
    )
    records, _ = read(path, {"in_stock": "is_in_stock"})
    assert [record.item.attributes["in_stock"] for record in records] == [1, 0, 0, 0]


def test_what_a_shop_paid_for_its_products_is_no_attribute(tmp_path: Path) -> None:
    text = "sku,title,price,Cost Price,EK netto,Wholesale price (net),cost_of_goods_sold,margin,updated_at,costume\n"
    record = only(write(tmp_path, "a.csv", f"{text}1,Hat,9,4,4,4,4,5,2020-01-01,pirate\n"))
    assert record.item.attributes == {"costume": "pirate"}


def test_magento_profiles_join_translations_and_simples(tmp_path: Path) -> None:
    records = loaded(tmp_path, "profile.csv", """\
sku,store,websites,attribute_set,type,category_ids,name,price,image,media_gallery,status,visibility,tax_class_id,color,simples_skus,is_in_stock
X-R,admin,base,Default,simple,"2,3",Lamp red,20.0000,/x/r.jpg,,Enabled,Search,2,Red,,1
X,admin,base,Default,configurable,"2,3",Lamp,,/x/1.jpg,/x/1.jpg;/x/2.jpg,Enabled,Search,2,,"X-R,X-B",1
X-B,admin,base,Default,simple,"2,3",Lamp blue,21.0000,/x/b.jpg,,Enabled,Search,2,Blue,,1
X,de,,,,,Lampe,,,,,,,,,
""")  # fmt: skip
    assert list(records) == ["X"]
    assert forms(records["X"].item) == [("X-R", {"color": "Red"}, 2000), ("X-B", {"color": "Blue"}, 2100)]
    assert records["X"].item.attributes == {"name_de": "Lampe", "color": ("Red", "Blue"), "availability": "in stock"}
    assert len(records["X"].images) == 4


def test_magento_rest_reads_fields_and_images_from_lists_of_objects(tmp_path: Path) -> None:
    product = {
        "id": 1, "sku": "MB01", "name": "Bag", "attribute_set_id": 15, "price": 34, "status": 1, "type_id": "simple",
        "extension_attributes": {"website_ids": [1]},
        "media_gallery_entries": [{"id": 1, "media_type": "image", "types": ["image"], "file": "/m/b/mb01.jpg"}],
        "custom_attributes": [
            {"attribute_code": "description", "value": "<p>Sporty</p>"},
            {"attribute_code": "special_price", "value": "29.00"},
            {"attribute_code": "url_key", "value": "bag"},
            {"attribute_code": "material", "value": "Nylon"},
        ],
    }  # fmt: skip
    record = only(write(tmp_path, "products.json", json.dumps({"items": [product], "total_count": 1})))
    assert (record.item.description, record.item.price_cents) == ("Sporty", 2900)
    assert record.item.attributes == {"material": "Nylon", "regular_price": 34.0}
    assert [str(image.path)[-13:] for image in record.images] == ["/m/b/mb01.jpg"]


def test_woocommerce_escapes_commas_and_says_only_what_is_unusual(tmp_path: Path) -> None:
    records = loaded(tmp_path, "wc.csv", r"""
ID,Type,SKU,Name,Published,"Is featured?","Visibility in catalog","In stock?",Stock,"Regular price",Categories,Tags,Images,Parent
44,simple,A,Tee,1,0,visible,1,,20,"Clothing > Tees, Home\, Garden > Sheds","new, a\, b",,
45,simple,B,Mug,1,1,search,0,3,9,Mugs,,,
""".lstrip())  # fmt: skip
    assert records["A"].item.attributes == {
        "categories": ("Clothing > Tees", "Home, Garden > Sheds"),
        "tags": ("new", "a, b"),
        "availability": "in stock",
    }
    assert records["B"].item.attributes == {"categories": "Mugs", "availability": "out of stock"}


@pytest.mark.parametrize(
    "header",
    [
        "ID;Rodzaj;SKU;Nazwa;Opublikowano;Krótki opis;Cena promocyjna;Cena;Kategorie;Obrazki;Nadrzędny;Nazwa atrybutu 1;Wartość(-ci) atrybutu 1",
        "ID;Typ;Katalogové číslo;Název;Publikováno;Krátký popis;Zlevněná cena;Běžná cena;Kategorie;Obrázky;Nadřazené;Název vlastnosti 1;Hodnota(y) vlastnosti 1",
        "ID;Type;Varenummer (SKU);Navn;Udgivet;Kort beskrivelse;Tilbudspris;Normalpris;Kategorier;Billeder;Forælder;Egenskab 1 navn;Egenskab 1 værdi(er)",
        "ID;Tipo;SKU;Nome;Publicado;Descrição curta;Preço promocional;Preço;Categorias;Imagens;Ascendente;Nome do atributo 1;Valores do atributo 1",
        "ID;タイプ;SKU;名前;公開済み;簡単な説明;セール価格;通常価格;カテゴリー;画像;親;属性1の名前;属性1の値",
    ],
)
def test_woocommerce_in_more_languages(tmp_path: Path, header: str) -> None:
    records = loaded(tmp_path, "wc.csv", f"""\
{header}
44;variable;TEE;Tee;1;Short;;;Tees;https://s.example/a.jpg;;Color;Red, Blue
45;variation;TEE-R;Tee - Red;1;;9;12;;https://s.example/r.jpg;TEE;Color;Red
""")  # fmt: skip
    (tee,) = records.values()
    assert (tee.item.sku, tee.item.title, urls(tee)) == (
        "TEE",
        "Tee",
        ["https://s.example/a.jpg", "https://s.example/r.jpg"],
    )
    assert forms(tee.item) == [("TEE-R", {"color": "Red"}, 900)]
    assert tee.item.attributes["color"] == ("Red", "Blue")


def test_shopify_rows_of_a_handle_may_be_apart(tmp_path: Path) -> None:
    records = loaded(tmp_path, "export.csv", """\
Handle,Title,Vendor,Published,Status,Option1 Name,Option1 Value,Variant SKU,Variant Price,Variant Compare At Price,Cost per item,Image Src
tee,,,,,,S,T-S,9,,,https://s.example/2.jpg
mug,Mug,Acme,true,active,Title,Default Title,M,5,,2,
tee,Tee,Acme,true,active,Size,M,T-M,10,15.00,3,https://s.example/1.jpg
""")  # fmt: skip
    assert forms(records["tee"].item) == [("T-S", {"size": "S"}, 900), ("T-M", {"size": "M"}, 1000)]
    assert records["tee"].item.attributes == {"vendor": "Acme", "regular_price": 15.0, "size": ("S", "M")}
    assert (records["mug"].item.price_cents, records["mug"].item.attributes["vendor"]) == (500, "Acme")


def test_matrixify_names_metafields_and_ids(tmp_path: Path) -> None:
    records = loaded(tmp_path, "matrixify.csv", '''\
ID,Handle,Command,Title,Tags,Tags Command,Created At,Status,Row #,Top Row,Image Src,Image Width,Variant ID,Option1 Name,Option1 Value,Variant SKU,Variant Price,Variant Cost,Metafield: custom.material [list.single_line_text_field],Metafield: title_tag [string]
65,tee,UPDATE,Tee,"a, b",REPLACE,2023-01-01,Active,1,TRUE,https://s.example/1.jpg,800,99,Size,S,T-S,10,4,"[""Cotton"",""Linen""]",Tee | Shop
65,tee,UPDATE,,,,,,2,,https://s.example/2.jpg,800,100,Size,M,T-M,11,4,,
''')  # fmt: skip
    assert records["tee"].item.attributes == {"tags": ("a", "b"), "material": ("Cotton", "Linen"), "size": ("S", "M")}


def test_shopify_bulk_keeps_metafields_and_the_currency(tmp_path: Path) -> None:
    lines: list[dict[str, object]] = [
        {"id": "gid://shopify/Product/1", "title": "Tee", "handle": "tee", "status": "ACTIVE",
         "priceRangeV2": {"minVariantPrice": {"amount": "10.0", "currencyCode": "CAD"}}},
        {"id": "gid://shopify/ProductVariant/2", "sku": "T-S", "price": "10.00", "__parentId": "gid://shopify/Product/1",
         "selectedOptions": [{"name": "Size", "value": "S"}]},
        {"id": "gid://shopify/Metafield/9", "namespace": "custom", "key": "material", "value": '["Cotton","Linen"]',
         "__parentId": "gid://shopify/Product/1"},
    ]  # fmt: skip
    record = only(write(tmp_path, "bulk.jsonl", "\n".join(map(json.dumps, lines))))
    assert (record.item.price_cents, record.item.currency, record.n_rows) == (1000, "CAD", 3)
    assert record.item.attributes == {"material": ("Cotton", "Linen"), "size": "S"}


def test_connections_of_graphql_are_lists(tmp_path: Path) -> None:
    variants = [
        {"node": {"sku": f"T-{size}", "title": size, "price": {"amount": price, "currencyCode": "EUR"},
                  "selectedOptions": [{"name": "Size", "value": size}]}}
        for size, price in (("S", "10.0"), ("M", "12.0"))
    ]  # fmt: skip
    product = {"handle": "tee", "title": "Tee", "descriptionHtml": "<p>Soft</p>", "vendor": "V", "variants": {"edges": variants},
               "images": {"nodes": [{"url": "https://s.example/1.jpg"}]}}  # fmt: skip
    record = only(write(tmp_path, "a.json", json.dumps({"data": {"products": {"edges": [{"node": product}]}}})))
    assert forms(record.item) == [("T-S", {"size": "S"}, 1000), ("T-M", {"size": "M"}, 1200)]
    assert (record.item.description, record.item.currency, urls(record)) == ("Soft", "EUR", ["https://s.example/1.jpg"])
    assert record.item.attributes == {"vendor": "V", "size": ("S", "M")}


def test_prices_and_products_inside_of_variants(tmp_path: Path) -> None:
    product = {
        "sku": "MH01", "name": "Hoodie", "description": {"html": "<p>Warm</p>"}, "image": {"url": "https://s.example/1.jpg"},
        "price_range": {"minimum_price": {"regular_price": {"value": 52, "currency": "USD"}, "final_price": {"value": 42, "currency": "USD"}}},
        "categories": [{"id": 3, "name": "Men", "slug": "men"}, {"id": 4, "name": "Tops", "slug": "tops"}],
        "variants": [
            {"attributes": [{"code": "color", "label": "Black"}], "product": {"sku": "MH01-B", "image": {"url": "https://s.example/b.jpg"}}}
        ],
    }  # fmt: skip
    record = only(write(tmp_path, "a.json", json.dumps([product])))
    assert (record.item.price_cents, record.item.currency, record.item.description) == (4200, "USD", "Warm")
    assert forms(record.item) == [("MH01-B", {"color": "Black"}, 4200)]
    assert record.item.attributes == {"categories": ("Men", "Tops"), "color": "Black"}


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (
            "Red=https://s.example/r.jpg|Blue=https://s.example/b.jpg",
            ["https://s.example/r.jpg", "https://s.example/b.jpg"],
        ),
        (
            "Product Image ID: 270, Product Image Path: https://s.example/1.jpg, Product Image Index: 0|Product Image Path: https://s.example/2.jpg",
            ["https://s.example/1.jpg", "https://s.example/2.jpg"],
        ),
    ],
)
def test_addresses_of_images_among_other_words(tmp_path: Path, cell: str, expected: list[str]) -> None:
    assert urls(only(write(tmp_path, "a.csv", f'sku,title,images\n1,Mug,"{cell}"\n'))) == expected


def test_amazon_names_columns_for_people_and_then_for_programs(tmp_path: Path) -> None:
    rows = [
        "TemplateType=fptcustom\tVersion=2023.1\tThe top 3 rows are for Amazon.com use only.",
        "Seller SKU\tProduct Name\tStandard Price\tQuantity\tMain Image URL\tOther Image URL1\tParentage\tParent SKU\tColor",
        "item_sku\titem_name\tstandard_price\tquantity\tmain_image_url\tother_image_url1\tparent_child\tparent_sku\tcolor_name",
        "TEE\tTee\t\t\thttps://s.example/1.jpg\t\tparent\t\t",
        "TEE-R\tTee red\t19.99\t5\thttps://s.example/r.jpg\thttps://s.example/r2.jpg\tchild\tTEE\tRed",
        "TEE-B\tTee blue\t21.99\t5\thttps://s.example/b.jpg\t\tchild\tTEE\tBlue",
    ]
    records = loaded(tmp_path, "flat.txt", "\n".join(rows) + "\n")
    assert list(records) == ["TEE"]
    assert forms(records["TEE"].item) == [("TEE-R", {"color": "Red"}, 1999), ("TEE-B", {"color": "Blue"}, 2199)]
    assert records["TEE"].item.variants[0].images == (1, 2)


def test_prestashop_combinations_name_several_options_in_a_cell(tmp_path: Path) -> None:
    (product,) = loaded(tmp_path, "combinations.csv", """\
Product ID*;Product Reference;Attribute (Name:Type:Position)*;Value (Value:Position)*;Reference;EAN13;Quantity
1;demo_1;Size:select:0,Color:color:1;S:0,Red:1;demo_1_s;4006381333931;10
1;demo_1;Size:select:0,Color:color:1;M:1,Blue:2;demo_1_m;;10
""").values()  # fmt: skip
    assert forms(product.item) == [
        ("demo_1_s", {"size": "S", "color": "Red"}, None),
        ("demo_1_m", {"size": "M", "color": "Blue"}, None),
    ]


def test_wix_variants_take_the_names_of_options_from_their_product(tmp_path: Path) -> None:
    (tee,) = loaded(tmp_path, "wix.csv", """\
handleId,fieldType,name,productImageUrl,sku,price,surcharge,visible,productOptionName1,productOptionType1,productOptionDescription1,productOptionName2,productOptionType2,productOptionDescription2
p1,Product,Tee,a~mv2.jpg,TEE,20,,true,Size,DROP_DOWN,S;M,Color,COLOR,#ff0000:Red;#0000ff:Blue
p1,Variant,,,TEE-S,,0,true,,,S,,,#ff0000:Red
p1,Variant,,,TEE-M,,2.5,true,,,M,,,#0000ff:Blue
""").values()  # fmt: skip
    assert forms(tee.item) == [
        ("TEE-S", {"size": "S", "color": "Red"}, 2000),
        ("TEE-M", {"size": "M", "color": "Blue"}, 2250),
    ]
    assert tee.item.attributes == {"size": ("S", "M"), "color": ("Red", "Blue")}


@pytest.mark.parametrize(
    ("mode", "value", "cents", "of_variants"),
    [("AMOUNT", "5", 1500, [1500, 1750]), ("PERCENT", "10", 1800, [1800, 2025]), ("PERCENT", "0", 2000, [2000, 2250])],
)
def test_wix_discounts_are_an_amount_or_a_percentage(
    tmp_path: Path, mode: str, value: str, cents: int, of_variants: list[int]
) -> None:
    records = loaded(
        tmp_path,
        "wix.csv",
        f"""\
handleId,fieldType,name,sku,price,surcharge,discountMode,discountValue,productOptionName1,productOptionType1,productOptionDescription1
p1,Product,Tee,TEE,20,,{mode},{value},Size,DROP_DOWN,S;M
p1,Variant,,TEE-S,,0,,,,,S
p1,Variant,,TEE-M,,2.5,,,,,M
p2,Product,Cap,CAP,20,,{mode},{value},,,
""",
    )
    assert [variant.price_cents for variant in records["TEE"].item.variants] == of_variants
    assert records["CAP"].item.price_cents == cents
    assert records["CAP"].item.attributes == ({"regular_price": 20} if cents < 2000 else {})


def test_squarespace_rows_without_a_product_continue_it_and_sales_may_be_off(tmp_path: Path) -> None:
    (tee,) = loaded(tmp_path, "squarespace.csv", """\
Product ID [Non Editable],Variant ID [Non Editable],Product URL,Title,SKU,Option Name 1,Option Value 1,Price,Sale Price,On Sale,Hosted Image URLs
5f1,v1,tee,Tee,SQ-1,Size,S,20.00,15.00,No,https://s.example/1.jpg
,v2,,,SQ-2,Size,M,22.00,18.00,Yes,
""").values()  # fmt: skip
    assert forms(tee.item) == [("SQ-1", {"size": "S"}, 2000), ("SQ-2", {"size": "M"}, 1800)]


def test_ecwid_names_options_in_its_columns(tmp_path: Path) -> None:
    (mug,) = loaded(tmp_path, "ecwid.csv", """\
type,product_internal_id,product_sku,product_name,product_price,product_quantity,product_media_main_image_url,product_option_name,product_option_value,product_variation_sku,product_variation_option_{Size}
product,1,E1,Mug,10,5,https://s.example/1.jpg,,,,
product_option,1,E1,,,,,Size,S,,
product_variation,1,E1,,11,,https://s.example/v.jpg,,,E1-S,S
product_variation,1,E1,,12,,,,,E1-M,M
""").values()  # fmt: skip
    assert forms(mug.item) == [("E1-S", {"size": "S"}, 1100), ("E1-M", {"size": "M"}, 1200)]


def test_shopware(tmp_path: Path) -> None:
    (five,) = loaded(tmp_path, "five.csv", """\
ordernumber;mainnumber;name;supplier;tax;price_EK;pseudoprice_EK;baseprice_EK;instock;active;description_long;added;configuratorOptions;imageUrl;propertyValueName
SW1.1;SW1.1;Korn;Brennerei;19;19.99;24.99;5;10;1;<p>Mild</p>;2012-08-15;Inhalt:0,5 Liter;https://s.example/1.jpg;Geschmack:mild
SW1.2;SW1.1;Korn;Brennerei;19;59.99;;5;10;1;;2012-08-15;Inhalt:5,0 Liter;;
""").values()  # fmt: skip
    assert forms(five.item) == [("SW1.1", {"inhalt": "0,5 Liter"}, 1999), ("SW1.2", {"inhalt": "5,0 Liter"}, 5999)]
    assert (five.item.title, five.item.description, five.item.attributes["supplier"]) == ("Korn", "Mild", "Brennerei")
    (six,) = loaded(tmp_path, "six.csv", """\
id;parent_id;product_number;active;stock;name;description;price_net;price_gross;purchase_prices_net;tax_id;cover_media_url;manufacturer_name;categories
a1;;S6;1;10;Tee;<p>Soft</p>;8.40;10.00;4;t;https://s.example/1.jpg;Acme;Shop|Tees
a2;a1;S6-R;1;10;;;;12.00;4;t;https://s.example/r.jpg;;
""").values()  # fmt: skip
    assert (six.item.sku, six.item.price_cents, urls(six)) == ("S6", 1000, ["https://s.example/1.jpg"])
    assert six.item.attributes == {
        "manufacturer_name": "Acme",
        "categories": ("Shop", "Tees"),
        "variant_sku": "S6-R",
    }


def test_roubles_under_their_old_code_and_what_things_cost_before(tmp_path: Path) -> None:
    record = only(write(tmp_path, "yml.xml", """\
<yml_catalog date="2023-01-01"><shop><offers><offer id="1" available="true"><url>https://s.example/1</url><price>600</price>
<oldprice>800</oldprice><currencyId>RUR</currencyId><categoryId>2</categoryId><picture>https://s.example/1.jpg</picture>
<name>Tee</name></offer></offers></shop></yml_catalog>"""))  # fmt: skip
    assert (record.item.price_cents, record.item.currency) == (60000, "RUB")
    assert record.item.attributes == {"regular_price": 800}


def test_a_list_with_an_id_and_a_category_is_no_yml(tmp_path: Path) -> None:
    path = write(
        tmp_path, "a.csv", "id,name,price,category_id,image_url,vendor\n1,Mug,9,12,https://s.example/1.jpg,Acme\n"
    )
    assert open_source(str(path)).dialect == "catalog table (CSV)"


def test_columns_with_points_in_their_names(tmp_path: Path) -> None:
    record = only(write(tmp_path, "a.csv", "Art.-Nr.;Bezeichnung 1;VK brutto;EK netto\n0012;Hemd;49,-;20\n"))
    assert (record.item.sku, record.item.title, record.item.price_cents) == ("0012", "Hemd", 4900)
    assert record.item.attributes == {}


def test_what_plugins_and_crawlers_note_is_no_attribute(tmp_path: Path) -> None:
    table = "_sku,Title,Post Type,stock_status,Author Email,crawled_at,scraped_at,attribute_data:pa_color,Colour\nA,Mug,product,instock,a@b.example,x,y,0:1,Red\n"
    assert only(write(tmp_path, "shop.csv", table)).item.attributes == {"colour": "Red"}


def test_merchant_products_of_the_content_api(tmp_path: Path) -> None:
    mug = {
        "kind": "content#product", "id": "online:en:US:1", "offerId": "1", "title": "Mug", "imageLink": "https://s.example/1.jpg",
        "contentLanguage": "en", "targetCountry": "US", "channel": "online", "price": {"value": "9.90", "currency": "USD"},
    }  # fmt: skip
    item = only(write(tmp_path, "products.json", json.dumps({"kind": "content#list", "resources": [mug]}))).item
    assert (item.sku, item.title, item.price_cents, item.attributes) == (
        "1",
        "Mug",
        990,
        {"id": "online:en:US:1"},
    )


def test_plentymarkets_names_columns_by_what_they_are_of(tmp_path: Path) -> None:
    table = (
        "Item.ItemID;Variation.number;ItemText.name1;SalesPrice.price;SalesPrice.currency;Variation.attributeValues\n"
        "100;V100;Stuhl;89.00;EUR;\n100;V101;Stuhl;95.00;EUR;Farbe:Grau\n"
    )
    item = only(write(tmp_path, "plenty.csv", table)).item
    assert (item.sku, item.title, item.price_cents, item.currency) == ("100", "Stuhl", 8900, "EUR")
    assert [each.sku for each in item.variants] == ["V100", "V101"]


def test_objects_written_as_text_are_attributes(tmp_path: Path) -> None:
    held = '"[{""name"":""Material"",""value"":""Steel""}]"'
    item = only(write(tmp_path, "shop.csv", f"sku,title,specifications\nA,Mug,{held}\n")).item
    assert item.attributes == {"material": "Steel"}


def test_lines_of_a_bulk_operation_without_ids_of_their_own(tmp_path: Path) -> None:
    jar = "gid://shopify/Product/7"
    lines = [
        {"id": jar, "handle": "jar", "title": "Jar", "vendor": "K", "bodyHtml": "Glass"},
        {"url": "https://s.example/jar.jpg", "__parentId": jar},
        {"id": "gid://shopify/ProductVariant/72", "sku": "J", "price": "9.00", "__parentId": jar},
        {"namespace": "custom", "key": "volume", "value": "1 l", "__parentId": jar},
    ]
    record = only(write(tmp_path, "bulk.jsonl", "".join(json.dumps(line) + "\n" for line in lines)))
    assert (record.item.sku, record.item.price_cents, record.item.attributes["volume"]) == ("jar", 900, "1 l")
    assert urls(record) == ["https://s.example/jar.jpg"]


def test_wix_numbers_options_in_brackets(tmp_path: Path) -> None:
    table = (
        "handle,fieldType,name,media,price,sku,productOptionName[1],productOptionType[1],productOptionChoices[1]\n"
        "mug,PRODUCT,Mug,https://s.example/1.jpg,15,,Color,SWATCH,#ff0000:Red;#0000ff:Blue\n"
        "mug,VARIANT,,,15,M-R,Color,,Red\nmug,VARIANT,,,17,M-B,Color,,Blue\n"
    )
    item = only(write(tmp_path, "wix.csv", table)).item
    assert [(each.sku, dict(each.options)) for each in item.variants] == [
        ("M-R", {"color": "Red"}),
        ("M-B", {"color": "Blue"}),
    ]
    assert item.attributes == {"color": ("Red", "Blue")}


def test_another_stores_sale_is_not_the_products(tmp_path: Path) -> None:
    table = (
        "sku,store_view_code,product_type,name,price,special_price,base_image,additional_images\n"
        'A,,simple,Bag,20.0000,,/b/a.jpg,"/b/a.jpg,/b/b.jpg,no_selection"\n'
        "A,fr,simple,Sac,,5.0000,,\nB,fr,simple,Chapeau,30.0000,25.0000,,\n"
    )
    records = loaded(tmp_path, "catalog_product.csv", table)
    assert (records["A"].item.price_cents, records["B"].item.price_cents) == (2000, 2500)
    assert [str(image.path)[-6:] for image in records["A"].images] == ["/a.jpg", "/b.jpg"]


def test_jtl_names_values_of_variations_in_two_ways(tmp_path: Path) -> None:
    table = (
        "Artikelnummer;Artikelname;Brutto-VK;Identifizierungsspalte Vaterartikel;Variationsname 1;Variationswert 1\n"
        "V;Kissen;19,90;;;\nV-R;Kissen;19,90;V;Farbe;Rot\nV-B;Kissen;21,90;V;Farbe;Blau\n"
    )
    item = only(write(tmp_path, "ameise.csv", table)).item
    assert [(each.sku, dict(each.options)) for each in item.variants] == [
        ("V-R", {"farbe": "Rot"}),
        ("V-B", {"farbe": "Blau"}),
    ]


def test_attributes_that_are_all_bookkeeping_leave_nothing(tmp_path: Path) -> None:
    held = '"has_options=1,quantity_and_stock_status=In Stock,required_options=0"'
    table = f"sku,attribute_set_code,product_type,name,price,additional_attributes\nA,Default,simple,Strap,14,{held}\n"
    assert loaded(tmp_path, "catalog_product.csv", table)["A"].item.attributes == {}


def test_shopifys_bookkeeping_in_another_language(tmp_path: Path) -> None:
    paths = {
        "Färg": "shopify.color-pattern",
        "Kompletterande produkter": "shopify--discovery--product_recommendation.complementary_products",
        "Optimerad produktsökning": "shopify--discovery--product_search_boost.queries",
        "Betyg": "reviews.rating",
    }
    names = ",".join(f"{name} (product.metafields.{path})" for name, path in paths.items())
    table = f"Handle,Title,Variant SKU,Variant Price,Image Src,{names}\nken,Ken,K,599,https://s.example/1.jpg,black,pump,bar,4.5\n"
    assert only(write(tmp_path, "products.csv", table)).item.attributes == {"variant_sku": "K", "färg": "black"}


def test_etsy_in_french_without_keys(tmp_path: Path) -> None:
    table = (
        "TITRE,DESCRIPTION,PRIX,CODE_DEVISE,QUANTITÉ,TAGS,MATÉRIAUX,IMAGE 1,IMAGE 2,TYPE VARIATION 1,NOM VARIATION 1,VALEURS VARIATION 1,RÉFÉRENCE\n"
        'Lampe,Belle,49.02,EUR,10,"fait_main,osier","Métal,Bois",1.jpg,2.jpg,x,Diam&egrave;tre,"30cm,40cm",\n'
        "Panier,Beau,20,EUR,3,,,3.jpg,,,,,\n"
    )
    (lamp, basket), rejections = read(write(tmp_path, "EtsyListingsDownload.csv", table))
    assert (lamp.item.sku, lamp.item.price_cents, lamp.item.currency, len(lamp.images)) == ("Lampe", 4902, "EUR", 2)
    assert lamp.item.attributes == {
        "tags": ("fait_main", "osier"),
        "materials": ("Métal", "Bois"),
        "diamètre": ("30cm", "40cm"),
    }
    assert (basket.item.sku, rejections) == ("Panier", [])


def test_an_option_called_as_an_ignored_column_is_one(tmp_path: Path) -> None:
    table = (
        "TITLE,DESCRIPTION,PRICE,CURRENCY_CODE,QUANTITY,TAGS,MATERIALS,IMAGE1,VARIATION 1 TYPE,VARIATION 1 NAME,VARIATION 1 VALUES,SKU\n"
        'Fern,Green,12,USD,40,plant,,1.jpg,Custom Property,Quantity,"1 plant,3 plants","F1,F3"\n'
    )
    fern = only(write(tmp_path, "EtsyListingsDownload.csv", table)).item
    assert fern.attributes["quantity"] == ("1 plant", "3 plants")
    assert [each.options for each in fern.variants] == [{"quantity": "1 plant"}, {"quantity": "3 plants"}]


def test_wix_names_its_files_without_addresses(tmp_path: Path) -> None:
    image = "a47bec_5d5931d309c440e58ae748d45778c293~mv2.jpg"
    table = f'handleId,fieldType,name,productImageUrl,price,productOptionName1,productOptionType1,productOptionDescription1\nP,Product,Collar,{image};{image[:38]}.png,20,Color,COLOR,"#b81616:Red;rgb(193,180,123):Cream"\n'
    record = only(write(tmp_path, "catalog_products.csv", table))
    assert urls(record)[0] == f"https://static.wixstatic.com/media/{image}"
    assert (len(record.images), record.item.attributes["color"]) == (2, ("Red", "Cream"))
    cell = f"wix:image://v1/{image}/file.jpg#originWidth=900&originHeight=700"
    inner = f"handle,fieldType,name,media,price\nP,PRODUCT,Collar,{cell},20\n"
    assert urls(only(write(tmp_path, "inner.csv", inner))) == [f"https://static.wixstatic.com/media/{image}"]


@pytest.mark.parametrize("number", ["{}", "[{}]"])
def test_wixs_new_export_has_rows_of_media(tmp_path: Path, number: str) -> None:
    numbered = [f"productOption{part}{number.format(n)}" for n in (1, 2, 3) for part in ("Name", "Type", "Choices")]
    table = f"""\
handle,fieldType,name,visible,plainDescription,media,mediaAltText,brand,price,strikethroughPrice,inventory,preOrderEnabled,sku,{",".join(numbered)}
tee,PRODUCT,Tee,TRUE,<p>A tee</p>,https://x.com/a.jpg,Front,Acme,85.00,100.00,,,,Size,TEXT_CHOICES,S;M,Color,SWATCH_CHOICES,#000000:Black
tee,VARIANT,,TRUE,,,,,85.00,100.00,IN_STOCK,FALSE,T-S,,,S,,,#000000:Black
tee,VARIANT,,TRUE,,,,,90.00,100.00,IN_STOCK,FALSE,T-M,,,M,,,#000000:Black
tee,MEDIA,,,,https://x.com/b.jpg,Back
cap,PRODUCT,Cap,TRUE,Cap,https://x.com/c.jpg,,Acme,20.00,,8,FALSE,CAP-1
"""
    (tee, cap), _ = read(write(tmp_path, "catalog_products.csv", table))
    assert [(each.sku, dict(each.options), each.price_cents) for each in tee.item.variants] == [
        ("T-S", {"size": "S", "color": "Black"}, 8500),
        ("T-M", {"size": "M", "color": "Black"}, 9000),
    ]
    assert (tee.item.sku, tee.item.title, urls(tee)) == ("tee", "Tee", ["https://x.com/a.jpg", "https://x.com/b.jpg"])
    assert (cap.item.sku, cap.item.attributes) == ("CAP-1", {"brand": "Acme"})
