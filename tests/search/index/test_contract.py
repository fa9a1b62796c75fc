"""Every vector index against brute-force NumPy."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search.index.brute_force import DIMENSION, NO_ITEMS, BruteForce, Engine, assert_same, filled, rows, unit_rows
from vitrina.search.types.item import EmbeddingRows


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("share", [None, 0.5, 0.05, 0.005])
def test_search_equals_brute_force_at_any_selectivity(share: float | None, restarted: bool, engine: Engine) -> None:
    index, plain, rng = filled(engine, 1200)
    if restarted:
        index = engine.again(index)
    assert len(index) == len(plain.rows)
    for k in (1, 10, 300):
        query = (rng.normal(size=DIMENSION) * 37).astype(np.float32)
        within = None
        if share is not None:
            within = np.sort(rng.choice(np.arange(1, 1201), int(1200 * share), replace=False))
        assert_same(index.search(query, k, within=within), plain.search(query, k, within))


def test_rows_of_returns_the_living_rows_of_items_in_order(engine: Engine) -> None:
    index, plain, _ = filled(engine, 100)
    asked = np.array([3, 5, 7, 35, 99, 100, 5000])
    found = index.rows_of(asked)
    expected = [(row_id, held[0]) for row_id, held in sorted(plain.rows.items()) if held[0] in set(asked.tolist())]
    assert list(zip(found.row_ids.tolist(), found.item_ids.tolist(), strict=True)) == expected
    for row_id, vector in zip(found.row_ids.tolist(), found.vectors, strict=True):
        np.testing.assert_array_equal(vector, plain.rows[row_id][1])


def test_rows_of_are_copies_that_later_changes_leave_alone(engine: Engine) -> None:
    index, _, rng = filled(engine, 100)
    found = index.rows_of(np.array([3]))
    before = found.vectors.copy()
    index.apply(np.arange(1, 90), rows(rng, 5000, np.arange(200, 300)))
    np.testing.assert_array_equal(found.vectors, before)


def test_its_rows_are_the_living_ones_and_make_the_same_index(engine: Engine) -> None:
    index, plain, _ = filled(engine, 100)
    found = index.rows()
    assert found.row_ids.tolist() == sorted(plain.rows)
    again = engine.again(index).rows()
    np.testing.assert_array_equal(again.row_ids, found.row_ids)
    np.testing.assert_array_equal(again.item_ids, found.item_ids)
    np.testing.assert_array_equal(again.vectors, found.vectors)


def test_deleting_most_rows_compacts_and_still_answers_exactly(engine: Engine) -> None:
    index, plain, rng = filled(engine, 400)
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
def test_equal_scores_come_by_row_id_whatever_k_cuts_through(k: int, engine: Engine) -> None:
    rng = np.random.default_rng(3)
    distinct = unit_rows(rng, 20)
    vectors = np.repeat(distinct, 10, axis=0)[rng.permutation(200)]
    index = engine.new()
    index.apply(NO_ITEMS, EmbeddingRows(np.arange(200) * 3, np.arange(200) + 50, vectors))
    query = rng.normal(size=DIMENSION).astype(np.float32)
    exact = vectors @ query
    order = np.lexsort((np.arange(200), -exact.round(4)))
    assert index.search(query, k).row_ids.tolist() == (order[:k] * 3).tolist()
    even = np.arange(50, 250, 2)
    of_even = [int(at) for at in order if (at + 50) % 2 == 0]
    assert index.search(query, min(k, 60), within=even).row_ids.tolist() == [at * 3 for at in of_even[: min(k, 60)]]


def test_more_is_asked_for_than_there_is(engine: Engine) -> None:
    index, plain, rng = filled(engine, 20)
    query = rng.normal(size=DIMENSION).astype(np.float32)
    assert_same(index.search(query, 10_000), plain.search(query, 10_000))
    assert_same(index.search(query, 10_000, within=np.array([4])), plain.search(query, 10_000, np.array([4])))


def test_a_filter_that_nothing_passes_finds_nothing(engine: Engine) -> None:
    index, _, rng = filled(engine, 20)
    query = rng.normal(size=DIMENSION).astype(np.float32)
    assert len(index.search(query, 5, within=NO_ITEMS)) == 0
    assert len(index.search(query, 5, within=np.array([999]))) == 0


def test_an_empty_index_answers_with_nothing(engine: Engine) -> None:
    index = engine.new()
    assert len(index) == 0
    assert len(index.search(np.ones(DIMENSION, np.float32), 5)) == 0
    assert len(index.search(np.ones(DIMENSION, np.float32), 5, within=np.array([1]))) == 0
    assert len(index.rows_of(np.array([1]))) == 0
    assert index.sample(10).shape == (0, DIMENSION)
    assert len(engine.again(index)) == 0


def test_deleting_everything_leaves_a_usable_index(engine: Engine) -> None:
    index, plain, rng = filled(engine, 30)
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


def test_searches_beside_changes_see_whole_states_only(engine: Engine) -> None:
    """Item i's two rows are replaced together, so a search must find both or none of each version."""
    rng = np.random.default_rng(1)
    n_items = 60
    index = engine.new()
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
    steps: list[Step], within: set[int] | None, k: int, seed: int, engine: Engine
) -> None:
    rng = np.random.default_rng(seed)
    index, plain, first = engine.new(), BruteForce(), 0
    for deleted, added in steps:
        touched = np.unique(np.array(deleted + added, np.int64))
        fresh = rows(rng, first, np.array(sorted(added), np.int64))
        first += len(fresh)
        index.apply(touched, fresh)
        plain.apply(touched, fresh)
    query = rng.normal(size=DIMENSION).astype(np.float32)
    allowed = None if within is None else np.array(sorted(within), np.int64)
    for each in (index, engine.again(index)):
        assert_same(each.search(query, k, within=allowed), plain.search(query, k, allowed))
