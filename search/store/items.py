"""Statements that read and write items, their images, facets and embeddings, inside a transaction of ``Catalog``."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    RowMapping,
    Text,
    and_,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from vitrina.search.store.database import (
    CHUNK,
    chunks,
    clock,
    deletions,
    embeddings,
    facets,
    identifiers,
    images,
    item_terms,
    items,
    sequence_of,
    touched_items,
    twins,
)
from vitrina.search.store.sql import ids_of_parameter, insert_rows, insert_with_ids
from vitrina.search.store.terms import stored_variant, term_rows, variant_columns
from vitrina.search.types.errors import ItemChangedError
from vitrina.search.types.filters import facets as facets_of
from vitrina.search.types.identifiers import folded, folded_title
from vitrina.search.types.identifiers import identifiers as identifiers_of
from vitrina.search.types.item import (
    INCOMPLETE,
    MODALITIES,
    PIECES,
    AttributeValue,
    Changes,
    EmbeddingRows,
    IndexedItem,
    Item,
    ItemVectors,
    Modality,
    Scalar,
    StoredItem,
)

ROWS_PER_FETCH = 10_000


def embedding_rows(version_id: int, item_id: int, vectors: ItemVectors, sequence: int) -> Iterator[dict[str, object]]:
    """The rows of one item's vectors, for ``insert_rows``."""
    for kind, of_kind in vectors.items():
        for vector in of_kind:
            yield {
                "version_id": version_id,
                "item_id": item_id,
                "modality": kind,
                "vector": (vector if kind == PIECES else vector.astype("<f4")).tobytes(),
                "sequence": sequence,
            }


def in_version(version_id: int | BindParameter[int]) -> ColumnElement[bool]:
    """Whether a vector is of an index version, of those that another condition finds: without statistics SQLite would
    rather read all rows of the version by their index than those of a few items by theirs, and reads none by a sum."""
    return embeddings.c.version_id + 0 == version_id


def clear_vectors(connection: Connection, version_id: int, item_ids: Sequence[int]) -> None:
    """Remove the items' vectors in one index version."""
    for chunk in chunks(item_ids):
        connection.execute(delete(embeddings).where(in_version(version_id), embeddings.c.item_id.in_(chunk)))


def changes_since(connection: Connection, version_id: int, dimension: int, since: int) -> Changes:
    """What changed after sequence number ``since`` in one index version; everything in it for ``since`` 0."""
    ids = touched_items(connection, since, select(embeddings.c.item_id).where(newer(version_id, since)))
    rows = {modality: rows_since(connection, version_id, modality, since, dimension) for modality in MODALITIES}
    return Changes(sequence_of(connection), ids, rows)


def newer(version_id: int, since: int) -> ColumnElement[bool]:
    return and_(embeddings.c.version_id == version_id, embeddings.c.sequence > since)


def rows_since(
    connection: Connection, version_id: int, modality: Modality, since: int, dimension: int
) -> EmbeddingRows:
    query = (
        select(embeddings.c.id, embeddings.c.item_id, embeddings.c.vector)
        .where(newer(version_id, since), embeddings.c.modality == modality)
        .order_by(embeddings.c.sequence, embeddings.c.id)  # as the index has them: ids grow with the sequence
    )
    parts = [EmbeddingRows(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, dimension), np.float32))]
    pages = connection.execute(query.execution_options(yield_per=ROWS_PER_FETCH)).partitions()
    parts += [rows_of([tuple(row) for row in page]) for page in pages]
    return EmbeddingRows(
        np.concatenate([part.row_ids for part in parts]),
        np.concatenate([part.item_ids for part in parts]),
        np.concatenate([part.vectors for part in parts]),
    )


def rows_of(page: Sequence[tuple[int, int, bytes]]) -> EmbeddingRows:
    row_ids, item_ids, blobs = zip(*page, strict=True)
    vectors = np.frombuffer(b"".join(blobs), dtype="<f4").reshape(len(page), -1)  # (n, d)
    return EmbeddingRows(np.array(row_ids, np.int64), np.array(item_ids, np.int64), vectors)


@dataclass(frozen=True, slots=True)
class NameChanges:
    """The names of items that changed, under which a query finds them: titles, skus and codes, as they are folded."""

    sequence: int
    names: list[str]


def names_since(connection: Connection, since: int) -> NameChanges:
    """The names of the items that changed after sequence number ``since``; of all for 0."""
    of_codes = select(identifiers.c.key)
    if since:
        of_codes = of_codes.join(items, items.c.id == identifiers.c.item_id).where(items.c.sequence > since)
    of_items = select(items.c.folded_title, items.c.folded_sku).where(items.c.sequence > since)
    names = [name for row in connection.execute(of_items) for name in row]
    return NameChanges(sequence_of(connection), [*names, *connection.scalars(of_codes)])


