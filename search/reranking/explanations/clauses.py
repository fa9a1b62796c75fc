"""Clauses: whether a text asserts, denies or leaves open what it mentions.

Not a parser of English: a clause that is not plainly one of these is unclear, and supports nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import pairwise

from vitrina.search.reranking.explanations.mentions import (
    DENYING,
    DENYING_BEFORE,
    FULFILLED,
    OPEN,
    OPEN_WHEN_DENIED,
    SWEEPING,
    VERBS,
    Mention,
    Token,
)


class Polarity(Enum):
    """What a clause says about something that it mentions."""

    SO = auto()
    NOT_SO = auto()
    OPEN = auto()
    WANTED = auto()
    """Only that the shopper wants it: ``you asked for navy``."""
    UNWANTED = auto()
    TOPIC = auto()
    """Nothing: ``as to navy``."""
    UNCLEAR = auto()


@dataclass(frozen=True, slots=True)
class Assertion:
    """One mention, and what is said about it.

    ``field`` names the field that it is said to be the value of, if any. ``is_agreed``: the same sentence says ``as
    you asked``. ``is_disliked``: ``which you did not want`` follows.
    """

    mention: Mention
    polarity: Polarity
    field: frozenset[str] | None = None
    is_agreed: bool = False
    is_disliked: bool = False


@dataclass(frozen=True, slots=True)
class ParsedText:
    """What a text asserts. ``praises_all``: it praises the product as a whole. ``is_unclear``: it has a doubt or a
    denial that belongs to no mention."""

    assertions: tuple[Assertion, ...]
    praises_all: bool
    is_unclear: bool


_SAID_BY = r"(?:you|the shopper)(?: have| had| did| do| are| were)?"
_WANT = (
    r"(?:want|wanted|(?:ask|asked|asking|wish|wished|looking|searching) for|ask|asked|request|requested|need|needed)"
)
_AGREED, _DISLIKED, _WANTED, _UNWANTED, _TOPIC = "AGREED", "DISLIKED", "WANTED", "UNWANTED", "TOPIC"
_PHRASES = tuple(
    (re.compile(rf"(?<= )(?:{pattern})(?= )"), instead)
    for pattern, instead in (
        (r"instead of|rather than|other than", "not"),
        (rf"(?:just )?as (?:{_SAID_BY} )?{_WANT}|(?:which|that) {_SAID_BY} {_WANT}", _AGREED),
        (rf"(?:which|that|what) {_SAID_BY} (?:not|never) {_WANT}", _DISLIKED),
        (rf"{_SAID_BY} (?:not|never) {_WANT}", _UNWANTED),
        (rf"{_SAID_BY} {_WANT}", _WANTED),
        (r"as to|as for", _TOPIC),
    )
)
"""Phrases of several words become marks in capitals, which no folded word can be."""

_SECTION = re.compile(r" (?:[.;:!?…—–()]|but|however|although|though|while|whereas|yet) ")
_CLAUSE = re.compile(
    r" (?:,|, and|, or|and|or)(?= (?:it|its|this|that|these|they|the|there|nothing|none|neither|whether|which|if|"
    rf"{'|'.join(sorted(VERBS))}|{_AGREED}|{_DISLIKED}|{_WANTED}|{_UNWANTED}|{_TOPIC}) )"
)
_MARK = "§"


def parse_text(tokens: Sequence[Token]) -> ParsedText:
    """Return what a text asserts about each of its mentions."""
    mentions = [token for token in tokens if isinstance(token, Mention)]
    numbers = iter(range(len(mentions)))
    line = " ".join(f"{_MARK}{next(numbers)}" if isinstance(token, Mention) else token for token in tokens)
    for pattern, instead in _PHRASES:
        line = pattern.sub(instead, f" {line} ")
    assertions: list[Assertion] = []
    praises_all, is_unclear = not SWEEPING.isdisjoint(line.split()), False
    for section in _SECTION.split(f" {' '.join(line.split())} "):
        words = section.split()
        if any(word.startswith(_MARK) for word in words):
            assertions += _assertions_in(section, mentions)
        else:
            praises_all = praises_all or not VERBS.isdisjoint(words)
            is_unclear = is_unclear or _has_cue(words)
    return ParsedText(tuple(assertions), praises_all, is_unclear)


def _assertions_in(section: str, mentions: Sequence[Mention]) -> Iterator[Assertion]:
    words = section.split()
    is_agreed = _AGREED in words
    before_dislike = words[: words.index(_DISLIKED)] if _DISLIKED in words else []
    disliked = next((word for word in reversed(before_dislike) if word.startswith(_MARK)), None)
    for clause in _clauses(section):
        field: frozenset[str] | None = None
        for word, polarity in _polarities(clause):
            mention = mentions[int(word.removeprefix(_MARK))]
            yield Assertion(mention, polarity, field, is_agreed, word == disliked)
            field = mention.fields if mention.is_field else None


def _clauses(section: str) -> list[list[str]]:
    """A section's clauses; one without a verb or a mention is joined to the clause beside it."""
    clauses: list[list[str]] = []
    for part in _CLAUSE.split(f" {section.strip()} "):
        words = part.split()
        if clauses and not (_stands_alone(words) and _stands_alone(clauses[-1])):
            clauses[-1] += words
        elif words:
            clauses.append(words)
    return clauses


def _stands_alone(words: Sequence[str]) -> bool:
    marks = {_AGREED, _DISLIKED, _WANTED, _UNWANTED, _TOPIC}
    has_verb = not VERBS.isdisjoint(words) or not marks.isdisjoint(words)
    has_mention = any(word.startswith(_MARK) for word in words)
    return has_verb and (has_mention or not _has_cue(words))


def _has_cue(words: Sequence[str]) -> bool:
    return not (DENYING | DENYING_BEFORE | OPEN).isdisjoint(words)


def _polarities(clause: Sequence[str]) -> Iterator[tuple[str, Polarity]]:
    """Each mention of a clause, and what is said about it."""
    is_mention = [word.startswith(_MARK) for word in clause]
    n_denials = [word in DENYING for word in clause]
    is_open = not OPEN.isdisjoint(clause) or (any(n_denials) and not OPEN_WHEN_DENIED.isdisjoint(clause))
    last = max((at for at, word in enumerate(is_mention) if word), default=-1)
    denied_behind = _is_denied_behind(clause[last + 1 :])
    denied = False
    n_since = 0
    mark: Polarity | None = None
    for at, word in enumerate(clause):
        if not is_mention[at]:
            n_since += n_denials[at]
            denied = denied or n_denials[at]
            mark = _MARKS.get(word, mark)
            continue
        fulfilment_denied = any(one == "not" and other in FULFILLED for one, other in pairwise(clause[:at]))
        if mark is not None:
            yield word, mark
        elif is_open:
            yield word, Polarity.OPEN
        elif n_since > 1 or fulfilment_denied or (denied and denied_behind):
            yield word, Polarity.UNCLEAR
        else:
            yield word, Polarity.NOT_SO if denied or denied_behind else Polarity.SO
        n_since = 0
        if mark is Polarity.TOPIC:
            mark = None


def _is_denied_behind(words: Sequence[str]) -> bool:
    """Whether the words after a clause's last mention deny it: ``navy is missing``, ``navy is not met``."""
    return not (DENYING | DENYING_BEFORE).isdisjoint(words)


_MARKS = {_WANTED: Polarity.WANTED, _UNWANTED: Polarity.UNWANTED, _TOPIC: Polarity.TOPIC}
