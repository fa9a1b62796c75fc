"""``vitrina demo``: index and search the shop that ships with the package."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING, Annotated

import typer
from PIL import Image, ImageDraw, ImageFont, ImageOps
from rich.text import Text

from vitrina.api.cli.console import errors, output, print_line, settings_for
from vitrina.api.cli.index import Sync, finish_features, index_one
from vitrina.api.cli.search import read_image, reranked, show_answer, show_verdicts

CELL_PX = 220
GAP_PX = 24
CAPTION_PX = 64
HEADING_PX = 56
MARGIN_PX = 40
PAPER, INK, GREY, CELL_FILL = "#ffffff", "#1c1c1e", "#77777c", "#f4f4f2"


@dataclass(frozen=True, slots=True)
class GridCell:
    """One image with two lines below it."""

    image: Image.Image
    caption: str
    note: str


@dataclass(frozen=True, slots=True)
class GridRow:
    """One search: its heading, and its hits, best first."""

    heading: str
    cells: Sequence[GridCell]


def draw_image_grid(rows: Sequence[GridRow]) -> Image.Image:
    """Draw the rows below one another; RGB, as wide as the longest row needs."""
    n_columns = max(len(row.cells) for row in rows)
    height_px = HEADING_PX + CELL_PX + CAPTION_PX
    width = 2 * MARGIN_PX + n_columns * (CELL_PX + GAP_PX) - GAP_PX
    canvas = Image.new("RGB", (width, 2 * MARGIN_PX + len(rows) * (height_px + GAP_PX) - GAP_PX), PAPER)
    for position, row in enumerate(rows):
        draw_row(canvas, row, MARGIN_PX + position * (height_px + GAP_PX))
    return canvas


def draw_row(canvas: Image.Image, row: GridRow, top: int) -> None:
    """Draw a row's heading and cells, ``top`` pixels from the top."""
    draw = ImageDraw.Draw(canvas)
    draw.text((MARGIN_PX, top), row.heading, fill=INK, font=ImageFont.load_default(26))
    for column, cell in enumerate(row.cells):
        left = MARGIN_PX + column * (CELL_PX + GAP_PX)
        draw_cell(canvas, draw, cell, left, top + HEADING_PX)


def draw_cell(canvas: Image.Image, draw: ImageDraw.ImageDraw, cell: GridCell, left: int, top: int) -> None:
    """Draw a cell's image and the two lines below it, with its upper left corner at ``left``, ``top``."""
    caption, note = ImageFont.load_default(15), ImageFont.load_default(14)
    draw.rounded_rectangle((left, top, left + CELL_PX, top + CELL_PX), radius=10, fill=CELL_FILL)
    image = ImageOps.contain(cell.image, (CELL_PX - 12, CELL_PX - 12), Image.Resampling.LANCZOS)
    at = (left + (CELL_PX - image.width) // 2, top + (CELL_PX - image.height) // 2)
    mask = Image.new("L", image.size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, *image.size), radius=8, fill=255)
    canvas.paste(image, at, mask)
    draw.text((left + 2, top + CELL_PX + 10), fitted(draw, cell.caption, caption), fill=INK, font=caption)
    draw.text((left + 2, top + CELL_PX + 32), cell.note, fill=GREY, font=note)


def fitted(
    draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width_px: int = CELL_PX
) -> str:
    """The text, cut with an ellipsis if it is wider than a cell."""
    if draw.textlength(text, font=font) <= width_px:
        return text
    while text and draw.textlength(text + "…", font=font) > width_px:
        text = text[:-1]
    return text.rstrip() + "…"


if TYPE_CHECKING:
    from PIL import Image

    from vitrina.api.settings import Settings
    from vitrina.search.encoders.base import Encoder
    from vitrina.search.engine import SearchEngine
    from vitrina.search.store.store import Store
    from vitrina.search.types.answer import Answer
    from vitrina.search.types.query import Query

SHIPPED = Path(__file__).parents[1] / "demo"
"""Made by ``python -m recipes.boutique.export api/demo``."""

BOUTIQUE = SHIPPED / "boutique.tar"
N_PRODUCTS = 300
"""In ``BOUTIQUE``."""

WATCH, HANDBAG = "query-watch.webp", "query-handbag.webp"
"""Photos to search with: products of another shop, so that similar items are found and not the same image."""

STORE = "store"
RESULTS = "contact-sheet.png"
N_HITS = 6
N_EXPLAINED = 3


