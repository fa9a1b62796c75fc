"""Measures: numbers with units, as shops and shoppers write them, and the bounds and ranges of such amounts.

``10 kg``, ``10kg`` and ``10 kilos`` are one thing, and ``1 l`` is ``1000 ml``; a pan of 12 inches is one of 30 cm.
``under 2 kg`` is any amount below that, and a helmet of ``52-58 cm`` is one for ``size 55``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import product
from types import MappingProxyType

from vitrina.search.analysis.bound_words import AFTERWARDS, LESS, MORE, NO_LESS, NO_MORE, bound_at
from vitrina.search.types.sizes import SIZES

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


AGE, PERSONS = "age", "persons"
RANGED = frozenset({"length", "mass", "volume", AGE, PERSONS})
"""The quantities of which things are made for a range: ``46-51 cm``, ``3-6 years``. A phone 12 of 128 GB is none."""

INCH, OUNCE, POUND, FOOT = 25.4, 28.35, 453.6, 304.8
FLUID_OUNCE = 29.57

UNITS: tuple[Unit, ...] = (
    Unit(("mm", "millimetre", "millimeter"), "length", 1),
    Unit(("cm", "cms", "centimetre", "centimeter", "centimetro", "centímetro", "centimetri"), "length", 10),
    Unit(("m", "mtr", "mtrs", "metre", "meter", "mètre", "metro", "metri", "metr"), "length", 1000),
    Unit(("inch", "inches", "zoll", "pouce", "pollici", "pulgada", "polegada", "cali", "tum"), "length", INCH,
         System.IMPERIAL, ("in",)),
    Unit(("ft", "foot", "feet"), "length", FOOT, System.IMPERIAL),
    Unit(("mg", "milligram", "milligramm"), "mass", 0.001),
    Unit(("g", "gr", "gram", "gramm", "gramme", "gramo", "grama", "grammi", "gramów"), "mass", 1),
    Unit(("kg", "kgs", "kilo", "kilogram", "kilogramm", "kilogramme"), "mass", 1000),
    Unit(("oz", "ounce"), "mass", OUNCE, System.IMPERIAL),
    Unit(("lb", "lbs", "pound"), "mass", POUND, System.IMPERIAL),
    Unit(("ml", "mls", "millilitre", "milliliter"), "volume", 1),
    Unit(("cl", "centilitre", "centiliter"), "volume", 10),
    Unit(("l", "lt", "ltr", "ltrs", "litre", "liter", "litro", "litri", "litry", "litrów"), "volume", 1000),
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
    Unit(("year", "yr", "yrs", "yo", "jahr", "jahre", "jahren", "ans", "año", "años", "anno", "anni", "jaar", "ano",
          "anos", "lat", "rok", "år"), AGE, 12),
    Unit(("month", "mth", "mths", "monat", "monate", "monaten", "mois", "mes", "mês", "meses", "mese", "mesi",
          "maand", "maanden", "miesiąc", "miesiące", "miesięcy", "månad", "månader", "måned", "måneder"), AGE, 1),
    Unit(("gsm",), "grammage"),
    Unit(("speed", "spd", "sp", "gear", "gang"), "speeds"),
    Unit(("page", "seite", "seiten"), "pages"),
    Unit(("sheet", "blatt"), "sheets"),
    Unit(("h", "hr", "hour", "stunde", "heure", "hora"), "time", 60),
    Unit(("min", "minute"), "time", 1),
    Unit(
        ("person", "people", "man", "berth", "player", "personen", "personne", "persona", "persone", "pessoa",
         "osoby", "osób", "personer", "spieler", "joueur", "jugador", "giocatori", "jogador", "spelers", "graczy"),
        PERSONS,
        glued=("p",),
    ),
    Unit(
        ("piece", "pc", "pack", "pk", "pkt", "packet", "set", "count", "ct", "er set", "er pack", "stück", "teilig",
         "pièce", "pieza", "pezzo", "pezzi", "peça", "pç", "pçs", "unidad", "unidade", "unidades", "stuk", "stuks",
         "delig", "sztuk", "sztuki", "szt", "częściowy"),
        "pieces",
    ),
)  # fmt: skip
"""Units in which shops write what they sell, in the languages that most are written in. What has other meanings in a
shop, such as ``pint``, is left out; so is ``in``, but in ``12in``."""

CONTAINERS = ("pack", "set", "box", "bundle", "packet", "case", "lot", "pkt")
"""What so many pieces are sold as: ``set of 6``, ``lot de 6``."""
OF = frozenset({"of", "de", "von", "van", "di", "da", "à"})

ENGLISH_NUMBERS: Mapping[str, str] = MappingProxyType(
    {
        "half": "0.5", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
        "eight": "8", "nine": "9", "ten": "10", "twelve": "12",
    }
)  # fmt: skip
NUMBER_WORDS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("zwei", "due", "deux", "dois", "duas", "twee", "dwa", "dwie", "två"), "2"),
        **dict.fromkeys(("drei", "tre", "trois", "tres", "três", "drie", "trzy"), "3"),
        **dict.fromkeys(("vier", "quattro", "quatre", "cuatro", "quatro", "cztery", "fyra"), "4"),
        **dict.fromkeys(("fünf", "cinque", "cinq", "cinco", "vijf", "pięć", "fem"), "5"),
        **dict.fromkeys(("sechs", "seis", "zes", "sześć"), "6"),
        **ENGLISH_NUMBERS,
    }
)
"""Numbers in letters, without words that mean something else in a shop of another language, as Spanish ``dos``."""
SPELLED_NUMBERS: Mapping[str, str] = MappingProxyType({digits: word for word, digits in ENGLISH_NUMBERS.items()})

OPENING = frozenset(
    {"between", "from", "zwischen", "von", "entre", "de", "tra", "fra", "da", "dai", "tussen", "van", "desde", "od"}
    | {"między", "från", "mellan", "mellem"}
)
ROMANCE_TO = ("et", "à", "a", "ai", "y", "e", "até", "hasta")
TO = ("to", "and", "bis", "und", *ROMANCE_TO, "tot", "en", "do", "till", "til", "och", "og")
"""What stands before a range, and between its ends."""
SAME_SCALE = 3
"""How many times its low end the high end of a range can be, where no word says that it is one."""

AGED = frozenset({"age", "aged", "ages", "alter"})
OLD = frozenset({"old", "olds", "alt"})
NUMBER = re.compile(r"\d{1,7}(?:[.,]\d{1,3})?")
GLUED = re.compile(r"(\d{1,7})([^\W\d_]+)")
SIDES = re.compile(r"\d{1,5}(?:x\d{1,5}){1,2}(?P<unit>[^\W\d_]*)")
MAX_SIDES = 3


@dataclass(frozen=True, slots=True)
class Measure:
    """Part of a text that is a measure: its ``terms`` as they stand there; the number, or the numbers of two or three
    sides; the units that may be meant, none for sides and sizes; and ``bounds``, in those units, where it is any amount
    between two: ``at least 30 l``, ``3-6 years``."""

    terms: tuple[str, ...]
    numbers: tuple[str, ...]
    units: tuple[Unit, ...] = ()
    bounds: tuple[float, float] | None = None
    is_size: bool = False
    """Whether it is the number of a size: ``size 57``."""

    def __str__(self) -> str:
        """The measure as it stands in the text."""
        return " ".join(self.terms)

    @property
    def interval(self) -> tuple[float, float]:
        """The least and the most that it is, in its units."""
        amount = amount_of(self.numbers[0])
        return self.bounds or (amount, amount)

    @property
    def is_open(self) -> bool:
        """Whether it is bounded on one side only: ``at least 30 l``."""
        return self.bounds is not None and (self.bounds[0] == 0 or math.isinf(self.bounds[1]))


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
    """Whether a folded word is the name of a unit of more than one letter; ``year`` rather names one."""
    return len(word) > 1 and any(unit.quantity != AGE for unit in UNITS_CALLED.get((word,), ()))


def is_same(one: Measure, other: Measure) -> bool | None:
    """Whether two measures are the same amount, within ``TOLERANCE``, or what one may be is within the other; None if
    they measure different things."""
    if one.is_size or other.is_size:
        return is_same_size(one, other)
    if not one.units or not other.units:
        return None if one.units or other.units else sorted(one.numbers) == sorted(other.numbers)
    pairs = [(a, b) for a, b in product(one.units, other.units) if a.quantity == b.quantity]
    if not pairs:
        return None
    (least, most), (others_least, others_most) = one.interval, other.interval
    return any(
        others_least * b.size <= most * a.size * (1 + TOLERANCE * (one.bounds is None))
        and others_most * b.size >= least * a.size * (1 - TOLERANCE * (one.bounds is None))
        for a, b in pairs
    )


def is_same_size(one: Measure, other: Measure) -> bool | None:
    """Whether a size is another, or within a range, of whatever unit; None if the other is one amount of something."""
    if not (one.is_size and other.is_size) and (one.bounds or other.bounds) is None:
        return None
    (least, most), (others_least, others_most) = one.interval, other.interval
    return others_least <= most and others_most >= least


def amount_of(number: str) -> float:
    return float(NUMBER_WORDS.get(number, number).replace(",", "."))


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
    whole = sides_at(terms, at) or pieces_at(terms, at) or age_at(terms, at) or size_at(terms, at)
    return whole or bounded_at(terms, at) or range_at(terms, at) or amount_at(terms, at)


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


def bounded_at(terms: Sequence[str], at: int) -> Measure | None:
    """``under 200 g``, ``30 litres or more``."""
    found = bound_at(terms, at)
    if found and (amount := amount_at(terms, found[1]) if found[1] < len(terms) else None):
        return within(amount, found[0], (*terms[at : found[1]], *amount.terms))
    if amount := amount_at(terms, at):
        end = at + len(amount.terms)
        for n_words in (2, 1):
            after = tuple(terms[end : end + n_words])
            if (side := AFTERWARDS.get(after)) is not None:
                return within(amount, side, (*amount.terms, *after))
    if terms[at + 1 : at + 2] == ["plus"] and (amount := amount_at([terms[at], *terms[at + 2 :]], 0)):  # 8+ years
        return within(amount, NO_LESS, (terms[at], "plus", *amount.terms[1:])) if len(amount.terms) > 1 else None
    return None


def within(amount: Measure, side: int, terms: tuple[str, ...]) -> Measure:
    """The measure with an amount as its bound on one side."""
    bound, _ = amount.interval
    bounds = {
        NO_MORE: (0.0, bound),
        LESS: (0.0, math.nextafter(bound, 0)),
        NO_LESS: (bound, math.inf),
        MORE: (math.nextafter(bound, math.inf), math.inf),
    }
    return replace(amount, terms=terms, bounds=bounds[side])


def range_at(terms: Sequence[str], at: int) -> Measure | None:
    """``between 250 and 300 ml``, ``3 to 6 years``, ``52-58 cm``."""
    start = at + 1 if terms[at] in OPENING and at + 1 < len(terms) else at
    low = amount_at(terms, start)
    middle = start + (len(low.terms) if low else 1)
    has_word = terms[middle : middle + 1] != [] and terms[middle] in TO
    high = amount_at(terms, middle + has_word) if middle + has_word < len(terms) else None
    number = NUMBER_WORDS.get(terms[start], terms[start])
    if high is None or not (low or NUMBER.fullmatch(number)):
        return None
    least, most = low.interval[0] if low else amount_of(number), high.interval[0]
    if low:  # 6 months to 2 years
        sizes = [a.size / b.size for a, b in product(low.units, high.units) if a.quantity == b.quantity]
        least *= sizes[0] if sizes else math.nan
    scale = math.inf if has_word or any(unit.quantity in (AGE, PERSONS) for unit in high.units) else SAME_SCALE
    is_ranged = has_word or not RANGED.isdisjoint(unit.quantity for unit in high.units)
    is_rising = least == 0 or least < most <= scale * least
    if not (is_ranged and is_rising and (has_word or start == at)):
        return None
    return replace(high, terms=tuple(terms[at : middle + has_word + len(high.terms)]), bounds=(least, most))


def age_at(terms: Sequence[str], at: int) -> Measure | None:
    """``age 4``, ``ages 3-5``, ``aged 6 months``, ``6 year old``."""
    start = at + 1 if terms[at] in AGED and at + 1 < len(terms) else at
    found = bounded_at(terms, start) or range_at(terms, start) or amount_at(terms, start)
    if found is None and start > at:
        found = years_at(terms, start)
    if found is None or not any(unit.quantity == AGE for unit in found.units):
        return None
    end = start + len(found.terms)
    end += terms[end : end + 1] != [] and terms[end] in OLD
    return replace(found, terms=tuple(terms[at:end]))


def years_at(terms: Sequence[str], at: int) -> Measure | None:
    """A number or a range of numbers, which are years: ``4``, ``3 5`` of ``3-5``, ``3 to 5``."""
    for n_terms in (3, 2, 1):
        years = [*terms[at : at + n_terms], "years"]
        found = range_at(years, 0) or amount_at(years, 0)
        if found and len(found.terms) == n_terms + 1:
            return replace(found, terms=found.terms[:-1])
    return None


def size_at(terms: Sequence[str], at: int) -> Measure | None:
    """``size 57``, without a unit."""
    if terms[at] not in SIZES or at + 1 == len(terms) or not NUMBER.fullmatch(terms[at + 1]):
        return None
    if range_at(terms, at + 1) or amount_at(terms, at + 1):
        return None
    return Measure(tuple(terms[at : at + 2]), (terms[at + 1],), is_size=True)
