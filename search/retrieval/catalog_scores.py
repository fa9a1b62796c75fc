"""Catalog scores: what the words of items and matching fields add to an item's score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitrina.search.index.facet_index import FacetIndex
from vitrina.search.index.replica import IndexReplica
from vitrina.search.lexical.bm25 import LexicalMatches, QueryMatches
from vitrina.search.lexical.lexical_index import Avoided, LexicalIndex
from vitrina.search.retrieval.attribute_scores import (
    OTHER_KIND_WORDS_WEIGHT,
    AttributeScores,
    attribute_scores,
    kind_factor,
    n_met,
    with_another_variant,
)
from vitrina.search.retrieval.fusion import Scores
from vitrina.search.store.reader import CatalogReader
from vitrina.search.types.query import WINDOW, Query, Weights
from vitrina.search.types.trust import Part
from vitrina.search.understanding.parsed_query import ParsedQuery

MAX_HELD = 3
"""Attributes at most whose whole value is the query that count: a brand, an article. An item with "Accessories" as its
category and its subcategory is more of an accessory than a watch is."""

MAX_TITLES = 200
"""How many titles at most are read to tell whether they hold all words of a query."""

AVOIDED = 4.0
"""How far an item to avoid falls, in standard deviations of vectors, at a ``without`` weight of 0.5: below other things
of its kind, whatever else speaks for it. Set by judgement."""

MISPRICED = 2.0
"""How far one falls whose price, or amount, is out of the bounds that were asked for; see docs/LOG.md."""

ACCESSORY = 1.0
"""How far an accessory falls where the thing itself was asked for; see docs/LOG.md."""

LACKED = 1.0
"""How far an item rises that says that it lacks what is to be avoided: an alcohol-free mouthwash. Set by judgement."""


@dataclass(frozen=True, slots=True)
class LexicalScores:
    """What the lexical index says of a query: ``found`` has the best items, and ``named`` those whose title or sku is
    the query; some may be in both."""

    found: NDArray[np.int64]
    named: NDArray[np.int64]
    matches: QueryMatches
    strongest: float

    def parts(self, facets: FacetIndex, query: Query, held: LexicalMatches) -> dict[Part, Scores]:
        """What the query's text says of n items that ``held`` is about, every part of shape (n,)."""
        item_ids, share = held.item_ids, held.share.astype(np.float64)
        return {
            Part.BM25: np.minimum(held.bm25 / max(self.strongest, 1e-9), 1.0) * share,
            Part.WORDS: share,
            Part.ALL_WORDS: held.whole.astype(np.float64),
            Part.TITLE: np.isin(item_ids, self.named).astype(np.float64),
            Part.VALUE: np.minimum(facets.n_fields_with(query.text, item_ids), MAX_HELD) / MAX_HELD,
        }

    def hold_all(self, held: LexicalMatches) -> NDArray[np.bool_]:
        """Which of n items that ``held`` is about hold all the words of the query or synonyms, shape (n,): in their
        titles, where a few do, or anywhere: that earrings come in a gift box does not make them jewellery boxes."""
        hold_all = np.asarray(held.weakest > 0)
        if not 0 < np.count_nonzero(hold_all) <= MAX_TITLES:
            return hold_all
        titled = np.zeros(len(hold_all), np.bool_)
        titled[hold_all] = self.matches.in_titles(held.item_ids[hold_all])
        return titled if titled.any() else hold_all


def avoided_words(lexical: LexicalIndex, parsed: ParsedQuery, item_ids: NDArray[np.int64]) -> Avoided:
    """Which of ``item_ids`` hold the words to avoid, or anything that the text denies, and which say that they lack
    one of these and hold none."""
    held, lacked = np.zeros((2, len(item_ids)), np.bool_)
    for words in filter(None, (parsed.query.without, *parsed.denied, *parsed.lacked)):
        found = lexical.avoid(words, item_ids, parsed.text)
        held |= found.held
        lacked |= found.lacked
    return Avoided(held, lacked & ~held)


def lexical_scores(
    reader: CatalogReader, replica: IndexReplica, parsed: ParsedQuery, within: NDArray[np.int64] | None
) -> LexicalScores:
    query, matches = parsed.query, replica.lexical.match(parsed.text)
    best, highest = matches.best_ids(WINDOW, within)
    may_name = bool(query.text) and replica.names.may_name(query.text, reader.sequence())
    names = reader.named(query.text, limit=WINDOW, within=within) if may_name else {}
    named = np.array(sorted(names), np.int64)
    return LexicalScores(np.concatenate([best, named]), named, matches, highest)


