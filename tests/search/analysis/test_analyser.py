"""The analyser: which terms are indexed of an item's texts."""

from __future__ import annotations

import pytest

from vitrina.search.analysis.analyser import analyse, stored_terms
from vitrina.search.types.item import Item, Variant


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Men's T-Shirt", ["men", "t", "shirt"]),
        ("L'eau d’été, O'Neill", ["eau", "été", "oneill"]),
        ('TN-2110 TN2110 27" 27″', ["tn", "2110", "tn2110", "27", "inch", "27", "inch"]),
        ("Ages 8+, 18 months+, C++, D3+K2", ["ages", "8", "plus", "18", "months", "plus", "c", "d3", "k2"]),
        ("Case w/o PSU, w/ fan", ["case", "without", "psu", "w", "fan"]),
        ("5' 6''", ["5", "6", "inch"]),
        ('A "quoted" word', ["a", "quoted", "word"]),
        ("10,000 mAh, 1.5 TB, 12,5", ["10000", "mah", "1.5", "tb", "12,5"]),
        ("ｓｈｉｒｔ SHIRT", ["shirt", "shirt"]),
        ("漢字かな abc字", ["漢字", "字か", "かな", "abc", "字"]),
        ("👗 ❤️ & -", []),
        ("", []),
    ],
)
def test_terms(text: str, terms: list[str]) -> None:
    assert analyse(text) == terms


def test_an_items_fields_are_kept_apart() -> None:
    item = Item("AB-1", "Red\nMug", "For tea", {"brand": "Uni", "sizes": ("s", 12), "new": True})
    assert stored_terms(item) == "red mug\nab 1\nuni s 12\nfor tea"
    assert stored_terms(Item("👗")) == "\n\n\n"


def test_words_that_only_variants_titles_have_are_among_the_attributes_once() -> None:
    variants = (
        Variant("a", {"colour": "Black"}),
        Variant("b", title="Mouse - Pink"),
        Variant("c", title="Pink Mouse XL"),
    )
    assert stored_terms(Item("M", "Mouse", variants=variants)) == "mouse\nm a b c\nblack pink xl\n"
