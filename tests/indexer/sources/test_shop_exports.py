"""The exports of shop systems load without a mapping: joined products, options, prices, pictures, translated headers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import make_image, only, read, write
from vitrina.indexer.sources import open_source
from vitrina.indexer.sources.base import Record
from vitrina.search.types.item import Item

# ruff: noqa: E501 -- the sample files are as wide as the real ones

WOO = """\
ID,Type,SKU,"GTIN, UPC, EAN, or ISBN",Name,Published,"Is featured?","Visibility in catalog","Short description",Description,"Date sale price starts","Date sale price ends","Tax status","In stock?","Sale price","Regular price",Categories,Tags,Images,Parent,Position,"Attribute 1 name","Attribute 1 value(s)","Attribute 1 visible","Attribute 1 global","Attribute 2 name","Attribute 2 value(s)","Attribute 2 visible"
7,variable,MUG,,Mug,1,0,visible,Short,"<p>A mug.</p>",,,taxable,1,,,"Kitchen, Kitchen > Mugs","gift, clay",https://s.example/m.jpg,,0,Glaze,"Matt, Gloss",1,1,Maker,Ida,1
9,simple,,,Plate,1,0,visible,,,2020-01-01,2020-02-01,taxable,1,5,8,Kitchen,,,,0,,,,,,,
12,variation,MUG-M,4006381333931,Mug - Matt,1,0,visible,,,,,taxable,1,9,12,,,https://s.example/matt.jpg,MUG,1,Glaze,Matt,,1,,,
13,variation,,,Mug - Gloss,1,0,visible,,,,,taxable,1,,11,,,,id:7,2,Glaze,Gloss,,1,,,
14,"variation, virtual",LOST,,Lost - Red,1,0,visible,,,,,taxable,1,,3,,,,GONE,2,Glaze,Red,,1,,,
"""

WOO_GERMAN = """\
ID,Typ,Artikelnummer,"GTIN, UPC, EAN oder ISBN",Name,Veröffentlicht,"Ist hervorgehoben?","Sichtbarkeit im Katalog",Kurzbeschreibung,Beschreibung,Vorrätig?,Angebotspreis,"Regulärer Preis",Kategorien,Schlagwörter,Bilder,"Übergeordnetes Produkt","Attribut 1 Name","Attribut 1 Wert(e)","Attribut 1 Sichtbar"
7,variable,BECHER,,Becher,1,0,visible,,Aus Ton,1,,,Küche,,https://s.example/b.jpg,,Farbe,"Rot, Blau",1
8,variation,BECHER-R,,Becher - Rot,1,0,visible,,,1,"7,50","9,00",,,https://s.example/r.jpg,BECHER,Farbe,Rot,
"""

MAGENTO = """\
sku,store_view_code,attribute_set_code,product_type,categories,product_websites,name,description,weight,product_online,visibility,price,special_price,special_price_from_date,special_price_to_date,url_key,base_image,base_image_label,small_image,additional_attributes,qty,use_config_min_qty,additional_images,configurable_variations,configurable_variation_labels
TEE-S-Red,,Top,simple,Default Category/Men,base,Tee S Red,,1,1,Not Visible Individually,29.000000,24.000000,,,tee-s-red,/t/e/red.jpg,,/t/e/red.jpg,"color=Red,size=S,has_options=0,ean=4006381333931",10,1,/t/e/red.jpg,,
TEE-M-Blue,,Top,simple,Default Category/Men,base,Tee M Blue,,1,1,Not Visible Individually,31.000000,5.000000,1/1/2020,2/1/2020,tee-m-blue,/t/e/blue.jpg,,no_selection,"color=Blue,size=M",10,1,,,
TEE,de,,,,,Hemd,,,,,,,,,,,,,,,,,,
TEE,,Top,configurable,"Default Category/Men,Default Category/Sale",base,Tee,<p>Soft</p>,1,1,"Catalog, Search",,,,,tee,,,/t/e/red.jpg,"material=Cotton|Linen,care=Wash at 30°, dry flat,eco=Yes",0,1,"/t/e/red.jpg,/t/e/back.jpg","sku=TEE-S-Red,size=S,color=Red|sku=TEE-M-Blue,size=M,color=Blue|sku=TEE-L-Blue,size=L,color=Blue","size=Size,color=Color"
BAG,,Bag,simple,Default Category/Gear,base,Bag,,2,1,"Catalog, Search",16.500000,,,,bag,/b/a/bag.jpg,,/b/a/bag.jpg,"color=Brown",5,1,,,
"""

BIGCOMMERCE_V2 = """\
Item Type,Product ID,Product Name,Product Type,Product Code/SKU,Brand Name,Product Description,Price,Sale Price,Category,Product Image ID - 1,Product Image File - 1,Product Image URL - 1,Product Image Is Thumbnail - 1,Product Image URL - 2,Product UPC/EAN,Product Custom Fields
Product,77,Lamp,P,L-1,Acme,<p>Bright</p>,25,20,Lighting/Desk;Sale,1,l__1.jpg,https://s.example/1.jpg,Y,https://s.example/2.jpg,,"Socket=E27;Watt=40"
  SKU,,"[S]Size=Small,[CS]Colour=Red:#ff0000",,L-1-S,,,,,,,,,,,4006381333931,
  SKU,,"[S]Size=Large,[CS]Colour=Blue:#0000ff",,L-1-L,,,30,,,,,,,,,
  Rule,,L-1-L,,,,,[FIXED]30,,,,,,,,,
