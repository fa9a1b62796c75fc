"""The training loop: steps, learning-rate schedule, averaged weights, checkpoints, and early stopping by validation."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vitrina.search.types.errors import InputError, StateError, StorageError
from vitrina.tuning.parallel import ThreadReplicas, copy_buffers, prefetch_one
from vitrina.tuning.run_directory import History, RunDirectory, Score

Weights = Mapping[str, torch.Tensor]
Batch = TypeVar("Batch")

MAX_NORM = 1.0
"""Gradients are clipped to this norm."""

BETAS = (0.9, 0.98)
"""Of AdamW in every run."""

LEARNING_RATES: Mapping[tuple[bool, bool], float] = {
    (True, False): 3e-4,
    (True, True): 2e-3,
    (False, False): 1e-5,
    (False, True): 2e-4,
}
"""By whether a model is small and whether LoRA is used. Large models: 1e-5 is what CLIP is fine-tuned with (arXiv
2212.06138), 2e-4 is LoRA's own (arXiv 2106.09685)."""


def check_numbers(what: str, held_out: float, learning_rate: float | None) -> None:
    """Raise InputError for a share of ``what`` or a rate that cannot be."""
    if not 0 < held_out < 1:
        raise InputError(f"{held_out:g} of the {what} cannot be held out.", remedy="Give a share such as 0.1.")
    if learning_rate is not None and not 0 < learning_rate < 1:
        raise InputError(f"The learning rate {learning_rate:g} is not possible.", remedy="Try 0.0001.")


def warmup_cosine(progress: float, warmup: float) -> float:
    """The factor of the learning rate at a part of the schedule, 0 to 1: it rises until ``warmup`` and falls to zero
    along a cosine."""
    if progress < warmup:
        return max(progress / warmup, 0.01)
    return (1 + math.cos(math.pi * min(1.0, (progress - warmup) / (1 - warmup)))) / 2


