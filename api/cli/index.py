"""``vitrina index``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vitrina.api.cli.console import (
    EXIT_STATE,
    StoreOption,
    errors,
    print_error,
    print_note,
    progress,
    settings_for,
    tell_waiting,
)
from vitrina.api.cli.index_report import exit_status
from vitrina.search.types.errors import SourceError, VitrinaError

if TYPE_CHECKING:
    from vitrina.api.cli.index_progress import IndexReporter
    from vitrina.api.settings import Settings
    from vitrina.indexer.dead_letters import RetriedLetters, SourceOptions
    from vitrina.indexer.features import FeatureStage
    from vitrina.indexer.pipeline import Indexer, IndexingProgress
    from vitrina.indexer.progress import Progress
    from vitrina.indexer.ray_engine import RayEngine
    from vitrina.indexer.sources.base import Source
    from vitrina.indexer.sync import GoneItems
    from vitrina.search.encoders.base import Encoder
    from vitrina.search.store.store import Store


class EngineName(StrEnum):
    """Where rows are fetched, decoded and embedded."""

    LOCAL = "local"
    RAY = "ray"


class ProgressForm(StrEnum):
    """How progress is shown."""

    BAR = "bar"
    JSON = "json"
    OFF = "off"


SourcesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        help="Folders of images, and CSV, Excel, JSON, Parquet, XML, tar or zip files; with --retry that run's.",
        show_default=False,
    ),
]
MapOption = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="FIELD=COLUMN", help="The column that holds a field. Repeatable."),
]
SyncOption = Annotated[
    bool, typer.Option("--sync", "--prune", help="Delete items that are no longer in the source they came from.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="With --sync, do not ask if more than 20 % would go.")]
SourceNameOption = Annotated[
    str | None,
    typer.Option("--source", metavar="NAME", help="The source's name, for one that moves; by default its path."),
]
DialectOption = Annotated[
    str | None,
    typer.Option("--dialect", metavar="FILE", help="How the catalog is laid out: a TOML file, or a known name."),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option("--images", metavar="DIR", help="The folder that paths of images count from.", exists=True),
]
EncodingOption = Annotated[
    str | None,
    typer.Option("--encoding", metavar="NAME", help="The encoding of CSV files, as cp1251; by default found out."),
]
ShownOnlyOption = Annotated[
    bool,
    typer.Option("--shown-only", help="Leave out what the shop does not show: drafts, archived, switched off."),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would happen and change nothing.")]
RetryOption = Annotated[
    Path | None,
    typer.Option(
        "--retry", metavar="DEADLETTERS", help="Index only the rows that an earlier run left out, by its file."
    ),
]
ProgressOption = Annotated[
    ProgressForm,
    typer.Option("--progress", help="A bar, or all that is told as JSON lines on standard output, or reports alone."),
]
EngineOption = Annotated[
    EngineName, typer.Option("--engine", help="Where images are fetched and embedded: in this process, or on Ray.")
]
RayAddressOption = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        metavar="ADDRESS",
        help="The Ray cluster, HOST:PORT; by default VITRINA_RAY_ADDRESS, or one started here for this run.",
    ),
]


def index(
    sources: SourcesArgument = None,
    folder: StoreOption = None,
    mapping: MapOption = None,
    sync: SyncOption = False,
    yes: YesOption = False,
    source_name: SourceNameOption = None,
    dialect: DialectOption = None,
    images: ImagesOption = None,
    encoding: EncodingOption = None,
    shown_only: ShownOnlyOption = False,
    dry_run: DryRunOption = False,
    retry: RetryOption = None,
    progress_form: ProgressOption = ProgressForm.BAR,
    engine: EngineOption = EngineName.LOCAL,
    ray_address: RayAddressOption = None,
) -> None:
    """Index catalogs: add new items, update changed ones, skip the rest.

    The exit status is 0 if every row went in, 3 if some did not, if no image could be used, or if --sync kept
    items that are gone since they are many, 1 if a source cannot be read or nothing went in.
    """
    from vitrina.api.cli.index_sources import GivenOptions, open_again, options_of, parse_mapping
    from vitrina.api.rerankers import feature_stage
    from vitrina.api.settings import encoder_for, open_store
    from vitrina.indexer.dead_letters import RetriedLetters
    from vitrina.indexer.fetch import Fetcher
    from vitrina.indexer.pipeline import Indexer

    settings, fields, reporter = settings_for(folder), parse_mapping(mapping or []), reporter_of(progress_form)
    reports: list[IndexingProgress] = []
    with ExitStack() as stack:
        stack.enter_context(source_errors())
        if retry is not None and sync:
            raise typer.BadParameter("--sync needs the whole source, and --retry reads a part of it.")
        retried = None if retry is None else RetriedLetters.read(retry)
        given = GivenOptions(source_name, fields, dialect, images, encoding, shown_only)
        asked = options_of(sources or [], given, retried)
        opened = [open_again(options, stack, settings.max_unpacked_bytes) for options in asked]
        store = stack.enter_context(closing(open_store(settings)))
        if not dry_run:
            stack.enter_context(store.importing(tell_waiting))
        features = None if dry_run else feature_stage(store, settings, stack)
        with errors.status("Loading the encoder"):
            encoder = encoder_for(store, settings)
        if engine is EngineName.RAY and not dry_run:
            on_ray = ray_engine(store, encoder, settings, ray_address or settings.ray_address, stack)
            indexer = Indexer(store, encoder, Fetcher(), engine=on_ray)  # the features are computed at the end
        else:
            indexer = Indexer(store, encoder, Fetcher(), features)
        for source, options in zip(opened, asked, strict=True):
            reports.append(index_one(indexer, source, options, Sync(sync, yes), reporter, retried, dry_run=dry_run))
        if not dry_run:
            finish_features(store, settings, features, reporter)
        n_items = None if dry_run else store.catalog.count("items")
        status = exit_status(reports, deletes_few=sync and not yes)
        reporter.end(n_items, settings.store, status)
    raise typer.Exit(status)


def ray_engine(store: Store, encoder: Encoder, settings: Settings, address: str | None, stack: ExitStack) -> RayEngine:
    """The workers of a Ray cluster, until the stack closes. Raises MissingDependencyError, StateError, EncoderError."""
    from vitrina.api.settings import worker_loader
    from vitrina.indexer.ray_engine import RayEngine, connected
    from vitrina.indexer.ray_workers import worker_tools
    from vitrina.search.encoders.registry import keep_copy

    keep_copy(store, encoder.identity)
    tools = worker_tools(encoder, worker_loader(store, encoder.identity, settings))
    with errors.status("Starting the workers"):
        stack.enter_context(connected(address))
        return stack.enter_context(closing(RayEngine(tools)))


def reporter_of(form: ProgressForm) -> IndexReporter:
    """What tells how far a run is."""
    from vitrina.api.cli.index_progress import JsonReporter, TextReporter

    return JsonReporter() if form is ProgressForm.JSON else TextReporter(is_quiet=form is ProgressForm.OFF)


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
    reporter: IndexReporter,
    retried: RetriedLetters | None = None,
    *,
    dry_run: bool,
) -> IndexingProgress:
    """Index one source, or only plan it, and tell the reporter."""
    from vitrina.api.cli.index_progress import SourceEnd

    with ExitStack() as watching:
        on_progress = watching.enter_context(reporter.watching(source))

        def on_gone(gone: GoneItems) -> bool:
            watching.close()  # so that no bar writes over the question
            return sync.agreed(source, gone)

        if dry_run:
            report = indexer.plan(source, on_progress, name=options.name, retried=retried)
        else:
            report = indexer.run(
                source, on_progress, name=options.name, on_gone=on_gone, options=options, retried=retried
            )
    reporter.end_source(SourceEnd(source, report, retried, sync.is_wanted, dry_run))
    return report


def finish_features(store: Store, settings: Settings, features: FeatureStage | None, reporter: IndexReporter) -> None:
    """Precompute the reranker's features of images of earlier runs that it has none of, and tell how many there are.

    Opens the reranker only if there are such images, and only a small one. A reranker that fails is reported, not
    raised. Blocks.
    """
    from vitrina.api.rerankers import small_reranker
    from vitrina.indexer.backfill import n_without_features
    from vitrina.indexer.progress import Progress

    try:
        identity = small_reranker(settings)
        if features is None or identity is None:
            return
        if features.problem is not None:
            raise features.problem
        reporter.tell_features(Progress(n_done=features.n_computed))
        if n_images := n_without_features(store, identity):
            reporter.tell_features(precompute_with_progress(store, features, n_images))
    except VitrinaError as error:
        print_note(f"No features were precomputed for the reranker; it will compute them when it is used: {error}")


def precompute_with_progress(store: Store, features: FeatureStage, n_images: int) -> Progress:
    """Precompute the reranker's features of ``n_images`` images."""
    from vitrina.indexer.backfill import precompute_features

    with errors.status("Opening the reranker"):
        reranker = features.reranker
    with progress("Precomputing the reranker's features", n_images) as on_progress:
        return precompute_features(store, reranker, lambda done: on_progress(done.n_done))
