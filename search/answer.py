"""The answer to a query: hits, best first, and how they came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from search.catalog.entry import StoredItem
from search.requirements.requirement import Requirement
from search.reranking.explanation import Explanation
from search.reranking.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Signals:
    """What spoke for one hit.

    ``image`` and ``text`` say how many standard deviations its best picture and its own words lie above the catalog's
    average item, None where it has none; ``words`` is what the catalog's words and fields added.
    """

    image: float | None
    text: float | None
    words: float


class RerankState(StrEnum):
    """What became of a hit, or of a whole answer, at the hands of the reranker."""

    NOT_ASKED = "not asked"
    """It was not to be looked at: nobody asked, it stands below those that are, or has no picture."""
    RERANKED = "reranked"
    LATE = "late"
    """The deadline came first; it keeps its place."""
    FAILED = "failed"
    """The reranker failed, or is left alone since it failed before; it keeps its place."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An item found. ``score`` is in (0, 1), higher is better, comparable within one query; ``rank`` counts from 1.

    ``confidence`` is the probability that the item is what was asked for, comparable across queries; None where the
    encoder is not calibrated for this kind of query. What the query avoids has no part in it.

    ``verdicts`` has one for each of the answer's requirements, in their order, or none at all; ``retrieval_rank`` is
    the rank before reranking, None where nobody asked for it; ``explanation`` is there where it was asked for.
    """

    stored: StoredItem
    score: float
    rank: int
    signals: Signals
    confidence: float | None = None
    verdicts: tuple[Verdict, ...] = ()
    rerank: RerankState = RerankState.NOT_ASKED
    retrieval_rank: int | None = None
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """``total_considered`` counts the items that were ranked, less those under the query's ``min_confidence``;
    ``timings_ms`` has each stage and the ``total``.

    ``rerank`` is reranked where at least one candidate was; ``reranker`` names the model that was to look, None where
    nobody asked; ``rerank_note`` says in words, to people, why not all was done. ``requirements`` are what the query
    was taken apart into.
    """

    hits: tuple[Hit, ...]
    total_considered: int
    no_good_match: bool
    encoder: str
    timings_ms: Mapping[str, float]
    requirements: tuple[Requirement, ...] = ()
    rerank: RerankState = RerankState.NOT_ASKED
    reranker: str | None = None
    rerank_note: str = ""
