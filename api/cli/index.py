"""``vitrina index``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from vitrina.api.cli.console import StoreOption, errors, print_line, print_note, progress, settings_for
from vitrina.search.types.errors import SourceError, VitrinaError

if TYPE_CHECKING:
    from vitrina.api.settings import Settings
    from vitrina.indexer.pipeline import Indexer, IndexingProgress
    from vitrina.indexer.sources.base import Source
    from vitrina.indexer.stages import Progress
    from vitrina.search.store.store import Store


def index(
    sources: Annotated[
        list[str], typer.Argument(help="Folders of images, and CSV, TSV, JSONL, Parquet, XML or tar files.")
    ],
    folder: StoreOption = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="The column that holds a field. Repeatable."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would happen and change nothing.")] = False,
) -> None:
    """Index catalogs: add new items, update changed ones, skip the rest."""
    from vitrina.api.settings import encoder_for
    from vitrina.indexer.fetch import Fetcher
    from vitrina.indexer.pipeline import Indexer
    from vitrina.indexer.sources import open_source
    from vitrina.search.store.store import Store

    settings = settings_for(folder)
    opened = [open_source(source, parse_mapping(mapping or [])) for source in sources]
    with closing(Store(settings.store, settings.vector_index)) as store:
        with errors.status("Loading the encoder"):
            indexer = Indexer(store, encoder_for(store, settings), Fetcher())
        for source in opened:
            show_report(source, index_one(indexer, source, dry_run=dry_run), dry_run=dry_run)
        if not dry_run:
            precompute_catalog_features(store, settings)
            print_line(f"{store.catalog.counts()['items']:,} items in {settings.store}")


def parse_mapping(maps: Sequence[str]) -> Mapping[str, str]:
    """Parse ``FIELD=COLUMN`` options. Raises SourceError for one that does not have that form."""
    mapping: dict[str, str] = {}
    for each in maps:
        field, equals, column = each.partition("=")
        if not (field and equals and column):
            raise SourceError(f"--map {each!r} is not FIELD=COLUMN.", remedy="For example: --map sku=product_id")
        mapping[field] = column
    return mapping


def index_one(indexer: Indexer, source: Source, *, dry_run: bool) -> IndexingProgress:
    """Index one source under a progress bar, or only plan it."""
    work = indexer.plan if dry_run else indexer.run
    with progress(source.name, source.n_rows) as on_progress:
        report = work(source, lambda done: on_progress(done.n_done))
        on_progress(report.n_done, report.n_done)
    return report


def show_report(source: Source, report: IndexingProgress, *, dry_run: bool) -> None:
    """Print what happened to the source's rows, or would happen."""
    for note in source.notes:
        print_note(note)
    if dry_run:
        read = ", ".join(f"{field} from {column}" for field, column in source.fields.items())
        print_line(f"{source.name}: {read}; every other column becomes an attribute")
    would = "would be " if dry_run else ""
    counts = (
        (report.n_added, "added"),
        (report.n_updated, "updated"),
        (report.n_unchanged, "unchanged"),
        (report.n_rejected, "rejected"),
    )
    changes = ", ".join(f"{n:,} {would}{what}" for n, what in counts if n or what == "added")
    duration = f" in {report.seconds:.1f} s" if not dry_run else ""
    print_line(f"{source.name} ({source.dialect}): {changes}{duration}")
    if report.n_failed_images:
        print_line(f"{report.n_failed_images:,} images of indexed items could not be used")
    if report.dead_letters is not None:
        print_line(f"Reasons and remedies, one line each: {report.dead_letters}")


def precompute_catalog_features(store: Store, settings: Settings) -> None:
    """Precompute the reranker's features of images that it has none of, and print how many and how fast.

    Opens the reranker only if there are such images, and only a small one. A reranker that fails is reported, not
    raised. Blocks.
    """
    from vitrina.api.rerankers import small_reranker
    from vitrina.indexer.backfill import n_without_features

    try:
        identity = small_reranker(settings)
        n_images = n_without_features(store, identity) if identity else 0
        if n_images:
            show_precomputed(precompute_with_progress(store, settings, n_images))
    except VitrinaError as error:
        print_note(f"No features were precomputed for the reranker; it will compute them when it is used: {error}")


def precompute_with_progress(store: Store, settings: Settings, n_images: int) -> Progress:
    """Open the settings' reranker and precompute its features of ``n_images`` images."""
    from vitrina.api.rerankers import open_reranker, reranker_name
    from vitrina.indexer.backfill import precompute_features

    with ExitStack() as stack:
        with errors.status(f"Opening the reranker {escape(reranker_name(settings) or '')}"):
            reranker = open_reranker(settings, stack)
        with progress("Precomputing the reranker's features", n_images) as on_progress:
            return precompute_features(store, reranker, lambda done: on_progress(done.n_done))


def show_precomputed(done: Progress) -> None:
    """Print how many images the reranker has features of now, and how many could not be read."""
    if n_precomputed := done.n_done - done.n_failed_images:
        pace = f"in {done.seconds:.1f} s, {n_precomputed / done.seconds:,.0f} per second"
        print_line(f"Features of {n_precomputed:,} images precomputed for the reranker {pace}")
    if done.n_failed_images:
        print_note(f"{done.n_failed_images:,} images are missing or damaged and were skipped")
