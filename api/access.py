"""Who may ask for what: API keys and their scopes, and how often each may ask."""

from __future__ import annotations

import ipaddress
import logging
import math
import re
from functools import cache
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vitrina.api.errors import error_response
from vitrina.api.keys import KeyFile, KeyScope, ServiceKey
from vitrina.api.rate_limits import Rate, RateLimiter
from vitrina.search.types.errors import StorageError

log = logging.getLogger(__name__)

PUBLIC: Final = re.compile(
    r"(GET|HEAD) (/|/(page|items|catalog)/.*|/catalog|/docs|/openapi\.json|/static-offline-docs/.*|/healthz|/readyz)",
    re.DOTALL,
)
"""What is answered to everybody: the page, the documentation, and whether the service runs."""

ITEM_WRITES: Final = re.compile(r"(PUT|PATCH|DELETE) /v1/items/.*|POST /v1/items:batch", re.DOTALL)
"""What changes items without an import."""

SCOPES: Final = (
    (KeyScope.SEARCH, re.compile(r"POST /v1/(search|explain|facets)")),
    (KeyScope.SEARCH, re.compile(r"GET /v1/(items|images|facets|catalog|suggest)(/.*)?", re.DOTALL)),
    (KeyScope.WRITE, ITEM_WRITES),
    (KeyScope.WRITE, re.compile(r"[A-Z]+ /v1/(imports(/.*)?|duplicates|audit(/.*)?|evaluation)", re.DOTALL)),
)
"""What needs which scope. What is not named here needs admin, so that a new route is closed until it is declared."""

FAILURES = Rate(60, 60.0)
"""How many wrong keys an address may send. After them none of its keys is looked at for a while, right ones neither."""

KEY_REMEDY = "Send a key as the header Authorization: Bearer KEY; vitrina keys add makes one."


def scope_needed(method: str, path: str) -> KeyScope | None:
    """The scope that a request needs; None if anybody may send it."""
    request = f"{method} {path}"
    if PUBLIC.fullmatch(request):
        return None
    return next((scope for scope, pattern in SCOPES if pattern.fullmatch(request)), KeyScope.ADMIN)


class Access:
    """ASGI middleware that answers 401, 403 or 429 to who may not ask, or not yet, before a body is read.

    With ``needs_key`` every request that is not for everybody needs a key of ``keys``; without it, who asks is known by
    the address alone. ``rate`` is that of each key that has none of its own, or of each address; None for no limit.
    """

    def __init__(self, app: ASGIApp, keys: KeyFile, rate: Rate | None, *, needs_key: bool) -> None:
        self.app = app
        self._keys = keys
        self._rate = rate
        self._needs_key = needs_key
        self._failures = RateLimiter(FAILURES)
        self._limiter_of = cache(RateLimiter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        needed = scope_needed(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if needed is None:
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope, needed)
        if refusal is not None:
            await refusal(scope, receive, send)
        else:
            await self.app(scope, receive, PrivateSender(send) if self._needs_key else send)

    def _refusal(self, scope: Scope, needed: KeyScope) -> Response | None:
        """The answer to a request that is refused; None if it is not."""
        address = address_of(scope)
        if not self._needs_key:
            return None if is_this_machine(address) else self._limited(address, self._rate)
        wait_s = self._failures.wait_s(address)
        if wait_s:
            return too_many("Too many wrong API keys came from this address.", wait_s)
        secret = bearer_of(Headers(scope=scope))
        if not secret:
            return unauthorized("This service needs an API key.", KEY_REMEDY)
        try:
            key = self._keys.find(secret)
        except StorageError as error:
            log.error("%s", error)
            return error_response(503, error.code, "The API keys cannot be read.", "Ask who runs this service.", {})
        if key is None or key.revoked_at is not None:
            self._failures.take(address)
            return wrong_key(key)
        if not key.allows(needed):
            return out_of_scope(key, needed)
        return self._limited(key.id, Rate.of(key.rate_limit) if key.rate_limit else self._rate)

    def _limited(self, caller: str, rate: Rate | None) -> Response | None:
        wait_s = self._limiter_of(rate).take(caller) if rate else 0.0
        return too_many("Too many requests came within a short time.", wait_s) if wait_s else None


def bearer_of(headers: Headers) -> str:
    """The key that a request carries, empty if it carries none, or several."""
    given = headers.getlist("authorization")
    scheme, _, secret = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    return secret.strip() if scheme.lower() == "bearer" else ""


def address_of(scope: Scope) -> str:
    """Whose requests are counted together: an IPv4 address, or the /64 network of an IPv6 one, which is one customer's;
    empty where a request came through no network."""
    try:
        address = ipaddress.ip_address((scope.get("client") or ("",))[0].partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and not address.is_loopback:
        address = address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False)[0]
    return str(address)


def is_this_machine(address: str) -> bool:
    """Whether what asks runs on the same machine, such as a shop's backend, and is not limited."""
    return not address or ipaddress.ip_address(address).is_loopback


def is_loopback(host: str) -> bool:
    """Whether a host to listen on can be reached from this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def unauthorized(message: str, remedy: str) -> Response:
    """401, with what to send instead (RFC 6750)."""
    response = error_response(401, "unauthorized", message, remedy, {})
    response.headers["WWW-Authenticate"] = 'Bearer realm="vitrina"'
    return response


def wrong_key(key: ServiceKey | None) -> Response:
    """The answer to a key that is none, or none any more."""
    message = "This API key is not known here." if key is None else "This API key was revoked."
    return unauthorized(message, "Ask for a new one; vitrina keys add makes it.")


def out_of_scope(key: ServiceKey, needed: KeyScope) -> Response:
    """The answer to a key that may do other things."""
    may = ", ".join(sorted(key.scopes))
    message = f"This API key has the scope {may}; this request needs {needed}."
    return error_response(403, "out_of_scope", message, f"Use a key with the scope {needed}.", {"needs": needed})


def too_many(message: str, wait_s: float) -> Response:
    """429, with the seconds to wait."""
    seconds = math.ceil(wait_s)
    response = error_response(429, "rate_limited", message, f"Try again in {seconds} s.", {"retry_after_s": seconds})
    response.headers["Retry-After"] = str(seconds)
    return response


class PrivateSender:
    """Sends an answer that no cache may give to others: who asked had a key."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.add_vary_header("Authorization")
            if "cache-control" in headers:
                headers["Cache-Control"] = headers["Cache-Control"].replace("public", "private")
        await self._send(message)


def describe_access(schema: dict[str, Any], *, needs_key: bool) -> None:
    """Add to an OpenAPI document which scope each operation needs, and, where keys are needed, how to send them."""
    if needs_key:
        schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            scope = scope_needed(method.upper(), path)
            if scope is not None:
                operation["x-scope"] = scope.value
                if needs_key:
                    operation["security"] = [{"key": []}]
