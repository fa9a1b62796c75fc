"""Explanations by the model, validated: what it writes must say what the verdicts say, all of it, and nothing else."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from vitrina.search.reranking.base import Deadline, RerankCandidate, Reranker
from vitrina.search.reranking.explanations.clauses import Assertion, ParsedText, Polarity, parse_text
from vitrina.search.reranking.explanations.english import find_english_fault
from vitrina.search.reranking.explanations.mentions import (
    FUNCTION_WORDS,
    STOP_WORDS,
    Token,
    is_word,
    tokens_of,
    with_mentions,
)
from vitrina.search.reranking.explanations.templates import explanation, fact
from vitrina.search.reranking.prompts import MAX_EXPLANATION_CHARACTERS
from vitrina.search.types.errors import RerankerError
from vitrina.search.types.requirement import Author, Explanation, Status, Verdict
from vitrina.search.understanding.catalog_attributes import Vocabulary
from vitrina.search.understanding.names import MatchType


class ObjectionKind(StrEnum):
    """What is wrong with a text."""

    EMPTY = "empty"
    LONG = "longer than two sentences need"
    UNUSUAL = "characters that no explanation needs"
    CUT_OFF = "cut off"
    UNSUPPORTED = "asserts what no verdict supports"
    CONTRARY = "contradicts a verdict"
    UNMENTIONED = "omits a verdict"
    ENGLISH = "poor English"


@dataclass(frozen=True, slots=True)
class Objection:
    """What is wrong, and the words or the requirement concerned."""

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
"""The true polarity of a requirement's words, by status and by whether it is wanted."""


def find_objection(text: str, verdicts: Sequence[Verdict], vocabulary: Vocabulary) -> Objection | None:
    """Return the first thing wrong with a text about these verdicts, or None. Takes some 0.2 ms.

    Each word must be a stop word, or name what a verdict is about: a requirement's words, the value they name or
    another name of the same colour; the catalog or image value; the field. Each mention must agree with its verdict,
    and each verdict must be mentioned, in English as good as the template's. ``vocabulary`` finds catalog values made
    up of stop words.
    """
    if (wrong := find_form_objection(text, verdicts)) is not None:
        return wrong
    tokens = with_mentions(tokens_of(text), verdicts)
    return (
        _unsupported(tokens, vocabulary)
        or _contradiction(parse_text(tokens), verdicts)
        or find_language_objection(text, verdicts)
    )


def find_language_objection(text: str, verdicts: Sequence[Verdict]) -> Objection | None:
    """Return what is poor English in a text about these verdicts, where the template would say it better."""
    fault = find_english_fault(text.strip(), verdicts)
    return None if fault is None else Objection(ObjectionKind.ENGLISH, fault)


def find_form_objection(text: str, verdicts: Sequence[Verdict]) -> Objection | None:
    """Return what is wrong with a text's form: its characters, its length, its end."""
    if not text.strip():
        return Objection(ObjectionKind.EMPTY)
    if unusual := next(unusual_characters(text, verdicts), None):
        return Objection(ObjectionKind.UNUSUAL, f"U+{ord(unusual):04X}")
    if is_too_long(text, verdicts):
        return Objection(ObjectionKind.LONG)
    return None if _ENDED.search(text) else Objection(ObjectionKind.CUT_OFF, text[-20:])


