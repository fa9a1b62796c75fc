"""Nouns: whether words name one thing, several or a mass, and the article that belongs before them.

Rules and short lists rather than a library: ``inflect`` does not know hoodies, lenses and trousers, nor what shops sell
in pairs (see ``search.analysis.spelling``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from vitrina.search.analysis.spelling import IRREGULAR, fold, stem
from vitrina.search.reranking.explanations import lexicon


class Number(Enum):
    """How many things a noun names."""

    ONE = auto()
    SEVERAL = auto()
    MASS = auto()
    """Something that is not counted: ``footwear``, ``paint``."""


_MASS_ENDINGS: Final = ("wear", "ware", "care")

_SOUNDS_LIKE_YOU: Final = re.compile(r"(?:uni(?!n|m)|us[aei]|eu|ut[ei]|ura|uri|ubi|u(?![a-z])|one\b|once|ouija)")
_SILENT_H: Final = re.compile(r"(?:hour|honest|honou?r|heir|herb(?=s?\b))")
_SPELLED_OUT: Final = re.compile(r"[AEFHILMNORSX](?:[A-Z0-9&]*|-\w+)\Z")
_VOWEL_NUMBER: Final = re.compile(r"(?:8\d*|1[18](?:\d{3})*)(?!\d)")
_PREPOSITION: Final = re.compile(r"\s(?:of|for|with|without|in|to|by|on|from)\s")


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """What a noun phrase is called, without an article, and how many things it names."""

    words: str
    number: Number

    @property
    def with_article(self) -> str:
        """``a hoodie``, ``an LED lamp``, ``shoes``, ``footwear``."""
        return f"{article(self.words)} {self.words}" if self.number is Number.ONE else self.words


def noun(words: str) -> NounPhrase:
    """The noun that a name of a kind of things is, in the singular unless it names a pair or a pack.

    ``T-Shirts`` is ``T-Shirt``; ``running shoes`` and ``pliers`` stay; ``files & rasps`` is ``files and rasps``.
    """
    words = re.sub(r"^(?:an?|the|some)\s+", "", words.replace(" & ", " and ").strip(), flags=re.IGNORECASE)
    head_phrase = _PREPOSITION.split(words, maxsplit=1)[0]
    rest = words[len(head_phrase) :]
    before, head = _parted(head_phrase)
    folded = fold(head)
    if not folded.isascii():
        return NounPhrase(words, Number.MASS)
    if " and " in head_phrase:
        return NounPhrase(words, Number.SEVERAL if _is_plural(folded) else Number.MASS)
    if folded in lexicon.PAIRS or fold(head_phrase).endswith(("flip flops", "men", "women", "people", "children")):
        return NounPhrase(words, Number.SEVERAL)
    if folded in lexicon.MASSES or folded.endswith(_MASS_ENDINGS):
        return NounPhrase(words, Number.MASS)
    if not _is_plural(folded):
        return NounPhrase(words, Number.ONE)
    one = _singular(head)
    return NounPhrase(f"{before}{one}{rest}", Number.ONE) if one else NounPhrase(words, Number.SEVERAL)


def article(words: str) -> str:
    """``a`` or ``an``, by the sound of the first word: ``an hour``, ``a unisex shirt``, ``an LED lamp``, ``an 8 mm
    drill``."""
    first = (words.split() or [""])[0]
    folded = fold(first)
    if _SPELLED_OUT.match(first) and (len(first) <= 4 or "-" in first):
        return "an"
    if first.isupper() and len(first) <= 4 and first.isalpha():
        return "a"
    if _VOWEL_NUMBER.match(folded) or _SILENT_H.match(folded):
        return "an"
    return "an" if folded[:1] in tuple("aeiouàáâäæèéêëìíîïòóôöøùúûü") and not _SOUNDS_LIKE_YOU.match(folded) else "a"


def enumerated(parts: list[str], joiner: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return f"{', '.join(parts[:-1])} {joiner} {parts[-1]}" if len(parts) > 1 else "".join(parts)


def _parted(words: str) -> tuple[str, str]:
    """A noun phrase's words before its last, and its last."""
    before, gap, head = words.rpartition(" ")
    return before + gap, head


def _is_plural(folded: str) -> bool:
    if folded in lexicon.SINGLE_IN_S or len(folded) <= 3:
        return False
    return folded in IRREGULAR or (folded.endswith("s") and not folded.endswith(("ss", "us", "is", "'s")))


_SINGULARS: Final = (
    ("ies", "y"),
    ("sses", "ss"),
    ("shes", "sh"),
    ("ches", "ch"),
    ("xes", "x"),
    ("oes", "o"),
    ("s", ""),
)


def _singular(head: str) -> str:
    """One of what a plural names, spelled as the plural is; empty if that is not sure."""
    folded = fold(head)
    if folded in IRREGULAR:
        return head[:1] + IRREGULAR[folded][1:]
    if folded.rpartition("-")[2] in lexicon.IN_IE:
        return head[:-1]
    ending, instead = next(pair for pair in _SINGULARS if folded.endswith(pair[0]))
    one = head[: len(head) - len(ending)] + instead
    return one if stem(fold(one)) == stem(folded) else ""
