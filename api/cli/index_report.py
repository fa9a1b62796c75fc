"""What ``vitrina index`` says of each source at its end: what was read, what was left out, and what would mend it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vitrina.api.cli.console import print_line, print_note

if TYPE_CHECKING:
    from vitrina.indexer.pipeline import IndexingProgress
    from vitrina.indexer.sources.base import Record, Source
    from vitrina.indexer.summary import LeftOut

EXIT_NOTHING = 1
EXIT_PARTLY = 3

MAX_REASONS_SHOWN = 20
MAX_NAMES_SHOWN = 40
MAX_VALUE_CHARS = 100

_ADVISED = ("title", "image", "price")
"""The fields whose lack is worth a line: an item can do without each, a shop hardly."""


def exit_status(reports: Sequence[IndexingProgress]) -> int:
    """0 if every row went in, 3 if some did not, 1 if none did."""
    if not any(report.n_added + report.n_updated + report.n_unchanged for report in reports):
        return EXIT_NOTHING
    return EXIT_PARTLY if any(report.n_rejected for report in reports) else 0


def show_report(source: Source, report: IndexingProgress, *, dry_run: bool) -> None:
    """Print what happened to the source's rows, or would happen."""
    for note in source.notes:
        print_note(note)
    duration = "" if dry_run else f" in {report.seconds:.1f} s"
    print_line(f"{source.name} ({source.dialect}): {_changes(report, dry_run=dry_run)}{duration}")
    for label, value in _table(source, report):
        print_line(f"  {label:<11} {value}")
    for line in (*_left_out(report.summary.left_out), *_advice(source, report)):
        print_line(f"  {line}")
    if dry_run:
        for record in report.summary.examples:
            _show_example(record)
    if report.dead_letters is not None:
        print_line(f"Reasons and remedies, one line each: {report.dead_letters}")


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
    yield "rows read", f"{summary.n_rows:,}"
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
        yield "left out", _rows(summary.n_rejected_rows)
    for field, column in source.fields.items():
        yield field, f"from {column}"
    if summary.attributes:
        yield "attributes", _joined(sorted(summary.attributes))
    if unused := unused_columns(source):
        yield "not used", _joined(unused)


def unused_columns(source: Source) -> list[str]:
    """The columns of a table that nothing is read from: those that its dialect leaves out, and empty ones."""
    from vitrina.indexer.sources import TableSource

    if not isinstance(source, TableSource):
        return []
    columns = source.table.columns
    unnamed = ["1 without a name"] if "" in columns else []
    empty = [f"{column} (empty)" for column in columns if column in source.empty_columns]
    ignored = [column for column in columns if column in source.ignored - source.empty_columns - source.used_columns]
    return [*ignored, *empty, *unnamed]


def _left_out(found: Sequence[LeftOut]) -> Iterator[str]:
    """One line for each reason, the most frequent first, with an example and its remedy."""
    for each in found[:MAX_REASONS_SHOWN]:
        what = _rows(each.n) if each.column is None else f"{each.n:,} x {each.column}"
        yield f"left out: {what}, as at {each.origin}: {each.reason} {each.remedy}"
    if len(found) > MAX_REASONS_SHOWN:
        n_more = sum(each.n for each in found[MAX_REASONS_SHOWN:])
        yield f"left out: {n_more:,} more for {len(found) - MAX_REASONS_SHOWN} other reasons"


def _advice(source: Source, report: IndexingProgress) -> Iterator[str]:
    """A line for each field that no column was found for, or whose columns say nothing."""
    from vitrina.indexer.sources import TableSource

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


def _column_of(key: str | None, columns: Sequence[str]) -> str | None:
    from vitrina.indexer.sources.attributes import attribute_key

    return next((column for column in columns if key and attribute_key(column) == key), None)


def _show_example(record: Record) -> None:
    """Print one item as it would be."""
    item = record.item
    print_line(f"  for example {item.sku} ({record.origin}): {_short(item.title) or 'without a title'}")
    if item.description:
        print_line(f"    description {_short(item.description)}")
    if item.price_cents is not None:
        print_line(f"    price       {_amount(item.price_cents, item.currency)}")
    for reference in record.images[:3]:
        print_line(f"    image       {_short(str(reference.path or reference.url or 'in the file'))}")
    for key, value in [*item.attributes.items()][:10]:
        print_line(f"    {key:<11} {_short(', '.join(map(str, value)) if isinstance(value, tuple) else str(value))}")
    for variant in item.variants[:5]:
        options = ", ".join(f"{name} {value}" for name, value in variant.options.items())
        price = f" at {_amount(variant.price_cents, item.currency)}" if variant.price_cents is not None else ""
        print_line(f"    variant     {variant.sku or 'without a sku'}: {_short(options)}{price}")


def _amount(cents: int, currency: str | None) -> str:
    """An amount as people write it, with its currency if that is known."""
    from vitrina.indexer.sources.currencies import n_decimals

    places = n_decimals(currency)
    return f"{cents / 10**places:,.{places}f} {currency or ''}".rstrip()


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[: MAX_VALUE_CHARS - 1]}…"


def _rows(n: int) -> str:
    return f"{n:,} row" if n == 1 else f"{n:,} rows"


def _joined(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MAX_NAMES_SHOWN])
    return shown if len(names) <= MAX_NAMES_SHOWN else f"{shown} and {len(names) - MAX_NAMES_SHOWN} more"
