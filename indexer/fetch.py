"""Fetching images from the web, without giving a stranger's catalog access to this machine's own network."""

from __future__ import annotations

import ipaddress
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import certifi
import httpcore

from vitrina.search.images.decode import MAX_BYTES
from vitrina.search.types.errors import FetchError

if TYPE_CHECKING:
    import httpx

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Sequence[IPAddress]]
"""A host name and a port to its addresses; raises ``OSError`` for an unknown name."""

_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")  # all that IANA has allocated as global unicast
_REFUSED_NETWORKS: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = (
    ipaddress.IPv4Network(
        "0.0.0.0/8"
    ),  # what is not public by IANA's registry, which Python's versions read differently
    ipaddress.IPv4Network("10.0.0.0/8"),
    ipaddress.IPv4Network("100.64.0.0/10"),
    ipaddress.IPv4Network("127.0.0.0/8"),
    ipaddress.IPv4Network("169.254.0.0/16"),
    ipaddress.IPv4Network("172.16.0.0/12"),
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("192.0.2.0/24"),
    ipaddress.IPv4Network("192.168.0.0/16"),
    ipaddress.IPv4Network("198.18.0.0/15"),
    ipaddress.IPv4Network("198.51.100.0/24"),
    ipaddress.IPv4Network("203.0.113.0/24"),
    ipaddress.IPv4Network("224.0.0.0/3"),  # multicast, reserved and broadcast
    ipaddress.IPv4Network("168.63.129.16/32"),  # Azure's metadata and health service, a public number
    ipaddress.IPv4Network("192.31.196.0/24"),  # AS112, RFC 7535
    ipaddress.IPv4Network("192.52.193.0/24"),  # AMT, RFC 7450
    ipaddress.IPv4Network("192.175.48.0/24"),  # AS112, RFC 7534
    ipaddress.IPv4Network("192.88.99.0/24"),  # 6to4 relays, RFC 7526
    ipaddress.IPv6Network("2001::/23"),  # Teredo, ORCHID and other protocol assignments, RFC 2928
    ipaddress.IPv6Network("2001:db8::/32"),  # documentation
    ipaddress.IPv6Network("2002::/16"),  # 6to4, which carries any IPv4 address
    ipaddress.IPv6Network("2620:4f:8000::/48"),  # AS112, RFC 7534
    ipaddress.IPv6Network("3fff::/20"),  # documentation, RFC 9637
)


