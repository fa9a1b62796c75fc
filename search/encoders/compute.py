"""Where models run: the device, the cores, and a batch divided among threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from vitrina.search.types.errors import StateError

if TYPE_CHECKING:
    import torch


def device_of(name: str, error: type[StateError]) -> torch.device:
    """The device of that name; ``auto`` is the GPU where there is one. Raises ``error`` for one that is not there."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name != "cpu" and not name.startswith("cuda"):
        raise error(f"'{name}' is no device.", remedy="Use 'auto', 'cpu', 'cuda' or 'cuda:N'.")
    if name != "cpu" and not torch.cuda.is_available():
        raise error(
            f"Device '{name}' was asked for and PyTorch finds no GPU.",
            remedy="Use 'auto' or 'cpu', or mend the driver.",
        )
    return torch.device(name)


Part = TypeVar("Part")
Result = TypeVar("Result")

MIN_PART = 16
"""Inputs a part at least; below twice that, a batch is left to torch's own threads."""


class ThreadDataParallel:
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
