"""What the FAISS index does beside the contract of every vector index."""

from __future__ import annotations

import numpy as np
import pytest

from tests.search.index.brute_force import DIMENSION, NO_ITEMS, filled, rows, unit_rows
from tests.search.index.conftest import FAISS
from vitrina.search.index.faiss import FaissIndex
from vitrina.search.index.replica import state_of
from vitrina.search.types.item import EmbeddingRows


@pytest.mark.parametrize("row_ids", [[4, 5], [5, 6], [9, 8], [8, 8]])
def test_row_ids_that_do_not_grow_are_refused(row_ids: list[int]) -> None:
    rng = np.random.default_rng(0)
    index = FaissIndex(DIMENSION)
    index.apply(NO_ITEMS, rows(rng, 1, np.array([1, 2, 3, 4, 5])))
    with pytest.raises(ValueError, match="grow"):
        index.apply(NO_ITEMS, EmbeddingRows(np.array(row_ids), np.array([7, 7]), unit_rows(rng, 2)))
    assert len(index) == 5


def test_rows_that_do_not_fit_together_are_refused() -> None:
    found = dict(state_of(filled(FAISS, 10)[0]))
    with pytest.raises(ValueError, match="fit"):
        FaissIndex(DIMENSION).restore(found | {"item_ids": found["item_ids"][:-1]})
    with pytest.raises(ValueError, match="dimension"):
        FaissIndex(DIMENSION + 1).restore(found)


def test_a_sample_is_of_living_rows_spread_evenly_and_always_the_same() -> None:
    index, plain, _ = filled(FAISS, 300)
    living = np.stack([vector for _, (_, vector) in sorted(plain.rows.items())])
    sample = index.sample(50)
    np.testing.assert_array_equal(sample, index.sample(50))
    np.testing.assert_array_equal(sample, FAISS.again(index).sample(50))
    positions = [int(np.flatnonzero((living == vector).all(axis=1))[0]) for vector in sample]
    assert positions[0] == 0
    assert positions[-1] == len(living) - 1
    assert set(np.diff(positions).tolist()) <= {len(living) // 49 - 1, len(living) // 49, len(living) // 49 + 1}
    assert index.sample(10**6).shape == living.shape
