"""What goes out over HTTP and from ``vitrina search --json``, with examples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, Literal, Self

from pydantic import Field

from vitrina.api.item_answers import ItemOut, VariantOut, item_fields, variants_out
from vitrina.api.requests import JsonModel
from vitrina.search.types.answer import Answer, Explained, Hit, RerankStatus, Suggestion
from vitrina.search.types.requirement import Explanation, Requirement, Verdict

StatusOut = Literal["met", "contradicted", "unknown"]


class RequirementOut(JsonModel):
    """One part of a query that can be checked."""

    name: str = Field(description="To show to people, such as colour: navy.")
    field: str | None = Field(description="The catalog's field, or null if no field has values for the words.")
    words: str = Field(description="The shopper's words, or what the query's photo shows.")
    wanted: bool = Field(description="false for what the product must not be.")
    source: Literal["words", "photo", "item"] = Field(description="The part of the query that it was read from.")

    @classmethod
    def of(cls, requirement: Requirement) -> Self:
        field, words = requirement.field or None, requirement.words
        source = requirement.source.value
        return cls(name=requirement.name, field=field, words=words, wanted=requirement.wanted, source=source)


class VerdictOut(JsonModel):
    """Whether a hit meets one requirement, and the evidence for that."""

    requirement: str = Field(description="The requirement's name.")
    field: str | None
    words: str
    wanted: bool
    status: StatusOut
    probability: float = Field(description="The probability that the requirement is met, 0 to 1.")
    evidence: Literal["field", "image", "both", "nothing"] = Field(description="What the verdict rests on.")
    catalog_value: str | None = Field(description="What the catalog says.")
    image_value: str | None = Field(description="What the image shows.")
    disagreement: str | None = Field(description="How catalog and image disagree, in words; null if they agree.")

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        requirement = verdict.requirement
        return cls(
            requirement=requirement.name,
            field=requirement.field or None,
            words=requirement.words,
            wanted=requirement.wanted,
            status=verdict.status.value,
            probability=round(verdict.probability, 4),
            evidence=verdict.evidence.value,
            catalog_value=verdict.catalog_value,
            image_value=verdict.image_value,
            disagreement=verdict.disagreement,
        )


class ExplanationOut(JsonModel):
    """The verdicts in one or two sentences."""

    text: str
    written_by: Literal["model", "template"] = Field(
        description="model if the verdicts support everything that the model wrote; otherwise template, and the "
        "text is made from the verdicts."
    )

    @classmethod
    def of(cls, explanation: Explanation) -> Self:
        return cls(text=explanation.text, written_by=explanation.written_by.value)


class SignalsOut(JsonModel):
    """What a hit's score is made of: standard deviations above the catalog's average item by image and by text;
    ``words`` is what words and attributes added."""

    image: float | None
    text: float | None
    words: float


class HitOut(ItemOut):
    """An item found."""

    title: str = Field(description="What is shown is called so: by the title of the variant that fits, or the item's.")
    item_title: str = Field(description="The item's own title, which those of its variants have that have no other.")
    score: float = Field(description="0 to 1, higher is better; comparable within one query only.")
    rank: int
    confidence: float | None = Field(
        description="The probability that this is what the query asks for, comparable across queries; "
        "null if the encoder is not calibrated for this kind of query."
    )
    certain: bool = Field(
        description="Whether the query names this item by an identifier (sku, barcode, model number) or is its photo."
    )
    signals: SignalsOut
    variant: VariantOut | None = Field(
        description="The variant that fits the query; image_url and the first of image_urls are its image. Null for an "
        "item without variants."
    )
    twins: list[str] = Field(description="Skus of other items with the same product photo that this hit stands for.")
    verdicts: list[VerdictOut] = Field(description="One for each of the answer's requirements, or none at all.")
    explanation: ExplanationOut | None
    rerank_status: RerankStatus = Field(
        description="reranked if the model could move this hit; all others keep their rank."
    )
    retrieval_rank: int | None = Field(description="The rank before reranking, null without reranking.")

    @classmethod
    def of_hit(cls, hit: Hit) -> Self:
        signals = {name: rounded(getattr(hit.signals, name)) for name in ("image", "text", "words")}
        variants = variants_out(hit.stored)
        return cls.model_validate(
            {
                **item_fields(hit.stored),
                "title": hit.title,
                "item_title": hit.item.title,
                "variant": None if hit.variant is None else variants[hit.variant],
                "score": round(hit.score, 6),
                "rank": hit.rank,
                "confidence": rounded(hit.confidence),
                "certain": hit.certain,
                "signals": signals,
                "twins": list(hit.twins),
                "verdicts": [VerdictOut.of(verdict) for verdict in hit.verdicts],
                "explanation": None if hit.explanation is None else ExplanationOut.of(hit.explanation),
                "rerank_status": hit.rerank_status,
                "retrieval_rank": hit.retrieval_rank,
            }
        )


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


class AnswerOut(JsonModel):
    """The hits, best first, and how they were found."""

    hits: list[HitOut]
    n_candidates: int = Field(description="How many items were ranked, without those below min_confidence.")
    no_good_match: bool = Field(description="Whether nothing in the catalog seems to be what the query asks for.")
    n_collapsed: int = Field(
        description="How many items, on all pages, are not among the hits since a twin of theirs is."
    )
    corrected: dict[str, str] = Field(
        description="By words of the query that no item has: the words that were taken in their place."
    )
    encoder: str
    timings_ms: dict[str, float] = Field(description="Milliseconds of each stage, and the total.")
    requirements: list[RequirementOut] = Field(description="The parts of the query that ranking and reranking checked.")
    rerank_status: RerankStatus = Field(description="reranked if at least one hit was, else judged if one was.")
    reranker: str | None = Field(description="The model that was to rerank, null without reranking.")
    rerank_note: str = Field(description="Why not everything was reranked, in words; empty if it was.")

    @classmethod
    def of(cls, answer: Answer) -> Self:
        return cls(
            hits=[HitOut.of_hit(hit) for hit in answer.hits],
            n_candidates=answer.n_candidates,
            no_good_match=answer.no_good_match,
            n_collapsed=answer.n_collapsed,
            corrected=dict(answer.corrected),
            encoder=answer.encoder,
            timings_ms=dict(answer.timings_ms),
            requirements=[RequirementOut.of(requirement) for requirement in answer.requirements],
            rerank_status=answer.rerank_status,
            reranker=answer.reranker,
            rerank_note=answer.rerank_note,
        )


class ExplanationEventOut(JsonModel):
    """The explanation of one hit in the reranked order."""

    rank: int
    sku: str
    explanation: ExplanationOut
    timings_ms: dict[str, float] = Field(description="The answer's timings so far.")

    @classmethod
    def of(cls, event: Explained) -> Self:
        explanation = ExplanationOut.of(event.explanation)
        return cls(rank=event.rank, sku=event.sku, explanation=explanation, timings_ms=event.timings_ms)


class DoneOut(JsonModel):
    """The end of the stream."""

    timings_ms: dict[str, float] = Field(description="The whole answer's timings.")


_VERDICTS: Final[list[dict[str, Any]]] = [
    {
        "requirement": "colour: navy",
        "field": "colour",
        "words": "navy",
        "wanted": True,
        "status": "unknown",
        "probability": 0.52,
        "evidence": "both",
        "catalog_value": "Navy Blue",
        "image_value": "black",
        "disagreement": "listing says Navy Blue, photo looks black",
    },
    {
        "requirement": "pattern: not striped",
        "field": "pattern",
        "words": "striped",
        "wanted": False,
        "status": "met",
        "probability": 0.97,
        "evidence": "image",
        "catalog_value": None,
        "image_value": None,
        "disagreement": None,
    },
]

_EXPLANATION: Final = {
    "text": "It is not striped. The listing says Navy Blue, but in the photo it looks black.",
    "written_by": "template",
}

_TIMINGS: Final = {"encode": 6.1, "vectors": 1.9, "judge": 412.5, "explain": 96.2, "total": 524.8}

_VARIANT: Final = {
    "sku": "A-17-M",
    "options": {"size": "M"},
    "price_cents": 4990,
    "currency": "EUR",
    "identifiers": ["4006381333931"],
    "url": None,
    "title": "",
    "image_url": None,
}

ANSWER: Final[dict[str, Any]] = {
    "hits": [
        {
            "sku": "A-17",
            "title": "Linen Shirt",
            "item_title": "Linen Shirt",
            "description": "",
            "attributes": {"colour": "Navy Blue"},
            "price_cents": 4990,
            "max_price_cents": 4990,
            "currency": "EUR",
            "url": None,
            "image_url": "/v1/images/5f2c?size=512",
            "image_urls": ["/v1/images/5f2c?size=512"],
            "variants": [_VARIANT],
            "variant": _VARIANT,
            "twins": [],
            "score": 0.81,
            "rank": 1,
            "confidence": 0.74,
            "certain": False,
            "signals": {"image": 2.1, "text": 1.4, "words": 0.9},
            "verdicts": _VERDICTS,
            "explanation": _EXPLANATION,
            "rerank_status": "reranked",
            "retrieval_rank": 3,
        }
    ],
    "n_candidates": 1,
    "no_good_match": False,
    "n_collapsed": 0,
    "corrected": {},
    "encoder": "embedded",
    "timings_ms": _TIMINGS,
    "requirements": [
        {"name": "colour: navy", "field": "colour", "words": "navy", "wanted": True, "source": "words"},
        {
            "name": "pattern: not striped",
            "field": "pattern",
            "words": "striped",
            "wanted": False,
            "source": "words",
        },
    ],
    "rerank_status": "reranked",
    "reranker": "Qwen/Qwen3-VL-2B-Instruct",
    "rerank_note": "",
}
"""An answer to ``navy shirt, not striped``."""

_EVENT_DATA: Final[dict[str, Any]] = {
    "retrieved": {"hits": ["..."], "rerank_status": "not_asked"},
    "reranked": {"hits": ["..."], "rerank_status": "reranked"},
    "explanation": {"rank": 1, "sku": "A-17", "explanation": _EXPLANATION, "timings_ms": _TIMINGS},
    "done": {"timings_ms": _TIMINGS},
}

EVENTS: Final = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in _EVENT_DATA.items())
"""The same answer as a stream of events, without its hits."""


class SuggestionOut(JsonModel):
    text: str = Field(description="A whole query to search for.")
    count: int = Field(description="How many items have all of it in their titles and attributes.")


class SuggestionsOut(JsonModel):
    """What a text may become, kinds of things first and then what most items have; empty where nothing begins so."""

    model_config = JsonModel.model_config | {
        "json_schema_extra": {
            "examples": [{"suggestions": [{"text": "navy shirts", "count": 41}, {"text": "navy shoes", "count": 12}]}]
        }
    }

    suggestions: list[SuggestionOut]

    @classmethod
    def of(cls, suggestions: Sequence[Suggestion]) -> Self:
        return cls(suggestions=[SuggestionOut(text=each.text, count=each.n_items) for each in suggestions])