def exponential_average(model: torch.nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average (EMA) of the weights, which forgets over ``1 / (1 - decay)`` steps, faster at
    first: torch's own average has no warm-up and would keep the random start for a thousand steps."""

    def update(averaged: Any, current: Any, n_steps: Any) -> None:
        step = int(n_steps)
        get_ema_multi_avg_fn(min(decay, step / (10 + step)))(averaged, current, n_steps)  # type: ignore[no-untyped-call]

    average = AveragedModel(model, multi_avg_fn=update).eval().requires_grad_(False)
    average.n_averaged.fill_(1)  # the first step is averaged with the start, not copied over it
    return average


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """A step that was made, both counted from 0. ``done`` is how much of the run's budget was used before it, where the
    run has one, and ``seconds`` what the steps of the run took so far, pauses left out."""

    epoch: int
    step: int
    n_steps: int
    loss: float
    done: float = 0.0
    seconds: float = 0.0


class Trainer(ABC, Generic[Batch]):
    """Trains epoch by epoch; a checkpoint goes on at the step where it was saved.

    Without an ``average_decay`` the weights themselves are the result. ``n_parts`` of a batch are worked on side by
    side, see ``ThreadReplicas``. With ``prefetch`` the next batch is made during a step.
    """

    def __init__(
        self,
        model: Any,
        optimizer: torch.optim.Optimizer,
        *,
        n_parts: int = 1,
        average_decay: float | None = None,
        prefetch: bool = False,
    ) -> None:
        self._model, self._optimizer, self._prefetch = model, optimizer, prefetch
        self._replicas = ThreadReplicas(model, n_parts)
        self._average = None if average_decay is None else exponential_average(model, average_decay)
        self.n_epochs_done, self.step, self.seconds, self.done = 0, 0, 0.0, 0.0

    @abstractmethod
    def _batches(self) -> tuple[int, Iterator[Batch]]:
        """The number of steps of the current epoch, and its batches from ``self.step`` on. Their randomness depends on
        the seed, the epoch and the step alone."""

    @abstractmethod
    def _backward(self, batch: Batch) -> float:
        """The loss of a batch; leaves its gradient with the parameters, which have none before."""

    @abstractmethod
    def _schedule_step(self, n_epochs: float) -> None:
        """Set the learning rates for the step after so many epochs, a part of an epoch counted as such."""

    @property
    def is_over(self) -> bool:
        """Whether the budget is used up; a trainer without one leaves that to its caller."""
        return self.done >= 1

    @property
    def averaged_model(self) -> Any:
        """The average of the weights, or the model itself where none is kept."""
        return self._model if self._average is None else self._average.module

    def run_epoch(self, on_step: Callable[[TrainingProgress], None]) -> None:
        """Train from where a checkpoint left off to the end of the epoch, or until the budget is used up. Blocks.

        Raises StateError where the loss is no longer finite.
        """
        n_steps, batches = self._batches()
        for batch in prefetch_one(batches) if self._prefetch else batches:
            started = time.monotonic()
            self._schedule_step(self.n_epochs_done + self.step / n_steps)
            if self.is_over:
                break
            loss = self._learn(batch)
            self.seconds += time.monotonic() - started
            progress = TrainingProgress(self.n_epochs_done, self.step, n_steps, loss, self.done, self.seconds)
            self.step += 1
            on_step(progress)
        else:
            self.n_epochs_done, self.step = self.n_epochs_done + 1, 0
        self._settle_statistics()

    def save(self, path: Path) -> None:
        """Write a checkpoint in one piece: to a file beside it first, then renamed over it."""
        self._settle_statistics()
        partial = path.with_suffix(".partial")
        n_steps = 0 if self._average is None else int(self._average.n_averaged) - 1
        counts = {"n_epochs_done": self.n_epochs_done, "step": self.step, "seconds": self.seconds, "n_steps": n_steps}
        torch.save({name: part.state_dict() for name, part in self._parts()} | counts, partial)
        partial.replace(path)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint. Raises OSError, RuntimeError or KeyError where it is missing or of another model."""
        state = torch.load(path, weights_only=True, map_location=next(self._model.parameters()).device)
        for name, part in self._parts():
            part.load_state_dict(state[name])
        n_epochs = state["epoch"] if "epoch" in state else state["n_epochs_done"]  # the reranker's recipe once said so
        self.n_epochs_done, self.step = int(n_epochs), int(state.get("step", 0))
        self.seconds = float(state.get("seconds", 0.0))
        if self._average is not None:
            self._average.n_averaged.fill_(int(state["n_steps"]) + 1)
        self._replicas.share_statistics()

    def _parts(self) -> list[tuple[str, Any]]:
        """What a checkpoint holds, by its key."""
        average = [] if self._average is None else [("average", self._average.module)]
        return [("model", self._model), *average, ("optimizer", self._optimizer)]

    def _learn(self, batch: Batch) -> float:
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._backward(batch)
        norm = torch.nn.utils.clip_grad_norm_(self._model.parameters(), MAX_NORM)
        if not torch.isfinite(norm):
            raise StateError(
                "The loss is no longer a finite number.", remedy="Start again with a smaller --learning-rate."
            )
        self._optimizer.step()
        if self._average is not None:
            self._average.update_parameters(self._model)
        return loss

    def _settle_statistics(self) -> None:
        """Give replicas and average the mean of the running statistics that the replicas saw."""
        self._replicas.agree_on_statistics()
        if self._average is not None:
            copy_buffers(self._model, self._average.module)


class LoopCallback(Protocol[Score]):
    """Is called as a run goes on."""

    def on_step(self, progress: TrainingProgress) -> None:
        """A step was made."""

    def on_epoch(self, history: History[Score]) -> None:
        """An epoch was made and measured."""


class TrainingLoop(Generic[Score]):
    """Runs a trainer's epochs with validation. ``score`` measures the model as it is; ``weights`` are kept of the best
    epoch.

    Where ``run_directory`` is resumed, it goes on from its checkpoint. Raises StateError where that is damaged.
    """

    def __init__(
        self,
        trainer: Trainer[Any],
        run_directory: RunDirectory,
        history: History[Score],
        *,
        score: Callable[[], Score],
        weights: Callable[[], Weights],
    ) -> None:
        self._trainer, self._run_directory, self.history = trainer, run_directory, history
        self._score, self._weights = score, weights
        if run_directory.is_resumed:
            self._restore()

    def run(self, n_epochs: int, patience: int, callback: LoopCallback[Score]) -> None:
        """Train for ``n_epochs`` at most, until ``patience`` epochs brought no gain; keep a checkpoint of every epoch
        and the weights of the best one. Blocks.

        If no epoch beat the start, the checkpoints are removed. Raises StorageError where the disk refuses; what was
        kept stays, and the run can be resumed.
        """
        while self._trainer.n_epochs_done < n_epochs and not self.history.is_stale(patience):
            losses: list[float] = []

            def on_step(progress: TrainingProgress, losses: list[float] = losses) -> None:
                losses.append(progress.loss)
                callback.on_step(progress)

            self._trainer.run_epoch(on_step)
            self.history.losses.append(losses)
            self.history.scores.append(self._score())
            self._keep()
            callback.on_epoch(self.history)
        if self.history.best is None:
            self._run_directory.discard_checkpoints()

    def best_weights(self) -> Weights:
        """The weights of the best epoch, on the CPU."""
        weights: Weights = torch.load(self._run_directory.best, weights_only=True, map_location="cpu")
        return weights

    def _restore(self) -> None:
        try:
            self._trainer.restore(self._run_directory.checkpoint)
        except (OSError, RuntimeError, KeyError) as error:
            raise StateError(
                f"The checkpoint in {self._run_directory.folder} cannot be read: {error}",
                remedy="Remove the folder and start again.",
            ) from error
        self.history.cut(self._trainer.n_epochs_done)

    def _keep(self) -> None:
        """The checkpoint comes last: a run goes on from it, and repeats what came after it."""
        try:
            if self.history.best == len(self.history.scores) - 1:
                torch.save(dict(self._weights()), self._run_directory.best)
            self._run_directory.write_history(self.history)
            self._trainer.save(self._run_directory.checkpoint)
        except (OSError, RuntimeError) as error:  # torch raises the latter for a full disk
            raise StorageError(
                f"The checkpoint cannot be written to {self._run_directory.folder}: {error}",
                remedy="Free some space there and continue with --resume.",
            ) from error
