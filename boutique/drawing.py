"""A drawing: the parts of one product, back to front, each an outline with a coat of material."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from boutique.curve import Points, turned
from boutique.palette import RGB


class Form(StrEnum):
    """How a silhouette swells towards the viewer."""

    PUFF = "puff"
    """A cushion: round at the edges, full in the middle."""
    LATHE = "lathe"
    """Turned on a potter's wheel: every row is a circle seen from the side."""
    FLAT = "flat"
    """A sheet with a thin edge."""


class Stance(StrEnum):
    """How the product lies before the camera; decides floor and shadow."""

    LAID = "laid"
    STANDING = "standing"


@dataclass(frozen=True, slots=True)
class Print:
    """A pattern on cloth or glaze: ``scale`` is its period in picture widths, ``angle`` in degrees."""

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
class Part:
    """One piece of a product. ``name`` groups pieces into one box; ``outlines`` are united, ``holes`` cut out.

    ``grain`` turns the print and weave (degrees); ``bulge`` is how far edges roll, in picture widths; ``folds`` is the
    strength of loose cloth's waves and ``drape`` their width and height in picture widths.
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

    parts: Sequence[Part]
    stance: Stance = Stance.LAID
    tilt: float = field(default=0.0)

    def placed(self, *, degrees: float, scale: float, shift: tuple[float, float]) -> Drawing:
        """The drawing turned, scaled and moved within the picture."""

        def move(points: Points) -> Points:
            moved: Points = turned(points * scale, degrees) + np.array(shift)
            return moved

        def place(part: Part) -> Part:
            return replace(
                part,
                outlines=tuple(move(outline) for outline in part.outlines),
                holes=tuple(move(hole) for hole in part.holes),
                seams=tuple(replace(seam, path=move(seam.path)) for seam in part.seams),
                creases=tuple(replace(crease, path=move(crease.path)) for crease in part.creases),
                grain=part.grain + degrees,
            )

        return replace(self, parts=[place(part) for part in self.parts], tilt=self.tilt + degrees)
