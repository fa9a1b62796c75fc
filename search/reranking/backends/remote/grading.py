"""Probabilities from grades, for servers that show no log probabilities: the model chooses out of five words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydantic import TypeAdapter, ValidationError

from search.reranking.backends.remote.chat import Chat, Request, Schema, View
from search.reranking.backends.remote.failure import Failure, Fault
from search.reranking.backends.remote.sentences import spoken
from search.reranking.base import Deadline, Scoring
from search.reranking.prompts import MAX_CLAIM_CHARACTERS, listed, quoted

GRADES = {"no": 0.02, "unlikely": 0.2, "unsure": 0.5, "likely": 0.8, "yes": 0.98}
"""Chosen, not measured: even steps, and no certainty at the ends. What a grade is worth differs from model to model,
which the calibration over a shop's judgements settles."""

_MAX_TOKENS = 32
_MAX_TOKENS_PER_CLAIM = 16
_ANSWER = TypeAdapter(dict[str, str])


@dataclass(frozen=True, slots=True)
class GradeInSchema:
    """Asks for the grades of several claims at once, as JSON that the server keeps to a schema.

    The question says nothing of JSON: an answer that fits the schema shows that the server kept it, and a server that
    drops it is found out by every answer.
    """

    chat: Chat
    name: ClassVar[str] = "grades in a schema"
    scoring: ClassVar[Scoring] = Scoring.GRADES
    n_claims: ClassVar[int] = 8

    async def probabilities(self, view: View, claims: Sequence[str], deadline: Deadline) -> Sequence[float]:
        """The probability that stands for each claim's grade."""
        max_tokens = _MAX_TOKENS + _MAX_TOKENS_PER_CLAIM * len(claims)
        request = Request(grading(claims, view.listing), view.picture, max_tokens, _schema(len(claims)))
        return _read_json(await self.chat.complete(request, deadline), len(claims))


@dataclass(frozen=True, slots=True)
class GradeInWords:
    """Asks for one claim's grade in a word, where nothing keeps the model to it; any other answer is a failure."""

    chat: Chat
    name: ClassVar[str] = "grades in words"
    scoring: ClassVar[Scoring] = Scoring.GRADES
    n_claims: ClassVar[int] = 1

    async def probabilities(self, view: View, claims: Sequence[str], deadline: Deadline) -> Sequence[float]:
        """The probability that stands for the one claim's grade."""
        request = Request(grading(claims, view.listing), view.picture, _MAX_TOKENS)
        word = spoken(await self.chat.complete(request, deadline)).strip(" \t\n\"'*.").casefold()
        if word not in GRADES:
            raise _unreadable(word)
        return [GRADES[word]]


def grading(claims: Sequence[str], listing: str) -> str:
    """Asks how well a product fits each claim, the listing before the claims, both quoted as data."""
    wishes = "\n".join(
        f"Wish {number}: {quoted(claim, MAX_CLAIM_CHARACTERS)}" for number, claim in enumerate(claims, 1)
    )
    return (
        f"{listed(listing)}The shopper wishes for a product like this:\n{wishes}\n"
        f"Does this product fulfil each wish? The grades are {', '.join(GRADES)}. "
        f"Answer with {'one grade, one word' if len(claims) == 1 else 'one grade for each wish'}, and nothing else."
    )


def _schema(n_claims: int) -> Schema:
    names = _names(n_claims)
    grade = {"type": "string", "enum": list(GRADES)}
    return {
        "type": "object",
        "properties": dict.fromkeys(names, grade),
        "required": names,
        "additionalProperties": False,
    }


def _names(n_claims: int) -> list[str]:
    return [f"wish_{number}" for number in range(1, n_claims + 1)]


def _read_json(text: str, n_claims: int) -> list[float]:
    try:
        grades = _ANSWER.validate_json(spoken(text))
    except ValidationError as error:
        raise _unreadable(text) from error
    if grades.keys() != set(_names(n_claims)) or set(grades.values()) - GRADES.keys():
        raise _unreadable(text)
    return [GRADES[grades[name]] for name in _names(n_claims)]


def _unreadable(text: str) -> Failure:
    return Failure(Fault.UNREADABLE, f"it graded a product {quoted(text, 40)}")
