"""JSON lines: typed values, nested objects, and a line number for every bad line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import only, read, write
from vitrina.indexer.sources import open_source
from vitrina.indexer.sources.base import Record, Rejection
from vitrina.indexer.sources.jsonl import JsonLinesTable
from vitrina.search.types.errors import SourceError


def line(tmp_path: Path, **cells: object) -> Path:
    return write(tmp_path, "shop.jsonl", json.dumps(cells, ensure_ascii=False) + "\n")


def test_values_keep_their_types(tmp_path: Path) -> None:
    path = line(
        tmp_path, sku=7, title="Tasse 👗", year=2020, rating=4.5, new=True, sizes=["S", "M"], none=None, code="007"
    )
    item = only(path).item
    assert (item.sku, item.title) == ("7", "Tasse 👗")
    assert item.attributes == {"year": 2020, "rating": 4.5, "new": True, "sizes": ("S", "M"), "code": "007"}


def test_attributes_and_nested_objects_are_flattened(tmp_path: Path) -> None:
    path = line(
        tmp_path,
        id="a",
        attributes={"Base Colour": "red"},
        dims={"w": 1, "h": {"cm": 2}},
        variants=[{"s": 1}, {"s": 2}],
    )
    assert only(path).item.attributes == {"base_colour": "red", "dims.w": 1, "dims.h.cm": 2, "variants.s": (1, 2)}


def test_nested_columns_can_be_mapped(tmp_path: Path) -> None:
    path = line(tmp_path, sku="a", offer={"amount": 12.5, "unit": "EUR"}, name={"en": "mug"})
    item = only(path, {"price": "offer.amount", "currency": "offer.unit", "title": "name.en"}).item
    assert (item.price_cents, item.currency, item.title) == (1250, "EUR", "mug")
    path = line(tmp_path, sku="a", title={"length": 5, "width": 7}, colour="red")
    (problem,) = only(path).problems
    assert "--map title=title.length" in problem.remedy


@pytest.mark.parametrize(
    "names", [{"de": "Becher", "en": "mug"}, {"de_DE": "Becher", "en_US": "mug"}, {"value": "mug"}]
)
def test_a_text_in_several_languages_is_read_in_english(tmp_path: Path, names: dict[str, str]) -> None:
    assert only(line(tmp_path, sku="a", title=names)).item.title == "mug"
    assert only(line(tmp_path, sku="a", title={"de": "Becher", "fr": "tasse"})).item.title == "Becher"


@pytest.mark.parametrize(
    "title",
    [
        {"displayTitle": "Oak tray", "shortTitle": False, "seoTitle": "Oak tray, cheap"},
        {"plain": "Oak tray", "length": 8},
        {"text": "Oak tray", "colour": "#222"},
    ],
)
def test_a_title_in_an_object(tmp_path: Path, title: dict[str, object]) -> None:
    price = {"salePrice": {"formattedPrice": "€ 8,50", "minPrice": 8.5, "discount": 4, "currencyCode": "EUR"}}
    item = only(line(tmp_path, sku="a", title=title, prices=price)).item
    assert (item.title, item.price_cents, item.currency) == ("Oak tray", 850, "EUR")


@pytest.mark.parametrize("title", [{"url": "https://s.example/a"}, {"first": "Oak", "second": "Tray"}])
def test_an_object_of_which_no_text_is_the_title_is_none(tmp_path: Path, title: dict[str, str]) -> None:
    record = only(line(tmp_path, sku="a", title=title, colour="red"))
    assert (record.item.title, len(record.problems)) == ("", 1)


def test_images_in_every_shape(tmp_path: Path) -> None:
    path = line(tmp_path, sku="a", image="m.jpg", images=["m.jpg", {"src": "https://cdn.example/2.jpg"}])
    assert [(image.path, image.url) for image in only(path).images] == [
        (tmp_path / "m.jpg", None),
        (None, "https://cdn.example/2.jpg"),
    ]


def test_bad_lines_are_rejected_with_their_number(tmp_path: Path) -> None:
    lines = [
        '{"sku": 1, "title": "a"}',
        "",
        "{oops",
        "[1, 2]",
        '{"sku": 2, "x": NaN, "title": "b"}',
        "[" * 100_000,
        '"text"',
    ]
    records, rejections = read(write(tmp_path, "shop.jsonl", "\n".join(lines)))
    assert [(record.origin, record.item.sku) for record in records] == [("shop.jsonl:1", "1"), ("shop.jsonl:5", "2")]
    assert [rejection.origin for rejection in rejections] == [f"shop.jsonl:{number}" for number in (3, 4, 6, 7)]
    assert "JSON list" in rejections[1].reason


def test_deep_nesting_and_huge_numbers_do_not_escape(tmp_path: Path) -> None:
    deep = '{"sku": 1, "a": ' + '{"b": ' * 500 + "1" + "}" * 501
    number = '{"sku": 2, "a": ' + "9" * 5000 + "}"
    image = '{"sku": 3, "image": ' + "[" * 500 + "]" * 500 + "}"
    fine = '{"sku": 4, "title": "Mug", "a": 1e999, "b": 1}'
    records, rejections = read(write(tmp_path, "shop.jsonl", "\n".join((deep, number, image, fine))))
    assert [record.item.attributes for record in records] == [{"b": 1}]
    assert len(rejections) == 3


def test_an_overlong_line_is_rejected_alone(tmp_path: Path) -> None:
    path = write(tmp_path, "shop.jsonl", '{"sku": 1}\n{"sku": "' + "x" * 500 + '"}\n{"sku": 3}')
    rows = list(JsonLinesTable(path, ("sku",), None, max_row_bytes=50).rows())
    assert [row.origin for row in rows] == ["shop.jsonl:1", "shop.jsonl:2", "shop.jsonl:3"]
    assert isinstance(rows[1], Rejection)
    assert "longer than 50 bytes" in rows[1].reason


def test_other_encodings_and_byte_order_marks(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"sku": 1, "title": "Łódź"}'.encode("cp852"))
    with pytest.raises(SourceError, match="--encoding"):
        open_source(str(path))
    (record,) = open_source(str(path), encoding="cp852").rows()
    assert isinstance(record, Record)
    assert record.item.title == "Łódź"
    assert only(write(tmp_path, "d.jsonl", '{"sku": 1, "title": "Größe"}'.encode("latin-1"))).item.title == "Größe"
    russian = json.dumps([{"sku": 1, "title": "Красная рубашка из льна"}], ensure_ascii=False, indent=1)
    assert only(write(tmp_path, "c.json", russian.encode("cp1251"))).item.title == "Красная рубашка из льна"
    assert only(write(tmp_path, "b.jsonl", '{"sku": 1, "title": "Größe"}'.encode("utf-8-sig"))).item.title == "Größe"


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.json.gz"])
def test_compressed_files(tmp_path: Path, name: str) -> None:
    content = '{"sku": 1, "title": "a"}\n' if name == "a.jsonl.gz" else '[{"sku": 1,\n "title": "a"}]'
    assert only(write(tmp_path, name, gzip.compress(content.encode()))).item.title == "a"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", "", "is empty"),
        ("a.jsonl", "sku,title\n1,a\n", "no JSON objects"),
        ("a.json", "[1, 2]", "holds no products"),
        ("a.json", '{"a": {"b": [1]}}', "no column that looks like"),
        ("a.jsonl", '{"sku": 1}'.encode("utf-16"), "UTF-16"),
        ("a.jsonl", '{"colour": 1}', r"Its columns are: colour.*--map sku=colour"),
    ],
)
def test_what_is_no_catalog(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        open_source(str(write(tmp_path, name, content)))


def test_lines_as_crawlers_name_them(tmp_path: Path) -> None:
    lines = '{"price": ["578"], "title": ["Tablet, grey"]}\n{}\n{"price": ["88"], "title": ["Tablet, red"]}\n'
    records, _ = read(write(tmp_path, "items.jl", lines))
    assert [(each.item.title, each.item.price_cents) for each in records] == [
        ("Tablet, grey", 57800),
        ("Tablet, red", 8800),
    ]
