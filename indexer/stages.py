"""Two ways to run parts of a pipeline side by side, with bounded queues between them and errors passed on.

Every stage is a generator that closes its source when it ends, whether the source is exhausted, the work fails, or
whoever reads the stage closes it: closing the last stage stops the threads of all.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

POLL_S = 0.05


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
    """Yield from ``source``, which a thread of its own reads up to ``depth`` values ahead.

    What the source raises is raised here, in its place.
    """
    ahead: queue.Queue[tuple[T] | BaseException] = queue.Queue(maxsize=depth)
    closed = threading.Event()

    def put(entry: tuple[T] | BaseException) -> bool:
        while not closed.is_set():
            try:
                ahead.put(entry, timeout=POLL_S)
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
        except BaseException as error:  # noqa: BLE001 - handed to the consumer, who raises it
            put(error)
        else:
            put(StopIteration())

    thread = threading.Thread(target=read, name="prefetch", daemon=True)
    thread.start()
    try:
        while not isinstance(entry := ahead.get(), BaseException):
            yield entry[0]
        if not isinstance(entry, StopIteration):
            raise entry
    finally:
        closed.set()
        thread.join()


def parallel_map(work: Callable[[T], R], source: Iterable[T], n_threads: int, depth: int) -> Generator[R, None, None]:
    """``map`` over a thread pool, in the source's order, with at most ``depth`` values under way."""
    with ThreadPoolExecutor(n_threads, thread_name_prefix="worker") as pool, reading(source) as values:
        under_way: deque[Future[R]] = deque()
        try:
            for value in values:
                under_way.append(pool.submit(work, value))
                if len(under_way) >= depth:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()


def batched(source: Iterable[T], n: int) -> Generator[list[T], None, None]:
    """Lists of n values, the last one shorter."""
    with reading(source) as values:
        while batch := list(islice(values, n)):
            yield batch
