"""Patterns: how much of each accent covers each point of a surface.

Every function takes surface coordinates u, v (picture widths, float32, any shape), the period and the size of a pixel
in the same unit, and returns coverages in 0..1 of the two accents.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from boutique.drawing import Print
from boutique.field import Field

Covers = tuple[Field, Field]


def _edge(distance: Field, pixel: float) -> Field:
    """1 where ``distance`` to a motif's border is inside (above 0), antialiased over one pixel."""
    cover: Field = np.clip(distance / np.float32(pixel) + np.float32(0.5), 0, 1)
    return cover


def _bands(along: Field, period: float, share: float, pixel: float) -> Field:
    fraction = along / np.float32(period)
    distance = np.abs(fraction - np.floor(fraction) - np.float32(0.5)) * np.float32(period)
    return _edge(np.float32(share * period / 2) - distance, pixel)


def striped(u: Field, v: Field, period: float, pixel: float) -> Covers:
    """Broad stripes along u."""
    return _bands(v, period, 0.42, pixel), np.zeros_like(u)


def checked(u: Field, v: Field, period: float, pixel: float) -> Covers:
    """Woven check: two half-covering sets of bands, with a thin line of the second accent."""
    wide = np.float32(0.45) * (_bands(u, period, 0.45, pixel) + _bands(v, period, 0.45, pixel))
    half = np.float32(period / 2)
    thin = np.maximum(_bands(u + half, period, 0.09, pixel), _bands(v + half, period, 0.09, pixel))
    return wide, np.float32(0.75) * thin


def dotted(u: Field, v: Field, period: float, pixel: float) -> Covers:
    """Polka dots in staggered rows."""
    row = np.floor(v / np.float32(period * 0.75))
    x = u / np.float32(period) + np.float32(0.5) * np.mod(row, 2)
    dx = (x - np.floor(x) - np.float32(0.5)) * np.float32(period)
    dy = v - (row + np.float32(0.5)) * np.float32(period * 0.75)
    return _edge(np.float32(0.235 * period) - np.hypot(dx, dy), pixel), np.zeros_like(u)


def zigzag(u: Field, v: Field, period: float, pixel: float) -> Covers:
    """Chevron bands."""
    fraction = u / np.float32(period * 1.1)
    tooth = np.abs(fraction - np.floor(fraction) - np.float32(0.5)) * np.float32(period)
    return _bands(v + tooth, period, 0.42, pixel * 1.3), np.zeros_like(u)


def _chance(column: Field, row: Field, salt: float) -> Field:
    """A number in 0..1 that depends on the cell alone (the sine hash common in shaders)."""
    wild = np.sin(column * np.float32(12.9898) + row * np.float32(78.233) + np.float32(salt)) * np.float32(437.585)
    fraction: Field = wild - np.floor(wild)
    return fraction


def floral(u: Field, v: Field, period: float, pixel: float) -> Covers:
    """Five-petalled flowers with a centre, and a leaf beside each, one a cell, jittered."""
    row = np.floor(v / np.float32(period))
    x = u / np.float32(period) + np.float32(0.5) * np.mod(row, 2)
    column = np.floor(x)
    one, two = _chance(column, row, 0.0), _chance(column, row, 9.1)
    dx = (x - column - np.float32(0.5)) - np.float32(0.26) * (one - np.float32(0.5))
    dy = (v / np.float32(period) - row - np.float32(0.5)) - np.float32(0.26) * (two - np.float32(0.5))
    radius, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
    size = np.float32(0.27) + np.float32(0.09) * two
    petals = size * (np.float32(0.72) + np.float32(0.28) * np.cos(5 * angle + 6 * one))
    flower = _edge((petals - radius) * np.float32(period), pixel)
    centre = _edge((np.float32(0.085) - radius) * np.float32(period), pixel)
    return flower * (1 - centre), np.maximum(centre, _leaves(dx, dy, one, period, pixel) * (1 - flower))


def _leaves(dx: Field, dy: Field, spin: Field, period: float, pixel: float) -> Field:
    angle = spin * np.float32(6.3)
    along = dx * np.cos(angle) + dy * np.sin(angle) - np.float32(0.38)
    across = dy * np.cos(angle) - dx * np.sin(angle)
    shape = np.float32(1) - (along / np.float32(0.13)) ** 2 - (across / np.float32(0.05)) ** 2
    return _edge(shape * np.float32(0.05 * period), pixel)


PATTERNS: dict[str, Callable[[Field, Field, float, float], Covers]] = {
    "striped": striped,
    "checked": checked,
    "dotted": dotted,
    "floral": floral,
    "zigzag": zigzag,
}


def covers(figure: Print, u: Field, v: Field, pixel: float) -> Covers:
    """Coverages of ``figure``'s two accents at surface coordinates ``u``, ``v``; ``pixel`` is a pixel's width there."""
    angle = np.radians(figure.angle)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    shift = np.float32(figure.phase * figure.scale)
    return PATTERNS[figure.pattern](u * cos + v * sin + shift, v * cos - u * sin + shift, figure.scale, pixel)
