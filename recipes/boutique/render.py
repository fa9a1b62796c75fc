"""The renderer: one product to one image, with the place of each thing drawn."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from PIL import Image

from recipes.boutique.articles import COLOURS, RGB, lab, luminance
from recipes.boutique.catalog import Product
from recipes.boutique.drawing import Crease, Drawing, DrawnPart, Form, Pose
from recipes.boutique.raster import Stencil, Window, silhouette, tones, window_of
from recipes.boutique.shapes import draw
from recipes.boutique.textures import FINISHES, Field, Finish, blurred, covers, noise, slopes, step

LIGHT = np.array([-0.42, -0.60, 0.68], dtype=np.float32)
"""Unit vector towards the light; the view is along +z."""
HALF = (LIGHT + np.array([0, 0, 1], dtype=np.float32)) / np.linalg.norm(LIGHT + np.array([0, 0, 1]))
AMBIENT = 0.42
WRAP = 0.22
"""How far a large light reaches around an edge, as an offset of the cosine."""


@dataclass(frozen=True, slots=True)
class Surface:
    """A part in its window: coverage, slopes to the right and down, and surface coordinates for its print."""

    mask: Field
    across: Field
    down: Field
    u: Field
    v: Field
    pixel: float


def _swell(mask: Field, radius: float) -> tuple[Field, Field]:
    """Slopes of a cushion whose edge rolls off over ``radius`` pixels."""
    height = 1 - (1 - np.clip(blurred(mask, radius), 0, 1)) ** 2
    across, down = slopes(height)
    scale = np.float32(radius * 0.80)
    return across * scale, down * scale


def _lathed(mask: Field, size: int) -> tuple[Field, Field, Field]:
    """Slopes of a turned body, and the angle around it in radians, from the width of each row."""
    columns = np.arange(mask.shape[1], dtype=np.float32)
    total = np.maximum(mask.sum(axis=1), 1e-3)
    centre, half = (mask @ columns) / total, np.maximum(total / 2, 1)
    turn = np.clip((columns[None, :] - centre[:, None]) / half[:, None], -0.985, 0.985).astype(np.float32)
    rise = np.sqrt(1 - turn**2)
    kernel = np.hanning(2 * max(2, size // 24) + 3)
    inner = np.pad(half, len(kernel) // 2, mode="edge")
    taper = np.gradient(np.convolve(inner, kernel / kernel.sum(), mode="valid")).astype(np.float32)
    down = np.clip(taper, -0.8, 0.8)[:, None] / np.maximum(rise, 0.25)
    return -turn / rise, down, np.arcsin(turn)


def _waves(part: DrawnPart, window: Window, finish: Finish, generator: np.random.Generator) -> Field | None:
    """Height in pixels of loose folds and pressed creases; None where there are neither."""
    size, strength = window.size, part.folds * finish.folds
    height: Field | None = None
    if strength > 0:
        broad = noise(window.shape, (part.drape[0] * size, part.drape[1] * size), generator)
        fine = noise(window.shape, (part.drape[0] * size * 0.45, part.drape[1] * size * 0.5), generator)
        height = (broad + np.float32(0.4) * fine) * np.float32(strength * part.drape[0] * size * 0.16)
    for crease in part.creases:
        pressed = _pressed(crease, window)
        height = pressed if height is None else height + pressed
    return height


def _pressed(crease: Crease, window: Window) -> Field:
    stencil = Stencil(window)
    stencil.stroke(crease.path, crease.width * 0.5, 255)
    width = crease.width * window.size
    return blurred(stencil.coverage(), max(1.0, width * 0.6)) * np.float32(crease.depth * width)


def surface(part: DrawnPart, mask: Field, window: Window, generator: np.random.Generator) -> Surface:
    """The relief of ``part`` and its surface coordinates."""
    x, y = window.coordinates()
    if part.form is Form.LATHE:
        across, down, angle = _lathed(mask, window.size)
        spread = float(mask.sum(axis=1).max()) / window.size / 2
        u, v = angle * np.float32(spread), np.broadcast_to(y, mask.shape)
        return Surface(mask, across, down, u, v, 1.3 / window.size)
    finish = FINISHES[part.coat.material]
    across, down = _swell(mask, max(1.5, part.bulge * window.size))
    if part.form is Form.PUFF and part.bulge > 0.03:
        edge = _swell(mask, max(1.2, 0.011 * window.size))
        across, down = across + np.float32(0.45) * edge[0], down + np.float32(0.45) * edge[1]
    waves = _waves(part, window, finish, generator)
    bend_x: Field | float = 0.0
    bend_y: Field | float = 0.0
    if waves is not None:
        slope_x, slope_y = slopes(waves)
        across, down = across + slope_x, down + slope_y
        bend_x, bend_y = slope_x * np.float32(0.018), slope_y * np.float32(0.018)
    angle = np.radians(part.grain)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u = np.asarray(x * cos + y * sin + bend_x, dtype=np.float32)
    v = np.asarray(y * cos - x * sin + bend_y, dtype=np.float32)
    return Surface(mask, across, down, u, v, 1.0 / window.size)


def _dyed(part: DrawnPart, ground: Surface) -> Field:
    """The part's own colours before light, shape (height, width, 3)."""
    colour = np.broadcast_to(np.array(part.coat.colour, dtype=np.float32), (*ground.mask.shape, 3))
    if part.coat.print is None:
        return colour
    first, second = covers(part.coat.print, ground.u, ground.v, ground.pixel)
    one, two = (np.array(accent, dtype=np.float32) for accent in part.coat.print.accents)
    colour = colour + (one - colour) * first[..., None]
    return np.asarray(colour + (two - colour) * second[..., None], dtype=np.float32)


