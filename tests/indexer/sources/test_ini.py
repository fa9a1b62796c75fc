"""INI files with a section for each product."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import read, write
from vitrina.indexer.sources import open_source
from vitrina.search.types.errors import SourceError


def test_sections_with_a_title_and_a_price_are_products(tmp_path: Path) -> None:
    text = (
        "; all that we sell\n[mug]\nname = Red mug\nprice = 4,50 €\nimage: https://s.example/mug.jpg\n"
        'description = Large,\n  and red\n\n[cup]\nname = "Blue cup"\nprice = 5,50 €\n\n[jug]\nname = Jug\n\n'
        "[about]\ntitle = About us\ncontent = Since 1990\n[shipping]\nprice = 3\n"
    )
    path = write(tmp_path, "shop.ini", text)
    records, rejections = read(path)
    assert rejections == []
    assert [(each.origin, each.item.sku, each.item.title, each.item.price_cents) for each in records] == [
        ("shop.ini:2", "mug", "Red mug", 450),
        ("shop.ini:9", "cup", "Blue cup", 550),
        ("shop.ini:13", "jug", "Jug", None),
    ]
    assert (records[0].item.description, records[0].images[0].url) == ("Large,\nand red", "https://s.example/mug.jpg")
    source = open_source(str(path))
    assert (source.dialect, source.n_rows) == ("catalog table (INI)", 3)
    assert source.notes == ("shop.ini: left out, as they are no products: [about], [shipping].",)


def test_sections_of_one_name_and_names_that_are_titles(tmp_path: Path) -> None:
    text = "[product]\nsku = A1\nname = Mug\nprice = 4\n[product]\nsku = A2\nname = Cup\nprice = 5\n"
    records, _ = read(write(tmp_path, "shop.txt", text))
    assert [(each.item.sku, each.item.title) for each in records] == [("A1", "Mug"), ("A2", "Cup")]
    records, _ = read(write(tmp_path, "shop.ini", "[Red mug]\nprice=4.50\n[Blue cup]\nprice=5.50\ncolor=blue\n"))
    assert [(each.item.sku, each.item.title, each.item.price_cents) for each in records] == [
        ("Red mug", "Red mug", 450),
        ("Blue cup", "Blue cup", 550),
    ]


def test_settings_are_no_catalog(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no section with a price"):
        open_source(str(write(tmp_path, "shop.ini", "[shop]\nhost = s.example\nport = 80\n")))
