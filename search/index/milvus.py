"""The Milvus index: rows in a collection that several services share, filters and deletions inside Milvus.

Milvus keeps the vectors; a service holds a sample of them and nothing else. Every service searches; whichever has the
turn (``shared.py``) writes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrina.search.index.base import IndexReport, Matches, ReadWriteLock
from vitrina.search.index.kinds import FLAT_ROWS
from vitrina.search.index.milvus_server import N_LISTS, MilvusServer
from vitrina.search.types.item import EmbeddingRows
from vitrina.search.types.models import Vectors

Ids = NDArray[np.int64]

MAX_FOUND = 16_384
"""Milvus gives so many rows at most in one search (quotaAndLimits.limits.topK)."""

MAX_LISTED = 10_000
"""So many ids are named in one condition, 80 kB."""

ITEMS_PER_READ = 1_000
"""The rows of so many items are read at once: 3 MB with two images each of 768 dimensions."""

ROWS_PER_WRITE = 2_000

GOLDEN = 2_654_435_769
RANKS = 2**32
"""The rank of a row is its id times 2^32 over the golden ratio, modulo 2^32 (Knuth, volume 3, 6.4): the rows of
the lowest ranks are spread evenly over all ids, and stay nearly the same when some rows change."""

PROBED_SHARE = 8
"""One list in so many is searched where there are too many rows to search all."""

SAME = 3e-7
"""Scores of equal rows differ by up to this part of the query's length, by where they are stored."""


