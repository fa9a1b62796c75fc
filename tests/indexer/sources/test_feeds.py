"""XML feeds of every kind: Merchant, YML, Heureka, Ceneo, plain lists; prefixes, entities, encodings, broken files."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import only, read, write
from vitrina.indexer.sources import open_source
from vitrina.indexer.sources.base import Record
from vitrina.search.types.errors import SourceError

# ruff: noqa: E501 -- the sample files are as wide as the real ones

GROUP = """\
<rss version="2.0" xmlns:gm="http://base.google.com/ns/1.0"><channel><title>Shop</title>
<item><title>plain</title><gm:title>Lamp red</gm:title><link>https://s.example/1</link><gm:id>L1</gm:id><gm:item_group_id>L</gm:item_group_id>
<gm:color>red</gm:color><gm:size>S</gm:size><gm:price>10 EUR</gm:price><gm:sale_price>8 EUR</gm:sale_price><gm:image_link>https://s.example/r.jpg</gm:image_link>
<gm:product_detail><gm:attribute_name>Socket</gm:attribute_name><gm:attribute_value>E27</gm:attribute_value></gm:product_detail></item>
<item><gm:title>Bulb</gm:title><gm:id>B</gm:id><gm:item_group_id>alone</gm:item_group_id><gm:price>5 EUR</gm:price><gm:sale_price>4 EUR</gm:sale_price>
<gm:sale_price_effective_date>2020-01-01T00:00+0000/2020-02-01T00:00+0000</gm:sale_price_effective_date></item>
<item><gm:title>Lamp blue</gm:title><gm:id>L2</gm:id><gm:item_group_id>L</gm:item_group_id><gm:color>blue</gm:color><gm:size>S</gm:size>
<gm:price>12 EUR</gm:price><gm:image_link>https://s.example/b.jpg</gm:image_link><gm:gtin>4006381333931</gm:gtin></item>
</channel></rss>
"""

YML = """\
<?xml version="1.0" encoding="windows-1251"?>
<!DOCTYPE yml_catalog SYSTEM "shops.dtd">
<yml_catalog date="2026-01-01"><shop><categories><category id="1">Одежда</category><category id="2" parentId="1">Платья</category></categories><offers>
<offer id="a1" available="true" group_id="5"><url>https://s.example/1</url><price>599</price><currencyId>RUB</currencyId><categoryId>2</categoryId>
<picture>https://s.example/1.jpg</picture><picture>https://s.example/2.jpg</picture><name>Платье&nbsp;синее</name><param name="Цвет">Синий</param><param name="Ткань">Лён</param></offer>
<offer id="a2" group_id="5"><price>650</price><currencyId>RUB</currencyId><categoryId>2</categoryId><picture>https://s.example/3.jpg</picture><name>Платье красное</name><param name="Цвет">Красный</param><param name="Ткань">Лён</param></offer>
<offer id="b"><price>99</price><currencyId>RUB</currencyId><categoryId>1</categoryId><typePrefix>Сумка</typePrefix><vendor>Acme</vendor><model>X1</model><param name="Цвет">Синий</param></offer>
</offers></shop></yml_catalog>
"""

HEUREKA = """\
<?xml version="1.0" encoding="utf-8"?><SHOP>
<SHOPITEM><ITEM_ID>1</ITEM_ID><PRODUCTNAME>Tričko červené</PRODUCTNAME><URL>https://s.example/1</URL><IMGURL>https://s.example/1.jpg</IMGURL><IMGURL_ALTERNATIVE>https://s.example/2.jpg</IMGURL_ALTERNATIVE>
<PRICE_VAT>599,00</PRICE_VAT><MANUFACTURER>Acme</MANUFACTURER><PARAM><PARAM_NAME>Barva</PARAM_NAME><VAL>červená</VAL></PARAM><PARAM><PARAM_NAME>Velikost</PARAM_NAME><VAL>M</VAL></PARAM><ITEMGROUP_ID>T</ITEMGROUP_ID><EAN>8590000000017</EAN></SHOPITEM>
<SHOPITEM><ITEM_ID>2</ITEM_ID><PRODUCTNAME>Tričko modré</PRODUCTNAME><PRICE_VAT>699</PRICE_VAT><PARAM><PARAM_NAME>Barva</PARAM_NAME><VAL>modrá</VAL></PARAM><PARAM><PARAM_NAME>Velikost</PARAM_NAME><VAL>M</VAL></PARAM><ITEMGROUP_ID>T</ITEMGROUP_ID></SHOPITEM>
</SHOP>
"""

CENEO = """\
<offers version="1"><o id="1" url="https://s.example/1" price="12.50" avail="1"><cat><![CDATA[Odzież/Koszule]]></cat><name><![CDATA[Koszula]]></name>
<imgs><main url="https://s.example/1.jpg"/><i url="https://s.example/2.jpg"/></imgs><desc>opis</desc><attrs><a name="Producent">Acme</a><a name="Kolor">Czerwony</a></attrs></o></offers>
"""


def test_a_table_of_a_merchant_feed_has_details_as_text(tmp_path: Path) -> None:
    header = "id\ttitle\timage_link\tproduct_detail"
    row = "1\tTrain\thttps://s.example/1.jpg\tGeneral:Age:1.5-3 years,:Material:Beech, oiled,Size:Length:2:1"
    item = only(write(tmp_path, "feed.tsv", f"{header}\n{row}\n")).item
    assert item.attributes == {"age": "1.5-3 years", "material": "Beech, oiled", "length": "2:1"}


def test_a_group_of_a_merchant_feed_is_one_product(tmp_path: Path) -> None:
    (lamp, bulb), rejections = read(write(tmp_path, "feed.xml", GROUP))
    assert rejections == []
    assert (lamp.item.sku, lamp.item.title, lamp.n_rows, lamp.item.url) == ("L", "Lamp", 2, "https://s.example/1")
    assert [(each.sku, dict(each.options), each.price_cents) for each in lamp.item.variants] == [
        ("L1", {"color": "red"}, 800),
        ("L2", {"color": "blue"}, 1200),
    ]
    assert [each.identifiers for each in lamp.item.variants] == [(), ("4006381333931",)]
    assert (lamp.item.attributes["size"], lamp.item.attributes["socket"]) == ("S", "E27")
    assert (bulb.item.sku, bulb.item.price_cents, bulb.item.variants) == ("B", 500, ())


def test_a_group_is_named_apart_from_its_items(tmp_path: Path) -> None:
    rows = "".join(f"{n}\tLamp {n}\thttps://s.example/{n}.jpg\t{n // 2}\tc{n}\n" for n in range(10))
    records, _ = read(write(tmp_path, "feed.tsv", f"id\ttitle\timage_link\titem_group_id\tcolor\n{rows}"))
    assert [[each.sku for each in record.item.variants] for record in records] == [
        [str(n), str(n + 1)] for n in range(0, 10, 2)
    ]


def test_merchant_feeds_with_german_headers(tmp_path: Path) -> None:
    content = (
        "id\ttitel\tbeschreibung\tlink\tbildlink\tpreis\tsonderangebotspreis\tartikelgruppe-id\tfarbe\n"
        "A1\tHemd rot\tweich\thttps://s.example/1\thttps://s.example/1.jpg\t19,90 EUR\t\tA\trot\n"
        "A2\tHemd blau\tweich\thttps://s.example/2\thttps://s.example/2.jpg\t21,90 EUR\t15,00 EUR\tA\tblau\n"
    )
    shirt = only(write(tmp_path, "feed.tsv", content))
    assert [(each.sku, dict(each.options), each.price_cents) for each in shirt.item.variants] == [
        ("A1", {"color": "rot"}, 1990),
        ("A2", {"color": "blau"}, 1500),
    ]
    assert (shirt.item.sku, shirt.item.description, len(shirt.images)) == ("A", "weich", 2)


def test_yml(tmp_path: Path) -> None:
    path = write(tmp_path, "yandex.xml", YML.encode("cp1251"))
    assert open_source(str(path)).dialect == "YML feed (XML feed)"
    (dress, bag), _ = read(path)
    assert (dress.item.sku, dress.item.title, dress.item.currency) == ("5", "Платье\xa0синее", "RUB")
    assert [(each.sku, dict(each.options), each.price_cents) for each in dress.item.variants] == [
        ("a1", {"цвет": "Синий"}, 59900),
        ("a2", {"цвет": "Красный"}, 65000),
    ]
    assert (dress.item.attributes["ткань"], dress.item.attributes["category"]) == ("Лён", "Одежда / Платья")
    assert [image.url for image in dress.images] == [f"https://s.example/{number}.jpg" for number in (1, 2, 3)]
    assert (bag.item.title, bag.item.attributes["цвет"]) == ("Сумка Acme X1", "Синий")


def test_heureka(tmp_path: Path) -> None:
    shirt = only(write(tmp_path, "heureka.xml", HEUREKA))
    assert [(each.sku, dict(each.options), each.price_cents) for each in shirt.item.variants] == [
        ("1", {"barva": "červená"}, 59900),
        ("2", {"barva": "modrá"}, 69900),
    ]
    assert (shirt.item.title, shirt.item.attributes["velikost"]) == ("Tričko červené", "M")
    assert [image.url for image in shirt.images] == ["https://s.example/1.jpg", "https://s.example/2.jpg"]


def test_ceneo(tmp_path: Path) -> None:
    shirt = only(write(tmp_path, "ceneo.xml", CENEO))
    assert (shirt.item.sku, shirt.item.title, shirt.item.price_cents) == ("1", "Koszula", 1250)
    assert shirt.item.attributes == {"cat": "Odzież/Koszule", "producent": "Acme", "kolor": "Czerwony"}
    assert [image.url for image in shirt.images] == ["https://s.example/1.jpg", "https://s.example/2.jpg"]


def test_a_sitemap_with_images(tmp_path: Path) -> None:
    pages = "<url><loc>https://s.example/</loc><changefreq>daily</changefreq></url>"
    pages += "".join(
        f"<url><loc>https://s.example/products/{n}</loc><lastmod>2026-01-01</lastmod><image:image><image:loc>"
        f"https://s.example/{n}.jpg</image:loc><image:title>Lamp {n}</image:title></image:image></url>"
        for n in (1, 2)
    )
    names = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"'
    records, rejections = read(write(tmp_path, "sitemap.xml", f"<urlset {names}>{pages}</urlset>"))
    assert [(each.item.title, each.item.sku, each.item.url) for each in records] == [
        (f"Lamp {n}", f"https://s.example/products/{n}", f"https://s.example/products/{n}") for n in (1, 2)
    ]
    assert [[image.url for image in each.images] for each in records] == [
        [f"https://s.example/{n}.jpg"] for n in (1, 2)
    ]
    assert len(rejections) == 1  # the first page is no product


def test_a_list_of_unknown_elements(tmp_path: Path) -> None:
    content = "<shop><v>1</v><things><thing sku='T1'><name>Lamp</name><price currency='EUR'>12</price></thing><thing sku='T2'><name>Bulb</name></thing></things></shop>"
    (lamp, bulb), _ = read(write(tmp_path, "things.xml", content))
    assert (lamp.item.sku, lamp.item.title, lamp.item.price_cents, lamp.item.currency) == ("T1", "Lamp", 1200, "EUR")
    assert bulb.item.title == "Bulb"


def test_a_prefix_without_a_declaration_is_read_and_named(tmp_path: Path) -> None:
    content = "<rss><channel><item><g:id>1</g:id><title>plain</title><g:title>Lamp</g:title><g:image_link>https://s.example/1.jpg</g:image_link></item></channel></rss>"
    path = write(tmp_path, "feed.xml", content)
    assert only(path).item.title == "Lamp"
    assert "g: without declaring it" in open_source(str(path)).notes[0]


def test_entities_of_its_own_are_refused_wherever_they_are(tmp_path: Path) -> None:
    padding = " " * 100_000
    bomb = f'{padding}<!DOCTYPE x [<!ENTITY a "bbb"><!ENTITY c "&a;&a;">]><rss><channel><item><id>1</id><title>&c;</title></item></channel></rss>'
    with pytest.raises(SourceError, match="defines entities"):
        open_source(str(write(tmp_path, "bomb.xml", bomb)))


def test_html_entities_and_bytes_of_another_encoding(tmp_path: Path) -> None:
    content = b"<rss><channel><item><id>1</id><title>Gr\xf6\xdfe &mdash; &eacute;&nbsp;A</title><image_link>https://s.example/1.jpg</image_link></item></channel></rss>"
    assert only(write(tmp_path, "feed.xml", content)).item.title == "Größe — é\xa0A"


def test_an_encoding_that_is_given_and_a_compressed_feed(tmp_path: Path) -> None:
    content = "<rss><channel><item><id>1</id><title>Рубашка</title><image_link>https://s.example/1.jpg</image_link></item></channel></rss>"
    path = write(tmp_path, "feed.xml", content.encode("cp1251"))
    (record,) = open_source(str(path), encoding="cp1251").rows()
    assert isinstance(record, Record)
    assert record.item.title == "Рубашка"
    assert only(write(tmp_path, "feed.xml.gz", gzip.compress(content.encode()))).item.title == "Рубашка"


def test_languages_named_elements_and_groups_of_images(tmp_path: Path) -> None:
    records, _ = read(write(tmp_path, "catalog.xml", """\
