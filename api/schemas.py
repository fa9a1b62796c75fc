"""What travels over HTTP, and what ``vitrina search --json`` prints."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from vitrina.api.rerankers import RerankerStatus
from vitrina.search.types.answer import Answer, Hit, RerankState
from vitrina.search.types.item import AttributeValue, StoredItem
from vitrina.search.types.query import MAX_DEADLINE_MS, MAX_EXPLAIN, MAX_EXPLAIN_MS, MAX_TEXT_CHARS, MAX_TOP, WINDOW
from vitrina.search.types.requirement import Explanation, Requirement, Verdict


class WireModel(BaseModel):
    """Knows its fields and no others, and neither changes nor holds infinities."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


StateOut = Literal["not_asked", "reranked", "late", "failed"]
STATES: dict[RerankState, StateOut] = {
    RerankState.NOT_ASKED: "not_asked",
    RerankState.RERANKED: "reranked",
    RerankState.LATE: "late",
    RerankState.FAILED: "failed",
}

WholeNumber = Annotated[int, Field(strict=True)]


class RerankIn(WireModel):
    """How much looking a query pays for; what is left out is as usual here."""

    top: WholeNumber | None = Field(None, description=f"How many of the best hits are looked at, 1 to {MAX_TOP}.")
    deadline_ms: WholeNumber | None = Field(
        None, description=f"How long that may take, 1 to {MAX_DEADLINE_MS:,}; what is not ready keeps its place."
    )
    explain: WholeNumber | None = Field(None, description=f"How many hits are explained, 0 to {MAX_EXPLAIN}.")
    explain_ms: WholeNumber | None = Field(
        None, description=f"How long all explanations may take in addition, 1 to {MAX_EXPLAIN_MS:,}."
    )


def way_of_asking(value: object) -> str | None:
    """Which of its forms ``rerank`` or ``explain`` has, so that errors speak of that one alone."""
    if value is None or isinstance(value, bool):
        return "switch"
    return "number" if isinstance(value, int) else "budget" if isinstance(value, dict | RerankIn) else None


Switch = Annotated[bool | None, Tag("switch")]

RerankOption = Annotated[
    Switch | Annotated[RerankIn, Tag("budget")],
    Discriminator(
        way_of_asking,
        custom_error_type="rerank",
        custom_error_message='Write true, false, or {"top": 20, "deadline_ms": 800, "explain": 5}',
    ),
]

ExplainOption = Annotated[
    Switch | Annotated[int, Tag("number")],
    Discriminator(
        way_of_asking, custom_error_type="explain", custom_error_message="Write true, false, or a whole number"
    ),
]


class RequirementOut(WireModel):
    """One checkable part of a query."""

    name: str = Field(description="For people: colour: navy.")
    field: str | None = Field(description="The catalog's field, null for words that no field has values for.")
    words: str = Field(description="What was asked for, in the shopper's words, or what the query's photo shows.")
    wanted: bool = Field(description="false for what must not be so.")

    @classmethod
    def of(cls, requirement: Requirement) -> Self:
        field, words = requirement.field or None, requirement.words
        return cls(name=requirement.name, field=field, words=words, wanted=requirement.wanted)


class VerdictOut(WireModel):
    """Whether a hit meets one requirement, and how that is known."""

    requirement: str = Field(description="The requirement's name.")
    field: str | None
    words: str
    wanted: bool
    status: Literal["met", "contradicted", "unknown"]
    probability: float = Field(description="That the requirement is met, 0 to 1.")
    evidence: Literal["field", "image", "both", "nothing"] = Field(description="What the verdict rests on.")
    listed: str | None = Field(description="What the catalog says.")
    seen: str | None = Field(description="What the picture looks like.")
    disagreement: str | None = Field(description="Where listing and picture disagree, how, in words.")

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
            listed=verdict.catalog_value,
            seen=verdict.image_value,
            disagreement=verdict.disagreement,
        )


