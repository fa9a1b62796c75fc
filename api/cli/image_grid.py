"""The contact sheet of ``vitrina demo``: searches drawn as rows of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont, ImageOps

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
