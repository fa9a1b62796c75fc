"""The facet index: which items have which values, in memory, which follows the catalog by its sequence numbers.

A value of a field is a term like a word, and so is the field itself, which every item has that has any value in it.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from vitrina.search.index.variant_facets import NO_VARIANTS, Ids, VariantFacets
from vitrina.search.lexical.postings import NO_POSTINGS, Postings, SegmentPart, restored_postings, updated
from vitrina.search.lexical.segment import N_FIELDS, NO_ROWS, TermStream
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.facets import FacetHolders
from vitrina.search.store.matching import is_among
from vitrina.search.store.reader import CatalogReader
from vitrina.search.types.arrays import Arrays, distinct, packed, part_of, unpacked
from vitrina.search.types.filters import AnyOf, Condition, Exists, Not, spellings

Flags = NDArray[np.bool_]

NO_IDS: Ids = np.empty(0, np.int64)


ANY = "\0"
"""Stands for any value where values are saved; no stored text holds it."""

BISECTION_COST = 24
"""How many times as much it takes to look for one row among those that have a value as to mark one of them."""

ROWS_AT_ONCE = 8192

PASSING_BYTES = 64 << 20
"""What may be kept of the items that pass filters: 8 bytes an item."""


def n_holding(postings: Postings, codes: Sequence[int]) -> int:
    """How many rows have one of the values, at most."""
    return sum(map(postings.n_holding, codes))


def first_of(part: SegmentPart, wanted: Sequence[Sequence[int]], limit: int, within: Ids | None) -> Ids:
    """The ids of the first ``limit`` items in a part of the postings that have one value of each of ``wanted``, those
    with the fewest holders first, and are ``within``."""
    rarest = [part.segment.holding(code).rows for code in wanted[0]]
    rows = rarest[0] if len(rarest) == 1 else distinct(np.concatenate([NO_ROWS, *rarest]))
    found, n_found = [NO_IDS], 0
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = rows[start : start + ROWS_AT_ONCE].astype(np.int64)
        some = some[part.alive[some]]
        for codes in wanted[1:]:
            held = [part.segment.contains(code, some) for code in codes]
            some = some[np.any(held, axis=0)] if held else some[:0]
        ids = part.segment.stream.item_ids[some]
        if within is not None:
            ids = ids[is_among(ids, within)]
        found.append(ids)
        n_found += len(ids)
        if n_found >= limit:
            break
    return np.concatenate(found)[:limit]


class FacetIndex:
    """The values of a catalog's items, as of change ``sequence``. Safe to read from several threads while one catches
    up."""

    def __init__(self, catalog: Catalog, arrays: Arrays | None = None) -> None:
        """Read the catalog's facets, those aside that ``arrays`` of an earlier state hold. Blocks for as long as that
        takes: two seconds for 100,000 items of ten. Raises KeyError or ValueError where ``arrays`` are not whole."""
        self.catalog = catalog
        self.sequence = 0
        self._catching_up = threading.Lock()
        self._codes: dict[str, dict[str | None, int]] = {}
        """The codes of each field's values (case-folded), and of any value by None; from 1 on."""
        self._n_codes = 0
        self._fields: tuple[str, ...] = ()
        self._postings = NO_POSTINGS
        self._of_variants = NO_VARIANTS
        self._passing: LRUCache[object, Ids] = LRUCache(PASSING_BYTES, getsizeof=lambda ids: ids.nbytes + 1)
        self._keeping = threading.Lock()
        if arrays is not None:
            self._restore(arrays)
        self.catch_up()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The values as of ``sequence``, for a later index; nothing may catch up meanwhile."""
        fields, values = [""] * self._n_codes, [""] * self._n_codes
        for field, codes in self._codes.items():
            for value, code in codes.items():
                fields[code - 1], values[code - 1] = field, ANY if value is None else value
        return {
            "sequence": np.array(self.sequence),
            **{f"fields.{name}": array for name, array in packed(fields).items()},
            **{f"values.{name}": array for name, array in packed(values).items()},
            **{f"postings.{name}": array for name, array in self._postings.arrays().items()},
            "variants.codes": self._of_variants.codes,
            "variants.keys": self._of_variants.keys,
        }

    def _restore(self, arrays: Arrays) -> None:
        fields, values = (unpacked(part_of(arrays, prefix)) for prefix in ("fields.", "values."))
        self._codes = {field: {} for field in fields}
        for code, (field, value) in enumerate(zip(fields, values, strict=True), start=1):
            self._codes[field][None if value == ANY else value] = code
        self._n_codes = len(fields)
        self._fields = tuple(sorted(self._codes))
        self._postings = restored_postings(part_of(arrays, "postings."))
        self._of_variants = VariantFacets(arrays["variants.codes"], arrays["variants.keys"])
        self.sequence = int(arrays["sequence"])

    def having(self, field: str, values: Iterable[str] | None, item_ids: NDArray[np.int64]) -> Flags:
        """Which of the items have one of the values (case-folded) in a field, or with None any value; shape (n,)."""
        postings = self._postings
        rows = postings.rows_of(item_ids)
        codes = self._codes_of(field, values)
        n_held = sum(postings.n_holding(code) for code in codes)
        if n_held + len(postings.alive) / 8 > BISECTION_COST * len(codes) * len(rows):
            found = np.zeros(len(rows), np.bool_)
            for code in codes:
                found |= postings.contain(code, rows)
            return found
        return np.asarray(self._rows_having(postings, field, values)[rows] & (rows >= 0))

    def share_having(self, field: str) -> float:
        """The share of items that have any value in a field, 0 to 1."""
        postings = self._postings
        return min(n_holding(postings, self._codes_of(field, None)) / max(postings.n_items, 1), 1.0)

    def passing(self, reader: CatalogReader, conditions: tuple[Condition, ...]) -> Ids:
        """The ids of the items that satisfy every condition as of the reader's state, sorted, shape (n,), not to be
        changed; the same array while nothing changes. Raises FilterError for a condition that nothing can satisfy."""
        sequence = reader.sequence()
        key = (conditions, sequence)
        with self._keeping:
            found = self._passing.get(key)
        if found is None:
            reader.facets.check(conditions)
            found = self._satisfying_all(conditions) if sequence == self.sequence else None
            if found is None:
                found = reader.facets.matching(conditions)
            with self._keeping:
                if found.nbytes < PASSING_BYTES:
                    self._passing[key] = found
        return found

    def _satisfying_all(self, conditions: Sequence[Condition]) -> Ids | None:
        """The items that satisfy every condition; None where the database has to tell, as for ranges of numbers, and
        for variants, which have to satisfy all by themselves."""
        postings = self._postings
        flags = np.append(postings.alive, False)
        for condition in conditions:
            asked = condition.condition if isinstance(condition, Not) else condition
            if self.has_variants or not isinstance(asked, AnyOf | Exists):
                return None
            asked_for = asked.values if isinstance(asked, AnyOf) else None
            values = asked_for and {each for value in asked_for for each in spellings(value, asked.field)}
            having = self._rows_having(postings, asked.field, values)
            flags &= ~having if isinstance(condition, Not) else having
        return np.sort(postings.item_ids[flags[:-1]])

    def _codes_of(self, field: str, values: Iterable[str] | None) -> list[int]:
        codes = self._codes.get(field, {})
        return list(filter(None, map(codes.get, [None] if values is None else values)))

    @property
    def has_variants(self) -> bool:
        """Whether some item has several variants."""
        return len(self._of_variants) > 0

    def variants_having(self, field: str, values: Iterable[str] | None, item_ids: NDArray[np.int64]) -> Ids:
        """The keys of those variants of the items that alone have one of the values (case-folded) in a field, or with
        None any value; sorted. ``item_ids``: sorted."""
        return self._of_variants.having(self._codes_of(field, values), item_ids)

    def n_fields_with(self, query: str, item_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """In how many fields each of the items has the query (a brand, an article, a colour) as a whole value; (n,)."""
        value = " ".join(query.split()).casefold()
        n_fields = np.zeros(len(item_ids), np.int64)
        for field in self._fields:
            if value in self._codes.get(field, ()):  # most queries are no attribute's value
                n_fields += self.having(field, [value], item_ids)
        return n_fields

    def satisfying(
        self, wanted: Sequence[AnyOf], limit: int, within: NDArray[np.int64] | None = None
    ) -> NDArray[np.int64]:
        """The ids of up to ``limit`` items that satisfy every condition, of which there must be one, among those
        ``within``; sorted. If there are more, they are the oldest."""
        postings = self._postings
        codes = sorted((self._codes_of(each.field, each.values) for each in wanted), key=partial(n_holding, postings))
        found = np.concatenate([first_of(part, codes, limit, within) for part in postings.parts()])
        return np.sort(found)[:limit]

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field that some item has, or had since this was made, sorted."""
        return self._fields

    def counts(self, item_ids: Ids, fields: Collection[str]) -> dict[str, dict[str | None, int]]:
        """How many of the items have each value (case-folded) of some fields, those that none has left out; by None how
        many have any."""
        postings, n_codes = self._postings, self._n_codes + 1
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
            known = [(value, code) for value, code in list(self._codes.get(field, {}).items()) if code < n_codes]
            held = totals[[code for _, code in known]] if known else totals[:0]
            found[field] = {value: n for (value, _), n in zip(known, held.tolist(), strict=True) if n}
        return found

    def values_of(self, field: str, first: int = 0) -> list[tuple[str | None, int]]:
        """The values of a field (case-folded, any value by None) with their codes, in the order in which they were
        first seen; without the ``first`` ones."""
        codes = self._codes.get(field, {})
        return list(codes.items())[first:] if len(codes) > first else []

    def n_values(self, field: str) -> int:
        """How many values a field has, or had since this was made."""
        return max(0, len(self._codes.get(field, {})) - 1)

    def n_with(self, field: str) -> int:
        """How many items have any value in a field, at most."""
        return n_holding(self._postings, self._codes_of(field, None))

    def n_having(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many items have each of some values, by their codes, at most; shape (n,)."""
        return self._postings.n_holding_each(codes)

    def holder(self, field: str, value: str) -> int | None:
        """The id of an item that has a value (case-folded) in a field; None if none has."""
        postings, code = self._postings, self._codes.get(field, {}).get(value)
        rows = postings.holding(code).rows if code is not None else NO_ROWS
        return int(postings.item_ids[rows[0]]) if len(rows) else None

    def _rows_having(self, postings: Postings, field: str, values: Iterable[str] | None) -> Flags:
        """Which rows have one of the values; shape (number of rows + 1,), the last for an item that is not there."""
        flags = np.zeros(len(postings.alive) + 1, np.bool_)
        for code in self._codes_of(field, values):
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
            self._fields = tuple(sorted(self._codes))
            self._postings = updated(self._postings, changes.touched_items, stream, self._n_codes + 1)
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
        ids, owners = np.unique(item_ids, return_inverse=True)
        n_codes = self._n_codes + 1
        pairs = distinct(np.tile(owners, 2) * n_codes + np.concatenate(codes))
        counts = np.zeros((len(ids), N_FIELDS), np.int32)
        counts[:, 0] = np.bincount(pairs // n_codes, minlength=len(ids))
        return TermStream(ids, counts, (pairs % n_codes).astype(np.int32))

    def _code(self, field: str, value: str | None) -> int:
        codes = self._codes.setdefault(field, {})
        code = codes.get(value)
        if code is None:
            self._n_codes += 1
            code = codes[value] = self._n_codes
        return code
