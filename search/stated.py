"""What the catalog itself states about items, in its words and in its fields, and what that adds to their scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from search.fields import MET_BONUS, FieldScores, field_scores, n_met
from search.lexical import ALL_WORDS_BONUS, WordScores, avoided_words, word_scores
from search.query import Query, Weights
from search.ranking import Scores
from search.requirements.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Stated:
    """What is stated about n items.

    ``words``, shape (n,), is what full-text search adds at a text weight of 1. The fields meet each of m requirements
    so far, 0 to 1, as ``met`` says, shape (n, m); of these some name a kind of thing, ``is_kind``, shape (m,), and
    ``n_asked`` counts them with those that no field can meet. What must not be is ``avoided``, shape (n,).
    """

    words: Scores
    met: Scores
    is_kind: NDArray[np.bool_]
    n_asked: int
    avoided: NDArray[np.bool_]

    def bonus(self, weights: Weights) -> Scores:
        """What is added to the items' z-scores, below 0 for what must not be; shape (n,).

        Words and fields mostly say the same of an item, so what says more counts, and not both.
        """
        wanted = np.maximum(self.words, MET_BONUS * n_met(self.met, self.is_kind))
        return np.asarray(weights.text * wanted - 2 * weights.without * ALL_WORDS_BONUS * self.avoided)

    @property
    def share_met(self) -> Scores:
        """How much of all that was asked for the fields meet, 0 to 1; shape (n,)."""
        return np.asarray(self.met.sum(axis=1) / max(self.n_asked, 1))


@dataclass(frozen=True, slots=True)
class Statements:
    """What words and fields know of one query."""

    query: Query
    words: WordScores
    fields: FieldScores

    @property
    def item_ids(self) -> NDArray[np.int64]:
        """The items they found, sorted."""
        return np.union1d(self.fields.found, np.array(list(self.words.found), np.int64))

    def about(self, connection: Connection, item_ids: NDArray[np.int64]) -> Stated:
        """What they say of items, found or not. ``item_ids``: sorted, shape (n,)."""
        return Stated(
            self.words.matches(connection, self.query, item_ids),
            self.fields.met(connection, item_ids),
            self.fields.is_kind,
            self.fields.n_asked,
            avoided_words(connection, self.query, item_ids) | self.fields.avoided(connection, item_ids),
        )


def statements(
    connection: Connection, query: Query, vocabulary: Vocabulary, within: NDArray[np.int64] | None
) -> Statements:
    """Look a query up in words and fields; ``within`` are the ids that the query's filters let through."""
    return Statements(query, word_scores(connection, query, within), field_scores(connection, query, vocabulary))
