"""``vitrina train``: the options that its commands share, and how far a training is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from vitrina.api.cli.console import RateColumn, errors, print_note

if TYPE_CHECKING:
    from vitrina.tuning.loop import TrainingProgress
    from vitrina.tuning.run_directory import History, Score

app = typer.Typer(name="train", no_args_is_help=True, help="Tune models on a catalog's own rows.")

CHART = "loss.png"

OutOption = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The new model's folder.")]
StartOption = Annotated[
    str | None,
    typer.Option("--from", metavar="NAME", help="The model to start from; an encoder's default is the catalog's own."),
]
EpochsOption = Annotated[int, typer.Option("--epochs", min=1, help="The most times to see each row or query.")]
LearningRateOption = Annotated[
    float | None,
    typer.Option("--learning-rate", help="By default chosen from the model's size, and whether it is LoRA."),
]
HeldOutOption = Annotated[
    float, typer.Option("--held-out", metavar="SHARE", help="The share to measure on instead of training on it.")
]
PatienceOption = Annotated[int, typer.Option("--patience", min=1, help="Epochs without gain before training stops.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of every random choice in training.")]
ThreadsOption = Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads.")]
LicenceOption = Annotated[
    str, typer.Option("--licence", metavar="TEXT", help="The data's licence, for the model card.")
]
RunDirectoryOption = Annotated[
    Path | None, typer.Option("--run-dir", metavar="FOLDER", help="Where checkpoints go; by default beside --out.")
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Continue after the last finished epoch.")]


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


def run_directory_for(out: Path, chosen: Path | None) -> Path:
    """Where a run keeps its checkpoints: the chosen folder, else one beside ``out``."""
    return chosen or out.with_name(f"{out.name}.work")


def limit_threads(n_threads: int | None) -> None:
    """Set how many CPU threads PyTorch uses; None leaves its default."""
    import torch

    if n_threads is not None:
        torch.set_num_threads(n_threads)


def show_no_gain(reached: str, chart: Path, remedy: str) -> None:
    """Print that no epoch improved on the start, what was reached, and what to try."""
    print_note(f"{reached} No model was written.")
    print_note(f"Try {remedy}. The chart of the losses: {chart}")