class MilvusIndex:
    """The rows of one collection. ``recall`` is the share of the best rows that a search should find."""

    def __init__(self, server: MilvusServer, collection: str, dimension: int, recall: float = 0.95) -> None:
        self.server = server
        self.collection = collection
        self.dimension = dimension
        self.recall = recall
        self._lock = ReadWriteLock()
        self._reading = threading.Lock()
        self._n_rows: int | None = None
        self._samples: dict[int, Vectors] = {}
        self._hidden_from: int | None = None
        self.make()

    def make(self) -> bool:
        """Make the collection where there is none; returns whether there was none."""
        is_new = self.server.make(self.collection, self.dimension)
        if is_new:
            self._forget()
        return is_new

    def __len__(self) -> int:
        with self._reading:
            if self._n_rows is None:
                self._n_rows = self.server.count(self.collection)
            return self._n_rows

    def refresh(self) -> None:
        """Forget what was read, since another service has written."""
        with self._lock.writing():
            self._hidden_from = None
        self._forget()

    def _forget(self) -> None:
        with self._reading:
            self._n_rows = None
            self._samples.clear()

    def clear(self) -> None:
        """Delete every row."""
        with self._lock.writing():
            self.server.drop(self.collection)
            self.make()
        self.refresh()

    def apply(self, touched_items: Ids, rows: EmbeddingRows) -> None:
        """As the interface has it. It may be repeated: rows that are there already are written once more. New rows are
        hidden from this process's searches until the old ones are deleted."""
        self._forget()
        fresh = not len(self)
        stale = NO_IDS if fresh else np.setdiff1d(self._row_ids(touched_items), rows.row_ids)
        if len(rows):
            with self._lock.writing():
                self._hidden_from = int(rows.row_ids[0])
            for first in range(0, len(rows), ROWS_PER_WRITE):
                chosen = slice(first, first + ROWS_PER_WRITE)
                self.server.write(self.collection, records(rows, chosen), fresh=fresh)
        with self._lock.writing():
            for listed in pieces(stale, MAX_LISTED):
                self.server.delete(self.collection, listed)
            self._hidden_from = None
        self._forget()

    def _row_ids(self, item_ids: Ids) -> Ids:
        found = [
            row["id"]
            for listed in pieces(item_ids, MAX_LISTED)
            for row in self.server.query(self.collection, f"item_id in {listed}", ["id"], newest=True)
        ]
        return np.array(found, np.int64)

    def search(self, query: Vectors, k: int, *, within: Ids | None = None) -> Matches:
        """As the interface has it. Of more than 16,384 rows with one score, any may be the ones that are cut off."""
        n_rows = len(self)
        k = min(k, n_rows)
        if k <= 0 or (within is not None and not len(within)):
            return Matches(NO_IDS, NO_IDS, np.empty(0, np.float32))
        with self._lock.reading():
            if within is None:
                return self._best(query, k, "")
            if len(within) <= MAX_LISTED:
                return self._best(query, k, f"item_id in {within.tolist()}")
            found = self._of_all(query, k, within, n_rows)
            if found is not None:
                return found
            conditions = [f"item_id in {listed}" for listed in pieces(within, MAX_LISTED)]
            return in_order(query, k, [self._best(query, k, condition) for condition in conditions])

    def _of_all(self, query: Vectors, k: int, within: Ids, n_rows: int) -> Matches | None:
        """Search without the filter for as many rows as should hold k that pass; None where they do not."""
        depth = min(n_rows, int(1.3 * k * n_rows / len(within)) + 50)
        if depth > MAX_FOUND:
            return None
        found = self._best(query, depth, "")
        kept = np.isin(found.item_ids, within)
        if depth < n_rows and np.count_nonzero(kept) < k:
            return None
        passed = Matches(found.row_ids[kept], found.item_ids[kept], found.scores[kept])
        return in_order(query, k, [passed])

    def _best(self, query: Vectors, k: int, condition: str) -> Matches:
        """The k best rows that meet a condition; one more is asked for, to see whether k cuts through a tie."""
        if self._hidden_from is not None:
            condition = f"id < {self._hidden_from}" + (f" and {condition}" if condition else "")
        limit = k + 1
        while True:
            found = self._search(query, limit, condition)
            cut = len(found) > k and found.scores[k - 1] - found.scores[-1] <= SAME * float(np.linalg.norm(query))
            if not cut or len(found) < limit or limit >= MAX_FOUND:
                return Matches(found.row_ids[:k], found.item_ids[:k], found.scores[:k])
            limit = min(4 * limit, MAX_FOUND)

    def _search(self, query: Vectors, limit: int, condition: str, ids: tuple[int, int] = (0, 2**62)) -> Matches:
        """The best rows, of ids between two if there are too many for one search."""
        first, end = ids
        whole = (first, end) == (0, 2**62)
        bounded = condition if whole else f"id >= {first} and id < {end}" + (f" and {condition}" if condition else "")
        probed = N_LISTS if len(self) <= FLAT_ROWS else N_LISTS // PROBED_SHARE
        found = self.server.search(self.collection, query, min(limit, MAX_FOUND), bounded, probed)
        arrays = [np.array(part, dtype) for part, dtype in zip(found, (np.int64, np.int64, np.float32), strict=True)]
        if limit <= MAX_FOUND or len(arrays[0]) < MAX_FOUND:
            return in_order(query, limit, [Matches(*arrays)])
        if whole:
            end = self._end()
        middle = (first + end) // 2
        halves = [self._search(query, limit, condition, part) for part in ((first, middle), (middle, end))]
        return in_order(query, limit, halves)

    def _end(self) -> int:
        """An id above all."""
        end = 1 << 20
        while self.server.query(self.collection, f"id >= {end}", ["count(*)"])[0]["count(*)"]:
            end *= 2
        return end

    def rows_of(self, item_ids: Ids) -> EmbeddingRows:
        with self._lock.reading():
            hidden = "" if self._hidden_from is None else f" and id < {self._hidden_from}"
            conditions = [f"item_id in {listed}{hidden}" for listed in pieces(item_ids, ITEMS_PER_READ)]
            return self._read(conditions)

    def _read(self, conditions: list[str], *, newest: bool = False) -> EmbeddingRows:
        """The rows that meet any of some conditions, by row id."""
        rows = [
            row
            for condition in conditions
            for row in self.server.query(self.collection, condition, ["id", "item_id", "vector"], newest=newest)
        ]
        rows.sort(key=lambda row: int(row["id"]))
        vectors = np.array([row["vector"] for row in rows], np.float32).reshape(len(rows), self.dimension)
        ids = np.array([(row["id"], row["item_id"]) for row in rows], np.int64).reshape(-1, 2)
        return EmbeddingRows(ids[:, 0], ids[:, 1], vectors)

    def sample(self, n: int) -> Vectors:
        """The rows of the lowest ranks, by row id: spread evenly over all ids."""
        n_rows = len(self)
        with self._reading:
            if n not in self._samples:
                self._samples[n] = self._sampled(n, n_rows)
            return self._samples[n]

    def _sampled(self, n: int, n_rows: int) -> Vectors:
        share = 1.2 * n / max(n_rows, 1)
        while True:
            below = RANKS if share >= 1 else int(share * RANKS)
            rows = self._read([f"rank < {below}"], newest=True)
            if len(rows) >= n or below == RANKS:
                lowest = np.sort(np.argsort(ranks_of(rows.row_ids), kind="stable")[:n])
                return rows.vectors[lowest]
            share *= 2

    def rows(self) -> EmbeddingRows:
        steps = np.linspace(0, RANKS, max(1, -(-len(self) // ITEMS_PER_READ)) + 1).astype(np.int64)
        with self._lock.reading():
            bounds = zip(steps[:-1].tolist(), steps[1:].tolist(), strict=True)
            return self._read([f"rank >= {low} and rank < {high}" for low, high in bounds], newest=True)

    def is_due(self) -> bool:
        return False

    def maintain(self, n_threads: int = 1) -> bool:
        """Nothing: Milvus builds its indexes itself."""
        return False

    def report(self) -> IndexReport:
        n_rows = len(self)
        is_exact = n_rows <= FLAT_ROWS
        searched = {} if is_exact else {1000: N_LISTS // PROBED_SHARE}
        return IndexReport("milvus", f"in {self.server}", n_rows, searched, N_LISTS, None)

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Nothing that has to be kept: the rows are in Milvus."""
        return {}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Nothing is needed."""


NO_IDS: Ids = np.empty(0, np.int64)


def ranks_of(row_ids: Ids) -> Ids:
    """The ranks of rows, from 0 to 2^32."""
    return np.asarray(row_ids % RANKS * GOLDEN % RANKS, np.int64)


def records(rows: EmbeddingRows, chosen: slice) -> list[dict[str, Any]]:
    """Some rows as Milvus takes them."""
    row_ids = rows.row_ids[chosen]
    columns = (row_ids.tolist(), rows.item_ids[chosen].tolist(), ranks_of(row_ids).tolist(), rows.vectors[chosen])
    return [
        {"id": row_id, "item_id": item_id, "rank": rank, "vector": np.asarray(vector, np.float32)}
        for row_id, item_id, rank, vector in zip(*columns, strict=True)
    ]


def pieces(ids: Ids, size: int) -> Iterator[list[int]]:
    """Ids as lists of up to ``size``."""
    for first in range(0, len(ids), size):
        yield ids[first : first + size].tolist()


def in_order(query: Vectors, k: int, parts: list[Matches]) -> Matches:
    """The k best of some matches, best first; those whose scores are the same but for rounding by row id."""
    row_ids, item_ids = (np.concatenate([getattr(part, each) for part in parts]) for each in ("row_ids", "item_ids"))
    scores = np.concatenate([part.scores for part in parts])
    order = np.argsort(-scores, kind="stable")
    steps = -np.diff(scores[order], prepend=scores[order[:1]]) > SAME * float(np.linalg.norm(query))
    order = order[np.lexsort((row_ids[order], np.cumsum(steps)))][:k]
    return Matches(row_ids[order], item_ids[order], scores[order])
