"""The search engine: a query in, an answer out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from search.answer import Answer, Hit, Signals
from search.catalog.catalog import Catalog
from search.catalog.filtering import check_filters, matching_item_ids
from search.catalog.words import items_holding, items_with_all_words, listed, match_words, named_items
from search.encoders.base import Encoder
from search.errors import QueryError
from search.query import WINDOW, Query
from search.ranking import Part, Ranking, Scorer, Scores
from search.view import View

NAMED_BONUS = {"sku": 20.0, "title": 12.0}
"""Added to the z-scores (a very good picture match has 5) of an item whose sku or title is the query, so that a name
typed exactly comes first."""

HOLDING_BONUS = 3.0
"""Added where one whole attribute value is the query: a brand, an article."""

ALL_WORDS_BONUS = 2.0
"""Added where every word of the query stands in the item."""

ANY_WORD_BONUS = 1.0
"""Added, times the match's relative BM25 strength, where only some do."""

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


@dataclass(frozen=True, slots=True)
class WordScores:
    """What full-text search adds to the items it ``found``.

    ``crowded``: more items hold every word than it listed. ``sure``: some item is named or holds every word.
    """

    found: dict[int, float]
    crowded: bool
    sure: bool

    def bonus(self, connection: Connection, query: Query, item_ids: NDArray[np.int64]) -> Scores:
        """What words, and words to avoid, add to each of ``item_ids``, shape (n,)."""
        ids = [int(item_id) for item_id in item_ids]
        wanted = {item_id: self.found.get(item_id, 0.0) for item_id in ids}
        if self.crowded:
            for item_id in items_with_all_words(connection, query.text, ids):
                wanted[item_id] = max(wanted[item_id], ALL_WORDS_BONUS)
        if query.text:
            for item_id in items_holding(connection, query.text, ids):
                wanted[item_id] += HOLDING_BONUS
        avoided = items_with_all_words(connection, query.without, ids)
        penalty = 2 * query.weights.without * ALL_WORDS_BONUS
        return np.array(
            [query.weights.text * wanted[item_id] - (penalty if item_id in avoided else 0.0) for item_id in ids],
            dtype=np.float64,
        )


def word_scores(connection: Connection, query: Query, within: NDArray[np.int64] | None) -> WordScores:
    allowed = None if within is None else listed(within.tolist())
    matches = match_words(connection, query.text, limit=WINDOW, within=allowed)
    named = named_items(connection, query.text, limit=WINDOW, within=allowed) if query.text else {}
    found = {m.item_id: ALL_WORDS_BONUS if m.all_words else ANY_WORD_BONUS * m.strength for m in matches}
    for item_id, kind in named.items():
        found[item_id] = found.get(item_id, 0.0) + NAMED_BONUS[kind]
    n_whole = sum(match.all_words for match in matches)
    return WordScores(found, crowded=n_whole == WINDOW, sure=bool(named) or n_whole > 0)


class Stopwatch:
    """The time each stage of a query takes."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._stages: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._stages[name] = (time.perf_counter() - started) * 1000

    def timings_ms(self) -> dict[str, float]:
        """Milliseconds a stage, and ``total`` since the start."""
        total = (time.perf_counter() - self._started) * 1000
        return {name: round(ms, 3) for name, ms in {**self._stages, "total": total}.items()}
