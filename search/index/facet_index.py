"""The facet index: which items have which values, in memory, which follows the catalog by its sequence numbers.

A value of a field is a term like a word, and so is the field itself, which every item has that has any value in it.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from vitrina.search.index.variant_facets import NO_VARIANTS, Ids
from vitrina.search.lexical.postings import N_FIELDS, NO_POSTINGS, NO_ROWS, Postings, TermStream, updated
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.facets import FacetHolders
from vitrina.search.types.filters import AnyOf

Flags = NDArray[np.bool_]

FacetKey = tuple[str, str | None]
"""A field and a value, case-folded; None stands for any value."""


class FacetIndex:
    """The values of a catalog's items, as of change ``sequence``. Safe to read from several threads while one catches
    up."""

    def __init__(self, catalog: Catalog) -> None:
        """Read the catalog's facets. Blocks for as long as that takes: half a second for 100,000 items of ten."""
        self.catalog = catalog
        self.sequence = 0
        self._catching_up = threading.Lock()
        self._codes: dict[FacetKey, int] = {}
        self._values: dict[str, dict[str | None, int]] = {}
        self._fields: tuple[str, ...] = ()
        self._postings = NO_POSTINGS
        self._of_variants = NO_VARIANTS
        self.catch_up()

    def having(self, field: str, values: Iterable[str] | None, item_ids: NDArray[np.int64]) -> Flags:
        """Which of the items have one of the values (case-folded) in a field, or with None any value; shape (n,)."""
        postings = self._postings
        rows = postings.rows_of(item_ids)
        return np.asarray(self._rows_having(postings, field, values)[rows] & (rows >= 0))

    @property
    def has_variants(self) -> bool:
        """Whether some item has several variants."""
        return len(self._of_variants) > 0

    def variants_having(self, field: str, values: Iterable[str] | None, item_ids: NDArray[np.int64]) -> Ids:
        """The keys of those variants of the items that alone have one of the values (case-folded) in a field, or with
        None any value; sorted. ``item_ids``: sorted."""
        keys: Iterable[FacetKey] = [(field, None)] if values is None else ((field, value) for value in values)
        return self._of_variants.having(filter(None, map(self._codes.get, keys)), item_ids)

    def n_fields_with(self, query: str, item_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """In how many fields each of the items has the query (a brand, an article, a colour) as a whole value; (n,)."""
        value = " ".join(query.split()).casefold()
        n_fields = np.zeros(len(item_ids), np.int64)
        for field in self._fields:
            if (field, value) in self._codes:  # most queries are no attribute's value
                n_fields += self.having(field, [value], item_ids)
        return n_fields

    def satisfying(
        self, wanted: Sequence[AnyOf], limit: int, within: NDArray[np.int64] | None = None
    ) -> NDArray[np.int64]:
        """The ids of up to ``limit`` items that satisfy every condition, of which there must be one, among those
        ``within``; sorted. If there are more, they are the oldest."""
        postings = self._postings
        rows = np.all([self._rows_having(postings, each.field, each.values)[:-1] for each in wanted], axis=0)
        found = postings.item_ids[rows]
        if within is not None:
            found = np.intersect1d(found, within)
        return np.sort(found)[:limit]

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field that some item has, or had since this was made, sorted."""
        return self._fields

    def counts(self, item_ids: Ids, fields: Collection[str]) -> dict[str, dict[str | None, int]]:
        """How many of the items have each value (case-folded) of some fields, those that none has left out; by None how
        many have any."""
        postings, n_codes = self._postings, len(self._codes) + 1
        rows = postings.rows_of(item_ids)
        wanted = np.zeros(len(postings.alive), np.bool_)
        wanted[rows[rows >= 0]] = True
        totals = np.zeros(n_codes, np.int64)
        for segment, offset in zip(postings.segments, postings.offsets, strict=True):
            stream = segment.stream
            of_term = np.repeat(wanted[offset : offset + len(segment)], stream.n_terms.sum(axis=1))
            totals += np.bincount(stream.terms[of_term], minlength=n_codes)[:n_codes]
        found: dict[str, dict[str | None, int]] = {}
        for field in fields:
            known = [(value, code) for value, code in list(self._values.get(field, {}).items()) if code < n_codes]
            held = totals[[code for _, code in known]] if known else totals[:0]
            found[field] = {value: n for (value, _), n in zip(known, held.tolist(), strict=True) if n}
        return found

    def holder(self, field: str, value: str) -> int | None:
        """The id of an item that has a value (case-folded) in a field; None if none has."""
        postings, code = self._postings, self._codes.get((field, value))
        rows = postings.holding(code).rows if code is not None else NO_ROWS
        return int(postings.item_ids[rows[0]]) if len(rows) else None

    def _rows_having(self, postings: Postings, field: str, values: Iterable[str] | None) -> Flags:
        """Which rows have one of the values; shape (number of rows + 1,), the last for an item that is not there."""
        keys: Iterable[FacetKey] = [(field, None)] if values is None else ((field, value) for value in values)
        flags = np.zeros(len(postings.alive) + 1, np.bool_)
        for code in filter(None, map(self._codes.get, keys)):
            flags[postings.holding(code).rows] = True
        return flags

    def catch_up(self) -> bool:
        """Apply what was committed since; returns whether anything was. Cheap if nothing was. Raises StorageError."""
        with self._catching_up:
            newest = self.catalog.sequence()
            if newest == self.sequence:
                return False
            if newest < self.sequence:
                self.sequence, self._postings, self._of_variants = 0, NO_POSTINGS, NO_VARIANTS
            changes = self.catalog.facet_changes(self.sequence)
            stream = self._stream(changes.holders)
            self._fields = tuple(sorted({field for field, _ in self._codes}))
            self._postings = updated(self._postings, changes.touched_items, stream, len(self._codes) + 1)
            of_each = [self._code(each.field, value) for each in changes.variants for value in (each.value, None)]
            keys = [each.item_ids for each in changes.variants for _ in range(2)]
            self._of_variants = self._of_variants.updated(changes.touched_items, of_each, keys)
            self.sequence = changes.sequence
            return True

    def _stream(self, holders: Sequence[FacetHolders]) -> TermStream:
        """Facets as the terms of their items; new ones get codes, from 1 on."""
        item_ids = np.concatenate([np.empty(0, np.int64), *(each.item_ids for each in holders)])
        codes: list[NDArray[np.int32]] = []
        for value in (True, False):
            of_each = [self._code(each.field, each.value if value else None) for each in holders]
            codes.append(np.repeat(np.array(of_each, np.int32), [len(each.item_ids) for each in holders]))
        pairs = np.unique(np.stack([np.tile(item_ids, 2), np.concatenate(codes)], axis=1), axis=0)
        ids, n_terms = np.unique(pairs[:, 0], return_counts=True)
        counts = np.zeros((len(ids), N_FIELDS), np.int32)
        counts[:, 0] = n_terms
        return TermStream(ids, counts, pairs[:, 1].astype(np.int32))

    def _code(self, field: str, value: str | None) -> int:
        code = self._codes.get((field, value))
        if code is None:
            code = self._codes[field, value] = len(self._codes) + 1
            self._values.setdefault(field, {})[value] = code
        return code
