"""Fetching images from the web, without giving a stranger's catalog access to this machine's own network."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpcore
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from vitrina.indexer.network import CHECK_S, CheckedNetwork, IPAddress, Resolver, is_public, resolve, tls_context
from vitrina.search.images.decode import MAX_BYTES
from vitrina.search.types.errors import FetchError

if TYPE_CHECKING:
    import httpx

MAX_REDIRECTS = 5
N_RETRIES = 2
BACKOFF_S = 0.25
"""The pause before the first retry is at random up to twice as long; before the next up to four times."""

MAX_BACKOFF_S = 10.0
"""The longest pause, also where a server asks for a longer one: the row is tried again with the next run."""

MAX_PER_HOST = 6
"""Fetches from one host at a time, as browsers have it: a small shop's server is not to be flooded by its search."""

_HEADERS = (("User-Agent", "vitrina-indexer"), ("Accept", "image/*"), ("Accept-Encoding", "identity"))
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
NOT_MODIFIED = 304
MAX_VALIDATOR_CHARS = 200
"""Longer ones are not kept: the image is fetched again."""

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?(\d{1,9})")
_RETRIED = frozenset({429, 500, 502, 503, 504})
_NO_IMAGE = ("text/", "application/json", "application/xml", "application/xhtml", "video/", "audio/")


class _TransientError(Exception):
    """A failure that a retry may not meet again; ``pause_s`` is how long the server asks to wait."""

    def __init__(self, message: str, pause_s: float = 0.0) -> None:
        super().__init__(message)
        self.pause_s = pause_s


@dataclass(frozen=True, slots=True)
class Validators:
    """By what a server tells whether an image has changed (RFC 9110, 8.8), as it sent them; empty if it sent none."""

    etag: str = ""
    last_modified: str = ""

    def __bool__(self) -> bool:
        return bool(self.etag or self.last_modified)

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers of a request for what has changed."""
        given = (("If-None-Match", self.etag), ("If-Modified-Since", self.last_modified))
        return [(name, value) for name, value in given if value]


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer: ``data`` is None if nothing has changed. ``fresh_s`` is for how long the server says that nothing
    will."""

    data: bytes | None
    validators: Validators
    fresh_s: float = 0.0