Product,78,Bulb,P,L-2,Acme,,3,0.00,Lighting,,only.jpg,,Y,,,
"""

BIGCOMMERCE_V3 = """\
Item,ID,Name,Type,SKU,Options,Inventory Tracking,Price,Sale Price,Categories,Description,Custom Fields,Product URL,UPC/EAN,Is Visible,Variant Image URL,Internal Image URL (Export),Image URL (Import),Image is Thumbnail,Video Title
Product,111,Tee,physical,T-1,,variant,20,0,"Shop;Shirts",<p>Soft</p>,"Fit=Slim",/tee/,,TRUE,,,,,
Variant,112,,,T-1-R,Type=Swatch|Name=Colour|Value=Red[#ff0000]Type=Rectangle|Name=Size|Value=M,,22,19,,,,,4006381333931,,https://s.example/r.jpg,,,,
Variant,113,,,T-1-B,Type=Swatch|Name=Colour|Value=Blue[#0000ff]Type=Rectangle|Name=Size|Value=L,,,,,,,,,,,,,,
Image,1,,,,,,,,,,,,,,,https://s.example/front.jpg,,TRUE,
Image,2,,,,,,,,,,,,,,,,https://s.example/back.jpg,FALSE,
Video,3,,,,,,,,,,,,,,,,,,Watch
"""

PRESTASHOP = """\
Product ID;Active (0/1);Name *;Categories (x,y,z...);Price tax excluded;Tax rules ID;Reference #;Manufacturer;EAN13;Quantity;Summary;Description;Tags (x,y,z...);Image URLs (x,y,z...);Feature(Name:Value:Position)
1;1;Mug;Home,Kitchen;9.50;1;REF-1;Ida;4006381333931;5;Short;<p>Long</p>;gift,clay;https://s.example/1.jpg;Colour:Red:1,Material:Clay:2
"""

PRESTASHOP_FRENCH = """\
"ID";"Image";"Nom";"Référence";"Catégorie";"Prix (HT)";"Prix (TTC)";"Quantité"
1;https://s.example/1.jpg;"Tasse";REF-1;Cuisine;10,00;12,00;5
"""

PRESTASHOP_IN_FRENCH = """\
ID;Actif (0/1);Nom *;Catégories (x,y,z...);Prix TTC;Référence n°;Résumé;Étiquettes (x,y,z...);URL images (x,y,z...);Caractéristique (Nom:Valeur:Position:Personnalisé)
1;1;Robe;Femme,Robes;69.90;MA-1;Longue;lin,été;https://s.example/1.jpg;Couleur:Bleu:1,Matière:Lin:2,Tailles:36-38:3
"""

AKENEO = """\
sku;categories;enabled;family;parent;groups;name-de_DE;name-en_US;description-en_US-ecommerce;color;size;price-EUR;price-USD;picture;ean
A-S;shirts;1;tshirt;model_a;;Hemd;Shirt;Soft;red;S;19.90;21.90;https://s.example/r.jpg;4006381333931
A-M;shirts;1;tshirt;model_a;;Hemd;Shirt;Soft;red;M;21.90;23.90;https://s.example/r.jpg;
B;bags;1;bag;;;Tasche;;;brown;;9.90;10.90;;
"""

ETSY = """\
TITLE,DESCRIPTION,PRICE,CURRENCY_CODE,QUANTITY,TAGS,MATERIALS,IMAGE1,IMAGE2,VARIATION 1 TYPE,VARIATION 1 NAME,VARIATION 1 VALUES,VARIATION 2 TYPE,VARIATION 2 NAME,VARIATION 2 VALUES,SKU
Fern print,"Printed &quot;by hand&quot;",16.00,USD,5,"fern,print",Paper,https://s.example/1.jpg,https://s.example/2.jpg,Size,Size,"A4,A3",Colour,Frame,"Oak,Black","F-1,F-2,F-3,F-4"
Mug,Speckled,20.00,USD,3,mug,Clay,,,,,,,,,
"""

EBAY = """\
*Action(SiteID=Germany|Country=DE|Currency=EUR|Version=1193|CC=UTF-8),CustomLabel,*Category,*Title,Relationship,RelationshipDetails,*Description,*ConditionID,PicURL,*StartPrice,*C:Brand,C:Material,Product:EAN
Add,TEE,11483,Tee,,Colour=Red;Blue|Size=S;M,Soft,1000,https://s.example/1.jpg|https://s.example/2.jpg,,Acme,Cotton,
,TEE-R-S,,,Variation,Colour=Red|Size=S,,,https://s.example/r.jpg,"19,99",,,4006381333931
,TEE-B-M,,,Variation,Colour=Blue|Size=M,,,,"21,99",,,
Add,BAG,11483,Bag,,,Brown,1000,https://s.example/3.jpg,"9,99",Acme,,
"""

WIX = """\
handleId,fieldType,name,description,productImageUrl,collection,sku,ribbon,price,visible,discountMode,inventory,productOptionName1,productOptionType1,productOptionDescription1,additionalInfoTitle1,additionalInfoDescription1
p1,Product,Tee,<p>Soft</p>,https://s.example/1.jpg;https://s.example/2.jpg,Shirts;Sale,TEE,,20,true,PERCENT,InStock,Size,DROP_DOWN,S;M,Care,Wash cold
p1,Variant,,,,,TEE-S,,20,true,,3,Size,DROP_DOWN,S,,
p1,Variant,,,,,TEE-M,,22,true,,3,Size,DROP_DOWN,M,,
"""

SQUARESPACE = """\
Product ID [Non Editable],Variant ID [Non Editable],Product Type [Non Editable],Product Page,Product URL,Title,Description,SKU,Option Name 1,Option Value 1,Price,Sale Price,On Sale,Stock,Categories,Tags,Visible,Hosted Image URLs
5f1,v1,PHYSICAL,shop,tee,Tee,<p>Soft</p>,SQ-1,Size,S,20,15,Yes,3,/shirts,"cotton, new",Yes,https://s.example/1.jpg
,v2,,,,,,SQ-2,,M,22,,No,4,,,,
"""

MAGENTO_1 = """\
sku,_store,_attribute_set,_type,_category,_root_category,_product_websites,name,description,price,special_price,image,small_image,visibility,_media_image,_media_position,color
M1,,Default,simple,Tops,Default Category,base,Tee,Soft,20.0000,15.0000,https://s.example/1.jpg,no_selection,4,https://s.example/1.jpg,1,Red
,,,,Sale,Default Category,,,,,,,,,https://s.example/2.jpg,2,
,de,,,,,,Hemd,,,,,,,,,
M2,,Default,simple,Tops,Default Category,base,Bag,,9.0000,,no_selection,no_selection,4,,,Blue
"""


def loaded(tmp_path: Path, name: str, content: str) -> dict[str, Record]:
    """The records of a file by their skus; none of its rows is lost."""
    records, rejections = read(write(tmp_path, name, content))
    assert rejections == []
    return {record.item.sku: record for record in records}


def forms(item: Item) -> list[tuple[str, dict[str, object], int | None]]:
    """An item's variants as their skus, options and prices."""
    return [(each.sku, dict(each.options), each.price_cents) for each in item.variants]


def urls(record: Record) -> list[str | None]:
    return [image.url for image in record.images]


def test_woocommerce(tmp_path: Path) -> None:
    records = loaded(tmp_path, "wc.csv", WOO)
    assert list(records) == ["MUG", "9", "LOST"]
    mug = records["MUG"]
    assert (mug.item.title, mug.item.description, mug.n_rows) == ("Mug", "A mug.", 3)
    assert forms(mug.item) == [("MUG-M", {"glaze": "Matt"}, 900), ("13", {"glaze": "Gloss"}, 1100)]
    assert (mug.item.price_cents, mug.item.max_price_cents) == (900, 1100)
    assert mug.item.variants[0].identifiers == ("4006381333931",)
    assert urls(mug) == ["https://s.example/m.jpg", "https://s.example/matt.jpg"]
    assert mug.item.variants[0].images == (1,)
    assert mug.item.attributes == {
        "short_description": "Short",
        "categories": ("Kitchen", "Kitchen > Mugs"),
        "tags": ("gift", "clay"),
        "glaze": ("Matt", "Gloss"),
        "maker": "Ida",
        "availability": "in stock",
    }


def test_woocommerce_sales_that_are_over_and_variations_without_their_product(tmp_path: Path) -> None:
    records = loaded(tmp_path, "wc.csv", WOO)
    assert records["9"].item.price_cents == 800
    lost = records["LOST"].item
    assert (lost.title, lost.price_cents, lost.attributes["glaze"], lost.variants) == ("Lost - Red", 300, "Red", ())


def test_woocommerce_in_german(tmp_path: Path) -> None:
    path = write(tmp_path, "wc.csv", WOO_GERMAN)
    source = open_source(str(path))
    assert (source.dialect, source.fields["sku"]) == ("WooCommerce product export (CSV)", "Artikelnummer")
    item = only(path).item
    assert (item.sku, item.title, item.description) == ("BECHER", "Becher", "Aus Ton")
    assert forms(item) == [("BECHER-R", {"farbe": "Rot"}, 750)]
    assert item.attributes["categories"] == "Küche"


def test_adobe_commerce(tmp_path: Path) -> None:
    for name in ("red", "blue", "back"):
        write(tmp_path, f"media/catalog/product/t/e/{name}.jpg", make_image())
    write(tmp_path, "media/catalog/product/b/a/bag.jpg", make_image())
    records = loaded(tmp_path, "export.csv", MAGENTO)
    assert list(records) == ["TEE", "BAG"]
    tee = records["TEE"]
    assert (tee.item.title, tee.item.description, tee.n_rows) == ("Tee", "Soft", 4)
    assert forms(tee.item) == [
        ("TEE-S-Red", {"size": "S", "color": "Red"}, 2400),
        ("TEE-M-Blue", {"size": "M", "color": "Blue"}, 3100),
        ("TEE-L-Blue", {"size": "L", "color": "Blue"}, 2400),
    ]
    folder = tmp_path / "media/catalog/product/t/e"
    assert [image.path for image in tee.images] == [folder / "red.jpg", folder / "back.jpg", folder / "blue.jpg"]
    assert [each.images for each in tee.item.variants] == [(0,), (2,), ()]
    assert [each.identifiers for each in tee.item.variants] == [("4006381333931",), (), ()]
    assert {
        name: tee.item.attributes[name] for name in ("material", "care", "eco", "size", "name_de", "categories")
    } == {
        "material": ("Cotton", "Linen"),
        "care": "Wash at 30°, dry flat",
        "eco": "Yes",
        "size": ("S", "M", "L"),
        "name_de": "Hemd",
        "categories": ("Default Category/Men", "Default Category/Sale"),
    }
    assert not {"use_config_min_qty", "has_options"} & tee.item.attributes.keys()
    assert (records["BAG"].item.price_cents, records["BAG"].item.variants) == (1650, ())


@pytest.mark.parametrize("folder", ["b/a", ".", "catalog/product/b/a"])
def test_adobe_commerce_images_below_another_folder(tmp_path: Path, folder: str) -> None:
    image = write(tmp_path, f"pictures/{folder}/bag.jpg", make_image())
    path = write(tmp_path, "feeds/export.csv", MAGENTO)
    rows = open_source(str(path), image_folder=tmp_path / "pictures").rows()
    bag = next(row for row in rows if isinstance(row, Record) and row.item.sku == "BAG")
    assert [found.path and found.path.resolve() for found in bag.images] == [image.resolve()]


def test_several_images_in_one_cell_below_another_folder(tmp_path: Path) -> None:
    for name in ("red", "back"):
        write(tmp_path, f"pictures/{name}.jpg", make_image())
    path = write(tmp_path, "export.csv", MAGENTO)
    rows = open_source(str(path), image_folder=tmp_path / "pictures").rows()
    tee = next(row for row in rows if isinstance(row, Record) and row.item.sku == "TEE")
    assert [image.path for image in tee.images][:2] == [tmp_path / "pictures/red.jpg", tmp_path / "pictures/back.jpg"]


def test_the_texts_of_the_default_store_win(tmp_path: Path) -> None:
    content = (
        "sku,store_view_code,product_type,attribute_set_code,name,description,price\n"
        "T,,simple,Default,Tee,Soft,20\nT,default,,,Nice tee,,\nT,fr,,,Chemise,Doux,\nF,fr,simple,,Sac,,5\n"
    )
    records = loaded(tmp_path, "export.csv", content)
    tee, bag = records["T"].item, records["F"].item
    assert (tee.title, tee.description, tee.price_cents, tee.attributes["name_fr"]) == (
        "Nice tee",
        "Soft",
        2000,
        "Chemise",
    )
    assert (bag.title, bag.price_cents) == ("Sac", 500)


def test_magento_1(tmp_path: Path) -> None:
    records = loaded(tmp_path, "m1.csv", MAGENTO_1)
    tee = records["M1"]
    assert (tee.item.title, tee.item.price_cents, tee.n_rows) == ("Tee", 1500, 3)
    assert urls(tee) == ["https://s.example/1.jpg", "https://s.example/2.jpg"]
    assert tee.item.attributes["color"] == "Red"


def test_bigcommerce_v2(tmp_path: Path) -> None:
    records = loaded(tmp_path, "bc.csv", BIGCOMMERCE_V2)
    lamp = records["L-1"]
    assert (lamp.item.title, lamp.item.price_cents, lamp.n_rows) == ("Lamp", 2000, 4)
    assert forms(lamp.item) == [
        ("L-1-S", {"size": "Small", "colour": "Red"}, 2000),
        ("L-1-L", {"size": "Large", "colour": "Blue"}, 3000),
    ]
    assert urls(lamp) == ["https://s.example/1.jpg", "https://s.example/2.jpg"]
    assert lamp.item.attributes["category"] == ("Lighting/Desk", "Sale")
    assert (lamp.item.attributes["socket"], lamp.item.attributes["watt"]) == ("E27", 40)
    assert records["L-2"].item.price_cents == 300
    assert [image.path for image in records["L-2"].images] == [tmp_path / "only.jpg"]


def test_bigcommerce_v3(tmp_path: Path) -> None:
    tee = loaded(tmp_path, "bc.csv", BIGCOMMERCE_V3)["T-1"]
    assert forms(tee.item) == [
        ("T-1-R", {"colour": "Red", "size": "M"}, 1900),
        ("T-1-B", {"colour": "Blue", "size": "L"}, 2000),
    ]
    assert urls(tee) == ["https://s.example/front.jpg", "https://s.example/back.jpg", "https://s.example/r.jpg"]
    assert (tee.item.attributes["categories"], tee.item.attributes["fit"], tee.n_rows) == (
        ("Shop", "Shirts"),
        "Slim",
        6,
    )


def test_prestashop(tmp_path: Path) -> None:
    mug = only(write(tmp_path, "ps.csv", PRESTASHOP))
    assert (mug.item.sku, mug.item.title, mug.item.description, mug.item.price_cents) == ("REF-1", "Mug", "Long", 950)
    assert (mug.item.attributes["colour"], mug.item.attributes["material"]) == ("Red", "Clay")
    assert mug.item.attributes["tags"] == ("gift", "clay")
    assert urls(mug) == ["https://s.example/1.jpg"]
    french = only(write(tmp_path, "ps2.csv", PRESTASHOP_FRENCH)).item
    assert (french.sku, french.title, french.price_cents) == ("REF-1", "Tasse", 1200)
    dress = only(write(tmp_path, "ps4.csv", PRESTASHOP_IN_FRENCH))
    assert (dress.item.sku, dress.item.title, dress.item.price_cents) == ("MA-1", "Robe", 6990)
    named = {name: dress.item.attributes[name] for name in ("couleur", "matière", "tailles", "tags", "categories")}
    assert named == {"couleur": "Bleu", "matière": "Lin", "tailles": "36-38", "tags": ("lin", "été"),
                     "categories": ("Femme", "Robes")}  # fmt: skip
    assert urls(dress) == ["https://s.example/1.jpg"]
    spanish = 'ID;Nombre;"Categorías (x,y,z...)";Precio IVA incluido;Referencia\n1;Taza;Cocina,Tazas;12,00;REF-1\n'
    cup = only(write(tmp_path, "ps3.csv", spanish)).item
    assert (cup.price_cents, cup.attributes["categories"]) == (1200, ("Cocina", "Tazas"))


def test_akeneo(tmp_path: Path) -> None:
    records = loaded(tmp_path, "akeneo.csv", AKENEO)
    shirt = records["model_a"].item
    assert (shirt.title, shirt.currency) == ("Shirt", "EUR")
    assert forms(shirt) == [("A-S", {"size": "S"}, 1990), ("A-M", {"size": "M"}, 2190)]
    assert (shirt.attributes["color"], shirt.attributes["name_de_de"]) == ("red", "Hemd")
    assert (records["B"].item.title, records["B"].item.price_cents) == ("Tasche", 990)


def test_etsy(tmp_path: Path) -> None:
    records = loaded(tmp_path, "EtsyListingsDownload.csv", ETSY)
    fern = records["F-1"]
    assert forms(fern.item) == [
        ("F-1", {"size": "A4", "frame": "Oak"}, 1600),
        ("F-2", {"size": "A4", "frame": "Black"}, 1600),
        ("F-3", {"size": "A3", "frame": "Oak"}, 1600),
        ("F-4", {"size": "A3", "frame": "Black"}, 1600),
    ]
    assert (fern.item.description, fern.item.currency) == ('Printed "by hand"', "USD")
    assert urls(fern) == ["https://s.example/1.jpg", "https://s.example/2.jpg"]
    assert records["Mug"].item.attributes["materials"] == "Clay"


def test_ebay(tmp_path: Path) -> None:
    records = loaded(tmp_path, "ebay.csv", EBAY)
    tee = records["TEE"]
    assert forms(tee.item) == [
        ("TEE-R-S", {"colour": "Red", "size": "S"}, 1999),
        ("TEE-B-M", {"colour": "Blue", "size": "M"}, 2199),
    ]
    assert (tee.item.attributes["brand"], tee.item.attributes["material"], tee.item.currency) == (
        "Acme",
        "Cotton",
        "EUR",
    )
    assert tee.item.variants[0].identifiers == ("4006381333931",)
    assert records["BAG"].item.price_cents == 999


def test_the_ebay_report_of_active_listings(tmp_path: Path) -> None:
    content = (
        "Item number,Title,Variation details,Custom label (SKU),Format,Currency,Start price,P:EAN\n"
        "110,Tee,,TEE,FIXED_PRICE,GBP,19.99,\n"
        '110,Tee,"[Colour=Red,Size=M]",TEE-R,FIXED_PRICE,GBP,19.99,4006381333931\n'
        '110,Tee,"[Colour=Blue,Size=L]",TEE-B,FIXED_PRICE,GBP,21.99,\n'
        "111,Mug,,MUG,FIXED_PRICE,GBP,9.99,\n"
    )
    records = loaded(tmp_path, "active.csv", content)
    assert list(records) == ["TEE", "MUG"]
    assert forms(records["TEE"].item) == [
        ("TEE-R", {"colour": "Red", "size": "M"}, 1999),
        ("TEE-B", {"colour": "Blue", "size": "L"}, 2199),
    ]
    assert records["TEE"].item.currency == "GBP"


def test_a_listing_that_says_what_its_variations_are_in(tmp_path: Path) -> None:
    content = (
        "Item number,Title,Variation details,Custom label (SKU),Format,Currency,Start price,P:EAN\n"
        "110,Mug,,,FIXED_PRICE,GBP,9.99,\n"
        "111,Tee,Colour=Red;Blue|Size=M;L,,FIXED_PRICE,GBP,19.99,\n"
        "111,Tee,Colour=Red|Size=M,,FIXED_PRICE,GBP,19.99,\n"
        "111,Tee,Colour=Blue|Size=L,,FIXED_PRICE,GBP,21.99,\n"
    )
    records = loaded(tmp_path, "active.csv", content)
    assert [(sku, each.item.price_cents) for sku, each in records.items()] == [("110", 999), ("111", 1999)]
    assert forms(records["111"].item) == [
        ("", {"colour": "Red", "size": "M"}, 1999),
        ("", {"colour": "Blue", "size": "L"}, 2199),
    ]


def test_wix(tmp_path: Path) -> None:
    tee = loaded(tmp_path, "wix.csv", WIX)["TEE"]
    assert forms(tee.item) == [("TEE-S", {"size": "S"}, 2000), ("TEE-M", {"size": "M"}, 2200)]
    assert (tee.item.attributes["care"], tee.item.attributes["collection"]) == ("Wash cold", ("Shirts", "Sale"))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (WOO, "WooCommerce product export"),
        (MAGENTO, "Adobe Commerce product export"),
        (MAGENTO_1, "Magento 1 product export"),
        (BIGCOMMERCE_V2, "BigCommerce product export"),
        (BIGCOMMERCE_V3, "BigCommerce product export"),
        (PRESTASHOP, "PrestaShop products"),
        (PRESTASHOP_FRENCH, "PrestaShop products"),
        (AKENEO, "Akeneo product export"),
        (ETSY, "Etsy listings"),
        (EBAY, "eBay listings"),
        (WIX, "Wix product export"),
        (SQUARESPACE, "Squarespace product export"),
    ],
)
def test_each_export_is_recognised(tmp_path: Path, content: str, name: str) -> None:
    assert open_source(str(write(tmp_path, "products.csv", content))).dialect.startswith(f"{name} (")


