"""``vitrina index``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from vitrina.api.cli.console import (
    EXIT_STATE,
    StoreOption,
    errors,
    print_error,
    print_line,
    print_note,
    progress,
    settings_for,
)
from vitrina.api.cli.index_report import exit_status, show_report
from vitrina.search.types.errors import SourceError, VitrinaError

WAITING = "Another import into this store is under way; waiting for it to finish."

if TYPE_CHECKING:
    from vitrina.api.settings import Settings
    from vitrina.indexer.dead_letters import RetriedLetters, SourceOptions
    from vitrina.indexer.pipeline import Indexer, IndexingProgress
    from vitrina.indexer.sources.base import Source
    from vitrina.indexer.stages import Progress
    from vitrina.indexer.sync import GoneItems
    from vitrina.search.store.store import Store


def index(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="Folders of images, and CSV, TSV, JSONL, Parquet, XML or tar files; with --retry that run's.",
            show_default=False,
        ),
    ] = None,
    folder: StoreOption = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="The column that holds a field. Repeatable."),
    ] = None,
    sync: Annotated[
        bool, typer.Option("--sync", "--prune", help="Delete items that are no longer in the source they came from.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --sync, do not ask if more than 20 % would go.")] = False,
    source_name: Annotated[
        str | None,
        typer.Option("--source", metavar="NAME", help="The source's name, for one that moves; by default its path."),
    ] = None,
    dialect: Annotated[
        str | None,
        typer.Option("--dialect", metavar="FILE", help="How the catalog is laid out: a TOML file, or a known name."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", metavar="DIR", help="The folder that paths of images count from.", exists=True),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option("--encoding", metavar="NAME", help="The encoding of CSV files, as cp1251; by default found out."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would happen and change nothing.")] = False,
    retry: Annotated[
        Path | None,
        typer.Option(
            "--retry", metavar="DEADLETTERS", help="Index only the rows that an earlier run left out, by its file."
        ),
    ] = None,
) -> None:
    """Index catalogs: add new items, update changed ones, skip the rest.

    The exit status is 0 if every row went in, 3 if some did not, 1 if a source cannot be read or nothing went in.
    """
    from vitrina.api.cli.index_sources import GivenOptions, open_again, options_of, parse_mapping
    from vitrina.api.settings import encoder_for, open_store
    from vitrina.indexer.dead_letters import RetriedLetters
    from vitrina.indexer.fetch import Fetcher
    from vitrina.indexer.pipeline import Indexer

    settings, fields = settings_for(folder), parse_mapping(mapping or [])
    reports: list[IndexingProgress] = []
    with ExitStack() as stack:
        stack.enter_context(source_errors())
        if retry is not None and sync:
            raise typer.BadParameter("--sync needs the whole source, and --retry reads a part of it.")
        retried = None if retry is None else RetriedLetters.read(retry)
        given = GivenOptions(source_name, fields, dialect, images, encoding)
        asked = options_of(sources or [], given, retried)
        opened = [open_again(options) for options in asked]
        store = stack.enter_context(closing(open_store(settings)))
        if not dry_run:
            stack.enter_context(store.importing(lambda: print_note(WAITING)))
        with errors.status("Loading the encoder"):
            indexer = Indexer(store, encoder_for(store, settings), Fetcher())
        for source, options in zip(opened, asked, strict=True):
            report = index_one(indexer, source, options, Sync(sync, yes), retried, dry_run=dry_run)
            show_report(source, report, dry_run=dry_run)
            show_retried(retried, report, dry_run=dry_run)
            show_gone(source, report, is_synced=sync, dry_run=dry_run)
            reports.append(report)
        if not dry_run:
            precompute_catalog_features(store, settings)
            print_line(f"{store.catalog.counts()['items']:,} items in {settings.store}")
    raise typer.Exit(exit_status(reports))


@contextmanager
def source_errors() -> Iterator[None]:
    """Report a source that cannot be read by exit status 1; what other sources gave stays indexed."""
    try:
        yield
    except SourceError as error:
        print_error(error)
        raise typer.Exit(EXIT_STATE) from error


@dataclass(frozen=True, slots=True)
class Sync:
    """Whether items that are gone from their source are deleted, and even if they are many."""

    is_wanted: bool
    is_sure: bool

    def agreed(self, source: Source, gone: GoneItems) -> bool:
        """Whether to delete them; asks where there are too many to be sure and somebody can answer."""
        if not self.is_wanted or self.is_sure or not gone.is_doubtful:
            return self.is_wanted
        question = f"{gone.n_gone:,} of {gone.n_before:,} items are no longer in {source.name}. Delete them?"
        return sys.stdin.isatty() and typer.confirm(question, err=True)


def index_one(
    indexer: Indexer,
    source: Source,
    options: SourceOptions,
    sync: Sync,
    retried: RetriedLetters | None = None,
    *,
    dry_run: bool,
) -> IndexingProgress:
    """Index one source under a progress bar, or only plan it."""
    name = options.name
    with ExitStack() as bar:
        on_progress = bar.enter_context(progress(source.name, source.n_rows))

        def on_gone(gone: GoneItems) -> bool:
            bar.close()  # so that it does not write over the question
            return sync.agreed(source, gone)

        if dry_run:
            report = indexer.plan(source, lambda done: on_progress(done.n_done), name=name, retried=retried)
        else:
            report = indexer.run(
                source,
                lambda done: on_progress(done.n_done),
                name=name,
                on_gone=on_gone,
                options=options,
                retried=retried,
            )
        on_progress(report.n_done, report.n_done)
    return report


def show_retried(retried: RetriedLetters | None, report: IndexingProgress, *, dry_run: bool) -> None:
    """Print what is left of the dead letters that were tried again."""
    if retried is None or dry_run:
        return
    if n_lost := len(retried.not_met()):
        print_note(f"{n_lost:,} of the dead letters are of rows that the source no longer has; they stay in the file")
    if report.dead_letters is None:
        print_line(f"None of the {len(retried):,} dead letters is left; {retried.path} was removed")


def show_gone(source: Source, report: IndexingProgress, *, is_synced: bool, dry_run: bool) -> None:
    """Print what became of items that are no longer in their source; nothing if there are none."""
    gone = report.gone
    if report.n_deleted:
        deleted = "item is" if report.n_deleted == 1 else "items are"
        print_line(f"{report.n_deleted:,} {deleted} no longer in {source.name}: deleted")
    elif gone.n_gone:
        items = "item is" if gone.n_gone == 1 else "items are"
        left = f"{gone.n_gone:,} {items} no longer in {source.name}"
        if dry_run and is_synced and not gone.is_doubtful:
            print_line(f"{left} and would be deleted")
        elif is_synced:
            print_note(f"{left}, of {gone.n_before:,}: none was deleted. If that is right, add --yes")
        else:
            print_note(f"{left}. To delete what is gone: vitrina index --sync")


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
