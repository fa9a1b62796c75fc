"""Twins in SQL: groups of items that show the same product photo under several skus."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, select

from vitrina.search.store.database import chunks, images, items, twins
from vitrina.search.store.sql import ArrayOf, ids_as_table, insert_rows

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TwinGroups:
    """The items that have twins, ``item_ids``, sorted, and the group of each; both of shape (n,)."""

    item_ids: Ids
    group_ids: Ids

    def __len__(self) -> int:
        return len(self.item_ids)

    def of(self, item_ids: Ids) -> Ids:
        """The group of each item; for one without twins a number below 0 of its own. Shape (n,)."""
        found = -item_ids
        if len(self):
            at = np.minimum(np.searchsorted(self.item_ids, item_ids), len(self) - 1)
            found = np.where(self.item_ids[at] == item_ids, self.group_ids[at], found)
        return found


@dataclass(frozen=True, slots=True)
class FirstImage:
    """What twins are told by: an item's title, its first image, and its colours, folded."""

    item_id: int
    title: str
    image_id: str
    colours: frozenset[str]


EVERY_TWIN = select(ArrayOf(twins.c.item_id), ArrayOf(twins.c.group_id))


def twin_groups(connection: Connection) -> TwinGroups:
    """Every group of twins."""
    item_ids, group_ids = (np.array(each, np.int64) for each in connection.execute(EVERY_TWIN).one())
    order = np.argsort(item_ids)
    return TwinGroups(item_ids[order], group_ids[order])


def replace_twins(connection: Connection, item_ids: Sequence[int] | None, groups: Iterable[Sequence[int]]) -> None:
    """Forget the groups of some items, or all of them for None, and store others, joined with those that their items
    are in."""
    if item_ids is None:
        connection.execute(delete(twins))
    for chunk in chunks(item_ids or ()):
        connection.execute(delete(twins).where(twins.c.item_id.in_(chunk)))
    for group in groups:  # of which some may have been deleted since
        group = list(connection.scalars(select(items.c.id).where(items.c.id.in_(ids_as_table(group)))))
        of_items = twins.c.item_id.in_(ids_as_table(group))
        known = list(connection.scalars(select(twins.c.group_id).where(of_items).distinct()))
        others = connection.scalars(select(twins.c.item_id).where(twins.c.group_id.in_(known)))
        members = sorted({*group, *others})
        if len(members) < 2:
            continue
        for chunk in chunks(members):
            connection.execute(delete(twins).where(twins.c.item_id.in_(chunk)))
        group_id = min(known, default=members[0])
        insert_rows(connection, twins, [{"item_id": member, "group_id": group_id} for member in members])


def items_by_first_image(connection: Connection, image_ids: Collection[str] | None = None) -> dict[str, list[int]]:
    """The items that have each image, or each of some, for their first, the oldest first."""
    found: dict[str, list[int]] = {}
    first = select(images.c.item_id, images.c.image_id).where(images.c.position == 0).order_by(images.c.item_id)
    if image_ids is not None:
        first = first.where(images.c.image_id.in_(image_ids))
    for item_id, image_id in connection.execute(first):
        found.setdefault(image_id, []).append(item_id)
    return found


def first_images(connection: Connection, item_ids: Collection[int]) -> dict[int, FirstImage]:
    """What twins are told by, of items that have an image."""
    columns = (items.c.id, items.c.title, items.c.attributes, images.c.image_id)
    shown = select(*columns).join(images, (images.c.item_id == items.c.id) & (images.c.position == 0))
    return {
        row.id: FirstImage(row.id, row.title, row.image_id, colours_of(row.attributes))
        for row in connection.execute(shown.where(items.c.id.in_(ids_as_table(list(item_ids)))))
    }


def colours_of(attributes: Mapping[str, object]) -> frozenset[str]:
    """The values of the fields that are named as colours are, folded."""
    held = (value for name, value in attributes.items() if "color" in name.lower() or "colour" in name.lower())
    return frozenset(
        str(each).strip().casefold() for value in held for each in (value if isinstance(value, list) else [value])
    )


def twins_of(connection: Connection, skus: Sequence[str]) -> list[list[int]]:
    """The groups of the items of these skus, whole."""
    own = select(twins.c.group_id).join(items, items.c.id == twins.c.item_id).where(items.c.sku.in_(skus))
    found: dict[int, list[int]] = {}
    for row in connection.execute(select(twins).where(twins.c.group_id.in_(own))):
        found.setdefault(row.group_id, []).append(row.item_id)
    return list(found.values())


def skus_by_id(connection: Connection, item_ids: Sequence[int]) -> dict[int, str]:
    """The skus of items, by their ids."""
    rows = connection.execute(select(items.c.id, items.c.sku).where(items.c.id.in_(ids_as_table(item_ids))))
    return {row[0]: row[1] for row in rows}
