"""BM25 over the words of a query, computed exactly.

Robertson et al. (1994), with the fields' weights inside the term frequency (BM25F, 2004), and the inverse document
frequency of Lucene, which is never negative. All ways to write one word count as one term.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vitrina.search.lexical.expansion import FORM_WEIGHT, LITERAL_WEIGHT, Alternative, Expansion
from vitrina.search.lexical.postings import Postings
from vitrina.search.lexical.segment import NO_WEIGHTS, Denying, Occurrences, Weights
from vitrina.search.lexical.term_dictionary import NumberTerms
from vitrina.search.types.arrays import IdPositions, distinct

K1 = 1.2
B = 0.75
"""How fast repeated words stop to count, and how much longer items must repeat them."""


SUM_ERROR = 1.00001
"""How far sums of a few float32 numbers may be off."""

NO_IDS: NDArray[np.int64] = np.empty(0, np.int64)

DENSE_SHARE = 0.12
"""From this share of the items on, adding up in an array of all rows is faster than sorting those that are held."""


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
    """What items hold of one word: their rows, ascending, shape (n,), and before weighting by its rarity their scores,
    and the weights by which they hold it; both of shape (n + 1,), the last 0, for rows that are not there.
    ``n_holding`` items hold the word itself or, where none does, something like it; ``highest`` is the best score, and
    ``positions`` are those of the rows."""

    rows: NDArray[np.int64]
    scores: Weights
    held: Weights
    n_holding: int
    highest: float
    positions: IdPositions

    @property
    def nbytes(self) -> int:
        """The memory that the arrays take."""
        return self.rows.nbytes + self.scores.nbytes + self.held.nbytes + self.positions.nbytes

    def at(self, rows: NDArray[np.int64]) -> tuple[Weights, Weights]:
        """The scores of some rows, and the weights by which they hold the word; both of shape (n,), 0 where they do
        not."""
        at = self.positions.of(rows)
        return self.scores[at], self.held[at]

    def scores_at(self, rows: NDArray[np.int64]) -> Weights:
        """The scores of some rows alone."""
        return self.scores[self.positions.of(rows)]


@dataclass(frozen=True, slots=True)
class Reduced:
    """The word of a query that counts less in some rows, sorted: its position, and what it counts there."""

    word: int
    rows: NDArray[np.int64]
    weight: float

    def weights(self, rows: NDArray[np.int64]) -> Weights:
        """What the word counts in the given rows, shape (n,)."""
        return np.where(np.isin(rows, self.rows), np.float32(self.weight), np.float32(1))


@dataclass(frozen=True, slots=True)
class BestRows:
    """The rows of the best items, best first, and their BM25 scores; both of shape (n,)."""

    rows: NDArray[np.int64]
    bm25: Weights


class QueryMatches:
    """What every item holds of one query's words, as of one state of the index."""

    def __init__(self, expansion: Expansion, postings: Postings, reduced: Reduced | None = None) -> None:
        self.words = expansion.words
        """The query's words; none for a query without words, which nothing matches."""
        self._alternatives = [expansion.of_word(at) for at in range(len(self.words))]
        self._postings = postings
        self._reduced = reduced
        self._scores = [
            word_scores(each, postings, expansion.denying_at(at)) for at, each in enumerate(self._alternatives)
        ]
        if reduced is not None:
            word = self._scores[reduced.word]
            scores = word.scores.copy()
            scores[:-1] *= reduced.weights(word.rows)
            self._scores[reduced.word] = replace(word, scores=scores)
        idfs = [inverse_document_frequency(each.n_holding, postings.n_items) for each in self._scores]
        weights = expansion.weights or [1.0] * len(idfs)
        self._idfs = [idf * weight for idf, weight in zip(idfs, weights, strict=True)]
        self._idf = sum(self._idfs) or 1.0

    def best(self, limit: int, within: NDArray[np.int64] | None = None) -> LexicalMatches:
        """The items with the highest BM25 scores, best first, ties by item id; up to ``limit`` of those that hold
        anything. ``within``, sorted item ids, restricts the search itself."""
        best = self._best(limit, within)
        return self._matches(best.rows, best.bm25)

    def best_ids(self, limit: int, within: NDArray[np.int64] | None = None) -> tuple[NDArray[np.int64], float]:
        """The ids of the ``best`` items, without what they hold, and the highest score, 0 without any."""
        best = self._best(limit, within)
        return self._postings.item_ids[best.rows], float(best.bm25.max(initial=0.0))

    def _best(self, limit: int, within: NDArray[np.int64] | None) -> BestRows:
        allowed = None
        if within is not None:
            allowed = self._postings.rows_of(within)
            if len(within) <= self._n_held:
                rows = allowed[allowed >= 0]
                return self._best_of(rows, self._bm25(rows), limit)
        by_most = sorted(range(len(self.words)), key=self._highest, reverse=True)
        rest, n_added, n_tried = sum(map(self._highest, by_most)), 0, 0
        for n_words, at in enumerate(by_most, start=1):
            rest, n_added = rest - self._highest(at), n_added + len(self._scores[at].rows)
            if n_words < len(by_most) and not max(limit, 2 * n_tried) < n_added < self._n_held / 2:
                continue
            n_tried = n_added
            rows = self._rows_with(by_most[:n_words], allowed)
            found = self._best_of(rows, self._bm25(rows), limit)
            if len(found.rows) == limit and found.bm25[-1] > rest * SUM_ERROR:
                return found  # no item that has none of these words comes near (Turtle and Flood, 1995)
        return found if by_most else self._best_of(NO_IDS, NO_WEIGHTS, limit)

    @property
    def _n_held(self) -> int:
        return sum(len(each.rows) for each in self._scores)

    def _highest(self, at: int) -> float:
        """The most that a word adds to a score."""
        return self._idfs[at] * self._scores[at].highest

    def _rows_with(self, words: Sequence[int], allowed: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """The rows that hold any of some words, ascending."""
        found = union([self._scores[at].rows for at in words], len(self._postings.alive))
        return found if allowed is None else found[self._postings.flags_of(allowed)[found]]

    def _bm25(self, rows: NDArray[np.int64]) -> Weights:
        """The scores of some rows, ascending, added up in the order of the query's words."""
        bm25 = np.zeros(len(rows), np.float32)
        for word, idf in zip(self._scores, self._idfs, strict=True):
            if len(word.rows) * 8 < len(rows):
                at = np.searchsorted(rows, word.rows)
                is_among = at < len(rows)
                is_among[is_among] = rows[at[is_among]] == word.rows[is_among]
                bm25[at[is_among]] += np.float32(idf) * word.scores[:-1][is_among]
            else:
                bm25 += np.float32(idf) * word.scores_at(rows)
        return bm25

    def _best_of(self, rows: NDArray[np.int64], bm25: Weights, limit: int) -> BestRows:
        held = bm25 > 0
        if len(rows) > limit:
            held &= bm25 >= np.partition(bm25, len(rows) - limit)[len(rows) - limit]
        rows, bm25 = rows[held], bm25[held]
        order = np.lexsort((self._postings.item_ids[rows], -bm25))[:limit]
        return BestRows(rows[order], bm25[order])

    def of(self, item_ids: NDArray[np.int64]) -> LexicalMatches:
        """What the given items hold, in their order."""
        rows = self._postings.rows_of(item_ids)
        there = rows >= 0
        found = self._matches(rows[there])
        filled = [np.zeros(len(item_ids), np.float32) for _ in range(3)]
        for array, values in zip(filled, (found.bm25, found.share, found.weakest), strict=True):
            array[there] = values
        return LexicalMatches(item_ids, *filled)

    def has_whole(self) -> bool:
        """Whether some item holds every word of the query in some way."""
        first, *others = sorted(self._scores, key=lambda word: len(word.rows))
        rows = first.rows
        for word in others:
            rows = rows[word.at(rows)[1] > 0]
        return len(rows) > 0

    def held_words(self, item_id: int) -> tuple[bool, ...]:
        """Whether one item holds each of the query's words, in whatever form; in the order of ``words``."""
        row = self._postings.rows_of(np.array([item_id]))
        return tuple(bool(row[0] >= 0 and word.at(row)[1][0] > 0) for word in self._scores)

    def in_titles(self, item_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the titles of a few items hold every word of the query in some way; shape (n,)."""
        titles = self._titles(item_ids)
        held = (all(any(each.is_among(terms) for each in ways) for ways in self._alternatives) for terms in titles)
        return np.fromiter(held, np.bool_, len(item_ids))

    def share_in_titles(self, item_ids: NDArray[np.int64]) -> Weights:
        """How much of the query the titles of a few items hold, as ``LexicalMatches.share``; shape (n,)."""
        shares = np.zeros(len(item_ids), np.float32)
        for at, terms in enumerate(self._titles(item_ids)):
            shares[at] = sum(
                idf * max((each.weight for each in alternatives if each.is_among(terms)), default=0.0)
                for alternatives, idf in zip(self._alternatives, self._idfs, strict=True)
            )
        return np.asarray(np.minimum(shares / np.float32(self._idf), 1), np.float32)

    def _titles(self, item_ids: NDArray[np.int64]) -> Iterator[set[int]]:
        """The terms of each item's title, in the items' order."""
        return (set(self._postings.title_of(row).tolist()) for row in self._postings.rows_of(item_ids).tolist())

    def _weights(self, at: int, rows: NDArray[np.int64]) -> Weights | np.float32:
        """What the word at a position counts in some rows, shape (n,), or in all."""
        if self._reduced is None or self._reduced.word != at:
            return np.float32(1)
        return self._reduced.weights(rows)

    def _matches(self, rows: NDArray[np.int64], bm25: Weights | None = None) -> LexicalMatches:
        added, share = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32)
        weakest = np.full(len(rows), np.inf if self.words else 0, np.float32)
        for at, (word, idf) in enumerate(zip(self._scores, self._idfs, strict=True)):
            scores, held = word.at(rows)
            added += np.float32(idf) * scores
            share += np.float32(idf) * (held * self._weights(at, rows))
            weakest = np.minimum(weakest, held)
        share = np.minimum(share / np.float32(self._idf), 1)
        return LexicalMatches(self._postings.item_ids[rows], added if bm25 is None else bm25, share, weakest)


def union(parts: Sequence[NDArray[np.int64]], n_rows: int) -> NDArray[np.int64]:
    """The rows in any of several parts, each ascending; ascending, and each once."""
    if len(parts) == 1:
        return parts[0]
    if sum(map(len, parts)) < DENSE_SHARE * n_rows:
        return distinct(np.concatenate(parts))
    flags = np.zeros(n_rows, np.bool_)
    for part in parts:
        flags[part] = True
    return np.flatnonzero(flags)


def word_scores(
    alternatives: tuple[Alternative, ...], postings: Postings, denying: Denying | None = None
) -> WordScores:
    """The scores of one word, from the ways to hold it; those of the words asked for last are kept."""
    key = (denying is None, *((each.phrase, each.weight) for each in alternatives))
    return postings.cached(key, lambda: computed_scores(alternatives, postings, denying))


def computed_scores(
    alternatives: Sequence[Alternative], postings: Postings, denying: Denying | None = None
) -> WordScores:
    found = [(each, affirmed(each, postings, denying)) for each in alternatives]
    rows = union([where.rows.astype(np.int64) for _, where in found] or [NO_IDS], len(postings.alive))
    frequencies, held, scores = np.zeros((3, len(rows)), np.float32)
    lengths = postings.lengths[rows]
    others = []
    for alternative, where in found:
        if alternative.weight < FORM_WEIGHT:
            others.append((alternative, where))
            continue
        at = np.searchsorted(rows, where.rows) if len(found) > 1 else slice(None)
        frequencies[at] += where.frequencies
        held[at] = np.maximum(held[at], np.float32(alternative.weight))
    n_same = int(np.count_nonzero(held))
    if n_same:
        scores = held * saturated(frequencies, lengths)
    for alternative, where in others:
        at = np.searchsorted(rows, where.rows) if len(found) > 1 else slice(None)
        weight = np.float32(alternative.weight)
        scores[at] = np.maximum(scores[at], weight * saturated(where.frequencies, lengths[at]))
        held[at] = np.maximum(held[at], weight)
    highest = float(scores.max(initial=0.0))
    scores, held = np.append(scores, np.float32(0)), np.append(held, np.float32(0))
    return WordScores(rows, scores, held, n_same or len(rows), highest, IdPositions(rows))


def affirmed(alternative: Alternative, postings: Postings, denying: Denying | None) -> Occurrences:
    """Where one alternative stands without being denied: what is ``nicht für Induktion`` says nothing else of it."""
    found, terms = occurrences(alternative, postings), alternative.phrase[0]
    if denying is None or len(alternative.phrase) > 1 or isinstance(terms, NumberTerms):
        return found
    denied = postings.denied(terms, denying)
    if not len(denied):
        return found
    frequencies = found.frequencies.copy()
    frequencies[np.searchsorted(found.rows, denied.rows)] -= denied.frequencies
    kept = frequencies > 0
    return Occurrences(found.rows[kept], frequencies[kept])


def occurrences(alternative: Alternative, postings: Postings) -> Occurrences:
    """Where one alternative stands."""
    terms = alternative.phrase[0]
    if len(alternative.phrase) > 1 or isinstance(terms, NumberTerms):
        return postings.holding_phrase(alternative.phrase)
    found = [postings.holding(term) for term in terms]
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
