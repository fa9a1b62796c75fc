"""The reranking pipeline: verdicts on the best candidates, their new order, and explanations."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

import numpy as np

from vitrina.search.reranking.base import CandidateImages, Deadline, RerankCandidate, Reranker
from vitrina.search.reranking.client import Breaker, CandidateScorer, OutOfTimeError, RerankClient, ScoreCache
from vitrina.search.reranking.explanations.generation import explain
from vitrina.search.reranking.explanations.templates import explanation
from vitrina.search.reranking.fusion import FusionWeights, read_fusion_weights, reordered
from vitrina.search.reranking.statements import statements_of
from vitrina.search.reranking.verdicts import HitVerdicts, VerdictBuilder
from vitrina.search.retrieval.engine import SearchEngine
from vitrina.search.retrieval.photo_attributes import PhotoReader
from vitrina.search.store.images import ImageStore
from vitrina.search.store.store import Store
from vitrina.search.types.answer import (
    Answer,
    AnswerStream,
    Event,
    Explained,
    Hit,
    Reranked,
    RerankState,
    Retrieved,
    Stopwatch,
    final_answer,
)
from vitrina.search.types.errors import VitrinaError
from vitrina.search.types.query import Query, RerankOptions
from vitrina.search.types.requirement import Author, Explanation, Verdict
from vitrina.search.understanding.catalog_attributes import Vocabulary

log = logging.getLogger(__name__)

Retrieve = Callable[[Query], Answer]
"""A query's answer in the retrieval's order."""

Explain = Callable[[Reranker, RerankCandidate, Sequence[Verdict], Deadline, Vocabulary], Explanation]
"""Says in words what the verdicts on one candidate amount to, and nothing else that the catalog has values for."""


class RerankPipeline:
    """What outlives a query and an encoder: the model, what it said of pictures before, and whether it is failing.

    ``fusion_weights`` says how much its answers count, in place of the reranker's own. May be used from several
    threads. Close it, or use it as a context manager; the reranker is the caller's to close.
    """

    def __init__(
        self,
        images: ImageStore,
        reranker: Reranker,
        fusion_weights: FusionWeights | None = None,
        *,
        judgements: ScoreCache | None = None,
        breaker: Breaker | None = None,
        explain: Explain = explain,
    ) -> None:
        self.reranker = reranker
        self.fusion_weights = fusion_weights or reranker.fusion_weights or FusionWeights()
        self._images = images
        self._client = RerankClient(reranker, ScoreCache() if judgements is None else judgements, breaker or Breaker())
        self._photos = PhotoReader()
        self._explain = explain

    @classmethod
    def open(cls, store: Store, reranker: Reranker) -> Self:
        """The pipeline over a store, with the fusion weights fitted to its catalog if there are any, else the
        reranker's own. The reranker stays the caller's to close. Raises RerankerError."""
        return cls(store.images, reranker, read_fusion_weights(store.fusion_weights_file(reranker.identity)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Begin nothing more; what is under way is given up at its deadline. Closing twice is fine."""
        self._client.close()

    def events(self, query: Query, rerank: RerankOptions, engine: SearchEngine, retrieve: Retrieve) -> AnswerStream:
        """The answer in steps. Retrieves at once, and raises what ``retrieve`` raises; the events raise nothing.

        Every page of a query looks at the same candidates, so that pages neither repeat nor skip an item.
        """
        named = replace(retrieve(deepened(query, rerank)), reranker=self.reranker.identity.name)
        hits = tuple(replace(hit, retrieval_rank=hit.rank) for hit in named.hits)
        cancelled = threading.Event()
        return AnswerStream(self._events(query, rerank, engine, replace(named, hits=hits), cancelled), cancelled)

    def scorer(self) -> CandidateScorer:
        """Eyes for one query, or for a batch of items: they keep the pictures that they saw."""
        images = CandidateImages(self._images, self.reranker.capabilities.image_side_px)
        return CandidateScorer(self._client, images, self.fusion_weights)

    def _events(
        self, query: Query, rerank: RerankOptions, engine: SearchEngine, answer: Answer, cancelled: threading.Event
    ) -> Iterator[Event]:
        yield Retrieved(paged(answer, query))
        watch, scorer = Stopwatch(), self.scorer()
        deadline = Deadline.within(rerank.deadline_s, cancelled)
        try:
            with watch.stage("requirements"):
                vocabulary = engine.vocabulary.current()
                requirements = self._photos.requirements(query, engine, vocabulary)
        except VitrinaError as error:
            log.warning("What the query requires cannot be told: %s", error)
            failed = replace(answer, rerank=RerankState.FAILED, rerank_note="What the query requires cannot be told.")
            yield Reranked(paged(failed, query))
            return
        statements = statements_of(query, requirements)
        builder = VerdictBuilder(requirements, statements, vocabulary, scorer, watch, listings=rerank.listings)
        hit_verdicts = builder.of(answer.hits, n_reranked(query, rerank), deadline)
        final = paged(replace(merged(answer, hit_verdicts), requirements=requirements), query)
        final = replace(final, hits=builder.told_apart(final.hits, hit_verdicts.conflicts, deadline))
        final = replace(final, timings_ms=watch.together_ms(answer.timings_ms))
        yield Reranked(final)
        until = Deadline.within(rerank.explain_ms / 1000, cancelled)
        for hit in final.hits[: rerank.explain] if requirements else ():
            with watch.stage("explain"):
                told = self._explained(hit, scorer.images, vocabulary, until)
            yield Explained(hit.rank, hit.stored.item.sku, told, watch.together_ms(answer.timings_ms))

    def _explained(self, hit: Hit, images: CandidateImages, vocabulary: Vocabulary, deadline: Deadline) -> Explanation:
        """By the model while there is time and it works, else by template."""
        candidate = images.candidate(hit.stored) or RerankCandidate(hit.stored.item.sku, None)
        if not self._client.is_circuit_open and deadline.seconds_left > 0:
            try:
                return self._client.within(
                    deadline, lambda told: self._explain(self.reranker, candidate, hit.verdicts, told, vocabulary)
                )
            except OutOfTimeError:
                log.debug("An explanation was late")
            except Exception:
                log.warning("An explanation failed", exc_info=True)
        return Explanation(explanation(hit.verdicts), Author.TEMPLATE)


