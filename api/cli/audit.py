"""``vitrina audit``."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from vitrina.api.cli import EXIT_INTERRUPTED
from vitrina.api.cli.console import errors, output, progress_bar
from vitrina.api.cli.search import percent
from vitrina.api.rerankers import needed_reranker, open_reranker
from vitrina.api.settings import Settings, encoder_for
from vitrina.evaluation.audit_report import write_audit
from vitrina.search.audit.audit import Audit, AuditSummary, LabelError
from vitrina.search.audit.fields import choose_fields
from vitrina.search.engine import SearchEngine
from vitrina.search.reranking.pipeline import RerankPipeline
from vitrina.search.store.store import Store
from vitrina.search.types.errors import InputError, StorageError, VitrinaError
from vitrina.search.understanding.catalog_attributes import CatalogVocabulary

N_SHOWN = 20

COLUMNS = ("sku", "title", "field", "listed", "looks", "listed_probability", "looks_probability", "image_id")

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a cell that begins so (OWASP, "CSV Injection")."""


def show_label_errors(summary: AuditSummary) -> None:
    """Print the surest contradictions, how many there are by field, and what could not be looked at."""
    found = summary.label_errors()
    if found:
        output.print(label_errors_table(found[:N_SHOWN]))
        output.print()
    more = f", the surest {N_SHOWN} of them above" if len(found) > N_SHOWN else ""
    noun = "contradiction" if len(found) == 1 else "contradictions"
    output.print(f"{len(found):,} {noun} between listing and photo{more}", highlight=False)
    for field in summary.fields:
        n_found, n_checked = len(summary.label_errors(field)), summary.checked[field]
        output.print(f"{field}: {n_found:,} of {n_checked:,} checked", highlight=False, markup=False)
    for sentence in summary.sentences():
        errors.print(sentence, highlight=False, markup=False, soft_wrap=True)


def label_errors_table(found: Sequence[LabelError]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("sku", no_wrap=True)
    table.add_column("title", ratio=1)
    table.add_column("field", no_wrap=True)
    table.add_column("listing says")
    table.add_column("photo looks")
    for each in found:
        table.add_row(
            Text(each.sku),
            Text(each.title),
            Text(each.field),
            Text.assemble(each.catalog_value, (f" {percent(each.catalog_probability)}", "dim")),
            Text.assemble(each.image_value, (f" {percent(each.image_probability)}", "dim")),
        )
    return table


def write_csv(path: Path, found: Sequence[LabelError]) -> None:
    """Write one line each, in UTF-8 with the mark by which spreadsheets know it. An apostrophe goes before what a
    spreadsheet would run as a formula. Raises OSError."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for each in found:
            texts = (each.sku, each.title, each.field, each.catalog_value, each.image_value)
            shares = (f"{each.catalog_probability:.3f}", f"{each.image_probability:.3f}")
            writer.writerow((*map(harmless, texts), *shares, each.image_id))


def harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULAS) else text


Stop = KeyboardInterrupt | VitrinaError
"""What ended an audit before its last item."""


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """An audit as it was typed."""

    fields: tuple[str, ...] = ()
    limit: int | None = None
    csv: Path | None = None
    report: Path | None = None


def audit_catalog(settings: Settings, asked: AuditOptions) -> None:
    """Hold listings against their photos; print what contradicts, and keep what was asked for.

    What can be wrong with the arguments is said before a model is opened. What was found before Ctrl-C, or before the
    reranker failed for good, is printed and kept as well.
    """
    check_files(asked)
    name = needed_reranker(settings)
    store = Store.existing(settings.store)
    vocabulary = CatalogVocabulary(store.catalog).current()
    fields = choose_fields(store.catalog, vocabulary, asked.fields)
    for note in fields.notes:
        errors.print(note, highlight=False, markup=False, soft_wrap=True)
    summary = AuditSummary(fields.names)
    with ExitStack() as closing:
        with errors.status("Loading the encoder"):
            engine = SearchEngine.open(store, encoder_for(store, settings))
        with errors.status(f"Opening the reranker {escape(name)}"):
            reranker = open_reranker(settings, closing)
            stage = closing.enter_context(RerankPipeline.open(store, reranker))
        stop = audit_with_progress(Audit(engine, stage, vocabulary, fields.names), store, asked.limit, summary)
    show_label_errors(summary)
    keep(store, asked, summary, reranker.identity.name, [*fields.notes, *(["It ended early."] if stop else [])])
    store.close()
    if isinstance(stop, VitrinaError):
        raise stop
    if stop is not None:
        errors.print("Interrupted. This is what was found until then.")
        raise typer.Exit(EXIT_INTERRUPTED)


def check_files(asked: AuditOptions) -> None:
    """Raise InputError where a file cannot be made in the end."""
    for path in (asked.csv, asked.report):
        if path is not None and not path.absolute().parent.is_dir():
            raise InputError(f"There is no folder {path.parent} for {path.name}.", remedy="Make it first.")


def audit_with_progress(audit: Audit, store: Store, limit: int | None, summary: AuditSummary) -> Stop | None:
    """Count what becomes of each item, or of the first ``limit``; returns what ended it early, if anything did."""
    n_items = store.catalog.counts()["items"]
    with progress_bar() as bar:
        task = bar.add_task("Looking", total=n_items if limit is None else min(limit, n_items))
        try:
            for audited in audit.of(islice(store.catalog.all_items(), limit)):
                summary.add(audited)
                bar.update(task, completed=summary.n_items)
        except (KeyboardInterrupt, VitrinaError) as stop:
            return stop
    return None


def keep(store: Store, asked: AuditOptions, summary: AuditSummary, reranker: str, notes: Sequence[str]) -> None:
    """Write the table and the report, where they were asked for. Raises StorageError."""
    try:
        if asked.csv is not None:
            write_csv(asked.csv, summary.label_errors())
            output.print(f"All of them, one a line: {asked.csv}", highlight=False, markup=False, soft_wrap=True)
        if asked.report is not None:
            with errors.status("Drawing the report"):
                write_audit(asked.report, store.images, summary, reranker=reranker, notes=notes)
            output.print(f"The report: {asked.report}", highlight=False, markup=False, soft_wrap=True)
    except OSError as error:
        raise StorageError(
            f"{error.filename} cannot be written: {error.strerror}.", remedy="Choose another place for it."
        ) from error
