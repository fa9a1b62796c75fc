"""Rank explanations over HTTP and from ``vitrina explain --json``, with an example."""

from __future__ import annotations

from typing import Any, Final, Self

from pydantic import Field

from vitrina.api.answers import RequirementOut, VerdictOut, rounded
from vitrina.api.item_answers import ItemOut, VariantOut, variants_out
from vitrina.api.requests import JsonModel
from vitrina.search.types.answer import RerankStatus
from vitrina.search.types.rank_explanation import FailedFilter, PartRank, Placement, RankExplanation


class PartRankOut(JsonModel):
    """One part of the item's score."""

    part: str = Field(description="text vectors, image vectors, BM25, words, whole title, whole value or fields.")
    score: float = Field(description="By vectors in standard deviations above the average item, else 0 to 1.")
    rank: int | None = Field(description="The rank by this part alone; null if the item has nothing of it.")
    contribution: float = Field(description="What the part, weighted, adds to the total.")
    gap: float = Field(description="By how much more it adds to the total of the last hit of the page.")

    @classmethod
    def of(cls, part: PartRank) -> Self:
        return cls(
            part=part.part.value,
            score=round(part.score, 4),
            rank=part.rank,
            contribution=round(part.contribution, 4),
            gap=round(part.gap, 4),
        )


class FailedFilterOut(JsonModel):
    """A filter that the item fails, in words."""

    field: str
    condition: str
    reason: str

    @classmethod
    def of(cls, failed: FailedFilter) -> Self:
        return cls(field=failed.field, condition=failed.condition, reason=failed.reason)


class RankExplanationOut(JsonModel):
    """Why an item is, or is not, among the hits of a search."""

    item: ItemOut
    title: str = Field(description="What a hit would be called: as its variant that fits the search, or as the item.")
    variant: VariantOut | None = Field(
        description="The variant that fits the search, whose image is the item's first here; null without variants."
    )
    sentence: str = Field(description="The reason in one sentence.")
    placement: Placement = Field(
        description="hit: on the page that was asked for; not_a_candidate: others come closer in every way; "
        "not_relevant: the hits are sorted otherwise than by relevance, and it is not among the relevant ones."
    )
    rank: int | None = Field(
        description="The final rank; of an item that no page has, the rank that it would have if it passed the filters "
        "and nothing excluded it; null where nothing is ranked."
    )
    retrieval_rank: int | None = Field(description="The rank before reranking, null without reranking.")
    n_candidates: int = Field(description="How many items are ranked, this one included.")
    score: float
    confidence: float | None
    certain: bool
    parts: list[PartRankOut] = Field(description="The parts of the score that count for this search.")
    penalty: float = Field(description="What is taken from the total for what is to be avoided, and of accessories.")
    avoided: list[str] = Field(description="What of the item is to be avoided, another price than was asked for, too.")
    words: dict[str, bool] = Field(description="The words that were searched for, and whether the item holds each.")
    failed_filters: list[FailedFilterOut]
    requirements: list[RequirementOut]
    verdicts: list[VerdictOut] = Field(description="One for each requirement.")
    rerank_status: RerankStatus = Field(description="reranked if the verdicts rest on the photo, too.")
    reranker: str | None
    rerank_note: str = Field(description="Why the photo was not judged, in words; empty if it was.")
    encoder: str
    timings_ms: dict[str, float]

    @classmethod
    def of(cls, explained: RankExplanation) -> Self:
        return cls(
            item=ItemOut.of(explained.stored),
            title=explained.title,
            variant=None if explained.variant is None else variants_out(explained.stored)[explained.variant],
            sentence=explained.sentence,
            placement=explained.placement,
            rank=explained.rank,
            retrieval_rank=explained.retrieval_rank,
            n_candidates=explained.n_candidates,
            score=round(explained.score, 6),
            confidence=rounded(explained.confidence),
            certain=explained.certain,
            parts=[PartRankOut.of(part) for part in explained.parts],
            penalty=round(explained.penalty, 4),
            avoided=list(explained.avoided),
            words=dict(explained.words),
            failed_filters=[FailedFilterOut.of(failed) for failed in explained.failed_filters],
            requirements=[RequirementOut.of(each) for each in explained.requirements],
            verdicts=[VerdictOut.of(verdict) for verdict in explained.verdicts],
            rerank_status=explained.rerank_status,
            reranker=explained.reranker,
            rerank_note=explained.rerank_note,
            encoder=explained.encoder,
            timings_ms=dict(explained.timings_ms),
        )


RANK_EXPLANATION: Final[dict[str, Any]] = {
    "item": {
        "sku": "A-17",
        "title": "Linen Shirt",
        "description": "",
        "attributes": {"colour": "Blue"},
        "price_cents": 4990,
        "max_price_cents": 4990,
        "currency": "EUR",
        "url": None,
        "image_url": "/v1/images/5f2c?size=512",
        "image_urls": ["/v1/images/5f2c?size=512"],
        "variants": [],
    },
    "title": "Linen Shirt",
    "variant": None,
    "sentence": "It is 34th of 812: its words hold only “shirt” of “red striped shirt”; it is blue, not red.",
    "placement": "other_page",
    "rank": 34,
    "retrieval_rank": None,
    "n_candidates": 812,
    "score": 0.62,
    "confidence": 0.08,
    "certain": False,
    "parts": [
        {"part": "text vectors", "score": 1.31, "rank": 57, "contribution": 0.61, "gap": 0.42},
        {"part": "image vectors", "score": 0.94, "rank": 80, "contribution": 0.5, "gap": 0.7},
        {"part": "words", "score": 0.31, "rank": 29, "contribution": 0.16, "gap": 0.2},
        {"part": "fields", "score": 0.0, "rank": None, "contribution": 0.0, "gap": 0.99},
    ],
    "penalty": 0.0,
    "avoided": [],
    "words": {"red": False, "striped": False, "shirt": True},
    "failed_filters": [],
    "requirements": [{"name": "colour: red", "field": "colour", "words": "red", "wanted": True, "source": "words"}],
    "verdicts": [
        {
            "requirement": "colour: red",
            "field": "colour",
            "words": "red",
            "wanted": True,
            "status": "contradicted",
            "probability": 0.05,
            "evidence": "field",
            "catalog_value": "Blue",
            "image_value": None,
            "disagreement": None,
        }
    ],
    "rerank_status": "not_asked",
    "reranker": None,
    "rerank_note": "",
    "encoder": "embedded",
    "timings_ms": {"encode": 6.1, "vectors": 1.9, "rank": 1.2, "explain": 0.4, "total": 11.3},
}
"""Why a blue shirt is not among the hits for ``red striped shirt``."""