def deepened(query: Query, rerank: RerankOptions) -> Query:
    """The query from its first hit on, down to the last of the page and of those that are looked at; as it is where its
    page begins below them."""
    if not n_reranked(query, rerank):
        return query
    return replace(query, offset=0, limit=max(query.offset + query.limit, rerank.top))


def n_reranked(query: Query, rerank: RerankOptions) -> int:
    """How many of the best hits are looked at: none where the page begins below them."""
    return rerank.top if query.offset < rerank.top else 0


def paged(answer: Answer, query: Query) -> Answer:
    """The answer with the hits of the query's own page."""
    shown = range(query.offset + 1, query.offset + query.limit + 1)
    return replace(answer, hits=tuple(hit for hit in answer.hits if hit.rank in shown))


def merged(answer: Answer, hit_verdicts: HitVerdicts) -> Answer:
    """The answer in its new order, its hits with their verdicts."""
    judged = np.array([state is RerankState.RERANKED for state in hit_verdicts.states], np.bool_)
    scores = np.array([hit.score for hit in answer.hits], np.float64)
    order, shown = reordered(scores, hit_verdicts.totals, judged)
    ranks = [hit.rank for hit in answer.hits]  # with gaps where an item went away meanwhile
    hits = tuple(
        replace(
            answer.hits[at], rank=rank, score=score, verdicts=hit_verdicts.verdicts[at], rerank=hit_verdicts.states[at]
        )
        for at, rank, score in zip(order.tolist(), ranks, shown.tolist(), strict=True)
    )
    return replace(answer, hits=hits, rerank=overall(hit_verdicts.states), rerank_note=hit_verdicts.note)


def overall(states: Sequence[RerankState]) -> RerankState:
    """What became of an answer: reranked where any hit was."""
    for state in (RerankState.RERANKED, RerankState.FAILED, RerankState.LATE):
        if state in states:
            return state
    return RerankState.NOT_ASKED


class RerankingEngine:
    """Answers queries by an engine's retrieval, looked at again by a stage. Safe to call from several threads.

    Cheap to make: where another encoder takes over, make one of its engine and the stage that is there already, which
    keeps what the model said, and whether it is failing.
    """

    def __init__(self, engine: SearchEngine, stage: RerankPipeline) -> None:
        self.engine = engine
        self.stage = stage

    def search(self, query: Query, rerank: RerankOptions | None = None) -> Answer:
        """The final answer; without ``rerank`` the engine's own.

        A reranker that is late or fails costs the answer its reranking, never more; the answer says so. Blocks, at
        most for the retrieval and the budget's deadlines. Raises what ``SearchEngine.search`` raises.
        """
        return self.engine.search(query) if rerank is None else final_answer(self.stream(query, rerank))

    def similar(self, sku: str, query: Query, rerank: RerankOptions | None = None) -> Answer:
        """As ``SearchEngine.similar``, looked at again. Raises what that raises."""
        return (
            self.engine.similar(sku, query) if rerank is None else final_answer(self.stream_similar(sku, query, rerank))
        )

    def stream(self, query: Query, rerank: RerankOptions) -> AnswerStream:
        """The answer in steps: ``Retrieved``, ``Reranked``, then one ``Explained`` a hit.

        Retrieves at once, so that what is wrong with the query raises here and not at the first event; the iterator
        blocks for each of the others, and raises nothing. It may be left before its end, or closed, which ends the
        event under way too.
        """
        return self.stage.events(query, rerank, self.engine, self.engine.search)

    def stream_similar(self, sku: str, query: Query, rerank: RerankOptions) -> AnswerStream:
        """The same for the items most like one item."""
        return self.stage.events(query, rerank, self.engine, lambda asked: self.engine.similar(sku, asked))
