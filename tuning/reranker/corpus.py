"""The corpus of a run: judged queries, with what is right for each, what is wrong, and what the search finds."""

from __future__ import annotations

import heapq
import os
import random
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import compress

from vitrina.evaluation.judged_search import OnProgress, ask_all
from vitrina.evaluation.judgements import JudgedQuery, judged_skus, known
from vitrina.evaluation.metrics import Grades
from vitrina.search.reranking.base import IMAGE_SIDE_PX, CandidateImages, RerankCandidate
from vitrina.search.reranking.statements import statements_of
from vitrina.search.retrieval.engine import SearchEngine
from vitrina.search.store.full_text import item_words
from vitrina.search.store.images import ImageStore
from vitrina.search.store.store import Store
from vitrina.search.types.errors import InputError
from vitrina.search.types.item import StoredItem
from vitrina.search.types.query import Query
from vitrina.search.understanding.catalog_attributes import CatalogVocabulary, Vocabulary
from vitrina.search.understanding.parser import requirements_of
from vitrina.tuning.reranker.plan import RerankerPlan
from vitrina.tuning.rows import place

N_CANDIDATES = 20
"""As many as a search has reranked."""

HARD_DEPTH = 50
"""Hits among which hard negatives are looked for: what a reranker is shown, and some more."""

MAX_RIGHT = 200
"""Right items of one query that are drawn from; a query for "shirts" has thousands."""

N_STRANGERS = 2_000
"""Items of the catalog to draw at random from."""

MIN_ASIDE, MIN_KEPT = 4, 8
"""Queries below which there is nothing to measure with, or to learn from."""

MAX_ASIDE = 200
"""Queries set aside at most, since each has some 30 pairs that are judged after every epoch."""


@dataclass(frozen=True, slots=True)
class TuningQuery:
    """A judged query as a reranker is asked it.

    ``right`` are skus with a grade above 0; ``hard`` those with the grade 0, and those that the search finds and nobody
    judged relevant; ``found`` what the search would have reranked, best first. All can be looked at.
    """

    claim: str
    grades: Grades
    right: tuple[str, ...]
    hard: tuple[str, ...]
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RerankerCorpus:
    """Wishes to train on and wishes set aside, the items they speak of, and ``strangers``, any items.

    ``notes`` say what was left out, in sentences.
    """

    source: str
    kept: tuple[TuningQuery, ...]
    aside: tuple[TuningQuery, ...]
    strangers: tuple[str, ...]
    items: Mapping[str, StoredItem]
    store: ImageStore
    notes: tuple[str, ...]


def read_corpus(
    home: Store, engine: SearchEngine, judged: Sequence[JudgedQuery], plan: RerankerPlan, on_progress: OnProgress
) -> RerankerCorpus:
    """Ask the catalog's own search every judged query, and gather the items. Blocks.

    Raises InputError where the judgements cannot be tuned on, and says what is missing.
    """
    texts, notes = by_text_alone(judged)
    texts, left_out = known(texts, home.catalog.content_hashes(sorted(judged_skus(texts))))
    vocabulary = CatalogVocabulary(home.catalog).current()
    claims = [statement_for(query.text, vocabulary) for query in texts]
    found = ask_all(engine, texts, on_progress)
    drafts = [
        draft(claim, query.grades, each.skus) for claim, query, each in zip(claims, texts, found, strict=True) if claim
    ]
    wanted = {sku for wish in drafts for sku in (*wish.right, *wish.hard, *wish.found)}
    items, strangers = gathered(home.catalog.all_items(), wanted, listings=plan.listings)
    wishes = [wish for each in drafts if (wish := within(each, items)).right]
    if len(wishes) < len(texts):
        n_lost = len(texts) - len(wishes)
        left_out.append(f"{n_lost:,} queries were left out: no relevant item can be looked at, or nothing is wanted.")
    kept, aside = split(wishes, plan.set_aside)
    return RerankerCorpus(home.folder.name, kept, aside, strangers, items, home.images, (*notes, *left_out))


def by_text_alone(judged: Sequence[JudgedQuery]) -> tuple[list[JudgedQuery], list[str]]:
    """The queries by words, which a reranker is asked as they are, and a note on the others. Raises InputError where
    there are none."""
    texts = [query for query in judged if query.text and query.image is None and not query.sku]
    if not texts:
        raise InputError(
            "None of the judged queries is by text alone, and a reranker is asked in words.",
            remedy='Judge some: {"query": "red shirt", "relevant": {"A-17": 3, "A-18": 0}}',
        )
    n_others = len(judged) - len(texts)
    return texts, [f"{n_others:,} queries with a picture were left out: a reranker is asked in words."] * bool(n_others)


def statement_for(text: str, vocabulary: Vocabulary) -> str:
    """The whole phrase, as a search asks it; empty where the query only denies."""
    query = Query(text=text)
    return statements_of(query, requirements_of(query, vocabulary)).whole


def draft(claim: str, grades: Grades, found: Sequence[str]) -> TuningQuery:
    """A wish before it is known which items can be looked at."""
    right = sorted((sku for sku, grade in grades.items() if grade > 0), key=place)
    judged_wrong = sorted(sku for sku, grade in grades.items() if grade == 0)
    mined = [sku for sku in found[:HARD_DEPTH] if sku not in grades]
    return TuningQuery(claim, grades, tuple(right), (*judged_wrong, *mined), tuple(found[:N_CANDIDATES]))


