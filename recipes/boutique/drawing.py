"""A drawing: the parts of one product, back to front, their outlines, and the appearance that shapes are drawn from."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from recipes.boutique.articles import COLOURS, RGB, darker, lighter, luminance, mixed

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


class Form(StrEnum):
    """How a silhouette swells towards the viewer."""

    PUFF = "puff"
    """A cushion: round at the edges, full in the middle."""
    LATHE = "lathe"
    """Turned on a potter's wheel: every row is a circle seen from the side."""
    FLAT = "flat"
    """A sheet with a thin edge."""


class Pose(StrEnum):
    """How the product lies before the camera; decides floor and shadow."""

    LAID = "laid"
    UPRIGHT = "upright"


@dataclass(frozen=True, slots=True)
class Print:
    """A pattern on cloth or glaze: ``scale`` is its period in image widths, ``angle`` in degrees."""

    pattern: str
    accents: tuple[RGB, RGB]
    scale: float
    angle: float
    phase: float


@dataclass(frozen=True, slots=True)
class Coat:
    """What a part is made of: its colour, its material's finish, and its print if it has one."""

    colour: RGB
    material: str
    print: Print | None = None

    def plain(self) -> Coat:
        """The same without its print."""
        return replace(self, print=None)

    def dyed(self, colour: RGB) -> Coat:
        """The same material, plain, in another colour."""
        return replace(self, colour=colour, print=None)


@dataclass(frozen=True, slots=True)
class Seam:
    """A line drawn on a part: ``tone`` below 0 darkens, above 0 lightens; ``dash`` is a stitch's length or 0."""

    path: Points
    width: float = 0.004
    tone: float = -0.35
    dash: float = 0.0


@dataclass(frozen=True, slots=True)
class Crease:
    """A fold pressed into a part's surface along a path: ``depth`` above 0 is a ridge, below 0 a valley."""

    path: Points
    width: float = 0.03
    depth: float = -0.5


@dataclass(frozen=True, slots=True)
class DrawnPart:
    """One piece of a product. ``name`` groups pieces into one box; ``outlines`` are united, ``holes`` cut out.

    ``grain`` turns the print and weave (degrees); ``bulge`` is how far edges roll, in image widths; ``folds`` is the
    strength of loose cloth's waves and ``drape`` their width and height in image widths.
    """

    name: str
    outlines: tuple[Points, ...]
    coat: Coat
    form: Form = Form.PUFF
    holes: tuple[Points, ...] = ()
    seams: tuple[Seam, ...] = ()
    creases: tuple[Crease, ...] = ()
    grain: float = 0.0
    bulge: float = 0.05
    folds: float = 0.0
    drape: tuple[float, float] = (0.1, 0.2)
    lift: float = 0.012


@dataclass(frozen=True, slots=True)
class Drawing:
    """All parts of a product, back to front, in the coordinates of ``boutique.curve``."""

    parts: Sequence[DrawnPart]
    stance: Pose = Pose.LAID
    tilt: float = field(default=0.0)

    def placed(self, *, degrees: float, scale: float, shift: tuple[float, float]) -> Drawing:
        """The drawing turned, scaled and moved within the image."""

        def move(points: Points) -> Points:
            moved: Points = turned(points * scale, degrees) + np.array(shift)
            return moved

        def place(part: DrawnPart) -> DrawnPart:
            return replace(
                part,
                outlines=tuple(move(outline) for outline in part.outlines),
                holes=tuple(move(hole) for hole in part.holes),
                seams=tuple(replace(seam, path=move(seam.path)) for seam in part.seams),
                creases=tuple(replace(crease, path=move(crease.path)) for crease in part.creases),
                grain=part.grain + degrees,
            )

        return replace(self, parts=[place(part) for part in self.parts], tilt=self.tilt + degrees)


