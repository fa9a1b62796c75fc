"""Admission: requests beyond what can be served soon are refused at once, before their bodies are read."""

from __future__ import annotations

import math
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from functools import cache
from typing import Final

from anyio import CancelScope
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vitrina.api.access import ITEM_WRITES
from vitrina.api.errors import error_response, raw_response


class Work(StrEnum):
    """The kinds of work that requests ask for; each has a bound of its own, so that none holds up another."""

    SEARCH = "search"
    WRITE = "write"
    IMAGE = "image"
    IMPORT = "import"


MAX_IN_FLIGHT: Final[Mapping[Work, int]] = {Work.SEARCH: 66, Work.WRITE: 24, Work.IMAGE: 64, Work.IMPORT: 16}
"""The most requests of each kind at a time. 66 clients that wait for their answers before they search again are never
refused, however slow the catalog; 24 writes hold at most 24 bodies in memory, four of which are worked on."""

MIN_SEARCHES = 8
QUEUE_S = 1.2
"""In a flood, as many searches are taken as are answered in this time, at the pace of the last ``PACE_S``, but no fewer
than ``MIN_SEARCHES``. The rest of 2 s is for a pace that changes."""

PACE_S = 2.0
MIN_PACE_S = 0.1
MIN_ANSWERED = 3
MIN_KNOWN = 10
GUESSED_PACE = 20.0
"""The pace is known if so many searches were answered in a row, and remembered if so many were. Before that it is that
of two busy cores."""

MIN_REFUSED = 10
MOMENT_S = 0.5
"""A flood of 250 a second is seen after 0.3 s, when so many were refused. What was taken since it began is refused
after all where it would wait for too long."""

REFUSED_S = 1.0
FLOOD_S = 5.0
"""It is a flood if more searches are under way, or were refused within ``REFUSED_S``, than are taken at most; and for
so long after that."""

PATHS: Final = (
    (Work.SEARCH, re.compile(r"POST /v1/(search|explain)|GET /v1/items/.+/similar", re.DOTALL)),
    (Work.WRITE, ITEM_WRITES),
    (Work.IMPORT, re.compile(r"POST /v1/imports|GET /v1/imports/.*/events", re.DOTALL)),
    (Work.IMAGE, re.compile(r"GET /v1/images/.*", re.DOTALL)),
)
MAX_BUFFERED_BYTES = 256 * 2**20
"""The most bytes of request bodies in memory at a time."""


def work_of(method: str, path: str) -> Work | None:
    """What a request asks for; None if it is answered at once."""
    return next((work for work, pattern in PATHS if pattern.fullmatch(f"{method} {path}")), None)


class RecentCount:
    """How often something happened within the last ``period_s``."""

    def __init__(self, period_s: float, clock: Callable[[], float]) -> None:
        self._period_s = period_s
        self._clock = clock
        self._times: deque[float] = deque()

    def add(self) -> None:
        """It happens now."""
        self._times.append(self._clock())

    def clear(self) -> None:
        """Forget all of it."""
        self._times.clear()

    def __len__(self) -> int:
        oldest = self._clock() - self._period_s
        while self._times and self._times[0] < oldest:
            self._times.popleft()
        return len(self._times)


class Admitted:
    """A request that is being answered ``since`` then. ``on_withdraw`` gives its work up."""

    def __init__(self, since: float) -> None:
        self.since = since
        self.is_withdrawn = self.has_begun = False
        self.on_withdraw: Callable[[], None] = lambda: None

    def withdraw(self) -> None:
        """Refuse it after all, unless its answer has begun."""
        if not self.has_begun:
            self.is_withdrawn = True
            self.on_withdraw()


