"""Postings: where each term stands in the items of a catalog, as arrays that never change once they are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any, Protocol, TypeVar

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from vitrina.search.analysis.analyser import Field
from vitrina.search.lexical.term_dictionary import NumberTerms, Phrase
from vitrina.search.types.arrays import Arrays, part_of

Rows = NDArray[np.int32]
Weights = NDArray[np.float32]

N_FIELDS = len(Field)

FIELD_WEIGHTS: Weights = np.array([3.0, 2.0, 1.5, 1.0], np.float32)
"""Of a term's occurrence in each ``Field``: a word in a shorter, more deliberate field counts more."""

NO_ROWS: Rows = np.empty(0, np.int32)
NO_WEIGHTS: Weights = np.empty(0, np.float32)


@dataclass(frozen=True, slots=True)
class Occurrences:
    """The rows of items that hold something, ascending, and how often, weighted by field; both of shape (n,)."""

    rows: Rows
    frequencies: Weights

    def __len__(self) -> int:
        return len(self.rows)


NOWHERE = Occurrences(NO_ROWS, NO_WEIGHTS)


@dataclass(frozen=True, slots=True)
class TermStream:
    """The terms of n items in their order: item ids, ascending, shape (n,); how many terms each of an item's fields
    has, shape (n, N_FIELDS); and the terms' ids, shape (number of terms,)."""

    item_ids: NDArray[np.int64]
    n_terms: NDArray[np.int32]
    terms: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.item_ids)

    def kept(self, mask: NDArray[np.bool_]) -> TermStream:
        """The stream of some of the items; ``mask`` has shape (n,)."""
        of_term = np.repeat(mask, self.n_terms.sum(axis=1))
        return TermStream(self.item_ids[mask], self.n_terms[mask], self.terms[of_term])


NO_TERMS = TermStream(np.empty(0, np.int64), np.empty((0, N_FIELDS), np.int32), np.empty(0, np.int32))


def merged(streams: Sequence[TermStream]) -> TermStream:
    """One stream of the items of all, which must differ."""
    item_ids = np.concatenate([stream.item_ids for stream in streams])
    n_terms = np.concatenate([stream.n_terms for stream in streams])
    terms = np.concatenate([stream.terms for stream in streams])
    order = np.argsort(item_ids, kind="stable")
    if np.array_equal(order, np.arange(len(order))):
        return TermStream(item_ids, n_terms, terms)
    of_item = n_terms.sum(axis=1)
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return TermStream(item_ids[order], n_terms[order], terms[np.argsort(np.repeat(rank, of_item), kind="stable")])


SEGMENT_ARRAYS = ("runs", "lengths", "positions", "starts", "_rows", "_frequencies", "_row_starts")


