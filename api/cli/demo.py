"""``vitrina demo``: a shop drawn by code, indexed and searched."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from recipes.boutique.catalog import Product, product
from recipes.boutique.export import write_folder
from recipes.boutique.render import render
from vitrina.api.cli.console import errors, output, progress_bar
from vitrina.api.cli.index import index_one, precompute_catalog_features, show_report
from vitrina.api.cli.search import reranked, show_answer, show_verdicts
from vitrina.api.requests import SearchRequest
from vitrina.api.rerankers import reranker_name
from vitrina.api.settings import Settings, encoder_for
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.indexer.sources import open_source
from vitrina.search.engine import SearchEngine
from vitrina.search.store.store import Store
from vitrina.search.types.answer import Answer
from vitrina.search.types.query import Query

TILE_PX = 220
GAP_PX = 24
CAPTION_PX = 64
HEADING_PX = 56
MARGIN_PX = 40
PAPER, INK, QUIET, TILE = "#ffffff", "#1c1c1e", "#77777c", "#f4f4f2"


@dataclass(frozen=True, slots=True)
class SheetTile:
    """One picture with two lines under it."""

    image: Image.Image
    caption: str
    note: str


@dataclass(frozen=True, slots=True)
class Strip:
    """One search: its heading, and its hits, best first."""

    heading: str
    tiles: Sequence[SheetTile]


def contact_sheet(strips: Sequence[Strip]) -> Image.Image:
    """Draw one strip below the other; RGB, as wide as the longest strip needs."""
    n_tiles = max(len(strip.tiles) for strip in strips)
    height_px = HEADING_PX + TILE_PX + CAPTION_PX
    width = 2 * MARGIN_PX + n_tiles * (TILE_PX + GAP_PX) - GAP_PX
    sheet = Image.new("RGB", (width, 2 * MARGIN_PX + len(strips) * (height_px + GAP_PX) - GAP_PX), PAPER)
    for row, strip in enumerate(strips):
        draw_strip(sheet, strip, MARGIN_PX + row * (height_px + GAP_PX))
    return sheet


def draw_strip(sheet: Image.Image, strip: Strip, top: int) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN_PX, top), strip.heading, fill=INK, font=ImageFont.load_default(26))
    for column, tile in enumerate(strip.tiles):
        left = MARGIN_PX + column * (TILE_PX + GAP_PX)
        draw_tile(sheet, draw, tile, left, top + HEADING_PX)


def draw_tile(sheet: Image.Image, draw: ImageDraw.ImageDraw, tile: SheetTile, left: int, top: int) -> None:
    caption, note = ImageFont.load_default(15), ImageFont.load_default(14)
    draw.rounded_rectangle((left, top, left + TILE_PX, top + TILE_PX), radius=10, fill=TILE)
    image = ImageOps.contain(tile.image, (TILE_PX - 12, TILE_PX - 12), Image.Resampling.LANCZOS)
    at = (left + (TILE_PX - image.width) // 2, top + (TILE_PX - image.height) // 2)
    mask = Image.new("L", image.size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, *image.size), radius=8, fill=255)
    sheet.paste(image, at, mask)
    draw.text((left + 2, top + TILE_PX + 10), fitted(draw, tile.caption, caption), fill=INK, font=caption)
    draw.text((left + 2, top + TILE_PX + 32), tile.note, fill=QUIET, font=note)


def fitted(
    draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width_px: int = TILE_PX
) -> str:
    """The text, cut with an ellipsis where it is wider than a tile."""
    if draw.textlength(text, font=font) <= width_px:
        return text
    while text and draw.textlength(text + "…", font=font) > width_px:
        text = text[:-1]
    return text.rstrip() + "…"


HITS = 6
N_EXPLAINED = 3
IMAGE_PX = 384
SHEET_NAME = "contact-sheet.png"
UNSEEN_SEED = 77
"""The photo query is a product of another shop, so that the search finds likeness and not the file itself."""


@dataclass(frozen=True, slots=True)
class DemoSearch:
    """One of the demo's searches: the command that asks the same, and the query."""

    command: str
    query: Query
    image: Image.Image | None = None


def run_demo(settings: Settings, folder: Path, n_products: int) -> None:
    """Draw ``n_products``, index them into ``settings.home``, search three ways, have the best hits of a fourth search
    explained, and leave a contact sheet."""
    catalog = draw_boutique(folder, n_products)
    with errors.status("Loading the encoder"):
        store = Store(settings.store)
        encoder = encoder_for(store, settings)
    source = open_source(str(catalog), {})
    show_report(source, index_one(Indexer(store, encoder, Fetcher()), source, dry_run=False), dry_run=False)
    precompute_catalog_features(store, settings)
    engine = SearchEngine.open(store, encoder)
    strips = []
    for search in demo_searches(folder):
        answer = engine.search(search.query)
        output.print()
        show_answer(answer, title=f"[bold]vitrina search {search.command}[/]")
        strips.append(strip(search, answer, store))
    if reranker_name(settings) is not None:
        explain_some(settings, store, engine)
    sheet = folder / SHEET_NAME
    contact_sheet(strips).save(sheet)
    store.close()
    show_next_steps(settings, sheet)


def explain_some(settings: Settings, store: Store, engine: SearchEngine) -> None:
    """Search once more, have the reranker look at the hits, and print what it says of them."""
    query = Query(text="white sneakers for women", limit=N_EXPLAINED)
    answer = reranked(settings, store, engine, query, SearchRequest(explain=N_EXPLAINED))
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
            folder, n_products, size=IMAGE_PX, on_progress=lambda done, total: bar.update(task, completed=done)
        )


def demo_searches(folder: Path) -> list[DemoSearch]:
    """A search by text, one by picture, one by both with a negative. The pictures are left in the folder."""
    text = "blue striped shirt"
    watch = query_image(folder, "query-watch.jpg", lambda p: p.attributes["article"] == "watch")
    bag = query_image(
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


def query_image(folder: Path, name: str, wanted: Callable[[Product], bool]) -> tuple[Path, Image.Image]:
    chosen = next(p for index in range(10_000) if wanted(p := product(index, seed=UNSEEN_SEED)))
    image = render(chosen, size=IMAGE_PX).image
    path = folder / name
    image.save(path, quality=92)
    return path, image


def strip(search: DemoSearch, answer: Answer, store: Store) -> Strip:
    asked = [SheetTile(search.image, "the photo asked with", "")] if search.image else []
    hits = [
        SheetTile(
            Image.open(io.BytesIO(store.images.read(hit.stored.image_ids[0]))),
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
    store = json.dumps(str(settings.store)) if " " in str(settings.store) else settings.store
    output.print()
    output.print(f"The same as a picture: {sheet}", highlight=False, soft_wrap=True)
    output.print(f"Open the page:         .venv/bin/vitrina serve --home {store}", highlight=False, soft_wrap=True)
    output.print("Index your own:        .venv/bin/vitrina index products.csv", highlight=False, soft_wrap=True)
