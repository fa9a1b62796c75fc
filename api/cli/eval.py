"""``vitrina eval``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from vitrina.api.cli.console import (
    ByOption,
    LikeOption,
    QueriesOption,
    ReportOption,
    StoreOption,
    check_folders,
    errors,
    print_line,
    print_note,
    progress,
    settings_for,
)
from vitrina.search.types.errors import InputError, RerankerError, StorageError

if TYPE_CHECKING:
    from vitrina.api.settings import Settings
    from vitrina.evaluation.comparison import Comparison, GateResult
    from vitrina.evaluation.judged_search import QueryResult, RerankedQuery
    from vitrina.evaluation.judgements import JudgedQuery
    from vitrina.evaluation.label_queries import QueryTemplate
    from vitrina.evaluation.run import Run, RunInfo
    from vitrina.search.engine import SearchEngine
    from vitrina.search.store.store import Store
    from vitrina.search.types.item import Item
    from vitrina.search.types.query import RerankOptions

JudgementsArgument = Annotated[
    Path | None, typer.Argument(help="Judged queries as JSON lines, or TREC qrels.", show_default=False)
]
LabelsOption = Annotated[
    str | None,
    typer.Option("--labels", metavar="CATALOG", help="A catalog file with the fields of --by and --like."),
]
MinRowsOption = Annotated[int, typer.Option("--min-rows", min=1, help="The fewest items that a value must have.")]
MaxQueriesOption = Annotated[
    int | None, typer.Option("--max-queries", min=1, help="Take a sample of at most this many queries of each kind.")
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of the sample and of the intervals.")]
AgainstOption = Annotated[
    Path | None, typer.Option("--against", metavar="RUN.json", help="Compare with an earlier run, query by query.")
]
JsonOption = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the run to a file.")]
RequireOption = Annotated[
    list[str] | None,
    typer.Option("--require", metavar="METRIC=LEAST", help="Exit with 1 below it, as in ndcg@10=0.6. Repeatable."),
]
RerankOption = Annotated[bool, typer.Option("--rerank", help="Rerank the best hits with VITRINA_RERANKER.")]
RerankTopOption = Annotated[
    int | None,
    typer.Option("--rerank-top", metavar="N", help="How many of a query's hits to rerank; 20 by default."),
]
HideListingsOption = Annotated[
    bool, typer.Option("--hide-listings", help="Rerank by images alone and ignore the catalog's fields.")
]


def evaluate(
    judgements: JudgementsArgument = None,
    queries: QueriesOption = None,
    by: ByOption = None,
    like: LikeOption = None,
    labels: LabelsOption = None,
    min_rows: MinRowsOption = 3,
    max_queries: MaxQueriesOption = None,
    seed: SeedOption = 0,
    against: AgainstOption = None,
    json_file: JsonOption = None,
    report: ReportOption = None,
    require: RequireOption = None,
    rerank: RerankOption = False,
    rerank_top: RerankTopOption = None,
    hide_listings: HideListingsOption = False,
    folder: StoreOption = None,
) -> None:
    """Measure how well the search answers judged queries, and show where it fails."""
    from vitrina.api.cli.eval_tables import show_comparison, show_gates, show_run
    from vitrina.api.settings import encoder_for, existing_store
    from vitrina.evaluation.comparison import check_comparable, check_gates, compare_runs, parse_gate
    from vitrina.evaluation.judgements import by_kind, sample_queries
    from vitrina.evaluation.run import RunInfo, make_run, read_run
    from vitrina.search.engine import SearchEngine

    # Everything that can be wrong with the options is reported before the first query runs.
    check_sources(judgements, queries, labels, has_fields=bool(by or like))
    check_folders([json_file, report])
    settings = settings_for(folder)
    options = rerank_options(settings, rerank=rerank, top=rerank_top, hide_listings=hide_listings)
    earlier = None if against is None else read_run(against)
    with closing(existing_store(settings)) as store:
        judged, notes = gather(store, judgements, queries, by or [], like or [], labels, min_rows)
        if max_queries is not None:
            judged = sample_queries(judged, max_queries, seed)
        if earlier is not None:
            check_comparable([query.id for query in judged], earlier)
        gates = [parse_gate(text, list(by_kind(judged))) for text in require or []]
        with errors.status("Loading the encoder"):
            engine = SearchEngine.open(store, encoder_for(store, settings))
        setting = RunInfo(engine.encoder.identity.name, store.catalog.count("items"), seed, tuple(notes))
        comparisons = []
        if options is None:
            run = make_run(setting, judged, ask_with_progress(engine, judged))
        else:
            run, lift = measure_lift(settings, store, engine, judged, setting, options, listings=not hide_listings)
            comparisons.append(lift)
        if earlier is not None:
            comparisons.append(compare_runs(run, earlier))
        results = check_gates(run, gates)
        show_run(run)
        for comparison in comparisons:
            show_comparison(comparison)
        show_gates(results)
        keep(store, run, comparisons, results, json_file, report)
    if not all(result.is_met for result in results):
        raise typer.Exit(1)


def check_sources(judgements: Path | None, queries: Path | None, labels: str | None, *, has_fields: bool) -> None:
    """Raise InputError if the options name nothing to ask, or cannot be used together."""
    if judgements is None and not has_fields:
        raise InputError(
            "There is nothing to measure with.",
            remedy="Give a file of judgements, or make queries from a field: vitrina eval --by FIELD",
        )
    if queries is not None and judgements is None:
        raise InputError("--queries holds the texts of TREC qrels.", remedy="Give the qrels file as well.")
    if labels is not None and not has_fields:
        raise InputError("--labels holds the fields for --by and --like.", remedy="Add --by FIELD or --like FIELD.")


def rerank_options(settings: Settings, *, rerank: bool, top: int | None, hide_listings: bool) -> RerankOptions | None:
    """How to rerank each query; None without ``--rerank``.

    Raises InputError for options that need ``--rerank``, NoRerankerError if no reranker is set, QueryError past a
    limit.
    """
    from vitrina.api.rerankers import needed_reranker
    from vitrina.search.types.query import RerankOptions

    if not rerank:
        if top is not None or hide_listings:
            raise InputError("--rerank-top and --hide-listings say how to rerank.", remedy="Add --rerank.")
        return None
    needed_reranker(settings)
    return RerankOptions(top=RerankOptions().top if top is None else top, explain=0)


def gather(
    store: Store,
    judgements: Path | None,
    texts: Path | None,
    by: Sequence[str],
    like: Sequence[str],
    labels: str | None,
    min_rows: int,
) -> tuple[list[JudgedQuery], list[str]]:
    """Every query to ask, and a sentence on each thing left out, which is printed. Blocks while fields are read."""
    from vitrina.evaluation.judgements import judged_skus, read_judgements, restrict_to_catalog
    from vitrina.evaluation.label_queries import label_queries, similar_item_queries

    queries = [] if judgements is None else read_judgements(judgements, texts)
    with errors.status("Making queries"):
        if by:
            queries += label_queries(labelled(store, labels), templates(by), min_rows)
        if like:
            with_images = {stored.item.sku for stored in store.catalog.all_items() if stored.image_ids}
            items = (item for item in labelled(store, labels) if item.sku in with_images)
            queries += similar_item_queries(items, templates(like), min_rows)
        queries, notes = restrict_to_catalog(queries, store.catalog.content_hashes(sorted(judged_skus(queries))))
    for note in notes:
        print_note(note)
    return queries, notes


def templates(names: Sequence[str]) -> list[QueryTemplate]:
    """The templates, each once."""
    from vitrina.evaluation.label_queries import QueryTemplate

    return [QueryTemplate(name) for name in dict.fromkeys(names)]


def labelled(store: Store, labels: str | None) -> Iterator[Item]:
    """The items whose fields make queries: the catalog's, or those of a catalog file, the first row of each sku."""
    from vitrina.indexer.sources import open_source
    from vitrina.indexer.sources.base import Rejection

    if labels is None:
        yield from (stored.item for stored in store.catalog.all_items())
        return
    yielded: set[str] = set()
    for row in open_source(labels, {}).rows():
        if not isinstance(row, Rejection) and row.item.sku not in yielded:
            yielded.add(row.item.sku)
            yield row.item


