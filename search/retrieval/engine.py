"""The search engine: a query in, an answer out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.index.replica import IndexReplica
from vitrina.search.retrieval.calibration_features import calibration_features, kind_of
from vitrina.search.retrieval.catalog_scores import catalog_scores
from vitrina.search.retrieval.vector_scores import Scores, VectorQuery, VectorScorer
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.store import Store
from vitrina.search.types.answer import Answer, Hit, Signals, Stopwatch
from vitrina.search.types.calibration import Calibration, CalibrationFeatures, Curve, QueryKind
from vitrina.search.types.errors import QueryError
from vitrina.search.types.item import Modality
from vitrina.search.types.query import WINDOW, Query
from vitrina.search.understanding.catalog_attributes import CatalogVocabulary

SCORE_SCALE = 3.0
"""A score of this many summed standard deviations above the average item is shown as 0.73, twice as many as 0.88."""

ROUND_DECIMALS = 6
"""Scores closer than this are ties, so that the last bits of a float do not decide an order."""

NO_MATCH_DEPTH = 10
"""How many of the best hits must all be in doubt before a query has no good match: the first page."""


@dataclass(frozen=True, slots=True)
class RankedCandidates:
    """Every candidate of one query: item ids, ascending, and what is known of each, all of shape (n,).

    ``totals`` is what they are ranked by, ``bonus`` the part of it that the catalog's words and fields have; ``order``
    has positions, best first.
    """

    item_ids: NDArray[np.int64]
    kind: QueryKind
    by_modality: Mapping[Modality, Scores]
    bonus: Scores
    totals: Scores
    evidence: CalibrationFeatures
    order: NDArray[np.int64]


class SearchEngine:
    """Answers queries over one catalog in one encoder's space. Safe to call from several threads.

    ``calibration`` takes the place of the encoder's own, where one was fitted to this very catalog.
    """

    def __init__(
        self, catalog: Catalog, encoder: Encoder, replica: IndexReplica, calibration: Calibration | None = None
    ) -> None:
        self.catalog = catalog
        self.encoder = encoder
        self.replica = replica
        self.calibration = calibration or encoder.calibration
        self.vocabulary = CatalogVocabulary(catalog)

    @classmethod
    def open(cls, store: Store, encoder: Encoder, replica: IndexReplica | None = None) -> SearchEngine:
        """The engine over a store, calibrated for its catalog where that was done; over ``replica`` if given.

        Blocks while a large catalog is read. Raises EncoderError where the catalog was embedded with another encoder.
        """
        replica = replica or IndexReplica.open(store, encoder.identity, open_index_version(store, encoder))
        return cls(store.catalog, encoder, replica, store.calibration(encoder.identity))

    def search(self, query: Query) -> Answer:
        """Find the items that answer a query.

        Raises FilterError for a filter nothing can match, NotFoundError for a sku to resemble that is not there, and
        QueryError for one with nothing to resemble. Blocks; encodes on the GPU where the encoder has one.
        """
        return self._answer(query, excluded=())

    def similar(self, sku: str, query: Query) -> Answer:
        """The items most like one item's pictures (or its words, where it has none), itself left out.

        Raises NotFoundError.
        """
        return self._answer(query, excluded=(self.catalog.item(sku).id,))

    def ranked(self, query: Query, excluded: Sequence[int] = (), watch: Stopwatch | None = None) -> RankedCandidates:
        """Every candidate of a query, scored and in order; ``excluded`` are item ids. Raises as ``search`` does."""
        watch = watch or Stopwatch()
        with watch.stage("encode"):
            parts = self.parts(query)
        with watch.stage("requirements"):
            vocabulary = self.vocabulary.current()
        with self.catalog.reading() as reader:
            with watch.stage("filter"):
                reader.facets.check(query.filters)
                within = reader.facets.matching(query.filters) if query.filters else None
            with watch.stage("words"):
                stated = catalog_scores(reader, query, vocabulary, within)
            with watch.stage("vectors"):
                scorer = VectorScorer(self.replica.indexes, parts)
                found = scorer.candidates(WINDOW, within)
                pool = np.setdiff1d(np.union1d(found, stated.item_ids), excluded)
            with watch.stage("rank"):
                ranking = scorer.rank(pool.astype(np.int64))
                about = stated.about(reader, ranking.item_ids)
                bonus = about.bonus(query.weights)
                totals = np.round(np.nan_to_num(ranking.scores) + bonus, ROUND_DECIMALS)
                order = np.lexsort((ranking.item_ids, -totals))
                kind, known = kind_of(parts), calibration_features(ranking, about, query.text)
        return RankedCandidates(ranking.item_ids, kind, ranking.by_modality, bonus, totals, known, order)

    def _answer(self, query: Query, excluded: Sequence[int]) -> Answer:
        curve, watch = None, Stopwatch()
        ranked = self.ranked(query, excluded, watch)
        with watch.stage("confidence"):
            curve = self.curve(query, ranked.kind)
            confidence = None if curve is None else curve.confidence(ranked.evidence)
            kept = ranked.order if confidence is None else at_least(query.min_confidence, confidence, ranked.order)
        with watch.stage("load"):
            hits = self.hits(query, ranked, confidence, kept)
        best = ranked.order[:NO_MATCH_DEPTH]
        no_good_match = not len(kept) or (
            curve is not None and confidence is not None and bool(confidence[best].max() < curve.no_match_confidence)
        )
        return Answer(hits, len(kept), no_good_match, self.encoder.identity.name, watch.timings_ms())

    def curve(self, query: Query, kind: QueryKind) -> Curve | None:
        """The calibration of this kind of query. Raises QueryError where there is none and the query needs one."""
        curve = self.calibration.curves.get(kind) if self.calibration else None
        if curve is None and query.min_confidence > 0:
            raise QueryError(
                f"The encoder {self.encoder.identity.name} is not calibrated for queries by {kind}, so min_confidence "
                f"cannot be {query.min_confidence:g}.",
                remedy="Leave it out, or calibrate the encoder on queries whose answers are known: "
                "vitrina encoder calibrate --judgements FILE.",
            )
        return curve

    def parts(self, query: Query) -> list[VectorQuery]:
        """The query's parts as vectors: text, pictures, items to resemble, and what to avoid."""
        weights = query.weights
        texts = [(query.text, weights.text), (query.without, -weights.without)]
        texts = [(text, weight) for text, weight in texts if text.strip() and weight]
        parts: list[VectorQuery] = []
        if texts:
            vectors = self.encoder.encode_texts([text for text, _ in texts])
            parts += [VectorQuery(vector, "text", weight) for vector, (_, weight) in zip(vectors, texts, strict=True)]
        images = [VectorQuery(vector, "image", 1.0) for vector in self.encoder.encode_images(query.images)]
        images += [part for sku in query.skus for part in self.parts_of_item(sku)]
        each = weights.image / max(len(images), 1)
        parts += [VectorQuery(part.vector, part.modality, each) for part in images if each]
        if not any(part.weight > 0 for part in parts):
            raise QueryError(
                f"There is nothing to resemble: {', '.join(query.skus)} has neither pictures nor words.",
                remedy="Name another sku, or give a text or a picture.",
            )
        return parts

    def parts_of_item(self, sku: str) -> list[VectorQuery]:
        item_id = np.array([self.catalog.item(sku).id])
        for modality in ("image", "text"):
            rows = self.replica.indexes[modality].rows_of(item_id)
            if len(rows):
                return [VectorQuery(vector, modality, 1.0) for vector in rows.vectors]
        return []

    def hits(
        self, query: Query, ranked: RankedCandidates, confidence: Scores | None, order: NDArray[np.int64]
    ) -> tuple[Hit, ...]:
        page = order[query.offset : query.offset + query.limit]
        stored = self.catalog.items(ranked.item_ids[page].tolist())
        return tuple(
            Hit(
                stored=stored[item_id],
                score=float(1 / (1 + np.exp(-ranked.totals[at] / SCORE_SCALE))),
                rank=query.offset + position,
                signals=Signals(
                    image=number(ranked.by_modality["image"][at]),
                    text=number(ranked.by_modality["text"][at]),
                    words=float(ranked.bonus[at]),
                ),
                confidence=None if confidence is None else float(confidence[at]),
            )
            for position, at in enumerate(page, start=1)
            if (item_id := int(ranked.item_ids[at])) in stored
        )


def at_least(least: float, confidence: Scores, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """The positions in ``order`` whose confidence reaches ``least``."""
    return order[confidence[order] >= least]


def number(score: float) -> float | None:
    return None if np.isnan(score) else float(score)
