"""Opening a catalog: folders, feeds, wrong paths, and the limits every row is held to."""

from __future__ import annotations

import gzip
import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.indexer.sources.catalogs import make_image, only, only_rejection, read, write
from vitrina.indexer.sources import open_source, webdataset
from vitrina.indexer.sources.base import ImageReference, Record, Rejection, Source, TableRow
from vitrina.indexer.sources.columns import choose_columns
from vitrina.indexer.sources.image_files import ImageFiles
from vitrina.indexer.sources.rows import read_row
from vitrina.search.types.errors import SourceError


def test_a_folder_of_images(tmp_path: Path) -> None:
    for name in (
        "red-shirt_01.jpg",
        "mugs/Blue Mug.PNG",
        "mugs/old/x.webp",
        "phone/a.HEIC",
        "phone/b.jfif",
        "phone/c.jpe",
        "phone/d.mpo",
        ".hidden.jpg",
        "notes.md",
        "__MACOSX/y.jpg",
    ):
        write(tmp_path, f"shop/{name}", make_image())
    source: Source = open_source(str(tmp_path / "shop"))
    rows = [row for row in source.rows() if isinstance(row, Record)]
    assert (source.name, source.dialect, source.n_rows) == ("shop", "folder of images", 7)
    assert source.notes == (f"{tmp_path}/shop: left out 1 file that is no image (1 .md); 2 hidden files and folders.",)
    assert [(row.item.sku, row.item.title) for row in rows] == [
        ("red-shirt_01", "red shirt 01"),
        ("mugs/Blue Mug", "Blue Mug"),
        ("mugs/old/x", "x"),
        *((f"phone/{name}", name) for name in "abcd"),
    ]
    assert [row.item.attributes for row in rows[:3]] == [{}, {"folder": "mugs"}, {"folder": "mugs/old"}]
    assert rows[0].origin == "shop/red-shirt_01.jpg"
    assert rows[0].images == (ImageReference(path=tmp_path / "shop" / "red-shirt_01.jpg"),)


