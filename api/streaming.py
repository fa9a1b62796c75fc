"""Answers over HTTP: in one piece, or in the steps in which they come about."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor
from typing import Any, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from vitrina.api.errors import INTERNAL
from vitrina.api.schemas import AnswerOut, ErrorOut, ExplanationOut, WireModel
from vitrina.api.service import Service
from vitrina.search.types.answer import Answer, AnswerStream, Event, Explained, Reranked, Retrieved, final_answer

_VERDICTS: Final[list[dict[str, Any]]] = [
    {
        "requirement": "colour: navy",
        "field": "colour",
        "words": "navy",
        "wanted": True,
        "standing": "unknown",
        "probability": 0.52,
        "evidence": "both",
        "listed": "Navy Blue",
        "seen": "black",
        "disagreement": "listing says Navy Blue, photo looks black",
    },
    {
        "requirement": "pattern: not striped",
        "field": "pattern",
        "words": "striped",
        "wanted": False,
        "standing": "met",
        "probability": 0.97,
        "evidence": "image",
        "listed": None,
        "seen": None,
        "disagreement": None,
    },
]

_EXPLANATION: Final = {
    "text": "It is not striped. The listing says Navy Blue, but in the photo it looks black.",
    "written_by": "template",
}

_TIMINGS: Final = {"encode": 6.1, "vectors": 1.9, "judge": 412.5, "explain": 96.2, "total": 524.8}

ANSWER: Final[dict[str, Any]] = {
    "hits": [
        {
            "sku": "A-17",
            "title": "Linen Shirt",
            "description": "",
            "attributes": {"colour": "Navy Blue"},
            "price_cents": 4990,
            "currency": "EUR",
            "url": None,
            "image_url": "/v1/images/5f2c?size=512",
            "image_urls": ["/v1/images/5f2c?size=512"],
            "score": 0.81,
            "rank": 1,
            "confidence": 0.74,
            "signals": {"image": 2.1, "text": 1.4, "words": 0.9},
            "verdicts": _VERDICTS,
            "explanation": _EXPLANATION,
            "reranked": "reranked",
            "retrieval_rank": 3,
        }
    ],
    "total_considered": 1,
    "no_good_match": False,
    "encoder": "embedded",
    "timings_ms": _TIMINGS,
    "requirements": [
        {"name": "colour: navy", "field": "colour", "words": "navy", "wanted": True},
        {"name": "pattern: not striped", "field": "pattern", "words": "striped", "wanted": False},
    ],
    "reranked": "reranked",
    "reranker": "Qwen/Qwen3-VL-2B-Instruct",
    "rerank_note": "",
}
"""An answer to ``navy shirt, not striped``."""

_STEPS: Final[dict[str, Any]] = {
    "retrieved": {"hits": ["..."], "reranked": "not_asked"},
    "reranked": {"hits": ["..."], "reranked": "reranked"},
    "explanation": {"rank": 1, "sku": "A-17", "explanation": _EXPLANATION, "timings_ms": _TIMINGS},
    "done": {"timings_ms": _TIMINGS},
}

EVENTS: Final = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in _STEPS.items())
"""The same answer in steps, its hits left out."""

log = logging.getLogger(__name__)

MEDIA_TYPE = "text/event-stream"

KEEP_ALIVE_S = 10.0
"""A comment is sent after so much silence: proxies close what is silent for longer, 30 to 60 s as a rule."""

KEEP_ALIVE = b": still here\n\n"

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Nobody keeps a stream, and nginx passes it on as it comes."""


class ExplanationEventOut(WireModel):
    """Why one hit of the reranked order fits or does not."""

    rank: int
    sku: str
    explanation: ExplanationOut
    timings_ms: dict[str, float] = Field(description="The answer's, up to here.")


class DoneOut(WireModel):
    """Nothing more comes."""

    timings_ms: dict[str, float] = Field(description="The answer's, all of it.")


def takes_events(accept: str) -> bool:
    """Whether an Accept header prefers a stream of events to one answer in JSON (RFC 9110, 12.5.1)."""
    qualities = {MEDIA_TYPE: 0.0, "application/json": 0.0}
    for entry in accept.lower().split(","):
        name, *parameters = (part.strip() for part in entry.split(";"))
        if name in qualities:
            qualities[name] = quality_of(parameters)
    return qualities[MEDIA_TYPE] > 0 and qualities[MEDIA_TYPE] >= qualities["application/json"]


