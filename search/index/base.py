"""What every vector index offers, whatever engine runs it, and the lock that its readers share."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vitrina.search.types.item import EmbeddingRows
from vitrina.search.types.models import Vectors


class ReadWriteLock:
    """A waiting writer keeps new readers out, so that it is not starved. Not reentrant."""

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
    """Rows that answer one query, best first, equal scores by row id: ids, items and inner products, all shape (n,)."""

    row_ids: NDArray[np.int64]
    item_ids: NDArray[np.int64]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.row_ids)


class VectorIndex(Protocol):
    """Embedding rows of one modality, searchable by inner product. Safe to search from several threads while one
    thread changes it."""

    def __len__(self) -> int:
        """How many rows can be found."""

    def apply(self, touched_items: NDArray[np.int64], rows: EmbeddingRows) -> None:
        """Drop every row of the touched items, then append ``rows``, in one step that no search sees half of.

        New row ids must be larger than all before.
        """

    def search(self, query: Vectors, k: int, *, within: NDArray[np.int64] | None = None) -> Matches:
        """The k rows of the largest inner product with ``query``, shape (d,), which need not be a unit vector.

        ``within``, sorted item ids, restricts the search itself: up to k rows of those items come back, at any
        selectivity. Fewer where there are fewer; none for an empty index.
        """

    def rows_of(self, item_ids: NDArray[np.int64]) -> EmbeddingRows:
        """All rows of the given items (sorted ids), by row id."""

    def sample(self, n: int) -> Vectors:
        """Up to n vectors spread evenly over the index, shape (m, d); always the same ones for the same rows."""

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Arrays from which the index can be made anew."""
