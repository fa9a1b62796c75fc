"""Work on parts of a batch side by side, each part on one core.

Within one operation of a small network there is too little to share: two threads take 5.7 s of processor time for what
one does in 4.9 s, and when another thread holds one core, the other waits at every operation. Two parts of a batch,
each on a thread of its own, wait for nobody.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")

MIN_PART = 16
"""Inputs a part at least; below twice that, a batch is left to torch's own threads."""


class SideBySide:
    """A pool of ``n_threads`` threads on which torch uses one core each; its threads start with the first work."""

    def __init__(self, n_threads: int) -> None:
        import torch

        self.n_threads = n_threads
        others = (torch.get_num_threads(),)
        self._pool = ThreadPoolExecutor(n_threads, "encoder", initializer=take_one_core, initargs=others)

    def pays(self, n_inputs: int) -> bool:
        """Whether a batch is large enough to be divided."""
        return self.n_threads > 1 and n_inputs >= 2 * MIN_PART

    def part_size(self, n_inputs: int, at_most: int) -> int:
        """Two parts a thread, so that none is idle for long."""
        return min(at_most, max(MIN_PART, -(-n_inputs // (2 * self.n_threads))))

    def map(self, work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
        """``work`` on every part, in order. Blocks; raises what ``work`` raises."""
        return list(self._pool.map(work, parts))


def take_one_core(others: int) -> None:
    """Let torch use one core in this thread, and ``others`` cores in threads to come.

    ``torch.set_num_threads`` sets the OpenMP limit of the thread that calls it and the default of later threads; a
    thread that ends at once puts that default back. Several threads may do this at once: the last to change the
    default is always one that puts it back.
    """
    import torch

    torch.get_num_threads()  # a thread takes over the default when it first asks, so it must not do so later
    torch.set_num_threads(1)
    restoring = threading.Thread(target=torch.set_num_threads, args=(others,))
    restoring.start()
    restoring.join()
