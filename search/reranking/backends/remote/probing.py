"""Probing what a model's server can do, since servers drop fields silently and documentation ages."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeVar

from PIL import Image

from vitrina.search.reranking.backends.remote.chat import (
    ChatRequest,
    EncodedCandidate,
    RemoteChat,
    StatementScorer,
    encode_image,
    without_thinking,
)
from vitrina.search.reranking.backends.remote.scoring import GradeInSchema, GradeInWords, locate
from vitrina.search.reranking.backends.remote.transport import RequestFailure, RequestFault, as_error
from vitrina.search.reranking.base import Box, Capabilities, Deadline, Scoring
from vitrina.search.reranking.prompts import explanation_prompt, question
from vitrina.search.types.errors import RerankerError

MIN_OVERLAP = 0.5
"""Required overlap of the box given for a red square with the square. A model that means pixels, or another order of
the sides, stays far below, so that no wrong box is ever drawn."""

_STATEMENT = "red"
_SIDE_PX = 224
_RED, _BLUE, _WHITE = (220, 20, 30), (20, 40, 200), (255, 255, 255)
_SQUARE = Box(0.5, 0.25, 0.875, 0.625)
_MAX_TOKENS = 24

_FATAL = frozenset({RequestFault.REFUSED, RequestFault.UNREACHABLE, RequestFault.OVERLOADED})
"""No other dialect changes these; going on would only report too few capabilities."""

S = TypeVar("S", bound=StatementScorer)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a server can do. ``fallback`` scores when the ``scorer`` cannot read an answer, ``writer`` writes
    explanations, ``schema_chat`` enforces a schema."""

    scorer: StatementScorer
    fallback: StatementScorer | None
    writer: RemoteChat | None
    schema_chat: RemoteChat | None
    gives_boxes: bool

    @property
    def capabilities(self) -> Capabilities:
        """The same as a reranker's capabilities."""
        return Capabilities(
            self.scorer.scoring,
            writes=self.writer is not None,
            schema=self.schema_chat is not None,
            boxes=self.gives_boxes,
        )


@dataclass(slots=True)
class Probe:
    """Asks one server about ten small questions about images of one colour."""

    server: str
    deadline: Deadline
    failures: list[RequestFailure] = field(default_factory=list)

    async def find(self, chats: Sequence[RemoteChat]) -> ProbeResult:
        """Return what the server can do.

        ``chats`` are its possible dialects, best first; the first that is answered is used. Raises RerankerError if
        none is, if no answer can be turned into a probability, and if the probabilities do not depend on the image.
        """
        chat = await self._first_answered(chats)
        logits = await self._first_working(chat.logit_scorers())
        graded = await self._first_working([GradeInSchema(schema_chat) for schema_chat in chat.with_schemas()])
        scorer: StatementScorer | None = logits or graded or await self._first_working([GradeInWords(chat)])
        if scorer is None:
            raise as_error(self.server, self.failures[-1:])
        await self._check_sees_images(scorer)
        writer = chat if await self._writes(chat) else None
        schema_chat = graded.chat if graded else None
        boxes = schema_chat is not None and await self._locates(schema_chat)
        return ProbeResult(scorer, graded if logits else None, writer, schema_chat, boxes)

    async def _first_answered(self, chats: Sequence[RemoteChat]) -> RemoteChat:
        """Return the first chat that is answered with text; if there is none, the first that is answered at all."""
        textless: RemoteChat | None = None
        request = ChatRequest(question(_STATEMENT), _plain_image(_RED), _MAX_TOKENS)
        for chat in chats:
            try:
                if without_thinking(await chat.complete(request, self.deadline)):
                    return chat
                textless = textless or chat
            except RequestFailure as failure:
                self._note(failure, RequestFault.UNKNOWN)
        if textless is None:
            raise as_error(self.server, self.failures)
        return textless

    async def _first_working(self, scorers: Sequence[S]) -> S | None:
        for scorer in scorers:
            try:
                await scorer.probabilities(EncodedCandidate(_plain_image(_RED)), [_STATEMENT], self.deadline)
                return scorer
            except RequestFailure as failure:
                self._note(failure)
        return None

    async def _check_sees_images(self, scorer: StatementScorer) -> None:
        """Refuse a server that drops images and answers all the same. Grades are too coarse to tell."""
        if scorer.scoring is not Scoring.LOGITS:
            return
        try:
            answers = [
                *await scorer.probabilities(EncodedCandidate(_plain_image(_RED)), [_STATEMENT], self.deadline),
                *await scorer.probabilities(EncodedCandidate(_plain_image(_BLUE)), [_STATEMENT], self.deadline),
            ]
        except RequestFailure as failure:
            raise as_error(self.server, [failure]) from failure
        if answers[0] == answers[1]:
            raise RerankerError(
                f"The reranker at {self.server} gives the same answer for every image: "
                f"P(red) is {answers[0]:.4f} for a red and for a blue one.",
                remedy="Choose a model that takes images, and start its server with the image encoder.",
            )

    async def _writes(self, chat: RemoteChat) -> bool:
        request = ChatRequest(explanation_prompt(["colour: red, met"]), None, _MAX_TOKENS)
        try:
            async with aclosing(chat.stream(request, self.deadline)) as pieces:
                async for piece in pieces:
                    if piece.strip():
                        return True
        except RequestFailure as failure:
            self._note(failure)
        return False

    async def _locates(self, schema_chat: RemoteChat) -> bool:
        try:
            box = await locate(schema_chat, _square_image(), f"the {_STATEMENT} square", self.deadline)
        except RequestFailure as failure:
            self._note(failure)
            return False
        return box is not None and box.overlap(_SQUARE) >= MIN_OVERLAP

    def _note(self, failure: RequestFailure, *fatal: RequestFault) -> None:
        """Record a failure, or raise if all further requests would fail the same way."""
        log.debug("%s, while probing: %s", self.server, failure.message)
        self.failures.append(failure)
        if failure.fault in _FATAL or failure.fault in fatal:
            raise as_error(self.server, [failure]) from failure


def _plain_image(colour: tuple[int, int, int]) -> str:
    return encode_image(Image.new("RGB", (_SIDE_PX, _SIDE_PX), colour))


def _square_image() -> str:
    image = Image.new("RGB", (_SIDE_PX, _SIDE_PX), _WHITE)
    sides = (_SQUARE.left, _SQUARE.top, _SQUARE.right, _SQUARE.bottom)
    left, top, right, bottom = (round(side * _SIDE_PX) for side in sides)
    image.paste(_RED, (left, top, right, bottom))
    return encode_image(image)
