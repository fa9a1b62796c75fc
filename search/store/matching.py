"""Which items satisfy a filter's conditions, and by which of their variants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, and_, case, select

from vitrina.search.store.database import facets, items
from vitrina.search.store.sql import ArrayOf, as_table, ids_as_table
from vitrina.search.types.arrays import distinct, joined
from vitrina.search.types.filters import PRICE, AnyOf, Condition, Exists, Not, Range, spellings
from vitrina.search.types.query import SortOrder

Ids = NDArray[np.int64]
Whole = NDArray[np.signedinteger[Any]]

NONE: Ids = np.empty(0, np.int64)

VARIANTS_PER_ITEM = 1 << 20
"""A variant's key is the item's id times this, plus its position."""

MAX_BY_ID = 10_000
"""Up to so many items their numbers are looked up one by one; for more the field is read as a whole."""


@dataclass(frozen=True, slots=True)
class FilterMatches:
    """What satisfies some conditions: items ``whole``, with all variants that they have, and single ``variants`` by
    their keys; both sorted, of shape (n,)."""

    whole: Ids
    variants: Ids

    @property
    def item_ids(self) -> Ids:
        """The items that satisfy them, sorted, shape (n,)."""
        return joined(self.whole, items_of(self.variants))

    def only(self, item_ids: Sequence[int]) -> FilterMatches:
        """What was found of some items alone."""
        ids = distinct(np.array(item_ids, np.int64))
        whole = np.intersect1d(self.whole, ids, assume_unique=True)
        return FilterMatches(whole, self.variants[np.isin(items_of(self.variants), ids)])

    def less(self, item_ids: Sequence[int]) -> FilterMatches:
        """What was found of all items but some."""
        if not item_ids:
            return self
        kept = ~np.isin(items_of(self.variants), item_ids)
        return FilterMatches(self.whole[~np.isin(self.whole, item_ids)], self.variants[kept])

    def both(self, other: FilterMatches) -> FilterMatches:
        """What satisfies the conditions of both: a variant must do so by itself."""
        whole = np.intersect1d(self.whole, other.whole, assume_unique=True)
        if not (len(self.variants) or len(other.variants)):
            return FilterMatches(whole, NONE)
        parts = (
            np.intersect1d(self.variants, other.variants, assume_unique=True),
            self.variants[np.isin(items_of(self.variants), other.whole)],
            other.variants[np.isin(items_of(other.variants), self.whole)],
        )
        return FilterMatches(whole, distinct(np.concatenate(parts)))


def matches(connection: Connection, conditions: Sequence[Condition]) -> FilterMatches:
    """What satisfies every condition: of an item with variants those that satisfy all of them."""
    wanted = [holding(connection, each) for each in conditions if not isinstance(each, Not)]
    found = wanted[0] if wanted else FilterMatches(every_item(connection), NONE)
    for each in wanted[1:]:
        found = found.both(each)
    for condition in conditions:
        if isinstance(condition, Not):
            found = without(connection, found, holding(connection, condition.condition))
    return found


def holding(connection: Connection, condition: AnyOf | Range | Exists) -> FilterMatches:
    """What satisfies one condition that denies nothing."""
    found = select(ArrayOf(whole_or_variant())).where(facets.c.field == condition.field, value_holds(condition))
    keys = distinct(np.array(connection.execute(found).scalar_one(), np.int64))
    at = int(np.searchsorted(keys, 0))
    return FilterMatches(keys[at:], -keys[:at][::-1])


def variant_key() -> ColumnElement[int]:
    """The key of the variant that has a facet; null where the whole item has it."""
    return facets.c.item_id * VARIANTS_PER_ITEM + facets.c.variant


def whole_or_variant() -> ColumnElement[int]:
    """The item that has a facet as a whole, by its id, or else the variant, by its key below 0."""
    return case((facets.c.variant.is_(None), facets.c.item_id), else_=-variant_key())


def every_item(connection: Connection) -> Ids:
    ids = connection.execute(select(ArrayOf(items.c.id))).scalar_one()
    return np.sort(np.array(ids, np.int64))


def without(connection: Connection, found: FilterMatches, denied: FilterMatches) -> FilterMatches:
    """What was found and does not satisfy the conditions of ``denied``."""
    whole = np.setdiff1d(found.whole, denied.whole, assume_unique=True)
    variants = found.variants[~np.isin(items_of(found.variants), denied.whole)]
    if len(denied.variants):
        varied = np.intersect1d(whole, distinct(items_of(denied.variants)), assume_unique=True)
        variants = joined(variants, variants_of(connection, varied))
        variants = np.setdiff1d(variants, denied.variants, assume_unique=True)
        whole = np.setdiff1d(whole, varied, assume_unique=True)
    return FilterMatches(whole, variants)


def is_among(item_ids: Whole, others: Whole) -> NDArray[np.bool_]:
    """Which of some ids are among others, which are sorted and may be many; shape (n,)."""
    if not len(others):
        return np.zeros(len(item_ids), np.bool_)
    at = np.minimum(np.searchsorted(others, item_ids), len(others) - 1)
    return np.asarray(others[at] == item_ids)


def items_of(variants: Ids) -> Ids:
    """The items of variants' keys, in their order."""
    return variants // VARIANTS_PER_ITEM


