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

STEMS_VERSION = 7
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

SMALL_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "en": "any anything are be been do does did dont doesnt everyone get gets go goes got had has have he her "
        "his how i if im is it its ive just looking me my need needs our really she should so some somebody someone "
        "something stuff that their them these they thing things this those very want wants was we were what when "
        "where which while who whose why would you your could",
    }
)
"""What sentences are made with besides, and asks for nothing."""

WITHOUT_STEMMER = ("cs", "he", "ja", "ko", "th", "vi", "zh", "bg", "uk", "sk", "sl", "hr")
"""Other languages that are told apart from those."""

STOP_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "en": "a an and at by for from in of on or the to with",
        "de": "am an auf aus bei das dem den der des die ein eine einem einen einer für im in mit oder und von vom zu "
        "zum zur als auch so sehr ich mir mich suche brauche möchte will etwas bitte aber alle allem allen "
        "aller alles bin bist da dass dein deine deinen dich dies diese diesem diesen dieser dieses dir doch du "
        "er es eure gibt hab habe haben hat hatte hier hinter ihm ihn ihr ihre ihren immer ist jede jeden jeder "
        "kann können könnte mal mein meine meinem meinen meiner muss müssen nach noch ob sein seine seinen "
        "selber selbst sich sie sind soll sollen sollte uns unser unsere unserem unseren vor war was wenn wer "
        "werden wie wir wird wo womit wollen würde benötige bekomme bekommt benutzen gern gerne glaube",
        "es": "a al con de del el en la las lo los o para por que un una unas uno unos y e u mi mis su sus me muy se "
        "busco buscar quiero necesito algo como cual cuando donde ella ellos es esa ese eso esta este esto está "
        "están ha hay he le les nos nuestra nuestro pero porque puede puedo pueda quiere sea ser si son tengo "
        "tiene tu tus ya yo necesita",
        "fr": "a au aux avec ce cette ces dans de des du en et il elle je la le les leur ma mes mon ou par pour que "
        "qui se son sur très un une à cherche veux voudrais quelque chose ai aime car cet chez comme dont elles "
        "est être eux faut ils lui mais moi n nos notre nous on ont où peut peux qu quand quel quelle sa ses si "
        "soit sommes sont suis ta te tes toi ton tu vos votre vous besoin",
        "it": "a ad agli ai al alla alle allo che ci col con da dagli dai dal dalla dalle dei degli del dell della "
        "delle dello di e ed gli i il in la le lo mi mia mio nei nel nella nelle o per più si su sui sul sulla "
        "tra un una uno cerco cercare vorrei voglio serve qualcosa anche come cui dove è ha hanno ho io lei "
        "loro lui ma mie miei noi perché può posso quando quella quello questa questo se sei sia sono sua sue "
        "suo suoi tua tuo vi voi bisogno",
        "nl": "aan als bij de die een en het ik in is mijn met of om op te van voor zeer iets zoek wil graag ben dan "
        "dat deze dit door er haar heb hebben heeft hij je jij kan kunnen maar mee mij moet moeten na naar nog "
        "ons onze toch uit uw wat we wel wij worden wordt zal ze zelf zich zij zijn zo zou",
        "pt": "a ao aos as à às com como da das de do dos e em eu isso me meu minha na nas no nos num numa o os ou "
        "para pra pro pela pelo por que se seu sua um uma uns umas procuro quero preciso algo ela elas ele eles "
        "essa esse esta este foi há isto já lhe mas meus minhas muito nossa nosso nós pode porque quem ser seus "
        "são suas te tem tenho ter vou você é",
        "sv": "av att den det en ett för från i jag med min mitt och om på som till är vill ha söker något de du er "
        "han har hon kan mina ni någon så vi",
        "da": "af at den det en et for fra i jeg med min mit og om på som til er vil have søger noget du han har hun "
        "jer kan mine så vi",
        "no": "av at den det en et for fra i jeg med min mitt og om på som til er vil ha søker noe du han har hun kan "
        "mine så vi",
        "pl": "a dla do i jak lub na o od oraz po pod przy się u w we z za ze mi mój moja coś szukam chcę potrzebuję "
        "ale bo by być co czy go ich ja jaki jakiś jest jestem jego jej która które który ma mam mnie moje mu "
        "nas nim on ona są ta tak te tego tej ten to tu ty że",
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

ENDINGS: Mapping[str, tuple[tuple[str, ...], ...]] = MappingProxyType(
    {
        "de": (("", "s"), ("in", "innen")),
        "es": (("z", "ces"), ("", "es"), ("", "s")),
        "fr": (
            ("f", "fs", "ve", "ves"), ("x", "se", "ses"), ("er", "ers", "ere", "eres"), ("ec", "ecs", "eche", "eches"),
            ("anc", "ancs", "anche", "anches"), ("ong", "ongs", "ongue", "ongues"), ("oux", "ouce", "ouces"),
            ("oux", "ousse", "ousses"), ("os", "osse", "osses"), ("al", "aux", "ale", "ales"), ("ou", "oux"),
            ("", "s", "e", "es"),
        ),
        "it": (("co", "chi", "ca", "che"), ("go", "ghi", "ga", "ghe"), ("io", "i"), ("o", "i", "a", "e"),
               ("cia", "ce", "cie"), ("gia", "ge", "gie")),
        "nl": (("s", "zen"), ("f", "ven"), ("", "en"), ("", "s")),
        "pt": (("ao", "oes", "aos", "aes"), ("m", "ns"), ("l", "is"), ("il", "eis"), ("", "es"), ("", "s")),
    }
)  # fmt: skip
"""The endings of one word in both numbers and genders, without accents, where Snowball's stems differ: ``collier`` and
``colliers``, ``avental`` and ``aventais``. Of 932 French words for what shops sell it parts 98 from their plurals."""

LEAST_STEM, LEAST_INFLECTED = 3, 4
"""How many letters a word must have before such an ending, and with it: ``ans`` is no ``anse``."""

DIGRAPHS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "de": {"ae": "ä", "oe": "ö", "ue": "ü"}, "sv": {"ae": "ä", "oe": "ö", "aa": "å"},
        "da": {"ae": "æ", "oe": "ø", "aa": "å"}, "no": {"ae": "æ", "oe": "ø", "aa": "å"},
    }
)  # fmt: skip
"""What letters are typed as where a keyboard lacks them: ``Glaeser``."""

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
        self.small_words = self.stop_words.union(SMALL_WORDS.get(code, "").split())
        """The words that ask for nothing: stop words, and in English those that sentences are made with."""
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

    def with_umlauts(self, word: str) -> str:
        """A folded word with a letter for every two that may stand for it; the word itself where none do."""
        for typed, letter in DIGRAPHS.get(self.code, {}).items():
            word = word.replace(typed, letter)
        return word

    def inflections(self, word: str) -> list[str]:
        """The key of a word with the endings of its other number and genders; of letters alone."""
        key = self.keys([word])[0]
        groups = ENDINGS.get(self.code, ()) if key.isalpha() and len(key) >= LEAST_INFLECTED else ()
        found = dict.fromkeys(
            key.removesuffix(ending) + other
            for group in groups
            for ending in group
            if key.endswith(ending) and len(key) >= len(ending) + LEAST_STEM
            for other in group
        )
        return [each for each in found if each != key]

    def larger(self, word: str) -> str:
        """The word that a diminutive is of, in about its form; empty for another word."""
        if self._diminutive is None or not self._diminutive.search(word):
            return ""
        larger = self._diminutive.sub("", word)
        return re.sub(r"[qg]u(?=[oa]s?$)", lambda match: match[0][0].replace("q", "c"), larger)
