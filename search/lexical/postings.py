"""Postings: where each term stands in the items of a catalog, as segments of it that never change."""

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
from vitrina.search.lexical.segment import (
    NO_ROWS,
    NO_TERMS,
    NO_WEIGHTS,
    DeniedTerms,
    Denying,
    Occurrences,
    Segment,
    TermStream,
    Weights,
    denied_terms,
    merged,
)
from vitrina.search.lexical.term_dictionary import GappedPhrase
from vitrina.search.types.arrays import Arrays, part_of


@dataclass(frozen=True, slots=True)
class SegmentPart:
    """A segment, and which of its rows are there."""

    segment: Segment
    alive: NDArray[np.bool_]


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


@dataclass(frozen=True, slots=True)
class OfSegments:
    """What was made of each segment."""

    denied: tuple[DeniedTerms, ...]

    @property
    def nbytes(self) -> int:
        """The memory that all of it takes."""
        return sum(each.nbytes for each in self.denied)


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

    def holding_phrase(self, phrase: GappedPhrase) -> Occurrences:
        """The items in one of whose fields terms stand next to each other; each word may be any of several terms."""
        return self._joined([segment.holding_phrase(phrase) for segment in self.segments])

    def denied(self, terms: Sequence[int], denying: Denying) -> Occurrences:
        """The items that say of any of some terms that they lack it: ``ohne Deckel``."""

        def made() -> OfSegments:
            return OfSegments(tuple(denied_terms(segment, denying) for segment in self.segments))

        denied = self.cached(("denied", denying.words, denying.before_carriers), made).denied
        return self._joined([each.denied(terms, at) for each, at in zip(self.segments, denied, strict=True)])

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

    def title_of(self, row: int) -> NDArray[np.int32]:
        """The terms of one row's title, in their order; none for -1."""
        for segment, offset in zip(self.segments, self.offsets, strict=True):
            if offset <= row < offset + len(segment):
                return segment.terms_of(row - offset, Field.TITLE)
        return NO_ROWS

    def n_holding(self, term: int) -> int:
        """How many rows hold a term, those that are no longer there among them."""
        return sum(segment.n_holding(term) for segment in self.segments)

    def n_holding_each(self, terms: NDArray[np.int64]) -> NDArray[np.int64]:
        """The same for each of many terms, shape (n,)."""
        counts = [segment.n_holding_each(terms) for segment in self.segments]
        return np.asarray(np.sum([np.zeros(len(terms), np.int64), *counts], axis=0), np.int64)

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
                at = segment.rows_by_item.of(item_ids)
                held = (at >= 0) & self.alive[offset + at]
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