<catalog xmlns="http://www.demandware.com/xml/impex/catalog/2006-10-31">
<product product-id="A"><ean/><display-name xml:lang="fr">Jupe</display-name><display-name xml:lang="x-default">Skirt</display-name><online-flag>true</online-flag>
<images><image-group view-type="large"><image path="l/1.jpg"/><image path="l/2.jpg"/></image-group></images>
<custom-attributes><custom-attribute attribute-id="fabric">Wool</custom-attribute><custom-attribute attribute-id="fit">Slim</custom-attribute></custom-attributes>
<variations><attributes><variation-attribute attribute-id="size"/></attributes><variants><variant product-id="A-4"/><variant product-id="A-6"/></variants></variations></product>
<product product-id="A-4"><ean>4006381333931</ean><display-name>Skirt 4</display-name><custom-attributes><custom-attribute attribute-id="size">4</custom-attribute></custom-attributes></product>
<product product-id="A-6"><display-name>Skirt 6</display-name><custom-attributes><custom-attribute attribute-id="size">6</custom-attribute><custom-attribute attribute-id="season">2026</custom-attribute></custom-attributes></product>
<product product-id="B"><display-name>Hat</display-name><custom-attributes><custom-attribute attribute-id="size">7</custom-attribute></custom-attributes></product>
</catalog>"""))  # fmt: skip
    skirt, hat = (record.item for record in records)
    assert (skirt.sku, skirt.title) == ("A", "Skirt")
    assert [(each.sku, dict(each.options)) for each in skirt.variants] == [("A-4", {"size": 4}), ("A-6", {"size": 6})]
    assert skirt.variants[0].identifiers == ("4006381333931",)
    assert skirt.attributes == {
        "display_name_fr": "Jupe",
        "fabric": "Wool",
        "fit": "Slim",
        "season": 2026,
        "size": (4, 6),
    }
    assert [image.path for image in records[0].images] == [tmp_path / "l/1.jpg", tmp_path / "l/2.jpg"]
    assert hat.attributes == {"size": 7}


def test_bmecat(tmp_path: Path) -> None:
    record = only(write(tmp_path, "catalog.xml", """\
