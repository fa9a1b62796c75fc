"""Odds: probabilities as numbers that evidence adds up in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST = 1e-9
"""The nearest that a probability comes to 0 or 1, so that its log-odds are finite."""


def log_odds(probabilities: float | NDArray[np.floating]) -> NDArray[np.float64]:
    """The logit, of any shape; NaN stays NaN."""
    inside = np.clip(np.asarray(probabilities, np.float64), LEAST, 1 - LEAST)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def probability(log_odds: float | NDArray[np.floating]) -> NDArray[np.float64]:
    """The logistic function, of any shape, within ``LEAST`` of 0 and 1 at the nearest."""
    least = np.log(LEAST)
    return np.asarray(1 / (1 + np.exp(-np.clip(np.asarray(log_odds, np.float64), least, -least))))
