"""The FAISS index: exact while it is small, approximate where it is large, filters and deletions inside the search.

Rows are found in two parts: those of an approximate index (``ann.py``), if there is one, and the newest, which are
compared one by one. Deleted rows are marked, and left out for good when the approximate index is built again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrina.search.index.base import IndexReport, Matches, ReadWriteLock
from vitrina.search.index.kinds import IndexKind, KindChoice, chosen_kind
from vitrina.search.index.row_table import Flags, RowTable
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

from vitrina.search.index.ann import (
    NOTHING,
    AnnIndex,
    CompactRows,
    Positions,
    Scored,
    best_of,
    compacted,
    exact_positions,
    merged,
    recall_of,
)

COMPACT_AT = 0.25
"""The share of deleted rows at which the index is compacted: each deleted row costs a test in every search, compacting
costs a copy of the index."""

NEWEST_ROWS = 8_000
"""So many rows are compared one by one before they go into the approximate index: 0.6 ms a query."""

ROWS_PER_STEP = 1_000
"""Rows that go into an approximate index while searches wait: 20 ms for lists."""

GROWN = 3
"""The approximate index is trained again once there are this many times as many rows."""

FEW_SURVIVORS = 12_000
"""Up to so many rows that pass a filter are compared one by one, 2 ms; more are searched for in the lists."""

SEARCH_THREADS = 1
"""On two cores a search of 38,000 rows takes 3 ms on one thread, 5 on two, 12 where other libraries' threads spin on
the second core."""


class FaissIndex:
    """Rows searched as ``asked``, or as their number asks for, so that ``recall`` of the best are found."""

    def __init__(self, dimension: int, asked: IndexKind | None = None, recall: float = 0.95) -> None:
        self.dimension = dimension
        self.recall = recall
        self._asked = asked
        self._lock = ReadWriteLock()
        self._building = threading.Lock()
        self._rows = RowTable()
        self._ann: AnnIndex | None = None
        self._newest = faiss.IndexFlatIP(dimension)
        self._n_moved = 0
        self._samples: dict[int, Vectors] = {}
        self._n_compactions = 0
        self._measured: list[float] = []
        self._last_query: tuple[Vectors, int] | None = None
        self._guard_at = 0.0

    def __len__(self) -> int:
        return self._rows.n_alive

    @property
    def _n_ann(self) -> int:
        return 0 if self._ann is None else len(self._ann)

    @property
    def _n_newest(self) -> int:
        """How many rows are compared one by one."""
        return int(self._newest.ntotal) - self._n_moved

    @property
    def _first_newest(self) -> int:
        """The position of the first row among the newest, which may be in the approximate index, too."""
        return self._n_ann - self._n_moved

    def apply(self, touched_items: NDArray[np.int64], rows: EmbeddingRows) -> None:
        with self._lock.writing():
            self._samples.clear()
            if len(touched_items) and len(self._rows):
                self._rows.remove(touched_items)
                if self._ann is None and self._rows.n_alive < (1 - COMPACT_AT) * len(self._rows):
                    self._keep_alive()
            if len(rows):
                self._rows.append(rows.row_ids, rows.item_ids)
                self._newest.add(np.ascontiguousarray(rows.vectors, dtype=np.float32))

    def _keep_alive(self) -> None:
        alive = self._rows.alive
        vectors = self._flat()[alive]
        self._newest.reset()
        self._newest.add(vectors)
        self._rows = self._rows.kept(alive)
        self._n_compactions += 1

    def _flat(self) -> Vectors:
        """The newest rows' own storage, shape (n, d), without a copy: valid until the index changes."""
        flat: NDArray[np.float32] = faiss.rev_swig_ptr(self._newest.get_xb(), self._newest.ntotal * self._newest.d)
        return flat.reshape(self._newest.ntotal, self._newest.d)

    def _take(self, positions: Positions) -> Vectors:
        """Copies of some rows, shape (n, d)."""
        if self._ann is None:
            return self._flat()[positions]
        vectors = np.empty((len(positions), self.dimension), np.float32)
        old = positions < self._n_ann
        vectors[old] = self._ann.rows.take(positions[old])
        vectors[~old] = self._flat()[positions[~old] - self._first_newest]
        return vectors

    def choice(self) -> KindChoice:
        """The kind of index for the rows that there are, and why."""
        return chosen_kind(len(self), self.dimension, self._asked)

    def is_due(self) -> bool:
        """Whether ``maintain`` has work to do."""
        is_full = self._ann is not None and self._n_newest > NEWEST_ROWS
        return is_full or self._is_build_due() or self._is_guard_due()

    def _is_build_due(self) -> bool:
        kind = self.choice().kind
        if kind is IndexKind.FLAT:
            return self._ann is not None
        if self._ann is None or self._ann.kind is not kind:
            return True
        n_rows = len(self._rows)
        return n_rows > GROWN * self._ann.n_trained or self._rows.n_alive < (1 - COMPACT_AT) * n_rows

    def maintain(self, n_threads: int = 1) -> bool:
        """Build, compact or fill the approximate index where that is due, and guard its recall; returns whether what
        there is to save has changed. Blocks for minutes where there are millions of rows; searches and changes go on
        meanwhile."""
        with self._building:
            if self._is_build_due():
                self._build(n_threads)
                return True
            moved = False
            while self._ann is not None and self._n_newest > NEWEST_ROWS // 2:
                self._move_some()
                moved = True
            if not moved and self._is_guard_due():
                self.guard()
            return moved

    def _build(self, n_threads: int) -> None:
        """Build from the rows that are there now; what changes meanwhile is applied to the result."""
        kind = self.choice().kind
        with self._lock.reading():
            (positions,) = np.nonzero(self._rows.alive)
            n_before, compactions = len(self._rows), self._n_compactions
        vectors = self._copied(positions, compactions, compact=kind is not IndexKind.FLAT)
        ann = None if kind is IndexKind.FLAT else AnnIndex.build(kind, CompactRows(vectors), self.recall, n_threads)
        with self._lock.writing():
            if self._n_compactions != compactions:  # the rows have moved: the next call begins again
                return
            kept = np.concatenate([positions, np.arange(n_before, len(self._rows))])
            newest = self._take(np.arange(n_before, len(self._rows)))
            mask = np.zeros(len(self._rows), np.bool_)
            mask[kept] = True
            self._newest, self._n_moved = faiss.IndexFlatIP(self.dimension), 0
            if ann is None:
                self._newest.add(vectors)
            self._newest.add(newest)
            self._rows, self._ann = self._rows.kept(mask), ann
            self._n_compactions += 1
            self._samples.clear()

    def _copied(self, positions: Positions, n_compactions: int, *, compact: bool) -> NDArray[Any]:
        """Copies of rows, shape (n, d), made in steps, so that no change waits for long; of no use once they moved."""
        copied = np.empty((len(positions), self.dimension), np.int16 if compact else np.float32)
        for first in range(0, len(positions), ROWS_PER_STEP):
            with self._lock.reading():
                if self._n_compactions == n_compactions:
                    rows = self._take(positions[first : first + ROWS_PER_STEP])
            copied[first : first + ROWS_PER_STEP] = compacted(rows) if compact else rows
        return copied

    def _move_some(self) -> None:
        """Move the oldest of the newest rows into the approximate index."""
        with self._lock.writing():
            assert self._ann is not None
            some = self._flat()[self._n_moved : self._n_moved + ROWS_PER_STEP].copy()
            self._ann.add(some)
            self._n_moved += len(some)
            if 2 * self._n_moved >= self._newest.ntotal:
                kept = self._flat()[self._n_moved :].copy()
                self._newest.reset()
                self._newest.add(kept)
                self._n_moved = 0

    def search(self, query: Vectors, k: int, *, within: NDArray[np.int64] | None = None) -> Matches:
        query = np.ascontiguousarray(query, dtype=np.float32)
        with self._lock.reading():
            scores, positions = self._found(query, k, within)
            if within is None:
                self._last_query = query, k
            return Matches(self._rows.row_ids[positions], self._rows.item_ids[positions], scores)

    def _found(self, query: Vectors, k: int, within: NDArray[np.int64] | None) -> Scored:
        faiss.omp_set_num_threads(SEARCH_THREADS)  # of this thread alone; searches run side by side in several
        rows = self._rows
        if self._ann is None:
            return self._of_newest(query, k, rows.alive if within is None else rows.allowed(within))
        if within is not None and len(within) <= FEW_SURVIVORS:
            positions = rows.positions_of(within)
            if len(positions) <= 2 * FEW_SURVIVORS:
                return best_of(query, self._take(positions), positions, k)
        allowed = rows.alive if within is None else rows.allowed(within)
        of_newest = allowed[self._first_newest :].copy()
        of_newest[: self._n_moved] = False
        scores, positions = self._of_newest(query, k, of_newest)
        return merged(k, self._of_ann(query, k, allowed[: self._n_ann]), (scores, positions + self._first_newest))

    def _of_ann(self, query: Vectors, k: int, allowed: Flags) -> Scored:
        assert self._ann is not None
        n_allowed = int(np.count_nonzero(allowed))
        if not n_allowed:
            return NOTHING
        all_allowed = n_allowed == len(allowed)
        positions = self._ann.candidates(query, k, None if all_allowed else allowed, n_allowed / len(allowed))
        return best_of(query, self._ann.rows.take(positions), positions, k)

    def _of_newest(self, query: Vectors, k: int, allowed: Flags) -> Scored:
        """Scores and positions of the k best rows, ties by position, which FAISS itself does not guarantee."""
        k = min(k, int(np.count_nonzero(allowed)))
        if k == 0:
            return NOTHING
        query = query.reshape(1, -1)
        selected = selecting(allowed)
        (scores,), (positions,) = self._newest.search(query, min(k + 1, len(allowed)), params=selected)
        if len(scores) > k and positions[k] >= 0 and scores[k] == scores[k - 1]:
            # FAISS's two searches may differ in a score's last bits, so the radius is a little larger.
            radius = float(scores[k]) - 1e-6 * max(1.0, abs(float(scores[k])))
            _, scores, positions = self._newest.range_search(query, radius, params=selected)
        order = np.lexsort((positions, -scores))
        order = order[positions[order] >= 0][:k]
        return scores[order], positions[order]

    def _is_guard_due(self) -> bool:
        return self._ann is not None and self._last_query is not None and time.monotonic() >= self._guard_at

    def guard(self) -> float | None:
        """The recall of the last query's answer, by comparing all rows; None where there is nothing to compare. Where
        recalls miss the target, more is searched from now on. Costs a scan of all rows."""
        with self._lock.reading():
            asked, ann, self._last_query = self._last_query, self._ann, None
            if asked is None or ann is None:
                return None
            query, k = asked
            alive, rows = self._rows.alive[: len(ann)].copy(), ann.rows.frozen()
            found = self._of_ann(query, k, alive)[1]
        started = time.monotonic()
        truth = exact_positions(rows, query.reshape(1, -1), min(k, len(rows)), alive)
        recall = recall_of(found.reshape(1, -1), truth[truth >= 0].reshape(1, -1))
        self._measured = [*self._measured[-(GUARDED - 1) :], recall]
        if len(self._measured) == GUARDED and float(np.mean(self._measured)) < self.recall:
            ann.raise_effort()
            self._measured = []
        now = time.monotonic()
        self._guard_at = now + max(GUARD_EVERY_S, GUARD_REST * (now - started))
        return recall

    def report(self) -> IndexReport:
        """What the index is, and how well it finds what it should."""
        with self._lock.reading():
            choice = self.choice()
            kind = IndexKind.FLAT if self._ann is None else self._ann.kind
            reason = choice.reason if kind is choice.kind else f"until {choice.kind} is built: {choice.reason}"
            measured = float(np.mean(self._measured)) if self._measured else None
            searched = {} if self._ann is None else {each.depth: each.n_searched for each in self._ann.efforts}
            n_searchable = 0 if self._ann is None else self._ann.n_searchable
            return IndexReport(kind, reason, len(self), searched, n_searchable, measured)

    def rows_of(self, item_ids: NDArray[np.int64]) -> EmbeddingRows:
        with self._lock.reading():
            return self._rows_at(self._rows.positions_of(item_ids))

    def _rows_at(self, positions: Positions) -> EmbeddingRows:
        return EmbeddingRows(self._rows.row_ids[positions], self._rows.item_ids[positions], self._take(positions))

    def sample(self, n: int) -> Vectors:
        with self._lock.reading():
            if n not in self._samples:
                (alive,) = np.nonzero(self._rows.alive)
                chosen = alive[np.linspace(0, len(alive) - 1, min(n, len(alive))).astype(np.int64)]
                self._samples[n] = self._take(chosen)
            return self._samples[n]

    def rows(self) -> EmbeddingRows:
        with self._lock.reading():
            return self._rows_at(np.flatnonzero(self._rows.alive))

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Everything that ``restore`` needs, without the deleted rows where there is no approximate index."""
        with self._lock.reading():
            if self._ann is None:
                held = self._rows_at(np.flatnonzero(self._rows.alive))
                return {"row_ids": held.row_ids, "item_ids": held.item_ids, "vectors": held.vectors}
            ids = {"row_ids": self._rows.row_ids, "item_ids": self._rows.item_ids, "alive": self._rows.alive.copy()}
            return {
                **ids,
                "vectors": self._flat()[self._n_moved :].copy(),
                "kind": np.array(self._ann.kind.value),
                "compact": self._ann.rows.whole(),
                "structure": self._ann.serialized(),
                "efforts": np.array([(each.depth, each.n_searched) for each in self._ann.efforts], np.int64),
            }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take the place of an index whose ``state`` this is. Raises ValueError and KeyError where the arrays do not
        fit together or to the dimension."""
        vectors, row_ids, item_ids = arrays["vectors"], arrays["row_ids"], arrays["item_ids"]
        compact = arrays.get("compact", np.empty((0, self.dimension), np.int16))
        if not len(vectors) + len(compact) == len(row_ids) == len(item_ids):
            raise ValueError(f"shapes {vectors.shape}, {row_ids.shape} and {item_ids.shape} do not fit together")
        if vectors.shape[1:] != (self.dimension,) or compact.shape[1:] != (self.dimension,):
            raise ValueError(f"vectors of shape {vectors.shape}, not of dimension {self.dimension}")
        ann = None
        if len(compact):
            kind = IndexKind(str(arrays["kind"]))
            ann = AnnIndex.restored(kind, arrays["structure"], CompactRows(compact), arrays["efforts"])
        with self._lock.writing():
            alive = np.array(arrays["alive"]) if "alive" in arrays else None
            self._rows, self._ann = RowTable(row_ids, item_ids, alive), ann
            self._newest, self._n_moved = faiss.IndexFlatIP(self.dimension), 0
            self._newest.add(np.ascontiguousarray(vectors, np.float32))
            self._samples.clear()


