"""Events: an answer in the steps in which it comes about."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Self

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


class Steps:
    """An answer's events, each computed when it is asked for, by one thread at a time. May be left before the end.

    ``close`` may be called from any thread: it sets ``given_up``, so that what another thread waits for is cut short,
    and is the last.
    """

    def __init__(self, events: Iterator[Event], given_up: threading.Event | None = None) -> None:
        self._events = events
        self._given_up = given_up or threading.Event()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        if self._given_up.is_set():
            raise StopIteration
        return next(self._events)

    def close(self) -> None:
        """Begin nothing more, and end soon what is under way. Closing twice is fine."""
        self._given_up.set()


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
