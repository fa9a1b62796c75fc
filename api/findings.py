"""How reranking is asked for, and what it finds, as it travels over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag

from api.wire_model import WireModel
from search.answer import RerankState
from search.requirements.requirement import Requirement
from search.reranking.budget import MAX_DEADLINE_MS, MAX_EXPLAIN, MAX_EXPLAIN_MS, MAX_TOP
from search.reranking.explanation import Explanation
from search.reranking.verdict import Verdict

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
    standing: Literal["met", "contradicted", "unknown"]
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
            standing=verdict.standing.value,
            probability=round(verdict.probability, 4),
            evidence=verdict.evidence.value,
            listed=verdict.listed,
            seen=verdict.seen,
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
