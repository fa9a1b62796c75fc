"""Shading: from a silhouette to a lit, textured, coloured surface.

The light is a large softbox above to the left. A surface is described by its slopes (change of height per pixel), from
which follow its normals, diffuse light (Lambert), highlights (Blinn-Phong) and mirrored surroundings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boutique.drawing import Crease, Form, Part
from boutique.field import Field, blurred, noise, slopes, step
from boutique.finish import FINISHES, Finish
from boutique.palette import luminance
from boutique.patterns import covers
from boutique.raster import Stencil, Window, tones

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


def _waves(part: Part, window: Window, finish: Finish, generator: np.random.Generator) -> Field | None:
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


def surface(part: Part, mask: Field, window: Window, generator: np.random.Generator) -> Surface:
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


def _dyed(part: Part, ground: Surface) -> Field:
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


def lit(part: Part, ground: Surface, window: Window, generator: np.random.Generator) -> Field:
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


def opacity(part: Part, ground: Surface) -> Field:
    """Coverage after what shows through: clear glass is densest at its rim."""
    clear = FINISHES[part.coat.material].clear
    if not clear:
        return ground.mask
    steep = 1 - 1 / np.sqrt(1 + ground.across**2)
    dense = ground.mask * (1 - clear * (1 - np.clip(steep * 1.6, 0, 1)))
    return np.asarray(dense, dtype=np.float32)
