"""Index versions: each encoder's embeddings, backfilled beside the active version, then promoted in one step.

The functions run inside a transaction of ``Catalog``. A version that is not active follows the catalog by sequence
number: it holds every item up to its watermark. It has no vectors of what changed later, since a change clears an
item's vectors in every version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, func, insert, select, tuple_, update

from vitrina.search.store.database import embeddings, index_versions, items
from vitrina.search.store.items import clear_vectors, embedding_rows, stored_items, unchanged
from vitrina.search.store.sql import insert_rows
from vitrina.search.types.errors import EncoderReplacedError
from vitrina.search.types.item import ItemVectors, StoredItem
from vitrina.search.types.models import EncoderIdentity


@dataclass(frozen=True, slots=True)
class IndexVersion:
    """One encoder's embeddings. ``n_pending`` items are not embedded yet, or changed since they were."""

    id: int
    identity: EncoderIdentity
    active: bool
    n_pending: int


Embedded = tuple[StoredItem, ItemVectors]
"""An item as it was read, and its vectors."""

Position = tuple[int, int]
"""A position in the order in which items are backfilled: a sequence number, and the id of an item it changed."""

MAX_ID = 2**63 - 1


def active_identity(connection: Connection) -> EncoderIdentity | None:
    """The encoder of the active version, or None before anything was indexed."""
    row = connection.execute(select(index_versions).where(index_versions.c.active)).one_or_none()
    return EncoderIdentity(row.encoder, row.fingerprint, row.dimension) if row else None


def all_index_versions(connection: Connection) -> list[IndexVersion]:
    """The active one first, then the youngest."""
    order = (index_versions.c.active.desc(), index_versions.c.id.desc())
    return [
        IndexVersion(
            row.id,
            EncoderIdentity(row.encoder, row.fingerprint, row.dimension),
            row.active,
            0 if row.active else n_changed_since(connection, row.watermark),
        )
        for row in connection.execute(select(index_versions).order_by(*order)).all()
    ]


def n_changed_since(connection: Connection, sequence: int) -> int:
    """How many items changed after a sequence number."""
    return connection.scalar(select(func.count()).select_from(items).where(items.c.sequence > sequence)) or 0


def find_index_version(connection: Connection, identity: EncoderIdentity, *, active: bool) -> int | None:
    """The key of an encoder's version, if there is one (and, with ``active``, if it is the active one)."""
    known = select(index_versions.c.id).where(index_versions.c.fingerprint == identity.fingerprint)
    return connection.scalar(known.where(index_versions.c.active) if active else known)


def make_index_version(connection: Connection, identity: EncoderIdentity, *, active: bool) -> int:
    """The key of an encoder's version, made if there is none. Raises EncoderReplacedError where ``active`` is asked for
    and another encoder's version is the active one."""
    current = active_identity(connection)
    if active and current is not None and current.fingerprint != identity.fingerprint:
        raise encoder_replaced(connection)
    version_id = find_index_version(connection, identity, active=False)
    if version_id is None:
        row = {
            "encoder": identity.name,
            "fingerprint": identity.fingerprint,
            "dimension": identity.dimension,
            "active": False,
        }
        version_id = int(
            connection.execute(insert(index_versions).values(row).returning(index_versions.c.id)).scalar_one()
        )
    if active:
        connection.execute(update(index_versions).where(index_versions.c.id == version_id).values(active=True))
    return version_id


def watermark_of(connection: Connection, version_id: int) -> int:
    """The last change that a version holds whole. Raises EncoderReplacedError where the version was dropped."""
    watermark = connection.scalar(select(index_versions.c.watermark).where(index_versions.c.id == version_id))
    if watermark is None:
        raise encoder_replaced(connection)
    return int(watermark)


def start_of_pending(connection: Connection, version_id: int) -> Position:
    """Behind the last change that the version holds whole. Raises EncoderReplacedError where the version was
    dropped."""
    return watermark_of(connection, version_id), MAX_ID


