"""Curves: smooth outlines through a few control points.

Coordinates: the picture is the square -0.5..0.5, x to the right, y down, centre at the origin. An outline is an
(n, 2) array of float64.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Control = Sequence[float]
"""x, y and, for a sharp corner, any third number."""

_STEPS = np.arange(8)[:, None] / 8
_WEIGHTS = 0.5 * np.hstack(
    [
        -_STEPS + 2 * _STEPS**2 - _STEPS**3,
        2 - 5 * _STEPS**2 + 3 * _STEPS**3,
        _STEPS + 4 * _STEPS**2 - 3 * _STEPS**3,
        -(_STEPS**2) + _STEPS**3,
    ]
)
"""Uniform Catmull-Rom basis at eight parameters (Catmull and Rom, 1974), shape (8, 4)."""


def _spline(padded: Points) -> Points:
    quads = np.stack([padded[:-3], padded[1:-2], padded[2:-1], padded[3:]], axis=1)
    curve: Points = np.einsum("sk,nkd->nsd", _WEIGHTS, quads).reshape(-1, 2)
    return curve


def trace(controls: Sequence[Control]) -> Points:
    """An open curve through ``controls``, from the first to the last; no corners."""
    points = np.array([control[:2] for control in controls], dtype=np.float64)
    if len(points) == 2:
        return points
    ends = 2 * points[0] - points[1], 2 * points[-1] - points[-2]
    return np.vstack([_spline(np.vstack([ends[0], points, ends[1]])), points[-1:]])


def smooth(controls: Sequence[Control]) -> Points:
    """A closed outline through ``controls``, smooth except where a control is marked a corner."""
    corners = [position for position, control in enumerate(controls) if len(control) > 2]
    if not corners:
        points = np.array(controls, dtype=np.float64)
        return _spline(np.vstack([points[-1:], points, points[:2]]))
    looped = [*controls[corners[0] :], *controls[: corners[0]], controls[corners[0]]]
    stops = [position - corners[0] for position in corners] + [len(controls)]
    return np.vstack([trace(looped[a : b + 1])[:-1] for a, b in itertools.pairwise(stops)])


def mirrored(half: Sequence[Control]) -> Points:
    """The closed outline made of ``half`` (its right side, top to bottom) and its mirror image about x = 0."""
    other = [(-control[0], *control[1:]) for control in reversed(half) if abs(control[0]) > 1e-9]
    return smooth([*half, *other])


def flip(points: Points) -> Points:
    """Mirror image about x = 0."""
    flipped: Points = points * np.array([-1.0, 1.0])
    return flipped


def ellipse(x: float, y: float, rx: float, ry: float, *, start: float = 0.0, sweep: float = 360.0) -> Points:
    """An ellipse, or its arc of ``sweep`` degrees from ``start`` (clockwise on screen from the right)."""
    angles = np.radians(np.linspace(start, start + sweep, 49))
    return np.stack([x + rx * np.cos(angles), y + ry * np.sin(angles)], axis=1)


def rounded(x: float, y: float, width: float, height: float, radius: float) -> Points:
    """A rectangle centred on (x, y) with round corners."""
    dx, dy = width / 2 - radius, height / 2 - radius
    arcs = [(x + dx, y - dy, -90.0), (x + dx, y + dy, 0.0), (x - dx, y + dy, 90.0), (x - dx, y - dy, 180.0)]
    return np.vstack([ellipse(cx, cy, radius, radius, start=start, sweep=90)[::6] for cx, cy, start in arcs])


def ribbon(path: Points, width: float, end_width: float | None = None) -> Points:
    """The outline of a band of ``width`` along ``path``, tapering to ``end_width``."""
    along = np.gradient(path, axis=0)
    along /= np.maximum(np.hypot(along[:, :1], along[:, 1:]), 1e-9)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    half = np.linspace(width, width if end_width is None else end_width, len(path))[:, None] / 2
    return np.vstack([path + across * half, (path - across * half)[::-1]])


def turned(points: Points, degrees: float, *, about: tuple[float, float] = (0.0, 0.0)) -> Points:
    """``points`` rotated clockwise on screen."""
    angle = np.radians(degrees)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    rotated: Points = (points - np.array(about)) @ matrix + np.array(about)
    return rotated
