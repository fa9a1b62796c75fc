"""An event loop in a thread of its own, for code that blocks."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from vitrina.search.types.errors import RerankerError

T = TypeVar("T")


class EventLoopThread:
    """Runs coroutines in a thread of its own, for callers in any thread, until ``close`` or the end of the process."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._loop.is_closed()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return or raise what the coroutine does. Blocks; the coroutine is cancelled if its caller is interrupted."""
        if self.closed:
            work.close()
            raise _closed()
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except CancelledError as error:
            raise _closed() from error
        finally:
            future.cancel()

    def iterate(self, pieces: AsyncIterator[str]) -> Iterator[str]:
        """Yield the pieces as they come. Blocks for each; a caller that stops early cancels their producer."""
        ready: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        if self.closed:
            raise _closed()
        future = asyncio.run_coroutine_threadsafe(_drain(pieces, ready), self._loop)
        try:
            while (piece := ready.get()) is not None:
                yield piece
            future.result()
        finally:
            future.cancel()

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Cancel everything that runs, run ``last``, and end the thread. Closing twice is fine."""
        if self.closed:
            return
        asyncio.run_coroutine_threadsafe(_end(last), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _closed() -> RerankerError:
    return RerankerError("The reranker was closed.", remedy="Open it again.")


async def _drain(pieces: AsyncIterator[str], ready: queue.SimpleQueue[str | None]) -> None:
    try:
        async for piece in pieces:
            ready.put(piece)
    finally:
        ready.put(None)


async def _end(last: Callable[[], Coroutine[Any, Any, None]]) -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await last()
    await asyncio.get_running_loop().shutdown_asyncgens()
    await asyncio.get_running_loop().shutdown_default_executor()
