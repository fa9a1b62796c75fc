"""The corpus of a run: judged queries with their relevant items, their hard negatives, and what the search finds."""

from __future__ import annotations

import heapq
import os
import random
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import compress

from vitrina.evaluation.judged_search import OnProgress, search_all
from vitrina.evaluation.judgements import JudgedQuery, judged_skus, restrict_to_catalog
from vitrina.evaluation.metrics import Grades
from vitrina.search.engine import SearchEngine
from vitrina.search.reranking.base import IMAGE_SIDE_PX, CandidateImages, RerankCandidate
from vitrina.search.reranking.prompts import statements_of
from vitrina.search.store.images import ImageStore
from vitrina.search.store.store import Store
from vitrina.search.types.errors import InputError
from vitrina.search.types.item import StoredItem, embedding_text
from vitrina.search.types.query import Query
from vitrina.search.understanding.catalog_attributes import CatalogVocabulary, Vocabulary
from vitrina.search.understanding.parser import requirements_of
from vitrina.tuning.reranker.plan import RerankerPlan
from vitrina.tuning.rows import hash_fraction

N_CANDIDATES = 20
"""The number of candidates that a search reranks."""

HARD_DEPTH = 50
"""Hits that hard negatives are taken from: those that a reranker is given, and some more."""

MAX_RELEVANT = 200
"""Relevant items of one query that are drawn from; a query for "shirts" has thousands."""

N_RANDOM_NEGATIVES = 2_000
"""Items of the catalog to draw at random from."""

MIN_HELD_OUT, MIN_KEPT = 4, 8
"""Queries below which there is nothing to measure with, or to learn from."""

MAX_HELD_OUT = 200
"""Queries held out at most, since each has some 30 pairs that are judged after every epoch."""


@dataclass(frozen=True, slots=True)
class TuningQuery:
    """A judged query in the form in which a reranker gets it.

    ``relevant`` are skus with a grade above 0; ``hard_negatives`` those with the grade 0, and those that the search
    finds and that were not judged relevant; ``retrieved`` is what the search would have reranked, best first. All can
    be shown to the model.
    """

    statement: str
    grades: Grades
    relevant: tuple[str, ...]
    hard_negatives: tuple[str, ...]
    retrieved: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RerankerCorpus:
    """Queries to train on and held-out queries, the items they refer to, and ``random_negatives``, items drawn at
    random.

    ``notes`` say in sentences what was left out.
    """

    source: str
    kept: tuple[TuningQuery, ...]
    held_out: tuple[TuningQuery, ...]
    random_negatives: tuple[str, ...]
    items: Mapping[str, StoredItem]
    store: ImageStore
    notes: tuple[str, ...]


def read_corpus(
    store: Store, engine: SearchEngine, judged: Sequence[JudgedQuery], plan: RerankerPlan, on_progress: OnProgress
) -> RerankerCorpus:
    """Run every judged query through the catalog's own search and collect the items. Blocks.

    Raises InputError where the judgements cannot be tuned on, and says what is missing.
    """
    texts, notes = by_text_alone(judged)
    texts, left_out = restrict_to_catalog(texts, store.catalog.content_hashes(sorted(judged_skus(texts))))
    vocabulary = CatalogVocabulary(store.catalog).current()
    statements = [statement_for(query.text, vocabulary) for query in texts]
    found = search_all(engine, texts, on_progress)
    drafts = [
        draft(statement, query.grades, each.skus)
        for statement, query, each in zip(statements, texts, found, strict=True)
        if statement
    ]
    wanted = {sku for query in drafts for sku in (*query.relevant, *query.hard_negatives, *query.retrieved)}
    items, random_negatives = gathered(store.catalog.all_items(), wanted, listings=plan.listings)
    queries = [query for each in drafts if (query := within(each, items)).relevant]
    if len(queries) < len(texts):
        n_lost = len(texts) - len(queries)
        left_out.append(
            f"{n_lost:,} queries were left out: none of their relevant items has an image, or they only exclude things."
        )
    kept, held_out = split(queries, plan.held_out)
    return RerankerCorpus(store.folder.name, kept, held_out, random_negatives, items, store.images, (*notes, *left_out))


