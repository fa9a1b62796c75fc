"""The commands and their options. Each translates its options and hands over to one function."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitrina.api.cli import encoder, reranker, train
from vitrina.api.cli.console import StoreOption, settings_for

app = typer.Typer(
    name="vitrina",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Search a product catalog by words, by picture, or by both.",
)

app.add_typer(encoder.app)
app.add_typer(reranker.app)
app.add_typer(train.app)


@app.command()
def index(
    sources: Annotated[list[str], typer.Argument(help="Folders of pictures, CSV, TSV, JSONL, Parquet or tar files.")],
    store: StoreOption = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", metavar="FIELD=COLUMN", help="Say which column is which field.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")] = False,
) -> None:
    """Index catalogs: add what is new, update what changed, skip what is known."""
    from vitrina.api.cli.index import index_sources

    index_sources(settings_for(store), sources, mapping or [], dry_run=dry_run)


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="What is wanted, in words.")] = "",
    image: Annotated[list[Path] | None, typer.Option("--image", help="A picture of what is wanted.")] = None,
    without: Annotated[str, typer.Option("--without", help="What to avoid, in words.")] = "",
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", metavar="KEY=VALUE", help="colour=navy, 'colour=!red', price_cents=1000..5000"),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", help="How many hits.")] = 10,
    min_confidence: Annotated[
        float, typer.Option("--min-confidence", help="Leave out hits less likely than this, 0 to 1, to be right.")
    ] = 0.0,
    rerank: Annotated[
        bool | None,
        typer.Option("--rerank/--no-rerank", help="Let the model that VITRINA_RERANKER names look at the best again."),
    ] = None,
    explain: Annotated[
        int | None, typer.Option("--explain", metavar="N", help="Rerank, and explain the first N hits.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the HTTP service's answer.")] = False,
    store: StoreOption = None,
) -> None:
    """Search by words, by picture, or by both."""
    from vitrina.api.cli.search import SearchOptions, run_search

    asked = SearchOptions(
        text, tuple(image or ()), without, tuple(filters or ()), limit, min_confidence, rerank, explain
    )
    run_search(settings_for(store), asked, as_json=as_json)


@app.command()
def serve(
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="The port to listen on.")] = 8000,
    store: StoreOption = None,
) -> None:
    """Serve the HTTP API and the web page."""
    from vitrina.api.cli.serve import run_server

    run_server(settings_for(store), host, port)


@app.command()
def status(store: StoreOption = None) -> None:
    """Say what the catalog holds."""
    from vitrina.api.cli.status import show_status

    show_status(settings_for(store))


@app.command()
def delete(
    skus: Annotated[list[str], typer.Argument(help="The items to delete.")],
    store: StoreOption = None,
) -> None:
    """Delete items by sku."""
    from vitrina.api.cli.status import delete_items

    delete_items(settings_for(store), skus)


@app.command()
def rebuild(store: StoreOption = None) -> None:
    """Make the vector index anew from the catalog."""
    from vitrina.api.cli.status import rebuild_replica

    rebuild_replica(settings_for(store))


@app.command("eval")
def evaluate(
    judgements: Annotated[
        Path | None, typer.Argument(help="JSON lines of judged queries, or TREC qrels.", show_default=False)
    ] = None,
    queries: Annotated[
        Path | None, typer.Option("--queries", help="The texts of the qrels: qid, a tab, the text.")
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by", metavar="FIELD", help="Ask each value of a field, or of '{colour} {article} for {gender}'."
        ),
    ] = None,
    like: Annotated[
        list[str] | None,
        typer.Option("--like", metavar="FIELD", help="Ask each item's photo for the others of the same value."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option("--labels", metavar="CATALOG", help="A catalog file that has the fields, if not indexed."),
    ] = None,
    min_rows: Annotated[int, typer.Option("--min-rows", min=1, help="The fewest items a value must have.")] = 3,
    max_queries: Annotated[
        int | None, typer.Option("--max-queries", min=1, help="Ask a sample: at most so many of each kind.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws the sample and the intervals.")] = 0,
    against: Annotated[
        Path | None, typer.Option("--against", metavar="RUN.json", help="Compare with an earlier run, query by query.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Keep the run.")] = None,
    report: Annotated[Path | None, typer.Option("--report", metavar="FILE.html", help="Draw a report.")] = None,
    require: Annotated[
        list[str] | None,
        typer.Option("--require", metavar="METRIC=LEAST", help="Exit with 1 below it, as in ndcg@10=0.6."),
    ] = None,
    rerank: Annotated[
        bool, typer.Option("--rerank", help="Let the model that VITRINA_RERANKER names look at the best hits again.")
    ] = False,
    rerank_top: Annotated[
        int | None,
        typer.Option("--rerank-top", metavar="N", help="How many of a query's hits it looks at; 20 if left out."),
    ] = None,
    hide_listings: Annotated[
        bool, typer.Option("--hide-listings", help="Rerank by pictures alone, whatever the catalog's fields say.")
    ] = False,
    store: StoreOption = None,
) -> None:
    """Measure how well the search answers judged queries, and show where it fails."""
    from vitrina.api.cli.eval import EvalOptions
    from vitrina.api.cli.eval import evaluate as evaluate_search

    asked = EvalOptions(
        judgements=judgements,
        queries=queries,
        by=tuple(by or ()),
        like=tuple(like or ()),
        labels=labels,
        min_rows=min_rows,
        max_queries=max_queries,
        seed=seed,
        against=against,
        json=json_file,
        report=report,
        require=tuple(require or ()),
        rerank=rerank,
        rerank_top=rerank_top,
        hide_listings=hide_listings,
    )
    if not evaluate_search(settings_for(store), asked):
        raise typer.Exit(1)


@app.command()
def audit(
    fields: Annotated[
        list[str] | None,
        typer.Option("--field", metavar="NAME", help="A field to audit; colour, pattern and article if left out."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Look at the first N items only.")] = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write all that is found, one a line.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE.html", help="Draw a report with the photos.")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Find listings that their photos contradict, by the model that VITRINA_RERANKER names."""
    from vitrina.api.cli.audit import AuditOptions, audit_catalog

    audit_catalog(settings_for(store), AuditOptions(tuple(fields or ()), limit, csv_file, report))


@app.command()
def demo(
    n_products: Annotated[int, typer.Option("--products", help="How many products to draw.")] = 300,
    folder: Annotated[Path, typer.Option("--folder", help="Where the shop and its catalog go.")] = Path("demo"),
) -> None:
    """Draw a small boutique, index it, and search it three ways."""
    from vitrina.api.cli.demo import run_demo

    run_demo(settings_for(folder / "home"), folder, n_products)
