"""The report of a run over a source, as data: what was read and from where, what was left out, what would mend it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vitrina.indexer.pipeline import IndexingProgress
from vitrina.indexer.sources import TableSource
from vitrina.indexer.sources.attributes import attribute_key
from vitrina.indexer.sources.base import Source
from vitrina.indexer.summary import LeftOut

MAX_NAMES_SHOWN = 40

_ADVISED = ("title", "image", "price")
"""The fields whose lack is worth a line: an item can do without each, a shop hardly."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a source's rows, or would: ``changes`` in words, a ``table`` of labels and values, what was left
    out by reason, and ``advice`` on fields that no column was found for. ``n_gone`` of the ``n_before`` items that came
    from the source are no longer in it, of which ``n_deleted`` were deleted; with ``is_gone_doubtful`` so many that it
    may be the wrong file."""

    source: str
    dialect: str
    changes: str
    seconds: float
    table: tuple[tuple[str, str], ...]
    left_out: tuple[LeftOut, ...]
    advice: tuple[str, ...]
    notes: tuple[str, ...]
    n_gone: int
    n_before: int
    n_deleted: int
    is_gone_doubtful: bool


def report_of(source: Source, done: IndexingProgress, *, dry_run: bool) -> ImportReport:
    """The report at the end of a run, or of a plan."""
    return ImportReport(
        source=source.name,
        dialect=source.dialect,
        changes=_changes(done, dry_run=dry_run),
        seconds=done.seconds,
        table=tuple(_table(source, done)),
        left_out=tuple(done.summary.left_out),
        advice=tuple(_advice(source, done)),
        notes=(*source.notes, *_beside(done)),
        n_gone=done.gone.n_gone,
        n_before=done.gone.n_before,
        n_deleted=done.n_deleted,
        is_gone_doubtful=done.gone.is_doubtful,
    )


def _changes(report: IndexingProgress, *, dry_run: bool) -> str:
    would = "would be " if dry_run else ""
    counts = (
        (report.n_added, "added"),
        (report.n_updated, "updated"),
        (report.n_unchanged, "unchanged"),
        (report.n_rejected, "rejected"),
    )
    return ", ".join(f"{n:,} {would}{what}" for n, what in counts if n or what == "added")


def _table(source: Source, report: IndexingProgress) -> Iterator[tuple[str, str]]:
    """What was read and from where, one line for each."""
    summary = report.summary
    n_hidden = source.hidden.n_rows if isinstance(source, TableSource) else 0
    yield "rows read", f"{summary.n_rows + n_hidden:,}"
    if summary.n_repeated_rows:
        yield "repeated", f"{rows_in_words(summary.n_repeated_rows)}, the same as earlier ones"
    n_items = report.n_added + report.n_updated + report.n_unchanged
    yield "items", f"{n_items:,}"
    yield "variants", f"{summary.n_variants:,}"
    failed = f", {report.n_failed_images:,} of them could not be used" if report.n_failed_images else ""
    yield "images", f"{summary.n_images:,}{failed}"
    without = n_items - summary.n_prices if "price" in source.fields else 0
    yield (
        "prices",
        f"{summary.n_prices:,}"
        + (f"; {without:,} {'item has' if without == 1 else 'items have'} none" if without > 0 else ""),
    )
    if summary.n_rejected_rows:
        yield "left out", rows_in_words(summary.n_rejected_rows)
    for field, column in source.fields.items():
        yield field, f"from {column}"
    if summary.attributes:
        yield "attributes", _joined(sorted(summary.attributes))
    if unused := unused_columns(source):
        yield "not used", _joined(unused)


def unused_columns(source: Source) -> list[str]:
    """The columns of a table that nothing is read from: those that its dialect leaves out, and empty ones."""
    if not isinstance(source, TableSource):
        return []
    columns = source.table.columns
    unnamed = ["1 without a name"] if "" in columns else []
    empty = [f"{column} (empty)" for column in columns if column in source.empty_columns]
    ignored = [column for column in columns if column in source.ignored - source.empty_columns - source.used_columns]
    return [*ignored, *empty, *unnamed]


def _advice(source: Source, report: IndexingProgress) -> Iterator[str]:
    """A line for each field that no column was found for, or whose columns say nothing."""
    summary = report.summary
    found = {"title": summary.n_titles, "image": summary.n_images, "price": summary.n_prices}
    if not isinstance(source, TableSource) or not summary.n_rows:
        return
    for field in _ADVISED:
        if found[field] or (field == "price" and "price_cents" in source.fields):
            continue
        columns = [column for column in source.table.columns if column]
        free = [column for column in columns if column not in source.used_columns | source.empty_columns]
        guess = _column_of(summary.likely_attribute(field), free)
        spelled = f"{field}={guess or 'COLUMN'}"
        option = f'--map "{spelled}"' if " " in spelled else f"--map {spelled}"
        if field in source.fields:
            why = f"{source.fields[field]} says nothing that can be read as one"
        else:
            why = f"no column is known to hold it (columns: {_joined(columns)})"
        mend = f"; {guess} may, add {option}" if guess else f"; if another one does, add {option}" if free else ""
        yield f"no {field}: {why}{mend}"


def _beside(report: IndexingProgress) -> Iterator[str]:
    """A line for each other source of the same file name, whose items are none of this one's."""
    for name, n_items in report.beside.items():
        items = "item belongs" if n_items == 1 else "items belong"
        option = f'--source "{name}"' if " " in name else f"--source {name}"
        yield (
            f"{n_items:,} {items} to another source of this file name, {name}, and are not deleted with this one's. "
            f"If both are one catalog, index it as that one: {option}"
        )


def _column_of(key: str | None, columns: Sequence[str]) -> str | None:
    return next((column for column in columns if key and attribute_key(column) == key), None)


def rows_in_words(n: int) -> str:
    """So many rows, in words."""
    return f"{n:,} row" if n == 1 else f"{n:,} rows"


def _joined(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MAX_NAMES_SHOWN])
    return shown if len(names) <= MAX_NAMES_SHOWN else f"{shown} and {len(names) - MAX_NAMES_SHOWN} more"
