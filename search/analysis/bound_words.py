"""Words that bound an amount, of a price or of a measure, and that deny: ``at least``, ``not over``, ``without``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from types import MappingProxyType

NO_MORE, LESS, NO_LESS, MORE = range(4)
"""What words before an amount say of it: at most, under, at least, over."""

BOUND_PHRASES: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        NO_MORE: (
            "up to", "at most", "max", "maximum", "maximal", "bis zu", "bis",
            "höchstens", "hasta", "fino a", "hoogstens", "au plus", "tot", "até", "no máximo", "do", "maksymalnie",
            "högst", "højst", "høyst", "upp till", "op til", "opp til", "al massimo", "massimo", "maximaal",
            "como máximo", "máximo", "au maximum", "najwyżej", "maks",
        ),
        LESS: (
            "less than", "lower than", "shorter than", "smaller than", "lighter than", "fewer than", "younger than",
            "narrower than", "thinner than", "under", "below", "unter", "weniger als", "leichter als", "kürzer als",
            "kleiner als", "moins de", "en dessous de", "menos de", "por debajo de", "meno di", "onder",
            "minder dan", "lichter dan", "korter dan", "kleiner dan", "abaixo de", "poniżej", "mniej niż",
            "mindre än", "mindre end", "mindre enn",
            "sotto", "sotto i", "al di sotto di", "inferiore a", "entro", "inferior a", "menor de", "menor que",
            "inférieur à", "sous", "onder de",
        ),
        NO_LESS: (
            "at least", "min", "minimum", "from", "mindestens", "ab", "au moins",
            "à partir de", "al menos", "a partir de", "desde", "almeno", "minstens", "vanaf", "pelo menos", "od",
            "co najmniej", "przynajmniej", "minst", "mindst", "från", "a partire da", "dès", "minimaal",
            "como mínimo", "mínimo", "no mínimo", "minimo", "au minimum",
        ),
        MORE: (
            "more than", "longer than", "larger than", "bigger than", "heavier than", "taller than", "higher than",
            "wider than", "thicker than", "older than", "greater than", "over", "above", "exceeding", "exceed", "über",
            "mehr als", "schwerer als", "länger als", "größer als", "grösser als", "höher als", "breiter als",
            "plus de", "más de", "più di", "meer dan", "zwaarder dan", "langer dan", "groter dan", "hoger dan",
            "breder dan", "boven", "mais de", "acima de", "powyżej", "ponad", "więcej niż", "över", "mer än",
            "mere end", "mer enn",
            "oltre", "oltre i", "sopra", "sopra i", "al di sopra di", "superiore a", "superior a", "por encima de",
            "mayor de", "mayor que", "supérieur à", "au dessus de", "boven de",
        ),
    }
)  # fmt: skip
BOUNDS = {tuple(phrase.split()): side for side, phrases in BOUND_PHRASES.items() for phrase in phrases}
AFTERWARDS: Mapping[tuple[str, ...], int] = {
    ("or", "more"): NO_LESS, ("or", "over"): NO_LESS, ("and", "over"): NO_LESS, ("and", "up"): NO_LESS,
    ("plus",): NO_LESS, ("minimum",): NO_LESS, ("or", "less"): NO_MORE, ("or", "under"): NO_MORE, ("max",): NO_MORE,
    ("maximum",): NO_MORE,
    **{("or", word): NO_LESS for word in ("faster", "bigger", "larger", "longer", "higher", "heavier", "better")},
    **{("or", word): NO_MORE for word in ("fewer", "smaller", "shorter", "lighter")},
    ("oder", "mehr"): NO_LESS, ("ou", "plus"): NO_LESS, ("o", "más"): NO_LESS, ("o", "più"): NO_LESS,
    ("of", "meer"): NO_LESS, ("lub", "więcej"): NO_LESS, ("ou", "mais"): NO_LESS, ("et", "plus"): NO_LESS,
    ("in", "su"): NO_LESS, ("oder", "weniger"): NO_MORE, ("ou", "moins"): NO_MORE, ("o", "menos"): NO_MORE,
    ("o", "meno"): NO_MORE, ("of", "minder"): NO_MORE, ("ou", "menos"): NO_MORE, ("lub", "mniej"): NO_MORE,
}  # fmt: skip
"""The words that bound an amount, before it and after it."""
LONGEST_BOUND = max(map(len, BOUNDS))
BOUNDING = frozenset(word for phrase in (*BOUNDS, *AFTERWARDS) for word in phrase)
"""The words of all these, none of which is a typing error."""

NEGATIONS = (
    "no", "not", "never", "nothing", "without", "won't", "wont", "non",
    "don't", "dont", "doesn't", "doesnt", "isn't", "isnt", "aren't", "arent", "shouldn't",
    "shouldnt", "can't", "cant", "nicht", "pas", "niet", "não", "nao", "ikke", "inte", "nie",
)  # fmt: skip
CARRIERS = (
    "be", "any", "much", "go", "cost", "costs", "costing", "priced", "weigh", "weighs", "weighing", "measure",
    "measures", "kosten", "kostet", "wiegen", "wiegt", "coûte", "coute", "cueste", "cuesta", "costi", "costa", "custe",
)  # fmt: skip
"""The words that turn what bounds an amount into its opposite, and what may stand between: ``does not weigh over``."""
DENIED_BY = (
    "not", "non", "without", "ohne", "nicht", "kein", "keine", "keinen", "sans", "sin", "senza", "zonder", "geen",
    "niet", "sem", "bez", "utan", "uden", "uten", "ikke", "inte", "wont", "doesnt", "never", "cannot",
)  # fmt: skip
DENIED_BEFORE_CARRIERS = ("no", "pas", "não", "nao", "nie", "instead", "place", "rather")
DENIAL_CARRIERS = (
    "of", "than",
    "suitable", "compatible", "for", "with", "the", "geeignet", "kompatibel", "für", "fuer", "zum", "zur", "mit", "den",
    "die", "das", "der", "pour", "avec", "à", "au", "aux", "la", "le", "les", "adapté", "adaptée", "apto", "apta",
    "para", "con", "el", "adatto", "adatta", "per", "compatibile", "geschikt", "voor", "de", "het", "compatível",
    "adequado", "adequada", "indicado", "com", "do", "dla", "z", "nadaje", "się",
)  # fmt: skip
"""What denies the next word in a text, what does so only before one of the carriers, and these, which may stand
between: ``nicht für Induktion``, ``in place of nuts``. An "iron" is meant by ``no iron`` and a step by ``pas``."""

OPPOSITES: Mapping[int, int] = MappingProxyType({LESS: NO_LESS, MORE: NO_MORE})


def bound_at(terms: Sequence[str], at: int) -> tuple[int, int] | None:
    """The side of the words before an amount, and where they end: ``over``, and ``not over``, which is at most."""
    start = at
    if is_denied := terms[at] in NEGATIONS:
        start += 1
        while start < min(len(terms), at + 3) and terms[start] in CARRIERS:
            start += 1
    for n_words in range(LONGEST_BOUND, 0, -1):
        side = BOUNDS.get(tuple(terms[start : start + n_words]))
        if side is not None and (not is_denied or side in OPPOSITES):
            return OPPOSITES[side] if is_denied else side, start + n_words
    return None


DENIALS = ("no", "not", "non", "without", "zero", "ohne", "kein", "keine", "sans", "sin", "senza", "zonder", "sem")
"""What shops write before the name of what a thing lacks."""

SENTENCE_WORDS = frozenset(
    resources.files("vitrina.search.analysis").joinpath("sentence_words.txt").read_text(encoding="utf-8").split()
)
"""Everyday words of English, which are no errors in what shops call things: ``that`` is no hat, ``next`` no net."""

KNOWN_WORDS_FILE = "known_words.txt"


@cache
def known_words(language: str) -> Mapping[str, int]:
    """Words of shops, their shoppers and English books, which are no errors where a catalog lacks them: ``mare`` is no
    mane; each with its place, the most frequent first. Made by ``recipes/known_words.py``; none in a language, ISO
    639-1, that is known to be another than English."""
    if language not in ("", "en"):
        return {}
    file = resources.files("vitrina.search.analysis").joinpath(KNOWN_WORDS_FILE)
    return {word: place for place, word in enumerate(file.read_text(encoding="utf-8").split())}


INGREDIENTS = frozenset(
    {
        "additive", "alcohol", "almond", "aluminium", "aluminum", "ammonia", "beef", "bpa", "caffeine",
        "casein", "cashew", "celery", "chemical", "chicken", "chlorine", "corn", "dairy", "dye", "egg", "eggs",
        "fat", "fish", "fluoride", "fragrance", "fur", "gelatin", "gelatine", "gluten", "grain", "hazelnut",
        "honey", "lactose", "lamb", "latex", "lead", "leather", "maize", "meat", "milk", "mineral", "mustard",
        "nickel", "nut", "nuts", "oil", "palm", "paraben", "parabens", "peanut", "peanuts", "perfume",
        "phosphate", "plastic", "pork", "poultry", "preservative", "salt", "scent", "seafood", "sesame",
        "shellfish", "silicone", "silicones", "soap", "soy", "soya", "sugar", "sulfate", "sulfates", "sulfite",
        "sulphate", "sulphates", "sulphite", "sulphites", "turkey", "walnut", "wheat", "yeast", "zinc",
    }
)  # fmt: skip
"""What things are made of, or not: who asks for ``chicken free`` avoids chicken, but ``frizz free`` asks for what helps
against frizz, and says so."""
