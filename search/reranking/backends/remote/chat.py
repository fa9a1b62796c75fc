"""What is asked of a model's server, and how its answers are read."""

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
"""One tile of GPT-4o, 256 to 400 tokens of the Qwen and Gemma families: more costs time and tells little about one
product."""

_JPEG_QUALITY = 90


def encoded(image: Image.Image, max_pixels: int = MAX_PIXELS) -> str:
    """The picture as JPEG in base64, downscaled to at most so many pixels; nothing but its pixels goes along."""
    pixels = image.convert("RGB")
    scale = math.sqrt(max_pixels / (pixels.width * pixels.height))
    if scale < 1.0:
        size = max(1, math.floor(pixels.width * scale)), max(1, math.floor(pixels.height * scale))
        pixels = pixels.resize(size, Image.Resampling.LANCZOS)
    pixels.info.clear()  # comments, profiles, and where the photo was taken
    out = io.BytesIO()
    pixels.save(out, "JPEG", quality=_JPEG_QUALITY)
    return base64.b64encode(out.getvalue()).decode("ascii")


M = TypeVar("M", bound=BaseModel)


def read_answer(shape: type[M], answer: bytes | str) -> M:
    """The answer in its shape; fields that are not in it are ignored. Raises Failure, without quoting the answer."""
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
"""What a sentence ends with that may be the last one; after a digit the stop may be a decimal point."""

_THOUGHT, _END_OF_THOUGHT = "<think>", "</think>"


async def whole_sentences(pieces: AsyncIterator[str], max_characters: int) -> AsyncIterator[str]:
    """Each sentence as soon as it is whole, with the space behind it, as many as fit.

    What a model thinks aloud first is left out. Where the stream fails, a sentence that is whole by then still comes,
    before the Failure.
    """
    text, n_left = "", max_characters
    failure: RequestFailure | None = None
    try:
        async for piece in pieces:
            text += _printable(piece)
            while end := _END.search(said := _after_thought(text)):
                sentence, text = said[: end.end()], said[end.end() :]
                n_left -= len(sentence)
                if n_left < 0:
                    return
                yield sentence
            if len(said) > n_left:
                return
    except RequestFailure as error:
        failure = error
    rest = _after_thought(text)
    if rest.strip() and len(rest) <= n_left and (failure is None or _WHOLE.search(rest)):
        yield rest
    if failure:
        raise failure


def spoken(text: str) -> str:
    """A whole answer without what the model thought aloud before it."""
    return _after_thought(text).strip()


def _after_thought(text: str) -> str:
    """What follows the thought that a text begins with; empty while that goes on, or may be beginning."""
    begun = text.lstrip()
    if begun.startswith(_THOUGHT):
        return begun.partition(_END_OF_THOUGHT)[2].lstrip()
    return "" if _THOUGHT.startswith(begun) else begun


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


Schema = Mapping[str, object]
"""A JSON schema, portable: every key required, none other allowed, enums, no references, no ranges."""


@dataclass(frozen=True, slots=True)
class RemoteView:
    """One candidate as it travels: its picture as JPEG in base64, None where it has none, and its listing."""

    image: str | None
    listing: str = ""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One question. The ``image`` comes first: questions about one product then share their beginning, which servers
    cache. ``schema`` is what the answer shall keep to, where this way of asking can make it."""

    prompt: str
    image: str | None
    max_tokens: int
    schema: Schema | None = None


class StatementScorer(Protocol):
    """One way to get probabilities."""

    @property
    def name(self) -> str:
        """Tells it apart: probabilities of two ways never mix."""

    @property
    def scoring(self) -> Scoring:
        """What its probabilities rest on."""

    @property
    def n_statements(self) -> int:
        """How many claims it takes at a time."""

    async def probabilities(
        self, replica: RemoteView, statements: Sequence[str], deadline: Deadline
    ) -> Sequence[float]:
        """P(yes) of each claim. Raises Failure, also where the answer cannot be read."""


class RemoteChat(Protocol):
    """One way of asking one model: what fields a request has and how its answer is read."""

    async def complete(self, request: ChatRequest, deadline: Deadline) -> str:
        """The answer in words. Raises Failure."""

    def stream(self, request: ChatRequest, deadline: Deadline) -> AsyncGenerator[str, None]:
        """The answer in pieces. Raises Failure, also where it was cut short."""

    def logit_scorers(self) -> Sequence[StatementScorer]:
        """Ways to get at the model's own numbers, to be tried in this order."""

    def keeping_schemas(self) -> Sequence[Self]:
        """Ways to have a schema kept, to be tried in this order."""
