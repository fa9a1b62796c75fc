"""Tables of products in web pages, under the name of a workbook too, and in Excel's XML of 2003."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import read, write
from vitrina.indexer.sources import open_source
from vitrina.search.types.errors import SourceError

# ruff: noqa: E501 -- the sample files are as wide as the real ones

PAGE = """<!DOCTYPE html><html><body><script>var a = "<table><tr><td>no</td></tr></table>";</script>
<table><tr><td>Home</td><td>Contact</td></tr></table>
<table class="prices"><thead><tr><td>Code</td><td>Name</td><td>Price</td><td>Photo</td></tr></thead>
<tr><td colspan="4"><b>Lamps</b></td></tr>
<tr><td>L1</td><td>Nova&nbsp;&amp; shade<br>red<!-- new --></td><td>10,50 &euro;</td><td><img alt="" src="https://s.example/l1.jpg"></td></tr>
<tr><td>L2<td>Sol<wbr>aris<td rowspan=2>20,00 &euro;<td>
<tr><td>L3<td>Luna
<tr><td colspan="3">Desks</td><td></td></tr>
<tr><td>D1</td><td>Oak</td><td>199,00 &euro;</td><td></td></tr></table></body></html>"""

WORKBOOK = """<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>
<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet" xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet"><Worksheet ss:Name="Stock"><Table>
<Row><Cell><Data ss:Type="String">SKU</Data></Cell><Cell><Data ss:Type="String">Name</Data></Cell><Cell><Data ss:Type="String">Colour</Data></Cell><Cell><Data ss:Type="String">Price</Data></Cell></Row>
<Row><Cell><Data ss:Type="String">E1</Data></Cell><Cell><Data ss:Type="String">Kettle</Data></Cell><Cell ss:StyleID="s1"/><Cell><Data ss:Type="Number">29.5</Data></Cell></Row>
<Row><Cell><Data ss:Type="String">E2</Data></Cell><Cell><Data ss:Type="String">Pot</Data></Cell><Cell ss:Index="4"><Data ss:Type="Number">19</Data></Cell></Row>
</Table></Worksheet></Workbook>"""


@pytest.mark.parametrize("name", ["prices.html", "prices.xls", "prices.csv"])
def test_the_table_of_products_in_a_page(tmp_path: Path, name: str) -> None:
    records, rejections = read(write(tmp_path, name, PAGE))
    items = [each.item for each in records]
    assert rejections == []
    assert [(each.sku, each.title, each.price_cents, each.currency) for each in items] == [
        ("L1", "Nova & shade red", 1050, "EUR"),
        ("L2", "Solaris", 2000, "EUR"),
        ("L3", "Luna", 2000, "EUR"),
        ("D1", "Oak", 19900, "EUR"),
    ]
    assert [each.attributes for each in items] == [{"category": "Lamps"}] * 3 + [{"category": "Desks"}]
    assert [each.url for each in records[0].images] == ["https://s.example/l1.jpg"]


def test_headings_are_told(tmp_path: Path) -> None:
    notes = open_source(str(write(tmp_path, "prices.html", PAGE))).notes
    assert notes == ("prices.html: headings of a table ('Lamps') are the category of the rows below.",)


ROW = "<tr><th>No.<th>Name<th>Price</tr><tr><td>{n}1<td>{name}, small<td>{n}0 EUR</tr><tr><td>{n}2<td>{name}, large<td>{n}5 EUR</tr>"


@pytest.mark.parametrize(
    ("titles", "categories"),
    [
        (("Jams <b>&amp; jellies</b>", "Honey"), ["Jams & jellies"] * 2 + ["Honey"] * 2),
        (("Prices", "Prices"), [None] * 4),  # says nothing of either
    ],
)
def test_titles_of_tables_with_one_header_are_categories(
    tmp_path: Path, titles: tuple[str, str], categories: list[str | None]
) -> None:
    tables = (ROW.format(n=n, name=name) for n, name in ((1, "Plum"), (2, "Heather")))
    page = "".join(
        f"<h2>{title}</h2><p>Fresh</p><table>{rows}</table>" for title, rows in zip(titles, tables, strict=True)
    )
    records, _ = read(write(tmp_path, "prices.html", f"<html><h1>Our shop</h1>{page}</html>"))
    assert [record.item.attributes.get("category") for record in records] == categories


@pytest.mark.parametrize(
    "start", ["<table><caption>{}</caption>", "<p><b>{}</b></p><p>Now <b>fresh</b></p><table>"], ids=["caption", "bold"]
)
def test_captions_and_bold_paragraphs_are_titles_too(tmp_path: Path, start: str) -> None:
    tables = (ROW.format(n=n, name=name) for n, name in ((1, "Plum"), (2, "Heather")))
    page = "".join(
        f"{start.format(title)}{rows}</table>" for title, rows in zip(("Jams", "Honey"), tables, strict=True)
    )
    records, _ = read(write(tmp_path, "prices.html", f"<html>{page}</html>"))
    assert [record.item.attributes.get("category") for record in records] == ["Jams"] * 2 + ["Honey"] * 2


@pytest.mark.parametrize("name", ["stock.xml", "stock.xls"])
def test_the_xml_of_excel_2003(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name, WORKBOOK)
    records, _ = read(path)
    assert open_source(str(path)).dialect == "catalog table (Excel 2003 XML)"
    assert [(each.item.sku, each.item.title, each.item.price_cents, each.item.attributes) for each in records] == [
        ("E1", "Kettle", 2950, {}),
        ("E2", "Pot", 1900, {}),
    ]


def test_a_page_is_read_in_the_encoding_that_it_declares(tmp_path: Path) -> None:
    page = '<html><meta charset="windows-1251"><table><tr><td>Название<td>Цена</tr><tr><td>Лампа<td>100 р.</tr><tr><td>Стол<td>900 р.</tr></table></html>'
    records, _ = read(write(tmp_path, "prices.html", page.encode("windows-1251")))
    assert [(each.item.title, each.item.price_cents, each.item.currency) for each in records] == [
        ("Лампа", 10000, "RUB"),
        ("Стол", 90000, "RUB"),
    ]


def test_a_table_of_one_products_details_is_no_catalog(tmp_path: Path) -> None:
    page = "<html><table><tr><th>Price</th><td>20 EUR</td></tr><tr><th>SKU</th><td>A1</td></tr><tr><th>Colour</th><td>red</td></tr></table></html>"
    with pytest.raises(SourceError, match="has no table of products"):
        open_source(str(write(tmp_path, "page.html", page)))
