"""The language of a catalog, found out from its own text: it chooses the stemmer and the stop words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType

import numpy as np
import Stemmer
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from vitrina.search.analysis.spelling import key

STEMS_VERSION = 3
"""Kept with stems: those of another version are made anew."""

STEMMERS: Mapping[str, str] = MappingProxyType(
    {
        "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english",
        "es": "spanish", "et": "estonian", "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish",
        "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian",
        "ne": "nepali", "nl": "dutch", "no": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian",
        "ru": "russian", "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish",
    }
)  # fmt: skip
"""The Snowball stemmer of each language that has one, by ISO 639-1 code."""

WITHOUT_STEMMER = ("cs", "he", "ja", "ko", "th", "vi", "zh", "bg", "uk", "sk", "sl", "hr")
"""Other languages that are told apart from those."""

STOP_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "en": "a an and at by for from in of on or the to with",
        "de": "am an auf aus bei das dem den der die ein eine einen einer für im in mit oder und von zu",
        "es": "a al con de del el en la las los o para por un una y",
        "fr": "a au aux avec dans de des du en et la le les ou par pour sur un une à",
        "it": "a al alla con da dal de del della di e ed i il in la le lo o per un una",
        "nl": "aan de een en het in met of op te van voor",
        "pt": "a as ao com da das de do dos e em na no o os ou para por um uma",
        "sv": "av den det en ett för i med och på som till",
        "da": "af den det en et for i med og på som til",
        "no": "av den det en et for i med og på som til",
        "pl": "dla do i lub na o od w z za ze",
    }
)
"""Words that are never a requirement, by language; a query of nothing else keeps them."""

COMPOUND_LINKS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "da": ("", "s", "e"), "de": ("", "s", "es", "n", "en", "e", "er"), "et": ("",), "fi": ("", "n"), "hu": ("",),
        "nl": ("", "s", "en", "e"), "no": ("", "s", "e"), "sv": ("", "s", "e"),
    }
)  # fmt: skip
"""The languages that write compounds as one word, whose last part says what it is, and what may join the parts:
``Blume-n-topf``, ``Arbeit-s-schuh``."""

LEFT_ENDINGS: Mapping[str, tuple[re.Pattern[str], str]] = MappingProxyType(
    {
        "de": (re.compile(r"(?<=\w\w[oy])s$|(?<=\w\w\wa)(?<!gla)(?<!gra)s$"), ""),
        "nl": (
            re.compile(
                r"(?<=\w\w)(?:(?P<double>[bdfgklmnprst])(?P=double)et|(?<=ng)et|(?<=m)(?<![^aeiou][aiou]m)p"
                r"|(?<=[lnr])(?<![^aeiou][aiou][lnr])t|(?<=[wi])t)?jes?$"
            ),
            r"\g<double>",
        ),
    }
)
"""The endings that Snowball leaves, and what stands in their place. German plurals of words that end in a vowel:
``Handys``, ``Autos``, ``Sofas``, but not ``Weinglas``. In Dutch those that make a word small: ``balletje``,
``ringetje``, ``boompje``, ``stoeltje``; after a short vowel the letter before them is the word's: ``lampje``,
``plantje``."""

LEAST_CERTAIN = 0.6
"""The least mean probability of the catalog's language; below it the text is too short, or mixed, and none is used."""

CHARS_PER_SAMPLE = 400


@cache
def identifier() -> LanguageIdentifier:
    """The model, loaded when it is first needed: it takes a second."""
    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    model.set_languages([*STEMMERS, *WITHOUT_STEMMER])
    return model


def detect_language(texts: Sequence[str]) -> str:
    """The ISO 639-1 code of the language that texts of a catalog are in; empty where it is not certain, or mixed.

    py3langid judges samples of ``CHARS_PER_SAMPLE`` characters; the code is that of the highest mean probability.
    """
    samples: list[str] = [""]
    for text in texts:
        if len(samples[-1]) > CHARS_PER_SAMPLE:
            samples.append("")
        samples[-1] += f"{text[:CHARS_PER_SAMPLE]} "
    certainties = [dict(identifier().rank(sample)) for sample in samples if sample.strip()]
    if not certainties:
        return ""
    mean = {code: float(np.mean([each[code] for each in certainties])) for code in certainties[0]}
    best = max(mean, key=lambda code: mean[code])
    return best if mean[best] >= LEAST_CERTAIN else ""


def without_accents(word: str) -> str:
    """A folded word without accents, umlauts and the like."""
    if word.isascii():
        return word
    return "".join(part for part in unicodedata.normalize("NFKD", word) if not "\u0300" <= part <= "\u036f")


class Language:
    """How words of one language are compared; with the empty ``code``, of none in particular."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.stop_words = frozenset(STOP_WORDS.get(code, "").split())
        self.compound_links = COMPOUND_LINKS.get(code, ())
        self._algorithm = STEMMERS.get(code)
        self._left_ending = LEFT_ENDINGS.get(code)

    def keys(self, terms: Sequence[str]) -> list[str]:
        """What spellings of one word have in common: the word without accents; in English also singular, British."""
        if self.code != "en":
            return [term if term.isascii() else without_accents(term) for term in terms]
        return [key([term]) if term.isalpha() else term if term.isascii() else without_accents(term) for term in terms]

    def stems(self, terms: Sequence[str], keys: Sequence[str]) -> list[str]:
        """What forms of one word have in common; the key where the language has no stemmer. ``keys``: those of the
        terms."""
        if self._algorithm is None:
            return list(keys)
        # Of the key in English, so that colours and colored have one; else of the word, since endings have accents.
        stemmer = Stemmer.Stemmer(self._algorithm, 0)  # not safe to share between threads
        words = list(keys if self.code == "en" else terms)
        if self._left_ending is not None:
            ending, instead = self._left_ending
            words = [ending.sub(instead, word) for word in words]
        stems = stemmer.stemWords(words)
        return [stem if stem.isascii() else without_accents(stem) for stem in stems]
