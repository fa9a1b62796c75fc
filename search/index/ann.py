"""Approximate search: FAISS's lists and graphs over quantised rows, whose best are scored again by the rows themselves.

How much of an index is searched is tuned on its own rows, for several depths, so that the recall reaches a target.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from vitrina.search.index.kinds import HNSW_NEIGHBOURS, IndexKind, n_subquantizers
from vitrina.search.types.models import Vectors

CompactVectors = NDArray[np.int16]
Positions = NDArray[np.int64]
Flags = NDArray[np.bool_]
Scored = tuple[NDArray[np.float32], Positions]
NOTHING: Scored = (np.empty(0, np.float32), np.empty(0, np.int64))

ROWS_PER_CHUNK = 50_000
CENTROID_ROWS = 64
"""Rows that k-means is trained with, for each centroid (FAISS asks for 39 at least)."""
KMEANS_ROUNDS = 8
EF_CONSTRUCTION = 80

OVERSAMPLED: Mapping[IndexKind, int] = {IndexKind.HNSW: 1, IndexKind.IVF_SQ8: 1, IndexKind.IVF_PQ: 4}
"""How many times as many rows as are asked for are scored again; product quantisation orders them least well."""

DEPTHS = (10, 100, 1000, 10_000)
N_TUNING_QUERIES = 32
QUERY_NOISE = 0.5
"""Queries for tuning are rows moved by this much of the difference of two others: no query is a row itself."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of an index is searched for its best ``depth`` rows: lists or graph nodes."""

    depth: int
    n_searched: int


STEPS = np.float32(32767)


def compacted(rows: Vectors) -> CompactVectors:
    """Unit vectors in int16: a score of theirs is off by 1e-5, as in float16, which is slower to read by far."""
    return np.asarray(np.rint(np.clip(rows, -1, 1) * STEPS), np.int16)


def expanded(rows: CompactVectors) -> Vectors:
    """Vectors in float32 again."""
    return np.multiply(rows, np.float32(1 / STEPS), dtype=np.float32)


class CompactRows:
    """Unit rows in int16, in steps of 1/32767: those it was made with, which may be mapped from a file, and others
    appended to them."""

    def __init__(self, first: CompactVectors) -> None:
        self._first = first
        self._added: CompactVectors = np.empty((0, first.shape[1]), np.int16)
        self._n_added = 0

    def __len__(self) -> int:
        return len(self._first) + self._n_added

    def append(self, rows: Vectors) -> None:
        needed = self._n_added + len(rows)
        if needed > len(self._added):
            grown = np.empty((max(needed, 2 * len(self._added)), self._first.shape[1]), np.int16)
            grown[: self._n_added] = self._added[: self._n_added]
            self._added = grown
        self._added[self._n_added : needed] = compacted(rows)
        self._n_added = needed

    def frozen(self) -> CompactRows:
        """The rows that there are now, whatever is appended later. Nothing is copied."""
        frozen = CompactRows(self._first)
        frozen._added, frozen._n_added = self._added, self._n_added
        return frozen

    def take(self, positions: Positions) -> Vectors:
        """Some rows as float32, shape (n, d)."""
        if not self._n_added:
            return expanded(np.take(self._first, positions, axis=0))
        rows = np.empty((len(positions), self._first.shape[1]), np.int16)
        is_first = positions < len(self._first)
        rows[is_first] = self._first[positions[is_first]]
        rows[~is_first] = self._added[positions[~is_first] - len(self._first)]
        return expanded(rows)

    def chunks(self) -> Iterator[Vectors]:
        """All rows as float32, in parts."""
        for part in (self._first, self._added[: self._n_added]):
            for start in range(0, len(part), ROWS_PER_CHUNK):
                yield expanded(part[start : start + ROWS_PER_CHUNK])

    def whole(self) -> CompactVectors:
        """All rows, shape (n, d), without a copy where none was appended."""
        return np.concatenate([self._first, self._added[: self._n_added]]) if self._n_added else self._first


