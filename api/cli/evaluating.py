"""``vitrina eval``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from rich.markup import escape

from api.cli.console import errors, output, progress_bar
from api.cli.scoreboard import show_checks, show_comparison, show_run
from api.loading import encoder_for
from api.rerankers import needed_reranker, open_reranker
from api.settings import Settings
from evaluation.comparison import RETRIEVAL, Comparison, check_comparable, compare
from evaluation.fields import Template, queries_by, queries_like
from evaluation.judgements import read_judgements
from evaluation.query import JudgedQuery, by_kind, held, judged_skus, sample
from evaluation.report.page import write_report
from evaluation.requirements import Check, check, parse_requirement
from evaluation.reranking import Looked, look_at_all, reranking_of
from evaluation.run import Run, Setting, read_run, run_of, write_run
from evaluation.running import Found, ask_all
from indexer.record import Rejection
from indexer.sources import open_source
from search.engine import SearchEngine
from search.errors import InputError, RerankerError, StorageError
from search.home import Home
from search.item import Item
from search.reranking.budget import Rerank
from search.reranking.engine import RerankingEngine


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
    rerank: bool = False
    rerank_top: int | None = None
    hide_listings: bool = False


@dataclass(frozen=True, slots=True)
class Reranker:
    """The reranker to measure, by the name that it has before it is open, and how much it looks at."""

    name: str
    rerank: Rerank


def evaluate(settings: Settings, asked: Asked) -> bool:
    """Measure the search on judged queries; print, and keep what was asked for. Returns whether every requirement
    is met. What can be wrong with the arguments is said before the first query runs."""
    check_arguments(asked)
    reranker = reranker_of(settings, asked)
    earlier = None if asked.against is None else read_run(asked.against)
    home = Home.existing(settings.home)
    queries, notes = gather(home, asked)
    if earlier is not None:
        check_comparable([query.id for query in queries], earlier)
    requirements = [parse_requirement(text, list(by_kind(queries))) for text in asked.require]
    with errors.status("Loading the encoder"):
        engine = home.open_engine(encoder_for(home, settings))
    setting = Setting(engine.encoder.identity.name, home.catalog.counts()["items"], asked.seed, tuple(notes))
    comparisons = []
    if reranker is None:
        run = run_of(setting, queries, ask_with_progress(engine, queries))
    else:
        run, lift = measure_lift(settings, home, engine, queries, setting, reranker)
        comparisons.append(lift)
    if earlier is not None:
        comparisons.append(compare(run, earlier))
    checks = check(run, requirements)
    show_run(run)
    for comparison in comparisons:
        show_comparison(comparison)
    show_checks(checks)
    keep(home, asked, run, comparisons, checks)
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
    if not asked.rerank and (asked.rerank_top is not None or asked.hide_listings):
        raise InputError("--rerank-top and --hide-listings say how to rerank.", remedy="Add --rerank.")
    for path in (asked.json, asked.report):
        if path is not None and not path.absolute().parent.is_dir():
            raise InputError(f"There is no folder {path.parent} for {path.name}.", remedy="Make it first.")


def reranker_of(settings: Settings, asked: Asked) -> Reranker | None:
    """The reranker to measure, None where none is asked for. Raises NoRerankerError where there is none, and QueryError
    past a limit."""
    if not asked.rerank:
        return None
    name = needed_reranker(settings)
    top = Rerank().top if asked.rerank_top is None else asked.rerank_top
    return Reranker(name, Rerank(top=top, explain=0, listings=not asked.hide_listings, unhurried=True))


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


def measure_lift(
    settings: Settings,
    home: Home,
    engine: SearchEngine,
    queries: Sequence[JudgedQuery],
    setting: Setting,
    reranker: Reranker,
) -> tuple[Run, Comparison]:
    """The run as reranked, and what that is better or worse than the retrieval of the very same answers. Blocks.

    Raises RerankerError where the reranker cannot be opened, and where it looked at nothing.
    """
    with ExitStack() as closing:
        with errors.status(f"Opening the reranker {escape(reranker.name)}"):
            opened = open_reranker(settings, closing)
            stage = closing.enter_context(home.open_stage(opened))
        looked = look_with_progress(RerankingEngine(engine, stage), queries, reranker.rerank)
    reranking = reranking_of(opened.identity.name, reranker.rerank, looked)
    if not reranking.n_looked:
        raise RerankerError(
            f"The reranker {reranking.reranker} looked at no hit of any query. {' '.join(reranking.missed)}",
            remedy="Measure without --rerank, or see to it that it can look.",
        )
    before = run_of(setting, queries, [each.before for each in looked])
    run = run_of(replace(setting, reranking=reranking), queries, [each.after for each in looked])
    return run, compare(run, before, RETRIEVAL)


def look_with_progress(engine: RerankingEngine, queries: Sequence[JudgedQuery], rerank: Rerank) -> list[Looked]:
    with progress_bar() as bar:
        task = bar.add_task("Searching and looking", total=len(queries))
        return look_at_all(engine, queries, rerank, lambda n_done: bar.update(task, completed=n_done))


def keep(home: Home, asked: Asked, run: Run, comparisons: Sequence[Comparison], checks: Sequence[Check]) -> None:
    """Write the run and the report, where they were asked for. Raises StorageError."""
    try:
        if asked.json is not None:
            write_run(run, asked.json)
            output.print(f"The run, to compare a later one with: {asked.json}", highlight=False, soft_wrap=True)
        if asked.report is not None:
            with errors.status("Drawing the report"):
                write_report(asked.report, home, run, comparisons=comparisons, checks=checks)
            output.print(f"The report: {asked.report}", highlight=False, soft_wrap=True)
    except OSError as error:
        raise StorageError(
            f"{error.filename} cannot be written: {error.strerror}.", remedy="Choose another place for it."
        ) from error
