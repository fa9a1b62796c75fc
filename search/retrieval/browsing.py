"""Browsing: a page of the items that pass a query's filters, in the query's order, with one of several twins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vitrina.search.retrieval.twins import Collapsed, collapsed
from vitrina.search.retrieval.variants import variant_page
from vitrina.search.store.reader import CatalogReader
from vitrina.search.store.twins import TwinGroups
from vitrina.search.types.query import MAX_OFFSET, Query

NO_TWINS = Collapsed(np.empty(0, np.int64))


@dataclass(frozen=True, slots=True)
class BrowsedPage:
    """The items of a page, in order; how many of their variants belong to the page before, where variants are shown one
    by one; how many hits all pages have; and the twins that items stand for."""

    item_ids: Sequence[int]
    skipped: int
    total: int
    twins: Collapsed = NO_TWINS


def browsed_page(reader: CatalogReader, query: Query) -> BrowsedPage:
    """The query's page. Raises FilterError for a filter that nothing can match, and NotFoundError."""
    reader.facets.check(query.filters)
    excluded = sorted({reader.item(sku).id for sku in query.exclude_skus})
    if not query.collapse:
        return one_by_one(reader, query, excluded)
    groups = reader.twin_groups()
    if not groups:
        page, total = reader.facets.page(query.filters, query.sort, query.limit, query.offset, excluded)
        return BrowsedPage(page, 0, total)
    return without_twins(reader, query, excluded, groups)


def one_by_one(reader: CatalogReader, query: Query, excluded: Sequence[int]) -> BrowsedPage:
    """The page of variants, one by one."""
    every, _ = reader.facets.page(query.filters, query.sort, MAX_OFFSET, 0, excluded)
    window = variant_page(query, reader.facets.n_fitting(every, query.filters))
    return BrowsedPage(every[window.items], window.skipped, window.total)


def without_twins(reader: CatalogReader, query: Query, excluded: Sequence[int], groups: TwinGroups) -> BrowsedPage:
    """The page with the first of each group of twins, among those that pass the filters."""
    if query.filters:
        every, _ = reader.facets.page(query.filters, query.sort, MAX_OFFSET, 0, excluded)
        twins = collapsed(np.array(every, np.int64), groups, np.array(excluded, np.int64))
        kept = twins.kept[query.offset : query.offset + query.limit]
        return BrowsedPage([every[at] for at in kept], 0, len(twins.kept), twins)
    ordered = np.array(reader.facets.ordered(groups.item_ids.tolist(), query.sort), np.int64)
    twins = collapsed(ordered, groups, np.array(excluded, np.int64))
    hidden = np.setdiff1d(np.delete(ordered, twins.kept), np.array(excluded, np.int64), assume_unique=True).tolist()
    page, total = reader.facets.page(query.filters, query.sort, query.limit, query.offset, [*excluded, *hidden])
    return BrowsedPage(page, 0, total, twins)
