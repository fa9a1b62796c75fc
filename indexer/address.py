"""Which network addresses a catalog's URLs may lead to."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Sequence[IPAddress]]
"""A host name and a port to its addresses; raises ``OSError`` for an unknown name."""

_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")  # all that IANA has given out as global unicast
_REFUSED: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = (
    ipaddress.IPv4Network("168.63.129.16/32"),  # Azure's metadata and health service, a public number
    ipaddress.IPv4Network("192.88.99.0/24"),  # 6to4 relays, RFC 7526
    ipaddress.IPv6Network("2001::/23"),  # Teredo, ORCHID and other protocol assignments, RFC 2928
    ipaddress.IPv6Network("2001:db8::/32"),  # documentation
    ipaddress.IPv6Network("2002::/16"),  # 6to4, which carries any IPv4 address
    ipaddress.IPv6Network("3fff::/20"),  # documentation, RFC 9637
)


def is_public(address: IPAddress) -> bool:
    """Whether an address is on the public internet.

    False for private, shared, loopback, link-local, multicast, reserved and unspecified addresses, and for every
    IPv6 form that carries an IPv4 address (mapped, NAT64, 6to4, Teredo), whatever it carries.
    """
    if address.version == 6 and address not in _GLOBAL_V6:
        return False
    if any(address in network for network in _REFUSED if network.version == address.version):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def resolve(host: str, port: int) -> Sequence[IPAddress]:
    """A host's addresses by the system's resolver, which also reads 2130706433, 0x7f.1 and 0177.0.0.1. Blocks."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ipaddress.ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found))
