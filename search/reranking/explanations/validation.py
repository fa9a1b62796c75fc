"""Checking: whether a text that a model wrote says what the verdicts say, all of it, and nothing else.

Without a model, and strict where English is not plain: a sound text refused costs a shopper nothing, since a template
says the same; an unsound one believed costs the shop its word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from vitrina.search.reranking.explanations.clauses import Polarity, Reading, Told, read
from vitrina.search.reranking.explanations.mentions import (
    FUNCTION_WORDS,
    PLAIN_WORDS,
    Token,
    is_word,
    tokens_of,
    with_mentions,
)
from vitrina.search.reranking.explanations.templates import explanation
from vitrina.search.reranking.prompts import MAX_EXPLANATION_CHARACTERS
from vitrina.search.types.requirement import Status, Verdict
from vitrina.search.understanding.catalog_attributes import Vocabulary
from vitrina.search.understanding.names import MatchType


class ObjectionKind(StrEnum):
    """What is wrong with a text."""

    EMPTY = "empty"
    LONG = "longer than two sentences need"
    OUT_OF_CATALOG = "characters that no explanation needs"
    CUT_OFF = "cut off"
    UNSUPPORTED = "claims what no verdict supports"
    CONTRARY = "tells a verdict as what it is not"
    UNTOLD = "leaves a verdict out"


@dataclass(frozen=True, slots=True)
class Objection:
    """A fault, and the words or the requirement that it is about."""

    fault: ObjectionKind
    about: str = ""

    def __str__(self) -> str:
        return f"{self.fault}: {self.about}" if self.about else str(self.fault)


_USUAL = re.compile(r"[ !%&'(),\-./0-9:;?A-Za-z¡-ɏ‘’“”–—…\"]")
_ENDED = re.compile(r"[.!?…][\"'”’)]*\Z")

_TRUTHS = {
    (Status.MET, True): Polarity.SO,
    (Status.MET, False): Polarity.NOT_SO,
    (Status.CONTRADICTED, True): Polarity.NOT_SO,
    (Status.CONTRADICTED, False): Polarity.SO,
    (Status.UNKNOWN, True): Polarity.OPEN,
    (Status.UNKNOWN, False): Polarity.OPEN,
}
"""How the words of a requirement are told truly, by its standing and by whether it is wanted."""


def objection(text: str, verdicts: Sequence[Verdict], vocabulary: Vocabulary) -> Objection | None:
    """The first thing wrong with a text about these verdicts, or None. Some 0.2 ms.

    Each word must be glue, or name what a verdict is about: a requirement's words, the value that they name or another
    name of the same colour; what was listed or seen; its field. Each mention must be told as its verdict stands, and
    each verdict told. ``vocabulary`` finds values of the catalog made of words that are harmless by themselves.
    """
    if (wrong := form_objection(text, verdicts)) is not None:
        return wrong
    tokens = with_mentions(tokens_of(text), verdicts)
    return _unsupported(tokens, vocabulary) or _contrary(read(tokens), verdicts)


def form_objection(text: str, verdicts: Sequence[Verdict]) -> Objection | None:
    """What is wrong with a text before one reads what it says: its characters, its length, its end."""
    if not text.strip():
        return Objection(ObjectionKind.EMPTY)
    if out_of_catalog := next(strange_characters(text, verdicts), None):
        return Objection(ObjectionKind.OUT_OF_CATALOG, f"U+{ord(out_of_catalog):04X}")
    if len(text) > max_characters(verdicts):
        return Objection(ObjectionKind.LONG)
    return None if _ENDED.search(text) else Objection(ObjectionKind.CUT_OFF, text[-20:])


def strange_characters(text: str, verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Those that are neither usual in an English sentence nor in a verdict; control characters in any case."""
    known = {character for verdict in verdicts for word in _words_of(verdict) for character in word + word.upper()}
    for character in text:
        if not _USUAL.match(character) and (character not in known or unicodedata.category(character)[0] == "C"):
            yield character


def max_characters(verdicts: Sequence[Verdict]) -> int:
    """As the prompts ask for, or more where there is more to tell: two wordings differ by less than twice."""
    return max(MAX_EXPLANATION_CHARACTERS, 2 * len(explanation(verdicts)))