<BMECAT version="2005" xmlns="http://www.bmecat.org/bmecat/2005"><T_NEW_CATALOG><PRODUCT mode="new"><SUPPLIER_PID>100</SUPPLIER_PID>
<PRODUCT_DETAILS><DESCRIPTION_SHORT>Hammer</DESCRIPTION_SHORT><DESCRIPTION_LONG>Ein Hammer</DESCRIPTION_LONG></PRODUCT_DETAILS>
<PRODUCT_FEATURES><FEATURE><FNAME>Farbe</FNAME><FVALUE>rot</FVALUE></FEATURE><FEATURE><FNAME>Stiel</FNAME><FVALUE>Holz</FVALUE></FEATURE></PRODUCT_FEATURES>
<PRODUCT_PRICE_DETAILS><PRODUCT_PRICE price_type="net_list"><PRICE_AMOUNT>12.50</PRICE_AMOUNT><PRICE_CURRENCY>EUR</PRICE_CURRENCY></PRODUCT_PRICE></PRODUCT_PRICE_DETAILS>
<MIME_INFO><MIME><MIME_TYPE>image/jpeg</MIME_TYPE><MIME_SOURCE>100.jpg</MIME_SOURCE></MIME></MIME_INFO></PRODUCT></T_NEW_CATALOG></BMECAT>"""))  # fmt: skip
    item = record.item
    assert (item.sku, item.title, item.description) == ("100", "Hammer", "Ein Hammer")
    assert (item.price_cents, item.currency, item.attributes) == (1250, "EUR", {"farbe": "rot", "stiel": "Holz"})
    assert [image.path for image in record.images] == [tmp_path / "100.jpg"]


def test_bmecat_with_several_files_and_units(tmp_path: Path) -> None:
    record = only(write(tmp_path, "catalog.xml", """\
