"""Books in ONIX 3.0, in long tags and in short ones."""

from __future__ import annotations

from pathlib import Path

from tests.indexer.sources.catalogs import only, read, write

# ruff: noqa: E501 -- the sample files are as wide as the real ones

LONG = """<ONIXMessage release="3.0" xmlns="http://ns.editeur.org/onix/3.0/reference"><Header><DefaultCurrencyCode>EUR</DefaultCurrencyCode></Header>
<Product><RecordReference>r.1</RecordReference><ProductIdentifier><ProductIDType>01</ProductIDType><IDValue>77</IDValue></ProductIdentifier>
<ProductIdentifier><ProductIDType>15</ProductIDType><IDValue>9780000000019</IDValue></ProductIdentifier>
<DescriptiveDetail><ProductForm>BB</ProductForm><TitleDetail><TitleType>01</TitleType><TitleElement><TitleElementLevel>02</TitleElementLevel><TitleText>Sea Novels</TitleText></TitleElement>
<TitleElement><TitleElementLevel>01</TitleElementLevel><TitlePrefix>The</TitlePrefix><TitleWithoutPrefix>Quiet Bay</TitleWithoutPrefix><Subtitle>A story</Subtitle></TitleElement></TitleDetail>
<Contributor><ContributorRole>A01</ContributorRole><PersonName>Ada Meer</PersonName></Contributor><Contributor><ContributorRole>A01</ContributorRole><PersonName>Bo Lind</PersonName></Contributor>
<Language><LanguageRole>01</LanguageRole><LanguageCode>eng</LanguageCode></Language><Extent><ExtentType>00</ExtentType><ExtentValue>320</ExtentValue></Extent>
<Subject><SubjectSchemeIdentifier>93</SubjectSchemeIdentifier><SubjectHeadingText>Fiction</SubjectHeadingText></Subject></DescriptiveDetail>
<CollateralDetail><TextContent><TextType>02</TextType><Text>Short.</Text></TextContent><TextContent><TextType>03</TextType><Text>A quiet town.</Text></TextContent></CollateralDetail>
<PublishingDetail><Publisher><PublishingRole>01</PublishingRole><PublisherName>Harbour</PublisherName></Publisher></PublishingDetail>
<ProductSupply><SupplyDetail><Price><PriceType>05</PriceType><PriceAmount>12.00</PriceAmount></Price><Price><PriceType>01</PriceType><PriceAmount>18.69</PriceAmount></Price>
<Price><PriceType>02</PriceType><PriceAmount>20.00</PriceAmount></Price></SupplyDetail></ProductSupply></Product></ONIXMessage>"""

SHORT = """<ONIXmessage release="3.0">{}</ONIXmessage>"""
BOOK = """<product><a001>r.{0}</a001><productidentifier><b221>15</b221><b244>978000000002{0}</b244></productidentifier>
<descriptivedetail><b012>BC</b012><titledetail><b202>01</b202><titleelement><x409>01</x409><b203>Red Kite {0}</b203></titleelement></titledetail>
<contributor><b035>A01</b035><b036>Bo Lind</b036></contributor></descriptivedetail>
<collateraldetail><supportingresource><x436>01</x436><resourceversion><x435>https://s.example/{0}.jpg</x435></resourceversion></supportingresource></collateraldetail>
<productsupply><supplydetail><price><x462>02</x462><j151>12.99</j151><j152>GBP</j152></price></supplydetail></productsupply></product>"""


def test_long_tags(tmp_path: Path) -> None:
    item = only(write(tmp_path, "books.xml", LONG)).item
    assert (item.sku, item.title, item.description) == ("9780000000019", "The Quiet Bay", "A quiet town.")
    assert (item.price_cents, item.currency) == (2000, "EUR")
    assert item.attributes == {
        "identifier": 77,
        "isbn": "9780000000019",
        "subtitle": "A story",
        "author": ("Ada Meer", "Bo Lind"),
        "format": "hardback",
        "language": ("eng",),
        "pages": 320,
        "category": ("Fiction",),
        "publisher": "Harbour",
    }


def test_short_tags(tmp_path: Path) -> None:
    records, rejections = read(write(tmp_path, "books.xml", SHORT.format(BOOK.format(1) + BOOK.format(2))))
    assert rejections == []
    assert [(each.item.sku, each.item.title, each.item.price_cents, each.item.currency) for each in records] == [
        ("9780000000021", "Red Kite 1", 1299, "GBP"),
        ("9780000000022", "Red Kite 2", 1299, "GBP"),
    ]
    assert [each.url for each in records[1].images] == ["https://s.example/2.jpg"]
