"""Identifiers: the codes that name an item exactly, and the same codes in a query.

An item's identifiers are its sku, its variants' skus and codes, and the values of attributes that are named as codes
are: a barcode, a model number. They are compared by keys that leave out letter case, blanks and hyphens; a trade item
number (GTIN, which EAN, UPC and ISBN-13 are) also counts without its leading zeros.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from vitrina.search.types.item import Item, Variant

MAX_CHARS = 100
"""Longer values are texts, or lists that no source has split."""

GTIN_DIGITS = 14
"""All trade item numbers fit into 14 digits, shorter ones with zeros before them (GS1 General Specifications, 3.3)."""

MIN_GTIN_DIGITS = 8

NUMBER = r"(?:_?(?:nos?|nrs?|nums?|numbers?|codes?|ids?))"
GTIN_FIELD = re.compile(r"(?:^|[_.])(?:gtin|ean|upc|isbn|barcode)(?:_?(?:a|e|8|10|12|13|14))?s?" + NUMBER + r"?$")
CODE_FIELD = re.compile(
    r"(?:^|[_.])(?:skus?|mpns?|asins?|(?:manufacturer_)?(?:part|article|art|item|style|product|order|catalogu?e)_?"
    r"(?:nos?|nrs?|numbers?|codes?)|model" + NUMBER + ")$"
)
MODEL_FIELD = re.compile(r"(?:^|[_.])models?$")

LABEL = re.compile(
    r"(?:sku|gtin|ean|upc|isbn|barcode|mpn|asin|model|art(?:icle|ikel)?|item|part|style|product|order|ref(?:erence)?)"
    r"(?:[ _-]?(?:\d\d?(?=\s*:)|no|nr|num|number|code|id))?\.?\s*(?:[:#=]\s*|\s)(?P<value>\S.*)"
)
"""A query that says which code it gives: ``sku 12345``, ``EAN: 4006381333931``."""

QUOTES = "\"'`\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"
SEPARATORS = re.compile(r"[\s\-\u2010-\u2015\u2212]+")
DIGIT = re.compile(r"\d")
NAME_WORD = re.compile(r"(?<![^\W_])[^\W\d_]{3,}(?![^\W_])")


@dataclass(frozen=True, slots=True)
class Identifier:
    """A code as items hold it: ``value`` folded, and the ``key`` that it is found by. An item's own ``is_sku``."""

    value: str
    key: str
    is_sku: bool


def folded(text: str) -> str:
    """A code without regard to letter case, width and encoding of characters, and how many blanks there are."""
    return " ".join(unicodedata.normalize("NFKC", text).split()).casefold()


def folded_title(title: str) -> str:
    """A title without regard to letter case and to how many blanks there are."""
    return " ".join(title.split()).casefold()


def compact(value: str) -> str:
    """A folded code without blanks and hyphens; a number as long as a GTIN as 14 digits."""
    key = SEPARATORS.sub("", value)
    is_long = MIN_GTIN_DIGITS <= len(key) <= GTIN_DIGITS and key.isascii() and key.isdigit()
    return key.zfill(GTIN_DIGITS) if is_long else key


def identifiers(item: Item) -> list[Identifier]:
    """The codes that name an item, each once: its sku, and those among its attributes that are distinctive."""
    sku = folded(item.sku)
    found = {} if not DIGIT.search(sku) else {sku: Identifier(sku, compact(sku), is_sku=True)}
    for field, held in item.attributes.items():
        is_gtin = GTIN_FIELD.search(field) is not None
        is_model = MODEL_FIELD.search(field) is not None
        if not (is_gtin or is_model or CODE_FIELD.search(field)):
            continue
        for each in held if isinstance(held, tuple) else (held,):
            value = folded(str(int(each) if isinstance(each, float) and each.is_integer() else each))
            key = gtin_key(value) if is_gtin else compact(value)
            if is_distinctive(value, key) and not (is_model and NAME_WORD.search(value)):
                found.setdefault(value, Identifier(value, key, is_sku=False))
    for variant in item.variants:
        for code in variant_identifiers(variant):
            found.setdefault(code.value, code)
    return list(found.values())


def variant_identifiers(variant: Variant) -> list[Identifier]:
    """The codes that name one variant: its sku, and its barcodes and other codes that are distinctive."""
    sku = folded(variant.sku)
    found = [Identifier(sku, compact(sku), is_sku=True)] if sku else []
    codes = ((value, gtin_key(value)) for value in map(folded, variant.identifiers))
    return found + [Identifier(value, key, is_sku=False) for value, key in codes if is_distinctive(value, key)]


def gtin_key(value: str) -> str:
    """The key of a code in a field for trade item numbers, whose leading zeros a table program may have dropped."""
    key = compact(value)
    return key.zfill(GTIN_DIGITS) if key.isascii() and key.isdigit() else key


def is_distinctive(value: str, key: str) -> bool:
    """Whether a code can name an item by itself: it has a digit, and is not as short as a size is."""
    return bool(DIGIT.search(value)) and len(value) <= MAX_CHARS and len(key) >= (4 if key.isdigit() else 3)


def asked_identifiers(text: str) -> Iterator[str]:
    """The folded codes that a query may consist of, the likeliest first: all of it, without its quotes, and what
    follows the name of a kind of code."""
    whole = folded(text)
    if not whole or len(whole) > 2 * MAX_CHARS:
        return
    yield whole
    bare = whole.strip(QUOTES + " ")
    if bare and bare != whole:
        yield bare
    if labelled := LABEL.fullmatch(bare):
        yield labelled["value"].strip(QUOTES + " ")


def query_keys(code: str) -> tuple[str, ...]:
    """The keys by which items may hold a folded code of a query; none for one that is not distinctive."""
    key = compact(code)
    return tuple({key, gtin_key(code)}) if is_distinctive(code, key) else ()
