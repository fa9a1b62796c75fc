"""How far ``vitrina index`` is, on standard error as a bar, or on standard output as JSON lines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import typer
from rich.console import RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.text import Text

from vitrina.api.cli.console import RateColumn, errors, print_line, print_note
from vitrina.api.cli.index_report import show_report
from vitrina.indexer.dead_letters import RetriedLetters
from vitrina.indexer.pipeline import IndexingProgress
from vitrina.indexer.progress import Progress
from vitrina.indexer.report import report_of
from vitrina.indexer.sources.base import Source
from vitrina.indexer.summary import LeftOut

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

EVERY_S = 0.5
"""How often a line is written; the first and the last of a source always are."""

MAX_REASONS = 3
"""Reasons below the bar; a JSON line has those that are most frequent."""

MAX_JSON_REASONS = 20


OnIndexing = Callable[[IndexingProgress], None]


@dataclass(frozen=True, slots=True)
class SourceEnd:
    """What came of one source: ``report`` at its end, and what was asked for."""

    source: Source
    report: IndexingProgress
    retried: RetriedLetters | None
    is_synced: bool
    dry_run: bool


class IndexReporter(Protocol):
    """Tells what a run of ``vitrina index`` does."""

    def watching(self, source: Source) -> AbstractContextManager[OnIndexing]:
        """Gives what is told the progress of a source, inside the context."""

    def end_source(self, end: SourceEnd) -> None:
        """Tells what came of a source."""

    def tell_features(self, done: Progress) -> None:
        """Tells of how many images a reranker's features were precomputed."""

    def end(self, n_items: int | None, store: Path, status: int) -> None:
        """Tells how many items there are now, None if nothing was changed, and the exit status."""


class TextReporter:
    """Tells people: a bar on standard error, unless ``is_quiet``, and the reports on standard output."""

    def __init__(self, *, is_quiet: bool = False) -> None:
        self._is_quiet = is_quiet

    @contextmanager
    def watching(self, source: Source) -> Iterator[OnIndexing]:
        """A bar, which goes on as it is told."""
        if self._is_quiet:
            yield lambda _: None
            return
        with IndexBar(source.name, source.n_rows) as bar:
            yield bar.show

    def end_source(self, end: SourceEnd) -> None:
        """Print the report."""
        show_report(end.source, end.report, dry_run=end.dry_run)
        if end.retried is not None and not end.dry_run:
            show_retried(end.retried, end.report)
        show_gone(end)

    def tell_features(self, done: Progress) -> None:
        """Print how many images the reranker has features of now, and how many could not be read."""
        if n_precomputed := done.n_done - done.n_failed_images:
            pace = f"in {done.seconds:.1f} s, {n_precomputed / done.seconds:,.0f} per second" if done.seconds else ""
            when = pace or "while they were indexed"
            print_line(f"Features of {n_precomputed:,} images precomputed for the reranker {when}")
        if done.n_failed_images:
            print_note(f"{done.n_failed_images:,} images are missing or damaged and were skipped")

    def end(self, n_items: int | None, store: Path, status: int) -> None:
        """Print how many items there are."""
        if n_items is not None:
            print_line(f"{n_items:,} items in {store}")


class JsonReporter:
    """Tells programs: JSON objects on standard output, one a line and each flushed, with what it is of as ``event``."""

    def __init__(self) -> None:
        self._told_at = 0.0

    @contextmanager
    def watching(self, source: Source) -> Iterator[OnIndexing]:
        """Lines with event ``progress``, about one every ``EVERY_S``."""
        self._told_at = 0.0

        def tell(done: IndexingProgress) -> None:
            now = time.monotonic()
            if done.is_finishing or now - self._told_at >= EVERY_S:
                self._told_at = now
                write_event("progress", progress_values(source.name, done))

        yield tell

    def end_source(self, end: SourceEnd) -> None:
        """A line with event ``report``: the last progress, and what the report says."""
        report = asdict(report_of(end.source, end.report, dry_run=end.dry_run))
        report["table"] = dict(report["table"])
        n_lost = len(end.retried.not_met()) if end.retried is not None else 0
        values = {**progress_values(end.source.name, end.report), "stage": "ended", **report}
        write_event("report", {**values, "dry_run": end.dry_run, "n_letters_without_rows": n_lost})

    def tell_features(self, done: Progress) -> None:
        """A line with event ``features``, if there are any."""
        if done.n_done:
            write_event("features", {"n_images": done.n_done, "n_failed_images": done.n_failed_images})

    def end(self, n_items: int | None, store: Path, status: int) -> None:
        """A line with event ``end``."""
        write_event("end", {"n_items": n_items, "store": store, "exit_status": status})


