"""Where items come from: sources, the items of each, and pages of all items by when they changed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, tuple_, update

from vitrina.search.store.database import CHUNK, chunks, items, sources
from vitrina.search.store.items import stored_items
from vitrina.search.types.item import StoredItem

ROUNDING_S = 0.0005
"""Times are stored in whole milliseconds."""


@dataclass(frozen=True, slots=True)
class KnownItem:
    """What indexing compares a row with: the content hash of the item of its sku, and the source it came from."""

    content_hash: str
    source_id: int | None


@dataclass(frozen=True, slots=True)
class PageItem:
    """An item in a list of all: the name of its source, None if it was added over HTTP, and when it changed last, in
    seconds since 1970, None if an older version wrote it."""

    stored: StoredItem
    source: str | None
    changed_at: float | None


@dataclass(frozen=True, slots=True)
class ItemPage:
    """A page of items, the longest unchanged first; ``last`` is where the next page goes on, None after the end."""

    items: tuple[PageItem, ...]
    last: tuple[int, int] | None
    total: int


def source_id_of(connection: Connection, name: str) -> int | None:
    """The id of the source of a name, if anything came from it."""
    return connection.scalar(select(sources.c.id).where(sources.c.name == name))


def make_source(connection: Connection, name: str) -> int:
    """The id of the source of a name, which is added if it is new."""
    known = source_id_of(connection, name)
    if known is not None:
        return known
    return int(connection.execute(insert(sources).values(name=name).returning(sources.c.id)).scalar_one())


def source_counts(connection: Connection) -> dict[int, int]:
    """How many items each source has."""
    counted = select(items.c.source_id, func.count()).where(items.c.source_id.is_not(None)).group_by(items.c.source_id)
    return {row[0]: row[1] for row in connection.execute(counted)}


def known_items(connection: Connection, skus: Sequence[str]) -> dict[str, KnownItem]:
    """What is known of each sku that is there."""
    columns = select(items.c.sku, items.c.content_hash, items.c.source_id)
    return {
        sku: KnownItem(content_hash, source_id)
        for chunk in chunks(skus)
        for sku, content_hash, source_id in connection.execute(columns.where(items.c.sku.in_(chunk)))
    }


def assign(connection: Connection, source_id: int, skus: Sequence[str]) -> None:
    """Make items those of a source."""
    for chunk in chunks(skus):
        connection.execute(update(items).where(items.c.sku.in_(chunk)).values(source_id=source_id))


def move_items(connection: Connection, source_ids: Sequence[int], source_id: int) -> None:
    """Make the items of some sources those of another."""
    moved = update(items).where(items.c.source_id.in_(source_ids))
    connection.execute(moved.values(source_id=source_id))


def skus_of(connection: Connection, source_ids: Sequence[int], after: int) -> list[tuple[int, str]]:
    """The ids and skus of up to ``CHUNK`` items of some sources whose ids are above ``after``, ascending."""
    of_sources = items.c.source_id.in_(source_ids) & (items.c.id > after)
    rows = connection.execute(select(items.c.id, items.c.sku).where(of_sources).order_by(items.c.id).limit(CHUNK))
    return [(item_id, sku) for item_id, sku in rows]


def item_page(
    connection: Connection, limit: int, after: tuple[int, int], names: Collection[str] | None, since: float | None
) -> ItemPage:
    """A page of the items of the sources of some names, or of all, that changed at ``since`` or later, in the order of
    their changes."""
    columns = (items.c.id, items.c.sequence, items.c.changed_at, sources.c.name)
    found = select(*columns).join(sources, sources.c.id == items.c.source_id, isouter=True)
    if names is not None:
        found = found.where(sources.c.name.in_(names))
    if since is not None:
        found = found.where(items.c.changed_at > since - ROUNDING_S)
    total = connection.scalar(select(func.count()).select_from(found.subquery())) or 0
    position = tuple_(items.c.sequence, items.c.id)
    page = found.where(position > tuple_(*after)).order_by(items.c.sequence, items.c.id).limit(limit + 1)
    rows = connection.execute(page).all()
    shown = rows[:limit]
    stored = stored_items(connection, [row.id for row in shown])
    shown_items = tuple(PageItem(stored[row.id], row.name, row.changed_at) for row in shown)
    last = (shown[-1].sequence, shown[-1].id) if len(rows) > limit else None
    return ItemPage(shown_items, last, total)


def source_names(connection: Connection) -> dict[str, int]:
    """The names of the sources that have items, and how many each has, by name."""
    counted = select(sources.c.name, func.count()).join(items, items.c.source_id == sources.c.id)
    return {row[0]: row[1] for row in connection.execute(counted.group_by(sources.c.name).order_by(sources.c.name))}
