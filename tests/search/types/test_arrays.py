"""Ids are found where they stand, whether by a bitmap or by bisection."""

from __future__ import annotations

import numpy as np
import pytest

from vitrina.search.types.arrays import SPREAD, IdPositions


@pytest.mark.parametrize("spread", [1, SPREAD, 2 * SPREAD, 1_000])
@pytest.mark.parametrize("first", [0, 7, -3, 1 << 40])
def test_each_id_stands_where_it_stands_and_others_nowhere(spread: int, first: int) -> None:
    ids = first + spread * np.arange(50, dtype=np.int64)
    positions = IdPositions(ids)
    assert (positions.nbytes > 0) == (spread <= SPREAD)
    assert positions.of(ids).tolist() == list(range(50))
    others = np.array([first - 1, ids[-1] + 1, first - 1_000, 1 << 50], np.int64)
    assert positions.of(others).tolist() == [-1] * 4
    if spread > 1:
        assert positions.of(ids + 1).tolist() == [-1] * 50


def test_nothing_stands_among_no_ids() -> None:
    assert IdPositions(np.empty(0, np.int64)).of(np.array([-1, 0, 1])).tolist() == [-1] * 3