def quality_of(parameters: list[str]) -> float:
    try:
        return next((float(each[2:]) for each in parameters if each.startswith("q=")), 1.0)
    except ValueError:
        return 1.0


async def stream(events: AnswerStream, threads: Executor) -> AsyncGenerator[bytes, None]:
    """Each event as soon as it comes about, then ``done``; ``error`` in its place where something broke.

    Events are computed in ``threads``, one at a time and not before the one before was taken. Whoever hangs up closes
    them, which ends the one that is under way.
    """
    timings_ms: dict[str, float] = {}
    loop = asyncio.get_running_loop()
    try:
        while True:
            step = loop.run_in_executor(threads, next, events, None)
            try:
                while not (await asyncio.wait({step}, timeout=KEEP_ALIVE_S))[0]:
                    yield KEEP_ALIVE
                event = step.result()
            except Exception as error:
                log.error("A stream of events broke", exc_info=error)
                yield framed("error", INTERNAL)
                return
            finally:
                step.cancel()  # a thread that is at it goes on until it sees that the events are closed
            if event is None:
                yield framed("done", DoneOut(timings_ms=timings_ms))
                return
            timings_ms = dict(timings_of(event))
            yield written(event)
    finally:
        events.close()


def timings_of(event: Event) -> dict[str, float]:
    return dict(event.timings_ms if isinstance(event, Explained) else event.answer.timings_ms)


def written(event: Event) -> bytes:
    """One event by its name, its data a JSON object."""
    match event:
        case Retrieved(answer):
            return framed("retrieved", AnswerOut.of(answer))
        case Reranked(answer):
            return framed("reranked", AnswerOut.of(answer))
        case Explained():
            told = ExplanationOut.of(event.explanation)
            out = ExplanationEventOut(rank=event.rank, sku=event.sku, explanation=told, timings_ms=event.timings_ms)
            return framed("explanation", out)


def framed(name: str, data: AnswerOut | ExplanationEventOut | DoneOut | ErrorOut) -> bytes:
    """JSON holds no line breaks, so that one data line is enough."""
    return f"event: {name}\ndata: {data.model_dump_json()}\n\n".encode()


RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One answer; with Accept: text/event-stream, its steps as they come about.",
        "content": {
            "application/json": {"example": ANSWER},
            MEDIA_TYPE: {
                "schema": {
                    "type": "string",
                    "description": "Server-sent events, the data of each a JSON object: retrieved (AnswerOut), "
                    "reranked (AnswerOut), explanation (ExplanationEventOut) for each hit explained, best first, then "
                    "done (DoneOut); error (ErrorOut) where something broke. Lines that begin with a colon keep the "
                    "connection alive.",
                },
                "example": EVENTS,
            },
        },
    }
}


async def answered(
    request: Request, service: Service, begin: Callable[[], AnswerStream], *, is_reranked: bool
) -> AnswerOut | StreamingResponse:
    """What ``begin`` gives, which retrieves at once, in the form that the request accepts."""
    events = await run_in_threadpool(begin)
    if takes_events(request.headers.get("accept", "")):
        return StreamingResponse(stream(events, service.threads), media_type=MEDIA_TYPE, headers=HEADERS)
    if not is_reranked:
        return AnswerOut.of(final_answer(events))
    return AnswerOut.of(await drained_for(request, events, service.threads))


async def drained_for(request: Request, events: AnswerStream, threads: Executor) -> Answer:
    """The final answer, computed in ``threads``; what is under way is ended where the client hangs up."""
    answer = asyncio.get_running_loop().run_in_executor(threads, final_answer, events)
    hung_up = asyncio.ensure_future(hanging_up(request))
    either: tuple[asyncio.Future[Any], ...] = (answer, hung_up)
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        hung_up.cancel()
        events.close()
    return await answer


async def hanging_up(request: Request) -> None:
    """Returns when the client has hung up; what is left of the request's body is passed over."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def from_json(text: str, place: tuple[str, str]) -> object:
    """A field of a form or of an address whose text is JSON. Raises RequestValidationError, which names its place."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        problem = {"loc": place, "msg": f"is not JSON: {error}", "type": "json_invalid"}
        raise RequestValidationError([problem]) from error
