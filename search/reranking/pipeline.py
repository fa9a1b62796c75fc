"""The reranking pipeline: verdicts on the best candidates, their new order, and explanations."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from vitrina.search.encoders.batching import ComputeSlots
from vitrina.search.reranking.base import CandidateImages, Deadline, RerankCandidate, Reranker
from vitrina.search.reranking.batching import NEW_SHARE, BusyError
from vitrina.search.reranking.client import MAX_SCORES, Breaker, OutOfTimeError, RerankClient
from vitrina.search.reranking.explanations.generation import explain
from vitrina.search.reranking.explanations.templates import explanation
from vitrina.search.reranking.fusion import FusionWeights, read_fusion_weights, reordered
from vitrina.search.reranking.verdicts import HitVerdicts, VerdictBuilder, overall
from vitrina.search.store.images import ImageStore
from vitrina.search.store.store import Store
from vitrina.search.types.answer import (
    Answer,
    AnswerStream,
    Event,
    Explained,
    Hit,
    Reranked,
    RerankStatus,
    Retrieved,
    Stopwatch,
)
from vitrina.search.types.query import Query, RerankOptions
from vitrina.search.types.requirement import Author, Explanation, Verdict
from vitrina.search.understanding.catalog_attributes import Vocabulary
from vitrina.search.understanding.parsed_query import ParsedQuery

log = logging.getLogger(__name__)

AFTER = 2.0
MAX_AFTER = 0.25
"""The model is given so much less than the deadline: twice what the verdicts took of late once it had answered, for
them and for writing the answer, but a quarter of it at most. On a busy machine that is a tenth of a second and more."""

Explain = Callable[[Reranker, RerankCandidate, Sequence[Verdict], Deadline, Vocabulary], Explanation]
"""Explains the verdicts on one candidate in words, and names no other value of the catalog."""


class SupportsRerank(Protocol):
    """Reranks the candidates that retrieval found."""

    def rerank(self, parsed: ParsedQuery, candidates: Answer, options: RerankOptions) -> AnswerStream:
        """The events of an answer. ``candidates`` is retrieval's, from its first hit to the last of the query's page or
        of those to rerank, whichever comes later. The stream raises nothing."""


@dataclass(frozen=True, slots=True)
class UnavailableReranker:
    """Stands for a reranker that is not open (yet): answers keep retrieval's order, and say why."""

    name: str
    state: RerankStatus
    note: str

    def rerank(self, parsed: ParsedQuery, candidates: Answer, options: RerankOptions) -> AnswerStream:
        """Two events with the same order."""
        retrieved = paged(retrieved_by(candidates, self.name), parsed.query)
        hits = tuple(
            replace(hit, rerank_status=self.state) if hit.rank <= options.top else hit for hit in retrieved.hits
        )
        final = replace(retrieved, hits=hits, rerank_status=self.state, rerank_note=self.note)
        return AnswerStream(iter((Retrieved(retrieved), Reranked(final))))


