"""Free-form attributes: any cell as typed values under a name that filters can be written with."""

from __future__ import annotations

import datetime
import decimal
import html
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import pairwise

from vitrina.indexer.sources.cells import (
    clean_text,
    display_text,
    is_blank,
    parse_literal,
    plain,
    rich_text,
    without_directives,
)
from vitrina.search.types.errors import InputError
from vitrina.search.types.item import AttributeValue, Scalar

MAX_ATTRIBUTES = 500
MAX_ATTRIBUTE_CHARS = 100_000
MAX_VALUES = 1_000
MAX_DEPTH = 8
"""Per row, per value, per list and of nesting: far above any known shop, and low enough that one row stays small."""

_METAFIELD = re.compile(r"[\s_]*\((?:product|variant)\.metafields\.[^)]*\)$|[\s_]*\[[\w.]+\]$", re.I)
_METAFIELD_PATH = re.compile(r"^(?:Variant[\s_])?Metafield:[\s_]+(?:[\w-]+\.)?", re.I)
_MODIFIER = re.compile(
    r"\[(?:unique|default|translator|mode|allownull|dateformat|virtual)\b[^\]]*\]|(?<=\[)lang=", re.I
)
"""What SAP's ImpEx writes behind a column: ``code[unique=true]``, ``name[lang=en]``."""

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_LETTER = (
    r"[^\w.\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
    r"\u0e31-\u0e4e\u0eb1-\u0ece\u102b-\u109d\u17b4-\u17d3]"
)
_NOT_KEY = re.compile(rf"_+{_NO_LETTER}+_*|{_NO_LETTER}+")
"""What keys are cut at; signs that are written on or after a letter, as vowels in Hindi and Thai, belong to it."""

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,10})")  # 12 digits and more are GTINs and their like: names, not numbers
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,14})\.[0-9]{1,15}")
_CODE_KEYS = re.compile(r"(?:^|[_.])(?:sku|gtin\d*|ean\d*|upc|isbn\d*|barcode|mpn|asin|code|zip|phone)$")
_OF_NAMED = frozenset(
    {"name", "title", "id", "_id", "uid", "slug", "link", "href", "url", "handle", "parent", "parent_id"}
)
"""The keys of an object that is a name and where to find what it names."""

_OF_LABELLED = frozenset({"label", "key", "value", "id", "code"})
"""The keys of a choice: what people read, and what programs do."""

MAX_LIST_CHARS = 300
_LIST_VALUE = re.compile(r"[^\W\d_][\w'&/+-]{0,24}(?: [\w'&/+-]{1,24}){0,2}")
_SIZE = r"(?:[2-6]?X{0,4}[SML]{1,2}|[1-9]\d{1,2})"
_SIZE_RUN = re.compile(rf"{_SIZE}-{_SIZE}(?:-{_SIZE})+|{_SIZE}/{_SIZE}(?:/{_SIZE})+", re.IGNORECASE)
"""Three sizes or more in one value: ``XS-S-M-L``, ``36/38/40``; two may be a range."""

_AFTER_NAMES = frozenset({"inc", "ltd", "llc", "gmbh", "co", "corp", "sa", "bv", "ag", "plc", "jr", "sr", "and", "or"})
_BOOLEANS = {"true": True, "false": False}


@lru_cache(maxsize=4096)
def attribute_key(column: str) -> str:
    """A column's name as filters spell it: lower case, words joined by ``_``, dots kept (``Base Colour`` or
    ``baseColour`` to ``base_colour``). Shopify's metafield paths are cut off. Empty when nothing is left.
    """
    text = clean_text(html.unescape(column) if "&" in column else column)
    if "etafield" in text or "ETAFIELD" in text:
        text = _METAFIELD_PATH.sub("", _METAFIELD.sub("", text))
    if "[" in text:
        text = _MODIFIER.sub("", text)
    words = _CAMEL.sub("_", text)
    return _NOT_KEY.sub("_", words).strip("_.").lower()


