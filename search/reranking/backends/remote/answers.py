"""Answers in JSON, read into the shape that was asked for."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from search.reranking.backends.remote.failure import Failure, Fault

M = TypeVar("M", bound=BaseModel)


def read_answer(shape: type[M], answer: bytes | str) -> M:
    """The answer in its shape; fields that are not in it are ignored. Raises Failure, without quoting the answer."""
    try:
        return shape.model_validate_json(answer)
    except ValidationError as error:
        raise Failure(Fault.UNREADABLE, f"its answer is not of the shape asked for ({_place(error)})") from error


def _place(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['type']}"
