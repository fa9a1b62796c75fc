"""Query expansion: the words of a query, and every way in which an item may hold each of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass

from vitrina.search.analysis.analyser import HAS_CJK, analyse
from vitrina.search.analysis.bound_words import BOUNDING, DENIALS, NEGATIONS, SENTENCE_WORDS, known_words
from vitrina.search.analysis.language import without_accents
from vitrina.search.analysis.measure_spellings import Numbers, spellings, without_size_words
from vitrina.search.analysis.measures import NUMBER_WORDS, OPENING, SPELLED_NUMBERS, TO, Measure, measured
from vitrina.search.analysis.synonyms import Thesaurus, differing
from vitrina.search.lexical.corrections import Corrector
from vitrina.search.lexical.segment import Denying
from vitrina.search.lexical.term_dictionary import NumberTerms, Phrase, TermDictionary

MAX_WORDS = 32

LITERAL_WEIGHT = 0.9
"""The least weight of a word that is held literally, in whatever spelling."""

SPLIT_WEIGHT = 0.95
"""Written apart, or as one word: ``head set`` and ``headset``, ``tn-2110`` and ``TN2110``."""

FORM_WEIGHT = 0.7
"""Another form of the word, by its stem: ``printed`` for ``print``; and ``oliver`` for ``olive``, so it counts less."""

SMALL_WEIGHT = 0.6
"""A diminutive of the word, or the word that it is one of: ``garrafinha`` for ``garrafa``."""

KIND_WEIGHT = 0.7
"""A compound that ends with the word: ``Stehlampe`` for ``Lampe``."""

PURPOSE_WEIGHT = 0.35
"""A compound that begins with the word: ``Schreibtischlampe`` for ``Schreibtisch``."""

TAIL_WEIGHT = 0.4
"""The last part of a compound that the catalog lacks: ``Schuhe`` for ``Turnschuhe``."""

NUMBER_WEIGHT = 0.9
"""A number in digits for one in letters, and the other way round: ``2-burner`` for ``two burners``."""

BEGUN_WEIGHT = 0.8
"""A model number that goes on where the one asked for ends: ``SM-A556B`` for ``sm-a556``."""

MODIFIER_SHARE = 0.4
"""What the first part of a compound that is taken apart counts, of 1 for both."""

ANY_KIND = re.compile(r"(?:ma(?:sch|ch)ine?|ger[äa]t|automat|appara{1,2}t|maker|maskin|toestel|set)(?:en?|n|s)?")
"""Ends of names that tell nothing of a thing: a ``Waschmaschine`` is no other machine."""

COMPLETED_WEIGHT, UNTOLD_WEIGHT = 0.65, 0.6
"""The same of a word that a query's last one begins, as people search while they type, and of one of several."""

COMPLETED_LETTERS, CERTAIN_SHARE = 3, 0.5
"""How many letters it must have; and it is told where no other is more than so frequent, relative to it."""

SCRIPT_PART_WEIGHT = 0.5
"""A pair of Chinese, Japanese or Korean letters for the one letter that was asked for."""

DIFFERING_WEIGHT = 0.75
"""What counts of a synonym of a phrase where an item holds only its words that the phrase has not: ``leash`` of ``dog
leash`` for ``dog lead``. With 1 things that are not sold were found by such words, "swimming bath" by a bird bath."""

RARE_FROM = 12_000
"""From which place on a word is rare in shops and in English, or a brand, as ``coton`` is, so that it
may be another word mistyped, or the beginning of one."""

MAX_COMPLETIONS = 3
RARE_SHARE = 0.05
"""A completion must be this frequent, relative to the most frequent: the rest are typing errors, too."""

MAX_PHRASE_WORDS = 3
"""The most words in a row that may be one word or model number."""

NO_TYPOS = BOUNDING | OPENING | set(TO) | set(NEGATIONS) | SENTENCE_WORDS
"""Words that bound, open, join or deny something, or hold sentences together, and are meant as they stand."""

CountItems = Callable[[int], int]


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to hold words of a query: a phrase of the catalog's terms, the positions of the words that it counts for,
    and by what weight, 1 for the words themselves."""

    words: range
    phrase: Phrase
    weight: float

    def is_among(self, terms: Set[int]) -> bool:
        """Whether some terms have every word of the phrase, wherever they stand."""
        return all(
            word.are_any_of(terms) if isinstance(word, NumberTerms) else not terms.isdisjoint(word)
            for word in self.phrase
        )


@dataclass(frozen=True, slots=True)
class Expansion:
    """A query's words, in order, the alternatives for each or for several of them, and what each counts beside the
    others, 1 for most: the two parts of a compound count 1 together."""

    words: tuple[str, ...]
    alternatives: tuple[Alternative, ...]
    weights: tuple[float, ...] = ()
    denying: Denying | None = None
    """What denies words in items' texts, in a catalog that has such words."""

    def denying_at(self, at: int) -> Denying | None:
        """What denies the word at a position; None where the query does so itself: ``non stick``."""
        return None if at and self.words[at - 1] in DENIALS else self.denying

    def of_word(self, at: int) -> tuple[Alternative, ...]:
        """The alternatives that count for the word at a position."""
        return tuple(each for each in self.alternatives if at in each.words)