@pytest.mark.parametrize("content", [WIX, MAGENTO_1, EBAY])
def test_headers_in_another_letter_case(tmp_path: Path, content: str) -> None:
    head, _, rows = content.partition("\n")
    wanted = [record.item for record in loaded(tmp_path, "shop.csv", content).values()]
    for other in (head.lower(), head.upper()):
        found = loaded(tmp_path, "shop.csv", f"{other}\n{rows}")
        assert [(each.item.sku, each.item.variants, each.item.currency) for each in found.values()] == [
            (each.sku, each.variants, each.currency) for each in wanted
        ]


FINNISH = """\
Tunnus,Tyyppi,SKU,Nimi,Julkaistu,"Onko esittelyssä?",Näkyvyys,"Lyhyt kuvaus",Kuvaus,"Veron tila","Varastossa?",Varasto,"Alennettu hinta","Normaali hinta",Osastot,Avainsanat,Kuvat,"Ylätason tuote","Ominaisuuden 1 nimi","Ominaisuuden 1 arvo(t)","Ominaisuuden 1 näkyvyys","Ominaisuuden 1 globaali"
7,variable,PAITA,Paita,1,0,visible,Lyhyt,Pehmeä puuvilla,taxable,1,,,,Vaatteet,,https://s.example/1.jpg,,Väri,"Punainen, Sininen",1,1
8,variation,PAITA-P,"Paita - Punainen",1,0,visible,,,taxable,1,5,"9,90","12,90",,,https://s.example/2.jpg,PAITA,Väri,Punainen,,1
9,variation,PAITA-S,"Paita - Sininen",1,0,visible,,,taxable,0,0,,"14,50",,,,id:7,Väri,Sininen,,1
"""


