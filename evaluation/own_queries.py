"""Own queries: what a catalog itself tells of how far each part of a score can be trusted on it.

Queries are made of some items' own words, as a shopper might remember them, and each part is asked alone how well it
finds the item.
"""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Mapping

import numpy as np

from vitrina.search.encoders.base import Encoder
from vitrina.search.engine import SearchEngine
from vitrina.search.retrieval.fusion import Scores
from vitrina.search.retrieval.retriever import RankedCandidates
from vitrina.search.retrieval.vector_scores import VECTOR_PARTS
from vitrina.search.store.store import Store
from vitrina.search.types.errors import VitrinaError
from vitrina.search.types.item import Item, attribute_text
from vitrina.search.types.query import Query
from vitrina.search.types.trust import ALL, WORDS_ALONE, Part, Trust

log = logging.getLogger(__name__)

N_QUERIES = 120
"""Enough to tell a mean reciprocal rank to within a twentieth."""

MAX_TITLE_WORDS = 4
MAX_SENTENCE_WORDS = 12
MAX_VALUE_CHARS = 30

RENEWED_AT = 0.2
"""Trust is measured again once the catalog has this much more or fewer items."""


def own_query(item: Item, rng: random.Random) -> str:
    """A part of the title, two attribute values, or the first sentence of the description; empty for an item without
    words."""
    words = item.title.split()
    possible = []
    if len(words) > 1:
        length = rng.randint(2, min(MAX_TITLE_WORDS, len(words)))
        start = rng.randrange(len(words) - length + 1)
        possible.append(" ".join(words[start : start + length]))
    values = [value for value in attribute_text(item.attributes).split("; ") if 2 < len(value) <= MAX_VALUE_CHARS]
    if len(values) > 1:
        possible.append(" ".join(rng.sample(values, 2)))
    if item.description:
        possible.append(" ".join(first_sentence(item.description).split()[:MAX_SENTENCE_WORDS]))
    return rng.choice(possible) if possible else item.title


def first_sentence(text: str) -> str:
    """The first sentence of a text, with single spaces."""
    return re.split(r"(?<=[.!?])\s", " ".join(text.split()), maxsplit=1)[0]


def is_outdated(trust: Trust | None, n_items: int) -> bool:
    """Whether trust must be measured again, since the catalog has changed."""
    return trust is None or abs(n_items - trust.n_items) > RENEWED_AT * max(trust.n_items, 1)


def renew_trust(store: Store, encoder: Encoder) -> None:
    """Measure the trust in an encoder's vectors again and keep it, where the catalog has changed. Blocks for seconds.

    A failure is logged and costs nothing but the measurement.
    """
    n_items = store.catalog.count("items")
    try:
        if n_items and is_outdated(store.trust(encoder.identity), n_items):
            trust = measure_trust(SearchEngine.open(store, encoder), n_queries=N_QUERIES)
            store.keep_trust(encoder.identity, trust)
    except VitrinaError as error:
        log.warning("How far vectors can be trusted on this catalog was not measured: %s", error)


def measure_trust(engine: SearchEngine, *, n_queries: int = N_QUERIES, seed: int = 0) -> Trust:
    """How far each part can be trusted on the engine's catalog. Blocks for some seconds.

    Raises what ``SearchEngine.rank`` raises.
    """
    with engine.catalog.reading() as reader:
        stored = reader.some_items(n_queries)
        n_items = reader.count("items")
    rng = random.Random(seed)
    found: dict[str, list[float]] = {}
    n_asked = 0
    for each in stored:
        text = own_query(each.item, rng)
        if not text:
            continue
        ranked = engine.rank(Query(text))
        n_asked += 1
        for name, reciprocal in reciprocal_ranks(ranked, each.id).items():
            found.setdefault(name, []).append(reciprocal)
    return Trust(
        found={name: round(float(np.mean(values)), 3) for name, values in found.items()},
        n_queries=n_asked,
        n_items=n_items,
    )


def reciprocal_ranks(ranked: RankedCandidates, item_id: int) -> dict[str, float]:
    """The reciprocal rank of an item by words, by each kind of vector that any candidate has, and by all; 0 where it is
    no candidate. Of candidates that score the same half are taken to be before it."""
    by_part: dict[str, Scores] = {WORDS_ALONE: ranked.parts[Part.BM25], ALL: ranked.totals}
    for modality, part in VECTOR_PARTS.items():
        if not np.isnan(ranked.by_modality[modality]).all():
            by_part[part.value] = np.nan_to_num(ranked.by_modality[modality], nan=-np.inf)
    at = np.flatnonzero(ranked.item_ids == item_id)
    if not len(at):
        return dict.fromkeys(by_part, 0.0)
    return {name: 1 / expected_rank(scores, int(at[0])) for name, scores in by_part.items()}


def expected_rank(scores: Scores, at: int) -> float:
    """The rank of one of n scores, counted from 1, ties in random order."""
    return 1 + float(np.sum(scores > scores[at])) + (float(np.sum(scores == scores[at])) - 1) / 2


def lines(trust: Trust) -> Mapping[str, str]:
    """What was measured, for people to read."""
    return {
        "own queries": f"{trust.n_queries:,} on {trust.n_items:,} items",
        "found by": ", ".join(f"{name} {value:.2f}" for name, value in trust.found.items()),
    }