def _words_of(verdict: Verdict) -> tuple[str, ...]:
    requirement = verdict.requirement
    return (
        requirement.words,
        requirement.field,
        *requirement.values,
        *filter(None, (verdict.catalog_value, verdict.image_value, verdict.disagreement)),
    )


def _unsupported(tokens: Sequence[Token], vocabulary: Vocabulary) -> Objection | None:
    """The first word that claims something by itself, or together with its neighbours as a value of the catalog."""
    for at, token in enumerate(tokens):
        if not is_word(token):
            continue
        assert isinstance(token, str)
        if token not in FUNCTION_WORDS and token not in PLAIN_WORDS:
            return Objection(ObjectionKind.UNSUPPORTED, token)
        if token not in FUNCTION_WORDS and (value := _value_at(tokens, at, vocabulary)):
            return Objection(ObjectionKind.UNSUPPORTED, value)
    return None


def _value_at(tokens: Sequence[Token], at: int, vocabulary: Vocabulary) -> str | None:
    """The value of the catalog that words from a token on name exactly."""
    run: list[str] = []
    for token in tokens[at:]:
        if not isinstance(token, str) or not is_word(token):
            break
        run.append(token)
    for n_words, matches in vocabulary.prefix_matches(run):
        if any(match.match_type is MatchType.SAME for match in matches) and run[n_words - 1] not in FUNCTION_WORDS:
            return " ".join(run[:n_words])
    return None


def _contrary(reading: Reading, verdicts: Sequence[Verdict]) -> Objection | None:
    if reading.is_unclear:
        return Objection(ObjectionKind.CONTRARY, "a doubt that belongs to no requirement")
    if reading.praises and any(verdict.status is not Status.MET for verdict in verdicts):
        return Objection(ObjectionKind.CONTRARY, "all requirements together")
    covered: set[int] = set()
    for told in reading.told:
        if told.mention.is_field:
            continue
        supporting = _supporting(told, verdicts)
        if supporting is None:
            return Objection(ObjectionKind.CONTRARY, told.mention.words)
        covered |= supporting
    untold = next((verdict for at, verdict in enumerate(verdicts) if at not in covered), None)
    return Objection(ObjectionKind.UNTOLD, untold.requirement.name) if untold else None


def _supporting(told: Told, verdicts: Sequence[Verdict]) -> set[int] | None:
    """The verdicts that a mention tells, none where it tells nothing; or None where no verdict supports it."""
    mention, telling = told.mention, told.telling
    if telling in (Polarity.WANTED, Polarity.UNWANTED):
        is_wish = any(verdicts[at].requirement.wanted is (telling is Polarity.WANTED) for at in mention.asked)
        return set() if is_wish else None
    if telling is Polarity.TOPIC:
        return set()
    asked = {at for at in mention.asked if _is_told_truly(told, verdicts[at])}
    found = {at for at in mention.found if _is_found(told, verdicts[at])}
    quarrels = set(mention.quarrels) if telling in (Polarity.SO, Polarity.OPEN) else set()
    if not (asked or found or quarrels):
        return None
    return {at for at in asked if not verdicts[at].disagreement} | quarrels


def _is_told_truly(told: Told, verdict: Verdict) -> bool:
    """Whether a requirement is told as it stands; one that listing and picture disagree on may be left in doubt."""
    stands = _TRUTHS[verdict.status, verdict.requirement.wanted]
    if told.telling is not stands and not (verdict.disagreement and told.telling is Polarity.OPEN):
        return False
    if told.agreed and verdict.status is not Status.MET:
        return False
    if told.disliked and (verdict.requirement.wanted or verdict.status is not Status.CONTRADICTED):
        return False
    return told.field is None or verdict.requirement.field in told.field


def _is_found(told: Told, verdict: Verdict) -> bool:
    """Whether what was listed or seen is told as such: plainly, and not as what the shopper asked for or disliked."""
    if told.telling is not Polarity.SO or told.disliked:
        return False
    if told.agreed and verdict.status is not Status.MET:
        return False
    return told.field is None or verdict.requirement.field in told.field
