"""Features: what a calibration weighs of each candidate, and of the first page as a whole."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vitrina.search.analysis.analyser import analyse
from vitrina.search.lexical.bm25 import QueryMatches
from vitrina.search.lexical.lexical_index import LexicalIndex
from vitrina.search.retrieval.catalog_scores import ItemCatalogScores
from vitrina.search.retrieval.fusion import Scores
from vitrina.search.retrieval.vector_scores import VectorScores, zero_where_nan
from vitrina.search.types.calibration import CalibrationFeatures, PageSignal, Signal
from vitrina.search.types.item import Modality
from vitrina.search.types.trust import Part
from vitrina.search.understanding.parsed_query import ParsedQuery
from vitrina.search.understanding.tokens import TokenRole, spelled_out, tokenize

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
"""The signals that take the place of others where the item has all words of the query, or its fields meet them."""

MAX_NAME_WORDS = 3
"""Longer texts describe a thing, and need not name it."""

MAX_DOUBLINGS = 3.0
"""Eight words; a longer text describes one product, whatever its length."""


def length_of(text: str) -> float:
    """The binary logarithm of a text's number of words, up to ``MAX_DOUBLINGS``; 0 without words."""
    return min(MAX_DOUBLINGS, math.log2(max(1, len(text.split()))))


def calibration_features(
    by_vectors: VectorScores, by_catalog: ItemCatalogScores, fused: Scores, text: str
) -> CalibrationFeatures:
    """Every signal of every candidate, shape (n,), 0 where the query or the item lacks it; ``text`` was searched for.

    These are the features that a calibration weighs.
    """
    parts = by_catalog.parts
    found: dict[Signal, Scores] = {signal: zero_where_nan(by_vectors.cosines[pair]) for signal, pair in COSINES.items()}
    found[Signal.SOME_WORDS] = parts[Part.WORDS]
    found[Signal.ALL_WORDS] = parts[Part.ALL_WORDS]
    found[Signal.WHOLE_VALUE] = (parts[Part.VALUE] > 0).astype(np.float64)
    found[Signal.NAME] = parts[Part.TITLE]
    found[Signal.NO_IMAGE] = np.isnan(by_vectors.by_modality["image"]).astype(np.float64)
    found[Signal.NO_TEXT] = np.isnan(by_vectors.by_modality["text"]).astype(np.float64)
    found[Signal.LENGTH] = np.full(len(by_vectors.item_ids), length_of(text))
    found[Signal.FIELDS] = by_catalog.share_met
    found[Signal.BEHIND] = fused.max(initial=-np.inf) - fused
    said = np.maximum(found[Signal.ALL_WORDS], by_catalog.share_met >= 1)
    for signal, where_said in SAID.items():
        found[where_said] = found[signal] * said
        found[signal] = found[signal] - found[where_said]
    return found


def are_unsaid(features: CalibrationFeatures) -> bool:
    """Whether no hit has an image, a word of the query in any form, or a field that meets part of it."""
    has_no_image = features[Signal.NO_IMAGE] + features[Signal.NO_IMAGE_SAID]
    return not (features[Signal.SOME_WORDS].any() or features[Signal.FIELDS].any() or not has_no_image.all())


def unnamed(parsed: ParsedQuery, lexical: LexicalIndex) -> float:
    """How far a query's text is no more than the name of a thing that no item is called, 0 to 2: 1 if no title has its
    head, and 1 if it is a known name of several words that no item holds all of. What is a value of a field is there,
    whatever titles say."""
    words = tokenize(spelled_out(parsed.query.text))
    if not 0 < len(words) <= MAX_NAME_WORDS or any(word.role is not TokenRole.PLAIN for word in words):
        return 0.0
    head = lexical.head(parsed.text)
    is_value = any(head in analyse(each.words) for each in parsed.of_text if not each.is_free)
    return 0.0 if is_value else float(lexical.lacks(parsed.text)) + float(lexical.lacks_compound(parsed.text))


def page_signals(
    parsed: ParsedQuery,
    lexical: LexicalIndex,
    matches: QueryMatches,
    features: CalibrationFeatures,
    first: NDArray[np.int64],
    item_ids: NDArray[np.int64],
) -> dict[PageSignal, float]:
    """What the hits of the first page, at positions ``first`` of the features, tell together; ``item_ids`` are theirs,
    and ``matches`` what they hold of the query's words. Nothing without hits."""
    if not len(first):
        return {}
    of_page = {
        PageSignal.LENGTH: Signal.LENGTH,
        PageSignal.WORDS: Signal.SOME_WORDS,
        PageSignal.TEXT_TO_TEXT: Signal.TEXT_TO_TEXT,
    }
    highest = {signal: float(features[of_hit][first].max()) for signal, of_hit in of_page.items()}
    return highest | {
        PageSignal.TITLES: float(matches.share_in_titles(item_ids).max()),
        PageSignal.UNNAMED: unnamed(parsed, lexical),
        PageSignal.SIZE: math.log10(max(len(lexical), 1)),
    }
