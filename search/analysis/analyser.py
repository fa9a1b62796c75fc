"""The analyser: texts to the terms that are indexed and searched, without regard to the language.

Stems, compounds and synonyms are a matter of the index, so that what is stored of an item holds in any language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum

from vitrina.search.analysis.spelling import SPELLED_WORD, fold, has_letter
from vitrina.search.types.item import Item, attribute_text

VERSION = 3
"""Stored with an item's terms: those of another version are computed again from the item."""


class Field(IntEnum):
    """The fields of an item that have words, in the order of its stored terms."""

    TITLE = 0
    SKU = 1
    ATTRIBUTES = 2
    DESCRIPTION = 3


SEPARATOR = "\n"
"""Between the fields of stored terms; terms are separated by blanks, and contain neither."""

INCHES = re.compile(r"(?<=\d)\s?(?:[\"\u2033\u201d]|''|\u2032\u2032)")
PLUS = re.compile(r"(?<=\w)\+(?![\w+])")
WITHOUT = re.compile(r"(?<!\w)w/o(?!\w)")
THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,]|\.\d)")
CJK = r"\u2e80-\u2fdf\u3005-\u3007\u3031-\u3035\u303b\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
CJK_RUN = re.compile(rf"[{CJK}]+|[^{CJK}]+")
HAS_CJK = re.compile(rf"[{CJK}\U00020000-\U0003ffff]")

ELIDED = frozenset({"l", "d", "j", "m", "n", "s", "t", "c", "qu", "dell", "nell", "all", "dall", "sull", "un"})
"""What French and Italian write before an apostrophe: ``l'eau`` is water."""


def analyse(text: str) -> list[str]:
    """The terms of a text, in order: folded words, ``t-shirt`` and ``tn-2110`` as two, ``27"`` as ``27 inch``,
    ``8+`` as ``8 plus``, ``10,000`` as ``10000``, ``w/o`` as ``without``, text in Chinese, Japanese and Korean letters
    as overlapping pairs of them."""
    folded = fold(text)
    if '"' in text or "''" in text or not text.isascii():
        folded = INCHES.sub(" inch ", folded)
    if "+" in folded:
        folded = PLUS.sub(" plus ", folded)
    if "," in folded:
        folded = THOUSANDS.sub(lambda match: match.group().replace(",", ""), folded)
    if "w/o" in folded:
        folded = WITHOUT.sub("without", folded)
    words = SPELLED_WORD.findall(folded)
    if folded.isascii():
        return [bare(word) if "'" in word else word for word in words]
    return [term for word in words if has_letter(word) for term in terms_of(word)]


def bare(word: str) -> str:
    """A word without its apostrophes: ``men's`` as ``men``, ``l'eau`` as ``eau``, ``o'neill`` as ``oneill``."""
    first, _, rest = word.removesuffix("'s").partition("'")
    return rest.replace("'", "") if rest and first in ELIDED else f"{first}{rest}".replace("'", "")


def terms_of(word: str) -> Iterable[str]:
    if not HAS_CJK.search(word):
        return (bare(word),)
    return [term for run in CJK_RUN.findall(word) for term in pairs(run)]


def pairs(run: str) -> list[str]:
    """Overlapping pairs of letters, or the run itself if it is one letter or in another script."""
    if len(run) == 1 or not HAS_CJK.match(run):
        return [bare(run)]
    return [run[at : at + 2] for at in range(len(run) - 1)]


def stored_terms(item: Item) -> str:
    """An item's terms as they are stored: its fields on a line each, in the order of ``Field``, separated by blanks.
    Its variants' skus stand beside its own, and among its attributes their options, and what their titles alone say."""
    skus = " ".join((item.sku, *(variant.sku for variant in item.variants if variant.sku)))
    texts = (item.title, skus, attribute_text(item.attributes), item.description)
    terms = [analyse(text) if text else [] for text in texts]
    if of_titles := dict.fromkeys(term for variant in item.variants for term in analyse(variant.title)):
        known = {term for of_field in terms for term in of_field}
        terms[Field.ATTRIBUTES] += [term for term in of_titles if term not in known]
    return SEPARATOR.join(map(" ".join, terms))
