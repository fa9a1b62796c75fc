"""An answer in steps, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from concurrent.futures import Executor

from pydantic import Field

from api.errors import INTERNAL
from api.findings import ExplanationOut
from api.wire import AnswerOut, ErrorOut
from api.wire_model import WireModel
from search.reranking.events import Event, Explained, Reranked, Retrieved, Steps

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


async def stream(events: Steps, threads: Executor) -> AsyncGenerator[bytes, None]:
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
