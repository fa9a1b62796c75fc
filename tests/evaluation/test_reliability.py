"""Calibration error and Brier score."""

from __future__ import annotations

import numpy as np
import pytest

from vitrina.evaluation.metrics import N_BINS, reliability


def test_by_hand() -> None:
    measured = reliability([0.9] * 10 + [0.2] * 10, [True] * 7 + [False] * 3 + [True] * 2 + [False] * 8)
    assert measured is not None
    assert measured.brier == pytest.approx((7 * 0.01 + 3 * 0.81 + 2 * 0.64 + 8 * 0.04) / 20)
    assert sum(each.n_hits for each in measured.bins) == measured.n_hits == 20
    # Two hits a bin: those of the lower half are 1, 0, 0, 0, 0 relevant, those of the upper 1, 1, 1, 0.5, 0.
    assert measured.calibration_error == pytest.approx((0.8 + 4 * 0.2 + 3 * 0.1 + 0.4 + 0.9) / 10)


def test_honest_confidences_err_little_and_boastful_ones_much() -> None:
    rng = np.random.default_rng(5)
    true = rng.random(20_000)
    relevant = list(rng.random(20_000) < true)
    honest, boastful = reliability(list(true), relevant), reliability(list(np.sqrt(true)), relevant)
    assert honest is not None
    assert boastful is not None
    assert honest.calibration_error < 0.02
    assert boastful.calibration_error == pytest.approx(2 / 3 - 1 / 2, abs=0.02)
    assert honest.brier == pytest.approx(1 / 6, abs=0.01)
    assert {each.n_hits for each in honest.bins} == {20_000 // N_BINS}


def test_fewer_hits_than_bins_and_none() -> None:
    few = reliability([0.5, 1.0], [True, True])
    assert few is not None
    assert [each.n_hits for each in few.bins] == [1, 1]
    assert few.calibration_error == 0.25
    assert reliability([], []) is None
