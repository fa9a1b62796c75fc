"""The catalog: items, pictures and embeddings, committed together and numbered, read back by key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from sqlalchemy import delete, func, insert, select, union, update

from vitrina.search.store.database import Database
from vitrina.search.store.index_versions import (
    IndexVersion,
    active_identity,
    all_index_versions,
    check_active,
    dimension_of,
    drop,
    filled_to,
    index_version_of,
    is_active,
    make_index_version,
    n_pending,
    promote,
)
from vitrina.search.store.reader import CatalogReader
from vitrina.search.store.reading import CHUNK, chunks, ids_by_sku, newer, rows_since, stored_items, unchanged
from vitrina.search.store.schema import clock, deletions, embeddings, images, items, spaces
from vitrina.search.store.writing import (
    Embedded,
    backfill,
    clear_parts,
    insert_items,
    insert_parts,
    items_behind,
    next_sequence,
    start_of_pending,
    update_items,
)
from vitrina.search.types.errors import StateError
from vitrina.search.types.item import INCOMPLETE, MODALITIES, Changes, IndexedItem, StoredItem
from vitrina.search.types.models import EncoderIdentity

LAST_ITEMS = 16
"""Items a writer may have to wait for while another encoder takes over. A model of 90 million parameters embeds them
in two to five seconds on two cores; a writer gives up after ``search.sqlite.BUSY_TIMEOUT_S``."""

Embed = Callable[[Sequence[StoredItem]], Sequence[Embedded]]


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
            return active_identity(connection)

    def is_live(self, space_id: int) -> bool:
        """Whether a space is the one that answers queries. Costs one row."""
        with self.database.read() as connection:
            return is_active(connection, space_id)

    def spaces(self) -> list[IndexVersion]:
        """Every space, the live one first, then the youngest."""
        with self.database.read() as connection:
            return all_index_versions(connection)

    def open_space(self, identity: EncoderIdentity, *, live: bool) -> int:
        """The key of an encoder's space, made where there is none; ``live`` asks for the one that answers queries.

        Raises EncoderReplacedError where another encoder's is the live one.
        """
        with self.database.read() as connection:  # the usual case needs no write lock, nor a folder to write to
            space_id = index_version_of(connection, identity, live=live)
        if space_id is not None:
            return space_id
        with self.database.write() as connection:
            return make_index_version(connection, identity, live=live)

    def lacking(self, space_id: int) -> Iterator[StoredItem]:
        """The items a space is not filled with yet, oldest change first, read in pages, each a consistent state of its
        own; what changes meanwhile comes last. Raises EncoderReplacedError where the space was dropped."""
        with self.database.read() as connection:
            position = start_of_pending(connection, space_id)
        while True:
            with self.database.read() as connection:
                page = items_behind(connection, position, CHUNK)
            if not page:
                return
            yield from page
            position = (page[-1].sequence, page[-1].id)

    def n_lacking(self, space_id: int) -> int:
        """How many items ``lacking`` gives. Raises EncoderReplacedError where the space was dropped."""
        with self.database.read() as connection:
            return n_pending(connection, filled_to(connection, space_id))

    def fill(self, space_id: int, batch: Sequence[Embedded]) -> None:
        """Embed items that follow each other in ``lacking`` in its space; replaces what it held of them.

        An item without vectors keeps those it has there. Items that changed or went since they were read are left
        out; the former are lacking again. Raises EncoderReplacedError where the space was dropped.
        """
        if not batch:
            return
        with self.database.write() as connection:
            dimension_of(connection, space_id)
            backfill(connection, space_id, next_sequence(connection), batch)

    def empty_space(self, space_id: int) -> None:
        """Count every item as lacking in a space; its vectors stay until others replace them."""
        with self.database.write() as connection:
            connection.execute(update(spaces).where(spaces.c.id == space_id).values(filled_to=0))

    def take_over(self, space_id: int, embed: Embed | None = None) -> bool:
        """Make a space the live one in one step, if it lacks nothing; returns whether it is live now.

        With ``embed`` it may lack ``LAST_ITEMS`` items: they are embedded while all who write wait, so that a catalog
        that never rests can change its encoder too. The space before is kept, every other is dropped. Whoever still
        writes to another space gets an EncoderReplacedError from then on; reading one that is kept goes on.
        """
        with self.database.write() as connection:
            if is_active(connection, space_id):
                return True
            last = items_behind(connection, start_of_pending(connection, space_id), LAST_ITEMS + 1)
            if len(last) > (LAST_ITEMS if embed else 0):
                return False
            sequence = next_sequence(connection)
            if embed and last:
                backfill(connection, space_id, sequence, embed(last))
            promote(connection, space_id, sequence)
        return True

    def drop_space(self, space_id: int) -> None:
        """Forget a space with its vectors. Raises StateError for the live one."""
        with self.database.write() as connection:
            if is_active(connection, space_id):
                raise StateError(
                    "The live encoder's space answers the queries and cannot be dropped.",
                    remedy="Go over to another encoder first: vitrina encoder use NAME.",
                )
            drop(connection, [space_id])

    # Writing

    def commit(self, space_id: int, entries: Sequence[IndexedItem]) -> int:
        """Insert or replace items by sku, whole or not at all; returns the change's sequence number.

        Skus must be distinct within one call. Raises EncoderReplacedError where another space is the live one.
        """
        with self.database.write() as connection:
            check_active(connection, space_id)
            sequence = next_sequence(connection)
            known = ids_by_sku(connection, [entry.item.sku for entry in entries])
            clear_parts(connection, list(known.values()))
            ids = known | insert_items(connection, [e for e in entries if e.item.sku not in known], sequence)
            update_items(connection, [(known[e.item.sku], e) for e in entries if e.item.sku in known], sequence)
            insert_parts(connection, space_id, sequence, [(ids[entry.item.sku], entry) for entry in entries])
        return sequence

    def mark_incomplete(self, stored: Sequence[StoredItem]) -> None:
        """Let the next run over the items' source index them again, unless they changed since they were read."""
        if not stored:
            return
        with self.database.write() as connection:
            for chunk in chunks(list(unchanged(connection, stored))):
                connection.execute(update(items).where(items.c.id.in_(chunk)).values(content_hash=INCOMPLETE))

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

    @contextmanager
    def reading(self) -> Iterator[CatalogReader]:
        """One consistent state of the catalog, however long it is read."""
        with self.database.read() as connection:
            yield CatalogReader(connection)

    def sequence(self) -> int:
        """The number of the last committed change; 0 for an empty, new catalog. Costs one row."""
        with self.reading() as reader:
            return reader.sequence()

    def counts(self) -> dict[str, int]:
        """How many items, images and vectors of the live space there are."""
        live = select(spaces.c.id).where(spaces.c.live).scalar_subquery()
        counted = {
            "items": select(func.count()).select_from(items),
            "images": select(func.count()).select_from(images),
            "vectors": select(func.count()).where(embeddings.c.space_id == live),
        }
        with self.database.read() as connection:
            return {name: connection.execute(count).scalar_one() for name, count in counted.items()}

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
        with self.reading() as reader:
            return reader.item(sku)

    def items(self, item_ids: Sequence[int]) -> dict[int, StoredItem]:
        """Items by id, without those that are gone."""
        with self.reading() as reader:
            return reader.items(item_ids)

    def all_items(self) -> Iterator[StoredItem]:
        """Every item in the order of its id, read in pages, each page a consistent state of its own."""
        last = 0
        while True:
            with self.database.read() as connection:
                page = select(items.c.id).where(items.c.id > last).order_by(items.c.id).limit(CHUNK)
                found = stored_items(connection, list(connection.scalars(page)))
            if not found:
                return
            yield from found.values()
            last = max(found)

    def first_images(self) -> Iterator[str]:
        """The name of each item's first picture, the oldest first, read in pages; a picture that several items share
        comes several times."""
        last = 0
        while True:
            first = images.c.position == 0
            page = select(images.c.id, images.c.image_id).where(images.c.id > last, first).order_by(images.c.id)
            with self.database.read() as connection:
                found = connection.execute(page.limit(CHUNK)).all()
            if not found:
                return
            yield from (image_id for _, image_id in found)
            last = found[-1][0]

    def changes(self, space_id: int, since: int) -> Changes:
        """Everything after sequence number ``since`` in one space. ``since`` 0 gives the whole space.

        Raises EncoderReplacedError where the space was dropped.
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
