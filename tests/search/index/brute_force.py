"""The contract of a vector index, written as plainly as it can be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitrina.search.index.base import Matches, VectorIndex
from vitrina.search.types.item import EmbeddingRows

DIMENSION = 24
Ids = NDArray[np.int64]
NO_ITEMS = np.empty(0, np.int64)


class BruteForce:
    """The same contract, written as plainly as it can be."""

    def __init__(self) -> None:
        self.rows: dict[int, tuple[int, NDArray[np.float32]]] = {}

    def apply(self, touched: Ids, rows: EmbeddingRows) -> None:
        gone = set(touched.tolist())
        self.rows = {row_id: held for row_id, held in self.rows.items() if held[0] not in gone}
        for row_id, item_id, vector in zip(rows.row_ids.tolist(), rows.item_ids.tolist(), rows.vectors, strict=True):
            self.rows[row_id] = (item_id, vector)

    def search(self, query: NDArray[np.float32], k: int, within: Ids | None = None) -> list[tuple[int, int, float]]:
        allowed = None if within is None else set(within.tolist())
        scored = [
            (row_id, item_id, float(query @ vector))
            for row_id, (item_id, vector) in self.rows.items()
            if allowed is None or item_id in allowed
        ]
        return sorted(scored, key=lambda row: (-row[2], row[0]))[:k]


def unit_rows(rng: np.random.Generator, n: int) -> NDArray[np.float32]:
    vectors = rng.normal(size=(n, DIMENSION)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def rows(rng: np.random.Generator, first: int, item_ids: Ids) -> EmbeddingRows:
    return EmbeddingRows(np.arange(first, first + len(item_ids)), item_ids, unit_rows(rng, len(item_ids)))


def assert_same(found: Matches, expected: list[tuple[int, int, float]]) -> None:
    assert found.row_ids.tolist() == [row_id for row_id, _, _ in expected]
    assert found.item_ids.tolist() == [item_id for _, item_id, _ in expected]
    np.testing.assert_allclose(found.scores, [score for _, _, score in expected], rtol=1e-4, atol=1e-4)


@dataclass(frozen=True)
class Engine:
    """Makes empty indexes of one kind for vectors of ``DIMENSION``, and gives each again, as it is after a restart."""

    new: Callable[[], VectorIndex]
    again: Callable[[VectorIndex], VectorIndex]


def filled(engine: Engine, n_items: int, seed: int = 0) -> tuple[VectorIndex, BruteForce, np.random.Generator]:
    """Both indexes after inserts, updates and deletes: items 1 to n, two rows each, every fifth replaced, every
    seventh deleted."""
    rng = np.random.default_rng(seed)
    index, plain = engine.new(), BruteForce()
    item_ids = np.arange(1, n_items + 1)
    first = rows(rng, 10, np.repeat(item_ids, 2))
    updated = rows(rng, 10 + len(first), item_ids[item_ids % 5 == 0])
    for touched, fresh in (
        (NO_ITEMS, first),
        (updated.item_ids, updated),
        (item_ids[item_ids % 7 == 0], rows(rng, 0, NO_ITEMS)),
    ):
        index.apply(touched, fresh)
        plain.apply(touched, fresh)
    return index, plain, rng
