"""What speaks for each candidate of a query, in the signals that a calibration weighs."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from vitrina.search.retrieval.catalog_scores import (
    ALL_WORDS_BONUS,
    ANY_WORD_BONUS,
    HOLDING_BONUS,
    NAMED_BONUS,
    ItemCatalogScores,
)
from vitrina.search.retrieval.vector_scores import Scores, VectorScores
from vitrina.search.types.calibration import CalibrationFeatures, Signal
from vitrina.search.types.item import Modality

COSINES: Mapping[Signal, tuple[Modality, Modality]] = {
    Signal.TEXT_TO_IMAGE: ("text", "image"),
    Signal.TEXT_TO_TEXT: ("text", "text"),
    Signal.IMAGE_TO_IMAGE: ("image", "image"),
    Signal.IMAGE_TO_TEXT: ("image", "text"),
}

SAID: Mapping[Signal, Signal] = {
    Signal.TEXT_TO_IMAGE: Signal.TEXT_TO_IMAGE_SAID,
    Signal.NO_IMAGE: Signal.NO_IMAGE_SAID,
}
"""What stands for a signal where the item holds all words of the query, or meets all of it by its fields."""

MAX_DOUBLINGS = 3.0
"""Eight words; past that a text describes one product, however long it goes on."""

LEAST_MATCHES: Mapping[Signal, float] = {
    Signal.ALL_WORDS: ALL_WORDS_BONUS,
    Signal.WHOLE_VALUE: HOLDING_BONUS,
    Signal.NAME: min(NAMED_BONUS.values()),
}
"""What full-text search adds to a hit at the least where each of these is so."""


def length_of(text: str) -> float:
    """How often a text of one word must double to be as long as this one, up to ``MAX_DOUBLINGS``; 0 without words."""
    return min(MAX_DOUBLINGS, math.log2(max(1, len(text.split()))))


def calibration_features(ranking: VectorScores, stated: ItemCatalogScores, text: str) -> CalibrationFeatures:
    """Every signal of every candidate, shape (n,), 0 where the query or the item lacks it. ``text`` is the query's."""
    matches = stated.words
    found: dict[Signal, Scores] = {signal: np.nan_to_num(ranking.cosines[pair]) for signal, pair in COSINES.items()}
    found[Signal.SOME_WORDS] = np.minimum(matches / ANY_WORD_BONUS, 1.0)
    for signal, least in LEAST_MATCHES.items():
        found[signal] = (matches >= least).astype(np.float64)
    found[Signal.NO_IMAGE] = np.isnan(ranking.by_modality["image"]).astype(np.float64)
    found[Signal.NO_TEXT] = np.isnan(ranking.by_modality["text"]).astype(np.float64)
    found[Signal.LENGTH] = np.full(len(matches), length_of(text))
    found[Signal.FIELDS] = stated.share_met
    said = np.maximum(found[Signal.ALL_WORDS], stated.share_met >= 1)
    for signal, where_said in SAID.items():
        found[where_said] = found[signal] * said
        found[signal] = found[signal] - found[where_said]
    return found