def ask_with_progress(engine: SearchEngine, queries: Sequence[JudgedQuery]) -> list[QueryResult]:
    """Ask every query."""
    from vitrina.evaluation.judged_search import search_all

    with progress("Searching", len(queries)) as on_progress:
        return search_all(engine, queries, on_progress)


def measure_lift(
    settings: Settings,
    store: Store,
    engine: SearchEngine,
    queries: Sequence[JudgedQuery],
    setting: RunInfo,
    options: RerankOptions,
    *,
    listings: bool,
) -> tuple[Run, Comparison]:
    """The reranked run, and its comparison with the retrieval of the same answers. Blocks.

    Raises RerankerError if the reranker cannot be opened, or reranked no hit.
    """
    from vitrina.api.rerankers import needed_reranker, open_reranker
    from vitrina.evaluation.comparison import RETRIEVAL, compare_runs
    from vitrina.evaluation.judged_search import MEASURING_DEADLINE_S, summarize_reranking
    from vitrina.evaluation.run import make_run
    from vitrina.search.reranking.pipeline import RerankPipeline

    with ExitStack() as stack:
        with errors.status(f"Opening the reranker {escape(needed_reranker(settings))}"):
            reranker = open_reranker(settings, stack)
            stage = stack.enter_context(
                RerankPipeline.open(store, reranker, uses_catalog=listings, deadline_s=MEASURING_DEADLINE_S)
            )
        reranked = rerank_with_progress(engine.with_reranker(stage), queries, options)
    reranking = summarize_reranking(reranker.identity.name, options, reranked, listings=listings)
    if not reranking.n_reranked:
        raise RerankerError(
            f"The reranker {reranking.reranker} reranked no hit of any query. {' '.join(reranking.missed)}",
            remedy="Measure without --rerank, or mend the reranker.",
        )
    before = make_run(setting, queries, [each.before for each in reranked])
    run = make_run(replace(setting, reranking=reranking), queries, [each.after for each in reranked])
    return run, compare_runs(run, before, RETRIEVAL)


def rerank_with_progress(
    engine: SearchEngine, queries: Sequence[JudgedQuery], options: RerankOptions
) -> list[RerankedQuery]:
    """Ask every query and rerank its hits."""
    from vitrina.evaluation.judged_search import rerank_all

    with progress("Searching and reranking", len(queries)) as on_progress:
        return rerank_all(engine, queries, options, on_progress)


def keep(
    store: Store,
    run: Run,
    comparisons: Sequence[Comparison],
    gates: Sequence[GateResult],
    json_file: Path | None,
    report: Path | None,
) -> None:
    """Write the run and the report if they were asked for. Raises StorageError."""
    from vitrina.evaluation.report import write_report
    from vitrina.evaluation.run import write_run

    try:
        if not store.catalog.database.is_read_only:
            write_run(run, store.last_run)  # which GET /v1/evaluation shows
        if json_file is not None:
            write_run(run, json_file)
            print_line(f"The run, for --against: {json_file}")
        if report is not None:
            with errors.status("Writing the report"):
                write_report(report, store, run, comparisons=comparisons, checks=gates)
            print_line(f"The report: {report}")
    except OSError as error:
        raise StorageError(
            f"{error.filename} cannot be written: {error.strerror}.", remedy="Choose another place for it."
        ) from error
