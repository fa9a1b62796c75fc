"""The Milvus index: rows in a collection that several services share, filters and deletions inside Milvus.

Milvus keeps the vectors; a service holds a sample of them and nothing else. Every service searches; whichever has the
turn (``shared.py``) writes.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrina.search.index import milvus_rows
from vitrina.search.index.base import IndexReport, Matches, ReadWriteLock
from vitrina.search.index.kinds import FLAT_ROWS
from vitrina.search.index.milvus_rows import NO_IDS, Ids, MilvusRows, both, in_order, of_all_ranks, pieces
from vitrina.search.index.milvus_server import N_LISTS, MilvusServer
from vitrina.search.types.item import EmbeddingRows
from vitrina.search.types.models import Vectors

DEPTHS = (10, 1_000, 10_000)
"""How many lists are searched is tuned for so many rows, up to a quarter of all; for more, all lists are."""

N_TUNING_QUERIES = 16
N_TUNING_ROWS = 1_000
QUERY_NOISE = 0.5
"""Queries for tuning are rows moved by this much of the difference of two others, as for FAISS."""

GROWN = 3
"""It is tuned again once there are this many times as many rows, or as few."""


class MilvusIndex:
    """The rows of one collection. ``recall`` is the share of the best rows that a search should find."""

    def __init__(self, server: MilvusServer, collection: str, dimension: int, recall: float = 0.95) -> None:
        self.server = server
        self.collection = collection
        self.dimension = dimension
        self.recall = recall
        self._rows = MilvusRows(server, collection, dimension)
        self._lock = ReadWriteLock()
        self._reading = threading.Lock()
        self._n_rows = 0
        self._is_counted = False
        self._samples: dict[int, Vectors] = {}
        self._hidden_from: int | None = None
        self._efforts: dict[int, int] = {}
        self._n_tuned = 0
        self.make()

    def __len__(self) -> int:
        with self._reading:
            if not self._is_counted:
                self._n_rows = self.server.count(self.collection)
                self._is_counted = True
            return self._n_rows

    def make(self) -> bool:
        """Make the collection where there is none; returns whether there was none."""
        is_new = self._rows.make()
        if is_new:
            self._forget()
        return is_new

    def refresh(self) -> None:
        """Forget what was read, since another service has written."""
        with self._lock.writing():
            self._hidden_from = None
        self._forget()

    def _forget(self) -> None:
        with self._reading:
            self._is_counted = False
            self._samples.clear()

    def clear(self) -> None:
        """Delete every row."""
        with self._lock.writing():
            self._rows.clear()
        self.refresh()

    def apply(self, touched_items: Ids, rows: EmbeddingRows) -> None:
        """As the interface has it. It may be repeated: rows that are there already are written once more. New rows are
        hidden from this process's searches until the old ones are deleted."""
        self._forget()
        fresh = not len(self)
        stale = NO_IDS if fresh else np.setdiff1d(self._rows.ids_of(touched_items), rows.row_ids, assume_unique=True)
        if len(rows):
            with self._lock.writing():
                self._hidden_from = int(rows.row_ids[0])
            self._rows.write(rows, fresh=fresh)
        with self._lock.writing():
            self._rows.delete(stale)
            self._hidden_from = None
        self._forget()

    def search(self, query: Vectors, k: int, *, within: Ids | None = None) -> Matches:
        """As the interface has it. Of more than 16,384 rows with one score, any may be the ones that are cut off."""
        n_rows = len(self)
        k = min(k, n_rows)
        if k <= 0 or (within is not None and not len(within)):
            return Matches(NO_IDS, NO_IDS, np.empty(0, np.float32))
        with self._lock.reading():
            if within is None:
                return self._best(query, k, "", self._n_lists(k))
            depth = min(n_rows, int(1.3 * k * n_rows / len(within)) + 50)
            chunks = list(pieces(within, milvus_rows.MAX_IDS))
            if len(chunks) > 1 and depth <= milvus_rows.MAX_FOUND:
                passed = self._passed(query, k, within, depth, n_rows)
                if passed is not None:
                    return passed
            n_lists = self._n_lists(depth)
            return in_order(query, k, [self._best(query, k, f"item_id in {ids}", n_lists) for ids in chunks])

    def _passed(self, query: Vectors, k: int, within: Ids, depth: int, n_rows: int) -> Matches | None:
        """Those that pass a filter of the ``depth`` best rows; None where fewer than k do, of more rows."""
        found = self._best(query, depth, "", self._n_lists(depth))
        kept = np.isin(found.item_ids, within)
        if np.count_nonzero(kept) < k and depth < n_rows:
            return None
        return in_order(query, k, [Matches(found.row_ids[kept], found.item_ids[kept], found.scores[kept])])

    def _best(self, query: Vectors, k: int, condition: str, n_lists: int) -> Matches:
        return self._rows.best(query, k, both(self._visible(), condition), n_lists)

    def _visible(self) -> str:
        """The condition of what is not hidden."""
        return "" if self._hidden_from is None else f"id < {self._hidden_from}"

    def _n_lists(self, depth: int) -> int:
        """How many lists are searched for so many rows."""
        return next((n_lists for known, n_lists in sorted(self._efforts.items()) if known >= depth), N_LISTS)

    def rows_of(self, item_ids: Ids) -> EmbeddingRows:
        with self._lock.reading():
            chunks = pieces(item_ids, milvus_rows.ITEMS_PER_READ)
            return self._rows.read([both(self._visible(), f"item_id in {ids}") for ids in chunks])

    def sample(self, n: int) -> Vectors:
        """The rows of the lowest ranks, by row id: spread evenly over all ids."""
        n_rows = len(self)
        with self._reading:
            if n not in self._samples:
                self._samples[n] = self._rows.lowest(n, n_rows)
            return self._samples[n]

    def rows(self) -> EmbeddingRows:
        n_rows = len(self)
        with self._lock.reading():
            return self._rows.read(of_all_ranks(n_rows), newest=True)

    def is_due(self) -> bool:
        """Whether ``maintain`` has work to do."""
        n_rows = len(self)
        if n_rows <= FLAT_ROWS:
            return bool(self._efforts)
        return not self._n_tuned / GROWN <= n_rows <= self._n_tuned * GROWN

    def maintain(self, n_threads: int = 1) -> bool:
        """Find out how many lists must be searched. Milvus builds its indexes itself."""
        if not self.is_due():
            return False
        n_rows = len(self)
        self._efforts = {} if n_rows <= FLAT_ROWS else self._tuned()
        self._n_tuned = n_rows
        return True

    def _tuned(self) -> dict[int, int]:
        queries = tuning_queries(self.sample(N_TUNING_ROWS))
        found, least = {}, 1
        for depth in (depth for depth in DEPTHS if depth <= max(len(self) // 4, DEPTHS[0])):
            best = [self._best(query, depth, "", N_LISTS).row_ids for query in queries]
            least = self._least(queries, best, least)
            found[depth] = least
        return found

    def _least(self, queries: Vectors, best: list[Ids], least: int) -> int:
        """The least lists, from ``least`` on in steps of a half, in which that much of the best is found."""
        n_lists = least
        while n_lists < N_LISTS:
            found = [self._best(query, len(ids), "", n_lists).row_ids for query, ids in zip(queries, best, strict=True)]
            if np.mean([np.isin(ids, got).mean() for ids, got in zip(best, found, strict=True)]) >= self.recall:
                return n_lists
            n_lists += max(1, n_lists // 2)
        return N_LISTS

    def report(self) -> IndexReport:
        """What the index is, with the last count of rows: Milvus is not asked."""
        n_rows = self._n_rows
        if self._efforts:
            how = f"lists, tuned at {self._n_tuned:,} rows"
        else:
            how = "exact" + (", until it is tuned" if n_rows > FLAT_ROWS else f", up to {FLAT_ROWS:,} rows")
        return IndexReport("milvus", f"{self.server}; {how}", n_rows, self._efforts, N_LISTS, None)

    def state(self) -> Mapping[str, NDArray[Any]]:
        """What was tuned; the rows are in Milvus."""
        efforts = np.array(sorted(self._efforts.items()), np.int64).reshape(-1, 2)
        return {"efforts": efforts, "n_tuned": np.array(self._n_tuned)}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what was tuned. Raises KeyError where the arrays are another index's."""
        self._efforts = {int(depth): int(n_lists) for depth, n_lists in arrays["efforts"]}
        self._n_tuned = int(arrays["n_tuned"])


def tuning_queries(rows: Vectors) -> Vectors:
    """Unit vectors near rows, shape (m, d)."""
    rng = np.random.default_rng(0)
    centre, one, other = (rows[rng.integers(0, len(rows), N_TUNING_QUERIES)] for _ in range(3))
    moved = centre + np.float32(QUERY_NOISE) * (one - other)
    return np.asarray(moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9), np.float32)