def flatten(key: str, value: object, depth: int = 0) -> Iterator[tuple[str, AttributeValue]]:
    """One cell as attributes: a scalar or list under ``key``, a nested object under dotted keys, blanks dropped.

    Strings are typed (see ``typed``), and read as lists and objects where they spell them, of no more than
    ``MAX_DEPTH`` levels; dates become ISO 8601 text;
    bytes are dropped. Of a list of objects each inner key holds every object's values. Raises ``InputError`` past
    ``MAX_DEPTH`` levels.
    """
    if depth > MAX_DEPTH:
        raise InputError(f"{key} nests deeper than {MAX_DEPTH} levels.", remedy="Flatten it, or leave it out.")
    if is_blank(value):
        return
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{", "(", "a"):
        literal = parse_literal(value)
        with suppress(InputError):  # what nests too deeply is a text like any other
            if not isinstance(literal, str):
                yield from list(flatten(key, literal, depth))
                return
    if isinstance(value, (Mapping, list)) and (text := rich_text(value)) is not None:
        value = display_text(text)
    if isinstance(value, Mapping):
        name = _name_of(value) if key else None
        yield from _flatten_object(key, value, depth) if name is None else flatten(key, name, depth + 1)
    elif isinstance(value, (list, tuple)):
        yield from _flatten_list(key, value, depth)
    elif (
        isinstance(value, str)
        and ("," in value or ";" in value or _SIZE_RUN.fullmatch(value))
        and len(parts := split_values(value)) > 1
        and not _is_person(key, parts)
        and _PLACES.search(key) is None
    ):
        yield key, tuple(typed(key, part) for part in parts)
    elif (scalar := _scalar(key, value)) is not None:
        yield key, scalar


def _is_person(key: str, parts: Sequence[str]) -> bool:
    """Whether a list is rather one name with the last name first, as in ``Doe, John``."""
    return len(parts) == 2 and _PERSONS.search(key) is not None and not any(" " in part for part in parts)


_PERSONS = re.compile(
    r"(?:^|_)(?:author|autor|auteur|autore|artist|artiste|kunstler|director|composer|illustrator|designer)s?$"
)


_PLACES = re.compile(r"(?:^|[_.])(?:region|appellation|address|location)$")
"""Names of a place, which is one with those that it lies in: ``Pauillac, Bordeaux, France``."""


def _name_of(value: Mapping[object, object]) -> str | None:
    """The name of an object that says nothing else but where what it names is, as of a category; None of any other."""
    if "label" in value and value.keys() <= _OF_LABELLED:
        label = value["label"]
        spelled = (
            (label[key] for key in ("en", "en-US", "en-GB", "en_US", *label) if key in label)
            if isinstance(label, Mapping)
            else [label]
        )
        return next((each for each in spelled if isinstance(each, str)), None)
    if value.keys() == {"id", "value"}:
        return value["value"] if isinstance(value["value"], str) else None
    name = value.get("name", value.get("title"))
    return name if isinstance(name, str) and value.keys() <= _OF_NAMED else None


@lru_cache(maxsize=1 << 14)
def flatten_text(key: str, text: str) -> tuple[tuple[str, AttributeValue], ...]:
    """``flatten`` of a short text, kept: most values of a catalog are in many rows."""
    return tuple(flatten(key, text))


def typed(key: str, text: str) -> Scalar:
    """A text as the value it spells: ``12`` an int, ``1.5`` a float, ``true`` a bool, everything else itself.

    Leading zeros, exponents and 12 digits or more are codes and stay text, and so does any value whose key names a
    code (``gtin``, ``barcode``, ``variant_sku``), so that one column does not mix numbers and text.
    """
    if not text or text[0] not in "-0123456789tTfF" or len(text) > 32:
        return text
    lowered = text.lower()
    if lowered in _BOOLEANS:
        return _BOOLEANS[lowered]
    if _CODE_KEYS.search(key):
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text


def split_values(text: str) -> list[str]:
    """The values of a text such as ``Red, White`` or ``Red; White``; the whole text where it is rather a phrase, a name
    or a number.

    Values are short, start with a letter, and are not what follows a comma in names (``Acme, Inc.``).
    """
    if len(text) > MAX_LIST_CHARS or "<" in text or "\n" in text:
        return [text]
    if _SIZE_RUN.fullmatch(text):
        sizes = re.split(r"[-/]", text)
        numbers = [int(size) for size in sizes if size.isdigit()]
        is_run = not numbers or (len(numbers) == len(sizes) and len({b - a for a, b in pairwise(numbers)}) == 1)
        return sizes if is_run else [text]
    text = html.unescape(text) if "&" in text and ";" in text else text
    parts = [part.strip() for part in text.split("," if "," in text else ";")]
    is_list = all(_LIST_VALUE.fullmatch(part) and part.lower() not in _AFTER_NAMES for part in parts)
    return list(dict.fromkeys(parts)) if is_list else [text]


def check_attribute(key: str, value: AttributeValue, n_attributes: int) -> None:
    """Raise ``InputError`` for a value that is too large, or for one more attribute than a row may have."""
    if n_attributes >= MAX_ATTRIBUTES:
        raise InputError(
            f"The row has more than {MAX_ATTRIBUTES} attributes.",
            remedy="Leave out columns that are not searched or filtered by.",
        )
    values = value if isinstance(value, tuple) else (value,)
    n_chars = len(key) + sum(len(text) for text in values if isinstance(text, str))
    if n_chars > MAX_ATTRIBUTE_CHARS or len(values) > MAX_VALUES:
        raise InputError(
            f"{key[:100]} holds {n_chars:,} characters in {len(values):,} values; "
            f"the limits are {MAX_ATTRIBUTE_CHARS:,} and {MAX_VALUES:,}.",
            remedy="Shorten it, or leave the column out.",
        )


def _flatten_object(key: str, value: Mapping[str, object], depth: int) -> Iterator[tuple[str, AttributeValue]]:
    for inner, cell in value.items():
        if name := attribute_key(str(inner)):
            yield from flatten(f"{key}.{name}" if key else name, cell, depth + 1)


def _flatten_list(key: str, values: Sequence[object], depth: int) -> Iterator[tuple[str, AttributeValue]]:
    objects = [value for value in values if isinstance(value, Mapping)]
    names = [name for value in objects if (name := _name_of(value)) is not None] if key else []
    if names and len(names) == len(objects):
        values = [_name_of(value) if isinstance(value, Mapping) else value for value in values]
    plain_values: list[object] = []
    inner: dict[str, list[Scalar]] = {}
    for value in values:
        if isinstance(value, (Mapping, list, tuple)):
            held = (
                _flatten_object(key, value, depth + 1) if isinstance(value, Mapping) else flatten(key, value, depth + 1)
            )
            for name, found in held:
                inner.setdefault(name, []).extend(found if isinstance(found, tuple) else (found,))
        elif not is_blank(value):
            plain_values.append(value)
    if scalars := _alike(key, plain_values):
        inner.setdefault(key, []).extend(scalars)
    yield from ((name, tuple(found)) for name, found in inner.items())


def _alike(key: str, values: list[object]) -> list[Scalar]:
    """The values typed, unless that would mix texts and numbers, as in sizes ``S, M, 40``."""
    pairs = [(value, scalar) for value in values if (scalar := _scalar(key, value)) is not None]
    if any(isinstance(scalar, str) for _, scalar in pairs):
        return [display_text(value) if isinstance(value, str) else plain(scalar) for value, scalar in pairs]
    return [scalar for _, scalar in pairs]


def _scalar(key: str, value: object) -> Scalar | None:
    if isinstance(value, str):
        text = display_text(without_directives(value) if "[/" in value or "{{" in value else value)
        return typed(key, text) if text else None
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, decimal.Decimal):
        return _scalar(key, int(value) if value == value.to_integral_value() else float(value))
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return None
