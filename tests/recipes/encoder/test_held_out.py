from __future__ import annotations

import pytest

from recipes.encoder.held_out import HELD_OUT_CLASSES, held_out_class, is_kept_from_training


def test_there_are_25_held_out_classes() -> None:
    assert len(HELD_OUT_CLASSES) == 25


@pytest.mark.parametrize(
    ("source", "title", "expected"),
    [
        ("caltech101-products", "cellphone", "cellphone"),
        ("sweethome3d-renders", "Apple iPhone", "cellphone"),
        ("sweethome3d-recoloured", "dark green wooden bench", "bench"),
        ("sweethome3d-icons", "Piano bench", None),
        ("sweethome3d-icons", "Desk lamp", None),
        ("sweethome3d-icons", "Workbench", None),
        ("emoji-objects", "hammer and wrench", "wrench"),
        ("caltech101-products", "umbrella", None),
        ("fashion-train", "Fastrack Anchor Print T-shirt", None),
    ],
)
def test_a_class_is_known_by_the_words_of_its_title(source: str, title: str, expected: str | None) -> None:
    assert held_out_class(source, title) == expected


def test_a_class_that_only_the_article_names_is_kept_from_training() -> None:
    assert is_kept_from_training("sweethome3d-icons", "Tulips", "Blend Swap, Flowers, Vase, Decoration")
    assert held_out_class("sweethome3d-icons", "Tulips") is None


def test_the_held_out_shops_are_kept_whole() -> None:
    assert is_kept_from_training("demo-shop-products", "Anything")
    assert is_kept_from_training("zava-diy-products", "Anything")
    assert not is_kept_from_training("grocery-train", "Anything")
