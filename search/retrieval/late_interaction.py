"""The best candidates compared with a query word piece by word piece: what one vector of a whole text cannot tell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vitrina.search.encoders.late_interaction import late_interaction
from vitrina.search.retrieval.features import MAX_NAME_WORDS
from vitrina.search.retrieval.fusion import UNREAD, Scores
from vitrina.search.store.reader import CatalogReader
from vitrina.search.types.calibration import QueryKind
from vitrina.search.understanding.parsed_query import ParsedQuery

DEPTH = 32
"""How many of the best candidates are compared: the pieces of the others are not read. With 20 or 50 the first hits are
as good, and 50 take a millisecond more."""

WEIGHT, NAME_WEIGHT = 6.0, 2.5
"""What a full cosine adds to a score, in standard deviations: for a text that describes something, and for one of so
few words that it names a thing, or whose every word a field knows, which words and fields find. Chosen by the half of
the queries that guided the work, in 22 made-up English shops (docs/LOG.md); with 4 for both each of their four sets
gains about as much."""

N_HELD, HELD_WEIGHT = 10, 0.1
"""Where as many items hold all words of a name, vectors and pieces count this: 300 ``headphones`` would be told apart
by what else their texts say, which nobody asked for. Chosen with the rated electronics in view (docs/LOG.md)."""


def piece_scores(
    reader: CatalogReader, version_id: int, parsed: ParsedQuery, item_ids: NDArray[np.int64], fused: Scores
) -> Scores:
    """How near the pieces of a query's words find others in the texts of candidates, by their ids, ascending, and their
    scores without it, shape (n,); -1 to 1. The worst of those that are compared stands for the rest, so that it never
    passes them, and their mean for an item without a text. 0 for all where there is nothing to compare."""
    asked = parsed.encoded
    if parsed.kind is not QueryKind.TEXT or asked is None or asked.pieces is None:
        return np.zeros(len(item_ids))
    best = np.lexsort((item_ids, -fused))[:DEPTH]
    stored = reader.pieces(version_id, item_ids[best].tolist(), asked.pieces.shape[1])
    if not stored:
        return np.zeros(len(item_ids))
    nearness = late_interaction(asked, list(stored.values()))
    scores = np.full(len(item_ids), nearness.min())
    scores[best] = nearness.mean()
    scores[np.searchsorted(item_ids, list(stored))] = nearness
    return scores


def piece_contributions(scores: Scores, parsed: ParsedQuery, *, is_read: bool) -> Scores:
    """What piece scores add to the scores of candidates: nothing to the nearest, and less to the others. An encoder
    that has not learnt the language counts less."""
    is_name = may_be_name(parsed) or not any(each.is_free for each in parsed.of_text)
    weight = (NAME_WEIGHT if is_name else WEIGHT) * (1.0 if is_read else UNREAD) * parsed.query.weights.text
    return np.asarray(weight * (scores - scores.max(initial=-1.0)))


def may_be_name(parsed: ParsedQuery) -> bool:
    """Whether a query's text is short enough to name a thing rather than to describe it."""
    return len(parsed.text.split()) <= MAX_NAME_WORDS


def meaning_weight(parsed: ParsedQuery, holds_all: Scores) -> float:
    """What vectors and pieces count for a query in words, by which of those found hold all of these, 0 or 1, shape
    (n,). All where it avoids something, which vectors do."""
    avoids = any(part.weight < 0 for part in parsed.vectors)
    is_name = parsed.kind is QueryKind.TEXT and may_be_name(parsed) and not avoids
    return HELD_WEIGHT if is_name and np.count_nonzero(holds_all) >= N_HELD else 1.0
