"""Finding out what a model's server can do by asking it: servers drop fields silently, and documents age."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeVar

from PIL import Image

from vitrina.search.reranking.backends.remote.chat import (
    ChatRequest,
    RemoteChat,
    RemoteView,
    StatementScorer,
    encoded,
    spoken,
)
from vitrina.search.reranking.backends.remote.scoring import GradeInSchema, GradeInWords, locate
from vitrina.search.reranking.backends.remote.transport import RequestFailure, RequestFault, as_error
from vitrina.search.reranking.base import Box, Capabilities, Deadline, Scoring
from vitrina.search.reranking.prompts import question, telling
from vitrina.search.types.errors import RerankerError

MIN_OVERLAP = 0.5
"""Of the box given for a red square with the square itself. A model that means pixels, or another order of the sides,
lies far below, so that no frame is ever drawn around nothing."""

_STATEMENT = "red"
_SIDE_PX = 224
_RED, _BLUE, _WHITE = (220, 20, 30), (20, 40, 200), (255, 255, 255)
_SQUARE = Box(0.5, 0.25, 0.875, 0.625)
_MAX_TOKENS = 24

_HOPELESS = frozenset({RequestFault.REFUSED, RequestFault.UNREACHABLE, RequestFault.OVERLOADED})
"""No other way of asking changes these; going on would only find fewer capabilities than there are."""

S = TypeVar("S", bound=StatementScorer)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a server can do. ``spare`` scores where the ``scorer`` cannot read one answer; ``writer`` writes
    explanations, ``keeper`` keeps a schema while it answers."""

    scorer: StatementScorer
    spare: StatementScorer | None
    writer: RemoteChat | None
    keeper: RemoteChat | None
    gives_boxes: bool

    @property
    def capabilities(self) -> Capabilities:
        """The same in a reranker's terms."""
        return Capabilities(
            self.scorer.scoring,
            writes=self.writer is not None,
            schema=self.keeper is not None,
            boxes=self.gives_boxes,
        )


@dataclass(slots=True)
class Probe:
    """Asks one server some ten small questions about pictures of one colour."""

    server: str
    deadline: Deadline
    failures: list[RequestFailure] = field(default_factory=list)

    async def find(self, chats: Sequence[RemoteChat]) -> ProbeResult:
        """What the server can do.

        ``chats`` are the ways to ask it, best first; the first that is answered is used from then on. Raises
        RerankerError where none is, where no answer can be turned into a probability, and where the probabilities
        show that the picture is not looked at.
        """
        chat = await self._first_answered(chats)
        logits = await self._first_working(chat.logit_scorers())
        graded = await self._first_working([GradeInSchema(keeper) for keeper in chat.keeping_schemas()])
        scorer: StatementScorer | None = logits or graded or await self._first_working([GradeInWords(chat)])
        if scorer is None:
            raise as_error(self.server, self.failures[-1:])
        await self._refuse_blind(scorer)
        writer = chat if await self._writes(chat) else None
        keeper = graded.chat if graded else None
        boxes = keeper is not None and await self._locates(keeper)
        return ProbeResult(scorer, graded if logits else None, writer, keeper, boxes)

    async def _first_answered(self, chats: Sequence[RemoteChat]) -> RemoteChat:
        """The first that is answered in words; where none is, the first that is answered at all."""
        wordless: RemoteChat | None = None
        request = ChatRequest(question(_STATEMENT), _plain(_RED), _MAX_TOKENS)
        for chat in chats:
            try:
                if spoken(await chat.complete(request, self.deadline)):
                    return chat
                wordless = wordless or chat
            except RequestFailure as failure:
                self._note(failure, RequestFault.UNKNOWN)
        if wordless is None:
            raise as_error(self.server, self.failures)
        return wordless

    async def _first_working(self, scorers: Sequence[S]) -> S | None:
        for scorer in scorers:
            try:
                await scorer.probabilities(RemoteView(_plain(_RED)), [_STATEMENT], self.deadline)
                return scorer
            except RequestFailure as failure:
                self._note(failure)
        return None

    async def _refuse_blind(self, scorer: StatementScorer) -> None:
        """Servers are known that drop pictures and answer all the same; grades are too coarse to tell."""
        if scorer.scoring is not Scoring.LOGITS:
            return
        try:
            seen = [
                *await scorer.probabilities(RemoteView(_plain(_RED)), [_STATEMENT], self.deadline),
                *await scorer.probabilities(RemoteView(_plain(_BLUE)), [_STATEMENT], self.deadline),
            ]
        except RequestFailure as failure:
            raise as_error(self.server, [failure]) from failure
        if seen[0] == seen[1]:
            raise RerankerError(
                f"The reranker at {self.server} answers the same whatever picture it is shown: "
                f"P(red) is {seen[0]:.4f} for a red and for a blue one.",
                remedy="Choose a model that takes pictures, and start its server with the picture encoder.",
            )

    async def _writes(self, chat: RemoteChat) -> bool:
        request = ChatRequest(telling(["colour: red, met"]), None, _MAX_TOKENS)
        try:
            async with aclosing(chat.stream(request, self.deadline)) as pieces:
                async for piece in pieces:
                    if piece.strip():
                        return True
        except RequestFailure as failure:
            self._note(failure)
        return False

    async def _locates(self, keeper: RemoteChat) -> bool:
        try:
            box = await locate(keeper, _with_square(), f"the {_STATEMENT} square", self.deadline)
        except RequestFailure as failure:
            self._note(failure)
            return False
        return box is not None and box.overlap(_SQUARE) >= MIN_OVERLAP

    def _note(self, failure: RequestFailure, *hopeless: RequestFault) -> None:
        """Remember a failure, or raise where it says that all others will fail the same way."""
        log.debug("%s, while probing: %s", self.server, failure.message)
        self.failures.append(failure)
        if failure.fault in _HOPELESS or failure.fault in hopeless:
            raise as_error(self.server, [failure]) from failure


def _plain(colour: tuple[int, int, int]) -> str:
    return encoded(Image.new("RGB", (_SIDE_PX, _SIDE_PX), colour))


def _with_square() -> str:
    image = Image.new("RGB", (_SIDE_PX, _SIDE_PX), _WHITE)
    sides = (_SQUARE.left, _SQUARE.top, _SQUARE.right, _SQUARE.bottom)
    left, top, right, bottom = (round(side * _SIDE_PX) for side in sides)
    image.paste(_RED, (left, top, right, bottom))
    return encoded(image)
