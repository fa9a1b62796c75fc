"""Tokens: a query's words without its prices, the role of each, and how it is joined to the one before."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType

from vitrina.search.analysis.analyser import INCHES, WITHOUT
from vitrina.search.analysis.measures import ENGLISH_NUMBERS
from vitrina.search.analysis.spelling import SPELLED_WORD, fold, has_letter
from vitrina.search.understanding.prices import CURRENCY, MEASURE, without_prices

MAX_WORDS = 64
"""Words that are read of a query; later words of a pasted text add no useful requirement."""


class TokenRole(Enum):
    """The role of a word in a query."""

    PLAIN = auto()
    FILLER = auto()
    """A stop word: ``a``, ``please``, ``nice``."""
    LINK = auto()
    """Starts another part: ``for``, ``in``."""
    WITH = auto()
    """Starts a part that describes a detail."""
    AND = auto()
    NOT = auto()
    """Denies what follows: ``not striped``."""
    WITHOUT = auto()
    """Denies a detail that follows: ``without a hood``."""


class Joiner(Enum):
    """What joins a word to the one before."""

    PLAIN = auto()
    """Nothing but white space."""
    HYPHEN = auto()
    MINUS = auto()
    """A minus before the word, as search engines understand it: ``shirt -striped``."""
    AND = auto()
    BREAK = auto()


STOP_WORDS = frozenset(
    {
        "a", "an", "the", "this", "that", "these", "those", "some", "any", "i", "me", "my", "we", "us", "our",
        "i'm", "im", "i'd", "i've", "it's",
        "you", "your", "it", "its", "he", "she", "they", "them", "is", "are", "be", "am", "do", "does", "did",
        "have", "has", "having", "would", "should", "could", "can", "will", "want", "wants", "need", "needs",
        "wanted", "looking", "look", "find", "show", "get", "buy", "give", "search", "searching", "please", "like",
        "similar", "made", "suitable", "something", "anything", "everything", "someone", "thing", "things", "one",
        "ones", "kind", "sort", "very", "too", "so", "really", "quite", "just", "also", "only", "such", "all",
        "both", "other", "another", "nice", "good", "best", "great", "cheap", "affordable", "price", "priced",
        "cost", "sale", "online", "shop", "store", "product", "products", "item", "items", "much", "many", "more",
        "most", "less", "than", "of", "on", "at", "to", "around", "there", "what", "who", "which", "where", "when",
        "how", "if", "then", "needed", "required", "necessary",
    }
)  # fmt: skip
ABLE = frozenset({"i", "you", "we", "they", "he", "she", "it", "that", "which", "who", "what", "one", "kids", "anyone"})
"""Who ``can``, before or after it."""
INNER = frozenset({"a", "an", "the", "of", "on", "at", "to", "around"})
"""Stop words that belong to a phrase if they are within it: ``logo on the chest``."""

LINKS = (
    "for", "in", "from", "by", "as", "but", "while", "during", "into", "under", "over", "below", "above",
    "für", "zum", "zur", "aus", "vom", "von", "pour", "para", "per", "voor",
)  # fmt: skip
NOTS = (
    "not", "non", "never", "except", "isn't", "isnt", "aren't", "arent", "don't", "dont", "doesn't", "doesnt",
    "nicht", "kein", "keine", "keinen", "keiner", "pas", "niet", "geen", "ikke", "ingen", "inte", "não", "nao", "nie",
    "außer", "ausser", "statt", "anstatt", "sauf", "excepté", "behalve", "tranne", "eccetto", "anziché", "excepto",
    "exceto", "oprócz", "zamiast", "nessun", "nessuna", "ningún", "ninguna", "nenhum", "nenhuma", "aucun", "aucune",
)  # fmt: skip
WITHOUTS = (
    "without", "no", "excluding", "avoid", "avoiding", "minus", "lacking",
    "ohne", "sans", "sin", "senza", "zonder", "sem", "bez", "utan", "uden", "uten",
)  # fmt: skip
ROLES: Mapping[str, TokenRole] = MappingProxyType(
    dict.fromkeys(STOP_WORDS, TokenRole.FILLER)
    | dict.fromkeys(LINKS, TokenRole.LINK)
    | dict.fromkeys(("with", "featuring", "including", "mit", "avec", "con", "com", "met"), TokenRole.WITH)
    | dict.fromkeys(("and", "or", "nor", "und", "oder", "et", "ou", "og", "och"), TokenRole.AND)
    | dict.fromkeys(NOTS, TokenRole.NOT)
    | dict.fromkeys(WITHOUTS, TokenRole.WITHOUT)
)
CONTEXT: Mapping[tuple[str, ...], TokenRole] = MappingProxyType(
    {
        ("other", "than"): TokenRole.NOT,
        ("rather", "than"): TokenRole.NOT,
        ("instead", "of"): TokenRole.NOT,
        ("apart", "from"): TokenRole.NOT,
        ("anything", "but"): TokenRole.NOT,
        ("everything", "but"): TokenRole.NOT,
        **dict.fromkeys(
            (("no", "longer"), ("no", "matter"), ("no", "idea"), ("no", "problem"), ("no", "need"), ("not", "only")),
            TokenRole.FILLER,
        ),
        **dict.fromkeys(
            (
                ("al", "posto"),
                ("invece", "di"),
                ("em", "vez"),
                ("en", "vez"),
                ("en", "lugar"),
                ("au", "lieu"),
                ("anstelle", "von"),
                ("in", "plaats"),
                ("no", "sea"),
                ("no", "sean"),
                ("non", "sia"),
                ("non", "siano"),
                ("não", "seja"),
                ("não", "sejam"),
                ("nao", "seja"),
                ("soit", "pas"),
                ("non", "di"),
                ("non", "in"),
            ),
            TokenRole.NOT,
        ),
        ("free", "of"): TokenRole.WITHOUT,
        ("free", "from"): TokenRole.WITHOUT,
        **{
            (word, then): TokenRole.WITHOUT
            for word in ("can't", "cant", "cannot", "don't", "dont", "doesn't", "doesnt", "not")
            for then in ("have", "eat", "drink", "tolerate", "contain")
        },
        **{(word, "to"): TokenRole.WITHOUT for word in ("allergic", "allergy", "intolerant")},
    }
)
"""The role of two words together; both have it."""

CALLED_SO = frozenset(
    {("sans", "fil"), ("sin", "cable"), ("sin", "cables"), ("sin", "hilos"), ("senza", "fili"), ("senza", "filo")}
    | {("sem", "fio"), ("sem", "fios"), ("ohne", "kabel"), ("zonder", "snoer"), ("zonder", "draad"), ("utan", "sladd")}
    | {("bez", "przewodu"), ("sans", "couture"), ("sin", "costuras"), ("senza", "cuciture"), ("sem", "costura")}
)
"""What shops call a thing by that it lacks: ``sans fil`` denies nothing, as wireless does not."""

UNWORD = re.compile(r"(?<![\w-])un-?([^\W\d_]{4,})(?![\w-])")
"""A word that may deny what follows its prefix."""

NOT_DENYING = frozenset({"size", "shipping", "delivery", "gift", "gifts"})
"""Before these, ``free`` does not deny: ``cotton free size``."""

AFTER_AVOIDED = frozenset({"free", "intolerant", "intolerance", "allergy", "allergies", "allergic"})
"""What follows the name of something to avoid: ``sugar-free``; but for the first only that of an ingredient."""

TENS = MappingProxyType(
    {word: digits for word, digits in ENGLISH_NUMBERS.items() if digits.isdigit()}
    | {"fifteen": "15", "twenty": "20", "twenty five": "25", "thirty": "30", "forty": "40", "fifty": "50"}
    | {"sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90", "a hundred": "100", "hundred": "100"}
)
"""Amounts of money in letters."""

ABBREVIATIONS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"(?<!\w)(?:(?:a|one) )?fiver(?!\w)"), "5"),
    (re.compile(r"(?<!\w)(?:(?:a|one) )?tenner(?!\w)"), "10"),
    (
        re.compile(
            rf"(?<![\w-])({'|'.join(sorted(TENS, key=len, reverse=True))})(?=(?: (?:and|to) \S+(?: five)?)? {CURRENCY})"
        ),
        lambda found: TENS[found[1]],
    ),
    (WITHOUT, "without"),
    (re.compile(r"(?<!\w)w/(?=\s|\w)"), "with "),
    (re.compile(rf"(\d\s?{MEASURE})\+(?![\w+])"), r"\1 plus "),
)
COMPARISONS = tuple(
    (re.compile(rf"(?:{signs})\s?(?=(?:{CURRENCY}\s?)?\d)"), f" {words} ")
    for signs, words in (("<=|≤", "at most"), (">=|≥", "at least"), ("<", "under"), (">", "over"))
)
"""Signs before an amount, and the words for them: ``<300ml``."""
BREAKS = re.compile(r"[,;!?()\[\]{}|\"•·…]|\.(?=\s|$)|\s[-–—]+\s|[–—]")


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a query, folded, with its place in the folded text."""

    text: str
    start: int
    end: int
    role: TokenRole
    joiner: Joiner


