"""Connections to public addresses alone, each ended by a deadline."""

from __future__ import annotations

import ipaddress
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cache

import certifi
import httpcore

from vitrina.search.types.errors import FetchError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Sequence[IPAddress]]
"""A host name and a port to its addresses; raises ``OSError`` for an unknown name."""


@cache
def tls_context() -> ssl.SSLContext:
    """TLS that trusts the common certificate authorities. Made once in a process: reading them takes 30 ms."""
    return ssl.create_default_context(cafile=certifi.where())


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


CHECK_S = 0.5
"""How often a fetch that may be cancelled looks whether it was."""


class FetchDeadline(threading.local):
    """When the fetch of this thread must end, and when all of its fetches must, on the monotonic clock; and what is set
    when nobody waits for them any more."""

    at = 0.0
    latest = math.inf
    cancelled: threading.Event | None = None

    def check(self) -> None:
        """Raise FetchError if all fetches of this thread must end now."""
        if time.monotonic() >= self.latest:
            raise FetchError("There was no time left for it.", remedy="Ask again later, for fewer images.")
        self._refuse_cancelled()

    def seconds_left(self, timeout_s: float | None) -> float:
        """The seconds of a step that may take ``timeout_s``. Raises FetchError if it was cancelled, and
        httpcore.ReadTimeout."""
        self._refuse_cancelled()
        left_s = self.at - time.monotonic()
        if left_s <= 0:
            raise httpcore.ReadTimeout("the time limit is exceeded")
        return left_s if timeout_s is None else min(timeout_s, left_s)

    def _refuse_cancelled(self) -> None:
        if self.cancelled is not None and self.cancelled.is_set():
            raise FetchError("The fetch was cancelled.", remedy="Ask again, and wait for the answer.")


class CheckedNetwork(httpcore.NetworkBackend):
    """Connects to checked addresses only, and ends every step by the fetch's deadline."""

    def __init__(self, resolver: Resolver, address_allowed: Callable[[IPAddress], bool]) -> None:
        self.deadline = FetchDeadline()
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

    def __init__(self, stream: httpcore.NetworkStream, deadline: FetchDeadline) -> None:
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