def unusual_characters(text: str, verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Yield characters that are usual neither in English nor in a verdict; control characters in any case."""
    known = {character for verdict in verdicts for word in _words_of(verdict) for character in word + word.upper()}
    for character in text:
        if not _USUAL.match(character) and (character not in known or unicodedata.category(character)[0] == "C"):
            yield character


def is_too_long(text: str, verdicts: Sequence[Verdict]) -> bool:
    """Whether a text exceeds the prompts' limit, which is higher for many verdicts: two wordings differ in length by
    less than twice. The template takes milliseconds, and is written for texts above the usual limit alone."""
    return len(text) > MAX_EXPLANATION_CHARACTERS and len(text) > 2 * len(explanation(verdicts))


def _words_of(verdict: Verdict) -> tuple[str, ...]:
    requirement = verdict.requirement
    return (
        requirement.words,
        requirement.field,
        *requirement.values,
        *filter(None, (verdict.catalog_value, verdict.image_value, verdict.disagreement)),
    )


def _unsupported(tokens: Sequence[Token], vocabulary: Vocabulary) -> Objection | None:
    """The first word that asserts something by itself, or as part of a catalog value."""
    for at, token in enumerate(tokens):
        if not is_word(token):
            continue
        assert isinstance(token, str)
        if token not in FUNCTION_WORDS and token not in STOP_WORDS:
            return Objection(ObjectionKind.UNSUPPORTED, token)
        if token not in FUNCTION_WORDS and (value := _value_at(tokens, at, vocabulary)):
            return Objection(ObjectionKind.UNSUPPORTED, value)
    return None


def _value_at(tokens: Sequence[Token], at: int, vocabulary: Vocabulary) -> str | None:
    """The catalog value that the words from a token on name exactly."""
    run: list[str] = []
    for token in tokens[at:]:
        if not isinstance(token, str) or not is_word(token):
            break
        run.append(token)
    for n_words, matches in vocabulary.prefix_matches(run):
        if any(match.match_type is MatchType.SAME for match in matches) and run[n_words - 1] not in FUNCTION_WORDS:
            return " ".join(run[:n_words])
    return None


def _contradiction(parsed: ParsedText, verdicts: Sequence[Verdict]) -> Objection | None:
    if parsed.is_unclear:
        return Objection(ObjectionKind.CONTRARY, "a doubt that belongs to no requirement")
    if parsed.praises_all and any(verdict.status is not Status.MET for verdict in verdicts):
        return Objection(ObjectionKind.CONTRARY, "all requirements together")
    covered: set[int] = set()
    for assertion in parsed.assertions:
        if assertion.mention.is_field:
            continue
        supporting = _supported_verdicts(assertion, verdicts)
        if supporting is None:
            return Objection(ObjectionKind.CONTRARY, assertion.mention.words)
        covered |= supporting
    unmentioned = next((verdict for at, verdict in enumerate(verdicts) if at not in covered), None)
    return Objection(ObjectionKind.UNMENTIONED, unmentioned.requirement.name) if unmentioned else None


def _supported_verdicts(assertion: Assertion, verdicts: Sequence[Verdict]) -> set[int] | None:
    """The verdicts that a mention states, empty if it states nothing; None if no verdict supports it."""
    mention, polarity = assertion.mention, assertion.polarity
    if polarity in (Polarity.WANTED, Polarity.UNWANTED):
        is_wish = any(verdicts[at].requirement.wanted is (polarity is Polarity.WANTED) for at in mention.asked)
        return set() if is_wish else None
    if polarity is Polarity.TOPIC:
        return set()
    asked = {at for at in mention.asked if _is_true(assertion, verdicts[at])}
    found = {at for at in mention.found if _is_found(assertion, verdicts[at])}
    conflicts = set(mention.conflicts) if polarity in (Polarity.SO, Polarity.OPEN) else set()
    if not (asked or found or conflicts):
        return None
    return {at for at in asked if not verdicts[at].disagreement} | conflicts


def _is_true(assertion: Assertion, verdict: Verdict) -> bool:
    """Whether an assertion agrees with its verdict; one with a disagreement may be left open."""
    true_polarity = _TRUTHS[verdict.status, verdict.requirement.wanted]
    if assertion.polarity is not true_polarity and not (verdict.disagreement and assertion.polarity is Polarity.OPEN):
        return False
    if assertion.is_agreed and verdict.status is not Status.MET:
        return False
    if assertion.is_disliked and (verdict.requirement.wanted or verdict.status is not Status.CONTRADICTED):
        return False
    return assertion.field is None or verdict.requirement.field in assertion.field


def _is_found(assertion: Assertion, verdict: Verdict) -> bool:
    """Whether a catalog or image value is asserted plainly, and not as what the shopper asked for or disliked."""
    if assertion.polarity is not Polarity.SO or assertion.is_disliked:
        return False
    if assertion.is_agreed and verdict.status is not Status.MET:
        return False
    return assertion.field is None or verdict.requirement.field in assertion.field


log = logging.getLogger(__name__)

NO_VOCABULARY = Vocabulary({})


def explain(
    reranker: Reranker | None,
    candidate: RerankCandidate,
    verdicts: Sequence[Verdict],
    deadline: Deadline,
    vocabulary: Vocabulary = NO_VOCABULARY,
) -> Explanation:
    """Let the reranker explain the verdicts and check its text; if that fails, explain by template.

    Never raises RerankerError, and never exceeds the deadline by more than the check, 0.3 ms. Empty, by template,
    without verdicts. Blocks.
    """
    explained: Explanation | None = None
    for piece in stream_explanation(reranker, candidate, verdicts, deadline, vocabulary):
        if isinstance(piece, Explanation):
            explained = piece
    return cast("Explanation", explained)


def stream_explanation(
    reranker: Reranker | None,
    candidate: RerankCandidate,
    verdicts: Sequence[Verdict],
    deadline: Deadline,
    vocabulary: Vocabulary = NO_VOCABULARY,
) -> Generator[str | Explanation, None, None]:
    """The same as a stream: unchecked text as the model writes it, and at the end the checked Explanation.

    Generation stops at the first piece that makes the text unacceptable: too long, or with unusual characters.
    Closing the iterator stops it, too.
    """
    template = explanation(verdicts, has_image=candidate.has_image)
    if reranker is None or not verdicts or not reranker.capabilities.writes or not deadline.seconds_left:
        yield Explanation(template, Author.TEMPLATE)
        return
    written = ""
    try:
        for piece in _written(reranker, candidate, verdicts, deadline):
            written += piece
            if _is_lost(written.strip(), verdicts):
                break
            yield piece
    except RerankerError as error:
        log.warning("An explanation is by template: %s", error)
        yield Explanation(template, Author.TEMPLATE)
        return
    wrong = find_objection(written.strip(), verdicts, vocabulary)
    if wrong is None and not candidate.has_image and "photo" in written.casefold():
        wrong = Objection(ObjectionKind.UNSUPPORTED, "photo")
    if wrong:
        log.info("An explanation is by template, since the model's text was refused: %s", wrong)
        yield Explanation(template, Author.TEMPLATE)
    else:
        yield Explanation(written.strip(), Author.MODEL)


def _written(
    reranker: Reranker, candidate: RerankCandidate, verdicts: Sequence[Verdict], deadline: Deadline
) -> Iterator[str]:
    """The model's text until the deadline; its iterator is always closed."""
    pieces = reranker.write(candidate, [fact(verdict) for verdict in verdicts], deadline)
    try:
        yield from pieces
    finally:
        if isinstance(pieces, Generator):
            pieces.close()


def _is_lost(text: str, verdicts: Sequence[Verdict]) -> bool:
    return is_too_long(text, verdicts) or any(unusual_characters(text, verdicts))
