"""Numbers of attributes: those with decimal commas, and those with their units in a column of their own, as many
systems export what they measure."""

from __future__ import annotations

import re

from vitrina.indexer.sources.column_names import folded, has_word
from vitrina.search.analysis.measures import UNITS_CALLED, UNITS_GLUED
from vitrina.search.types.item import AttributeValue, Scalar

_GROUPED = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?")
_WITH_COMMA = re.compile(r"-?(?:0|[1-9]\d{0,8}),\d{1,6}")
_OF_UNITS = ("_unit", "_units", "_unit_of_measure")
_MEASURED = re.compile(r"-?\d{1,9}(?:[.,]\d{1,6})?")
_PAID = re.compile(r"(?:^|_)(?:price|cost|amount|rate|msrp|rrp)(?:_|$)")
"""Names of what is paid for a unit, and not measured in it."""


def without_comma(column: str, text: str) -> str:
    """A number of a file whose prices have a decimal comma, written with a point and no groups: ``1.500`` as ``1500``,
    ``2,5`` as ``2.5``; any other text as it is. Options stay: sizes ``36,38`` may be two."""
    number = text.strip()
    if _GROUPED.fullmatch(number) or (
        _WITH_COMMA.fullmatch(number) and not has_word(folded(column), "words", "option")
    ):
        return number.replace(".", "").replace(",", ".")
    return text


def join_units(attributes: dict[str, AttributeValue]) -> None:
    """Make one value of a number and the unit in a column of its own: ``500 GRAM`` of ``weight`` and ``weight_unit``.
    What is no number stays as it is, and so does a price."""
    for name in [key for key in attributes if key.endswith(_OF_UNITS)]:
        key = name[: name.rindex("_unit")]
        unit, value = attributes[name], attributes.get(key)
        values = value if isinstance(value, tuple) else (value,)
        if _is_unit(unit) and all(map(_is_measured, values)) and not _PAID.search(key):
            joined = tuple(f"{each} {unit}" for each in values)
            attributes[key] = joined if isinstance(value, tuple) else joined[0]
            del attributes[name]


def _is_unit(text: object) -> bool:
    """Whether a text is the name of a unit of measure, and no word such as ``pieces``, ``stars`` or ``AD``."""
    name = (text.casefold(),) if isinstance(text, str) else ()
    return name in UNITS_CALLED or name in UNITS_GLUED


def _is_measured(value: Scalar | None) -> bool:
    return not isinstance(value, bool) and _MEASURED.fullmatch(str(value)) is not None
