"""Dialects: well-known catalog layouts, recognised by their columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from vitrina.indexer.sources.attributes import attribute_key
from vitrina.indexer.sources.base import Rejection, TableRow
from vitrina.indexer.sources.cells import is_blank

SHOPIFY_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "sku": ("handle", "url_handle"),
    "title": ("title",),
    "description": ("body_html", "description"),
    "price": ("variant_price", "price"),
    "image": ("image_src", "product_image_url"),
}
"""Columns of the export and of the template of 2024, which renamed them. The handle is the sku: every row has it,
and Shopify keeps it unique, while a variant's SKU may be empty. Variants' SKUs stay searchable as an attribute.
"""

MAX_VARIANTS = 2_048
"""Shopify's own limit of variants a product; rows past it open another item, so that no group fills the memory."""

_EXPORT_KEYS = frozenset(
    {"variant_price", "variant_sku", "image_src", "body_html", "option1_value", "product_image_url"}
)
_OPTION = re.compile(r"option(\d)_(name|value|linked_to)")


def is_shopify(keys: frozenset[str]) -> bool:
    """Whether columns with these attribute keys are those of a product export."""
    return bool(keys & {"handle", "url_handle"}) and "title" in keys and bool(keys & _EXPORT_KEYS)


def merge_variants(rows: Iterable[TableRow | Rejection]) -> Iterator[TableRow | Rejection]:
    """One row per handle, merged from its consecutive rows: columns with their distinct values in order, options under
    their own names (``Option1 Name`` = Size becomes a column Size), tags as a list.
    """
    group: list[TableRow] = []
    handle = ""
    for row in rows:
        if isinstance(row, Rejection):
            yield row
            continue
        own = _handle(row)
        if group and (own != handle or not own or len(group) == MAX_VARIANTS):
            yield _merge(group)
            group = []
        group.append(row)
        handle = own
    if group:
        yield _merge(group)


def _handle(row: TableRow) -> str:
    cell = row.cells.get("Handle") or next(
        (cell for column, cell in row.cells.items() if attribute_key(column) in ("handle", "url_handle")), ""
    )
    return str(cell).strip()


def _merge(group: list[TableRow]) -> TableRow:
    values: dict[str, list[object]] = {}
    for row in group:
        for column, cell in row.cells.items():
            if not is_blank(cell) and cell not in values.setdefault(column, []):
                values[column].append(cell)
    options: dict[str, dict[str, list[object]]] = {}
    cells: dict[str, object] = {}
    for column, found in values.items():
        key = attribute_key(column)
        if option := _OPTION.fullmatch(key):
            options.setdefault(option.group(1), {})[option.group(2)] = found
        elif found:
            cells[column] = _merged(key, found)
    return TableRow(group[0].origin, {**cells, **_named(options.values())}, sum(row.n_rows for row in group))


def _merged(key: str, found: list[object]) -> object:
    if key == "tags":
        return [tag for cell in found for tag in map(str.strip, str(cell).split(",")) if tag]
    return found[0] if len(found) == 1 or key in ("title", "body_html", "description") else found


def _named(options: Iterable[Mapping[str, list[object]]]) -> dict[str, object]:
    """Options by name; a product without options carries one named Title, valued Default Title."""
    named: dict[str, object] = {}
    for option in options:
        found = option.get("value", [])
        if found and option.get("name") and found != ["Default Title"]:
            named[str(option["name"][0])] = found[0] if len(found) == 1 else found
    return named


Rows = Iterable[TableRow | Rejection]


@dataclass(frozen=True, slots=True)
class CatalogDialect:
    """One layout: how to recognise it, which columns it prefers, and how its rows are translated.

    ``preferred`` maps fields to attribute keys of columns. ``joins_last`` says that its writers leave commas in the
    last column unquoted. ``merges_rows`` says that an item takes several rows.
    """

    name: str
    recognises: Callable[[frozenset[str]], bool]
    preferred: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    added_columns: tuple[str, ...] = ()
    translate: Callable[[Rows], Iterator[TableRow | Rejection]] = iter
    joins_last: bool = False
    merges_rows: bool = False


def recognise_dialect(columns: Sequence[str]) -> CatalogDialect:
    """The dialect of a table with these columns; the generic one if no other knows them."""
    keys = frozenset(map(attribute_key, columns))
    return next(dialect for dialect in CATALOG_DIALECTS if dialect.recognises(keys))


def _is_merchant(keys: frozenset[str]) -> bool:
    return keys >= {"id", "title", "image_link"}


def _is_kagl(keys: frozenset[str]) -> bool:
    return keys >= {"id", "product_display_name", "article_type"}


def _add_kagl_images(rows: Rows) -> Iterator[TableRow | Rejection]:
    """The images of KAGL's ``styles.csv`` are beside it as ``images/<id>.jpg``; ``NA`` means unknown."""
    for row in rows:
        if isinstance(row, Rejection):
            yield row
            continue
        cells = {column: cell for column, cell in row.cells.items() if cell != "NA"}
        cells.setdefault("image", f"images/{cells.get('id')}.jpg")
        yield TableRow(row.origin, cells, row.n_rows)


CATALOG_DIALECTS = (
    CatalogDialect("Shopify product export", is_shopify, SHOPIFY_COLUMNS, translate=merge_variants, merges_rows=True),
    CatalogDialect("Google Merchant feed", _is_merchant, {"sku": ("id",), "image": ("image_link",)}),
    CatalogDialect(
        "KAGL styles",
        _is_kagl,
        {"sku": ("id",), "title": ("product_display_name",)},
        added_columns=("image",),
        translate=_add_kagl_images,
        joins_last=True,
    ),
    CatalogDialect("catalog table", lambda keys: True),
)
