"""Which variant of an item fits a query best, and pages of variants one by one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from vitrina.search.analysis.analyser import analyse
from vitrina.search.index.replica import IndexReplica
from vitrina.search.retrieval.attribute_scores import NARROWER_VALUE_WEIGHT
from vitrina.search.retrieval.vector_scores import wanted
from vitrina.search.types.answer import Hit
from vitrina.search.types.calibration import QueryKind
from vitrina.search.types.filters import (
    facet_value,
    fields_as_facets,
    fitting_variants,
    variant_fields,
    within,
)
from vitrina.search.types.identifiers import asked_identifiers, query_keys, variant_identifiers
from vitrina.search.types.item import StoredItem, Variant
from vitrina.search.types.models import Vectors
from vitrina.search.types.query import Query
from vitrina.search.types.requirement import Requirement
from vitrina.search.understanding.parsed_query import ParsedQuery

Fit = tuple[float, ...]
"""How well a variant fits; the larger one fits better."""


class VariantFit:
    """Chooses the variants that one query's answer shows."""

    def __init__(self, query: Query, parsed: ParsedQuery | None = None, replica: IndexReplica | None = None) -> None:
        """``parsed`` and ``replica`` are None for a query that browses. Images count for a query that shows one: words
        that no option has say little of which variant is meant, and the shop's first is as good."""
        self.query = query
        self._requirements = parsed.of_catalog if parsed else ()
        self._terms = set(analyse(parsed.text)) if parsed else set()
        self._codes = list(asked_identifiers(query.text)) if query.text else []
        shows = parsed is not None and parsed.kind is not QueryKind.TEXT
        self._vector = wanted(parsed.vectors) if parsed and shows else None
        self._replica = replica

    def positions(self, stored: StoredItem) -> Sequence[int]:
        """The positions of the variants that pass the filters, all of them where none does, the best first."""
        item = stored.item
        passing = fitting_variants(self.query.filters, item) or list(range(len(item.variants)))
        if len(passing) < 2:
            return passing
        by_image = self._image_scores(stored) if self._vector is not None else {}
        title = item.title if any(variant.title for variant in item.variants) else ""
        fits = {at: (*self._fit(item.variants[at], title), by_image.get(at, -1.0)) for at in passing}
        return sorted(passing, key=lambda at: (*(-part for part in fits[at]), at))

    def best(self, stored: StoredItem) -> int | None:
        """The position of the variant that fits best; None for an item without variants."""
        return next(iter(self.positions(stored)), None)

    def page(self, hits: Iterable[Hit], skipped: int = 0) -> tuple[Hit, ...]:
        """A page's hits with the variants that they show: each the best of its item; or where the query does not
        collapse them, all that pass the filters, without the first ``skipped`` of them. Ranks go on from the first
        hit's."""
        if self.query.collapse:
            return tuple(of_variant(hit, self.best(hit.stored)) for hit in hits)
        every = (of_variant(hit, at) for hit in hits for at in (self.positions(hit.stored) or (None,)))
        page = islice(every, skipped, skipped + self.query.limit)
        return tuple(replace(hit, rank=rank) for rank, hit in enumerate(page, start=self.query.offset + 1))

    def _fit(self, variant: Variant, title: str) -> Fit:
        """By its codes, by its number where the query sorts by one, by requirements, and by words, first those of its
        options and then those of its title, in this order."""
        options = {name: facet_value(value) for name, value in variant.options.items()}
        words = [set(analyse(value)) for value in options.values()]
        named = sum(bool(terms) and terms <= self._terms for terms in words)
        met = sum(requirement_met(each, variant, options) for each in self._requirements)
        of_title = self._terms.intersection(analyse(variant.title or title))
        return float(self._is_named(variant)), self._number(variant), met, float(named), float(len(of_title))

    def _is_named(self, variant: Variant) -> bool:
        codes = variant_identifiers(variant) if self._codes else []
        keys = {key for code in self._codes for key in query_keys(code)}
        return any(code.value in self._codes or code.key in keys for code in codes) or any(
            code == variant.sku.casefold() for code in self._codes
        )

    def _number(self, variant: Variant) -> float:
        """What the variant has in the field that the query sorts by, negative for a rising order; the least without."""
        sort = self.query.sort
        held = [facet.number for facet in fields_as_facets(variant_fields(variant)) if facet.field == sort.field]
        numbers = [number if sort.descending else -number for number in held if number is not None]
        return max(numbers, default=-math.inf)

    def _image_scores(self, stored: StoredItem) -> dict[int, float]:
        """The cosine of what is asked for with the best image of each variant that has any of its own."""
        assert self._replica is not None
        assert self._vector is not None
        if len({variant.images for variant in stored.item.variants}) < 2:
            return {}
        rows = self._replica.indexes["image"].rows_of(np.array([stored.id], np.int64))
        return image_scores(stored, rows.vectors, self._vector)


def image_scores(stored: StoredItem, vectors: Vectors, asked: Vectors) -> dict[int, float]:
    """The best cosine of each variant's own images; nothing where an image of the item has no vector."""
    if len(vectors) != len(stored.image_ids):
        return {}
    cosines = vectors @ asked
    return {
        at: float(cosines[list(variant.images)].max())
        for at, variant in enumerate(stored.item.variants)
        if variant.images
    }


def requirement_met(requirement: Requirement, variant: Variant, options: Mapping[str, str]) -> float:
    """How far a variant's price or options (case-folded) meet a requirement: 1 as it is named, less for what it
    includes."""
    if requirement.bounds is not None:
        return float(variant.price_cents is not None and within(requirement.bounds, variant.price_cents))
    held = options.get(requirement.field)
    if held is None:
        return 0.0
    is_narrower = held in map(facet_value, requirement.narrower)
    met = NARROWER_VALUE_WEIGHT if is_narrower else float(held in map(facet_value, requirement.values))
    return met if requirement.wanted else -met


def of_variant(hit: Hit, at: int | None) -> Hit:
    """The hit by the variant at a position, whose images come before the item's others; as it is for None."""
    return replace(hit, stored=by_variant(hit.stored, at), variant=at)


def by_variant(stored: StoredItem, at: int | None) -> StoredItem:
    """An item with the images of the variant at a position before its others; as it is for None."""
    own = () if at is None else stored.item.variants[at].images
    if not own or own[0] == 0:
        return stored
    order = [*own, *(position for position in range(len(stored.image_ids)) if position not in own)]
    moved = {before: now for now, before in enumerate(order)}
    variants = tuple(
        replace(variant, images=tuple(moved[position] for position in variant.images))
        for variant in stored.item.variants
    )
    image_ids = tuple(stored.image_ids[position] for position in order)
    item = replace(stored.item, variants=variants)
    return replace(stored, item=item, image_ids=image_ids)


@dataclass(frozen=True, slots=True)
class VariantPage:
    """A page of variants: which of the ranked ``items`` have them, how many of those items' variants are ``skipped``,
    and how many variants there are in all."""

    items: slice
    skipped: int
    total: int


def variant_page(query: Query, counts: NDArray[np.int64]) -> VariantPage:
    """The query's page of variants. ``counts``, shape (n,), says how many each ranked item has."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    first = int(np.searchsorted(ends, query.offset, side="right"))
    last = int(np.searchsorted(ends, min(query.offset + query.limit, total), side="left")) + 1
    before = int(ends[first - 1]) if first else 0
    return VariantPage(slice(first, last), query.offset - before, total)
