"""Where the command line writes, its progress bars, and the options that several commands share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, TypeVar

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from vitrina.search.types.errors import InputError, VitrinaError

if TYPE_CHECKING:
    from vitrina.api.settings import Settings

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


def tell_waiting() -> None:
    """Say that another import keeps this one waiting."""
    print_note("Another import into this store is under way; waiting for it to finish.")


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
