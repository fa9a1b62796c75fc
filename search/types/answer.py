"""The answer to a query: hits, best first, at once or as a stream of events."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self

from vitrina.search.types.item import Item, StoredItem
from vitrina.search.types.requirement import Explanation, Requirement, Verdict


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a shopper may be about to type, and how many items have all of it in their titles and attributes."""

    text: str
    n_items: int


@dataclass(frozen=True, slots=True)
class Signals:
    """What a hit's retrieval score is made of.

    ``image`` and ``text`` say by how many standard deviations the item's best image and its text are closer to the
    query than the catalog's average item, None if it has none; ``words`` is what its words and fields added.
    """

    image: float | None
    text: float | None
    words: float


class RerankStatus(StrEnum):
    """Whether a hit, or a whole answer, was reranked."""

    NOT_ASKED = "not_asked"
    """No reranking was requested, or the hit ranks below those that are reranked, or it has no image."""
    RERANKED = "reranked"
    """Judged, and the answers could change its place."""
    JUDGED = "judged"
    """Judged, but such answers were found not to help: the hit keeps its rank, and its verdicts explain it."""
    LATE = "late"
    """The deadline passed first; the hit keeps its rank."""
    BUSY = "busy"
    """There was too much else to judge; the hit keeps its rank."""
    FAILED = "failed"
    """The reranker failed, or is suspended since it failed before; the hit keeps its rank."""


Shown = tuple[int, int | None]
"""What a hit shows: the id of an item, and the position of its variant."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An item found. ``score`` is in (0, 1), higher is better, comparable within one query; ``rank`` counts from 1.

    ``confidence`` is the probability that the item is what was asked for, comparable across queries; None if the
    encoder is not calibrated for this kind of query. What the query excludes does not affect it. A ``certain`` hit is
    what the query names by an identifier, such as a sku; it comes first, and reranking leaves it there.

    ``verdicts`` has one for each of the answer's requirements, in their order, or none at all; ``retrieval_rank`` is
    the rank before reranking, None without reranking; ``explanation`` is there if it was requested.

    ``variant`` is the position of the variant that fits the query, whose images are before the item's others; None for
    an item without variants. ``twins`` are the skus of other items with the same product photo that the hit stands for.
    """

    stored: StoredItem
    score: float
    rank: int
    signals: Signals
    confidence: float | None = None
    certain: bool = False
    verdicts: tuple[Verdict, ...] = ()
    rerank_status: RerankStatus = RerankStatus.NOT_ASKED
    retrieval_rank: int | None = None
    explanation: Explanation | None = None
    variant: int | None = None
    twins: tuple[str, ...] = ()

    @property
    def item(self) -> Item:
        """The item itself."""
        return self.stored.item

    @property
    def title(self) -> str:
        """What is shown is called so: by its variant's title, or else the item's."""
        return self.item.title_of(self.variant)

    @property
    def shown(self) -> Shown:
        """What tells the hit from every other of its answer."""
        return self.stored.id, self.variant


@dataclass(frozen=True, slots=True)
class Answer:
    """``n_candidates`` counts the items that were ranked, less those under the query's ``min_confidence``, and less
    the ``n_collapsed`` for which a twin of theirs stands;
    ``timings_ms`` has each stage and the ``total``.

    ``rerank_status`` is reranked if at least one candidate was; ``reranker`` names the model, None if no reranking was
    requested; ``rerank_note`` tells people why not all of it was done. ``requirements`` are those of the query.
    ``corrected`` has, by words of the query that no item has, the words that were taken in their place.
    """

    hits: tuple[Hit, ...]
    n_candidates: int
    no_good_match: bool
    encoder: str
    timings_ms: Mapping[str, float]
    requirements: tuple[Requirement, ...] = ()
    rerank_status: RerankStatus = RerankStatus.NOT_ASKED
    reranker: str | None = None
    rerank_note: str = ""
    n_collapsed: int = 0
    corrected: Mapping[str, str] = field(default_factory=dict)


class Stopwatch:
    """Measures stages from the moment it is made."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._stages: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage; entering it again adds to its time."""
        started = time.perf_counter()
        yield
        self._stages[name] = self._stages.get(name, 0.0) + (time.perf_counter() - started) * 1000

    def timings_ms(self) -> dict[str, float]:
        """Milliseconds per stage, and ``total`` since the start."""
        total = (time.perf_counter() - self._started) * 1000
        return {name: round(ms, 3) for name, ms in {**self._stages, "total": total}.items()}

    def together_ms(self, earlier: Mapping[str, float]) -> dict[str, float]:
        """Milliseconds per stage added to those of an ``earlier`` stopwatch, and the ``total`` of both. Of this one
        only the stages count, since the time in between may have been the client's."""
        stages = {name: round(ms + earlier.get(name, 0.0), 3) for name, ms in self._stages.items()}
        total = earlier.get("total", 0.0) + sum(self._stages.values())
        return {**earlier, **stages, "total": round(total, 3)}


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The answer in retrieval order: the first event."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Reranked:
    """The answer in its final order, its hits with verdicts; ``answer.rerank_status`` says whether the reranker
    answered."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Explained:
    """Why one hit matches or does not; ``rank`` is its final rank. ``timings_ms`` is the answer's, up to here."""

    rank: int
    sku: str
    explanation: Explanation
    timings_ms: dict[str, float]


Event = Retrieved | Reranked | Explained
"""``Retrieved``, then ``Reranked``, then an ``Explained`` for each hit that is explained, best first."""


class AnswerStream:
    """An answer's events, each computed when it is requested, by one thread at a time. Need not be read to the end.

    ``close`` may be called from any thread: it sets ``cancelled``, so that what another thread waits for is cut short,
    and is the last.
    """

    def __init__(self, events: Iterator[Event], cancelled: threading.Event | None = None) -> None:
        self._events = events
        self._cancelled = cancelled or threading.Event()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        if self._cancelled.is_set():
            raise StopIteration
        return next(self._events)

    def close(self) -> None:
        """Cancel the work under way and start no more. Closing twice is fine."""
        self._cancelled.set()


def final_answer(events: Iterable[Event]) -> Answer:
    """The final answer, its hits with their explanations. Blocks until the last event. Raises what the events raise."""
    answer: Answer | None = None
    for event in events:
        match event:
            case Retrieved(latest) | Reranked(latest):
                answer = latest
            case Explained() if answer is not None:
                answer = with_explanation(answer, event)
    assert answer is not None, "The first event has an answer."
    return answer


def with_explanation(answer: Answer, event: Explained) -> Answer:
    """The answer with one more explanation."""
    hits = tuple(replace(h, explanation=event.explanation) if h.rank == event.rank else h for h in answer.hits)
    return replace(answer, hits=hits, timings_ms=event.timings_ms)
