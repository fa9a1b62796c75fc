"""Tables without a line of names: the first line is a product, and columns are told by their values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import read, write
from vitrina.indexer.sources import open_source
from vitrina.search.types.errors import SourceError

SHELF = (
    '"0310","OAK SHELF 80 CM","4006381333931","1.299,00"\n'
    '"0311","OAK SHELF 60 CM","4012345678901","899,50"\n'
    '"0312","WALL HOOK BRASS","5901234123457","12"\n'
)


def test_columns_are_told_by_their_values(tmp_path: Path) -> None:
    path = write(tmp_path, "list.csv", SHELF)
    source = open_source(str(path))
    assert dict(source.fields) == {"sku": "sku", "title": "title", "price": "price"}
    note = (
        "list.csv has no line of names; its columns are told by their values: 1 as sku, 2 as title, 3 as ean, 4 as "
        "price. If that is wrong, write a line with their names above the first."
    )
    assert source.notes == (note,)
    records, rejections = read(path)
    assert rejections == []
    assert [(each.origin, each.item.sku, each.item.price_cents) for each in records] == [
        ("list.csv:1", "0310", 129900),
        ("list.csv:2", "0311", 89950),
        ("list.csv:3", "0312", 1200),
    ]
    assert records[0].item.title == "OAK SHELF 80 CM"
    assert records[0].item.attributes == {"ean": "4006381333931"}


def test_codes_round_amounts_and_names_are_told_in_any_order(tmp_path: Path) -> None:
    table = (
        "ACME;68A11;16400;1;Front brake pad\nPOWER ONE;77B2;2900;25;Rear brake pad\n"
        "ACME;17129;2700;4;Oil filter, long\nORBIT;ZX14;;2;Spark plug\n"
    )
    pad, _, _, plug = [record.item for record in read(write(tmp_path, "parts.csv", table))[0]]
    assert (pad.sku, pad.title, pad.price_cents, dict(pad.attributes)) == (
        "68A11",
        "Front brake pad",
        1640000,
        {"column_1": "ACME"},
    )
    assert (plug.sku, plug.price_cents) == ("ZX14", None)
    assert "Left out, as nothing says what they are: 4." in open_source(str(tmp_path / "parts.csv")).notes[0]


def test_addresses_images_and_a_longer_text(tmp_path: Path) -> None:
    story = "A lamp that a family workshop turns from ash, sands by hand and oils twice before it is wired and tested."
    table = "".join(
        f"Lamp of ash {n}\thttps://s.example/p/{n}\t{n}8,99 €\t{story} No. {n}\tlamps/{n}.jpg\t0\n" for n in (1, 2, 3)
    )
    path = write(tmp_path, "lamps.tsv", table)
    lamp = read(path)[0][0]
    assert (lamp.item.title, lamp.item.url) == ("Lamp of ash 1", "https://s.example/p/1")
    assert (lamp.item.price_cents, lamp.item.currency) == (1899, "EUR")
    assert (lamp.item.description, len(lamp.images)) == (f"{story} No. 1", 1)
    assert lamp.item.attributes == {}
    assert "has no column of keys: items go by title" in open_source(str(path)).notes[1]


def test_running_numbers_before_the_title_are_keys(tmp_path: Path) -> None:
    table = "".join(f"{n};Book {n} of tales;https://img.example/{n}.jpg;12.4{n};1,2,0\n" for n in range(1, 5))
    books = [record.item for record in read(write(tmp_path, "books.csv", table))[0]]
    assert [(book.sku, book.title, book.price_cents) for book in books][:2] == [
        ("1", "Book 1 of tales", 1241),
        ("2", "Book 2 of tales", 1242),
    ]


def test_lines_above_the_first_product_are_skipped(tmp_path: Path) -> None:
    records, _ = read(write(tmp_path, "list.csv", f"Price list of spring,,,\n\n{SHELF}"))
    assert [record.origin for record in records] == ["list.csv:3", "list.csv:4", "list.csv:5"]


def test_a_workbook_without_names(tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    for row in (["K-1", "Blue cup", 4.5], ["K-2", "Red cup", 5.25], ["K-3", "Tall jug", 11]):
        book.active.append(row)
    book.save(tmp_path / "cups.xlsx")
    records, _ = read(tmp_path / "cups.xlsx")
    assert [(each.origin, each.item.sku, each.item.title, each.item.price_cents) for each in records] == [
        ("cups.xlsx:1", "K-1", "Blue cup", 450),
        ("cups.xlsx:2", "K-2", "Red cup", 525),
        ("cups.xlsx:3", "K-3", "Tall jug", 1100),
    ]
    assert "1 as sku, 2 as title, 3 as price" in open_source(str(tmp_path / "cups.xlsx")).notes[0]


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("0;Red mug;12,50;9,90\n-12;Blue mug;13,50;8,40\n", "which of its columns 3 and 4 is the price"),
        ("book;;2100;https://s.example/a.jpg\nbook;book;2100;https://s.example/b.jpg\n", "is surely the title"),
    ],
)
def test_what_cannot_be_told_is_an_error_that_says_what_to_do(tmp_path: Path, table: str, reason: str) -> None:
    with pytest.raises(SourceError, match=f"looks like a product and not like the names of columns: .*{reason}") as got:
        open_source(str(write(tmp_path, "list.csv", table)))
    assert "Write a line with the columns' names above it" in got.value.remedy


@pytest.mark.parametrize(
    "table",
    [
        "Sorte;0.5;1.0\nBier;2.20;4.00\nMost;2.50;4.50\n",
        "Foo;Bar\nA-1;12,50\nA-2;13,50\n",
        "Quux;2100;4006381333931\nA-1;Red mug;4006381333931\n",
    ],
)
def test_names_above_values_of_another_kind_are_no_product(tmp_path: Path, table: str) -> None:
    path = write(tmp_path, "list.csv", table)
    records, _ = read(path, {"sku": table.split(";")[0]})
    assert [record.origin for record in records][:1] == ["list.csv:2"]


def test_totals_and_rows_that_come_again_hide_no_key(tmp_path: Path) -> None:
    table = "A-1;Red mug;1;19,99\nA-1;Red mug;1;19,99\nA-2;Blue mug;2;9,99\nTotal;;;49,97\n"
    source = open_source(str(write(tmp_path, "list.csv", table)))
    assert dict(source.fields) == {"sku": "sku", "title": "title", "price": "price"}


def test_numbers_for_names_are_said_to_be_a_product(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="looks like a product"):
        open_source(str(write(tmp_path, "list.csv", "1001,Red mug,5,200\n1002,Blue mug,7,300\n")))


def test_a_price_that_cannot_be_told_is_left_out(tmp_path: Path) -> None:
    source = open_source(str(write(tmp_path, "list.csv", "A-1;Red mug;12,50;9,90\nA-2;Blue mug;13,50;8,40\n")))
    assert dict(source.fields) == {"sku": "sku", "title": "title"}
    assert (
        "Left out, as nothing says what they are: 3, 4. None of them is surely the price, which may be 3 or 4."
        in source.notes[0]
    )


@pytest.mark.parametrize("codes", [("080", "082", "110"), ("7", "8", "12"), ("K-1", "K-2", "K-10")])
def test_codes_flags_and_titles_are_products_without_prices(tmp_path: Path, codes: tuple[str, ...]) -> None:
    table = "".join(f"{code}\ttrue\tPrint {n} of hills 10*30\n" for n, code in enumerate(codes))
    records, rejections = read(write(tmp_path, "prints.tsv", table))
    assert rejections == []
    assert [(each.item.sku, each.item.title) for each in records] == [
        (code, f"Print {n} of hills 10*30") for n, code in enumerate(codes)
    ]
    assert {each.item.price_cents for each in records} == {None}
    assert dict(records[0].item.attributes) == {}


def test_stock_is_no_key(tmp_path: Path) -> None:
    table = "4006381333931;Red soap bar;2300,00;219,00;0\n4006381333931;Blue soap bar;900,00;81,50;-12\n"
    with pytest.raises(SourceError, match="which of its columns 3 and 4 is the price") as got:
        open_source(str(write(tmp_path, "list.csv", table)))
    assert got.value.remedy.endswith("in the places of theirs: ean,title,column 3,column 4,column 5")


def test_barcodes_are_keys_beside_prices_that_cannot_be_told(tmp_path: Path) -> None:
    table = "4006381333931;Red soap bar;2300,00;219,00;0\n4012345678901;Blue soap bar;900,00;81,50;-12\n"
    source = open_source(str(write(tmp_path, "list.csv", table)))
    assert "None of them is surely the price, which may be 3 or 4." in source.notes[0]
    assert [(each.item.sku, each.item.price_cents) for each in read(tmp_path / "list.csv")[0]] == [
        ("4006381333931", None),
        ("4012345678901", None),
    ]


@pytest.mark.parametrize(("price", "currency"), [("82,240원", "KRW"), ("499 ₸", "KZT"), ("Rp 15.000", "IDR")])
def test_amounts_with_the_signs_of_their_countries_are_prices(tmp_path: Path, price: str, currency: str) -> None:
    table = "".join(f'Moss,Wool coat {n} in black,"{price}",https://s.example/p/{n}\n' for n in (1, 2, 3))
    assert {each.item.currency for each in read(write(tmp_path, "coats.csv", table))[0]} == {currency}


@pytest.mark.parametrize("blank", [" ", "\u00a0", "\u202f", "'"])
def test_whole_amounts_in_groups_are_prices(tmp_path: Path, blank: str) -> None:
    rows = [
        ("Tall oak wardrobe", "63", "251"),
        ("Small oak wardrobe", "42", "487"),
        ("Ash chest of drawers", "9", "116"),
    ]
    table = "".join(f"{title},furniture/{head}.jpg,{head}{blank}{tail}\n" for title, head, tail in rows)
    records, _ = read(write(tmp_path, "list.csv", table))
    assert [record.item.price_cents for record in records] == [6325100, 4248700, 911600]
    plain = table.replace(blank + "251", "251").replace(blank + "487", "487").replace(blank + "116", "116")
    assert "None of them is surely the price" in open_source(str(write(tmp_path, "plain.csv", plain))).notes[0]


def test_semicolons_part_cells_where_all_commas_are_decimal_marks(tmp_path: Path) -> None:
    prices = "Chair blue;49,90\nTable round;120,00\nBench long;89,50\nShelf;45,00\n"
    records, _ = read(write(tmp_path, "list.csv", prices))
    assert [(each.item.title, each.item.price_cents) for each in records][:2] == [
        ("Chair blue", 4990),
        ("Table round", 12000),
    ]
    records, _ = read(
        write(tmp_path, "list.csv", f"To sit on;\n{prices}\nTo lie on;\nBed wide;450,00\nHammock;99,00\n")
    )
    assert [each.item.attributes["category"] for each in records] == ["To sit on"] * 4 + ["To lie on"] * 2


def test_row_numbers_give_way_to_the_numbers_in_addresses(tmp_path: Path) -> None:
    rows = [
        "1,40{0}17,Oak lamp,https://s.example/p?id={1}&at=1,19.90",
        "2,40{0}25,Ash lamp,https://s.example/p?id={2}&at=2,24.90",
    ]
    for code in ("4017", "4025"), ("1", "2"):
        table = "\n".join(rows).format("", *code)
        skus = [each.item.sku for each in read(write(tmp_path, "scraped.csv", table))[0]]
        assert skus == (["4017", "4025"] if code[0] == "4017" else ["1", "2"])


def test_prices_are_told_by_what_some_cost_before_and_keys_by_addresses(tmp_path: Path) -> None:
    table = (
        "Tent Alder for two,7299,https://s.example/p/81044,81044,\n"
        "Stove of brass,2350,https://s.example/p/90712,90712,2999\n"
        "Sleeping bag Birch,5990,https://s.example/p/13320,13320,6500\n"
    )
    records, _ = read(write(tmp_path, "list.csv", table))
    assert [(each.item.sku, each.item.price_cents) for each in records] == [
        ("81044", 729900),
        ("90712", 235000),
        ("13320", 599000),
    ]


def test_sizes_that_all_rows_have_are_no_prices(tmp_path: Path) -> None:
    table = "".join(f"Shelf of {wood},A{n}7,600,{n}00\n" for n, wood in ((9, "oak"), (8, "ash"), (7, "elm")))
    records, _ = read(write(tmp_path, "list.csv", table))
    assert [each.item.price_cents for each in records] == [None] * 3


def test_ratings_are_no_prices(tmp_path: Path) -> None:
    rows = (
        "Oak side table,24000,https://s.example/i/1.jpg,4.5\nPine wall shelf,9900,https://s.example/i/2.jpg,4.7\n"
        "Beech stool,7990,https://s.example/i/3.jpg,5.0\n"
    )
    records, _ = read(write(tmp_path, "list.csv", rows))
    assert [record.item.price_cents for record in records] == [2400000, 990000, 799000]
    records, _ = read(write(tmp_path, "list.csv", re.sub(r",\d+(?=,https)", "", rows)))
    assert [record.item.price_cents for record in records] == [None, None, None]


def test_serial_numbers_behind_the_title_are_keys_and_times_are_not(tmp_path: Path) -> None:
    rows = (
        "Oak side table,24000,https://s.example/i/a.jpg,200340133\nPine shelf,9900,https://s.example/i/b.jpg,175401451\n"
        "Beech stool,7990,https://s.example/i/c.jpg,263118297\n"
    )
    records, _ = read(write(tmp_path, "list.csv", rows))
    assert [record.item.sku for record in records] == ["200340133", "175401451", "263118297"]
    assert [record.item.price_cents for record in records] == [2400000, 990000, 799000]
    records, _ = read(write(tmp_path, "list.csv", re.sub(r"(\d\d)\d{7}\n", r"16060\g<1>123\n", rows)))
    assert [record.item.sku for record in records] == ["Oak side table", "Pine shelf", "Beech stool"]
