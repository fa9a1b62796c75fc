"""Duplicates: items that show the same product photo under several skus, as people are told of them."""

from __future__ import annotations

from dataclasses import dataclass

from vitrina.search.store.reader import CatalogReader


@dataclass(frozen=True, slots=True)
class DuplicateItem:
    """One item of a group."""

    sku: str
    title: str
    image_id: str


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Items with one product photo; ``is_exact`` if their image files are equal, too."""

    is_exact: bool
    items: tuple[DuplicateItem, ...]


def duplicate_groups(reader: CatalogReader) -> list[DuplicateGroup]:
    """Every group of two items or more, the oldest first."""
    twins = reader.twin_groups()
    of_group: dict[int, list[int]] = {}
    for item_id, group_id in zip(twins.item_ids.tolist(), twins.group_ids.tolist(), strict=True):
        of_group.setdefault(group_id, []).append(item_id)
    stored = reader.items(twins.item_ids.tolist())
    groups = []
    for item_ids in of_group.values():
        held = [stored[item_id] for item_id in item_ids]
        items = tuple(DuplicateItem(each.item.sku, each.item.title, next(iter(each.image_ids), "")) for each in held)
        if len(items) > 1:
            groups.append(DuplicateGroup(len({each.image_id for each in items}) == 1, items))
    return groups
