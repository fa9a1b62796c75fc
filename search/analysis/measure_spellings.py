"""How texts may write a measure: in every spelling, in related units, and as part of a range that it is within."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product, zip_longest

from vitrina.search.analysis.measures import (
    AGE,
    CONTAINERS,
    OF,
    PERSONS,
    RANGED,
    SAME_SCALE,
    SPELLED_NUMBERS,
    TO,
    TOLERANCE,
    UNITS,
    Measure,
    Unit,
    amount_of,
    plurals,
)
from vitrina.search.types.sizes import SIZES

SAME_MEASURE = 1.0
"""The weight of the same number of the same unit, however it is spelled."""

EXACT_WEIGHT = 0.9
"""The weight of the same amount in a related unit: ``500 ml`` for ``0.5 l``."""

ROUNDED_WEIGHT = 0.7
"""The weight of an amount that is nearly the same in a unit of another system: ``30 cm`` for ``12 inches``."""

BARE_WEIGHT = 0.4
BARE = frozenset({"length", "persons", "pieces"})
"""The weight of the number without a unit, and the quantities whose numbers stand without: ``30 x 20 x 10 cm`` for
``30 cm``, ``sleeps six``."""

RANGE_WEIGHT = 0.9
"""The weight of a range that the amount is within: ``52-58 cm`` for ``57 cm``."""

OPEN_WEIGHT = 0.7
"""The weight of a bound that the amount keeps: ``up to 25 kg`` for ``20 kg``, ``8+`` for an age of 10."""

YEAR = next(unit for unit in UNITS if "year" in unit.names)

UP_TO = (
    (("up",), ("to",)),
    (("max", "maximum", "maximal"),),
    (("bis",), ("zu",)),
    (("até", "hasta"),),
    (("fino",), ("a",)),
)
FROM = ("from", "over", "above", "min", "minimum", "ab", "dès", "desde", "dai", "da", "vanaf", "od", "från", "fra")
AGES = (
    (0, 1.5, ("baby", "babies", "infant", "infants", "newborn", "bebé", "bebés", "bébé", "bébés", "bebê", "bebês",
              "neonato", "neonata", "neonati", "niemowlę", "niemowląt", "säugling")),
    (1, 4, ("toddler", "toddlers", "kleinkind", "kleinkinder", "peuter", "peuters")),
    (3, 13, ("kid", "kids", "child", "children", "childrens", "boy", "boys", "girl", "girls", "junior", "juniors",
             "kinder", "jungen", "mädchen", "niño", "niños", "niña", "niñas", "infantil", "infantiles",
             "enfant", "enfants", "garçon", "fille", "bambino", "bambina", "bambini", "bambine", "bimbo", "bimba",
             "kinderen", "jongens", "meisjes", "dziecko", "dzieci", "dziecięcy", "criança", "crianças", "infantis",
             "menino", "menina", "meninos", "meninas")),
    (11, 18, ("teen", "teens", "teenager", "teenagers", "youth", "youths", "jugendliche", "juvenil", "adolescente",
              "ado", "ragazzo", "ragazza", "tiener", "tieners", "młodzieżowy")),
)  # fmt: skip
"""What people of an age, in years, from the first up to the second, are called; it counts as a bare number does."""

MOST_BARE = 150
"""The largest number of a range that may stand without a unit."""

SIDE_UNITS = ("cm", "mm", "m", "in", "inch", "ft")


@dataclass(frozen=True, slots=True)
class Numbers:
    """Any number from ``least`` to ``most``, by itself or, with ``units``, joined to one of these names."""

    least: float
    most: float
    units: tuple[str, ...] = ()


Words = tuple[tuple[str, ...] | Numbers, ...]
"""Words next to each other, each of them any of some."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """One way in which texts may write a measure, and how much that counts, 1 for the measure itself."""

    words: Words
    weight: float


def spellings(measure: Measure) -> Iterator[Spelling]:
    """All ways to write a measure, in related units, too."""
    yield Spelling(tuple((term,) for term in measure.terms), SAME_MEASURE)
    if measure.is_size:
        yield from spellings_of_size(measure.numbers[0])
    elif measure.bounds is not None:
        yield from spellings_within(*measure.bounds, measure.units)
    elif measure.units:
        yield from spellings_of_amount(measure.numbers[0], measure.units)
        yield from ranges_around(amount_of(measure.numbers[0]), measure.units)
    else:
        yield from spellings_of_sides(measure.numbers)


def spellings_within(least: float, most: float, units: Sequence[Unit]) -> Iterator[Spelling]:
    """Every amount between two, in whatever unit of the quantity, and every range that has some of them."""
    for unit, other in product(units, UNITS):
        if other.quantity != unit.quantity:
            continue
        names, scale = single_names(other), unit.size / other.size
        within = (least * scale, most * scale)
        weight = SAME_MEASURE if other.system is unit.system else ROUNDED_WEIGHT
        yield Spelling((Numbers(*within), names), weight)
        yield Spelling((Numbers(*within, units=(*names, *other.glued)),), weight)
        if other is unit and unit.quantity in RANGED:
            yield from ranges(Numbers(0, within[1]), Numbers(within[0], math.inf), names, RANGE_WEIGHT)
    if any(unit.quantity == AGE for unit in units):
        yield from bare_ages(*(bound * units[0].size / YEAR.size for bound in (least, most)))


def ranges_around(amount: float, units: Sequence[Unit]) -> Iterator[Spelling]:
    """Every range of a unit that an amount is within, and every bound that it keeps."""
    for unit in units:
        if unit.quantity == AGE:
            yield from ages_around(amount * unit.size / YEAR.size)
        if unit.quantity not in RANGED - {AGE}:
            continue
        names, is_counted = single_names(unit), unit.quantity == PERSONS
        low = Numbers(0 if is_counted else amount / SAME_SCALE, amount)
        high = Numbers(amount, math.inf if is_counted else amount * SAME_SCALE)
        yield from ranges(low, high, names, RANGE_WEIGHT)
        yield from (Spelling((*words, high, names), OPEN_WEIGHT) for words in UP_TO)
        yield Spelling((low, ("plus",), names), OPEN_WEIGHT)
        if is_counted and amount <= MOST_BARE:
            yield Spelling((whole_numbers(1, amount), whole_numbers(amount, SAME_SCALE * amount)), BARE_WEIGHT)


def ages_around(years: float) -> Iterator[Spelling]:
    """Every range of ages, in years or months, and least age that an age keeps, and what people of it are called."""
    for unit in (unit for unit in UNITS if unit.quantity == AGE):
        amount, names = years * YEAR.size / unit.size, single_names(unit)
        low = Numbers(0, amount)
        yield from ranges(low, Numbers(amount, math.inf), names, RANGE_WEIGHT)
        least = ((low, ("plus",), names), (low, names, ("plus",)), (FROM, low, names))
        yield from (Spelling(words, OPEN_WEIGHT) for words in least)
    yield from bare_ages(0, years)
    yield from (Spelling((people,), BARE_WEIGHT) for least, most, people in AGES if least <= years < most)


def bare_ages(least: float, most: float) -> Iterator[Spelling]:
    """Least ages in years without the word: ``8+``."""
    if math.isfinite(most):
        yield Spelling((Numbers(least, most), ("plus",)), OPEN_WEIGHT)


def ranges(low: Numbers, high: Numbers, names: tuple[str, ...], weight: float) -> Iterator[Spelling]:
    """Two numbers and a unit, with and without a word between the numbers, and a blank before the unit."""
    joined = replace(high, units=names)
    yield from (Spelling(words, weight) for words in ((low, high, names), (low, TO, high, names), (low, joined)))


def spellings_of_size(number: str) -> Iterator[Spelling]:
    """The number by itself, and ranges of numbers of about its size, whatever their unit."""
    yield Spelling((numerals(number),), SAME_MEASURE)
    size = amount_of(number)
    if size <= MOST_BARE:
        yield Spelling((whole_numbers(size / 1.5, size), whole_numbers(size, 1.5 * size)), RANGE_WEIGHT)


def whole_numbers(least: float, most: float) -> tuple[str, ...]:
    return tuple(map(str, range(math.ceil(least), math.floor(most) + 1)))


def single_names(unit: Unit) -> tuple[str, ...]:
    """The names of a unit that are one word."""
    return tuple(name for name in plurals(unit.names) if " " not in name)


def spellings_of_sides(numbers: Sequence[str]) -> Iterator[Spelling]:
    """The sides in the order that was asked for, then in the other; in whatever unit, since few shops name it."""
    for order, weight in ((numbers, SAME_MEASURE), (tuple(reversed(numbers)), EXACT_WEIGHT)):
        whole = "x".join(order)
        each = [(number, *(f"{number}{unit}" for unit in SIDE_UNITS)) for number in order]
        apart = tuple(word for side in each for word in (side, ("x",)))[:-1]
        yield from (Spelling(words, weight) for words in (((whole, *(whole + unit for unit in SIDE_UNITS)),), apart))
        yield Spelling(tuple(each), weight)


def spellings_of_amount(number: str, units: Sequence[Unit]) -> Iterator[Spelling]:
    """All spellings of a number of a unit that may be any of ``units``, related units among them."""
    for unit in units:
        yield from in_unit(numerals(number), unit, SAME_MEASURE)
        if unit.quantity == "pieces":
            containers = (CONTAINERS, tuple(OF), numerals(number))
            yield Spelling(containers, SAME_MEASURE)
        amount = amount_of(number) * unit.size
        for other in UNITS:
            if other.quantity == unit.quantity and other is not unit and amount:
                exact = other.system is unit.system
                numbers = tuple(written(amount / other.size) if exact else rounded(amount / other.size))
                yield from in_unit(numbers, other, EXACT_WEIGHT if exact else ROUNDED_WEIGHT)
    if any(unit.quantity in BARE for unit in units):
        yield Spelling((numerals(number),), BARE_WEIGHT)


def numerals(number: str) -> tuple[str, ...]:
    """A number with a point, with a comma, and as a word."""
    point = number.replace(",", ".")
    whole = point.removesuffix(".0")
    found = (point, point.replace(".", ","), whole, SPELLED_NUMBERS.get(whole, whole))
    return tuple(dict.fromkeys(found))


def in_unit(numbers: Sequence[str], unit: Unit, weight: float) -> Iterator[Spelling]:
    """Numbers of one unit, apart and as one word."""
    whole = tuple(number for number in numbers if number.isdecimal())
    singles = single_names(unit)
    if numbers:
        yield Spelling((tuple(numbers), singles), weight)
    if whole:
        yield Spelling((tuple(f"{number}{name}" for number, name in product(whole, (*singles, *unit.glued))),), weight)
    for first, rest in (name.split(" ", 1) for name in unit.names if numbers and " " in name):
        words = tuple((word,) for word in rest.split())
        yield Spelling((tuple(numbers), (first,), *words), weight)
        yield Spelling((tuple(f"{number}{first}" for number in numbers), *words), weight)


def written(amount: float) -> Iterator[str]:
    """An amount as digits, if two decimals are enough."""
    if 0.01 <= amount < 1e7 and abs(round(amount, 2) - amount) < 1e-6 * amount:
        yield from numerals(f"{amount:.2f}".rstrip("0").rstrip("."))


def rounded(amount: float) -> Iterator[str]:
    """The numbers near an amount that shops would write for it."""
    steps = (0.1, 0.5, 1, 5, 10, 50, 100)
    near = dict.fromkeys(round(round(amount / step) * step, 2) for step in steps if step <= amount)
    for number in near:
        if abs(number - amount) <= TOLERANCE * amount:
            yield from numerals(f"{number:g}")


LETTER_SIZES = frozenset({"xxs", "xs", "s", "m", "l", "xl", "xxl", "xxxl", "pp", "p", "g", "gg", "xg"})
"""Sizes in letters; those of Brazil last."""


def without_size_words(parts: Sequence[str | Measure]) -> list[str | Measure]:
    """The parts of a text without a word for sizes before one in letters: items may say ``L`` alone."""
    followed = zip_longest(parts, parts[1:], fillvalue="")
    return [part for part, following in followed if part not in SIZES or following not in LETTER_SIZES]
