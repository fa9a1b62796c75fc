"""Measures: numbers with units, in all the ways that shops and shoppers write them.

``10 kg``, ``10kg`` and ``10 kilos`` are one thing, and ``1 l`` is ``1000 ml``; a pan of 12 inches is one of 30 cm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import product
from types import MappingProxyType

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

TOLERANCE = 0.025
"""How far, relatively, a rounded amount may be from what it stands for: pans of 12 inches are sold as 30 cm."""


class System(Enum):
    """The systems of units; an amount of one is rounded in the other."""

    METRIC = auto()
    IMPERIAL = auto()


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: every folded spelling, some of several words, the quantity that it measures, and how much of that
    quantity's smallest unit it is. ``glued`` spellings count only where the number stands right before: ``12in``."""

    names: tuple[str, ...]
    quantity: str
    size: float = 1.0
    system: System = System.METRIC
    glued: tuple[str, ...] = ()


INCH, OUNCE, POUND, FOOT = 25.4, 28.35, 453.6, 304.8
FLUID_OUNCE = 29.57

UNITS: tuple[Unit, ...] = (
    Unit(("mm", "millimetre", "millimeter"), "length", 1),
    Unit(("cm", "cms", "centimetre", "centimeter", "centimetro", "centímetro"), "length", 10),
    Unit(("m", "mtr", "mtrs", "metre", "meter", "mètre", "metro"), "length", 1000),
    Unit(("inch", "inches", "zoll", "pouce", "pollici", "pulgadas"), "length", INCH, System.IMPERIAL, ("in",)),
    Unit(("ft", "foot", "feet"), "length", FOOT, System.IMPERIAL),
    Unit(("mg", "milligram", "milligramm"), "mass", 0.001),
    Unit(("g", "gr", "gram", "gramm", "gramme", "gramo", "grammi"), "mass", 1),
    Unit(("kg", "kgs", "kilo", "kilogram", "kilogramm", "kilogramme"), "mass", 1000),
    Unit(("oz", "ounce"), "mass", OUNCE, System.IMPERIAL),
    Unit(("lb", "lbs", "pound"), "mass", POUND, System.IMPERIAL),
    Unit(("ml", "mls", "millilitre", "milliliter"), "volume", 1),
    Unit(("cl", "centilitre", "centiliter"), "volume", 10),
    Unit(("l", "lt", "ltr", "ltrs", "litre", "liter", "litro", "litri"), "volume", 1000),
    Unit(("oz", "ounce", "fl oz", "fluid ounce"), "volume", FLUID_OUNCE, System.IMPERIAL),
    Unit(("gallon", "gal"), "gallons"),
    Unit(("w", "watt"), "power", 1),
    Unit(("kw", "kilowatt"), "power", 1000),
    Unit(("v", "volt"), "voltage"),
    Unit(("mah",), "charge", 1),
    Unit(("ah",), "charge", 1000),
    Unit(("mb", "megabyte"), "memory", 1),
    Unit(("gb", "gigabyte"), "memory", 1024),
    Unit(("tb", "terabyte"), "memory", 1024 * 1024),
    Unit(("hz", "hertz"), "frequency", 1),
    Unit(("khz",), "frequency", 1000),
    Unit(("mhz",), "frequency", 1e6),
    Unit(("ghz",), "frequency", 1e9),
    Unit(("lm", "lumen"), "light"),
    Unit(("mp", "megapixel"), "pixels"),
    Unit(("tc", "thread count"), "threads"),
    Unit(("h", "hr", "hour", "stunde", "heure", "hora"), "time", 60),
    Unit(("min", "minute"), "time", 1),
    Unit(("person", "people", "man", "berth", "personen", "personne", "persona"), "persons", glued=("p",)),
    Unit(
        ("piece", "pc", "pack", "pk", "pkt", "packet", "set", "count", "ct", "er set", "er pack", "stück", "teilig",
         "pièce", "pieza", "pezzi"),
        "pieces",
    ),
)  # fmt: skip
"""Units in which shops write what they sell, in the languages that most are written in. What has other meanings in a
shop, such as ``pint`` or ``speed``, is left out; so is ``in``, but in ``12in``."""

CONTAINERS = ("pack", "set", "box", "bundle", "packet", "case", "lot", "pkt")
"""What so many pieces are sold as: ``set of 6``, ``lot de 6``."""
OF = frozenset({"of", "de", "von", "van", "di", "da", "à"})

NUMBER_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "half": "0.5",
        "one": "1",
        "two": "2",
        "three": "3",
        "four": "4",
        "five": "5",
        "six": "6",
        "seven": "7",
        "eight": "8",
    }
    | {"nine": "9", "ten": "10", "twelve": "12"}
)
SPELLED_NUMBERS: Mapping[str, str] = MappingProxyType({digits: word for word, digits in NUMBER_WORDS.items()})

NUMBER = re.compile(r"\d{1,7}(?:[.,]\d{1,3})?")
GLUED = re.compile(r"(\d{1,7})([^\W\d_]+)")
SIDES = re.compile(r"\d{1,5}(?:x\d{1,5}){1,2}(?P<unit>[^\W\d_]*)")
MAX_SIDES = 3
SIDE_UNITS = ("cm", "mm", "m", "in", "inch", "ft")

