"""Reading: one row and what its columns mean, into a validated record."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from indexer.record import ImageReference, Record, Rejection
from indexer.sources.attributes import attribute_key, check_attributes, flatten
from indexer.sources.columns import Columns
from indexer.sources.pictures import MAX_IMAGES, read_pictures
from indexer.sources.price import parse_cents, parse_currency, parse_price
from indexer.sources.table import Row
from indexer.sources.text import is_blank, plain, without_markup
from search.errors import InputError
from search.item import AttributeValue, Item

MAX_SKU_CHARS = 256
MAX_TITLE_CHARS = 2_000
MAX_DESCRIPTION_CHARS = 100_000
MAX_URL_CHARS = 4_096

_SCHEME = re.compile(r"\s*([a-zA-Z][a-zA-Z0-9+.-]*):(?!\d)")


def read_row(row: Row, columns: Columns, folder: Path) -> Record | Rejection:
    """One row as a record, or why it cannot be one.

    Rejected are rows without a sku, with neither picture nor text, past a limit, with a price that is no price, or
    with a picture that may not be read. ``folder`` is where relative picture paths count from.
    """
    sku = None
    try:
        sku = _read_sku(_cell(row.cells, columns.fields["sku"]), columns.fields["sku"])
        return _read(row, columns, folder, sku)
    except InputError as error:
        return Rejection(row.origin, error.message, error.remedy, sku)


def _read(row: Row, columns: Columns, folder: Path, sku: str) -> Record:
    fields = {field: _cell(row.cells, column) for field, column in columns.fields.items()}
    title = _read_text("title", fields.get("title"), MAX_TITLE_CHARS).replace("\n", " ")
    description = _read_text("description", fields.get("description"), MAX_DESCRIPTION_CHARS)
    attributes = _read_attributes(row.cells, columns)
    price_cents, currency = _read_price(fields)
    images = _read_images(row.cells, columns, folder)
    if not (title or description or attributes or images):
        raise InputError(
            "The row has neither a picture nor any text.", remedy="Give it a title, a description or a picture."
        )
    item = Item(sku, title, description, attributes, price_cents, currency, _read_url(fields.get("url")))
    return Record(row.origin, item, images)


def _cell(cells: Mapping[str, object], column: str) -> object:
    """The cell under a column's name, or under a dotted path into nested objects."""
    if column in cells or "." not in column:
        return cells.get(column)
    head, _, rest = column.partition(".")
    inner = cells.get(head)
    return _cell(inner, rest) if isinstance(inner, Mapping) else None


def _read_sku(cell: object, column: str) -> str:
    if isinstance(cell, (bool, list, tuple, dict, bytes)):
        raise InputError(f"{str(cell)[:60]!r} is no sku.", remedy="Use a text or a number.")
    sku = "" if is_blank(cell) else " ".join(plain(cell if isinstance(cell, (int, float)) else str(cell)).split())
    if not sku:
        raise InputError(
            f"The row has no sku: {column} is empty.", remedy="Fill it in, or map another column: --map sku=COLUMN."
        )
    _check_length("sku", sku, MAX_SKU_CHARS)
    return sku


def _read_text(field: str, cell: object, max_chars: int) -> str:
    if is_blank(cell):
        return ""
    if isinstance(cell, Mapping):
        raise InputError(
            f"{field} is a nested object with {', '.join(map(str, list(cell)[:10]))}.",
            remedy=f"Map one of its keys, as in: --map {field}={field}.{next(iter(cell))}",
        )
    parts = cell if isinstance(cell, (list, tuple)) else (cell,)
    texts = (plain(part) for part in parts if isinstance(part, (str, int, float)) and not is_blank(part))
    text = without_markup("\n".join(texts))
    _check_length(field, text, max_chars)
    return text


def _check_length(field: str, text: str, max_chars: int) -> None:
    if len(text) > max_chars:
        raise InputError(
            f"The {field} has {len(text):,} characters ({text[:40]!r}...); the limit is {max_chars:,}.",
            remedy="Shorten it, or map another column to it.",
        )


def _read_attributes(cells: Mapping[str, object], columns: Columns) -> Mapping[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {}
    consumed = columns.consumed
    for column, cell in cells.items():
        if column in consumed or is_blank(cell):
            continue
        key = columns.renamed.get(column) or attribute_key(column)
        if key == "attributes":
            cell, key = _parsed(cell), "" if isinstance(_parsed(cell), Mapping) else key
        elif not key:
            continue
        for name, value in flatten(key, cell):
            attributes.setdefault(name, value)
    for column, key in columns.renamed.items():
        if column not in cells:
            attributes.update(flatten(key, _cell(cells, column)))
    check_attributes(attributes)
    return attributes


def _parsed(cell: object) -> object:
    """A column named ``attributes`` holds them all; a CSV file writes them as a JSON object."""
    if isinstance(cell, str) and cell.lstrip().startswith("{"):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell
    return cell


def _read_price(fields: Mapping[str, object]) -> tuple[int | None, str | None]:
    currency = parse_currency(fields.get("currency"))
    cents = parse_cents(fields.get("price_cents"))
    if cents is not None:
        return cents, currency
    price = fields.get("price")
    prices = price if isinstance(price, (list, tuple)) else (price,)
    parsed = [parse_price(value, currency) for value in prices if not is_blank(value)]
    return min(parsed, key=lambda pair: pair[0] or 0, default=(None, currency))


def _read_url(cell: object) -> str | None:
    if is_blank(cell):
        return None
    url = "".join(plain(str(cell)).split())
    _check_length("url", url, MAX_URL_CHARS)
    scheme = _SCHEME.match(url)
    if scheme and scheme.group(1).lower() not in ("http", "https"):
        raise InputError(f"The url {url[:80]!r} is no web address.", remedy="Use an address that starts with https://.")
    return url


def _read_images(cells: Mapping[str, object], columns: Columns, folder: Path) -> tuple[ImageReference, ...]:
    found = (reference for column in columns.images for reference in read_pictures(_cell(cells, column), folder))
    images = tuple(dict.fromkeys(found))
    if len(images) > MAX_IMAGES:
        raise InputError(f"The row has {len(images):,} pictures; the limit is {MAX_IMAGES}.", remedy="Leave some out.")
    return images
