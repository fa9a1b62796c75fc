"""The rows of one collection of Milvus: written, deleted, read and searched, as many as there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrina.search.index.base import Matches
from vitrina.search.index.milvus_server import MilvusServer
from vitrina.search.types.item import EmbeddingRows
from vitrina.search.types.models import Vectors

Ids = NDArray[np.int64]
NO_IDS: Ids = np.empty(0, np.int64)

MAX_FOUND = 16_384
"""Milvus gives so many rows at most in one search (quotaAndLimits.limits.topK)."""

MAX_IDS = 10_000
"""So many ids are named in one condition, 80 kB."""

ITEMS_PER_READ = 1_000
"""The rows of so many items are read at once: 6 MB with two images each of 768 dimensions."""

BYTES_PER_WRITE = 4 << 20
"""So much is written at once, far below gRPC's limit of a server, 64 MB."""

GOLDEN = 2_654_435_769
RANKS = 2**32
"""The rank of a row is its id times 2^32 over the golden ratio, modulo 2^32 (Knuth, volume 3, 6.4): the rows of
the lowest ranks are spread evenly over all ids, and stay nearly the same when some rows change."""

SAME = 3e-7
"""Scores of equal rows differ by up to this part of the query's length, by where they are stored."""


class MilvusRows:
    """A collection of rows: ``id``, ``item_id``, ``rank`` and ``vector``. Every method may raise StorageError."""

    def __init__(self, server: MilvusServer, collection: str, dimension: int) -> None:
        self.server = server
        self.collection = collection
        self.dimension = dimension

    def make(self) -> bool:
        """Make the collection where there is none; returns whether there was none."""
        return self.server.make(self.collection, self.dimension)

    def clear(self) -> None:
        """Delete all rows."""
        self.server.drop(self.collection)
        self.make()

    def write(self, rows: EmbeddingRows, *, fresh: bool) -> None:
        """Write rows in place of those with the same ids; ``fresh`` says that the collection is empty."""
        size = max(1, BYTES_PER_WRITE // (4 * self.dimension))
        for first in range(0, len(rows), size):
            self.server.write(self.collection, records(rows, slice(first, first + size)), fresh=fresh)

    def delete(self, row_ids: Ids) -> None:
        """Delete rows by id."""
        for ids in pieces(row_ids, MAX_IDS):
            self.server.delete(self.collection, ids)

    def ids_of(self, item_ids: Ids) -> Ids:
        """The row ids of items, in no order, with what other services wrote."""
        found = [
            row["id"]
            for ids in pieces(item_ids, MAX_IDS)
            for row in self.server.query(self.collection, f"item_id in {ids}", ["id"], newest=True)
        ]
        return np.array(found, np.int64)

    def read(self, conditions: Iterable[str], *, newest: bool = False) -> EmbeddingRows:
        """The rows that meet one of some conditions, by row id; ``newest`` waits for what other services wrote."""
        rows = [
            row
            for condition in conditions
            for row in self.server.query(self.collection, condition, ["id", "item_id", "vector"], newest=newest)
        ]
        rows.sort(key=lambda row: int(row["id"]))
        vectors = np.array([row["vector"] for row in rows], np.float32).reshape(len(rows), self.dimension)
        ids = np.array([(row["id"], row["item_id"]) for row in rows], np.int64).reshape(-1, 2)
        return EmbeddingRows(ids[:, 0], ids[:, 1], vectors)

    def lowest(self, n: int, n_rows: int) -> Vectors:
        """The vectors of the n lowest ranks of ``n_rows``, by row id."""
        share = 1.2 * n / max(n_rows, 1)
        while True:
            below = RANKS if share >= 1 else int(share * RANKS)
            rows = self.read([f"rank < {below}"] if below < RANKS else of_all_ranks(n_rows), newest=True)
            if len(rows) >= n or below == RANKS:
                return rows.vectors[np.sort(np.argsort(ranks_of(rows.row_ids), kind="stable")[:n])]
            share *= 2

    def best(self, query: Vectors, k: int, condition: str, n_lists: int) -> Matches:
        """The k best rows that meet a condition, if not empty, as ``n_lists`` of the lists have them. One more is
        asked for, to see whether k cuts through a tie."""
        limit = k + 1
        while True:
            found = self._best(query, limit, condition, n_lists)
            cut = len(found) > k and found.scores[k - 1] - found.scores[-1] <= SAME * float(np.linalg.norm(query))
            if not cut or len(found) < limit or limit >= MAX_FOUND:
                return Matches(found.row_ids[:k], found.item_ids[:k], found.scores[:k])
            limit = min(4 * limit, MAX_FOUND)

    def _best(
        self, query: Vectors, limit: int, condition: str, n_lists: int, ids: tuple[int, int] | None = None
    ) -> Matches:
        """Search all ids, or those between two: where Milvus gives no more rows each half is searched by itself."""
        bounded = condition if ids is None else both(f"id >= {ids[0]} and id < {ids[1]}", condition)
        found = self.server.search(self.collection, query, min(limit, MAX_FOUND), bounded, n_lists)
        arrays = [np.array(part, dtype) for part, dtype in zip(found, (np.int64, np.int64, np.float32), strict=True)]
        if limit <= MAX_FOUND or len(arrays[0]) < MAX_FOUND:
            return in_order(query, limit, [Matches(*arrays)])
        first, end = (0, self._end()) if ids is None else ids
        middle = (first + end) // 2
        parts = [self._best(query, limit, condition, n_lists, part) for part in ((first, middle), (middle, end))]
        return in_order(query, limit, parts)

    def _end(self) -> int:
        """An id above all."""
        end = 1 << 20
        while self.server.query(self.collection, f"id >= {end}", ["count(*)"])[0]["count(*)"]:
            end *= 2
        return end


def both(one: str, other: str) -> str:
    """The condition that two are met, either of which may be empty."""
    return " and ".join(each for each in (one, other) if each)


def ranks_of(row_ids: Ids) -> Ids:
    """The ranks of rows, from 0 to 2^32."""
    return np.asarray(row_ids % RANKS * GOLDEN % RANKS, np.int64)


def of_all_ranks(n_rows: int) -> list[str]:
    """Conditions for about ``ITEMS_PER_READ`` rows each, which all rows together meet."""
    steps = np.linspace(0, RANKS, max(1, -(-n_rows // ITEMS_PER_READ)) + 1).astype(np.int64).tolist()
    return [f"rank >= {low} and rank < {high}" for low, high in pairwise(steps)]


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
