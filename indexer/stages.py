"""Concurrent pipeline stages with bounded queues, all of them in a row, and the progress of a run through them.

Every stage is a generator that closes its source when it ends, because the source is exhausted, the work fails, or the
consumer closes it: closing the last stage stops the threads of all stages. Errors are raised in the consumer.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
P = TypeVar("P")
R = TypeVar("R")

POLL_S = 0.05
N_RESULTS_PREFETCHED = 2
"""Batches computed while the consumer commits one: enough that neither waits for the other."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run over the catalog has done so far, counted in rows, items or images.

    ``n_total`` is None if unknown; ``n_failed_images`` counts images that could not be used; ``dead_letters`` is the
    file with the reasons, None if there are none.
    """

    n_total: int | None = None
    n_done: int = 0
    n_failed_images: int = 0
    seconds: float = 0.0
    dead_letters: Path | None = None


def prepared_batches(
    source: Iterable[T], prepare: Callable[[T], P], compute: Callable[[list[P]], R], batch_size: int
) -> Generator[R, None, None]:
    """``compute`` over batches of the source's values, each value prepared before; in the source's order.

    A thread of its own reads the source, one thread a core prepares values, another thread computes, and the caller
    commits what it gets. No queue holds more than ``batch_size`` values.
    """
    return prefetch(_computed(source, prepare, compute, batch_size), N_RESULTS_PREFETCHED)


def _computed(
    source: Iterable[T], prepare: Callable[[T], P], compute: Callable[[list[P]], R], batch_size: int
) -> Generator[R, None, None]:
    values = prefetch(source, max(1, batch_size // 2))
    prepared = parallel_map(prepare, values, os.cpu_count() or 2, depth=batch_size)
    with closing(batched(prefetch(prepared, batch_size), batch_size)) as batches:
        for batch in batches:
            yield compute(batch)


@contextmanager
def reading(source: Iterable[T]) -> Iterator[Iterator[T]]:
    """Iterate over ``source``; a generator is closed at the end."""
    values = iter(source)
    try:
        yield values
    finally:
        if isinstance(values, Generator):
            values.close()


def prefetch(source: Iterable[T], depth: int) -> Generator[T, None, None]:
    """Yield from ``source``, which a thread of its own reads up to ``depth`` values in advance.

    What the source raises is raised here, after the values before it.
    """
    entries: queue.Queue[tuple[T] | BaseException] = queue.Queue(maxsize=depth)
    closed = threading.Event()

    def put(entry: tuple[T] | BaseException) -> bool:
        while not closed.is_set():
            try:
                entries.put(entry, timeout=POLL_S)
            except queue.Full:
                continue
            return True
        return False

    def read() -> None:
        try:
            with reading(source) as values:
                for value in values:
                    if not put((value,)):
                        return
        except BaseException as error:  # noqa: BLE001 - handed to the consumer, which raises it
            put(error)
        else:
            put(StopIteration())

    thread = threading.Thread(target=read, name="prefetch", daemon=True)
    thread.start()
    try:
        while not isinstance(entry := entries.get(), BaseException):
            yield entry[0]
        if not isinstance(entry, StopIteration):
            raise entry
    finally:
        closed.set()
        thread.join()


def parallel_map(work: Callable[[T], R], source: Iterable[T], n_threads: int, depth: int) -> Generator[R, None, None]:
    """``map`` over a thread pool, in the source's order, with at most ``depth`` values in progress."""
    with ThreadPoolExecutor(n_threads, thread_name_prefix="worker") as pool, reading(source) as values:
        running: deque[Future[R]] = deque()
        try:
            for value in values:
                running.append(pool.submit(work, value))
                if len(running) >= depth:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()


def batched(source: Iterable[T], n: int) -> Generator[list[T], None, None]:
    """Lists of n values, the last one shorter."""
    with reading(source) as values:
        while batch := list(islice(values, n)):
            yield batch
