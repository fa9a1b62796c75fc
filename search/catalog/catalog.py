"""The catalog: items, pictures and embeddings, committed together and numbered, read back by key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from sqlalchemy import delete, func, insert, select, union, update

from search.catalog.database import Database
from search.catalog.entry import MODALITIES, Changes, Entry, Modality, StoredItem
from search.catalog.reading import CHUNK, chunks, dimension_of, ids_by_sku, newer, rows_since, stored_items
from search.catalog.schema import clock, deletions, embeddings, images, items, spaces
from search.catalog.writing import (
    clear_parts,
    embedding_rows,
    insert_items,
    insert_parts,
    next_sequence,
    update_items,
)
from search.encoders.base import EncoderIdentity, Vectors
from search.errors import NotFoundError


class Catalog:
    """The truth about one home's items. Safe to use from several threads and processes at once.

    Reads see one consistent state; writes are single transactions under a growing sequence number. Every method may
    raise StorageError.
    """

    def __init__(self, path: Path) -> None:
        self.database = Database(path)
        with self.database.read() as connection:
            self.name: str = connection.execute(select(clock.c.catalog)).scalar_one()

    def close(self) -> None:
        self.database.close()

    # Embedding spaces

    def live_space(self) -> EncoderIdentity | None:
        """The encoder whose vectors answer queries, or None before anything was indexed."""
        with self.database.read() as connection:
            row = connection.execute(select(spaces).where(spaces.c.live)).one_or_none()
        return EncoderIdentity(row.encoder, row.fingerprint, row.dimension) if row else None

    def open_space(self, identity: EncoderIdentity, *, live: bool) -> int:
        """The key of an encoder's space, made where there is none; ``live`` makes it the one that answers queries."""
        known = select(spaces.c.id).where(spaces.c.fingerprint == identity.fingerprint)
        with self.database.read() as connection:  # the usual case needs no write lock, nor a folder to write to
            space_id = connection.scalar(known.where(spaces.c.live) if live else known)
            if space_id is not None:
                return int(space_id)
        with self.database.write() as connection:
            space_id = connection.scalar(known)
            if space_id is None:
                row = {
                    "encoder": identity.name,
                    "fingerprint": identity.fingerprint,
                    "dimension": identity.dimension,
                    "live": False,
                }
                space_id = connection.execute(insert(spaces).values(row).returning(spaces.c.id)).scalar_one()
            if live:
                connection.execute(update(spaces).values(live=spaces.c.id == space_id))
        return int(space_id)

    def take_over(self, space_id: int, since: int) -> bool:
        """Make one space the live one and forget the others with their vectors, in one step.

        Does nothing, and returns False, where an item changed after sequence number ``since``: the space lacks it.
        Whoever still uses another space gets an EncoderError from then on.
        """
        with self.database.write() as connection:
            if connection.scalar(select(items.c.id).where(items.c.sequence > since).limit(1)) is not None:
                return False
            next_sequence(connection)
            connection.execute(update(spaces).values(live=spaces.c.id == space_id))
            connection.execute(delete(embeddings).where(embeddings.c.space_id != space_id))
            connection.execute(delete(spaces).where(spaces.c.id != space_id))
        return True

    # Writing

    def commit(self, space_id: int, entries: Sequence[Entry]) -> int:
        """Insert or replace items by sku, whole or not at all; returns the change's sequence number.

        Skus must be distinct within one call. Raises EncoderError where the space is gone.
        """
        with self.database.write() as connection:
            dimension_of(connection, space_id)
            sequence = next_sequence(connection)
            known = ids_by_sku(connection, [entry.item.sku for entry in entries])
            clear_parts(connection, list(known.values()))
            ids = known | insert_items(connection, [e for e in entries if e.item.sku not in known], sequence)
            update_items(connection, [(known[e.item.sku], e) for e in entries if e.item.sku in known], sequence)
            insert_parts(connection, space_id, sequence, [(ids[entry.item.sku], entry) for entry in entries])
        return sequence

    def add_vectors(self, space_id: int, vectors: Mapping[int, Mapping[Modality, Vectors]]) -> None:
        """Embed existing items (by id) in another space; replaces what that space held for them.

        Items deleted meanwhile are left out. Raises EncoderError where the space is gone.
        """
        with self.database.write() as connection:
            dimension_of(connection, space_id)
            sequence = next_sequence(connection)
            for chunk in chunks(list(vectors)):
                stale = (embeddings.c.space_id == space_id) & embeddings.c.item_id.in_(chunk)
                connection.execute(delete(embeddings).where(stale))
                rows = [
                    row
                    for item_id in connection.scalars(select(items.c.id).where(items.c.id.in_(chunk)))
                    for row in embedding_rows(space_id, item_id, vectors[item_id], sequence)
                ]
                if rows:
                    connection.execute(insert(embeddings), rows)

    def delete(self, skus: Sequence[str]) -> list[str]:
        """Remove items with all they have; returns the skus that were there."""
        with self.database.write() as connection:
            known = ids_by_sku(connection, skus)
            if known:
                sequence = next_sequence(connection)
                ids = list(known.values())
                clear_parts(connection, ids)
                for chunk in chunks(ids):
                    connection.execute(delete(items).where(items.c.id.in_(chunk)))
                connection.execute(insert(deletions), [{"item_id": i, "sequence": sequence} for i in ids])
        return [sku for sku in skus if sku in known]

    # Reading

    def sequence(self) -> int:
        """The number of the last committed change; 0 for an empty, new catalog. Costs one row."""
        with self.database.read() as connection:
            return int(connection.execute(select(clock.c.sequence)).scalar_one())

    def counts(self) -> dict[str, int]:
        """How many items, images and vectors there are."""
        tables = {"items": items, "images": images, "vectors": embeddings}
        with self.database.read() as connection:
            return {
                name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for name, table in tables.items()
            }

    def content_hashes(self, skus: Sequence[str]) -> dict[str, str]:
        """The content hash of each sku that is there."""
        with self.database.read() as connection:
            return {
                sku: content_hash
                for chunk in chunks(skus)
                for sku, content_hash in connection.execute(
                    select(items.c.sku, items.c.content_hash).where(items.c.sku.in_(chunk))
                )
            }

    def item(self, sku: str) -> StoredItem:
        """One item by its sku. Raises NotFoundError."""
        with self.database.read() as connection:
            found = ids_by_sku(connection, [sku])
            if not found:
                raise NotFoundError(
                    f"There is no item with the sku {sku!r:.300}.",
                    remedy="Check the sku's spelling, or index the catalog that holds it.",
                    details={"sku": sku[:300]},
                )
            return stored_items(connection, list(found.values()))[found[sku]]

    def items(self, item_ids: Sequence[int]) -> dict[int, StoredItem]:
        """Items by id; those that are gone are left out."""
        with self.database.read() as connection:
            return stored_items(connection, item_ids)

    def all_items(self, since: int = 0) -> Iterator[StoredItem]:
        """Every item that changed after sequence number ``since``, in the order of its id, read in pages, each page a
        consistent state of its own."""
        last = 0
        while True:
            with self.database.read() as connection:
                newer_items = (items.c.id > last) & (items.c.sequence > since)
                page = select(items.c.id).where(newer_items).order_by(items.c.id).limit(CHUNK)
                found = stored_items(connection, list(connection.scalars(page)))
            if not found:
                return
            yield from found.values()
            last = max(found)

    def changes(self, space_id: int, since: int) -> Changes:
        """Everything after sequence number ``since`` in one space. ``since`` 0 gives the whole space.

        Raises EncoderError where the space is gone.
        """
        with self.database.read() as connection:
            sequence = int(connection.execute(select(clock.c.sequence)).scalar_one())
            touched = union(
                select(items.c.id).where(items.c.sequence > since),
                select(deletions.c.item_id).where(deletions.c.sequence > since),
                select(embeddings.c.item_id).where(newer(space_id, since)),
            )
            ids = np.fromiter(connection.scalars(touched) if since else (), dtype=np.int64)
            rows = {modality: rows_since(connection, space_id, modality, since) for modality in MODALITIES}
        return Changes(sequence, ids, rows)
