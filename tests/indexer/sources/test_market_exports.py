"""Marketplaces' files and well-known data sets load without a mapping."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.indexer.sources.catalogs import make_image, only, read, write
from vitrina.indexer.sources import open_source

# ruff: noqa: E501 -- the sample files are as wide as the real ones

AMAZON_FLAT = """\
feed_product_type\titem_sku\texternal_product_id\texternal_product_id_type\titem_name\tstandard_price\tmain_image_url\tother_image_url1\tparent_child\tparent_sku\trelationship_type\tvariation_theme\tcolor_name\tsize_name\tproduct_description\tsale_price\tsale_from_date\tsale_end_date
shirt\tTEE\t\t\tTee\t\thttps://s.example/1.jpg\t\tparent\t\t\tSizeColor\t\t\tSoft\t\t\t
shirt\tTEE-R-S\t4006381333931\tEAN\tTee red S\t19.99\thttps://s.example/r.jpg\thttps://s.example/r2.jpg\tchild\tTEE\tVariation\tSizeColor\tRed\tS\tSoft\t15.99\t2020-01-01\t2020-02-01
shirt\tTEE-B-M\t4006381333948\tEAN\tTee blue M\t21.99\thttps://s.example/b.jpg\t\tchild\tTEE\tVariation\tSizeColor\tBlue\tM\tSoft\t15.99\t2020-01-01\t2099-01-01
bag\tBAG\t4006381333955\tEAN\tBag\t9.99\thttps://s.example/bag.jpg\t\t\t\t\t\tBrown\t\t\t\t\t
"""

LISTINGS = """\
item-name\titem-description\tlisting-id\tseller-sku\tprice\tquantity\topen-date\timage-url\titem-is-marketplace\tproduct-id-type\tasin1\tproduct-id\tfulfillment-channel
Lamp\tBright\t0101A\tLA-1\t19.99\t3\t2024-01-01\t\ty\t1\tB0001\tB0001\tDEFAULT
"""

HM = """\
article_id,product_code,prod_name,product_type_no,product_type_name,colour_group_name,colour_group_code,detail_desc
0108775015,0108775,Strap top,253,Vest top,Black,9,Jersey top
110065001,110065,Bra,306,Bra,White,10,
"""

MYNTRA = """\
,p_id,name,price,colour,brand,img,ratingCount,avg_rating,description,p_attributes
0,17048614.0,Kurta,5099.0,Black,Acme,https://s.example/1.jpg,4522.0,4.41,Black kurta,"{'Neck': 'V-Neck', 'Body Shape ID': '443,333', 'Care': ""Don't wring""}"
"""

FLIPKART = """\
uniq_id,crawl_timestamp,product_url,product_name,product_category_tree,pid,retail_price,discounted_price,image,is_FK_Advantage_product,description,product_rating,overall_rating,brand,product_specifications
f1,2016-03-25,http://s.example/1,Lamp,"[""Home >> Lamps""]",LMP1,999,379,"[""https://s.example/1.jpg"", ""https://s.example/2.jpg""]",false,Key,No rating available,No rating available,Acme,"{""product_specification""=>[{""key""=>""Socket"", ""value""=>""E27""}, {""value""=>""1 Lamp""}]}"
"""

FACEBOOK = """\
id,title,description,availability,condition,price,link,image[0].url,image[0].tag[0],brand,fb_product_category,item_group_id,color,size,sale_price
L1,Lamp red,Bright,in stock,new,10.00 USD,https://s.example/1,https://s.example/r.jpg,hero,Acme,home,L,red,S,
L2,Lamp blue,Bright,in stock,new,12.00 USD,https://s.example/2,https://s.example/b.jpg,hero,Acme,home,L,blue,S,9.00 USD
"""


TIKTOK = """\
Product category,Brand,Product name,Product description,Main image,Image 2,Identifier code type,Identifier code,Variation theme 1,Variation value 1,Variant image,Retail price (local currency),Seller SKU
Mandatory,Optional,Mandatory,Mandatory,Mandatory,Optional,Optional,Optional,Optional,Optional,Optional,Mandatory,Optional
Tops,Flora,Crop Top,Ribbed,https://s.example/1.jpg,https://s.example/2.jpg,GTIN,4006381333931,Color,White,https://s.example/w.jpg,12.99,CT-W
Tops,Flora,Crop Top,Ribbed,https://s.example/1.jpg,https://s.example/2.jpg,GTIN,4006381333948,Color,Black,https://s.example/b.jpg,10.99,CT-B
"""


def test_tiktok_templates(tmp_path: Path) -> None:
    top = only(write(tmp_path, "tiktok.csv", TIKTOK))
    assert [(each.sku, dict(each.options), each.price_cents, each.images) for each in top.item.variants] == [
        ("CT-W", {"color": "White"}, 1299, (2,)),
        ("CT-B", {"color": "Black"}, 1099, (3,)),
    ]
    assert (top.item.title, top.item.attributes["brand"], len(top.images), top.n_rows) == ("Crop Top", "Flora", 4, 2)


def test_amazon_inventory_files(tmp_path: Path) -> None:
    (tee, bag), rejections = read(write(tmp_path, "amazon.txt", AMAZON_FLAT))
    assert rejections == []
    assert [(each.sku, dict(each.options), each.price_cents) for each in tee.item.variants] == [
        ("TEE-R-S", {"color": "Red", "size": "S"}, 1999),
        ("TEE-B-M", {"color": "Blue", "size": "M"}, 1599),
    ]
    assert (tee.item.sku, tee.item.title, tee.item.description, tee.n_rows) == ("TEE", "Tee", "Soft", 3)
    assert tee.item.variants[0].identifiers == ("4006381333931",)
    assert (bag.item.sku, bag.item.price_cents, bag.item.variants) == ("BAG", 999, ())


def test_the_amazon_template_of_2023(tmp_path: Path) -> None:
    header = [
        "contribution_sku#1.value",
        "product_type#1.value",
        "item_name[marketplace_id=ATVPDKIKX0DER][language_tag=en_US]#1.value",
        "purchasable_offer[marketplace_id=ATVPDKIKX0DER][audience=ALL]#1.our_price#1.schedule#1.value_with_tax",
        "main_product_image_locator[marketplace_id=ATVPDKIKX0DER]#1.media_location",
        "other_product_image_locator_1[marketplace_id=ATVPDKIKX0DER]#1.media_location",
        "parentage_level[marketplace_id=ATVPDKIKX0DER]#1.value",
        "child_parent_sku_relationship[marketplace_id=ATVPDKIKX0DER]#1.parent_sku",
        "color[marketplace_id=ATVPDKIKX0DER][language_tag=en_US]#1.value",
    ]
    rows = [
        ["TEE", "SHIRT", "Tee", "", "https://s.example/1.jpg", "https://s.example/2.jpg", "Parent", "", ""],
        ["TEE-R", "SHIRT", "Tee red", "19.99", "https://s.example/r.jpg", "", "Child", "TEE", "Red"],
        ["TEE-B", "SHIRT", "Tee blue", "21.99", "https://s.example/b.jpg", "", "Child", "TEE", "Blue"],
    ]
    tee = only(write(tmp_path, "template.txt", "\n".join("\t".join(row) for row in [header, *rows]) + "\n"))
    assert (tee.item.sku, tee.item.title) == ("TEE", "Tee")
    assert [(each.sku, dict(each.options), each.price_cents) for each in tee.item.variants] == [
        ("TEE-R", {"color": "Red"}, 1999),
        ("TEE-B", {"color": "Blue"}, 2199),
    ]
    assert [image.url for image in tee.images] == [f"https://s.example/{name}.jpg" for name in ("1", "2", "r", "b")]


def test_amazon_listing_reports(tmp_path: Path) -> None:
    path = write(tmp_path, "report.txt", LISTINGS)
    lamp = only(path).item
    assert open_source(str(path)).dialect.startswith("Amazon listings report")
    assert (lamp.sku, lamp.title, lamp.description, lamp.price_cents) == ("LA-1", "Lamp", "Bright", 1999)


def test_hm_articles_have_their_images_in_folders_by_number(tmp_path: Path) -> None:
    (top, bra), _ = read(write(tmp_path, "articles.csv", HM))
    assert [top.item.sku, bra.item.sku] == ["0108775015", "0110065001"]
    assert [image.path for image in top.images] == [tmp_path / "images/010/0108775015.jpg"]
    assert [image.path for image in bra.images] == [tmp_path / "images/011/0110065001.jpg"]
    assert (top.item.description, top.item.attributes["colour_group_name"]) == ("Jersey top", "Black")


def test_myntra(tmp_path: Path) -> None:
    kurta = only(write(tmp_path, "myntra.csv", MYNTRA)).item
    assert (kurta.title, kurta.description, kurta.price_cents) == ("Kurta", "Black kurta", 509900)
    assert (kurta.attributes["neck"], kurta.attributes["care"]) == ("V-Neck", "Don't wring")


def test_flipkart(tmp_path: Path) -> None:
    lamp = only(write(tmp_path, "flipkart.csv", FLIPKART))
    assert (lamp.item.sku, lamp.item.price_cents, lamp.item.attributes["regular_price"]) == ("f1", 37900, 999.0)
    assert lamp.item.attributes["socket"] == "E27"
    assert "product_rating" not in lamp.item.attributes
    assert [image.url for image in lamp.images] == ["https://s.example/1.jpg", "https://s.example/2.jpg"]


def test_facebook_catalogs(tmp_path: Path) -> None:
    path = write(tmp_path, "facebook.csv", FACEBOOK)
    assert open_source(str(path)).dialect.startswith("Facebook catalog")
    lamp = only(path)
    assert [(each.sku, dict(each.options), each.price_cents) for each in lamp.item.variants] == [
        ("L1", {"color": "red"}, 1000),
        ("L2", {"color": "blue"}, 900),
    ]
    assert [image.url for image in lamp.images] == ["https://s.example/r.jpg", "https://s.example/b.jpg"]


@pytest.mark.parametrize(
    ("columns", "dialect", "expected"),
    [
        (
            {
                "url": "https://i.example/1.jpg",
                "caption": "a lamp",
                "key": "000000001",
                "status": "success",
                "width": 9,
            },
            "img2dataset shard",
            ("000000001", "a lamp"),
        ),
        (
            {"SAMPLE_ID": 7, "URL": "https://i.example/1.jpg", "TEXT": "a lamp", "WIDTH": 9, "similarity": 0.3},
            "LAION metadata",
            ("7", "a lamp"),
        ),
        (
            {"URL": "https://i.example/1.jpg", "TEXT": "a lamp", "WIDTH": 9, "similarity": 0.3, "hash": -12},
            "LAION metadata",
            ("-12", "a lamp"),
        ),
    ],
)
def test_data_sets_of_addresses_and_captions(
    tmp_path: Path, columns: dict[str, object], dialect: str, expected: tuple[str, str]
) -> None:
    path = tmp_path / "part.parquet"
    pq.write_table(pa.Table.from_pylist([columns]), path)
    record = only(path)
    assert open_source(str(path)).dialect == f"{dialect} (Parquet)"
    assert (record.item.sku, record.item.title) == expected
    assert (record.item.url, [image.url for image in record.images]) == (None, ["https://i.example/1.jpg"])


def test_an_img2dataset_shard_has_the_images_themselves(tmp_path: Path) -> None:
    import io
    import json
    import tarfile

    path = tmp_path / "00000.tar"
    files = {
        "000000001.jpg": make_image(),
        "000000001.txt": b"a lamp",
        "000000001.json": json.dumps(
            {"url": "https://i.example/1.jpg", "caption": "a lamp", "key": "000000001", "status": "success"}
        ).encode(),
    }
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    record = only(path)
    assert (record.item.sku, record.item.title, record.item.url) == ("000000001", "a lamp", None)
    assert [image.data for image in record.images] == [make_image()]


AMAZON_2024 = """\
settings=attributeRow=4&contentLanguageTag=en_US,,,
Images will be visible,,,
SKU,Product Type,Item Name,Your Price USD (Sell on Amazon US)
contribution_sku#1.value,product_type#1.value,item_name[marketplace_id=ATVPDKIKX0DER][language_tag=en_US]#1.value,purchasable_offer[marketplace_id=ATVPDKIKX0DER][audience=ALL]#1.our_price#1.schedule#1.value_with_tax
AZ-1,SHIRT,Red shirt,24.99
AZ-2,SHIRT,Blue shirt,25.99
"""


def test_amazons_template_of_2024(tmp_path: Path) -> None:
    records, _ = read(write(tmp_path, "CLOTHING.csv", AMAZON_2024))
    assert [(each.item.sku, each.item.title, each.item.price_cents) for each in records] == [
        ("AZ-1", "Red shirt", 2499),
        ("AZ-2", "Blue shirt", 2599),
    ]


def test_amazons_berkeley_objects_are_in_one_language(tmp_path: Path) -> None:
    listing = """{"item_id": "B06X", "brand": [{"language_tag": "en_US", "value": "Find."}], "item_name": [
        {"language_tag": "de_DE", "value": "Schuh"}, {"language_tag": "en_GB", "value": "Loafer"}],
        "color": [{"language_tag": "en_US", "value": "Grey", "standardized_values": ["Grey"]}]}""".replace("\n", " ")
    item = only(write(tmp_path, "listings_0.json", f"{listing}\n")).item
    assert (item.sku, item.title, item.attributes) == ("B06X", "Loafer", {"brand": ("Find.",), "color": ("Grey",)})


def test_details_in_a_merchant_table(tmp_path: Path) -> None:
    header = "id\ttitle\timage_link\tproduct_detail(section_name:attribute_name:attribute_value)\n"
    row = "W-1\tWasher\thttps://s.example/1.jpg\tTechnik:Drehzahl:1400 U/min,Technik:Klasse:A\n"
    washer = only(write(tmp_path, "feed.txt", header + row)).item
    assert washer.attributes == {"drehzahl": "1400 U/min", "klasse": "A"}


def test_akeneos_variants_in_other_currencies(tmp_path: Path) -> None:
    table = "sku;categories;family;parent;name-de_DE;price-CHF;size\nH-M;a;b;H;Hut;29.00;M\nH-L;a;b;H;Hut;31.00;L\n"
    hat = only(write(tmp_path, "variants.csv", table)).item
    assert [(each.sku, each.price_cents, each.currency) for each in hat.variants] == [
        ("H-M", 2900, "CHF"),
        ("H-L", 3100, "CHF"),
    ]


def test_hm_images_in_one_folder(tmp_path: Path) -> None:
    write(tmp_path, "images/0108775015.jpg", make_image())
    record = only(write(tmp_path, "articles.csv", "article_id,prod_name,product_code\n108775015,Strap top,108775\n"))
    assert [each.path for each in record.images] == [tmp_path / "images/0108775015.jpg"]
