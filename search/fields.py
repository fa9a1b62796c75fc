"""What an item's fields add to its score: requirements of the query that the catalog itself says are met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from search.catalog.filtering import first_matching, holders
from search.filters import AnyOf, facet_value
from search.query import WINDOW, Query
from search.ranking import Scores
from search.requirements.parsing import parse
from search.requirements.requirement import Requirement
from search.requirements.vocabulary import Vocabulary

MET_BONUS = 2.0
"""Added to the z-scores for each requirement that one of the item's fields meets."""

OF_ANOTHER_KIND = 0.5
"""What the other requirements count that an item meets, where it is not the kind of thing that was asked for: who asks
for a striped navy shirt for men takes a plain black one before men's striped navy socks. Set by judgement."""

FAMILY_SHARE = 0.5
"""How far a value counts that the query's words include but do not name: Navy Blue for "blue"."""


@dataclass(frozen=True, slots=True)
class FieldScores:
    """The requirements of a query that name values of the catalog's fields, and the ids of items, ``WINDOW`` at most,
    that meet all that are ``wanted``. Some of these may say what kind of thing it is: ``is_kind``, shape (n wanted,).

    ``n_asked`` counts the wanted ones with those that no field can tell of. An item must not meet any of the
    ``denied``, which the query's text denies, nor be all that ``without`` says, one value a field: "red or blue shirts"
    are other things than all that is red.
    """

    wanted: tuple[Requirement, ...]
    is_kind: NDArray[np.bool_]
    n_asked: int
    denied: tuple[Requirement, ...]
    without: tuple[Requirement, ...]
    found: NDArray[np.int64]

    def met(self, connection: Connection, item_ids: NDArray[np.int64]) -> Scores:
        """How far each of ``item_ids`` meets each wanted requirement, 0 to 1; shape (n, n wanted)."""
        return shares(connection, self.wanted, item_ids)

    def avoided(self, connection: Connection, item_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of ``item_ids`` are what must not be, by their fields; shape (n,)."""
        avoided = shares(connection, self.denied, item_ids).any(axis=1)
        by_field = {each.field: [other for other in self.without if other.field == each.field] for each in self.without}
        met = [shares(connection, alternatives, item_ids).any(axis=1) for alternatives in by_field.values()]
        return np.asarray(avoided | np.all(met, axis=0) if met else avoided, np.bool_)


def field_scores(connection: Connection, query: Query, vocabulary: Vocabulary) -> FieldScores:
    """Take a query's words apart and find the items whose fields meet them, under its filters."""
    said = parse(query.text, vocabulary)
    wanted = tuple(each for each in said if each.wanted and not each.is_free)
    denied = tuple(each for each in said if not each.wanted and not each.is_free)
    without = tuple(parse(query.without, vocabulary, wanted=False))
    if any(each.is_free for each in without):  # what no field can tell of, words may
        without = ()
    conditions = [AnyOf(each.field, tuple(map(facet_value, each.values))) for each in wanted]
    found = first_matching(connection, conditions, query.filters, WINDOW) if wanted else np.empty(0, np.int64)
    is_kind = np.array([each.field in vocabulary.kind_fields for each in wanted], np.bool_)
    return FieldScores(wanted, is_kind, sum(each.wanted for each in said), denied, without, found)


def n_met(met: Scores, is_kind: NDArray[np.bool_]) -> Scores:
    """How many of m requirements each of n items meets, shape (n,), those of things of another kind in part. ``met``,
    shape (n, m), says how far it meets each, and ``is_kind``, shape (m,), which of them name a kind."""
    others = met[:, ~is_kind].sum(axis=1)
    if not is_kind.any():
        return np.asarray(others)
    kinds = met[:, is_kind]
    return np.asarray(kinds.sum(axis=1) + others * (OF_ANOTHER_KIND + (1 - OF_ANOTHER_KIND) * kinds.max(axis=1)))


def shares(connection: Connection, requirements: Sequence[Requirement], item_ids: NDArray[np.int64]) -> Scores:
    """How far each item meets each requirement by its fields; shape (n, len(requirements)). ``item_ids``: sorted."""
    met = np.zeros((len(item_ids), len(requirements)))
    for column, requirement in enumerate(requirements):
        family = set(map(facet_value, requirement.family))
        share = {value: FAMILY_SHARE if value in family else 1.0 for value in map(facet_value, requirement.values)}
        held = holders(connection, requirement.field, list(share), item_ids.tolist())
        at = np.searchsorted(item_ids, [item_id for item_id, _ in held])
        np.maximum.at(met[:, column], at, [share[value] for _, value in held])
    return met
