"""``vitrina index``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from rich.markup import escape
from rich.progress import Progress as ProgressBar
from rich.progress import TaskID

from vitrina.api.cli.console import errors, output, progress_bar
from vitrina.api.rerankers import open_reranker, reranker_name, small_reranker
from vitrina.api.settings import Settings, encoder_for
from vitrina.indexer.feature_precomputation import n_without_features, precompute_features
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer, IndexingProgress, OnIndexingProgress
from vitrina.indexer.sources import Source, open_source
from vitrina.indexer.stages import Progress
from vitrina.search.store.store import Store
from vitrina.search.types.errors import SourceError, VitrinaError


def precompute_catalog_features(store: Store, settings: Settings) -> None:
    """Show the settings' reranker the pictures that it has not seen, and say how many and how fast; where that fails,
    why. Opens it only where there are any, and only one that is small. Blocks; raises nothing of the reranker's."""
    try:
        identity = small_reranker(settings)
        n_images = n_without_features(store, identity) if identity else 0
        if n_images:
            show_precomputed(precompute_with_progress(store, settings, n_images))
    except VitrinaError as error:
        said = f"The pictures are not prepared for the reranker, which will see them when it is asked: {error}"
        errors.print(said, highlight=False, soft_wrap=True, markup=False)


def precompute_with_progress(store: Store, settings: Settings, n_images: int) -> Progress:
    with ExitStack() as closing:
        with errors.status(f"Opening the reranker {escape(reranker_name(settings) or '')}"):
            reranker = open_reranker(settings, closing)
        with progress_bar() as bar:
            task = bar.add_task("Preparing pictures for the reranker", total=n_images)
            return precompute_features(store, reranker, lambda done: bar.update(task, completed=done.n_done))


def show_precomputed(done: Progress) -> None:
    if n_prepared := done.n_done - done.n_failed_images:
        pace = f"in {done.seconds:.1f} s, {n_prepared / done.seconds:,.0f} a second"
        output.print(f"{n_prepared:,} pictures prepared for the reranker {pace}", highlight=False)
    if done.n_failed_images:
        errors.print(f"{done.n_failed_images:,} pictures are gone or damaged, and were not prepared", highlight=False)


def index_sources(settings: Settings, locations: Sequence[str], maps: Sequence[str], *, dry_run: bool) -> None:
    """Index each source in turn and say what became of it. All are opened first, so that a typo stops the run early."""
    sources = [open_source(location, parse_mapping(maps)) for location in locations]
    with errors.status("Loading the encoder"):
        store = Store(settings.store)
        indexer = Indexer(store, encoder_for(store, settings), Fetcher())
    for source in sources:
        report = index_one(indexer, source, dry_run=dry_run)
        show_report(source, report, dry_run=dry_run)
    if not dry_run:
        precompute_catalog_features(store, settings)
        output.print(f"{store.catalog.counts()['items']:,} items in {settings.store}", highlight=False)
    store.close()


def parse_mapping(maps: Sequence[str]) -> Mapping[str, str]:
    """``FIELD=COLUMN`` options as a mapping. Raises SourceError for one that is not of that form."""
    mapping: dict[str, str] = {}
    for each in maps:
        field, equals, column = each.partition("=")
        if not (field and equals and column):
            raise SourceError(f"--map {each!r} is not FIELD=COLUMN.", remedy="Write it as in: --map sku=product_id")
        mapping[field] = column
    return mapping


def index_one(indexer: Indexer, source: Source, *, dry_run: bool) -> IndexingProgress:
    with progress_bar() as bar:
        task = bar.add_task(source.name, total=source.n_rows)
        work = indexer.plan if dry_run else indexer.run
        report = work(source, advancing(bar, task))
        bar.update(task, total=report.n_done)
        return report


def advancing(bar: ProgressBar, task: TaskID) -> OnIndexingProgress:
    return lambda done: bar.update(task, completed=done.n_done)


def show_report(source: Source, report: IndexingProgress, *, dry_run: bool) -> None:
    for note in source.notes:
        errors.print(note, highlight=False)
    if dry_run:
        read = ", ".join(f"{field} from {column}" for field, column in source.fields.items())
        output.print(f"{source.name}: {read}; every other column becomes an attribute", highlight=False)
    would = "would be " if dry_run else ""
    counts = (
        (report.n_added, "added"),
        (report.n_updated, "updated"),
        (report.n_unchanged, "unchanged"),
        (report.n_rejected, "rejected"),
    )
    said = ", ".join(f"{n:,} {would}{what}" for n, what in counts if n or what == "added")
    pace = f" in {report.seconds:.1f} s" if not dry_run else ""
    output.print(f"{source.name} ({source.dialect}): {said}{pace}", highlight=False)
    if report.n_failed_images:
        output.print(f"{report.n_failed_images:,} pictures of indexed items could not be used", highlight=False)
    if report.dead_letters is not None:
        output.print(f"Reasons and remedies, one line each: {report.dead_letters}", highlight=False, soft_wrap=True)
