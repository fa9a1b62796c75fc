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
    EncodedCandidate,
    RemoteChat,
    encode_image,
    whole_sentences,
)
from vitrina.search.reranking.backends.remote.event_loop import EventLoopThread
from vitrina.search.reranking.backends.remote.probing import Probe, ProbeResult
from vitrina.search.reranking.backends.remote.scoring import grading_prompt, locate
from vitrina.search.reranking.backends.remote.transport import RequestFailure, RequestFault, Transport, as_error
from vitrina.search.reranking.base import Box, Capabilities, Deadline, Probabilities, RerankCandidate
from vitrina.search.reranking.fusion import FusionWeights
from vitrina.search.types.errors import RerankerError
from vitrina.search.types.models import RerankerIdentity

_MAX_TOKENS = 160
"""Two short sentences; prompts.MAX_EXPLANATION_CHARACTERS is the limit that counts."""

_CANCEL_CHECK_S = 0.1
"""How often cancellation is checked while answers are awaited."""

log = logging.getLogger(__name__)


class RemoteReranker:
    """The ``Reranker`` over any ``RemoteChat``, such as OpenAI's and Anthropic's. Its methods block.
    Close it, or use it as a context manager.

    A candidate is NaN if its answer fails or cannot be read, if the deadline leaves no time for it, and if it has
    neither image nor listing. RerankerError is raised if no answer came and at least one request failed.
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
        """Probe the server within ``open_timeout_s``, model loading included. Blocks. Raises RerankerError."""
        self._transport = transport
        self._max_pixels = max_pixels
        self._loop = EventLoopThread(f"reranker {transport.server}")
        try:
            self._probed = self._loop.run(self._probe(chats, open_timeout_s))
        except BaseException:
            self.close()
            raise
        self._identity = RerankerIdentity(f"{transport.server}/{model}", self._fingerprint(model))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Cancel running requests and close every connection. Closing twice is fine."""
        self._loop.close(self._transport.close)

    @property
    def identity(self) -> RerankerIdentity:
        """The server and the model; the fingerprint also covers the prompts and the source of the probabilities."""
        return self._identity

    @property
    def capabilities(self) -> Capabilities:
        """As probed on opening."""
        return self._probed.capabilities

    @property
    def fusion_weights(self) -> FusionWeights | None:
        """None: each shop measures its server's model for itself."""
        return None

    def judge(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> Probabilities:
        """Return P(yes) of each statement about each candidate, shape (n candidates, n statements). Earlier candidates
        come first. Blocks until the deadline at most."""
        return self._loop.run(self._judge(candidates, statements, deadline))

    def write(self, candidate: RerankCandidate, facts: Sequence[str], deadline: Deadline) -> Iterator[str]:
        """Yield one or two sentences about the facts, each once it is complete; fewer if the deadline or server cuts
        them short. The model is given the facts and nothing else. Blocks between sentences. Raises RerankerError if the
        server fails before the first one."""
        if self._probed.writer is None or not facts:
            return iter(())
        return self._loop.iterate(self._write(self._probed.writer, facts, deadline))

    def locate(self, candidate: RerankCandidate, statement: str, deadline: Deadline) -> Box | None:
        """Return the box of what a statement is about, from servers that found a red square when they were probed; None
        from others, and after the deadline. Blocks."""
        if not candidate.has_image or self._probed.schema_chat is None or not self._probed.gives_boxes:
            return None
        return self._loop.run(self._locate(self._probed.schema_chat, candidate, statement, deadline))

    async def _probe(self, chats: Sequence[RemoteChat], timeout_s: float) -> ProbeResult:
        server = self._transport.server
        try:
            async with asyncio.timeout(timeout_s):
                found = await Probe(server, Deadline.within(timeout_s)).find(chats)
        except TimeoutError:
            raise RerankerError(
                f"The reranker at {server} did not answer its probe within {timeout_s:g} s.",
                remedy="Wait until it has loaded its model, or allow more time for opening.",
            ) from None
        log.info("%s: scores by %s; %s", server, found.scorer.name, found.capabilities)
        return found

    async def _judge(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> Probabilities:
        probabilities = np.full((len(candidates), len(statements)), np.nan, np.float32)
        failures: list[RequestFailure] = []
        in_order = asyncio.Lock()  # images encoded in parallel would be sent in any order
        tasks = [
            asyncio.create_task(self._judge_one(candidate, statements, deadline, row, failures, in_order))
            for candidate, row in zip(candidates, probabilities, strict=True)
            if statements and (candidate.has_image or candidate.listing.strip())
        ]
        pending = set(tasks)
        while pending and deadline.seconds_left > 0:  # 0 as soon as it is cancelled
            _, pending = await asyncio.wait(pending, timeout=min(_CANCEL_CHECK_S, deadline.seconds_left))
        self._cancel_late(tasks)
        if failures and np.isnan(probabilities).all():
            raise as_error(self._transport.server, failures)
        if failures:
            log.warning("%s: %d requests failed, the last: %s", self.identity.name, len(failures), failures[-1])
        return probabilities.copy()

    @staticmethod
    def _cancel_late(tasks: Sequence[asyncio.Task[None]]) -> None:
        """Cancel late requests, and raise unexpected errors."""
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
        in_order: asyncio.Lock,
    ) -> None:
        """Fill one candidate's row as answers arrive, unless its image cannot be opened."""
        async with in_order:
            encoded = EncodedCandidate(await self._image(candidate), candidate.listing)
        if candidate.is_blank:
            return
        size = self._probed.scorer.n_statements
        parts = [slice(start, start + size) for start in range(0, len(statements), size)]
        await asyncio.gather(
            *(self._score_part(row[part], encoded, statements[part], deadline, failures) for part in parts)
        )

    async def _score_part(
        self,
        row: Probabilities,
        candidate: EncodedCandidate,
        statements: Sequence[str],
        deadline: Deadline,
        failures: list[RequestFailure],
    ) -> None:
        try:
            row[:] = await self._probabilities(candidate, statements, deadline)
        except RequestFailure as failure:
            log.debug("%s: %s", self._transport.server, failure.message)
            failures.append(failure)

    async def _probabilities(
        self, candidate: EncodedCandidate, statements: Sequence[str], deadline: Deadline
    ) -> Sequence[float]:
        try:
            return await self._probed.scorer.probabilities(candidate, statements, deadline)
        except RequestFailure as failure:
            if failure.fault is not RequestFault.UNREADABLE or self._probed.fallback is None:
                raise
            return await self._probed.fallback.probabilities(candidate, statements, deadline)

    async def _write(self, writer: RemoteChat, facts: Sequence[str], deadline: Deadline) -> AsyncIterator[str]:
        request = ChatRequest(prompts.explanation_prompt(facts), None, _MAX_TOKENS)
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
        self, schema_chat: RemoteChat, candidate: RerankCandidate, statement: str, deadline: Deadline
    ) -> Box | None:
        try:
            async with asyncio.timeout(deadline.seconds_left):
                image = await self._image(candidate)
                return await locate(schema_chat, image, statement, deadline) if image else None
        except TimeoutError:
            return None
        except RequestFailure as failure:
            raise as_error(self._transport.server, [failure]) from failure

    async def _image(self, candidate: RerankCandidate) -> str | None:
        return await asyncio.to_thread(encode_candidate_image, candidate, self._max_pixels)

    def _fingerprint(self, model: str) -> str:
        known = [self._transport.server, model, self._probed.scorer.name, self._max_pixels]
        wording = [prompts.digest(), grading_prompt(["claim"], "listing"), grading_prompt(["claim", "claim"], "")]
        return hashlib.sha256(json.dumps([*known, *wording]).encode()).hexdigest()


def encode_candidate_image(candidate: RerankCandidate, max_pixels: int) -> str | None:
    """Open a candidate's image and encode it for a request; None without one. Blocks."""
    return None if candidate.pixels is None else encode_image(candidate.pixels, max_pixels)
