"""Two ways to run parts of a pipeline side by side, with bounded queues between them and errors passed on."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

POLL_S = 0.05


def prefetch(source: Iterable[T], depth: int) -> Generator[T, None, None]:
    """Yield from ``source``, which a thread of its own reads up to ``depth`` values ahead.

    What the source raises is raised here, in its place. Closing this iterator stops the thread and closes the source.
    """
    ahead: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(maxsize=depth)
    closed = threading.Event()

    def put(entry: tuple[T | None, BaseException | None]) -> bool:
        while not closed.is_set():
            try:
                ahead.put(entry, timeout=POLL_S)
            except queue.Full:
                continue
            return True
        return False

    def read() -> None:
        values = iter(source)
        try:
            for value in values:
                if not put((value, None)):
                    return
            put((None, StopIteration()))
        except BaseException as error:  # noqa: BLE001 - handed to the consumer, who raises it
            put((None, error))
        finally:
            close = getattr(values, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=read, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            value, error = ahead.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield value  # type: ignore[misc]  # None only beside an error
    finally:
        closed.set()
        thread.join()


def parallel_map(work: Callable[[T], R], source: Iterable[T], n_threads: int, depth: int) -> Iterator[R]:
    """``map`` over a thread pool, in the source's order, with at most ``depth`` values under way."""
    with ThreadPoolExecutor(n_threads, thread_name_prefix="worker") as pool:
        under_way: deque[Future[R]] = deque()
        try:
            for value in source:
                under_way.append(pool.submit(work, value))
                if len(under_way) >= depth:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()


def batched(source: Iterable[T], n: int) -> Iterator[list[T]]:
    """Lists of n values, the last one shorter."""
    values = iter(source)
    while batch := list(islice(values, n)):
        yield batch