def by_text_alone(judged: Sequence[JudgedQuery]) -> tuple[list[JudgedQuery], list[str]]:
    """The queries that are only text, and a note on the others. Raises InputError if there are none."""
    texts = [query for query in judged if query.text and query.image is None and not query.sku]
    if not texts:
        raise InputError(
            "None of the judged queries is by text alone, and a reranker takes its statements as text.",
            remedy='Judge some: {"query": "red shirt", "relevant": {"A-17": 3, "A-18": 0}}',
        )
    n_others = len(judged) - len(texts)
    return texts, [
        f"{n_others:,} queries with an image were left out: a reranker takes its statements as text."
    ] * bool(n_others)


def statement_for(text: str, vocabulary: Vocabulary) -> str:
    """The statement that a search would have judged for the whole query; empty if the query only excludes things."""
    query = Query(text=text)
    return statements_of(query, requirements_of(query, vocabulary)).whole


def draft(statement: str, grades: Grades, found: Sequence[str]) -> TuningQuery:
    """A query before items without images are left out."""
    right = sorted((sku for sku, grade in grades.items() if grade > 0), key=hash_fraction)
    judged_wrong = sorted(sku for sku, grade in grades.items() if grade == 0)
    mined = [sku for sku in found[:HARD_DEPTH] if sku not in grades]
    return TuningQuery(statement, grades, tuple(right), (*judged_wrong, *mined), tuple(found[:N_CANDIDATES]))


def within(query: TuningQuery, items: Mapping[str, StoredItem]) -> TuningQuery:
    """The same query, restricted to ``items``."""

    def visible(skus: Iterable[str]) -> Iterator[str]:
        return (sku for sku in skus if sku in items)

    relevant = tuple(visible(query.relevant))[:MAX_RELEVANT]
    hard_negatives, retrieved = tuple(visible(query.hard_negatives)), tuple(visible(query.retrieved))
    return TuningQuery(query.statement, query.grades, relevant, hard_negatives, retrieved)


def gathered(
    stored: Iterable[StoredItem], wanted: set[str], *, listings: bool
) -> tuple[dict[str, StoredItem], tuple[str, ...]]:
    """The wanted items that have an image, or with ``listings`` all wanted items, with at most ``N_RANDOM_NEGATIVES``
    others, and the skus of these."""
    items: dict[str, StoredItem] = {}

    def random_negatives() -> Iterator[tuple[float, str, StoredItem]]:
        for each in stored:
            sku = each.item.sku
            if each.image_ids or listings:
                if sku in wanted:
                    items[sku] = each
                yield hash_fraction(sku), sku, each

    drawn = heapq.nsmallest(N_RANDOM_NEGATIVES, random_negatives(), key=lambda one: one[:2])
    items |= {sku: each for _, sku, each in drawn}
    return items, tuple(sku for _, sku, _ in drawn)


def split(queries: Sequence[TuningQuery], share: float) -> tuple[tuple[TuningQuery, ...], tuple[TuningQuery, ...]]:
    """Queries to train on, and ``share`` of them, 0 to 1, held out by a hash of the text: the same text is never on
    both sides. Raises InputError if too few are left on either."""
    places = [hash_fraction(query.statement.casefold()) for query in queries]
    last = sorted(places)[:MAX_HELD_OUT][-1] if places else 0.0
    is_held_out = [at < share and at <= last for at in places]
    held_out = tuple(compress(queries, is_held_out))
    kept = tuple(compress(queries, [not known for known in is_held_out]))
    if len(held_out) < MIN_HELD_OUT or len(kept) < MIN_KEPT:
        raise InputError(
            f"{len(queries):,} judged queries are too few: with {share:g} of them held out, {len(kept):,} are left to "
            f"train on and {len(held_out):,} to measure with; {MIN_KEPT} and {MIN_HELD_OUT} are needed.",
            remedy="Judge more queries, or hold out another share with --held-out.",
        )
    return kept, held_out