def variants_of(connection: Connection, item_ids: Ids) -> Ids:
    """The keys of the variants of items, shape (n,)."""
    key = variant_key()
    of_items = facets.c.variant.is_not(None) & facets.c.item_id.in_(ids_as_table(item_ids.tolist()))
    return distinct(np.array(connection.execute(select(ArrayOf(key)).where(of_items)).scalar_one(), np.int64))


def in_order(connection: Connection, found: FilterMatches, sort: SortOrder) -> list[int]:
    """The ids of the items that were found, in order; each counts with the numbers of its variants that were."""
    item_ids = found.item_ids
    if not sort.field:
        return list(map(int, item_ids[::-1]))
    numbers = first_numbers(connection, found, sort)
    has_none = np.isnan(numbers)
    newest_first = sort.descending and sort.field != PRICE
    age = np.where(has_none, item_ids, -item_ids) if newest_first else item_ids
    order = np.lexsort((age, np.nan_to_num(numbers), has_none))
    return list(map(int, item_ids[order]))


def first_numbers(connection: Connection, found: FilterMatches, sort: SortOrder) -> NDArray[np.float64]:
    """Of each item that was found the number that comes first in the order, negative for a falling one; NaN for an item
    without any. Shape (n,)."""
    item_ids, sign = found.item_ids, -1 if sort.descending else 1
    first = np.full(len(item_ids), np.nan)
    has_ends = sort.field == PRICE and sort.descending  # an item's own range of prices is no facet
    if has_ends:
        ids, prices = held_numbers(connection, item_ids, items.c.id, items.c.id, items.c.max_price_cents)
        counts = is_among(ids, found.whole)
        np.fmin.at(first, np.searchsorted(item_ids, ids[counts]), sign * prices[counts])
    if len(found.variants) or not has_ends:
        of_field = facets.c.field == sort.field
        keys, numbers = held_numbers(
            connection, item_ids, facets.c.item_id, whole_or_variant(), facets.c.number, of_field
        )
        owners = np.where(keys < 0, items_of(-keys), keys)
        is_whole = is_among(owners, found.whole) | ((keys > 0) & is_among(keys, item_ids))
        counts = is_whole | is_among(-keys, found.variants)
        np.fmin.at(first, np.searchsorted(item_ids, owners[counts]), sign * numbers[counts])
    return first


def held_numbers(
    connection: Connection,
    item_ids: Ids,
    item_id: ColumnElement[int],
    key: ColumnElement[int],
    number: ColumnElement[float] | ColumnElement[int],
    *conditions: ColumnElement[bool],
) -> tuple[Ids, NDArray[np.float64]]:
    """Keys and their numbers, each of shape (n,): of some items, NaN where they have none, or of all."""
    held = select(ArrayOf(key), ArrayOf(number)).where(*conditions)
    if len(item_ids) <= MAX_BY_ID:  # with a bound on the number SQLite would read the whole field all the same
        held = held.where(item_id.in_(ids_as_table(item_ids.tolist())))
    else:
        held = held.where(number.is_not(None))
    keys, numbers = connection.execute(held).one()
    return np.array(keys, np.int64), np.array(numbers, np.float64)


def first_of_all(connection: Connection, sort: SortOrder, n: int) -> list[int]:
    """The ids of the first ``n`` items of the catalog in the order of a field's numbers, read off its index."""
    columns = (facets.c.number, facets.c.item_id)
    order = [column.desc() if sort.descending else column.asc() for column in columns]
    rows = select(facets.c.item_id).where(has_number(sort.field)).order_by(*order)
    n_rows, held = n, connection.scalars(rows.limit(n)).all()
    while len(held) == n_rows and len(set(held)) < n:  # only the first number of an item counts
        n_rows *= 2
        held = connection.scalars(rows.limit(n_rows)).all()
    first = dict.fromkeys(held)
    if len(first) < n:
        first |= dict.fromkeys(connection.scalars(select(items.c.id).order_by(items.c.id).limit(n)))
    return list(first)[:n]


def has_number(field: str) -> ColumnElement[bool]:
    """Whether a facet is a number of a field."""
    return and_(facets.c.field == field, facets.c.number.is_not(None))


def value_holds(condition: AnyOf | Range | Exists) -> ColumnElement[bool]:
    match condition:
        case AnyOf(field=field, values=values):
            return among(values, field)
        case Range(gt=gt, gte=gte, lt=lt, lte=lte):
            number = facets.c.number
            bounds = ((gt, number.__gt__), (gte, number.__ge__), (lt, number.__lt__), (lte, number.__le__))
            return and_(number.is_not(None), *(compare(bound) for bound, compare in bounds if bound is not None))
        case Exists():
            return facets.c.item_id.is_not(None)


def among(values: Sequence[str], field: str) -> ColumnElement[bool]:
    """Whether a facet's value is one of these, however numbers and sizes among them are written."""
    asked = as_table([each for value in values for each in spellings(value, field)])
    return facets.c.value.in_(select(asked.c.value))