def demo(
    n_products: Annotated[
        int, typer.Option("--products", min=1, max=N_PRODUCTS, help="How many products to index.")
    ] = N_PRODUCTS,
    folder: Annotated[Path, typer.Option("--folder", help="Where the catalog and its index go.")] = Path("demo"),
) -> None:
    """Index a small boutique, search it three ways, and draw the results on a contact sheet."""
    from vitrina.api.rerankers import reranker_name
    from vitrina.api.settings import encoder_for, open_store
    from vitrina.search.engine import SearchEngine

    settings = settings_for(folder / STORE)
    with closing(open_store(settings)) as store:
        with errors.status("Loading the encoder"):
            encoder = encoder_for(store, settings)
        index_boutique(store, settings, encoder, copy_boutique(folder, n_products))
        engine = SearchEngine.open(store, encoder)
        rows = []
        for command, query in demo_searches(folder):
            answer = engine.search(query)
            output.print()
            show_answer(answer, title=command)
            rows.append(row_of(query, answer, store))
        if reranker_name(settings) is not None:
            explain_some(settings, store, engine)
    results = folder / RESULTS
    draw_image_grid(rows).save(results)
    show_next_steps(settings, results)


def copy_boutique(folder: Path, n_products: int) -> Path:
    """Copy the first products and the query photos into the folder; returns the catalog, a tar of two files each."""
    catalog = folder / BOUTIQUE.name
    with tarfile.open(BOUTIQUE) as shipped, tarfile.open(catalog, "w") as copy:
        for member in islice(shipped, 2 * n_products):
            copy.addfile(member, shipped.extractfile(member))
    for name in (WATCH, HANDBAG):
        copyfile(SHIPPED / name, folder / name)
    return catalog


def index_boutique(store: Store, settings: Settings, encoder: Encoder, catalog: Path) -> None:
    """Index the catalog, and precompute the reranker's features of its images if there is a reranker."""
    from vitrina.api.cli.index_progress import TextReporter
    from vitrina.api.rerankers import feature_stage
    from vitrina.indexer.dead_letters import SourceOptions
    from vitrina.indexer.fetch import Fetcher
    from vitrina.indexer.pipeline import Indexer
    from vitrina.indexer.sources import open_source

    source = open_source(str(catalog), {})
    options = SourceOptions(str(catalog), source.name)
    with ExitStack() as stack:
        features, reporter = feature_stage(store, settings, stack), TextReporter()
        indexer = Indexer(store, encoder, Fetcher(), features)
        index_one(indexer, source, options, Sync(is_wanted=False, is_sure=False), reporter, dry_run=False)
        finish_features(store, settings, features, reporter)


def demo_searches(folder: Path) -> list[tuple[str, Query]]:
    """Searches by text, by image, and by both with a negative text; each after the command that does the same."""
    from vitrina.search.types.query import Query

    text, watch, handbag = "blue striped shirt", folder / WATCH, folder / HANDBAG
    return [
        (f'vitrina search "{text}"', Query(text=text, limit=N_HITS + 1)),
        (f"vitrina search --image {watch}", Query(images=(read_image(watch),), limit=N_HITS)),
        (
            f'vitrina search "red" --image {handbag} --without "leather"',
            Query(text="red", images=(read_image(handbag),), without="leather", limit=N_HITS),
        ),
    ]


def explain_some(settings: Settings, store: Store, engine: SearchEngine) -> None:
    """Search once more with the reranker, and print its explanations."""
    from vitrina.api.requests import SearchRequest
    from vitrina.search.types.query import Query

    query = Query(text="white sneakers for women", limit=N_EXPLAINED)
    answer = reranked(settings, store, engine, query, SearchRequest(explain=N_EXPLAINED))
    command = f'vitrina search "{query.text}" --limit {N_EXPLAINED} --explain {N_EXPLAINED}'
    output.print()
    output.print(Text(command, "bold"))
    show_verdicts(answer)


def row_of(query: Query, answer: Answer, store: Store) -> GridRow:
    """A row of the contact sheet: the query's photo, if it has one, and the hits."""

    cells = [GridCell(image, "the query photo", "") for image in query.images]
    for hit in answer.hits:
        image = stored_image(store, hit.stored.image_ids[0])
        cells.append(GridCell(image, hit.title, f"{hit.rank}.  score {hit.score:.3f}"))
    asked = [f'"{query.text}"' if query.text else "", "a photo" if query.images else ""]
    without = f', without "{query.without}"' if query.without else ""
    return GridRow(" + ".join(part for part in asked if part) + without, cells[: N_HITS + 1])


def stored_image(store: Store, image_id: str) -> Image.Image:
    """An image of the store."""
    from PIL import Image

    return Image.open(io.BytesIO(store.images.read(image_id)))


def show_next_steps(settings: Settings, results: Path) -> None:
    """Print where the contact sheet is, and the commands to try next."""
    store = json.dumps(str(settings.store)) if " " in str(settings.store) else settings.store
    print_line("")
    print_line(f"The results as an image: {results}")
    print_line(f"Open the web page:       vitrina serve --store {store}")
    print_line("Index your own catalog:  vitrina index products.csv")
