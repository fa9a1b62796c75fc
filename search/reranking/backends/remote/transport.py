"""Requests to a model's server: in parallel up to a limit, patient up to a deadline, bounded, and with a kept key."""

from __future__ import annotations

import asyncio
import codecs
import email.utils
import json
import logging
import math
import queue
import re
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any, Final, Protocol, TypeVar

import httpx

from vitrina.search.reranking.base import Deadline
from vitrina.search.types.errors import RerankerError


class RequestFault(StrEnum):
    """Whose fault a failed request is, the most telling first."""

    REFUSED = "refused"
    UNKNOWN = "unknown"
    UNREACHABLE = "unreachable"
    REJECTED = "rejected"
    OVERLOADED = "overloaded"
    BROKEN = "broken"
    UNREADABLE = "unreadable"


_REMEDIES = {
    RequestFault.REFUSED: "Check the reranker's key and what it may use.",
    RequestFault.UNKNOWN: "Check the reranker's model name and base URL; OpenAI-compatible ones mostly end in /v1.",
    RequestFault.UNREACHABLE: "Start the server, or correct the reranker's base URL.",
    RequestFault.REJECTED: "Choose a model that takes pictures, and check the model name and the base URL.",
    RequestFault.OVERLOADED: "Lower the number of parallel requests, or raise the server's limits.",
    RequestFault.BROKEN: "Read the server's own log.",
    RequestFault.UNREADABLE: "Choose a model that keeps to a form of answer, or a server that gives log probabilities.",
}


