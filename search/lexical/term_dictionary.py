"""The term dictionary: every term of a catalog, and which of them are spellings or forms of one word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import OSA

from vitrina.search.analysis.language import Language, without_accents
from vitrina.search.analysis.measures import GLUED, NUMBER, amount_of
from vitrina.search.types.arrays import Arrays, packed, part_of, unpacked

ONE_TYPO_LETTERS = 4
TWO_TYPOS_LETTERS = 8
"""How many letters a word must have to be corrected by one letter, or by two."""

END_LETTERS = 3
"""Only words that begin with the same letter or end with the same three are compared, a tenth of all: 1 ms instead of
20 where there are 200,000."""

LEAST_HEAD, LEAST_MODIFIER, LEAST_OF_ALL = 3, 3, 7
"""How many letters the last part of a compound, what stands before it, and both together must have: ``Uhr`` ends
``Armbanduhr``, but ``Rat`` is no part of ``Karat``."""

LONGEST_COMPOUND = 36

LONGEST_COMPLETION = 24
LEAST_BEGUN, N_START = 4, 3
"""How many signs the beginning of a model number must have to stand for all of it, and its last piece."""

MAX_CLOSE = 24
MAX_PIECES = 4
"""The most terms that a model number is written as: ``w-734d-1avdf`` has three."""


@dataclass(frozen=True, slots=True)
class NumberTerms:
    """The terms that are a number from ``least`` to ``most``. ``values`` has the number of each term, NaN for others;
    shape (number of terms,)."""

    least: float
    most: float
    values: NDArray[np.float64] = field(compare=False)

    def are_in(self, terms: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which of some terms are among these, shape (n,)."""
        known = terms < len(self.values)
        values = self.values[np.where(known, terms, 0)]
        return np.asarray(known & (values >= self.least) & (values <= self.most))

    def are_any_of(self, terms: Set[int]) -> bool:
        """Whether any of a few terms is among these."""
        return any(term < len(self.values) and self.least <= self.values[term] <= self.most for term in terms)


Phrase = tuple[tuple[int, ...] | NumberTerms, ...]
"""Words next to each other, each of them any of some terms."""

GappedPhrase = tuple[tuple[int, ...] | NumberTerms | None, ...]
"""The same, where None is any word."""


