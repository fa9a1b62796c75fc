"""Statements that write items or backfill an index version, inside a transaction of ``Catalog``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection, Table, bindparam, delete, exists, insert, select, tuple_, update

from vitrina.search.store.full_text import index_text, remove_text
from vitrina.search.store.index_versions import filled_to
from vitrina.search.store.reading import chunks, stored_items, unchanged
from vitrina.search.store.schema import clock, embeddings, facets, images, items, spaces
from vitrina.search.types.filters import facets as facets_of
from vitrina.search.types.item import IndexedItem, Modality, StoredItem
from vitrina.search.types.models import Vectors


def next_sequence(connection: Connection) -> int:
    step = update(clock).values(sequence=clock.c.sequence + 1).returning(clock.c.sequence)
    return int(connection.execute(step).scalar_one())


def item_columns(entry: IndexedItem, sequence: int) -> dict[str, object]:
    item = entry.item
    return {
        "sku": item.sku,
        "folded_sku": item.sku.casefold(),
        "folded_title": " ".join(item.title.split()).casefold(),
        "title": item.title,
        "description": item.description,
        "attributes": dict(item.attributes),
        "price_cents": item.price_cents,
        "currency": item.currency,
        "url": item.url,
        "content_hash": entry.content_hash,
        "sequence": sequence,
    }


def insert_items(connection: Connection, entries: Sequence[IndexedItem], sequence: int) -> dict[str, int]:
    if not entries:
        return {}
    rows = connection.execute(
        insert(items).returning(items.c.sku, items.c.id), [item_columns(entry, sequence) for entry in entries]
    )
    return {row.sku: row.id for row in rows}


def update_items(connection: Connection, entries: Sequence[tuple[int, IndexedItem]], sequence: int) -> None:
    if entries:
        connection.execute(
            update(items).where(items.c.id == bindparam("key")),
            [{"key": item_id, **item_columns(entry, sequence)} for item_id, entry in entries],
        )


def clear_parts(connection: Connection, item_ids: Sequence[int]) -> None:
    for chunk in chunks(item_ids):
        for part in (facets, images, embeddings):
            connection.execute(delete(part).where(part.c.item_id.in_(chunk)))
        remove_text(connection, chunk)


def clear_vectors(connection: Connection, space_id: int, item_ids: Sequence[int]) -> None:
    for chunk in chunks(item_ids):
        of_items = (embeddings.c.space_id == space_id) & embeddings.c.item_id.in_(chunk)
        connection.execute(delete(embeddings).where(of_items))


def insert_parts(
    connection: Connection, space_id: int, sequence: int, entries: Sequence[tuple[int, IndexedItem]]
) -> None:
    facet_rows = [
        {"item_id": item_id, "field": facet.field, "value": facet.value, "number": facet.number}
        for item_id, entry in entries
        for facet in facets_of(entry.item)
    ]
    image_rows = [
        {"item_id": item_id, "position": position, "image_id": image_id}
        for item_id, entry in entries
        for position, image_id in enumerate(entry.image_ids)
    ]
    vector_rows = [
        row for item_id, entry in entries for row in embedding_rows(space_id, item_id, entry.vectors, sequence)
    ]
    for part, rows in ((facets, facet_rows), (images, image_rows), (embeddings, vector_rows)):
        insert_rows(connection, part, rows)
    if entries:
        index_text(connection, [(item_id, entry.item) for item_id, entry in entries])


def insert_rows(connection: Connection, part: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert many rows that all name the same columns. Past SQLAlchemy's handling of each value, which took two thirds
    of the time: the values are plain numbers, text and bytes."""
    if rows:
        statement = insert(part).compile(dialect=connection.dialect, column_keys=list(rows[0]))
        order = statement.positiontup or list(rows[0])
        connection.exec_driver_sql(str(statement), [tuple(row[name] for name in order) for row in rows])


def embedding_rows(
    space_id: int, item_id: int, vectors: Mapping[Modality, Vectors], sequence: int
) -> Iterator[dict[str, object]]:
    for modality, of_modality in vectors.items():
        for vector in of_modality:
            yield {
                "space_id": space_id,
                "item_id": item_id,
                "modality": modality,
                "vector": vector.astype("<f4").tobytes(),
                "sequence": sequence,
            }


Embedded = tuple[StoredItem, Mapping[Modality, Vectors]]
"""An item as it was read, and its vectors."""

Position = tuple[int, int]
"""A place in the order in which items are filled in: a sequence number, and the id of an item it changed."""

MAX_ID = 2**63 - 1


def start_of_pending(connection: Connection, space_id: int) -> Position:
    """Behind the last change that the space has whole. Raises EncoderReplacedError where the space was dropped."""
    return filled_to(connection, space_id), MAX_ID


def items_behind(connection: Connection, position: Position, limit: int) -> list[StoredItem]:
    """Items behind a position, in the order of (sequence, id)."""
    order = (items.c.sequence, items.c.id)
    query = select(items.c.id).where(tuple_(*order) > position).order_by(*order).limit(limit)
    ids = list(connection.scalars(query))
    found = stored_items(connection, ids)
    return [found[item_id] for item_id in ids]


def backfill(connection: Connection, space_id: int, sequence: int, batch: Sequence[Embedded]) -> None:
    """Replace what a space holds of the items, save of those that changed since or have no vectors."""
    present = unchanged(connection, [stored for stored, _ in batch])
    given = {
        stored.id: vectors for stored, vectors in batch if stored.id in present and any(map(len, vectors.values()))
    }
    clear_vectors(connection, space_id, list(given))
    rows = [row for item_id, vectors in given.items() for row in embedding_rows(space_id, item_id, vectors, sequence)]
    insert_rows(connection, embeddings, rows)
    advance_watermark(connection, space_id, batch[-1][0])


def advance_watermark(connection: Connection, space_id: int, last: StoredItem) -> None:
    """Note that a space has every item up to one.

    A change of many items counts once it has them all. A space never falls back, when two processes fill it.
    """
    more = exists().where(items.c.sequence == last.sequence, items.c.id > last.id)
    reached = last.sequence - 1 if connection.scalar(select(more)) else last.sequence
    further = (spaces.c.id == space_id) & (spaces.c.filled_to < reached)
    connection.execute(update(spaces).where(further).values(filled_to=reached))
