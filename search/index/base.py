"""The interface of a vector index, and the lock that its readers share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vitrina.search.types.item import EmbeddingRows
from vitrina.search.types.models import Vectors

SAMPLE_ROWS = 1000
"""Rows that the catalog's average is estimated from: the mean's error is 3 % of a standard deviation."""

MIN_DEVIATION = 0.02
"""The least spread of cosines assumed, so that a catalog of one item, or of copies, gives finite scores."""


def deviation_of(sample: Vectors, vector: Vectors) -> float:
    """The standard deviation of a vector's cosines with a sample of rows, shape (n, d); 1 without any."""
    return max(float(np.std(sample @ vector)), MIN_DEVIATION) if len(sample) else 1.0


class ReadWriteLock:
    """Many readers or one writer at a time. A waiting writer keeps new readers out, so that it is not starved. Not
    reentrant."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers = 0
        self._writers = 0
        self._writing = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._writers)
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        with self._changed:
            self._writers += 1
            self._changed.wait_for(lambda: not (self._readers or self._writing))
            self._writing = True
        try:
            yield
        finally:
            with self._changed:
                self._writers -= 1
                self._writing = False
                self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class Matches:
    """The rows that match one query, best first, ties by row id: row ids, item ids and inner products, shape (n,)."""

    row_ids: NDArray[np.int64]
    item_ids: NDArray[np.int64]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.row_ids)


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What a vector index of ``n_rows`` is: its ``kind``, the ``reason`` for it, how many of its lists or graph nodes
    are ``searched`` for the best rows of some depths, of how many, and the recall of queries that were ``measured``
    against an exact search, None where there was none."""

    kind: str
    reason: str
    n_rows: int
    searched: Mapping[int, int]
    n_searchable: int
    measured: float | None

    def __str__(self) -> str:
        """In a line, for people."""
        parts = [f"{self.kind}, {self.n_rows:,} rows ({self.reason})"]
        if self.searched:
            of = ", ".join(f"{n:,} for the best {int(depth):,}" for depth, n in self.searched.items())
            parts.append(f"searches, of {self.n_searchable:,}: {of}")
        if self.measured is not None:
            parts.append(f"recall of queries {self.measured:.3f}")
        return "; ".join(parts)


class VectorIndex(Protocol):
    """Embedding rows of one modality, searchable by inner product. Safe to search from several threads while one
    thread changes it."""

    def __len__(self) -> int:
        """How many rows can be found."""

    def apply(self, touched_items: NDArray[np.int64], rows: EmbeddingRows) -> None:
        """Drop every row of the touched items, then append ``rows``, in one step: no search sees half of it.

        New row ids must be larger than all before.
        """

    def search(self, query: Vectors, k: int, *, within: NDArray[np.int64] | None = None) -> Matches:
        """The k rows of the largest inner product with ``query``, shape (d,), which need not be a unit vector.

        ``within``, sorted item ids, restricts the search itself: up to k rows of those items come back, at any
        selectivity; fewer if there are fewer, and none for an empty index.
        """

    def rows_of(self, item_ids: NDArray[np.int64]) -> EmbeddingRows:
        """All rows of the given items (sorted ids), by row id."""

    def sample(self, n: int) -> Vectors:
        """Up to n vectors spread evenly over the index, shape (m, d); the same ones for the same rows."""

    def rows(self) -> EmbeddingRows:
        """A copy of all rows that can be found, by row id: an empty index that applies them is the same index."""


@runtime_checkable
class MaintainedIndex(VectorIndex, Protocol):
    """An index that has work to do beside searches and changes, that knows how well it finds, and that can be saved as
    it is. Safe to use as a vector index is."""

    recall: float
    """The share of the best rows that a search should find."""

    def is_due(self) -> bool:
        """Whether ``maintain`` has work to do. Cheap."""

    def maintain(self, n_threads: int = 1) -> bool:
        """Build, fill or compact what is due, and measure how well searches find; returns whether what there is to
        save has changed. Blocks, for minutes where there are millions of rows; searches and changes go on meanwhile."""

    def report(self) -> IndexReport:
        """What the index is, and how well it finds."""

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Everything that ``restore`` needs, as arrays."""

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take the place of an index whose ``state`` this is. Raises ValueError or KeyError where it fits no index."""


class SharedIndex(MaintainedIndex, Protocol):
    """An index outside this process, which several services share. ``apply`` may be repeated."""

    def make(self) -> bool:
        """Make its place where there is none; returns whether there was none. Loads it where it has to be."""

    def refresh(self) -> None:
        """Forget what was read, since another service has written."""

    def clear(self) -> None:
        """Delete every row."""


MakeIndex = Callable[[int], VectorIndex]
"""Makes an empty index for vectors of a dimension. Plug-ins of the group ``vitrina.indexes`` are such callables."""