def test_links_out_of_a_folder_and_folders_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("shop/a.jpg", "shop/locked/b.jpg", "private/secret.jpg"):
        write(tmp_path, name, make_image())
    (tmp_path / "shop/linked").symlink_to(tmp_path / "private")
    (tmp_path / "shop/secret.jpg").symlink_to(tmp_path / "private/secret.jpg")
    (tmp_path / "shop/same.jpg").symlink_to(tmp_path / "shop/a.jpg")
    scan = os.scandir

    def scandir(path: str) -> object:
        if os.fspath(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    source = open_source(str(tmp_path / "shop"))
    assert source.notes == (f"{tmp_path}/shop: left out 2 links (linked, secret.jpg).",)
    rows = list(source.rows())
    assert [row.item.sku for row in rows if isinstance(row, Record)] == ["a", "same"]
    (rejection,) = (row for row in rows if not isinstance(row, Record))
    assert (rejection.origin, rejection.reason) == ("shop/locked", "The folder cannot be read: Permission denied.")


def test_file_names_that_are_no_text(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.jpg", "wb") as file:
        file.write(make_image())
    (record,), _ = read(tmp_path)
    assert record.item.sku == "caf"
    assert record.images[0].path is not None
    assert record.images[0].path.is_file()


def test_a_folder_beside_a_catalog_file_says_so(tmp_path: Path) -> None:
    write(tmp_path, "images/1.jpg", make_image())
    write(tmp_path, "styles.csv", "sku\n1\n")
    assert "styles.csv" in open_source(str(tmp_path)).notes[0]
    (tmp_path / "images/1.jpg").unlink()
    assert [row.sku for row in open_source(str(tmp_path)).rows() if isinstance(row, Rejection)] == ["1"]


def test_a_folder_has_no_columns_to_map(tmp_path: Path) -> None:
    write(tmp_path, "1.jpg", make_image())
    with pytest.raises(SourceError, match="no columns to map"):
        open_source(str(tmp_path), {"sku": "x"})


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("missing.csv", "There is no file or folder"),
        ("a\0b", "There is no file or folder"),
        ("x" * 5000, "There is no file or folder"),
        ("https://shop.example/products.csv", "Download it first"),
        ("empty", "holds no images"),
        ("shop.docx", r"no catalog format.*\.parquet"),
        ("shop.csv.zip", "Decompress it first"),
        ("shop.csv.gz", r"shop.csv.gz is cut short or damaged: Not a gzipped file"),
        ("nothing.parquet", "nothing.parquet is empty: 0 bytes"),
        ("nothing.tar", "nothing.tar is empty: 0 bytes"),
        ("nothing.csv.gz", "nothing.csv.gz is empty: 0 bytes"),
        ("shop.xlsx", "header and no rows"),
        ("shop.ods", "as .xlsx, or as CSV"),
        ("shop.sql", "table of products as CSV"),
    ],
)
def test_what_cannot_be_opened(tmp_path: Path, location: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("shop.docx", "shop.csv.gz", "shop.csv.zip", "shop.xlsx", "shop.ods", "shop.sql"):
        write(tmp_path, name, b"xx")
    for name in ("nothing.parquet", "nothing.tar", "nothing.csv.gz"):
        write(tmp_path, name, b"")
    with pytest.raises(SourceError, match=message):
        open_source(location if "://" in location else f"{tmp_path}/{location}")


@pytest.mark.parametrize("name", ["shop.csv", "shop.jsonl"])
def test_a_file_that_vanished(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name, '{"sku": 1}\n' if name.endswith("l") else "sku\n1\n")
    source = open_source(str(path))
    path.unlink()
    with pytest.raises(SourceError, match="cannot be read: No such file"):
        list(source.rows())


def test_another_image_folder(tmp_path: Path) -> None:
    path = write(tmp_path, "feeds/shop.csv", f"sku,image\n1,a.png\n2,{tmp_path}/pictures/b.png\n3,../c.png\n")
    rows = list(open_source(str(path), image_folder=tmp_path / "pictures").rows())
    assert [row.images[0].path for row in rows if isinstance(row, Record)] == [
        tmp_path / "pictures" / "a.png",
        tmp_path / "pictures" / "b.png",
    ]
    assert [row.origin for row in rows if not isinstance(row, Record)] == ["shop.csv:4"]  # neither words nor image


def test_a_compressed_file_and_one_that_is_cut(tmp_path: Path) -> None:
    content = gzip.compress(
        "".join(["sku,title\n", *(f"{number},mug {number * 7}\n" for number in range(9999))]).encode()
    )
    records, _ = read(write(tmp_path, "shop.csv.gz", content))
    assert len(records) == 9999
    cut = write(tmp_path, "cut.csv.gz", content[: len(content) // 2])
    with pytest.raises(SourceError, match=r"cut\.csv\.gz is cut short or damaged"):
        list(open_source(str(cut)).rows())


def row(tmp_path: Path, **cells: object) -> Path:
    return write(tmp_path, "shop.jsonl", json.dumps(cells) + "\n")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"sku": "x" * 257}, r"sku has 257 characters.*limit is 256"),
        ({"sku": True, "title": "a"}, "not a sku"),
        ({"sku": [1], "title": "a"}, "not a sku"),
        ({"sku": "\u0007", "title": "a"}, "no sku"),
        ({"sku": 1, "notes": "x" * 100_001}, "neither an image nor any text.*notes holds"),
        ({"sku": 1, "title": " \u0000 "}, "neither an image nor any text"),
    ],
)
def test_limits_of_a_row(tmp_path: Path, cells: dict[str, object], message: str) -> None:
    rejection = only_rejection(row(tmp_path, **cells))
    assert re.search(message, rejection.reason)
    assert rejection.remedy


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"title": "x" * 2001}, r"title has 2,001 characters.*limit is 2,000"),
        ({"description": "x" * 100_001}, r"description has 100,001 characters.*limit is 100,000"),
        ({"url": "javascript:alert(1)"}, "not a web address"),
        ({"url": "java\nscript:alert(1)"}, "not a web address"),
        ({"url": "data:text/html,hello"}, "not a web address"),
        ({"url": "javascript:0/alert(1)"}, "not a web address"),
        ({"currency": "shells"}, "not a currency"),
        ({"image": "../x.jpg"}, "outside the catalog's folder"),
        ({"images": [f"{number}.jpg" for number in range(251)]}, "251 images; the first 250 are read"),
        ({"notes": "x" * 100_001}, "notes holds"),
    ],
)
def test_a_cell_that_cannot_be_read_costs_the_cell(tmp_path: Path, cells: dict[str, object], message: str) -> None:
    record = only(row(tmp_path, sku=1, name="a", size=5, **cells))
    assert record.item.title[:1] == ("x" if "title" in cells else "a")
    assert record.item.attributes["size"] == 5
    assert record.item.url is None
    (problem,) = record.problems
    assert problem.column in cells
    assert re.search(message, problem.reason)
    assert problem.remedy


