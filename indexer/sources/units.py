"""Numbers and their units in two columns, as many systems export what they measure."""

from __future__ import annotations

import re

from vitrina.search.analysis.measures import UNITS_CALLED, UNITS_GLUED
from vitrina.search.types.item import AttributeValue, Scalar

_OF_UNITS = ("_unit", "_units", "_unit_of_measure")
_MEASURED = re.compile(r"-?\d{1,9}(?:[.,]\d{1,6})?")
_PAID = re.compile(r"(?:^|_)(?:price|cost|amount|rate|msrp|rrp)(?:_|$)")
"""Names of what is paid for a unit, and not measured in it."""


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