class ExplanationOut(WireModel):
    """The verdicts in one or two sentences."""

    text: str
    written_by: Literal["model", "template"] = Field(
        description="The model, where it said nothing that no verdict supports; else made from the verdicts."
    )

    @classmethod
    def of(cls, explanation: Explanation) -> Self:
        return cls(text=explanation.text, written_by=explanation.written_by.value)


def state_of(state: RerankState) -> StateOut:
    return STATES[state]


HIT_IMAGE_PX = 512
"""The size that image URLs in answers ask for."""


class SkuReference(WireModel):
    """An item of the catalog whose pictures to search by."""

    sku: str


class WeightsIn(WireModel):
    text: float = Field(1.0, ge=0, le=10, description="Weight of the words.")
    image: float = Field(1.0, ge=0, le=10, description="Weight of all pictures together.")
    without: float = Field(0.5, ge=0, le=10, description="Weight of what to avoid.")


class SearchRequest(WireModel):
    """A query: words, pictures, or both."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "text": "navy linen shirt",
                    "without": "striped",
                    "filters": {"price_cents": {"lt": 6000}},
                    "limit": 5,
                },
                {"images": [{"sku": "shirt-0042"}], "text": "in red"},
                {"text": "navy linen shirt", "rerank": {"top": 20, "deadline_ms": 800, "explain": 5}},
            ]
        },
    )

    text: str = Field("", description=f"What is wanted, in words; at most {MAX_TEXT_CHARS} characters.")
    images: list[str | SkuReference] = Field(
        default_factory=list, description='Pictures: data URIs ("data:image/jpeg;base64,...") or {"sku": ...}.'
    )
    without: str = Field("", description="What to avoid, in words.")
    filters: dict[str, object] = Field(
        default_factory=dict,
        description='Field to value, list of values, {"gte": 1, "lt": 5}, {"not": ...} or {"exists": true}.',
    )
    weights: WeightsIn = WeightsIn()
    limit: int = Field(10, description=f"How many hits, 1 to {WINDOW}.")
    offset: int = Field(0, description="How many of the best to skip.")
    min_confidence: float = Field(0, ge=0, le=1, description="Leave out hits whose confidence is lower.")
    rerank: RerankOption = Field(
        None, description="Let a vision-language model look at the best hits again; true takes the usual budget."
    )
    explain: ExplainOption = Field(
        None, description="How many of the hits to explain, which reranks them too; true for the usual number."
    )


class ItemIn(WireModel):
    """An item to add or replace."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "title": "Linen Shirt in Navy Blue",
                    "attributes": {"colour": "navy blue", "material": "linen"},
                    "price_cents": 4990,
                    "currency": "EUR",
                    "images": ["data:image/jpeg;base64,..."],
                }
            ]
        },
    )

    title: str = ""
    description: str = ""
    attributes: dict[str, str | int | float | bool | list[str | int | float | bool]] = Field(default_factory=dict)
    price_cents: Annotated[int, Field(ge=0)] | None = None
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None
    url: str | None = None
    images: list[str] = Field(default_factory=list, description="Data URIs or public http(s) URLs, the main one first.")


class ItemOut(WireModel):
    """An item as the catalog holds it."""

    sku: str
    title: str
    description: str
    attributes: dict[str, AttributeValue]
    price_cents: int | None
    currency: str | None
    url: str | None
    image_url: str | None
    image_urls: list[str]

    @classmethod
    def of(cls, stored: StoredItem) -> Self:
        return cls.model_validate(item_fields(stored))


class SignalsOut(WireModel):
    """What spoke for a hit, in standard deviations above the catalog's average item; ``words`` is full text's bonus."""

    image: float | None
    text: float | None
    words: float


