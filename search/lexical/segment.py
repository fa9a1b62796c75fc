"""Segments: where each term stands in some items, as arrays that never change once they are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrina.search.analysis.analyser import Field
from vitrina.search.lexical.term_dictionary import GappedPhrase, NumberTerms
from vitrina.search.types.arrays import Arrays, IdPositions, distinct

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
class Denying:
    """The terms that deny what follows them (``without``), those that do so before one of ``carriers`` alone (``no apto
    para``), and what may stand between."""

    words: tuple[int, ...]
    before_carriers: tuple[int, ...]
    carriers: tuple[int, ...]


MAX_CARRIERS = 3


@dataclass(frozen=True, slots=True)
class DeniedTerms:
    """Terms that are denied, ascending, and the position of each; both of shape (n,)."""

    terms: Rows
    positions: NDArray[np.int64]

    @property
    def nbytes(self) -> int:
        """The memory that both take."""
        return self.terms.nbytes + self.positions.nbytes

    def of(self, terms: Sequence[int]) -> NDArray[np.int64]:
        """The positions of some terms."""
        starts, ends = (np.searchsorted(self.terms, np.array(terms, np.int32), side) for side in ("left", "right"))
        found = [self.positions[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        return np.concatenate([np.empty(0, np.int64), *found])


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

    @cached_property
    def rows_by_item(self) -> IdPositions:
        """Where each item's row is."""
        return IdPositions(self.stream.item_ids)

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
        if len(held) == len(self):
            return np.asarray((rows >= 0) & (rows < len(self)))
        rows = rows.astype(np.int32)  # or all of ``held`` would be converted
        at = np.minimum(np.searchsorted(held, rows), len(held) - 1)
        return np.asarray(held[at] == rows)

    def terms_of(self, row: int, field: Field) -> NDArray[np.int32]:
        """The terms in one field of one row, in their order."""
        ends = np.array([0, 1], np.int32) + np.int32(
            row * N_FIELDS + field
        )  # of the type of ``runs``, not to convert it
        first, last = np.searchsorted(self.runs, ends)
        return self.stream.terms[first:last]

    def n_holding(self, term: int) -> int:
        """How many rows hold a term."""
        return 0 if term >= len(self._row_starts) - 1 else int(self._row_starts[term + 1] - self._row_starts[term])

    def n_holding_each(self, terms: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many rows hold each of some terms, shape (n,)."""
        known = np.minimum(terms, len(self._row_starts) - 2)
        n_rows = self._row_starts[known + 1] - self._row_starts[known]
        return np.where(terms == known, n_rows, 0)

    def n_occurrences(self, term: int) -> int:
        """How often one term stands anywhere."""
        return 0 if term >= len(self.starts) - 1 else int(self.starts[term + 1] - self.starts[term])

    def positions_of(self, terms: Sequence[int]) -> Rows:
        """The positions in the stream of any of the terms, in no order."""
        known = [term for term in terms if term < len(self.starts) - 1]
        found = [self.positions[self.starts[term] : self.starts[term + 1]] for term in known]
        return np.concatenate(found) if found else NO_ROWS

    def denied(self, terms: Sequence[int], denied: DeniedTerms) -> Occurrences:
        """Where any of some terms stands among those that are denied."""
        at = denied.of(terms)
        return self._at(at) if len(at) else NOWHERE

    def holding_phrase(self, phrase: GappedPhrase) -> Occurrences:
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
            if distance != rarest and word is not None:
                starts = starts[is_one_of(self.stream.terms[starts + distance], word)]
        return self._at(starts[self.runs[starts] == self.runs[starts + len(phrase) - 1]])

    def _at(self, positions: NDArray[Any]) -> Occurrences:
        """The rows at some positions."""
        rows, fields = np.divmod(np.sort(self.runs[positions]), N_FIELDS)
        first = np.flatnonzero(np.diff(rows, prepend=-1))
        return Occurrences(rows[first], np.add.reduceat(FIELD_WEIGHTS[fields], first) if len(first) else NO_WEIGHTS)


def denied_terms(segment: Segment, denying: Denying) -> DeniedTerms:
    """Where a term stands that is denied: the first after a denial, carriers aside."""
    terms, runs = segment.stream.terms, segment.runs
    weak = segment.positions_of(denying.before_carriers).astype(np.int64)
    weak = weak[weak + 1 < len(runs)]
    weak = weak[is_one_of(terms[weak + 1], denying.carriers)]
    starts = np.concatenate([segment.positions_of(denying.words).astype(np.int64), weak])
    found, following = [np.empty(0, np.int64)], starts + 1
    for _ in range(MAX_CARRIERS + 1):
        inside = following < len(runs)
        starts, following = starts[inside], following[inside]
        same = runs[starts] == runs[following]
        starts, following = starts[same], following[same]
        carries = is_one_of(terms[following], denying.carriers)
        found.append(following[~carries])
        starts, following = starts[carries], following[carries] + 1
    positions = distinct(np.concatenate(found))
    positions = positions[np.argsort(terms[positions], kind="stable")]
    return DeniedTerms(terms[positions], positions)


def first_of_each(terms: NDArray[np.int32], n_known: int) -> NDArray[np.int64]:
    """Where each term's part of sorted terms begins, shape (n_known + 1,); the order within does not matter."""
    return np.concatenate([[0], np.cumsum(np.bincount(terms, minlength=n_known))]).astype(np.int64)


def is_one_of(terms: NDArray[np.int32], wanted: tuple[int, ...] | NumberTerms) -> NDArray[np.bool_]:
    if isinstance(wanted, NumberTerms):
        return wanted.are_in(terms)
    if len(wanted) == 1:
        return np.asarray(terms == wanted[0])
    return np.isin(terms, np.array(wanted, np.int32))
