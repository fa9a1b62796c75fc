"""Fusion weights: how much a reranker's answers count beside retrieval and the catalog, and the order that results."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from vitrina.search.types import logistic
from vitrina.search.types.errors import RerankerError
from vitrina.search.types.models import read_entry, write_entry

MIN_PROBABILITY = 1e-9
"""The nearest that a probability comes to 0 or 1, so that its logit is finite."""


def logit(probabilities: float | NDArray[np.floating]) -> NDArray[np.float64]:
    """The logit of probabilities of any shape, finite even of 0 and 1; NaN stays NaN."""
    inside = np.clip(np.asarray(probabilities, np.float64), MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    return np.asarray(logistic.logit(inside))


def probability(logits: float | NDArray[np.floating]) -> NDArray[np.float64]:
    """The logistic function of any shape, within ``MIN_PROBABILITY`` of 0 and 1 at the nearest."""
    most = -np.log(MIN_PROBABILITY)
    return np.asarray(logistic.expit(np.clip(np.asarray(logits, np.float64), -most, most)))


CARD_FILE = "vitrina.json"
"""Beside a model: what Vitrina measured about it, its ``fusion_weights`` among it. Not part of the fingerprint."""

MAX_IMAGE_LOGIT = 3.0
"""An image's answer counts for no more than a probability of 0.95, and so for less than a plain word of the catalog:
small models are often sure and wrong. With 8 in place of 3, nDCG on the held-out rows changed by 0.001 at most."""


@dataclass(frozen=True, slots=True)
class RerankEvidence:
    """What a query's n best hits are reranked by, with its m requirements.

    ``scores`` (n,) are the retrieval's, 0 to 1; ``whole`` (n,) and ``parts`` (n, m) are P(yes) of the phrase and of
    each requirement, NaN if it was not asked. ``wanted`` (m,) says which are wanted, ``is_free`` (m,) for which the
    catalog has no values, and ``has_words`` (n,) which items have any. ``catalog`` (n, m) is the logit by which the
    catalog says that a requirement's words are true of an item, 0 where it is silent.
    """

    scores: NDArray[np.floating]
    whole: NDArray[np.floating]
    parts: NDArray[np.floating]
    wanted: NDArray[np.bool_]
    is_free: NDArray[np.bool_]
    catalog: NDArray[np.floating]
    has_words: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class FusionWeights:
    """Weights of a logistic fusion. ``evaluation.fusion_fitting`` fits them to a model; the defaults are cautious, for
    models that were not measured.

    ``slope`` and ``intercept`` are Platt's, from the logit of P(yes) to that of the statement's being true. A
    candidate's total is a logit: ``retrieval`` times that of its score, ``whole`` times that of the whole phrase, and
    ``parts`` times the sum of those of its requirements. What fields and texts say has its place in retrieval's score:
    where they say anything, the image counts ``known`` times as much as where the catalog leaves a requirement open, 0
    to 1. Requirements that the catalog has no values for, and their share of the phrase, count ``free`` times as much
    as others, 0 to 1: many are names of brands and models, which images seldom show and small models have never read.
    Of items that have no words at all, the phrase counts ``whole_alone`` and all requirements ``parts_alone``; without
    these, as of others.
    """

    slope: float = 1.0
    intercept: float = 0.0
    retrieval: float = 1.0
    whole: float = 0.15
    parts: float = 0.15
    free: float = 1.0
    known: float = 0.25
    source: str = ""
    whole_alone: float | None = None
    parts_alone: float | None = None

    def __post_init__(self) -> None:
        weights = (self.slope, self.free, self.known, *self.of_features)
        if not (all(math.isfinite(each) and each >= 0 for each in weights) and math.isfinite(self.intercept)):
            raise ValueError(f"weights must be 0 or more, and finite: {self}")

    def calibrated_logit(self, yes: NDArray[np.floating] | float) -> NDArray[np.float64]:
        """The calibrated logit of P(yes), of any shape; NaN where there is no answer."""
        return np.asarray(self.slope * logit(yes) + self.intercept)

    def image_logit(self, yes: NDArray[np.floating] | float) -> NDArray[np.float64]:
        """The same, clipped: what an image counts for at most."""
        return np.clip(self.calibrated_logit(yes), -MAX_IMAGE_LOGIT, MAX_IMAGE_LOGIT)

    @property
    def of_features(self) -> tuple[float, float, float, float, float]:
        """The weights of ``features``, in their order."""
        alone = tuple(
            of_alone if of_alone is not None else weight
            for weight, of_alone in ((self.whole, self.whole_alone), (self.parts, self.parts_alone))
        )
        return self.retrieval, self.whole, self.parts, alone[0], alone[1]

    def features(self, evidence: RerankEvidence) -> NDArray[np.float64]:
        """The features of n candidates that the weights multiply, logits of shape (n, 5): retrieval, then phrase and
        requirements of items with words, then of those without, 0 for the others."""
        met = np.nan_to_num(self.image_logit(evidence.parts)) * np.where(evidence.wanted, 1.0, -1.0)  # (n, m)
        counts = self._counts(evidence)
        n_asked = max(counts.shape[1], 1)
        share = counts.sum(axis=1) / n_asked if counts.shape[1] else np.ones(len(counts))
        phrase = share * np.nan_to_num(self.image_logit(evidence.whole))
        of_image = np.column_stack([phrase, (counts * met).sum(axis=1)])  # (n, 2)
        worded = evidence.has_words[:, None]
        return np.column_stack([logit(evidence.scores), np.where(worded, of_image, 0), np.where(worded, 0, of_image)])

    def can_move(self, evidence: RerankEvidence) -> NDArray[np.bool_]:
        """Whether a model's answers can change the places of n candidates, shape (n,)."""
        _, *of_image = self.of_features
        counts = self._counts(evidence)
        is_counted = counts.any(axis=1) if counts.shape[1] else np.ones(len(counts), np.bool_)
        return is_counted & np.where(evidence.has_words, any(of_image[:2]), any(of_image[2:]))

    def _counts(self, evidence: RerankEvidence) -> NDArray[np.float64]:
        """How much the image counts for each of m requirements of n candidates, shape (n, m)."""
        counts = np.where(evidence.has_words[:, None] & evidence.is_free, self.free, 1.0)
        return np.where(evidence.catalog == 0, counts, self.known)

    def totals(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Logits to rank n candidates by, shape (n,), higher is better, from their ``features``."""
        return np.asarray(features @ self.of_features)


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
