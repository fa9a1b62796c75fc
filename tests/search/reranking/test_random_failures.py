"""Whatever a reranker does, every query has a valid answer, in time, in an order that can be defended."""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from dataclasses import replace

from tests.fakes import COLOURS, FakeEncoder
from tests.search.reranking.shops import ARTICLES, ColourReranker, Moody, fill
from vitrina.search.engine import SearchEngine
from vitrina.search.reranking.client import Breaker
from vitrina.search.reranking.fusion import FusionWeights
from vitrina.search.reranking.pipeline import RerankPipeline
from vitrina.search.store.store import Store
from vitrina.search.types.answer import Answer, RerankStatus, Stopwatch, final_answer
from vitrina.search.types.query import Query, RerankOptions
from vitrina.search.understanding.parsed_query import ParsedQuery

N_QUERIES = 400
DEADLINE_MS = 10
LATE_S = 5.0
"""Far more than an answer is late where the machine has nothing else to do."""


class CachedEngine:
    """Parses and retrieves each query once: what is tested here is what comes after."""

    def __init__(self, store: Store, encoder: FakeEncoder) -> None:
        self._engine = SearchEngine.open(store, encoder)
        self._known: dict[str, tuple[ParsedQuery, Answer]] = {}

    def retrieve(self, words: str, top: int) -> tuple[ParsedQuery, Answer]:
        if words not in self._known:
            query = Query(words, limit=top)
            self._known[words] = self._engine.parser.parse(query, Stopwatch()), self._engine.search(query)
        return self._known[words]


def test_hundreds_of_queries_with_a_reranker_that_fails_at_random(store: Store, encoder: FakeEncoder) -> None:
    fill(store, encoder, 24)
    rng, ticks = random.Random(4), itertools.count()
    moody = Moody(rng)
    model = ColourReranker(fusion_weights=FusionWeights(whole=1.0, parts=1.0), before=moody.before, after=moody.after)
    stage = RerankPipeline(
        store.images,
        model,
        max_scores=40,
        breaker=Breaker(3, 10.0, lambda: next(ticks)),
    )
    engine = CachedEngine(store, encoder)
    states: Counter[RerankStatus] = Counter()
    answers: Counter[RerankStatus] = Counter()
    with stage:
        for number in range(N_QUERIES):
            words = f"{rng.choice(list(COLOURS))} {rng.choice(ARTICLES)}"
            limit = rng.choice((3, 6))
            rerank = RerankOptions(
                top=6, deadline_ms=DEADLINE_MS, explain=rng.choice((0, 0, 0, 1)), explain_ms=DEADLINE_MS
            )
            started = time.monotonic()
            parsed, retrieved = engine.retrieve(words, 6)
            page = replace(parsed, query=replace(parsed.query, limit=limit))
            answer = final_answer(stage.rerank(page, retrieved, rerank))
            assert time.monotonic() - started < 2 * DEADLINE_MS / 1000 + LATE_S, f"Query {number} was late."
            check(answer, retrieved, limit)
            states.update(hit.rerank_status for hit in answer.hits)
            answers[answer.rerank_status] += 1
    for state in (RerankStatus.RERANKED, RerankStatus.LATE, RerankStatus.FAILED):
        assert answers[state] > N_QUERIES / 100, answers
        assert states[state] > N_QUERIES / 100, states


def check(answer: Answer, retrieved: Answer, limit: int) -> None:
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score < 1 for score in scores)
    assert [hit.rank for hit in answer.hits] == list(range(1, limit + 1))
    found = [hit.stored.id for hit in answer.hits]
    assert len(set(found)) == limit
    assert set(found) <= {hit.stored.id for hit in retrieved.hits}
    places = {hit.stored.id: hit.rank for hit in retrieved.hits}
    for hit in answer.hits:
        assert hit.retrieval_rank == places[hit.stored.id]
        assert hit.rerank_status is RerankStatus.RERANKED or hit.rank == hit.retrieval_rank
        assert len(hit.verdicts) == len(answer.requirements) == 2
        assert all(0 < verdict.probability < 1 for verdict in hit.verdicts)
    if answer.rerank_status is not RerankStatus.RERANKED:
        assert answer.rerank_note or answer.rerank_status is RerankStatus.NOT_ASKED
        assert found == [hit.stored.id for hit in retrieved.hits][:limit]
    for one, other in itertools.pairwise(answer.hits):
        if one.score == other.score and one.rerank_status is other.rerank_status is RerankStatus.RERANKED:
            assert places[one.stored.id] < places[other.stored.id]
