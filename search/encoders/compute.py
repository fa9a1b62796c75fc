"""Where models run: devices, cores, and thread data-parallelism."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeVar

from vitrina.search.types.errors import MissingDependencyError, StateError

if TYPE_CHECKING:
    import torch


def require_models(*packages: str) -> None:
    """Raise MissingDependencyError unless these packages of the extra ``models`` are installed."""
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise MissingDependencyError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed, which other models "
            "than the embedded ones, tuning and exporting need.",
            remedy="Install the extra: pip install 'vitrina[models]'.",
        )


def device_of(name: str, error: type[StateError]) -> torch.device:
    """The device of that name; ``auto`` is the GPU if there is one. Raises ``error`` if it does not exist, and
    MissingDependencyError without PyTorch."""
    require_models("torch")
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


def computes_in_bfloat16() -> bool:
    """Whether the CPU has instructions for bfloat16, in which most models are two to six times as fast as in float32
    (``docs/LOG.md``); causal text towers of open_clip are not."""
    import torch

    if not hasattr(torch.cpu, "get_capabilities"):  # an older PyTorch
        return False
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


GPU_DRIVERS = ("libcuda.so.1", "nvcuda.dll", "libamdhip64.so")
"""Without one of these PyTorch finds no GPU."""


def may_use_gpu(device: str) -> bool:
    """Whether PyTorch may find a GPU for ``device``, without importing it, which takes seconds."""
    return device.startswith("cuda") or (device == "auto" and any(can_load(driver) for driver in GPU_DRIVERS))


def can_load(library: str) -> bool:
    """Whether a shared library is installed."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def n_available_cores() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


Part = TypeVar("Part")
Result = TypeVar("Result")

MIN_PART = 16
"""The least number of inputs in a part; a batch of less than two parts is left to torch's own threads."""


class ThreadDataParallel:
    """Divides batches among ``n_threads`` threads on which torch uses one core each; they start with the first one."""

    def __init__(self, n_threads: int) -> None:
        import torch

        self.n_threads = n_threads
        default = (torch.get_num_threads(),)
        self._pool = ThreadPoolExecutor(n_threads, "encoder", initializer=use_one_core, initargs=default)

    def pays(self, n_inputs: int) -> bool:
        """Whether dividing a batch is faster: whether it is large enough."""
        return self.n_threads > 1 and n_inputs >= 2 * MIN_PART

    def part_size(self, n_inputs: int, at_most: int) -> int:
        """The size of parts that gives each thread two, so that none is idle for long."""
        return min(at_most, max(MIN_PART, -(-n_inputs // (2 * self.n_threads))))

    def map(self, work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
        """``work`` on every part, in order. Blocks; raises what ``work`` raises."""
        return list(self._pool.map(work, parts))


def use_one_core(n_default: int) -> None:
    """Let torch use one core in this thread, and ``n_default`` cores in threads that start later.

    ``torch.set_num_threads`` sets the OpenMP limit of the calling thread and the default of later threads; a
    short-lived thread restores that default. Several threads may do this at once: the last to change the default is
    always one that restores it.
    """
    import torch

    torch.get_num_threads()  # a thread adopts the default when it first asks, so it must ask now
    torch.set_num_threads(1)
    restoring = threading.Thread(target=torch.set_num_threads, args=(n_default,))
    restoring.start()
    restoring.join()
