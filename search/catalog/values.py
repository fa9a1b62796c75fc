"""The distinct values of a field, as the catalog writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, select, text

from search.catalog.reading import chunks
from search.catalog.schema import items
from search.filters import facet_value

# A loose index scan, as for the fields: one seek a value, and it ends at the limit, however many rows there are.
HELD_VALUES = text(
    "WITH RECURSIVE held(value) AS (SELECT MIN(value) FROM facets WHERE field = :field UNION ALL "
    "SELECT (SELECT MIN(value) FROM facets WHERE field = :field AND value > held.value) FROM held "
    "WHERE held.value IS NOT NULL LIMIT :limit) "
    "SELECT value, (SELECT MIN(item_id) FROM facets WHERE field = :field AND value = held.value) AS item_id "
    "FROM held WHERE value IS NOT NULL"
)


def held_values(connection: Connection, field: str, limit: int) -> dict[str, int]:
    """The first ``limit`` values of a field (case-folded, sorted), each with the id of the first item that has it."""
    rows = connection.execute(HELD_VALUES, {"field": field, "limit": limit})
    return {row.value: row.item_id for row in rows}


def written_values(connection: Connection, field: str, holders: Mapping[str, int]) -> dict[str, str]:
    """Each case-folded value as the item that is given for it writes it: ``navy blue`` to ``Navy Blue``."""
    attributes = attributes_of(connection, set(holders.values()))
    return {value: written(attributes.get(item_id, {}).get(field), value) for value, item_id in holders.items()}


def attributes_of(connection: Connection, item_ids: Iterable[int]) -> dict[int, dict[str, object]]:
    return {
        item_id: attributes
        for chunk in chunks(sorted(item_ids))
        for item_id, attributes in connection.execute(
            select(items.c.id, items.c.attributes).where(items.c.id.in_(chunk))
        )
    }


def written(held: object, value: str) -> str:
    """The spelling, within what an item holds in a field, of the value that is compared as ``value``."""
    for each in held if isinstance(held, list) else [held]:
        if isinstance(each, str) and facet_value(each) == value:
            return each.strip()
    return value
