"""Chat requests to a model's server, and how its answers are read."""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

from PIL import Image
from pydantic import BaseModel, ValidationError

from vitrina.search.reranking.backends.remote.transport import RequestFailure, RequestFault
from vitrina.search.reranking.base import Deadline, Scoring

MAX_PIXELS = 512 * 512
"""One tile of GPT-4o, 256 to 400 tokens of Qwen and Gemma: more costs time and shows little more of one product."""

_JPEG_QUALITY = 90


def encode_image(image: Image.Image, max_pixels: int = MAX_PIXELS) -> str:
    """Encode an image as JPEG in base64 with at most ``max_pixels`` and without metadata."""
    pixels = image.convert("RGB")
    scale = math.sqrt(max_pixels / (pixels.width * pixels.height))
    if scale < 1.0:
        size = max(1, math.floor(pixels.width * scale)), max(1, math.floor(pixels.height * scale))
        pixels = pixels.resize(size, Image.Resampling.LANCZOS)
    pixels.info.clear()  # comments, profiles, and the place of the photo
    out = io.BytesIO()
    pixels.save(out, "JPEG", quality=_JPEG_QUALITY)
    return base64.b64encode(out.getvalue()).decode("ascii")


M = TypeVar("M", bound=BaseModel)


def read_answer(shape: type[M], answer: bytes | str) -> M:
    """Parse an answer, ignoring unknown fields. Raises RequestFailure, which does not quote the answer."""
    try:
        return shape.model_validate_json(answer)
    except ValidationError as error:
        raise RequestFailure(
            RequestFault.UNREADABLE, f"its answer is not of the shape asked for ({_place(error)})"
        ) from error


def _place(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['type']}"


_END = re.compile(r"[.!?…][\"'”’)\]]*\s+")
_WHOLE = re.compile(r"(?<!\d)[.!?…][\"'”’)\]]*\s*\Z")
"""The end of a sentence that may be the last one; after a digit the stop may be a decimal point."""

_THINK, _END_THINK = "<think>", "</think>"


async def whole_sentences(pieces: AsyncIterator[str], max_characters: int) -> AsyncIterator[str]:
    """Yield each sentence once it is complete, with the space after it, as many as fit.

    A model's leading ``<think>`` block is dropped. If the stream fails, a sentence that is complete by then still
    comes before the RequestFailure is raised.
    """
    text, n_left = "", max_characters
    failure: RequestFailure | None = None
    try:
        async for piece in pieces:
            text += _printable(piece)
            while end := _END.search(answer := _after_thinking(text)):
                sentence, text = answer[: end.end()], answer[end.end() :]
                n_left -= len(sentence)
                if n_left < 0:
                    return
                yield sentence
            if len(answer) > n_left:
                return
    except RequestFailure as error:
        failure = error
    rest = _after_thinking(text)
    if rest.strip() and len(rest) <= n_left and (failure is None or _WHOLE.search(rest)):
        yield rest
    if failure:
        raise failure


def without_thinking(text: str) -> str:
    """Return a complete answer without its leading ``<think>`` block."""
    return _after_thinking(text).strip()


def _after_thinking(text: str) -> str:
    """Return what follows a leading ``<think>`` block; empty while it is open, or may be about to open."""
    begun = text.lstrip()
    if begun.startswith(_THINK):
        return begun.partition(_END_THINK)[2].lstrip()
    return "" if _THINK.startswith(begun) else begun


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


Schema = Mapping[str, object]
"""A JSON schema, portable: every key required, none other allowed, enums, no references, no ranges."""


@dataclass(frozen=True, slots=True)
class EncodedCandidate:
    """A candidate as it is sent: its image as JPEG in base64, or None, and its listing."""

    image: str | None
    listing: str = ""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One question. The ``image`` comes first, so that questions about one product share a prefix, which servers cache.
    The answer keeps to ``schema`` where the chat supports it."""

    prompt: str
    image: str | None
    max_tokens: int
    schema: Schema | None = None


class StatementScorer(Protocol):
    """One way to obtain probabilities from a server."""

    @property
    def name(self) -> str:
        """Part of the fingerprint: probabilities obtained in different ways never mix."""

    @property
    def scoring(self) -> Scoring:
        """What the probabilities are derived from."""

    @property
    def n_statements(self) -> int:
        """How many statements one request takes."""

    async def probabilities(
        self, candidate: EncodedCandidate, statements: Sequence[str], deadline: Deadline
    ) -> Sequence[float]:
        """Return P(yes) of each statement. Raises RequestFailure, also for an unreadable answer."""


class RemoteChat(Protocol):
    """One dialect of one model: the fields of a request, and how its answer is read."""

    async def complete(self, request: ChatRequest, deadline: Deadline) -> str:
        """Return the answer as text. Raises RequestFailure."""

    def stream(self, request: ChatRequest, deadline: Deadline) -> AsyncGenerator[str, None]:
        """Yield the answer in pieces. Raises RequestFailure, also if it is cut short."""

    def logit_scorers(self) -> Sequence[StatementScorer]:
        """Return scorers based on the model's logits, to be tried in this order."""

    def with_schemas(self) -> Sequence[Self]:
        """Return variants that enforce a JSON schema, to be tried in this order."""
