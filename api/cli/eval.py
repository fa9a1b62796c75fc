"""``vitrina eval``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from vitrina.api.cli.console import errors, output, progress_bar
from vitrina.api.rerankers import needed_reranker, open_reranker
from vitrina.api.settings import Settings, encoder_for
from vitrina.evaluation.comparison import (
    JUDGED_BY,
    RETRIEVAL,
    Comparison,
    MetricChange,
    RunPair,
    check_comparable,
    compare_runs,
)
from vitrina.evaluation.gates import GateResult, check_gates, parse_gate
from vitrina.evaluation.judged_search import (
    MEASURING_DEADLINE_S,
    QueryResult,
    RerankedQuery,
    rerank_all,
    search_all,
    summarize_reranking,
)
from vitrina.evaluation.judgements import (
    JudgedQuery,
    by_kind,
    judged_skus,
    read_judgements,
    restrict_to_catalog,
    sample_queries,
)
from vitrina.evaluation.label_queries import QueryTemplate, label_queries, similar_item_queries
from vitrina.evaluation.metrics import LABELS, Interval
from vitrina.evaluation.report import write_report
from vitrina.evaluation.run import Run, RunInfo, Summary, make_run, read_run, write_run
from vitrina.indexer.sources import open_source
from vitrina.indexer.sources.base import Rejection
from vitrina.search.engine import SearchEngine
from vitrina.search.reranking.pipeline import RerankPipeline
from vitrina.search.store.store import Store
from vitrina.search.types.errors import InputError, RerankerError, StorageError
from vitrina.search.types.item import Item
from vitrina.search.types.query import RerankOptions

N_MOVED = 5
BAR_WIDTH = 24


def show_run(run: Run) -> None:
    """Print each kind's metrics with their intervals, how the hits were reranked, and how far confidences can be
    believed."""
    for summary in run.summaries:
        output.print(summary_table(summary))
        output.print()
    for sentence in run.reranking.sentences if run.reranking else ():
        output.print(sentence, highlight=False, markup=False, soft_wrap=True)
    if run.reliability is not None:
        measured = run.reliability
        output.print(
            f"Confidence over {measured.n_hits:,} hits: expected calibration error "
            f"{measured.calibration_error:.3f}, Brier score {measured.brier:.3f}",
            highlight=False,
        )


def summary_table(summary: Summary) -> Table:
    queries = "query" if summary.n_queries == 1 else "queries"
    table = board(f"[bold]{escape(summary.kind)}[/], {summary.n_queries:,} {queries}")
    for name, justify in (("", "left"), ("mean", "right"), ("95% interval", "left"), ("0 to 1", "left")):
        table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=True)
    for key, label in LABELS.items():
        value = summary.metrics[key]
        table.add_row(label, f"[bold]{value.mean:.3f}[/]", f"{value.low:.3f} to {value.high:.3f}", bar(value))
    return table


def bar(value: Interval) -> str:
    """An interval on a line from 0 to 1."""
    low, mean, high = (min(int(end * BAR_WIDTH), BAR_WIDTH - 1) for end in (value.low, value.mean, value.high))
    line = ["[dim]·[/]"] * BAR_WIDTH
    line[low : high + 1] = ["━"] * (high - low + 1)
    line[mean] = "●"
    return "".join(line)


def show_comparison(comparison: Comparison) -> None:
    """Print what changed against the other run, and the queries that lost and won most."""
    for kind, changes in comparison.changes.items():
        table = board(f"[bold]{escape(kind)}[/] against {comparison.against}")
        for name in ("", "before", "now", "difference", "95% interval", "won", "lost", "tied"):
            table.add_column(name, justify="left" if name in ("", "95% interval") else "right", no_wrap=True)
        for key, label in LABELS.items():
            table.add_row(label, *change_cells(changes[key]))
        output.print(table)
        output.print()
    for heading, pairs in (("Lost most", comparison.losses), ("Won most", comparison.wins)):
        if pairs:
            by = f"by {LABELS[JUDGED_BY]} against {comparison.against}"
            output.print(moves_table(f"{heading}, {len(pairs):,} in all, {by}", pairs))
            output.print()
    for note in comparison.notes:
        errors.print(note, highlight=False, soft_wrap=True)


def change_cells(change: MetricChange) -> list[str]:
    difference = change.difference
    colour = ("green" if difference.mean > 0 else "red") if change.is_certain else "default"
    return [
        f"{change.before:.3f}",
        f"{change.after:.3f}",
        f"[{colour}]{difference.mean:+.3f}[/]",
        f"{difference.low:+.3f} to {difference.high:+.3f}",
        f"{change.n_wins:,}",
        f"{change.n_losses:,}",
        f"{change.n_ties:,}",
    ]


def moves_table(title: str, pairs: Sequence[RunPair]) -> Table:
    table = board(f"[bold]{title}[/]")
    table.add_column("query", ratio=1)
    for name in ("before", "now"):
        table.add_column(name, justify="right", no_wrap=True)
    for pair in pairs[:N_MOVED]:
        before, after = (f"{result.metrics[JUDGED_BY]:.3f}" for result in (pair.before, pair.after))
        table.add_row(escape(pair.after.id), before, after)
    return table


def board(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="", box=None, pad_edge=False, header_style="dim")


def show_checks(checks: Sequence[GateResult]) -> None:
    """Print the requirements: those met among the results, those not met as errors."""
    for each in checks:
        console, colour = (output, "green") if each.is_met else (errors, "bold red")
        console.print(
            f"[{colour}]{'✓' if each.is_met else '✕'}[/] {escape(str(each))}", highlight=False, soft_wrap=True
        )


@dataclass(frozen=True, slots=True)
class EvalOptions:
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
class EvalReranker:
    """The reranker to measure, by the name that it has before it is open, and how much it looks at."""

    name: str
    rerank: RerankOptions
    hide_listings: bool


def evaluate(settings: Settings, asked: EvalOptions) -> bool:
    """Measure the search on judged queries; print, and keep what was asked for. Returns whether every requirement
    is met. What can be wrong with the arguments is said before the first query runs."""
    check_arguments(asked)
    reranker = reranker_of(settings, asked)
    earlier = None if asked.against is None else read_run(asked.against)
    store = Store.existing(settings.store)
    queries, notes = gather(store, asked)
    if earlier is not None:
        check_comparable([query.id for query in queries], earlier)
    requirements = [parse_gate(text, list(by_kind(queries))) for text in asked.require]
    with errors.status("Loading the encoder"):
        engine = SearchEngine.open(store, encoder_for(store, settings))
    setting = RunInfo(engine.encoder.identity.name, store.catalog.counts()["items"], asked.seed, tuple(notes))
    comparisons = []
    if reranker is None:
        run = make_run(setting, queries, ask_with_progress(engine, queries))
    else:
        run, lift = measure_lift(settings, store, engine, queries, setting, reranker)
        comparisons.append(lift)
    if earlier is not None:
        comparisons.append(compare_runs(run, earlier))
    checks = check_gates(run, requirements)
    show_run(run)
    for comparison in comparisons:
        show_comparison(comparison)
    show_checks(checks)
    keep(store, asked, run, comparisons, checks)
    store.close()
    return all(each.is_met for each in checks)


def check_arguments(asked: EvalOptions) -> None:
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


def reranker_of(settings: Settings, asked: EvalOptions) -> EvalReranker | None:
    """The reranker to measure, None where none is asked for. Raises NoRerankerError where there is none, and QueryError
    past a limit."""
    if not asked.rerank:
        return None
    name = needed_reranker(settings)
    top = RerankOptions().top if asked.rerank_top is None else asked.rerank_top
    return EvalReranker(name, RerankOptions(top=top, explain=0), asked.hide_listings)


def gather(store: Store, asked: EvalOptions) -> tuple[list[JudgedQuery], list[str]]:
    """Every query to ask, and a sentence on each thing left out. Blocks while fields are read."""
    queries = [] if asked.judgements is None else read_judgements(asked.judgements, asked.queries)
    with errors.status("Making queries"):
        if asked.by:
            queries += label_queries(labelled(store, asked.labels), templates(asked.by), asked.min_rows)
        if asked.like:
            shown = {stored.item.sku for stored in store.catalog.all_items() if stored.image_ids}
            items = (item for item in labelled(store, asked.labels) if item.sku in shown)
            queries += similar_item_queries(items, templates(asked.like), asked.min_rows)
        queries, notes = restrict_to_catalog(queries, store.catalog.content_hashes(sorted(judged_skus(queries))))
    for note in notes:
        errors.print(note, highlight=False, markup=False, soft_wrap=True)
    if asked.max_queries is not None:
        queries = sample_queries(queries, asked.max_queries, asked.seed)
    return queries, notes


def templates(names: Sequence[str]) -> list[QueryTemplate]:
    return [QueryTemplate(name) for name in dict.fromkeys(names)]


def labelled(store: Store, labels: str | None) -> Iterator[Item]:
    """The items whose fields make queries: the catalog's, or those of a catalog file, by its first row of each sku."""
    if labels is None:
        yield from (stored.item for stored in store.catalog.all_items())
        return
    seen: set[str] = set()
    for row in open_source(labels, {}).rows():
        if not isinstance(row, Rejection) and row.item.sku not in seen:
            seen.add(row.item.sku)
            yield row.item


