"""Connections of clients that are silent, slow or too many, over real sockets."""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from vitrina.api import connections
from vitrina.api.admission import InFlight, Work
from vitrina.api.cli.serve import check_address
from vitrina.api.connections import Refusal, max_connections, server_config
from vitrina.search.types.errors import StateError

ANSWER_S = 0.6
SHORT_S = 0.3
HALF_A_HEADER = b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Half:"
HALF_A_BODY = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the body; ``/slow`` takes ``ANSWER_S``."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message.get("body", b""), message.get("more_body", False)
    if scope["path"] == "/slow":
        await asyncio.sleep(ANSWER_S)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(refusal: Refusal | None = None) -> Iterator[tuple[uvicorn.Server, int]]:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Refusal | None]]:
        yield {"refusal": refusal}

    app = Starlette(routes=[Mount("/", echo)], lifespan=lifespan)
    server = uvicorn.Server(server_config(app, "127.0.0.1", 0))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield server, server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    for name in ("HEADER_S", "BODY_SILENCE_S"):
        monkeypatch.setattr(connections, name, SHORT_S)
    monkeypatch.setattr(connections, "CHECK_S", 0.05)
    with serving() as (_, port):
        yield port


def is_closed(connection: socket.socket, within_s: float) -> bool:
    """Whether the server closes a connection in time."""
    connection.settimeout(within_s)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


@pytest.mark.parametrize("sent", [b"", HALF_A_HEADER, HALF_A_BODY])
def test_who_says_no_more_is_closed(port: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(sent)
        started = time.monotonic()
        assert is_closed(connection, 10)
        assert time.monotonic() - started >= SHORT_S / 2


def test_headers_byte_by_byte_are_not_waited_for(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(HALF_A_HEADER)
        until = time.monotonic() + 10
        with suppress(ConnectionError):
            while time.monotonic() < until:
                connection.sendall(b"x")
                time.sleep(0.05)
        assert time.monotonic() < until


def test_answers_that_take_longer_are_not_cut_and_connections_are_used_again(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for _ in range(2):
            assert client.post("/slow", content=b"body").content == b"body"
        time.sleep(SHORT_S / 2)
        assert client.post("/", content=b"again").content == b"again"


@pytest.mark.parametrize("sent", [HALF_A_HEADER, HALF_A_BODY])
def test_too_many_silent_connections_make_room_for_requests(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 8)
    with serving() as (server, port), ExitStack() as stack:
        client = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}"))
        assert client.post("/", content=b"before").content == b"before"
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(40)]
        for connection in silent:
            with suppress(ConnectionError):  # it was closed already
                connection.sendall(sent)
        assert client.post("/", content=b"kept").content == b"kept", "who asks is kept before who never did"
        assert httpx.post(f"http://127.0.0.1:{port}/", content=b"new").content == b"new"
        assert len(server.server_state.connections) <= 8
        assert is_closed(silent[0], 10)


@pytest.mark.parametrize("sent", [b"", HALF_A_HEADER, HALF_A_BODY])
def test_stopping_does_not_wait_for_what_is_half_sent(sent: bytes) -> None:
    with serving() as (server, port), socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(sent)
        time.sleep(0.1)
        started = time.monotonic()
        server.should_exit = True
        assert is_closed(connection, 5)
        assert time.monotonic() - started < 3


def test_stopping_waits_for_an_answer_under_way() -> None:
    with serving() as (server, port):
        answers: list[bytes] = []
        asking = threading.Thread(
            target=lambda: answers.append(httpx.post(f"http://127.0.0.1:{port}/slow", content=b"last").content)
        )
        asking.start()
        time.sleep(0.2)
        server.should_exit = True
        asking.join(10)
        assert answers == [b"last"]


@pytest.mark.parametrize("host", ["127.0.0.1", "no.such.host.invalid"])
def test_an_address_that_cannot_be_listened_on_is_told_before_anything_is_loaded(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StateError, match=f"{host}:{port} cannot be listened on"):
            check_address(host, port)
    check_address("127.0.0.1", 0)


def test_connections_are_fewer_than_files_may_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: set_to.append(limits))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 1024))
    assert max_connections() == 1024 - connections.SPARE_FILES
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, resource.RLIM_INFINITY))
    assert max_connections() == connections.MAX_CONNECTIONS
    assert set_to == [(1024, 1024), (1512, resource.RLIM_INFINITY)]


