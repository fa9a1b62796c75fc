"""Suggestions: what a shopper may be about to type, each with how many items it finds."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from heapq import heappush, heappushpop

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from vitrina.search.analysis.analyser import Field, analyse
from vitrina.search.analysis.language import Language
from vitrina.search.index.replica import IndexReplica
from vitrina.search.lexical.lexical_index import LexicalState
from vitrina.search.lexical.segment import N_FIELDS, NO_ROWS, Rows, Segment
from vitrina.search.retrieval.completions import MAX_PHRASE_WORDS, Completions, start_of
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.matching import is_among
from vitrina.search.types.answer import Suggestion
from vitrina.search.types.arrays import distinct
from vitrina.search.types.query import Query
from vitrina.search.understanding.kind_fields import kind_fields

MAX_WORDS = 12
"""Nothing is suggested for longer texts: hardly two items have so many words in common."""

N_COMPLETIONS = 64
N_BESIDE_WORDS = 128
"""How many completions are counted: those that most items have. More of them beside other words, as few items may have
both."""

MAX_TITLES = 3
MAX_TITLE_CHARS = 100
N_TITLED = 6
"""Whole titles fill what is left of a list: so many at most, of the first items of the best suggestions."""

FEW = 16
"""How many times as long it takes to look for one row as to read one flag."""

CACHE_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class NamedRows:
    """The rows, ascending, whose titles or attributes have some words, and whether any title has the first of them."""

    rows: Rows
    in_titles: bool


NOWHERE = NamedRows(NO_ROWS, False)

Cache = LRUCache[object, NamedRows]

Keys = frozenset[str]
"""What a text has in common with those that differ in case, accents and number alone."""


@dataclass(frozen=True, slots=True)
class Within:
    """Rows, ascending, and the same as flags of all rows."""

    rows: Rows
    flags: NDArray[np.bool_]

    def of(self, rows: Rows) -> Rows:
        """Those of some rows that are among these."""
        if FEW * len(self.rows) < len(rows):
            return self.rows[is_among(self.rows, rows)]
        return rows[self.flags.take(rows)]


@dataclass(frozen=True, slots=True)
class Counted:
    """A suggestion, the rows that it finds, and whether it ends in a kind of things."""

    text: str
    rows: Rows
    is_kind: bool = False

    @property
    def place(self) -> tuple[bool, int]:
        """What ranks it: kinds of things, which most shoppers type, before whatever else they may be."""
        return self.is_kind, len(self.rows)


@dataclass(frozen=True, slots=True)
class Ranking:
    """The suggestions that were found, of which the best ``limit`` will be told."""

    limit: int
    found: dict[Keys, Counted] = field(default_factory=dict)
    best: list[tuple[bool, int]] = field(default_factory=list)
    """The places of those; a heap."""

    def is_hopeless(self, is_kind: bool, n_items: int) -> bool:
        """Whether enough suggestions have better places."""
        return len(self.best) >= self.limit and (is_kind, n_items) < self.best[0]

    def add(self, keys: Keys, counted: Counted) -> None:
        """Add a suggestion that finds something, unless there is the same already."""
        if len(counted.rows) and keys not in self.found:
            self.found[keys] = counted
            put = heappush if len(self.best) < self.limit else heappushpop
            put(self.best, counted.place)

    def ranked(self) -> list[Counted]:
        """The best suggestions, kinds first, then those that find most items, then the shorter ones."""
        found = self.found.values()
        return sorted(found, key=lambda each: (not each.is_kind, -len(each.rows), len(each.text), each.text))[
            : self.limit
        ]


class Suggester:
    """Completes what is typed by what a catalog has. Counts are of items whose titles or attributes have all words, in
    any form. Thread-safe."""

    def __init__(self, catalog: Catalog, replica: IndexReplica) -> None:
        self._catalog = catalog
        self._replica = replica
        self._completions = Completions()
        self._named = NamedTexts()

    def suggest(self, text: str, limit: int) -> tuple[Suggestion, ...]:
        """Up to ``limit`` suggestions for a text whose last word is typed in part, or wholly before a blank: kinds of
        things first, then what most items have. Raises QueryError past the limits of a search. Blocks, for
        milliseconds."""
        asked = Query(text=text, limit=limit).text.split()
        if not 0 < len(asked) <= MAX_WORDS or not start_of(asked[-1]):
            return ()
        n_whole = len(asked) - (not text[-1:].isspace())
        corrected = self._replica.lexical.corrections(" ".join(asked[:n_whole])) if n_whole else {}
        words = [corrected.get(word.casefold(), word) for word in asked[:n_whole]] + asked[n_whole:]
        state, ranking = self._replica.lexical.state, Ranking(limit)
        for at in range(max(0, n_whole - MAX_PHRASE_WORDS + 1), n_whole + 1):
            self._complete(words[:at], start_of(" ".join(words[at:])), state, ranking)
        if len(ranking.found) < limit:
            self._add_titles(words, min(limit - len(ranking.found), MAX_TITLES), state, ranking)
        return tuple(Suggestion(each.text, len(each.rows)) for each in ranking.ranked())

    def _complete(self, before: Sequence[str], start: str, state: LexicalState, ranking: Ranking) -> None:
        """Add the completions of ``start`` that items have together with the words ``before``."""
        within = self._within(" ".join(before), state)
        if within is not None and not len(within.rows):
            return
        language = state.dictionary.language
        beside = [(word, keys_of(word, language)) for word in before]
        n_counted = N_BESIDE_WORDS if before else N_COMPLETIONS
        of_kinds = kind_fields(self._replica.facets.fields)
        for each in self._completions.starting(start, n_counted, state, self._replica.facets):
            is_kind = each.field in of_kinds
            if ranking.is_hopeless(is_kind, each.n_items):
                continue
            named, keys = self._named.of(each.text, state), keys_of(each.text, language)
            if (each.field or named.in_titles) and not ranking.is_hopeless(is_kind, len(named.rows)):
                rows = named.rows if within is None else within.of(named.rows)
                kept = [word for word, of_word in beside if not of_word <= keys]
                counted = Counted(" ".join([*kept, each.text]), rows, is_kind)
                ranking.add(keys.union(*(of_word for _, of_word in beside)), counted)

    def _within(self, before: str, state: LexicalState) -> Within | None:
        """The rows that have all words that are typed wholly; None where there are none to ask for."""
        if state.dictionary.language.stop_words.issuperset(analyse(before)):
            return None
        rows = self._named.of(before, state).rows
        flags = np.zeros(len(state.postings.alive), np.bool_)
        flags[rows] = True
        return Within(rows, flags)

    def _add_titles(self, words: Sequence[str], limit: int, state: LexicalState, ranking: Ranking) -> None:
        """Add the titles of some items that have what is typed in them."""
        language, n_known = state.dictionary.language, len(ranking.found)
        rows = np.concatenate([NO_ROWS, *(each.rows[:N_TITLED] for each in ranking.ranked())])
        ids = state.postings.item_ids[list(dict.fromkeys(rows.tolist()))[: 2 * N_TITLED]].tolist()
        stored = self._catalog.items(ids)
        for title in (stored[each].item.title for each in ids if each in stored):
            if len(title) <= MAX_TITLE_CHARS and goes_on_as(title, words, language):
                ranking.add(keys_of(title, language), Counted(title, self._named.of(title, state).rows))
            if len(ranking.found) >= n_known + limit:
                break


class NamedTexts:
    """Which rows have all words of a text in titles or attributes, kept while nothing changes; for single words in the
    large segment also after changes, as it stays the same through most."""

    def __init__(self) -> None:
        self._keeping = threading.Lock()
        self._state: LexicalState | None = None
        self._segment: Segment | None = None
        self._of_texts, self._of_large = new_cache(), new_cache()

    def of(self, text: str, state: LexicalState) -> NamedRows:
        """The rows that have all words of a text, in any form, stop words aside."""
        postings = state.postings
        with self._keeping:
            if self._state is not state:
                self._state, self._of_texts = state, new_cache()
            if postings.segments and self._segment is not postings.segments[0]:
                self._segment, self._of_large = postings.segments[0], new_cache()
            of_texts, of_large = self._of_texts, self._of_large
            found = of_texts.get(text)
        if found is None:
            words = [word for word in analyse(text) if word not in state.dictionary.language.stop_words]
            found = all_named([self._of_word(word, state, of_large) for word in words])
            self._keep(of_texts, text, found)
        return found

    def _of_word(self, word: str, state: LexicalState, of_large: Cache) -> NamedRows:
        dictionary, postings = state.dictionary, state.postings
        terms = tuple(dict.fromkeys((*dictionary.spellings(word), *dictionary.forms(word))))
        found: list[NamedRows] = []
        for segment, offset in zip(postings.segments, postings.offsets, strict=True):
            if offset:
                named = named_rows(segment, terms)
                found.append(NamedRows(named.rows + np.int32(offset), named.in_titles))
                continue
            with self._keeping:
                kept = of_large.get(terms)
            found.append(kept or named_rows(segment, terms))
            if kept is None:
                self._keep(of_large, terms, found[0])
        rows = np.concatenate([NO_ROWS, *(each.rows for each in found)])
        return NamedRows(rows[postings.alive[rows]], any(each.in_titles for each in found))

    def _keep(self, cache: Cache, key: object, named: NamedRows) -> None:
        with self._keeping:
            if named.rows.nbytes < CACHE_BYTES // 2:
                cache[key] = named


def new_cache() -> Cache:
    return LRUCache(CACHE_BYTES, getsizeof=lambda named: named.rows.nbytes + 200)


def named_rows(segment: Segment, terms: Sequence[int]) -> NamedRows:
    """The rows of a segment that have one of the terms in a title or an attribute."""
    rows, fields = np.divmod(segment.runs[segment.positions_of(terms)], np.int32(N_FIELDS))
    in_title = fields == Field.TITLE
    named = distinct(rows[in_title | (fields == Field.ATTRIBUTES)])
    return NamedRows(named.astype(np.int32), bool(in_title.any()))


def all_named(words: Sequence[NamedRows]) -> NamedRows:
    """The rows that have all words; none without any."""
    if not words:
        return NOWHERE
    rarest, *others = sorted((each.rows for each in words), key=len)
    for each in others:
        rarest = rarest[is_among(rarest, each)]
    return NamedRows(rarest, words[0].in_titles)


@lru_cache(20_000)
def keys_of(text: str, language: Language) -> Keys:
    """The keys of a text's words: singular in English, elsewhere stems."""
    words = analyse(text)
    return frozenset(language.keys(words) if language.code == "en" else language.stems(words))


def goes_on_as(title: str, words: Sequence[str], language: Language) -> bool:
    """Whether a title has what is typed, the last word as the beginning of one of its own."""
    whole = keys_of(" ".join(words[:-1]), language) - language.stop_words
    return whole <= keys_of(title, language) and f" {start_of(words[-1])}" in f" {start_of(title)}"
