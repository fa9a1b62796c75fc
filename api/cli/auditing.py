"""``vitrina audit``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import typer
from rich.markup import escape

from api.cli import EXIT_INTERRUPTED
from api.cli.console import errors, output, progress_bar
from api.cli.contradictions import show_audit, write_csv
from api.loading import encoder_for
from api.rerankers import needed_reranker, open_reranker
from api.settings import Settings
from evaluation.report.audit import write_audit
from search.errors import InputError, StorageError, VitrinaError
from search.home import Home
from search.requirements.following import CatalogVocabulary
from search.reranking.auditing.audit import Audit
from search.reranking.auditing.fields import fields_to_audit
from search.reranking.auditing.tally import Tally

Stop = KeyboardInterrupt | VitrinaError
"""What ended an audit before its last item."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An audit as it was typed."""

    fields: tuple[str, ...] = ()
    limit: int | None = None
    csv: Path | None = None
    report: Path | None = None


def audit_catalog(settings: Settings, asked: Asked) -> None:
    """Hold listings against their photos; print what contradicts, and keep what was asked for.

    What can be wrong with the arguments is said before a model is opened. What was found before Ctrl-C, or before the
    reranker failed for good, is printed and kept as well.
    """
    check_files(asked)
    name = needed_reranker(settings)
    home = Home.existing(settings.home)
    vocabulary = CatalogVocabulary(home.catalog).current()
    fields = fields_to_audit(home.catalog, vocabulary, asked.fields)
    for note in fields.notes:
        errors.print(note, highlight=False, markup=False, soft_wrap=True)
    tally = Tally(fields.names)
    with ExitStack() as closing:
        with errors.status("Loading the encoder"):
            engine = home.open_engine(encoder_for(home, settings))
        with errors.status(f"Opening the reranker {escape(name)}"):
            reranker = open_reranker(settings, closing)
            stage = closing.enter_context(home.open_stage(reranker))
        stop = look_with_progress(Audit(engine, stage, vocabulary, fields.names), home, asked.limit, tally)
    show_audit(tally)
    keep(home, asked, tally, reranker.identity.name, [*fields.notes, *(["It ended early."] if stop else [])])
    home.close()
    if isinstance(stop, VitrinaError):
        raise stop
    if stop is not None:
        errors.print("Interrupted. This is what was found until then.")
        raise typer.Exit(EXIT_INTERRUPTED)


def check_files(asked: Asked) -> None:
    """Raise InputError where a file cannot be made in the end."""
    for path in (asked.csv, asked.report):
        if path is not None and not path.absolute().parent.is_dir():
            raise InputError(f"There is no folder {path.parent} for {path.name}.", remedy="Make it first.")


def look_with_progress(audit: Audit, home: Home, limit: int | None, tally: Tally) -> Stop | None:
    """Count what becomes of each item, or of the first ``limit``; returns what ended it early, if anything did."""
    n_items = home.catalog.counts()["items"]
    with progress_bar() as bar:
        task = bar.add_task("Looking", total=n_items if limit is None else min(limit, n_items))
        try:
            for audited in audit.of(islice(home.catalog.all_items(), limit)):
                tally.add(audited)
                bar.update(task, completed=tally.n_items)
        except (KeyboardInterrupt, VitrinaError) as stop:
            return stop
    return None


def keep(home: Home, asked: Asked, tally: Tally, reranker: str, notes: Sequence[str]) -> None:
    """Write the table and the report, where they were asked for. Raises StorageError."""
    try:
        if asked.csv is not None:
            write_csv(asked.csv, tally.contradictions())
            output.print(f"All of them, one a line: {asked.csv}", highlight=False, markup=False, soft_wrap=True)
        if asked.report is not None:
            with errors.status("Drawing the report"):
                write_audit(asked.report, home.images, tally, reranker=reranker, notes=notes)
            output.print(f"The report: {asked.report}", highlight=False, markup=False, soft_wrap=True)
    except OSError as error:
        raise StorageError(
            f"{error.filename} cannot be written: {error.strerror}.", remedy="Choose another place for it."
        ) from error