class RequestFailure(Exception):
    """One request failed. The message is for people and holds no key.

    ``retry_after_s`` is how long the server asked to be left alone, None where it did not say.
    """

    def __init__(self, fault: RequestFault, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message
        self.retry_after_s = retry_after_s


def as_error(server: str, failures: Sequence[RequestFailure]) -> RerankerError:
    """The one error for requests that all failed: the most telling failure, and its remedy."""
    worst = min(failures, key=lambda failure: list(RequestFault).index(failure.fault))
    return RerankerError(
        f"The reranker at {server} failed: {worst.message}.",
        remedy=_REMEDIES[worst.fault],
        details={"fault": worst.fault.value, "n_failures": len(failures)},
    )


_LINE_END = re.compile(r"\r\n|\n|\r(?!\Z)")
"""A carriage return at the end waits for what follows, which may be its line feed."""


async def event_data(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """The data of each event. Comments, names and numbers of events are skipped; a last event without its blank line
    counts, since some servers leave it out."""
    data: list[str] = []
    async for line in _lines(chunks):
        if not line and data:
            yield "\n".join(data)
            data = []
        field, _, value = line.partition(":")
        if field == "data":
            data.append(value.removeprefix(" "))
    if data:
        yield "\n".join(data)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    rest = ""
    async for chunk in chunks:
        *lines, rest = _LINE_END.split(rest + decoder.decode(chunk))
        for line in lines:
            yield line
    for line in (rest.removesuffix("\r"), ""):
        yield line


T = TypeVar("T")


class Loop:
    """Runs coroutines for callers in any thread. Its own thread ends with the process or with ``close``."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._loop.is_closed()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What the work returns or raises. Blocks; work whose caller is interrupted is cancelled."""
        if self.closed:
            work.close()
            raise _closed()
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except CancelledError as error:
            raise _closed() from error
        finally:
            future.cancel()

    def iterate(self, pieces: AsyncIterator[str]) -> Iterator[str]:
        """The pieces as they come. Blocks for each; a caller that stops early cancels what makes them."""
        ready: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        if self.closed:
            raise _closed()
        future = asyncio.run_coroutine_threadsafe(_drain(pieces, ready), self._loop)
        try:
            while (piece := ready.get()) is not None:
                yield piece
            future.result()
        finally:
            future.cancel()

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Cancel what runs, run the ``last`` thing, and end the thread. Closing twice is fine."""
        if self.closed:
            return
        asyncio.run_coroutine_threadsafe(_end(last), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _closed() -> RerankerError:
    return RerankerError("The reranker was closed.", remedy="Open it again.")


async def _drain(pieces: AsyncIterator[str], ready: queue.SimpleQueue[str | None]) -> None:
    try:
        async for piece in pieces:
            ready.put(piece)
    finally:
        ready.put(None)


async def _end(last: Callable[[], Coroutine[Any, Any, None]]) -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await last()
    await asyncio.get_running_loop().shutdown_asyncgens()
    await asyncio.get_running_loop().shutdown_default_executor()


Json = Mapping[str, object]

MAX_ANSWER_BYTES: Final = 1_000_000
"""Twenty log probabilities take 2 kB, the longest explanation streamed token by token some 100 kB."""

BACKOFF_S: Final = 0.25
"""The pause before a second try, doubled for each further one, where the server does not name one itself."""

_MAX_QUIET_S = 60.0
"""The longest that one answer silences all requests, whatever it asks for."""

_MAX_DETAIL_BYTES = 4_000
_MAX_DETAIL_CHARACTERS = 200

log = logging.getLogger(__name__)


class Secret(Protocol):
    """A text that shows itself only when asked to, such as pydantic's SecretStr."""

    def get_secret_value(self) -> str:
        """The text itself."""


class Key(httpx.Auth):
    """Puts a key into one header of each request, just before it leaves; refuses what no header can hold."""

    def __init__(self, secret: Secret, header: str, scheme: str = "") -> None:
        self._secret, self._header, self._scheme = secret, header, scheme
        if not self._value or not all("!" <= character <= "~" for character in self._value):
            raise RerankerError(
                "The reranker's key is empty, or has characters that no key has.",
                remedy="Set it again, without quotation marks and line breaks; leave it out where none is needed.",
            )

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header."""
        request.headers[self._header] = f"{self._scheme}{self._value}"
        yield request

    def without(self, text: str) -> str:
        """A text of the server's, the key in it blotted out."""
        return text.replace(self._value, "***")

    @property
    def _value(self) -> str:
        return self._secret.get_secret_value().strip()


class Transport:
    """Posts JSON below one base URL; to be used within one event loop.

    At most ``n_parallel`` requests are under way at a time. Redirects are not followed, since the key would go along,
    and neither proxies nor passwords are taken from the environment. Errors name the ``server``, never the key.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: Key | None = None,
        headers: Mapping[str, str] | None = None,
        n_parallel: int = 8,
        connect_timeout_s: float = 5.0,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        url = _checked(base_url)
        self.server = f"{url.netloc.decode('ascii')}{url.path.rstrip('/')}"
        self._base_url = str(url).rstrip("/")
        self._key = key
        self._max_answer_bytes = max_answer_bytes
        self._slots = asyncio.Semaphore(n_parallel)
        self._quiet_until = 0.0
        self._client = httpx.AsyncClient(
            auth=key,
            headers={"Accept-Encoding": "identity", "User-Agent": "vitrina", **(headers or {})},
            timeout=httpx.Timeout(None, connect=connect_timeout_s),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=n_parallel),
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def post(self, path: str, body: Json, deadline: Deadline) -> bytes:
        """The whole answer. Raises Failure; it is the caller who cancels this at the deadline.

        429 is tried again after the pause that the server asks for, as often as the deadline allows; server errors
        and broken connections once.
        """
        attempt = 0
        async with self._slots:
            while True:
                try:
                    await self._keep_quiet(deadline)
                    return await self._post_once(path, body)
                except RequestFailure as failure:
                    await self._pause(failure, attempt, deadline)
                attempt += 1

    async def stream(self, path: str, body: Json, deadline: Deadline) -> AsyncGenerator[str, None]:
        """The data of each server-sent event, tried once. Raises Failure."""
        async with self._slots:
            await self._keep_quiet(deadline)
            async with self._sent(path, body) as response:
                async for data in event_data(self._chunks(response)):
                    yield data

    async def _post_once(self, path: str, body: Json) -> bytes:
        async with self._sent(path, body) as response:
            return b"".join([chunk async for chunk in self._chunks(response)])

    @asynccontextmanager
    async def _sent(self, path: str, body: Json) -> AsyncIterator[httpx.Response]:
        content = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        try:
            async with self._client.stream(
                "POST", f"{self._base_url}{path}", content=content, headers=headers
            ) as response:
                if response.status_code != 200:
                    raise await self._refusal(response)
                yield response
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise RequestFailure(
                RequestFault.UNREACHABLE, f"no connection ({error or type(error).__name__})"
            ) from error
        except httpx.HTTPError as error:
            raise RequestFailure(
                RequestFault.BROKEN, f"the connection broke ({error or type(error).__name__})"
            ) from error

    async def _chunks(self, response: httpx.Response) -> AsyncIterator[bytes]:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise RequestFailure(RequestFault.UNREADABLE, "it compressed its answer though that was declined")
        n_bytes = 0
        async for chunk in response.aiter_raw():
            n_bytes += len(chunk)
            if n_bytes > self._max_answer_bytes:
                raise RequestFailure(
                    RequestFault.UNREADABLE, f"its answer has more than {self._max_answer_bytes:,} bytes"
                )
            yield chunk

    async def _refusal(self, response: httpx.Response) -> RequestFailure:
        status = response.status_code
        fault = _fault(status)
        if 300 <= status < 400:
            return RequestFailure(fault, f"it redirects elsewhere ({status}), which is not followed")
        detail = await self._detail(response)
        return RequestFailure(fault, f"it answered {status}{detail}", retry_after_s=_retry_after_s(response.headers))

    async def _detail(self, response: httpx.Response) -> str:
        """What the server says about it, one short line without the key; empty where it says nothing."""
        said = b""
        async for chunk in response.aiter_raw():
            said += chunk
            if len(said) > _MAX_DETAIL_BYTES:
                break
        text = _reason(said[:_MAX_DETAIL_BYTES].decode("utf-8", "replace"))
        text = self._key.without(text) if self._key else text
        line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return f": {line[:_MAX_DETAIL_CHARACTERS]}" if line else ""

    async def _keep_quiet(self, deadline: Deadline) -> None:
        """Wait as long as the server asked anyone to; fail where the deadline is sooner."""
        while (wait_s := self._quiet_until - time.monotonic()) > 0:
            if wait_s >= deadline.seconds_left:
                raise RequestFailure(RequestFault.OVERLOADED, f"it wants to be left alone for {wait_s:.1f} s more")
            await asyncio.sleep(wait_s)

    async def _pause(self, failure: RequestFailure, attempt: int, deadline: Deadline) -> None:
        """Wait before the next try, or raise the failure where there shall be none."""
        again = failure.fault is RequestFault.OVERLOADED or (failure.fault is RequestFault.BROKEN and attempt == 0)
        pause_s = failure.retry_after_s or BACKOFF_S * 2 ** min(attempt, 10)
        if failure.fault is RequestFault.OVERLOADED and failure.retry_after_s:
            self._quiet_until = max(self._quiet_until, time.monotonic() + min(failure.retry_after_s, _MAX_QUIET_S))
        if not again or pause_s >= deadline.seconds_left:
            raise failure
        log.debug("%s: %s; trying again in %.2f s", self.server, failure.message, pause_s)
        await asyncio.sleep(pause_s)


def _checked(base_url: str) -> httpx.URL:
    """A base URL that may be shown in errors and logs: nothing in it can be a secret."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        raise RerankerError("The reranker's base URL is no URL.", remedy="Write http://host:port/v1.") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise RerankerError("The reranker's base URL is no http(s) address.", remedy="Write http://host:port/v1.")
    if url.userinfo or url.query or url.fragment:
        raise RerankerError(
            f"The reranker's base URL at {url.host} carries a password, a query or a fragment.",
            remedy="Leave them out, and set the key in the setting for it.",
        )
    return url


def _fault(status: int) -> RequestFault:
    if status >= 500:
        return RequestFault.BROKEN
    return {
        401: RequestFault.REFUSED,
        403: RequestFault.REFUSED,
        404: RequestFault.UNKNOWN,
        429: RequestFault.OVERLOADED,
    }.get(status, RequestFault.REJECTED)


def _retry_after_s(headers: httpx.Headers) -> float | None:
    """Seconds, from either form of Retry-After (RFC 9110, 10.2.3); None where there is none that can be read."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _reason(text: str) -> str:
    """The message within an error in JSON, in the shapes of OpenAI, Anthropic, FastAPI and Ollama; else the text."""
    try:
        said: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for name in ("error", "message", "detail"):
        if isinstance(said, dict) and name in said:
            said = said[name]
    return said if isinstance(said, str) else json.dumps(said)
