"""Reading a query: its words, what each does in the sentence, and how it is joined to the one before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType

from search.requirements.prices import without_prices
from search.requirements.spelling import WORD, fold, has_letter

MAX_WORDS = 64
"""Words read of a query; the rest of a pasted text adds no requirement that anyone would check."""


class Role(Enum):
    """What a word does."""

    PLAIN = auto()
    FILLER = auto()
    """Says nothing of the product: ``a``, ``please``, ``nice``."""
    LINK = auto()
    """Begins another part: ``for``, ``in``."""
    WITH = auto()
    """Begins a part that describes a detail."""
    AND = auto()
    NOT = auto()
    """Denies what follows: ``not striped``."""
    WITHOUT = auto()
    """Denies a detail that follows: ``without a hood``."""


class Joint(Enum):
    """What stands between a word and the one before."""

    SPACE = auto()
    HYPHEN = auto()
    MINUS = auto()
    """A minus before the word, as search engines understand it: ``shirt -striped``."""
    AND = auto()
    BREAK = auto()


FILLERS = frozenset(
    {
        "a", "an", "the", "this", "that", "these", "those", "some", "any", "i", "me", "my", "we", "us", "our",
        "you", "your", "it", "its", "he", "she", "they", "them", "is", "are", "be", "am", "do", "does", "did",
        "have", "has", "having", "would", "should", "could", "can", "will", "want", "wants", "need", "needs",
        "wanted", "looking", "look", "find", "show", "get", "buy", "give", "search", "searching", "please", "like",
        "similar", "made", "suitable", "something", "anything", "everything", "someone", "thing", "things", "one",
        "ones", "kind", "sort", "very", "too", "so", "really", "quite", "just", "also", "only", "such", "all",
        "both", "other", "another", "nice", "good", "best", "great", "cheap", "affordable", "price", "priced",
        "cost", "sale", "online", "shop", "store", "product", "products", "item", "items", "much", "many", "more",
        "most", "less", "than", "of", "on", "at", "to", "around", "there", "what", "who", "which", "where", "when",
        "how", "if", "then",
    }
)  # fmt: skip
INNER = frozenset({"a", "an", "the", "of", "on", "at", "to", "around"})
"""Fillers that belong to a phrase when they stand within it: ``logo on the chest``."""

LINKS = ("for", "in", "from", "by", "as", "but", "while", "during", "into", "under", "over", "below", "above")
NOTS = ("not", "non", "never", "except", "isn't", "isnt", "aren't", "arent", "don't", "dont", "doesn't", "doesnt")
WITHOUTS = ("without", "no", "excluding", "avoid", "avoiding", "minus", "lacking")
ROLES: Mapping[str, Role] = MappingProxyType(
    dict.fromkeys(FILLERS, Role.FILLER)
    | dict.fromkeys(LINKS, Role.LINK)
    | dict.fromkeys(("with", "featuring", "including"), Role.WITH)
    | dict.fromkeys(("and", "or", "nor"), Role.AND)
    | dict.fromkeys(NOTS, Role.NOT)
    | dict.fromkeys(WITHOUTS, Role.WITHOUT)
)
CONTEXT: Mapping[tuple[str, ...], Role] = MappingProxyType(
    {
        ("other", "than"): Role.NOT,
        ("rather", "than"): Role.NOT,
        ("instead", "of"): Role.NOT,
        ("apart", "from"): Role.NOT,
        ("anything", "but"): Role.NOT,
        ("everything", "but"): Role.NOT,
        ("free", "of"): Role.WITHOUT,
        ("free", "from"): Role.WITHOUT,
    }
)
"""What two words do together; both have the role."""

ABBREVIATIONS = ((re.compile(r"(?<!\w)w/o(?!\w)"), "without"), (re.compile(r"(?<!\w)w/(?=\s|\w)"), "with "))
BREAKS = re.compile(r"[,;!?()\[\]{}|\"•·…]|\.(?=\s|$)|\s[-–—]+\s|[–—]")


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a query, folded, with its place in the folded text."""

    text: str
    start: int
    end: int
    role: Role
    joint: Joint


def prepared(text: str) -> str:
    """A query's text as it is read: folded, single spaces, abbreviations written out, prices left out."""
    folded = " ".join(fold(text).split())
    for pattern, words in ABBREVIATIONS:
        folded = pattern.sub(words, folded)
    return without_prices(folded)


def read(text: str) -> list[Word]:
    """The words of a prepared text, the first ``MAX_WORDS`` of them."""
    found = [match for match in WORD.finditer(text) if has_letter(match.group())][:MAX_WORDS]
    texts = [match.group() for match in found]
    roles = [role(texts, at) for at in range(len(texts))]
    ends = [0, *(match.end() for match in found)]
    return [
        Word(match.group(), match.start(), match.end(), roles[at], joint(text[ends[at] : match.start()], first=at == 0))
        for at, match in enumerate(found)
    ]


def role(texts: list[str], at: int) -> Role:
    before = tuple(texts[max(at - 1, 0) : at + 1])
    after = tuple(texts[at : at + 2])
    for pair in (before, after):
        if pair in CONTEXT:
            return CONTEXT[pair]
    if texts[at] == "no" and texts[at + 1 : at + 2] and texts[at + 1][0].isdigit():
        return Role.FILLER  # No. 5
    return ROLES.get(texts[at], Role.PLAIN)


def joint(gap: str, *, first: bool) -> Joint:
    """How what stands between two words joins them."""
    if gap == "-" and not first:
        return Joint.HYPHEN
    if gap.endswith("-") and (first or gap[-2:-1].isspace()):
        return Joint.MINUS
    if BREAKS.search(gap):
        return Joint.BREAK
    return Joint.AND if any(mark in gap for mark in "&/+") else Joint.SPACE