def test_a_row_at_the_limits_loads(tmp_path: Path) -> None:
    item = only(row(tmp_path, sku="x" * 256, title="y" * 2000, description="z" * 100_000)).item
    assert (len(item.sku), len(item.title), len(item.description)) == (256, 2000, 100_000)


def test_text_is_cleaned(tmp_path: Path) -> None:
    item = only(
        row(tmp_path, sku=" a\u0007\n b ", title="e\u0301\u0000\nx", description="<p>a</p>b", url=" /p/1 ")
    ).item
    assert (item.sku, item.title, item.description, item.url) == ("a b", "é x", "a\nb", "/p/1")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
FIELD_NAMES = (
    "sku",
    "title",
    "description",
    "price",
    "price_cents",
    "currency",
    "url",
    "image",
    "images",
    "attributes",
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(FIELD_NAMES) | st.text(max_size=5), JSON, max_size=6))
def test_no_row_whatever_it_holds_stops_the_run(cells: dict[str, object]) -> None:
    columns = choose_columns(("sku", *cells), {}, source="shop.jsonl")
    found = read_row(TableRow("shop.jsonl:1", cells), columns, ImageFiles(Path("/shop")))
    if isinstance(found, Record):
        assert found.item.sku
        assert json.loads(json.dumps(found.item.attributes, allow_nan=False)).keys() == found.item.attributes.keys()
        found.item.title.encode()
    else:
        assert found.reason
        assert found.remedy


def test_price_columns(tmp_path: Path) -> None:
    priced = only(row(tmp_path, sku=1, title="a", price_cents="1299", price="ignored", currency="eur")).item
    assert (priced.price_cents, priced.currency, priced.attributes) == (1299, "EUR", {})
    several = only(row(tmp_path, sku=1, title="a", price=["5.00", "4.00 USD", None])).item
    assert (several.price_cents, several.currency) == (400, "USD")


def test_xml_that_defines_entities_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "feed.xml", '<?xml version="1.0"?>\n<!DOCTYPE x [<!ENTITY a "b">]>\n<rss><item/></rss>')
    with pytest.raises(SourceError, match="defines entities"):
        open_source(str(path))


def test_broken_xml_keeps_the_items_before(tmp_path: Path) -> None:
    item = "<entry><id>1</id><title>a</title><link href='https://shop.example/1'/></entry>"
    records, (rejection,) = read(write(tmp_path, "feed.xml", f"<feed>{item}<entry><id>2</feed>"))
    assert (records[0].item.sku, records[0].item.url) == ("1", "https://shop.example/1")
    assert "broken after item 1" in rejection.reason
    with pytest.raises(SourceError, match="no <item> or <entry>"):
        open_source(str(write(tmp_path, "other.xml", "<root><a/></root>")))


def test_a_reference_holds_exactly_one_place() -> None:
    with pytest.raises(ValueError, match="exactly one"):
        ImageReference()
    with pytest.raises(ValueError, match="exactly one"):
        ImageReference(data=b"x", url="https://a.example")


