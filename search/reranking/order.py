"""The order of an answer, where some candidates were looked at and others were not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from search.reranking.judging.odds import probability

ROUND_DECIMALS = 6
"""Totals closer than this are ties, which the retrieval's order decides."""

Scores = NDArray[np.float64]


def reordered(scores: Scores, totals: Scores, judged: NDArray[np.bool_]) -> tuple[NDArray[np.int64], Scores]:
    """Positions in the new order, and each one's score there, both of shape (n,).

    ``scores`` are the retrieval's, best first, 0 to 1; ``totals`` the log-odds of those that were ``judged``, any
    number for the others. The judged change places among themselves alone, so that every other keeps its rank. Scores
    never rise down the order: the score of one that was not judged gives way to those of its neighbours that were.
    """
    rounded = np.round(totals, ROUND_DECIMALS)
    places = np.flatnonzero(judged)
    order = np.arange(len(scores))
    order[places] = places[np.argsort(-rounded[places], kind="stable")]
    shown = np.where(judged, probability(rounded), scores)[order]
    is_judged = judged[order]
    above = np.minimum.accumulate(np.where(is_judged, shown, 1.0))
    below = np.maximum.accumulate(np.where(is_judged, shown, 0.0)[::-1])[::-1]
    return order, np.where(is_judged, shown, np.clip(shown, below, above))
