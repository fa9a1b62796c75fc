"""Where the command line prints: the two consoles and the progress bars."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

if TYPE_CHECKING:
    from vitrina.tuning.loop import TrainingProgress
    from vitrina.tuning.run_directory import History, Score

EXIT_STATE = 1
EXIT_INPUT = 2
EXIT_INTERRUPTED = 130

output = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

T = TypeVar("T")


class OnProgress(Protocol):
    """Called with the number done, and with the total if it is known only now."""

    def __call__(self, n_done: int, n_total: int | None = None) -> None: ...


def print_line(text: str) -> None:
    """Print to standard output as is, without markup, and without wrapping it."""
    output.print(text, markup=False, soft_wrap=True)


def print_note(text: str) -> None:
    """Print to standard error as is, without markup, and without wrapping it; above a progress bar if there is one."""
    errors.print(text, markup=False, soft_wrap=True)


class RateColumn(ProgressColumn):
    """Rows, or what ``unit`` names, per second, over the last half minute."""

    def __init__(self, unit: str = "") -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if speed is None:
            return Text("")
        shown = f"{speed:,.0f}" if speed >= 10 else f"{speed:.1f}"
        return Text(f"{shown} {self._unit}/s" if self._unit else f"{speed:,.0f}/s", style="progress.data.speed")


@contextmanager
def progress(description: str, total: int | None = None) -> Iterator[OnProgress]:
    """Show a bar with count, rate and time left on standard error; yields the callback that moves it."""
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
        console=errors,
    ) as bar:
        task = bar.add_task(description, total=total)

        def on_progress(n_done: int, n_total: int | None = None) -> None:
            bar.update(task, completed=n_done, total=n_total)

        yield on_progress


def with_progress(items: Iterable[T], description: str, total: int) -> Iterator[T]:
    """Yield the items under a progress bar."""
    with progress(description, total) as on_progress:
        for n_done, item in enumerate(items, start=1):
            yield item
            on_progress(n_done)


class TrainingBar:
    """A bar with the loss, the steps per second and the time left; one line above it for every epoch's score."""

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

    def on_step(self, progress: TrainingProgress) -> None:
        """Move the bar."""
        description, loss = f"Epoch {progress.epoch + 1}/{self._n_epochs}", f"loss {progress.loss:.3f}"
        total, done = self._n_epochs * progress.n_steps, progress.epoch * progress.n_steps + progress.step
        if self._task is None:
            self._task = self._bar.add_task(description, total=total, completed=done, loss=loss)
        self._bar.update(self._task, completed=done + 1, description=description, loss=loss)

    def on_epoch(self, history: History[Score]) -> None:
        """Print the epoch's loss and score."""
        epoch, score, losses = len(history.scores), history.scores[-1], history.losses[-1]
        is_best = ", the best so far" if history.best == epoch - 1 else ""
        print_note(f"Epoch {epoch}: loss {sum(losses) / len(losses):.3f}, {score.said}{is_best}")
