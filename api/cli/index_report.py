"""What ``vitrina index`` says of each source at its end: what was read, what was left out, and what would mend it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vitrina.api.cli.console import print_line, print_note
from vitrina.search.types.currencies import price_range_text, price_text

if TYPE_CHECKING:
    from vitrina.indexer.pipeline import IndexingProgress
    from vitrina.indexer.sources.base import Record, Source
    from vitrina.indexer.summary import LeftOut

EXIT_NOTHING = 1
EXIT_PARTLY = 3

MAX_REASONS_SHOWN = 20
MAX_VALUE_CHARS = 100


def exit_status(reports: Sequence[IndexingProgress], *, deletes_few: bool = False) -> int:
    """0 if every row went in, 3 if some did not, 1 if none did. 3, too, where there are images and none could be used,
    and where items that are gone were to be deleted and were kept since they are many, as ``deletes_few`` asks."""
    if not any(report.n_added + report.n_updated + report.n_unchanged for report in reports):
        return EXIT_NOTHING
    is_kept = deletes_few and any(report.gone.is_doubtful and not report.n_deleted for report in reports)
    n_images = sum(report.summary.n_images for report in reports)
    has_no_image = 0 < n_images <= sum(report.n_failed_images for report in reports)
    return EXIT_PARTLY if is_kept or has_no_image or any(report.n_rejected for report in reports) else 0


def show_report(source: Source, report: IndexingProgress, *, dry_run: bool) -> None:
    """Print what happened to the source's rows, or would happen."""
    from vitrina.indexer.report import report_of

    told = report_of(source, report, dry_run=dry_run)
    for note in told.notes:
        print_note(note)
    duration = "" if dry_run else f" in {told.seconds:.1f} s"
    print_line(f"{told.source} ({told.dialect}): {told.changes}{duration}")
    for label, value in told.table:
        print_line(f"  {label:<11} {value}")
    for line in (*_left_out(told.left_out), *told.advice):
        print_line(f"  {line}")
    if dry_run:
        for record in report.summary.examples:
            _show_example(record)
    if report.dead_letters is not None:
        print_line(f"Reasons and remedies, one line each: {report.dead_letters}")
        print_line(f"Once they are mended: vitrina index --retry {report.dead_letters}")


def _left_out(found: Sequence[LeftOut]) -> Iterator[str]:
    """One line for each reason, the most frequent first, with an example and its remedy."""
    from vitrina.indexer.report import rows_in_words

    for each in found[:MAX_REASONS_SHOWN]:
        what = rows_in_words(each.n) if each.column is None else f"{each.n:,} x {each.column}"
        yield f"left out: {what}, as at {each.origin}: {each.reason} {each.remedy}"
    if len(found) > MAX_REASONS_SHOWN:
        n_more = sum(each.n for each in found[MAX_REASONS_SHOWN:])
        yield f"left out: {n_more:,} more for {len(found) - MAX_REASONS_SHOWN} other reasons"


def _show_example(record: Record) -> None:
    """Print one item as it would be."""
    item = record.item
    print_line(f"  for example {item.sku} ({record.origin}): {_short(item.title) or 'without a title'}")
    if item.description:
        print_line(f"    description {_short(item.description)}")
    if prices := price_range_text(item.price_cents, item.max_price_cents, item.currency):
        print_line(f"    price       {prices}")
    for reference in record.images[:3]:
        print_line(f"    image       {_short(str(reference.path or reference.url or 'in the file'))}")
    for key, value in [*item.attributes.items()][:10]:
        print_line(f"    {key:<11} {_short(', '.join(map(str, value)) if isinstance(value, tuple) else str(value))}")
    for variant in item.variants[:5]:
        options = ", ".join(f"{name} {value}" for name, value in variant.options.items())
        price = f" at {price_text(variant.price_cents, item.currency)}" if variant.price_cents is not None else ""
        print_line(f"    variant     {variant.sku or 'without a sku'}: {_short(options)}{price}")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[: MAX_VALUE_CHARS - 1]}…"
