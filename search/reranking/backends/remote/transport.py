"""Requests to a model's server: parallel up to a limit, retried until a deadline, bounded in size, the key kept out of
messages."""

from __future__ import annotations

import asyncio
import email.utils
import json
import logging
import math
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from enum import StrEnum
from functools import cache
from typing import Final

import httpx
from httpx_sse import EventSource
from tenacity import AsyncRetrying, RetryCallState, wait_exponential

from vitrina.search.reranking.backends import Secret
from vitrina.search.reranking.base import Deadline
from vitrina.search.types.errors import RerankerError


class RequestFault(StrEnum):
    """What went wrong with a request, the most informative first."""

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
    RequestFault.REJECTED: "Choose a model that takes images, and check the model name and the base URL.",
    RequestFault.OVERLOADED: "Lower the number of parallel requests, or raise the server's limits.",
    RequestFault.BROKEN: "Read the server's own log.",
    RequestFault.UNREADABLE: "Choose a model that keeps to a form of answer, or a server that gives log probabilities.",
}


class RequestFailure(Exception):
    """A failed request. Its message is for people and holds no key.

    ``retry_after_s`` is the pause that the server asked for, None if it named none.
    """

    def __init__(self, fault: RequestFault, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message
        self.retry_after_s = retry_after_s


def as_error(server: str, failures: Sequence[RequestFailure]) -> RerankerError:
    """One error for requests that all failed: the most informative failure, with its remedy."""
    worst = min(failures, key=lambda failure: list(RequestFault).index(failure.fault))
    return RerankerError(
        f"The reranker at {server} failed: {worst.message}.",
        remedy=_REMEDIES[worst.fault],
        details={"fault": worst.fault.value, "n_failures": len(failures)},
    )


async def event_data(chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    """Yield the data of each server-sent event, read by httpx-sse from chunks of bytes cut anywhere.

    Comments, names and ids of events are skipped. The last event counts even without its blank line, which some
    servers leave out.
    """
    headers = {"Content-Type": "text/event-stream"}  # whatever the server called it
    response = httpx.Response(200, headers=headers, content=_with_blank_line(chunks))
    async with aclosing(EventSource(response).aiter_sse()) as events:
        async for event in events:
            if event.data:
                yield event.data


async def _with_blank_line(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        yield chunk
    yield b"\n\n"


Json = Mapping[str, object]

MAX_ANSWER_BYTES: Final = 1_000_000
"""Twenty log probabilities take 2 kB, the longest explanation streamed token by token some 100 kB."""

BACKOFF = wait_exponential(multiplier=0.25, max=256)
"""Pauses in seconds between attempts, where the server does not ask for one itself: 0.25, doubled each time."""

_MAX_RATE_LIMIT_S = 60.0
"""The longest pause that one answer can impose on all requests, whatever it asks for."""

_MAX_DETAIL_BYTES = 4_000
_MAX_DETAIL_CHARACTERS = 200

log = logging.getLogger(__name__)


class ApiKey(httpx.Auth):
    """Adds a key to one header of each request just before it is sent.

    Raises RerankerError for a key that a header cannot hold.
    """

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

    def masked_in(self, text: str) -> str:
        """Return a text of the server's with the key in it masked."""
        return text.replace(self._value, "***")

    @property
    def _value(self) -> str:
        return self._secret.get_secret_value().strip()


@cache
def tls_context() -> ssl.SSLContext:
    """TLS that trusts the common certificate authorities. Made once in a process: reading them takes 30 ms."""
    return httpx.create_ssl_context(trust_env=False)


class Transport:
    """Posts JSON to paths below one base URL, within one event loop.

    At most ``n_parallel`` requests run at a time. Redirects are not followed, since they would receive the key, and
    neither proxies nor passwords are taken from the environment. Errors name the ``server``, never the key.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: ApiKey | None = None,
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
        self._rate_limited_until = 0.0
        self._client = httpx.AsyncClient(
            auth=key,
            headers={"Accept-Encoding": "identity", "User-Agent": "vitrina", **(headers or {})},
            timeout=httpx.Timeout(None, connect=connect_timeout_s),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=n_parallel),
            follow_redirects=False,
            trust_env=False,
            verify=tls_context(),
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def post(self, path: str, body: Json, deadline: Deadline) -> bytes:
        """Return the whole answer. Raises RequestFailure. The caller cancels this at the deadline.

        429 is retried after the pause that the server asks for, as often as the deadline allows; server errors and
        broken connections are retried once.
        """
        retrying = AsyncRetrying(
            retry=_is_retryable,
            wait=_pause_s,
            stop=lambda state: state.upcoming_sleep >= deadline.seconds_left,
            before_sleep=self._log_retry,
            reraise=True,
        )
        async with self._slots:
            return await retrying(self._post_once, path, body, deadline)

    async def stream(self, path: str, body: Json, deadline: Deadline) -> AsyncGenerator[str, None]:
        """Yield the data of each server-sent event of one attempt. Raises RequestFailure."""
        async with self._slots:
            await self._wait_for_rate_limit(deadline)
            async with self._sent(path, body) as response, aclosing(event_data(self._chunks(response))) as events:
                async for data in events:
                    yield data

    async def _post_once(self, path: str, body: Json, deadline: Deadline) -> bytes:
        await self._wait_for_rate_limit(deadline)
        try:
            async with self._sent(path, body) as response:
                return b"".join([chunk async for chunk in self._chunks(response)])
        except RequestFailure as failure:
            if failure.fault is RequestFault.OVERLOADED and failure.retry_after_s:
                pause_s = min(failure.retry_after_s, _MAX_RATE_LIMIT_S)
                self._rate_limited_until = max(self._rate_limited_until, time.monotonic() + pause_s)
            raise

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
            return RequestFailure(fault, f"it redirects ({status}), which is not followed")
        detail = await self._detail(response)
        return RequestFailure(fault, f"it answered {status}{detail}", retry_after_s=_retry_after_s(response.headers))

    async def _detail(self, response: httpx.Response) -> str:
        """Return the server's explanation on one short line without the key; empty if it gives none."""
        text_bytes = b""
        async for chunk in response.aiter_raw():
            text_bytes += chunk
            if len(text_bytes) > _MAX_DETAIL_BYTES:
                break
        text = _reason(text_bytes[:_MAX_DETAIL_BYTES].decode("utf-8", "replace"))
        text = self._key.masked_in(text) if self._key else text
        line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return f": {line[:_MAX_DETAIL_CHARACTERS]}" if line else ""

    async def _wait_for_rate_limit(self, deadline: Deadline) -> None:
        """Wait as long as the server asked any request to; fail if the deadline comes first."""
        while (wait_s := self._rate_limited_until - time.monotonic()) > 0:
            if wait_s >= deadline.seconds_left:
                raise RequestFailure(RequestFault.OVERLOADED, f"it accepts no requests for another {wait_s:.1f} s")
            await asyncio.sleep(wait_s)

    def _log_retry(self, state: RetryCallState) -> None:
        log.debug("%s: %s; trying again in %.2f s", self.server, _failure_of(state), state.upcoming_sleep)


def _failure_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _is_retryable(state: RetryCallState) -> bool:
    failure = _failure_of(state)
    if not isinstance(failure, RequestFailure):
        return False
    is_first = state.attempt_number == 1
    return failure.fault is RequestFault.OVERLOADED or (failure.fault is RequestFault.BROKEN and is_first)


def _pause_s(state: RetryCallState) -> float:
    """Seconds until the next attempt: what the server asked for, else a growing backoff."""
    failure = _failure_of(state)
    asked_s = failure.retry_after_s if isinstance(failure, RequestFailure) else None
    return asked_s or BACKOFF(state)


def _checked(base_url: str) -> httpx.URL:
    """Parse a base URL that is safe to show in errors and logs: it can hold no secret. Raises RerankerError."""
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
    """Seconds from either form of Retry-After (RFC 9110, 10.2.3); None without a readable one."""
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
    """Return the message of a JSON error in the shapes of OpenAI, Anthropic, FastAPI and Ollama; else the text."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for name in ("error", "message", "detail"):
        if isinstance(value, dict) and name in value:
            value = value[name]
    return value if isinstance(value, str) else json.dumps(value)