def _mirrored(nx: Field, ny: Field) -> Field:
    """A softbox to the left as a polished surface shows it, with a fainter strip to the right."""
    box = step(nx, -0.84, -0.78) * (1 - step(nx, -0.56, -0.48)) * step(ny, -0.72, -0.62) * (1 - step(ny, 0.36, 0.46))
    strip = step(nx, 0.72, 0.78) * (1 - step(nx, 0.85, 0.9)) * (1 - step(np.abs(ny), 0.42, 0.55))
    return box + np.float32(0.35) * strip


def lit(part: DrawnPart, ground: Surface, window: Window, generator: np.random.Generator) -> Field:
    """The part's colours under the studio's light, shape (height, width, 3), 0..1."""
    finish = FINISHES[part.coat.material]
    nz = 1 / np.sqrt(1 + ground.across**2 + ground.down**2)
    nx, ny = -ground.across * nz, -ground.down * nz
    facing = nx * LIGHT[0] + ny * LIGHT[1] + nz * LIGHT[2]
    diffuse = np.maximum(facing + np.float32(WRAP), 0) / np.float32(LIGHT[2] + WRAP)
    shade = np.float32(AMBIENT) + np.float32(1 - AMBIENT) * diffuse
    shade = shade * (np.float32(0.80) + np.float32(0.20) * nz)
    if finish.weave is not None:
        relief = np.float32(finish.texture * (1 - 0.5 * luminance(part.coat.colour)))
        shade = shade * (1 + relief * finish.weave(ground.u, ground.v, ground.pixel, generator))
    seams = tones(part, window)
    if seams is not None:
        shade = shade * (1 + seams)
    if finish.metal:
        world = np.float32(0.92) + np.float32(0.30) * np.sin(nx * 5.5 + 1.1) - np.float32(0.25) * ny
        shade = shade * (1 - np.float32(finish.metal)) + world * np.float32(finish.metal) * (shade * 0.4 + 0.6)
    colour = _dyed(part, ground) * shade[..., None]
    return _glossed(colour, finish, nx, ny, nz)


def _glossed(colour: Field, finish: Finish, nx: Field, ny: Field, nz: Field) -> Field:
    if not finish.sheen and not finish.window:
        return colour
    gloss = np.zeros_like(nx)
    if finish.sheen:
        facing = np.maximum(nx * HALF[0] + ny * HALF[1] + nz * HALF[2], 0)
        gloss += np.float32(finish.sheen) * facing ** np.float32(finish.power)
    if finish.window:
        gloss += np.float32(finish.window) * _mirrored(nx, ny)
    glare = np.clip(gloss, 0, 1)[..., None]
    return np.asarray(colour + (1 - colour) * glare, dtype=np.float32)


