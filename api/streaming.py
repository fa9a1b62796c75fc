"""Sending an answer: whole as JSON, or event by event as server-sent events."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, TypeVar

from fastapi import Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from vitrina.api.answers import ANSWER, EVENTS, AnswerOut, DoneOut, ExplanationEventOut
from vitrina.api.errors import INTERNAL
from vitrina.api.requests import JsonModel
from vitrina.api.service import Service
from vitrina.search.engine import SearchEngine
from vitrina.search.types.answer import Answer, AnswerStream, Event, Explained, Reranked, Retrieved, final_answer
from vitrina.search.types.errors import OverloadError
from vitrina.search.types.query import RerankOptions

log = logging.getLogger(__name__)

Given = TypeVar("Given")

MEDIA_TYPE = "text/event-stream"

KEEP_ALIVE_S = 10.0
"""How often a comment is sent: proxies close connections that are silent for longer, usually 30 to 60 s."""

MIN_BEGIN_S = 0.5
"""How long a search may wait to be begun, however short its deadlines are: with one of 1 ms it is answered in
retrieval's order."""

Note = Callable[[Answer], None]
"""Counts a final answer."""

LINE_END = "\n"
"""What clients of earlier versions split events at; sse-starlette's default is ``\\r\\n``."""


def event_schema(names: list[str], model: str) -> dict[str, Any]:
    """The JSON schema of server-sent events of some names, whose data is a model's JSON: what ``schema`` of an event
    stream describes before OpenAPI 3.2, each event by itself."""
    content = {"contentMediaType": "application/json", "contentSchema": {"$ref": f"#/components/schemas/{model}"}}
    properties = {"event": {"type": "string", "enum": names}, "data": {"type": "string", **content}}
    return {"type": "object", "required": list(properties), "properties": properties}


RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The whole answer; with Accept: text/event-stream, each part of it as soon as it is ready.",
        "content": {
            "application/json": {"example": ANSWER},
            MEDIA_TYPE: {
                "schema": {
                    "description": "Server-sent events, each with a JSON object as its data: retrieved (AnswerOut), "
                    "reranked (AnswerOut), explanation (ExplanationEventOut) for each explained hit, best first, then "
                    "done (DoneOut); or error (ErrorOut) if something broke. Lines that start with a colon keep the "
                    "connection alive.",
                    "oneOf": [
                        event_schema(["retrieved", "reranked"], "AnswerOut"),
                        event_schema(["explanation"], "ExplanationEventOut"),
                        event_schema(["done"], "DoneOut"),
                        event_schema(["error"], "ErrorOut"),
                    ],
                },
                "example": EVENTS,
            },
        },
    }
}


async def respond(
    request: Request, service: Service, begin: Callable[[SearchEngine], AnswerStream], rerank: RerankOptions | None
) -> Response:
    """The answer that ``begin`` starts on the service's engine, in the form that the request accepts.

    ``begin`` retrieves at once, so that what is wrong with the query is an HTTP error and not an event. Reranking runs
    in threads of its own, and is cancelled if the client disconnects. Raises OverloadError for an answer that cannot
    be begun within the deadlines of ``rerank``.
    """
    note: Note = request.app.state.metrics.count_answer
    with ExitStack() as held:
        engine = held.enter_context(service.reranking_engine()) if rerank else service.engine
        wants_events = accepts_events(request.headers.get("accept", ""))
        if rerank is None and not wants_events:
            work = service.searching.submit(lambda: answer_json(begin(engine), note))
            return Response(await while_connected(request, work), media_type="application/json")
        threads = service.searching if rerank is None else service.retrieving
        until = max(rerank.until, time.monotonic() + MIN_BEGIN_S) if rerank and rerank.until else None
        stream = await while_connected(request, threads.submit(begin, engine), until=until)
        if wants_events:
            return event_response(stream, service.reranked, held.pop_all(), note)
        body = await while_connected(request, service.reranked.submit(answer_json, stream, note), stream.close)
    return Response(body, media_type="application/json")