class Segment:
    """The inverted index of one stream of terms. Immutable."""

    def __init__(self, stream: TermStream, n_known: int, arrays: Arrays | None = None) -> None:
        """``n_known``: how many terms are known; every id in the stream is below it. ``arrays`` are those of a segment
        of this very stream, which need not be made again."""
        self.stream = stream
        if arrays is None:
            self._invert(stream, n_known)
            return
        self.runs: Rows = arrays["runs"]
        self.lengths: Weights = arrays["lengths"]
        self.positions: Rows = arrays["positions"]
        self.starts: NDArray[np.int64] = arrays["starts"]
        self._rows: Rows = arrays["_rows"]
        self._frequencies: Weights = arrays["_frequencies"]
        self._row_starts: NDArray[np.int64] = arrays["_row_starts"]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that ``restored`` needs."""
        stream = {"item_ids": self.stream.item_ids, "n_terms": self.stream.n_terms, "terms": self.stream.terms}
        return {**stream, **{name: getattr(self, name) for name in SEGMENT_ARRAYS}}

    @classmethod
    def restored(cls, arrays: Arrays) -> Segment:
        """The segment of ``arrays``. Raises KeyError where some are missing."""
        return cls(TermStream(arrays["item_ids"], arrays["n_terms"], arrays["terms"]), 0, arrays)

    def _invert(self, stream: TermStream, n_known: int) -> None:
        runs = np.repeat(np.arange(stream.n_terms.size, dtype=np.int32), stream.n_terms.ravel())
        self.runs = runs
        """Of each term in the stream: the field that it stands in, counted over all items."""
        self.lengths = (stream.n_terms @ FIELD_WEIGHTS).astype(np.float32)
        """The weighted number of terms of each item, shape (n,)."""
        self.positions = np.argsort(stream.terms, kind="stable").astype(np.int32)
        self.starts = first_of_each(stream.terms, n_known)
        by_term = stream.terms[self.positions]
        rows, fields = np.divmod(runs[self.positions], N_FIELDS)
        new = np.ones(len(rows), np.bool_)
        new[1:] = (by_term[1:] != by_term[:-1]) | (rows[1:] != rows[:-1])
        at = np.flatnonzero(new)
        self._rows = rows[at]
        self._frequencies = np.add.reduceat(FIELD_WEIGHTS[fields], at) if len(at) else NO_WEIGHTS
        self._row_starts = first_of_each(by_term[at], n_known)

    def __len__(self) -> int:
        return len(self.stream)

    def holding(self, term: int) -> Occurrences:
        """Where one term stands."""
        if term >= len(self._row_starts) - 1:
            return NOWHERE
        part = slice(self._row_starts[term], self._row_starts[term + 1])
        return Occurrences(self._rows[part], self._frequencies[part])

    def contains(self, term: int, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of some rows hold a term, shape (n,)."""
        held = self.holding(term).rows
        if not len(held):
            return np.zeros(len(rows), np.bool_)
        rows = rows.astype(np.int32)  # or all of ``held`` would be converted
        at = np.minimum(np.searchsorted(held, rows), len(held) - 1)
        return np.asarray(held[at] == rows)

    def n_holding(self, term: int) -> int:
        """How many rows hold a term."""
        return 0 if term >= len(self._row_starts) - 1 else int(self._row_starts[term + 1] - self._row_starts[term])

    def n_occurrences(self, term: int) -> int:
        """How often one term stands anywhere."""
        return 0 if term >= len(self.starts) - 1 else int(self.starts[term + 1] - self.starts[term])

    def positions_of(self, terms: Sequence[int]) -> Rows:
        """The positions in the stream of any of the terms, in no order."""
        known = [term for term in terms if term < len(self.starts) - 1]
        found = [self.positions[self.starts[term] : self.starts[term + 1]] for term in known]
        return np.concatenate(found) if found else NO_ROWS

    def holding_phrase(self, phrase: Phrase) -> Occurrences:
        """Where terms stand next to each other in one field; each word of the phrase may be any of several terms, and
        one at least has to be other than any number."""
        named = {at: word for at, word in enumerate(phrase) if isinstance(word, tuple)}
        counts = {at: sum(map(self.n_occurrences, word)) for at, word in named.items()}
        if not all(counts.values()):
            return NOWHERE
        rarest = min(counts, key=counts.__getitem__)
        starts = self.positions_of(named[rarest]) - rarest
        starts = starts[(starts >= 0) & (starts + len(phrase) <= len(self.runs))]
        for distance, word in enumerate(phrase):
            if distance != rarest:
                starts = starts[is_one_of(self.stream.terms[starts + distance], word)]
        starts = starts[self.runs[starts] == self.runs[starts + len(phrase) - 1]]
        rows, fields = np.divmod(np.sort(self.runs[starts]), N_FIELDS)
        first = np.flatnonzero(np.diff(rows, prepend=-1))
        return Occurrences(rows[first], np.add.reduceat(FIELD_WEIGHTS[fields], first) if len(first) else NO_WEIGHTS)


@dataclass(frozen=True, slots=True)
class SegmentPart:
    """A segment, and which of its rows are there."""

    segment: Segment
    alive: NDArray[np.bool_]


def first_of_each(terms: NDArray[np.int32], n_known: int) -> NDArray[np.int64]:
    """Where each term's part of sorted terms begins, shape (n_known + 1,); the order within does not matter."""
    return np.concatenate([[0], np.cumsum(np.bincount(terms, minlength=n_known))]).astype(np.int64)


