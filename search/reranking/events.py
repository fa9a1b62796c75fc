"""Events: an answer in the steps in which it comes about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from search.answer import Answer
from search.reranking.explanation import Explanation


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The answer in the retrieval's order, at once: the first event."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Reranked:
    """The answer in its final order, its hits with verdicts; ``answer.rerank`` says whether the reranker answered."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Explained:
    """Why one hit of the final order fits or does not; ``rank`` is its rank there. ``timings_ms`` is the answer's, up
    to here."""

    rank: int
    sku: str
    explanation: Explanation
    timings_ms: dict[str, float]


Event = Retrieved | Reranked | Explained
"""``Retrieved``, then ``Reranked``, then an ``Explained`` for each hit that is explained, best first."""


def drained(events: Iterable[Event]) -> Answer:
    """The final answer, its hits with their explanations. Blocks until the last event. Raises what the events raise."""
    answer: Answer | None = None
    for event in events:
        match event:
            case Retrieved(latest) | Reranked(latest):
                answer = latest
            case Explained() if answer is not None:
                answer = explained(answer, event)
    assert answer is not None, "The first event has an answer."
    return answer


def explained(answer: Answer, event: Explained) -> Answer:
    """The answer with one explanation more."""
    hits = tuple(replace(h, explanation=event.explanation) if h.rank == event.rank else h for h in answer.hits)
    return replace(answer, hits=hits, timings_ms=event.timings_ms)
