"""Why an item has its rank for a query, also one that is not among the hits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from vitrina.search.types.answer import RerankStatus
from vitrina.search.types.item import StoredItem
from vitrina.search.types.requirement import Requirement, Verdict
from vitrina.search.types.trust import Part


class Placement(StrEnum):
    """Where an item is in the answer to a query."""

    HIT = "hit"
    """Among the hits of the page that was asked for."""
    OTHER_PAGE = "other_page"
    NOT_A_CANDIDATE = "not_a_candidate"
    """Others were closer in every way, and only those are ranked."""
    NOT_RELEVANT = "not_relevant"
    """The hits are sorted by something else than relevance, which is only done with relevant ones."""
    BELOW_MIN_CONFIDENCE = "below_min_confidence"
    FILTERED = "filtered"
    """It fails a filter."""
    EXCLUDED = "excluded"
    """The query excludes its sku, as one for similar items does."""

    @property
    def is_found(self) -> bool:
        """Whether some page of the answer has the item."""
        return self in (Placement.HIT, Placement.OTHER_PAGE)


@dataclass(frozen=True, slots=True)
class PartRank:
    """One part of an item's score: its ``score`` in it, and its ``rank`` among the candidates by that alone, equal ones
    sharing the best, None for one that has nothing of it.

    ``contribution`` is what it adds to the total, weighted; ``gap`` is by how much more it adds to the total of the
    item at the end of the page, in whose place this one is not (below 0 where this one has more).
    """

    part: Part
    score: float
    rank: int | None
    contribution: float
    gap: float


@dataclass(frozen=True, slots=True)
class FailedFilter:
    """A condition that an item fails: ``condition`` in words, ``colour=red``, and what the item has instead, also in
    words: ``its colour is blue``."""

    field: str
    condition: str
    reason: str


@dataclass(frozen=True, slots=True)
class RankExplanation:
    """Why an item is, or is not, among the hits of a query; ``sentence`` says it.

    ``rank`` counts from 1 among ``n_candidates``. It is the final rank of an item that some page has; of another, the
    rank that retrieval would give it if it passed the filters and nothing excluded it, None where nothing is ranked.
    ``retrieval_rank`` is the one before reranking, None without reranking. ``score`` and ``confidence`` are a hit's.
    ``parts`` are those that count for this query, and ``penalty`` is what was taken from the total since the item has
    what is to be avoided, ``avoided``. ``words`` has the words that were searched for, and whether the item holds each,
    in whatever form. ``verdicts`` has one for each requirement, by the photo too if ``rerank_status`` is reranked.
    ``variant`` is the position of the variant that a hit would show, whose images come first.
    """

    stored: StoredItem
    placement: Placement
    sentence: str
    rank: int | None
    n_candidates: int
    score: float
    encoder: str
    timings_ms: Mapping[str, float]
    confidence: float | None = None
    certain: bool = False
    retrieval_rank: int | None = None
    parts: tuple[PartRank, ...] = ()
    penalty: float = 0.0
    avoided: tuple[str, ...] = ()
    words: Mapping[str, bool] = field(default_factory=dict)
    failed_filters: tuple[FailedFilter, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    rerank_status: RerankStatus = RerankStatus.NOT_ASKED
    reranker: str | None = None
    rerank_note: str = ""
    variant: int | None = None

    @property
    def title(self) -> str:
        """What a hit would be called."""
        return self.stored.item.title_of(self.variant)