def is_one_of(terms: NDArray[np.int32], wanted: tuple[int, ...] | NumberTerms) -> NDArray[np.bool_]:
    if isinstance(wanted, NumberTerms):
        return wanted.are_in(terms)
    if len(wanted) == 1:
        return np.asarray(terms == wanted[0])
    return np.isin(terms, np.array(wanted, np.int32))


MAX_CACHED_BYTES = 96 << 20
"""What may be kept of words, rows and filters that were asked for: 20 bytes for each item that holds a word."""


class Sized(Protocol):
    """Something kept in a cache."""

    @property
    def nbytes(self) -> int:
        """The memory that it takes."""


SizedT = TypeVar("SizedT", bound=Sized)


def new_cache() -> LRUCache[object, Any]:
    return LRUCache(MAX_CACHED_BYTES, getsizeof=lambda kept: max(1, kept.nbytes))


@dataclass(frozen=True, slots=True)
class Derived:
    """What was made from an array, and that array itself: while this is kept, no other one has its ``id``."""

    source: NDArray[np.int64]
    made: NDArray[Any]

    @property
    def nbytes(self) -> int:
        """The memory that both take."""
        return self.source.nbytes + self.made.nbytes


@dataclass(frozen=True)
class Postings:
    """One state of the inverted index: a large segment, and a small one of what changed since it was made.

    Rows count through both. ``alive``, shape (n,), is false for items that were replaced or deleted.
    """

    segments: tuple[Segment, ...]
    alive: NDArray[np.bool_]
    cache: LRUCache[object, Any] = field(default_factory=new_cache, compare=False)
    """What was computed of these postings, under ``lock``."""
    lock: Lock = field(default_factory=Lock, compare=False)

    @cached_property
    def item_ids(self) -> NDArray[np.int64]:
        """The item of each row, shape (n,)."""
        return np.concatenate([np.empty(0, np.int64), *(segment.stream.item_ids for segment in self.segments)])

    @cached_property
    def offsets(self) -> list[int]:
        """The row at which each segment begins."""
        return [0, *np.cumsum([len(segment) for segment in self.segments]).tolist()][:-1]

    @cached_property
    def lengths(self) -> Weights:
        """The weighted number of terms of each row, relative to the mean of the rows that are alive, shape (n,)."""
        lengths = np.concatenate([NO_WEIGHTS, *(segment.lengths for segment in self.segments)])
        mean = float(lengths[self.alive].mean()) if self.n_items else 0.0
        return (lengths / mean).astype(np.float32) if mean else np.ones_like(lengths)

    @cached_property
    def n_items(self) -> int:
        """How many items can be found."""
        return int(np.count_nonzero(self.alive))

    def holding(self, term: int) -> Occurrences:
        """The items that hold a term."""
        return self._joined([segment.holding(term) for segment in self.segments])

    def holding_phrase(self, phrase: Phrase) -> Occurrences:
        """The items in one of whose fields terms stand next to each other; each word may be any of several terms."""
        return self._joined([segment.holding_phrase(phrase) for segment in self.segments])

    def _joined(self, found: Sequence[Occurrences]) -> Occurrences:
        if len(found) == 1:
            both = found[0]
        else:
            rows = [each.rows + np.int32(offset) for each, offset in zip(found, self.offsets, strict=True)]
            both = Occurrences(
                np.concatenate([NO_ROWS, *rows]), np.concatenate([NO_WEIGHTS, *(each.frequencies for each in found)])
            )
        if self.n_items == len(self.alive):
            return both
        kept = self.alive[both.rows]
        return Occurrences(both.rows[kept], both.frequencies[kept])

    def cached(self, key: object, make: Callable[[], SizedT]) -> SizedT:
        """What was made for a key, or is made now."""
        with self.lock:
            kept: SizedT | None = self.cache.get(key)
        if kept is None:
            kept = make()
            if kept.nbytes < self.cache.maxsize:
                with self.lock:
                    self.cache[key] = kept
        return kept

    def rows_of(self, item_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of each item, shape (n,), not to be changed; -1 for an item that is not there. Kept for the next use
        of the same array."""
        return self.cached(("rows", id(item_ids)), lambda: Derived(item_ids, self._rows_of(item_ids))).made

    def contain(self, term: int, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of some rows hold a term, shape (n,); false for -1."""
        found = np.zeros(len(rows), np.bool_)
        for segment, offset in zip(self.segments, self.offsets, strict=True):
            found |= segment.contains(term, rows - offset)
        return found

    def n_holding(self, term: int) -> int:
        """How many rows hold a term, those that are no longer there among them."""
        return sum(segment.n_holding(term) for segment in self.segments)

    def parts(self) -> list[SegmentPart]:
        """The segments, each with what of it is there."""
        return [
            SegmentPart(segment, self.alive[offset : offset + len(segment)])
            for segment, offset in zip(self.segments, self.offsets, strict=True)
        ] or [SegmentPart(Segment(NO_TERMS, 0), self.alive)]

    def flags_of(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which rows are among some, -1 aside; shape (number of rows,), not to be changed. Kept as ``rows_of`` is."""

        def flagged() -> Derived:
            flags = np.zeros(len(self.alive) + 1, np.bool_)
            flags[rows] = True
            return Derived(rows, flags[:-1])

        return self.cached(("flags", id(rows)), flagged).made

    def _rows_of(self, item_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        rows = np.full(len(item_ids), -1, np.int64)
        for segment, offset in zip(self.segments, self.offsets, strict=True):
            if len(segment):
                at = np.minimum(np.searchsorted(segment.stream.item_ids, item_ids), len(segment) - 1)
                held = (segment.stream.item_ids[at] == item_ids) & self.alive[offset + at]
                rows[held] = offset + at[held]
        return rows

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that ``restored_postings`` needs."""
        found: dict[str, NDArray[Any]] = {"alive": self.alive}
        for number, segment in enumerate(self.segments):
            found |= {f"{number}.{name}": array for name, array in segment.arrays().items()}
        return found


NO_POSTINGS = Postings((), np.empty(0, np.bool_))


def restored_postings(arrays: Arrays) -> Postings:
    """The postings of ``arrays``. Raises KeyError or ValueError where they are not whole."""
    numbers = sorted({int(name.partition(".")[0]) for name in arrays if "." in name})
    segments = tuple(Segment.restored(part_of(arrays, f"{number}.")) for number in numbers)
    if sum(map(len, segments)) != len(arrays["alive"]):
        raise ValueError("the segments have other rows than there are")
    return Postings(segments, arrays["alive"])


MERGED_SHARE = 0.125
"""The segments are merged once the small one, which each change rebuilds, has this share of the large one's items, or
as many of those are gone."""


def updated(postings: Postings, touched: NDArray[np.int64], changed: TermStream, n_known: int) -> Postings:
    """The postings after a change: without the ``touched`` items, then with those of ``changed``."""
    alive = postings.alive.copy()
    rows = postings.rows_of(touched)
    alive[rows[rows >= 0]] = False
    parts = [
        segment.stream.kept(alive[offset : offset + len(segment)])
        for segment, offset in zip(postings.segments[1:], postings.offsets[1:], strict=True)
    ]
    small = merged([*parts, changed]) if parts else changed
    if not postings.segments:
        return one_segment([small], n_known)
    large = postings.segments[0]
    of_large = alive[: len(large)]
    if max(len(small), len(large) - int(np.count_nonzero(of_large))) > MERGED_SHARE * len(large):
        return one_segment([large.stream.kept(of_large), small], n_known)
    if not len(small):
        return Postings((large,), of_large)
    return Postings((large, Segment(small, n_known)), np.concatenate([of_large, np.ones(len(small), np.bool_)]))


def one_segment(streams: Sequence[TermStream], n_known: int) -> Postings:
    segment = Segment(merged(streams), n_known)
    return Postings((segment,), np.ones(len(segment), np.bool_))
