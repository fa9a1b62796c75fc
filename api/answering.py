"""Answers over HTTP: in one piece, or in the steps in which they come about."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from api.events import HEADERS, MEDIA_TYPE, stream, takes_events
from api.examples import ANSWER, EVENTS
from api.service import Service
from api.wire import AnswerOut
from search.answer import Answer
from search.reranking.events import Steps, drained

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
    request: Request, service: Service, begin: Callable[[], Steps], *, is_reranked: bool
) -> AnswerOut | StreamingResponse:
    """What ``begin`` gives, which retrieves at once, in the form that the request accepts."""
    events = await run_in_threadpool(begin)
    if takes_events(request.headers.get("accept", "")):
        return StreamingResponse(stream(events, service.threads), media_type=MEDIA_TYPE, headers=HEADERS)
    if not is_reranked:
        return AnswerOut.of(drained(events))
    return AnswerOut.of(await drained_for(request, events, service.threads))


async def drained_for(request: Request, events: Steps, threads: Executor) -> Answer:
    """The final answer, computed in ``threads``; what is under way is ended where the client hangs up."""
    answer = asyncio.get_running_loop().run_in_executor(threads, drained, events)
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