<BMECAT version="2005" xmlns="http://www.bmecat.org/bmecat/2005fd"><T_NEW_CATALOG><PRODUCT><SUPPLIER_PID>B-10</SUPPLIER_PID>
<PRODUCT_DETAILS><DESCRIPTION_SHORT>Bohrer</DESCRIPTION_SHORT><INTERNATIONAL_PID type="gtin">4006381333931</INTERNATIONAL_PID>
<MANUFACTURER_NAME>Bosch</MANUFACTURER_NAME><KEYWORD>HSS</KEYWORD><KEYWORD>Metall</KEYWORD></PRODUCT_DETAILS>
<PRODUCT_FEATURES><REFERENCE_FEATURE_SYSTEM_NAME>ETIM-8.0</REFERENCE_FEATURE_SYSTEM_NAME>
<FEATURE><FNAME>Durchmesser</FNAME><FVALUE>10</FVALUE><FUNIT>mm</FUNIT></FEATURE><FEATURE><FNAME>Stoff</FNAME><FVALUE>HSS</FVALUE></FEATURE></PRODUCT_FEATURES>
<MIME_INFO><MIME><MIME_TYPE>image/jpeg</MIME_TYPE><MIME_SOURCE>b.jpg</MIME_SOURCE></MIME>
<MIME><MIME_TYPE>application/pdf</MIME_TYPE><MIME_SOURCE>b.pdf</MIME_SOURCE></MIME></MIME_INFO></PRODUCT></T_NEW_CATALOG></BMECAT>"""))  # fmt: skip
    assert record.item.attributes == {
        "gtin": "4006381333931",
        "manufacturer": "Bosch",
        "keyword": ("HSS", "Metall"),
        "durchmesser": "10 mm",
        "stoff": "HSS",
    }
    assert [image.path for image in record.images] == [tmp_path / "b.jpg"]


def test_shoptet_variants_and_parameters(tmp_path: Path) -> None:
    sizes = "".join(
        f"<VARIANT><CODE>H-{size}</CODE><PRICE_VAT>{price}</PRICE_VAT>"
        f"<PARAMETERS><PARAMETER><NAME>Velikost</NAME><VALUE>{size}</VALUE></PARAMETER></PARAMETERS></VARIANT>"
        for size, price in (("M", 199), ("L", 249))
    )
    parameter = "<INFORMATION_PARAMETER><NAME>Barva</NAME><VALUE>modrá</VALUE></INFORMATION_PARAMETER>"
    feed = f"""<SHOP><SHOPITEM id="5"><NAME>Hrnek</NAME><INFORMATION_PARAMETERS>{parameter}</INFORMATION_PARAMETERS>
    <VARIANTS>{sizes}</VARIANTS></SHOPITEM></SHOP>"""
    item = only(write(tmp_path, "shoptet.xml", feed)).item
    assert [(each.sku, dict(each.options), each.price_cents) for each in item.variants] == [
        ("H-M", {"velikost": "M"}, 19900),
        ("H-L", {"velikost": "L"}, 24900),
    ]
    assert item.attributes["barva"] == "modrá"


def test_a_root_with_the_name_of_an_item_holds_the_items(tmp_path: Path) -> None:
    feed = (
        '<offer version="3.0"><products currency="PLN"><product id="1"><name>Kubek</name></product></products></offer>'
    )
    assert only(write(tmp_path, "iof.xml", feed)).item.title == "Kubek"


def test_bare_ampersands(tmp_path: Path) -> None:
    many = "".join(f"<p><id>{n}</id><title>No. {n}</title><url>https://s.example/</url></p>" for n in range(900))
    text = f"<products>{many}<p><id>A</id><title>Tom & Jerry &eacute; &amp; &#38;</title><url><![CDATA[https://s.example/?a=1&b=2]]></url></p></products>"
    records, rejections = read(write(tmp_path, "feed.xml", text))
    assert ([each.item.sku for each in records], rejections) == ([*map(str, range(900)), "A"], [])
    assert (records[-1].item.title, records[-1].item.url) == ("Tom & Jerry é & &", "https://s.example/?a=1&b=2")


def test_an_attribute_names_a_prices_currency_in_other_languages(tmp_path: Path) -> None:
    product = '<Produit Reference="A"><Designation>Chaise</Designation><Prix devise="EUR">49,90</Prix></Produit>'
    feed = f"<Produits>{product}</Produits>"
    item = only(write(tmp_path, "feed.xml", feed)).item
    assert (item.sku, item.title, item.price_cents, item.currency) == ("A", "Chaise", 4990, "EUR")


def test_a_name_over_two_lines_has_no_blanks_of_the_files_layout(tmp_path: Path) -> None:
    feed = "<shop><product><id>1</id><name>Cup with\n        a lid</name></product></shop>"
    assert only(write(tmp_path, "feed.xml", feed)).item.title == "Cup with a lid"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("```xml\n", "\n```\n"),
        ("\ufeff\n  saved by hand\n", ""),
        ("<br />\n<b>Warning</b>: Undefined <i>x</i> in feed.php\n", "<!-- 0.2 s --> done & gone"),
    ],
)
def test_what_stands_around_the_xml_is_passed_over(tmp_path: Path, before: str, after: str) -> None:
    text = (
        f'{before}<?xml version="1.0" encoding="UTF-8"?><items><item><id>1</id><name>Mug é</name></item></items>{after}'
    )
    item = only(write(tmp_path, "feed.xml", text)).item
    assert (item.sku, item.title) == ("1", "Mug é")


def test_a_price_of_cities_is_the_lowest(tmp_path: Path) -> None:
    offers = (
        '<offer sku="1"><model>Blue mug</model><cityprices><cityprice cityId="710000000">95</cityprice></cityprices></offer>'
        '<offer sku="2"><model>Tall cup</model><cityprices><cityprice cityId="1">90</cityprice><cityprice cityId="2">85</cityprice></cityprices></offer>'
    )
    records, _ = read(write(tmp_path, "catalog.xml", f"<catalog><offers>{offers}</offers></catalog>"))
    assert [(record.item.sku, record.item.title, record.item.price_cents) for record in records] == [
        ("1", "Blue mug", 9500),
        ("2", "Tall cup", 8500),
    ]


def test_items_may_begin_after_a_long_header(tmp_path: Path) -> None:
    groups = "".join(f"<group><id>{n}</id><name>Group {n} {'x' * 100}</name></group>" for n in range(10_000))
    text = f"<shop><groups>{groups}</groups><items><item><sku>A</sku><name>Mug</name></item></items></shop>"
    assert only(write(tmp_path, "feed.xml", text)).item.title == "Mug"


def test_a_second_document_in_a_feed_is_told(tmp_path: Path) -> None:
    text = "<items><item><id>1</id><name>Mug</name></item></items>\n"
    records, rejections = read(write(tmp_path, "feed.xml", f"{text}<?xml version='1.0'?>{text}"))
    assert [record.item.sku for record in records] == ["1"]
    assert [rejection.reason[:31] for rejection in rejections] == ["The XML is broken after item 1:"]


@pytest.mark.parametrize(
    ("head", "currency"),
    [
        ('<catalog currency="CHF">', "CHF"),
        ("<catalog><info><currency>eur</currency></info>", "EUR"),
        ('<catalog><currencies><currency id="UAH" rate="1"/><currency id="USD" rate="41.5"/></currencies>', "UAH"),
        ("<catalog><info><currency>EUR</currency><currency>USD</currency></info>", None),
        ('<catalog><currency id="USD" rate="10"/>', None),
    ],
)
def test_the_only_currency_of_the_head_is_that_of_prices(tmp_path: Path, head: str, currency: str | None) -> None:
    products = "<product><id>1</id><name>Lamp</name><price>19.90</price></product>"
    records, _ = read(write(tmp_path, "feed.xml", f"{head}<products>{products}</products></catalog>"))
    assert [(each.item.price_cents, each.item.currency) for each in records] == [(1990, currency)]


def test_a_product_that_names_a_currency_keeps_it(tmp_path: Path) -> None:
    products = "<product><id>1</id><name>Lamp</name><price><value>20</value><currency>USD</currency></price></product>"
    item = only(write(tmp_path, "feed.xml", f'<catalog currency="EUR"><products>{products}</products></catalog>')).item
    assert (item.price_cents, item.currency, item.attributes) == (2000, "USD", {})


def test_the_offer_in_each_product_is_a_part_of_it(tmp_path: Path) -> None:
    product = "<product><productId>{0}</productId><title>Chair {0}</title><offer><sellingPrice>{0}9.95</sellingPrice><listPrice>99</listPrice></offer></product>"
    feed = f"<feed><products>{product.format(1)}{product.format(2)}</products></feed>"
    records, _ = read(write(tmp_path, "feed.xml", feed))
    assert [(each.item.sku, each.item.title, each.item.price_cents) for each in records] == [
        ("1", "Chair 1", 1995),
        ("2", "Chair 2", 2995),
    ]


def test_what_an_element_with_the_title_holds_is_the_products(tmp_path: Path) -> None:
    product = """<Product><SkuId>S-{0}</SkuId><Brand>Acme</Brand><Imageurl1>https://s.example/1.jpg</Imageurl1><Imageurl2>https://s.example/2.jpg</Imageurl2>
