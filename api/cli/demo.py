"""``vitrina demo``: a shop drawn by code, indexed and searched."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from api.cli.console import errors, output, progress_bar
from api.cli.indexing import index_one, show_report
from api.cli.looking import prepare_pictures
from api.cli.searching import reranked, show_answer
from api.cli.verdicts import show_verdicts
from api.contact_sheet import Strip, Tile, contact_sheet
from api.loading import encoder_for
from api.rerankers import reranker_name
from api.settings import Settings
from api.wire import SearchRequest
from boutique.catalog import product
from boutique.export import write_folder
from boutique.product import Product
from boutique.render import render
from indexer.fetch import Fetcher
from indexer.pipeline import Indexer
from indexer.sources import open_source
from search.answer import Answer
from search.engine import SearchEngine
from search.home import Home
from search.query import Query

HITS = 6
N_EXPLAINED = 3
PICTURE_PX = 384
SHEET_NAME = "contact-sheet.png"
UNSEEN_SEED = 77
"""The photo query is a product of another shop, so that the search finds likeness and not the file itself."""


@dataclass(frozen=True, slots=True)
class DemoSearch:
    """One of the demo's searches: the command that asks the same, and the query."""

    command: str
    query: Query
    picture: Image.Image | None = None


def run_demo(settings: Settings, folder: Path, n_products: int) -> None:
    """Draw ``n_products``, index them into ``settings.home``, search three ways, have the best hits of a fourth search
    explained, and leave a contact sheet."""
    catalog = draw_boutique(folder, n_products)
    with errors.status("Loading the encoder"):
        home = Home(settings.home)
        encoder = encoder_for(home, settings)
    source = open_source(str(catalog), {})
    show_report(source, index_one(Indexer(home, encoder, Fetcher()), source, dry_run=False), dry_run=False)
    prepare_pictures(home, settings)
    engine = home.open_engine(encoder)
    strips = []
    for search in demo_searches(folder):
        answer = engine.search(search.query)
        output.print()
        show_answer(answer, title=f"[bold]vitrina search {search.command}[/]")
        strips.append(strip(search, answer, home))
    if reranker_name(settings) is not None:
        explain_some(settings, home, engine)
    sheet = folder / SHEET_NAME
    contact_sheet(strips).save(sheet)
    home.close()
    show_next_steps(settings, sheet)


def explain_some(settings: Settings, home: Home, engine: SearchEngine) -> None:
    """Search once more, have the reranker look at the hits, and print what it says of them."""
    query = Query(text="white sneakers for women", limit=N_EXPLAINED)
    answer = reranked(settings, home, engine, query, SearchRequest(explain=N_EXPLAINED))
    command = f'"{query.text}" --limit {N_EXPLAINED} --explain {N_EXPLAINED}'
    output.print(f"\n[bold]vitrina search {command}[/]", highlight=False)
    show_verdicts(answer)


def draw_boutique(folder: Path, n_products: int) -> Path:
    """Render the shop's catalog, unless the same one is there from an earlier demo; returns its JSONL file."""
    catalog = folder / "catalog.jsonl"
    if catalog.is_file() and catalog.read_text(encoding="utf-8").count("\n") == n_products:
        return catalog
    with progress_bar() as bar:
        task = bar.add_task("Drawing the boutique", total=n_products)
        return write_folder(
            folder, n_products, size=PICTURE_PX, on_progress=lambda done, total: bar.update(task, completed=done)
        )


def demo_searches(folder: Path) -> list[DemoSearch]:
    """A search by text, one by picture, one by both with a negative. The pictures are left in the folder."""
    text = "blue striped shirt"
    watch = query_picture(folder, "query-watch.jpg", lambda p: p.attributes["article"] == "watch")
    bag = query_picture(
        folder,
        "query-bag.jpg",
        lambda p: (p.attributes["article"], p.attributes["colour"]) == ("handbag", "navy blue"),
    )
    return [
        DemoSearch(f'"{text}"', Query(text=text, limit=HITS + 1)),
        DemoSearch(f"--image {watch[0]}", Query(images=(watch[1],), limit=HITS), watch[1]),
        DemoSearch(
            f'"red" --image {bag[0]} --without "leather"',
            Query(text="red", images=(bag[1],), without="leather", limit=HITS),
            bag[1],
        ),
    ]


def query_picture(folder: Path, name: str, wanted: Callable[[Product], bool]) -> tuple[Path, Image.Image]:
    chosen = next(p for index in range(10_000) if wanted(p := product(index, seed=UNSEEN_SEED)))
    picture = render(chosen, size=PICTURE_PX).image
    path = folder / name
    picture.save(path, quality=92)
    return path, picture


def strip(search: DemoSearch, answer: Answer, home: Home) -> Strip:
    asked = [Tile(search.picture, "the photo asked with", "")] if search.picture else []
    hits = [
        Tile(
            Image.open(io.BytesIO(home.images.read(hit.stored.image_ids[0]))),
            hit.stored.item.title,
            f"{hit.rank}.  score {hit.score:.3f}",
        )
        for hit in answer.hits
    ]
    return Strip(heading(search), [*asked, *hits][: HITS + 1])


def heading(search: DemoSearch) -> str:
    query = search.query
    said = [f'"{query.text}"' if query.text else "", "a photo" if query.images else ""]
    return " + ".join(part for part in said if part) + (f', without "{query.without}"' if query.without else "")


def show_next_steps(settings: Settings, sheet: Path) -> None:
    home = json.dumps(str(settings.home)) if " " in str(settings.home) else settings.home
    output.print()
    output.print(f"The same as a picture: {sheet}", highlight=False, soft_wrap=True)
    output.print(f"Open the page:         .venv/bin/vitrina serve --home {home}", highlight=False, soft_wrap=True)
    output.print("Index your own:        .venv/bin/vitrina index products.csv", highlight=False, soft_wrap=True)