def within(wish: TuningQuery, items: Mapping[str, StoredItem]) -> TuningQuery:
    """The same, with what can be looked at alone."""

    def visible(skus: Iterable[str]) -> Iterator[str]:
        return (sku for sku in skus if sku in items)

    right = tuple(visible(wish.right))[:MAX_RIGHT]
    return TuningQuery(wish.claim, wish.grades, right, tuple(visible(wish.hard)), tuple(visible(wish.found)))


def gathered(
    stored: Iterable[StoredItem], wanted: set[str], *, listings: bool
) -> tuple[dict[str, StoredItem], tuple[str, ...]]:
    """The wanted items that can be looked at, with ``N_STRANGERS`` others or fewer, and the skus of these."""
    items: dict[str, StoredItem] = {}

    def strangers() -> Iterator[tuple[float, str, StoredItem]]:
        for each in stored:
            sku = each.item.sku
            if each.image_ids or listings:
                if sku in wanted:
                    items[sku] = each
                yield place(sku), sku, each

    drawn = heapq.nsmallest(N_STRANGERS, strangers(), key=lambda one: one[:2])
    items |= {sku: each for _, sku, each in drawn}
    return items, tuple(sku for _, sku, _ in drawn)


def split(wishes: Sequence[TuningQuery], share: float) -> tuple[tuple[TuningQuery, ...], tuple[TuningQuery, ...]]:
    """Wishes to train on, and ``share`` of them, 0 to 1, set aside by a hash of the words: the same words are never on
    both sides. Raises InputError where too few are left on either."""
    places = [place(wish.claim.casefold()) for wish in wishes]
    last = sorted(places)[:MAX_ASIDE][-1] if places else 0.0
    is_aside = [at < share and at <= last for at in places]
    aside = tuple(compress(wishes, is_aside))
    kept = tuple(compress(wishes, [not known for known in is_aside]))
    if len(aside) < MIN_ASIDE or len(kept) < MIN_KEPT:
        raise InputError(
            f"{len(wishes):,} judged queries are too few: with {share:g} of them set aside, {len(kept):,} are left to "
            f"train on and {len(aside):,} to measure with, where {MIN_KEPT} and {MIN_ASIDE} are needed.",
            remedy="Judge more queries, or set another share aside with --set-aside.",
        )
    return kept, aside


ROOM_BYTES = 512 * 1024 * 1024
"""Decoded pictures kept in memory: 700 of 512 x 512 pixels."""


class CandidateCache:
    """The first pictures of items, decoded in threads as a search decodes them, and kept while there is room.

    With ``listings`` the catalog's text stands beside them. Pictures have a longer side of at most ``side_px``.
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
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, "looks")

    def of(self, skus: Sequence[str]) -> list[RerankCandidate | None]:
        """The look of each item; None where there is nothing to look at. Blocks."""
        return list(self._threads.map(self._look, skus))

    def _look(self, sku: str) -> RerankCandidate | None:
        if sku in self._kept:
            return self._kept[sku]
        stored = self._items[sku]
        shown = CandidateImages(self._store, self._side_px).look(stored)
        image = None if shown is None else shown.image
        listing = item_words(stored.item) if self._listings else ""
        key = sku if shown is None or image is None else shown.key
        look = RerankCandidate(key, image, listing) if image or listing else None
        n_bytes = 3 * image.width * image.height if image else 0
        with self._lock:
            if n_bytes <= self._room_bytes and sku not in self._kept:
                self._room_bytes -= n_bytes
                self._kept[sku] = look
        return look


MAX_OF_A_WISH = 8
"""Right items of a wish in one epoch: a query with many counts for more, but not for everything."""

HARD_SHARE = 0.75
"""Of the wrong items, those that are hard to tell; the others are any. Set by judgement: hard ones are what a search
shows its reranker, any others keep it from calling everything doubtful."""

_TRIES = 20


@dataclass(frozen=True, slots=True)
class QueryItemPair:
    """A claim about an item, and whether it holds."""

    claim: str
    sku: str
    is_right: bool


Duo = tuple[QueryItemPair, QueryItemPair]
"""A right one and a wrong one of the same claim."""


def duos_of(
    wish: TuningQuery, strangers: Sequence[str], dice: random.Random, limit: int = MAX_OF_A_WISH
) -> Iterator[Duo]:
    """Some of a wish's right items, each with a wrong one; none where everything is right."""
    for sku in dice.sample(wish.right, min(limit, len(wish.right))):
        wrong = wrong_for(wish, strangers, dice)
        if wrong is not None:
            yield QueryItemPair(wish.claim, sku, is_right=True), QueryItemPair(wish.claim, wrong, is_right=False)


def wrong_for(wish: TuningQuery, strangers: Sequence[str], dice: random.Random) -> str | None:
    """A wrong item: a hard one, or any that nobody judged relevant."""
    if wish.hard and dice.random() < HARD_SHARE:
        return dice.choice(wish.hard)
    drawn = (dice.choice(strangers) for _ in range(_TRIES))
    wrong = next((sku for sku in drawn if not wish.grades.get(sku)), None)
    return wrong or (dice.choice(wish.hard) if wish.hard else None)


def epoch_of(wishes: Sequence[TuningQuery], strangers: Sequence[str], dice: random.Random) -> list[QueryItemPair]:
    """The pairs of an epoch, those of a duo side by side."""
    duos = [duo for wish in wishes for duo in duos_of(wish, strangers, dice)]
    dice.shuffle(duos)
    return [pair for duo in duos for pair in duo]
