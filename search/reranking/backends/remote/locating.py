"""Boxes: where in a picture a claim shows."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from search.reranking.backends.remote.chat import Chat, Request, Schema
from search.reranking.backends.remote.sentences import spoken
from search.reranking.base import Box, Deadline
from search.reranking.prompts import MAX_CLAIM_CHARACTERS, quoted

_SIDE: Final = 1000
"""Boxes in thousandths of the picture, as Qwen2-VL, Qwen3-VL and Gemini were taught to give them."""

_MAX_TOKENS = 80
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


async def locate(chat: Chat, picture: str, claim: str, deadline: Deadline) -> Box | None:
    """The box that a chat which keeps schemas gives for a claim, None where that is none. Raises Failure."""
    answer = await chat.complete(Request(locating(claim), picture, _MAX_TOKENS, _SCHEMA), deadline)
    return _read(answer)


def locating(claim: str) -> str:
    """Asks for the smallest box around what a claim is about."""
    return (
        f"What in this picture is {quoted(claim, MAX_CLAIM_CHARACTERS)}? Give the smallest box around it: left and "
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
