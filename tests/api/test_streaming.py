"""The stream of an answer's events, by itself."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from starlette.types import Message

from tests.sse import events_in
from vitrina.api import streaming
from vitrina.api.streaming import accepts_events, event_response
from vitrina.search.types.answer import AnswerStream, Event, Explained
from vitrina.search.types.requirement import Author, Explanation

SECRET = "sk-never-shown-9f2"


@pytest.mark.parametrize(
    ("accept", "takes"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream; q=0.8, */*;q=0.1", True),
        ("application/json, text/event-stream", True),
        ("application/json, text/event-stream;q=0.5", False),
        ("text/event-stream;q=0", False),
        ("text/event-stream;q=soon", True),
        ("*/*", False),
        ("", False),
    ],
)
def test_what_the_accept_header_prefers(accept: str, takes: bool) -> None:
    assert accepts_events(accept) is takes


def explained(number: int) -> Explained:
    return Explained(number, f"item-{number}", Explanation("It fits.", Author.TEMPLATE), {"total": float(number)})


async def sent(stream: AnswerStream, hang_up: threading.Event | None = None, n_chunks: int = 1_000) -> list[bytes]:
    """The chunks that a client gets, which hangs up after ``n_chunks`` or when ``hang_up`` is set."""
    chunks: list[bytes] = []
    hang_up = hang_up or threading.Event()

    async def receive() -> Message:
        while not hang_up.is_set():
            await asyncio.sleep(0.005)
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message.get("body"):
            chunks.append(message["body"])
        if len(chunks) == n_chunks:
            hang_up.set()
            await asyncio.Event().wait()

    scope = {"type": "http", "method": "POST"}
    with ThreadPoolExecutor(1) as threads:
        await asyncio.wait_for(
            event_response(stream, threads, ExitStack(), lambda answer: None)(scope, receive, send), 60
        )
    return chunks


def test_silence_is_filled_with_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "KEEP_ALIVE_S", 0.02)

    def slow() -> Iterator[Event]:
        time.sleep(0.2)
        yield explained(1)

    chunks = asyncio.run(sent(AnswerStream(slow())))
    assert chunks[0].startswith(b": ")
    lines = b"".join(chunks).decode().splitlines()
    assert [name for name, _ in events_in(lines)] == ["explanation", "done"]


def test_lines_end_as_clients_expect() -> None:
    chunks = asyncio.run(sent(AnswerStream(iter([explained(1)]))))
    assert all(chunk.endswith(b"\n\n") and b"\r" not in chunk for chunk in chunks)


def test_a_client_that_hangs_up_ends_the_work() -> None:
    begun: list[int] = []
    ended = threading.Event()

    def endless() -> Iterator[Event]:
        try:
            for number in range(1_000_000):
                begun.append(number)
                yield explained(number)
        finally:
            ended.set()

    assert len(asyncio.run(sent(AnswerStream(endless()), n_chunks=2))) == 2
    assert ended.wait(10)
    assert len(begun) <= 3


def test_a_client_that_hangs_up_while_an_event_is_computed_ends_that_too() -> None:
    hang_up, cancelled, ended = threading.Event(), threading.Event(), threading.Event()

    def long() -> Iterator[Event]:
        yield explained(1)
        hang_up.set()
        assert cancelled.wait(30)
        ended.set()
        yield explained(2)

    assert len(asyncio.run(sent(AnswerStream(long(), cancelled), hang_up))) == 1
    assert ended.wait(10)


def test_what_breaks_in_the_middle_is_an_error_event(caplog: pytest.LogCaptureFixture) -> None:
    def breaking() -> Iterator[Event]:
        yield explained(1)
        raise ValueError(SECRET)

    chunks = asyncio.run(sent(AnswerStream(breaking())))
    (first, _), (second, data) = events_in(b"".join(chunks).decode().splitlines())
    assert (first, second) == ("explanation", "error")
    assert data["error"]["code"] == "internal"
    assert SECRET not in str(data)
    assert SECRET in caplog.text
