"""The corpus of a run: judged queries, with what is right for each, what is wrong, and what the search finds."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

from evaluation.metrics import Grades
from evaluation.query import JudgedQuery, held, judged_skus
from evaluation.running import OnProgress, ask_all
from search.catalog.entry import StoredItem
from search.engine import SearchEngine
from search.errors import InputError
from search.home import Home
from search.images.store import ImageStore
from search.query import Query
from search.requirements.following import CatalogVocabulary
from search.requirements.parsing import requirements_of
from search.requirements.vocabulary import Vocabulary
from search.reranking.judging.claims import claims_of
from training.tuning.reranker.plan import Plan
from training.tuning.rows import place

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
class Wish:
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
class Corpus:
    """Wishes to train on and wishes set aside, the items they speak of, and ``strangers``, any items.

    ``notes`` say what was left out, in sentences.
    """

    source: str
    kept: tuple[Wish, ...]
    aside: tuple[Wish, ...]
    strangers: tuple[str, ...]
    items: Mapping[str, StoredItem]
    store: ImageStore
    notes: tuple[str, ...]


def read_corpus(
    home: Home, engine: SearchEngine, judged: Sequence[JudgedQuery], plan: Plan, on_progress: OnProgress
) -> Corpus:
    """Ask the catalog's own search every judged query, and gather the items. Blocks.

    Raises InputError where the judgements cannot be tuned on, and says what is missing.
    """
    texts, notes = by_text_alone(judged)
    texts, left_out = held(texts, home.catalog.content_hashes(sorted(judged_skus(texts))))
    vocabulary = CatalogVocabulary(home.catalog).current()
    claims = [claim_of(query.text, vocabulary) for query in texts]
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
    return Corpus(home.folder.name, kept, aside, strangers, items, home.images, (*notes, *left_out))


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


def claim_of(text: str, vocabulary: Vocabulary) -> str:
    """The whole phrase, as a search asks it; empty where the query only denies."""
    query = Query(text=text)
    return claims_of(query, requirements_of(query, vocabulary)).whole


def draft(claim: str, grades: Grades, found: Sequence[str]) -> Wish:
    """A wish before it is known which items can be looked at."""
    right = sorted((sku for sku, grade in grades.items() if grade > 0), key=place)
    judged_wrong = sorted(sku for sku, grade in grades.items() if grade == 0)
    mined = [sku for sku in found[:HARD_DEPTH] if sku not in grades]
    return Wish(claim, grades, tuple(right), (*judged_wrong, *mined), tuple(found[:N_CANDIDATES]))


def within(wish: Wish, items: Mapping[str, StoredItem]) -> Wish:
    """The same, with what can be looked at alone."""

    def visible(skus: Iterable[str]) -> Iterator[str]:
        return (sku for sku in skus if sku in items)

    right = tuple(visible(wish.right))[:MAX_RIGHT]
    return Wish(wish.claim, wish.grades, right, tuple(visible(wish.hard)), tuple(visible(wish.found)))


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


def split(wishes: Sequence[Wish], share: float) -> tuple[tuple[Wish, ...], tuple[Wish, ...]]:
    """Wishes to train on, and ``share`` of them, 0 to 1, set aside by a hash of the words: the same words are never on
    both sides. Raises InputError where too few are left on either."""
    places = [place(wish.claim.casefold()) for wish in wishes]
    last = sorted(places)[:MAX_ASIDE][-1] if places else 0.0
    is_aside = [at < share and at <= last for at in places]
    aside = tuple(compress(wishes, is_aside))
    kept = tuple(compress(wishes, [not held for held in is_aside]))
    if len(aside) < MIN_ASIDE or len(kept) < MIN_KEPT:
        raise InputError(
            f"{len(wishes):,} judged queries are too few: with {share:g} of them set aside, {len(kept):,} are left to "
            f"train on and {len(aside):,} to measure with, where {MIN_KEPT} and {MIN_ASIDE} are needed.",
            remedy="Judge more queries, or set another share aside with --set-aside.",
        )
    return kept, aside
