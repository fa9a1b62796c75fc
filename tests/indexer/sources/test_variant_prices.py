"""Prices of their own that variants have, in whole cents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import only, write

ANSWERED = json.dumps(
    [
        {
            "sku": "m20",
            "title": "M20 Mouse - Black",
            "price_cents": 1000,
            "currency": "EUR",
            "variants": [
                {
                    "sku": "M-1",
                    "options": {"hue": "black"},
                    "price_cents": 1000,
                    "currency": "EUR",
                    "title": "M20 Mouse - Black",
                },
                {
                    "sku": "M-2",
                    "options": {"hue": "pink"},
                    "price_cents": 1200,
                    "currency": "EUR",
                    "title": "M20 Mouse - Pink",
                },
            ],
        }
    ]
)
"""An item as the service answers it."""

GROUP = "style_no,sku,title,colour,price_cents,currency\nM,M-1,Mouse,black,1000,EUR\nM,M-2,Mouse,pink,1200,EUR\n"
PARENT = (
    "parent,sku,title,colour,price_cents,currency\n"
    ",M,Mouse,,1000,EUR\nM,M-1,Mouse,black,1000,EUR\nM,M-2,Mouse,pink,1200,EUR\n"
)
PARENT_SKU = PARENT.replace("parent,", "parent_sku,")


@pytest.mark.parametrize(
    ("name", "text", "titles"),
    [
        ("m20.json", ANSWERED, ["M20 Mouse - Black", "M20 Mouse - Pink"]),
        ("group.csv", GROUP, ["", ""]),
        ("parent.csv", PARENT, ["", ""]),
        ("parent_sku.csv", PARENT_SKU, ["", ""]),
    ],
)
def test_variants_keep_their_prices_in_cents(tmp_path: Path, name: str, text: str, titles: list[str]) -> None:
    record = only(write(tmp_path, name, text))
    variants = record.item.variants
    assert [(each.sku, each.price_cents, each.currency) for each in variants] == [
        ("M-1", 1000, "EUR"),
        ("M-2", 1200, "EUR"),
    ]
    assert [each.title for each in variants] == titles
    assert (record.item.price_cents, record.item.max_price_cents, record.problems) == (1000, 1200, ())


def test_a_price_that_is_no_number_of_cents_is_told(tmp_path: Path) -> None:
    record = only(write(tmp_path, "m20.json", ANSWERED.replace("1200", '"twelve"')))
    assert [each.price_cents for each in record.item.variants] == [1000, 1000]
    assert [each.column for each in record.problems] == ["variant price_cents"]
