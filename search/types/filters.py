"""Filters: conditions on an item's facets, all of which must hold.

A facet is a filterable field: every attribute, plus ``sku``, ``price_cents`` and ``currency``. Text compares without
regard to case. The JSON form of one condition, by example::

    {"colour": "navy"}                              equality
    {"colour": ["navy", "black"]}                   any of
    {"price_cents": {"gte": 1000, "lt": 5000}}      range: gt, gte, lt, lte
    {"colour": {"not": "navy"}}                     not (a value, a list or a range); items without a colour hold too
    {"material": {"exists": true}}                  exists, or not
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vitrina.search.types.errors import FilterError
from vitrina.search.types.item import AttributeValue, Item, Scalar, Variant
from vitrina.search.types.sizes import is_of_sizes, same_sizes

BOUNDS = ("gt", "gte", "lt", "lte")
MAX_CONDITIONS = 50
MAX_VALUES = 1000
MAX_VALUE_CHARS = 450
"""No longer value is stored as it is: nobody picks it from a list, and PostgreSQL indexes 2,704 bytes a row."""


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The field holds one of the values (case-folded, as ``facet_value`` writes them)."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """The field holds a number within every bound given."""

    field: str
    gt: float | None = None
    gte: float | None = None
    lt: float | None = None
    lte: float | None = None


@dataclass(frozen=True, slots=True)
class Exists:
    """The item has the field at all."""

    field: str


@dataclass(frozen=True, slots=True)
class Not:
    """The inner condition does not hold."""

    condition: AnyOf | Range | Exists


Condition = AnyOf | Range | Exists | Not


@dataclass(frozen=True, slots=True)
class Facet:
    """One filterable value: its case-folded text, and its number if it is one. ``variant`` is the position of the
    variant that has it; None where the whole item has."""

    field: str
    value: str
    number: float | None = None
    variant: int | None = None


BARCODE = "barcode"
"""The field under which the identifiers of variants are found."""

PRICE = "price_cents"


def facets(item: Item) -> list[Facet]:
    """Every facet of an item, attributes first, then what its variants differ in."""
    of_variants = [
        facet
        for position, variant in enumerate(item.variants)
        for facet in fields_as_facets(variant_fields(variant), position if len(item.variants) > 1 else None)
    ]
    varied = {facet.field for facet in of_variants}
    held = {(facet.field, facet.value) for facet in of_variants}
    builtin: dict[str, AttributeValue | None] = {
        "sku": item.sku,
        "price_cents": None if "price_cents" in varied else item.price_cents,
        "currency": None if "currency" in varied else item.currency,
    }
    fields = {**item.attributes, **{field: value for field, value in builtin.items() if value is not None}}
    own = [facet for facet in fields_as_facets(fields) if (facet.field, facet.value) not in held]
    return own + of_variants


def variant_fields(variant: Variant) -> dict[str, AttributeValue]:
    """What a variant can be filtered by."""
    builtin: dict[str, AttributeValue | None] = {
        "sku": variant.sku or None,
        BARCODE: variant.identifiers or None,
        "price_cents": variant.price_cents,
        "currency": variant.currency,
    }
    return {**variant.options, **{field: value for field, value in builtin.items() if value is not None}}


def fields_as_facets(fields: Mapping[str, AttributeValue], variant: int | None = None) -> list[Facet]:
    return [
        Facet(field, facet_value(value), facet_number(value), variant)
        for field, held in fields.items()
        for value in (held if isinstance(held, tuple) else (held,))
    ]


def facet_value(value: Scalar) -> str:
    """The text under which a value is stored and compared: case-folded, ``2016`` for 2016 and for 2016.0, letters with
    accents in one encoding (NFC); a text of more than ``MAX_VALUE_CHARS`` is ``shortened``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value)
    folded = (text if text.isascii() else unicodedata.normalize("NFC", text)).strip().casefold()
    return folded if len(folded) <= MAX_VALUE_CHARS else shortened(folded)


def shortened(folded: str) -> str:
    """A case-folded text that is too long to be stored as a value: its beginning, and a digest of the whole. The same
    for one that was shortened before."""
    digest = hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{folded[: MAX_VALUE_CHARS - len(digest) - 1]}\u2026{digest}"