def ask_with_progress(engine: SearchEngine, queries: Sequence[JudgedQuery]) -> list[QueryResult]:
    with progress_bar() as bar:
        task = bar.add_task("Searching", total=len(queries))
        return search_all(engine, queries, lambda n_done: bar.update(task, completed=n_done))


def measure_lift(
    settings: Settings,
    store: Store,
    engine: SearchEngine,
    queries: Sequence[JudgedQuery],
    setting: RunInfo,
    reranker: EvalReranker,
) -> tuple[Run, Comparison]:
    """The run as reranked, and what that is better or worse than the retrieval of the very same answers. Blocks.

    Raises RerankerError where the reranker cannot be opened, and where it looked at nothing.
    """
    with ExitStack() as closing:
        with errors.status(f"Opening the reranker {escape(reranker.name)}"):
            opened = open_reranker(settings, closing)
            stage = closing.enter_context(
                RerankPipeline.open(
                    store, opened, uses_catalog=not reranker.hide_listings, deadline_s=MEASURING_DEADLINE_S
                )
            )
        reranked = rerank_with_progress(engine.with_reranker(stage), queries, reranker.rerank)
    reranking = summarize_reranking(
        opened.identity.name, reranker.rerank, reranked, listings=not reranker.hide_listings
    )
    if not reranking.n_reranked:
        raise RerankerError(
            f"The reranker {reranking.reranker} looked at no hit of any query. {' '.join(reranking.missed)}",
            remedy="Measure without --rerank, or see to it that it can look.",
        )
    before = make_run(setting, queries, [each.before for each in reranked])
    run = make_run(replace(setting, reranking=reranking), queries, [each.after for each in reranked])
    return run, compare_runs(run, before, RETRIEVAL)


def rerank_with_progress(
    engine: SearchEngine, queries: Sequence[JudgedQuery], rerank: RerankOptions
) -> list[RerankedQuery]:
    with progress_bar() as bar:
        task = bar.add_task("Searching and looking", total=len(queries))
        return rerank_all(engine, queries, rerank, lambda n_done: bar.update(task, completed=n_done))


def keep(
    store: Store, asked: EvalOptions, run: Run, comparisons: Sequence[Comparison], checks: Sequence[GateResult]
) -> None:
    """Write the run and the report, where they were asked for. Raises StorageError."""
    try:
        if asked.json is not None:
            write_run(run, asked.json)
            output.print(f"The run, to compare a later one with: {asked.json}", highlight=False, soft_wrap=True)
        if asked.report is not None:
            with errors.status("Drawing the report"):
                write_report(asked.report, store, run, comparisons=comparisons, checks=checks)
            output.print(f"The report: {asked.report}", highlight=False, soft_wrap=True)
    except OSError as error:
        raise StorageError(
            f"{error.filename} cannot be written: {error.strerror}.", remedy="Choose another place for it."
        ) from error
