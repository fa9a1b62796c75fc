"""Admission: requests beyond what can be served soon are refused at once, before their bodies are read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from vitrina.api.errors import error_response


class Work(StrEnum):
    """The kinds of work that requests ask for; each has a bound of its own, so that none holds up another."""

    SEARCH = "search"
    WRITE = "write"
    IMAGE = "image"


MAX_IN_FLIGHT: Final[Mapping[Work, int]] = {Work.SEARCH: 80, Work.WRITE: 24, Work.IMAGE: 64}
"""The most requests of each kind at a time. 80 searches are answered within 2 s where a search takes 25 ms of the
machine; 24 writes hold at most 24 bodies in memory, four of which are worked on."""

PATHS: Final = (
    (Work.SEARCH, re.compile(r"POST /v1/(search|explain)|GET /v1/items/.+/similar", re.DOTALL)),
    (Work.WRITE, re.compile(r"(PUT|DELETE) /v1/items/.*", re.DOTALL)),
    (Work.IMAGE, re.compile(r"GET /v1/images/.*", re.DOTALL)),
)
MAX_BUFFERED_BYTES = 256 * 2**20
"""The most bytes of request bodies in memory at a time."""


def work_of(method: str, path: str) -> Work | None:
    """What a request asks for; None if it is answered at once."""
    return next((work for work, pattern in PATHS if pattern.fullmatch(f"{method} {path}")), None)


class Admission:
    """ASGI middleware that answers 503 with ``Retry-After`` for requests beyond ``max_in_flight`` of their kind."""

    def __init__(self, app: ASGIApp, max_in_flight: Mapping[Work, int] = MAX_IN_FLIGHT) -> None:
        self.app = app
        self._max_in_flight = max_in_flight
        self._in_flight = Counter[Work]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        work = work_of(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if work is None:
            await self.app(scope, receive, send)
            return
        if self._in_flight[work] >= self._max_in_flight[work]:
            message = f"Too many requests of this kind ({work}) are being answered already."
            await error_response(503, "busy", message, "Try again in a second.", {})(scope, receive, send)
            return
        self._in_flight[work] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._in_flight[work] -= 1
