"""Prefetching batches, and data-parallelism over threads."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch

from vitrina.search.encoders.compute import ThreadDataParallel

T = TypeVar("T")


def prefetch_one(things: Iterator[T]) -> Generator[T, None, None]:
    """The same things, each made on another thread while the one before it is in use. Raises what making one raises.

    A thread, not a worker of ``torch.utils.data.DataLoader``: after a fork that would have neither the decoding threads
    nor the open image store, and if spawned it would import torch and fill its own image cache in every epoch.
    """
    with ThreadPoolExecutor(1, "prefetch") as pool:
        coming = pool.submit(next, things, None)
        while (thing := coming.result()) is not None:
            coming = pool.submit(next, things, None)
            yield thing


Part = TypeVar("Part")
Result = TypeVar("Result")


class ThreadReplicas:
    """Copies of a model that share its weights but not its gradients or its running statistics.

    Gradients need a place of their own: two threads that add to one tensor corrupt it. Against torch's own threads in
    each operation, two runs on two cores disagree: 259 and 297 images/s, then 360 and 302 (``docs/LOG.md``).
    """

    def __init__(self, model: torch.nn.Module, n_parts: int) -> None:
        self.models = [model, *(tied_copy(model) for _ in range(n_parts - 1))]
        self._cores = ThreadDataParallel(n_parts) if n_parts > 1 else None

    def forward(
        self, embed: Callable[[Any, Part], torch.Tensor], parts: Sequence[Part]
    ) -> tuple[torch.Tensor, Callable[[torch.Tensor], None]]:
        """``embed`` each part by a replica; the rows together, cut off from the graph, and what sends their gradient
        on. ``len(parts)`` is the number of replicas. Blocks."""
        outputs = self._map(lambda pair: embed(*pair), list(zip(self.models, parts, strict=True)))
        rows = torch.cat([output.detach() for output in outputs]).requires_grad_()
        sizes = [len(output) for output in outputs]

        def backward(gradient: torch.Tensor) -> None:
            pairs = list(zip(outputs, torch.split(gradient, sizes), strict=True))
            self._map(lambda pair: _send_back(*pair), pairs)
            self._gather()

        return rows, backward

    def agree_on_statistics(self) -> None:
        """Give every replica the mean of all running statistics."""
        if len(self.models) == 1:
            return
        for buffers in zip(*(model.buffers() for model in self.models), strict=True):
            if buffers[0].is_floating_point():
                buffers[0].copy_(torch.stack(buffers).mean(dim=0))
        self.share_statistics()

    def share_statistics(self) -> None:
        """Give every replica the running statistics of the model itself."""
        for model in self.models[1:]:
            copy_buffers(self.models[0], model)

    def _map(self, work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
        """One model alone stays on the caller's thread, with all of torch's own threads."""
        return [work(part) for part in parts] if self._cores is None else self._cores.map(work, parts)

    def _gather(self) -> None:
        """Add every replica's gradients to those of the model itself."""
        first = self.models[0]
        for model in self.models[1:]:
            for own, other in zip(first.parameters(), model.parameters(), strict=True):
                if other.grad is not None:
                    own.grad = other.grad if own.grad is None else own.grad.add_(other.grad)
                    other.grad = None


def _send_back(output: torch.Tensor, gradient: torch.Tensor) -> None:
    if output.requires_grad:  # a frozen tower's output does not
        torch.autograd.backward(output, gradient)


def tied_copy(model: torch.nn.Module) -> torch.nn.Module:
    """A copy whose parameters lie in the same memory, with gradients and buffers of its own."""
    twin = copy.deepcopy(model)
    for own, other in zip(model.parameters(), twin.parameters(), strict=True):
        other.data = own.data
    return twin


@torch.no_grad()
def copy_buffers(source: torch.nn.Module, target: torch.nn.Module) -> None:
    """Copy running statistics and other buffers from one copy of a model to another."""
    for own, other in zip(source.buffers(), target.buffers(), strict=True):
        other.copy_(own)
