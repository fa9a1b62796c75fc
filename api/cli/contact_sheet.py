"""The contact sheet of ``vitrina demo``: searches drawn as rows of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont, ImageOps

TILE_PX = 220
GAP_PX = 24
CAPTION_PX = 64
HEADING_PX = 56
MARGIN_PX = 40
PAPER, INK, GREY, TILE_FILL = "#ffffff", "#1c1c1e", "#77777c", "#f4f4f2"


@dataclass(frozen=True, slots=True)
class Tile:
    """One image with two lines below it."""

    image: Image.Image
    caption: str
    note: str


@dataclass(frozen=True, slots=True)
class Strip:
    """One search: its heading, and its hits, best first."""

    heading: str
    tiles: Sequence[Tile]


def contact_sheet(strips: Sequence[Strip]) -> Image.Image:
    """Draw the strips below one another; RGB, as wide as the longest strip needs."""
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


def draw_tile(sheet: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, left: int, top: int) -> None:
    caption, note = ImageFont.load_default(15), ImageFont.load_default(14)
    draw.rounded_rectangle((left, top, left + TILE_PX, top + TILE_PX), radius=10, fill=TILE_FILL)
    image = ImageOps.contain(tile.image, (TILE_PX - 12, TILE_PX - 12), Image.Resampling.LANCZOS)
    at = (left + (TILE_PX - image.width) // 2, top + (TILE_PX - image.height) // 2)
    mask = Image.new("L", image.size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, *image.size), radius=8, fill=255)
    sheet.paste(image, at, mask)
    draw.text((left + 2, top + TILE_PX + 10), fitted(draw, tile.caption, caption), fill=INK, font=caption)
    draw.text((left + 2, top + TILE_PX + 32), tile.note, fill=GREY, font=note)


def fitted(
    draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width_px: int = TILE_PX
) -> str:
    """The text, cut with an ellipsis if it is wider than a tile."""
    if draw.textlength(text, font=font) <= width_px:
        return text
    while text and draw.textlength(text + "…", font=font) > width_px:
        text = text[:-1]
    return text.rstrip() + "…"
