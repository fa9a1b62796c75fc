"""Statements that read items and embeddings back, inside a transaction of ``Catalog``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
from sqlalchemy import ColumnElement, Connection, RowMapping, and_, select

from vitrina.search.store.index_versions import dimension_of
from vitrina.search.store.schema import embeddings, images, items
from vitrina.search.types.item import AttributeValue, EmbeddingRows, Item, Modality, Scalar, StoredItem

CHUNK = 500
"""Keys in one IN list; SQLite allows 32,766 parameters."""

ROWS_A_FETCH = 10_000

T = TypeVar("T")


def chunks(keys: Sequence[T]) -> Iterator[Sequence[T]]:
    return (keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK))


def ids_by_sku(connection: Connection, skus: Sequence[str]) -> dict[str, int]:
    return {
        sku: item_id
        for chunk in chunks(skus)
        for sku, item_id in connection.execute(select(items.c.sku, items.c.id).where(items.c.sku.in_(chunk)))
    }


def stored_items(connection: Connection, item_ids: Sequence[int]) -> dict[int, StoredItem]:
    image_ids: dict[int, list[str]] = {}
    rows: list[RowMapping] = []
    for chunk in chunks(item_ids):
        of_items = select(images.c.item_id, images.c.image_id).where(images.c.item_id.in_(chunk))
        for item_id, image_id in connection.execute(of_items.order_by(images.c.item_id, images.c.position)):
            image_ids.setdefault(item_id, []).append(image_id)
        rows += connection.execute(select(items).where(items.c.id.in_(chunk))).mappings().all()
    return {row["id"]: stored_item(row, tuple(image_ids.get(row["id"], ()))) for row in rows}


def unchanged(connection: Connection, stored: Sequence[StoredItem]) -> set[int]:
    """The ids of the items that are still as they were read."""
    read_at = {each.id: each.sequence for each in stored}
    return {
        item_id
        for chunk in chunks(list(read_at))
        for item_id, sequence in connection.execute(select(items.c.id, items.c.sequence).where(items.c.id.in_(chunk)))
        if sequence == read_at[item_id]
    }


def stored_item(row: RowMapping, image_ids: tuple[str, ...]) -> StoredItem:
    item = Item(
        sku=row["sku"],
        title=row["title"],
        description=row["description"],
        attributes={field: attribute_value(value) for field, value in row["attributes"].items()},
        price_cents=row["price_cents"],
        currency=row["currency"],
        url=row["url"],
    )
    return StoredItem(row["id"], item, image_ids, row["content_hash"], row["sequence"])


def attribute_value(value: Scalar | list[Scalar]) -> AttributeValue:
    return tuple(value) if isinstance(value, list) else value


def newer(space_id: int, since: int) -> ColumnElement[bool]:
    return and_(embeddings.c.space_id == space_id, embeddings.c.sequence > since)


def rows_since(connection: Connection, space_id: int, modality: Modality, since: int) -> EmbeddingRows:
    query = (
        select(embeddings.c.id, embeddings.c.item_id, embeddings.c.vector)
        .where(newer(space_id, since), embeddings.c.modality == modality)
        .order_by(embeddings.c.sequence, embeddings.c.id)  # as the index has them: ids grow with the sequence
    )
    dimension = dimension_of(connection, space_id)
    parts = [EmbeddingRows(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, dimension), np.float32))]
    parts += [rows_of([tuple(row) for row in page]) for page in connection.execute(query).partitions(ROWS_A_FETCH)]
    return EmbeddingRows(
        np.concatenate([part.row_ids for part in parts]),
        np.concatenate([part.item_ids for part in parts]),
        np.concatenate([part.vectors for part in parts]),
    )


def rows_of(page: Sequence[tuple[int, int, bytes]]) -> EmbeddingRows:
    row_ids, item_ids, blobs = zip(*page, strict=True)
    vectors = np.frombuffer(b"".join(blobs), dtype="<f4").reshape(len(page), -1)  # (n, d)
    return EmbeddingRows(np.array(row_ids, np.int64), np.array(item_ids, np.int64), vectors)
