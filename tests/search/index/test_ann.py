"""Approximate indexes of every kind against brute force, while rows come, change and go."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.search.index.brute_force import DIMENSION, NO_ITEMS, BruteForce, rows, unit_rows
from vitrina.search.index import faiss as faiss_index
from vitrina.search.index.ann import AnnIndex, CompactRows, compacted, exact_positions, expanded, recall_of
from vitrina.search.index.faiss import FaissIndex
from vitrina.search.index.kinds import FLAT_ROWS, IndexKind, chosen_kind
from vitrina.search.types.item import EmbeddingRows

KINDS = (IndexKind.HNSW, IndexKind.IVF_SQ8, IndexKind.IVF_PQ)
ERROR = 2e-4
"""Of a score of rows that are kept in int16."""

Ids = NDArray[np.int64]


def built(kind: IndexKind, n_items: int, recall: float = 0.95) -> tuple[FaissIndex, BruteForce, np.random.Generator]:
    """Both indexes with items 1 to n of two rows each; every seventh is deleted before the first is built, every
    eleventh after it, and every fifth is replaced."""
    rng = np.random.default_rng(2)
    index, plain = FaissIndex(DIMENSION, kind, recall), BruteForce()
    item_ids = np.arange(1, n_items + 1)
    replaced = rows(rng, 10 * n_items, item_ids[item_ids % 5 == 0])
    steps = [
        (NO_ITEMS, rows(rng, 10, np.repeat(item_ids, 2))),
        (item_ids[item_ids % 7 == 0], rows(rng, 0, NO_ITEMS)),
        (item_ids[item_ids % 11 == 0], rows(rng, 0, NO_ITEMS)),
        (replaced.item_ids, replaced),
    ]
    for step, (touched, fresh) in enumerate(steps):
        index.apply(touched, fresh)
        plain.apply(touched, fresh)
        if step == 1:
            assert index.maintain()
            assert not index.is_due()
    assert index.report().kind == kind
    return index, plain, rng


@cache
def large(kind: IndexKind) -> tuple[FaissIndex, BruteForce]:
    """Of 3,000 items, for tests that change nothing."""
    index, plain, _ = built(kind, 3000)
    return index, plain


def check(index: FaissIndex, plain: BruteForce, query: NDArray[np.float32], k: int, within: Ids | None) -> float:
    """Check what was found, whatever its recall, which is returned."""
    found, right = index.search(query, k, within=within), plain.search(query, k, within)
    assert len(found) == len(right)
    assert len(set(found.row_ids.tolist())) == len(found)
    for row_id, item_id, score in zip(found.row_ids.tolist(), found.item_ids.tolist(), found.scores, strict=True):
        held = plain.rows[row_id]
        assert held[0] == item_id
        assert within is None or item_id in within
        assert score == pytest.approx(float(query @ held[1]), abs=ERROR * float(np.linalg.norm(query)))
    assert np.all(np.diff(found.scores) <= 0)
    return float(np.mean([row_id in found.row_ids for row_id, _, _ in right])) if right else 1.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [None, 0.5, 0.1, 0.01, 0.001])
def test_it_finds_what_brute_force_finds_at_any_selectivity(
    kind: IndexKind, share: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (index, plain), rng = large(kind), np.random.default_rng(3)
    for few in (faiss_index.FEW_SURVIVORS, 0):  # survivors compared one by one, and searched for inside the index
        monkeypatch.setattr(faiss_index, "FEW_SURVIVORS", few)
        recalls = []
        for _ in range(20):
            within = None
            if share is not None:
                within = np.sort(rng.choice(np.arange(1, 3001), int(3000 * share), replace=False))
            recalls.append(check(index, plain, (rng.normal(size=DIMENSION) * 5).astype(np.float32), 10, within))
        assert np.mean(recalls) >= 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_that_was_saved_is_the_same(kind: IndexKind) -> None:
    index, plain, rng = built(kind, 600)
    again = FaissIndex(DIMENSION)
    again.restore(index.state())
    assert len(again) == len(index) == len(plain.rows)
    fresh = rows(rng, 10**6, np.arange(1, 50))
    for each in (index, again):
        each.apply(fresh.item_ids, fresh)
    for _ in range(5):
        query = unit_rows(rng, 1)[0]
        one, other = index.search(query, 20), again.search(query, 20)
        assert one.row_ids.tolist() == other.row_ids.tolist()
        np.testing.assert_array_equal(one.scores, other.scores)
    assert [held.tolist() for held in (index.rows().row_ids, index.rows().item_ids)] == [
        held.tolist() for held in (again.rows().row_ids, again.rows().item_ids)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_the_newest_rows_move_into_the_index(kind: IndexKind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faiss_index, "NEWEST_ROWS", 100)
    monkeypatch.setattr(faiss_index, "ROWS_PER_STEP", 40)
    index, plain, rng = built(kind, 500)
    fresh = rows(rng, 10**6, np.arange(400, 700))
    index.apply(fresh.item_ids, fresh)
    plain.apply(fresh.item_ids, fresh)
    assert index.is_due()
    index._move_some()  # one step alone, of which searches and snapshots must not see a row twice
    again = FaissIndex(DIMENSION)
    again.restore(index.state())
    for each in (index, again):
        assert each.rows().row_ids.tolist() == sorted(plain.rows)
        assert np.mean([check(each, plain, unit_rows(rng, 1)[0], 10, None) for _ in range(20)]) >= 0.9
    assert index.maintain()
    assert not index.maintain()
    assert np.mean([check(index, plain, unit_rows(rng, 1)[0], 10, None) for _ in range(20)]) >= 0.9
    held = index.rows_of(np.array([450, 3]))
    for row_id, vector in zip(held.row_ids.tolist(), held.vectors, strict=True):
        np.testing.assert_allclose(vector, plain.rows[row_id][1], atol=ERROR)


def test_deletions_are_compacted_away(monkeypatch: pytest.MonkeyPatch) -> None:
    index, plain, rng = built(IndexKind.IVF_SQ8, 800)
    gone = np.arange(1, 500)
    index.apply(gone, rows(rng, 0, NO_ITEMS))
    plain.apply(gone, rows(rng, 0, NO_ITEMS))
    assert index.is_due()
    assert index.maintain()
    assert not index.is_due()
    assert len(index.state()["row_ids"]) == len(plain.rows)
    assert np.mean([check(index, plain, unit_rows(rng, 1)[0], 10, None) for _ in range(20)]) >= 0.9
    index.apply(np.arange(1, 801), rows(rng, 0, NO_ITEMS))
    assert len(index.search(np.ones(DIMENSION, np.float32), 5)) == 0
    index.maintain()
    assert len(index.search(np.ones(DIMENSION, np.float32), 5)) == 0


def test_an_index_grows_out_of_comparing_all_rows_and_shrinks_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitrina.search.index.kinds.FLAT_ROWS", 300)
    rng, index = np.random.default_rng(0), FaissIndex(DIMENSION)
    index.apply(NO_ITEMS, rows(rng, 0, np.arange(250)))
    assert not index.is_due()
    assert index.report().kind == "flat"
    index.apply(NO_ITEMS, rows(rng, 1000, np.arange(300, 400)))
    assert "until ivf-sq8 is built" in index.report().reason
    assert index.maintain()
    assert index.report().kind == "ivf-sq8"
    index.apply(np.arange(100), rows(rng, 0, NO_ITEMS))
    assert index.maintain()
    assert index.report().kind == "flat"
    assert len(index.search(np.ones(DIMENSION, np.float32), 1000)) == 250


def test_searches_and_changes_go_on_while_an_index_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    build = AnnIndex.build
    began, go_on = threading.Event(), threading.Event()

    def slowly(kind: IndexKind, held: CompactRows, recall: float, n_threads: int) -> AnnIndex:
        began.set()
        assert go_on.wait(10)
        return build(kind, held, recall, n_threads)

    monkeypatch.setattr(AnnIndex, "build", slowly)
    rng, plain = np.random.default_rng(0), BruteForce()
    index = FaissIndex(DIMENSION, IndexKind.IVF_SQ8)
    first = rows(rng, 0, np.repeat(np.arange(400), 2))
    index.apply(NO_ITEMS, first)
    plain.apply(NO_ITEMS, first)
    thread = threading.Thread(target=index.maintain)
    thread.start()
    assert began.wait(10)
    started = time.monotonic()
    fresh = rows(rng, 5000, np.arange(350, 500))
    for touched, added in ((fresh.item_ids, fresh), (np.arange(20), rows(rng, 0, NO_ITEMS))):
        index.apply(touched, added)
        plain.apply(touched, added)
        assert check(index, plain, unit_rows(rng, 1)[0], 10, None) == 1.0
    assert time.monotonic() - started < 5
    go_on.set()
    thread.join()
    assert index.report().kind == "ivf-sq8"
    assert index.rows().row_ids.tolist() == sorted(plain.rows)
    assert np.mean([check(index, plain, unit_rows(rng, 1)[0], 10, None) for _ in range(20)]) >= 0.9


def test_the_recall_of_queries_is_measured_and_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faiss_index, "GUARDED", 5)
    monkeypatch.setattr(faiss_index, "GUARD_EVERY_S", 0.0)
    monkeypatch.setattr(faiss_index, "GUARD_REST", 0.0)
    index, plain, rng = built(IndexKind.IVF_SQ8, 4000, recall=0.05)
    before = index.report()
    assert before.measured is None
    assert before.n_searchable > max(before.searched.values())
    index.recall = 0.999
    while index.report().searched == before.searched:
        index.search(unit_rows(rng, 1)[0], 10)
        assert index.is_due()
        index.maintain()
    for _ in range(200):
        index.search(unit_rows(rng, 1)[0], 10)
        index.maintain()
    recalls = [check(index, plain, unit_rows(rng, 1)[0], 10, None) for _ in range(30)]
    assert np.mean(recalls) > 0.98
    assert index.report().measured is not None


def test_more_is_searched_for_a_higher_recall() -> None:
    efforts = [built(IndexKind.IVF_SQ8, 4000, recall)[0].report().searched[10] for recall in (0.5, 0.9, 0.99)]
    assert efforts == sorted(efforts)
    assert efforts[0] < efforts[-1]


def test_exact_positions_are_those_of_brute_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitrina.search.index.ann.ROWS_PER_CHUNK", 70)
    rng = np.random.default_rng(0)
    vectors = unit_rows(rng, 300)
    held = CompactRows(compacted(vectors[:200]))
    held.append(vectors[200:])
    queries = unit_rows(rng, 4)
    kept = expanded(held.whole())
    right = np.argsort(-(queries @ kept.T), axis=1)
    assert exact_positions(held, queries, 20).tolist() == right[:, :20].tolist()
    allowed = np.arange(300) % 3 == 0
    of_allowed = [[at for at in row if allowed[at]][:20] for row in right.tolist()]
    assert exact_positions(held, queries, 20, allowed).tolist() == of_allowed
    assert recall_of(right[:, :10], right[:, :20]) == 0.5


@pytest.mark.parametrize(
    ("n_rows", "memory", "asked", "kind"),
    [
        (0, 1, None, IndexKind.FLAT),
        (FLAT_ROWS, 1, None, IndexKind.FLAT),
        (10**6, 16 * 2**30, None, IndexKind.IVF_SQ8),
        (10**8, 16 * 2**30, None, IndexKind.IVF_PQ),
        (10**6, 16 * 2**30, IndexKind.HNSW, IndexKind.HNSW),
        (10**8, 2**30, IndexKind.FLAT, IndexKind.FLAT),
    ],
)
def test_the_kind_is_chosen_by_size_and_memory(
    n_rows: int, memory: int, asked: IndexKind | None, kind: IndexKind
) -> None:
    assert chosen_kind(n_rows, 256, asked, memory).kind is kind


Step = tuple[str, list[int]]
steps = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "delete", "maintain", "save"]),
        st.lists(st.integers(1, 12), min_size=1, max_size=8),
    ),
    max_size=14,
)


@settings(deadline=None)
@given(
    kind=st.sampled_from([*KINDS, None]),
    history=steps,
    k=st.integers(1, 40),
    within=st.none() | st.sets(st.integers(1, 12)),
)
def test_any_history_finds_only_what_is_there_and_all_of_it(
    kind: IndexKind | None, history: Sequence[Step], k: int, within: set[int] | None
) -> None:
    rng, plain = np.random.default_rng(0), BruteForce()
    index, first = FaissIndex(DIMENSION, kind), 0
    for step, keys in history:
        if step == "maintain":
            index.maintain()
        elif step == "save":
            again = FaissIndex(DIMENSION, kind)
            again.restore(index.state())
            index = again
        else:
            added = np.sort(np.array(keys if step == "put" else [], np.int64))
            fresh = EmbeddingRows(np.arange(first, first + len(added)), added, unit_rows(rng, len(added)))
            first += len(added)
            index.apply(np.unique(keys), fresh)
            plain.apply(np.unique(keys), fresh)
    allowed = None if within is None else np.array(sorted(within), np.int64)
    check(index, plain, unit_rows(rng, 1)[0], k, allowed)
    assert index.rows().row_ids.tolist() == sorted(plain.rows)