def opacity(part: DrawnPart, ground: Surface) -> Field:
    """Coverage after what shows through: clear glass is densest at its rim."""
    clear = FINISHES[part.coat.material].clear
    if not clear:
        return ground.mask
    steep = 1 - 1 / np.sqrt(1 + ground.across**2)
    dense = ground.mask * (1 - clear * (1 - np.clip(steep * 1.6, 0, 1)))
    return np.asarray(dense, dtype=np.float32)


TONES: tuple[RGB, ...] = (
    (0.93, 0.93, 0.93), (0.95, 0.93, 0.90), (0.90, 0.92, 0.95), (0.94, 0.90, 0.89), (0.89, 0.93, 0.91),
    (0.97, 0.97, 0.96), (0.88, 0.87, 0.86), (0.92, 0.90, 0.94), (0.80, 0.81, 0.83), (0.85, 0.82, 0.77),
)  # fmt: skip
"""Paper rolls, near white to light grey and sand."""


def backdrop(size: int, stance: Pose, colour: str, generator: np.random.Generator) -> Field:
    """An empty studio, shape (size, size, 3), 0..1, in a tone that ``colour`` stands out from.

    Its 15 units of L*a*b* are about where a pale product's edge stops vanishing into the paper (by eye).
    """
    gaps = np.linalg.norm(lab(np.array(TONES)) - lab(np.array(COLOURS[colour])), axis=1)
    fitting = np.flatnonzero(gaps >= min(15.0, float(np.sort(gaps)[-3])))
    tone = np.array(TONES[int(generator.choice(fitting))], dtype=np.float32)
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    x, y = axis[None, :], axis[:, None]
    glow_x, glow_y = generator.uniform(-0.25, 0.0), generator.uniform(-0.3, -0.1)
    light = 1.035 - 0.22 * ((x - np.float32(glow_x)) ** 2 + (y - np.float32(glow_y)) ** 2)
    if stance is Pose.UPRIGHT:
        horizon = np.float32(generator.uniform(0.16, 0.28))
        light = light * (1 - np.float32(0.055) * step(np.asarray(y - horizon, dtype=np.float32), -0.06, 0.07))
    return np.asarray(tone * light[..., None], dtype=np.float32)


def shadows(cover: Field, stance: Pose) -> Field:
    """How much light the product leaves on the backdrop, 0..1, shape of ``cover`` (size, size)."""
    size = len(cover)
    near = _moved(blurred(cover, 0.018 * size), 0.010 * size, 0.006 * size)
    if stance is Pose.LAID:
        far = _moved(blurred(cover, 0.07 * size), 0.035 * size, 0.020 * size)
        return 1 - np.float32(0.20) * near - np.float32(0.20) * far
    return 1 - _floor_shadow(cover)


def _moved(field: Field, down: float, right: float) -> Field:
    rows, columns = max(1, round(down)), max(1, round(right))
    moved = np.zeros_like(field)
    moved[rows:, columns:] = field[:-rows, :-columns]
    return moved