ROOM_BYTES = 512 * 1024 * 1024
"""Decoded images kept in memory: 700 of 512 x 512 pixels."""


class CandidateCache:
    """The first images of items, decoded in threads as a search decodes them, and kept while there is room.

    With ``listings`` they come with the catalog's text. The longer side of an image is at most ``side_px``.
    """

    def __init__(
        self,
        items: Mapping[str, StoredItem],
        store: ImageStore,
        *,
        listings: bool,
        side_px: int = IMAGE_SIDE_PX,
        room_bytes: int = ROOM_BYTES,
    ) -> None:
        self._items = items
        self._store = store
        self._listings = listings
        self._side_px = side_px
        self._room_bytes = room_bytes
        self._kept: dict[str, RerankCandidate | None] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, "candidates")

    def of(self, skus: Sequence[str]) -> list[RerankCandidate | None]:
        """The candidate of each item; None if it has neither image nor text. Blocks."""
        return list(self._threads.map(self._candidate, skus))

    def _candidate(self, sku: str) -> RerankCandidate | None:
        if sku in self._kept:
            return self._kept[sku]
        stored = self._items[sku]
        shown = CandidateImages(self._store, self._side_px).candidate(stored)
        image = None if shown is None else shown.pixels
        listing = embedding_text(stored.item) if self._listings else ""
        key = sku if shown is None or image is None else shown.key
        candidate = RerankCandidate(key, image, listing) if image or listing else None
        n_bytes = 3 * image.width * image.height if image else 0
        with self._lock:
            if n_bytes <= self._room_bytes and sku not in self._kept:
                self._room_bytes -= n_bytes
                self._kept[sku] = candidate
        return candidate


MAX_PAIRS_A_QUERY = 8
"""Relevant items of a query in one epoch: a query with many counts for more, but not for everything."""

HARD_SHARE = 0.75
"""The share of hard negatives among the negatives; the others are random. Set by judgement: hard ones are what a search
shows its reranker, random ones keep it from doubting everything."""

_TRIES = 20


@dataclass(frozen=True, slots=True)
class QueryItemPair:
    """A statement about an item, and whether it is true."""

    statement: str
    sku: str
    is_relevant: bool


Duo = tuple[QueryItemPair, QueryItemPair]
"""A relevant item and a negative of the same statement."""


def duos_of(
    query: TuningQuery, random_negatives: Sequence[str], rng: random.Random, limit: int = MAX_PAIRS_A_QUERY
) -> Iterator[Duo]:
    """Some of a query's relevant items, each with a negative; none if every item is relevant."""
    for sku in rng.sample(query.relevant, min(limit, len(query.relevant))):
        negative = negative_for(query, random_negatives, rng)
        if negative is not None:
            yield (
                QueryItemPair(query.statement, sku, is_relevant=True),
                QueryItemPair(query.statement, negative, is_relevant=False),
            )


def negative_for(query: TuningQuery, random_negatives: Sequence[str], rng: random.Random) -> str | None:
    """A negative: a hard one, or a random one that was not judged relevant."""
    if query.hard_negatives and rng.random() < HARD_SHARE:
        return rng.choice(query.hard_negatives)
    drawn = (rng.choice(random_negatives) for _ in range(_TRIES))
    negative = next((sku for sku in drawn if not query.grades.get(sku)), None)
    return negative or (rng.choice(query.hard_negatives) if query.hard_negatives else None)


def pairs_of(
    queries: Sequence[TuningQuery], random_negatives: Sequence[str], rng: random.Random
) -> list[QueryItemPair]:
    """The pairs of an epoch, the two of a duo next to each other."""
    duos = [duo for query in queries for duo in duos_of(query, random_negatives, rng)]
    rng.shuffle(duos)
    return [pair for duo in duos for pair in duo]
