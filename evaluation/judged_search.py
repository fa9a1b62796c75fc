"""Searching for judged queries, plain or reranked, with the result of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from vitrina.evaluation.judgements import JudgedQuery
from vitrina.evaluation.metrics import DEPTH
from vitrina.search.engine import SearchEngine
from vitrina.search.images.decode import decode_image
from vitrina.search.types.answer import Answer, Event, Hit, Reranked, RerankStatus, Retrieved
from vitrina.search.types.errors import ImageError
from vitrina.search.types.query import Query, RerankOptions

MEASURING_DEADLINE_S = 600.0
"""The deadline of one query while rerankers are measured: large models on a CPU take minutes for 20 candidates."""

OnProgress = Callable[[int], None]
"""Called after each query with how many are done."""


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What one query found, best first: the skus, and the confidence of each, None without a calibration."""

    skus: tuple[str, ...]
    confidences: tuple[float | None, ...]


def search_all(engine: SearchEngine, queries: Sequence[JudgedQuery], on_progress: OnProgress) -> list[QueryResult]:
    """Search for each query to ``DEPTH``, as a shopper would. Blocks.

    Raises ImageError for an image that cannot be read, QueryError for a query past the engine's limits.
    """
    found: list[QueryResult] = []
    for query in queries:
        found.append(result_of(engine.search(query_of(query))))
        on_progress(len(found))
    return found


def query_of(judged: JudgedQuery) -> Query:
    """What a shopper would ask for the first ``DEPTH``; an item asks for similar ones, itself excluded.

    Raises ImageError, and QueryError past the engine's limits.
    """
    if judged.sku:
        return Query(skus=(judged.sku,), limit=DEPTH, exclude_skus=(judged.sku,), collapse=False)
    images = () if judged.image is None else (read_image(judged.image),)
    return Query(text=judged.text, images=images, limit=DEPTH, collapse=False)


def result_of(answer: Answer) -> QueryResult:
    """An answer's ranking with its confidences."""
    return QueryResult(tuple(hit.stored.item.sku for hit in answer.hits), tuple(hit.confidence for hit in answer.hits))


def read_image(path: Path) -> Image.Image:
    """A query's image, upright RGB. Raises ImageError, which names the file."""
    try:
        return decode_image(path.read_bytes()).pixels
    except OSError as error:
        raise ImageError(f"The image {path} cannot be read: {error.strerror}.", remedy="Check its path.") from error
    except ImageError as error:
        raise ImageError(f"The image {path} cannot be used: {error.message}", remedy=error.remedy) from error


NO_IMAGE = "It has no image."
UNREADABLE = "Its image cannot be read."


@dataclass(frozen=True, slots=True)
class RerankedQuery:
    """What one query found ``before`` and ``after`` its best hits were reranked, both from the same retrieval.

    ``n_hits`` were to be judged; ``missed`` counts those that were not, by the reason in words. ``judge_ms`` is the
    time that judging took; answers are cached between queries, as in a service.
    """

    before: QueryResult
    after: QueryResult
    n_hits: int
    missed: Mapping[str, int]
    judge_ms: float


@dataclass(frozen=True, slots=True)
class RerankingSummary:
    """How a run was reranked: by which model, how many hits of each query, and whether catalog evidence counted.

    ``n_hits`` were to be judged over all queries; ``missed`` counts those that were not, by the reason. ``median_ms``
    and ``p95_ms`` are of the judging time per query.
    """

    reranker: str
    top: int
    listings: bool
    n_hits: int
    missed: Mapping[str, int]
    median_ms: float
    p95_ms: float

    @property
    def n_reranked(self) -> int:
        """Hits that were judged."""
        return self.n_hits - sum(self.missed.values())

    @property
    def sentences(self) -> tuple[str, ...]:
        """The summary in English."""
        percentiles = f"{self.median_ms:,.0f} ms per query at the median, {self.p95_ms:,.0f} at the 95th percentile"
        evidence = "images and listings" if self.listings else "images alone, listings hidden"
        return (
            f"Reranked by {self.reranker}: up to {self.top} hits per query, {evidence}.",
            f"Judged {self.n_reranked:,} of {self.n_hits:,} hits.",
            *(f"{n:,} {'was' if n == 1 else 'were'} not judged: {reason}" for reason, n in self.missed.items()),
            f"Judging took {percentiles}.",
        )


def rerank_all(
    engine: SearchEngine, queries: Sequence[JudgedQuery], rerank: RerankOptions, on_progress: OnProgress
) -> list[RerankedQuery]:
    """Search for each query once, and keep its answer before and after the reranker. Blocks.

    Raises what ``search_all`` raises; a reranker's failure is counted in ``missed``.
    """
    reranked: list[RerankedQuery] = []
    for query in queries:
        reranked.append(rerank_one(engine, query, rerank))
        on_progress(len(reranked))
    return reranked


def rerank_one(engine: SearchEngine, query: JudgedQuery, rerank: RerankOptions) -> RerankedQuery:
    """One query's answer, before and after."""
    retrieved, reranked = two_answers(engine.stream(query_of(query), rerank))
    chosen = [hit for hit in retrieved.hits if hit.rank <= rerank.top]
    final = {hit.stored.id: hit for hit in reranked.hits}
    reasons = Counter(why_not_judged(final[hit.stored.id], reranked) for hit in chosen)
    del reasons[""]
    return RerankedQuery(
        result_of(retrieved), result_of(reranked), len(chosen), dict(reasons), reranked.timings_ms.get("judge", 0.0)
    )


def two_answers(events: Iterator[Event]) -> tuple[Answer, Answer]:
    """The retrieval's answer and the reranked one: a stream's first two events."""
    retrieved, reranked = next(events), next(events)
    assert isinstance(retrieved, Retrieved)
    assert isinstance(reranked, Reranked)
    return retrieved.answer, reranked.answer


JUDGED = (RerankStatus.RERANKED, RerankStatus.JUDGED)


def why_not_judged(hit: Hit, answer: Answer) -> str:
    """Why a hit was not judged that should have been; empty if it was."""
    if hit.rerank_status in JUDGED:
        return ""
    if not hit.stored.image_ids:
        return NO_IMAGE
    if hit.rerank_status is RerankStatus.NOT_ASKED and answer.rerank_status in JUDGED:
        return UNREADABLE
    return answer.rerank_note


def summarize_reranking(
    reranker: str, rerank: RerankOptions, reranked: Sequence[RerankedQuery], *, listings: bool = True
) -> RerankingSummary:
    """How one or more queries were reranked, together; ``listings`` says whether the catalog's fields were evidence."""
    missed: Counter[str] = Counter()
    for each in reranked:
        missed.update(each.missed)
    median_ms, p95_ms = np.percentile([each.judge_ms for each in reranked], [50, 95]).tolist()
    return RerankingSummary(
        reranker=reranker,
        top=rerank.top,
        listings=listings,
        n_hits=sum(each.n_hits for each in reranked),
        missed=dict(missed.most_common()),
        median_ms=median_ms,
        p95_ms=p95_ms,
    )