<Description><Title>Shirt {0}</Title><Description>Soft</Description><AttributeColor>Red</AttributeColor></Description>
<Price><Currency>GBP</Currency><NormalPriceWithVAT>20.00</NormalPriceWithVAT><DiscountPriceWithVAT>15.00</DiscountPriceWithVAT></Price></Product>"""
    records, _ = read(write(tmp_path, "feed.xml", f"<Products>{product.format(1)}{product.format(2)}</Products>"))
    item = records[0].item
    assert (item.sku, item.title, item.description) == ("S-1", "Shirt 1", "Soft")
    assert (item.price_cents, item.currency, len(records[0].images)) == (1500, "GBP", 2)
    assert item.attributes == {"brand": "Acme", "attribute_color": "Red"}


def test_odata(tmp_path: Path) -> None:
    entry = """<entry><id>https://s.example/odata/Products({0})</id><title type="text"/><link rel="edit" href="Products({0})"/><content type="application/xml">
<m:properties><d:ID m:type="Edm.Int32">{0}</d:ID><d:Name>Oats {0}</d:Name><d:Price m:type="Edm.Double">2.5</d:Price><d:Colour m:null="true"/></m:properties></content></entry>"""
    feed = f"""<feed xmlns="http://www.w3.org/2005/Atom" xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices"
 xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">{entry.format(1)}{entry.format(2)}</feed>"""
    records, _ = read(write(tmp_path, "feed.xml", feed))
    assert [(each.item.sku, each.item.title, each.item.price_cents) for each in records] == [
        ("1", "Oats 1", 250),
        ("2", "Oats 2", 250),
    ]
    assert not records[0].item.attributes
    assert not records[0].problems


