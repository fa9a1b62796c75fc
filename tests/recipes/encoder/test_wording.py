import pytest

from recipes.encoder.labels import key, plural, singular, wordings


@pytest.mark.parametrize(
    ("many", "one"),
    [
        ("Dresses", "Dress"),
        ("watches", "watch"),
        ("boxes", "box"),
        ("Accessories", "Accessory"),
        ("Ties", "Tie"),
        ("Flip Flops", "Flip Flop"),
        ("dress", "dress"),
        ("", ""),
    ],
)
def test_singular(many: str, one: str) -> None:
    assert singular(many) == one


@pytest.mark.parametrize(
    ("one", "many"), [("dress", "dresses"), ("accessory", "accessories"), ("jeans", "jeans"), ("footwear", "footwear")]
)
def test_plural(one: str, many: str) -> None:
    assert plural(one) == many


@pytest.mark.parametrize("spelling", ["T-shirts", "Tshirt", "t shirt", " T_SHIRTS "])
def test_one_key_for_all_spellings(spelling: str) -> None:
    assert key(spelling) == "tshirt"


def test_wordings_begin_with_the_catalogs_own_word_and_hold_synonyms() -> None:
    words = wordings("Tshirts")
    assert words[0] == "Tshirts"
    assert {"tshirt", "tshirts", "tee"} <= set(words)
    assert len(words) == len(set(words))
