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

STEMS_VERSION = 5
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
        "de": "am an auf aus bei das dem den der des die ein eine einem einen einer für im in mit oder und von vom zu "
        "zum zur als auch so sehr ich mir mich suche brauche möchte will etwas bitte",
        "es": "a al con de del el en la las lo los o para por que un una unas uno unos y e u mi mis su sus me muy se "
        "busco buscar quiero necesito algo",
        "fr": "a au aux avec ce cette ces dans de des du en et il elle je la le les leur ma mes mon ou par pour que "
        "qui se son sur très un une à cherche veux voudrais quelque chose",
        "it": "a ad agli ai al alla alle allo che ci col con da dagli dai dal dalla dalle dei degli del dell della "
        "delle dello di e ed gli i il in la le lo mi mia mio nei nel nella nelle o per più si su sui sul sulla tra un "
        "una uno cerco cercare vorrei voglio serve qualcosa",
        "nl": "aan als bij de die een en het ik in is mijn met of om op te van voor zeer iets zoek wil graag",
        "pt": "a ao aos as à às com como da das de do dos e em eu isso me meu minha na nas no nos num numa o os ou "
        "para pra pro pela pelo por que se seu sua um uma uns umas procuro quero preciso algo",
        "sv": "av att den det en ett för från i jag med min mitt och om på som till är vill ha söker något",
        "da": "af at den det en et for fra i jeg med min mit og om på som til er vil have søger noget",
        "no": "av at den det en et for fra i jeg med min mitt og om på som til er vil ha søker noe",
        "pl": "a dla do i jak lub na o od oraz po pod przy się u w we z za ze mi mój moja coś szukam chcę potrzebuję",
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

DIMINUTIVES: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "de": re.compile(r"(?<=\w\w\w)(?:chen|lein)$"),
        "es": re.compile(r"(?<=\w\w)(?:(?<=[nr])cit|(?<!c)it)(?=[oa]s?$)"),
        "it": re.compile(r"(?<=\w\w\w)(?:(?<=n)cin|in|ett)(?=[oaie]$)"),
        "pt": re.compile(r"(?<=\w\w\w)zinh[oa](?=s?$)|(?<=\w\w)inh(?=[oa]s?$)"),
    }
)
"""What a word for a small thing has before its ending, by language: ``garrafinha`` for ``garrafa``. Not in the stems,
since some are things of their own: a ``carrinho`` is a pram."""

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
        self._diminutive = DIMINUTIVES.get(code)

    def keys(self, terms: Sequence[str]) -> list[str]:
        """What spellings of one word have in common: the word without accents; in English also singular, British."""
        if self.code != "en":
            return [term if term.isascii() else without_accents(term) for term in terms]
        return [key([term]) if term.isalpha() else term if term.isascii() else without_accents(term) for term in terms]

    def stems(self, terms: Sequence[str], keys: Sequence[str] | None = None) -> list[str]:
        """What forms of one word have in common; the key where the language has no stemmer. ``keys``: those of the
        terms, where they are known already."""
        keys = self.keys(terms) if keys is None else keys
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

    def larger(self, word: str) -> str:
        """The word that a diminutive is of, in about its form; empty for another word."""
        if self._diminutive is None or not self._diminutive.search(word):
            return ""
        larger = self._diminutive.sub("", word)
        return re.sub(r"[qg]u(?=[oa]s?$)", lambda match: match[0][0].replace("q", "c"), larger)
