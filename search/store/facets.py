"""Facets in SQL: which items satisfy a filter's conditions, and the distinct values of a field."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, func, select, text

from vitrina.search.store.database import chunks, facets, items, sequence_of, touched_items
from vitrina.search.store.matching import (
    NONE,
    FilterMatches,
    Ids,
    first_of_all,
    in_order,
    items_of,
    matches,
    variant_key,
)
from vitrina.search.store.sql import ArrayOf, as_table, ids_as_table
from vitrina.search.types.arrays import distinct
from vitrina.search.types.errors import FilterError
from vitrina.search.types.filters import PRICE, AnyOf, Condition, Exists, Not, Range, facet_value, field_of, spellings
from vitrina.search.types.query import NAMED_ORDERS, SortOrder

MAX_NAMED = 20
"""How many existing fields or values an error names."""

PRICE_REMEDY = "Prices are filtered by price_cents, in whole cents (4990 for 49.90). "

MAX_CLOSE_CHARS = 64
"""Longer values are not looked for among those that exist: a thousand of 450 characters take seconds."""

# A loose index scan: one index seek for each field, however many rows hold it (sqlite.org has no DISTINCT that skips).
FIELDS = (
    "WITH RECURSIVE known(field) AS (SELECT MIN(field) FROM facets WHERE {held} UNION ALL "
    "SELECT (SELECT MIN(field) FROM facets WHERE {held} AND field > known.field) FROM known "
    "WHERE known.field IS NOT NULL) SELECT field FROM known WHERE field IS NOT NULL"
)
KNOWN_FIELDS, NUMERIC_FIELDS = text(FIELDS.format(held="TRUE")), text(FIELDS.format(held="number IS NOT NULL"))

# The same for values: one seek for each value, up to the limit, however many rows there are.
DISTINCT_VALUES = text(
    "WITH RECURSIVE held(value, n) AS (SELECT MIN(value), 1 FROM facets WHERE field = :field UNION ALL "
    "SELECT (SELECT MIN(value) FROM facets WHERE field = :field AND value > held.value), held.n + 1 FROM held "
    "WHERE held.value IS NOT NULL AND held.n < :limit) "
    "SELECT value, (SELECT MIN(item_id) FROM facets WHERE field = :field AND value = held.value) AS item_id "
    "FROM held WHERE value IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class FacetHolders:
    """A value of a field, case-folded, and the ids of items that have it, shape (n,)."""

    field: str
    value: str
    item_ids: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FacetChanges:
    """What brings a facet index to ``sequence``: drop the ``touched_items``, then add what ``holders`` have, and what
    ``variants`` have, whose ids are variants' keys (``matching.VARIANTS_PER_ITEM``)."""

    sequence: int
    touched_items: NDArray[np.int64]
    holders: Sequence[FacetHolders]
    variants: Sequence[FacetHolders]


def facet_changes(connection: Connection, since: int) -> FacetChanges:
    """The facets of items that changed after sequence number ``since``; of every item for 0."""
    of_variants = facets.c.variant.is_not(None)
    return FacetChanges(
        sequence_of(connection),
        touched_items(connection, since),
        facet_holders(connection, since, facets.c.item_id),
        facet_holders(connection, since, variant_key(), of_variants),
    )


def facet_holders(
    connection: Connection, since: int, key: ColumnElement[int], *conditions: ColumnElement[bool]
) -> list[FacetHolders]:
    """The keys of what has each value, of items that changed after sequence number ``since``."""
    of_value = select(facets.c.field, facets.c.value, ArrayOf(key)).where(*conditions)
    if since:
        of_value = of_value.where(facets.c.item_id.in_(select(items.c.id).where(items.c.sequence > since)))
    rows = connection.execute(of_value.group_by(facets.c.field, facets.c.value))
    return [FacetHolders(field, value, np.array(ids, np.int64)) for field, value, ids in rows]


