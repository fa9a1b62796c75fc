"""The stream of an answer's events, by itself."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.sse import events_in
from vitrina.api import streaming as events_module
from vitrina.api.streaming import stream, takes_events
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
    assert takes_events(accept) is takes


def told(number: int) -> Explained:
    return Explained(number, f"item-{number}", Explanation("It fits.", Author.TEMPLATE), {"total": float(number)})


async def gathered(events: Iterator[Event], n_chunks: int = 1_000) -> list[bytes]:
    """The first chunks of a stream, which is then closed as by a client that hangs up."""
    chunks: list[bytes] = []
    with ThreadPoolExecutor(1) as threads:
        sent = stream(AnswerStream(events), threads)
        async for chunk in sent:
            chunks.append(chunk)
            if len(chunks) == n_chunks:
                break
        await sent.aclose()
    return chunks


def test_silence_is_filled_with_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "KEEP_ALIVE_S", 0.02)

    def slow() -> Iterator[Event]:
        time.sleep(0.2)
        yield told(1)

    chunks = asyncio.run(gathered(slow()))
    assert chunks[0].startswith(b": ")
    lines = b"".join(chunks).decode().splitlines()
    assert [name for name, _ in events_in(lines)] == ["explanation", "done"]


def test_whoever_hangs_up_ends_the_work() -> None:
    begun: list[int] = []
    ended = threading.Event()

    def endless() -> Iterator[Event]:
        try:
            for number in range(1_000_000):
                begun.append(number)
                yield told(number)
        finally:
            ended.set()

    assert len(asyncio.run(gathered(endless(), n_chunks=2))) == 2
    assert ended.wait(10)
    assert len(begun) <= 3


def test_whoever_hangs_up_in_the_middle_of_a_step_ends_it() -> None:
    cancelled, ended = threading.Event(), threading.Event()

    def long() -> Iterator[Event]:
        yield told(1)
        assert cancelled.wait(30)
        ended.set()
        yield told(2)

    async def hang_up() -> list[bytes]:
        with ThreadPoolExecutor(1) as threads:
            sent = stream(AnswerStream(long(), cancelled), threads)
            chunks = [await anext(sent)]
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(sent), 0.1)
            return chunks

    assert len(asyncio.run(hang_up())) == 1
    assert ended.wait(10)


def test_what_breaks_in_the_middle_is_an_error_event(caplog: pytest.LogCaptureFixture) -> None:
    def breaking() -> Iterator[Event]:
        yield told(1)
        raise ValueError(SECRET)

    (first, _), (second, data) = events_in(b"".join(asyncio.run(gathered(breaking()))).decode().splitlines())
    assert (first, second) == ("explanation", "error")
    assert data["error"]["code"] == "internal"
    assert SECRET not in str(data)
    assert SECRET in caplog.text