def test_woocommerce_in_a_language_without_a_table_of_names(tmp_path: Path) -> None:
    (shirt,) = loaded(tmp_path, "wc.csv", FINNISH).values()
    assert forms(shirt.item) == [("PAITA-P", {"väri": "Punainen"}, 990), ("PAITA-S", {"väri": "Sininen"}, 1450)]
    assert (shirt.item.title, shirt.item.description, len(shirt.images)) == ("Paita", "Pehmeä puuvilla", 2)
    assert shirt.item.attributes == {
        "väri": ("Punainen", "Sininen"),
        "categories": "Vaatteet",
        "short_description": "Lyhyt",
    }


SHOPTET = """\
code;pairCode;name;price;standardPrice;currency;defaultImage;image;defaultCategory;variant:Barva;itemType;stock
T-1/C;T1;Tričko;299,00;399;CZK;https://s.example/1.jpg;https://s.example/1.jpg;Trička;Červená;product;5
T-1/M;T1;Tričko;319,00;399;CZK;https://s.example/1.jpg;https://s.example/2.jpg;Trička;Modrá;product;0
H-1;;Hrnek;99,00;;CZK;https://s.example/h.jpg;;Kuchyně;;product;5
"""

ODOO = """\
"id","name","default_code","list_price","standard_price","categ_id/name","attribute_line_ids/attribute_id","attribute_line_ids/value_ids"
"__export__.product_9","Desk","DESK","450.0","300.0","Office","Legs","Steel,Aluminium"
"","","","","","","Color","White,Black"
"__export__.product_10","Desk","DESK-2","750.0","500.0","Office","",""
"""