class AnnIndex:
    """An approximate index of rows by position, and how much of it is searched. Safe to search from several threads
    while nothing is added."""

    def __init__(self, kind: IndexKind, structure: Any, rows: CompactRows, efforts: tuple[Effort, ...]) -> None:
        self.kind = kind
        self.structure = structure
        self.rows = rows
        self.efforts = efforts
        self.n_trained = len(rows)

    @classmethod
    def build(cls, kind: IndexKind, rows: CompactRows, recall: float, n_threads: int) -> AnnIndex:
        """Train, fill and tune an index. Takes about a minute for a million rows of 256 dimensions on two cores."""
        faiss.omp_set_num_threads(n_threads)  # of this thread alone
        structure = new_structure(kind, len(rows), rows.whole().shape[1])
        structure.train(training_rows(rows, getattr(structure, "nlist", 1)))
        for chunk in rows.chunks():
            structure.add(chunk)
        index = cls(kind, structure, rows, ())
        index.efforts = tuned(index, recall)
        return index

    @classmethod
    def restored(
        cls, kind: IndexKind, data: NDArray[np.uint8], rows: CompactRows, efforts: NDArray[np.int64]
    ) -> AnnIndex:
        """The index that ``serialized`` and ``efforts`` are of. Raises ValueError where the rows do not fit."""
        try:
            structure = faiss.deserialize_index(np.array(data))
        except RuntimeError as error:
            raise ValueError(f"no FAISS index: {error}") from error
        if structure.ntotal != len(rows):
            raise ValueError(f"an index of {structure.ntotal} rows beside {len(rows)} rows")
        return cls(kind, structure, rows, tuple(Effort(int(depth), int(n)) for depth, n in efforts))

    def __len__(self) -> int:
        return len(self.rows)

    def serialized(self) -> NDArray[np.uint8]:
        """The structure as bytes, without the compact rows."""
        return np.asarray(faiss.serialize_index(self.structure), np.uint8)

    @property
    def n_searchable(self) -> int:
        """The lists or graph nodes that there are."""
        return int(getattr(self.structure, "nlist", len(self)))

    def add(self, rows: Vectors) -> None:
        """Append rows, 20 microseconds each in lists, 300 in a graph."""
        self.structure.add(np.ascontiguousarray(rows, np.float32))
        self.rows.append(rows)

    def candidates(self, query: Vectors, k: int, allowed: Flags | None = None, share: float = 1.0) -> Positions:
        """The positions of about the k best rows among those ``allowed``, shape (len(self),), a ``share`` of all."""
        n_searched = self.n_searched(k / max(share, 1e-6))
        n_wanted = min(k, round(share * len(self)))
        while True:
            found = self.searched(query.reshape(1, -1), k, n_searched, allowed)[0]
            found = np.asarray(found[found >= 0])
            if len(found) >= n_wanted or n_searched >= self.n_searchable:
                return found
            n_searched = min(2 * n_searched, self.n_searchable)

    def searched(self, queries: Vectors, k: int, n_searched: int, allowed: Flags | None = None) -> Positions:
        """The positions of the k best rows of each query by their codes, shape (m, k), -1 where there are fewer."""
        wrapped: Any = faiss  # its stubs describe SWIG's classes, not the Python layer above them
        bits = None if allowed is None else np.packbits(allowed, bitorder="little")
        selector = None if bits is None else wrapped.IDSelectorBitmap(bits)
        k = min(k * OVERSAMPLED[self.kind], len(self))
        if self.kind is IndexKind.HNSW:
            parameters = wrapped.SearchParametersHNSW(efSearch=max(n_searched, k), sel=selector)
        else:
            parameters = wrapped.SearchParametersIVF(nprobe=n_searched, sel=selector)
        return np.asarray(self.structure.search(queries, k, params=parameters)[1], np.int64)

    def n_searched(self, depth: float) -> int:
        """How much to search for the best ``depth`` rows: between those depths that were tuned, on a line in logs."""
        if not self.efforts:
            return self.n_searchable
        depths = np.log([each.depth for each in self.efforts])
        searched = np.log([each.n_searched for each in self.efforts])
        between = float(np.exp(np.interp(np.log(depth), depths, searched)))
        beyond = max(depth / self.efforts[-1].depth, 1.0)
        return int(min(np.ceil(between * beyond), self.n_searchable))

    def raise_effort(self) -> None:
        """Search a quarter more from now on."""
        self.efforts = tuple(
            Effort(each.depth, min(self.n_searchable, int(np.ceil(1.25 * each.n_searched)))) for each in self.efforts
        )


