"""BM25 over the words of a query, computed exactly.

Robertson et al. (1994), with the fields' weights inside the term frequency (BM25F, 2004), and the inverse document
frequency of Lucene, which is never negative. All ways to write one word count as one term.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitrina.search.lexical.expansion import FORM_WEIGHT, LITERAL_WEIGHT, Alternative, Expansion
from vitrina.search.lexical.postings import Occurrences, Postings, Weights

K1 = 1.2
B = 0.75
"""How fast repeated words stop to count, and how much longer items must repeat them."""


DENSE_SHARE = 0.1
"""From this share of the items on, adding up all rows is faster than picking some."""


@dataclass(frozen=True, slots=True)
class LexicalMatches:
    """What n items hold of a query's words; all of shape (n,), zeros for an item that holds none.

    ``bm25`` is the BM25 score; ``share``, 0 to 1, is how much of the query the item holds, its words weighted by their
    inverse document frequency, synonyms and the like counting in part; ``weakest``, 0 to 1, is the weight by which
    the item holds the word that it holds least: 0 if it lacks one.
    """

    item_ids: NDArray[np.int64]
    bm25: Weights
    share: Weights
    weakest: Weights

    def __len__(self) -> int:
        return len(self.item_ids)

    @property
    def literal(self) -> NDArray[np.bool_]:
        """Whether the item holds every word itself, in whatever spelling; shape (n,)."""
        return np.asarray(self.weakest >= LITERAL_WEIGHT)

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Whether the item holds every word itself, or a form of it; shape (n,)."""
        return np.asarray(self.weakest >= FORM_WEIGHT)


@dataclass(frozen=True, slots=True)
class WordScores:
    """What items hold of one word: their rows, all of them where they are many; before weighting by its rarity their
    scores, and the weights by which they hold it, of the same shape. ``n_holding`` items hold the word itself or, where
    none does, something like it."""

    rows: NDArray[np.int64] | slice
    scores: Weights
    held: Weights
    n_holding: int

    def is_held(self, row: int) -> bool:
        """Whether the item in a row holds the word."""
        held = self.held[row] if isinstance(self.rows, slice) else self.held[self.rows == row].sum()
        return bool(held > 0)


class QueryMatches:
    """What every item holds of one query's words, as of one state of the index."""

    def __init__(self, expansion: Expansion, postings: Postings) -> None:
        self.words = expansion.words
        """The query's words; none for a query without words, which nothing matches."""
        self._expansion = expansion
        self._postings = postings
        n_rows = len(postings.alive)
        self._bm25: Weights = np.zeros(n_rows, np.float32)
        self._share: Weights = np.zeros(n_rows, np.float32)
        self._weakest: Weights = np.full(n_rows, np.inf if self.words else 0, np.float32)
        self._n_held = np.zeros(n_rows, np.int8)
        idfs = [self._add(expansion.of_word(at)) for at in range(len(self.words))]
        self._idf = sum(idfs) or 1.0

    def _add(self, alternatives: tuple[Alternative, ...]) -> float:
        """Add the scores of one word; returns its inverse document frequency."""
        word = word_scores(alternatives, self._postings)
        idf = inverse_document_frequency(word.n_holding, self._postings.n_items)
        self._bm25[word.rows] += np.float32(idf) * word.scores
        self._share[word.rows] += np.float32(idf) * word.held
        self._n_held[word.rows] += word.held > 0
        self._weakest[word.rows] = np.minimum(self._weakest[word.rows], word.held)
        return idf

    def best(self, limit: int, within: NDArray[np.int64] | None = None) -> LexicalMatches:
        """The items with the highest BM25 scores, best first, ties by item id; up to ``limit`` of those that hold
        anything. ``within``, sorted item ids, restricts the search itself."""
        if within is None:
            rows = np.flatnonzero(self._bm25)
        else:
            rows = self._postings.rows_of(within)
            rows = rows[rows >= 0]
            rows = rows[self._bm25[rows] > 0]
        if len(rows) > limit:
            scores = self._bm25[rows]
            rows = rows[scores >= np.partition(scores, len(rows) - limit)[len(rows) - limit]]
        order = np.lexsort((self._postings.item_ids[rows], -self._bm25[rows]))
        return self._matches(rows[order[:limit]])

    def of(self, item_ids: NDArray[np.int64]) -> LexicalMatches:
        """What the given items hold, in their order."""
        rows = self._postings.rows_of(item_ids)
        there = rows >= 0
        found = self._matches(rows[there])
        filled = [np.zeros(len(item_ids), np.float32) for _ in range(3)]
        for array, values in zip(filled, (found.bm25, found.share, found.weakest), strict=True):
            array[there] = values
        return LexicalMatches(item_ids, *filled)

    def held_words(self, item_id: int) -> tuple[bool, ...]:
        """Whether one item holds each of the query's words, in whatever form; in the order of ``words``."""
        row = int(self._postings.rows_of(np.array([item_id]))[0])
        if row < 0:
            return (False,) * len(self.words)
        held = (word_scores(self._expansion.of_word(at), self._postings) for at in range(len(self.words)))
        return tuple(word.is_held(row) for word in held)

    def _matches(self, rows: NDArray[np.int64]) -> LexicalMatches:
        share = np.minimum(self._share[rows] / np.float32(self._idf), 1)
        weakest = np.where(self._n_held[rows] == len(self.words), self._weakest[rows], np.float32(0))
        return LexicalMatches(self._postings.item_ids[rows], self._bm25[rows], share, weakest)


