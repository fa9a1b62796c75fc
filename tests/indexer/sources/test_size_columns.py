"""Price lists in which each size has a column of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import only, read, write
from vitrina.indexer.sources import open_source

BARE = """\
Product Name,Category,1 Kg,250 g,50 g
Fig jam,Sweet,6000,1500,335
Plum jam,Sweet,9500,,510
"""
NAMED = """\
Nome;Marca;Cod. 15ml;Prezzo 15ml;Cod. 30ml;Prezzo 30ml
Bosco;Foglia;T1;11,90 €;301;18,00 €
Mare;Foglia;T2;11,90 €;;-
"""


def test_columns_of_sizes_become_variants(tmp_path: Path) -> None:
    path = write(tmp_path, "list.csv", BARE)
    fig, plum = (record.item for record in read(path)[0])
    assert [(each.options, each.price_cents) for each in fig.variants] == [
        ({"size": "1 Kg"}, 600_000),
        ({"size": "250 g"}, 150_000),
        ({"size": "50 g"}, 33_500),
    ]
    assert fig.attributes["category"] == "Sweet"
    assert fig.price_cents == 33_500
    assert [each.options["size"] for each in plum.variants] == ["1 Kg", "50 g"]
    assert open_source(str(path)).notes[0] == ("list.csv has a price for each size: 1 Kg, 250 g, 50 g become variants.")


def test_prices_and_codes_by_size(tmp_path: Path) -> None:
    wood, sea = (record.item for record in read(write(tmp_path, "list.csv", NAMED))[0])
    assert [(each.sku, each.options, each.price_cents, each.currency) for each in wood.variants] == [
        ("T1", {"size": "15ml"}, 1_190, "EUR"),
        ("301", {"size": "30ml"}, 1_800, "EUR"),
    ]
    assert [each.sku for each in sea.variants] == ["T2"]
    assert [wood.sku, sea.sku] == ["T1", "T2"]
    assert sea.price_cents == 1_190


@pytest.mark.parametrize(
    "table",
    [
        "sku,name,price,500 g,1 kg\n1,Jam,5.00,3,0\n2,Tea,6.00,4,1\n",  # there is a price: these are pieces in stock
        "sku,name,500 g,1 kg\n1,Jam,yes,no\n2,Tea,no,yes\n",  # no amounts
        "sku,name,price per 100 g,price per 1 kg\n1,Jam,0.50,5.00\n2,Tea,0.60,6.00\n",
        "sku,name,100 g\n1,Jam,12\n2,Tea,3\n",
    ],
)
def test_other_columns_with_sizes_in_their_names_are_left(tmp_path: Path, table: str) -> None:
    assert not any(record.item.variants for record in read(write(tmp_path, "list.csv", table))[0])


def test_a_mapped_column_is_left(tmp_path: Path) -> None:
    records, _ = read(write(tmp_path, "list.csv", BARE), {"price": "250 g"})
    assert [record.item.price_cents for record in records] == [150_000, None]
    assert records[0].item.variants == ()


def test_a_decimal_mark_is_told_by_the_prices_of_all_sizes(tmp_path: Path) -> None:
    record = only(write(tmp_path, "list.csv", "Codice;Nome;500 ml;5 l\nA1;Olio;11,900;1.299,00\n"))
    assert record.item.variants[1].price_cents == 129_900
