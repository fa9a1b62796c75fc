"""Facets of a query: its items counted by the values of each field, and by price."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vitrina.search.analysis.spelling import split
from vitrina.search.index.facet_index import FacetIndex
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.facets import FacetReader
from vitrina.search.types.errors import FilterError
from vitrina.search.types.facet_counts import FacetCounts, FacetsOfQuery, PriceCounts, ValueCount
from vitrina.search.types.filters import BARCODE, AnyOf, Condition, field_of, spellings

Ids = NDArray[np.int64]

OWN_FIELDS = frozenset({"sku", "price_cents", "currency", BARCODE})
"""Fields that name items, or that prices tell better."""

MAX_FIELDS = 40
MAX_SHARE_OF_VALUES = 0.5
"""A field with more different values than this share of its items, and more than ``FEW_VALUES``, names items and tells
no groups apart; a size of a shop with ten items may have ten values."""

CHOSEN_BY = (
    ("colour", "color", "farbe", "couleur"),
    ("size", "größe", "taille"),
    ("brand", "vendor", "manufacturer", "marke", "marque"),
    ("category", "categories", "type", "kategorie", "catégorie"),
    ("material",),
    ("gender",),
)
"""Last words of the names of fields that shoppers choose by, which come first, in this order."""

FEW_VALUES = 20
N_BUCKETS = 10


def facets_of(
    catalog: Catalog,
    index: FacetIndex,
    filters: Sequence[Condition],
    found: Callable[[tuple[Condition, ...]], Ids],
    fields: Sequence[str] = (),
    n_values: int = 20,
) -> FacetsOfQuery:
    """The facets of what ``found`` finds under some filters. Blocks. Raises FilterError."""
    unknown = next((field for field in fields if field not in index.fields), None)
    if unknown is not None:
        known = ", ".join(index.fields[:100]) or "(the catalog is empty)"
        raise FilterError(f"No item has a field {unknown!r:.200}.", remedy=f"Ask for some of: {known}.")
    shown = fields or [field for field in index.fields if field not in OWN_FIELDS]
    item_ids = found(tuple(filters))
    filtered = dict.fromkeys(field_of(condition) for condition in filters)
    widened = {field: found(tuple(each for each in filters if field_of(each) != field)) for field in filtered}
    counts = index.counts(item_ids, [field for field in shown if field not in widened])
    for field in shown:
        if field in widened:
            counts |= index.counts(widened[field], [field])
    with catalog.reading() as reader:
        told = [
            told_counts(reader.facets, index, field, counts[field], selected_in(filters, field), n_values)
            for field in shown
            if counts[field] and (fields or field in filtered or tells_groups(field, counts[field]))
        ]
        prices = reader.facets.prices(widened.get("price_cents", item_ids))
    told.sort(key=lambda each: (place_of(each.field), -each.n_items, each.n_values, each.field))
    return FacetsOfQuery(len(item_ids), told[: max(MAX_FIELDS, len(fields))], list(price_counts(prices)))


def place_of(field: str) -> int:
    """Where a field comes among those that shoppers choose by; behind all of them for any other."""
    name = split(field)[-1:]
    return next((at for at, names in enumerate(CHOSEN_BY) if not set(names).isdisjoint(name)), len(CHOSEN_BY))


def tells_groups(field: str, counts: Mapping[str | None, int]) -> bool:
    """Whether a field's values are shared by items, and not each one's own; a single value tells none apart, save that
    a thing is what the field says."""
    n_values = len(counts) - 1
    if n_values == 1:
        return not {"true", "yes"}.isdisjoint(counts)
    return place_of(field) < len(CHOSEN_BY) or n_values <= FEW_VALUES or n_values <= MAX_SHARE_OF_VALUES * counts[None]


def selected_in(filters: Sequence[Condition], field: str) -> set[str]:
    """The values that the filters ask for in a field, case-folded."""
    return {
        spelling
        for each in filters
        if isinstance(each, AnyOf) and each.field == field
        for value in each.values
        for spelling in spellings(value, field)
    }


def told_counts(
    reader: FacetReader,
    index: FacetIndex,
    field: str,
    counts: Mapping[str | None, int],
    selected: Collection[str],
    n_values: int,
) -> FacetCounts:
    """A field's values as items spell them: the most frequent ones, and all that are selected."""
    values = {value: n for value, n in counts.items() if value is not None}
    ranked = sorted(values, key=lambda value: (-values[value], value))
    shown = ranked[:n_values] + [value for value in ranked[n_values:] if value in selected]
    holders = {value: holder for value in shown if (holder := index.holder(field, value)) is not None}
    spelled = reader.original_spellings(field, holders)
    numbers = list(map(number_of, values))
    bounds = None if any(each is None for each in numbers) else [each for each in numbers if each is not None]
    return FacetCounts(
        field,
        [ValueCount(spelled.get(value, value), values[value], value in selected) for value in shown],
        len(values),
        counts[None],
        min(bounds) if bounds else None,
        max(bounds) if bounds else None,
    )


def number_of(value: str) -> float | None:
    """The number that a value is; None if it is none."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def price_counts(prices: Mapping[str | None, Ids]) -> Iterator[PriceCounts]:
    """Histograms of prices, that of the most frequent currency first."""
    for currency, cents in sorted(prices.items(), key=lambda pair: (-len(pair[1]), pair[0] or "")):
        low, high = int(cents.min()), int(cents.max())
        edges = np.unique(np.linspace(low, high, N_BUCKETS + 1).round().astype(np.int64))
        if len(edges) == 1:
            edges = np.array([low, high], np.int64)
            counts = np.array([len(cents)])
        else:
            counts, _ = np.histogram(cents, edges)
        yield PriceCounts(currency, low, high, len(cents), edges.tolist(), counts.tolist())
