"""Reading explanations as a stranger would: which values a text names, and whether it says that they are so.

By plain patterns, on purpose apart from the reader in ``search.reranking.explaining`` that lets explanations pass: what
checks a text must not be what judges the check.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from search.requirements.spelling import key, split

_CLAUSES = re.compile(r"[.;]+(?:\s|$)")
_WISH = re.compile(r"\b(?:did|do) not want\b[^,]*$")
_REPORT = re.compile(r"\blisting says\b[^,]*$|\bphoto (?:looks|does not look)\b[^,]*$")
_OPEN = re.compile(r"\bwhether\b|\bcannot be told\b|\bin doubt\b|\bas to\b|\bmay\b|\bunclear\b|\bunknown\b")
_DENIED = re.compile(r"\b(?:not|no|never|without|isn't|doesn't|nor)\b(?:(?!\bbut\b)[^,])*$")


class Stance(StrEnum):
    """What a text says of a value that it names."""

    SO = "so"
    NOT_SO = "not so"
    OPEN = "open"
    REPORTED = "reported"
    """As what listing or photo say, or as the shopper's wish."""


@dataclass(frozen=True, slots=True)
class Named:
    """A value in a text, in the spelling that was looked for."""

    value: str
    stance: Stance


def values_named(text: str, values: Sequence[str]) -> Iterator[Named]:
    """Every mention of these values, the longest where one is part of another; of several spellings of one value the
    last given."""
    spelt = {key(split(value)): value for value in values}
    longest = max((len(split(value)) for value in values), default=0)
    for clause in _CLAUSES.split(text):
        words = [(match.start(), match.group()) for match in re.finditer(r"[\w'-]+", clause)]
        at = 0
        while at < len(words):
            n_words, value = _longest(words, at, spelt, longest)
            if value is not None:
                yield Named(value, stance_in(clause, words[at][0]))
            at += n_words


def stance_in(clause: str, start: int) -> Stance:
    """What a clause says of the word that starts there."""
    before = clause[:start].lower()
    if _WISH.search(before) or _REPORT.search(before):
        return Stance.REPORTED
    if _OPEN.search(clause.lower()):
        return Stance.OPEN
    return Stance.NOT_SO if _DENIED.search(before) else Stance.SO


def _longest(words: list[tuple[int, str]], at: int, spelt: dict[str, str], longest: int) -> tuple[int, str | None]:
    for n_words in range(min(longest, len(words) - at), 0, -1):
        value = spelt.get(key(split(" ".join(word for _, word in words[at : at + n_words]))))
        if value is not None:
            return n_words, value
    return 1, None
