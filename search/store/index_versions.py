"""Statements about embedding spaces, inside a transaction of ``Catalog``.

A space that is not live follows the catalog as a view does, by sequence number: it has every item up to ``filled_to``.
What changed later it has no vectors of, since a change clears an item's vectors in every space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from vitrina.search.store.schema import embeddings, items, spaces
from vitrina.search.types.errors import EncoderError, EncoderReplacedError
from vitrina.search.types.models import EncoderIdentity


@dataclass(frozen=True, slots=True)
class IndexVersion:
    """One encoder's embeddings. ``n_pending`` items are not embedded yet, or changed since they were."""

    id: int
    identity: EncoderIdentity
    live: bool
    n_lacking: int


def active_identity(connection: Connection) -> EncoderIdentity | None:
    row = connection.execute(select(spaces).where(spaces.c.live)).one_or_none()
    return EncoderIdentity(row.encoder, row.fingerprint, row.dimension) if row else None


def all_index_versions(connection: Connection) -> list[IndexVersion]:
    """The live one first, then the youngest."""
    order = (spaces.c.live.desc(), spaces.c.id.desc())
    return [
        IndexVersion(
            row.id,
            EncoderIdentity(row.encoder, row.fingerprint, row.dimension),
            row.live,
            0 if row.live else n_pending(connection, row.filled_to),
        )
        for row in connection.execute(select(spaces).order_by(*order)).all()
    ]


def n_pending(connection: Connection, filled_to: int) -> int:
    return connection.scalar(select(func.count()).select_from(items).where(items.c.sequence > filled_to)) or 0


def index_version_of(connection: Connection, identity: EncoderIdentity, *, live: bool) -> int | None:
    """The key of an encoder's space, if there is one (and, with ``live``, it is the live one)."""
    known = select(spaces.c.id).where(spaces.c.fingerprint == identity.fingerprint)
    return connection.scalar(known.where(spaces.c.live) if live else known)


def make_index_version(connection: Connection, identity: EncoderIdentity, *, live: bool) -> int:
    """The key of an encoder's space, made where there is none. Raises EncoderReplacedError where ``live`` is asked for
    and another encoder's space is the live one."""
    answering = active_identity(connection)
    if live and answering is not None and answering.fingerprint != identity.fingerprint:
        raise replaced(connection)
    space_id = index_version_of(connection, identity, live=False)
    if space_id is None:
        row = {
            "encoder": identity.name,
            "fingerprint": identity.fingerprint,
            "dimension": identity.dimension,
            "live": False,
        }
        space_id = int(connection.execute(insert(spaces).values(row).returning(spaces.c.id)).scalar_one())
    if live:
        connection.execute(update(spaces).where(spaces.c.id == space_id).values(live=True))
    return space_id


def filled_to(connection: Connection, space_id: int) -> int:
    dimension_of(connection, space_id)
    return int(connection.execute(select(spaces.c.filled_to).where(spaces.c.id == space_id)).scalar_one())


def promote(connection: Connection, space_id: int, sequence: int) -> None:
    """Let one space answer queries from change ``sequence`` on. The one before it is kept, full up to here; any other
    is dropped."""
    previous = connection.scalar(select(spaces.c.id).where(spaces.c.live))
    connection.execute(update(spaces).where(spaces.c.live).values(live=False, filled_to=sequence))
    connection.execute(update(spaces).where(spaces.c.id == space_id).values(live=True))
    kept = [space_id] if previous is None else [space_id, previous]
    drop(connection, connection.scalars(select(spaces.c.id).where(spaces.c.id.not_in(kept))).all())


def drop(connection: Connection, space_ids: Sequence[int]) -> None:
    connection.execute(delete(embeddings).where(embeddings.c.space_id.in_(space_ids)))
    connection.execute(delete(spaces).where(spaces.c.id.in_(space_ids)))


def dimension_of(connection: Connection, space_id: int) -> int:
    """The dimension of a space's vectors. Raises EncoderReplacedError where the space was dropped."""
    dimension = connection.scalar(select(spaces.c.dimension).where(spaces.c.id == space_id))
    if dimension is None:
        raise replaced(connection)
    return int(dimension)


def is_active(connection: Connection, space_id: int) -> bool:
    return bool(connection.scalar(select(spaces.c.live).where(spaces.c.id == space_id)))


def check_active(connection: Connection, space_id: int) -> None:
    """Raises EncoderReplacedError where another space answers the queries, which then lacked what is written here."""
    if not is_active(connection, space_id):
        raise replaced(connection)


def replaced(connection: Connection) -> EncoderError:
    live = active_identity(connection)
    name = live.name if live else "none"
    return EncoderReplacedError(
        f"The catalog went over to another encoder since it was opened: {name!r}.",
        remedy="Run the same command again, without VITRINA_ENCODER: the catalog knows its encoder.",
    )
