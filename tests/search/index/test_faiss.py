"""The FAISS index against brute-force NumPy."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vitrina.search.index.base import Matches
from vitrina.search.index.faiss import FaissIndex
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


def filled(n_items: int, seed: int = 0) -> tuple[FaissIndex, BruteForce, np.random.Generator]:
    """Both indexes after inserts, updates and deletes: items 1 to n, two rows each, every fifth replaced, every
    seventh deleted."""
    rng = np.random.default_rng(seed)
    index, plain = FaissIndex(DIMENSION), BruteForce()
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


def as_it_is(index: FaissIndex) -> FaissIndex:
    return index


def reloaded(index: FaissIndex) -> FaissIndex:
    again = FaissIndex(DIMENSION)
    again.restore(index.state())
    return again


@pytest.mark.parametrize("made", [as_it_is, reloaded])
@pytest.mark.parametrize("share", [None, 0.5, 0.05, 0.005])
def test_search_equals_brute_force_at_any_selectivity(
    share: float | None, made: Callable[[FaissIndex], FaissIndex]
) -> None:
    index, plain, rng = filled(1200)
    index = made(index)
    assert len(index) == len(plain.rows)
    for k in (1, 10, 300):
        query = (rng.normal(size=DIMENSION) * 37).astype(np.float32)
        within = None
        if share is not None:
            within = np.sort(rng.choice(np.arange(1, 1201), int(1200 * share), replace=False))
        assert_same(index.search(query, k, within=within), plain.search(query, k, within))


def test_rows_of_returns_the_living_rows_of_items_in_order() -> None:
    index, plain, _ = filled(100)
    asked = np.array([3, 5, 7, 35, 99, 100, 5000])
    found = index.rows_of(asked)
    expected = [(row_id, held[0]) for row_id, held in sorted(plain.rows.items()) if held[0] in set(asked.tolist())]
    assert list(zip(found.row_ids.tolist(), found.item_ids.tolist(), strict=True)) == expected
    for row_id, vector in zip(found.row_ids.tolist(), found.vectors, strict=True):
        np.testing.assert_array_equal(vector, plain.rows[row_id][1])


def test_rows_of_are_copies_that_later_changes_leave_alone() -> None:
    index, _, rng = filled(100)
    found = index.rows_of(np.array([3]))
    before = found.vectors.copy()
    index.apply(np.arange(1, 90), rows(rng, 5000, np.arange(200, 300)))
    np.testing.assert_array_equal(found.vectors, before)


def test_its_rows_are_the_living_ones_and_make_the_same_index() -> None:
    index, plain, _ = filled(100)
    found = index.rows()
    assert found.row_ids.tolist() == sorted(plain.rows)
    again = reloaded(index).rows()
    np.testing.assert_array_equal(again.row_ids, found.row_ids)
    np.testing.assert_array_equal(again.item_ids, found.item_ids)
    np.testing.assert_array_equal(again.vectors, found.vectors)


def test_deleting_most_rows_compacts_and_still_answers_exactly() -> None:
    index, plain, rng = filled(400)
    for start in (1, 150, 300):
        touched = np.arange(start, start + 90)
        index.apply(touched, rows(rng, 0, NO_ITEMS))
        plain.apply(touched, rows(rng, 0, NO_ITEMS))
        query = rng.normal(size=DIMENSION).astype(np.float32)
        assert_same(index.search(query, 50), plain.search(query, 50))
    fresh = rows(rng, 10_000, np.arange(1, 60))
    index.apply(fresh.item_ids, fresh)
    plain.apply(fresh.item_ids, fresh)
    assert_same(index.search(query, 50), plain.search(query, 50))


@pytest.mark.parametrize("k", [1, 2, 3, 5, 9, 17, 120, 150])
def test_equal_scores_come_by_row_id_whatever_k_cuts_through(k: int) -> None:
    rng = np.random.default_rng(3)
    distinct = unit_rows(rng, 20)
    vectors = np.repeat(distinct, 10, axis=0)[rng.permutation(200)]
    index = FaissIndex(DIMENSION)
    index.apply(NO_ITEMS, EmbeddingRows(np.arange(200) * 3, np.arange(200) + 50, vectors))
    query = rng.normal(size=DIMENSION).astype(np.float32)
    exact = vectors @ query
    order = np.lexsort((np.arange(200), -exact.round(4)))
    assert index.search(query, k).row_ids.tolist() == (order[:k] * 3).tolist()
    even = np.arange(50, 250, 2)
    of_even = [int(at) for at in order if (at + 50) % 2 == 0]
    assert index.search(query, min(k, 60), within=even).row_ids.tolist() == [at * 3 for at in of_even[: min(k, 60)]]


def test_more_is_asked_for_than_there_is() -> None:
    index, plain, rng = filled(20)
    query = rng.normal(size=DIMENSION).astype(np.float32)
    assert_same(index.search(query, 10_000), plain.search(query, 10_000))
    assert_same(index.search(query, 10_000, within=np.array([4])), plain.search(query, 10_000, np.array([4])))


def test_a_filter_that_nothing_passes_finds_nothing() -> None:
    index, _, rng = filled(20)
    query = rng.normal(size=DIMENSION).astype(np.float32)
    assert len(index.search(query, 5, within=NO_ITEMS)) == 0
    assert len(index.search(query, 5, within=np.array([999]))) == 0


def test_an_empty_index_answers_with_nothing() -> None:
    index = FaissIndex(DIMENSION)
    assert len(index) == 0
    assert len(index.search(np.ones(DIMENSION, np.float32), 5)) == 0
    assert len(index.search(np.ones(DIMENSION, np.float32), 5, within=np.array([1]))) == 0
    assert len(index.rows_of(np.array([1]))) == 0
    assert index.sample(10).shape == (0, DIMENSION)
    assert len(reloaded(index)) == 0


def test_deleting_everything_leaves_a_usable_index() -> None:
    index, plain, rng = filled(30)
    everything = np.arange(1, 31)
    index.apply(everything, rows(rng, 0, NO_ITEMS))
    assert len(index) == 0
    assert len(index.search(np.ones(DIMENSION, np.float32), 5)) == 0
    assert index.sample(10).shape == (0, DIMENSION)
    fresh = rows(rng, 900, everything)
    index.apply(NO_ITEMS, fresh)
    plain.apply(everything, fresh)
    query = rng.normal(size=DIMENSION).astype(np.float32)
    assert_same(index.search(query, 7), plain.search(query, 7))


@pytest.mark.parametrize("row_ids", [[4, 5], [5, 6], [9, 8], [8, 8]])
def test_row_ids_that_do_not_grow_are_refused(row_ids: list[int]) -> None:
    rng = np.random.default_rng(0)
    index = FaissIndex(DIMENSION)
    index.apply(NO_ITEMS, rows(rng, 1, np.array([1, 2, 3, 4, 5])))
    with pytest.raises(ValueError, match="grow"):
        index.apply(NO_ITEMS, EmbeddingRows(np.array(row_ids), np.array([7, 7]), unit_rows(rng, 2)))
    assert len(index) == 5


def test_rows_that_do_not_fit_together_are_refused() -> None:
    found = dict(filled(10)[0].state())
    with pytest.raises(ValueError, match="fit"):
        FaissIndex(DIMENSION).restore(found | {"item_ids": found["item_ids"][:-1]})
    with pytest.raises(ValueError, match="dimension"):
        FaissIndex(DIMENSION + 1).restore(found)


def test_a_sample_is_of_living_rows_spread_evenly_and_always_the_same() -> None:
    index, plain, _ = filled(300)
    living = np.stack([vector for _, (_, vector) in sorted(plain.rows.items())])
    sample = index.sample(50)
    np.testing.assert_array_equal(sample, index.sample(50))
    np.testing.assert_array_equal(sample, reloaded(index).sample(50))
    positions = [int(np.flatnonzero((living == vector).all(axis=1))[0]) for vector in sample]
    assert positions[0] == 0
    assert positions[-1] == len(living) - 1
    assert set(np.diff(positions).tolist()) <= {len(living) // 49 - 1, len(living) // 49, len(living) // 49 + 1}
    assert index.sample(10**6).shape == living.shape


def test_searches_beside_changes_see_whole_states_only() -> None:
    """Item i's two rows are replaced together, so a search must find both or none of each version."""
    rng = np.random.default_rng(1)
    n_items = 60
    index = FaissIndex(DIMENSION)
    item_ids = np.repeat(np.arange(1, n_items + 1), 2)
    first = rows(rng, 0, item_ids)
    index.apply(NO_ITEMS, first)
    stop = threading.Event()
    failures: list[str] = []

    def candidate() -> None:
        query = np.ones(DIMENSION, np.float32)
        while not stop.is_set():
            found = index.search(query, 1000)
            versions = {(int(row_id) // len(item_ids)) for row_id in found.row_ids}
            held = index.rows_of(np.array([5, 6]))
            if len(found) != len(item_ids) or len(versions) != 1 or len(held) != 4:
                failures.append(f"{len(found)} rows of versions {versions}, {len(held)} held")
                return

    threads = [threading.Thread(target=candidate) for _ in range(3)]
    for thread in threads:
        thread.start()
    for version in range(1, 40):
        index.apply(np.unique(item_ids), rows(rng, version * len(item_ids), item_ids))
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []


Step = tuple[list[int], list[int]]


@given(
    steps=st.lists(
        st.tuples(st.lists(st.integers(1, 12), max_size=6), st.lists(st.integers(1, 12), max_size=6)), max_size=12
    ),
    within=st.none() | st.sets(st.integers(1, 12)),
    k=st.integers(1, 40),
    seed=st.integers(0, 2**16),
)
def test_any_history_of_changes_equals_brute_force(
    steps: list[Step], within: set[int] | None, k: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    index, plain, first = FaissIndex(DIMENSION), BruteForce(), 0
    for deleted, added in steps:
        touched = np.unique(np.array(deleted + added, np.int64))
        fresh = rows(rng, first, np.array(sorted(added), np.int64))
        first += len(fresh)
        index.apply(touched, fresh)
        plain.apply(touched, fresh)
    query = rng.normal(size=DIMENSION).astype(np.float32)
    allowed = None if within is None else np.array(sorted(within), np.int64)
    for each in (index, reloaded(index)):
        assert_same(each.search(query, k, within=allowed), plain.search(query, k, allowed))