Words = tuple[tuple[str, ...], ...]
"""Words next to each other, each of them any of some."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """One way in which texts may write a measure, and how much that counts, 1 for the measure itself."""

    words: Words
    weight: float


@dataclass(frozen=True, slots=True)
class Measure:
    """Part of a text that is a measure: its ``terms`` as they stand there; the number, or the numbers of two or three
    sides; and the units that may be meant, none for sides."""

    terms: tuple[str, ...]
    numbers: tuple[str, ...]
    units: tuple[Unit, ...] = ()

    def __str__(self) -> str:
        """The measure as it stands in the text."""
        return " ".join(self.terms)

    @property
    def spellings(self) -> Iterator[Spelling]:
        """All ways to write it, in related units, too."""
        yield Spelling(tuple((term,) for term in self.terms), SAME_MEASURE)
        yield from spellings_of_amount(self.numbers[0], self.units) if self.units else spellings_of_sides(self.numbers)


def by_name(*, glued: bool) -> Mapping[tuple[str, ...], tuple[Unit, ...]]:
    """The units of each name, in words; with ``glued`` those names, too, that stand right after a number only."""
    found: dict[tuple[str, ...], tuple[Unit, ...]] = {}
    for unit in UNITS:
        for name in all_names(unit) if glued else plurals(unit.names):
            key = tuple(name.split())
            found[key] = (*found.get(key, ()), unit)
    return MappingProxyType(found)


def all_names(unit: Unit) -> tuple[str, ...]:
    return (*plurals(unit.names), *unit.glued)


def plurals(names: Sequence[str]) -> tuple[str, ...]:
    """Names, and with an s those that are whole words."""
    whole = (name for name in names if len(name) > 3 and name[-1] not in "si" and name != "inch")
    return (*names, *(f"{name}s" for name in whole))


UNITS_CALLED = by_name(glued=False)
UNITS_GLUED = by_name(glued=True)
LONGEST_NAME = max(map(len, UNITS_GLUED))


def is_unit(word: str) -> bool:
    """Whether a folded word is the name of a unit of more than one letter."""
    return len(word) > 1 and (word,) in UNITS_CALLED


def is_same(one: Measure, other: Measure) -> bool | None:
    """Whether two measures are the same amount, within ``TOLERANCE``; None if they measure different things."""
    if not one.units or not other.units:
        return None if one.units or other.units else sorted(one.numbers) == sorted(other.numbers)
    pairs = [(a, b) for a, b in product(one.units, other.units) if a.quantity == b.quantity]
    if not pairs:
        return None
    amounts = ((amount_of(one) * a.size, amount_of(other) * b.size) for a, b in pairs)
    return any(abs(first - second) <= TOLERANCE * first for first, second in amounts)


def amount_of(measure: Measure) -> float:
    return float(measure.numbers[0].replace(",", "."))


def measured(terms: Sequence[str]) -> list[str | Measure]:
    """The terms of a text, in order, those of each measure in one."""
    found: list[str | Measure] = []
    at = 0
    while at < len(terms):
        measure = measure_at(terms, at)
        found.append(terms[at] if measure is None else measure)
        at += 1 if measure is None else len(measure.terms)
    return found


def measure_at(terms: Sequence[str], at: int) -> Measure | None:
    """The measure that begins at a position of a text's terms, in its longest form; None if none does."""
    return sides_at(terms, at) or pieces_at(terms, at) or amount_at(terms, at)


def amount_at(terms: Sequence[str], at: int) -> Measure | None:
    """A number and its unit, apart or as one word."""
    number = NUMBER_WORDS.get(terms[at], terms[at])
    if NUMBER.fullmatch(number):
        for n_words in range(LONGEST_NAME, 0, -1):
            name = tuple(terms[at + 1 : at + 1 + n_words])
            if len(name) == n_words and (units := UNITS_CALLED.get(name)):
                return Measure(tuple(terms[at : at + 1 + n_words]), (number,), units)
    if glued := GLUED.fullmatch(terms[at]):
        for n_words in range(LONGEST_NAME, 0, -1):
            name = (glued[2], *terms[at + 1 : at + n_words])
            if len(name) == n_words and (units := UNITS_GLUED.get(name)):
                return Measure(tuple(terms[at : at + n_words]), (glued[1],), units)
    return None


def pieces_at(terms: Sequence[str], at: int) -> Measure | None:
    """``set of 6``, which is a set of ``6 pieces``."""
    if terms[at] not in CONTAINERS or len(terms) < at + 3 or terms[at + 1] not in OF:
        return None
    number = NUMBER_WORDS.get(terms[at + 2], terms[at + 2])
    return Measure(tuple(terms[at : at + 3]), (number,), UNITS_CALLED[("set",)]) if number.isdecimal() else None


def sides_at(terms: Sequence[str], at: int) -> Measure | None:
    """Two or three sides, and the unit of all: ``50 x 80 cm``, ``50x80cm``."""
    if whole := SIDES.fullmatch(terms[at]):
        end, unit = at + 1, whole["unit"]
        numbers = re.findall(r"\d+", terms[at])
    else:
        numbers, end, unit = apart_sides(terms, at)
    if len(numbers) < 2 or (unit and (unit,) not in UNITS_GLUED):
        return None
    if not unit and tuple(terms[end : end + 1]) in UNITS_CALLED:
        end += 1
    return Measure(tuple(terms[at:end]), tuple(numbers))


def apart_sides(terms: Sequence[str], at: int) -> tuple[list[str], int, str]:
    """The numbers of ``50 x 80``, where they end, and the unit that the last is joined to."""
    numbers: list[str] = []
    end, unit = at, ""
    while len(numbers) < MAX_SIDES and end < len(terms):
        glued = GLUED.fullmatch(terms[end]) if numbers else None
        if not glued and not NUMBER.fullmatch(terms[end]):
            break
        numbers.append(glued[1] if glued else terms[end])
        end += 1
        unit = glued[2] if glued else ""
        if unit or terms[end : end + 1] != ["x"]:
            break
        end += 1
    if end > at and terms[end - 1] == "x":
        end -= 1
    return numbers, end, unit


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
        amount = float(number.replace(",", ".")) * unit.size
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
    singles = tuple(name for name in plurals(unit.names) if " " not in name)
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
