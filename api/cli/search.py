"""``vitrina search``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vitrina.api.answers import AnswerOut
from vitrina.api.cli.console import errors, output
from vitrina.api.requests import SearchRequest, is_reranked, rerank_options_of
from vitrina.api.rerankers import needed_reranker, open_reranker, usual_budget
from vitrina.api.settings import Settings, encoder_for
from vitrina.search.engine import SearchEngine
from vitrina.search.images.decode import decode_image
from vitrina.search.reranking.pipeline import RerankPipeline, UnavailableReranker
from vitrina.search.store.store import Store
from vitrina.search.types.answer import Answer, Hit, RerankState
from vitrina.search.types.errors import ImageError, RerankerError
from vitrina.search.types.filters import parse_filter_arguments
from vitrina.search.types.query import Query
from vitrina.search.types.requirement import Author, Evidence, Status, Verdict

MARKS: Mapping[Status, tuple[str, str]] = {
    Status.MET: ("✓", "green"),
    Status.CONTRADICTED: ("✗", "red"),
    Status.UNKNOWN: ("?", "yellow"),
}
"""Told apart by the sign; the colour is for those who see it."""

EVIDENCE: Mapping[Evidence, str] = {
    Evidence.FIELD: "listing",
    Evidence.IMAGE: "photo",
    Evidence.BOTH: "listing and photo",
    Evidence.NOTHING: "nothing tells",
}


def show_verdicts(answer: Answer) -> None:
    """Print below the hits what is known of each; nothing where nobody asked for reranking."""
    if answer.reranker is None:
        return
    for hit in answer.hits:
        if hit.verdicts or hit.explanation:
            output.print()
            for line in lines_of(hit):
                output.print(line)
    if answer.rerank_note:
        errors.print(answer.rerank_note, highlight=False, markup=False, soft_wrap=True)


def lines_of(hit: Hit) -> list[Text | Padding]:
    """A hit's title, its verdicts, and its explanation."""
    moved = f" (was {hit.retrieval_rank})" if hit.retrieval_rank not in (None, hit.rank) else ""
    head = Text.assemble(
        (f"{hit.rank}. ", "dim"), (hit.stored.item.title or hit.stored.item.sku, "bold"), (moved, "dim")
    )
    lines: list[Text | Padding] = [head]
    lines += [Padding(verdict_line(verdict), (0, 0, 0, 3), expand=False) for verdict in hit.verdicts]
    if hit.explanation and hit.explanation.text:
        author = " (the model's words)" if hit.explanation.written_by is Author.MODEL else ""
        lines.append(Padding(Text.assemble(hit.explanation.text, (author, "dim")), (0, 0, 0, 3), expand=False))
    return lines


def verdict_line(verdict: Verdict) -> Text:
    """One verdict: its sign, the requirement, how sure it is and why, and a disagreement in words."""
    mark, colour = MARKS[verdict.status]
    why = f"  {percent(verdict.probability)}, {EVIDENCE[verdict.evidence]}"
    line = Text.assemble((mark, colour), " ", verdict.requirement.name, (why, "dim"))
    if verdict.disagreement:
        line.append(f"  ≠ {verdict.disagreement}", "yellow")
    return line


def percent(probability: float | None) -> str:
    """A probability for people, who need no decimals: never quite 0 or 100 %, which no measurement gives."""
    return "" if probability is None else f"{min(max(round(100 * probability), 1), 99)}%"


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """A query as it was typed."""

    text: str
    images: tuple[Path, ...]
    without: str
    filters: tuple[str, ...]
    limit: int
    min_confidence: float = 0.0
    rerank: bool | None = None
    explain: int | None = None

    def query(self) -> Query:
        """The query, pictures read. Raises InputError and its kinds."""
        return Query(
            text=self.text,
            images=tuple(read_image(path) for path in self.images),
            without=self.without,
            filters=parse_filter_arguments(self.filters),
            limit=self.limit,
            min_confidence=self.min_confidence,
        )


def run_search(settings: Settings, asked: SearchOptions, *, as_json: bool) -> None:
    """Answer one query as a table, or as the HTTP service's JSON."""
    query = asked.query()
    request = SearchRequest(rerank=asked.rerank, explain=asked.explain)
    wants_reranking = is_reranked(request)
    store = Store.existing(settings.store)
    engine = SearchEngine.open(store, encoder_for(store, settings))
    answer = reranked(settings, store, engine, query, request) if wants_reranking else engine.search(query)
    store.close()
    if as_json:
        output.file.write(AnswerOut.of(answer).model_dump_json(indent=2) + "\n")
    else:
        show_answer(answer)
        show_verdicts(answer)


def reranked(settings: Settings, store: Store, engine: SearchEngine, query: Query, request: SearchRequest) -> Answer:
    """The answer, looked at again by the settings' reranker; in the retrieval's order where that cannot be opened, with
    the reason. Raises NoRerankerError. Blocks while a model is loaded."""
    name = needed_reranker(settings)
    budget = rerank_options_of(request, usual_budget(settings))
    with ExitStack() as closing:
        try:
            with errors.status(f"Opening the reranker {escape(name)}"):
                reranker = open_reranker(settings, closing)
                stage = closing.enter_context(RerankPipeline.open(store, reranker))
        except RerankerError as problem:
            unavailable = UnavailableReranker(name, RerankState.FAILED, f"Not reranked: {problem}")
            return engine.with_reranker(unavailable).search(query, budget)
        return engine.with_reranker(stage).search(query, budget)


def read_image(path: Path) -> Image.Image:
    """A query picture from a file of the user's own. Raises ImageError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"The picture {path} cannot be read: {error.strerror}.", remedy="Check its path.") from error
    return decode_image(data).pixels


def show_answer(answer: Answer, title: str | None = None) -> None:
    """Print the hits as a table."""
    if not answer.hits:
        output.print("Nothing found.")
        return
    calibrated = any(hit.confidence is not None for hit in answer.hits)
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    table.add_column("", justify="right")
    table.add_column("sku", no_wrap=True)
    table.add_column("title", ratio=1)
    table.add_column("price", justify="right", no_wrap=True)
    table.add_column("score", justify="right")
    if calibrated:
        table.add_column("confidence", justify="right")
    for hit in answer.hits:
        item, sure = hit.stored.item, [percent(hit.confidence)] if calibrated else []
        table.add_row(str(hit.rank), item.sku, item.title, price(hit), f"{hit.score:.3f}", *sure)
    output.print(table)
    if answer.no_good_match:
        errors.print("Nothing in the catalog seems to be what was asked for; these come closest.")


def price(hit: Hit) -> str:
    item = hit.stored.item
    return "" if item.price_cents is None else f"{item.price_cents / 100:.2f} {item.currency or ''}".strip()
