"""A reranker behind an HTTP API."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from typing import Self

import numpy as np

from vitrina.search.reranking import prompts
from vitrina.search.reranking.backends.remote.chat import (
    MAX_PIXELS,
    ChatRequest,
    RemoteChat,
    RemoteView,
    encoded,
    whole_sentences,
)
from vitrina.search.reranking.backends.remote.event_loop import EventLoopThread
from vitrina.search.reranking.backends.remote.probing import Probe, ProbeResult
from vitrina.search.reranking.backends.remote.scoring import grading, locate
from vitrina.search.reranking.backends.remote.transport import RequestFailure, RequestFault, Transport, as_error
from vitrina.search.reranking.base import Box, Capabilities, Deadline, Probabilities, RerankCandidate
from vitrina.search.reranking.fusion import FusionWeights
from vitrina.search.types.errors import RerankerError
from vitrina.search.types.models import RerankerIdentity

_MAX_TOKENS = 160
_LOOK_UP_S = 0.1
"""So often it is looked whether anybody waits for the answers still."""

"""Two short sentences; prompts.MAX_EXPLANATION_CHARACTERS is the limit that holds."""

log = logging.getLogger(__name__)


class RemoteReranker:
    """The Reranker that openai.py and anthropic.py open. Methods block their caller; close it, or use it as a context
    manager.

    A candidate whose answer fails or cannot be read is NaN, as is one that the deadline leaves no time for, and one
    with neither picture nor listing. RerankerError is raised where no answer came and at least one request failed.
    """

    def __init__(
        self,
        transport: Transport,
        chats: Sequence[RemoteChat],
        model: str,
        *,
        max_pixels: int = MAX_PIXELS,
        open_timeout_s: float = 60.0,
    ) -> None:
        """Probe the server, within ``open_timeout_s``: the first question may have to wait until it has loaded its
        model. Blocks. Raises RerankerError."""
        self._transport = transport
        self._max_pixels = max_pixels
        self._loop = EventLoopThread(f"reranker {transport.server}")
        try:
            self._found = self._loop.run(self._probe(chats, open_timeout_s))
        except BaseException:
            self.close()
            raise
        self._identity = RerankerIdentity(f"{transport.server}/{model}", self._fingerprint(model))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up what is under way and close every connection. Closing twice is fine."""
        self._loop.close(self._transport.close)

    @property
    def identity(self) -> RerankerIdentity:
        """Server and model; the fingerprint also covers the questions and where the probabilities come from."""
        return self._identity

    @property
    def capabilities(self) -> Capabilities:
        """As probed when this was opened."""
        return self._found.capabilities

    @property
    def fusion_weights(self) -> FusionWeights | None:
        """None: what a server's model is worth is for its shop to measure."""
        return None

    def judge(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> Probabilities:
        """How probable each claim is of each candidate, shape (n looks, n claims); earlier candidates are asked about
        first. Blocks, at most until the deadline."""
        return self._loop.run(self._judge(candidates, statements, deadline))

    def write(self, candidate: RerankCandidate, facts: Sequence[str], deadline: Deadline) -> Iterator[str]:
        """One or two sentences about the facts, each once it is whole; fewer where the deadline or the server cuts
        them short. The model is told the facts and nothing else. Raises RerankerError where the server fails before
        the first sentence. Blocks between sentences."""
        if self._found.writer is None or not facts:
            return iter(())
        return self._loop.iterate(self._write(self._found.writer, facts, deadline))

    def locate(self, candidate: RerankCandidate, statement: str, deadline: Deadline) -> Box | None:
        """Where in the picture the claim shows, from servers that found the box of a red square when they were opened;
        None from others, and where the deadline comes first. Blocks."""
        if not candidate.has_image or self._found.keeper is None or not self._found.gives_boxes:
            return None
        return self._loop.run(self._locate(self._found.keeper, candidate, statement, deadline))

    async def _probe(self, chats: Sequence[RemoteChat], timeout_s: float) -> ProbeResult:
        server = self._transport.server
        try:
            async with asyncio.timeout(timeout_s):
                found = await Probe(server, Deadline.within(timeout_s)).find(chats)
        except TimeoutError:
            raise RerankerError(
                f"The reranker at {server} did not answer the questions that open it within {timeout_s:g} s.",
                remedy="Wait until it has loaded its model, or allow more time for opening.",
            ) from None
        log.info("%s: scores by %s; %s", server, found.scorer.name, found.capabilities)
        return found

    async def _judge(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> Probabilities:
        probabilities = np.full((len(candidates), len(statements)), np.nan, np.float32)
        failures: list[RequestFailure] = []
        in_turn = asyncio.Lock()  # pictures made ready side by side would be asked about in any order
        tasks = [
            asyncio.create_task(self._judge_one(candidate, statements, deadline, row, failures, in_turn))
            for candidate, row in zip(candidates, probabilities, strict=True)
            if statements and (candidate.has_image or candidate.listing.strip())
        ]
        pending = set(tasks)
        while pending and deadline.seconds_left > 0:  # which may be given up at any moment
            _, pending = await asyncio.wait(pending, timeout=min(_LOOK_UP_S, deadline.seconds_left))
        self._give_up(tasks)
        if failures and np.isnan(probabilities).all():
            raise as_error(self._transport.server, failures)
        if failures:
            log.warning("%s: %d requests failed, the last: %s", self.identity.name, len(failures), failures[-1])
        return probabilities.copy()

    @staticmethod
    def _give_up(tasks: Sequence[asyncio.Task[None]]) -> None:
        """Cancel what is late, and raise what nobody foresaw."""
        for task in tasks:
            task.cancel()
        for task in tasks:
            if task.done() and (error := task.exception()):
                raise error

    async def _judge_one(
        self,
        candidate: RerankCandidate,
        statements: Sequence[str],
        deadline: Deadline,
        row: Probabilities,
        failures: list[RequestFailure],
        in_turn: asyncio.Lock,
    ) -> None:
        """Fill one candidate's row as answers come; not where its picture cannot be opened."""
        async with in_turn:
            replica = RemoteView(await self._image(candidate), candidate.listing)
        if candidate.is_blank:
            return
        size = self._found.scorer.n_statements
        parts = [slice(start, start + size) for start in range(0, len(statements), size)]
        await asyncio.gather(*(self._fill(row[part], replica, statements[part], deadline, failures) for part in parts))

    async def _fill(
        self,
        row: Probabilities,
        replica: RemoteView,
        statements: Sequence[str],
        deadline: Deadline,
        failures: list[RequestFailure],
    ) -> None:
        try:
            row[:] = await self._ask(replica, statements, deadline)
        except RequestFailure as failure:
            log.debug("%s: %s", self._transport.server, failure.message)
            failures.append(failure)

    async def _ask(self, replica: RemoteView, statements: Sequence[str], deadline: Deadline) -> Sequence[float]:
        try:
            return await self._found.scorer.probabilities(replica, statements, deadline)
        except RequestFailure as failure:
            if failure.fault is not RequestFault.UNREADABLE or self._found.spare is None:
                raise
            return await self._found.spare.probabilities(replica, statements, deadline)

    async def _write(self, writer: RemoteChat, facts: Sequence[str], deadline: Deadline) -> AsyncIterator[str]:
        request = ChatRequest(prompts.telling(facts), None, _MAX_TOKENS)
        n_sentences = 0
        try:
            async with asyncio.timeout(deadline.seconds_left):
                async with aclosing(writer.stream(request, deadline)) as pieces:
                    async for sentence in whole_sentences(pieces, prompts.MAX_EXPLANATION_CHARACTERS):
                        yield sentence
                        n_sentences += 1
        except TimeoutError:
            log.debug("%s: an explanation was late", self._transport.server)
        except RequestFailure as failure:
            log.debug("%s: an explanation was cut short: %s", self._transport.server, failure.message)
            if not n_sentences:
                raise as_error(self._transport.server, [failure]) from failure

    async def _locate(
        self, keeper: RemoteChat, candidate: RerankCandidate, statement: str, deadline: Deadline
    ) -> Box | None:
        try:
            async with asyncio.timeout(deadline.seconds_left):
                image = await self._image(candidate)
                return await locate(keeper, image, statement, deadline) if image else None
        except TimeoutError:
            return None
        except RequestFailure as failure:
            raise as_error(self._transport.server, [failure]) from failure

    async def _image(self, candidate: RerankCandidate) -> str | None:
        return await asyncio.to_thread(encoded_image, candidate, self._max_pixels)

    def _fingerprint(self, model: str) -> str:
        known = [self._transport.server, model, self._found.scorer.name, self._max_pixels]
        wording = [prompts.digest(), grading(["claim"], "listing"), grading(["claim", "claim"], "")]
        return hashlib.sha256(json.dumps([*known, *wording]).encode()).hexdigest()


def encoded_image(candidate: RerankCandidate, max_pixels: int) -> str | None:
    """A look's picture, opened where it was not yet, as it travels; None where there is none to show. Blocks."""
    return None if candidate.pixels is None else encoded(candidate.pixels, max_pixels)