def ids_by_sku(connection: Connection, skus: Sequence[str]) -> dict[str, int]:
    """The id of each sku that is there."""
    return {
        sku: item_id
        for chunk in chunks(skus)
        for sku, item_id in connection.execute(select(items.c.sku, items.c.id).where(items.c.sku.in_(chunk)))
    }


ASKED_IDS = ids_of_parameter(bindparam("ids", type_=Text))
"""Ids as one parameter, however many; the statements are made once, since making them takes longer than running."""

IMAGES_OF = (
    select(images.c.item_id, images.c.image_id)
    .where(images.c.item_id.in_(ASKED_IDS))
    .order_by(images.c.item_id, images.c.position)
)
ITEMS_OF = select(items).where(items.c.id.in_(ASKED_IDS))

PIECES_OF = select(embeddings.c.item_id, embeddings.c.vector).where(
    in_version(bindparam("version_id", type_=Integer)),
    embeddings.c.item_id.in_(ASKED_IDS),
    embeddings.c.modality == PIECES,
)


def pieces_of(connection: Connection, version_id: int, item_ids: Sequence[int]) -> dict[int, bytes]:
    """What an index version has of the word pieces of some items, by their ids; items without any are left out."""
    rows = connection.execute(PIECES_OF, {"ids": json.dumps(list(item_ids)), "version_id": version_id})
    return {int(item_id): bytes(pieces) for item_id, pieces in rows}


def stored_items(connection: Connection, item_ids: Sequence[int]) -> dict[int, StoredItem]:
    """Items by id, without those that are gone."""
    if not item_ids:
        return {}
    image_ids: dict[int, list[str]] = {}
    asked = {"ids": json.dumps(list(item_ids))}
    for item_id, image_id in connection.execute(IMAGES_OF, asked):
        image_ids.setdefault(item_id, []).append(image_id)
    rows = connection.execute(ITEMS_OF, asked).mappings()
    return {row["id"]: stored_item(row, tuple(image_ids.get(row["id"], ()))) for row in rows}


def items_above(connection: Connection, after: int) -> list[tuple[int, StoredItem]]:
    """Up to ``CHUNK`` items whose ids are above ``after``, with their ids, ascending."""
    ids = connection.scalars(select(items.c.id).where(items.c.id > after).order_by(items.c.id).limit(CHUNK))
    return sorted(stored_items(connection, list(ids)).items())


def first_images_above(connection: Connection, after: int) -> list[tuple[int, str]]:
    """The image ids of up to ``CHUNK`` items' first images, in rows whose ids are above ``after``, with the rows' ids,
    ascending."""
    firsts = select(images.c.id, images.c.image_id).where(images.c.position == 0, images.c.id > after)
    rows = connection.execute(firsts.order_by(images.c.id).limit(CHUNK))
    return [(row_id, image_id) for row_id, image_id in rows]


def unchanged(connection: Connection, stored: Sequence[StoredItem]) -> set[int]:
    """The ids of the items that have not changed since they were read."""
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
        variants=tuple(map(stored_variant, row["variants"] or ())),
        price_to_cents=price_to(row),
    )
    return StoredItem(row["id"], item, image_ids, row["content_hash"], row["sequence"])


def price_to(row: RowMapping) -> int | None:
    """The highest price of an item without variants, where that is another than its price."""
    return None if row["variants"] or row["max_price_cents"] == row["price_cents"] else row["max_price_cents"]


def attribute_value(value: Scalar | list[Scalar]) -> AttributeValue:
    return tuple(value) if isinstance(value, list) else value


def next_sequence(connection: Connection) -> int:
    """Take the number of the next change, which locks the clock until the transaction ends."""
    step = update(clock).values(sequence=clock.c.sequence + 1).returning(clock.c.sequence)
    return int(connection.execute(step).scalar_one())


def item_columns(entry: IndexedItem, sequence: int, source_id: int | None) -> dict[str, object]:
    """An item's row; one that is put by itself, without a source, stays with the source that it has."""
    item = entry.item
    source = {} if source_id is None else {"source_id": source_id}
    return {
        **source,
        "changed_at": round(time.time(), 3),
        "sku": item.sku,
        "folded_sku": folded(item.sku),
        "folded_title": folded_title(item.title),
        "title": item.title,
        "description": item.description,
        "attributes": dict(item.attributes),
        "price_cents": item.price_cents,
        "currency": item.currency,
        "url": item.url,
        "max_price_cents": item.max_price_cents,
        "variants": [variant_columns(variant) for variant in item.variants] or None,
        "content_hash": entry.content_hash,
        "sequence": sequence,
    }


