"""Statements that write an item with all its parts, inside a transaction of ``Catalog``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection, Table, bindparam, delete, insert, update

from search.catalog.entry import Entry, Modality
from search.catalog.reading import chunks
from search.catalog.schema import clock, embeddings, facets, images, items
from search.catalog.words import index_words, remove_words
from search.encoders.base import Vectors
from search.filters import facets as facets_of


def next_sequence(connection: Connection) -> int:
    step = update(clock).values(sequence=clock.c.sequence + 1).returning(clock.c.sequence)
    return int(connection.execute(step).scalar_one())


def item_columns(entry: Entry, sequence: int) -> dict[str, object]:
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


def insert_items(connection: Connection, entries: Sequence[Entry], sequence: int) -> dict[str, int]:
    if not entries:
        return {}
    rows = connection.execute(
        insert(items).returning(items.c.sku, items.c.id), [item_columns(entry, sequence) for entry in entries]
    )
    return {row.sku: row.id for row in rows}


def update_items(connection: Connection, entries: Sequence[tuple[int, Entry]], sequence: int) -> None:
    if entries:
        connection.execute(
            update(items).where(items.c.id == bindparam("key")),
            [{"key": item_id, **item_columns(entry, sequence)} for item_id, entry in entries],
        )


def clear_parts(connection: Connection, item_ids: Sequence[int]) -> None:
    for chunk in chunks(item_ids):
        for part in (facets, images, embeddings):
            connection.execute(delete(part).where(part.c.item_id.in_(chunk)))
        remove_words(connection, chunk)


def clear_vectors(connection: Connection, space_id: int, item_ids: Sequence[int]) -> None:
    for chunk in chunks(item_ids):
        of_items = (embeddings.c.space_id == space_id) & embeddings.c.item_id.in_(chunk)
        connection.execute(delete(embeddings).where(of_items))


def insert_parts(connection: Connection, space_id: int, sequence: int, entries: Sequence[tuple[int, Entry]]) -> None:
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
        index_words(connection, [(item_id, entry.item) for item_id, entry in entries])


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
