"""Numbers of attributes: decimal commas, and units in a column of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import only, read, write
from vitrina.search.types.item import Scalar


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("1.500", 1500),
        ("1.500,25", 1500.25),
        ("2,5", 2.5),
        ("-0,75", -0.75),
        ("2.5", 2.5),
        ("0007,5", "0007,5"),  # a code
        ("3,5,7", "3,5,7"),
        ("2,5 kg", "2,5 kg"),
    ],
)
def test_numbers_are_written_as_the_prices_of_the_file_are(tmp_path: Path, written: str, number: Scalar) -> None:
    table = "Artikelnr;Name;Preis;Gewicht;Größe\nK-1;Kessel;{price};{weight};36,38\nK-2;Topf;12,90;20;40\n"
    german = table.format(price="8,49", weight=written)
    kettle, _ = read(write(tmp_path, "german.csv", german))[0]
    assert kettle.item.attributes == {"gewicht": number, "größe": "36,38"}


def test_commas_beside_prices_with_points_may_part_two_numbers(tmp_path: Path) -> None:
    record = only(write(tmp_path, "english.csv", "sku;title;price;weight\nK-1;Kettle;8.49;2,5\n"))
    assert record.item.attributes == {"weight": "2,5"}


def test_a_number_and_its_unit_in_two_columns_are_one_value(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "shop.csv",
        "sku,title,weight,weight-unit,Height,Height_Unit,depth,depth_unit,base_price,base_price_unit,unit\n"
        'A,Bag,500,GRAM,"1,5",m,wide,cm,12.5,kg,box\nB,Box,,GRAM,20,cm,4,5,,,\n',
    )
    bag, box = [dict(record.item.attributes) for record in read(path)[0]]
    assert (bag["weight"], bag["height"]) == ("500 GRAM", "1,5 m")
    assert (bag["depth"], bag["depth_unit"], bag["unit"]) == ("wide", "cm", "box")
    assert "kg" not in str(bag.get("base_price"))
    assert (box["height"], box["depth"]) == ("20 cm", 4)
    assert bag.keys().isdisjoint(("weight_unit", "height_unit"))


def test_a_word_that_is_no_unit_stays_in_a_column_of_its_own(tmp_path: Path) -> None:
    table = "sku,title,stock,stock_unit,rating,rating_unit\nA,Bag,7,pieces sold,4.5,stars\n"
    bag = only(write(tmp_path, "shop.csv", table)).item
    assert (bag.attributes["rating"], bag.attributes["rating_unit"]) == (4.5, "stars")


def test_several_numbers_have_one_unit_and_akeneo_its_metrics(tmp_path: Path) -> None:
    table = "sku;family;enabled;name;weight;weight-unit;length;length_units\nA;bags;1;Bag;500;GRAM;[4, 6];cm\n"
    bag = only(write(tmp_path, "akeneo.csv", table)).item
    assert (bag.attributes["weight"], bag.attributes["length"]) == ("500 GRAM", ("4 cm", "6 cm"))
