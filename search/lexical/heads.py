"""Heads: what a title says a thing is. A laptop bag is a bag: where a word stands before another noun in an item's
title, or after a word such as "for", the item is for it, and is less of an answer to a query by that word than the
thing itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile, takewhile
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from vitrina.search.analysis.analyser import Field
from vitrina.search.analysis.language import Language
from vitrina.search.lexical.bm25 import NO_IDS
from vitrina.search.lexical.postings import Postings
from vitrina.search.lexical.segment import N_FIELDS, Segment
from vitrina.search.lexical.term_dictionary import Phrase, TermDictionary
from vitrina.search.types.arrays import distinct

APART = frozenset({"en"})
"""The languages that put a head after what it is for, and write them apart."""

HEAD_FIRST = frozenset({"es", "fr", "it", "pt", "ca", "ro", "pl"})
"""The languages that put a head before what it is for: ``funda guitarra``."""

ADJECTIVES_FIRST = frozenset({"pl"})
"""Those in which what stands before a noun is more often an adjective than another noun."""

MODIFIER_WEIGHT = 0.9
"""What a query's head counts where a title has it before another noun alone. The best of 0.8, 0.9 and 1 in the shops
of docs/LOG.md, which were looked at for all three: with 0.8 a word that only looks like a noun cost first hits."""

AFTER_HEAD_WEIGHT = 0.8
"""The same where a title has it after another noun or a purpose, in a language that puts heads first: ``Gonna a
portafoglio``. Of 0.9, 0.8 and 0.7 the best in an Italian and a Brazilian shop (350 queries, half of them held out)."""

QUALIFIERS = frozenset(
    {
        "black", "white", "red", "green", "blue", "navy", "grey", "gray", "silver", "gold", "golden", "brown",
        "beige", "pink", "purple", "yellow", "orange", "teal", "cream", "ivory", "multicolour", "multicolor", "clear",
        "colour", "color", "small", "medium", "large", "big", "size", "xxl", "xxxl", "mens", "womens", "men", "women",
        "man", "woman", "ladies", "gents", "boys", "girls", "kids", "unisex", "adult", "adults", "junior", "pro",
        "plus", "max", "mini", "lite", "new", "pack", "set", "pair", "pcs", "pieces", "edition", "series", "model",
        "version", "premium", "tube", "roll", "box", "bundle", "kit", "duo", "trio", "twin", "single", "double",
        "soft", "cotton", "linen", "wool", "merino", "leather", "suede", "silk", "velvet", "nylon", "polyester",
        "canvas", "denim", "wood", "wooden", "oak", "pine", "bamboo", "rattan", "metal", "steel", "stainless",
        "aluminium", "aluminum", "brass", "copper", "iron", "glass", "ceramic", "porcelain", "stoneware", "marble",
        "plastic", "silicone", "rubber", "foam", "carbon", "titanium", "classic", "slim", "wireless", "electric",
        "digital", "portable", "waterproof", "outdoor", "indoor",
    }
)  # fmt: skip
"""Words that may follow the name of a thing without naming another; others that do end in "ed"."""

PURPOSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "en": ("for", "with", "fits", "compatible"),
        "de": ("für", "fuer", "mit", "passend", "zum", "zur", "ohne"),
        "nl": ("voor", "met", "geschikt", "zonder"),
        "sv": ("för", "med", "till", "utan"), "da": ("til", "med", "uden"), "no": ("til", "med", "uten"),
        "es": ("para", "con", "de", "del", "a", "en", "sin", "tipo"), "ca": ("per", "amb", "de", "del", "sense"),
        "pt": ("para", "com", "de", "do", "da", "dos", "das", "em", "sem", "tipo"),
        "fr": ("pour", "avec", "de", "du", "des", "d", "à", "au", "aux", "en", "sans", "façon"),
        "it": ("per", "con", "di", "da", "del", "della", "dei", "delle", "a", "al", "alla", "in", "senza", "tipo"),
        "ro": ("pentru", "cu", "de", "fără"), "pl": ("do", "dla", "na", "z", "ze", "bez", "od", "w"),
    }
)  # fmt: skip
"""Words of a title after which nothing says what the item is: a charger for a laptop, a bag with a laptop sleeve."""


def head_of(terms: Sequence[str], words: Sequence[str], language: Language) -> int | None:
    """The position among a query's ``words`` of its head: the last word of its first phrase that may name a thing, or
    the first in a language that puts it there. ``terms`` are the query's, stop words included, which end a phrase.
    None in a language of which it is not known."""
    if language.code not in PURPOSES:
        return None

    def is_stop_word(term: str) -> bool:
        return term in language.stop_words

    phrase = takewhile(lambda term: not is_stop_word(term), dropwhile(is_stop_word, terms))
    things = [term for term in phrase if may_name_a_thing(term) and term in words]
    return words.index(things[0 if language.code in HEAD_FIRST else -1]) if things else None


def may_name_a_thing(term: str) -> bool:
    """Whether a term may be a noun, as far as its spelling tells."""
    return term.isalpha() and len(term) > 2 and not term.endswith("ed") and term not in QUALIFIERS


@dataclass(frozen=True, slots=True)
class TitleRows:
    """The rows, ascending, whose title has some terms: as its head in ``heads``, and otherwise in ``modifiers``, where
    they stand only before a noun, in a language that writes them apart, or after a purpose."""

    heads: NDArray[np.int64]
    modifiers: NDArray[np.int64]

    @property
    def nbytes(self) -> int:
        """The memory that both take."""
        return self.heads.nbytes + self.modifiers.nbytes


def title_rows(postings: Postings, dictionary: TermDictionary, terms: Sequence[int]) -> TitleRows:
    """The rows whose title has some of the terms."""
    language = dictionary.language
    purposes = dictionary.ids_of(PURPOSES[language.code])

    def is_noun(term: int) -> bool:
        word = dictionary.terms[term]
        return may_name_a_thing(word) and word not in language.stop_words

    found = [heads_and_others(segment, terms, purposes, is_noun, language) for segment in postings.segments]
    alone = (np.setdiff1d(others, heads, assume_unique=True) for heads, others in found)
    return TitleRows(
        np.concatenate([NO_IDS, *(rows + at for (rows, _), at in zip(found, postings.offsets, strict=True))]),
        np.concatenate([NO_IDS, *(rows + at for rows, at in zip(alone, postings.offsets, strict=True))]),
    )


def heads_and_others(
    segment: Segment, terms: Sequence[int], purposes: Sequence[int], is_noun: Callable[[int], bool], language: Language
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of a segment in whose title one of the terms is a head, and those in whose title one is not."""
    at = in_titles(segment, terms)
    is_apart = language.code in APART | HEAD_FIRST - ADJECTIVES_FIRST
    beside = np.minimum(at + 1, len(segment.runs) - 1) if language.code in APART else np.maximum(at - 1, 0)
    is_other = is_apart & (beside != at) & (segment.runs[beside] == segment.runs[at])
    is_other[is_other] = are_nouns(segment.stream.terms[beside[is_other]], is_noun)
    before = in_titles(segment, purposes)
    if len(before):
        last = before[np.maximum(np.searchsorted(before, at) - 1, 0)]
        is_other |= (last < at) & (segment.runs[last] == segment.runs[at])
    rows = segment.runs[at].astype(np.int64) // N_FIELDS
    return distinct(rows[~is_other]), distinct(rows[is_other])


def in_titles(segment: Segment, terms: Sequence[int]) -> NDArray[np.int64]:
    """The positions of some terms in titles, ascending."""
    at = np.sort(segment.positions_of(terms)).astype(np.int64)
    return np.asarray(at[segment.runs[at] % N_FIELDS == Field.TITLE], np.int64)


def are_nouns(terms: NDArray[np.int32], is_noun: Callable[[int], bool]) -> NDArray[np.bool_]:
    each, where = np.unique(terms, return_inverse=True)
    return np.fromiter(map(is_noun, each.tolist()), np.bool_, len(each))[where]


def last_terms(phrases: Iterable[Phrase]) -> list[int]:
    """The terms that end some phrases, each once; numbers aside."""
    lasts = (phrase[-1] for phrase in phrases)
    return list(dict.fromkeys(term for last in lasts if isinstance(last, tuple) for term in last))


def modifier_weight(language: Language) -> float:
    """What a query's head counts where it is none in a title."""
    return AFTER_HEAD_WEIGHT if language.code in HEAD_FIRST else MODIFIER_WEIGHT
