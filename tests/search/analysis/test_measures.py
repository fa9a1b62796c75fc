"""Measures are found in every spelling, and compared by what they amount to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrina.search.analysis.analyser import analyse
from vitrina.search.analysis.measure_spellings import (
    BARE_WEIGHT,
    EXACT_WEIGHT,
    OPEN_WEIGHT,
    RANGE_WEIGHT,
    ROUNDED_WEIGHT,
    SAME_MEASURE,
    Numbers,
    spellings,
)
from vitrina.search.analysis.measures import GLUED, NUMBER, Measure, amount_of, is_same, is_unit, measured


def only(text: str) -> Measure:
    """The measure that a whole text is."""
    found = measured(analyse(text))
    assert len(found) == 1, found
    assert isinstance(found[0], Measure), found
    return found[0]


def weight(asked: str, text: str) -> float:
    """The largest weight of a spelling of a measure that a text has, 0 without any."""
    terms = analyse(text)
    weights = [0.0]
    for spelling in spellings(only(asked)):
        n = len(spelling.words)
        runs = (terms[at : at + n] for at in range(len(terms) - n + 1))
        if any(all(map(is_one_of, run, spelling.words)) for run in runs):
            weights.append(spelling.weight)
    return max(weights)


def is_one_of(term: str, words: tuple[str, ...] | Numbers) -> bool:
    if not isinstance(words, Numbers):
        return term in words
    number, unit = glued.groups() if (glued := GLUED.fullmatch(term)) else (term, "")
    is_number = NUMBER.fullmatch(number) is not None and (unit in words.units if words.units else not unit)
    return is_number and words.least <= amount_of(number) <= words.most


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("10 kg dumbbell", ["10 kg", "dumbbell"]),
        ("dumbbell 10kg", ["dumbbell", "10kg"]),
        ("1.7l kettle", ["1.7 l", "kettle"]),
        ('27.5" wheel', ["27.5 inch", "wheel"]),
        ("two man tent", ["two man", "tent"]),
        ("400 thread count sheets", ["400 thread count", "sheets"]),
        ("set of 6 glasses", ["set of 6", "glasses"]),
        ("lot de 6 verres", ["lot de 6", "verres"]),
        ("6er set gläser", ["6er set", "gläser"]),
        ("rug 160 x 230 cm", ["rug", "160 x 230 cm"]),
        ("towel 50x80cm", ["towel", "50x80cm"]),
        ("12 in 1 tool", ["12", "in", "1", "tool"]),
        ("iphone 12 case", ["iphone", "12", "case"]),
        ("3 x", ["3", "x"]),
        ("air max 90", ["air", "max", "90"]),
        ("tn2110 toner", ["tn2110", "toner"]),
        ("lock under 1 kg", ["lock", "under 1 kg"]),
        ("bag, at least 30 litres", ["bag", "at least 30 litres"]),
        ("30 l or more", ["30 l or more"]),
        ("144hz or faster monitor", ["144hz or faster", "monitor"]),
        ("tafel langer dan 2 meter", ["tafel", "langer dan 2 meter"]),
        ("plecak powyżej 20 l", ["plecak", "powyżej 20 l"]),
        ("shampoo between 250 and 300 ml", ["shampoo", "between 250 and 300 ml"]),
        ("250-300ml", ["250 300ml"]),
        ("gift for a 6-year-old girl", ["gift", "for", "a", "6 year old", "girl"]),
        ("games for ages 3-5", ["games", "for", "ages 3 5"]),
        ("aged 6 months", ["aged 6 months"]),
        ("8+ years", ["8 plus years"]),
        ("helmet size 57", ["helmet", "size 57"]),
        ("skarpetki rozmiar 44", ["skarpetki", "rozmiar 44"]),
        ("skor storlek 42", ["skor", "storlek 42"]),
        ("iphone 12 128 gb", ["iphone", "12", "128 gb"]),
        ("between 20 and 30", ["between", "20", "and", "30"]),
        ("set of", ["set", "of"]),
        ("giochi dai 3 ai 6 anni", ["giochi", "dai 3 ai 6 anni"]),
        ("brinquedo 3 anos", ["brinquedo", "3 anos"]),
        ("até 15 kg", ["até 15 kg"]),
        ("oltre i 10 kg", ["oltre i 10 kg"]),
        ("a partir de 3 anos", ["a partir de 3 anos"]),
        ("klocki od 3 lat", ["klocki", "od 3 lat"]),
        ("quebra-cabeça 1000 peças", ["quebra", "cabeça", "1000 peças"]),
        ("televisor 55 polegadas", ["televisor", "55 polegadas"]),
        ("mesa seis personas", ["mesa", "seis personas"]),
    ],
)
def test_measures_in_a_text(text: str, parts: list[str]) -> None:
    assert [str(part) for part in measured(analyse(text))] == parts


@pytest.mark.parametrize(
    ("asked", "text", "expected"),
    [
        ("30 ltr", "Rucksack 30L", SAME_MEASURE),
        ("30 litres", "Rucksack 30 Liter", SAME_MEASURE),
        ("1.5 l", "Topf 1,5 Liter", SAME_MEASURE),
        ("0.5 l", "Bottle 500ml", EXACT_WEIGHT),
        ("500 ml", "Bottle 0.5 L", EXACT_WEIGHT),
        ("12 inch", "Pan 30cm", ROUNDED_WEIGHT),
        ("30 cm", 'Pan 12"', ROUNDED_WEIGHT),
        ("12oz", "Mug 350 ml", ROUNDED_WEIGHT),
        ("2 lb", "Loaf tin 900g", ROUNDED_WEIGHT),
        ("half litre", "Bottle 500ml", EXACT_WEIGHT),
        ("2 person", "Tent, 2 man", SAME_MEASURE),
        ("12sp", "Chain 12-speed", SAME_MEASURE),
        ("two man", "Tent 2P", SAME_MEASURE),
        ("6 pack", "Jars, pack of 6", SAME_MEASURE),
        ("set of six", "Jars 6pk", SAME_MEASURE),
        ("400tc", "Sheet 400 Thread Count", SAME_MEASURE),
        ("50 x 80", "Mat 80x50 cm", EXACT_WEIGHT),
        ("50 x 80 cm", "Mat 50cm x 80cm", SAME_MEASURE),
        ("50x80", "Mat 50\u00d780", SAME_MEASURE),
        ("30 cm", "Box 40 x 30 x 20", BARE_WEIGHT),
        ("6 people", "Sleeps six", BARE_WEIGHT),
        ("10 kg", "Pack of 10", 0),
        ("10 kg", "Bells 2 to 24 kg", 0),
        ("30 l", "Rucksack 20 L", 0),
        ("12 inch", "Pan 28 cm", 0),
        ("57 cm", "Helmet 52-58 cm", RANGE_WEIGHT),
        ("57 cm", "Helmet 46-51 cm", 0),
        ("size 57", "Helmet 52-58 cm", RANGE_WEIGHT),
        ("size 57", "Helmet 57", SAME_MEASURE),
        ("size 57", "Tyre 40-622", 0),
        ("age 4", "3-6 years", RANGE_WEIGHT),
        ("4 years old", "3 to 6 years", RANGE_WEIGHT),
        ("age 10", "Ages 8+", OPEN_WEIGHT),
        ("age 7", "Ages 8+", 0),
        ("age 4", "from 2 years", OPEN_WEIGHT),
        ("2 years", "Sleeping bag 18-36 months", RANGE_WEIGHT),
        ("2 years", "Toy, 18 months+", OPEN_WEIGHT),
        ("10 year old", "T-shirt for kids", BARE_WEIGHT),
        ("6 months", "Toy for babies", BARE_WEIGHT),
        ("30 years", "T-shirt for kids", 0),
        ("20 kg", "Lead for dogs up to 25 kg", OPEN_WEIGHT),
        ("64 gb", "Phone 12 128 GB", 0),
        ("under 1 kg", "Lock 0.35 kg", SAME_MEASURE),
        ("under 1 kg", "Lock 350g", SAME_MEASURE),
        ("under 1 kg", "Lock 1 kg", 0),
        ("up to 1 kg", "Lock 1 kg", SAME_MEASURE),
        ("at least 30 l", "Pannier 40 l", SAME_MEASURE),
        ("at least 30 l", "Pannier 20 l", 0),
        ("between 250 and 300 ml", "Shampoo 0.25 l", SAME_MEASURE),
        ("ages 3-5", "4-8 years", RANGE_WEIGHT),
    ],
)
def test_spellings(asked: str, text: str, expected: float) -> None:
    assert weight(asked, text) == expected


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("30 ltr", "30L", True),
        ("12 inch", "30 cm", True),
        ("1 kg", "1000 g", True),
        ("12 oz", "350 ml", True),
        ("12 oz", "340 g", True),
        ("30 l", "20 l", False),
        ("30 l", "30 cm", None),
        ("50x80", "80 x 50 cm", True),
        ("50x80", "60x80", False),
        ("50x80", "50 cm", None),
        ("under 200 g", "0.12 kg", True),
        ("under 200 g", "200 g", False),
        ("at least 30 l", "20 l", False),
        ("8 kg", "6-10 kg", True),
        ("12 kg", "6-10 kg", False),
        ("2 years", "18 months+", True),
        ("size 57", "52-58 cm", True),
        ("size 57", "46-51 cm", False),
        ("size 57", "90 cm", None),
    ],
)
def test_amounts_compare_by_what_they_measure(one: str, other: str, same: bool | None) -> None:
    assert is_same(only(one), only(other)) is same


WORDS = [
    *(
        "2",
        "2.5",
        "10kg",
        "x",
        "50x80",
        "cm",
        "set",
        "of",
        "six",
        "er",
        "fl",
        "oz",
        "0",
        "a",
        "under",
        "at",
        "least",
        "up",
    ),
    *(
        "to",
        "between",
        "and",
        "from",
        "size",
        "age",
        "aged",
        "year",
        "years",
        "old",
        "months",
        "plus",
        "or",
        "more",
        "max",
    ),
]


@given(st.lists(st.sampled_from(WORDS)))
def test_every_term_stays_and_any_spelling_is_whole(terms: list[str]) -> None:
    parts = measured(terms)
    assert [term for part in parts for term in (part.terms if isinstance(part, Measure) else (part,))] == terms
    measures = [part for part in parts if isinstance(part, Measure)]
    assert all(word for part in measures for spelling in spellings(part) for word in spelling.words)
    assert all(is_same(part, part) for part in measures)


def test_a_letter_by_itself_is_no_unit() -> None:
    assert is_unit("inches")
    assert is_unit("kg")
    assert not is_unit("l")
    assert not is_unit("in")


@pytest.mark.parametrize(
    ("asked", "met", "other"),
    [
        ("not over 2 kg", "2 kg", "2.1 kg"),
        ("no heavier than 2 kg", "1.5 kg", "3 kg"),
        ("does not weigh more than 2 kg", "1.5 kg", "3 kg"),
        ("not longer than 1 m", "90 cm", "2 m"),
        ("not bigger than 30 cm", "30 cm", "31 cm"),
        ("no more than 30 cm", "30 cm", "31 cm"),
        ("not under 2 kg", "2 kg", "1 kg"),
        ("no less than 2 kg", "2 kg", "1 kg"),
        ("not smaller than 30 cm", "30 cm", "20 cm"),
        ("nicht über 2 kg", "2 kg", "3 kg"),
        ("nicht schwerer als 2 kg", "2 kg", "3 kg"),
        ("pas plus de 2 kg", "2 kg", "3 kg"),
        ("no más de 2 kg", "2 kg", "3 kg"),
        ("non più di 2 kg", "2 kg", "3 kg"),
    ],
)
def test_a_denied_bound_is_the_opposite_one(asked: str, met: str, other: str) -> None:
    measures = [part for part in measured(analyse(asked)) if isinstance(part, Measure)]
    assert [is_same(measures[0], only(text)) for text in (met, other)] == [True, False]
