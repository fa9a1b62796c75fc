"""How far a run over the catalog is, how fast, and which of its stages the others wait for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class StageLoad:
    """What a stage has done: values, and the seconds that its threads worked, without those that they waited.

    ``load`` is the share of the run in which each of its threads worked, 0 to 1.
    """

    name: str
    n_done: int
    busy_s: float
    load: float


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run over the catalog has done so far, counted in rows, items or images.

    ``n_total`` is None if unknown; ``n_failed_images`` counts images that could not be used; ``dead_letters`` is the
    file with the reasons, None if there are none. ``stages`` are in the order in which rows pass them.
    """

    n_total: int | None = None
    n_done: int = 0
    n_failed_images: int = 0
    seconds: float = 0.0
    dead_letters: Path | None = None
    stages: tuple[StageLoad, ...] = ()

    @property
    def per_second(self) -> float | None:
        """How many are done in a second; None before there are any."""
        return self.n_done / self.seconds if self.seconds and self.n_done else None

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take at this rate; None where that is unknown."""
        if self.per_second is None or self.n_total is None:
            return None
        return max(0.0, (self.n_total - self.n_done) / self.per_second)

    @property
    def slowest_stage(self) -> str:
        """The stage that the others wait for; empty before there is any."""
        return max(self.stages, key=lambda stage: stage.load).name if self.stages else ""


class StageClock:
    """Measures the work of one stage's threads. Safe to use from several threads."""

    def __init__(self, name: str, n_threads: int = 1) -> None:
        self.name = name
        self.n_threads = n_threads
        self._lock = threading.Lock()
        self._n_done = 0
        self._busy_s = 0.0

    @contextmanager
    def working(self, n: int = 1) -> Iterator[None]:
        """Counts the time inside the context as work, on ``n`` values."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(n, time.perf_counter() - started)

    def add(self, n: int, seconds: float) -> None:
        """Count work on ``n`` values."""
        with self._lock:
            self._n_done += n
            self._busy_s += seconds

    def timed(self, work: Callable[[T], R]) -> Callable[[T], R]:
        """The same work on a value, measured."""

        def timed_work(value: T) -> R:
            with self.working():
                return work(value)

        return timed_work

    def reading(self, values: Iterable[T]) -> Generator[T, None, None]:
        """The same values; reading each is work. A generator is closed at the end."""
        iterator = iter(values)
        try:
            while True:
                started = time.perf_counter()
                try:
                    value = next(iterator)
                except StopIteration:
                    return
                self.add(1, time.perf_counter() - started)
                yield value
        finally:
            if isinstance(iterator, Generator):
                iterator.close()

    def load(self, elapsed_s: float) -> StageLoad:
        """What was done in so many seconds."""
        with self._lock:
            share = self._busy_s / (self.n_threads * elapsed_s) if elapsed_s else 0.0
            return StageLoad(self.name, self._n_done, self._busy_s, min(1.0, share))
