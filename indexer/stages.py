"""Concurrent pipeline stages with queues bounded in values and in bytes, all of them in a row.

Every stage is a generator that closes its source when it ends, because the source is exhausted, the work fails, or the
consumer closes it: closing the last stage stops the threads of all stages. Errors are raised in the consumer.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

T = TypeVar("T")
P = TypeVar("P")
R = TypeVar("R")

Weigh = Callable[[Any], int]
"""The bytes that a value keeps in memory."""

N_RESULTS_PREFETCHED = 2
"""Batches computed while the consumer commits one: enough that neither waits for the other."""

MAX_BYTES = 32 << 20
"""What one queue holds at most; a value larger than that is alone in it."""


def weightless(_: object) -> int:
    """Of values whose number alone is bounded."""
    return 0


def prepared_batches(
    source: Iterable[T], prepare: Callable[[T], P], compute: Callable[[list[P]], R], batch_size: int
) -> Generator[R, None, None]:
    """``compute`` over batches of the source's values, each value prepared before; in the source's order.

    A thread of its own reads the source, one thread a core prepares values, another thread computes, and the caller
    commits what it gets. No queue holds more than ``batch_size`` values.
    """
    values = prefetch(source, max(1, batch_size // 2))
    prepared = parallel_map(prepare, values, os.cpu_count() or 2, depth=batch_size)
    return computed(batched(prefetch(prepared, batch_size), batch_size), compute)


def computed(batches: Iterable[P], compute: Callable[[P], R]) -> Generator[R, None, None]:
    """``compute`` of each batch, in a thread of its own, somewhat ahead of the consumer."""

    def results() -> Generator[R, None, None]:
        with reading(batches) as values:
            for batch in values:
                yield compute(batch)

    return prefetch(results(), N_RESULTS_PREFETCHED)


@contextmanager
def reading(source: Iterable[T]) -> Iterator[Iterator[T]]:
    """Iterate over ``source``; a generator is closed at the end."""
    values = iter(source)
    try:
        yield values
    finally:
        if isinstance(values, Generator):
            values.close()


class _Queue(Generic[T]):
    """Values between two threads, at most ``depth`` and so many bytes of them."""

    def __init__(self, depth: int, max_bytes: int) -> None:
        self._depth = depth
        self._max_bytes = max_bytes
        self._changed = threading.Condition()
        self._entries: deque[tuple[T, int]] = deque()
        self._n_bytes = 0
        self._ended: BaseException | None = None
        self._is_closed = False

    def put(self, value: T, n_bytes: int) -> bool:
        """Wait for room and add a value; False once the queue is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._has_room(n_bytes))
            if self._is_closed:
                return False
            self._entries.append((value, n_bytes))
            self._n_bytes += n_bytes
            self._changed.notify_all()
            return True

    def _has_room(self, n_bytes: int) -> bool:
        fits = len(self._entries) < self._depth and self._n_bytes + n_bytes <= self._max_bytes
        return fits or not self._entries

    def end(self, error: BaseException) -> None:
        """No value comes any more: for the error, or StopIteration."""
        with self._changed:
            self._ended = error
            self._changed.notify_all()

    def close(self) -> None:
        """No value is taken any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def __iter__(self) -> Generator[T, None, None]:
        """The values as they come. Raises the error for which they ended."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._entries or self._ended is not None)
                if not self._entries:
                    break
                value, n_bytes = self._entries.popleft()
                self._n_bytes -= n_bytes
                self._changed.notify_all()
            yield value
        if not isinstance(self._ended, StopIteration):
            assert self._ended is not None
            raise self._ended


def prefetch(
    source: Iterable[T], depth: int, *, weigh: Weigh = weightless, max_bytes: int = MAX_BYTES
) -> Generator[T, None, None]:
    """Yield from ``source``, which a thread of its own reads up to ``depth`` values and ``max_bytes`` in advance.

    What the source raises is raised here, after the values before it.
    """
    entries: _Queue[T] = _Queue(depth, max_bytes)

    def read() -> None:
        try:
            with reading(source) as values:
                for value in values:
                    if not entries.put(value, weigh(value)):
                        return
        except BaseException as error:  # noqa: BLE001 - handed to the consumer, which raises it
            entries.end(error)
        else:
            entries.end(StopIteration())

    thread = threading.Thread(target=read, name="prefetch", daemon=True)
    thread.start()
    try:
        yield from entries
    finally:
        entries.close()
        thread.join()


def parallel_map(
    work: Callable[[T], R],
    source: Iterable[T],
    n_threads: int,
    depth: int,
    *,
    weigh: Weigh = weightless,
    max_bytes: int = MAX_BYTES,
) -> Generator[R, None, None]:
    """``map`` over a thread pool, in the source's order, with at most ``depth`` values in progress, those counted that
    are done and wait for their turn, and no other value taken while they keep more than ``max_bytes``."""
    held = _Weight()

    def weighed(value: T, before: int) -> tuple[R, int]:
        result = work(value)
        after = weigh(result)
        held.add(after - before)
        return result, after

    def next_of(running: deque[Future[tuple[R, int]]]) -> R:
        result, n_bytes = running.popleft().result()
        held.add(-n_bytes)
        return result

    with ThreadPoolExecutor(n_threads, thread_name_prefix="worker") as pool, reading(source) as values:
        running: deque[Future[tuple[R, int]]] = deque()
        try:
            for value in values:
                n_bytes = weigh(value)
                held.add(n_bytes)
                running.append(pool.submit(weighed, value, n_bytes))
                while running and (len(running) >= depth or held.n_bytes > max_bytes):
                    yield next_of(running)
            while running:
                yield next_of(running)
        finally:
            for future in running:
                future.cancel()


class _Weight:
    """Bytes, counted by several threads."""

    def __init__(self) -> None:
        self.n_bytes = 0
        self._lock = threading.Lock()

    def add(self, n_bytes: int) -> None:
        with self._lock:
            self.n_bytes += n_bytes


def batched(
    source: Iterable[T], n: int | Callable[[], int], *, weigh: Weigh = weightless, max_bytes: int = MAX_BYTES
) -> Generator[list[T], None, None]:
    """Lists of n values, the last one shorter, as are those whose values reach ``max_bytes``. Where ``n`` changes, it
    is called for every value."""
    with reading(source) as values:
        batch: list[T] = []
        n_bytes = 0
        for value in values:
            batch.append(value)
            n_bytes += weigh(value)
            if len(batch) >= (n if isinstance(n, int) else n()) or n_bytes >= max_bytes:
                yield batch
                batch, n_bytes = [], 0
        if batch:
            yield batch