@dataclass(frozen=True, slots=True)
class ItemCatalogScores:
    """What the catalog's words and fields say of n items.

    ``parts`` has the lexical parts and ``Part.FIELDS``, each of shape (n,). ``share_met``, shape (n,), is the share of
    all wanted requirements that the fields meet, 0 to 1. ``avoided``, shape (n,), marks items to avoid, ``lacked``
    those that say that they lack it, ``mispriced`` those whose price, or amount, is out of the bounds asked for, and
    ``accessory`` those that are for what is asked for.
    """

    parts: Mapping[Part, Scores]
    share_met: Scores
    avoided: NDArray[np.bool_]
    lacked: NDArray[np.bool_]
    mispriced: NDArray[np.bool_]
    accessory: NDArray[np.bool_]

    def credit(self, weights: Weights) -> Scores:
        """What is added to the scores of items that say that they lack what is to be avoided; shape (n,)."""
        return np.asarray(2 * weights.without * LACKED * self.lacked, np.float64)

    def penalty(self, weights: Weights) -> Scores:
        """What is taken from the scores of items to avoid, of those out of bounds, and of accessories, 0 or more; shape
        (n,)."""
        taken = 2 * weights.without * AVOIDED * self.avoided + MISPRICED * self.mispriced + ACCESSORY * self.accessory
        return np.asarray(taken, np.float64)


@dataclass(frozen=True, slots=True)
class CatalogScores:
    """The lexical and attribute scores of one query."""

    parsed: ParsedQuery
    replica: IndexReplica
    words: LexicalScores
    fields: AttributeScores

    @property
    def item_ids(self) -> NDArray[np.int64]:
        """The items they found, each once or twice."""
        return np.concatenate([self.fields.found, self.words.found])

    def about(self, item_ids: NDArray[np.int64]) -> ItemCatalogScores:
        """The scores of items, found or not. ``item_ids``: sorted, shape (n,)."""
        facets = self.replica.facets
        is_called = np.zeros(len(item_ids), np.bool_)
        if self.fields.is_kind.any():  # or else no title has to be read
            is_called = self.replica.lexical.called(self.parsed.text, item_ids)
        met, n_asked = self.fields.met(self.replica, item_ids, is_called), max(self.fields.n_asked, 1)
        held = self.words.matches.of(item_ids)
        parts = self.words.parts(facets, self.parsed.query, held)
        is_kind = self.fields.is_kind
        if (is_kind & (self.fields.may_modify | self.fields.is_purpose)).any():  # or else no title has to be read
            is_kind = self.fields.kinds_meant(met, self.words.hold_all(held))
        of_words = kind_factor(met, is_kind, OTHER_KIND_WORDS_WEIGHT)
        parts |= {part: parts[part] * of_words for part in (Part.BM25, Part.WORDS)}
        parts[Part.FIELDS] = n_met(met * (is_kind | ~self.fields.is_kind), is_kind) / n_asked
        words = avoided_words(self.replica.lexical, self.parsed, item_ids)
        avoided = words.held | self.fields.avoided(facets, self.replica.lexical, item_ids)
        denied = self.fields.denied
        if facets.has_variants and avoided.any() and denied and len(denied) == len(self.parsed.denied):
            avoided &= ~np.isin(item_ids, with_another_variant(facets, denied, item_ids))
        return ItemCatalogScores(
            parts,
            np.asarray(met.sum(axis=1) / n_asked),
            avoided,
            words.lacked & ~avoided,
            self.fields.mispriced(facets, item_ids, met),
            self.fields.is_accessory(facets, item_ids, met),
        )


def catalog_scores(
    reader: CatalogReader, replica: IndexReplica, parsed: ParsedQuery, within: NDArray[np.int64] | None
) -> CatalogScores:
    """Search a query's words in the lexical index and the fields; ``within`` are the ids that pass its filters."""
    words = lexical_scores(reader, replica, parsed, within)
    fields = attribute_scores(reader, replica.facets, parsed, within, replica.lexical)
    return CatalogScores(parsed, replica, words, fields)
