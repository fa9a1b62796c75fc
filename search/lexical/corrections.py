"""Corrections: what a word that nobody knows was meant to be."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from rapidfuzz import process
from rapidfuzz.distance import OSA

from vitrina.search.analysis.bound_words import SENTENCE_WORDS, known_words
from vitrina.search.analysis.language import without_accents
from vitrina.search.analysis.synonyms import Thesaurus
from vitrina.search.lexical.term_dictionary import TWO_TYPOS_LETTERS, TermDictionary, most_typos

SOUNDS = (
    (re.compile(r"ph"), "f"),
    (re.compile(r"gh"), ""),
    (re.compile(r"^kn"), "n"),
    (re.compile(r"^wr"), "r"),
    (re.compile(r"wh"), "w"),
    (re.compile(r"tion|sion|shun"), "sn"),
    (re.compile(r"s?c(?=[eiy])"), "s"),
    (re.compile(r"ck|c|qu?"), "k"),
    (re.compile(r"z"), "s"),
    (re.compile(r"x"), "ks"),
    (re.compile(r"(?!^)[aeiouy]|(?<=[aeo])w"), ""),
    (re.compile(r"mb$"), "m"),
    (re.compile(r"(.)\1+"), r"\1"),
)
"""What letters sound like in English, roughly: vowels after the first letter sound all alike."""

REPEATED = re.compile(r"(.)\1+")

SWAPPED, DOUBLED, SOUNDED = 0.3, 0.3, 0.3
"""What an error counts less, of 1, if two letters are swapped, if one is written once or twice, and if both words sound
alike: as people mistype."""

OTHER_START = 0.5
"""What it counts more if the first letter is another, which few people mistype."""

OF_OTHERS, OF_RARE_OTHERS = 0.05, 0.15
"""What a word counts more that no item has, but other shops and shoppers, and for each power of ten in its place among
these."""

OF_ITSELF = 0.75
"""What a rare word counts that was typed as it is meant."""

MOST_ERRORS, PER_LETTER = 1.2, 0.08
"""What a word that no item has may count at most, and more for each letter: many a short name is one letter from a
word, so that it must be a frequent one, or an error that people often make."""

LONGEST = 30
"""How many letters a word has at most that is corrected."""

WITHOUT = re.compile(r"(?:un|non?)(?P<after>.+)|(?P<before>.+)less")
"""Words that say what a thing has not, which are close to those that say what it has: ``unleather``, ``hoodless``."""

OF_CODES = 0.1
"""What a word of the catalog counts more that is no word elsewhere: a code, or an error itself."""

MOST_FREQUENT = 0.2
"""What a word counts less, at most, that many items have."""

JOINED, SHORT_PART, LACKED_PART, LACKED_MOST = 1.0, 0.25, 0.3, 0.6
"""What a missing blank counts, and more where a part has three letters or fewer, and for each that no item has, which
must be a frequent word."""

LEAST_BESIDE = 3
"""One part has more letters than these, and the one beside a misspelled part."""

SOUNDED_LETTERS, SOUNDED_MORE = 6, 0.75
"""How many letters a word must have that may have one error more where both sound alike, and how many errors these
count at most."""

MOST_CLOSE = 24
"""How many words that no item has are thought of."""

LEAST_KNOWN = 4
"""The least letters of a word that is corrected to one that no item has."""


OtherWords = tuple[Mapping[str, float], tuple[str, ...]]
"""Words that no item need have, with what each counts more, and once more in a row."""


@cache
def others_by_start(language: str) -> Mapping[str, OtherWords]:
    """Words that shops and shoppers use in a language, with what each counts more, by their first letters; none in
    another language than English."""
    found: dict[str, dict[str, float]] = {}
    for word, place in known_words(language).items():
        found.setdefault(word[0], {})[word] = OF_OTHERS + OF_RARE_OTHERS * math.log10(place + 1)
    return {start: (words, tuple(words)) for start, words in found.items()}


@dataclass(frozen=True, slots=True)
class Correction:
    """Words in place of one, and how many errors it would be."""

    text: str
    errors: float


class Corrector:
    """Corrects words by one state of a catalog. ``n_items`` counts the items that have a term."""

    def __init__(self, dictionary: TermDictionary, thesaurus: Thesaurus, n_items: Callable[[str], int]) -> None:
        self._dictionary = dictionary
        self._thesaurus = thesaurus
        self._n_items = n_items
        self._others = others_by_start(dictionary.language.code)

    def meant(self, word: str) -> str | None:
        """What a folded word of letters that no item has was meant to be; None where nothing is close, for a compound
        of the catalog's words, and for a word, if a rare one, to which nothing is close enough."""
        if len(word) > LONGEST or self._dictionary.parts(word) or self._says_without(word):
            return None
        found = [*self._of_catalog(word), *self._of_others(word)]
        if not found or min(each.errors for each in found) > JOINED:
            found += self._apart(word)
        best = min(found, key=lambda each: (each.errors, each.text), default=None)
        is_word = word in self._others_like(word)[0]
        return None if best is None or (is_word and best.errors > OF_ITSELF) else best.text

    def _says_without(self, word: str) -> bool:
        """Whether a word of English is another and a syllable that denies it."""
        match = WITHOUT.fullmatch(word) if self._others else None
        return match is not None and self._part(match["after"] or match["before"]) is not None

    def _others_like(self, word: str) -> OtherWords:
        """The words of others that begin with the same letter."""
        return self._others.get(word[0], ({}, ()))

    def _of_catalog(self, word: str) -> Iterator[Correction]:
        for term in self._dictionary.close_to(word, most_errors(word)):
            n_items = self._n_items(term)
            if n_items and self._dictionary.id_of(term) is None:  # with its accents
                term = self._dictionary.closest(word, self._dictionary.spellings(term))
            if n_items and (n_errors := errors(word, term)) <= most_typos(word) + SOUNDED_MORE:
                rarer = OF_CODES * bool(self._others and not self._is_word(term))
                yield Correction(term, n_errors + rarer - min(MOST_FREQUENT, 0.05 * math.log2(n_items)))

    def _of_others(self, word: str) -> Iterator[Correction]:
        words, in_row = self._others_like(word)
        most = MOST_ERRORS + PER_LETTER * len(word)
        if len(word) < LEAST_KNOWN:
            return
        for other, _, _ in process.extract(word, in_row, scorer=OSA.distance, score_cutoff=1, limit=MOST_CLOSE):
            is_other = without_accents(other) != without_accents(word)
            if is_other and len(other) >= LEAST_KNOWN and (n_errors := errors(word, other) + words[other]) <= most:
                yield Correction(other, n_errors)

    def _apart(self, word: str) -> Iterator[Correction]:
        """The word as two, one of which may be misspelled; not in languages that write compounds as one."""
        splits = () if self._dictionary.language.compound_links else range(2, len(word) - 1)
        for at in splits:
            left, right = word[:at], word[at:]
            first, second = self._part(left), self._part(right)
            if first and len(left) > LEAST_BESIDE and left not in SENTENCE_WORDS:
                second = second or self._near(right)
            elif second and len(right) > LEAST_BESIDE and right not in SENTENCE_WORDS:
                first = first or self._near(left)
            if first and second and max(len(left), len(right)) > LEAST_BESIDE:
                short = SHORT_PART * (min(len(left), len(right)) <= 3)
                yield Correction(f"{first.text} {second.text}", JOINED + short + first.errors + second.errors)

    def _part(self, part: str) -> Correction | None:
        """A part of a word that is one of its own: the catalog's, or a usual one."""
        if part in self._dictionary.language.small_words:
            return Correction(part, OF_OTHERS)
        if len(part) > 2 and any(map(self._n_items_of, self._dictionary.forms(part))):
            return Correction(part, 0.0)
        more = self._others_like(part)[0].get(part, MOST_ERRORS)
        return Correction(part, LACKED_PART + more) if len(part) > 3 and more < LACKED_MOST else None

    def _is_word(self, term: str) -> bool:
        return term in self._others_like(term)[0] or self._thesaurus.knows(term)

    def _n_items_of(self, term_id: int) -> int:
        return self._n_items(self._dictionary.terms[term_id])

    def _near(self, part: str) -> Correction | None:
        """The catalog's word that a part is closest to, of four letters or more."""
        near = (each for each in self._of_catalog(part) if each.text not in SENTENCE_WORDS) if len(part) > 3 else ()
        return min(near, key=lambda each: each.errors, default=None)


def most_errors(word: str) -> int:
    """In how many letters a word may be wrong where it sounds like another."""
    most = most_typos(word)
    return most + 1 if len(word) in range(SOUNDED_LETTERS, TWO_TYPOS_LETTERS) else most


def errors(word: str, other: str) -> float:
    """How many errors one word for another is, usual ones counting less."""
    word, other = without_accents(word), without_accents(other)
    n_errors: float = OSA.distance(word, other)
    if sorted(word) == sorted(other):
        n_errors -= SWAPPED
    elif without_doubles(word) == without_doubles(other):
        n_errors -= DOUBLED
    elif len(word) == len(other) and sound(word) == sound(other):
        n_errors -= SOUNDED
    return n_errors + OTHER_START * (word[0] != other[0] and word[:2] != other[1::-1])


def without_doubles(word: str) -> str:
    """A word with each letter once that is written twice in a row."""
    return REPEATED.sub(r"\1", word)


def sound(word: str) -> str:
    """What a word sounds like, roughly."""
    for letters, instead in SOUNDS:
        word = letters.sub(instead, word)
    return word