def ask(port: int, request: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.settimeout(10)
    connection.sendall(request)
    return connection


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_what_is_refused_is_answered_before_its_body_comes_and_the_connection_is_used_again() -> None:
    refused_work: list[Work] = []
    in_flight = InFlight({Work.SEARCH: 0, Work.WRITE: 1, Work.IMAGE: 1}, on_refused=refused_work.append)
    head = b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n%s\r\n"
    with serving(in_flight.refusal) as (_, port):
        with ask(port, head % b"") as connection:
            refused = connection.recv(65_536)
            assert refused.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert b"retry-after: 1\r\n" in refused.lower()
            assert b"x-content-type-options: nosniff\r\n" in refused.lower()
            body = refused.partition(b"\r\n\r\n")[2]
            assert json.loads(body)["error"]["code"] == "busy"
            connection.sendall(bytes(200_000) + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 OK\r\n")
        with ask(port, head % b"Connection: close\r\n") as connection:
            assert connection.recv(65_536).startswith(b"HTTP/1.1 503")
            connection.sendall(bytes(200_000))
            assert read_all(connection) == b"", "closed, and not reset with something unread"
        with ask(port, head % b"Expect: 100-continue\r\n") as connection:
            answer = read_all(connection)
            assert answer.startswith(b"HTTP/1.1 503")
            assert b"\r\nConnection: close\r\n" in answer
        with ask(port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") as connection:
            assert read_all(connection).startswith(b"HTTP/1.1 200 OK")
    assert refused_work == [Work.SEARCH] * 3


def test_pages_of_other_sites_are_refused_by_the_application_with_the_headers_that_they_need() -> None:
    in_flight = InFlight({Work.SEARCH: 0})
    scope = {"method": "POST", "path": "/v1/search", "headers": [(b"origin", b"https://shop.example")]}
    assert in_flight.refusal(scope) is None
    assert in_flight.refusal({**scope, "headers": []}) is not None
    assert in_flight.refusal({**scope, "path": "/healthz", "headers": []}) is None


@pytest.mark.parametrize("part", [b"GET /" + b"a" * 100_000, b"GET / HTTP/1.1\r\nX-Long: " + b"a" * 100_000])
def test_headers_without_end_are_refused(part: bytes) -> None:
    with serving() as (_, port), ask(port, part) as connection:
        assert connection.recv(65_536).startswith(b"HTTP/1.1 431 ")


def test_bodies_may_be_longer_than_headers_in_one_piece_and_in_many() -> None:
    with serving() as (_, port), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for content in (b"a" * 300_000, (b"a" * 1000 for _ in range(300))):
            assert client.post("/", content=content).content == b"a" * 300_000


LINE = b"POST / HTTP/1.1\r\n"
HOST = b"Host: localhost\r\n"
CHUNKED = LINE + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (LINE + HOST + b"Content-Length: 0\r\n\r\n", b"200"),
        (LINE + b"Content-Length: 0\r\n\r\n", b"400"),
        (LINE + HOST + b"Host: evil.example\r\nContent-Length: 0\r\n\r\n", b"400"),
        (b"POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n", b"200"),
        (b"POST http://LOCALHOST/ HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n", b"200"),
        (b"POST http://[::1]:8/ HTTP/1.1\r\nHost: [::1]:8\r\nContent-Length: 0\r\n\r\n", b"200"),
        (b"POST http://evil.example/ HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n", b"400"),
        (b"POST http://localhost:81/ HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n", b"400"),
        (LINE + HOST + b"X: a\r\n" * 200 + b"Content-Length: 0\r\n\r\n", b"200"),
        (LINE + HOST + b"X: a\r\n" * 300 + b"Content-Length: 0\r\n\r\n", b"400"),
        (CHUNKED + b"2\r\nok\r\n" * 5 + b"0\r\nX: a\r\n\r\n", b"200"),
        (CHUNKED + b"1\r\nx\r\n" * 5_000 + b"0\r\n\r\n", b"400"),
        (CHUNKED + (b"100\r\n" + b"x" * 256 + b"\r\n") * 5_000 + b"0\r\n\r\n", b"200"),
    ],
)
def test_what_is_and_is_not_a_request(port: int, sent: bytes, status: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(10)
        connection.sendall(sent)
        head, body = connection.recv(65_536).split(b"\r\n\r\n")
        assert head.split(b" ")[1] == status
        assert status == b"200" or (json.loads(body)["error"]["remedy"] and b"nosniff" in head)


@pytest.mark.parametrize("flood", [b"0\r\n" + b"A: b\r\n" * 100_000, b"1;" + b"a" * 500_000])
def test_what_is_no_part_of_a_body_ends_soon(flood: bytes) -> None:
    with serving() as (_, port), socket.create_connection(("127.0.0.1", port)) as connection:
        with suppress(ConnectionError):
            connection.sendall(CHUNKED + flood)
        assert is_closed(connection, 10)


def test_few_requests_wait_on_a_connection_for_their_answers(caplog: pytest.LogCaptureFixture) -> None:
    slow = b"POST /slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
    quick = slow.replace(b"/slow", b"/")
    with serving() as (_, port):
        with ask(port, quick * 100) as connection:
            connection.settimeout(10)
            received = b""
            while received.count(b"200 OK") < 100:
                received += connection.recv(65_536)
        with ask(port, slow + quick * 1_000) as connection, suppress(ConnectionError):
            while connection.recv(65_536):
                pass
        time.sleep(ANSWER_S)
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]
