"""The answer to a query: hits, best first, and how they came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from search.catalog.entry import StoredItem


@dataclass(frozen=True, slots=True)
class Signals:
    """What spoke for one hit.

    ``image`` and ``text`` say how many standard deviations its best picture and its own words lie above the catalog's
    average item, None where it has none; ``words`` is what full-text search added.
    """

    image: float | None
    text: float | None
    words: float


@dataclass(frozen=True, slots=True)
class Hit:
    """An item found. ``score`` is in (0, 1), higher is better, comparable within one query; ``rank`` counts from 1.

    ``confidence`` is the probability that the item is what was asked for, comparable across queries; None where the
    encoder is not calibrated for this kind of query. What the query avoids has no part in it.
    """

    stored: StoredItem
    score: float
    rank: int
    signals: Signals
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """``total_considered`` counts the items that were ranked, less those under the query's ``min_confidence``;
    ``timings_ms`` has each stage and the ``total``."""

    hits: tuple[Hit, ...]
    total_considered: int
    no_good_match: bool
    encoder: str
    timings_ms: Mapping[str, float]