def answer_json(stream: AnswerStream, note: Note) -> str:
    """The final answer as JSON, written where it is computed: on the event loop it would hold up all others. FastAPI
    would check again what was made a moment ago. Blocks until the answer is final."""
    answer = final_answer(stream)
    note(answer)
    return AnswerOut.of(answer).model_dump_json()


def accepts_events(accept: str) -> bool:
    """Whether an Accept header prefers a stream of events to a JSON answer (RFC 9110, 12.5.1)."""
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


class EventResponse(EventSourceResponse):
    """A response of events. ``held`` is closed when it has ended, however it ends."""

    held: ExitStack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.held:
            await super().__call__(scope, receive, send)


def event_response(stream: AnswerStream, threads: Executor, held: ExitStack, note: Note) -> EventResponse:
    """The stream as server-sent events, kept alive while nothing happens. Disconnecting ends the work, and the end of
    the response closes what it ``held``.

    By sse-starlette: ``fastapi.sse`` makes a whole route a stream, where ours chooses JSON or events by the Accept
    header, and answers with an HTTP error if retrieval fails.
    """
    response = EventResponse(
        server_sent_events(stream, threads, note),
        ping=KEEP_ALIVE_S,
        ping_message_factory=lambda: ServerSentEvent(comment="keep-alive", sep=LINE_END),
        sep=LINE_END,
    )
    response.held = held
    return response


async def server_sent_events(stream: AnswerStream, threads: Executor, note: Note) -> AsyncGenerator[ServerSentEvent]:
    """Each event as soon as it is ready, then ``done``, or ``error`` if something broke.

    Each event is computed in ``threads`` once the one before it was sent. Closing the generator, or cancelling it while
    an event is being computed, closes the stream.
    """
    loop, timings_ms, answer = asyncio.get_running_loop(), dict[str, float](), None
    try:
        while event := await loop.run_in_executor(threads, next, stream, None):
            answer = answer if isinstance(event, Explained) else event.answer
            timings_ms = dict(event.timings_ms if isinstance(event, Explained) else event.answer.timings_ms)
            yield server_sent_event(event)
        if answer is not None:
            note(replace(answer, timings_ms=timings_ms))
        yield named("done", DoneOut(timings_ms=timings_ms))
    except Exception as error:
        log.error("A stream of events broke", exc_info=error)
        yield named("error", INTERNAL)
    finally:
        stream.close()


def server_sent_event(event: Event) -> ServerSentEvent:
    match event:
        case Retrieved(answer):
            return named("retrieved", AnswerOut.of(answer))
        case Reranked(answer):
            return named("reranked", AnswerOut.of(answer))
        case Explained():
            return named("explanation", ExplanationEventOut.of(event))


def named(name: str, data: JsonModel) -> ServerSentEvent:
    return ServerSentEvent(data.model_dump_json(), event=name, sep=LINE_END)


async def while_connected(
    request: Request, work: Future[Given], cancel: Callable[[], None] = lambda: None, until: float | None = None
) -> Given:
    """What a thread computes, unless the client leaves: then the work is not begun, or ``cancel`` is called and its end
    is waited for, and ClientDisconnect is raised. Whatever of the request's body was not read is dropped. Raises
    OverloadError for work that is not begun ``until`` then, on the monotonic clock."""
    done, left = asyncio.wrap_future(work), asyncio.ensure_future(disconnected(request))
    either: tuple[asyncio.Future[Any], ...] = (done, left)
    try:
        if until is not None:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED, timeout=max(0.0, until - time.monotonic()))
            if not done.done() and not left.done() and work.cancel():
                raise OverloadError(
                    "The service has too much to do to answer within the deadline of the request.",
                    remedy="Try again in a second, or allow for more time.",
                )
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if done.done():
            return done.result()
        cancel()
        if not work.cancel():
            await asyncio.wait((done,))
            done.exception()  # looked at, so that nothing logs it
        raise ClientDisconnect
    except asyncio.CancelledError:
        cancel()
        work.cancel()
        raise
    finally:
        left.cancel()


async def disconnected(request: Request) -> None:
    """Return when the client has disconnected; the rest of the request's body is dropped."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