class QueryExpander:
    """Expands queries by one state of a catalog's term dictionary and thesaurus. ``n_holding`` counts the items of a
    term."""

    def __init__(self, dictionary: TermDictionary, thesaurus: Thesaurus, n_holding: CountItems) -> None:
        self._dictionary = dictionary
        self._thesaurus = thesaurus
        self._n_holding = n_holding
        self._corrector = Corrector(dictionary, thesaurus, self._n_items)

    def expand(self, text: str) -> Expansion:
        """The expansion of a query's text; without words for one that has none."""
        parts, measures = self._parts(text)
        words, found = tuple(parts), list[Alternative]()
        replaced: set[int] = set()
        for span, alternatives in self._synonyms(words):
            found += alternatives
            if self._thesaurus.replaces(words[span.start : span.stop]):
                replaced |= set(span)
            elif len(span) > 1 and self._is_one_thing(words[span.start : span.stop], alternatives):
                replaced |= set(span)
                whole = self._phrase(words[span.start : span.stop])
                found += [Alternative(span, whole, 1.0)] if whole else []
        helps = ((at, self._phrase(each.words), each.weight) for at, each in self._thesaurus.troubles(words))
        found += [Alternative(range(at, at + 1), phrase, weight) for at, phrase, weight in helps if phrase]
        for at, word in enumerate(words):
            if at not in replaced:
                measure = measures.get(word)
                found += self._spelled(word, at) if measure is None else self._measured(measure, at)
        found += [each for each in self._joined(words) if replaced.isdisjoint(each.words)]
        held = {at for each in found for at in each.words if self._is_held(each.phrase)}
        if words and (last := len(words) - 1) not in held:
            found += self._completed(words, last)
        return Expansion(words, tuple(distinct(found)), tuple(parts.values()))

    def _parts(self, text: str) -> tuple[dict[str, float], dict[str, Measure]]:
        """The words of a text that count, ``MAX_WORDS`` at most, with what each counts, and the measures among them,
        each of which is one word, with blanks between its terms."""
        found = without_size_words(measured(analyse(text)))
        meant = [part for part in found if part not in self._dictionary.language.small_words] or found
        weights: dict[str, float] = {}
        for part in meant:
            apart = (str(part),) if isinstance(part, Measure) else self._apart(part)
            of_parts = (MODIFIER_SHARE, 1 - MODIFIER_SHARE) if len(apart) > 1 else (1.0,)
            for word, weight in zip(apart, of_parts, strict=True):
                weights[word] = max(weight, weights.get(word, 0.0))
        kept = dict(list(weights.items())[:MAX_WORDS])
        return kept, {str(part): part for part in meant if isinstance(part, Measure)}

    def _is_one_thing(self, words: Sequence[str], alternatives: Sequence[Alternative]) -> bool:
        """Whether words mean one thing only together: ``sin cable`` is no cable, and ``sous-vêtements``, where the
        catalog has it by any name, is nothing that has "sous"."""
        return words[0] in DENIALS or (self._thesaurus.is_hyphenated(words) and bool(alternatives))

    def _apart(self, word: str) -> tuple[str, ...]:
        """A compound that the catalog lacks as the two words that it has instead; another word as it is."""
        if self._dictionary.forms(word) or self._dictionary.close_to(word):
            return (word,)
        parts = self._dictionary.parts(word)
        if parts and ANY_KIND.fullmatch(parts[1]) and self._thesaurus.knows(word):
            return (word,)
        return parts if parts and all(parts) else (word,)

    def _spelled(self, word: str, at: int) -> Iterator[Alternative]:
        """The word itself, in every spelling and form."""
        here = range(at, at + 1)
        spellings = self._dictionary.spellings(word)
        if spellings:
            yield Alternative(here, (spellings,), 1.0)
        forms = tuple(set(self._forms(word)).difference(spellings))
        if forms:
            yield Alternative(here, (forms,), FORM_WEIGHT)
        if small := tuple(set(self._diminutives(word)).difference(spellings, forms)):
            yield Alternative(here, (small,), SMALL_WEIGHT)
        yield from (Alternative(here, phrase, SPLIT_WEIGHT) for phrase in self._dictionary.splits(word))
        if number := self._dictionary.ids_of([NUMBER_WORDS.get(word) or SPELLED_NUMBERS.get(word, "")]):
            yield Alternative(here, (number,), NUMBER_WEIGHT)
        if not spellings:
            yield from (Alternative(here, each, BEGUN_WEIGHT) for each in self._dictionary.begun(word))
        if kinds := tuple(set(self._compounds(word)).difference(spellings, forms)):
            yield Alternative(here, (kinds,), KIND_WEIGHT)
        if for_it := self._dictionary.compounds_of(word):
            yield Alternative(here, (for_it,), PURPOSE_WEIGHT)
        yield from self._of_tail(word, here, is_lacked=not (spellings or forms or kinds))
        if len(word) == 1 and HAS_CJK.match(word):
            parts = tuple(self._dictionary.containing(word))
            yield from [Alternative(here, (parts,), SCRIPT_PART_WEIGHT)] if parts else []

    def _forms(self, word: str) -> tuple[int, ...]:
        """The forms of a word; with its "er" if it is listed so: no ``Braten`` is a ``Bräter``."""
        return self._with_er(word, self._dictionary.forms(word))

    def _compounds(self, word: str) -> tuple[int, ...]:
        """The compounds that end with a word; with its "er" if it is listed so: no ``Gestell`` is a ``Teller``."""
        return self._with_er(word, self._dictionary.compounds(word))

    def _with_er(self, word: str, terms: tuple[int, ...]) -> tuple[int, ...]:
        end = without_accents(word)
        if self._dictionary.language.code != "de" or not end.endswith("er") or not self._thesaurus.names(word):
            return terms
        return tuple(term for term in terms if end in without_accents(self._dictionary.terms[term])[-len(end) - 2 :])

    def _of_tail(self, word: str, here: range, *, is_lacked: bool) -> Iterator[Alternative]:
        """What a compound's last part stands for: by another name for it behind the same first part, ``Nudelrolle`` for
        ``Nudelholz``; and, for one that the catalog lacks, things of that kind."""
        if not self._dictionary.language.compound_links or not word.isalpha():
            return
        at = self._thesaurus.tail_at(word)
        names = [each for each in (self._thesaurus.synonyms([word[at:]]) if at else ()) if len(each.words) == 1]
        for each in names:
            if ids := self._dictionary.forms(word[:at] + each.words[0]):
                yield Alternative(here, (ids,), each.weight)
        parts = None if self._thesaurus.knows(word) else self._dictionary.parts(word)
        tail = parts[1] if parts else word[at:] if at else ""
        if not (is_lacked and tail) or ANY_KIND.fullmatch(tail):
            return
        of_kind = [(tail, TAIL_WEIGHT), *((each.words[0], TAIL_WEIGHT * each.weight) for each in names)]
        for name, weight in of_kind:
            if ids := (*self._dictionary.forms(name), *self._compounds(name)):
                yield Alternative(here, (tuple(dict.fromkeys(ids)),), weight)

    def _diminutives(self, word: str) -> tuple[int, ...]:
        """The terms for a small or a larger one of what a word names; none for a diminutive that is a name of its own:
        ``pantaloncini`` are no small ``pantaloni``."""
        is_name = self._dictionary.language.larger(word) and self._thesaurus.names(word)
        return () if is_name else self._dictionary.diminutives(word)

    def _measured(self, measure: Measure, at: int) -> Iterator[Alternative]:
        """A measure, in every spelling and in related units."""
        for spelling in spellings(measure):
            phrase = tuple(map(self._terms_of, spelling.words))
            if all(phrase):
                yield Alternative(range(at, at + 1), phrase, spelling.weight)

    def _terms_of(self, words: tuple[str, ...] | Numbers) -> tuple[int, ...] | NumberTerms:
        """The catalog's terms for one word of a measure's spelling; none where it has none."""
        if not isinstance(words, Numbers):
            return self._dictionary.ids_of(words)
        numbers = self._dictionary.numbers
        return (
            numbers.joined_to(words.units, words.least, words.most)
            if words.units
            else numbers.between(words.least, words.most)
        )

    def _joined(self, words: Sequence[str]) -> Iterator[Alternative]:
        """Words next to each other that the catalog writes as one, or a model number that it writes otherwise."""
        for n_words in range(2, MAX_PHRASE_WORDS + 1):
            for at in range(len(words) - n_words + 1):
                parts, span = words[at : at + n_words], range(at, at + n_words)
                whole = "".join(parts).replace(" ", "")
                has_digits = any(letter.isdigit() for letter in whole)
                if has_digits:
                    phrases = [*self._whole(whole), *self._dictionary.splits(whole)]
                elif n_words == 2 and not HAS_CJK.search(whole):
                    phrases = self._whole(whole)
                else:
                    continue
                yield from (Alternative(span, phrase, SPLIT_WEIGHT) for phrase in phrases)

    def _whole(self, word: str) -> list[Phrase]:
        spellings = self._dictionary.spellings(word)
        return [(spellings,)] if spellings else []

    def _synonyms(self, words: Sequence[str]) -> Iterator[tuple[range, list[Alternative]]]:
        """The synonyms of words and phrases; those of a phrase take the place of those of its words."""
        at = 0
        while at < len(words):
            most = min(self._thesaurus.longest, len(words) - at)
            for n_words in range(most, 0, -1):
                synonyms = self._thesaurus.synonyms(words[at : at + n_words])
                if synonyms:
                    span = range(at, at + n_words)
                    ways = [(span, synonym.words, synonym.weight) for synonym in synonyms]
                    if n_words > 1:
                        ways += [
                            (*differing(words, span, each.words), DIFFERING_WEIGHT * each.weight) for each in synonyms
                        ]
                    found = ((part, self._phrase(other), weight) for part, other, weight in ways if part and other)
                    yield span, [Alternative(part, phrase, weight) for part, phrase, weight in found if phrase]
                    break
            at += n_words

    def _phrase(self, words: Sequence[str]) -> Phrase | None:
        """Words as terms of the catalog, in any form but in English, whose forms are listed, or None where it lacks
        one; the last may end a compound."""
        found = [self._dictionary.spellings(word) for word in words]
        if self._dictionary.language.code != "en":
            found = [tuple(dict.fromkeys((*self._forms(word), *ids))) for word, ids in zip(words, found, strict=True)]
            found[-1] = tuple(dict.fromkeys((*found[-1], *self._compounds(words[-1]))))
        return tuple(found) if all(found) else None

    def corrections(self, text: str) -> dict[str, str]:
        """What words of a text were meant to be that no item, no synonym and no other shop has: the word that the last
        one begins, or what people are likely to have mistyped."""
        wrong = [word for word in analyse(text) if self._may_be_wrong(word)]
        words = tuple(self._parts(text)[0]) if wrong else ()
        found: dict[str, str] = {}
        for at, word in enumerate(words):
            completed = self._completed(words, at) if word in wrong else []
            if completed and completed[0].weight == COMPLETED_WEIGHT:
                terms = completed[0].phrase[0]
                assert isinstance(terms, tuple)
                found[word] = self._dictionary.closest(word, terms)
            elif word in wrong and (meant := self._corrector.meant(word)):
                found[word] = meant
        return found

    def _may_be_wrong(self, word: str) -> bool:
        """Whether no item and no synonym has a word, and others seldom."""
        place = known_words(self._dictionary.language.code).get(word, RARE_FROM)
        return self._is_lacked(word) and not self._thesaurus.knows(word) and place >= RARE_FROM

    def _is_lacked(self, word: str) -> bool:
        """Whether no item has a word, in any form, and it may be a typing error."""
        is_word = word.isalpha() and len(word) >= COMPLETED_LETTERS and not HAS_CJK.search(word)
        return is_word and word not in NO_TYPOS and not any(map(self._n_holding, self._dictionary.forms(word)))

    def _completed(self, words: Sequence[str], at: int) -> list[Alternative]:
        """The catalog's words that a query's last word, which it lacks, may be the beginning of."""
        if at + 1 < len(words) or not self._may_be_wrong(words[at]):
            return []
        counted = sorted((self._n_items(term), term) for term in self._dictionary.completions(words[at]))
        spelled = {self._dictionary.spellings(term): (term, n_items) for n_items, term in counted if n_items}
        best = sorted(spelled.values(), key=lambda each: -each[1])
        is_told = all(n_items <= CERTAIN_SHARE * best[0][1] for _, n_items in best[1:])
        weight = COMPLETED_WEIGHT if is_told else UNTOLD_WEIGHT
        usual = [(term, n_of / best[0][1]) for term, n_of in best if n_of >= RARE_SHARE * best[0][1]]
        return [
            Alternative(range(at, at + 1), (self._dictionary.spellings(term),), weight * share**0.25)
            for term, share in usual[:MAX_COMPLETIONS]
        ]

    def _n_items(self, term: str) -> int:
        """How many items hold a term, or without one the word in its most frequent spelling."""
        term_id = self._dictionary.id_of(term)
        spelled = self._dictionary.spellings(term) if term_id is None else (term_id,)
        return max(map(self._n_holding, spelled), default=0)

    def _is_held(self, phrase: Phrase) -> bool:
        """Whether some item holds each word of the phrase."""
        return all(isinstance(word, NumberTerms) or any(map(self._n_holding, word)) for word in phrase)


def distinct(alternatives: Sequence[Alternative]) -> list[Alternative]:
    """Each phrase once for the same words, by its largest weight."""
    best: dict[tuple[range, Phrase], float] = {}
    for each in alternatives:
        key = (each.words, each.phrase)
        best[key] = max(best.get(key, 0.0), each.weight)
    return [Alternative(words, phrase, weight) for (words, phrase), weight in best.items()]