def test_shoptet(tmp_path: Path) -> None:
    shop = loaded(tmp_path, "products.csv", SHOPTET)
    shirt, mug = shop["T1"].item, shop["H-1"].item
    assert forms(shirt) == [("T-1/C", {"barva": "Červená"}, 29900), ("T-1/M", {"barva": "Modrá"}, 31900)]
    assert (len(shop["T1"].images), len(shop["H-1"].images), mug.price_cents) == (2, 1, 9900)


def test_odoo(tmp_path: Path) -> None:
    shop = loaded(tmp_path, "product.template.csv", ODOO)
    assert [(each.item.sku, each.item.price_cents) for each in shop.values()] == [("DESK", 45000), ("DESK-2", 75000)]
    assert shop["DESK"].item.attributes == {
        "category": "Office",
        "legs": ("Steel", "Aluminium"),
        "color": ("White", "Black"),
    }


def test_options_of_bigcommerce_with_a_bar_between_them(tmp_path: Path) -> None:
    table = (
        "Item,ID,Name,SKU,Options,Price,Internal Image URL (Export)\nProduct,1,Towel,TOWEL,,49,\n"
        "Variant,2,,T-1,Type=Swatch|Name=Color|Value=Silver[#CCC]|Type=Rectangles|Name=Size|Value=M,,\n"
        "Variant,3,,T-2,Type=Swatch|Name=Color|Value=Black[#000]|Type=Rectangles|Name=Size|Value=L,,\n"
    )
    assert forms(loaded(tmp_path, "shop.csv", table)["TOWEL"].item) == [
        ("T-1", {"color": "Silver", "size": "M"}, 4900),
        ("T-2", {"color": "Black", "size": "L"}, 4900),
    ]


