"""Connections: a client that is silent, slow, or one of too many, holds up no other."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Any, cast

import httptools
from starlette.types import ASGIApp, Scope
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from vitrina.api.errors import error_response, raw_response

HEADER_S = 10.0
"""How long a client may take for a request's line and headers, from connecting or from its last answer."""

MAX_HEADER_BYTES = 64 * 1024
"""The largest request line and headers together; and the most between two pieces of a body, and after it."""

MAX_HEADERS = 256
MAX_PIPELINED = 128
"""How many requests may wait on a connection for the answer to one before them: each takes some 3 kB."""

MIN_CHUNK_BYTES = 64
MAX_SMALL_CHUNKS = 4096
"""A body sent in more pieces than this must have so many bytes in each at the mean: a piece takes as long to read as
10 kB do."""

BODY_SILENCE_S = 15.0
BODY_S = 120.0
"""How long a client may be silent within a body, and how long the whole body may take: 64 MB at 4 Mbit/s."""

UPLOAD_PATH = "/v1/imports"
UPLOAD_S = 3600.0
"""How long a catalog's file may take, which goes straight to the disk: 2 GB at 5 Mbit/s."""

UNREAD_S = 60.0
"""How long a client may leave an answer unread."""

CHECK_S = 1.0
"""How often each connection is checked."""

MAX_CONNECTIONS = 1000
BACKLOG = 256
SPARE_FILES = 256 + BACKLOG
"""Open files that are not connections, such as the catalog's, and connections that are accepted together before any of
them can be closed again."""

GRACE_S = 4
"""How long answers under way may take once the service is asked to stop."""

SILENCE_S = 30
"""How long a worker may leave the process that started it without an answer before it is killed."""

EXIT_S = 3.0
"""How long threads may take after that; a picture's server may keep one waiting for longer."""


class Phase(StrEnum):
    """What a connection waits for."""

    HEADER = "header"
    BODY = "body"
    ANSWER = "answer"


Refusal = Callable[[Scope], bytes | None]
"""The headers and body of the 503 that a request gets, or None if it is answered."""

BUSY_LINE = b"HTTP/1.1 503 Service Unavailable\r\n"


def last_answer(line: bytes, status: int, message: str, remedy: str) -> bytes:
    """An error after which a connection is closed, whole."""
    error = error_response(status, "bad_request", message, remedy, {})
    return b"HTTP/1.1 " + line + b"\r\nConnection: close\r\n" + raw_response(error)


NO_REQUEST = last_answer(
    b"400 Bad Request",
    400,
    "This is no HTTP request that can be answered.",
    "Check its line, that it has one Host, and how its body is sent; a few hundred headers are too many.",
)
HEADER_TOO_LARGE = last_answer(
    b"431 Request Header Fields Too Large",
    431,
    f"The request's address and headers have more than {MAX_HEADER_BYTES:,} bytes.",
    "Send what is long in the body, as POST /v1/search takes it.",
)