def mark_all_pending(connection: Connection, version_id: int) -> None:
    """Let a version hold no change whole, so that every item is pending in it."""
    connection.execute(update(index_versions).where(index_versions.c.id == version_id).values(watermark=0))


def items_after(connection: Connection, position: Position, limit: int) -> list[StoredItem]:
    """Items after a position, in the order of (sequence, id)."""
    order = (items.c.sequence, items.c.id)
    query = select(items.c.id).where(tuple_(*order) > position).order_by(*order).limit(limit)
    ids = list(connection.scalars(query))
    found = stored_items(connection, ids)
    return [found[item_id] for item_id in ids]


def backfill(connection: Connection, version_id: int, sequence: int, batch: Sequence[Embedded]) -> None:
    """Replace the items' vectors in a version, except of items that changed since they were read or have no vectors.

    Raises EncoderReplacedError where the version was dropped.
    """
    watermark_of(connection, version_id)
    present = unchanged(connection, [stored for stored, _ in batch])
    given = {
        stored.id: vectors for stored, vectors in batch if stored.id in present and any(map(len, vectors.values()))
    }
    clear_vectors(connection, version_id, list(given))
    rows = [row for item_id, vectors in given.items() for row in embedding_rows(version_id, item_id, vectors, sequence)]
    insert_rows(connection, embeddings, rows)
    advance_watermark(connection, version_id, batch[-1][0])


def advance_watermark(connection: Connection, version_id: int, last: StoredItem) -> None:
    """Record that a version holds every item up to ``last``.

    A change of several items counts once the version holds all of them. The watermark never goes back, even if two
    processes backfill one version.
    """
    more = exists().where(items.c.sequence == last.sequence, items.c.id > last.id)
    reached = last.sequence - 1 if connection.scalar(select(more)) else last.sequence
    further = (index_versions.c.id == version_id) & (index_versions.c.watermark < reached)
    connection.execute(update(index_versions).where(further).values(watermark=reached))


def promote(connection: Connection, version_id: int, sequence: int) -> None:
    """Answer queries from one version, from change ``sequence`` on. The version before it is kept, complete up to here;
    any other is dropped."""
    previous = connection.scalar(select(index_versions.c.id).where(index_versions.c.active))
    connection.execute(update(index_versions).where(index_versions.c.active).values(active=False, watermark=sequence))
    connection.execute(update(index_versions).where(index_versions.c.id == version_id).values(active=True))
    kept = [version_id] if previous is None else [version_id, previous]
    drop(connection, connection.scalars(select(index_versions.c.id).where(index_versions.c.id.not_in(kept))).all())


def drop(connection: Connection, version_ids: Sequence[int]) -> None:
    """Delete index versions with their vectors."""
    connection.execute(delete(embeddings).where(embeddings.c.version_id.in_(version_ids)))
    connection.execute(delete(index_versions).where(index_versions.c.id.in_(version_ids)))


def is_active(connection: Connection, version_id: int) -> bool:
    """Whether a version is the active one; false for one that was dropped."""
    return bool(connection.scalar(select(index_versions.c.active).where(index_versions.c.id == version_id)))


def check_active(connection: Connection, version_id: int) -> None:
    """Raise EncoderReplacedError where another version is active, which would lack what is written to this one."""
    if not is_active(connection, version_id):
        raise encoder_replaced(connection)


def dimension_of(connection: Connection, version_id: int) -> int:
    """The dimension of a version's vectors. Raises EncoderReplacedError where the version was dropped."""
    dimension = connection.scalar(select(index_versions.c.dimension).where(index_versions.c.id == version_id))
    if dimension is None:
        raise encoder_replaced(connection)
    return int(dimension)


def encoder_replaced(connection: Connection) -> EncoderReplacedError:
    active = active_identity(connection)
    name = active.name if active else "none"
    return EncoderReplacedError(
        f"The catalog went over to another encoder since it was opened: {name!r}.",
        remedy="Run the same command again, without VITRINA_ENCODER: the catalog knows its encoder.",
    )
