"""``vitrina search``."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image
from rich.markup import escape
from rich.table import Table

from api.cli.console import errors, output
from api.cli.verdicts import percent, show_verdicts
from api.loading import encoder_for
from api.querying import budget_of, is_reranked
from api.rerankers import needed_reranker, open_reranker, usual_budget
from api.reranking import Readiness, Status, unranked
from api.settings import Settings
from api.wire import AnswerOut, SearchRequest
from search.answer import Answer, Hit
from search.engine import SearchEngine
from search.errors import ImageError, RerankerError
from search.filters import parse_filter_arguments
from search.home import Home
from search.images.decode import decode_image
from search.query import Query
from search.reranking.engine import RerankingEngine
from search.reranking.events import drained


@dataclass(frozen=True, slots=True)
class Asked:
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
            images=tuple(read_picture(path) for path in self.images),
            without=self.without,
            filters=parse_filter_arguments(self.filters),
            limit=self.limit,
            min_confidence=self.min_confidence,
        )


def run_search(settings: Settings, asked: Asked, *, as_json: bool) -> None:
    """Answer one query as a table, or as the HTTP service's JSON."""
    query = asked.query()
    request = SearchRequest(rerank=asked.rerank, explain=asked.explain)
    wants_reranking = is_reranked(request)
    home = Home.existing(settings.home)
    engine = home.open_engine(encoder_for(home, settings))
    answer = reranked(settings, home, engine, query, request) if wants_reranking else engine.search(query)
    home.close()
    if as_json:
        output.file.write(AnswerOut.of(answer).model_dump_json(indent=2) + "\n")
    else:
        show_answer(answer)
        show_verdicts(answer)


def reranked(settings: Settings, home: Home, engine: SearchEngine, query: Query, request: SearchRequest) -> Answer:
    """The answer, looked at again by the settings' reranker; in the retrieval's order where that cannot be opened, with
    the reason. Raises NoRerankerError. Blocks while a model is loaded."""
    name = needed_reranker(settings)
    budget = budget_of(request, usual_budget(settings))
    with ExitStack() as closing:
        try:
            with errors.status(f"Opening the reranker {escape(name)}"):
                reranker = open_reranker(settings, closing)
                stage = closing.enter_context(home.open_stage(reranker))
        except RerankerError as problem:
            status = Status(name, Readiness.FAILED, problem=problem)
            answer = drained(unranked(engine.search(query), status, budget))
            return replace(answer, rerank_note=f"Not reranked: {problem}")
        return RerankingEngine(engine, stage).search(query, budget)


def read_picture(path: Path) -> Image.Image:
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
