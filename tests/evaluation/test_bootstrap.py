"""Bootstrap intervals, against the normal theory they agree with on many independent queries."""

from __future__ import annotations

import numpy as np
import pytest

from vitrina.evaluation.metrics import Interval, intervals


def test_interval_of_many_queries_is_the_normal_one() -> None:
    values = np.random.default_rng(3).beta(2, 3, size=(900, 2))
    for at, interval in enumerate(intervals(values)):
        error = values[:, at].std(ddof=1) / np.sqrt(len(values))
        assert interval.mean == pytest.approx(values[:, at].mean())
        assert interval.low == pytest.approx(interval.mean - 1.96 * error, abs=0.15 * error)
        assert interval.high == pytest.approx(interval.mean + 1.96 * error, abs=0.15 * error)


def test_the_seed_decides() -> None:
    values = np.random.default_rng(3).random((30, 1))
    assert intervals(values, seed=1) == intervals(values, seed=1)
    assert intervals(values, seed=1) != intervals(values, seed=2)


def test_rows_are_drawn_whole() -> None:
    first = np.random.default_rng(3).random(40)
    [interval] = intervals((first - first)[:, None])
    assert interval == Interval(0.0, 0.0, 0.0)


def test_a_single_query_has_no_width() -> None:
    assert intervals(np.array([[0.25]])) == [Interval(0.25, 0.25, 0.25)]
