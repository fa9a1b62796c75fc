"""Completions: what a typed text may go on as, from the words and values that the indexes have anyway."""

from __future__ import annotations

import re
import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitrina.search.analysis.analyser import HAS_CJK, bare
from vitrina.search.analysis.language import without_accents
from vitrina.search.analysis.spelling import SPELLED_WORD, fold, split
from vitrina.search.index.facet_index import FacetIndex
from vitrina.search.lexical.lexical_index import LexicalState
from vitrina.search.lexical.term_dictionary import TermDictionary
from vitrina.search.retrieval.facets import CHOSEN_BY, FEW_VALUES, MAX_SHARE_OF_VALUES, OWN_FIELDS

MAX_PHRASE_WORDS = 4
"""Values of more words describe an item, and nobody searches by them."""

LEAST_LETTERS = 3
"""A single word of fewer letters says little: ``xl``, ``cm``."""

SIZES = frozenset(CHOSEN_BY[1])

PATH_MARK = re.compile(r"\s*[>»›|]\s*|\s+/\s+")
"""What separates the levels of a category."""

LAST_LETTER = "\U0010ffff"

MERGED_SHARE = 0.125
"""What is new is sorted by itself until it is this share of all."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A word of the catalog, or a value of one of its fields as a whole, case-folded, and how many items have it, at
    most."""

    text: str
    field: str | None
    n_items: int


@dataclass(frozen=True, slots=True)
class SortedStarts:
    """Every text that something may be found by, sorted, and what each is of: a term's id, or below 0 the code of a
    facet's value."""

    starts: Sequence[str]
    sources: NDArray[np.int64]

    def beginning(self, start: str) -> NDArray[np.int64]:
        """What has a text that begins so."""
        return self.sources[bisect_left(self.starts, start) : bisect_left(self.starts, start + LAST_LETTER)]

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return zip(self.starts, self.sources.tolist(), strict=True)


def sorted_starts(entries: Sequence[tuple[str, int]]) -> SortedStarts:
    ordered = sorted(entries)
    return SortedStarts([start for start, _ in ordered], np.array([source for _, source in ordered], np.int64))


class Completions:
    """The words and values of a catalog by how they begin, accents and case aside; a value by each of its words. Terms
    and codes are only ever added, so what is new is added here where it is next asked for. Thread-safe."""

    def __init__(self) -> None:
        self._updating = threading.Lock()
        self._clear(None, None)

    def _clear(self, dictionary: TermDictionary | None, facets: FacetIndex | None) -> None:
        self._of = (dictionary, facets)
        self._n_terms = 0
        self._n_values: dict[str, int] = {}
        self._values: dict[int, tuple[str, str]] = {}
        """The field of each code, and its value as it is shown."""
        self._large = self._small = sorted_starts([])

    def starting(self, start: str, limit: int, state: LexicalState, facets: FacetIndex) -> list[Completion]:
        """What begins with a text (``start_of``), with any text where it is empty: values first, then those that most
        items have, ``limit`` in all. Blocks, the first time for a quarter of a second with 130,000 words."""
        with self._updating:
            self._update(state.dictionary, facets)
            tables, values = (self._large, self._small), self._values
        sources = np.concatenate([table.beginning(start) for table in tables])
        is_value = sources < 0
        n_items = np.zeros(len(sources), np.int64)
        n_items[~is_value] = state.postings.n_holding_each(sources[~is_value])
        n_items[is_value] = facets.n_having(-sources[is_value])
        if len(sources) > limit:
            most = np.argpartition(-n_items, limit)[:limit]
            sources, n_items = sources[most], n_items[most]
        order = np.lexsort((sources, -n_items, sources >= 0))
        found = {source: n for source, n in zip(sources[order].tolist(), n_items[order].tolist(), strict=True) if n}
        is_shared = {field: shared(facets, field) for field in {values[-each][0] for each in found if each < 0}}
        terms = state.dictionary.terms
        named = ((values[-each] if each < 0 else (None, terms[each]), n) for each, n in found.items())
        return [Completion(text, field, n) for (field, text), n in named if field is None or is_shared[field]]

    def _update(self, dictionary: TermDictionary, facets: FacetIndex) -> None:
        if self._of[0] is not dictionary or self._of[1] is not facets:
            self._clear(dictionary, facets)
        new = [*self._new_terms(dictionary), *self._new_values(facets)]
        if not new:
            return
        small = [*self._small, *new]
        if len(small) > MERGED_SHARE * len(self._large.starts):
            self._large, self._small = sorted_starts([*self._large, *small]), sorted_starts([])
        else:
            self._small = sorted_starts(small)

    def _new_terms(self, dictionary: TermDictionary) -> Iterator[tuple[str, int]]:
        first, self._n_terms = self._n_terms, len(dictionary)
        for term_id, term in enumerate(dictionary.terms[first : self._n_terms], start=first):
            is_word = len(term) >= LEAST_LETTERS and term.isalpha() and term not in dictionary.language.stop_words
            if is_word and not HAS_CJK.search(term):
                yield without_accents(term), term_id

    def _new_values(self, facets: FacetIndex) -> Iterator[tuple[str, int]]:
        for field in facets.fields:
            if field in OWN_FIELDS or not SIZES.isdisjoint(split(field)[-1:]) or not shared(facets, field):
                continue
            new = facets.values_of(field, self._n_values.get(field, 0))
            self._n_values[field] = self._n_values.get(field, 0) + len(new)
            for value, code in new:
                shown = " ".join(PATH_MARK.split(value or "")[-1].split())
                words = start_of(shown).split(" ")
                if len(words) <= MAX_PHRASE_WORDS and any(letter.isalpha() for letter in shown):
                    self._values[code] = (field, shown)
                    yield from ((" ".join(words[at:]), -code) for at in range(len(words)))


def start_of(text: str) -> str:
    """A text as it is compared: its folded words, without accents."""
    return without_accents(" ".join(map(bare, SPELLED_WORD.findall(fold(text)))))


def shared(facets: FacetIndex, field: str) -> bool:
    """Whether items share a field's values, and each has not its own."""
    n_values = facets.n_values(field)
    return n_values <= FEW_VALUES or n_values <= MAX_SHARE_OF_VALUES * facets.n_with(field)
