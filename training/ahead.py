"""Making the next thing while the last one is in use."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def one_ahead(things: Iterator[T]) -> Generator[T, None, None]:
    """The same things, each made on another thread while the one before it is in use. Raises what making one raises."""
    with ThreadPoolExecutor(1, "ahead") as pool:
        coming = pool.submit(next, things, None)
        while (thing := coming.result()) is not None:
            coming = pool.submit(next, things, None)
            yield thing
