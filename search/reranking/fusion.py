"""Fusion weights: how much a model's answers count beside retrieval and catalog; and the order they make."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from vitrina.search.types.errors import RerankerError
from vitrina.search.types.models import read_entry, write_entry

LEAST = 1e-9
"""The nearest that a probability comes to 0 or 1, so that its log-odds are finite."""


def logit(probabilities: float | NDArray[np.floating]) -> NDArray[np.float64]:
    """The logit, of any shape; NaN stays NaN."""
    inside = np.clip(np.asarray(probabilities, np.float64), LEAST, 1 - LEAST)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def probability(logit: float | NDArray[np.floating]) -> NDArray[np.float64]:
    """The logistic function, of any shape, within ``LEAST`` of 0 and 1 at the nearest."""
    least = np.log(LEAST)
    return np.asarray(1 / (1 + np.exp(-np.clip(np.asarray(logit, np.float64), least, -least))))


CARD_FILE = "vitrina.json"
"""Beside a model: what Vitrina measured about it, its ``fusion_weights`` among it. Not part of the fingerprint."""

MAX_IMAGE_LOGIT = 3.0
"""A look counts for no more than a probability of 0.95, and so for less than a plain word of the catalog: small models
are often sure and wrong. With 8 for 3 no order of the rows set aside was better or worse by more than 0.001 nDCG."""

LEAST_MET = 0.02
"""Of one requirement: past that, another doubt about it changes nothing in the order."""


@dataclass(frozen=True, slots=True)
class FusionWeights:
    """A logistic blend. ``evaluation.blending`` fits it to a model; the defaults are cautious, for models that nobody
    measured.

    ``slope`` and ``intercept`` are Platt's, from the log-odds of P(yes) to those of the claim's being true. In log-odds
    a candidate's total is ``retrieval`` times its score, ``whole`` times the whole phrase, and ``parts`` times the
    logarithm of the product of its verdicts' probabilities. Requirements that the catalog has no values for, and their
    part of the phrase, count ``free`` times as much as others, 0 to 1: many are names of brands and models, which
    pictures seldom show and small models have never read. By default a candidate is moved by 0.45 at most by the
    phrase, and by 0.6 for each requirement that is plainly not met.
    """

    slope: float = 1.0
    intercept: float = 0.0
    retrieval: float = 1.0
    whole: float = 0.15
    parts: float = 0.15
    free: float = 1.0
    source: str = ""

    def __post_init__(self) -> None:
        weights = (self.slope, self.retrieval, self.whole, self.parts, self.free)
        if not (all(math.isfinite(each) and each >= 0 for each in weights) and math.isfinite(self.intercept)):
            raise ValueError(f"weights must be 0 or more, and finite: {self}")

    def image_logit(self, yes: NDArray[np.floating] | float) -> NDArray[np.float64]:
        """What looks say, from P(yes) of any shape; NaN where nobody looked."""
        seen = self.slope * logit(yes) + self.intercept
        return np.asarray(np.clip(seen, -MAX_IMAGE_LOGIT, MAX_IMAGE_LOGIT))

    def evidence(
        self,
        scores: NDArray[np.floating],
        whole: NDArray[np.floating],
        met: NDArray[np.floating],
        is_free: NDArray[np.bool_],
        left_open: NDArray[np.floating] | float = 1.0,
        listed: NDArray[np.floating] | float = 0.0,
    ) -> NDArray[np.float64]:
        """What the weights weigh of n candidates, in log-odds, shape (n, 3): retrieval, phrase and requirements.

        ``scores``, shape (n,), are the retrieval's, 0 to 1; ``whole``, shape (n,), P(yes) of the whole phrase, NaN
        where it was not asked; ``met``, shape (n, m), the verdicts' probabilities; ``is_free``, shape (m,), says for
        which of the requirements the catalog has no values. Of the phrase so much is the model's to say as the listing
        leaves open: ``left_open``, shape (n,), 0 to 1. What the listing says of the rest is in ``listed``, log-odds,
        shape (n,).
        """
        counts = np.where(is_free, self.free, 1.0)
        share = counts.mean() if len(counts) else 1.0
        phrase = left_open * share * np.nan_to_num(self.image_logit(whole)) + listed
        return np.column_stack([logit(scores), phrase, np.log(np.clip(met, LEAST_MET, 1.0)) @ counts])

    def totals(self, evidence: NDArray[np.floating]) -> NDArray[np.float64]:
        """Log-odds to rank n candidates by, shape (n,), higher is better, from their ``evidence``."""
        return np.asarray(evidence @ [self.retrieval, self.whole, self.parts])


def read_fusion_weights(path: Path) -> FusionWeights | None:
    """The ``fusion_weights`` of a JSON file, or None where file or entry is missing. Raises RerankerError if
    damaged."""
    return read_entry(path, "blend", _adapter, RerankerError)


def write_fusion_weights(path: Path, fusion_weights: FusionWeights) -> None:
    """Put a blend into a JSON file, whose other entries stay. Raises StorageError where the disk refuses."""
    write_entry(path, "blend", _adapter, fusion_weights)


_adapter = TypeAdapter(FusionWeights)

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
