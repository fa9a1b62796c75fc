"""The FAISS adapter: exact inner-product search with filters and deletions. The only module that imports FAISS."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrina.search.index.base import Matches, ReadWriteLock
from vitrina.search.types.errors import MissingDependencyError
from vitrina.search.types.item import EmbeddingRows
from vitrina.search.types.models import Vectors

try:
    import faiss
except ImportError as error:
    raise MissingDependencyError(
        "FAISS is not installed.",
        remedy="Install it with: pip install faiss-cpu (or 'vitrina[gpu]' on a machine with an NVIDIA GPU).",
    ) from error

COMPACT_AT = 0.25
"""The share of deleted rows at which the index is compacted: each deleted row costs a test in every search, compacting
costs a copy of the index."""


SEARCH_THREADS = 1
"""On two cores a search of 38,000 rows takes 3 ms on one thread, 5 on two, 12 where other libraries' threads spin on
the second core."""


class FaissIndex:
    """A flat FAISS index with its row ids, item ids and a deletion mask beside it."""

    def __init__(self, dimension: int) -> None:
        self._lock = ReadWriteLock()
        self._index = faiss.IndexFlatIP(dimension)
        self._row_ids = np.empty(0, np.int64)
        self._item_ids = np.empty(0, np.int64)
        self._alive = np.empty(0, np.bool_)
        self._samples: dict[int, Vectors] = {}

    def __len__(self) -> int:
        return int(np.count_nonzero(self._alive))

    def apply(self, touched_items: NDArray[np.int64], rows: EmbeddingRows) -> None:
        with self._lock.writing():
            self._samples.clear()
            if len(touched_items) and len(self._alive):
                self._alive &= ~np.isin(self._item_ids, touched_items)
                if np.count_nonzero(self._alive) < (1 - COMPACT_AT) * len(self._alive):
                    self._keep(self._alive)
            if len(rows):
                self._append(rows)

    def _append(self, rows: EmbeddingRows) -> None:
        newest = self._row_ids[-1] if len(self._row_ids) else -1
        if rows.row_ids[0] <= newest or np.any(np.diff(rows.row_ids) <= 0):
            raise ValueError("row ids must grow: rows are found by bisection")
        self._index.add(np.ascontiguousarray(rows.vectors, dtype=np.float32))
        self._row_ids = np.concatenate([self._row_ids, rows.row_ids])
        self._item_ids = np.concatenate([self._item_ids, rows.item_ids])
        self._alive = np.concatenate([self._alive, np.ones(len(rows), np.bool_)])

    def _keep(self, mask: NDArray[np.bool_]) -> None:
        vectors = self._vectors()[mask]
        self._index.reset()
        self._index.add(vectors)
        self._row_ids, self._item_ids, self._alive = self._row_ids[mask], self._item_ids[mask], self._alive[mask]

    def _vectors(self) -> Vectors:
        """The index's own storage, shape (n, d), without a copy: valid until the index changes."""
        flat: NDArray[np.float32] = faiss.rev_swig_ptr(self._index.get_xb(), self._index.ntotal * self._index.d)
        return flat.reshape(self._index.ntotal, self._index.d)

    def search(self, query: Vectors, k: int, *, within: NDArray[np.int64] | None = None) -> Matches:
        with self._lock.reading():
            allowed = self._alive if within is None else self._alive & np.isin(self._item_ids, within)
            k = min(k, int(np.count_nonzero(allowed)))
            if k == 0:
                return Matches(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
            scores, positions = self._best(np.ascontiguousarray(query, dtype=np.float32).reshape(1, -1), k, allowed)
            return Matches(self._row_ids[positions], self._item_ids[positions], scores)

    def _best(
        self, query: Vectors, k: int, allowed: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Scores and positions of the k best rows, ties by position, which FAISS itself does not guarantee."""
        faiss.omp_set_num_threads(SEARCH_THREADS)  # of this thread alone; searches run side by side in several
        selected = selecting(allowed)
        (scores,), (positions,) = self._index.search(query, min(k + 1, len(allowed)), params=selected)
        if len(scores) > k and positions[k] >= 0 and scores[k] == scores[k - 1]:
            # FAISS's two searches may differ in a score's last bits, so the radius is a little larger.
            radius = float(scores[k]) - 1e-6 * max(1.0, abs(float(scores[k])))
            _, scores, positions = self._index.range_search(query, radius, params=selected)
        order = np.lexsort((positions, -scores))
        order = order[positions[order] >= 0][:k]
        return scores[order], positions[order]

    def rows_of(self, item_ids: NDArray[np.int64]) -> EmbeddingRows:
        with self._lock.reading():
            (positions,) = np.nonzero(self._alive & np.isin(self._item_ids, item_ids))
            return EmbeddingRows(self._row_ids[positions], self._item_ids[positions], self._vectors()[positions])

    def sample(self, n: int) -> Vectors:
        with self._lock.reading():
            if n not in self._samples:
                (alive,) = np.nonzero(self._alive)
                chosen = alive[np.linspace(0, len(alive) - 1, min(n, len(alive))).astype(np.int64)]
                self._samples[n] = self._vectors()[chosen]
            return self._samples[n]

    def rows(self) -> EmbeddingRows:
        with self._lock.reading():
            alive = self._alive
            return EmbeddingRows(self._row_ids[alive], self._item_ids[alive], self._vectors()[alive])


def selecting(allowed: NDArray[np.bool_]) -> Any:
    """FAISS search parameters that skip the rows not allowed within its own scan; None if all are allowed."""
    if allowed.all():
        return None
    wrapped: Any = faiss  # its stubs describe SWIG's classes, not the Python layer above them
    return wrapped.SearchParameters(sel=wrapped.IDSelectorBitmap(np.packbits(allowed, bitorder="little")))
