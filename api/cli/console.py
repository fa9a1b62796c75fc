"""Where the command line writes, and the options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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

from vitrina.api.settings import Settings


class RateColumn(ProgressColumn):
    """Rows, or what ``unit`` names, a second, over the last half minute."""

    def __init__(self, unit: str = "") -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if speed is None:
            return Text("")
        shown = f"{speed:,.0f}" if speed >= 10 else f"{speed:.1f}"
        return Text(f"{shown} {self._unit}/s" if self._unit else f"{speed:,.0f}/s", style="progress.data.speed")


output = Console()
errors = Console(stderr=True)


def progress_bar() -> Progress:
    """A bar with count, rate and time left, on standard error."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
        console=errors,
    )


StoreOption = Annotated[
    Path | None, typer.Option("--home", help="The catalog's folder; VITRINA_HOME, else the platform's data folder.")
]


def settings_for(store: Path | None) -> Settings:
    """The settings, with the folder that ``--home`` names."""
    settings = Settings()
    return settings if store is None else settings.model_copy(update={"store": store})