def new_structure(kind: IndexKind, n_rows: int, dimension: int) -> Any:
    """An empty FAISS index of a kind. Lists: 4 times the root of the rows, as FAISS's guidelines have it."""
    inner_product = faiss.METRIC_INNER_PRODUCT
    if kind is IndexKind.HNSW:
        wrapped: Any = faiss  # its stubs have an older signature
        graph = wrapped.IndexHNSWSQ(dimension, faiss.ScalarQuantizer.QT_8bit, HNSW_NEIGHBOURS, inner_product)
        graph.hnsw.efConstruction = EF_CONSTRUCTION
        return graph
    n_lists = int(max(1, min(4 * np.sqrt(n_rows), n_rows // CENTROID_ROWS)))
    centroids = faiss.IndexFlatIP(dimension)
    if kind is IndexKind.IVF_SQ8:
        scalar = faiss.ScalarQuantizer.QT_8bit
        lists: Any = faiss.IndexIVFScalarQuantizer(centroids, dimension, n_lists, scalar, inner_product)
    else:
        n_bits = int(min(8, np.log2(max(n_rows, 2))))
        n_parts = n_subquantizers(dimension)
        lists = faiss.IndexIVFPQ(centroids, dimension, n_lists, n_parts, n_bits, inner_product)
    lists.cp.niter, lists.cp.max_points_per_centroid = KMEANS_ROUNDS, CENTROID_ROWS
    lists.cp.min_points_per_centroid = 1
    return lists


def training_rows(rows: CompactRows, n_lists: int) -> Vectors:
    """Rows spread evenly, enough for every centroid, and for quantisers of 256 values."""
    n_wanted = min(len(rows), max(n_lists, 256) * CENTROID_ROWS)
    return rows.take(np.linspace(0, len(rows) - 1, n_wanted).astype(np.int64))


def tuned(index: AnnIndex, recall: float) -> tuple[Effort, ...]:
    """The least efforts that reach a recall at each depth, on queries like the index's own rows."""
    queries = tuning_queries(index.rows)
    depths = [depth for depth in DEPTHS if depth <= max(len(index) // 4, DEPTHS[0])]
    best = exact_positions(index.rows, queries, min(depths[-1], len(index)))
    found, least = [], 1
    for depth in depths:
        least = max(least, depth) if index.kind is IndexKind.HNSW else least  # FAISS visits no fewer
        least = least_effort(index, queries, best[:, :depth], recall, least)
        found.append(Effort(depth, least))
    return tuple(found)


def least_effort(index: AnnIndex, queries: Vectors, best: Positions, recall: float, least: int) -> int:
    """The least that is searched, from ``least`` on in steps of a quarter, to find that much of the ``best``."""
    n_searched = float(least)
    while n_searched < index.n_searchable:
        found = index.searched(queries, best.shape[1], int(n_searched))
        if recall_of(found, best) >= recall:
            return int(n_searched)
        n_searched = max(n_searched * 1.25, n_searched + 1)
    return index.n_searchable


def recall_of(found: Positions, best: Positions) -> float:
    """The mean share of the best rows, shape (m, k), that were found, shape (m, any)."""
    return float(np.mean([np.isin(truth, got).mean() for truth, got in zip(best, found, strict=True)]))


def tuning_queries(rows: CompactRows) -> Vectors:
    """Unit vectors near rows, shape (m, d)."""
    rng = np.random.default_rng(0)
    centre, one, other = (rows.take(rng.integers(0, len(rows), N_TUNING_QUERIES)) for _ in range(3))
    moved = centre + np.float32(QUERY_NOISE) * (one - other)
    return np.asarray(moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9), np.float32)


def exact_positions(rows: CompactRows, queries: Vectors, k: int, allowed: Flags | None = None) -> Positions:
    """The positions of the k best rows of each query, best first, shape (m, k), by comparing all; -1 beyond those that
    are ``allowed``."""
    best_scores = np.full((len(queries), 0), -np.inf, np.float32)
    best = np.empty((len(queries), 0), np.int64)
    first = 0
    for chunk in rows.chunks():
        scores = queries @ chunk.T  # (m, n of chunk)
        if allowed is not None:
            scores[:, ~allowed[first : first + len(chunk)]] = -np.inf
        positions = np.broadcast_to(np.arange(first, first + len(chunk)), scores.shape)
        best_scores, best = np.hstack([best_scores, scores]), np.hstack([best, positions])
        if best.shape[1] > k:
            kept = np.argpartition(-best_scores, k - 1, axis=1)[:, :k]
            best_scores = np.take_along_axis(best_scores, kept, axis=1)
            best = np.take_along_axis(best, kept, axis=1)
        first += len(chunk)
    order = np.argsort(-best_scores, axis=1, kind="stable")
    best = np.take_along_axis(best, order, axis=1)
    return np.where(np.isneginf(np.take_along_axis(best_scores, order, axis=1)), -1, best)


TIES = 64
"""So many more rows are ordered than are asked for, so that those of one score are cut off by position."""


def best_of(query: Vectors, rows: Vectors, positions: Positions, k: int) -> Scored:
    """The k best of some rows, shape (n, d), at ``positions``, shape (n,), ties by position."""
    if not len(rows):
        return NOTHING
    # its scores are those of a flat index: by a matrix product those of equal rows differ in their last bits
    n_best = min(len(rows), k + TIES)
    scores, at = faiss.knn(query.reshape(1, -1), rows, n_best, faiss.METRIC_INNER_PRODUCT)
    return merged(k, (scores[0], positions[at[0]]))


def merged(k: int, *parts: Scored) -> Scored:
    """The k best of several parts, ties by position."""
    scores = np.concatenate([part[0] for part in parts])
    positions = np.concatenate([part[1] for part in parts])
    order = np.lexsort((positions, -scores))[:k]
    return scores[order], positions[order]