def test_prestashops_list_in_spanish(tmp_path: Path) -> None:
    table = 'ID;Imagen;Nombre;Referencia;"Precio (imp. excl.)";"Precio (imp. incl.)"\n1;;Camiseta;demo_1;"23,90 €";"28,92 €"\n'
    shirt = loaded(tmp_path, "productos.csv", table)["demo_1"].item
    assert (shirt.title, shirt.price_cents, shirt.currency) == ("Camiseta", 2892, "EUR")


CAFE24 = """\
상품코드,자체 상품코드,진열상태,판매상태,상품명,상품 요약설명,상품 상세설명,소비자가,공급가,상품가,판매가,옵션입력,버튼이미지 설정,이미지등록(상세),이미지등록(목록),이미지등록(추가),배송방법
P0A,OWN-1,Y,Y,머그컵,짧은 글,긴 글,12000,4000,9091,10000,색상{흰색|검정}//크기{대|소},{button.gif},mug.jpg,mug_s.jpg,side.jpg|top.jpg,B
P0B,,N,Y,접시,,,8000,2000,6364,7000,,,,plate_s.jpg,,B
"""


def test_cafe24(tmp_path: Path) -> None:
    path = write(tmp_path, "cafe24.csv", CAFE24)
    (mug, plate), _ = read(path)
    assert (mug.item.sku, mug.item.title, mug.item.price_cents, mug.item.description) == (
        "P0A",
        "머그컵",
        1000000,
        "긴 글",
    )
    assert mug.item.attributes == {
        "자체_상품코드": "OWN-1",
        "상품_요약설명": "짧은 글",
        "소비자가": 12000,
        "색상": ("흰색", "검정"),
        "크기": ("대", "소"),
    }
    names = [[each.path.name for each in record.images if each.path] for record in (mug, plate)]
    assert names == [["mug.jpg", "side.jpg", "top.jpg"], ["plate_s.jpg"]]
    shown = [row for row in open_source(str(path), shown_only=True).rows() if isinstance(row, Record)]
    assert [each.item.title for each in shown] == ["머그컵"]
