"""A look: what the shape functions need to know of a product, and the chance by which two alike differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from boutique.drawing import Coat, Print
from boutique.palette import COLOURS, RGB, blend, darker, lighter, luminance

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
class Look:
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
    """Two print colours that tell themselves apart from ``colour``; flowers get a centre or leaves."""
    light = luminance(colour) > 0.55
    deep = [INK, darker(colour, 0.62), COLOURS["navy blue"], COLOURS["maroon"], COLOURS["grey"]]
    pale = [IVORY, IVORY, lighter(colour, 0.72), COLOURS["beige"]]
    choices = deep if light else pale
    first = choices[int(generator.integers(len(choices)))]
    if pattern == "floral":
        return first, _CORN if luminance(first) < 0.5 else blend(_LEAF, colour, 0.15)
    return first, lighter(first, 0.3) if light else blend(first, (0.9, 0.75, 0.5), 0.3)


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


def look_of(attributes: Mapping[str, str], generator: np.random.Generator) -> Look:
    """The look that ``attributes`` describe; the dye differs a little from piece to piece."""
    shift = generator.normal(0, 0.012, 3)
    red, green, blue = (float(np.clip(c + d, 0, 1)) for c, d in zip(COLOURS[attributes["colour"]], shift, strict=True))
    colour = (red, green, blue)
    figure = _print(
        attributes["pattern"], colour, generator, attributes["article"] in _UPRIGHT, attributes["article"] in _FINE
    )
    coat = Coat(colour, attributes["material"], figure)
    return Look(attributes["article"], attributes["style"], coat, generator)
