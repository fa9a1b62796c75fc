"""Probabilities from a server's log probabilities or grades, and boxes from its answers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from vitrina.search.reranking.backends.remote.chat import (
    ChatRequest,
    EncodedCandidate,
    RemoteChat,
    Schema,
    without_thinking,
)
from vitrina.search.reranking.backends.remote.transport import RequestFailure, RequestFault
from vitrina.search.reranking.base import Box, Deadline, Scoring
from vitrina.search.reranking.prompts import MAX_STATEMENT_CHARACTERS, quoted, quoted_listing

MIN_MASS = 0.01
"""Least probability of yes and no together. Below it the model was about to say something else (to think aloud, to
apologise), and their ratio is noise. A choice, not a measurement."""

_MIN_FLOOR = 1e-6
_AROUND_WORD = " \t\r\n\"'*.▁ĠĊ"
"""Quotes and spaces around yes and no in a token, also as SentencePiece and byte-level tokenizers write them."""


@dataclass(frozen=True, slots=True)
class YesNo:
    """P(yes). ``approximate`` if one of the two words was not among the tokens shown: its probability is then taken as
    the largest possible, so the true P(yes) is further from one half."""

    probability: float
    approximate: bool


def yes_no_probability(logprobs: Iterable[tuple[str, float]]) -> YesNo | None:
    """Return P(yes) / (P(yes) + P(no)), each summed over its case and space variants; None if neither is likely.

    ``logprobs`` are the likeliest tokens with the natural logarithms of their probabilities.
    """
    shown = [(_word(token), math.exp(min(logprob, 0.0))) for token, logprob in logprobs if not math.isnan(logprob)]
    yes = sum(probability for word, probability in shown if word == "yes")
    no = sum(probability for word, probability in shown if word == "no")
    if yes + no < MIN_MASS:
        return None
    floor = _max_unshown(shown)
    return YesNo((yes or floor) / ((yes or floor) + (no or floor)), approximate=not (yes and no))


def _max_unshown(shown: list[tuple[str, float]]) -> float:
    """The largest probability of a token not shown: at most the least one shown, and what these leave over."""
    probabilities = [probability for _, probability in shown]
    return max(_MIN_FLOOR, min(min(probabilities), 1.0 - sum(probabilities)))


def _word(token: str) -> str:
    return token.strip(_AROUND_WORD).casefold()


GRADES = {"no": 0.02, "unlikely": 0.2, "unsure": 0.5, "likely": 0.8, "yes": 0.98}
"""Chosen, not measured: even steps, and no certainty at the ends. What a grade is worth differs between models, which
calibration on a shop's judgements corrects."""

_MAX_TOKENS = 32
_MAX_TOKENS_PER_STATEMENT = 16
_ANSWER = TypeAdapter(dict[str, str])


@dataclass(frozen=True, slots=True)
class GradeInSchema:
    """Asks for the grades of several statements at once, as JSON in a schema that the server enforces.

    The question does not mention JSON, so an answer that fits the schema proves that the server enforces it, and every
    answer of a server that drops it fails.
    """

    chat: RemoteChat
    name: ClassVar[str] = "grades in a schema"
    scoring: ClassVar[Scoring] = Scoring.GRADES
    n_statements: ClassVar[int] = 8

    async def probabilities(
        self, candidate: EncodedCandidate, statements: Sequence[str], deadline: Deadline
    ) -> Sequence[float]:
        """Return the probability of each statement's grade."""
        max_tokens = _MAX_TOKENS + _MAX_TOKENS_PER_STATEMENT * len(statements)
        request = ChatRequest(
            grading_prompt(statements, candidate.listing), candidate.image, max_tokens, _grade_schema(len(statements))
        )
        return _read_grades(await self.chat.complete(request, deadline), len(statements))


@dataclass(frozen=True, slots=True)
class GradeInWords:
    """Asks for one statement's grade in a word, without a schema; any other answer is a failure."""

    chat: RemoteChat
    name: ClassVar[str] = "grades in words"
    scoring: ClassVar[Scoring] = Scoring.GRADES
    n_statements: ClassVar[int] = 1

    async def probabilities(
        self, candidate: EncodedCandidate, statements: Sequence[str], deadline: Deadline
    ) -> Sequence[float]:
        """Return the probability of the one statement's grade."""
        request = ChatRequest(grading_prompt(statements, candidate.listing), candidate.image, _MAX_TOKENS)
        word = without_thinking(await self.chat.complete(request, deadline)).strip(" \t\n\"'*.").casefold()
        if word not in GRADES:
            raise _unreadable(word)
        return [GRADES[word]]


def grading_prompt(statements: Sequence[str], listing: str) -> str:
    """Ask how well a product fits each statement, after its listing; both are quoted as data."""
    wishes = "\n".join(
        f"Wish {number}: {quoted(statement, MAX_STATEMENT_CHARACTERS)}"
        for number, statement in enumerate(statements, 1)
    )
    return (
        f"{quoted_listing(listing)}The shopper wishes for a product like this:\n{wishes}\n"
        f"Does this product fulfil each wish? The grades are {', '.join(GRADES)}. "
        f"Answer with {'one grade, one word' if len(statements) == 1 else 'one grade for each wish'}, and nothing else."
    )


def _grade_schema(n_statements: int) -> Schema:
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


def _read_grades(text: str, n_statements: int) -> list[float]:
    try:
        grades = _ANSWER.validate_json(without_thinking(text))
    except ValidationError as error:
        raise _unreadable(text) from error
    if grades.keys() != set(_names(n_statements)) or set(grades.values()) - GRADES.keys():
        raise _unreadable(text)
    return [GRADES[grades[name]] for name in _names(n_statements)]


def _unreadable(text: str) -> RequestFailure:
    return RequestFailure(RequestFault.UNREADABLE, f"it graded a product {quoted(text, 40)}")


_SIDE: Final = 1000
"""Boxes in thousandths of the image, as Qwen2-VL, Qwen3-VL and Gemini were trained to give them."""

_MAX_BOX_TOKENS = 80
_SIDES = ("left", "top", "right", "bottom")
_BOX_SCHEMA: Final[Schema] = {
    "type": "object",
    "properties": {side: {"type": "integer"} for side in _SIDES},
    "required": list(_SIDES),
    "additionalProperties": False,
}


class _BoxAnswer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    left: int
    top: int
    right: int
    bottom: int


async def locate(chat: RemoteChat, image: str, statement: str, deadline: Deadline) -> Box | None:
    """Return the box that a chat with schemas gives for a statement, None if it is no box. Raises RequestFailure."""
    answer = await chat.complete(ChatRequest(box_prompt(statement), image, _MAX_BOX_TOKENS, _BOX_SCHEMA), deadline)
    return _read_box(answer)


def box_prompt(statement: str) -> str:
    """Ask for the smallest box around what a statement is about."""
    return (
        f"What in this picture is {quoted(statement, MAX_STATEMENT_CHARACTERS)}? Give the smallest box around it: "
        "left and "
        f"right from 0 to {_SIDE} across the picture, top and bottom from 0 to {_SIDE} down it, as whole numbers."
    )


def _read_box(text: str) -> Box | None:
    try:
        found = _BoxAnswer.model_validate_json(without_thinking(text))
    except ValidationError:
        return None
    if not (0 <= found.left < found.right <= _SIDE and 0 <= found.top < found.bottom <= _SIDE):
        return None
    return Box(found.left / _SIDE, found.top / _SIDE, found.right / _SIDE, found.bottom / _SIDE)
