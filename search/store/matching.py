"""Which items satisfy a filter's conditions, and by which of their variants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, and_, case, select

from vitrina.search.store.database import facets, items
from vitrina.search.store.sql import ArrayOf, as_table, ids_as_table
from vitrina.search.types.arrays import distinct, joined
from vitrina.search.types.filters import AnyOf, Condition, Exists, Not, Range, spellings
from vitrina.search.types.query import SortOrder

Ids = NDArray[np.int64]

NONE: Ids = np.empty(0, np.int64)

VARIANTS_PER_ITEM = 1 << 20
"""A variant's key is the item's id times this, plus its position."""


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
    key = variant_key()
    either = case((facets.c.variant.is_(None), facets.c.item_id), else_=-key)
    found = select(ArrayOf(either)).where(facets.c.field == condition.field, value_holds(condition))
    keys = distinct(np.array(connection.execute(found).scalar_one(), np.int64))
    at = int(np.searchsorted(keys, 0))
    return FilterMatches(keys[at:], -keys[:at][::-1])


def variant_key() -> ColumnElement[int]:
    """The key of the variant that has a facet; null where the whole item has it."""
    return facets.c.item_id * VARIANTS_PER_ITEM + facets.c.variant


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


def is_among(item_ids: Ids, others: Ids) -> NDArray[np.bool_]:
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
    """The ids of the items that were found, in order; each counts with the prices of its variants that were."""
    item_ids = found.item_ids
    if sort in (SortOrder.RELEVANCE, SortOrder.NEWEST):
        return list(map(int, item_ids[::-1]))
    sign = 1 if sort is SortOrder.PRICE_ASC else -1
    prices = sign * item_prices(connection, item_ids, sort)
    varied = np.setdiff1d(distinct(items_of(found.variants)), found.whole, assume_unique=True)
    if len(varied):
        fitting = sign * variant_prices(connection, found.variants)
        at = np.searchsorted(item_ids, items_of(found.variants))
        prices[np.searchsorted(item_ids, varied)] = np.nan
        np.fmin.at(prices, at, fitting)
    order = np.lexsort((item_ids, np.nan_to_num(prices), np.isnan(prices)))
    return list(map(int, item_ids[order]))


def item_prices(connection: Connection, item_ids: Ids, sort: SortOrder) -> NDArray[np.float64]:
    """The items' lowest prices, or for a falling order their highest, NaN for an item without one; shape (n,)."""
    price = items.c.price_cents if sort is SortOrder.PRICE_ASC else items.c.max_price_cents
    of_items = items.c.id.in_(ids_as_table(item_ids.tolist()))
    columns = select(ArrayOf(items.c.id), ArrayOf(price)).where(of_items)
    return prices_of(item_ids, *connection.execute(columns).one())


def variant_prices(connection: Connection, variants: Ids) -> NDArray[np.float64]:
    """The prices of variants, by their keys; NaN for one without. Shape (n,)."""
    key = variant_key()
    priced = (facets.c.field == "price_cents") & facets.c.variant.is_not(None)
    columns = select(ArrayOf(key), ArrayOf(facets.c.number)).where(
        priced, facets.c.item_id.in_(ids_as_table(distinct(items_of(variants)).tolist()))
    )
    return prices_of(variants, *connection.execute(columns).one())


def prices_of(keys: Ids, known_keys: Sequence[int], known_prices: Sequence[float | None]) -> NDArray[np.float64]:
    """The price of each key (sorted) among known ones, NaN where it is none of them."""
    known, prices = np.array(known_keys, np.int64), np.array(known_prices, np.float64)
    found = np.full(len(keys), np.nan)
    at = np.searchsorted(keys, known)
    held = at < len(keys)
    held[held] = keys[at[held]] == known[held]
    found[at[held]] = prices[held]
    return found


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
