"""The course of a run: epochs, each measured and kept, until nothing gets better."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, Protocol

import torch

from vitrina.search.types.errors import StateError, StorageError
from vitrina.tuning.encoder.trainer import TrainingProgress
from vitrina.tuning.run_directory import History, RunDirectory, Score

Weights = Mapping[str, torch.Tensor]


class LoopCallback(Protocol[Score]):
    """Is told how a run goes on."""

    def on_step(self, progress: TrainingProgress) -> None:
        """A step was made."""

    def on_epoch(self, history: History[Score]) -> None:
        """An epoch was made and measured."""


class EpochTrainer(Protocol):
    """Trains epoch by epoch, and can go on from a checkpoint."""

    @property
    def n_epochs_done(self) -> int:
        """Epochs so far, those before a checkpoint included."""

    def run_epoch(self, on_step: Callable[[TrainingProgress], None]) -> None:
        """Make one."""

    def save(self, path: Path) -> None:
        """Write a checkpoint in one piece."""

    def restore(self, path: Path) -> None:
        """Go on from it. Raises OSError, RuntimeError or KeyError."""


class TrainingLoop(Generic[Score]):
    """Runs a trainer's epochs. ``score`` measures the model as it is, ``weights`` are what is kept of the best epoch.

    Making one goes on from the checkpoint in ``work`` where that is resumed. Raises StateError where it is damaged.
    """

    def __init__(
        self,
        trainer: EpochTrainer,
        work: RunDirectory,
        history: History[Score],
        *,
        score: Callable[[], Score],
        weights: Callable[[], Weights],
    ) -> None:
        self._trainer, self._work, self.history = trainer, work, history
        self._score, self._weights = score, weights
        if work.is_resumed:
            self._restore()

    def run(self, n_epochs: int, patience: int, watcher: LoopCallback[Score]) -> None:
        """Train until ``patience`` epochs brought nothing, ``n_epochs`` at most; keep a checkpoint of every epoch and
        the best one's weights. Blocks.

        Where no epoch beat the start, the checkpoints are removed. Raises StorageError where the disk refuses; what was
        kept stays, and the run can be resumed.
        """
        while self._trainer.n_epochs_done < n_epochs and not self.history.is_stale(patience):
            losses: list[float] = []

            def on_step(progress: TrainingProgress, losses: list[float] = losses) -> None:
                losses.append(progress.loss)
                watcher.on_step(progress)

            self._trainer.run_epoch(on_step)
            self.history.losses.append(losses)
            self.history.scores.append(self._score())
            self._keep()
            watcher.on_epoch(self.history)
        if self.history.best is None:
            self._work.discard_checkpoints()

    def best_weights(self) -> Weights:
        """What was kept of the best epoch, on the CPU."""
        weights: Weights = torch.load(self._work.best, weights_only=True, map_location="cpu")
        return weights

    def _restore(self) -> None:
        try:
            self._trainer.restore(self._work.checkpoint)
        except (OSError, RuntimeError, KeyError) as error:
            raise StateError(
                f"The checkpoint in {self._work.folder} cannot be read: {error}",
                remedy="Remove the folder and begin anew.",
            ) from error
        self.history.cut(self._trainer.n_epochs_done)

    def _keep(self) -> None:
        """The checkpoint comes last: a run goes on from it, and does again what came after it."""
        try:
            if self.history.best == len(self.history.scores) - 1:
                torch.save(dict(self._weights()), self._work.best)
            self._work.write_history(self.history)
            self._trainer.save(self._work.checkpoint)
        except (OSError, RuntimeError) as error:  # torch raises the latter for a full disk
            raise StorageError(
                f"The checkpoint cannot be written to {self._work.folder}: {error}",
                remedy="Make room there and go on with --resume.",
            ) from error