def test_a_folder_of_catalog_files_of_one_kind_is_one_catalog(tmp_path: Path) -> None:
    products = tmp_path / "json"
    write(products / "a", "1.json", '{\n "sku": "A",\n "title": "Pot",\n "images": ["img/a.jpg"]\n}')
    write(products / "b", "2.json", '{\n "sku": "B",\n "name": "Pan",\n "price": 9\n}')
    write(products / "b", "3.json", "no JSON")
    write(products, "README.md", "About this.")
    rows = list(open_source(str(products)).rows())
    records = [row for row in rows if isinstance(row, Record)]
    assert [(record.origin, record.item.sku, record.item.title) for record in records] == [
        ("1.json#1", "A", "Pot"),
        ("2.json#1", "B", "Pan"),
    ]
    assert [row.origin for row in rows if isinstance(row, Rejection)] == ["b/3.json"]
    assert records[0].images[0].path == products / "img" / "a.jpg"
    tables = tmp_path / "tables"
    write(tables, "part-1.csv", "sku,title\nA,Pot\n")
    write(tables, "part-2.csv", "title,sku\nPan,B\n")
    write(tables, "info.json", '{"license": "CC0"}')
    source = open_source(str(tables))
    assert [row.item.sku for row in source.rows() if isinstance(row, Record)] == ["A", "B"]
    assert (source.name, source.n_rows) == ("*.csv", 2)
    write(tables, "orders.csv", "order,total\n1,9\n")
    with pytest.raises(SourceError, match=r"Index the catalog files in it themselves: info\.json, orders\.csv"):
        open_source(str(tables))


def test_a_folder_of_images_with_texts_beside_them(tmp_path: Path) -> None:
    for name in ("Shirts/red.jpg", "Shirts/blue one.jpg", "bag.jpg"):
        write(tmp_path, name, make_image())
    write(tmp_path / "Shirts", "red.txt", "A red shirt")
    write(tmp_path, "bag.json", '{"title": "Bag", "price": "49.00 EUR"}')
    records, _ = read(tmp_path)
    assert [(each.item.sku, each.item.title, each.item.price_cents) for each in records] == [
        ("bag", "Bag", 4900),
        ("Shirts/blue one", "blue one", None),
        ("Shirts/red", "A red shirt", None),
    ]
    assert records[0].images[0].path == tmp_path / "bag.jpg"
    assert records[1].item.attributes == {"folder": "Shirts"}


def test_a_text_beside_an_image_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webdataset, "MAX_MEMBER_BYTES", 40)
    for name, text in (("bag", "x" * 41), ("hat", "A hat"), ("cap", "A cap")):
        write(tmp_path, f"{name}.jpg", make_image())
        write(tmp_path, f"{name}.txt", text)
    write(tmp_path, "bow.jpg", make_image())
    write(tmp_path, "bow.json", "{")
    (bag, bow, *_), rejections = read(tmp_path)
    assert ([bag.item.title, bow.item.title], rejections) == (["bag", "bow"], [])
    assert [each.reason for each in bag.problems] == ["bag.txt has 41 bytes; the limit is 40."]
    assert "bow.json is not JSON" in bow.problems[0].reason


def test_a_folder_of_images_with_one_table_as_hugging_face_has_it(tmp_path: Path) -> None:
    for name in ("red", "blue"):
        write(tmp_path, f"train/{name}.jpg", make_image())
    lines = '{"file_name": "red.jpg", "text": "shirt"}\n{"file_name": "blue.jpg", "text": "shirt"}\n'
    write(tmp_path, "train/metadata.jsonl", lines)
    records, _ = read(tmp_path)
    assert [(each.item.sku, each.item.title) for each in records] == [("red.jpg", "shirt"), ("blue.jpg", "shirt")]
    assert records[0].images[0].path == tmp_path / "train/red.jpg"


def test_catalog_files_deeper_in_a_folder_of_images_are_named(tmp_path: Path) -> None:
    write(tmp_path, "a/red.jpg", make_image())
    write(tmp_path / "a", "list.csv", "sku,title\nA,Mug\n")
    assert "also holds a/list.csv" in open_source(str(tmp_path)).notes[0]
