"""``vitrina audit``."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from vitrina.api.cli.console import (
    EXIT_INTERRUPTED,
    ReportOption,
    StoreOption,
    check_folders,
    errors,
    output,
    print_line,
    print_note,
    progress,
    settings_for,
)
from vitrina.api.cli.search import percent
from vitrina.search.types.errors import StorageError, VitrinaError

if TYPE_CHECKING:
    from vitrina.search.audit.audit import Audit, AuditSummary, LabelError
    from vitrina.search.store.store import Store

N_SHOWN = 20

COLUMNS = (
    "sku",
    "title",
    "field",
    "catalog_value",
    "image_value",
    "catalog_probability",
    "image_probability",
    "image_id",
)
"""Of the CSV file."""

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a cell that begins with one of these (OWASP, "CSV Injection")."""

Stop = KeyboardInterrupt | VitrinaError
"""What ended an audit before its last item."""


def audit(
    fields: Annotated[
        list[str] | None,
        typer.Option(
            "--field", metavar="NAME", help="A field to audit; by default colour, pattern and article. Repeatable."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Check the first N items only.")] = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write every contradiction to a table, one per row.")
    ] = None,
    report: ReportOption = None,
    folder: StoreOption = None,
) -> None:
    """Find listings that contradict their photos, using the model that VITRINA_RERANKER names.

    What was found before Ctrl-C, or before the reranker failed for good, is printed and written, too.
    """
    from vitrina.api.audits import AuditRequest, keep_result, result_of
    from vitrina.api.rerankers import needed_reranker, open_reranker
    from vitrina.api.settings import encoder_for, existing_store
    from vitrina.search.audit.audit import Audit, AuditSummary
    from vitrina.search.audit.fields import choose_fields
    from vitrina.search.engine import SearchEngine
    from vitrina.search.reranking.pipeline import RerankPipeline
    from vitrina.search.understanding.catalog_attributes import CatalogVocabulary

    # Everything that can be wrong with the options is reported before a model is opened.
    check_folders([csv_file, report])
    settings = settings_for(folder)
    name = needed_reranker(settings)
    with closing(existing_store(settings)) as store, ExitStack() as stack:
        vocabulary = CatalogVocabulary(store.catalog).current()
        audited = choose_fields(store.catalog, vocabulary, fields or [])
        for note in audited.notes:
            print_note(note)
        with errors.status("Loading the encoder"):
            engine = SearchEngine.open(store, encoder_for(store, settings))
        with errors.status(f"Opening the reranker {escape(name)}"):
            reranker = open_reranker(settings, stack)
            stage = stack.enter_context(RerankPipeline.open(store, reranker))
        summary = AuditSummary(audited.names)
        stop = audit_with_progress(
            Audit(engine.encoder, engine.replica, stage, vocabulary, audited.names), store, limit, summary
        )
        show_label_errors(summary)
        notes = [*audited.notes, *(["It ended early."] if stop else [])]
        result = result_of(summary, reranker.identity.name, notes)
        keep_result(store, AuditRequest(tuple(fields or ()), limit), result)
        keep(store, summary, reranker.identity.name, notes, csv_file, report)
    if isinstance(stop, VitrinaError):
        raise stop
    if stop is not None:
        print_note("Interrupted. These are the results so far.")
        raise typer.Exit(EXIT_INTERRUPTED)


def audit_with_progress(audit: Audit, store: Store, limit: int | None, summary: AuditSummary) -> Stop | None:
    """Add each item, or the first ``limit``, to the summary; returns what ended it early, if anything did."""
    n_items = store.catalog.count("items")
    with progress("Auditing", n_items if limit is None else min(limit, n_items)) as on_progress:
        try:
            for audited in audit.of(islice(store.catalog.all_items(), limit)):
                summary.add(audited)
                on_progress(summary.n_items)
        except (KeyboardInterrupt, VitrinaError) as stop:
            return stop
    return None


def keep(
    store: Store,
    summary: AuditSummary,
    reranker: str,
    notes: Sequence[str],
    csv_file: Path | None,
    report: Path | None,
) -> None:
    """Write the table and the report if they were asked for. Raises StorageError."""
    from vitrina.evaluation.report import write_audit

    try:
        if csv_file is not None:
            write_csv(csv_file, summary.label_errors())
            print_line(f"All of them, one per row: {csv_file}")
        if report is not None:
            with errors.status("Writing the report"):
                write_audit(report, store.images, summary, reranker=reranker, notes=notes)
            print_line(f"The report: {report}")
    except OSError as error:
        raise StorageError(
            f"{error.filename} cannot be written: {error.strerror}.", remedy="Choose another place for it."
        ) from error


def show_label_errors(summary: AuditSummary) -> None:
    """Print the most confident label errors, their number by field, and what could not be checked."""
    found = summary.label_errors()
    if found:
        output.print(label_errors_table(found[:N_SHOWN]))
        output.print()
    more = f", the most confident {N_SHOWN} of them above" if len(found) > N_SHOWN else ""
    noun = "contradiction" if len(found) == 1 else "contradictions"
    print_line(f"{len(found):,} {noun} between listing and photo{more}")
    for field in summary.fields:
        n_found, n_checked = len(summary.label_errors(field)), summary.checked[field]
        print_line(f"{field}: {n_found:,} of {n_checked:,} checked")
    for sentence in summary.sentences():
        print_note(sentence)


def label_errors_table(found: Sequence[LabelError]) -> Table:
    """One row for each label error: what the catalog says, and what the image shows."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("sku", no_wrap=True)
    table.add_column("title", ratio=1)
    table.add_column("field", no_wrap=True)
    table.add_column("listing says")
    table.add_column("photo shows")
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
    """Write a row for each, in UTF-8 with a byte order mark, which spreadsheets expect. Raises OSError."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for each in found:
            texts = (each.sku, each.title, each.field, each.catalog_value, each.image_value)
            shares = (f"{each.catalog_probability:.3f}", f"{each.image_probability:.3f}")
            writer.writerow((*map(harmless, texts), *shares, each.image_id))


def harmless(text: str) -> str:
    """The text, with an apostrophe before it if a spreadsheet would run it as a formula."""
    return f"'{text}" if text.startswith(FORMULAS) else text
