"""Scoring: probabilities from log probabilities or from grades, and boxes, out of what a server answers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from vitrina.search.reranking.backends.remote.chat import ChatRequest, RemoteChat, RemoteView, Schema, spoken
from vitrina.search.reranking.backends.remote.transport import RequestFailure, RequestFault
from vitrina.search.reranking.base import Box, Deadline, Scoring
from vitrina.search.reranking.prompts import MAX_STATEMENT_CHARACTERS, listed, quoted

MIN_MASS = 0.01
"""Where yes and no together have less, the model was about to say something else (to think aloud, to apologise), and
their ratio is noise. A choice, not a measurement."""

_MIN_FLOOR = 1e-6
_AROUND = " \t\r\n\"'*.▁ĠĊ"
"""What yes and no come with in a token: quotes and spaces, also as SentencePiece and byte-level tokenizers write
them."""


@dataclass(frozen=True, slots=True)
class YesNo:
    """``approximate`` where one of the two words was not among the tokens shown: its probability is then taken to be
    the most that it can be, so the true P(yes) is further from one half."""

    probability: float
    approximate: bool


def read_yes_no(logprobs: Iterable[tuple[str, float]]) -> YesNo | None:
    """P(yes) / (P(yes) + P(no)), each summed over its case and space variants; None where neither word is likely.

    ``logprobs`` are the likeliest tokens and their natural logarithms of probability.
    """
    shown = [(_word(token), math.exp(min(logprob, 0.0))) for token, logprob in logprobs if not math.isnan(logprob)]
    yes = sum(probability for word, probability in shown if word == "yes")
    no = sum(probability for word, probability in shown if word == "no")
    if yes + no < MIN_MASS:
        return None
    floor = _most_left(shown)
    return YesNo((yes or floor) / ((yes or floor) + (no or floor)), approximate=not (yes and no))


def _most_left(shown: list[tuple[str, float]]) -> float:
    """The most that a token which is not shown can have: less than any shown, and than what these leave over."""
    probabilities = [probability for _, probability in shown]
    return max(_MIN_FLOOR, min(min(probabilities), 1.0 - sum(probabilities)))


def _word(token: str) -> str:
    return token.strip(_AROUND).casefold()


GRADES = {"no": 0.02, "unlikely": 0.2, "unsure": 0.5, "likely": 0.8, "yes": 0.98}
"""Chosen, not measured: even steps, and no certainty at the ends. What a grade is worth differs from model to model,
which the calibration over a shop's judgements settles."""

_MAX_TOKENS = 32
_MAX_TOKENS_PER_STATEMENT = 16
_ANSWER = TypeAdapter(dict[str, str])


@dataclass(frozen=True, slots=True)
class GradeInSchema:
    """Asks for the grades of several claims at once, as JSON that the server keeps to a schema.

    The question says nothing of JSON: an answer that fits the schema shows that the server kept it, and a server that
    drops it is found out by every answer.
    """

    chat: RemoteChat
    name: ClassVar[str] = "grades in a schema"
    scoring: ClassVar[Scoring] = Scoring.GRADES
    n_statements: ClassVar[int] = 8

    async def probabilities(
        self, replica: RemoteView, statements: Sequence[str], deadline: Deadline
    ) -> Sequence[float]:
        """The probability that stands for each claim's grade."""
        max_tokens = _MAX_TOKENS + _MAX_TOKENS_PER_STATEMENT * len(statements)
        request = ChatRequest(grading(statements, replica.listing), replica.image, max_tokens, _schema(len(statements)))
        return _read_json(await self.chat.complete(request, deadline), len(statements))


@dataclass(frozen=True, slots=True)
class GradeInWords:
    """Asks for one claim's grade in a word, where nothing keeps the model to it; any other answer is a failure."""

    chat: RemoteChat
    name: ClassVar[str] = "grades in words"
    scoring: ClassVar[Scoring] = Scoring.GRADES
    n_statements: ClassVar[int] = 1

    async def probabilities(
        self, replica: RemoteView, statements: Sequence[str], deadline: Deadline
    ) -> Sequence[float]:
        """The probability that stands for the one claim's grade."""
        request = ChatRequest(grading(statements, replica.listing), replica.image, _MAX_TOKENS)
        word = spoken(await self.chat.complete(request, deadline)).strip(" \t\n\"'*.").casefold()
        if word not in GRADES:
            raise _unreadable(word)
        return [GRADES[word]]


def grading(statements: Sequence[str], listing: str) -> str:
    """Asks how well a product fits each claim, the listing before the claims, both quoted as data."""
    wishes = "\n".join(
        f"Wish {number}: {quoted(statement, MAX_STATEMENT_CHARACTERS)}"
        for number, statement in enumerate(statements, 1)
    )
    return (
        f"{listed(listing)}The shopper wishes for a product like this:\n{wishes}\n"
        f"Does this product fulfil each wish? The grades are {', '.join(GRADES)}. "
        f"Answer with {'one grade, one word' if len(statements) == 1 else 'one grade for each wish'}, and nothing else."
    )


def _schema(n_statements: int) -> Schema:
    names = _names(n_statements)
    grade = {"type": "string", "enum": list(GRADES)}
    return {
        "type": "object",
        "properties": dict.fromkeys(names, grade),
        "required": names,
        "additionalProperties": False,
    }


def _names(n_statements: int) -> list[str]:
    return [f"wish_{number}" for number in range(1, n_statements + 1)]


def _read_json(text: str, n_statements: int) -> list[float]:
    try:
        grades = _ANSWER.validate_json(spoken(text))
    except ValidationError as error:
        raise _unreadable(text) from error
    if grades.keys() != set(_names(n_statements)) or set(grades.values()) - GRADES.keys():
        raise _unreadable(text)
    return [GRADES[grades[name]] for name in _names(n_statements)]


def _unreadable(text: str) -> RequestFailure:
    return RequestFailure(RequestFault.UNREADABLE, f"it graded a product {quoted(text, 40)}")


_SIDE: Final = 1000
"""Boxes in thousandths of the picture, as Qwen2-VL, Qwen3-VL and Gemini were taught to give them."""

_MAX_BOX_TOKENS = 80
_SIDES = ("left", "top", "right", "bottom")
_SCHEMA: Final[Schema] = {
    "type": "object",
    "properties": {side: {"type": "integer"} for side in _SIDES},
    "required": list(_SIDES),
    "additionalProperties": False,
}


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    left: int
    top: int
    right: int
    bottom: int


async def locate(chat: RemoteChat, image: str, statement: str, deadline: Deadline) -> Box | None:
    """The box that a chat which keeps schemas gives for a claim, None where that is none. Raises Failure."""
    answer = await chat.complete(ChatRequest(locating(statement), image, _MAX_BOX_TOKENS, _SCHEMA), deadline)
    return _read(answer)


def locating(statement: str) -> str:
    """Asks for the smallest box around what a claim is about."""
    return (
        f"What in this picture is {quoted(statement, MAX_STATEMENT_CHARACTERS)}? Give the smallest box around it: "
        "left and "
        f"right from 0 to {_SIDE} across the picture, top and bottom from 0 to {_SIDE} down it, as whole numbers."
    )


def _read(text: str) -> Box | None:
    try:
        found = _Answer.model_validate_json(spoken(text))
    except ValidationError:
        return None
    if not (0 <= found.left < found.right <= _SIDE and 0 <= found.top < found.bottom <= _SIDE):
        return None
    return Box(found.left / _SIDE, found.top / _SIDE, found.right / _SIDE, found.bottom / _SIDE)