def write_event(event: str, values: dict[str, Any]) -> None:
    """Write one JSON object to standard output."""
    typer.echo(json.dumps({"event": event, **values}, ensure_ascii=False, default=str))


def show_retried(retried: RetriedLetters, report: IndexingProgress) -> None:
    """Print what is left of the dead letters that were tried again."""
    if n_lost := len(retried.not_met()):
        print_note(f"{n_lost:,} of the dead letters are of rows that the source no longer has; they stay in the file")
    if report.dead_letters is None:
        print_line(f"None of the {len(retried):,} dead letters is left; {retried.path} was removed")


def show_gone(end: SourceEnd) -> None:
    """Print what became of items that are no longer in their source; nothing if there are none."""
    gone, source, report = end.report.gone, end.source, end.report
    if report.n_deleted:
        deleted = "item is" if report.n_deleted == 1 else "items are"
        print_line(f"{report.n_deleted:,} {deleted} no longer in {source.name}: deleted")
    elif gone.n_gone:
        items = "item is" if gone.n_gone == 1 else "items are"
        left = f"{gone.n_gone:,} {items} no longer in {source.name}"
        if end.dry_run and end.is_synced and not gone.is_doubtful:
            print_line(f"{left} and would be deleted")
        elif end.is_synced:
            print_note(f"{left}, of {gone.n_before:,}: none was deleted. If that is right, add --yes")
        else:
            print_note(f"{left}. To delete what is gone: vitrina index --sync")


class IndexBar(Bar):
    """A bar with the rate and the time left; below it the slowest stage, and what was left out for which reason."""

    def __init__(self, source: str, n_total: int | None) -> None:
        self._below: list[str] = []
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            RateColumn(),
            TimeRemainingColumn(),
            console=errors,
        )
        self._task = self.add_task(source, total=n_total)

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar and the lines below it."""
        yield self.make_tasks_table(self.tasks)
        for line in self._below:
            yield Text(line, style="dim", overflow="ellipsis", no_wrap=True)

    def stop(self) -> None:
        """End the display; the report says what was below the bar."""
        self._below = []
        super().stop()

    def show(self, done: IndexingProgress) -> None:
        """Move the bar."""
        self._below = [*slowest(done), *reasons(done.summary.left_out)]
        n_total = done.n_done if done.is_finishing else done.n_total
        self.update(self._task, completed=done.n_done, total=n_total)


def slowest(done: IndexingProgress) -> Iterator[str]:
    """A line on the stage that the others wait for."""
    if done.stages and done.is_finishing:
        yield "  writing the index and finding twins"
    elif done.stages:
        load = max(stage.load for stage in done.stages)
        yield f"  slowest stage: {done.slowest_stage}, at work {load:.0%} of the time"


def reasons(left_out: Sequence[LeftOut]) -> Iterator[str]:
    """A line for each of the most frequent reasons."""
    for each in sorted(left_out, key=lambda each: -each.n)[:MAX_REASONS]:
        yield f"  left out: {each.n:,} x {each.column or 'row'}, as at {each.origin}: {each.reason}"


def progress_values(source: str, done: IndexingProgress) -> dict[str, Any]:
    """A run's progress as JSON has it: counts in rows, times in seconds."""
    counts = (
        "n_total", "n_done", "n_added", "n_updated", "n_unchanged", "n_rejected", "n_images", "n_failed_images",
        "n_deleted", "slowest_stage",
    )  # fmt: skip
    return {
        "source": source,
        "stage": "finishing" if done.is_finishing else "indexing",
        "n_rows": done.summary.n_rows,
        **{name: getattr(done, name) for name in counts},
        "seconds": rounded(done.seconds),
        "per_second": rounded(done.per_second),
        "seconds_left": rounded(done.seconds_left),
        "stages": {
            stage.name: {"n_done": stage.n_done, "busy_s": rounded(stage.busy_s), "load": rounded(stage.load)}
            for stage in done.stages
        },
        "left_out": [asdict(each) for each in done.summary.left_out[:MAX_JSON_REASONS]],
        "dead_letters": done.dead_letters,
    }


def rounded(value: float | None) -> float | None:
    """To two decimals."""
    return None if value is None else round(value, 2)
