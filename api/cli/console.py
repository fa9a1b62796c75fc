"""Where the command line writes, its progress bars, and the options that several commands share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, Self, TypeVar

import typer
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

from vitrina.search.types.errors import InputError, VitrinaError

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


def print_error(error: VitrinaError) -> None:
    """Print an error and its remedy to standard error."""
    errors.print(Text.assemble(("Error: ", "bold red"), error.message), soft_wrap=True)
    print_note(error.remedy)


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
def progress(description: str, total: int | None = None, unit: str = "") -> Iterator[OnProgress]:
    """Show a bar with count, rate and time left on standard error; yields the callback that moves it."""
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        RateColumn(unit),
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


if TYPE_CHECKING:
    from vitrina.api.settings import Settings

RETIRED_OPTIONS: Mapping[str, str] = {
    "--home": "--store",
    "--anew": "--force",
    "--set-aside": "--held-out",
    "--work": "--run-dir",
    "--rows-at-once": "--micro-batch-size",
}
"""Accepted for one more version, with a warning."""

StoreOption = Annotated[
    Path | None,
    typer.Option("--store", help="The catalog's folder; by default VITRINA_STORE, else the platform's data folder."),
]

_JUDGEMENTS = typer.Option(
    "--judgements", metavar="FILE", help="Judged queries as JSON lines or TREC qrels, as vitrina eval reads them."
)
JudgementsOption = Annotated[Path, _JUDGEMENTS]
OptionalJudgementsOption = Annotated[Path | None, _JUDGEMENTS]
QueriesOption = Annotated[
    Path | None,
    typer.Option("--queries", metavar="FILE", help="The query texts of TREC qrels: id, tab, text on each line."),
]
ByOption = Annotated[
    list[str] | None,
    typer.Option(
        "--by",
        metavar="FIELD",
        help="Query for each value of a field, or of a template such as '{colour} {article} for {gender}'. Repeatable.",
    ),
]
LikeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--like", metavar="FIELD", help="Query with each item's image for the others of the same value. Repeatable."
    ),
]
ReportOption = Annotated[
    Path | None, typer.Option("--report", metavar="FILE.html", help="Write a report as an HTML page.")
]


def settings_for(store: Path | None) -> Settings:
    """The settings, with the folder that ``--store`` names. Raises StateError."""
    from vitrina.api.settings import read_settings

    settings = read_settings()
    return settings if store is None else settings.model_copy(update={"store": store})


def check_folders(files: Sequence[Path | None]) -> None:
    """Raise InputError if a file cannot be written at the end because its folder does not exist."""
    for path in files:
        if path is not None and not path.absolute().parent.is_dir():
            raise InputError(f"There is no folder {path.parent} for {path.name}.", remedy="Create it first.")


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

CHART = "loss.png"

train_app = typer.Typer(name="train", no_args_is_help=True, help="Tune models on a catalog's own rows.")


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
