"""The search engine: a query in, an answer or a stream of events out, with or without a reranker."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.index.replica import IndexReplica
from vitrina.search.reranking.pipeline import SupportsRerank
from vitrina.search.retrieval.facets import facets_of
from vitrina.search.retrieval.fusion import shipped_prior
from vitrina.search.retrieval.retriever import RankedCandidates, Retriever
from vitrina.search.retrieval.suggestions import Suggester
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.fingerprints import Fingerprints
from vitrina.search.store.store import Store
from vitrina.search.types.answer import Answer, AnswerStream, Reranked, Retrieved, Stopwatch, Suggestion, final_answer
from vitrina.search.types.calibration import Calibration, Cohort
from vitrina.search.types.errors import NoRerankerError
from vitrina.search.types.facet_counts import FacetsOfQuery
from vitrina.search.types.filters import Condition
from vitrina.search.types.query import RELEVANCE, Query, RerankOptions
from vitrina.search.types.trust import Trust
from vitrina.search.understanding.parsed_query import ParsedQuery, QueryParser


class SearchEngine:
    """Answers queries over one catalog in one index version. Safe to call from several threads.

    ``calibration`` takes the place of the encoder's own, where one was fitted to this very catalog. ``reranker`` judges
    and explains the best hits of queries that ask for it. ``fingerprints`` are those of the catalog's images; without
    them no photo is recognised as an item's own. ``trust`` says how far vectors can be trusted on this catalog,
    where that was measured.
    """

    def __init__(
        self,
        catalog: Catalog,
        encoder: Encoder,
        replica: IndexReplica,
        calibration: Calibration | None = None,
        reranker: SupportsRerank | None = None,
        fingerprints: Fingerprints | None = None,
        trust: Trust | None = None,
    ) -> None:
        self.catalog = catalog
        self.encoder = encoder
        self.replica = replica
        self.reranker = reranker
        self.parser = QueryParser(catalog, encoder, replica)
        self._suggester = Suggester(catalog, replica)
        weights = shipped_prior().adapted(trust)
        self.retriever = Retriever(
            catalog, replica, encoder.identity, weights, calibration or encoder.calibration, fingerprints
        )

    @classmethod
    def open(cls, store: Store, encoder: Encoder, reranker: SupportsRerank | None = None) -> Self:
        """The engine of a store, its index caught up, calibrated for this very catalog where it was.

        Blocks while a large catalog is read. Raises EncoderError where the catalog was embedded with another encoder.
        """
        replica = IndexReplica.open(store, encoder.identity, open_index_version(store, encoder))
        identity = encoder.identity
        calibration, trust = store.calibration(identity), store.trust(identity)
        return cls(store.catalog, encoder, replica, calibration, reranker, store.fingerprints, trust)

    def with_reranker(self, reranker: SupportsRerank | None) -> Self:
        """The same engine with another reranker, or without one; nothing is opened again."""
        engine = copy.copy(self)
        engine.reranker = reranker
        return engine

    def uncalibrated(self, cohort: Cohort) -> Self:
        """The same engine without confidences, to fit new ones to what it ranks, with page signals by a cohort."""
        engine = copy.copy(self)
        engine.retriever = copy.copy(self.retriever)
        engine.retriever.calibration = Calibration({}, cohort=cohort)
        return engine

    def search(self, query: Query, rerank: RerankOptions | None = None) -> Answer:
        """The final answer; with ``rerank`` reranked and explained, else in retrieval's order.

        A reranker that is late or fails costs the answer its reranking, never more; the answer says so. Blocks, at most
        for the retrieval and the deadlines of ``rerank``. Raises what ``stream`` raises.
        """
        return final_answer(self.stream(query, rerank))

    def stream(self, query: Query, rerank: RerankOptions | None = None) -> AnswerStream:
        """The answer's events: ``Retrieved``, and with ``rerank`` then ``Reranked`` and one ``Explained`` per hit. A
        query that browses or is sorted by something else than relevance is not reranked, and its answer says so.

        Parses and retrieves at once, so that what is wrong with the query raises here and not at the first event; the
        stream blocks for each later event, and raises nothing. It may be left or closed before its end, which cancels
        the event under way, too. Encodes on the GPU where the encoder has one.

        Raises FilterError for a filter that nothing can match, NotFoundError for a sku that is not in the catalog,
        QueryError where there is nothing to resemble, and NoRerankerError where there is no reranker.
        """
        watch = Stopwatch()
        if rerank is None:
            return AnswerStream(iter([Retrieved(self._retrieved(query, watch))]))
        if self.reranker is None:
            raise NoRerankerError("This search engine has no reranker.", remedy="Search without reranking.")
        if note := why_not_reranked(query):
            retrieved = self._retrieved(query, watch)
            return AnswerStream(iter([Retrieved(retrieved), Reranked(replace(retrieved, rerank_note=note))]))
        parsed = self.parser.parse(query, watch, for_verdicts=True)
        candidates = self.retriever.retrieve(with_candidates(parsed, rerank), watch)
        return self.reranker.rerank(parsed, candidates, rerank)

    def _retrieved(self, query: Query, watch: Stopwatch) -> Answer:
        if query.browses:
            return self.retriever.browse(query, watch)
        return self.retriever.retrieve(self.parser.parse(query, watch), watch)

    def facets(self, query: Query, fields: Sequence[str] = (), n_values: int = 20) -> FacetsOfQuery:
        """How many of the items that a query finds have which values, the ``n_values`` most frequent of each field; of
        ``fields``, or of all that tell groups of items apart. Of a query by words or images those items count that are
        worth showing. Blocks. Raises as ``stream`` does, and FilterError for a field that does not exist."""
        parsed = None if query.browses else self.parser.parse(query, Stopwatch())

        def found(filters: tuple[Condition, ...]) -> NDArray[np.int64]:
            if parsed is not None:
                return self.retriever.relevant(replace(parsed, query=replace(query, filters=filters)), Stopwatch())
            with self.catalog.reading() as reader:
                reader.facets.check(filters)
                return reader.facets.matching(filters)

        return facets_of(self.catalog, self.replica.facets, query.filters, found, fields, n_values)

    def suggest(self, text: str, limit: int = 8) -> tuple[Suggestion, ...]:
        """What a text whose last word is typed in part may become: kinds of things first, then what most items have;
        nothing that no item has. Blocks for milliseconds, encodes nothing. Raises QueryError past the limits."""
        return self._suggester.suggest(text, limit)

    def rank(self, query: Query) -> RankedCandidates:
        """Every candidate of a query, scored and in order, with the features that calibrations are fitted to. Blocks
        and raises as ``stream`` does."""
        watch = Stopwatch()
        return self.retriever.rank(self.parser.parse(query, watch), watch)


def why_not_reranked(query: Query) -> str:
    """Why a query is answered without the reranking that was asked for; empty if it is reranked."""
    if query.browses:
        return "Not reranked: the search has no words and no image to judge hits by."
    if query.sort != RELEVANCE:
        return f"Not reranked: the hits are sorted by {query.sort.name}."
    return ""


def with_candidates(parsed: ParsedQuery, rerank: RerankOptions) -> ParsedQuery:
    """The query from its first hit on, down to the last of its page and of those that are reranked, so that every page
    reranks the same candidates; as it is where its page begins below them."""
    query = parsed.query
    if query.offset >= rerank.top:
        return parsed
    return replace(parsed, query=replace(query, offset=0, limit=max(query.offset + query.limit, rerank.top)))