GUARDED = 50
"""So many guarded queries tell whether the recall meets its target, and are reported."""

GUARD_EVERY_S = 2.0
GUARD_REST = 30
"""How long after a guarded query the next one is: this many times as long as it took, so 3 % of a core at most."""


def selecting(allowed: Flags) -> Any:
    """FAISS search parameters that skip the rows not allowed within its own scan; None if all are allowed."""
    if allowed.all():
        return None
    wrapped: Any = faiss  # its stubs describe SWIG's classes, not the Python layer above them
    return wrapped.SearchParameters(sel=wrapped.IDSelectorBitmap(np.packbits(allowed, bitorder="little")))


def flat(dimension: int) -> FaissIndex:
    """An exact index of any size."""
    return FaissIndex(dimension, IndexKind.FLAT)


def hnsw(dimension: int) -> FaissIndex:
    """A graph, of any size."""
    return FaissIndex(dimension, IndexKind.HNSW)


def ivf_sq8(dimension: int) -> FaissIndex:
    """Lists of scalar-quantised rows, of any size."""
    return FaissIndex(dimension, IndexKind.IVF_SQ8)


def ivf_pq(dimension: int) -> FaissIndex:
    """Lists of product-quantised rows, of any size."""
    return FaissIndex(dimension, IndexKind.IVF_PQ)
