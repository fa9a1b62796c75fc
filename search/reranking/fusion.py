"""Fusion weights: how much a reranker's answers count beside retrieval and the catalog, and the order that results."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy import special

from vitrina.search.types.errors import RerankerError
from vitrina.search.types.models import read_entry, write_entry

MIN_PROBABILITY = 1e-9
"""The nearest that a probability comes to 0 or 1, so that its logit is finite."""


def logit(probabilities: float | NDArray[np.floating]) -> NDArray[np.float64]:
    """The logit of probabilities of any shape, finite even of 0 and 1; NaN stays NaN."""
    inside = np.clip(np.asarray(probabilities, np.float64), MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    return np.asarray(special.logit(inside))


def probability(logits: float | NDArray[np.floating]) -> NDArray[np.float64]:
    """The logistic function of any shape, within ``MIN_PROBABILITY`` of 0 and 1 at the nearest."""
    most = -np.log(MIN_PROBABILITY)
    return np.asarray(special.expit(np.clip(np.asarray(logits, np.float64), -most, most)))


CARD_FILE = "vitrina.json"
"""Beside a model: what Vitrina measured about it, its ``fusion_weights`` among it. Not part of the fingerprint."""

MAX_IMAGE_LOGIT = 3.0
"""An image's answer counts for no more than a probability of 0.95, and so for less than a plain word of the catalog:
small models are often sure and wrong. With 8 in place of 3, nDCG on the held-out rows changed by 0.001 at most."""

LEAST_MET = 0.02
"""The least probability that a requirement counts with: further doubt about it does not change the order."""


@dataclass(frozen=True, slots=True)
class FusionWeights:
    """Weights of a logistic fusion. ``evaluation.fusion_fitting`` fits them to a model; the defaults are cautious, for
    models that were not measured.

    ``slope`` and ``intercept`` are Platt's, from the logit of P(yes) to that of the statement's being true. A
    candidate's total is a logit: ``retrieval`` times that of its score, ``whole`` times that of the whole phrase, and
    ``parts`` times the logarithm of the product of its verdicts' probabilities. Requirements that the catalog has no
    values for, and their share of the phrase, count ``free`` times as much as others, 0 to 1: many are names of brands
    and models, which images seldom show and small models have never read. By default the phrase moves a candidate by
    0.45 at most, and each requirement that is plainly not met by 0.6.
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
        """The calibrated, clipped logit of P(yes), of any shape; NaN where there is no answer."""
        calibrated = self.slope * logit(yes) + self.intercept
        return np.asarray(np.clip(calibrated, -MAX_IMAGE_LOGIT, MAX_IMAGE_LOGIT))

    def features(
        self,
        scores: NDArray[np.floating],
        whole: NDArray[np.floating],
        met: NDArray[np.floating],
        is_free: NDArray[np.bool_],
        left_open: NDArray[np.floating] | float = 1.0,
        catalog: NDArray[np.floating] | float = 0.0,
    ) -> NDArray[np.float64]:
        """The features of n candidates that the weights multiply, logits of shape (n, 3): retrieval, phrase,
        requirements.

        ``scores``, shape (n,), are retrieval's, 0 to 1; ``whole``, shape (n,), is P(yes) of the whole phrase, NaN if it
        was not asked; ``met``, shape (n, m), are the verdicts' probabilities; ``is_free``, shape (m,), marks the
        requirements that the catalog has no values for. The model's answer to the phrase counts for the share that the
        catalog leaves open: ``left_open``, shape (n,), 0 to 1. What the catalog says of the rest is the logit
        ``catalog``, shape (n,).
        """
        counts = np.where(is_free, self.free, 1.0)
        share = counts.mean() if len(counts) else 1.0
        phrase = left_open * share * np.nan_to_num(self.image_logit(whole)) + catalog
        return np.column_stack([logit(scores), phrase, np.log(np.clip(met, LEAST_MET, 1.0)) @ counts])

    def totals(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Logits to rank n candidates by, shape (n,), higher is better, from their ``features``."""
        return np.asarray(features @ [self.retrieval, self.whole, self.parts])


def read_fusion_weights(path: Path) -> FusionWeights | None:
    """The ``fusion_weights`` of a JSON file, or None where file or entry is missing. Raises RerankerError if
    damaged."""
    return read_entry(path, "blend", _adapter, RerankerError)


def write_fusion_weights(path: Path, fusion_weights: FusionWeights) -> None:
    """Write fusion weights into a JSON file, whose other entries stay. Raises StorageError if that fails."""
    write_entry(path, "blend", _adapter, fusion_weights)


_adapter = TypeAdapter(FusionWeights)

ROUND_DECIMALS = 6
"""Totals closer than this are ties, which retrieval's order decides."""

Scores = NDArray[np.float64]


def reordered(scores: Scores, totals: Scores, judged: NDArray[np.bool_]) -> tuple[NDArray[np.int64], Scores]:
    """Positions in the new order, and the score at each position, both of shape (n,).

    ``scores`` are retrieval's, best first, 0 to 1; ``totals`` are the logits of the hits that were ``judged``, any
    number for the others. Judged hits change places only with each other, so that every other hit keeps its rank.
    Scores never rise down the order: the score of a hit that was not judged is limited by those of its judged
    neighbours.
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