def spellings(value: str, field: str = "") -> tuple[str, ...]:
    """A case-folded value, and the other ways in which the catalog may have the same number: ``38`` and ``38.0`` for
    38.00, since files write numbers as they please, and what is stored is ``4.5`` for 4.50; and in a field of sizes the
    same size: ``l`` for ``large``."""
    number = DECIMAL.fullmatch(value)
    if number is None:
        return (is_of_sizes(field) and same_sizes(value)) or (value,)
    whole, digits = number["whole"], (number["digits"] or "").rstrip("0")
    others = (f"{whole}.{digits}",) if digits else (whole, f"{whole}.0")
    return tuple(dict.fromkeys((value, *others)))


DECIMAL = re.compile(r"(?P<whole>-?[0-9]{1,15})(?:\.(?P<digits>[0-9]{0,15}))?")


def facet_number(value: Scalar) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # an int of more than 308 digits: a serial number, not a quantity
        return None


def field_of(condition: Condition) -> str:
    """The field a condition asks about."""
    return field_of(condition.condition) if isinstance(condition, Not) else condition.field


def passes(condition: Condition, item: Item) -> bool:
    """Whether an item satisfies a condition, by one of its variants if it has any; ``search.store.matching`` asks a
    whole catalog the same."""
    return bool(fitting_variants([condition], item)) if item.variants else satisfied(condition, facets(item))


def satisfied(condition: Condition, held: Sequence[Facet]) -> bool:
    """Whether the facets of an item, or of one variant, satisfy a condition."""
    if isinstance(condition, Not):
        return not satisfied(condition.condition, held)
    held = [facet for facet in held if facet.field == condition.field]
    match condition:
        case AnyOf(values=values):
            asked = {spelling for value in values for spelling in spellings(value, condition.field)}
            return any(facet.value in asked for facet in held)
        case Range():
            return any(facet.number is not None and within(condition, facet.number) for facet in held)
        case Exists():
            return bool(held)


def fitting_variants(conditions: Sequence[Condition], item: Item) -> list[int]:
    """The positions of the variants that satisfy every condition by themselves."""
    fitting = list(range(len(item.variants)))
    if not conditions:
        return fitting
    of: dict[int | None, list[Facet]] = defaultdict(list)
    for facet in facets(item):
        of[facet.variant].append(facet)
    for condition in conditions:
        is_denied = isinstance(condition, Not)
        asked = condition.condition if isinstance(condition, Not) else condition
        has_each = satisfied(asked, of[None])  # what the item has as a whole each of its variants has
        fitting = [at for at in fitting if (has_each or satisfied(asked, of[at])) is not is_denied]
    return fitting


def within(bounds: Range, number: float) -> bool:
    """Whether a number lies within every bound given."""
    return (
        (bounds.gt is None or number > bounds.gt)
        and (bounds.gte is None or number >= bounds.gte)
        and (bounds.lt is None or number < bounds.lt)
        and (bounds.lte is None or number <= bounds.lte)
    )


def parse_filters(filters: Mapping[str, object]) -> tuple[Condition, ...]:
    """Read the JSON form. Raises FilterError with the field, the value and the forms that exist."""
    if len(filters) > MAX_CONDITIONS:
        raise FilterError(
            f"{len(filters)} filters were given; the limit is {MAX_CONDITIONS}.", remedy="Ask for fewer fields at once."
        )
    return tuple(parse_condition(field, asked) for field, asked in filters.items())


def parse_condition(field: str, asked: object) -> Condition:
    if isinstance(asked, Mapping):
        return parse_operators(field, asked)
    return AnyOf(field, parse_values(field, asked))


def parse_operators(field: str, asked: Mapping[str, object]) -> Condition:
    operators = set(asked)
    if operators == {"not"}:
        inner = parse_condition(field, asked["not"])
        return inner.condition if isinstance(inner, Not) else Not(inner)
    if operators == {"exists"} and isinstance(asked["exists"], bool):
        return Exists(field) if asked["exists"] else Not(Exists(field))
    if operators and operators <= set(BOUNDS):
        return Range(field, **{bound: parse_bound(field, asked[bound]) for bound in asked})
    raise malformed(field, asked)


def parse_bound(field: str, bound: object) -> float:
    number = facet_number(bound) if isinstance(bound, int | float) else None
    if number is not None and math.isfinite(number):
        return number
    raise FilterError(
        f"The filter on {field!r:.200} has the bound {bound!r:.200}, which is no finite number.",
        remedy='Write bounds as numbers, as in {"price_cents": {"gte": 1000, "lt": 5000}}.',
    )