def insert_items(
    connection: Connection, entries: Sequence[IndexedItem], sequence: int, source_id: int | None = None
) -> dict[str, int]:
    """Insert rows of new items; returns their ids by sku."""
    ids = insert_with_ids(connection, items, [item_columns(entry, sequence, source_id) for entry in entries])
    return {entry.item.sku: item_id for entry, item_id in zip(entries, ids, strict=True)}


def update_items(
    connection: Connection, entries: Sequence[tuple[int, IndexedItem]], sequence: int, source_id: int | None = None
) -> None:
    """Overwrite the rows of items, given with their ids."""
    if entries:
        connection.execute(
            update(items).where(items.c.id == bindparam("key")),
            [{"key": item_id, **item_columns(entry, sequence, source_id)} for item_id, entry in entries],
        )


def replace_items(
    connection: Connection, version_id: int, entries: Sequence[IndexedItem], source_id: int | None
) -> int:
    """Insert or replace items by sku, as one change; returns its sequence number."""
    sequence = next_sequence(connection)
    known = ids_by_sku(connection, [entry.item.sku for entry in entries])
    clear_parts(connection, list(known.values()))
    ids = known | insert_items(connection, [e for e in entries if e.item.sku not in known], sequence, source_id)
    changed = [(known[e.item.sku], e) for e in entries if e.item.sku in known]
    update_items(connection, changed, sequence, source_id)
    insert_parts(connection, version_id, sequence, [(ids[entry.item.sku], entry) for entry in entries])
    return sequence


def delete_items(connection: Connection, skus: Sequence[str]) -> list[str]:
    """Delete items with all their parts, as one change; returns the skus that were there."""
    known = ids_by_sku(connection, skus)
    if known:
        sequence, ids = next_sequence(connection), list(known.values())
        clear_parts(connection, ids)
        for chunk in chunks(ids):
            connection.execute(delete(items).where(items.c.id.in_(chunk)))
        connection.execute(insert(deletions), [{"item_id": item_id, "sequence": sequence} for item_id in ids])
    return [sku for sku in skus if sku in known]


def mark_incomplete(connection: Connection, stored: Sequence[StoredItem]) -> None:
    """Let the next run over the items' source index them again, unless they changed since they were read."""
    for chunk in chunks(list(unchanged(connection, stored))):
        connection.execute(update(items).where(items.c.id.in_(chunk)).values(content_hash=INCOMPLETE))


def check_unchanged(connection: Connection, before: StoredItem) -> None:
    """Raises ItemChangedError unless an item is as it was read."""
    if not list(unchanged(connection, [before])):
        raise ItemChangedError(f"The item {before.item.sku!r} changed meanwhile.", remedy="Try again.")


def clear_parts(connection: Connection, item_ids: Sequence[int]) -> None:
    """Remove the items' facets, identifiers, images, words, twins, and vectors in every index version."""
    for chunk in chunks(item_ids):
        for part in (facets, identifiers, images, embeddings, item_terms, twins):
            connection.execute(delete(part).where(part.c.item_id.in_(chunk)))


def insert_parts(
    connection: Connection, version_id: int, sequence: int, entries: Sequence[tuple[int, IndexedItem]]
) -> None:
    """Insert the facets, identifiers, images, words, and vectors of items, given with their ids."""
    facet_rows = [
        {
            "item_id": item_id,
            "field": facet.field,
            "value": facet.value,
            "number": facet.number,
            "variant": facet.variant,
        }
        for item_id, entry in entries
        for facet in facets_of(entry.item)
    ]
    identifier_rows = [
        {"item_id": item_id, "value": code.value, "key": code.key, "is_sku": code.is_sku}
        for item_id, entry in entries
        for code in identifiers_of(entry.item)
    ]
    image_rows = [
        {"item_id": item_id, "position": position, "image_id": image_id}
        for item_id, entry in entries
        for position, image_id in enumerate(entry.image_ids)
    ]
    vector_rows = [
        row for item_id, entry in entries for row in embedding_rows(version_id, item_id, entry.vectors, sequence)
    ]
    words = term_rows([(item_id, entry.item) for item_id, entry in entries])
    parts = (
        (facets, facet_rows),
        (identifiers, identifier_rows),
        (images, image_rows),
        (embeddings, vector_rows),
        (item_terms, words),
    )
    for part, rows in parts:
        insert_rows(connection, part, rows)
