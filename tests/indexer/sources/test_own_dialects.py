"""A shop's own dialect: one file, checked, with which its export is read; and joins wherever the rows are."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import write
from vitrina.indexer.sources import open_source
from vitrina.indexer.sources.base import Record
from vitrina.indexer.sources.dialects.dialect import built_in
from vitrina.search.types.errors import SourceError

OWN = """\
name = "our till"
blank = ["-"]
ignore = ["internal_.*"]

[recognise]
all = ["plu"]

[aliases]
plu = ["nummer"]

[fields]
sku = ["plu"]
title = ["text"]
price = ["vk"]
image = ["bild_{n}"]

[split]
gruppen = "/"

[[lists]]
column = "merkmale"
pattern = "(?P<name>[^:;]+):(?P<value>[^;]+)"

[join]
by = "parent"
column = ["zu"]
names = ["{plu}"]

[join.kinds]
column = ["zu"]
variant = "."

[variants]
sku = ["plu"]
price = ["vk"]
"""
TILL = """\
Nummer;Text;VK;Zu;Merkmale;Gruppen;Bild 2;Bild 1;Internal code
12;Shirt red;9,90;10;Farbe:rot;;;;x
10;Shirt;-;;Stoff:Leinen;Herren/Hemden;https://s.example/2.jpg;https://s.example/1.jpg;x
11;Shirt blue;8,90;10;Farbe:blau;;;;x
20;Bag;5;;;Taschen;;;x
"""


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    dialect = write(tmp_path, "till.toml", OWN)
    source = open_source(str(write(tmp_path, "till.csv", TILL)), dialect=str(dialect))
    assert (source.dialect, source.fields["sku"], source.n_rows) == ("our till (CSV, semicolons)", "Nummer", None)
    shirt, bag = (row for row in source.rows() if isinstance(row, Record))
    assert (shirt.item.sku, shirt.item.title, shirt.item.price_cents, shirt.n_rows) == ("10", "Shirt", 890, 3)
    assert [(each.sku, dict(each.options), each.price_cents) for each in shirt.item.variants] == [
        ("12", {"farbe": "rot"}, 990),
        ("11", {"farbe": "blau"}, 890),
    ]
    assert shirt.item.attributes == {"gruppen": ("Herren", "Hemden"), "stoff": "Leinen", "farbe": ("rot", "blau")}
    assert [image.url for image in shirt.images] == ["https://s.example/1.jpg", "https://s.example/2.jpg"]
    assert (bag.item.price_cents, bag.item.attributes) == (500, {"gruppen": "Taschen"})


def test_a_mapping_wins_over_the_dialect(tmp_path: Path) -> None:
    dialect = write(tmp_path, "till.toml", OWN)
    path = write(tmp_path, "till.csv", TILL)
    source = open_source(str(path), {"title": "Gruppen", "code": "Internal code"}, dialect=str(dialect))
    bag = next(row for row in source.rows() if isinstance(row, Record) and row.item.sku == "20")
    assert (bag.item.title, bag.item.attributes["code"]) == ("Taschen", "x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name = ", "no valid TOML"),
        ("", "name: Field required"),
        ('name = "x"\nfeilds = {}', "feilds: Extra inputs are not permitted"),
        ('name = "x"\n[fields]\ncolour = ["c"]', r"fields.colour is no field.*sku, title"),
        ('name = "x"\nignore = ["("]', "not a regular expression"),
        ('name = "x"\n[[lists]]\ncolumn = "a"\npattern = "x"', r"needs the groups \(\?P<name>"),
        ('name = "x"\n[join]\nby = "magic"', "join.by: Input should be"),
        ('name = "x"\n[fields]\nsku = "id"', "fields.sku: Input should be a valid tuple"),
    ],
)
def test_a_dialect_that_cannot_be_used_says_why(tmp_path: Path, content: str, message: str) -> None:
    dialect = write(tmp_path, "own.toml", content)
    with pytest.raises(SourceError, match=message):
        open_source(str(write(tmp_path, "a.csv", "sku,title\n1,a\n")), dialect=str(dialect))


def test_dialects_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "id,title\n1,a\n")
    assert open_source(str(path), dialect="heureka").dialect.startswith("Heureka feed")
    with pytest.raises(SourceError, match=r"no dialect 'huereka'.*amazon_flat, .*heureka"):
        open_source(str(path), dialect="huereka")


def test_every_built_in_dialect_is_valid_and_has_a_name_and_comment() -> None:
    assert len(built_in()) > 20
    assert all(dialect.name for dialect in built_in().values())


@pytest.mark.parametrize("seed", range(5))
def test_rows_are_joined_wherever_they_are_and_none_is_lost(tmp_path: Path, seed: int) -> None:
    rows = ["ID,Type,SKU,Name,Regular price,Sale price,Parent,Published,Attribute 1 name,Attribute 1 value(s)"]
    body = [f"{n},simple,S{n},Simple {n},5,,,1,," for n in range(40)]
    body += [f'{n},variable,P{n},Product {n},,,,1,Size,"S, M, L"' for n in range(100, 120)]
    body += [
        f"{n}{k},variation,P{n}-{size},,{k + 1},,P{n},1,Size,{size}"
        for n in range(100, 120)
        for k, size in enumerate("SML")
    ]
    body += [f"9{n},variation,ORPHAN-{n},Orphan {n},3,,NOWHERE,1,Size,S" for n in range(3)]
    body += [",variable,,nothing,,,,1,,"]
    random.Random(seed).shuffle(body)
    source = open_source(str(write(tmp_path, "wc.csv", "\n".join([*rows, *body]) + "\n")))
    found = list(source.rows())
    records = {row.item.sku: row for row in found if isinstance(row, Record)}
    assert sum(row.n_rows for row in found) == len(body)
    assert len(records) == 40 + 20 + 1
    for n in range(100, 120):
        item = records[f"P{n}"].item
        assert {(each.sku, each.options["size"], each.price_cents) for each in item.variants} == {
            (f"P{n}-{size}", size, 100 * (k + 1)) for k, size in enumerate("SML")
        }
    assert {each.sku for each in records["NOWHERE"].item.variants} == {f"ORPHAN-{n}" for n in range(3)}


def test_a_row_that_names_itself_or_a_circle_of_rows_is_not_lost(tmp_path: Path) -> None:
    content = "sku,family,parent,enabled,name\nA,f,B,1,a\nB,f,A,1,b\nC,f,C,1,c\nD,f,,1,d\n"
    rows = list(open_source(str(write(tmp_path, "akeneo.csv", content))).rows())
    assert sum(row.n_rows for row in rows) == 4
    assert all(isinstance(row, Record) for row in rows)


def test_a_separator_that_would_part_every_letter_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "mine.toml", 'name = "mine"\n[split]\ntags = "||"\n')
    with pytest.raises(SourceError, match=r"would part every letter: a separator of several signs is a regular"):
        open_source(str(write(tmp_path, "a.csv", "sku,title\n1,Mug\n")), dialect=str(path))
