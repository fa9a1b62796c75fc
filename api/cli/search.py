"""``vitrina search``, and how hits and verdicts are printed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vitrina.api.cli.console import StoreOption, errors, output, print_note, settings_for
from vitrina.search.types.currencies import price_text
from vitrina.search.types.errors import ImageError, RerankerError
from vitrina.search.types.requirement import Author, Evidence, Status, Verdict

if TYPE_CHECKING:
    from PIL import Image

    from vitrina.api.requests import SearchRequest
    from vitrina.api.settings import Settings
    from vitrina.search.engine import SearchEngine
    from vitrina.search.reranking.pipeline import SupportsRerank
    from vitrina.search.store.store import Store
    from vitrina.search.types.answer import Answer, Hit
    from vitrina.search.types.item import Item, Variant
    from vitrina.search.types.query import Query

MARKS: Mapping[Status, tuple[str, str]] = {
    Status.MET: ("✓", "green"),
    Status.CONTRADICTED: ("✗", "red"),
    Status.UNKNOWN: ("?", "yellow"),
}
"""The sign alone tells them apart; the colour only helps."""

EVIDENCE: Mapping[Evidence, str] = {
    Evidence.FIELD: "listing",
    Evidence.IMAGE: "photo",
    Evidence.BOTH: "listing and photo",
    Evidence.NOTHING: "no evidence",
}


ImagesOption = Annotated[list[Path] | None, typer.Option("--image", help="A photo of what to find. Repeatable.")]
WithoutOption = Annotated[str, typer.Option("--without", help="What to avoid, in words.")]
FiltersOption = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        metavar="KEY=VALUE",
        help="colour=navy, 'colour=navy|blue', 'colour=!red', price_cents=1000..5000, 'material=*' (has any). In "
        "double quotes | .. ! * = stand for themselves: 'style=\"Men|Shirts\"'. Repeatable; a product passes by one "
        "of its variants. Without TEXT it lists the items that pass.",
    ),
]
CollapseOption = Annotated[
    bool, typer.Option("--collapse/--no-collapse", help="Show a product once, or its variants and twins one by one.")
]
CorrectOption = Annotated[
    bool,
    typer.Option("--correct/--no-correct", help="Read mistyped words as what they are likely to mean, or as typed."),
]
LimitOption = Annotated[int, typer.Option("--limit", help="How many hits.")]
SortOption = Annotated[
    str,
    typer.Option("--sort", help="relevance, price_asc, price_desc, newest; or a field's numbers, as in rating:desc."),
]
OffsetOption = Annotated[int, typer.Option("--offset", help="How many of the first hits to skip.")]
MinConfidenceOption = Annotated[
    float, typer.Option("--min-confidence", help="Leave out hits below this confidence, 0 to 1.")
]


def search(
    text: Annotated[str, typer.Argument(help="What to find, in words.")] = "",
    images: ImagesOption = None,
    without: WithoutOption = "",
    filters: FiltersOption = None,
    limit: LimitOption = 10,
    sort: SortOption = "relevance",
    offset: OffsetOption = 0,
    min_confidence: MinConfidenceOption = 0.0,
    collapse: CollapseOption = True,
    correct: CorrectOption = True,
    rerank: Annotated[
        bool | None, typer.Option("--rerank/--no-rerank", help="Rerank the best hits with VITRINA_RERANKER.")
    ] = None,
    explain: Annotated[
        int | None, typer.Option("--explain", metavar="N", help="Rerank, and explain the first N hits.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as the HTTP API returns it.")] = False,
    folder: StoreOption = None,
) -> None:
    """Search by text, by image, or by both; or list what passes the filters."""
    from vitrina.api.answers import AnswerOut
    from vitrina.api.requests import SearchRequest, is_reranked
    from vitrina.api.settings import encoder_for, existing_store
    from vitrina.search.engine import SearchEngine

    query = query_of(text, images or (), without, filters or (), limit, offset, min_confidence, sort, collapse, correct)
    request = SearchRequest(rerank=rerank, explain=explain)
    wants_reranking, settings = is_reranked(request), settings_for(folder)
    with closing(existing_store(settings)) as store:
        query = with_filters(query, filters or (), store)
        engine = SearchEngine.open(store, encoder_for(store, settings))
        answer = reranked(settings, store, engine, query, request) if wants_reranking else engine.search(query)
    if as_json:
        output.file.write(AnswerOut.of(answer).model_dump_json(indent=2) + "\n")
    else:
        show_answer(answer)
        show_verdicts(answer)


def query_of(
    text: str,
    images: Sequence[Path],
    without: str,
    filters: Sequence[str],
    limit: int,
    offset: int,
    min_confidence: float,
    sort: str,
    collapse: bool = True,
    correct: bool = True,
) -> Query:
    """The query of a command's options, without its filters, whose form is checked; so what is wrong is known before
    anything is opened. Raises InputError."""
    from vitrina.search.types.filters import parse_filter_arguments
    from vitrina.search.types.query import Query, sort_order

    parse_filter_arguments(filters, lambda *_: True)
    return Query(
        text=text,
        images=tuple(map(read_image, images)),
        without=without,
        limit=limit,
        offset=offset,
        min_confidence=min_confidence,
        sort=sort_order(sort),
        collapse=collapse,
        correct=correct,
    )


def with_filters(query: Query, filters: Sequence[str], store: Store) -> Query:
    """The query with filters, read by the values that the catalog has. Raises FilterError."""
    from vitrina.search.types.filters import parse_filter_arguments

    with store.catalog.reading() as reader:
        return replace(query, filters=parse_filter_arguments(filters, reader.facets.is_value))


def read_image(path: Path) -> Image.Image:
    """A query image from a local file. Raises ImageError."""
    from vitrina.search.images.decode import decode_image

    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"The image {path} cannot be read: {error.strerror}.", remedy="Check its path.") from error
    return decode_image(data).pixels


def reranked(settings: Settings, store: Store, engine: SearchEngine, query: Query, request: SearchRequest) -> Answer:
    """The answer, reranked by the settings' reranker; in retrieval order, with the reason, if that cannot be opened.

    Blocks while a model is loaded. Raises NoRerankerError.
    """
    from vitrina.api.requests import rerank_options_of
    from vitrina.api.rerankers import default_rerank_options

    options = rerank_options_of(request, default_rerank_options(settings))
    with ExitStack() as stack:
        return engine.with_reranker(opened_reranker(settings, store, stack)).search(query, options)


def opened_reranker(settings: Settings, store: Store, stack: ExitStack) -> SupportsRerank:
    """The settings' reranker, or a stand-in that says why it cannot be opened; ``stack`` closes it. Blocks while a
    model is loaded. Raises NoRerankerError."""
    from vitrina.api.rerankers import needed_reranker, open_reranker
    from vitrina.search.reranking.pipeline import RerankPipeline, UnavailableReranker
    from vitrina.search.types.answer import RerankStatus

    name = needed_reranker(settings)
    try:
        with errors.status(f"Opening the reranker {escape(name)}"):
            return stack.enter_context(RerankPipeline.open(store, open_reranker(settings, stack)))
    except RerankerError as problem:
        return UnavailableReranker(name, RerankStatus.FAILED, f"Not reranked: {problem}")


def show_answer(answer: Answer, title: str | None = None) -> None:
    """Print the hits as a table."""
    if not answer.hits:
        output.print("Nothing found.")
        return
    is_calibrated = any(hit.confidence is not None for hit in answer.hits)
    heading = None if title is None else Text(title, "bold")
    table = Table(title=heading, title_justify="left", box=None, pad_edge=False, header_style="dim")
    table.add_column("", justify="right")
    table.add_column("sku", no_wrap=True)
    table.add_column("title", ratio=1)
    table.add_column("price", justify="right", no_wrap=True)
    table.add_column("score", justify="right")
    if is_calibrated:
        table.add_column("confidence", justify="right")
    for hit in answer.hits:
        confidence = [percent(hit.confidence)] if is_calibrated else []
        table.add_row(str(hit.rank), *map(Text, told(hit)), f"{hit.score:.3f}", *confidence)
    output.print(table)
    if n_twins := sum(len(hit.twins) for hit in answer.hits):
        print_note(f"{n_twins:,} more with the photo of a hit are not shown; --no-collapse shows all.")
    for typed, taken in answer.corrected.items():
        print_note(f"Nothing has {typed!r}; {taken!r} was searched for; --no-correct searches as typed.")
    if answer.no_good_match:
        print_note("Nothing in the catalog matches well; these are the closest.")


def told(hit: Hit) -> tuple[str, str, str]:
    """A hit's sku, its title, and its price; with those of the variant that fits, what its own title does not tell of
    its options, and how many others there are."""
    item = hit.item
    if hit.variant is None:
        return item.sku, item.title, price(item)
    variant, n_others = item.variants[hit.variant], len(item.variants) - 1
    values = (str(value) for value in variant.options.values())
    options = ", ".join(
        each for each in values if not re.search(rf"(?<!\w){re.escape(each)}(?!\w)", variant.title, re.I)
    )
    others = f"and {n_others} more" if n_others else ""
    chosen = ", ".join(part for part in (options, others) if part)
    return item.sku, f"{hit.title} ({chosen})" if chosen else hit.title, price(variant)


def price(priced: Item | Variant) -> str:
    """The price with its currency; empty if there is none."""
    return "" if priced.price_cents is None else price_text(priced.price_cents, priced.currency)


def show_verdicts(answer: Answer) -> None:
    """Print the verdicts and the explanation of each hit; nothing if the answer was not to be reranked."""
    if answer.reranker is None:
        if answer.rerank_note:
            print_note(answer.rerank_note)
        return
    for hit in answer.hits:
        if hit.verdicts or hit.explanation:
            output.print()
            for line in verdict_lines(hit):
                output.print(line)
    if answer.rerank_note:
        print_note(answer.rerank_note)


def verdict_lines(hit: Hit) -> list[Text | Padding]:
    """A hit's title, its verdicts, and its explanation."""
    moved = f" (was {hit.retrieval_rank})" if hit.retrieval_rank not in (None, hit.rank) else ""
    title = Text.assemble((f"{hit.rank}. ", "dim"), (hit.title or hit.item.sku, "bold"), (moved, "dim"))
    lines: list[Text | Padding] = [title]
    lines += [Padding(verdict_line(verdict), (0, 0, 0, 3), expand=False) for verdict in hit.verdicts]
    if hit.explanation and hit.explanation.text:
        author = " (the model's words)" if hit.explanation.written_by is Author.MODEL else ""
        lines.append(Padding(Text.assemble(hit.explanation.text, (author, "dim")), (0, 0, 0, 3), expand=False))
    return lines


def verdict_line(verdict: Verdict) -> Text:
    """One verdict: its sign, the requirement, the probability and evidence, and any disagreement in words."""
    mark, colour = MARKS[verdict.status]
    evidence = f"  {percent(verdict.probability)}, {EVIDENCE[verdict.evidence]}"
    line = Text.assemble((mark, colour), " ", verdict.requirement.name, (evidence, "dim"))
    if verdict.disagreement:
        line.append(f"  ≠ {verdict.disagreement}", "yellow")
    return line


def percent(probability: float | None) -> str:
    """A probability in whole percent, from 1 to 99: no measurement gives 0 or 100 %. Empty for None."""
    return "" if probability is None else f"{min(max(round(100 * probability), 1), 99)}%"