def parse_values(field: str, asked: object) -> tuple[str, ...]:
    values = list(asked) if isinstance(asked, Sequence) and not isinstance(asked, str) else [asked]
    if not 0 < len(values) <= MAX_VALUES:
        raise FilterError(
            f"The filter on {field!r:.200} lists {len(values)} values; it takes 1 to {MAX_VALUES}.",
            remedy="Name at least one value, or drop the filter.",
        )
    scalars = [value for value in values if isinstance(value, str | int | float | bool)]
    if len(scalars) < len(values):
        raise malformed(field, asked)
    return tuple(facet_value(value) for value in scalars)


def malformed(field: str, asked: object) -> FilterError:
    return FilterError(
        f"The filter on {field!r:.200} cannot be read: {asked!r:.200}.",
        remedy='Use a value, a list of values, {"gte": 1, "lt": 5}, {"not": ...} or {"exists": true}.',
    )


IsValue = Callable[[str, str], bool]
"""Whether some item has a value, case-folded, in a field: ``is_value(field, value)``."""


def parse_filter_arguments(
    arguments: Sequence[str], is_value: IsValue = lambda field, value: False
) -> tuple[Condition, ...]:
    """Read the command line's form, ``KEY=VALUE`` each: ``colour=navy``, ``colour=navy|black``, ``colour=!navy``,
    ``price_cents=1000..5000`` (both ends included, either may be left out), ``material=*`` (exists), ``material=!*``.

    In double quotes, and after a backslash, every sign stands for itself: ``style="Men|Shirts"``, ``size=a\\|b``,
    ``"a=b"=c``. So it does in what an item has for a value: where the size ``a|b`` exists, ``size=a|b`` asks for it,
    too, and ``size=10..12`` for no range.
    """
    return tuple(parse_argument(argument, is_value) for argument in arguments)


QUOTED = r'"(?:[^"\\]|\\.)*"'
FIELD = re.compile(rf"(?P<field>{QUOTED}|[^=]+)=(?P<asked>!*[^!].*)", re.DOTALL)
ALTERNATIVE = re.compile(rf"(?:\A|(?<=\|))(?:{QUOTED}(?=\||\Z)|(?:[^|\\]|\\.)*)", re.DOTALL)
ESCAPED = re.compile(r"\\([|.!*\"\\])")


def parse_argument(argument: str, is_value: IsValue) -> Condition:
    found = FIELD.fullmatch(argument)
    if found is None:
        raise FilterError(
            f"The filter {argument!r:.200} is not KEY=VALUE.",
            remedy="Write colour=navy, colour='navy|black', colour='!navy', price_cents=1000..5000 or material='*'; "
            "or in double quotes what has such signs, as in 'style=\"Men|Shirts\"'.",
        )
    field, asked = literal(found["field"]), found["asked"]
    if asked.startswith("!") and not is_value(field, facet_value(asked)):
        return Not(parse_positive(field, asked.removeprefix("!"), is_value))
    return parse_positive(field, asked, is_value)


def parse_positive(field: str, asked: str, is_value: IsValue) -> AnyOf | Range | Exists:
    whole = facet_value(asked)
    parts = ALTERNATIVE.findall(asked)
    if len(parts) > 1:
        values = [facet_value(literal(part)) for part in parts]
        held = [value for value in values if is_value(field, value)]
        return AnyOf(field, (whole, *held) if is_value(field, whole) else tuple(values))
    if is_value(field, whole):
        return AnyOf(field, (whole,))
    low, dots, high = asked.partition("..")
    if asked == "*":
        return Exists(field)
    if dots and (low or high) and not {'"', "\\"} & set(asked):
        return Range(field, gte=parse_end(field, low), lte=parse_end(field, high))
    return AnyOf(field, (facet_value(literal(asked)),))


def literal(text: str) -> str:
    """A name or a value as typed, without the double quotes around it, and without the backslashes before signs that
    have a meaning in filters."""
    inner = text[1:-1] if re.fullmatch(QUOTED, text, re.DOTALL) else text
    return ESCAPED.sub(r"\1", inner)


def parse_end(field: str, end: str) -> float | None:
    try:
        return parse_bound(field, float(end)) if end else None
    except ValueError:
        raise FilterError(
            f"The filter on {field!r:.200} has the bound {end!r:.200}, which is no number.",
            remedy=f"Write {field}=1000..5000, {field}=1000.. or {field}=..5000.",
        ) from None