class RerankPipeline:
    """Reranks and explains the answers of any query, whichever encoder retrieved them.

    ``fusion_weights`` says how much its answers count, in place of the reranker's own. Two switches are for evaluation:
    without ``uses_catalog`` what the catalog says of an item is no evidence, so that the model is measured alone, and
    ``deadline_s`` takes the place of every request's deadline. A model in this process computes in the background of
    what else takes ``slots``. May be used from several threads. Close it, or use it as a context manager; the reranker
    is the caller's to close.
    """

    def __init__(
        self,
        images: ImageStore,
        reranker: Reranker,
        fusion_weights: FusionWeights | None = None,
        *,
        max_scores: int = MAX_SCORES,
        breaker: Breaker | None = None,
        explain: Explain = explain,
        uses_catalog: bool = True,
        deadline_s: float | None = None,
        slots: ComputeSlots | None = None,
    ) -> None:
        self.reranker = reranker
        self.fusion_weights = fusion_weights or reranker.fusion_weights or FusionWeights()
        self._images = images
        self.client = RerankClient(reranker, breaker, max_scores, slots)
        self._explain = explain
        self.uses_catalog = uses_catalog
        self._deadline_s = deadline_s
        self._after_s = 0.0

    @classmethod
    def open(
        cls,
        store: Store,
        reranker: Reranker,
        *,
        uses_catalog: bool = True,
        deadline_s: float | None = None,
        slots: ComputeSlots | None = None,
    ) -> Self:
        """The pipeline of a store's catalog, with the fusion weights that were fitted to it, if any. Raises
        RerankerError."""
        fusion_weights = read_fusion_weights(store.fusion_weights_file(reranker.identity))
        return cls(
            store.images, reranker, fusion_weights, uses_catalog=uses_catalog, deadline_s=deadline_s, slots=slots
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Start no further calls; calls under way end at their deadlines. Closing twice is fine."""
        self.client.close()

    def rerank(self, parsed: ParsedQuery, candidates: Answer, options: RerankOptions) -> AnswerStream:
        """The answer's events, each computed when it is asked for; they raise nothing.

        Blocks for each event, at most for the deadlines of ``options``.
        """
        cancelled = threading.Event()
        retrieved = retrieved_by(candidates, self.reranker.identity.name)
        return AnswerStream(self._events(parsed, retrieved, options, cancelled), cancelled)

    def candidate_images(self) -> CandidateImages:
        """The images of one query's candidates, or of a batch of items, each opened once at most."""
        return CandidateImages(self._images, self.reranker.capabilities.image_side_px)

    def _events(
        self, parsed: ParsedQuery, retrieved: Answer, options: RerankOptions, cancelled: threading.Event
    ) -> Iterator[Event]:
        query, requirements = parsed.query, parsed.requirements
        yield Retrieved(paged(retrieved, query))
        watch, images = Stopwatch(), self.candidate_images()
        since = time.monotonic() if options.since is None else options.since
        deadline_s = self._deadline_s or options.deadline_s
        deadline = Deadline(since + deadline_s - min(AFTER * self._after_s, MAX_AFTER * deadline_s), cancelled)
        builder = VerdictBuilder(parsed, self.client, images, self.fusion_weights, watch, self.uses_catalog)
        hit_verdicts = builder.build(retrieved.hits, n_reranked(query, options), deadline)
        final = paged(replace(merged(retrieved, hit_verdicts), requirements=requirements), query)
        self._after_s += NEW_SHARE * (time.monotonic() - builder.judged_at - self._after_s)
        final = replace(final, hits=builder.resolve_conflicts(final.hits, hit_verdicts.conflicts, deadline))
        final = replace(final, timings_ms=watch.together_ms(retrieved.timings_ms))
        yield Reranked(final)
        until = Deadline(explaining_until(options, since + deadline_s), cancelled)
        for hit in final.hits[: options.explain] if requirements else ():
            with watch.stage("explain"):
                explained = self._explained(hit, images, parsed.vocabulary, until)
            timings_ms = watch.together_ms(retrieved.timings_ms)
            yield Explained(hit.rank, hit.stored.item.sku, explained, timings_ms)

    def _explained(self, hit: Hit, images: CandidateImages, vocabulary: Vocabulary, deadline: Deadline) -> Explanation:
        """The explanation of a hit: by the model while there is time and it works, else by template."""
        candidate = images.candidate(hit.stored) or RerankCandidate(hit.stored.item.sku, None)
        if not self.client.is_circuit_open and deadline.seconds_left > 0:
            try:
                return self.client.write(
                    deadline, lambda earlier: self._explain(self.reranker, candidate, hit.verdicts, earlier, vocabulary)
                )
            except (OutOfTimeError, BusyError):
                log.debug("An explanation is by template, since the model was late or busy")
            except Exception:
                log.warning("An explanation failed", exc_info=True)
        return Explanation(explanation(hit.verdicts, has_image=candidate.has_image), Author.TEMPLATE)


def explaining_until(options: RerankOptions, judged_by: float) -> float:
    """When explanations must be there, on ``time.monotonic``: within their time from now, and where the deadlines count
    from a moment that is given, within their time after the deadline of judging, too."""
    explain_s = options.explain_ms / 1000
    latest = time.monotonic() + explain_s
    return latest if options.since is None else min(latest, judged_by + explain_s)


def retrieved_by(candidates: Answer, reranker: str) -> Answer:
    """Retrieval's answer for a reranker of this name; its hits keep their rank as ``retrieval_rank``."""
    hits = tuple(replace(hit, retrieval_rank=hit.rank) for hit in candidates.hits)
    return replace(candidates, hits=hits, reranker=reranker)


def n_reranked(query: Query, rerank: RerankOptions) -> int:
    """How many of the best hits are reranked: none if the query's page begins below them."""
    return rerank.top if query.offset < rerank.top else 0


def paged(answer: Answer, query: Query) -> Answer:
    """The answer with the hits of the query's own page."""
    shown = range(query.offset + 1, query.offset + query.limit + 1)
    return replace(answer, hits=tuple(hit for hit in answer.hits if hit.rank in shown))


def merged(answer: Answer, hit_verdicts: HitVerdicts) -> Answer:
    """The answer in its new order, its hits with their verdicts; certain hits keep their places."""
    judged = np.array(
        [
            state is RerankStatus.RERANKED and not hit.certain
            for hit, state in zip(answer.hits, hit_verdicts.states, strict=True)
        ],
        np.bool_,
    )
    scores = np.array([hit.score for hit in answer.hits], np.float64)
    order, shown = reordered(scores, hit_verdicts.totals, judged)
    ranks = [hit.rank for hit in answer.hits]  # with gaps where an item went away meanwhile
    hits = tuple(
        replace(
            answer.hits[at],
            rank=rank,
            score=score,
            verdicts=hit_verdicts.verdicts[at],
            rerank_status=hit_verdicts.states[at],
        )
        for at, rank, score in zip(order.tolist(), ranks, shown.tolist(), strict=True)
    )
    return replace(answer, hits=hits, rerank_status=overall(hit_verdicts.states), rerank_note=hit_verdicts.note)
