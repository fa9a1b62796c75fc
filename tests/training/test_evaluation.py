import numpy as np
import pytest

from training.evaluation import fit_cutoff, precision_at_ten


def test_precision_is_capped_at_the_number_of_relevant_products() -> None:
    similarities = np.array([[0.9, 0.8, 0.1, 0.7], [0.9, 0.8, 0.1, 0.7]], dtype=np.float32)
    assert precision_at_ten(similarities, [[0, 1], [0, 2]]) == pytest.approx((1.0 + 0.5) / 2)


def test_only_the_ten_best_count() -> None:
    similarities = np.linspace(1, 0, 40, dtype=np.float32)[None]
    assert precision_at_ten(similarities, [list(range(5, 40))]) == pytest.approx(0.5)


def test_the_cutoff_keeps_98_percent() -> None:
    cosines = np.linspace(0, 1, 1001, dtype=np.float32)
    assert (cosines >= fit_cutoff(cosines)).mean() == pytest.approx(0.98, abs=0.002)
