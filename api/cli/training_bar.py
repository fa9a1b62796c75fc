"""The progress bar of every tuning run."""

from __future__ import annotations

from typing import Self

from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from api.cli.console import errors
from api.cli.rate import RateColumn
from training.trainer import Progress as Step
from training.tuning.history import History, Score


class TrainingBar:
    """A progress bar with the loss, the steps a second and the time left; a line for every epoch's score."""

    def __init__(self, n_epochs: int) -> None:
        self._n_epochs = n_epochs
        self._task: TaskID | None = None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[loss]}"),
            RateColumn("steps"),
            TimeRemainingColumn(),
            console=errors,
        )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def on_step(self, progress: Step) -> None:
        """Move the bar."""
        said, loss = f"Epoch {progress.epoch + 1}/{self._n_epochs}", f"loss {progress.loss:.3f}"
        total, done = self._n_epochs * progress.n_steps, progress.epoch * progress.n_steps + progress.step
        if self._task is None:
            self._task = self._bar.add_task(said, total=total, completed=done, loss=loss)
        self._bar.update(self._task, completed=done + 1, description=said, loss=loss)

    def on_epoch(self, history: History[Score]) -> None:
        """Say what the epoch reached."""
        epoch, score, losses = len(history.scores), history.scores[-1], history.losses[-1]
        kept = ", the best so far" if history.best == epoch - 1 else ""
        say(f"Epoch {epoch}: loss {sum(losses) / len(losses):.3f}, {score.said}{kept}")


def say(line: str) -> None:
    """A line above the bar, as it is."""
    errors.print(line, highlight=False, markup=False, soft_wrap=True)
