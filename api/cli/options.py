"""The options that several commands share, and the retired names of options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vitrina.search.types.errors import InputError

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
    """The settings, with the folder that ``--store`` names."""
    from vitrina.api.settings import Settings

    settings = Settings()
    return settings if store is None else settings.model_copy(update={"store": store})


def check_folders(files: Sequence[Path | None]) -> None:
    """Raise InputError if a file cannot be written at the end because its folder does not exist."""
    for path in files:
        if path is not None and not path.absolute().parent.is_dir():
            raise InputError(f"There is no folder {path.parent} for {path.name}.", remedy="Create it first.")
