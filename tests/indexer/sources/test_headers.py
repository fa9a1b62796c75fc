"""Headers in two lines: the second says the unit or currency of the first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import read, write
from tests.indexer.sources.test_spreadsheet import save
from vitrina.indexer.sources import open_source


@pytest.mark.parametrize(
    "units",
    [";;EUR;kg", ";;€;(kg)", ";;in €;kg", ";;[EUR];", ";;€/St;kg"],
    ids=["code", "sign", "in", "brackets", "per"],
)
def test_a_line_of_units_below_the_names(tmp_path: Path, units: str) -> None:
    table = f"sku;title;price;weight\n{units}\nA-1;Oak stool;49,90;3\nA-2;Oak bench;99,00;9\n"
    records, rejections = read(write(tmp_path, "list.csv", table))
    assert rejections == []
    assert [(each.origin, each.item.price_cents, each.item.currency) for each in records] == [
        ("list.csv:3", 4990, "EUR"),
        ("list.csv:4", 9900, "EUR"),
    ]


def test_names_in_the_line_above_a_currency(tmp_path: Path) -> None:
    table = (
        "Hof am Bach,,,,\nStand: Mai,,,,\nWaren-,,je,Preis,Summe:\n"
        'gruppe,Artikelbezeichnung,,Euro,"0,00 €"\n1,Rote Bete,kg,"3,45","0,00 €"\n1,Lauch,Bund,"2,10","0,00 €"\n'
    )
    beet, _ = [record.item for record in read(write(tmp_path, "list.csv", table))[0]]
    assert (beet.title, beet.price_cents, beet.currency) == ("Rote Bete", 345, "EUR")
    assert beet.attributes == {"gruppe": 1, "je": "kg", "summe": "0,00 €"}


def test_a_line_of_units_in_a_workbook(tmp_path: Path) -> None:
    rows: list[list[object]] = [["sku", "title", "price"], [None, None, "CHF"], ["A-1", "Stool", 49.9]]
    (stool,), rejections = read(save(tmp_path, {"list": rows}))
    assert (stool.item.price_cents, stool.item.currency, rejections) == (4990, "CHF", [])


def test_a_product_below_the_names_is_no_line_of_units(tmp_path: Path) -> None:
    table = "sku;title;size;price\nM;Stool;L;9\nEUR;Coin;S;1\n"
    records, _ = read(write(tmp_path, "list.csv", table))
    assert [record.item.sku for record in records] == ["M", "EUR"]


def test_a_table_below_pages_of_prose(tmp_path: Path) -> None:
    prose = "".join(f"Question {n}: do you have soap?\nYes, of lemon and mint, of salt.\n\n" for n in range(30))
    table = "ID,Product name,Category,Price\n1,Lemon soap,Soap,89\n2,Mint soap,Soap,95\n3,Sea salt scrub,Scrub,120\n"
    path = write(tmp_path, "list.txt", prose + table)
    assert [record.item.title for record in read(path)[0]] == ["Lemon soap", "Mint soap", "Sea salt scrub"]
    assert "the 60 lines above the header were skipped" in open_source(str(path)).notes[0]


def test_a_second_table_does_not_hide_the_first(tmp_path: Path) -> None:
    rows = "".join(f"{n},Soap {n},{n}.50\n" for n in range(1, 40))
    path = write(tmp_path, "list.csv", f"no,what,due\n{rows}sku,title,price\n90,Mint soap,3.50\n91,Sea salt,4.50\n")
    assert len(read(path, {"sku": "no"})[0]) > 39


def test_columns_without_a_name_are_left_out_and_told(tmp_path: Path) -> None:
    path = write(tmp_path, "list.csv", "sku;;title;price;\n1;crate;Leek;2.50;\n2;;Beet;1.90;\n")
    assert open_source(str(path)).notes == (
        "list.csv: columns without a name were left out: 2. A name above keeps them.",
    )
    book = save(tmp_path, {"List": [["sku", None, "title", "price"], ["1", "crate", "Leek", 2.5]]})
    assert "columns without a name were left out: 2." in open_source(str(book)).notes[0]


def test_names_in_each_row_before_its_values(tmp_path: Path) -> None:
    rows = (
        "Code|A1|Name|Mug|Price|4.50|Stock|3|\nCode|A2|Name|Cup|Price||Stock||\nCode|A3|Name|Jug|Price|7.00|Stock|5|\n"
    )
    path = write(tmp_path, "list.txt", rows)
    records, rejections = read(path)
    assert rejections == []
    assert [(each.item.sku, each.item.title, each.item.price_cents) for each in records] == [
        ("A1", "Mug", 450),
        ("A2", "Cup", None),
        ("A3", "Jug", 700),
    ]
    assert records[0].item.attributes == {"stock": 3}
    assert open_source(str(path)).notes == (
        "list.txt: each row has names before its values: Code, Name, Price, Stock.",
    )


@pytest.mark.parametrize(
    ("table", "titles"),
    [
        ("sku,name,price\nA1,name,4\nA2,Mug,5\n", ["name", "Mug"]),
        ("sku,name,price,size\nsku,name,price,size\nA1,Mug,4,L\n", ["Mug"]),
        ("sku,A1,name,price\nA2,A1,name,4\nA3,B1,name,5\n", ["name", "name"]),
    ],
    ids=["a value like a name", "a header again", "not in each row"],
)
def test_names_that_only_some_rows_have_are_values(tmp_path: Path, table: str, titles: list[str]) -> None:
    assert [record.item.title for record in read(write(tmp_path, "list.csv", table))[0]] == titles


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("list.txt", "name=Mug|price=4.50|sku=A1\nname=Tea: green|sku=A2\nprice=7|sku=A3|name=Jug\n"),
        ("list.tsv", "name:Mug\tprice:4.50\tsku:A1\nname:Tea: green\tsku:A2\nprice:7\tsku:A3\tname:Jug\n"),
        ("list.csv", "name: Mug, price: 4.50, sku: A1\nname: Tea: green, sku: A2\nprice: 7, sku: A3, name: Jug\n"),
    ],
)
def test_names_in_each_cell_before_its_value(tmp_path: Path, name: str, rows: str) -> None:
    records, rejections = read(write(tmp_path, name, rows))
    assert rejections == []
    assert [(each.item.sku, each.item.title, each.item.price_cents) for each in records] == [
        ("A1", "Mug", 450),
        ("A2", "Tea: green", None),
        ("A3", "Jug", 700),
    ]


def test_a_row_without_names_among_those_with_them_is_rejected(tmp_path: Path) -> None:
    rows = "".join(f"name=Mug {n}|price={n}|sku=A{n}\n" for n in range(1, 12))
    records, (rejection,) = read(write(tmp_path, "list.txt", f"{rows}name=Jug|9|sku=A12\n"))
    assert (len(records), rejection.reason) == (11, "A cell of the row has no name before its value.")
    header = "sku,name,price\nsku=1,name=2,price=3\n"
    assert [record.item.title for record in read(write(tmp_path, "list.csv", header))[0]] == ["name=2"]