def word_scores(alternatives: tuple[Alternative, ...], postings: Postings) -> WordScores:
    """The scores of one word, from the ways to hold it; those of the words asked for last are kept."""
    key = tuple((each.phrase, each.weight) for each in alternatives)
    with postings.lock:
        cached = postings.cache.get(key)
    if cached is None:
        cached = computed_scores(alternatives, postings)
        with postings.lock:
            postings.cache[key] = cached
    return cached


def computed_scores(alternatives: Sequence[Alternative], postings: Postings) -> WordScores:
    same = [(each, occurrences(each, postings)) for each in alternatives if each.weight >= FORM_WEIGHT]
    others = [(each, occurrences(each, postings)) for each in alternatives if each.weight < FORM_WEIGHT]
    frequencies, held, scores = np.zeros((3, len(postings.alive)), np.float32)
    for alternative, where in same:
        frequencies[where.rows] += where.frequencies
        held[where.rows] = np.maximum(held[where.rows], np.float32(alternative.weight))
    n_same = int(np.count_nonzero(held))
    if n_same:
        rows = np.flatnonzero(held)
        scores[rows] = held[rows] * saturated(frequencies[rows], postings.lengths[rows])
    for alternative, where in others:
        weight = np.float32(alternative.weight)
        score = weight * saturated(where.frequencies, postings.lengths[where.rows])
        scores[where.rows] = np.maximum(scores[where.rows], score)
        held[where.rows] = np.maximum(held[where.rows], weight)
    rows = np.flatnonzero(held)
    n_holding = n_same or len(rows)
    if len(rows) > DENSE_SHARE * len(held):
        return WordScores(slice(None), scores, held, n_holding)
    return WordScores(rows, scores[rows], held[rows], n_holding)


def occurrences(alternative: Alternative, postings: Postings) -> Occurrences:
    """Where one alternative stands."""
    if len(alternative.phrase) > 1:
        return postings.holding_phrase(alternative.phrase)
    found = [postings.holding(term) for term in alternative.phrase[0]]
    if len(found) == 1:
        return found[0]
    rows = np.concatenate([each.rows for each in found])
    order = np.argsort(rows, kind="stable")
    first = np.flatnonzero(np.diff(rows[order], prepend=-1))
    frequencies = np.concatenate([each.frequencies for each in found])[order]
    return Occurrences(rows[order][first], np.add.reduceat(frequencies, first) if len(first) else frequencies)


def saturated(frequencies: Weights, lengths: Weights) -> Weights:
    """The part of BM25 that depends on the item, 0 to K1 + 1; ``lengths`` are relative to the mean."""
    return np.asarray(frequencies * (K1 + 1) / (frequencies + K1 * (1 - B + B * lengths)), np.float32)


def inverse_document_frequency(n_holding: int, n_items: int) -> float:
    """How rare something is that ``n_holding`` of ``n_items`` hold; above 0."""
    return math.log(1 + (n_items - n_holding + 0.5) / (n_holding + 0.5))
