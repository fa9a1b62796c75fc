"""``vitrina explain``: why an item is, or is not, among the hits of a search."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Annotated

import typer
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vitrina.api.cli.console import StoreOption, output, print_note, settings_for
from vitrina.api.cli.search import (
    FiltersOption,
    ImagesOption,
    LimitOption,
    MinConfidenceOption,
    OffsetOption,
    SortOption,
    WithoutOption,
    opened_reranker,
    query_of,
    verdict_line,
    with_filters,
)

if TYPE_CHECKING:
    from vitrina.search.types.rank_explanation import RankExplanation


def explain(
    sku: Annotated[str, typer.Option("--sku", help="The item to explain; it need not be among the hits.")],
    text: Annotated[list[str] | None, typer.Argument(metavar="QUERY...", help="What was searched for.")] = None,
    images: ImagesOption = None,
    without: WithoutOption = "",
    filters: FiltersOption = None,
    limit: LimitOption = 10,
    sort: SortOption = "relevance",
    offset: OffsetOption = 0,
    min_confidence: MinConfidenceOption = 0.0,
    rerank: Annotated[
        bool, typer.Option("--rerank/--no-rerank", help="Explain the reranked search, and judge the photo, too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as the HTTP API returns it.")] = False,
    folder: StoreOption = None,
) -> None:
    """Say why an item is, or is not, among the hits of a search."""
    from vitrina.api.rank_explanations import RankExplanationOut
    from vitrina.api.rerankers import default_rerank_options
    from vitrina.api.settings import encoder_for, existing_store
    from vitrina.search.engine import SearchEngine
    from vitrina.search.rank_explanation import explain_rank

    query = query_of(" ".join(text or ()), images or (), without, filters or (), limit, offset, min_confidence, sort)
    settings = settings_for(folder)
    with ExitStack() as stack:
        store = stack.enter_context(closing(existing_store(settings)))
        query = with_filters(query, filters or (), store)
        store.catalog.item(sku)  # raises before anything slow is opened
        engine = SearchEngine.open(store, encoder_for(store, settings))
        if rerank:
            engine = engine.with_reranker(opened_reranker(settings, store, stack))
        explained = explain_rank(engine, query, sku, default_rerank_options(settings), is_reranked=rerank)
    if as_json:
        output.file.write(RankExplanationOut.of(explained).model_dump_json(indent=2) + "\n")
    else:
        show_explanation(explained)


def show_explanation(explained: RankExplanation) -> None:
    """Print the sentence, the verdicts, and the parts of the score as a table."""
    item = explained.stored.item
    output.print(Text.assemble((explained.title or item.sku, "bold"), (f"  {item.sku}", "dim")))
    output.print(Text(explained.sentence))
    for verdict in explained.verdicts:
        output.print(Padding(verdict_line(verdict), (0, 0, 0, 3), expand=False))
    if explained.parts:
        output.print()
        output.print(parts_table(explained))
    if explained.rerank_note:
        print_note(explained.rerank_note)


def parts_table(explained: RankExplanation) -> Table:
    """Each part of the score, with the rank by it alone, and what it adds to the total."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("part")
    for heading in ("rank", "score", "adds", "behind the last hit"):
        table.add_column(heading, justify="right", no_wrap=True)
    for part in explained.parts:
        rank = "–" if part.rank is None else f"{part.rank:,}"
        table.add_row(part.part.value, rank, f"{part.score:.2f}", f"{part.contribution:+.2f}", f"{part.gap:+.2f}")
    if explained.penalty:
        table.add_row(f"to be avoided: {', '.join(explained.avoided)}", "", "", f"{-explained.penalty:+.2f}", "")
    return table
