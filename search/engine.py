"""The search engine: a query in, an answer out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search.answer import Answer, Hit, Signals
from search.catalog.catalog import Catalog
from search.catalog.filtering import check_filters, matching_item_ids
from search.encoders.base import Encoder
from search.errors import QueryError
from search.lexical import WordScores, word_scores
from search.query import WINDOW, Query
from search.ranking import Part, Ranking, Scorer, Scores
from search.stopwatch import Stopwatch
from search.view import View

SCORE_SCALE = 3.0
"""A score of this many summed standard deviations above the average item is shown as 0.73, twice as many as 0.88."""

ROUND_DECIMALS = 6
"""Scores closer than this are ties, so that the last bits of a float do not decide an order."""


class SearchEngine:
    """Answers queries over one catalog in one encoder's space. Safe to call from several threads."""

    def __init__(self, catalog: Catalog, encoder: Encoder, view: View) -> None:
        self.catalog = catalog
        self.encoder = encoder
        self.view = view

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

    def _answer(self, query: Query, excluded: Sequence[int]) -> Answer:
        watch = Stopwatch()
        with watch.stage("encode"):
            parts = self.parts(query)
        with self.catalog.database.read() as connection:
            with watch.stage("filter"):
                check_filters(connection, query.filters)
                within = matching_item_ids(connection, query.filters) if query.filters else None
            with watch.stage("words"):
                words = word_scores(connection, query, within)
            with watch.stage("vectors"):
                scorer = Scorer(self.view.indexes, parts)
                found = scorer.candidates(WINDOW, within)
                pool = np.setdiff1d(np.union1d(found, np.array(list(words.found), np.int64)), excluded)
            with watch.stage("rank"):
                ranking = scorer.rank(pool.astype(np.int64))
                bonus = words.bonus(connection, query, ranking.item_ids)
                totals = np.round(np.nan_to_num(ranking.scores) + bonus, ROUND_DECIMALS)
                order = np.lexsort((ranking.item_ids, -totals))
        with watch.stage("load"):
            hits = self.hits(query, ranking, totals, bonus, order)
        no_good_match = not hits or self.nothing_fits(parts, words, ranking.item_ids[order[:10]])
        return Answer(hits, len(ranking.item_ids), no_good_match, self.encoder.identity.name, watch.timings_ms())

    def parts(self, query: Query) -> list[Part]:
        """The query's parts as vectors: text, pictures, items to resemble, and what to avoid."""
        weights = query.weights
        texts = [(query.text, weights.text), (query.without, -weights.without)]
        texts = [(text, weight) for text, weight in texts if text.strip() and weight]
        parts: list[Part] = []
        if texts:
            vectors = self.encoder.encode_texts([text for text, _ in texts])
            parts += [Part(vector, "text", weight) for vector, (_, weight) in zip(vectors, texts, strict=True)]
        pictures = [Part(vector, "image", 1.0) for vector in self.encoder.encode_images(query.images)]
        pictures += [part for sku in query.skus for part in self.parts_of_item(sku)]
        each = weights.image / max(len(pictures), 1)
        parts += [Part(part.vector, part.modality, each) for part in pictures if each]
        if not any(part.weight > 0 for part in parts):
            raise QueryError(
                f"There is nothing to resemble: {', '.join(query.skus)} has neither pictures nor words.",
                remedy="Name another sku, or give a text or a picture.",
            )
        return parts

    def parts_of_item(self, sku: str) -> list[Part]:
        item_id = np.array([self.catalog.item(sku).id])
        for modality in ("image", "text"):
            rows = self.view.indexes[modality].rows_of(item_id)
            if len(rows):
                return [Part(vector, modality, 1.0) for vector in rows.vectors]
        return []

    def hits(
        self, query: Query, ranking: Ranking, totals: Scores, bonus: Scores, order: NDArray[np.int64]
    ) -> tuple[Hit, ...]:
        page = order[query.offset : query.offset + query.limit]
        stored = self.catalog.items([int(item_id) for item_id in ranking.item_ids[page]])
        return tuple(
            Hit(
                stored=stored[item_id],
                score=float(1 / (1 + np.exp(-totals[at] / SCORE_SCALE))),
                rank=query.offset + position,
                signals=Signals(
                    image=number(ranking.by_modality["image"][at]),
                    text=number(ranking.by_modality["text"][at]),
                    words=float(bonus[at]),
                ),
            )
            for position, at in enumerate(page, start=1)
            if (item_id := int(ranking.item_ids[at])) in stored
        )

    def nothing_fits(self, parts: Sequence[Part], words: WordScores, best: NDArray[np.int64]) -> bool:
        """Whether a text query's ten best pictures all lie below the encoder's cut-off, and no item has its words."""
        texts = [part.vector for part in parts if part.modality == "text" and part.weight > 0]
        cutoff = self.encoder.no_match_cutoff
        if cutoff is None or len(texts) != 1 or len(parts) > 1 or words.sure:
            return False
        vectors = self.view.indexes["image"].rows_of(np.sort(best)).vectors
        return bool(len(vectors)) and float(np.max(vectors @ texts[0])) < cutoff


def number(score: float) -> float | None:
    return None if np.isnan(score) else float(score)