def test_an_element_that_says_it_is_nil_is_empty(tmp_path: Path) -> None:
    product = '<product><id>1</id><name>Lamp</name><price>20</price><sale_price xsi:nil="true"/></product>'
    record = only(write(tmp_path, "feed.xml", f"<products>{product}</products>"))
    assert (record.item.price_cents, record.problems) == (2000, ())


def test_bmecat_prices_by_quantity_without_anything_beside_them(tmp_path: Path) -> None:
    price = "<PRODUCT_PRICE price_type='net_list'><PRICE_AMOUNT>{}</PRICE_AMOUNT><PRICE_CURRENCY>EUR</PRICE_CURRENCY><LOWER_BOUND>{}</LOWER_BOUND></PRODUCT_PRICE>"
    item = only(write(tmp_path, "bmecat.xml", f"""<BMECAT version="2005"><T_NEW_CATALOG><PRODUCT><SUPPLIER_PID>B</SUPPLIER_PID>
<PRODUCT_DETAILS><DESCRIPTION_SHORT>Drill</DESCRIPTION_SHORT></PRODUCT_DETAILS>
<PRODUCT_PRICE_DETAILS>{price.format(2.5, 1)}{price.format(2, 100)}</PRODUCT_PRICE_DETAILS></PRODUCT></T_NEW_CATALOG></BMECAT>""")).item  # fmt: skip
    assert (item.title, item.price_cents, item.currency) == ("Drill", 250, "EUR")


