"""Facet counts: how many items have which values, of a search or of the whole catalog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ValueCount:
    """A value as items spell it, and how many items have it; ``selected`` if the query filters by it."""

    value: str
    n_items: int
    selected: bool


@dataclass(frozen=True, slots=True)
class FacetCounts:
    """The values of one field, the most frequent first: some of its ``n_values``, which ``n_items`` items have one of.
    ``least`` and ``most`` bound them where all are numbers."""

    field: str
    values: Sequence[ValueCount]
    n_values: int
    n_items: int
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class PriceCounts:
    """The prices in one currency, in its smallest unit: the lowest, the highest, and how many items there are between
    each two ``edges``, the last one included; there is one count fewer than edges."""

    currency: str | None
    min_cents: int
    max_cents: int
    n_items: int
    edges: Sequence[int]
    counts: Sequence[int]


@dataclass(frozen=True, slots=True)
class FacetsOfQuery:
    """The facets of the ``n_items`` items that a query finds. The filter on a field does not narrow that field's own
    counts, so that another value can be chosen beside it."""

    n_items: int
    fields: Sequence[FacetCounts]
    prices: Sequence[PriceCounts]
