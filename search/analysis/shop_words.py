"""Shop words: the everyday words of shops in other languages than English, and which of them mean the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from vitrina.search.analysis.analyser import analyse
from vitrina.search.analysis.language import Language
from vitrina.search.analysis.measures import NUMBER_WORDS

FILE = "shop_words.txt"

LANGUAGES = ("de", "es", "fr", "it", "nl", "pl", "pt")
"""The languages of the columns, after those of the English names and of the wider things."""

Phrase = tuple[str, ...]

LEAST_MODIFIER, LEAST_TAIL = 3, 4
"""How many letters the first part of a compound and the listed word that ends it must have."""


@dataclass(slots=True)
class PhraseMeaning:
    """What a phrase may mean: phrases of the same thing, itself among them, and of the kinds of it."""

    same: dict[Phrase, None] = field(default_factory=dict)
    narrower: dict[Phrase, None] = field(default_factory=dict)


class ShopWords:
    """The words of one language, looked up in the form in which they are listed or else in any."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._by_key: dict[str, PhraseMeaning] = {}
        self._by_stem: dict[str, PhraseMeaning] = {}
        self._hyphenated: set[str] = set()
        for name in spellings_in(language.code):
            if "-" in name and " " not in name:
                self._hyphenated |= {self._key(analyse(name)), self._stem(analyse(name))}
        for names, kinds in rows_of(language.code):
            for phrase in names:
                words = self.without_stop_words(phrase)
                for held, key in ((self._by_key, self._key(words)), (self._by_stem, self._stem(words))):
                    meaning = held.setdefault(key, PhraseMeaning())
                    meaning.same |= dict.fromkeys(names)
                    meaning.narrower |= dict.fromkeys(kinds)
        self.longest = max((key.count(" ") + 1 for key in self._by_key), default=1)
        """The most words, stop words aside, that a look-up can match."""

    def meaning(self, words: Sequence[str]) -> PhraseMeaning | None:
        """What words, without stop words, mean as one phrase; None for one that is not listed."""
        found = self._by_key.get(self._key(words)) or self._by_stem.get(self._stem(words))
        if found is not None or not words:
            return found
        if len(words) > 1:
            joined = "".join(words) if len(words) == 2 and self._language.compound_links else ""
            return self.meaning([joined]) if joined.isalpha() else None
        inflected = (self._by_key.get(each) for each in self._language.inflections(words[0]))
        found = next(filter(None, inflected), None)
        larger = "" if found else self._language.larger(words[0])
        return self.meaning([larger]) if larger else found

    def is_hyphenated(self, words: Sequence[str]) -> bool:
        """Whether words are listed as one name with a hyphen between them: ``sous-vêtement``."""
        return self._key(words) in self._hyphenated or self._stem(words) in self._hyphenated

    def tail_at(self, word: str) -> int:
        """Where the longest word starts that ends a compound and is listed by itself; 0 where none does."""
        starts = range(LEAST_MODIFIER, len(word) - LEAST_TAIL + 1)
        return next((at for at in starts if self.meaning([word[at:]]) is not None), 0)

    def names(self, word: str) -> bool:
        """Whether a word is listed by itself, in this form."""
        return self._key([word]) in self._by_key

    def without_stop_words(self, phrase: Sequence[str]) -> Phrase:
        """The words of a phrase that count; all of one that has no others."""
        return tuple(word for word in phrase if word not in self._language.stop_words) or tuple(phrase)

    def _key(self, words: Sequence[str]) -> str:
        plain = (part for word in words for part in word.split())
        return " ".join(self._language.keys([NUMBER_WORDS.get(part, part) for part in plain]))

    def _stem(self, words: Sequence[str]) -> str:
        return " ".join(self._language.stems(words))


def spellings_in(code: str) -> Iterator[str]:
    """The names of all things in one language, as they are written."""
    if code in LANGUAGES:
        yield from (name for row in table() for name in row[2 + LANGUAGES.index(code)])


def rows_of(code: str) -> Iterator[tuple[list[Phrase], list[Phrase]]]:
    """The names of each thing in one language, with those of the kinds of it; none for a language without any."""
    if code not in LANGUAGES:
        return
    column = 2 + LANGUAGES.index(code)
    kinds: dict[str, list[Phrase]] = {}
    for row in table():
        for wider in row[1]:
            kinds.setdefault(wider, []).extend(phrases(row[column]))
    for row in table():
        yield phrases(row[column]), [kind for name in row[0] for kind in kinds.get(name, ())]


def phrases(names: Iterable[str]) -> list[Phrase]:
    return [tuple(analyse(name)) for name in names]


@cache
def table() -> tuple[tuple[tuple[str, ...], ...], ...]:
    """The rows of the file, with the names in each of their cells."""
    lines = resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8").splitlines()
    rows = [line.split("|") for line in lines if line and not line.startswith("#")]
    return tuple(tuple(tuple(filter(None, map(str.strip, cell.split(",")))) for cell in row) for row in rows)


@cache
def shop_words(code: str) -> ShopWords:
    """The words of a language, read once; without any in one that has none."""
    return ShopWords(Language(code))