class HostLimits:
    """At most ``limit`` uses of one host at a time. Safe to use from several threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._hosts: dict[str, tuple[threading.BoundedSemaphore, int]] = {}

    @contextmanager
    def using(self, host: str, still_waiting: Callable[[], object]) -> Iterator[None]:
        """Waits for a turn at a host, and has it inside the context. ``still_waiting`` is called every ``CHECK_S``
        meanwhile, and may raise."""
        with self._lock:
            turns, n_users = self._hosts.get(host) or (threading.BoundedSemaphore(self._limit), 0)
            self._hosts[host] = turns, n_users + 1
        try:
            while not turns.acquire(timeout=CHECK_S):
                still_waiting()
            try:
                yield
            finally:
                turns.release()
        finally:
            with self._lock:
                turns, n_users = self._hosts[host]
                if n_users > 1:
                    self._hosts[host] = turns, n_users - 1
                else:
                    del self._hosts[host]


class Fetcher:
    """Fetches images over http and https; safe to share between threads, keeps connections open.

    Every host, also of each redirect, is resolved here, all its addresses are checked, and the connection goes to a
    checked address, so that a name cannot resolve differently the second time. ``timeout_s`` bounds one fetch as a
    whole, retries included, except for the system's resolver, which has its own timeout. ``resolver`` and
    ``address_allowed`` are for tests. Close it, or use it as a context manager.
    """

    def __init__(
        self,
        *,
        timeout_s: float = 20.0,
        max_bytes: int = MAX_BYTES,
        resolver: Resolver = resolve,
        address_allowed: Callable[[IPAddress], bool] = is_public,
        backoff_s: float = BACKOFF_S,
        max_per_host: int = MAX_PER_HOST,
    ) -> None:
        self.max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._backoff = wait_random_exponential(2 * backoff_s, MAX_BACKOFF_S)
        self._hosts = HostLimits(max_per_host)
        self._network = CheckedNetwork(resolver, address_allowed)
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls_context(),
            max_connections=64,
            max_keepalive_connections=32,
            keepalive_expiry=15.0,
            network_backend=self._network,
        )

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    @contextmanager
    def limited(self, total_s: float, cancelled: threading.Event | None = None) -> Iterator[None]:
        """Bounds the time of all fetches of this thread together, inside the context; once they are ``cancelled`` they
        end within ``CHECK_S``, with FetchError."""
        deadline = self._network.deadline
        deadline.latest, deadline.cancelled = time.monotonic() + total_s, cancelled
        try:
            yield
        finally:
            deadline.latest, deadline.cancelled = math.inf, None

    def fetch(self, url: str) -> bytes:
        """The bytes behind a URL, at most ``max_bytes``. Blocks. Raises as ``fetch_changed``."""
        data = self.fetch_changed(url, Validators()).data
        assert data is not None
        return data

    def fetch_changed(self, url: str, known: Validators) -> Fetched:
        """What is behind a URL, at most ``max_bytes``, unless it is as it was when the server sent the validators.

        Blocks, first until fewer than ``max_per_host`` others fetch from that host. Server errors, timeouts and broken
        connections are retried twice, after a pause at random that doubles, or as long as the server asks. Raises
        ``FetchError`` for what still fails, and for no http(s) URL, credentials in it, a private address, an error
        status, a web page, and too many bytes, redirects or seconds.
        """
        network = self._network.deadline
        with self._hosts.using(checked_url(url).host, network.check):
            deadline = network.at = min(time.monotonic() + self._timeout_s, network.latest)
            retrying = Retrying(
                retry=retry_if_exception_type(_TransientError),
                stop=stop_after_attempt(N_RETRIES + 1) | stop_before_delay(deadline - time.monotonic()),
                wait=self._pause_s,
                reraise=True,
            )
            try:
                return retrying(self._follow, url, known)
            except _TransientError as failure:
                tried = retrying.statistics["attempt_number"]
                raise FetchError(
                    f"{shown_url(url)} could not be fetched: {failure} (tried {tried} times).",
                    remedy="Index again later; what is indexed already is skipped.",
                ) from failure

    def _pause_s(self, state: RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        asked_s = failure.pause_s if isinstance(failure, _TransientError) else 0.0
        return max(self._backoff(state), min(asked_s, MAX_BACKOFF_S))

    def _follow(self, url: str, known: Validators) -> Fetched:
        target = checked_url(url)
        for _ in range(MAX_REDIRECTS + 1):
            found = self._get(target, known)
            if isinstance(found, Fetched):
                return found
            target = checked_url(found, base=target)
        raise FetchError(
            f"{shown_url(url)} redirects more than {MAX_REDIRECTS} times.", remedy="Link the image's final address."
        )

    def _get(self, url: httpx.URL, known: Validators) -> Fetched | str:
        """One response, or where it redirects to."""
        host = url.netloc.decode("ascii")
        request_url = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        try:
            with self._pool.stream(
                "GET",
                request_url,
                headers=[*_HEADERS, ("Host", host), *known.headers],
                extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), self._timeout_s / 2)},
            ) as response:
                headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
                if response.status in REDIRECT_STATUSES and "location" in headers:
                    return headers["location"]
                if response.status == NOT_MODIFIED and known:
                    return Fetched(None, validators_of(headers) or known, fresh_s(headers))
                self._check_response(url, response.status, headers)
                data = self._body(url, response.iter_stream())
                return Fetched(data, validators_of(headers), fresh_s(headers))
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
            raise _TransientError(str(error) or type(error).__name__) from error
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
            raise FetchError(f"{shown_url(url)} cannot be requested: {error}.", remedy="Correct the URL.") from error

    def _check_response(self, url: httpx.URL, status: int, headers: Mapping[str, str]) -> None:
        if status in _RETRIED:
            asked = headers.get("retry-after", "")
            raise _TransientError(f"the server answered {status}", float(asked) if asked.isdecimal() else 0.0)
        if status != 200:
            raise FetchError(f"{shown_url(url)} answered {status}.", remedy="Open it in a browser and correct the URL.")
        media_type = headers.get("content-type", "").lower().strip()
        if media_type.startswith(_NO_IMAGE):
            raise FetchError(
                f"{shown_url(url)} is not an image but {media_type[:60]}.",
                remedy="Link the image itself, not the page around it.",
            )
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise FetchError(
                f"{shown_url(url)} is compressed, though the request declined that.",
                remedy="Serve images uncompressed.",
            )
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self.max_bytes:
            raise self._too_large(url, f"{int(length):,} bytes")

    def _body(self, url: httpx.URL, chunks: Iterable[bytes]) -> bytes:
        body = bytearray()
        for chunk in chunks:
            body += chunk
            if len(body) > self.max_bytes:
                raise self._too_large(url, "more")
        return bytes(body)

    def _too_large(self, url: httpx.URL, found: str) -> FetchError:
        return FetchError(
            f"{shown_url(url)} has {found}; the limit is {self.max_bytes:,} bytes.",
            remedy="Link a smaller version; 1,024 pixels on the longer side are plenty.",
        )


def validators_of(headers: Mapping[str, str]) -> Validators:
    """The validators that a response has."""
    found = (headers.get(name, "").strip() for name in ("etag", "last-modified"))
    etag, last_modified = (each if len(each) <= MAX_VALIDATOR_CHARS and each.isascii() else "" for each in found)
    return Validators(etag, last_modified)


def fresh_s(headers: Mapping[str, str]) -> float:
    """For how long a response is fresh: what its max-age leaves (RFC 9111, 4.2.1), 0 without."""
    control = headers.get("cache-control", "").lower()
    found = _MAX_AGE.search(control)
    if found is None or "no-cache" in control or "no-store" in control:
        return 0.0
    age = headers.get("age", "")
    return max(0.0, float(found[1]) - (float(age) if age.isdecimal() else 0.0))


def checked_url(url: str, base: httpx.URL | None = None) -> httpx.URL:
    """The URL, absolute, http or https, without credentials and fragment."""
    import httpx  # takes 0.1 s of a start, with what its command line needs

    try:
        parsed = base.join(url) if base else httpx.URL(url)
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise FetchError(f"{shown_url(url)} is not a URL: {error}.", remedy="Correct the URL.") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise FetchError(
            f"{shown_url(url)} is not an http(s) address.",
            remedy="Only what is on the web is fetched, over http and https.",
        )
    if parsed.userinfo:
        raise FetchError(
            f"The URL of {parsed.host} contains a user name or password.",
            remedy="Make it public, or download it and give the file.",
        )
    return parsed.copy_with(fragment=None)


def shown_url(url: httpx.URL | str) -> str:
    """A URL as messages name it, cut."""
    return str(url)[:200]