class Connection(HttpToolsProtocol):
    """An HTTP/1.1 connection with time limits. Of too many, those are closed that have been waited for longest.

    The application's ``refusal``, of its lifespan's state, answers what cannot be answered soon, as soon as its headers
    are read and without the application, whose middleware takes ten times as long: beside searches that compute, that
    decides how many refusals a second there are.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._max_connections = max_connections
        self._refusal: Refusal | None = app_state.get("refusal")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it, and close others if there are too many."""
        self._phase_since = self._heard_at = self.loop.time()
        self._unread_since: float | None = None
        self._answered: RequestResponseCycle | None = None
        self._n_header_bytes = self._n_chunks = self._n_body_bytes = 0
        self._is_in_body = self._closes_after_body = self._has_been_answered = False
        super().connection_made(transport)
        self._check_timer = self.loop.call_later(CHECK_S, self._check)
        if len(self.connections) > self._max_connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop checking it."""
        self._check_timer.cancel()
        self._give_up()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        """Let what is answered end without sending more. uvicorn tells so the last of the requests that wait alone."""
        if self._answered is not None:
            self._answered.disconnected = True
            self._answered.message_event.set()

    def data_received(self, data: bytes) -> None:
        """Note when something came, and what is waited for since."""
        before = self.phase
        self._heard_at = self.loop.time()
        self._n_header_bytes += len(data)
        super().data_received(data)
        if self.phase is not before:
            self._phase_since = self._heard_at
        if self._n_header_bytes > MAX_HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response("")
        if self.transport.is_closing():
            self._give_up()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, or no body of one, unless another answer has begun, and close the connection."""
        is_too_large = self._n_header_bytes > MAX_HEADER_BYTES
        answered = self._answered
        if answered is None or answered.response_complete or not (answered.response_started or is_too_large):
            self.transport.write(HEADER_TOO_LARGE if is_too_large else NO_REQUEST)
        self.transport.close()

    def on_message_begin(self) -> None:
        """The request's line follows. Raises ValueError if too many requests wait already."""
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("too many requests wait for an answer")
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or what follows a body as one does, which is dropped. Raises ValueError if there are too many."""
        if len(self.headers) >= MAX_HEADERS:
            raise ValueError("too many headers")
        if not self._is_in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A request begins. Raises ValueError if it does not say for which host it is, or says it twice."""
        check_host(self.url, self.headers, self.parser.get_http_version())
        self._is_in_body = True
        self._n_chunks = self._n_body_bytes = 0
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """A piece of a body follows. Raises ValueError for a body of very many small ones."""
        self._n_chunks += 1
        if self._n_chunks > max(MAX_SMALL_CHUNKS, self._n_body_bytes / MIN_CHUNK_BYTES):
            raise ValueError("too many small pieces")

    def on_body(self, body: bytes) -> None:
        """What came is none of the headers."""
        self._n_header_bytes = 0
        self._n_body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole; one that was refused may now be hung up on."""
        self._is_in_body = False
        self._n_header_bytes = 0
        super().on_message_complete()
        if self._closes_after_body:
            self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answered = cycle
        refusal = self._refusal and self._refusal(cast(Scope, cycle.scope))
        if refusal is None:
            super()._start_asgi_task(cycle, app)
        else:
            self._refuse(cycle, refusal)

    def _refuse(self, cycle: RequestResponseCycle, refusal: bytes) -> None:
        """Answer a request whose body may still be under way. The body is read and dropped: what is closed with
        something unread is reset, and the client may never see its answer."""
        waits_for_us = cycle.waiting_for_100_continue
        keeps_open = cycle.keep_alive and not waits_for_us
        self.transport.write(BUSY_LINE + (b"" if keeps_open else b"Connection: close\r\n") + refusal)
        cycle.response_complete = True
        self.on_response_complete()
        if waits_for_us or not (keeps_open or self._is_in_body):
            self.transport.close()
        self._closes_after_body = not keeps_open

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._phase_since = self.loop.time()
        self._has_been_answered = True
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Note since when the answer is not read."""
        self._unread_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The answer is read again."""
        self._unread_since = None
        super().resume_writing()

    def shutdown(self) -> None:
        """Close it now unless an answer is under way, which is finished; a half-sent request is not waited for."""
        if self.phase is Phase.BODY:
            self.transport.abort()
        else:
            super().shutdown()

    @property
    def phase(self) -> Phase:
        """What it waits for now."""
        if self.cycle is None or self.cycle.response_complete:
            return Phase.HEADER
        return Phase.BODY if self.cycle.more_body else Phase.ANSWER

    def _check(self) -> None:
        if self._is_overdue():
            self.transport.abort()
        else:
            self._check_timer = self.loop.call_later(CHECK_S, self._check)

    def _is_overdue(self) -> bool:
        now = self.loop.time()
        if self._unread_since is not None and now - self._unread_since > UNREAD_S:
            return True
        if self.phase is Phase.HEADER:
            return now - self._phase_since > HEADER_S
        if self.phase is Phase.BODY:
            whole_s = UPLOAD_S if self.scope["path"] == UPLOAD_PATH else BODY_S
            return now - self._heard_at > BODY_SILENCE_S or now - self._phase_since > whole_s
        return False

    def _make_room(self) -> None:
        """Close a connection that waits for a request, or for the rest of one: first one that never had an answer, of
        those the one that has been silent for longest."""
        others = [each for each in self.connections if isinstance(each, Connection) and each.phase is not Phase.ANSWER]
        oldest = min(others, key=lambda each: (each._has_been_answered, each._waiting_since), default=self)
        self.connections.discard(oldest)
        oldest.transport.abort()

    @property
    def _waiting_since(self) -> float:
        """Since when it waits for a request, or for more of its body."""
        return self._heard_at if self.phase is Phase.BODY else self._phase_since


def check_host(url: bytes, headers: list[tuple[bytes, bytes]], http_version: str) -> None:
    """Raises ValueError unless a request names one host (RFC 9112, 3.2), in its line and its headers the same."""
    hosts = [value.strip().lower() for name, value in headers if name == b"host"]
    if len(hosts) > 1 or (not hosts and http_version == "1.1"):
        raise ValueError("a request names one host")
    if not url.startswith((b"/", b"*")):
        named = httptools.parse_url(url)
        name = (named.host or b"").lower()
        host = (b"[%s]" % name if b":" in name else name) + (b":%d" % named.port if named.port else b"")
        if hosts != [host]:
            raise ValueError("a request names one host in its line and another in its headers")


def max_connections() -> int:
    """How many connections this process may have. Raises its limit of open files as far as the system lets it."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return MAX_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + SPARE_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(MAX_CONNECTIONS, soft - SPARE_FILES))


def server_config(
    app: ASGIApp | Callable[[], ASGIApp],
    host: str,
    port: int,
    trusted_proxies: str = "127.0.0.1,::1",
    n_workers: int | None = None,
) -> Config:
    """How the application is served, by this process, or by ``n_workers`` of which each makes its own with ``app``.
    ``X-Forwarded-For`` is believed of proxies."""
    protocol = partial(Connection, max_connections=max_connections())
    return Config(
        app,
        factory=n_workers is not None,
        workers=n_workers,
        host=host,
        port=port,
        http=cast("type[Connection]", protocol),
        ws="none",
        backlog=BACKLOG,
        log_level="error",
        server_header=False,
        forwarded_allow_ips=trusted_proxies,
        timeout_graceful_shutdown=GRACE_S,
        timeout_worker_healthcheck=SILENCE_S,
    )


def exit_soon(status: int = 0) -> None:
    """End the process in ``EXIT_S`` even if threads are still at work; at once when they are done."""
    watchdog = threading.Timer(EXIT_S, os._exit, [status])
    watchdog.daemon = True
    watchdog.start()
