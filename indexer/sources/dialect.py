"""Dialects: the well-known catalog layouts, recognised by their columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from indexer.record import Rejection
from indexer.sources.attributes import attribute_key
from indexer.sources.shopify import SHOPIFY_COLUMNS, is_shopify, merge_variants
from indexer.sources.table import Row

Rows = Iterable[Row | Rejection]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One layout: how to know it, which columns it prefers, and what becomes of its rows before they are read.

    ``preferred`` maps fields to attribute keys of columns. ``joins_last`` says that its writers leave commas in the
    last column unquoted. ``merges_rows`` says that an item takes several rows.
    """

    name: str
    recognises: Callable[[frozenset[str]], bool]
    preferred: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    added_columns: tuple[str, ...] = ()
    translate: Callable[[Rows], Iterator[Row | Rejection]] = iter
    joins_last: bool = False
    merges_rows: bool = False


def recognise_dialect(columns: Sequence[str]) -> Dialect:
    """The dialect of a table with these columns; the generic one if no other knows them."""
    keys = frozenset(map(attribute_key, columns))
    return next(dialect for dialect in DIALECTS if dialect.recognises(keys))


def _is_merchant(keys: frozenset[str]) -> bool:
    return keys >= {"id", "title", "image_link"}


def _is_kagl(keys: frozenset[str]) -> bool:
    return keys >= {"id", "product_display_name", "article_type"}


def _add_kagl_pictures(rows: Rows) -> Iterator[Row | Rejection]:
    """The pictures of KAGL's ``styles.csv`` stand beside it as ``images/<id>.jpg``; ``NA`` there means unknown."""
    for row in rows:
        if isinstance(row, Rejection):
            yield row
            continue
        cells = {column: cell for column, cell in row.cells.items() if cell != "NA"}
        cells.setdefault("image", f"images/{cells.get('id')}.jpg")
        yield Row(row.origin, cells)


DIALECTS = (
    Dialect("Shopify product export", is_shopify, SHOPIFY_COLUMNS, translate=merge_variants, merges_rows=True),
    Dialect("Google Merchant feed", _is_merchant, {"sku": ("id",), "image": ("image_link",)}),
    Dialect(
        "KAGL styles",
        _is_kagl,
        {"sku": ("id",), "title": ("product_display_name",)},
        added_columns=("image",),
        translate=_add_kagl_pictures,
        joins_last=True,
    ),
    Dialect("catalog table", lambda keys: True),
)
