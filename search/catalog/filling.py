"""Statements that fill a space with what it lacks, inside a transaction of ``Catalog``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, exists, select, tuple_, update

from search.catalog.entry import Modality, StoredItem
from search.catalog.reading import stored_items, unchanged
from search.catalog.schema import embeddings, items, spaces
from search.catalog.spaces import filled_to
from search.catalog.writing import clear_vectors, embedding_rows, insert_rows
from search.encoders.base import Vectors

Embedded = tuple[StoredItem, Mapping[Modality, Vectors]]
"""An item as it was read, and its vectors."""

Position = tuple[int, int]
"""A place in the order in which items are filled in: a sequence number, and the id of an item it changed."""

MAX_ID = 2**63 - 1


def start_of_lacking(connection: Connection, space_id: int) -> Position:
    """Behind the last change that the space has whole. Raises EncoderReplacedError where the space was dropped."""
    return filled_to(connection, space_id), MAX_ID


def items_behind(connection: Connection, position: Position, limit: int) -> list[StoredItem]:
    """Items behind a position, in the order of (sequence, id)."""
    order = (items.c.sequence, items.c.id)
    query = select(items.c.id).where(tuple_(*order) > position).order_by(*order).limit(limit)
    ids = list(connection.scalars(query))
    found = stored_items(connection, ids)
    return [found[item_id] for item_id in ids]


def fill_in(connection: Connection, space_id: int, sequence: int, batch: Sequence[Embedded]) -> None:
    """Replace what a space holds of the items, save of those that changed since or have no vectors."""
    present = unchanged(connection, [stored for stored, _ in batch])
    given = {
        stored.id: vectors for stored, vectors in batch if stored.id in present and any(map(len, vectors.values()))
    }
    clear_vectors(connection, space_id, list(given))
    rows = [row for item_id, vectors in given.items() for row in embedding_rows(space_id, item_id, vectors, sequence)]
    insert_rows(connection, embeddings, rows)
    fill_to(connection, space_id, batch[-1][0])


def fill_to(connection: Connection, space_id: int, last: StoredItem) -> None:
    """Note that a space has every item up to one.

    A change of many items counts once it has them all. A space never falls back, when two processes fill it.
    """
    more = exists().where(items.c.sequence == last.sequence, items.c.id > last.id)
    reached = last.sequence - 1 if connection.scalar(select(more)) else last.sequence
    further = (spaces.c.id == space_id) & (spaces.c.filled_to < reached)
    connection.execute(update(spaces).where(further).values(filled_to=reached))