def test_heureka_parameters_have_units_and_bids_are_no_attributes(tmp_path: Path) -> None:
    item = only(write(tmp_path, "feed.xml", """<SHOP><SHOPITEM><ITEM_ID>1</ITEM_ID><PRODUCTNAME>Kolo</PRODUCTNAME><URL>https://s.example/1</URL><PRICE_VAT>15990</PRICE_VAT>
<GLAMI_CPC>3</GLAMI_CPC><EXTRA_MESSAGE>free_gift</EXTRA_MESSAGE><PARAM><PARAM_NAME>Rám</PARAM_NAME><VAL>19</VAL><UNIT>cm</UNIT></PARAM></SHOPITEM></SHOP>""")).item  # fmt: skip
    assert item.attributes == {"rám": "19 cm"}


def test_what_only_wraps_each_product_is_passed_over(tmp_path: Path) -> None:
    record = (
        "<record><article><artikelnummer>{0}</artikelnummer><artikelname>Chair {0}</artikelname></article></record>"
    )
    records, _ = read(write(tmp_path, "feed.xml", f"<records>{record.format(1)}{record.format(2)}</records>"))
    assert [(each.item.sku, each.item.title) for each in records] == [("1", "Chair 1"), ("2", "Chair 2")]


def test_prices_in_a_currency_of_their_own_do_not_take_that_of_the_head(tmp_path: Path) -> None:
    product = "<product><id>1</id><name>Lamp</name><priceRUAH>900</priceRUAH></product>"
    item = only(write(tmp_path, "feed.xml", f"<catalog><currency>USD</currency>{product}</catalog>")).item
    assert (item.price_cents, item.currency) == (90000, "UAH")


