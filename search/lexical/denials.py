"""What items' texts lack: the ways to say so of what a query avoids, and other names for what it wants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from vitrina.search.analysis.bound_words import DENIALS, INGREDIENTS
from vitrina.search.analysis.synonyms import Thesaurus
from vitrina.search.lexical.expansion import Alternative, Expansion
from vitrina.search.lexical.term_dictionary import GappedPhrase, TermDictionary

BETWEEN = ("any", "added", "artificial", "all", "the")
ARTICLES = ("a", "an", "ein", "eine", "einen", "een", "un", "una", "une", "um", "uma")
VERBS, FOR = ("need", "needing", "using", "use"), ("for", "of", "your")
FREE = ("free", "frei", "vrij", "less")
FROM = ("of", "from", "von", "van")
"""What shops write between ``DENIALS`` and the name of what a thing lacks, and what they write after it: ``no added
sugar``, ``without a mess``, ``no need for glue``, ``free from sugar``, ``sugar-free``."""

ANDS = ("and", "or", "und", "oder", "et", "ou", "y", "e", "o", "en")
ORS = ("or", "nor", "oder", "ou", "o")
"""Between two things that are lacked: ``gluten and dairy free``, and ``no kiln or oven``."""

FAILING = ("wont", "doesnt", "never", "cannot")
IMITATIONS = ("faux", "fake", "imitation", "vegan", "mock", "synthetic")
SUBSTITUTES = ("alternative", "substitute")
"""What is before a verb that something does not do, and what makes a name that of something else: ``won't fade``,
``faux leather``, ``down alternative``."""


def denials(expansion: Expansion, dictionary: TermDictionary) -> Iterator[GappedPhrase]:
    """The ways to say that something lacks all the words of an expansion: ``no salt``, ``salt-free``, ``unsalted``.
    What is denied as ``added sugar`` is sugar."""
    words = [tuple(single_terms(expansion.of_word(at))) for at in denied_words(expansion)]
    if not words or not all(words):
        return
    before, free = dictionary.ids_of(DENIALS), dictionary.ids_of(FREE)
    yield (before, *words)
    yield (before, dictionary.ids_of((*BETWEEN, *ARTICLES)), *words)
    verbs, articles, of = (dictionary.ids_of(each) for each in (VERBS, ARTICLES, FOR))
    for between in ((verbs,), (verbs, of), (verbs, articles), (verbs, of, articles), (of,)):
        yield (before, *between, *words)
    yield (before, None, dictionary.ids_of(ORS), *words)
    yield (free, dictionary.ids_of(FROM), *words)
    yield (*words, free)
    yield (dictionary.ids_of(FAILING), *words)
    yield (dictionary.ids_of(IMITATIONS), *words)
    yield (*words, dictionary.ids_of(SUBSTITUTES))
    ands, others = dictionary.ids_of(ANDS), dictionary.ids_of(INGREDIENTS)
    for between in ((others,), (ands, others)):
        yield (*words, *between, free)
    for between in ((others,), (others, ands)):
        yield (before, *between, *words)
        yield (free, dictionary.ids_of(FROM), *between, *words)
    if len(words) == 1:
        names = [dictionary.terms[term] for term in words[0]]
        joined = [name + end for name in names for end in FREE]
        joined += [f"un{name}{end}" for name in names for end in ("", "ed", "d")]
        yield (dictionary.ids_of(joined),)


def without_names_of(expansion: Expansion, wanted: Expansion) -> Expansion:
    """The expansion of several words, without other names for all of them whose words are all ``wanted``."""
    terms = {term for each in wanted.alternatives for word in each.phrase if isinstance(word, tuple) for term in word}
    n_words = len(expansion.words)
    kept = [each for each in expansion.alternatives if not 1 < n_words == len(each.words) or not each.is_among(terms)]
    return replace(expansion, alternatives=tuple(kept))


def denied_words(expansion: Expansion) -> list[int]:
    """The positions of the words of an expansion, without what stands between a denial and what it denies."""
    return [at for at, word in enumerate(expansion.words) if word not in BETWEEN]


def other_names_without(
    expansion: Expansion, thesaurus: Thesaurus, expand: Callable[[str], Expansion]
) -> Iterator[GappedPhrase]:
    """What is called by another name for that it lacks the words of an expansion: ``decaf``, for ``caffeine free``."""
    asked = [expansion.words[at] for at in denied_words(expansion)]
    for name in thesaurus.synonyms([*asked, "free"]):
        other = expand(" ".join(name.words))
        words = [tuple(single_terms(other.of_word(at))) for at in range(len(other.words))]
        if words and all(words):
            yield tuple(words)


def single_terms(alternatives: Iterable[Alternative]) -> dict[int, None]:
    """The terms that each stand for a word by themselves, in order."""
    phrases = (each.phrase for each in alternatives)
    return {term: None for first, *rest in phrases if not rest and isinstance(first, tuple) for term in first}