IVORY: RGB = (0.95, 0.93, 0.88)
INK: RGB = (0.13, 0.15, 0.22)
STEEL = Coat((0.74, 0.75, 0.77), "steel")
BRASS = Coat((0.80, 0.65, 0.34), "brass")
DARK_WOOD = Coat((0.42, 0.28, 0.18), "wood")
PALE_WOOD = Coat((0.76, 0.60, 0.42), "wood")
RUBBER = Coat((0.93, 0.92, 0.89), "rubber")
BLACK_RUBBER = Coat((0.16, 0.16, 0.17), "rubber")

_SCALES = {
    "striped": (0.05, 0.10),
    "checked": (0.075, 0.13),
    "dotted": (0.055, 0.10),
    "floral": (0.10, 0.15),
    "zigzag": (0.06, 0.11),
}
_LEAF: RGB = (0.36, 0.52, 0.32)
_CORN: RGB = (0.95, 0.80, 0.35)


@dataclass(frozen=True, slots=True)
class Appearance:
    """``coat`` is the product's own cloth or glaze, print included."""

    article: str
    style: str
    coat: Coat
    generator: np.random.Generator

    def vary(self, low: float, high: float) -> float:
        """A number between ``low`` and ``high``."""
        return float(self.generator.uniform(low, high))

    def coin(self, share: float = 0.5) -> bool:
        """True in ``share`` of cases."""
        return bool(self.generator.random() < share)

    @property
    def inside(self) -> Coat:
        """The coat's unlit inner side."""
        return self.coat.dyed(darker(self.coat.colour, 0.45))

    @property
    def trim(self) -> Coat:
        """The same material a little darker, for bands and collars."""
        return self.coat.dyed(darker(self.coat.colour, 0.14))

    @property
    def metal(self) -> Coat:
        """Fittings: steel or brass. The dye's last digits decide, so that all fittings of a product agree."""
        return BRASS if luminance(self.coat.colour) * 1000 % 2 < 1 else STEEL


def _accents(colour: RGB, pattern: str, generator: np.random.Generator) -> tuple[RGB, RGB]:
    """Two print colours that differ visibly from ``colour``; flowers get a centre or leaves."""
    light = luminance(colour) > 0.55
    deep = [INK, darker(colour, 0.62), COLOURS["navy blue"], COLOURS["maroon"], COLOURS["grey"]]
    pale = [IVORY, IVORY, lighter(colour, 0.72), COLOURS["beige"]]
    choices = deep if light else pale
    first = choices[int(generator.integers(len(choices)))]
    if pattern == "floral":
        return first, _CORN if luminance(first) < 0.5 else mixed(_LEAF, colour, 0.15)
    return first, lighter(first, 0.3) if light else mixed(first, (0.9, 0.75, 0.5), 0.3)


def _print(pattern: str, colour: RGB, generator: np.random.Generator, upright: bool, fine: bool) -> Print | None:
    if pattern == "solid":
        return None
    low, high = _SCALES[pattern]
    accents = _accents(colour, pattern, generator)
    angle = 90.0 if pattern == "striped" and upright and generator.random() < 0.6 else 0.0
    scale = float(generator.uniform(low, high)) * (0.6 if fine else 1.0)
    return Print(pattern, accents, scale, angle, float(generator.uniform(0, 1)))


_UPRIGHT = {"shirt", "trousers", "skirt", "dress", "lamp", "cushion", "tote bag"}
"""Articles whose stripes often run up and down."""
_FINE = {"tie", "socks", "cap", "beanie", "sneakers", "heels"}
"""Small things, printed small."""


def appearance_of(attributes: Mapping[str, str], generator: np.random.Generator) -> Appearance:
    """The appearance that ``attributes`` describe; the dye differs a little from piece to piece."""
    shift = generator.normal(0, 0.012, 3)
    red, green, blue = (float(np.clip(c + d, 0, 1)) for c, d in zip(COLOURS[attributes["colour"]], shift, strict=True))
    colour = (red, green, blue)
    figure = _print(
        attributes["pattern"], colour, generator, attributes["article"] in _UPRIGHT, attributes["article"] in _FINE
    )
    coat = Coat(colour, attributes["material"], figure)
    return Appearance(attributes["article"], attributes["style"], coat, generator)