class FacetReader:
    """Reads facets within one transaction of the catalog."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def fields(self) -> list[str]:
        """Every field that some item can be filtered by, sorted."""
        return list(self._connection.scalars(KNOWN_FIELDS))

    def check(self, conditions: Sequence[Condition]) -> None:
        """Raise FilterError where a condition names a field, a value or a range that no item can have."""
        known = self.fields() if conditions else []
        for condition in conditions:
            field = field_of(condition)
            if field not in known:
                raise FilterError(
                    f"No item has a field {field!r:.200}.",
                    remedy=(PRICE_REMEDY if field == "price" else "")
                    + f"Filter by one of: {', '.join(known[:100]) or '(the catalog is empty)'}.",
                    details={"fields": known},
                )
            self._check_value(condition.condition if isinstance(condition, Not) else condition)

    def matching(self, conditions: Sequence[Condition]) -> NDArray[np.int64]:
        """The ids of the items that satisfy every condition, an item with variants by one of them; sorted, (n,)."""
        return matches(self._connection, conditions).item_ids

    def page(
        self,
        conditions: Sequence[Condition],
        sort: SortOrder,
        limit: int,
        offset: int = 0,
        excluded: Sequence[int] = (),
    ) -> tuple[list[int], int]:
        """The ids of one page of the items that satisfy every condition, in order, and how many there are in all.
        ``excluded`` are the ids of items that are there, each once. Raises FilterError as ``ordered`` does."""
        self._check_sort(sort)
        if conditions:
            found = matches(self._connection, conditions).less(excluded)
            return in_order(self._connection, found, sort)[offset : offset + limit], len(found.item_ids)
        total = (self._connection.scalar(select(func.count()).select_from(items)) or 0) - len(excluded)
        # SQLite sorts the first rows faster than it looks up each row among the excluded ones.
        n_first, left_out = offset + limit + len(excluded), set(excluded)
        if columns := ordering(sort):
            first = list(self._connection.scalars(select(items.c.id).order_by(*columns).limit(n_first)))
        else:
            first = first_of_all(self._connection, sort, n_first)
        kept = [item_id for item_id in first if item_id not in left_out]
        return kept[offset : offset + limit], total

    def ordered(self, item_ids: Sequence[int], sort: SortOrder, conditions: Sequence[Condition] = ()) -> list[int]:
        """The items' ids in order, without those that are gone; by relevance as by novelty. An item counts with the
        numbers of those of its variants that satisfy every condition. Raises FilterError for an order by a field that
        holds no numbers."""
        self._check_sort(sort)
        if conditions:
            kept = matches(self._connection, conditions).only(item_ids)
        else:
            there = select(ArrayOf(items.c.id)).where(items.c.id.in_(ids_as_table(item_ids)))
            kept = FilterMatches(distinct(np.array(self._connection.execute(there).scalar_one(), np.int64)), NONE)
        return in_order(self._connection, kept, sort)

    def n_fitting(self, item_ids: Sequence[int], conditions: Sequence[Condition]) -> NDArray[np.int64]:
        """How many variants of each item satisfy every condition, shape (n,); 1 for an item without variants, and all
        of them where none does."""
        n_variants = select(items.c.id, func.json_array_length(items.c.variants)).where(
            items.c.variants.is_not(None), items.c.id.in_(ids_as_table(item_ids))
        )
        known: dict[int, int] = {row[0]: row[1] for row in self._connection.execute(n_variants)}
        if known and conditions:
            found = matches(self._connection, conditions)
            varied, counts = np.unique(items_of(found.variants), return_counts=True)
            whole = set(found.whole.tolist())
            fitting = zip(varied.tolist(), counts.tolist(), strict=True)
            known |= {item_id: n for item_id, n in fitting if item_id in known and item_id not in whole}
        return np.array([known.get(item_id, 1) for item_id in item_ids], np.int64)

    def prices(self, item_ids: Ids) -> dict[str | None, Ids]:
        """The lowest prices of items in cents, by currency; each of shape (n,), without those of items that have
        none."""
        rows = select(items.c.currency, ArrayOf(items.c.price_cents)).where(
            items.c.price_cents.is_not(None), items.c.id.in_(ids_as_table(item_ids.tolist()))
        )
        of_each = self._connection.execute(rows.group_by(items.c.currency))
        return {currency: np.array(cents, np.int64) for currency, cents in of_each}

    def is_value(self, field: str, value: str) -> bool:
        """Whether some item has a value (case-folded) in a field."""
        held = (facets.c.field == field) & facets.c.value.in_(spellings(value, field))
        return self._connection.scalar(select(facets.c.id).where(held).limit(1)) is not None

    def distinct_values(self, field: str, limit: int) -> dict[str, int]:
        """The first ``limit`` values of a field (case-folded, sorted), each with the id of the first item that has
        it."""
        rows = self._connection.execute(DISTINCT_VALUES, {"field": field, "limit": limit})
        return {row.value: row.item_id for row in rows}

    def original_spellings(self, field: str, holders: Mapping[str, int]) -> dict[str, str]:
        """Each case-folded value as the item that is given for it spells it: ``navy blue`` to ``Navy Blue``."""
        attributes = self._attributes_of(set(holders.values()))
        return {value: spelling(attributes.get(item_id, {}).get(field), value) for value, item_id in holders.items()}

    def _check_sort(self, sort: SortOrder) -> None:
        if sort.name in NAMED_ORDERS:  # by price a catalog without prices is in order, too
            return
        numeric = list(self._connection.scalars(NUMERIC_FIELDS))
        if sort.field in numeric:
            return
        holds_words = sort.field in self.fields()
        close = [] if holds_words else difflib.get_close_matches(sort.field[:MAX_CLOSE_CHARS], numeric, n=MAX_NAMED)
        named = ", ".join(close or numeric[:100]) or "(no item has a number)"
        raise FilterError(
            f"The field {sort.field!r:.200} holds no numbers, so nothing is sorted by it."
            if holds_words
            else f"No item has a field {sort.field!r:.200}.",
            remedy=f"{'Close to it' if close else 'Sort by a field that holds numbers'}: {named}.",
            details={"fields": numeric},
        )

    def _check_value(self, condition: AnyOf | Range | Exists) -> None:
        of_field = facets.c.field == condition.field
        if isinstance(condition, Range):
            numeric = select(facets.c.id).where(of_field, facets.c.number.is_not(None)).limit(1)
            if self._connection.scalar(numeric) is None:
                raise FilterError(
                    f"The field {condition.field!r} holds no numbers, so it has no range.",
                    remedy="Filter it by value, or give the range of a numeric field.",
                )
        elif isinstance(condition, AnyOf) and condition.field != "sku":
            asked = as_table([each for value in condition.values for each in spellings(value, condition.field)])
            exists = select(facets.c.id).where(of_field, facets.c.value == asked.c.value).exists()
            held = set(self._connection.scalars(select(asked.c.value).where(exists)))
            for value in condition.values:
                if held.isdisjoint(spellings(value, condition.field)):
                    raise self._unknown_value(condition.field, value)

    def _unknown_value(self, field: str, value: str) -> FilterError:
        query = select(facets.c.value).where(facets.c.field == field).distinct().limit(1000)
        held = sorted(self._connection.scalars(query))
        short = [each for each in held if len(each) <= MAX_CLOSE_CHARS] if len(value) <= MAX_CLOSE_CHARS else []
        close = difflib.get_close_matches(value, short, n=MAX_NAMED, cutoff=0.6)
        return FilterError(
            f"No item has the {field:.200} {value!r:.200}.",
            remedy=f"{'Close to it' if close else 'Known'}: {', '.join((close or held)[:MAX_NAMED])}.",
            details={"field": field[:200], "values": held[:100]},
        )

    def _attributes_of(self, item_ids: Iterable[int]) -> dict[int, dict[str, object]]:
        return {
            item_id: attributes
            for chunk in chunks(sorted(item_ids))
            for item_id, attributes in self._connection.execute(
                select(items.c.id, items.c.attributes).where(items.c.id.in_(chunk))
            )
        }


def ordering(sort: SortOrder) -> tuple[ColumnElement[int], ...]:
    """The columns to order items by; no two items are equal. Relevance, which no column has, counts as novelty; nothing
    for an order by a field of the shop's own."""
    if not sort.field:
        return (items.c.id.desc(),)
    if sort.field != PRICE:
        return ()
    price = items.c.max_price_cents.desc() if sort.descending else items.c.price_cents.asc()
    return price.nulls_last(), items.c.id.asc()


def spelling(held: object, value: str) -> str:
    """How an item that holds ``held`` in a field spells the value that is compared as ``value``."""
    for each in held if isinstance(held, list) else [held]:
        if isinstance(each, str) and facet_value(each) == value:
            return each.strip()
    return value