class InFlight:
    """How many requests of each kind are being answered, and whether there is room for another; ``on_refused`` is
    called where there is none. For one thread."""

    def __init__(
        self,
        max_in_flight: Mapping[Work, int] = MAX_IN_FLIGHT,
        clock: Callable[[], float] = time.monotonic,
        on_refused: Callable[[Work], None] = lambda work: None,
    ) -> None:
        self._on_refused = on_refused
        self._max_in_flight = max_in_flight
        self._n = Counter[Work]()
        self._searches: dict[Admitted, None] = {}
        self._busy_since = -math.inf
        self._usual_pace = GUESSED_PACE
        self._is_withdrawn = False
        self._clock = clock
        self._flooded_until = -math.inf
        self._answered = RecentCount(PACE_S, clock)
        self._refused = RecentCount(REFUSED_S, clock)

    def __getitem__(self, work: Work) -> int:
        return self._n[work]

    def refuses(self, work: Work) -> bool:
        """Whether a request is one too many."""
        if self._n[work] < self._bound(work):
            return False
        self._on_refused(work)
        if work is Work.SEARCH:
            self._refused.add()
            if self._n[work] + len(self._refused) > self._max_in_flight[work]:
                if self._clock() >= self._flooded_until:
                    self._is_withdrawn = False
                self._flooded_until = self._clock() + FLOOD_S
                if not self._is_withdrawn and len(self._refused) >= MIN_REFUSED:
                    self._is_withdrawn = True
                    self._withdraw_surplus()
        return True

    def _bound(self, work: Work) -> int:
        most = self._max_in_flight[work]
        if work is not Work.SEARCH or self._clock() >= self._flooded_until:
            return most
        return min(most, max(MIN_SEARCHES, int(self._pace() * QUEUE_S)))

    def _pace(self) -> float:
        """Searches answered a second, of late, while there were any."""
        since = max(self._busy_since, self._clock() - PACE_S)
        pace = len(self._answered) / max(self._clock() - since, MIN_PACE_S)
        if len(self._answered) >= MIN_KNOWN:
            self._usual_pace = pace
        return pace

    def _withdraw_surplus(self) -> None:
        """Of the searches that were taken a moment ago, before it was known to be a flood, withdraw those that would
        wait for too long."""
        pace = self._pace() if len(self._answered) >= MIN_ANSWERED else self._usual_pace
        n_kept = max(MIN_SEARCHES, int(pace * QUEUE_S))
        for each in list(self._searches)[n_kept:]:
            if self._clock() - each.since < MOMENT_S:
                each.withdraw()

    @contextmanager
    def counting(self, work: Work) -> Iterator[Admitted]:
        """Counts a request as long as it is answered."""
        admitted = Admitted(self._clock())
        if work is Work.SEARCH:
            if not self._searches:
                self._busy_since = self._clock()
                self._answered.clear()
            self._searches[admitted] = None
        self._n[work] += 1
        try:
            yield admitted
        finally:
            self._n[work] -= 1
            if work is Work.SEARCH:
                del self._searches[admitted]
                if not admitted.is_withdrawn:
                    self._answered.add()

    def refusal(self, scope: Scope) -> bytes | None:
        """The whole answer to a request that is one too many, before anything else looks at it; None for others, and
        for those of pages of other sites, whose answers have more headers."""
        work = work_of(scope["method"], scope["path"])
        if work is None or any(name == b"origin" for name, _ in scope["headers"]) or not self.refuses(work):
            return None
        return whole_refusal(work)


def refusal_of(work: Work) -> Response:
    """The answer to a request of a kind of which there are too many."""
    message = f"Too many requests of this kind ({work}) are being answered already."
    return error_response(503, "busy", message, "Try again in a second.", {})


@cache
def whole_refusal(work: Work) -> bytes:
    """The same with its status line and all headers but ``Connection``, which comes before it."""
    return raw_response(refusal_of(work))


class Admission:
    """ASGI middleware that answers 503 with ``Retry-After`` for requests beyond the bound of their kind."""

    def __init__(self, app: ASGIApp, in_flight: InFlight) -> None:
        self.app = app
        self._in_flight = in_flight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        work = work_of(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if work is None:
            await self.app(scope, receive, send)
        elif self._in_flight.refuses(work):
            await refusal_of(work)(scope, receive, send)
        else:
            with self._in_flight.counting(work) as admitted:
                await self._answer(scope, receive, send, admitted)
            if admitted.is_withdrawn:
                await refusal_of(work)(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, admitted: Admitted) -> None:
        async def send_and_note(message: Message) -> None:
            if not admitted.is_withdrawn:
                admitted.has_begun = True
                await send(message)

        with CancelScope() as work:
            admitted.on_withdraw = work.cancel
            await self.app(scope, receive, send_and_note)
