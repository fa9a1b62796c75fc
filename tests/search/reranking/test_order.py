"""The order of an answer, part of which was looked at."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vitrina.search.reranking.fusion import logit, probability, reordered


def test_the_judged_change_places_and_the_others_stay() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    totals = np.array([-1.0, 0.0, 2.0, 0.0, 1.0])
    order, shown = reordered(scores, totals, np.array([True, False, True, False, True]))
    assert order.tolist() == [2, 1, 4, 3, 0]
    expected = [float(probability(2.0)), 0.8, float(probability(1.0)), 0.6, float(probability(-1.0))]
    np.testing.assert_allclose(shown, expected)


def test_ties_keep_the_retrievals_order() -> None:
    totals = np.array([1.0, 1.0 + 1e-9, 1.0 - 1e-9, 2.0])
    order, shown = reordered(np.array([0.4, 0.3, 0.2, 0.1]), totals, np.ones(4, np.bool_))
    assert order.tolist() == [3, 0, 1, 2]
    assert shown[1] == shown[2] == shown[3]


def test_without_judged_hits_the_order_is_retrievals() -> None:
    scores = np.array([0.9, 0.5, 0.5])
    order, shown = reordered(scores, np.array([np.nan, 5.0, 9.0]), np.zeros(3, np.bool_))
    assert order.tolist() == [0, 1, 2]
    assert shown.tolist() == scores.tolist()


def test_no_hits() -> None:
    order, shown = reordered(np.empty(0), np.empty(0), np.empty(0, np.bool_))
    assert len(order) == len(shown) == 0


@given(
    st.lists(st.tuples(st.floats(0.001, 0.999), st.floats(-30, 30), st.booleans()), max_size=40),
)
def test_any_order_is_one_that_can_be_defended(rows: list[tuple[float, float, bool]]) -> None:
    scores = np.array(sorted((row[0] for row in rows), reverse=True), np.float64)
    totals = np.array([row[1] for row in rows], np.float64)
    judged = np.array([row[2] for row in rows], np.bool_)
    order, shown = reordered(scores, totals, judged)
    assert sorted(order.tolist()) == list(range(len(rows)))
    assert all(order[at] == at for at in range(len(rows)) if not judged[at])
    assert judged[order].tolist() == judged.tolist()
    assert (np.diff(shown) <= 1e-12).all()
    assert ((shown > 0) & (shown < 1)).all()
    rounded = np.round(totals, 6)[order[judged]]
    assert (np.diff(rounded) <= 0).all()


@given(st.floats(0, 1))
def test_logit_and_back(p: float) -> None:
    assert abs(float(probability(logit(p))) - p) < 1e-8
