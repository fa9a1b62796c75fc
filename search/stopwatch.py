"""The time each stage of a query takes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Stopwatch:
    """Runs from the moment it is made."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._stages: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A stage that is entered again goes on counting."""
        started = time.perf_counter()
        yield
        self._stages[name] = self._stages.get(name, 0.0) + (time.perf_counter() - started) * 1000

    def timings_ms(self) -> dict[str, float]:
        """Milliseconds a stage, and ``total`` since the start."""
        total = (time.perf_counter() - self._started) * 1000
        return {name: round(ms, 3) for name, ms in {**self._stages, "total": total}.items()}

    def together_ms(self, earlier: Mapping[str, float]) -> dict[str, float]:
        """Milliseconds a stage after those of an ``earlier`` watch, and the ``total`` of both; of this one the stages
        alone count, since in between somebody else may have had the time."""
        stages = {name: round(ms + earlier.get(name, 0.0), 3) for name, ms in self._stages.items()}
        total = earlier.get("total", 0.0) + sum(self._stages.values())
        return {**earlier, **stages, "total": round(total, 3)}
