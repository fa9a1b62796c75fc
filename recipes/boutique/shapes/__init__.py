"""The drawings: which function draws which article."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from recipes.boutique.catalog import Product
from recipes.boutique.drawing import Appearance, Drawing, DrawnPart, appearance_of, flip
from recipes.boutique.shapes import accessories, bags, bottoms, home, outerwear, shoes, textiles, tops

SHAPES: Mapping[str, Callable[[Appearance], Drawing]] = MappingProxyType(
    {
        "t-shirt": tops.t_shirt,
        "shirt": tops.shirt,
        "jumper": tops.jumper,
        "hoodie": outerwear.hoodie,
        "jacket": outerwear.jacket,
        "dress": bottoms.dress,
        "skirt": bottoms.skirt,
        "trousers": bottoms.trousers,
        "jeans": bottoms.jeans,
        "shorts": bottoms.shorts,
        "sneakers": shoes.sneakers,
        "boots": shoes.boots,
        "heels": shoes.heels,
        "sandals": shoes.sandals,
        "tote bag": bags.tote_bag,
        "backpack": bags.backpack,
        "handbag": bags.handbag,
        "watch": accessories.watch,
        "sunglasses": accessories.sunglasses,
        "belt": accessories.belt,
        "wallet": accessories.wallet,
        "umbrella": accessories.umbrella,
        "cap": textiles.cap,
        "beanie": textiles.beanie,
        "scarf": textiles.scarf,
        "socks": textiles.socks,
        "tie": textiles.tie,
        "mug": home.mug,
        "teapot": home.teapot,
        "vase": home.vase,
        "cushion": home.cushion,
        "lamp": home.lamp,
    }
)


def _flipped(part: DrawnPart) -> DrawnPart:
    return replace(
        part,
        outlines=tuple(flip(outline) for outline in part.outlines),
        holes=tuple(flip(hole) for hole in part.holes),
        seams=tuple(replace(seam, path=flip(seam.path)) for seam in part.seams),
        creases=tuple(replace(crease, path=flip(crease.path)) for crease in part.creases),
        grain=-part.grain,
    )


def draw(product: Product, generator: np.random.Generator) -> Drawing:
    """The drawing of ``product``; ``generator`` decides its cut and which way it faces.

    Raises ``KeyError`` for an article, colour or pattern the boutique does not know.
    """
    drawing = SHAPES[product.attributes["article"]](appearance_of(product.attributes, generator))
    if generator.random() < 0.5:
        drawing = replace(drawing, parts=[_flipped(part) for part in drawing.parts])
    return drawing
