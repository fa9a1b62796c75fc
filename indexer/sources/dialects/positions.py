"""WooCommerce's exports in a language that nobody listed: columns told by their values, which are never translated, and
by their order, which is always the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from vitrina.indexer.sources.cells import is_blank
from vitrina.indexer.sources.column_names import folded
from vitrina.indexer.sources.dialects.dialect import CatalogDialect

WOOCOMMERCE = "woocommerce"
"""The name of the dialect."""

Cells = Mapping[str, object]

_TYPES = re.compile(r"(?:simple|variable|variation|grouped|external)(?:, *(?:virtual|downloadable))*")
_VISIBILITIES = re.compile(r"visible|catalog|search|hidden")
_TAX_STATUSES = re.compile(r"taxable|shipping|none")
_IMAGE = re.compile(r"\S.*\.(?:jpe?g|png|gif|webp|avif)\b.*", re.IGNORECASE)
_AMOUNT = re.compile(r"\d+(?:[.,]\d+)?")
_NUMBER = re.compile(r"\d+")
_OF_ATTRIBUTE = ("attribute_{n}_name", "attribute_{n}_value_s", "attribute_{n}_visible", "attribute_{n}_global")
# https://github.com/woocommerce/woocommerce/blob/trunk/plugins/woocommerce/includes/export/class-wc-product-csv-exporter.php


def told_by_position(dialect: CatalogDialect, columns: Sequence[str], rows: Sequence[Cells]) -> CatalogDialect | None:
    """WooCommerce's dialect with the names that this file has for its columns; None if it is no such file."""
    columns = [each for each in columns if each]
    values = {each: [text for row in rows if (text := _text(row.get(each)))] for each in columns}
    kind, shown, taxed = (_first(values, pattern) for pattern in (_TYPES, _VISIBILITIES, _TAX_STATUSES))
    if kind is None or shown is None or columns.index(shown) < columns.index(kind) + 2:
        return None
    names = {columns[max(0, columns.index(kind) - 1)]: "id", kind: "type", shown: "visibility_in_catalog"}
    between = columns[columns.index(kind) + 1 : columns.index(shown)]
    name = next((each for each in reversed(between) if not {"0", "1", "-1"}.issuperset(values[each])), between[-1])
    names |= {name: "name"} | ({between[0]: "sku"} if between[0] != name else {})
    texts = columns[columns.index(shown) + 1 : columns.index(taxed)] if taxed in columns else ()
    names |= dict(zip(texts, ("short_description", "description"), strict=False))
    names |= dict(_of_shop(columns, values, columns.index(taxed or shown), names))
    told = {own: alias for alias, own in names.items()}
    aliases = {own: (folded(told[own]), *dialect.aliases.get(own, ())) for own in told}
    kept = {"weight", "length", "width", "height"}
    n_kept = columns.index(told.get("regular_price", columns[-1]))
    others = [each for each in columns[:n_kept] if each not in names and folded(each) not in kept]
    same = {field: getattr(dialect, field) for field in CatalogDialect.model_fields}
    ignored = (*dialect.ignore, *(re.escape(folded(each)) for each in others if each))
    return CatalogDialect.model_construct(**{**same, "aliases": {**dialect.aliases, **aliases}, "ignore": ignored})


def _of_shop(
    columns: Sequence[str], values: Mapping[str, list[str]], start: int, names: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """The columns behind the tax status: prices, categories, images, the parent, and attributes."""
    rest = columns[start + 1 :]
    images = next((each for each in rest if values[each] and all(map(_IMAGE.fullmatch, values[each]))), None)
    end = rest.index(images) if images else len(rest)
    amounts = [at for at, each in enumerate(rest[:end]) if values[each] and all(map(_AMOUNT.fullmatch, values[each]))]
    if images and amounts:
        last = amounts[-1]
        yield images, "images"
        yield rest[last], "regular_price"
        yield from zip(rest[last + 1 : end], ("categories", "tags", "shipping_class"), strict=False)
        if last and not set(values[rest[last - 1]]) - {
            each for each in values[rest[last - 1]] if _AMOUNT.fullmatch(each)
        }:
            yield rest[last - 1], "sale_price"
    keys = {text for column, name in names.items() if name in ("id", "sku") for text in values[column]}
    for column in rest[end + 1 :]:
        if values[column] and all(text in keys or text.startswith("id:") for text in values[column]):
            yield column, "parent"
            break
    numbered = ((found[0], each) for each in rest[end + 1 :] if each and (found := _NUMBER.findall(each)))
    for number, group in groupby(numbered, key=lambda pair: pair[0]):
        own = [each for _, each in group]
        if len(own) in (4, 5):
            yield from zip(own, (name.replace("{n}", number) for name in _OF_ATTRIBUTE), strict=False)


def _first(values: Mapping[str, list[str]], pattern: re.Pattern[str]) -> str | None:
    """The first column in which all rows have something that the pattern matches."""
    return next((each for each, texts in values.items() if texts and all(map(pattern.fullmatch, texts))), None)


def _text(cell: object) -> str:
    return "" if is_blank(cell) else str(cell).strip()