class HitOut(ItemOut):
    """An item found."""

    score: float = Field(description="0 to 1, higher is better; compares hits of one query only.")
    rank: int
    confidence: float | None = Field(
        description="The probability that this is what was asked for, comparable across queries; "
        "null where the encoder is not calibrated for this kind of query."
    )
    signals: SignalsOut
    verdicts: list[VerdictOut] = Field(description="One for each of the answer's requirements, or none at all.")
    explanation: ExplanationOut | None
    reranked: StateOut = Field(description="What became of this hit; all but those reranked keep their place.")
    retrieval_rank: int | None = Field(description="The rank before reranking, null where nobody asked for it.")

    @classmethod
    def of_hit(cls, hit: Hit) -> Self:
        signals = {name: rounded(getattr(hit.signals, name)) for name in ("image", "text", "words")}
        return cls.model_validate(
            {
                **item_fields(hit.stored),
                "score": round(hit.score, 6),
                "rank": hit.rank,
                "confidence": rounded(hit.confidence),
                "signals": signals,
                "verdicts": [VerdictOut.of(verdict) for verdict in hit.verdicts],
                "explanation": None if hit.explanation is None else ExplanationOut.of(hit.explanation),
                "reranked": state_of(hit.rerank),
                "retrieval_rank": hit.retrieval_rank,
            }
        )


class AnswerOut(WireModel):
    """The hits, best first, and how they came about."""

    hits: list[HitOut]
    total_considered: int = Field(description="How many items were ranked, less those under min_confidence.")
    no_good_match: bool = Field(description="Whether nothing in the catalog seems to be what was asked for.")
    encoder: str
    timings_ms: dict[str, float] = Field(description="Milliseconds of each stage, and the total.")
    requirements: list[RequirementOut] = Field(description="What the query was taken apart into for reranking.")
    reranked: StateOut = Field(description="reranked where at least one hit was.")
    reranker: str | None = Field(description="The model that was to look again, null where nobody asked.")
    rerank_note: str = Field(description="Why not all was looked at, in words; empty where it was.")

    @classmethod
    def of(cls, answer: Answer) -> Self:
        return cls(
            hits=[HitOut.of_hit(hit) for hit in answer.hits],
            total_considered=answer.total_considered,
            no_good_match=answer.no_good_match,
            encoder=answer.encoder,
            timings_ms=dict(answer.timings_ms),
            requirements=[RequirementOut.of(requirement) for requirement in answer.requirements],
            reranked=state_of(answer.rerank),
            reranker=answer.reranker,
            rerank_note=answer.rerank_note,
        )


class ErrorBody(WireModel):
    code: str
    message: str
    remedy: str
    details: dict[str, object]


class ErrorOut(WireModel):
    """The one shape of every error."""

    error: ErrorBody


class RerankerOut(WireModel):
    """The reranker: how far it is, and once it is ready what it can do."""

    name: str
    status: Literal["opening", "ready", "failed"]
    scoring: str | None = Field(None, description="logits, or grades where a server shows no logits.")
    writes: bool = Field(False, description="Whether explanations can be in its own words.")
    boxes: bool = Field(False, description="Whether it can say where in a picture something shows.")
    problem: str | None = Field(None, description="Why it could not be opened.")
    remedy: str | None = None

    @classmethod
    def of(cls, status: RerankerStatus) -> Self:
        able, problem = status.capabilities, status.problem
        return cls(
            name=status.name,
            status=status.readiness.value,
            scoring=able.scoring if able else None,
            writes=able.writes if able else False,
            boxes=able.boxes if able else False,
            problem=problem.message if problem else None,
            remedy=problem.remedy if problem else None,
        )


class HealthOut(WireModel):
    status: Literal["ok", "ready"]
    items: int | None = None
    encoder: str | None = None
    reranker: RerankerOut | None = Field(None, description="null where hits are not reranked.")


def item_fields(stored: StoredItem) -> dict[str, object]:
    item = stored.item
    image_urls = [f"/v1/images/{quote(image_id)}?size={HIT_IMAGE_PX}" for image_id in stored.image_ids]
    return {
        "sku": item.sku,
        "title": item.title,
        "description": item.description,
        "attributes": dict(item.attributes),
        "price_cents": item.price_cents,
        "currency": item.currency,
        "url": item.url,
        "image_url": image_urls[0] if image_urls else None,
        "image_urls": image_urls,
    }


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
