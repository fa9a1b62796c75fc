"""Colours satisfy the wider names of their families, and no other shade."""

from __future__ import annotations

import pytest

from vitrina.search.analysis.spelling import split
from vitrina.search.understanding.catalog_attributes import Vocabulary
from vitrina.search.understanding.colours import COLOURS, FAMILIES, are_colours, colour_of

VALUES = (
    *("Black", "White", "Off White", "Cream", "Grey", "Charcoal", "Grey Melange", "Blue", "Navy Blue", "Sky", "Teal"),
    *("Turquoise Blue", "Green", "Olive", "Sea Green", "Fluorescent Green", "Red", "Maroon", "Brown", "Coffee Brown"),
    *("Tan", "Gold", "Silver", "Multi", "Black/White", "Ocean Navy Blue", "Khaki"),
)
VOCABULARY = Vocabulary({"colour": VALUES})


def satisfied_by(asked: str) -> set[str]:
    match = VOCABULARY.match(split(asked))
    return set(match.values) if match else set()


def named_by(asked: str) -> set[str]:
    match = VOCABULARY.match(split(asked))
    return set(match.values) - set(match.narrower) if match else set()


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("blue", {"Blue", "Navy Blue", "Sky", "Teal", "Turquoise Blue", "Ocean Navy Blue"}),
        ("dark blue", {"Blue", "Navy Blue", "Teal", "Turquoise Blue", "Ocean Navy Blue"}),
        ("pale blue", {"Blue", "Sky", "Teal", "Turquoise Blue"}),
        ("navy", {"Navy Blue", "Ocean Navy Blue"}),
        ("sky blue", {"Sky"}),
        ("turquoise", {"Turquoise Blue"}),
        ("olive green", {"Olive"}),
        ("green", {"Green", "Olive", "Sea Green", "Fluorescent Green", "Teal", "Khaki"}),
        ("neon green", {"Green", "Fluorescent Green", "Sea Green", "Teal", "Khaki"}),
        ("gray", {"Grey", "Charcoal", "Grey Melange"}),
        ("white", {"White", "Off White", "Cream", "Black/White"}),
        ("offwhite", {"Off White"}),
        ("dark red", {"Red", "Maroon"}),
        ("coffee", {"Coffee Brown"}),
        ("metallic", {"Gold", "Silver"}),
        ("multicoloured", {"Multi"}),
        ("lavender", set()),
    ],
)
def test_what_satisfies_a_colour(asked: str, expected: set[str]) -> None:
    assert satisfied_by(asked) == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("blue", {"Blue"}), ("navy", {"Navy Blue"}), ("dark blue", set()), ("black", {"Black"}), ("gold", {"Gold"})],
)
def test_what_a_colour_names(asked: str, expected: set[str]) -> None:
    assert named_by(asked) == expected


@pytest.mark.parametrize(
    ("name", "family"),
    [("Navy Blue", "blue"), ("teal", "blue"), ("deep red", "red"), ("Turquoise Blue", "blue"), ("magenta", "pink")],
)
def test_the_main_family(name: str, family: str) -> None:
    colour = colour_of(split(name))
    assert colour is not None
    assert colour.family == family


def test_no_colour() -> None:
    assert colour_of(split("striped")) is None
    assert colour_of([]) is None


def test_families_are_colours_of_their_own() -> None:
    assert {COLOURS[family].family for family in FAMILIES} == set(FAMILIES)


@pytest.mark.parametrize(
    ("field", "values", "expected"),
    [
        ("shade", ("red", "blue", "Ocean", "Sunset"), True),
        ("frame_color", ("Ocean",), True),
        ("article", ("Orange", "Lime", "Lemon", "Peach", "Plum"), False),
        ("article", ("Shirts", "Red", "Blue", "Ties", "Jeans"), False),
        ("article", (), False),
    ],
)
def test_which_fields_hold_colours(field: str, values: tuple[str, ...], expected: bool) -> None:
    assert are_colours(field, [split(value) for value in values]) is expected
