"""``vitrina index``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.progress import Progress as ProgressBar
from rich.progress import TaskID

from api.cli.console import errors, output, progress_bar
from api.cli.looking import prepare_pictures
from api.loading import encoder_for
from api.settings import Settings
from indexer.fetch import Fetcher
from indexer.pipeline import Indexer, OnProgress, Progress
from indexer.sources import Source, open_source
from search.errors import SourceError
from search.home import Home


def index_sources(settings: Settings, locations: Sequence[str], maps: Sequence[str], *, dry_run: bool) -> None:
    """Index each source in turn and say what became of it. All are opened first, so that a typo stops the run early."""
    sources = [open_source(location, parse_mapping(maps)) for location in locations]
    with errors.status("Loading the encoder"):
        home = Home(settings.home)
        indexer = Indexer(home, encoder_for(home, settings), Fetcher())
    for source in sources:
        report = index_one(indexer, source, dry_run=dry_run)
        show_report(source, report, dry_run=dry_run)
    if not dry_run:
        prepare_pictures(home, settings)
        output.print(f"{home.catalog.counts()['items']:,} items in {settings.home}", highlight=False)
    home.close()


def parse_mapping(maps: Sequence[str]) -> Mapping[str, str]:
    """``FIELD=COLUMN`` options as a mapping. Raises SourceError for one that is not of that form."""
    mapping: dict[str, str] = {}
    for each in maps:
        field, equals, column = each.partition("=")
        if not (field and equals and column):
            raise SourceError(f"--map {each!r} is not FIELD=COLUMN.", remedy="Write it as in: --map sku=product_id")
        mapping[field] = column
    return mapping


def index_one(indexer: Indexer, source: Source, *, dry_run: bool) -> Progress:
    with progress_bar() as bar:
        task = bar.add_task(source.name, total=source.n_rows)
        work = indexer.plan if dry_run else indexer.run
        report = work(source, advancing(bar, task))
        bar.update(task, total=report.n_done)
        return report


def advancing(bar: ProgressBar, task: TaskID) -> OnProgress:
    return lambda done: bar.update(task, completed=done.n_done)


def show_report(source: Source, report: Progress, *, dry_run: bool) -> None:
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
    if report.n_image_failures:
        output.print(f"{report.n_image_failures:,} pictures of indexed items could not be used", highlight=False)
    if report.dead_letters is not None:
        output.print(f"Reasons and remedies, one line each: {report.dead_letters}", highlight=False, soft_wrap=True)
