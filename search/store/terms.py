"""The items' words in SQL, and what the lexical index reads of them, inside a transaction of ``Catalog``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, and_, delete, select, true, update

from vitrina.search.analysis.analyser import VERSION, stored_terms
from vitrina.search.store.database import (
    chunks,
    item_terms,
    items,
    sequence_of,
    text_settings,
    touched_items,
)
from vitrina.search.store.sql import insert_rows
from vitrina.search.types.item import AttributeValue, Item, Scalar, Variant

VARIANT_FIELDS = tuple(field.name for field in fields(Variant))


@dataclass(frozen=True, slots=True)
class TextSettings:
    """How a catalog's words are read: its ``language`` (ISO 639-1, empty if there is none), found out when it had
    ``n_judged`` items, and the shop's own ``synonyms``, as it wrote them."""

    language: str = ""
    n_judged: int = 0
    synonyms: str = ""


@dataclass(frozen=True, slots=True)
class TermChanges:
    """What brings a lexical index to ``sequence``: drop the ``touched_items``, then add ``item_ids``, ascending, with
    their stored ``terms``."""

    sequence: int
    touched_items: NDArray[np.int64]
    item_ids: NDArray[np.int64]
    terms: list[str]
    settings: TextSettings


def term_rows(rows: Iterable[tuple[int, Item]]) -> list[dict[str, object]]:
    """The rows of items' words, for ``insert_rows``."""
    return [{"item_id": item_id, "version": VERSION, "terms": stored_terms(item)} for item_id, item in rows]


def read_text_settings(connection: Connection) -> TextSettings:
    row = connection.execute(select(text_settings)).one()
    return TextSettings(row.language, row.n_judged, row.synonyms)


def write_text_settings(connection: Connection, **values: object) -> None:
    connection.execute(update(text_settings).values(**values))


def term_changes(connection: Connection, since: int) -> TermChanges:
    """The words of items that changed after sequence number ``since``; of every item for 0."""
    current = and_(item_terms.c.item_id == items.c.id, item_terms.c.version == VERSION)
    query = select(items.c.id, item_terms.c.terms).join(item_terms, current, isouter=True)
    query = query.where(items.c.sequence > since if since else true())
    # by a sum, or SQLite reads all items, which are in order, rather than sort the few
    query = query.order_by(items.c.id + 0 if since else items.c.id)
    rows = connection.execute(query).all()
    missing = analysed(connection, [row.id for row in rows if row.terms is None])
    terms = [missing[item_id] if of_item is None else of_item for item_id, of_item in rows]
    item_ids = np.fromiter((row.id for row in rows), np.int64, len(rows))
    return TermChanges(
        sequence_of(connection), touched_items(connection, since), item_ids, terms, read_text_settings(connection)
    )


def analysed(connection: Connection, item_ids: Sequence[int]) -> dict[int, str]:
    """The terms of items that have none stored, computed now."""
    columns = (items.c.id, items.c.sku, items.c.title, items.c.description, items.c.attributes, items.c.variants)
    return {
        row.id: stored_terms(
            Item(
                row.sku,
                row.title,
                row.description,
                attributes_of(row.attributes),
                variants=tuple(map(stored_variant, row.variants or ())),
            )
        )
        for chunk in chunks(item_ids)
        for row in connection.execute(select(*columns).where(items.c.id.in_(chunk)))
    }


def attributes_of(held: Mapping[str, Scalar | list[Scalar]]) -> dict[str, AttributeValue]:
    return {field: tuple(value) if isinstance(value, list) else value for field, value in held.items()}


def variant_columns(variant: Variant) -> dict[str, object]:
    """A variant as it is stored: what it has, under the names of its fields."""
    return {field: held for field in VARIANT_FIELDS if (held := getattr(variant, field)) not in (None, "", (), {})}


def stored_variant(columns: Mapping[str, Any]) -> Variant:
    """The variant of ``variant_columns``."""
    held: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in columns.items()}
    return Variant(**held)


def store_missing_terms(connection: Connection, limit: int) -> int:
    """Analyse up to ``limit`` items whose words are not stored, or by another version; returns how many."""
    current = and_(item_terms.c.item_id == items.c.id, item_terms.c.version == VERSION)
    query = select(items.c.id).join(item_terms, current, isouter=True).where(item_terms.c.item_id.is_(None))
    missing = analysed(connection, list(connection.scalars(query.limit(limit))))
    for chunk in chunks(list(missing)):
        connection.execute(delete(item_terms).where(item_terms.c.item_id.in_(chunk)))
    rows = [{"item_id": item_id, "version": VERSION, "terms": terms} for item_id, terms in missing.items()]
    insert_rows(connection, item_terms, rows)
    return len(rows)
