"""The search engine with a reranker behind it."""

from __future__ import annotations

from search.answer import Answer
from search.engine import SearchEngine
from search.query import Query
from search.reranking.budget import Rerank
from search.reranking.events import Steps, drained
from search.reranking.stage import RerankStage


class RerankingEngine:
    """Answers queries by an engine's retrieval, looked at again by a stage. Safe to call from several threads.

    Cheap to make: where another encoder takes over, make one of its engine and the stage that is there already, which
    keeps what the model said, and whether it is failing.
    """

    def __init__(self, engine: SearchEngine, stage: RerankStage) -> None:
        self.engine = engine
        self.stage = stage

    def search(self, query: Query, rerank: Rerank | None = None) -> Answer:
        """The final answer; without ``rerank`` the engine's own.

        A reranker that is late or fails costs the answer its reranking, never more; the answer says so. Blocks, at
        most for the retrieval and the budget's deadlines. Raises what ``SearchEngine.search`` raises.
        """
        return self.engine.search(query) if rerank is None else drained(self.stream(query, rerank))

    def similar(self, sku: str, query: Query, rerank: Rerank | None = None) -> Answer:
        """As ``SearchEngine.similar``, looked at again. Raises what that raises."""
        return self.engine.similar(sku, query) if rerank is None else drained(self.stream_similar(sku, query, rerank))

    def stream(self, query: Query, rerank: Rerank) -> Steps:
        """The answer in steps: ``Retrieved``, ``Reranked``, then one ``Explained`` a hit.

        Retrieves at once, so that what is wrong with the query raises here and not at the first event; the iterator
        blocks for each of the others, and raises nothing. It may be left before its end, or closed, which ends the
        event under way too.
        """
        return self.stage.events(query, rerank, self.engine, self.engine.search)

    def stream_similar(self, sku: str, query: Query, rerank: Rerank) -> Steps:
        """The same for the items most like one item."""
        return self.stage.events(query, rerank, self.engine, lambda asked: self.engine.similar(sku, asked))
