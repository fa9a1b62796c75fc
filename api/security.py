"""Who may ask, and what a browser may do with an answer: hosts, origins, and security headers."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vitrina.api.errors import API_CSP, SECURITY_HEADERS, error_response

PAGE_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
DOCS_CSP = (
    "default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger's page has a script of its own in it, which is allowed by its hash, and sets styles."""

DOCS = "/docs"

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST = re.compile(r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:/?#@\s]+))(?::[0-9]*)?")
_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def names_in(setting: str) -> tuple[str, ...]:
    """The names of a setting that has them separated by commas."""
    return tuple(name.strip().lower() for name in setting.split(",") if name.strip())


class AllowedHosts:
    """Which ``Host`` headers are answered: addresses, this machine's own name, and those of ``names``, in which ``*``
    stands for any characters.

    A page of any site can make a name that it owns resolve to this machine (DNS rebinding), and is then of the same
    origin as the service. It cannot do so with an address, nor with a name that it does not own.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)

    def allows(self, host: str) -> bool:
        """Whether a ``Host`` header, with or without a port, names this service."""
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = (found["address"] or found["name"]).lower().rstrip(".")
        if name == "localhost" or name.endswith(".localhost") or is_address(name):
            return True
        return any(fnmatchcase(name, pattern) for pattern in self._names)


def is_address(name: str) -> bool:
    """Whether a host is an IP address and no name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Security:
    """ASGI middleware: refuses foreign hosts and what pages of foreign origins send, and adds the security headers.

    ``origins`` are those of other sites whose pages may ask, such as ``https://shop.example``.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        self.app = app
        self._hosts = AllowedHosts(hosts)
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        secured = DocsSender(send) if scope["path"] == DOCS else Sender(send, policy_of(scope["path"]))
        refusal = self._refusal(scope["method"], Headers(scope=scope))
        if refusal is None:
            await self.app(scope, receive, secured)
            return
        message, remedy = refusal
        await error_response(403, "forbidden", message, remedy, {})(scope, receive, secured)

    def _refusal(self, method: str, headers: Headers) -> tuple[str, str] | None:
        """Why a request is refused, and the remedy; None if it is not."""
        host = headers.get("host", "")
        if host and not self._hosts.allows(host):
            return f"This service does not answer to the name {host[:100]!r}.", HOST_REMEDY
        if method in SAFE_METHODS:
            return None
        origin = headers.get("origin")
        is_foreign = headers.get("sec-fetch-site") == "cross-site"
        if origin is not None:
            is_foreign = origin not in self._origins and origin not in (f"http://{host}", f"https://{host}")
        if is_foreign:
            return f"Pages of {(origin or 'other sites')[:100]} may not ask this service.", ORIGIN_REMEDY
        return None


HOST_REMEDY = "Use its address, or name it in VITRINA_ALLOWED_HOSTS and start it again."
ORIGIN_REMEDY = "Name the origin in VITRINA_ALLOWED_ORIGINS and start the service again."


def policy_of(path: str) -> str:
    """The content security policy of what is at a path."""
    is_page = path in ("/", "/catalog") or path.startswith(("/page/", "/items/", "/catalog/"))
    return PAGE_CSP if is_page else API_CSP


class Sender:
    """Sends an answer with the security headers."""

    def __init__(self, send: Send, policy: str) -> None:
        self._send = send
        self._policy = policy

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in {**SECURITY_HEADERS, "Content-Security-Policy": self._policy}.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store" if self._policy == API_CSP else "no-cache")
        await self._send(message)


class DocsSender:
    """Sends the documentation's page with a policy that allows the scripts in it by their hashes."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message = {}

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        hashes = (hashlib.sha256(script).digest() for script in _SCRIPT.findall(message.get("body", b"")))
        scripts = " ".join(f"'sha256-{base64.b64encode(each).decode()}'" for each in hashes)
        if self._start:
            await Sender(self._send, DOCS_CSP.format(scripts=scripts))(self._start)
            self._start = {}
        await self._send(message)
