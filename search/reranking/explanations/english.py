"""English: faults that a shopper would notice in a sentence, whatever it says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from vitrina.search.analysis.spelling import fold
from vitrina.search.reranking.explanations import lexicon
from vitrina.search.reranking.explanations.fields import Role, role_of, spoken_field
from vitrina.search.reranking.explanations.nouns import Number, article
from vitrina.search.reranking.explanations.phrases import Phrase, Place, phrase
from vitrina.search.types.requirement import Requirement, Verdict
from vitrina.search.understanding.colours import colour_of

_SPOKEN_WITHOUT_FIELD: Final = (Role.KIND, Role.CATEGORY, Role.AUDIENCE, Role.PURPOSE, Role.SEASON)
_QUOTED: Final = re.compile(r"“[^”]*”")
_IDENTIFIER: Final = re.compile(r"\w+_\w*|\b\w+:\w+|\b[a-z]+[A-Z]\w*|[<>|{}\[\]]")
_DOUBLED: Final = re.compile(r"\b(\w+)[ ,;]+\1\b", re.IGNORECASE)
_BAD_MARKS: Final = re.compile(r" [,.;:!?]|[,.;:]{2}|  |\( | \)")
_ARTICLE: Final = re.compile(r"\b(an?) ([\w&'-]+)", re.IGNORECASE)
_TWO_ARTICLES: Final = re.compile(r"\b(?:an?|the) (?:an?|the)\b", re.IGNORECASE)
_WRONG_VERB: Final = re.compile(
    r"\b(?:they is|it are|these is|this are|it have|it match|they has|they matches)\b", re.IGNORECASE
)
_TWICE_AGREED: Final = re.compile(r"as (?:you )?asked\b.*\bas (?:you )?asked\b", re.IGNORECASE)
_PEOPLE: Final = "|".join(sorted({*lexicon.PEOPLE.values()} - {"people", "pets", "dogs", "cats"}))
_BARE_PEOPLE: Final = re.compile(rf"\b(?:is|are|isn't|aren't|not|but|fits?|looks?|be) (?:{_PEOPLE})\b(?!['’-])")
_FOR_PEOPLE: Final = re.compile(rf"\bfor [^,;.]+,? (?:and |but )?not (?:{_PEOPLE})\b")
_FITS: Final = re.compile(r"\b(?:fit|fits) (?!you\b|your\b|what\b|the\b|this\b|that\b|well\b|all\b)\w+", re.IGNORECASE)
_ADJECTIVE: Final = re.compile(r"\w{3}(?:ed|less|proof|free|resistant|able|ible|ous|ive|through)$")
"""Words that follow "it is" without an article, by their ends."""
_CONNECTIVE: Final = re.compile(r"(?:an?|the|for|with|without|in|of|from|made|under|over) ", re.IGNORECASE)


def find_english_fault(text: str, verdicts: Sequence[Verdict]) -> str | None:
    """Return the first words of a text about these verdicts that are poor English, or None.

    Found are the identifiers of fields, doubled words and marks, ``fits men``, ``is men``, ``is not hoodie``, ``a
    shoes``, ``a hour``, ``it is shoes``, and ``it is teapot`` of the shopper's words that no field
    explains. What stands in quotation marks is the shopper's and is not looked at, and a word that a value of the
    catalog doubles may be doubled.
    """
    plain = _QUOTED.sub("“”", text)
    return next((fault for fault in _faults(plain, verdicts) if fault), None)


def _faults(text: str, verdicts: Sequence[Verdict]) -> Iterator[str]:
    own = fold(" ".join(_values(verdicts)))
    for pattern in (_IDENTIFIER, _DOUBLED):
        yield from (match.group() for match in pattern.finditer(text) if fold(match.group()) not in own)
    yield from (verdict.requirement.field for verdict in verdicts if _names_field(text, verdict.requirement.field))
    for pattern in (_BAD_MARKS, _TWO_ARTICLES, _WRONG_VERB, _FITS):
        yield from (match.group() for match in pattern.finditer(text))
    yield from (match.group() for match in _BARE_PEOPLE.finditer(_FOR_PEOPLE.sub("", fold(text))))
    yield from (match.group() for match in _ARTICLE.finditer(text) if match[1].lower() != article(match[2]))
    yield from (name for verdict in verdicts for name in _fields_named_outright(fold(text), verdict.requirement))
    yield from (match.group() for match in _TWICE_AGREED.finditer(text))
    for said in _nouns(verdicts):
        yield from _noun_faults(fold(text), said)
    yield from (match.group() for verdict in verdicts for match in _bare_words(fold(text), verdict.requirement))
    yield "" if text[:1].isupper() or not text[:1].isalpha() else text[:10]


def _bare_words(folded: str, requirement: Requirement) -> Iterator[re.Match[str]]:
    """``it is teapot``, of words that no field explains, and that are no adjective for sure."""
    words = fold(requirement.words)
    is_phrase = _CONNECTIVE.match(words) or _ADJECTIVE.search(words) or colour_of(requirement.words) is not None
    if requirement.is_free and not is_phrase:
        yield from re.finditer(rf"\b(?:is|are|be)(?: probably)?(?: not)? {re.escape(words)}\b", folded)


def _values(verdicts: Sequence[Verdict]) -> Iterator[str]:
    for verdict in verdicts:
        requirement = verdict.requirement
        yield from filter(None, (requirement.words, *requirement.values, verdict.catalog_value, verdict.image_value))


def _names_field(text: str, field: str) -> bool:
    """Whether a text names a field by an identifier that is not a word of people."""
    return bool(field) and field.lower() != spoken_field(field) and field in text


def _fields_named_outright(folded: str, requirement: Requirement) -> Iterator[str]:
    """``the usage is casual``, of which people say ``it is casual``."""
    name = spoken_field(requirement.field)
    if role_of(requirement.field, "") in _SPOKEN_WITHOUT_FIELD and phrase(requirement).subject == "it":
        yield from (match.group() for match in re.finditer(rf"\b(?:the|its) {re.escape(name)} (?:is|are)\b", folded))


def _nouns(verdicts: Sequence[Verdict]) -> Iterator[Phrase]:
    for verdict in verdicts:
        for value in (None, verdict.catalog_value, verdict.image_value):
            said = phrase(verdict.requirement, value)
            if said.place is Place.HEAD:
                yield said


def _noun_faults(folded: str, said: Phrase) -> Iterator[str]:
    """A singular without an article, a plural with one."""
    if said.number is Number.ONE:
        bare = re.escape(fold(said.core.partition(" ")[2]))
        pattern = rf"\b(?:is|are|isn't|be|not|but|like|than) (?:probably )?{bare}\b(?! \w+(?:s|ed)? (?:for|made))"
    elif said.number is Number.SEVERAL:
        pattern = rf"\b(?:an?|it is(?: not)?) {re.escape(fold(said.core))}\b"
    else:
        return
    yield from (match.group() for match in re.finditer(pattern, folded))
