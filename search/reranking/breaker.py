"""A circuit breaker: what failed several times in a row is left alone for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

MAX_FAILURES = 5
REST_S = 30.0
"""Long enough for a server to start again, short enough that nobody waits for it once it has."""


class Breaker:
    """Open after ``max_failures`` in a row. Every ``rest_s`` one is let through to try: its success closes the breaker.
    Safe to use from several threads.

    Who was let through says what became of it: ``succeeded``, ``failed``, or ``undecided``. ``clock`` counts seconds.
    """

    def __init__(
        self,
        max_failures: int = MAX_FAILURES,
        rest_s: float = REST_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_failures = max_failures
        self._rest_s = rest_s
        self._clock = clock
        self._lock = threading.Lock()
        self._n_failures = 0
        self._rests_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it failed too often since it last succeeded. Lets nobody through."""
        with self._lock:
            return self._n_failures >= self._max_failures

    def admits(self) -> bool:
        """Whether the caller may go on, and is to say what became of it."""
        with self._lock:
            if self._n_failures < self._max_failures:
                return True
            if self._clock() < self._rests_until:
                return False
            self._rests_until = self._clock() + self._rest_s
            return True

    def succeeded(self) -> None:
        """Close."""
        with self._lock:
            self._n_failures = 0

    def failed(self) -> None:
        """One more in a row."""
        with self._lock:
            self._n_failures += 1
            self._rests_until = self._clock() + self._rest_s

    def undecided(self) -> None:
        """There was too little time to tell: the next one may try at once."""
        with self._lock:
            self._rests_until = self._clock()
