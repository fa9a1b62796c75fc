"""Names and values in the cells of a table: in two columns, in a text, and in objects."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TypeVar

from vitrina.indexer.sources.cells import is_blank, parse_literal
from vitrina.indexer.sources.dialects.dialect import Pair

Cells = Mapping[str, object]
T = TypeVar("T")


def of_pair(pair: Pair, name: object, value: object) -> Iterator[tuple[str, object]]:
    """The names and values of two cells."""
    if is_blank(name) or is_blank(value):
        return
    names, values = [str(name)], [value]
    if isinstance(name, list) and isinstance(value, list):  # of rows that continue each other
        names, values = [*map(str, name)], value
    if pair.between:
        names, values = [*_parts(str(name), pair.between)], [*_parts(str(value), pair.between)]
    for own, of_own in zip(names, values, strict=False):
        split = split_list(of_own, pair.split) if isinstance(of_own, str) else of_own
        if part := _part(pair, own):
            yield part, [_part(pair, each) for each in split] if isinstance(split, list) else _part(pair, split)


def _part(pair: Pair, cell: T) -> T | str:
    """What of a cell counts."""
    if not isinstance(cell, str):
        return cell
    match = re.match(pair.part, cell) if pair.part else None
    return (match[match.lastindex or 0] if match else cell).strip()


def read_pairs(text: str, pattern: str, mark: str = "") -> Iterator[tuple[str, object]]:
    """The names and values that a pattern finds in a text, several values as a list."""
    for match in re.finditer(pattern, text):
        if name := match["name"].strip():
            yield name, split_list(match["value"].strip(), mark)


def object_pairs(
    cell: object, names: Sequence[str], values: Sequence[str], units: Sequence[str] = ()
) -> Iterator[tuple[str, object]]:
    """The names and values, with their units, in a list of objects, or in one; values of one name are one list."""
    found: dict[str, list[object]] = {}
    if isinstance(cell, Mapping) and len(cell) == 1 and isinstance(only := next(iter(cell.values())), (Mapping, list)):
        cell = only  # <PARAMETERS><PARAMETER>...
    names, values, units = ([key.casefold() for key in keys] for keys in (names, values, units))
    for each in cell if isinstance(cell, (list, tuple)) else (cell,):
        if isinstance(each, Mapping):
            part = {str(key).casefold(): value for key, value in each.items()}
            for own, value in _in_groups(part, names, values, units):
                found.setdefault(own, []).extend(value if isinstance(value, list) else [value])
            key = next((key for key in names if not is_blank(part.get(key))), "")
            name = _name_in(part.get(key))
            value = next((part[own] for own in values if own != key and not is_blank(part.get(own))), None)
            if isinstance(value, (list, tuple)) and any(isinstance(one, Mapping) for one in value):
                value = [_name_in(one) for one in value]
            if isinstance(value, (list, tuple)) and len(value) == 1:
                value = value[0]
            unit = _name_in(next((part[key] for key in units if not is_blank(part.get(key))), None))
            if unit is not None and isinstance(value, (str, int, float)):
                value = f"{value} {unit}"
            if isinstance(name, str) and value is not None:
                found.setdefault(name, []).extend(value if isinstance(value, (list, tuple)) else [value])
    for name, several in found.items():
        yield name, several[0] if len(several) == 1 else several


def _in_groups(
    part: Cells, names: Sequence[str], values: Sequence[str], units: Sequence[str]
) -> Iterator[tuple[str, object]]:
    """The names and values in a group of them: ``{"name": "Technical", "features": [{"name": "Weight", ...}]}``."""
    for key in _GROUPED:
        if isinstance(held := part.get(key), list) and all(isinstance(each, Mapping) for each in held):
            yield from object_pairs(held, names, values, units)


_GROUPED = ("features", "specifications", "specs", "parameters", "attributes", "items")
"""Keys under which a group of names and values has them."""


def _name_in(value: object) -> object:
    """The name that an object says of itself, as where GraphQL answers with attributes, or else its number; anything
    else as it is."""
    if not isinstance(value, Mapping):
        return value
    named = (value[key] for key in _NAMES if isinstance(value.get(key), str))
    return next(named, value.get("value") if isinstance(value.get("value"), (int, float)) else None)


_NAMES = ("stringValue", "name", "title", "label", "text", "value", "code")


def split_list(text: str, mark: str) -> object:
    """A text's parts as a list, or the text where there is one, without quotes around them; JSON lists are read as
    such."""
    if isinstance(found := parse_literal(text), (list, tuple)):
        return list(found)
    if not mark or (len(mark) == 1 and mark not in text and '"' not in text):
        return text
    parts = [part for part in _parts(text, mark) if part]
    return parts[0] if len(parts) == 1 else parts


def _parts(text: str, mark: str) -> Iterator[str]:
    """A text's parts, where a mark behind a backslash or inside quotes that enclose a part is a letter."""
    separator = _separator(mark)
    at = 0
    while at <= len(text):
        quoted = _QUOTED.match(text, at) if '"' in text else None
        start = quoted.end() if quoted and (quoted.end() == len(text) or separator.match(text, quoted.end())) else at
        found = separator.search(text, start)
        end = found.start() if found else len(text)
        part = text[at:end].strip()
        if start > at:
            yield part[1:-1].replace('""', '"').strip()
        else:
            yield part.replace(f"\\{mark}", mark) if len(mark) == 1 else part
        if found is None:
            return
        at = found.end()


_QUOTED = re.compile(r'\s*"(?:[^"]|"")*"\s*')


@cache
def _separator(mark: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\\){re.escape(mark)}" if len(mark) == 1 else mark)
