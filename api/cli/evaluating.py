"""``vitrina eval``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from api.cli.console import errors, output, progress_bar
from api.cli.scoreboard import show_checks, show_comparison, show_run
from api.loading import encoder_for
from api.settings import Settings
from evaluation.comparison import Comparison, check_comparable, compare
from evaluation.fields import Template, queries_by, queries_like
from evaluation.judgements import read_judgements
from evaluation.query import JudgedQuery, by_kind, held, judged_skus, sample
from evaluation.report.page import write_report
from evaluation.requirements import Check, check, parse_requirement
from evaluation.run import Run, Setting, read_run, run_of, write_run
from evaluation.running import Found, ask_all
from indexer.record import Rejection
from indexer.sources import open_source
from search.engine import SearchEngine
from search.errors import InputError, StorageError
from search.home import Home
from search.item import Item


@dataclass(frozen=True, slots=True)
class Asked:
    """An evaluation as it was typed."""

    judgements: Path | None = None
    queries: Path | None = None
    by: tuple[str, ...] = ()
    like: tuple[str, ...] = ()
    labels: str | None = None
    min_rows: int = 3
    max_queries: int | None = None
    seed: int = 0
    against: Path | None = None
    json: Path | None = None
    report: Path | None = None
    require: tuple[str, ...] = ()


def evaluate(settings: Settings, asked: Asked) -> bool:
    """Measure the search on judged queries; print, and keep what was asked for. Returns whether every requirement
    is met. What can be wrong with the arguments is said before the first query runs."""
    check_arguments(asked)
    earlier = None if asked.against is None else read_run(asked.against)
    home = Home.existing(settings.home)
    queries, notes = gather(home, asked)
    if earlier is not None:
        check_comparable([query.id for query in queries], earlier)
    requirements = [parse_requirement(text, list(by_kind(queries))) for text in asked.require]
    with errors.status("Loading the encoder"):
        engine = home.open_engine(encoder_for(home, settings))
    found = ask_with_progress(engine, queries)
    setting = Setting(engine.encoder.identity.name, home.catalog.counts()["items"], asked.seed, tuple(notes))
    run = run_of(setting, queries, found)
    comparison = None if earlier is None else compare(run, earlier)
    checks = check(run, requirements)
    show_run(run)
    if comparison is not None:
        show_comparison(comparison)
    show_checks(checks)
    keep(home, asked, run, comparison, checks)
    home.close()
    return all(each.is_met for each in checks)


def check_arguments(asked: Asked) -> None:
    """Raise InputError for arguments that cannot work together."""
    if asked.judgements is None and not (asked.by or asked.like):
        raise InputError(
            "There is nothing to measure with.",
            remedy="Give a file of judgements, or make queries of a field: vitrina eval --by FIELD",
        )
    if asked.queries is not None and asked.judgements is None:
        raise InputError("--queries has the texts of TREC qrels.", remedy="Give the qrels file as well.")
    if asked.labels is not None and not (asked.by or asked.like):
        raise InputError("--labels has the fields for --by and --like.", remedy="Add --by FIELD or --like FIELD.")
    for path in (asked.json, asked.report):
        if path is not None and not path.absolute().parent.is_dir():
            raise InputError(f"There is no folder {path.parent} for {path.name}.", remedy="Make it first.")


def gather(home: Home, asked: Asked) -> tuple[list[JudgedQuery], list[str]]:
    """Every query to ask, and a sentence on each thing left out. Blocks while fields are read."""
    queries = [] if asked.judgements is None else read_judgements(asked.judgements, asked.queries)
    with errors.status("Making queries"):
        if asked.by:
            queries += queries_by(labelled(home, asked.labels), templates(asked.by), asked.min_rows)
        if asked.like:
            shown = {stored.item.sku for stored in home.catalog.all_items() if stored.image_ids}
            items = (item for item in labelled(home, asked.labels) if item.sku in shown)
            queries += queries_like(items, templates(asked.like), asked.min_rows)
        queries, notes = held(queries, home.catalog.content_hashes(sorted(judged_skus(queries))))
    for note in notes:
        errors.print(note, highlight=False, markup=False, soft_wrap=True)
    if asked.max_queries is not None:
        queries = sample(queries, asked.max_queries, asked.seed)
    return queries, notes


def templates(names: Sequence[str]) -> list[Template]:
    return [Template(name) for name in dict.fromkeys(names)]


def labelled(home: Home, labels: str | None) -> Iterator[Item]:
    """The items whose fields make queries: the catalog's, or those of a catalog file, by its first row of each sku."""
    if labels is None:
        yield from (stored.item for stored in home.catalog.all_items())
        return
    seen: set[str] = set()
    for row in open_source(labels, {}).rows():
        if not isinstance(row, Rejection) and row.item.sku not in seen:
            seen.add(row.item.sku)
            yield row.item


def ask_with_progress(engine: SearchEngine, queries: Sequence[JudgedQuery]) -> list[Found]:
    with progress_bar() as bar:
        task = bar.add_task("Searching", total=len(queries))
        return ask_all(engine, queries, lambda n_done: bar.update(task, completed=n_done))


def keep(home: Home, asked: Asked, run: Run, comparison: Comparison | None, checks: Sequence[Check]) -> None:
    """Write the run and the report, where they were asked for. Raises StorageError."""
    try:
        if asked.json is not None:
            write_run(run, asked.json)
            output.print(f"The run, to compare a later one with: {asked.json}", highlight=False, soft_wrap=True)
        if asked.report is not None:
            with errors.status("Drawing the report"):
                write_report(asked.report, home, run, comparison=comparison, checks=checks)
            output.print(f"The report: {asked.report}", highlight=False, soft_wrap=True)
    except OSError as error:
        raise StorageError(
            f"{error.filename} cannot be written: {error.strerror}.", remedy="Choose another place for it."
        ) from error
