"""How many requests a key, or an address, may send in a time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final

from cachetools import TTLCache
from pydantic import Field

RATE_PATTERN = r"^[1-9][0-9]{0,8}/(second|minute|hour)$"
RateText = Annotated[str, Field(pattern=RATE_PATTERN)]
"""A rate in words, such as ``600/minute``."""

SECONDS: Final = {"second": 1.0, "minute": 60.0, "hour": 3600.0}

MAX_CALLERS = 100_000
"""Callers that are remembered at a time: about 20 MB. Beyond them, those that asked longest ago are forgotten."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests, at once or spread out, in each ``period_s``."""

    n_requests: int
    period_s: float

    @classmethod
    def of(cls, text: str) -> Rate:
        """The rate in words. Raises ValueError."""
        if not re.match(RATE_PATTERN, text):
            raise ValueError(f"{text!r} is no rate such as 600/minute")
        number, _, unit = text.partition("/")
        return cls(int(number), SECONDS[unit])


class RateLimiter:
    """Counts the requests of each caller, by the generic cell rate algorithm (ITU-T I.371): one number a caller.

    Of all callers the limiter keeps when each will have used up nothing of its rate again. For one thread.
    """

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._clock = clock
        self._free_at: TTLCache[str, float] = TTLCache(MAX_CALLERS, rate.period_s, timer=clock)

    def wait_s(self, caller: str) -> float:
        """How long a caller must wait before its next request; 0 if it need not. Counts nothing."""
        now = self._clock()
        spacing_s = self.rate.period_s / self.rate.n_requests
        wait_s = self._free_at.get(caller, now) - now - self.rate.period_s + spacing_s
        return wait_s if wait_s > 1e-9 * self.rate.period_s else 0.0

    def take(self, caller: str) -> float:
        """Count a request, unless it is one too many: then returns how long to wait, and otherwise 0."""
        wait_s = self.wait_s(caller)
        if not wait_s:
            now = self._clock()
            self._free_at[caller] = max(self._free_at.get(caller, now), now) + self.rate.period_s / self.rate.n_requests
        return wait_s
