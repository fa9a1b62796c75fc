"""What words add to an item's score: full-text matches, names typed exactly, and words to avoid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from search.catalog.filtering import listed_ids
from search.catalog.words import items_holding, items_with_all_words, match_words, named_items
from search.query import WINDOW, Query
from search.ranking import Scores

NAMED_BONUS = {"sku": 20.0, "title": 12.0}
"""Added to the z-scores (a very good picture match has 5) of an item whose sku or title is the query, so that a name
typed exactly comes first."""

HOLDING_BONUS = 3.0
MAX_HELD = 3
"""Added for each attribute, of so many at most, whose whole value is the query: a brand, an article. What is filed
under "Accessories" as its category and as its subcategory is more of one than a watch is."""

ALL_WORDS_BONUS = 2.0
"""Added where every word of the query stands in the item."""

ANY_WORD_BONUS = 1.0
"""Added, times the match's relative BM25 strength, where only some do."""


@dataclass(frozen=True, slots=True)
class WordScores:
    """What full-text search adds to the items it ``found``.

    ``crowded``: more items hold every word than it listed.
    """

    found: dict[int, float]
    crowded: bool

    def matches(self, connection: Connection, query: Query, item_ids: NDArray[np.int64]) -> Scores:
        """What the words that are wanted add to each of ``item_ids``, shape (n,), at a text weight of 1."""
        ids = item_ids.tolist()
        wanted = {item_id: self.found.get(item_id, 0.0) for item_id in ids}
        if self.crowded:
            for item_id in items_with_all_words(connection, query.text, ids):
                wanted[item_id] = max(wanted[item_id], ALL_WORDS_BONUS)
        if query.text:
            for item_id, n_held in items_holding(connection, query.text, ids).items():
                wanted[item_id] += HOLDING_BONUS * min(n_held, MAX_HELD)
        return np.array([wanted[item_id] for item_id in ids], dtype=np.float64)


def avoided_words(connection: Connection, query: Query, item_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of ``item_ids`` hold all words to avoid, shape (n,)."""
    avoided = items_with_all_words(connection, query.without, item_ids.tolist())
    return np.array([item_id in avoided for item_id in item_ids.tolist()], dtype=np.bool_)


def word_scores(connection: Connection, query: Query, within: NDArray[np.int64] | None) -> WordScores:
    allowed = None if within is None else listed_ids(within.tolist())
    matches = match_words(connection, query.text, limit=WINDOW, within=allowed)
    named = named_items(connection, query.text, limit=WINDOW, within=allowed) if query.text else {}
    found = {m.item_id: ALL_WORDS_BONUS if m.all_words else ANY_WORD_BONUS * m.strength for m in matches}
    for item_id, kind in named.items():
        found[item_id] = found.get(item_id, 0.0) + NAMED_BONUS[kind]
    n_whole = sum(match.all_words for match in matches)
    return WordScores(found, crowded=n_whole == WINDOW)