def test_rows_that_hold_all_in_attributes_have_their_text_as_a_cell(tmp_path: Path) -> None:
    row = '<Row Code="00{0}" Price="1 {0}90" Group="Hobs">Hob with {0} rings</Row>'
    head = '<Rates><Rate Code="EUR" Value="90"/><Rate Code="USD" Value="80"/></Rates>'
    records, _ = read(write(tmp_path, "feed.xml", f"<Root>{head}{row.format(2)}{row.format(4)}</Root>"))
    assert [(each.item.sku, each.item.title, each.item.price_cents) for each in records] == [
        ("002", "Hob with 2 rings", 129000),
        ("004", "Hob with 4 rings", 149000),
    ]
    assert records[0].item.attributes == {"group": "Hobs"}
    product = "<product sku='{0}' name='Mug {0}' price='9.50'/>"
    records, _ = read(write(tmp_path, "own.xml", f"<list>{product.format('A')}{product.format('B')}</list>"))
    assert [(each.item.sku, each.item.title, each.item.price_cents) for each in records][1] == ("B", "Mug B", 950)


@pytest.mark.parametrize("row", ['<r id="{0}" title="Hob {0}" price="9.50"/>', '<r id="{0}" price="9.50">Hob {0}</r>'])
def test_of_two_kinds_of_rows_in_attributes_those_with_a_title_are_the_products(tmp_path: Path, row: str) -> None:
    zones = "".join(f'<zone code="{each}" price="4"/>' for each in ("north", "south", "west"))
    rows = row.format(1) + row.format(2)
    for held in (
        f"<fees>{zones}</fees><stock>{rows}</stock>",
        f"<stock>{rows}</stock><fees>{zones}</fees>",
        zones + rows,
    ):
        records, _ = read(write(tmp_path, "feed.xml", f"<shop>{held}</shop>"))
        assert [(each.item.sku, each.item.title) for each in records] == [("1", "Hob 1"), ("2", "Hob 2")]


def test_elements_without_a_price_among_their_attributes_are_no_products(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        read(write(tmp_path, "rates.xml", '<Rates><Rate code="EUR" value="90"/><Rate code="USD" value="80"/></Rates>'))


def test_additional_fields_of_an_affiliate_network_are_attributes(tmp_path: Path) -> None:
    fields = '<field name="brand">Acme</field><field name="deliveryCosts">5.00</field><field name="EAN"></field>'
    product = f"<product><productID>1</productID><name>Lamp</name><additional>{fields}</additional></product>"
    item = only(write(tmp_path, "feed.xml", f"<products>{product}</products>")).item
    assert item.attributes == {"brand": "Acme"}
