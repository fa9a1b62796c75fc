"""Excel workbooks: which sheet is read, where its table begins, and what formats, merged cells and images say."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from openpyxl import Workbook
from openpyxl.drawing.image import Image as SheetImage
from openpyxl.worksheet.worksheet import Worksheet
from PIL import Image

from tests.indexer.sources.catalogs import only, read, write
from vitrina.indexer.sources import open_source, spreadsheet
from vitrina.search.types.errors import SourceError

RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/drawing" Target="../drawings/x.xml"/>'
    "</Relationships>"
)
Rows = list[list[object]]
Change = Callable[[Worksheet], object]


def save(folder: Path, sheets: dict[str, Rows], change: Change = lambda _: None) -> Path:
    """A workbook of these sheets, the first of them changed."""
    book = Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    change(book.worksheets[0])
    path = folder / "shop.xlsx"
    book.save(path)
    return path


def test_a_sheet_with_a_title_above_its_header(tmp_path: Path) -> None:
    rows: Rows = [["Listino 2024"], [], ["Codice", "Descrizione", "Prezzo"], ["A", "Pot", 12.5], [], ["B", "Pan", 10]]
    path = save(tmp_path, {"Listino": rows}, lambda sheet: sheet.merge_cells("A1:C1"))
    (pot, pan), rejections = read(path)
    assert (pot.origin, pot.item.title, pot.item.price_cents) == ("shop.xlsx:4", "Pot", 1250)
    assert (pan.origin, pan.item.sku, rejections) == ("shop.xlsx:6", "B", [])
    source = open_source(str(path))
    assert source.dialect == "catalog table (Excel)"
    assert source.notes == ("shop.xlsx: skipped what is above row 3 of the sheet Listino.",)


def test_formats_say_zeros_currencies_and_shares(tmp_path: Path) -> None:
    row: list[object] = [123, "Pot", 12.5, datetime.datetime(2024, 5, 1), 4006381333931, 0.2, True, 0.1 + 0.2]

    def change(sheet: Worksheet) -> None:
        formats = ("00000", "@", "#,##0.00\\ [$€-407]", "yyyy-mm-dd", "0", "0%")
        for cell, form in zip(sheet[2], formats, strict=False):
            cell.number_format = form

    names: list[object] = ["sku", "title", "price", "since", "ean", "sale", "new", "weight"]
    item = only(save(tmp_path, {"a": [names, row]}, change)).item
    assert (item.sku, item.price_cents, item.currency) == ("00123", 1250, "EUR")
    assert item.attributes == {"since": "2024-05-01", "ean": "4006381333931", "sale": "20%", "new": True, "weight": 0.3}


def test_the_visible_sheet_with_products_is_read(tmp_path: Path) -> None:
    products: Rows = [["sku", "title", "price"], ["A", "Pot", 12]]
    sheets: dict[str, Rows] = {
        "hidden": [[*products[0], "image"], ["X", "Old", 1, "a.jpg"]],
        "Read me": [["Welcome"], ["Yes"]],
    }

    def hide(sheet: Worksheet) -> None:
        sheet.sheet_state = "hidden"

    path = save(tmp_path, {**sheets, "Products": products}, hide)
    assert only(path).item.sku == "A"
    assert open_source(str(path)).notes == ("shop.xlsx: read the sheet Products, and not Read me.",)


def test_sheets_with_the_same_columns_are_one_catalog(tmp_path: Path) -> None:
    header: list[object] = ["sku", "title", "price"]
    records, _ = read(save(tmp_path, {"Men": [header, ["A", "Shirt", 9]], "Women": [header, ["B", "Dress", 9]]}))
    assert [(record.origin, record.item.sku) for record in records] == [
        ("shop.xlsx:Men!2", "A"),
        ("shop.xlsx:Women!2", "B"),
    ]


def test_a_template_of_a_marketplace_has_more_headers_and_help(tmp_path: Path) -> None:
    rows: Rows = [
        ["ITEM_ID", "TITLE", "PRICE", "CURRENCY", "SELLER_SKU"],
        ["Código", "Título", "Precio", "Moneda", "SKU"],
        ["No modificar", "Máx. 60", "Obligatorio", "Obligatorio", "Opcional"],
        ["MLA1", "Mate", 159, "ARS", "M-1"],
    ]
    item = only(save(tmp_path, {"Ayuda": [["Cómo usar"], ["esta planilla"]], "Publicaciones": rows})).item
    assert (item.sku, item.title, item.price_cents, item.currency) == ("M-1", "Mate", 15900, "ARS")
    assert "only explain the columns: 1." in open_source(str(tmp_path / "shop.xlsx")).notes[-1]
    csv = "Seller SKU,Product name,Price\nOptional,Mandatory,Mandatory\nA,Pot,12\n"
    assert only(write(tmp_path, "shop.csv", csv)).item.sku == "A"
    note = "shop.csv: rows skipped below the header since they only explain the columns: 1."
    assert open_source(str(tmp_path / "shop.csv")).notes == (note,)


def test_merged_cells_count_for_each_of_their_rows(tmp_path: Path) -> None:
    rows: Rows = [["sku", "title", "size"], ["A-S", "Shirt", "S"], ["A-M", None, "M"], ["B", None, "L"]]
    records, _ = read(save(tmp_path, {"a": rows}, lambda sheet: sheet.merge_cells("B2:B3")))
    assert [record.item.title for record in records] == ["Shirt", "Shirt", ""]


def test_images_that_lie_on_a_row_are_its_images(tmp_path: Path) -> None:
    def change(sheet: Worksheet) -> None:
        for place, colour in (("C2", "red"), ("C3", "blue")):
            held = io.BytesIO()
            Image.new("RGB", (8, 8), colour).save(held, "PNG")
            sheet.add_image(SheetImage(held), place)

    records, _ = read(save(tmp_path, {"a": [["sku", "title", "Photo"], ["A", "Pot"], ["B", "Pan"]]}, change))
    images = [Image.open(io.BytesIO(image.data)) for record in records for image in record.images if image.data]
    assert [image.convert("RGB").getpixel((4, 4)) for image in images] == [(255, 0, 0), (0, 0, 255)]


def test_a_cell_at_the_far_end_takes_no_memory(tmp_path: Path) -> None:
    def change(sheet: Worksheet) -> None:
        sheet["XFD40000"] = "far"

    assert only(save(tmp_path, {"a": [["sku", "title"], ["A", "Pot"]]}, change)).item.title == "Pot"


def test_what_is_named_as_a_workbook_and_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(write(tmp_path, "text.xls", "sku\ttitle\nA\tPot\n")).item.title == "Pot"
    cases = {"old.xls": b"\xd0\xcf\x11\xe0", "page.xls": b"<html>", "cut.xlsx": b"PK\x03\x04cut"}
    for name, content in cases.items():
        with pytest.raises(SourceError) as caught:
            open_source(str(write(tmp_path, name, content)))
        assert "xlsx" in caught.value.remedy
    monkeypatch.setattr(spreadsheet, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(SourceError, match="more than 1,000 bytes"):
        open_source(str(save(tmp_path, {"a": [["sku", "title"], ["A", "Pot"]]})))


def test_a_workbook_whose_images_cannot_be_found_is_read_without(tmp_path: Path) -> None:
    path = save(tmp_path, {"a": [["sku", "title"], ["A", "Pot"]]})
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr("xl/worksheets/_rels/sheet1.xml.rels", RELATIONS)
    assert only(path).item.title == "Pot"


def test_a_workbook_without_a_table(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no sheet with a header and rows"):
        open_source(str(save(tmp_path, {"a": [["sku", "title"]]})))