def is_public(address: IPAddress) -> bool:
    """Whether an address is on the public internet.

    False for private, shared, loopback, link-local, multicast, reserved and unspecified addresses, and for every
    IPv6 form that carries an IPv4 address (mapped, NAT64, 6to4, Teredo), whatever it carries.
    """
    if address.version == 6 and address not in _GLOBAL_V6:
        return False
    if any(address in network for network in _REFUSED_NETWORKS if network.version == address.version):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def resolve(host: str, port: int) -> Sequence[IPAddress]:
    """A host's addresses by the system's resolver, which also accepts 2130706433, 0x7f.1 and 0177.0.0.1. Blocks."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ipaddress.ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found))


MAX_REDIRECTS = 5
N_RETRIES = 2
BACKOFF_S = 0.25
"""The pause before the first retry; the next is twice as long."""

CHECK_S = 0.5
"""How often a fetch that may be cancelled looks whether it was."""

_HEADERS = (("User-Agent", "vitrina-indexer"), ("Accept", "image/*"), ("Accept-Encoding", "identity"))
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_RETRIED = frozenset({429, 500, 502, 503, 504})
_NO_IMAGE = ("text/", "application/json", "application/xml", "application/xhtml", "video/", "audio/")


class _TransientError(Exception):
    """A failure that a retry may not meet again."""


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
    ) -> None:
        self.max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._backoff_s = backoff_s
        self._network = CheckedNetwork(resolver, address_allowed)
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl.create_default_context(cafile=certifi.where()),
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
        """The bytes behind a URL, at most ``max_bytes``. Blocks.

        Server errors, timeouts and broken connections are retried twice. Raises ``FetchError`` for what still fails,
        and for no http(s) URL, credentials in it, a private address, an error status, a web page, and too many bytes,
        redirects or seconds.
        """
        deadline = min(time.monotonic() + self._timeout_s, self._network.deadline.latest)
        self._network.deadline.at = deadline
        for attempt in range(N_RETRIES + 1):
            try:
                return self._follow(url)
            except _TransientError as failure:
                pause_s = self._backoff_s * 2**attempt
                if attempt == N_RETRIES or time.monotonic() + pause_s >= deadline:
                    raise FetchError(
                        f"{shown_url(url)} could not be fetched: {failure} (tried {attempt + 1} times).",
                        remedy="Index again later; what is indexed already is skipped.",
                    ) from failure
                time.sleep(pause_s)
        raise AssertionError("unreachable")

    def _follow(self, url: str) -> bytes:
        target = checked_url(url)
        for _ in range(MAX_REDIRECTS + 1):
            found = self._get(target)
            if isinstance(found, bytes):
                return found
            target = checked_url(found, base=target)
        raise FetchError(
            f"{shown_url(url)} redirects more than {MAX_REDIRECTS} times.", remedy="Link the image's final address."
        )

    def _get(self, url: httpx.URL) -> bytes | str:
        """The body of one response, or where it redirects to."""
        host = url.netloc.decode("ascii")
        request_url = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        try:
            with self._pool.stream(
                "GET",
                request_url,
                headers=[*_HEADERS, ("Host", host)],
                extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), self._timeout_s / 2)},
            ) as response:
                headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
                if response.status in REDIRECT_STATUSES and "location" in headers:
                    return headers["location"]
                self._check_response(url, response.status, headers)
                return self._body(url, response.iter_stream())
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
            raise _TransientError(str(error) or type(error).__name__) from error
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
            raise FetchError(f"{shown_url(url)} cannot be requested: {error}.", remedy="Correct the URL.") from error

    def _check_response(self, url: httpx.URL, status: int, headers: Mapping[str, str]) -> None:
        if status in _RETRIED:
            raise _TransientError(f"the server answered {status}")
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


class _Deadline(threading.local):
    """When the fetch of this thread must end, and when all of its fetches must, on the monotonic clock; and what is set
    when nobody waits for them any more."""

    at = 0.0
    latest = math.inf
    cancelled: threading.Event | None = None

    def seconds_left(self, timeout_s: float | None) -> float:
        if self.cancelled is not None and self.cancelled.is_set():
            raise FetchError("The fetch was cancelled.", remedy="Ask again, and wait for the answer.")
        left_s = self.at - time.monotonic()
        if left_s <= 0:
            raise httpcore.ReadTimeout("the time limit is exceeded")
        return left_s if timeout_s is None else min(timeout_s, left_s)


class CheckedNetwork(httpcore.NetworkBackend):
    """Connects to checked addresses only, and ends every step by the fetch's deadline."""

    def __init__(self, resolver: Resolver, address_allowed: Callable[[IPAddress], bool]) -> None:
        self.deadline = _Deadline()
        self._resolver = resolver
        self._address_allowed = address_allowed
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Resolve, check, and connect to the first address that answers."""
        failure: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in self._checked_addresses(host, port):
            left_s = self.deadline.seconds_left(timeout)
            try:
                stream = self._sockets.connect_tcp(str(address), port, left_s, local_address, socket_options)
                return _TimedStream(stream, self.deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    def _checked_addresses(self, host: str, port: int) -> list[IPAddress]:
        try:
            addresses = list(self._resolver(host, port))
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name {host} is unknown") from error
        refused = [address for address in addresses if not self._address_allowed(address)]
        if refused:
            raise FetchError(
                f"{host} resolves to {refused[0]}, which is not a public address.",
                remedy="Only what is on the public internet is fetched; give this one as a file.",
            )
        return addresses


class _TimedStream(httpcore.NetworkStream):
    """A connection whose every read and write ends by the fetch's deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has arrived, waiting until the deadline at most."""
        until = time.monotonic() + self._deadline.seconds_left(timeout)
        while (left_s := until - time.monotonic()) > CHECK_S and self._deadline.cancelled is not None:
            try:
                return self._stream.read(max_bytes, CHECK_S)
            except httpcore.ReadTimeout:
                self._deadline.seconds_left(timeout)  # raises if it was cancelled
        return self._stream.read(max_bytes, max(left_s, 0.001))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write it all."""
        self._stream.write(buffer, self._deadline.seconds_left(timeout))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Start TLS; the certificate is checked against the host's name, not its address."""
        left_s = self._deadline.seconds_left(timeout)
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, left_s), self._deadline)

    def get_extra_info(self, info: str) -> object:
        """A property of the connection."""
        return self._stream.get_extra_info(info)
