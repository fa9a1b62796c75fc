"""A running average of a model's weights, which generalises better than the weights themselves."""

from __future__ import annotations

import copy

import torch


class WeightAverage:
    """An exponential moving average (EMA) of the weights, as in arXiv 1806.05594's comparison; buffers are copied.

    The average forgets over ``1 / (1 - decay)`` steps, faster in the beginning, when old weights are worth little.
    """

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self._decay = decay
        self.n_steps = 0

    @torch.no_grad()
    def follow(self, model: torch.nn.Module) -> None:
        """Take one step's weights in."""
        self.n_steps += 1
        decay = min(self._decay, self.n_steps / (10 + self.n_steps))
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), 1 - decay)

    @torch.no_grad()
    def take_buffers(self, model: torch.nn.Module) -> None:
        """Copy running statistics and other buffers."""
        for own, other in zip(self.model.buffers(), model.buffers(), strict=True):
            own.copy_(other)