def _floor_shadow(cover: Field) -> Field:
    """Two pools below the product's foot: a dark narrow one where it touches, a wide faint one to the right."""
    size = len(cover)
    rows = np.flatnonzero((cover > 0.5).any(axis=1))
    bottom = int(rows[-1]) if len(rows) else size - 1
    pools = np.zeros_like(cover)
    for depth, strength, blur in ((0.012, 0.50, 0.026), (0.045, 0.34, 0.075)):
        foot = cover[max(0, bottom - round((0.012 + depth) * size)) : bottom + 1].max(axis=0)
        strip = np.zeros_like(cover)
        half = max(1, round(depth * size))
        middle = min(size - 1, bottom - half // 3)
        strip[max(0, middle - half) : middle + half] = foot
        if depth > 0.02:
            strip = _moved(strip, 1, 0.03 * size)
        pools += np.float32(strength) * blurred(strip, blur * size)
    return np.clip(pools, 0, 0.8)


Box = tuple[float, float, float, float]
"""Left, top, right, bottom, each 0..1 of the image."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """An image and what is where: ``boxes`` maps the article's name and each named piece of it to its box."""

    image: Image.Image
    boxes: Mapping[str, Box]


class _Layer:
    """A transparent sheet that parts are painted on, back to front."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.colour = np.zeros((size, size, 3), dtype=np.float32)
        self.cover = np.zeros((size, size), dtype=np.float32)
        self.extents: dict[str, tuple[int, int, int, int]] = {}

    def paint(self, part: DrawnPart, generator: np.random.Generator) -> None:
        window = window_of(part.outlines, self.size)
        if window is None:
            return
        mask = silhouette(part, window)
        ground = surface(part, mask, window, generator)
        colour, cover = lit(part, ground, window, generator), opacity(part, ground)
        rows, columns = window.slices
        under, under_cover = self.colour[rows, columns], self.cover[rows, columns]
        self._shade(under, mask, part.lift)
        under *= 1 - cover[..., None]
        under += colour * cover[..., None]
        under_cover += cover * (1 - under_cover)
        self._extend(part.name, mask, window.left, window.top)

    def _shade(self, under: Field, mask: Field, lift: float) -> None:
        """Darken what lies below near the part above it."""
        reach = lift * self.size
        if lift <= 0 or not under.any():
            return
        shadow = blurred(mask, max(1.5, reach * 1.6))
        drop = max(1, round(reach * 0.7))
        shadow = np.roll(shadow, (drop, max(1, drop // 2)), axis=(0, 1))
        under *= 1 - np.float32(0.45) * np.clip(shadow, 0, 1)[..., None]

    def _extend(self, name: str, mask: Field, left: int, top: int) -> None:
        solid = mask > 0.5
        rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
        if not len(rows):
            return
        box = (left + columns[0], top + rows[0], left + columns[-1] + 1, top + rows[-1] + 1)
        old = self.extents.get(name, box)
        low, high = np.minimum(old[:2], box[:2]), np.maximum(old[2:], box[2:])
        self.extents[name] = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))

    def boxes(self, article: str) -> dict[str, Box]:
        edges = np.array(list(self.extents.values()), dtype=np.float64) / self.size
        whole = (*edges[:, :2].min(axis=0).tolist(), *edges[:, 2:].max(axis=0).tolist())
        return {article: whole} | {
            name: (box[0], box[1], box[2], box[3])
            for name, box in zip(self.extents, edges.tolist(), strict=True)
            if name != article
        }


def _place(drawing: Drawing, generator: np.random.Generator) -> Drawing:
    laid = drawing.stance is Pose.LAID
    degrees = float(generator.normal(0, 2.5)) if laid else 0.0
    shift = (float(generator.uniform(-0.02, 0.02)), float(generator.uniform(-0.015, 0.015)))
    return drawing.placed(degrees=degrees, scale=float(generator.uniform(0.9, 1.02)), shift=shift)


def render(product: Product, *, size: int = 320, variation: int = 0) -> Rendering:
    """Draw ``product`` as a square RGB image of ``size`` pixels; the same arguments give the same pixels.

    ``variation`` changes cut, pose, light folds and backdrop, never an attribute. Raises ``ValueError`` for a size
    under 16 pixels. Takes about 30 ms at 320 pixels on one core.
    """
    if size < 16:
        raise ValueError(f"An image needs at least 16 pixels a side; got {size}.")
    generator = np.random.default_rng([zlib.crc32(product.sku.encode()), variation])
    drawing = _place(draw(product, generator), generator)
    layer = _Layer(size)
    for part in drawing.parts:
        layer.paint(part, generator)
    scene = backdrop(size, drawing.stance, product.attributes["colour"], generator)
    scene *= shadows(layer.cover, drawing.stance)[..., None]
    scene *= 1 - layer.cover[..., None]
    scene += layer.colour
    pixels = (np.clip(scene, 0, 1) * 255 + 0.5).astype(np.uint8)
    return Rendering(Image.fromarray(pixels), MappingProxyType(layer.boxes(product.attributes["article"])))
