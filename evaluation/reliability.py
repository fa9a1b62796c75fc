"""Whether confidences can be believed: of the hits given 0.8, are eight in ten relevant?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

N_BINS = 10
FIRST_HITS = 10
"""Confidences are judged over the hits of the first page, the ones that people see."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Hits of similar confidence: their mean confidence, the share that is relevant, and how many they are."""

    confidence: float
    relevant: float
    n_hits: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far confidences lie from what came true.

    ``calibration_error`` is the expected calibration error (Guo et al. 2017, equation 3): the mean distance between
    confidence and share of relevant hits, over bins, weighted by their hits; 0 is best. Its bins hold equally many hits
    (Nguyen and O'Connor 2015) instead of being equally wide, as most confidences lie close together. ``brier`` is the
    mean squared distance of a hit's confidence from 1 (relevant) or 0 (Brier 1950); 0 is best.
    """

    calibration_error: float
    brier: float
    n_hits: int
    bins: tuple[Bin, ...]


def reliability(confidences: Sequence[float], relevant: Sequence[bool]) -> Reliability | None:
    """Judge the confidences of some hits by which of them are relevant; None where there are no hits."""
    if not confidences:
        return None
    given, true = np.asarray(confidences, np.float64), np.asarray(relevant, np.float64)
    order = np.argsort(given, kind="stable")
    parts = [part for part in np.array_split(order, N_BINS) if len(part)]
    bins = tuple(Bin(float(given[part].mean()), float(true[part].mean()), len(part)) for part in parts)
    return Reliability(
        calibration_error=sum(abs(each.confidence - each.relevant) * each.n_hits for each in bins) / len(given),
        brier=float(np.mean((given - true) ** 2)),
        n_hits=len(given),
        bins=bins,
    )
