"""How shoppers word a label: singular, plural, synonyms, and one key for all spellings of a value."""

from __future__ import annotations

import re

from search.requirements.synonyms import SYNONYMS

_UNCOUNTABLE = ("wear", "ery", "apparel", "clothing", "care", "fragrance", "makeup", "milk")


def singular(phrase: str) -> str:
    """The singular of an English phrase's last word, by its ending; good enough for product names."""
    if phrase.endswith("ories"):
        return phrase[:-3] + "y"
    if phrase.endswith(("sses", "ches", "shes", "xes")):
        return phrase[:-2]
    if phrase.endswith("s") and not phrase.endswith(("ss", "us")):
        return phrase[:-1]
    return phrase


def plural(phrase: str) -> str:
    """The plural of an English phrase's last word, by its ending."""
    if phrase.endswith("ory"):
        return phrase[:-1] + "ies"
    if phrase.endswith(_UNCOUNTABLE):
        return phrase
    if phrase.endswith(("ss", "ch", "sh", "x")):
        return phrase + "es"
    return phrase if phrase.endswith("s") else phrase + "s"


def key(value: str) -> str:
    """One key for every spelling of a value: ``T-shirts``, ``Tshirt`` and ``t shirt`` share ``tshirt``."""
    return re.sub(r"[\W_]+", "", singular(value.strip().lower()))


_OTHER_WORDS = {key(kind): others for kind, others in SYNONYMS.items()}


def wordings(kind: str) -> tuple[str, ...]:
    """What a shopper may call this kind of product; the catalog's own word first."""
    one = singular(kind.lower())
    return tuple(dict.fromkeys((kind, one, plural(one), *_OTHER_WORDS.get(key(kind), ()))))