class NumberIndex:
    """The terms of a dictionary that are numbers, by themselves (``1.5``) or with a unit (``120g``)."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._amounts: list[float] = []
        self._joined: dict[str, list[tuple[float, int]]] = {}
        self._values: NDArray[np.float64] = np.empty(0)

    def add(self, term: str, term_id: int) -> None:
        """Add a term that begins with a digit; ids are added in ascending order."""
        if NUMBER.fullmatch(term):
            self._ids.append(term_id)
            self._amounts.append(amount_of(term))
        elif glued := GLUED.fullmatch(term):
            self._joined.setdefault(glued[2], []).append((float(glued[1]), term_id))

    def between(self, least: float, most: float) -> NumberTerms | tuple[int, ...]:
        """The numbers from ``least`` to ``most``; none without any numbers."""
        n_known = len(self._ids)
        if not n_known:
            return ()
        if len(self._values) <= self._ids[n_known - 1]:
            values = np.full(self._ids[n_known - 1] + 1, np.nan)
            values[self._ids[:n_known]] = self._amounts[:n_known]
            self._values = values
        return NumberTerms(least, most, self._values)

    def joined_to(self, units: Iterable[str], least: float, most: float) -> tuple[int, ...]:
        """The terms that are such a number and one of ``units`` as one word."""
        held = (each for unit in units for each in self._joined.get(unit, ()))
        return tuple(term_id for amount, term_id in held if least <= amount <= most)


class TermDictionary:
    """The terms of a catalog by id, for one language. Terms are only ever added, so that several threads may read while
    one adds."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.terms: list[str] = []
        self._ids: dict[str, int] = {}
        self._keys: dict[int, str] = {}
        self._stems: dict[int, str] = {}
        """The key of a term that is not the term itself, and the stem of one that is not its key."""
        self._by_key: dict[str, tuple[int, ...]] = {}
        self._by_stem: dict[str, tuple[int, ...]] = {}
        self._by_start: dict[tuple[str, int], list[str]] = {}
        self._by_end: dict[str, list[str]] = {}
        self._plain_by_start: dict[tuple[str, int], list[str]] = {}
        self._plain_by_end: dict[str, list[str]] = {}
        """The same for what terms with accents are without them."""
        self._by_stems_end: dict[str, list[int]] = {}
        self._small: dict[str, list[int]] = {}
        """The terms that are diminutives, by the stem of the word that each is of."""
        self._by_digits: dict[str, list[str]] = {}
        """The terms with digits, by their first signs."""
        self.numbers = NumberIndex()
        """The terms that may be compounds, where the language has any."""

    def __len__(self) -> int:
        return len(self.terms)

    def add(self, terms: Sequence[str]) -> NDArray[np.int32]:
        """The ids of distinct terms, shape (n,); new ones are added."""
        new = [term for term in terms if term not in self._ids]
        keys = self.language.keys(new)
        stems = self.language.stems(new, keys)
        first = len(self.terms)
        rekeyed = {first + at: key for at, (term, key) in enumerate(zip(new, keys, strict=True)) if key != term}
        stemmed = {first + at: stem for at, (key, stem) in enumerate(zip(keys, stems, strict=True)) if stem != key}
        self._add(new, rekeyed, stemmed)
        return np.array([self._ids[term] for term in terms], np.int32)

    def _add(self, new: Sequence[str], keys: Mapping[int, str], stems: Mapping[int, str]) -> None:
        """Add terms, with the keys and stems of those that have others than they are themselves."""
        first = len(self.terms)
        for term_id, key in keys.items():
            self._by_key[key] = (*self._by_key.get(key, ()), term_id)
        for term_id, stem in stems.items():
            self._by_stem[stem] = (*self._by_stem.get(stem, ()), term_id)
        self._keys.update(keys)
        self._stems.update(stems)
        self.terms.extend(new)
        self._ids.update(zip(new, range(first, first + len(new)), strict=True))
        small = {term: larger for term in new if (larger := self.language.larger(term))}
        for term, stem in zip(small, self.language.stems(list(small.values())), strict=True):
            self._small.setdefault(stem, []).append(self._ids[term])
        for term in new:
            if len(term) > N_START and not term.isalpha():
                self._by_digits.setdefault(term[:N_START], []).append(term)
            if term[0].isdigit():
                self.numbers.add(term, self._ids[term])
            elif term.isalpha():
                self._by_start.setdefault((term[0], len(term)), []).append(term)
                self._by_end.setdefault(term[-END_LETTERS:], []).append(term)
                if not term.isascii() and (plain := without_accents(term)) != term:
                    self._plain_by_start.setdefault((plain[0], len(plain)), []).append(plain)
                    self._plain_by_end.setdefault(plain[-END_LETTERS:], []).append(plain)
                if self.language.compound_links and len(term) >= LEAST_OF_ALL:
                    term_id = self._ids[term]
                    self._by_stems_end.setdefault(self._stem_of(term_id)[-END_LETTERS:], []).append(term_id)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that ``restore`` needs but the language."""
        found = {f"terms.{name}": array for name, array in packed(self.terms).items()}
        for kind, held in (("keys", self._keys), ("stems", self._stems)):
            found[f"{kind}.of"] = np.fromiter(held, np.int64, len(held))
            found |= {f"{kind}.{name}": array for name, array in packed(list(held.values())).items()}
        return found

    def restore(self, arrays: Arrays) -> None:
        """Add all terms that ``arrays`` was of, in an empty dictionary of the same language, in a second for a
        million. Raises KeyError or ValueError where it is not whole."""
        keys, stems = (
            dict(zip(arrays[f"{kind}.of"].tolist(), unpacked(part_of(arrays, f"{kind}.")), strict=True))
            for kind in ("keys", "stems")
        )
        self._add(unpacked(part_of(arrays, "terms.")), keys, stems)

    def _with_key(self, key: str) -> tuple[int, ...]:
        """The terms of a key; most are their key themselves."""
        others = self._by_key.get(key, ())
        own = self._ids.get(key)
        return others if own is None or own in self._keys else tuple(sorted((own, *others)))

    def id_of(self, term: str) -> int | None:
        """A term's id, or None for one that the catalog lacks."""
        return self._ids.get(term)

    def ids_of(self, terms: Iterable[str]) -> tuple[int, ...]:
        """The ids of those of some terms that the catalog has."""
        found = (self._ids.get(term) for term in terms)
        return tuple(term_id for term_id in found if term_id is not None)

    def spellings(self, word: str) -> tuple[int, ...]:
        """The terms that are the word in whatever spelling: accents, and in English its number."""
        return self._with_key(self.language.keys([word])[0])

    def forms(self, word: str) -> tuple[int, ...]:
        """The terms that have the word's stem, or are its plural: ``printed`` for ``print``."""
        stem = self._stem(word)
        found = self._by_stem.get(stem, ()) + self._with_key(stem)
        inflected = (self._with_key(each) for each in self.language.inflections(word))
        return tuple(dict.fromkeys(chain(found, *inflected)))

    def compounds(self, word: str) -> tuple[int, ...]:
        """The terms that end with the word, in a language that writes compounds as one word: ``stehlampe`` for
        ``lampen``."""
        stem = self._stem(word)
        least = max(len(stem) + LEAST_MODIFIER, LEAST_OF_ALL)
        found = self._by_stems_end.get(stem[-END_LETTERS:], ()) if len(stem) >= LEAST_HEAD else ()
        ending = [term_id for term_id in found if self._stem_of(term_id).endswith(stem)]
        return tuple(term_id for term_id in ending if len(self._stem_of(term_id)) >= least)

    def compounds_of(self, word: str) -> tuple[int, ...]:
        """The terms that begin with the word or its stem, in such a language: ``schreibtischlampe`` for
        ``schreibtisch``, ``backform`` for ``backen``."""
        key = self.language.keys([word])[0]
        if not self.language.compound_links or len(word) < LEAST_MODIFIER + 1 or not word.isalpha():
            return ()
        lengths = range(len(word) + LEAST_HEAD - 2, LONGEST_COMPOUND + 1)
        terms = [term for n_letters in lengths for term in self._by_start.get((word[0], n_letters), ())]
        stem = self._stem(word)
        begun = (word, key, stem) if len(stem) >= LEAST_BEGUN else (word, key)
        found = [self._ids[term] for term in terms if term.startswith(begun)]
        return tuple(term_id for term_id in found if self._stem_of(term_id) != stem)

    def parts(self, word: str) -> tuple[str, str] | None:
        """The two words of the catalog that a compound which it lacks is made of: ``damenschuhe`` of ``damen`` and
        ``schuhe``; the first is empty where the catalog has only the last. None for a word that is no such compound."""
        if not self.language.compound_links or not word.isalpha():
            return None
        starts = range(LEAST_MODIFIER, len(word) - LEAST_HEAD + 1)
        tails = [at for at in starts if word[at:] not in self.language.stop_words and self._is_known(word[at:])]
        for at in tails:
            for link in self.language.compound_links:
                first = word[: at - len(link)]
                if not word[:at].endswith(link) or first in self.language.stop_words:
                    continue
                if len(first) >= LEAST_MODIFIER and self.forms(first):
                    return first, word[at:]
        longest = next((word[at:] for at in tails if len(word) - at > LEAST_HEAD), None)
        return None if longest is None else ("", longest)

    def _is_known(self, word: str) -> bool:
        """Whether a word stands by itself, or ends two words at least: "raat" ends "visgraat" alone, and is none."""
        return bool(self.forms(word)) or len(self.compounds(word)) > 1

    def diminutives(self, word: str) -> tuple[int, ...]:
        """The terms for a small one of what the word names, or the larger one that it is a diminutive of:
        ``garrafinha`` for ``garrafa``, and the other way round."""
        found = self._small.get(self._stem(word), ())
        if larger := self.language.larger(word):
            found = (*found, *self.forms(larger), *self._small.get(self._stem(larger), ()))
        return tuple(dict.fromkeys(found))

    def _stem(self, word: str) -> str:
        return self.language.stems([word])[0]

    def _stem_of(self, term_id: int) -> str:
        return self._stems.get(term_id) or self._keys.get(term_id) or self.terms[term_id]

    def splits(self, word: str) -> list[Phrase]:
        """How the word may be written apart: ``headset`` as ``head set``, ``tn2110`` as ``tn-2110``."""
        if any(letter.isdigit() for letter in word):
            return [tuple(pieces) for pieces in self._pieces(word, MAX_PIECES) if len(pieces) > 1]
        both = ((word[:at], word[at:]) for at in range(1, len(word) - 1) if may_split(word, at))
        found = [(self.spellings(left), self.spellings(right)) for left, right in both]
        return [(left, right) for left, right in found if left and right]

    def _pieces(self, word: str, n_pieces: int) -> Iterator[list[tuple[int, ...]]]:
        """The ways to write a word with digits as terms next to each other."""
        whole = self._ids.get(word)
        if whole is not None:
            yield [(whole,)]
        if n_pieces == 1:
            return
        for at in range(1, len(word)):
            first = self._ids.get(word[:at])
            if first is not None:
                yield from ([(first,), *rest] for rest in self._pieces(word[at:], n_pieces - 1))

    def begun(self, word: str) -> list[Phrase]:
        """How a model number may go on, of which a word with letters and digits is the beginning: ``tn-2510xl`` for
        ``tn2510``. None for one of fewer than ``LEAST_BEGUN`` signs, or that goes on with another digit."""
        ends = [at for at in range(1, len(word)) if word[at].isdigit() != word[at - 1].isdigit()]
        if not ends or len(word) < LEAST_BEGUN:
            return []
        found: list[Phrase] = []
        for at in (0, *ends[:1]):
            first, rest = self.ids_of([word[:at]]), word[at:]
            near = self._by_digits.get(rest[:N_START], ()) if len(rest) >= N_START else ()
            more = [term for term in near if term.startswith(rest) and goes_on(term, rest)]
            if more and (first or not at):
                found.append((*([first] if at else []), self.ids_of(more)))
        return found

    def completions(self, start: str) -> list[str]:
        """The words that begin with some letters, and have more."""
        lengths = range(len(start) + 1, LONGEST_COMPLETION + 1)
        terms = (term for n_letters in lengths for term in self._by_start.get((start[0], n_letters), ()))
        return [term for term in terms if term.startswith(start)]

    def containing(self, letter: str) -> list[int]:
        """The terms that contain a letter. Goes through all of them."""
        return [term_id for term_id, term in enumerate(list(self.terms)) if letter in term]

    def closest(self, word: str, terms: Iterable[int]) -> str:
        """The term that differs least from a word."""
        return min((self.terms[term] for term in terms), key=lambda term: n_typos(word, term))

    def close_to(self, word: str, most: int | None = None) -> list[str]:
        """The words within one letter of a word of four letters or more, or two of eight or more, or within ``most``,
        accents aside, a swap of neighbours counting as one; the closest first."""
        most = most_typos(word) if most is None else most
        if not most:
            return []
        word = without_accents(word)
        lengths = range(len(word) - most, len(word) + most + 1)
        both = ((self._by_start, self._by_end), (self._plain_by_start, self._plain_by_end))
        near = [by_start.get((word[0], n_letters), ()) for by_start, _ in both for n_letters in lengths]
        found: dict[str, float] = {}
        for terms in (*near, *(by_end.get(word[-END_LETTERS:], ()) for _, by_end in both)):
            close = process.extract(word, terms, scorer=OSA.distance, score_cutoff=most, limit=MAX_CLOSE)
            found |= {term: distance for term, distance, _ in close}
        return sorted(found, key=lambda term: found[term])


def most_typos(word: str) -> int:
    """In how many letters a word may be wrong."""
    return (len(word) >= ONE_TYPO_LETTERS) + (len(word) >= TWO_TYPOS_LETTERS) if word.isalpha() else 0


def n_typos(word: str, other: str) -> int:
    """In how many letters two words differ, accents aside, a swap of neighbours counting as one."""
    return OSA.distance(without_accents(word), without_accents(other))


def goes_on(term: str, start: str) -> bool:
    """Whether a model number goes on with a letter after a digit, or with anything after a letter: ``556`` does not
    begin ``5560``, which is another."""
    return len(term) > len(start) and not (start[-1].isdigit() and term[len(start)].isdigit())


def may_split(word: str, at: int) -> bool:
    """Whether letters may be two words: three letters each, or one or two before four or more, as in ``tshirt``, or two
    and two, as in ``wifi``."""
    after = len(word) - at
    return (at >= 3 and after >= 3) or (at < 3 and after >= 4) or at == after == 2