def spelled_out(text: str) -> str:
    """A query's text, folded, with single spaces, abbreviations expanded."""
    folded = signs_spelled(" ".join(fold(text).split()))
    for pattern, words in ABBREVIATIONS:
        folded = pattern.sub(words, folded)
    return " ".join(INCHES.sub(" inch ", folded).split())


def signs_spelled(text: str) -> str:
    """A text with words in place of the signs that compare amounts; as it is without any."""
    if any(sign in text for sign in "<>≤≥"):
        for pattern, words in COMPARISONS:
            text = pattern.sub(words, text)
    return text


def with_corrections(text: str, corrected: Mapping[str, str]) -> str:
    """A text with other words, as it is written, in place of some, which are folded."""
    return SPELLED_WORD.sub(lambda word: corrected.get(fold(word.group()), word.group()), text)


def prepared(text: str) -> str:
    """A query's text, ready for tokenizing: spelled out, prices removed."""
    return without_prices(spelled_out(text))


def unpriced(text: str) -> str:
    """The words of a query's text without its prices; empty where it has no others."""
    return " ".join(prepared(text).replace(" , ", " ").split())


def tokenize(text: str) -> list[Token]:
    """The words of a prepared text, the first ``MAX_WORDS`` of them."""
    found = [match for match in SPELLED_WORD.finditer(text) if has_letter(match.group())][:MAX_WORDS]
    texts = [match.group() for match in found]
    roles = [role_of(texts, at) for at in range(len(texts))]
    ends = [0, *(match.end() for match in found)]
    return [
        Token(
            match.group(),
            match.start(),
            match.end(),
            roles[at],
            joiner_of(text[ends[at] : match.start()], first=at == 0),
        )
        for at, match in enumerate(found)
    ]


def role_of(texts: list[str], at: int) -> TokenRole:
    before = tuple(texts[max(at - 1, 0) : at + 1])
    after = tuple(texts[at : at + 2])
    for pair in (before, after):
        if pair in CONTEXT:
            return CONTEXT[pair]
    if after in CALLED_SO:
        return TokenRole.PLAIN
    if texts[at] == "can" and ABLE.isdisjoint(texts[max(at - 1, 0) : at + 2]):
        return TokenRole.PLAIN  # a trash can, a can opener
    if texts[at] == "no" and texts[at + 1 : at + 2] and texts[at + 1][0].isdigit():
        return TokenRole.FILLER  # No. 5
    return ROLES.get(texts[at], TokenRole.PLAIN)


def joiner_of(gap: str, *, first: bool) -> Joiner:
    """How the text between two words joins them."""
    if gap == "-" and not first:
        return Joiner.HYPHEN
    if gap.endswith("-") and (first or gap[-2:-1].isspace()):
        return Joiner.MINUS
    if BREAKS.search(gap):
        return Joiner.BREAK
    return Joiner.AND if any(mark in gap for mark in "&/+") else Joiner.PLAIN
