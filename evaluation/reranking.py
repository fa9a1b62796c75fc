"""Asking the judged queries of a search that looks at its best hits again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.query import JudgedQuery
from evaluation.running import Found, OnProgress, found_in, query_of
from search.answer import Answer, Hit, RerankState
from search.reranking.budget import Rerank
from search.reranking.engine import RerankingEngine
from search.reranking.events import Event, Reranked, Retrieved

NO_PICTURE = "It has no picture."
UNREADABLE = "Its picture cannot be looked at."


@dataclass(frozen=True, slots=True)
class Looked:
    """What one query found ``before`` and ``after`` its best hits were looked at, both from the same retrieval.

    ``n_hits`` were to be looked at; ``missed`` says in words why some were not, and of how many that is so.
    ``judge_ms`` is how long looking took; what was asked before is remembered, as in a service, and costs nothing.
    """

    before: Found
    after: Found
    n_hits: int
    missed: Mapping[str, int]
    judge_ms: float


@dataclass(frozen=True, slots=True)
class Reranking:
    """How a run was reranked: by which model, how many hits of each query, and whether it counted what the catalog
    says.

    ``n_hits`` were to be looked at over all queries, ``missed`` has those that were not, by the reason. ``median_ms``
    and ``p95_ms`` are of the time that looking took, by query.
    """

    reranker: str
    top: int
    listings: bool
    n_hits: int
    missed: Mapping[str, int]
    median_ms: float
    p95_ms: float

    @property
    def n_looked(self) -> int:
        """Hits that were looked at."""
        return self.n_hits - sum(self.missed.values())

    @property
    def sentences(self) -> tuple[str, ...]:
        """All that to people."""
        evidence = "pictures and listings" if self.listings else "pictures alone, listings hidden"
        return (
            f"Reranked by {self.reranker}: up to {self.top} hits a query, {evidence}.",
            f"Looked at {self.n_looked:,} of {self.n_hits:,} hits.",
            *(f"{n:,} {'was' if n == 1 else 'were'} not looked at: {reason}" for reason, n in self.missed.items()),
            f"Looking took {self.median_ms:,.0f} ms a query at the median, {self.p95_ms:,.0f} at the 95th percentile.",
        )


def look_at_all(
    engine: RerankingEngine, queries: Sequence[JudgedQuery], rerank: Rerank, on_progress: OnProgress
) -> list[Looked]:
    """Ask each query once, and take its answer before and after the reranker. Blocks.

    Raises what ``ask_all`` raises; a reranker that fails is told of in what was missed.
    """
    looked: list[Looked] = []
    for query in queries:
        looked.append(look(engine, query, rerank))
        on_progress(len(looked))
    return looked


def look(engine: RerankingEngine, query: JudgedQuery, rerank: Rerank) -> Looked:
    """One query's answer, before and after."""
    retrieved, reranked = both(events_of(engine, query, rerank))
    chosen = [hit for hit in retrieved.hits if hit.rank <= rerank.top]
    final = {hit.stored.id: hit for hit in reranked.hits}
    reasons = Counter(reason(final[hit.stored.id], reranked) for hit in chosen)
    del reasons[""]
    return Looked(
        found_in(retrieved), found_in(reranked), len(chosen), dict(reasons), reranked.timings_ms.get("judge", 0.0)
    )


def events_of(engine: RerankingEngine, query: JudgedQuery, rerank: Rerank) -> Iterator[Event]:
    asked = query_of(query)
    return engine.stream_similar(query.sku, asked, rerank) if query.sku else engine.stream(asked, rerank)


def both(events: Iterator[Event]) -> tuple[Answer, Answer]:
    """The retrieval's answer and the reranked one: the first two events."""
    retrieved, reranked = next(events), next(events)
    assert isinstance(retrieved, Retrieved)
    assert isinstance(reranked, Reranked)
    return retrieved.answer, reranked.answer


def reason(hit: Hit, answer: Answer) -> str:
    """Why a hit that was to be looked at was not; empty where it was."""
    if hit.rerank is RerankState.RERANKED:
        return ""
    if not hit.stored.image_ids:
        return NO_PICTURE
    if hit.rerank is RerankState.NOT_ASKED and answer.rerank is RerankState.RERANKED:
        return UNREADABLE
    return answer.rerank_note


def reranking_of(reranker: str, rerank: Rerank, looked: Sequence[Looked]) -> Reranking:
    """How one or more queries were reranked, together."""
    missed: Counter[str] = Counter()
    for each in looked:
        missed.update(each.missed)
    median_ms, p95_ms = np.percentile([each.judge_ms for each in looked], [50, 95]).tolist()
    return Reranking(
        reranker=reranker,
        top=rerank.top,
        listings=rerank.listings,
        n_hits=sum(each.n_hits for each in looked),
        missed=dict(missed.most_common()),
        median_ms=median_ms,
        p95_ms=p95_ms,
    )
